//! What each seed of a scenario showed: one value per series and replication.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sharing::Sharing;
use super::{Accumulator, series};
use crate::outcome::OutcomeKind;
use crate::scenario::Metric;
use crate::summary::{DelaySummary, OutcomeSummary};

/// Version of the file's schema.
const SCHEMA: u32 = 1;

/// The values of several runs of one scenario, seed by seed. The first is the run's own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Replicates {
    schema: u32,
    /// What couples recordings.
    pub sharing: Sharing,
    /// The seeds, in the order in which they count.
    pub seeds: Vec<u64>,
    /// The history hash of each.
    pub hashes: Vec<String>,
    /// By series, as `[expect]` writes it.
    pub series: BTreeMap<String, Column>,
}

/// One series over all seeds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Column {
    /// What each seed showed; none where there was nothing to see.
    pub values: Vec<Option<f64>>,
    /// Observations behind each value.
    pub counts: Vec<u64>,
    /// Blocks of neighbouring recordings behind each value.
    pub blocks: Vec<u64>,
}

/// One run of a scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct Replicate {
    /// Its seed.
    pub seed: u64,
    /// The hash of its history.
    pub hash: String,
    /// Why its numbers cannot be trusted; empty if they can.
    pub invalid: Vec<String>,
    /// By series.
    pub samples: BTreeMap<String, Sample>,
}

/// What one run showed of a series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// The value; a share of one, seconds or a number.
    pub value: f64,
    /// Observations behind it.
    pub count: u64,
    /// Blocks of neighbouring recordings behind it.
    pub blocks: u64,
}

impl Replicates {
    /// No run yet.
    #[must_use]
    pub const fn new(sharing: Sharing) -> Self {
        Self {
            schema: SCHEMA,
            sharing,
            seeds: Vec::new(),
            hashes: Vec::new(),
            series: BTreeMap::new(),
        }
    }

    /// Adds the next run; the order is that of the seeds' index, not of the threads.
    pub fn push(&mut self, replicate: Replicate) {
        let before = self.seeds.len();
        for (key, sample) in replicate.samples {
            let column = self.series.entry(key).or_default();
            column.pad(before);
            column.values.push(Some(sample.value));
            column.counts.push(sample.count);
            column.blocks.push(sample.blocks);
        }
        self.seeds.push(replicate.seed);
        self.hashes.push(replicate.hash);
        for column in self.series.values_mut() {
            column.pad(before + 1);
        }
    }

    /// Number of runs.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.seeds.len()
    }

    /// Whether there is no run.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.seeds.is_empty()
    }

    /// A series, by its name in `[expect]`.
    #[must_use]
    pub fn get(&self, series: &str) -> Option<&Column> {
        self.series.get(series)
    }

    /// The run at a position, with what it showed of every series.
    ///
    /// # Panics
    ///
    /// If there is no run at that position.
    #[must_use]
    pub fn run(&self, at: usize) -> Replicate {
        let samples = self.series.iter().filter_map(|(key, column)| {
            let sample = Sample {
                value: column.values[at]?,
                count: column.counts[at],
                blocks: column.blocks[at],
            };
            Some((key.clone(), sample))
        });
        Replicate {
            seed: self.seeds[at],
            hash: self.hashes[at].clone(),
            invalid: Vec::new(),
            samples: samples.collect(),
        }
    }

    /// The runs at these positions by themselves, in this order.
    ///
    /// # Panics
    ///
    /// If there is no run at a position.
    #[must_use]
    pub fn pick(&self, runs: &[usize]) -> Self {
        let cut = |column: &Column| Column {
            values: runs.iter().map(|run| column.values[*run]).collect(),
            counts: runs.iter().map(|run| column.counts[*run]).collect(),
            blocks: runs.iter().map(|run| column.blocks[*run]).collect(),
        };
        let series = self.series.iter();
        Self {
            schema: self.schema,
            sharing: self.sharing,
            seeds: runs.iter().map(|run| self.seeds[*run]).collect(),
            hashes: runs.iter().map(|run| self.hashes[*run].clone()).collect(),
            series: series
                .map(|(key, column)| (key.clone(), cut(column)))
                .collect(),
        }
    }

    /// One hash of all runs' histories, in their order.
    #[must_use]
    pub fn hash(&self) -> String {
        let fold = |hash, one: &String| {
            crate::draws::mix64(hash ^ crate::draws::hash_bytes(one.as_bytes()))
        };
        format!("{:016x}", self.hashes.iter().fold(0, fold))
    }
}

impl Column {
    fn pad(&mut self, runs: usize) {
        self.values.resize(runs.max(self.values.len()), None);
        self.counts.resize(self.values.len(), 0);
        self.blocks.resize(self.values.len(), 0);
    }

    /// The values that are there, in the order of the seeds.
    #[must_use]
    pub fn seen(&self) -> Vec<f64> {
        self.values.iter().copied().flatten().collect()
    }
}

/// Collects the samples of one run.
struct Samples(BTreeMap<String, Sample>);

