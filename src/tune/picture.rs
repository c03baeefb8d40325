//! The front with its limit, and the schedule on the lag's survival curve.

use racegate_model::schedule::Cost;

use super::lags::Lags;
use super::search::Found;
use crate::report::{Axis, AxisKind, Chart, Series, Shape};

const POINTS: u32 = 160;

/// Both charts.
#[must_use]
pub fn pictures(lags: &Lags, found: &Found) -> Vec<Chart> {
    vec![front(found), survival(lags, found)]
}

fn front(found: &Found) -> Chart {
    let place = |cost: &Cost| (cost.calls, cost.delay_when_found());
    let limit: Vec<(f64, f64)> = found.limit.iter().map(|(_, cost)| place(cost)).collect();
    let members: Vec<(f64, f64)> = found.front.iter().map(|fit| place(&fit.cost)).collect();
    let mut all = limit.clone();
    all.extend([place(&found.chosen.cost), place(&found.forum)]);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(1.0, f64::max);
    let calls = most(&mut all.iter().map(|point| point.0));
    let delay = most(&mut all.iter().map(|point| point.1));
    let least = all
        .iter()
        .map(|point| point.1)
        .fold(f64::INFINITY, f64::min);
    let point = |name: &str, cost: &Cost, text: String| Series {
        name: name.to_owned(),
        shape: Shape::Points(vec![(place(cost).0, place(cost).1, text)]),
    };
    let dropped = 100.0 * found.forum.abandoned;
    Chart {
        name: "front",
        title: format!(
            "{:.2} x the limit: {:.2} calls and {:.2} s of delay per recording",
            found.times_limit.0,
            found.chosen.cost.calls,
            found.chosen.cost.delay_when_found()
        ),
        reading:
            "Each point is a schedule: what it costs in calls, and how long a recording that is \
                  ready waits to be found. Only what gives some up is below the limit."
                .to_owned(),
        x: Axis {
            label: "calls per recording",
            range: (1.0, calls * 1.1),
            kind: AxisKind::LogNumber,
        },
        y: Axis {
            label: "delay after readiness",
            range: (least.max(1e-3) / 1.2, delay * 1.2),
            kind: AxisKind::LogSeconds,
        },
        series: vec![
            Series {
                name: "the limit, giving nothing up".to_owned(),
                shape: Shape::Line(limit),
            },
            Series {
                name: "first delay + gap x multiplier + cap".to_owned(),
                shape: Shape::Dashed(members),
            },
            point("recommended", &found.chosen.cost, String::new()),
            point(
                &format!("the forum's 2**attempt, which drops {dropped:.1} %"),
                &found.forum,
                String::new(),
            ),
        ],
    }
}

fn survival(lags: &Lags, found: &Found) -> Chart {
    let lag = lags.searched.as_ref();
    let to = found.checks.last().copied().unwrap_or(10.0).max(1e-2) * 1.3;
    let from = (found.chosen.family.first / 4.0).clamp(1e-3, to / 20.0);
    let at = |k: u32| from * (to / from).powf(f64::from(k) / f64::from(POINTS));
    let waiting = (0..=POINTS).map(|k| (at(k), lag.survival(at(k))));
    let ticks = found
        .checks
        .iter()
        .map(|check| (*check, lag.survival(*check).max(0.04)));
    // Found at a check is what had not been found before and is ready then.
    let mut exported = vec![(from, 0.0)];
    for check in &found.checks {
        let before = exported.last().map_or(0.0, |point| point.1);
        exported.push((*check, before));
        exported.push((*check, 1.0 - lag.survival(*check)));
    }
    Chart {
        name: "schedule",
        title: format!("{} checks, most of them never made", found.checks.len()),
        reading:
            "Share of recordings whose metadata is not there yet, and when the schedule looks; \
                  the steps are how long recordings wait until they are found."
                .to_owned(),
        x: Axis {
            label: "time since the session's end",
            range: (from, to),
            kind: AxisKind::LogSeconds,
        },
        y: Axis {
            label: "share of recordings",
            range: (0.0, 1.0),
            kind: AxisKind::Share,
        },
        series: vec![
            Series {
                name: "not ready yet".to_owned(),
                shape: Shape::Line(waiting.collect()),
            },
            Series {
                name: "checks".to_owned(),
                shape: Shape::Ticks(ticks.collect()),
            },
            Series {
                name: "found by then".to_owned(),
                shape: Shape::Dashed(exported),
            },
        ],
    }
}
