//! What is known of one difference, by the tool that fits how both sides were made.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Outcomes;
use super::metric::{self, Concern};
use super::sample::{Sample, Values, labels_of};
use crate::analysis::Sharing;
use crate::outcome::OutcomeKind;
use crate::stats::{
    Events, MeanDifference, fisher_exact, proportion_upper, score_bounds, student_t_quantile,
};

/// Confidence of each bound by itself.
pub(super) const LEVEL: f64 = 0.95;
/// Its quantile of the standard normal.
const Z_ONE_SIDED: f64 = 1.644_853_626_951_472_7;
/// Seeds in common from which on they are compared pair by pair.
const PAIRS_MIN: usize = 10;
/// Seeds of a side from which on their own spread is used.
const UNITS_MIN: usize = 5;

/// How a difference was bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Same seeds, same history: nothing differs.
    Identical,
    /// McNemar's exact test and Tango's interval, recording by recording.
    PairedRecordings,
    /// Fisher's exact test and the score interval of Farrington and Manning.
    IndependentRecordings,
    /// Student's t of the differences, seed by seed.
    PairedSeeds,
    /// Welch's t of both sides' seeds.
    IndependentSeeds,
    /// Student's t of the differences, block by block of one seed's recordings.
    PairedBlocks,
    /// Welch's t of blocks of recordings.
    IndependentBlocks,
    /// Nothing happened on the run's side: the rule of three over what is independent.
    NoEvents,
    /// The seed-to-seed spread of the same scenario as simulated.
    SimulatedSpread,
    /// Nothing bounds it.
    Unbounded,
}

impl Method {
    /// The method in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identical => "same history",
            Self::PairedRecordings => "McNemar, Tango",
            Self::IndependentRecordings => "Fisher, Farrington-Manning",
            Self::PairedSeeds => "paired t by seed",
            Self::IndependentSeeds => "Welch t by seed",
            Self::PairedBlocks => "paired t by block",
            Self::IndependentBlocks => "Welch t by block",
            Self::NoEvents => "rule of three",
            Self::SimulatedSpread => "spread from sim",
            Self::Unbounded => "none",
        }
    }
}

/// How two samples were brought together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Pairing {
    /// Same seeds with the same history: equal to the last recording.
    Identical,
    /// By seed: positions in the base and the run.
    Seeds(Vec<(usize, usize)>),
    /// By recording of the same planned sessions.
    Recordings,
    /// Not at all.
    Independent,
}

impl Pairing {
    pub(super) fn of(base: &Sample, run: &Sample) -> Self {
        let simulated = base.engine == "sim" && run.engine == "sim";
        if !simulated {
            return Self::Independent;
        }
        if base.seeds == run.seeds && !base.hashes.is_empty() && base.hashes == run.hashes {
            return Self::Identical;
        }
        let common: Vec<(usize, usize)> = base
            .seeds
            .iter()
            .enumerate()
            .filter_map(|(at, seed)| {
                let other = run.seeds.iter().position(|other| other == seed)?;
                Some((at, other))
            })
            .collect();
        let same_sessions = base.plan_hash == run.plan_hash
            && base.seeds.first() == run.seeds.first()
            && !base.seeds.is_empty();
        let independent = base.sharing == Sharing::Nothing && run.sharing == Sharing::Nothing;
        if common.len() >= PAIRS_MIN {
            Self::Seeds(common)
        } else if same_sessions && independent {
            Self::Recordings
        } else {
            Self::Independent
        }
    }

    /// Whether the same sessions stood behind both sides, so that equal exporters are equal in
    /// every number and a false alarm needs a change.
    pub(super) const fn is_paired(&self) -> bool {
        !matches!(self, Self::Independent)
    }
}

impl fmt::Display for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identical => f.write_str("the same seeds with the same history"),
            Self::Seeds(pairs) => write!(f, "paired by seed: {} seeds in common", pairs.len()),
            Self::Recordings => f.write_str("paired by recording: the same sessions"),
            Self::Independent => f.write_str("two independent samples"),
        }
    }
}

/// What is known of run minus base, signed so that above zero is worse.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Evidence {
    pub(super) base: Option<f64>,
    pub(super) run: Option<f64>,
    pub(super) difference: Option<f64>,
    /// One-sided bounds; infinite where nothing bounds it.
    pub(super) low: f64,
    pub(super) high: f64,
    /// One-sided p of "not worse".
    pub(super) p: f64,
    /// Whether anything could have spoken for "worse"; what could not is no further test.
    pub(super) informative: bool,
    pub(super) method: Method,
    pub(super) units: u64,
}

/// A sample and one of its series.
type Side<'s> = (&'s Sample, &'s Values);

impl Evidence {
    /// What `run` and `base` say of the series `key`.
    pub(super) fn of(key: &str, pairing: &Pairing, base: Side<'_>, run: Side<'_>) -> Self {
        let sign = f64::from(metric::of_key(key).sign);
        let means = (base.1.mean(), run.1.mean());
        let seen = Self::unsigned(key, pairing, base, run);
        let seen = if sign < 0.0 { seen.mirrored() } else { seen };
        Self {
            base: means.0,
            run: means.1,
            difference: match (seen.difference, means) {
                (Some(difference), _) => Some(difference),
                (None, (Some(before), Some(after))) => Some(sign * (after - before)),
                (None, _) => None,
            },
            ..seen
        }
    }

