//! `A - B`: two series compared on the same recordings.
//!
//! Which pairs are asked for is known before the run, so only a recording that one of the two
//! tenants has settled and the other has not is remembered.

use std::collections::BTreeMap;

use super::batches::{Batches, Sums};
use super::gates::{added_delay, regret};
use super::{Facts, Sharing};
use crate::field::{Field, Kind};
use crate::history::Settled;
use crate::outcome::{Cause, OutcomeKind};
use crate::scenario::{Aggregate, Metric, Series};
use crate::stats::{self, Interval, MeanEstimate, PairedCounts};

/// What one recording contributes to a series, as an integer, and its unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// One or zero.
    Event {
        outcome: OutcomeKind,
        cause: Option<Cause>,
        field: Option<Field>,
    },
    /// Nanoseconds, of recordings with a sidecar.
    AddedDelay,
    /// Nanoseconds, of complete recordings.
    Regret,
    /// Gate calls.
    Calls,
}

impl Value {
    /// The value behind a series; none if it is not a mean over recordings.
    pub(crate) fn of_series(series: &Series) -> Option<Self> {
        let Series { metric, labels } = series;
        match metric {
            Metric::OutcomeRate(outcome) => Some(Self::Event {
                outcome: *outcome,
                cause: labels.cause,
                field: labels.field,
            }),
            Metric::AddedDelay(Aggregate::Mean) => Some(Self::AddedDelay),
            Metric::Regret(Aggregate::Mean) => Some(Self::Regret),
            Metric::CallsPerRecording => Some(Self::Calls),
            Metric::AddedDelay(_)
            | Metric::Regret(_)
            | Metric::JobCallsPerRecording
            | Metric::ThrottledRate
            | Metric::MetadataLag(_)
            | Metric::QueueWaitMean
            | Metric::QueueWaitProbability
            | Metric::Recordings
            | Metric::NotEstablished => None,
        }
    }

    fn of(self, settled: &Settled, facts: &Facts) -> Option<i128> {
        match self {
            Self::Event {
                outcome,
                cause,
                field,
            } => Some(i128::from(
                settled.outcome == outcome
                    && cause.is_none_or(|cause| settled.cause == Some(cause))
                    && field.is_none_or(|field| settled.missing.contains(field)),
            )),
            Self::AddedDelay => added_delay(settled, facts).map(|delay| delay.as_nanos().into()),
            Self::Regret => regret(settled, facts).map(|regret| regret.as_nanos().into()),
            Self::Calls => Some(settled.gate_calls.into()),
        }
    }

    /// The factor from the integer to the metric's unit.
    const fn scale(self) -> f64 {
        match self {
            Self::AddedDelay | Self::Regret => 1e-9,
            Self::Event { .. } | Self::Calls => 1.0,
        }
    }
}

/// One side of a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Side {
    /// Position among the tenants.
    pub(crate) tenant: usize,
    pub(crate) value: Value,
}

/// A difference of two series over the same recordings.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    sides: [Side; 2],
    phase: Option<usize>,
    kind: Option<Kind>,
    /// The value of the side that settled first, by recording.
    waiting: BTreeMap<u64, (usize, Option<i128>)>,
    counts: PairedCounts,
    differences: Batches<DifferenceSums>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct DifferenceSums {
    count: u64,
    sum: i128,
}

impl Sums for DifferenceSums {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
    }
}

impl Pair {
    /// First side minus second side, over recordings of `phase` and `kind`.
    pub(crate) fn new(sides: [Side; 2], phase: Option<usize>, kind: Option<Kind>) -> Self {
        Self {
            sides,
            phase,
            kind,
            waiting: BTreeMap::new(),
            counts: PairedCounts::default(),
            differences: Batches::default(),
        }
    }

