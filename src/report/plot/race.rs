//! The race over time: arrivals, metadata lag and incomplete exports on one time axis.

use racegate_model::summary::{BinCounts, PhaseSummary, Summary, TimeBin};

use super::super::human;
use super::axis::{Scale, clock_label, compact, finite, round_ticks, time_label, time_ticks};
use super::page::{HEIGHT, LABEL, MARGIN, SMALL, WIDTH, no_data, title_block};
use super::palette::{BLUE, INK, Look, arms, looks};
use super::panel::{LEGEND_WIDTH, REMARK_WIDTH, panel, phases, spike, time_axis, verticals};
use super::scene::{Dash, LINE_HEIGHT, Point, Scene, wrap};

const TICKS_WIDTH: f64 = 64.0;
/// Space above a panel, for its name.
const NAME_HEIGHT: f64 = 36.0;
/// Shares of the height: arrivals, lag, incomplete.
const HEIGHTS: [f64; 3] = [0.27, 0.33, 0.40];
/// The lag is called gone when its maximum is below this share of its peak.
const GONE: f64 = 0.1;

/// A line of the lowest panel.
struct Series<'a> {
    look: &'a Look,
    name: String,
    rates: Vec<Option<f64>>,
    abandoned: bool,
}

/// Draws the picture.
pub(super) fn scene(summary: &Summary) -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT);
    let bins = &summary.over_time.bins;
    let arms = arms(summary);
    let reading = format!(
        "Lag and exports by the time at which the session ended, in steps of {}{}.",
        time_label(bin_width(summary)),
        if arms.len() > 1 {
            format!(", on arm {}", arms[0])
        } else {
            String::new()
        },
    );
    let title = "The race over time: arrivals, metadata lag, incomplete exports";
    let top = title_block(&mut scene, title, &reading, summary) + 30.0;
    let (left, right) = (MARGIN + TICKS_WIDTH, WIDTH - MARGIN - LEGEND_WIDTH);
    let bottom = HEIGHT - MARGIN - 28.0;
    if bins.is_empty() {
        no_data(&mut scene, (left, top), (right, bottom));
        return scene;
    }
    let end = end_of_time(summary);
    let x = Scale::linear((0.0, end), (left, right));
    phases(&mut scene, &summary.phases, &x, (top, bottom));
    let room = bottom - top - 3.0 * NAME_HEIGHT;
    let mut y = top;
    let mut panels = Vec::new();
    for share in HEIGHTS {
        let panel_top = y + NAME_HEIGHT;
        y = panel_top + room * share;
        verticals(&mut scene, &summary.phases, &x, (panel_top, y));
        panels.push((panel_top, y));
    }
    time_axis(&mut scene, &x, bottom);
    arrivals(&mut scene, summary, x, panels[0]);
    lag(&mut scene, summary, x, panels[1]);
    incomplete(&mut scene, summary, x, panels[2]);
    scene
}

fn bin_width(summary: &Summary) -> f64 {
    let width = finite(summary.over_time.bin_s);
    if width > 0.0 { width } else { 1.0 }
}

fn end_of_time(summary: &Summary) -> f64 {
    let bins = &summary.over_time.bins;
    let last = bins
        .iter()
        .map(|bin| finite(bin.start_s))
        .fold(0.0, f64::max);
    last + bin_width(summary)
}

fn middles(summary: &Summary) -> Vec<f64> {
    let half = bin_width(summary) / 2.0;
    summary
        .over_time
        .bins
        .iter()
        .map(|bin| finite(bin.start_s) + half)
        .collect()
}

