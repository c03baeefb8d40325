//! The value of one series of a run, with its interval.

use super::batches::Batches;
use super::delay::Delays;
use super::gates::{GateCell, GateSums, JobSums};
use super::pairs::Observation;
use super::platform::{Lag, PlatformCell};
use super::{Accumulator, ArmState, Sharing, Tenant, within_run};
use crate::field::{Field, Kind};
use crate::outcome::OutcomeKind;
use crate::scenario::{Aggregate, BASE_ARM, Labels, Metric, Scenario, Series};
use crate::stats::{Interval, MeanEstimate, quantile_ranks};
use crate::time::{Duration, Probability};
use crate::workload::Phase;

const NANOS: f64 = 1e-9;
/// A histogram's quantile is at most this share above the true one.
const BUCKET: f64 = 0.001;

/// Which cells a series is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Selection {
    /// Position of the arm in the scenario.
    pub(crate) arm: usize,
    /// Position among the tenants that were run; none for metrics of the platform.
    pub(crate) tenant: Option<usize>,
    pub(crate) phase: Option<usize>,
    pub(crate) kind: Option<Kind>,
}

/// Why a series has no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unseen {
    /// Its arm or gate was not run.
    NotRun(String),
    /// Nothing was observed.
    NoSamples(String),
}

fn no_samples(why: impl Into<String>) -> Unseen {
    Unseen::NoSamples(why.into())
}

/// Whether a metric is of a gate (or else of the arm's platform, or of the run).
const fn of_gate(metric: Metric) -> bool {
    match metric {
        Metric::OutcomeRate(_)
        | Metric::AddedDelay(_)
        | Metric::Regret(_)
        | Metric::CallsPerRecording
        | Metric::JobCallsPerRecording
        | Metric::ThrottledRate => true,
        Metric::MetadataLag(_)
        | Metric::QueueWaitMean
        | Metric::QueueWaitProbability
        | Metric::Recordings
        | Metric::NotEstablished => false,
    }
}

/// The cells that `series` is about.
pub(crate) fn select(
    series: &Series,
    scenario: &Scenario,
    tenants: &[Tenant],
    phases: &[Phase],
) -> Result<Selection, Unseen> {
    let Labels {
        gate,
        arm,
        kind,
        phase,
        ..
    } = &series.labels;
    let arm_name = arm.as_deref().unwrap_or(BASE_ARM);
    let arm = scenario.arms.iter().position(|spec| spec.name == arm_name);
    let arm = arm.ok_or_else(|| no_samples(format!("there is no arm `{arm_name}`")))?;
    if !tenants.iter().any(|tenant| tenant.arm == arm) {
        return Err(Unseen::NotRun(format!("arm `{arm_name}` was not run")));
    }
    let gates = &scenario.arms[arm].gates;
    let gate = match gate {
        Some(name) => {
            let found = gates.iter().position(|spec| spec.name == *name);
            Some(found.ok_or_else(|| no_samples(format!("there is no gate `{name}`")))?)
        }
        None if !of_gate(series.metric) => None,
        None if gates.len() == 1 => Some(0),
        None => return Err(no_samples("several gates: say which")),
    };
    let tenant = match gate {
        Some(gate) => {
            let found = tenants
                .iter()
                .position(|tenant| *tenant == Tenant { arm, gate });
            let name = &gates[gate].name;
            Some(found.ok_or_else(|| Unseen::NotRun(format!("gate `{name}` was not run")))?)
        }
        None => None,
    };
    let phase = match phase {
        Some(name) => {
            let found = phases.iter().position(|phase| phase.name == *name);
            Some(found.ok_or_else(|| no_samples(format!("there is no phase `{name}`")))?)
        }
        None => None,
    };
    Ok(Selection {
        arm,
        tenant,
        phase,
        kind: *kind,
    })
}

