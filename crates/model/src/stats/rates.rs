//! Two proportions of independent samples: is one of them higher, or not higher by a margin?

use super::beta::ln_beta;
use super::interval::Interval;
use super::root;
use super::special::{normal_quantile, normal_tails};
use crate::distribution::Tails;

/// Events of one sample among its trials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Events {
    /// How many there were.
    pub count: u64,
    /// Among how many; never fewer than `count`.
    pub trials: u64,
}

impl Events {
    fn rate(self) -> f64 {
        self.count as f64 / self.trials as f64
    }
}

/// p-values of Fisher's exact test (1935) of "both proportions are the same".
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Fisher {
    /// Against "the first one is lower".
    pub less: f64,
    /// Against "the first one is higher".
    pub greater: f64,
    /// Against "they differ": all tables that are no more likely than the one seen.
    pub two_sided: f64,
}

/// Fisher's exact test of two samples. `None` if a sample is empty or has more events than trials.
#[must_use]
pub fn fisher_exact(first: Events, second: Events) -> Option<Fisher> {
    for sample in [first, second] {
        if sample.trials == 0 || sample.count > sample.trials {
            return None;
        }
    }
    let events = first.count + second.count;
    let low = events.saturating_sub(second.trials);
    let high = events.min(first.trials);
    let total = ln_choose(first.trials + second.trials, events);
    let probability = |k: u64| {
        libm::exp(ln_choose(first.trials, k) + ln_choose(second.trials, events - k) - total)
    };
    let seen = probability(first.count);
    // As R does: tables whose probability is the same but for rounding count as no more likely.
    let as_likely = seen * (1.0 + 1e-7);
    let mut test = Fisher {
        less: 0.0,
        greater: 0.0,
        two_sided: 0.0,
    };
    for k in low..=high {
        let p = probability(k);
        if k <= first.count {
            test.less += p;
        }
        if k >= first.count {
            test.greater += p;
        }
        if p <= as_likely {
            test.two_sided += p;
        }
    }
    Some(Fisher {
        less: test.less.min(1.0),
        greater: test.greater.min(1.0),
        two_sided: test.two_sided.min(1.0),
    })
}

fn ln_choose(n: u64, k: u64) -> f64 {
    let (n, k) = (n as f64, k as f64);
    -libm::log(n + 1.0) - ln_beta(n - k + 1.0, k + 1.0)
}

/// Farrington and Manning's test (*Statistics in Medicine* 9, 1990) of "the first proportion is
/// higher than the second by the margin or more".
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NonInferiority {
    /// First proportion at its maximum likelihood, restricted to a difference of the margin.
    pub restricted: f64,
    /// The score statistic; low values speak against inferiority.
    pub z: f64,
    /// One-sided p: below 5 % the first proportion is not higher by the margin.
    pub p: f64,
}

/// Tests non-inferiority of `first` to `second`, where an event is bad and `margin` a share of one;
/// a negative margin asks for superiority. `None` if a sample is empty or has more events than
/// trials, or unless -1 < margin < 1.
#[must_use]
pub fn farrington_manning(first: Events, second: Events, margin: f64) -> Option<NonInferiority> {
    for sample in [first, second] {
        if sample.trials == 0 || sample.count > sample.trials {
            return None;
        }
    }
    if !(-1.0 < margin && margin < 1.0) {
        return None;
    }
    let restricted = restricted_rate(first, second, margin);
    let other = (restricted - margin).clamp(0.0, 1.0);
    let variance = restricted * (1.0 - restricted) / first.trials as f64
        + other * (1.0 - other) / second.trials as f64;
    let miss = first.rate() - second.rate() - margin;
    let z = if variance > 0.0 {
        miss / variance.sqrt()
    } else {
        miss * f64::MAX.sqrt()
    };
    Some(NonInferiority {
        restricted,
        z,
        p: normal_tails(z).below,
    })
}

/// First proportion minus second, with the two bounds at which the score test just rejects at
/// `level`, each by itself. `None` as for [`farrington_manning`].
#[must_use]
pub fn score_bounds(first: Events, second: Events, level: f64) -> Option<Interval> {
    farrington_manning(first, second, 0.0)?;
    let upper = |first, second| {
        let miss = |margin| {
            let test = farrington_manning(first, second, margin);
            test.map_or(0.0, |test| test.p - (1.0 - level))
        };
        root::bracketed(miss, -WIDEST, WIDEST, 1e-12)
    };
    let estimate = first.rate() - second.rate();
    // At a difference of one there is nothing beyond to look for.
    Some(Interval {
        estimate,
        low: (-upper(second, first)).min(estimate),
        high: upper(first, second).max(estimate),
    })
}

/// The widest difference of two proportions that a bound is looked for at.
const WIDEST: f64 = 1.0 - 1e-9;

/// First proportion that maximises the likelihood of both samples among those that are `margin`
/// above the second: the middle root of the likelihood's cubic, by the trigonometric formula of
/// Farrington and Manning's appendix.
fn restricted_rate(first: Events, second: Events, margin: f64) -> f64 {
    let (p1, p2) = (first.rate(), second.rate());
    let theta = second.trials as f64 / first.trials as f64;
    let a = 1.0 + theta;
    let b = -(1.0 + theta + p1 + theta * p2 + margin * (theta + 2.0));
    let c = margin * margin + margin * (2.0 * p1 + theta + 1.0) + p1 + theta * p2;
    let d = -p1 * margin * (1.0 + margin);
    let third = b / (3.0 * a);
    let v = third * third * third - b * c / (6.0 * a * a) + d / (2.0 * a);
    let square = (third * third - c / (3.0 * a)).max(0.0);
    let u = if v < 0.0 {
        -square.sqrt()
    } else {
        square.sqrt()
    };
    let cube = u * u * u;
    let ratio = if cube.abs() > 0.0 { v / cube } else { 0.0 };
    let w = (std::f64::consts::PI + libm::acos(ratio.clamp(-1.0, 1.0))) / 3.0;
    (2.0 * u * libm::cos(w) - third).clamp(margin.max(0.0), (1.0 + margin).min(1.0))
}

