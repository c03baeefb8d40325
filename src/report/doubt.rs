//! Doubt as data: every reason not to trust a number of a run, each with a way out.

use std::collections::BTreeMap;

use racegate_model::summary::{GeneratorSummary, OutcomeSummary, SCHEMA, Summary, Verdict};

use super::document::{Doubt, Severity};
use super::human;

/// A rate of fewer recordings than this has an interval at least a tenth wide near zero.
const FEW: u64 = 30;
/// The 0.99 quantile of fewer values than this is their maximum.
const FEW_FOR_P99: u64 = 100;
/// Packets later than this are heard; the default of `limits.send_lateness`.
const LATE_S: f64 = 0.05;

/// Every doubt of a run, the gravest first.
pub(super) fn doubts(summary: &Summary) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    trust(summary, &mut doubts);
    in_flight(summary, &mut doubts);
    few_samples(summary, &mut doubts);
    never_served(summary, &mut doubts);
    expectations(summary, &mut doubts);
    if let Some(generator) = &summary.generator {
        generator_health(generator, summary, &mut doubts);
    }
    if let Some(conformance) = summary
        .conformance
        .as_ref()
        .filter(|one| one.unexplained.saturating_mul(1000) > one.pairs)
    {
        doubts.push(caution(
            format!(
                "the engines disagree on {} that neither lateness nor another job explains",
                human::counted(conformance.unexplained, "outcome")
            ),
            "run it again on an idle machine; what remains unexplained is a fault of one engine: report it with the run's folder",
        ));
    }
    doubts
}

fn caution(reason: impl Into<String>, way_out: impl Into<String>) -> Doubt {
    Doubt {
        severity: Severity::Caution,
        reason: reason.into(),
        way_out: way_out.into(),
    }
}

/// What concerns the run as a whole.
fn trust(summary: &Summary, doubts: &mut Vec<Doubt>) {
    let again = format!("run it again with `--seed {}`", summary.seed);
    for reason in &summary.invalid_reasons {
        let way_out = if summary.engine == "live" {
            format!(
                "give the generator room (fewer calls, lower fidelity, more cores), then {again}"
            )
        } else {
            format!(
                "this is a fault of racegate: please report it with the scenario; {again} to see it"
            )
        };
        doubts.push(Doubt {
            severity: Severity::Invalid,
            reason: reason.clone(),
            way_out,
        });
    }
    if !summary.valid && summary.invalid_reasons.is_empty() {
        doubts.push(Doubt {
            severity: Severity::Invalid,
            reason: "the run is invalid and does not say why".to_owned(),
            way_out: format!("look at the log, then {again}"),
        });
    }
    if summary.interrupted {
        doubts.push(caution(
            format!(
                "the run was cut short after {}: only what had settled by then is counted",
                human::seconds(summary.duration_s)
            ),
            format!("let it end; {again} to meet the same calls"),
        ));
    }
    if summary.schema > SCHEMA {
        doubts.push(caution(
            format!(
                "the summary has schema {}, this program knows {SCHEMA}",
                summary.schema
            ),
            "use the version of racegate that wrote it, named above",
        ));
    }
    if summary.recordings == 0 {
        doubts.push(caution(
            "no recording was counted",
            "check the stages of the scenario: `racegate check` prints what it would start",
        ));
    }
    if summary.not_established > 0 {
        doubts.push(caution(
            format!(
                "{} never came up and {} counted nowhere else",
                human::counted(summary.not_established, "session"),
                if summary.not_established == 1 {
                    "is"
                } else {
                    "are"
                },
            ),
            "a fault of the generator, not of the platform: lower the rate or the fidelity",
        ));
    }
}

fn in_flight(summary: &Summary, doubts: &mut Vec<Doubt>) {
    let tenants: Vec<String> = summary
        .gates
        .iter()
        .filter(|gate| gate.total.outcomes.in_flight > 0)
        .map(|gate| {
            format!(
                "{} ({}) {}",
                gate.name,
                gate.arm,
                human::count(gate.total.outcomes.in_flight)
            )
        })
        .collect();
    if !tenants.is_empty() {
        doubts.push(caution(
            format!(
                "recordings still in flight at the end, which no rate counts: {}",
                tenants.join(", ")
            ),
            "raise `limits.drain`, or give the gate a deadline",
        ));
    }
}