impl Accumulator {
    /// The value of `series`.
    pub(crate) fn observe(&self, series: &Series) -> Result<Observation, Unseen> {
        let selection = select(series, &self.scenario, &self.context.tenants, &self.phases)?;
        if of_gate(series.metric) {
            self.observe_gate(series, selection)
        } else {
            self.observe_platform(series, selection)
        }
    }

    fn observe_gate(&self, series: &Series, at: Selection) -> Result<Observation, Unseen> {
        let cell = self.gate_slice(at);
        let seen = self.observe_cell(series, at, &cell)?;
        Ok(seen.behind(cell.settled(), cell.batches.len()))
    }

    fn observe_cell(
        &self,
        series: &Series,
        at: Selection,
        cell: &GateCell,
    ) -> Result<Observation, Unseen> {
        let none = || no_samples("no recording settled");
        match series.metric {
            Metric::OutcomeRate(outcome) => {
                let events = match (series.labels.cause, series.labels.field) {
                    (None, None) => cell.outcomes[outcome.index()],
                    (Some(cause), None) => cell.causes[outcome.index()][cause as usize],
                    (None, Some(field)) => cell.missing[outcome.index()][field as usize],
                    (Some(_), Some(_)) => {
                        return Err(no_samples("cause and field are not counted together"));
                    }
                };
                if let Some(field) = series.labels.field {
                    self.requires(at, outcome, field)?;
                }
                let rate = within_run::rate(cell, outcome, events, self.sharing());
                Ok(Observation::known(rate.ok_or_else(none)?.interval()))
            }
            Metric::AddedDelay(aggregate) => {
                let mean = cell.batches.ratio(GateSums::delay_parts);
                aggregated(&cell.added_delay, aggregate, mean, self.sharing())
            }
            Metric::Regret(aggregate) => {
                let mean = cell.batches.ratio(GateSums::regret_parts);
                aggregated(&cell.regret, aggregate, mean, self.sharing())
            }
            Metric::CallsPerRecording => {
                let mean = cell.batches.ratio(GateSums::call_parts).ok_or_else(none)?;
                Ok(Observation::of_mean(mean, 1.0))
            }
            Metric::JobCallsPerRecording | Metric::ThrottledRate if at.kind.is_some() => {
                Err(no_samples("a job holds recordings of all kinds"))
            }
            Metric::JobCallsPerRecording => {
                let settled = cell.settled() as f64;
                let jobs = self.job_slice(at);
                let mean = job_calls(&jobs, settled).ok_or_else(none)?;
                Ok(Observation::of_mean(mean, 1.0))
            }
            Metric::ThrottledRate => throttled_rate(cell, &self.job_slice(at)),
            Metric::MetadataLag(_)
            | Metric::QueueWaitMean
            | Metric::QueueWaitProbability
            | Metric::Recordings
            | Metric::NotEstablished => Err(no_samples("not a measure of a gate")),
        }
    }

    /// What couples the recordings.
    fn sharing(&self) -> Sharing {
        Sharing::of(&self.scenario)
    }

    /// Whether some recording of the selection can lack `field` at all: a rate of what cannot
    /// happen proves nothing.
    fn requires(&self, at: Selection, outcome: OutcomeKind, field: Field) -> Result<(), Unseen> {
        let lacks = matches!(outcome, OutcomeKind::Incomplete | OutcomeKind::Rejected);
        let share = self.scenario.workload.webrtc_share;
        let comes = |kind: &Kind| match kind {
            Kind::Webrtc => share != Probability::ZERO,
            Kind::Sip => share != Probability::ONE,
        };
        let arm = &self.scenario.arms[at.arm];
        let kinds = Kind::ALL.into_iter().filter(comes);
        let mut kinds = kinds.filter(|kind| at.kind.is_none_or(|wanted| wanted == *kind));
        let required = |kind| arm.required.of(kind).with(Field::Media).contains(field);
        if lacks && kinds.any(required) {
            return Ok(());
        }
        let (field, outcome) = (field.name(), outcome.name());
        Err(no_samples(format!(
            "no recording here requires `{field}`, so none can be {outcome} for want of it"
        )))
    }

