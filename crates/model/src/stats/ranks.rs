//! Which order statistics enclose a quantile: an interval that assumes no distribution.

use super::beta::binomial_at_most;

/// Ranks, from 1, of the observations that bound a quantile.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RankInterval {
    /// Rank of the lower bound.
    pub low: u64,
    /// Rank of the upper bound.
    pub high: u64,
    /// Probability that the two enclose the quantile; at least 0.95.
    pub coverage: f64,
}

/// The 95 % interval of quantile `q` among `observations` independent observations, as ranks:
/// low = max{r: P(B < r) ≤ 2.5 %}, high = min{r: P(B ≥ r) ≤ 2.5 %} for B binomial
/// (David and Nagaraja, *Order Statistics*, 7.1). `None` if too few observations bound it, or
/// unless 0 < q < 1.
///
/// Times of neighbouring recordings are not independent: across a queue, use it on replications.
#[must_use]
pub fn quantile_ranks(observations: u64, q: f64) -> Option<RankInterval> {
    if !(q > 0.0 && q < 1.0) || observations == 0 {
        return None;
    }
    let below = |rank: u64| {
        if rank == 0 {
            0.0
        } else {
            at_most(rank - 1, observations, q)
        }
    };
    let low = last(observations, |rank| below(rank) <= 0.025)?;
    let high = last(observations, |rank| below(rank) < 0.975).map_or(1, |rank| rank + 1);
    if high > observations {
        return None;
    }
    Some(RankInterval {
        low,
        high,
        coverage: below(high) - below(low),
    })
}

fn at_most(k: u64, n: u64, q: f64) -> f64 {
    binomial_at_most(k, n, q)
}

/// The last of the ranks 1 to `count` for which `holds`, which holds up to some rank only.
fn last(count: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = high - (high - low) / 2;
        if holds(middle) {
            low = middle
        } else {
            high = middle - 1
        }
    }
    (low > 0).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_have_reference_values() {
        for (n, q, low, high, coverage) in [
            (100, 0.5, 40, 61, 0.964_80),
            (1_000, 0.95, 936, 964, 0.958_10),
            (1_000, 0.99, 983, 997, 0.976_09),
            (5_000, 0.999, 4_990, 5_000, 0.979_63),
        ] {
            let ranks = quantile_ranks(n, q).unwrap();
            assert_eq!((ranks.low, ranks.high), (low, high), "{n}, {q}");
            assert!(
                (ranks.coverage - coverage).abs() < 6e-6,
                "{n}, {q}: {ranks:?}"
            );
        }
    }

    #[test]
    fn too_few_observations_bound_nothing() {
        assert_eq!(quantile_ranks(5, 0.5), None);
        assert_eq!(quantile_ranks(100, 0.99), None);
        assert!(quantile_ranks(6, 0.5).is_some());
        for q in [0.0, 1.0, f64::NAN] {
            assert_eq!(quantile_ranks(1_000, q), None);
        }
    }
}
