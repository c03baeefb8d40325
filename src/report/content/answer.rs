//! The answer in a paragraph: what was asked, what came out, which gate to take. One function for
//! every format, from the summary alone.

use racegate_model::outcome::OutcomeKind;
use racegate_model::scenario::BASE_ARM;
use racegate_model::stats::Interval;
use racegate_model::summary::{GateSummary, OutcomeSummary, Summary, Verdict};

use super::super::human;

/// Findings that are told, at most; the tables have the rest.
const FINDINGS_MAX: usize = 4;
/// A gate of whose calls so many are refused is a measurement of the rate limit.
const THROTTLED_MOST: f64 = 0.5;
/// A loss below which a gate is recommended without a reservation.
const LOSS_SMALL: f64 = 0.01;

/// What an outcome means for a recording, after "of recordings".
const fn fate(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Complete => "exported complete",
        OutcomeKind::Incomplete => "exported incomplete",
        OutcomeKind::Inconsistent => "exported with a false value",
        OutcomeKind::Rejected => "rejected by the strict export",
        OutcomeKind::Skipped => "skipped by the job's query",
        OutcomeKind::Abandoned => "never exported, because the gate gave up",
        OutcomeKind::Errored => "lost to an error that trying again does not mend",
    }
}

/// The answer, a sentence an element.
pub(super) fn sentences(summary: &Summary) -> Vec<String> {
    let gates: Vec<&GateSummary> = base_gates(summary);
    let mut said = vec![asked(summary, &gates)];
    said.extend(verdict(summary));
    said.extend(throttled(&gates));
    // What cannot be trusted recommends nothing.
    let recommended = recommended(&gates).filter(|_| summary.valid);
    said.extend(findings(&gates, recommended));
    said.extend(recommended.map(|gate| recommendation(gate, &gates)));
    said
}

/// The gates of the base arm that have something to show; of all arms where there is no base.
fn base_gates(summary: &Summary) -> Vec<&GateSummary> {
    let settled = |gate: &&GateSummary| settled(&gate.total) > 0;
    let base: Vec<_> = summary
        .gates
        .iter()
        .filter(|gate| gate.arm == BASE_ARM)
        .filter(settled)
        .collect();
    if base.is_empty() {
        summary.gates.iter().filter(settled).collect()
    } else {
        base
    }
}

const fn settled(total: &OutcomeSummary) -> u64 {
    total.recordings.saturating_sub(total.outcomes.in_flight)
}

fn asked(summary: &Summary, gates: &[&GateSummary]) -> String {
    let recordings = human::counted(summary.recordings, "recording");
    let what = match gates {
        [] => "no gate settled one".to_owned(),
        [only] => format!(
            "how many does {} export complete, and at what price?",
            only.name
        ),
        _ => "which gate exports them complete, and at what price?".to_owned(),
    };
    format!("Asked: of {recordings}, {what}")
}

/// What came of the expectations.
fn verdict(summary: &Summary) -> Option<String> {
    if !summary.valid {
        return Some("The run is invalid: none of its numbers can be trusted.".to_owned());
    }
    let judged = || {
        let all = summary.expect.iter();
        all.filter(|result| result.verdict != Verdict::NotRun)
    };
    let count = |verdict| judged().filter(|result| result.verdict == verdict).count();
    let all = judged().count();
    let parts: Vec<String> = [
        (Verdict::Fail, "failed"),
        (Verdict::NoSamples, "had no samples"),
        (Verdict::Inconclusive, "undecided"),
    ]
    .into_iter()
    .map(|(verdict, word)| (count(verdict), word))
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    match (all, parts.is_empty()) {
        (0, _) => None,
        (1, true) => Some("The expectation was met.".to_owned()),
        (_, true) => Some(format!("All {all} expectations were met.")),
        (_, false) => Some(format!("Of {all} expectations {}.", parts.join(", "))),
    }
}

/// The rate limit, where it is what was measured.
fn throttled(gates: &[&GateSummary]) -> Option<String> {
    let worst = gates
        .iter()
        .max_by(|a, b| a.throttled_rate.total_cmp(&b.throttled_rate))?;
    (worst.throttled_rate >= THROTTLED_MOST).then(|| {
        format!(
            "{} of the calls of {} got 429: `platform.api.rate_limit` decides here (the real API's \
             default is 300/min).",
            human::percent(worst.throttled_rate),
            worst.name
        )
    })
}

