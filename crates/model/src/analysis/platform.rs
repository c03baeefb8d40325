//! What is counted per arm: how late the platform was, and where recordings waited.

use std::iter::once;

use super::batches::{Batches, Sums};
use super::delay::{Cdf, Delays};
use crate::field::{Field, FieldGroup, FieldSet};
use crate::ids::RecordingIndex;
use crate::scenario::{ReadPath, StageSpec};
use crate::stats::MeanEstimate;
use crate::summary::{PlatformSummary, StageSummary};
use crate::time::{Duration, Timestamp};
use crate::timeline::{Decided, Need, STAGES_MAX, StageTimes};

/// What lags behind the session's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lag {
    /// The media object.
    Media,
    /// All required fields on the primary read path.
    Metadata,
    /// All required fields on the index.
    Index,
    /// One field on the primary read path.
    Field(Field),
}

/// Lags of the platform, then those of groups whose fields share a clock, then those of fields that
/// have one of their own.
const LAGS: usize = GROUPED + FieldGroup::COUNT + Field::METADATA_COUNT;
const GROUPED: usize = 3;
const OWN: usize = GROUPED + FieldGroup::COUNT;

impl Lag {
    /// Where it is counted: at most at two positions.
    fn positions(self) -> impl Iterator<Item = usize> {
        let (first, second) = match self {
            Self::Media | Self::Field(Field::Media) => (0, None),
            Self::Metadata => (1, None),
            Self::Index => (2, None),
            Self::Field(field) => {
                let group = field.group().map(|group| GROUPED + group.index());
                (OWN + field as usize, group)
            }
        };
        once(first).chain(second)
    }
}

/// One arm's recordings of one phase and kind, or of several such cells added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlatformCell {
    pub(crate) ended: u64,
    pub(crate) never_complete: u64,
    pub(crate) batches: Batches<PlatformSums>,
    lags: [Delays; LAGS],
    wait_max: [Duration; STAGES_MAX],
}

/// Sums of a batch of recordings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct PlatformSums {
    lags: [LagSums; LAGS],
    stages: [StageSums; STAGES_MAX],
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct LagSums {
    count: u64,
    nanos: u128,
}

impl LagSums {
    const fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.nanos += other.nanos;
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct StageSums {
    /// Recordings that reached a worker.
    served: u64,
    /// Those that never did.
    unserved: u64,
    /// Of those that reached one: how many had to wait for it.
    waited: u64,
    wait_ns: u128,
    /// Recordings that the stage was done with.
    done: u64,
    service_ns: u128,
}

impl Sums for PlatformSums {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.lags.iter_mut().zip(&other.lags) {
            mine.add(theirs);
        }
        for (mine, theirs) in self.stages.iter_mut().zip(&other.stages) {
            mine.served += theirs.served;
            mine.unserved += theirs.unserved;
            mine.waited += theirs.waited;
            mine.wait_ns += theirs.wait_ns;
            mine.done += theirs.done;
            mine.service_ns += theirs.service_ns;
        }
    }
}

impl PlatformCell {
    /// Counts a recording. Returns the lag of its `required` fields, if they ever come.
    pub(crate) fn add(&mut self, recording: &impl Decided, required: FieldSet) -> Option<Duration> {
        self.ended += 1;
        let ended_at = recording.ended_at();
        let need = Need::fields(required.without(Field::Media));
        let fields_at = |path| recording.fields_at(path, required, &need);
        let sums = self.batches.at(recording.recording().0);
        let mut count = |position: usize, at: Timestamp| {
            let delay = (!at.is_never()).then(|| at.since(ended_at))?;
            self.lags[position].record(delay);
            let sums = &mut sums.lags[position];
            sums.count += 1;
            sums.nanos += u128::from(delay.as_nanos());
            Some(delay)
        };
        count(0, recording.media_at());
        let metadata = count(1, fields_at(ReadPath::Primary));
        count(2, fields_at(ReadPath::Index));
        if let Some(clocks) = recording.clocks() {
            for (position, clock) in (GROUPED..).zip(clocks) {
                count(position, clock.value_at);
            }
        } else {
            recording.look(|timeline| {
                for (position, field) in (OWN..).zip(Field::METADATA) {
                    count(position, timeline.clock(Timestamp::NEVER, field).value_at);
                }
            });
        }
        self.never_complete += u64::from(metadata.is_none());
        metadata
    }

