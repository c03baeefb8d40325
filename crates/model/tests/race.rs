//! The race itself, and what must hold whatever the numbers are.

mod support;

use racegate_model::outcome::OutcomeKind;
use support::{run, spike};

#[test]
fn a_throughput_spike_makes_the_race_and_outlives_it() {
    let collected = run(&spike(42));
    let ungated = |from, to| collected.rate(0, OutcomeKind::Incomplete, from, to);
    assert!(ungated(2, 22) < 0.05, "before: {}", ungated(2, 22));
    assert!(ungated(22, 37) > 0.4, "spike: {}", ungated(22, 37));
    assert!(ungated(37, 77) > 0.7, "drain: {}", ungated(37, 77));
    assert!(ungated(77, 1000) < 0.05, "after: {}", ungated(77, 1000));
    let enough = collected.rate(6, OutcomeKind::Incomplete, 2, 1000);
    assert!(enough < 0.03, "with enough workers: {enough}");
    let forum = collected.rate(2, OutcomeKind::Abandoned, 37, 77);
    assert!(forum > 0.1, "the forum's gate abandons: {forum}");
    let jitter = collected.rate(3, OutcomeKind::Incomplete, 2, 1000);
    assert!(jitter < 0.01, "full jitter: {jitter}");
}

#[test]
fn every_ended_session_settles_exactly_once_under_every_gate() {
    let collected = run(&spike(7));
    assert_eq!(collected.settled_twice, 0);
    for tenant in 0..12 {
        let settled = collected
            .settled
            .keys()
            .filter(|(owner, _)| owner.0 == tenant)
            .count();
        let ended = collected.ended[(tenant / 6) as usize];
        assert_eq!(settled as u64, ended, "tenant {tenant}");
    }
}

#[test]
fn checking_what_the_export_reads_never_exports_incomplete() {
    for seed in 0..5 {
        let collected = run(&spike(seed));
        assert_eq!(
            collected
                .rate(5, OutcomeKind::Incomplete, 0, 1000)
                .to_bits(),
            0
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_seed_another() {
    assert_eq!(run(&spike(42)).hash, run(&spike(42)).hash);
    assert_ne!(run(&spike(42)).hash, run(&spike(43)).hash);
}
