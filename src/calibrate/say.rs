//! A calibration in words and as JSON.

use std::fmt::Write as _;

use racegate_model::schedule::Lag as _;
use racegate_model::survival::fit::Fit;
use serde_json::{Value, json};

use super::fitted::{Calibration, LagFit, REFUSED};
use super::toml::{distribution, platform_table};

/// What was found, for people.
#[must_use]
pub fn text(calibration: &Calibration) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    for (what, lag) in [
        ("media", &calibration.media),
        ("metadata", &calibration.metadata),
    ] {
        if let Some(lag) = lag {
            line(headline(what, lag));
            for words in details(lag) {
                line(format!("  {words}"));
            }
        }
    }
    if let Some(bias) = calibration.bias {
        line(format!(
            "A log that keeps only the instant of the successful look says median {} and p99 {}; \
             these recordings say {} and {}.",
            seconds(bias.naive_median),
            seconds(bias.naive_p99),
            seconds(bias.median),
            seconds(bias.p99),
        ));
    }
    for note in &calibration.notes {
        line(format!("note: {note}"));
    }
    line(String::new());
    line(platform_table(calibration));
    text
}

fn headline(what: &str, lag: &LagFit) -> String {
    let count = lag.observations.total();
    let Some(best) = lag.fits.first() else {
        return format!("{what}: no family can be fitted to {count} recordings");
    };
    let name = best.curve.family().name();
    let tested = lag.goodness.map_or_else(String::new, |goodness| {
        let apart = 100.0 * goodness.distance;
        format!(
            "p = {:.2} by bootstrap on {}, at most {apart:.1} points from the data",
            goodness.p, goodness.tested
        )
    });
    if lag.fitting().is_some() {
        format!("{what}: {name} fits {count} recordings ({tested})")
    } else {
        format!(
            "{what}: no family fits {count} recordings; the nearest is {name} ({tested}). \
             The table below holds the estimate without a family"
        )
    }
}

fn details(lag: &LagFit) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(best) = lag.fits.first() {
        let parameters = best.parameters.iter().map(|(name, interval)| {
            format!(
                "{name} {:.4} [{:.4}, {:.4}]",
                interval.estimate, interval.low, interval.high
            )
        });
        lines.push(parameters.collect::<Vec<_>>().join(", "));
        let at = |beyond| seconds(best.curve.instant_with_beyond(beyond));
        lines.push(format!(
            "median {}, p95 {}, p99 {}",
            at(0.5),
            at(0.05),
            at(0.01)
        ));
        let others = lag
            .fits
            .iter()
            .skip(1)
            .map(|fit| format!("{} +{:.1}", fit.curve.family().name(), fit.bic - best.bic));
        lines.push(format!(
            "BIC behind it: {}",
            others.collect::<Vec<_>>().join(", ")
        ));
    }
    let censored = lag.censored_share();
    if censored > 0.0 {
        lines.push(format!(
            "{:.1} % were not ready at their last look; beyond the longest look the law is a guess",
            100.0 * censored
        ));
    }
    lines
}

/// `250 ms`, `2.35 s`.
pub(super) fn seconds(value: f64) -> String {
    if value < 1.0 {
        format!("{:.0} ms", value * 1e3)
    } else {
        format!("{value:.2} s")
    }
}

/// The same for a program.
#[must_use]
pub fn json(calibration: &Calibration) -> Value {
    json!({
        "schema": 1,
        "rows": calibration.rows,
        "metadata": calibration.metadata.as_ref().map(lag_json),
        "media": calibration.media.as_ref().map(lag_json),
        "naive_log": calibration.bias.map(|bias| json!({
            "median_s": bias.median,
            "naive_median_s": bias.naive_median,
            "p99_s": bias.p99,
            "naive_p99_s": bias.naive_p99,
        })),
        "notes": calibration.notes,
        "platform": platform_table(calibration),
    })
}

fn lag_json(lag: &LagFit) -> Value {
    json!({
        "recordings": lag.observations.total(),
        "censored_share": lag.censored_share(),
        "fits": lag.goodness.is_some_and(|goodness| goodness.p >= REFUSED),
        "goodness": lag.goodness.map(|goodness| json!({
            "distance": goodness.distance,
            "p": goodness.p,
            "tested": goodness.tested,
            "repetitions": goodness.repetitions,
        })),
        "families": lag.fits.iter().map(fit_json).collect::<Vec<_>>(),
        "distribution": distribution(lag),
        "estimate": lag.estimate.cells.iter().map(|cell| json!({
            "low_s": cell.low,
            "high_s": cell.high.is_finite().then_some(cell.high),
            "share": cell.mass,
        })).collect::<Vec<_>>(),
    })
}

fn fit_json(fit: &Fit) -> Value {
    let parameters = fit.parameters.iter().map(|(name, interval)| {
        let value = json!({
            "estimate": interval.estimate,
            "low": interval.low,
            "high": interval.high,
        });
        ((*name).to_owned(), value)
    });
    json!({
        "family": fit.curve.family().name(),
        "parameters": parameters.collect::<serde_json::Map<_, _>>(),
        "log_likelihood": fit.log_likelihood,
        "bic": fit.bic,
    })
}
