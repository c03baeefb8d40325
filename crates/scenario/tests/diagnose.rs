//! What a scenario was built on is what its diagnosis names first.

use racegate_model::diagnose::{Counterfactual, diagnose};
use racegate_scenario::{Source, parse};

/// Scenario, gate, the cause that it was built on.
const BUILT_ON: [(&str, &str, Counterfactual); 9] = [
    ("webrtc-spike", "ungated", Counterfactual::NoQueues),
    ("webrtc-spike", "forum", Counterfactual::NoQueues),
    ("c04-index-lag", "checks-get", Counterfactual::CurrentIndex),
    (
        "c10-webhook",
        "trust-ready",
        Counterfactual::GoodNotifications,
    ),
    (
        "c11-hold-set-late",
        "full-jitter",
        Counterfactual::HoldsInTime,
    ),
    ("c12-update-limit", "ungated", Counterfactual::NoUpdateLimit),
    (
        "c16-minimal-schema",
        "full-jitter",
        Counterfactual::FullSchema,
    ),
    ("c23-failover", "ungated", Counterfactual::NoOutages),
    (
        "c24-misclassified",
        "full-jitter",
        Counterfactual::RightKind,
    ),
];

#[test]
fn the_cause_that_a_scenario_was_built_on_explains_most() {
    for (name, gate, cause) in BUILT_ON {
        let path = format!("{}/../../scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("a scenario that is there");
        let scenario = parse(&Source::new(name, text), &[]).expect("a right scenario");
        let found = diagnose(&scenario, 3);
        let found = found.iter().find(|one| one.gate == gate);
        let found = found.unwrap_or_else(|| panic!("{name} has no gate {gate}"));
        assert!(found.failing.estimate > 0.0, "{name}/{gate}: nothing fails");
        let first = &found.explained.first().expect("something explains it");
        assert_eq!(
            first.removed,
            [cause],
            "{name}/{gate}: {:?}",
            found.explained
        );
        assert!(first.share.low > 0.5, "{name}/{gate}: {first:?}");
    }
}

#[test]
fn a_gate_that_fails_by_itself_is_not_explained_by_the_platform() {
    let text = "name = 'slow'\n[workload]\nrate = '5/s'\nduration = '10s'\ncall_duration = '1s'\n\
        executor = 'constant-arrival-rate'\n[platform.metadata]\nlag = '2s'\n\
        [platform.export]\nslots = 'unlimited'\n[[gate]]\nname = 'none'\nstrategy = 'none'\n\
        [[gate]]\nname = 'late'\nstrategy = 'fixed-delay'\ndelay = '5s'\n";
    let scenario = parse(&Source::new("slow.toml", text), &[]).expect("a right scenario");
    let found = diagnose(&scenario, 2);
    assert_eq!(found[0].explained[0].removed, [Counterfactual::NoFieldLag]);
    assert!(
        (found[0].gates[0].share.estimate - 1.0).abs() < 1e-12,
        "{found:?}"
    );
    assert!(found[1].explained.is_empty() && found[1].failing.high <= 0.0);
}