/// Phases in which some gate settled few recordings.
fn few_samples(summary: &Summary, doubts: &mut Vec<Doubt>) {
    let settled =
        |total: &OutcomeSummary| total.recordings.saturating_sub(total.outcomes.in_flight);
    let mut fewest: BTreeMap<&str, u64> = BTreeMap::new();
    for gate in &summary.gates {
        for (phase, slice) in &gate.phases {
            let settled = settled(&slice.total);
            let least = fewest.entry(phase).or_insert(settled);
            *least = settled.min(*least);
        }
    }
    let phases: Vec<String> = fewest
        .iter()
        .filter(|(_, settled)| **settled < FEW)
        .map(|(phase, settled)| format!("{phase} ({})", human::count(*settled)))
        .collect();
    if !phases.is_empty() {
        doubts.push(caution(
            format!(
                "few recordings, so the intervals are wide: {}",
                phases.join(", ")
            ),
            more_recordings(summary),
        ));
    }
    let total = |count: u64| count > 0 && count < FEW_FOR_P99;
    if summary
        .gates
        .iter()
        .any(|gate| total(gate.added_delay.count))
    {
        doubts.push(caution(
            format!("with fewer than {FEW_FOR_P99} exports a p99 is the maximum"),
            more_recordings(summary),
        ));
    }
}

fn more_recordings(summary: &Summary) -> String {
    let longer = "lengthen the phase or raise its rate";
    if summary.engine == "sim" {
        let replications = summary.replications.max(5).saturating_mul(4);
        format!("{longer}, or use `--replications {replications}`")
    } else {
        longer.to_owned()
    }
}

/// A mean wait leaves out those that wait for ever.
fn never_served(summary: &Summary, doubts: &mut Vec<Doubt>) {
    let stages = summary.platform.iter().flat_map(|row| &row.stages);
    for stage in stages.filter(|stage| stage.unserved > 0) {
        doubts.push(caution(
            format!(
                "{} never reached a worker of stage {}: its mean wait is of those that did",
                human::counted(stage.unserved, "recording"),
                stage.name
            ),
            "read the share that waited, which counts them; more workers or a longer `limits.drain`",
        ));
    }
}

fn expectations(summary: &Summary, doubts: &mut Vec<Doubt>) {
    let of = |verdict| {
        summary
            .expect
            .iter()
            .filter(|one| one.verdict == verdict)
            .count() as u64
    };
    let inconclusive = of(Verdict::Inconclusive);
    if inconclusive > 0 {
        doubts.push(caution(
            format!(
                "{} cannot be decided: the interval covers the limit",
                human::counted(inconclusive, "expectation")
            ),
            format!(
                "four times the runs halve an interval: {}",
                more_recordings(summary)
            ),
        ));
    }
    let without = of(Verdict::NoSamples);
    if without > 0 {
        doubts.push(caution(
            format!(
                "{} met no recording",
                human::counted(without, "expectation")
            ),
            "check its labels against the tables above",
        ));
    }
    let not_run = of(Verdict::NotRun);
    if not_run > 0 {
        doubts.push(caution(
            format!(
                "{} asked about an arm or gate that was not run",
                human::counted(not_run, "expectation")
            ),
            "run it too: `--arms all`, or without `--gate`",
        ));
    }
}

fn generator_health(generator: &GeneratorSummary, summary: &Summary, doubts: &mut Vec<Doubt>) {
    let mut push = |count: u64, what: &str, way_out: &str| {
        if count > 0 {
            doubts.push(caution(format!("{} {what}", human::count(count)), way_out));
        }
    };
    push(
        generator.dropped,
        "arrivals could not be started within a second of their time",
        "lower the rate or the fidelity: what arrived is not what was configured",
    );
    push(
        generator.socket_drops,
        "datagrams were dropped by the kernel for want of buffer",
        "raise `net.core.rmem_max`, or use fewer sessions per socket",
    );
    push(
        generator.digest_mismatches,
        "stored recordings differ from the audio that was sent",
        "look for packet loss above; without any, this is a fault of racegate",
    );
    if generator.send_lateness_p99_s > LATE_S {
        doubts.push(caution(
            format!(
                "packets left late: p99 {}",
                human::seconds(generator.send_lateness_p99_s)
            ),
            format!(
                "use fewer sessions or more cores, then run again with `--seed {}`",
                summary.seed
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_doubt_says_what_to_do() {
        let mut summary = sample::summary();
        summary.valid = false;
        summary.invalid_reasons = vec!["outcomes do not add up".to_owned()];
        summary.interrupted = true;
        summary.not_established = 1;
        summary.gates[0].total.outcomes.in_flight = 3;
        let doubts = doubts(&summary);
        assert_eq!(doubts[0].severity, Severity::Invalid);
        assert_eq!(doubts[0].reason, "outcomes do not add up");
        assert!(doubts.iter().all(|doubt| !doubt.way_out.is_empty()));
        assert!(
            doubts
                .iter()
                .any(|doubt| doubt.reason.contains("ungated (base) 3"))
        );
    }

    #[test]
    fn a_gate_with_few_recordings_in_a_phase_is_named_with_its_number() {
        let mut summary = sample::summary();
        let outcomes = racegate_model::summary::OutcomeCounts {
            complete: 12,
            ..Default::default()
        };
        let slice = summary.gates[1].phases.get_mut("after").unwrap();
        slice.total = sample::outcome_summary(outcomes);
        let doubts = doubts(&summary);
        assert!(
            doubts
                .iter()
                .any(|doubt| doubt.reason.contains("after (12)"))
        );
    }
}
