//! The product-limit estimate of Kaplan and Meier (1958), with Greenwood's variance.

use super::Observations;

/// The estimate after one instant at which recordings became ready.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct KaplanMeier {
    /// The instant, in seconds.
    pub at: f64,
    /// Estimated share that is later.
    pub survival: f64,
    /// Standard error of the share, by Greenwood's formula (1926).
    pub error: f64,
}

/// The estimate from exact and right-censored lags. An interval counts as its upper bound; use
/// [`turnbull`](super::turnbull) where there are any.
#[must_use]
pub fn kaplan_meier(observations: &Observations) -> Vec<KaplanMeier> {
    // (instant, ready, censored); a lag that is censored at an instant was at risk there.
    let mut events: Vec<(f64, u64, u64)> = observations
        .iter()
        .map(|one| {
            if one.is_right_censored() {
                (one.low, 0, one.count)
            } else {
                (one.high, one.count, 0)
            }
        })
        .collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut at_risk = observations.total();
    let (mut survival, mut sum) = (1.0, 0.0);
    let mut curve = Vec::new();
    for same in events.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let ready: u64 = same.iter().map(|event| event.1).sum();
        let censored: u64 = same.iter().map(|event| event.2).sum();
        if ready > 0 {
            let (n, d) = (at_risk as f64, ready as f64);
            survival *= 1.0 - d / n;
            sum += d / (n * (n - d).max(f64::MIN_POSITIVE));
            let error = if survival > 0.0 {
                survival * f64::sqrt(sum)
            } else {
                0.0
            };
            curve.push(KaplanMeier {
                at: same[0].0,
                survival,
                error,
            });
        }
        at_risk -= ready + censored;
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::super::{Observation, turnbull};
    use super::*;

    /// Remission of 21 patients on 6-MP (Freireich et al. 1963).
    fn remissions() -> Observations {
        let ready = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        let ready = ready.map(|at| Observation::exact(f64::from(at)));
        let censored = censored.map(|at| Observation::beyond(f64::from(at)));
        ready.into_iter().chain(censored).collect()
    }

    const SURVIVAL: [f64; 7] = [
        0.857_142_857_143,
        0.806_722_689_076,
        0.752_941_176_471,
        0.690_196_078_431,
        0.627_450_980_392,
        0.537_815_126_050,
        0.448_179_271_709,
    ];

    #[test]
    fn the_remissions_have_their_published_estimate() {
        let curve = kaplan_meier(&remissions());
        assert_eq!(curve.len(), 7);
        for (point, expected) in curve.iter().zip(SURVIVAL) {
            assert!((point.survival - expected).abs() < 1e-11, "{point:?}");
        }
        assert!((curve[0].error - 0.076_360_354_832_1).abs() < 1e-12);
        assert!((curve[6].error - 0.134_591_456_755_8).abs() < 1e-12);
    }

    #[test]
    fn turnbulls_estimate_of_the_same_is_the_same() {
        let estimate = turnbull(&remissions());
        for (point, expected) in kaplan_meier(&remissions()).iter().zip(SURVIVAL) {
            let (least, most) = estimate.survival_between(point.at);
            assert!((least - expected).abs() < 1e-7, "{least} for {expected}");
            assert!((most - expected).abs() < 1e-7, "{most} for {expected}");
        }
    }
}