    fn observe_platform(&self, series: &Series, at: Selection) -> Result<Observation, Unseen> {
        let cell = self.platform_slice(at);
        match series.metric {
            Metric::Recordings => Ok(Observation::known(Interval::exact(cell.ended as f64))),
            Metric::NotEstablished => Ok(Observation::known(Interval::exact(
                self.not_established as f64,
            ))),
            Metric::MetadataLag(aggregate) => {
                let lag = series.labels.field.map_or(Lag::Metadata, Lag::Field);
                aggregated(
                    &cell.delays(lag),
                    aggregate,
                    cell.lag_mean(lag),
                    self.sharing(),
                )
            }
            Metric::QueueWaitMean | Metric::QueueWaitProbability => self.observe_wait(series, at),
            Metric::OutcomeRate(_)
            | Metric::AddedDelay(_)
            | Metric::Regret(_)
            | Metric::CallsPerRecording
            | Metric::JobCallsPerRecording
            | Metric::ThrottledRate => Err(no_samples("not a measure of the platform")),
        }
    }

    fn observe_wait(&self, series: &Series, at: Selection) -> Result<Observation, Unseen> {
        let platform = &self.scenario.arms[at.arm].platform;
        let kinds = Kind::ALL
            .into_iter()
            .filter(|kind| at.kind.is_none_or(|at| at == *kind));
        let mut places: Vec<(usize, usize)> = Vec::new();
        let pipelines = kinds.clone().map(|kind| platform.kinds.get(kind).pipeline);
        for pipeline in pipelines.chain(platform.regional_pipeline()) {
            let stages = &platform.pipelines[pipeline].stages;
            let named = |name: &String| stages.iter().position(|stage| stage.name == *name);
            let place = match &series.labels.stage {
                Some(name) => named(name),
                None => (stages.len() == 1).then_some(0),
            };
            places.extend(place.map(|stage| (pipeline, stage)));
        }
        places.dedup();
        let [(pipeline, stage)] = places.as_slice() else {
            return Err(no_samples(match places.len() {
                0 => "no such stage, or several: say which",
                _ => "each kind has a stage of its own: say which kind",
            }));
        };
        let mut cell = PlatformCell::default();
        let regional = platform.regional_pipeline() == Some(*pipeline);
        for kind in kinds {
            let at = Selection {
                kind: Some(kind),
                ..at
            };
            if regional {
                cell.add_slice(&self.regional_slice(at));
            } else if platform.kinds.get(kind).pipeline == *pipeline {
                cell.add_slice(&self.platform_slice(at));
            }
        }
        let none = || no_samples("no recording went through the stage");
        if series.metric == Metric::QueueWaitMean {
            let mean = cell.wait_mean(*stage).ok_or_else(none)?;
            return Ok(Observation::of_mean(mean, NANOS));
        }
        let share = cell.wait_probability(*stage).ok_or_else(none)?;
        let (waited, count) = cell.waited(*stage);
        Ok(share_of(share, waited, count))
    }

    /// The tenant's cells of the selection, added up.
    pub(crate) fn gate_slice(&self, at: Selection) -> GateCell {
        let mut sum = GateCell::default();
        if let Some(tenant) = at.tenant.and_then(|tenant| self.tenants.get(tenant)) {
            for (position, cell) in tenant.cells.iter().enumerate() {
                if at.covers(position) {
                    sum.add_slice(cell);
                }
            }
        }
        sum
    }

    /// The tenant's jobs of the selection, added up.
    pub(crate) fn job_slice(&self, at: Selection) -> Batches<JobSums> {
        let mut sum = Batches::default();
        if let Some(tenant) = at.tenant.and_then(|tenant| self.tenants.get(tenant)) {
            for (phase, cell) in tenant.jobs.iter().enumerate() {
                if at.phase.is_none_or(|at| at == phase) {
                    sum.add_slice(&cell.batches);
                }
            }
        }
        sum
    }