/// Trials per sample after which non-inferiority is shown with probability `power`, if both
/// proportions are `rate`: the normal approximation (z of level + z of power)² 2 p q ÷ margin².
#[must_use]
pub fn non_inferiority_trials(rate: f64, margin: f64, level: f64, power: f64) -> Option<u64> {
    if !(rate > 0.0 && rate < 1.0 && margin > 0.0) {
        return None;
    }
    let z = quantile(level) + quantile(power);
    let trials = (z * z * 2.0 * rate * (1.0 - rate) / (margin * margin)).ceil();
    // Beyond 2^53 no run is that long.
    (trials < 9e15).then(|| whole(trials))
}

fn quantile(below: f64) -> f64 {
    normal_quantile(Tails {
        below,
        above: 1.0 - below,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked that it is a whole number in range"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn of(count: u64, trials: u64) -> Events {
        Events { count, trials }
    }

    fn close(got: f64, expected: f64, relative: f64) {
        assert!(
            (got / expected - 1.0).abs() < relative,
            "{got}, not {expected}"
        );
    }

    #[test]
    fn fisher_has_reference_values() {
        // R: fisher.test.
        let tea = fisher_exact(of(8, 10), of(1, 6)).unwrap();
        close(tea.two_sided, 0.034_965_034_965, 1e-11);
        close(tea.less, 0.999_125_874_126, 1e-12);
        let rare = fisher_exact(of(3, 10_000), of(12, 10_000)).unwrap();
        close(rare.two_sided, 0.035_089_616_285, 1e-10);
        let none = fisher_exact(of(0, 5_000), of(5, 5_000)).unwrap();
        close(none.two_sided, 0.062_437_503_128_1, 1e-10);
        assert_eq!(fisher_exact(of(1, 0), of(0, 1)), None);
    }

    #[test]
    fn both_tails_of_fisher_share_the_table_that_was_seen() {
        for (first, second) in [((2, 9), (5, 11)), ((0, 40), (3, 50)), ((7, 7), (1, 9))] {
            let one = fisher_exact(of(first.0, first.1), of(second.0, second.1)).unwrap();
            let swapped = fisher_exact(of(second.0, second.1), of(first.0, first.1)).unwrap();
            close(one.less, swapped.greater, 1e-12);
            close(one.two_sided, swapped.two_sided, 1e-12);
            assert!(one.less + one.greater >= 1.0);
        }
    }

    #[test]
    fn farrington_manning_has_reference_values() {
        let rare = farrington_manning(of(15, 10_000), of(12, 10_000), 0.001).unwrap();
        close(rare.z, -1.292_504_235_036_458_2, 1e-9);
        close(rare.p, 0.098_091_290_129_239_26, 1e-9);
        let common = farrington_manning(of(50, 500), of(45, 500), 0.05).unwrap();
        close(common.restricted, 0.124_501_214_198_935_56, 1e-11);
        close(common.z, -2.120_284_965_499_689_4, 1e-11);
        close(common.p, 0.016_991_010_390_883_892, 1e-10);
    }

    #[test]
    fn without_a_margin_the_score_test_pools_both_samples() {
        let (first, second) = (of(30, 400), of(18, 390));
        let pooled = 48.0 / 790.0;
        let test = farrington_manning(first, second, 0.0).unwrap();
        close(test.restricted, pooled, 1e-10);
        let none = farrington_manning(of(0, 1_000), of(0, 1_000), 0.005).unwrap();
        assert!(none.p < 0.05 && none.z < 0.0, "{none:?}");
    }

    #[test]
    fn the_score_test_just_rejects_at_its_bounds() {
        for (first, second) in [
            (of(15, 10_000), of(12, 10_000)),
            (of(0, 300), of(0, 300)),
            (of(7, 20), of(19, 25)),
            (of(20, 20), of(0, 30)),
        ] {
            let bounds = score_bounds(first, second, 0.95).unwrap();
            assert!(bounds.contains(bounds.estimate), "{bounds:?}");
            if bounds.high < 0.99 {
                let test = farrington_manning(first, second, bounds.high).unwrap();
                assert!((test.p - 0.05).abs() < 1e-8, "{bounds:?}: {test:?}");
            }
            let mirrored = score_bounds(second, first, 0.95).unwrap();
            assert!((mirrored.low + bounds.high).abs() < 1e-10);
        }
    }

    #[test]
    fn non_inferiority_needs_as_many_trials_as_the_literature_says() {
        for (rate, margin, trials) in [
            (1e-3, 5e-4, 68_443),
            (1e-3, 1e-3, 17_111),
            (1e-2, 5e-3, 6_783),
        ] {
            assert_eq!(
                non_inferiority_trials(rate, margin, 0.95, 0.90),
                Some(trials)
            );
        }
        assert_eq!(non_inferiority_trials(0.0, 0.1, 0.95, 0.9), None);
    }
}