    fn unsigned(key: &str, pairing: &Pairing, base: Side<'_>, run: Side<'_>) -> Self {
        if *pairing == Pairing::Identical {
            let units = base.1.counts.iter().sum();
            return Self {
                difference: Some(0.0),
                low: 0.0,
                high: 0.0,
                method: Method::Identical,
                units,
                ..Self::nothing()
            };
        }
        by_recording(key, pairing, base, run)
            .or_else(|| by_seed(pairing, base, run))
            .or_else(|| by_block(key, pairing, base, run))
            .or_else(|| by_spread(key, base, run))
            .map(|evidence| evidence.with_doubt_of_zero(key, base.1, run.1))
            .unwrap_or_else(Self::nothing)
    }

    const fn nothing() -> Self {
        Self {
            base: None,
            run: None,
            difference: None,
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            p: 1.0,
            informative: false,
            method: Method::Unbounded,
            units: 0,
        }
    }

    fn of_mean(difference: &MeanDifference, method: Method, units: usize) -> Self {
        Self {
            difference: Some(difference.estimate),
            low: difference.lower(LEVEL),
            high: difference.upper(LEVEL),
            p: difference.p_above(0.0),
            informative: difference.standard_error > 0.0 || difference.estimate.abs() > 0.0,
            method,
            units: units as u64,
            ..Self::nothing()
        }
    }

    /// A share that was zero in every run is not known to be zero: its bound is that of no event
    /// in as many units as are independent.
    fn with_doubt_of_zero(self, key: &str, base: &Values, run: &Values) -> Self {
        let share = matches!(metric::of_key(key).concern, Concern::Loss(_));
        let nothing_happened = run.seen().iter().all(|value| *value <= 0.0);
        let exact = matches!(
            self.method,
            Method::PairedRecordings | Method::IndependentRecordings
        );
        if !share || !nothing_happened || exact {
            return self;
        }
        let units: u64 = run.blocks.iter().sum();
        let upper = proportion_upper(0, units, LEVEL).unwrap_or(f64::INFINITY);
        Self {
            high: self.high.max(upper - base.mean().unwrap_or(0.0)),
            method: Method::NoEvents,
            units,
            ..self
        }
    }

    fn mirrored(self) -> Self {
        Self {
            difference: self.difference.map(|difference| -difference),
            low: -self.high,
            high: -self.low,
            p: 1.0 - self.p,
            ..self
        }
    }
}

/// Rates of independent recordings, exactly.
fn by_recording(key: &str, pairing: &Pairing, base: Side<'_>, run: Side<'_>) -> Option<Evidence> {
    let Concern::Loss(outcome) = metric::of_key(key).concern else {
        return None;
    };
    let independent = |side: Side<'_>| side.0.sharing == Sharing::Nothing;
    if !independent(base) || !independent(run) {
        return None;
    }
    let one_seed = base.0.seeds.len() == 1 && run.0.seeds.len() == 1;
    match pairing {
        Pairing::Recordings if one_seed => paired_recordings(key, outcome, base.0, run.0)
            .or_else(|| independent_recordings(base.1.events(), run.1.events())),
        Pairing::Recordings | Pairing::Independent => {
            independent_recordings(base.1.events(), run.1.events())
        }
        Pairing::Seeds(_) | Pairing::Identical => None,
    }
}

fn paired_recordings(
    key: &str,
    outcome: OutcomeKind,
    base: &Sample,
    run: &Sample,
) -> Option<Evidence> {
    let of = |sample: &Sample| {
        let text = sample.outcomes.get(labels_of(key))?;
        Outcomes::parse(text).ok()
    };
    // The run's side first, so that the difference is run minus base.
    let counts = of(run)?.paired(&of(base)?, outcome);
    let interval = counts.difference_at(Z_ONE_SIDED)?;
    let swapped = crate::stats::PairedCounts {
        first_only: counts.second_only,
        second_only: counts.first_only,
        pairs: counts.pairs,
    };
    Some(Evidence {
        difference: Some(interval.estimate),
        low: interval.low,
        high: interval.high,
        p: swapped.mcnemar_second_higher(),
        informative: counts.first_only + counts.second_only > 0,
        method: Method::PairedRecordings,
        units: counts.pairs,
        ..Evidence::nothing()
    })
}

fn independent_recordings(base: Events, run: Events) -> Option<Evidence> {
    let interval = score_bounds(run, base, LEVEL)?;
    Some(Evidence {
        difference: Some(interval.estimate),
        low: interval.low,
        high: interval.high,
        p: fisher_exact(run, base)?.greater,
        informative: base.count + run.count > 0,
        method: Method::IndependentRecordings,
        units: base.trials.min(run.trials),
        ..Evidence::nothing()
    })
}

