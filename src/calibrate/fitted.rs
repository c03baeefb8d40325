//! Fits of a trace's lags, and what a naive log would have made of them.

use racegate_model::draws::Seed;
use racegate_model::schedule::Lag as _;
use racegate_model::survival::fit::{Fit, Goodness, fit, fit_all, goodness};
use racegate_model::survival::{Observations, Turnbull, turnbull};

use super::Trace;

/// Repetitions of the bootstrap: p-values in steps of 1 %.
const REPETITIONS: u32 = 99;
/// A p-value under which a family does not fit.
pub(super) const REFUSED: f64 = 0.05;

/// A lag of a trace with everything that was fitted to it.
#[derive(Clone, Debug)]
pub struct LagFit {
    /// What was observed.
    pub observations: Observations,
    /// The estimate without a family.
    pub estimate: Turnbull,
    /// The families, best first.
    pub fits: Vec<Fit>,
    /// How well the best one fits.
    pub goodness: Option<Goodness>,
}

/// What the instant of the successful look, taken for that of visibility, does to the answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NaiveBias {
    /// Median lag in seconds, fitted to what is known.
    pub median: f64,
    /// Median lag in seconds, fitted to the instants of successful looks.
    pub naive_median: f64,
    /// 99 % quantile, likewise.
    pub p99: f64,
    /// 99 % quantile by the naive log.
    pub naive_p99: f64,
}

/// All that is found out about a trace.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Session end → metadata.
    pub metadata: Option<LagFit>,
    /// Session end → media.
    pub media: Option<LagFit>,
    /// The bias of a naive log; `None` where all lags are exact.
    pub bias: Option<NaiveBias>,
    /// Rows of the trace.
    pub rows: u64,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl LagFit {
    /// Fits every family, tests the best one.
    #[must_use]
    pub fn of(observations: Observations, seed: Seed) -> Option<Self> {
        if observations.total() == 0 {
            return None;
        }
        let fits = fit_all(&observations);
        let goodness = fits
            .first()
            .map(|best| goodness(best, &observations, REPETITIONS, seed));
        Some(Self {
            estimate: turnbull(&observations),
            observations,
            fits,
            goodness,
        })
    }

    /// The best family, if it fits.
    #[must_use]
    pub fn fitting(&self) -> Option<&Fit> {
        let fits = self.goodness.is_some_and(|goodness| goodness.p >= REFUSED);
        self.fits.first().filter(|_| fits)
    }

    /// Share of the recordings whose lag no look bounded.
    #[must_use]
    pub fn censored_share(&self) -> f64 {
        let censored = self
            .observations
            .iter()
            .filter(|one| one.is_right_censored());
        let censored: u64 = censored.map(|one| one.count).sum();
        censored as f64 / self.observations.total() as f64
    }
}

impl Calibration {
    /// Fits what a trace holds.
    #[must_use]
    pub fn of(trace: Trace, seed: Seed) -> Self {
        let metadata = LagFit::of(trace.metadata, seed);
        let bias = metadata
            .as_ref()
            .and_then(|metadata| bias(metadata, &trace.naive));
        Self {
            media: LagFit::of(trace.media, seed),
            metadata,
            bias,
            rows: trace.rows,
            notes: trace.notes,
        }
    }
}

fn bias(metadata: &LagFit, naive: &Observations) -> Option<NaiveBias> {
    if metadata
        .observations
        .iter()
        .all(|one| one.is_exact() || one.is_right_censored())
    {
        return None;
    }
    let best = metadata.fits.first()?;
    let biased = fit(best.curve.family(), naive)?;
    Some(NaiveBias {
        median: best.curve.instant_with_beyond(0.5),
        naive_median: biased.curve.instant_with_beyond(0.5),
        p99: best.curve.instant_with_beyond(0.01),
        naive_p99: biased.curve.instant_with_beyond(0.01),
    })
}
