//! A calibration as the `[platform]` table that `run` takes.

use std::fmt::Write as _;

use racegate_model::distribution::Distribution;
use racegate_model::schedule::Lag as _;
use racegate_model::survival::fit::{Curve, LagFamily};

use super::{Calibration, LagFit};

/// Quantiles that stand for a lag which no family of the format has.
const QUANTILES: u32 = 200;

/// The tables `[platform.media]` and `[platform.metadata]`.
#[must_use]
pub fn platform_table(calibration: &Calibration) -> String {
    let mut text = String::new();
    for (name, lag) in [
        ("media", &calibration.media),
        ("metadata", &calibration.metadata),
    ] {
        if let Some(lag) = lag {
            // Writing to a string does not fail.
            let _ = writeln!(text, "[platform.{name}]\nlag = {}\n", distribution(lag));
        }
    }
    text
}

/// A lag as a distribution of the scenario format: the best family if it fits, else the estimate
/// without a family as quantiles.
#[must_use]
pub fn distribution(lag: &LagFit) -> String {
    match lag.fitting() {
        Some(fit) => curve(&fit.curve),
        None => match lag.estimate.spread() {
            Ok(spread) => quantiles(|beyond| spread.instant_with_beyond(beyond)),
            Err(_) => lag
                .fits
                .first()
                .map_or_else(String::new, |fit| curve(&fit.curve)),
        },
    }
}

fn curve(curve: &Curve) -> String {
    let p = curve.parameters();
    let lognormal =
        |median: f64, sigma: f64| format!("{{ mu = {:.9}, sigma = {sigma:.9} }}", median.ln());
    match curve.family() {
        LagFamily::Exponential => format!("{{ exponential = {{ mean = \"{:.9}s\" }} }}", p[0]),
        LagFamily::Lognormal => format!("{{ lognormal = {} }}", lognormal(p[0], p[1])),
        LagFamily::Weibull => shaped("weibull", p),
        LagFamily::Gamma => shaped("gamma", p),
        LagFamily::Pareto => shaped("pareto", p),
        LagFamily::TwoLognormals => format!(
            "{{ mixture = [{{ weight = {:.9}, lognormal = {} }}, \
             {{ weight = {:.9}, lognormal = {} }}] }}",
            1.0 - p[4],
            lognormal(p[0], p[1]),
            p[4],
            lognormal(p[2], p[3]),
        ),
        LagFamily::LogLogistic => quantiles(|beyond| curve.instant_with_beyond(beyond)),
    }
}

fn shaped(name: &str, p: &[f64]) -> String {
    format!(
        "{{ {name} = {{ shape = {:.9}, scale = \"{:.9}s\" }} }}",
        p[1], p[0]
    )
}

/// Pairs of quantile and duration, closer together in the upper tail.
fn quantiles(instant: impl Fn(f64) -> f64) -> String {
    let mut pairs: Vec<String> = Vec::new();
    for step in 0..=QUANTILES {
        let rest = 1.0 - f64::from(step) / f64::from(QUANTILES);
        let beyond = rest * rest;
        let seconds = instant(beyond.clamp(1e-6, 1.0 - 1e-9)).min(86_400.0 * 29.0);
        pairs.push(format!("[{:.9}, \"{seconds:.9}s\"]", 1.0 - beyond));
    }
    format!("{{ empirical = {{ quantiles = [{}] }} }}", pairs.join(", "))
}

/// A distribution of the format, for what was calibrated.
#[must_use]
pub fn law(lag: &LagFit) -> Option<Distribution> {
    match lag.fitting().and_then(|fit| fit.curve.distribution()) {
        Some(distribution) => Some(distribution.clone()),
        None => lag.estimate.spread().ok(),
    }
}
