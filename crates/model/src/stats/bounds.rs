//! One-sided bounds of a proportion: what a claim of "at most" or "at least" rests on.

use super::beta::beta_quantile;

/// Clopper and Pearson's exact one-sided upper bound (1934) of `successes` among `trials` at
/// confidence `level`. `None` without trials or with more successes than trials.
#[must_use]
pub fn proportion_upper(successes: u64, trials: u64, level: f64) -> Option<f64> {
    if trials == 0 || successes > trials {
        return None;
    }
    if successes == trials {
        return Some(1.0);
    }
    let (k, rest) = (successes as f64, (trials - successes) as f64);
    Some(beta_quantile(k + 1.0, rest, level))
}

/// The exact one-sided lower bound, as [`proportion_upper`].
#[must_use]
pub fn proportion_lower(successes: u64, trials: u64, level: f64) -> Option<f64> {
    if trials == 0 || successes > trials {
        return None;
    }
    if successes == 0 {
        return Some(0.0);
    }
    let (k, rest) = (successes as f64, (trials - successes) as f64);
    Some(beta_quantile(k, rest + 1.0, 1.0 - level))
}

/// What no event in `trials` shows at 95 %: the rate is at most 3 ÷ trials (Hanley and
/// Lippman-Hand, *JAMA* 249, 1983). At most 0.35 % above the exact bound from 300 trials on.
#[must_use]
pub fn rule_of_three(trials: u64) -> Option<f64> {
    (trials > 0).then(|| (3.0 / trials as f64).min(1.0))
}

/// The fewest trials with `successes` events whose upper bound at `level` is at most `bound`.
/// `None` unless 0 < bound < 1.
#[must_use]
pub fn trials_to_bound(successes: u64, bound: f64, level: f64) -> Option<u64> {
    if !(bound > 0.0 && bound < 1.0) {
        return None;
    }
    let enough = |trials: u64| {
        proportion_upper(successes, trials, level).is_some_and(|upper| upper <= bound)
    };
    let mut high = successes + 1;
    while !enough(high) {
        high = high.checked_mul(2)?;
    }
    let mut low = successes;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if enough(middle) {
            high = middle
        } else {
            low = middle
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_trials_are_needed_as_the_literature_says() {
        for (bound, successes, trials) in [
            (1e-2, 0, 299),
            (1e-3, 0, 2_995),
            (1e-4, 0, 29_956),
            (1e-6, 0, 2_995_731),
            (1e-7, 0, 29_957_322),
            (1e-4, 1, 47_437),
            (1e-4, 2, 62_956),
            (1e-4, 3, 77_535),
            (1e-4, 4, 91_533),
            (1e-4, 5, 105_128),
            (1e-4, 10, 169_619),
        ] {
            assert_eq!(trials_to_bound(successes, bound, 0.95), Some(trials));
        }
    }

    #[test]
    fn one_sided_bounds_are_the_ends_of_the_two_sided_interval() {
        for (successes, trials, low, high) in [
            (0, 10, 0.0, 0.308_497_107_819),
            (3, 100, 0.006_229_971_538_31, 0.085_176_052_974_3),
            (7, 10_000, 0.000_281_481_145_743, 0.001_441_732_309_15),
            (0, 30_000, 0.0, 0.000_122_955_088_874),
        ] {
            let upper = proportion_upper(successes, trials, 0.975).unwrap();
            let lower = proportion_lower(successes, trials, 0.975).unwrap();
            assert!((upper / high - 1.0).abs() < 1e-10, "{upper}");
            assert!((lower - low).abs() <= 1e-10 * low, "{lower}");
        }
        assert_eq!(proportion_upper(5, 5, 0.95), Some(1.0));
        assert_eq!(proportion_upper(6, 5, 0.95), None);
        assert_eq!(proportion_lower(0, 0, 0.95), None);
    }

    #[test]
    fn the_rule_of_three_is_at_most_a_third_of_a_percent_too_high() {
        for trials in [300, 2_995, 29_956, 2_995_731] {
            let exact = proportion_upper(0, trials, 0.95).unwrap();
            let excess = rule_of_three(trials).unwrap() / exact - 1.0;
            assert!((0.0..=0.007).contains(&excess), "{trials}: {excess}");
        }
        assert_eq!(rule_of_three(0), None);
        assert_eq!(rule_of_three(2), Some(1.0));
    }
}
