//! The gates' numbers as `gates.csv`, one row per gate, arm and phase, for spreadsheets.

use racegate_model::outcome::OutcomeKind;
use racegate_model::summary::{DelaySummary, OutcomeSummary, Summary};

/// The name in column `phase` of the row over all phases.
const ALL: &str = "all";

/// The table.
#[must_use]
pub fn render(summary: &Summary) -> String {
    let mut text = String::from("arm,gate,strategy,phase,recordings,in_flight");
    for outcome in OutcomeKind::ALL {
        let name = outcome.name();
        text.push_str(&format!(
            ",{name},{name}_rate,{name}_rate_low,{name}_rate_high"
        ));
    }
    text.push_str(
        ",exported,added_delay_mean_s,added_delay_p50_s,added_delay_p95_s,added_delay_p99_s,\
         added_delay_max_s,calls_per_recording\n",
    );
    for gate in &summary.gates {
        let start = format!(
            "{},{},{}",
            quoted(&gate.arm),
            quoted(&gate.name),
            quoted(&gate.strategy)
        );
        let whole = (
            ALL,
            &gate.total,
            &gate.added_delay,
            gate.calls_per_recording,
        );
        let in_order = summary
            .phases
            .iter()
            .filter_map(|phase| gate.phases.get_key_value(&phase.name));
        let phases = in_order.map(|(name, slice)| {
            (
                name.as_str(),
                &slice.total,
                &slice.added_delay,
                slice.calls_per_recording,
            )
        });
        for (phase, total, delay, calls) in std::iter::once(whole).chain(phases) {
            text.push_str(&format!("{start},{}", quoted(phase)));
            row(&mut text, total, delay, calls);
        }
    }
    text
}

fn row(text: &mut String, total: &OutcomeSummary, delay: &DelaySummary, calls: f64) {
    text.push_str(&format!(
        ",{},{}",
        total.recordings, total.outcomes.in_flight
    ));
    for outcome in OutcomeKind::ALL {
        let rate = total.rate(outcome);
        let count = total.outcomes.of(outcome);
        text.push_str(&format!(
            ",{count},{},{},{}",
            rate.estimate, rate.low, rate.high
        ));
    }
    let DelaySummary {
        count,
        mean_s,
        p50_s,
        p95_s,
        p99_s,
        max_s,
        ..
    } = delay;
    text.push_str(&format!(
        ",{count},{mean_s},{p50_s},{p95_s},{p99_s},{max_s},{calls}\n"
    ));
}

/// A field as RFC 4180 wants it; a sign that a spreadsheet would compute is disarmed.
fn quoted(field: &str) -> String {
    let field = if field.starts_with(['=', '+', '-', '@']) {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}