/// What each gate lost and why, the worst first.
fn findings(gates: &[&GateSummary], recommended: Option<&GateSummary>) -> Vec<String> {
    let mut others: Vec<&&GateSummary> = gates
        .iter()
        .filter(|gate| recommended.is_none_or(|best| best.name != gate.name))
        .collect();
    others.sort_by(|a, b| loss(b).total_cmp(&loss(a)));
    let mut told: Vec<String> = others
        .iter()
        .take(FINDINGS_MAX)
        .map(|gate| finding(gate))
        .collect();
    match others.len().saturating_sub(FINDINGS_MAX) {
        0 => {}
        1 => told.push("One more gate is in the tables.".to_owned()),
        more => told.push(format!("{more} more gates are in the tables.")),
    }
    told
}

fn loss(gate: &GateSummary) -> f64 {
    1.0 - gate.total.complete_rate.estimate
}

fn finding(gate: &GateSummary) -> String {
    let lost: Vec<String> = OutcomeKind::ALL
        .into_iter()
        .filter(|outcome| *outcome != OutcomeKind::Complete)
        .filter(|outcome| gate.total.rate(*outcome).estimate > 0.0)
        .map(|outcome| {
            let share = share(gate.total.rate(outcome));
            format!("{share} {}", fate(outcome))
        })
        .collect();
    if lost.is_empty() {
        return format!("{}: all exported complete, {}.", gate.name, price(gate));
    }
    format!("{}: {}{}.", gate.name, lost.join(", "), why(gate))
}

/// A share with its interval.
fn share(rate: Interval) -> String {
    let estimate = human::percent(rate.estimate);
    format!("{estimate} {}", human::percent_interval(rate))
}

/// What held most of what was lost.
fn why(gate: &GateSummary) -> String {
    let all: u64 = gate.causes.values().sum();
    let Some((cause, count)) = gate.causes.iter().max_by_key(|(_, count)| **count) else {
        return String::new();
    };
    let cause = cause.replace('_', " ");
    if *count == all {
        format!(" (cause: {cause})")
    } else {
        let share = human::percent(*count as f64 / all as f64);
        format!(" (cause of {share}: {cause})")
    }
}

/// What a gate costs.
fn price(gate: &GateSummary) -> String {
    let delay = human::seconds(gate.added_delay.p50_s);
    if gate.calls_per_recording > 0.0 {
        let calls = human::number(gate.calls_per_recording);
        format!("at a median of {delay} and {calls} calls a recording")
    } else {
        format!("at a median of {delay} without a call")
    }
}

/// The gate to take: of those whose loss cannot be told from the least, the one that delays least.
fn recommended<'a>(gates: &[&'a GateSummary]) -> Option<&'a GateSummary> {
    let best = gates
        .iter()
        .max_by(|a, b| {
            let rate = |gate: &GateSummary| gate.total.complete_rate.estimate;
            rate(a).total_cmp(&rate(b))
        })?
        .total
        .complete_rate;
    gates
        .iter()
        .filter(|gate| gate.total.complete_rate.estimate >= best.low.min(best.estimate))
        .min_by(|a, b| a.added_delay.mean_s.total_cmp(&b.added_delay.mean_s))
        .copied()
}

fn recommendation(gate: &GateSummary, gates: &[&GateSummary]) -> String {
    let name = &gate.name;
    let complete = share(gate.total.complete_rate.interval());
    let reason = if gates.len() == 1 {
        ""
    } else {
        ": no other gate here loses less, and none that loses as little delays less"
    };
    if loss(gate) <= LOSS_SMALL {
        return format!(
            "Take {name}{reason}. It exports {complete} complete, {}.",
            price(gate)
        );
    }
    format!(
        "No gate here exports nearly everything complete. {name} loses least: {complete} complete, \
         {}{}.",
        price(gate),
        why(gate)
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    #[test]
    fn the_answer_begins_with_the_question_and_ends_with_a_gate() {
        let said = sentences(&sample::summary());
        assert!(said[0].starts_with("Asked: of "), "{said:?}");
        let last = said.last().expect("something is said");
        assert!(
            last.starts_with("Take ") || last.starts_with("No gate "),
            "{said:?}"
        );
    }

    #[test]
    fn refused_calls_are_told_before_the_gates() {
        let mut summary = sample::summary();
        summary.gates[0].throttled_rate = 0.85;
        let said = sentences(&summary);
        let at = said.iter().position(|one| one.contains("429"));
        let first = said.iter().position(|one| one.contains("exported"));
        assert!(
            at.expect("it is told") < first.expect("gates are told"),
            "{said:?}"
        );
    }

    #[test]
    fn an_invalid_run_is_said_to_be_so_before_any_number() {
        let mut summary = sample::summary();
        summary.valid = false;
        assert!(sentences(&summary)[1].contains("invalid"));
    }

    #[test]
    fn a_run_without_a_settled_recording_recommends_nothing() {
        let mut summary = sample::summary();
        summary.gates.clear();
        let said = sentences(&summary);
        assert!(!said.iter().any(|one| one.contains("Take ")), "{said:?}");
    }
}