    /// The platform's cells of the selection, added up: the tenant's, or else the arm's first.
    pub(crate) fn platform_slice(&self, at: Selection) -> PlatformCell {
        self.slice_of(at, |arm| &arm.cells)
    }

    /// The same of what went through the second region's own pipeline: its stages only.
    pub(crate) fn regional_slice(&self, at: Selection) -> PlatformCell {
        self.slice_of(at, |arm| &arm.regional)
    }

    fn slice_of(&self, at: Selection, cells: fn(&ArmState) -> &[PlatformCell]) -> PlatformCell {
        let mut sum = PlatformCell::default();
        let slot = match at.tenant.and_then(|tenant| self.tenants.get(tenant)) {
            Some(tenant) => Some(tenant.arm_slot),
            None => self.arms.iter().position(|state| state.arm == at.arm),
        };
        if let Some(arm) = slot.map(|slot| &self.arms[slot]) {
            for (position, cell) in cells(arm).iter().enumerate() {
                if at.covers(position) {
                    sum.add_slice(cell);
                }
            }
        }
        sum
    }
}

impl Selection {
    pub(crate) fn covers(self, cell: usize) -> bool {
        let (phase, kind) = (cell / Kind::ALL.len(), cell % Kind::ALL.len());
        self.phase.is_none_or(|wanted| wanted == phase)
            && self.kind.is_none_or(|wanted| wanted.index() == kind)
    }
}

/// Job calls per settled recording. Its error is that of the calls per recording asked for.
pub(crate) fn job_calls(jobs: &Batches<JobSums>, settled: f64) -> Option<MeanEstimate> {
    let total = jobs.total();
    if settled <= 0.0 {
        return None;
    }
    let asked = jobs.ratio(|sums| (sums.calls as f64, sums.recordings as f64));
    let scale = total.recordings as f64 / settled;
    let error = asked.and_then(|asked| asked.standard_error);
    Some(MeanEstimate {
        mean: total.calls as f64 / settled,
        standard_error: error.map(|error| error * scale),
        degrees: asked.map_or(0, |asked| asked.degrees),
    })
}

/// 429s ÷ calls, of gate and jobs together: refusals come in bursts, so the error is by batches.
fn throttled_rate(cell: &GateCell, jobs: &Batches<JobSums>) -> Result<Observation, Unseen> {
    let (gate, job) = (cell.batches.total(), jobs.total());
    let (refused, calls) = (gate.throttled + job.throttled, gate.calls + job.calls);
    if calls == 0 {
        return Err(no_samples("no call was made"));
    }
    let rate = refused as f64 / calls as f64;
    let residual = |refused: u64, calls: u64| (refused as f64 - rate * calls as f64, calls as f64);
    let (of_gate, gates) = cell
        .batches
        .residual_variance(|sums| residual(sums.throttled, sums.calls));
    let (of_jobs, batches) = jobs.residual_variance(|sums| residual(sums.throttled, sums.calls));
    let variance = of_gate.unwrap_or(0.0) + of_jobs.unwrap_or(0.0);
    let known = of_gate.is_some() || of_jobs.is_some();
    let mean = MeanEstimate {
        mean: rate,
        standard_error: known.then(|| variance.sqrt() / calls as f64),
        degrees: gates.max(batches).saturating_sub(1),
    };
    Ok(share_of(mean, refused, calls))
}

/// A share whose interval is by batches, but never narrower than Wilson's: without variation
/// between batches there would be no doubt at all.
fn share_of(mean: MeanEstimate, events: u64, trials: u64) -> Observation {
    let mut observation = Observation::of_mean(mean, 1.0);
    if let Some(wilson) = Interval::wilson(events, trials) {
        let interval = &mut observation.interval;
        interval.low = interval.low.min(wilson.low).max(0.0);
        interval.high = interval.high.max(wilson.high).min(1.0);
    }
    observation
}