impl Samples {
    fn add(&mut self, key: String, value: f64, (count, blocks): (u64, u64)) {
        if count > 0 && value.is_finite() {
            let sample = Sample {
                value,
                count,
                blocks,
            };
            self.0.insert(key, sample);
        }
    }

    fn rates(&mut self, labels: &str, total: &OutcomeSummary, blocks: u64) {
        let settled = total.recordings.saturating_sub(total.outcomes.in_flight);
        for outcome in OutcomeKind::ALL {
            let key = format!("{}_rate{labels}", outcome.name());
            let value = total.outcomes.of(outcome) as f64 / settled.max(1) as f64;
            self.add(key, value, (settled, blocks));
        }
    }

    fn delays(&mut self, family: &str, labels: &str, row: &DelaySummary, blocks: u64) {
        for (aggregate, value) in [
            ("mean", row.mean_s),
            ("p50", row.p50_s),
            ("p95", row.p95_s),
            ("p99", row.p99_s),
            ("max", row.max_s),
        ] {
            let key = format!("{family}_{aggregate}{labels}");
            self.add(key, value, (row.count, blocks));
        }
    }
}

impl Accumulator {
    /// What this run showed of every series of the summary and of every line of `[expect]`.
    #[must_use]
    pub fn replicate(&self) -> Replicate {
        let mut samples = Samples(BTreeMap::new());
        let summary = self.numbers();
        for (position, gate) in summary.gates.iter().enumerate() {
            let blocks = |phase, kind| self.blocks(position, phase, kind);
            let labels = series::Label::of(&gate.arm, Some(&gate.name));
            let (all, whole) = (blocks(None, None), labels.text());
            let settled = gate.total.recordings - gate.total.outcomes.in_flight;
            samples.rates(&whole, &gate.total, all);
            samples.delays("added_delay", &whole, &gate.added_delay, all);
            samples.delays("regret", &whole, &gate.regret, all);
            for (name, value) in [
                ("calls_per_recording", gate.calls_per_recording),
                ("job_calls_per_recording", gate.job_calls_per_recording),
                ("throttled_rate", gate.throttled_rate),
            ] {
                samples.add(format!("{name}{whole}"), value, (settled, all));
            }
            let phases = gate.phases.iter().map(|(name, row)| {
                let at = summary.phases.iter().position(|phase| phase.name == *name);
                (labels.clone().phase(name).text(), row, blocks(at, None))
            });
            let kinds = gate.kinds.iter().map(|(name, row)| {
                let kind = crate::field::Kind::ALL
                    .into_iter()
                    .find(|kind| kind.name() == name);
                (labels.clone().kind(name).text(), row, blocks(None, kind))
            });
            for (labels, row, blocks) in phases.chain(kinds) {
                let settled = row.total.recordings - row.total.outcomes.in_flight;
                samples.rates(&labels, &row.total, blocks);
                samples.delays("added_delay", &labels, &row.added_delay, blocks);
                let calls = format!("calls_per_recording{labels}");
                samples.add(calls, row.calls_per_recording, (settled, blocks));
            }
        }
        for row in &summary.platform {
            let labels = series::Label::of(&row.arm, row.gate.as_deref()).kind(&row.kind);
            let text = labels.text();
            samples.delays("metadata_lag", &text, &row.metadata_lag, 0);
            samples.delays("media_lag", &text, &row.media_lag, 0);
            samples.delays("index_lag", &text, &row.index_lag, 0);
            for (field, row) in &row.fields {
                samples.delays("metadata_lag", &labels.clone().field(field).text(), row, 0);
            }
            for stage in &row.stages {
                let text = labels.clone().stage(&stage.name).text();
                for (name, value) in [
                    ("queue_wait_mean", stage.wait_mean_s),
                    ("queue_wait_probability", stage.wait_probability),
                    ("service_mean", stage.service_mean_s),
                    ("utilisation", stage.utilisation),
                ] {
                    samples.add(format!("{name}{text}"), value, (stage.count, 0));
                }
            }
        }
        self.sample_lines(&mut samples);
        Replicate {
            seed: summary.seed,
            hash: self.hash.hex(),
            invalid: summary.invalid_reasons,
            samples: samples.0,
        }
    }

    /// The series and differences that `[expect]` asks for.
    fn sample_lines(&self, samples: &mut Samples) {
        let lines = self.scenario.expect.iter().zip(&self.pairs);
        for (line, pair) in lines {
            // Exact counts are of the run, and have no expectation to be asked for.
            if matches!(
                line.series.metric,
                Metric::Recordings | Metric::NotEstablished
            ) {
                continue;
            }
            if let Ok(seen) = self.observe_line(line, pair.as_ref()) {
                let units = (seen.count.max(1), seen.blocks);
                samples.add(series::key_of(line), seen.interval.estimate, units);
            }
        }
    }

    /// Blocks of neighbouring recordings of one tenant.
    fn blocks(
        &self,
        position: usize,
        phase: Option<usize>,
        kind: Option<crate::field::Kind>,
    ) -> u64 {
        let whole = self.whole(position);
        let cell = self.gate_slice(super::observe::Selection {
            phase,
            kind,
            ..whole
        });
        cell.batches.len()
    }
}
