//! `incomplete_rate{gate=x} < 1e-4 at 95%`: a claim that a run goes on until it is decided.

use racegate_model::scenario::{Comparison, Expectation, Metric, Scenario};

use super::metric::{Unit, unit};
use super::{Part, World, expectation};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::document::{Entry, Node, Value};
use crate::reader::{Context, Readable};
use crate::source::{Source, Span};
use crate::units;

/// How sure a claim must be that does not say so.
const CERTAINTY: f64 = 0.95;
/// The longest claim, in bytes.
const BYTES_MAX: usize = 1_000;
/// How a claim is written.
const FORM: &str = "write METRIC{LABELS} < BOUND at LEVEL, as in \
                    \"incomplete_rate{gate=forum} < 1e-4 at 95%\"";

/// Reads a claim about `scenario`, given by the flag `flag`.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn claim(flag: &str, text: &str, scenario: &Scenario) -> Result<Expectation, Diagnostics> {
    let shown = if text.len() > BYTES_MAX { "" } else { text };
    let sources = [Source::new(flag, shown)];
    let refuse = |_: &str| Err("a claim names no file".to_owned());
    let context = Context::new(&sources, &refuse, Readable::Whole);
    let read = read(&context, text, scenario);
    let found = context.into_found();
    match read {
        Some(claim) if found.list.is_empty() => Ok(claim),
        _ => Err(Diagnostics::new(
            sources.to_vec(),
            found.list,
            found.dropped,
        )),
    }
}

fn read(context: &Context<'_>, text: &str, scenario: &Scenario) -> Option<Expectation> {
    let place = |part: Part<'_>| Span::new(0, part.at, part.at + part.text.len());
    let wrong = |part: Part<'_>, message: String, help: &str| {
        context.report(Diagnostic::new(place(part), message).help(help));
    };
    let whole = Part { text, at: 0 };
    if text.len() > BYTES_MAX {
        let empty = Part { text: "", at: 0 };
        wrong(empty, format!("the claim has {} bytes", text.len()), FORM);
        return None;
    }
    let Some(at) = operator(text).filter(|at| !text[..*at].trim().is_empty()) else {
        wrong(whole.trim(), format!("`{text}` claims nothing"), FORM);
        return None;
    };
    let (series, condition) = (whole.slice(0, at).trim(), whole.slice(at, text.len()));
    let (condition, level) = match condition.text.rfind(" at ") {
        Some(end) => (
            condition.slice(0, end).trim(),
            Some(condition.slice(end + 4, condition.text.len()).trim()),
        ),
        None => (condition.trim(), None),
    };
    let certainty = match level {
        None => Some(CERTAINTY),
        Some(level) => certainty(level.text)
            .map_err(|reason| wrong(level, reason, "write `at 95%`: above 50 %, below 100 %"))
            .ok(),
    };
    let entry = Entry {
        key: series.text.to_owned(),
        key_span: place(series),
        node: Node {
            span: place(condition),
            value: Value::String(condition.text.to_owned()),
        },
    };
    let world = World {
        arms: &scenario.arms,
        workload: &scenario.workload,
    };
    let line = expectation(context, &entry, &world)?;
    if let Err((message, help)) = decidable(&line) {
        wrong(condition, message, help);
        return None;
    }
    let suffix = if level.is_none() { " at 95%" } else { "" };
    Some(Expectation {
        expression: format!("{}{suffix}", text.trim()),
        certainty: Some(certainty?),
        ..line
    })
}

/// Where the operator begins: outside braces.
fn operator(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, letter)| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0 && matches!(letter, '<' | '>' | '=')).then_some(at)
    })
}

fn certainty(text: &str) -> Result<f64, String> {
    let level = match units::finite_number(text) {
        Some(share) => share,
        None => units::percentage(text).map_err(|error| format!("the level {}", error.reason))?,
    };
    if level > 0.5 && level < 1.0 {
        Ok(level)
    } else {
        Err(format!("the level `{text}` is out of range"))
    }
}

