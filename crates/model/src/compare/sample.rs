//! One side of a comparison: what a run, several runs, or a committed baseline showed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric;
use super::{Margins, Origin};
use crate::analysis::Sharing;

/// Version of the schema of a baseline's file. Grow it, never rename.
pub const SAMPLE_SCHEMA: u32 = 1;

/// What runs of one scenario showed, by seed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// [`SAMPLE_SCHEMA`].
    pub schema: u32,
    /// Name and version of the program.
    pub tool: String,
    /// The scenario's name.
    pub scenario: String,
    /// Hash of the scenario, without seed, engine, description and expectations.
    pub scenario_hash: String,
    /// `sim` or `live`.
    pub engine: String,
    /// What couples recordings.
    pub sharing: Sharing,
    /// Hash of the planned sessions of the first seed.
    pub plan_hash: String,
    /// Seeds that were run, each once.
    pub seeds: Vec<u64>,
    /// History hash of each seed; empty where the engine has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
    /// Values by series, as `[expect]` writes it.
    pub series: BTreeMap<String, Values>,
    /// Values by block of neighbouring recordings of the first seed, by series; only where nothing
    /// couples recordings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<String, Vec<Option<f64>>>,
    /// Outcomes of the first seed by gate's labels, see [`super::Outcomes`]; only where nothing
    /// couples recordings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<String, String>,
    /// How far runs with other seeds differ, by series, as simulated; for live runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spread: BTreeMap<String, Spread>,
}

/// Values of one series, one per seed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Values {
    /// What each run showed; none where there was nothing to observe.
    pub values: Vec<Option<f64>>,
    /// Observations behind each value.
    pub counts: Vec<u64>,
    /// Blocks of neighbouring recordings, which are taken as independent where nothing happened.
    pub blocks: Vec<u64>,
}

/// The spread of a metric from seed to seed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// Standard deviation.
    pub deviation: f64,
    /// Seeds that it was taken from.
    pub seeds: u64,
}

/// A sample that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SampleError {
    /// The file is of another schema.
    #[error(
        "its schema is {0}, this version reads {SAMPLE_SCHEMA}; save it again with --save-baseline"
    )]
    Schema(u32),
    /// A list does not have one entry per seed.
    #[error("`{series}` has {found} values for {seeds} seeds")]
    Length {
        /// The series.
        series: String,
        /// Values.
        found: usize,
        /// Seeds.
        seeds: usize,
    },
    /// Outcomes are not understood.
    #[error("the outcomes of {gate} are damaged: {reason}")]
    Outcomes {
        /// The gate's labels.
        gate: String,
        /// The reason.
        reason: String,
    },
    /// Two samples are of different scenarios or engines.
    #[error("they are no runs of the same scenario: {0} and {1}")]
    Mixed(String, String),
}

impl Sample {
    /// Checks what a file cannot be trusted to hold.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), SampleError> {
        if self.schema != SAMPLE_SCHEMA {
            return Err(SampleError::Schema(self.schema));
        }
        let seeds = self.seeds.len();
        for (series, values) in &self.series {
            for found in [
                values.values.len(),
                values.counts.len(),
                values.blocks.len(),
            ] {
                if found != seeds {
                    let series = series.clone();
                    return Err(SampleError::Length {
                        series,
                        found,
                        seeds,
                    });
                }
            }
        }
        if !self.hashes.is_empty() && self.hashes.len() != seeds {
            return Err(SampleError::Length {
                series: "hashes".to_owned(),
                found: self.hashes.len(),
                seeds,
            });
        }
        for (gate, text) in &self.outcomes {
            super::Outcomes::parse(text).map_err(|reason| SampleError::Outcomes {
                gate: gate.clone(),
                reason,
            })?;
        }
        Ok(())
    }

    /// Adds further runs of the same scenario; a simulated seed that is there already says nothing
    /// new and is left out.
    ///
    /// # Errors
    /// If they are of another scenario or engine.
    pub fn add(&mut self, other: &Self) -> Result<(), SampleError> {
        let id = |sample: &Self| {
            let Self {
                scenario,
                scenario_hash,
                engine,
                ..
            } = sample;
            format!("{scenario} ({scenario_hash}, {engine})")
        };
        if id(self) != id(other) {
            return Err(SampleError::Mixed(id(self), id(other)));
        }
        for (at, seed) in other.seeds.iter().enumerate() {
            if self.engine == "sim" && self.seeds.contains(seed) {
                continue;
            }
            let before = self.seeds.len();
            self.seeds.push(*seed);
            if !self.hashes.is_empty() {
                self.hashes
                    .push(other.hashes.get(at).cloned().unwrap_or_default());
            }
            for (key, mine) in &mut self.series {
                mine.push_from(other.series.get(key), at);
            }
            for (key, theirs) in &other.series {
                let mine = self.series.entry(key.clone()).or_insert_with(|| {
                    let mut fresh = Values::default();
                    (0..before).for_each(|_| fresh.push_from(None, 0));
                    fresh
                });
                if mine.values.len() == before {
                    mine.push_from(Some(theirs), at);
                }
            }
        }
        if self.spread.is_empty() {
            self.spread.clone_from(&other.spread);
        }
        Ok(())
    }

    /// The series that are judged, in the order of tables.
    pub(super) fn judged<'s>(
        &'s self,
        margins: &'s Margins,
    ) -> impl Iterator<Item = (&'s String, &'s Values)> {
        let mut keys: Vec<_> = self
            .series
            .iter()
            .filter(|(key, _)| margins.judges(key))
            .collect();
        keys.sort_by_key(|(key, _)| (labels_of(key), metric::rank(key)));
        keys.into_iter()
    }

    /// The sample without its numbers.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            tool: self.tool.clone(),
            scenario: self.scenario.clone(),
            scenario_hash: self.scenario_hash.clone(),
            engine: self.engine.clone(),
            seeds: self.seeds.clone(),
        }
    }
}

/// The labels of a series' key, braces included.
pub(super) fn labels_of(key: &str) -> &str {
    key.find('{').map_or("", |at| &key[at..])
}

impl Values {
    fn push_from(&mut self, other: Option<&Self>, at: usize) {
        let number = |list: &[u64]| list.get(at).copied().unwrap_or(0);
        self.values
            .push(other.and_then(|other| other.values.get(at).copied().flatten()));
        self.counts
            .push(other.map_or(0, |other| number(&other.counts)));
        self.blocks
            .push(other.map_or(0, |other| number(&other.blocks)));
    }

    /// The values that there are.
    pub(super) fn seen(&self) -> Vec<f64> {
        self.values.iter().copied().flatten().collect()
    }

    /// Their mean: the estimate of the expectation over seeds.
    pub(super) fn mean(&self) -> Option<f64> {
        let seen = self.seen();
        (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
    }

    /// Events and trials of a rate, over all seeds.
    pub(super) fn events(&self) -> crate::stats::Events {
        let mut count = 0.0;
        for (value, trials) in self.values.iter().zip(&self.counts) {
            count += value.unwrap_or(0.0) * *trials as f64;
        }
        let trials = self.counts.iter().sum();
        crate::stats::Events {
            count: whole(count).min(trials),
            trials,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and a count of recordings is exact"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}
