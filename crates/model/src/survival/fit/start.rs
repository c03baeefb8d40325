//! Where the search for a maximum begins: moments of the logarithms of rough lags.

use super::LagFamily;
use crate::survival::Observations;

/// A rough lag and how many there are of it.
type Rough = (f64, f64);

/// Unbounded parameters to begin from; several for a mixture, none without observations.
pub(super) fn starts(family: LagFamily, observations: &Observations) -> Vec<Vec<f64>> {
    let mut lags: Vec<Rough> = observations
        .iter()
        .map(|one| {
            let lag = if one.is_right_censored() {
                one.low * 1.5
            } else {
                (one.low + one.high) / 2.0
            };
            (lag.max(1e-9), one.count as f64)
        })
        .collect();
    lags.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    if lags.is_empty() {
        return Vec::new();
    }
    let (mean, spread) = log_moments(&lags);
    let one = match family {
        LagFamily::Exponential => vec![mean + 0.5],
        LagFamily::Lognormal => vec![mean, libm::log(spread)],
        LagFamily::Weibull => vec![mean + 0.45 * spread, libm::log(1.28 / spread)],
        LagFamily::Gamma => {
            let shape = 1.0 / (spread * spread);
            vec![mean - libm::log(shape), libm::log(shape)]
        }
        LagFamily::LogLogistic => vec![mean, libm::log(1.8 / spread)],
        LagFamily::Pareto => return vec![pareto(observations, mean)],
        LagFamily::TwoLognormals => return mixtures(&lags),
    };
    vec![one]
}

/// The scale at which every observation is still possible: just under the smallest exact lag or
/// the earliest look that found one.
fn pareto(observations: &Observations, mean: f64) -> Vec<f64> {
    let smallest = observations
        .iter()
        .filter(|one| !one.is_right_censored())
        .map(|one| {
            if one.is_exact() {
                one.low
            } else {
                one.high * 0.999
            }
        })
        .fold(f64::INFINITY, f64::min);
    let scale = libm::log(smallest.clamp(1e-9, 1e12));
    vec![scale, -libm::log((mean - scale).max(0.05))]
}

/// Starts that cut the lags at a quantile, one part on either side.
fn mixtures(lags: &[Rough]) -> Vec<Vec<f64>> {
    let total: f64 = lags.iter().map(|(_, count)| count).sum();
    [0.5, 0.8, 0.93]
        .into_iter()
        .filter_map(|share| {
            let mut seen = 0.0;
            let cut = lags.iter().position(|(_, count)| {
                seen += count;
                seen >= share * total
            })?;
            let (fast, slow) = lags.split_at((cut + 1).min(lags.len()));
            if slow.is_empty() {
                return None;
            }
            let (a, b) = (log_moments(fast), log_moments(slow));
            let odds = libm::log((1.0 - share) / share);
            Some(vec![a.0, libm::log(a.1), b.0, libm::log(b.1), odds])
        })
        .collect()
}

/// Mean and standard deviation of the logarithms.
fn log_moments(lags: &[Rough]) -> (f64, f64) {
    let total: f64 = lags.iter().map(|(_, count)| count).sum();
    let mean = lags.iter().map(|(lag, n)| n * libm::log(*lag)).sum::<f64>() / total;
    let square = |lag: f64| (libm::log(lag) - mean) * (libm::log(lag) - mean);
    let variance = lags.iter().map(|(lag, n)| n * square(*lag)).sum::<f64>() / total;
    (mean, variance.sqrt().clamp(0.05, 5.0))
}