    /// Counts a recording's way through the stages.
    pub(crate) fn add_stages(&mut self, recording: RecordingIndex, stages: &[StageTimes]) {
        let sums = self.batches.at(recording.0);
        for (stage, times) in stages.iter().enumerate() {
            if times.queued_at.is_never() {
                continue;
            }
            let sums = &mut sums.stages[stage];
            if times.started_at.is_never() {
                sums.unserved += 1;
                continue;
            }
            let wait = times.started_at.since(times.queued_at);
            self.wait_max[stage] = self.wait_max[stage].max(wait);
            sums.served += 1;
            sums.waited += u64::from(wait > Duration::ZERO);
            sums.wait_ns += u128::from(wait.as_nanos());
            if !times.done_at.is_never() {
                let service = times.done_at.since(times.started_at);
                sums.done += 1;
                sums.service_ns += u128::from(service.as_nanos());
            }
        }
    }

    /// Adds another cell of the same run.
    pub(crate) fn add_slice(&mut self, other: &Self) {
        self.add_counts(other);
        self.batches.add_slice(&other.batches);
    }

    /// Adds the same cell of further replications.
    pub(crate) fn add_replications(&mut self, other: &Self) {
        self.add_counts(other);
        self.batches.add_replications(&other.batches);
    }

    fn add_counts(&mut self, other: &Self) {
        self.ended += other.ended;
        self.never_complete += other.never_complete;
        for (mine, theirs) in self.lags.iter_mut().zip(&other.lags) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.wait_max.iter_mut().zip(&other.wait_max) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// The distribution of a lag.
    pub(crate) fn delays(&self, lag: Lag) -> Delays {
        let mut all = Delays::default();
        for position in lag.positions() {
            all.merge(&self.lags[position]);
        }
        all
    }

    /// The mean of a lag, in nanoseconds.
    pub(crate) fn lag_mean(&self, lag: Lag) -> Option<MeanEstimate> {
        self.batches.ratio(|sums| {
            let mut all = LagSums::default();
            for position in lag.positions() {
                all.add(&sums.lags[position]);
            }
            (all.nanos as f64, all.count as f64)
        })
    }

    /// The mean wait in stage `stage` of those that reached a worker, in nanoseconds.
    pub(crate) fn wait_mean(&self, stage: usize) -> Option<MeanEstimate> {
        self.stage_ratio(stage, |sums| (sums.wait_ns as f64, sums.served))
    }

    /// The share of recordings that waited in stage `stage`, those that wait for ever included.
    pub(crate) fn wait_probability(&self, stage: usize) -> Option<MeanEstimate> {
        self.stage_ratio(stage, |sums| {
            let waited = sums.waited + sums.unserved;
            (waited as f64, sums.served + sums.unserved)
        })
    }

    /// Recordings that waited in stage `stage`, and all that came to it.
    pub(crate) fn waited(&self, stage: usize) -> (u64, u64) {
        let total = self.batches.total();
        total.stages.get(stage).map_or((0, 0), |sums| {
            (sums.waited + sums.unserved, sums.served + sums.unserved)
        })
    }

    fn stage_ratio(
        &self,
        stage: usize,
        part: impl Fn(&StageSums) -> (f64, u64),
    ) -> Option<MeanEstimate> {
        self.batches.ratio(|sums| {
            let (sum, count) = sums.stages.get(stage).map_or((0.0, 0), &part);
            (sum, count as f64)
        })
    }

    /// The row of arm `arm` and kind `kind`; `stages` with the use of each.
    pub(crate) fn summary<'a>(
        &self,
        arm: &str,
        kind: &str,
        stages: impl Iterator<Item = (&'a StageSpec, Usage)>,
    ) -> PlatformSummary {
        let row = |lag: Lag, cdf: Cdf| self.delays(lag).summary(self.lag_mean(lag), cdf);
        let fields = Field::METADATA
            .into_iter()
            .filter(|field| self.delays(Lag::Field(*field)).count() > 0);
        PlatformSummary {
            arm: arm.to_owned(),
            gate: None,
            kind: kind.to_owned(),
            media_lag: row(Lag::Media, Cdf::Drawn),
            metadata_lag: row(Lag::Metadata, Cdf::Drawn),
            index_lag: row(Lag::Index, Cdf::Drawn),
            fields: fields
                .map(|field| (field.name().to_owned(), row(Lag::Field(field), Cdf::Left)))
                .collect(),
            stages: self.stage_summaries(stages),
            never_complete: self.never_complete,
        }
    }

    /// The rows of `stages` with the use of each.
    pub(crate) fn stage_summaries<'a>(
        &self,
        stages: impl Iterator<Item = (&'a StageSpec, Usage)>,
    ) -> Vec<StageSummary> {
        let row = |(position, (spec, usage))| self.stage_summary(position, spec, usage);
        stages.enumerate().map(row).collect()
    }

    fn stage_summary(&self, position: usize, spec: &StageSpec, usage: Usage) -> StageSummary {
        let total = self.batches.total();
        let sums = total.stages.get(position).cloned().unwrap_or_default();
        let wait = self.wait_mean(position).map(MeanEstimate::in_seconds);
        let waited = self.wait_probability(position);
        let service = self.stage_ratio(position, |sums| (sums.service_ns as f64, sums.done));
        let error = |mean: Option<MeanEstimate>| mean.and_then(|mean| mean.standard_error);
        StageSummary {
            name: spec.name.clone(),
            workers: spec.workers,
            count: sums.served + sums.unserved,
            unserved: sums.unserved,
            wait_mean_s: wait.map_or(0.0, |wait| wait.mean),
            wait_mean_se_s: error(wait).unwrap_or(0.0),
            wait_mean: None,
            wait_probability: waited.map_or(0.0, |waited| waited.mean),
            wait_probability_se: error(waited).unwrap_or(0.0),
            wait_probability_interval: None,
            wait_max_s: self
                .wait_max
                .get(position)
                .copied()
                .unwrap_or_default()
                .as_secs_f64(),
            service_mean_s: service.map_or(0.0, |service| service.in_seconds().mean),
            utilisation: usage.utilisation(spec.workers),
        }
    }
}

/// How busy the workers of a stage were, with all kinds and the warm-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Usage {
    busy_ns: u128,
    /// First arrival and last departure.
    span: Option<(Timestamp, Timestamp)>,
    /// Spans of the replications that were merged.
    merged_ns: u128,
}