    /// Sees that `tenant` settled a recording of `phase`.
    pub(crate) fn add(&mut self, tenant: usize, phase: usize, settled: &Settled, facts: &Facts) {
        let meant = self.phase.is_none_or(|wanted| wanted == phase)
            && self.kind.is_none_or(|wanted| wanted == facts.kind);
        if !meant {
            return;
        }
        let recording = settled.recording.0;
        for (position, side) in self.sides.into_iter().enumerate() {
            if side.tenant != tenant {
                continue;
            }
            let value = side.value.of(settled, facts);
            match self.waiting.remove(&recording) {
                None => {
                    self.waiting.insert(recording, (position, value));
                }
                Some((0, first)) => self.record(recording, first, value),
                Some((_, second)) => self.record(recording, value, second),
            }
        }
    }

    fn record(&mut self, recording: u64, first: Option<i128>, second: Option<i128>) {
        let (Some(first), Some(second)) = (first, second) else {
            return;
        };
        self.counts.record(match (first != 0, second != 0) {
            (true, false) => stats::Pair::FirstOnly,
            (false, true) => stats::Pair::SecondOnly,
            (true, true) | (false, false) => stats::Pair::Alike,
        });
        self.differences.at(recording).add(&DifferenceSums {
            count: 1,
            sum: first - second,
        });
    }

    /// Adds another share of the same run.
    pub(crate) fn add_share(&mut self, other: &Self) {
        let waiting = other.waiting.iter();
        self.waiting
            .extend(waiting.map(|(recording, side)| (*recording, *side)));
        self.counts.first_only += other.counts.first_only;
        self.counts.second_only += other.counts.second_only;
        self.counts.pairs += other.counts.pairs;
        self.differences.add_slice(&other.differences);
    }

    /// Adds further replications.
    pub(crate) fn add_replications(&mut self, other: &Self) {
        self.waiting.clear();
        self.counts.first_only += other.counts.first_only;
        self.counts.second_only += other.counts.second_only;
        self.counts.pairs += other.counts.pairs;
        self.differences.add_replications(&other.differences);
    }

    /// The difference; none without pairs, no interval with a single one. Where recordings share
    /// something, its error is by blocks.
    pub(crate) fn difference(&self, sharing: Sharing) -> Option<Observation> {
        let scale = self.sides[0].value.scale();
        let events = matches!(
            self.sides.map(|side| side.value),
            [Value::Event { .. }, Value::Event { .. }]
        );
        if events && sharing == Sharing::Nothing {
            return self.counts.difference().map(Observation::known);
        }
        let mean = self
            .differences
            .ratio(|sums| (sums.sum as f64, sums.count as f64))?;
        Some(Observation::of_mean(mean, scale))
    }

    /// Blocks of neighbouring recordings compared.
    pub(crate) const fn blocks(&self) -> u64 {
        self.differences.len()
    }

    /// Recordings compared.
    pub(crate) const fn pairs(&self) -> u64 {
        self.counts.pairs
    }
}

/// A number and how far it can be trusted.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Observation {
    /// Bounds may be infinite: then too little was seen to bound it.
    pub(crate) interval: Interval,
    pub(crate) note: Option<String>,
    /// Recordings behind it, and blocks of neighbours among them.
    pub(crate) count: u64,
    pub(crate) blocks: u64,
}

impl Observation {
    pub(crate) const fn known(interval: Interval) -> Self {
        Self {
            interval,
            note: None,
            count: 0,
            blocks: 0,
        }
    }

    /// The same, with what is behind it.
    pub(crate) fn behind(self, count: u64, blocks: u64) -> Self {
        Self {
            count,
            blocks,
            ..self
        }
    }

    /// A mean with its interval, in units of `scale`.
    pub(crate) fn of_mean(mean: MeanEstimate, scale: f64) -> Self {
        match mean.interval() {
            Some(interval) => Self::known(Interval {
                estimate: interval.estimate * scale,
                low: interval.low * scale,
                high: interval.high * scale,
            }),
            None => Self {
                note: Some("a single batch has no interval".to_owned()),
                ..Self::known(Interval {
                    estimate: mean.mean * scale,
                    low: f64::NEG_INFINITY,
                    high: f64::INFINITY,
                })
            },
        }
    }
}
