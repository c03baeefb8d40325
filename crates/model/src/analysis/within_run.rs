//! What one run says by itself: intervals from its own recordings.
//!
//! Where recordings share nothing, the formulas for independent ones hold. Elsewhere a block of
//! neighbours is the unit: right for a run that is alike throughout and much longer than what its
//! queue remembers, and one observation of a spike, whatever the formula.

use super::Accumulator;
use super::delay::Delays;
use super::gates::{GateCell, GateSums};
use super::observe::{Selection, quantile_of};
use super::platform::Lag;
use super::sharing::Sharing;
use crate::field::{Field, Kind};
use crate::outcome::OutcomeKind;
use crate::stats::{Interval, MeanEstimate, SeedMean, bound_of_none};
use crate::summary::{DelaySummary, Estimate, Method, OutcomeSummary, SliceSummary, Summary};

const MISS: f64 = 0.05;

/// How a run's own intervals are made.
pub(crate) const fn method(sharing: Sharing) -> Method {
    match sharing {
        Sharing::Nothing => Method::Independent,
        Sharing::Calls | Sharing::Jobs | Sharing::Queue => Method::Blocks,
    }
}

impl Accumulator {
    /// Adds the run's own intervals to its numbers.
    pub(crate) fn doubt_itself(&self, summary: &mut Summary) {
        let sharing = Sharing::of(&self.scenario);
        (summary.sharing, summary.method) = (sharing, method(sharing));
        for (position, row) in summary.gates.iter_mut().enumerate() {
            let whole = self.whole(position);
            let cell = self.gate_slice(whole);
            rates(&mut row.total, &cell, sharing);
            let delay = cell.batches.ratio(GateSums::delay_parts);
            delays(&mut row.added_delay, &cell.added_delay, delay, sharing);
            let regret = cell.batches.ratio(GateSums::regret_parts);
            delays(&mut row.regret, &cell.regret, regret, sharing);
            row.calls_per_recording_interval = calls(&cell, sharing);
            for (at, phase) in self.phases.iter().enumerate() {
                if let Some(slice) = row.phases.get_mut(&phase.name) {
                    let phase = Some(at);
                    self.doubt_slice(slice, Selection { phase, ..whole }, sharing);
                }
            }
            for kind in Kind::ALL {
                if let Some(slice) = row.kinds.get_mut(kind.name()) {
                    let kind = Some(kind);
                    self.doubt_slice(slice, Selection { kind, ..whole }, sharing);
                }
            }
        }
        self.doubt_platform(summary, sharing);
    }

    fn doubt_slice(&self, row: &mut SliceSummary, at: Selection, sharing: Sharing) {
        let cell = self.gate_slice(at);
        rates(&mut row.total, &cell, sharing);
        let delay = cell.batches.ratio(GateSums::delay_parts);
        delays(&mut row.added_delay, &cell.added_delay, delay, sharing);
        row.calls_per_recording_interval = calls(&cell, sharing);
    }

    fn doubt_platform(&self, summary: &mut Summary, sharing: Sharing) {
        let places = self
            .arms
            .iter()
            .flat_map(|state| Kind::ALL.map(|kind| (state, kind)));
        for ((state, kind), row) in places.zip(&mut summary.platform) {
            let cell = self.platform_slice(Selection {
                arm: state.arm,
                tenant: state.tenant,
                phase: None,
                kind: Some(kind),
            });
            for (lag, row) in [
                (Lag::Media, &mut row.media_lag),
                (Lag::Metadata, &mut row.metadata_lag),
                (Lag::Index, &mut row.index_lag),
            ] {
                delays(row, &cell.delays(lag), cell.lag_mean(lag), sharing);
            }
            for field in Field::METADATA {
                if let Some(row) = row.fields.get_mut(field.name()) {
                    let lag = Lag::Field(field);
                    delays(row, &cell.delays(lag), cell.lag_mean(lag), sharing);
                }
            }
        }
    }
}

fn rates(total: &mut OutcomeSummary, cell: &GateCell, sharing: Sharing) {
    for outcome in OutcomeKind::ALL {
        let events = cell.outcomes[outcome.index()];
        if let Some(rate) = rate(cell, outcome, events, sharing) {
            *total.estimate_mut(outcome) = rate;
        }
    }
}

/// The share of `events`, which are some of those with that outcome; none without recordings.
pub(crate) fn rate(
    cell: &GateCell,
    outcome: OutcomeKind,
    events: u64,
    sharing: Sharing,
) -> Option<Estimate> {
    let settled = cell.settled();
    let wilson = Interval::wilson(events, settled)?;
    if sharing == Sharing::Nothing {
        return Some(Estimate::of_run(wilson, Method::Independent));
    }
    let bound = bound_of_none(cell.batches.len(), MISS);
    if events == 0 {
        let interval = Interval {
            high: bound,
            ..Interval::exact(0.0)
        };
        return Some(Estimate::of_run(interval, Method::OneSided));
    }
    if events == settled {
        let interval = Interval {
            low: 1.0 - bound,
            ..Interval::exact(1.0)
        };
        return Some(Estimate::of_run(interval, Method::OneSided));
    }
    let index = outcome.index();
    let all = cell
        .batches
        .ratio(|sums| (sums.outcomes[index] as f64, sums.settled as f64))?;
    let independent = |rate: f64| rate * (1.0 - rate) / settled as f64;
    let design = match all.standard_error {
        Some(error) if independent(all.mean) > 0.0 => error * error / independent(all.mean),
        _ => 1.0,
    };
    let mean = SeedMean {
        mean: wilson.estimate,
        standard_error: (independent(wilson.estimate) * design).sqrt(),
        degrees: all.degrees.max(1),
    };
    let estimate = Estimate::of_run(mean.share_interval(MISS), Method::Blocks);
    Some(Estimate {
        standard_error: Some(mean.standard_error),
        effective_size: mean.effective_size(),
        ..estimate
    })
}

fn calls(cell: &GateCell, sharing: Sharing) -> Option<Estimate> {
    of_mean(cell.batches.ratio(GateSums::call_parts)?, sharing)
}

fn of_mean(mean: MeanEstimate, sharing: Sharing) -> Option<Estimate> {
    Some(Estimate {
        standard_error: mean.standard_error,
        ..Estimate::of_run(mean.interval()?, method(sharing))
    })
}

fn delays(row: &mut DelaySummary, delays: &Delays, mean: Option<MeanEstimate>, sharing: Sharing) {
    row.mean = mean.and_then(|mean| of_mean(mean.in_seconds(), sharing));
    let design = design_of(delays, mean, sharing);
    let quantile = |quantile| {
        let seen = quantile_of(delays, quantile, design)?;
        let bounded = seen.interval.high.is_finite();
        bounded.then(|| Estimate::of_run(seen.interval, method(sharing)))
    };
    (row.p50, row.p95, row.p99) = (quantile(0.5), quantile(0.95), quantile(0.99));
}

/// How many times the variance of the mean is what it would be if the values were independent.
pub(crate) fn design_of(delays: &Delays, mean: Option<MeanEstimate>, sharing: Sharing) -> f64 {
    let error = mean.and_then(|mean| mean.standard_error);
    match (sharing, error, delays.histogram()) {
        (Sharing::Nothing, ..) | (_, None, _) | (_, _, None) => 1.0,
        (_, Some(error), Some(histogram)) => {
            let deviation = histogram.as_hdr().stdev();
            let independent = deviation * deviation / histogram.len() as f64;
            if independent > 0.0 {
                (error * error / independent).max(1.0)
            } else {
                1.0
            }
        }
    }
}