impl Usage {
    /// Counts one recording's way through the stage.
    pub(crate) fn add(&mut self, times: &StageTimes) {
        if times.started_at.is_never() || times.done_at.is_never() {
            return;
        }
        self.busy_ns += u128::from(times.done_at.since(times.started_at).as_nanos());
        let (first, last) = self.span.unwrap_or((times.queued_at, times.done_at));
        self.span = Some((first.min(times.queued_at), last.max(times.done_at)));
    }

    /// Adds another share of the same run.
    pub(crate) fn add_share(&mut self, other: &Self) {
        self.busy_ns += other.busy_ns;
        let spans = self.span.into_iter().chain(other.span);
        self.span = spans.reduce(|(first, last), (other_first, other_last)| {
            (first.min(other_first), last.max(other_last))
        });
    }

    /// Adds further replications.
    pub(crate) fn add_replications(&mut self, other: &Self) {
        self.busy_ns += other.busy_ns;
        self.merged_ns = self.span_ns() + other.span_ns();
        self.span = None;
    }

    fn span_ns(&self) -> u128 {
        let open = self
            .span
            .map_or(Duration::ZERO, |(first, last)| last.since(first));
        self.merged_ns + u128::from(open.as_nanos())
    }

    fn utilisation(&self, workers: u32) -> f64 {
        let capacity = self.span_ns() as f64 * f64::from(workers);
        if capacity > 0.0 {
            self.busy_ns as f64 / capacity
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_never_reaches_a_worker_has_waited_and_has_no_wait() {
        let at = Timestamp::from_nanos;
        let times = |started_at, done_at| StageTimes {
            queued_at: at(10),
            started_at,
            done_at,
        };
        let mut cell = PlatformCell::default();
        for (index, stage) in [
            times(at(10), at(30)),
            times(at(50), at(60)),
            times(at(30), Timestamp::NEVER),
            times(Timestamp::NEVER, Timestamp::NEVER),
            StageTimes::NONE,
        ]
        .into_iter()
        .enumerate()
        {
            cell.add_stages(RecordingIndex(index as u64), &[stage]);
        }
        assert_eq!(cell.waited(0), (3, 4));
        let mean = |estimate: Option<MeanEstimate>| estimate.expect("recordings").mean;
        assert!((mean(cell.wait_mean(0)) - 20.0).abs() < 1e-12);
        assert!((mean(cell.wait_probability(0)) - 0.75).abs() < 1e-12);
        let total = cell.batches.total();
        assert_eq!((total.stages[0].unserved, total.stages[0].done), (1, 2));
    }
}