fn by_seed(pairing: &Pairing, base: Side<'_>, run: Side<'_>) -> Option<Evidence> {
    if let Pairing::Seeds(pairs) = pairing {
        let both = pairs.iter().filter_map(|(before, after)| {
            Some(run.1.values.get(*after).copied()?? - base.1.values.get(*before).copied()??)
        });
        let differences: Vec<f64> = both.collect();
        if differences.len() >= PAIRS_MIN {
            let mean = MeanDifference::paired(&differences)?;
            return Some(Evidence::of_mean(
                &mean,
                Method::PairedSeeds,
                differences.len(),
            ));
        }
    }
    let (before, after) = (base.1.seen(), run.1.seen());
    if before.len() < UNITS_MIN || after.len() < UNITS_MIN {
        return None;
    }
    let mean = MeanDifference::independent(&before, &after)?;
    let units = before.len().min(after.len());
    Some(Evidence::of_mean(&mean, Method::IndependentSeeds, units))
}

/// Means and quantiles of independent recordings by sectioning: the whole run's value, with the
/// spread of its blocks about it (Asmussen and Glynn, *Stochastic Simulation*, III.5).
fn by_block(key: &str, pairing: &Pairing, base: Side<'_>, run: Side<'_>) -> Option<Evidence> {
    let whole = |side: Side<'_>| side.1.values.first().copied().flatten();
    let blocks = (base.0.blocks.get(key)?, run.0.blocks.get(key)?);
    let (before, after) = (whole(base)?, whole(run)?);
    if *pairing == Pairing::Recordings && blocks.0.len() == blocks.1.len() {
        let both = blocks.0.iter().zip(blocks.1);
        let differences: Vec<f64> = both.filter_map(|(a, b)| Some((*b)? - (*a)?)).collect();
        let estimate = after - before;
        let error = section_error(&differences, estimate)?;
        let mean = MeanDifference {
            estimate,
            standard_error: error,
            degrees: differences.len() as f64 - 1.0,
        };
        return Some(Evidence::of_mean(
            &mean,
            Method::PairedBlocks,
            differences.len(),
        ));
    }
    let values = |list: &[Option<f64>]| list.iter().copied().flatten().collect::<Vec<f64>>();
    let (first, second) = (values(blocks.0), values(blocks.1));
    let (a, b) = (
        section_error(&first, before)?,
        section_error(&second, after)?,
    );
    let mean = MeanDifference {
        estimate: after - before,
        standard_error: (a * a + b * b).sqrt(),
        degrees: first.len().min(second.len()) as f64 - 1.0,
    };
    let units = first.len().min(second.len());
    Some(Evidence::of_mean(&mean, Method::IndependentBlocks, units))
}

/// Standard error of `whole` from its blocks' values. `None` below [`UNITS_MIN`] blocks.
fn section_error(blocks: &[f64], whole: f64) -> Option<f64> {
    if blocks.len() < UNITS_MIN {
        return None;
    }
    let count = blocks.len() as f64;
    let squares: f64 = blocks
        .iter()
        .map(|value| (value - whole) * (value - whole))
        .sum();
    Some((squares / (count * (count - 1.0))).sqrt())
}

/// Few live runs borrow their doubt from the simulated spread of the same scenario.
fn by_spread(key: &str, base: Side<'_>, run: Side<'_>) -> Option<Evidence> {
    let spread = |side: Side<'_>| side.0.spread.get(key).copied().filter(|s| s.seeds >= 2);
    let (before, after) = (spread(base)?, spread(run)?);
    let count = |side: Side<'_>| side.1.seen().len() as f64;
    let (n, m) = (count(base), count(run));
    if n < 1.0 || m < 1.0 {
        return None;
    }
    let a = before.deviation * before.deviation / n;
    let b = after.deviation * after.deviation / m;
    let mean = MeanDifference {
        estimate: run.1.mean()? - base.1.mean()?,
        standard_error: (a + b).sqrt(),
        degrees: (before.seeds.min(after.seeds) - 1) as f64,
    };
    let units = run.1.seen().len().min(base.1.seen().len());
    Some(Evidence::of_mean(&mean, Method::SimulatedSpread, units))
}

/// How many times as many units bring the upper bound down to `margin`, or the lower one above
/// zero at error `error`, with 80 %.
pub(super) fn more_units(evidence: &Evidence, margin: f64, error: f64) -> Option<f64> {
    const Z_POWER: f64 = 0.841_621_233_572_914_3;
    let difference = evidence.difference?;
    let half = evidence.high - difference;
    if !half.is_finite() || half <= 0.0 {
        return None;
    }
    let standard = half / Z_ONE_SIDED;
    let factor = |gap: f64, z: f64| {
        (gap > 0.0).then(|| {
            let ratio = (z + Z_POWER) * standard / gap;
            ratio * ratio
        })
    };
    let within = factor(margin - difference, Z_ONE_SIDED);
    let z = student_t_quantile(1.0 - error, 1e6);
    let beyond = factor(difference, z);
    match (within, beyond) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