/// Whether further runs can decide the claim at all.
fn decidable(line: &Expectation) -> Result<(), (String, &'static str)> {
    let metric = line.series.metric;
    if matches!(metric, Metric::Recordings | Metric::NotEstablished) {
        return Err((
            format!("`{metric}` is an exact count of one run, which no further run makes surer"),
            "expect it in [expect], or claim a rate",
        ));
    }
    let Some(condition) = line.conditions.first() else {
        return Ok(());
    };
    if condition.comparison == Comparison::Equal {
        return Err((
            "no number of runs shows that a mean is exactly something".to_owned(),
            "claim `<` or `>`, or both with two --until",
        ));
    }
    let least = if line.minus.is_some() { -1.0 } else { 0.0 };
    if unit(metric) == Unit::Share && (condition.bound <= least || condition.bound >= 1.0) {
        return Err((
            format!("a rate of {} is never shown by runs", condition.bound),
            "write a bound between 0 and 1, as in `< 1e-4` or `> 0.1%`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Color, parse};

    fn scenario() -> Scenario {
        let text = "name = \"t\"\n[workload]\nexecutor = \"constant-arrival-rate\"\n\
                    rate = \"1/s\"\nduration = \"10s\"\ncall_duration = \"1s\"\n\
                    [[gate]]\nname = \"x\"\nstrategy = \"none\"\n";
        parse(&Source::new("t.toml", text), &[])
            .unwrap_or_else(|mistakes| panic!("{}", mistakes.render(Color::Never)))
    }

    #[test]
    fn a_claim_is_an_expectation_with_a_certainty() {
        let scenario = scenario();
        let read = |text| claim("--until", text, &scenario).expect(text);
        let rate = read("incomplete_rate{gate=x} < 1e-4 at 99%");
        assert_eq!(rate.certainty, Some(0.99));
        assert_eq!(rate.conditions[0].bound.to_bits(), 1e-4_f64.to_bits());
        assert_eq!(rate.expression, "incomplete_rate{gate=x} < 1e-4 at 99%");
        let plain = read("added_delay_p95{gate=x}>=2s");
        assert_eq!(plain.certainty, Some(CERTAINTY));
        assert_eq!(plain.expression, "added_delay_p95{gate=x}>=2s at 95%");
        let difference = "complete_rate{gate=x} - complete_rate{gate=x,kind=sip} > -1% at 0.9";
        assert!(read(difference).minus.is_some());
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_a_way_out() {
        let scenario = scenario();
        for (text, parts) in [
            (
                "",
                [
                    "claims nothing",
                    "incomplete_rate{gate=forum} < 1e-4 at 95%",
                ],
            ),
            ("incomplete_rate{gate=x}", ["claims nothing", "--until:1:1"]),
            ("< 5%", ["claims nothing", "at LEVEL"]),
            (
                "incomplete_rat{gate=x} < 5%",
                ["unknown metric", "did you mean `incomplete_rate`"],
            ),
            ("incomplete_rate{gate=y} < 5%", ["y", "`x`"]),
            (
                "incomplete_rate{gate=x} < 5 at 95%",
                ["no share", "--until:1:25"],
            ),
            (
                "incomplete_rate{gate=x} < 5% at 95",
                ["`95` is out of range", "--until:1:33"],
            ),
            (
                "incomplete_rate{gate=x} < 5% at 100%",
                ["out of range", "`at 95%`"],
            ),
            (
                "incomplete_rate{gate=x} < 5% at noon",
                ["no percentage", "`at 95%`"],
            ),
            (
                "incomplete_rate{gate=x} == 5%",
                ["exactly", "claim `<` or `>`"],
            ),
            (
                "incomplete_rate{gate=x} < 0",
                ["never shown", "between 0 and 1"],
            ),
            (
                "incomplete_rate{gate=x} > 100%",
                ["never shown", "between 0 and 1"],
            ),
            ("recordings == 5", ["exact count", "claim a rate"]),
            ("added_delay_p95{gate=x} < 2", ["unit", "--until"]),
        ] {
            let mistakes = claim("--until", text, &scenario).expect_err(text);
            let shown = mistakes.render(Color::Never);
            for part in parts {
                assert!(shown.contains(part), "{text}: {part}: {shown}");
            }
        }
        let long = "x".repeat(BYTES_MAX + 1);
        let shown = claim("--until", &long, &scenario).expect_err("too long");
        assert!(shown.render(Color::Never).contains("1001 bytes"));
    }
}