fn arrivals(scene: &mut Scene, summary: &Summary, x: Scale, place: Point) {
    let width = bin_width(summary);
    let bins = &summary.over_time.bins;
    let rate = |bin: &TimeBin| bin.arrivals as f64 / width;
    let configured = summary.phases.iter().filter_map(|phase| phase.rate_per_s);
    let highest = bins
        .iter()
        .map(rate)
        .chain(configured.map(|(from, to)| from.max(to)));
    let ticks = round_ticks(highest.fold(1.0, f64::max), 3);
    let ticks: Vec<_> = ticks
        .into_iter()
        .map(|tick| (tick, compact(tick)))
        .collect();
    let mut panel = panel(scene, "Arrivals per second", x, place, &ticks);
    let floor = panel.y.at(0.0);
    let mut line: Vec<Point> = Vec::new();
    for bin in bins {
        let (from, to) = (panel.x.at(bin.start_s), panel.x.at(bin.start_s + width));
        let height = panel.y.at(rate(bin));
        scene.rectangle((from, height), (to, floor), BLUE.faded(0.18));
        line.extend([(from, height), (to, height)]);
    }
    scene.line(&line, 2.0, Dash::Solid, BLUE);
    panel.entry(scene, (2.0, Dash::Solid, BLUE), "calls that began");
    let mut any = false;
    for phase in &summary.phases {
        if let Some((from, to)) = phase.rate_per_s {
            let (start, end) = (
                phase.start_s,
                phase.end_s.min(configured_end(summary, phase)),
            );
            let points = [
                (panel.x.at(start), panel.y.at(from)),
                (panel.x.at(end), panel.y.at(to)),
            ];
            scene.line(&points, 2.0, Dash::Dashed, INK);
            any = true;
        }
    }
    if any {
        panel.entry(scene, (2.0, Dash::Dashed, INK), "as configured");
    }
}

/// When arrivals of a phase ended; the last phase itself lasts until all has drained.
fn configured_end(summary: &Summary, phase: &PhaseSummary) -> f64 {
    let last = summary.phases.last().is_some_and(|last| last == phase);
    let arrived = || {
        summary
            .over_time
            .bins
            .iter()
            .rev()
            .find(|bin| bin.arrivals > 0)
    };
    match arrived() {
        Some(bin) if last => (bin.start_s + bin_width(summary)).max(phase.start_s),
        _ => phase.end_s,
    }
}

fn lag(scene: &mut Scene, summary: &Summary, x: Scale, place: Point) {
    let bins = &summary.over_time.bins;
    let value = |bin: &TimeBin, lag: f64| (bin.ended > 0).then(|| finite(lag));
    let median: Vec<_> = bins
        .iter()
        .map(|bin| value(bin, bin.metadata_lag_p50_s))
        .collect();
    let slowest: Vec<_> = bins
        .iter()
        .map(|bin| value(bin, bin.metadata_lag_max_s))
        .collect();
    let peak = slowest.iter().flatten().copied().fold(0.0, f64::max);
    let ticks = time_ticks(peak.max(0.01), 3);
    let ticks: Vec<_> = ticks
        .into_iter()
        .map(|tick| (tick, time_label(tick)))
        .collect();
    let name = "Metadata lag, from session end to all required fields";
    let mut panel = panel(scene, name, x, place, &ticks);
    let times = middles(summary);
    let floor = panel.y.at(0.0);
    for run in runs(&times, &median) {
        let mut area: Vec<Point> = run
            .iter()
            .map(|(time, lag)| (panel.x.at(*time), panel.y.at(*lag)))
            .collect();
        if let (Some(first), Some(last)) = (area.first().copied(), area.last().copied()) {
            area.extend([(last.0, floor), (first.0, floor)]);
            scene.polygon(area, BLUE.faded(0.18));
        }
    }
    panel.curve(scene, (&times, &slowest), (2.0, Dash::Dashed, INK));
    panel.curve(scene, (&times, &median), (3.0, Dash::Solid, BLUE));
    panel.entry(scene, (3.0, Dash::Solid, BLUE), "median");
    panel.entry(scene, (2.0, Dash::Dashed, INK), "slowest");
    let peak_at = times
        .iter()
        .zip(&slowest)
        .find(|(_, lag)| lag.is_some_and(|lag| lag >= peak));
    if let Some((time, _)) = peak_at.filter(|_| peak > 0.0) {
        let end = summary.over_time.bins.last().map_or(0.0, |bin| bin.start_s);
        let half = bin_width(summary) / 2.0;
        let gone = times
            .iter()
            .zip(&slowest)
            .rev()
            .find(|(_, lag)| lag.is_some_and(|lag| lag > peak * GONE))
            .map_or(end, |(time, _)| time + half);
        panel.remark(
            scene,
            &format!(
                "peak {} at {}; above a tenth of it until {}{}",
                human::seconds(peak),
                clock_label((time - half).round(), end),
                clock_label(gone.round(), end),
                after_spike(summary, gone),
            ),
        );
    }
}

