//! Statistics of a run: intervals, histograms, moments, batch means. A result carries its doubt.
//!
//! Accumulators are integers, so the order in which parts are added changes nothing; numbers become
//! `f64` only when they are read, with the pinned `libm`.

mod batch_means;
pub(crate) mod beta;
mod betting;
mod bounds;
mod changes;
mod goodness;
mod histogram;
mod holm;
mod interval;
mod means;
mod moments;
mod paired;
mod ranks;
mod rates;
pub(crate) mod root;
mod seeds;
mod sequential;
pub(crate) mod simplex;
pub(crate) mod special;

pub use batch_means::{BatchMeans, MeanEstimate};
pub use beta::{student_t_above, student_t_quantile};
pub use betting::BetBelow;
pub use bounds::{proportion_lower, proportion_upper, rule_of_three, trials_to_bound};
pub use changes::{Change, changes};
pub use goodness::{Distances, distances, kolmogorov_smirnov_p, two_sample_distance};
pub use histogram::Histogram;
pub use holm::holm;
pub use interval::Interval;
pub use means::{MeanDifference, mean_and_variance};
pub use moments::Moments;
pub use paired::{Pair, PairedCounts, mcnemar_exact};
pub use ranks::{RankInterval, quantile_ranks};
pub use rates::{
    Events, Fisher, NonInferiority, farrington_manning, fisher_exact, non_inferiority_trials,
    score_bounds,
};
pub use seeds::{SeedMean, bound_of_none};
pub use sequential::{Mixture, Running, ln_evidence_above, ln_evidence_below};
