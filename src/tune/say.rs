//! The answer: a sentence and what stands behind it, JSON, and a `[[gate]]` table.

use std::fmt::Write as _;

use racegate_model::scenario::{ExportRequest, ReadPath};
use racegate_model::schedule::{Cost, FamilyFit};
use serde_json::{Value, json};

use super::lags::Lags;
use super::race::{Raced, gate};
use super::search::Found;
use super::snippets::snippets;

/// Checks that are listed; more are counted.
const LISTED: usize = 12;

/// The gate as a table that `run` takes.
#[must_use]
pub fn gate_table(name: &str, fit: &FamilyFit, reads: ReadPath) -> String {
    racegate_scenario::write_gate(&gate(name, fit, reads, ExportRequest::default()))
}

/// The answer for a person.
#[must_use]
pub fn text(lags: &Lags, found: &Found, raced: &[Raced]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    line(sentence(found));
    line(String::new());
    line(format!(
        "  from        {} ({} recordings)",
        lags.source, lags.recordings
    ));
    line(format!("  certified   {}", certified(found)));
    for (name, value, low, high) in &found.slack {
        let values = format!("{value:.3}, from {low:.3} to {high:.3} within 1 % of the cost");
        line(format!("  {name:<12}{values}"));
    }
    line(format!("  checks at   {}", checks(&found.checks)));
    line(format!("  limit       {}", limit(found)));
    line(format!("  forum       {}", forum(found)));
    if let (Some(delay), calls) = found.one_more() {
        let calls = calls.map_or_else(String::new, |calls| {
            format!("; one second of delay more saves {calls:.2} calls")
        });
        line(format!(
            "  one more    call per recording saves {delay:.2} s of delay{calls}"
        ));
    }
    if let Some(regret) = found.regret {
        line(format!(
            "  robust      at most {regret:.3} x the best of each lag that is possible too"
        ));
    }
    for one in raced.iter().take(1) {
        line(format!("  simulated   {}", simulated(one)));
    }
    if lags.reads == ReadPath::Index {
        line("  reads       the search index, as the export does: it lags behind GET".to_owned());
    }
    for broken in &found.broken {
        line(format!("  BROKEN      {broken}"));
    }
    line(String::new());
    line(gate_table("tuned", &found.chosen, lags.reads));
    text
}

/// What to do, what it costs and what is certain, in one sentence.
#[must_use]
pub(super) fn sentence(found: &Found) -> String {
    let (family, cost) = (found.chosen.family, found.chosen.cost);
    format!(
        "Wait {:.2} s, then check every {:.2} s, each gap x {:.3} up to {:.2} s, at most {} checks: \
         {:.2} calls per recording and {:.2} s of delay after it is ready, {:.2} x the limit; {}.",
        family.first,
        family.gap,
        family.multiplier,
        family.cap,
        found.chosen.attempts,
        cost.calls,
        cost.delay_when_found(),
        found.times_limit.0,
        certified(found),
    )
}

fn certified(found: &Found) -> String {
    let certificate = found.certificate;
    let shown = format!(
        "at most {:.3} % are never found (95 %, {} of {} recordings that the search did not see)",
        100.0 * certificate.upper,
        certificate.missed,
        certificate.recordings
    );
    if certificate.holds(found.bound) {
        return shown;
    }
    match super::certify::needed(found.bound) {
        Some(needed) => format!(
            "{shown}; {:.3} % takes {needed} such recordings without a miss",
            100.0 * found.bound
        ),
        None => shown,
    }
}

