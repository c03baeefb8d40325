//! A lag's picture: the fit on the estimate without a family.

use racegate_model::schedule::Lag as _;
use racegate_model::survival::fit::Fit;

use super::LagFit;
use super::say::seconds;
use crate::report::{Axis, AxisKind, Chart, Series, Shape};

const POINTS: u32 = 160;
/// Draws of the parameters that the fit's band is made of.
const DRAWS: u32 = 60;

/// How many recordings still wait after how long: estimate, fit and its 95 % band.
#[must_use]
pub fn picture(what: &'static str, lag: &LagFit) -> Chart {
    let (from, to) = ends(lag);
    let at = |k: u32| from * (to / from).powf(f64::from(k) / f64::from(POINTS));
    let mut series = Vec::new();
    if let Some(best) = lag.fits.first() {
        let name = best.curve.family().name();
        series.push(Series {
            name: format!("{name}, 95 % band of its parameters"),
            shape: Shape::Band((0..=POINTS).map(|k| band(best, at(k))).collect()),
        });
        let line = (0..=POINTS).map(|k| (at(k), best.curve.survival(at(k))));
        series.push(Series {
            name: format!("{name}, fitted"),
            shape: Shape::Line(line.collect()),
        });
    }
    let estimate = (0..=POINTS).map(|k| {
        let (low, high) = lag.estimate.survival_between(at(k));
        (at(k), low, high)
    });
    series.push(Series {
        name: "data (Turnbull's estimate, between its bounds)".to_owned(),
        shape: Shape::Band(estimate.collect()),
    });
    let steps = (0..=POINTS).map(|k| {
        let (low, high) = lag.estimate.survival_between(at(k));
        (at(k), f64::midpoint(low, high))
    });
    series.push(Series {
        name: "middle of the data's bounds".to_owned(),
        shape: Shape::Dashed(steps.collect()),
    });
    Chart {
        name: "lag",
        title: title(what, lag),
        reading: "Share of recordings that are not ready yet, by the time since the session's end."
            .to_owned(),
        x: Axis {
            label: "time since the session's end",
            range: (from, to),
            kind: AxisKind::LogSeconds,
        },
        y: Axis {
            label: "not ready",
            range: (0.0, 1.0),
            kind: AxisKind::Share,
        },
        series,
    }
}

fn title(what: &str, lag: &LagFit) -> String {
    let count = lag.observations.total();
    match (lag.fitting(), lag.fits.first()) {
        (Some(fit), _) => format!(
            "{what}: {} fits {count} recordings, median {}",
            fit.curve.family().name(),
            seconds(fit.curve.instant_with_beyond(0.5))
        ),
        (None, Some(_)) => format!("{what}: no family fits {count} recordings"),
        (None, None) => format!("{what}: {count} recordings"),
    }
}

/// From the first to past the last instant that matters.
fn ends(lag: &LagFit) -> (f64, f64) {
    let bounds = lag.observations.iter().flat_map(|one| [one.low, one.high]);
    let bounds: Vec<f64> = bounds.filter(|at| at.is_finite() && *at > 0.0).collect();
    let low = bounds.iter().copied().fold(f64::INFINITY, f64::min);
    let high = bounds.iter().copied().fold(0.0, f64::max);
    if high <= 0.0 {
        return (0.1, 10.0);
    }
    (low.max(high * 1e-4) / 1.5, high * 1.5)
}

/// Survival at an instant over draws of the parameters: the middle 95 % of them.
fn band(fit: &Fit, at: f64) -> (f64, f64, f64) {
    let mut values: Vec<f64> = (0..DRAWS)
        .map(|k| fit.moved(&normals(k, fit.parameters.len())).survival(at))
        .filter(|value| value.is_finite())
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    if values.is_empty() {
        let value = fit.curve.survival(at);
        return (at, value, value);
    }
    let cut = values.len() / 40;
    (at, values[cut], values[values.len() - 1 - cut])
}

/// Independent standard normal numbers, the same for every instant.
fn normals(draw: u32, count: usize) -> Vec<f64> {
    use racegate_model::draws::{Draws, Purpose, Seed};
    (0..count)
        .map(|k| {
            let stream = Draws::of_stream(Seed(1), "band", u64::from(draw));
            let uniform = |which: u32| {
                let k = u32::try_from(k).unwrap_or(0) * 2 + which;
                let draw = stream.draw_nth(Purpose::Calibration, k);
                (draw >> 11) as f64 / 9_007_199_254_740_992.0
            };
            // Box and Muller.
            let radius = (-2.0 * (1.0 - uniform(0)).ln()).sqrt();
            radius * (std::f64::consts::TAU * uniform(1)).cos()
        })
        .collect()
}
