//! What a check schedule costs, and the schedule that costs least.
//!
//! A recording becomes ready after a lag `L`; a gate looks at it at the ages `x₁ < x₂ < …` (seconds
//! since its clock started) until it finds it ready. Each look is a call; the time from readiness
//! to the look that finds it is delay. With `S` the survival function of the lag, a schedule makes
//! `Σ S(x_k)` calls (`x₀ = 0`, no look there) and delays by `Σ S(x_k)(x_{k+1} − x_k) − E[L]`, so
//! any schedule is evaluated exactly by looking up `S` once per check ([`evaluate`]), and the best
//! one of all is a concave least-weight subsequence ([`optimal`]).
//!
//! Everything here is in seconds as `f64`; [`Family`] is what retry libraries can be told.

mod bounds;
mod budget;
mod cost;
mod family;
mod lag;
mod learned;
mod load;
mod odds;
mod optimum;
mod polish;
#[cfg(test)]
mod tests;

pub use bounds::{
    GeometricBackoff, Periodic, fluid_constant, minimax_schedule, periodic_optimum, uniform_optimum,
};
pub use budget::{Budgeted, optimal_within};
pub use cost::{Cost, Price, evaluate};
pub use family::{Family, FamilyFit, fit_family, fit_robust, frontier, worst_ratio};
pub use lag::{Lag, Steps};
pub use learned::LearnedLaw;
pub use load::LoadScale;
pub use odds::OddsIndex;
pub use optimum::{Optimum, optimal};