fn checks(checks: &[f64]) -> String {
    let listed = checks
        .iter()
        .take(LISTED)
        .map(|check| format!("{check:.2}"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    match (checks.len().checked_sub(LISTED), checks.last()) {
        (Some(rest), Some(last)) if rest > 0 => format!("{listed} … {last:.1} s ({rest} more)"),
        _ => format!("{listed} s"),
    }
}

fn limit(found: &Found) -> String {
    let cost = found.optimum.cost;
    format!(
        "no schedule at all does better than {:.2} calls and {:.2} s at this price ({} s per call)",
        cost.calls,
        cost.delay,
        found.chosen.price.seconds()
    )
}

fn forum(found: &Found) -> String {
    let cost = found.forum;
    format!(
        "2**attempt makes {:.2} calls and {:.2} s of delay, and drops {:.1} %; going on it would cost \
         {:.2} x the limit",
        cost.calls,
        cost.delay_when_found(),
        100.0 * cost.abandoned,
        found.times_limit.1,
    )
}

fn simulated(raced: &Raced) -> String {
    let summary = &raced.summary;
    format!(
        "{:.2} calls, {:.2} s of regret, {:.3} % abandoned, {:.3} % incomplete, {} throttled in {} \
         recordings, {} repetitions",
        summary.calls_per_recording,
        summary.regret.mean_s,
        100.0 * summary.total.abandoned_rate.estimate,
        100.0 * summary.total.incomplete_rate.estimate,
        summary.throttled,
        summary.total.recordings,
        raced.repetitions,
    )
}

/// The answer for a program.
#[must_use]
pub fn json(lags: &Lags, found: &Found, raced: &[Raced]) -> Value {
    let snippets = snippets(&found.chosen).into_iter().map(
        |snippet| json!({ "title": snippet.title, "file": snippet.file, "code": snippet.code }),
    );
    json!({
        "schema": 1,
        "sentence": sentence(found),
        "source": lags.source,
        "recordings": lags.recordings,
        "gate": {
            "initial_delay_s": found.chosen.family.first,
            "base_s": found.chosen.family.gap,
            "multiplier": found.chosen.family.multiplier,
            "cap_s": found.chosen.family.cap,
            "max_attempts": found.chosen.attempts,
            "toml": gate_table("tuned", &found.chosen, lags.reads),
        },
        "price_s_per_call": found.chosen.price.seconds(),
        "cost": cost_json(&found.chosen.cost),
        "times_the_limit": found.times_limit.0,
        "checks_s": found.checks,
        "limit": { "cost": cost_json(&found.optimum.cost), "checks_s": found.optimum.checks },
        "forum": { "cost": cost_json(&found.forum), "times_the_limit": found.times_limit.1 },
        "certified": {
            "missed": found.certificate.missed,
            "recordings": found.certificate.recordings,
            "upper": found.certificate.upper,
            "bound": found.bound,
            "holds": found.certificate.holds(found.bound),
            "needed": super::certify::needed(found.bound),
        },
        "broken": found.broken,
        "worst_ratio": found.regret,
        "within_one_per_cent": found.slack.iter().map(|(name, value, low, high)| json!({
            "parameter": name, "value": value, "low": low, "high": high,
        })).collect::<Vec<_>>(),
        "front": found.front.iter().map(|fit| json!({
            "price_s_per_call": fit.price.seconds(),
            "initial_delay_s": fit.family.first,
            "base_s": fit.family.gap,
            "multiplier": fit.family.multiplier,
            "cap_s": fit.family.cap,
            "max_attempts": fit.attempts,
            "cost": cost_json(&fit.cost),
        })).collect::<Vec<_>>(),
        "limit_line": found.limit.iter().map(|(price, cost)| json!({
            "price_s_per_call": price.seconds(), "cost": cost_json(cost),
        })).collect::<Vec<_>>(),
        "simulated": raced.first().map(simulated_json),
        "evaluations": found.evaluations,
        "snippets": snippets.collect::<Vec<_>>(),
    })
}

fn cost_json(cost: &Cost) -> Value {
    json!({
        "calls_per_recording": cost.calls,
        "regret_mean_s": cost.delay_when_found(),
        "added_delay_mean_s": cost.elapsed / (1.0 - cost.abandoned).max(1e-12),
        "abandoned_rate": cost.abandoned,
    })
}

/// A candidate's numbers by the simulator.
fn simulated_json(raced: &Raced) -> Value {
    let summary = &raced.summary;
    json!({
        "calls_per_recording": summary.calls_per_recording,
        "regret_mean_s": summary.regret.mean_s,
        "abandoned_rate": summary.total.abandoned_rate.estimate,
        "incomplete_rate": summary.total.incomplete_rate.estimate,
        "throttled": summary.throttled,
        "recordings": summary.total.recordings,
        "repetitions": raced.repetitions,
    })
}