fn aggregated(
    delays: &Delays,
    aggregate: Aggregate,
    mean: Option<MeanEstimate>,
    sharing: Sharing,
) -> Result<Observation, Unseen> {
    let none = || no_samples("nothing to measure");
    let quantile = match aggregate {
        Aggregate::Mean => {
            return Ok(Observation::of_mean(mean.ok_or_else(none)?, NANOS));
        }
        Aggregate::P50 => 0.5,
        Aggregate::P95 => 0.95,
        Aggregate::P99 => 0.99,
        Aggregate::Max => {
            let max = delays
                .histogram()
                .and_then(|histogram| histogram.max())
                .ok_or_else(none)?;
            return Ok(Observation::known(Interval::exact(max.as_secs_f64())));
        }
    };
    let design = within_run::design_of(delays, mean, sharing);
    quantile_of(delays, quantile, design).ok_or_else(none)
}

/// A quantile between two order statistics; the histogram's bucket is added to the interval. Of
/// values whose mean varies `design` times as much as that of independent ones, that many count
/// as one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count is not negative, and a float saturates"
)]
pub(crate) fn quantile_of(delays: &Delays, quantile: f64, design: f64) -> Option<Observation> {
    let histogram = delays.histogram()?;
    let count = ((histogram.len() as f64 / design) as u64).max(1);
    // Half a rank lower, so that rounding does not ask for the next one.
    let at_rank = |rank: u64| histogram.quantile((rank as f64 - 0.5) / count as f64);
    let seconds = |at: Option<Duration>| at.unwrap_or(Duration::ZERO).as_secs_f64();
    let estimate = seconds(histogram.quantile(quantile));
    let low = |rank: u64| seconds(at_rank(rank)) * (1.0 - BUCKET);
    let observation = match quantile_ranks(count, quantile) {
        Some(ranks) => Observation::known(Interval {
            estimate,
            low: low(ranks.low),
            high: seconds(at_rank(ranks.high)),
        }),
        None => Observation {
            note: Some(format!("{count} values are too few to bound it from above")),
            ..Observation::known(Interval {
                estimate,
                low: lower_rank(count, quantile).map_or(0.0, low),
                high: f64::INFINITY,
            })
        },
    };
    Some(observation)
}

/// The highest rank that is below the quantile with 97.5 %: the one whose Clopper-Pearson bound
/// is not above it.
fn lower_rank(count: u64, quantile: f64) -> Option<u64> {
    let below = |rank: u64| {
        Interval::clopper_pearson(rank - 1, count).is_some_and(|bound| bound.high <= quantile)
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = high - (high - low) / 2;
        if below(middle) {
            low = middle
        } else {
            high = middle - 1
        }
    }
    (low > 0).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(count: u64) -> Delays {
        let mut delays = Delays::default();
        (1..=count).for_each(|rank| delays.record(Duration::from_secs(rank)));
        delays
    }

    #[test]
    fn a_quantile_lies_between_its_order_statistics() {
        // Ranks 936 and 964 of 1000 bound the 0.95 quantile (R, qbinom).
        let seen = quantile_of(&delays(1000), 0.95, 1.0)
            .expect("values")
            .interval;
        assert!((950.0..951.0).contains(&seen.estimate), "{seen:?}");
        assert!((935.0..=936.0).contains(&seen.low), "{seen:?}");
        assert!((964.0..965.0).contains(&seen.high), "{seen:?}");
    }

    #[test]
    fn too_few_values_bound_a_quantile_from_below_only() {
        let seen = quantile_of(&delays(100), 0.99, 1.0).expect("values");
        // P(B < 97) = 1.8 %, P(B < 98) = 7.9 % for B ~ Bin(100, 0.99).
        assert!((96.0..=97.0).contains(&seen.interval.low), "{seen:?}");
        assert!(seen.interval.high.is_infinite() && seen.note.is_some());
    }

    #[test]
    fn a_share_without_variation_keeps_its_doubt() {
        let mean = MeanEstimate {
            mean: 0.0,
            standard_error: Some(0.0),
            degrees: 40,
        };
        let seen = share_of(mean, 0, 100).interval;
        assert!(seen.high > 0.03 && seen.low <= 0.0);
    }
}
