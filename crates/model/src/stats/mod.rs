//! Statistics of a run: intervals, histograms, moments, batch means. A result carries its doubt.
//!
//! Accumulators are integers, so the order in which parts are added changes nothing; numbers become
//! `f64` only when they are read, with the pinned `libm`.

mod batch_means;
pub(crate) mod beta;
mod goodness;
mod histogram;
mod interval;
mod moments;
mod paired;
mod ranks;
pub(crate) mod root;
pub(crate) mod simplex;
pub(crate) mod special;

pub use batch_means::{BatchMeans, MeanEstimate};
pub use goodness::{Distances, distances, kolmogorov_smirnov_p, two_sample_distance};
pub use histogram::Histogram;
pub use interval::Interval;
pub use moments::Moments;
pub use paired::{Pair, PairedCounts, mcnemar_exact};
pub use ranks::{RankInterval, quantile_ranks};