/// How long after the phase with the most arrivals that is.
fn after_spike(summary: &Summary, time: f64) -> String {
    let spike = spike(&summary.phases).and_then(|position| summary.phases.get(position));
    match spike {
        Some(spike) if time > spike.end_s + 1.0 => {
            let after = human::number((time - spike.end_s).round());
            format!(", {after} s after {}", spike.name)
        }
        _ => String::new(),
    }
}

/// Stretches without a gap.
fn runs(times: &[f64], values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (time, value) in times.iter().zip(values) {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push((*time, *value)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}

fn incomplete(scene: &mut Scene, summary: &Summary, x: Scale, place: Point) {
    let shares = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")];
    let ticks: Vec<_> = shares
        .map(|(share, label)| (share, label.to_owned()))
        .to_vec();
    let mut panel = panel(
        scene,
        "Incomplete exports, share of recordings",
        x,
        place,
        &ticks,
    );
    let looks = looks(summary);
    let (series, quiet) = series(summary, &looks);
    let times = middles(summary);
    let remark = quiet_remark(&quiet);
    let room = panel.bottom - panel.legend.1 + LABEL;
    let remark_lines = wrap(&remark, SMALL, REMARK_WIDTH).len() as f64;
    let rows = ((room - remark_lines * SMALL * LINE_HEIGHT) / (LABEL * LINE_HEIGHT)).floor();
    let mut left_out = 0;
    for (position, series) in series.iter().enumerate() {
        // Gates may do the same: later lines are thinner, so that earlier ones are still seen.
        let width = if series.abandoned {
            2.0
        } else {
            6.5 / (position as f64 + 1.0)
        };
        let dash = if series.abandoned {
            Dash::Dashed
        } else {
            series.look.dash
        };
        let look = (width.max(2.0), dash, series.look.colour);
        panel.curve(scene, (&times, &series.rates), look);
        if (position as f64) < rows {
            panel.entry(scene, look, &series.name);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        panel.remark(scene, &format!("and {left_out} more"));
    }
    panel.remark(scene, &remark);
}

/// Says which gates have no line, because nothing of theirs was incomplete.
fn quiet_remark(quiet: &[&str]) -> String {
    if quiet.is_empty() {
        return String::new();
    }
    let text = format!("never incomplete: {}", quiet.join(", "));
    if wrap(&text, SMALL, REMARK_WIDTH).len() > 3 {
        return format!("never incomplete: {} gates", quiet.len());
    }
    text
}

/// Lines to draw, the ungated first and then the most incomplete, and gates without any.
fn series<'a>(summary: &Summary, looks: &'a [Look]) -> (Vec<Series<'a>>, Vec<&'a str>) {
    let bins = &summary.over_time.bins;
    let counts = |look: &Look, of: fn(&BinCounts) -> u64| -> Vec<Option<f64>> {
        bins.iter()
            .map(|bin| {
                let counts = bin
                    .gates
                    .get(&look.gate)
                    .filter(|counts| counts.settled > 0)?;
                Some((of(counts) as f64 / counts.settled as f64).clamp(0.0, 1.0))
            })
            .collect()
    };
    let mut drawn = Vec::new();
    let mut quiet = Vec::new();
    for look in looks {
        let incomplete = counts(look, |counts| counts.incomplete);
        let abandoned = counts(look, |counts| counts.abandoned);
        if weight(&incomplete) > 0.0 {
            let name = look.gate.clone();
            drawn.push(Series {
                look,
                name,
                rates: incomplete,
                abandoned: false,
            });
        } else if incomplete.iter().any(Option::is_some) {
            quiet.push(look.gate.as_str());
        }
        if weight(&abandoned) > 0.0 {
            let name = format!("{}: abandoned", look.gate);
            drawn.push(Series {
                look,
                name,
                rates: abandoned,
                abandoned: true,
            });
        }
    }
    drawn.sort_by(|a, b| {
        let rank = |series: &Series<'_>| (series.abandoned, !series.look.ungated);
        rank(a)
            .cmp(&rank(b))
            .then(weight(&b.rates).total_cmp(&weight(&a.rates)))
    });
    (drawn, quiet)
}

fn weight(rates: &[Option<f64>]) -> f64 {
    rates.iter().flatten().sum()
}
