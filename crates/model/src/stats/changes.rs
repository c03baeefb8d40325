//! Where a series of values changed its level.
//!
//! E-divisive means (Matteson and James, *JASA* 109, 2014) with a t test in place of permutations,
//! as Hunter does (Fleming et al., *ICPE* 2023): the split with the largest energy distance is kept
//! if a lenient t test tells its sides apart, both sides are split further, and what a strict test
//! between the segments then does not show is taken back, the weakest first.

use super::beta::student_t_above;
use super::means::mean_and_variance;

/// Values on each side of a change at least: one value has no spread.
const SIDE_MIN: usize = 2;
/// p up to which a side is split further: a bump shows itself only when both of its ends are found.
const P_SEARCH: f64 = 0.1;

/// A change of level.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Change {
    /// Position of the first value after it.
    pub at: usize,
    /// Mean from the change before, or the beginning, up to it.
    pub before: f64,
    /// Mean from it up to the next change, or the end.
    pub after: f64,
    /// Two-sided p of the t test between the two.
    pub p: f64,
}

/// The changes of `values`, in their order, each with a p of at most `p_max`.
#[must_use]
pub fn changes(values: &[f64], p_max: f64) -> Vec<Change> {
    let mut cuts = vec![0, values.len()];
    let mut open = vec![(0, values.len())];
    while let Some((from, to)) = open.pop() {
        let Some(at) = best_split(&values[from..to]).map(|at| from + at) else {
            continue;
        };
        if p_between(&values[from..at], &values[at..to]) <= P_SEARCH.max(p_max) {
            cuts.push(at);
            open.extend([(from, at), (at, to)]);
        }
    }
    cuts.sort_unstable();
    loop {
        let found = between(values, &cuts);
        let weakest = (1..).zip(&found).max_by(|a, b| a.1.p.total_cmp(&b.1.p));
        match weakest {
            Some((cut, weakest)) if weakest.p > p_max => {
                cuts.remove(cut);
            }
            _ => return found,
        }
    }
}

fn between(values: &[f64], cuts: &[usize]) -> Vec<Change> {
    let changes = cuts.windows(3).map(|cuts| {
        let (left, right) = (&values[cuts[0]..cuts[1]], &values[cuts[1]..cuts[2]]);
        let mean = |side: &[f64]| side.iter().sum::<f64>() / side.len() as f64;
        Change {
            at: cuts[1],
            before: mean(left),
            after: mean(right),
            p: p_between(left, right),
        }
    });
    changes.collect()
}

/// The split with the largest energy distance of its sides, by how many lie on each.
fn best_split(values: &[f64]) -> Option<usize> {
    let count = values.len();
    let distance = |a: usize, b: usize| (values[a] - values[b]).abs();
    // Sums of distances within the left side, within the right one, and across.
    let (mut left, mut across) = (0.0, 0.0);
    let mut right: f64 = (0..count)
        .flat_map(|a| (0..a).map(move |b| distance(a, b)))
        .sum();
    let mut best: Option<(f64, usize)> = None;
    for at in 1..count {
        let moved = at - 1;
        let to_left: f64 = (0..moved).map(|other| distance(moved, other)).sum();
        let to_right: f64 = (at..count).map(|other| distance(moved, other)).sum();
        left += to_left;
        right -= to_right;
        across += to_right - to_left;
        if at < SIDE_MIN || count - at < SIDE_MIN {
            continue;
        }
        let (m, n) = (at as f64, (count - at) as f64);
        let energy =
            2.0 * across / (m * n) - 2.0 * left / (m * (m - 1.0)) - 2.0 * right / (n * (n - 1.0));
        let scaled = energy * m * n / (m + n);
        if best.is_none_or(|(most, _)| scaled > most) {
            best = Some((scaled, at));
        }
    }
    best.map(|(_, at)| at)
}

/// Two-sided p of Student's t test that both sides have one mean.
fn p_between(left: &[f64], right: &[f64]) -> f64 {
    let (Some(a), Some(b)) = (mean_and_variance(left), mean_and_variance(right)) else {
        return 1.0;
    };
    let (m, n) = (left.len() as f64, right.len() as f64);
    let degrees = m + n - 2.0;
    let pooled = ((m - 1.0) * a.1 + (n - 1.0) * b.1) / degrees;
    let error = (pooled * (1.0 / m + 1.0 / n)).sqrt();
    let apart = (a.0 - b.0).abs();
    // What rounding leaves of equal means is no difference.
    if apart <= 1e-12 * a.0.abs().max(b.0.abs()) {
        return 1.0;
    }
    if error <= 0.0 {
        return 0.0;
    }
    2.0 * student_t_above(apart / error, degrees)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::draws::{Draws, Purpose, Seed};

    /// Nearly normal: a sum of twelve uniform draws.
    fn noise(series: u64, at: u64) -> f64 {
        let uniform = |k| {
            let bits = Draws::of_call(Seed(series), at).draw_nth(Purpose::Test, k);
            (bits >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..12).map(uniform).sum::<f64>() - 6.0
    }

    fn at(values: &[f64]) -> Vec<usize> {
        changes(values, 0.001)
            .iter()
            .map(|change| change.at)
            .collect()
    }

    #[test]
    fn steps_are_found_where_they_are() {
        let levels = [(15, 10.0), (12, 20.0), (13, 12.0)];
        let steps = levels
            .iter()
            .flat_map(|(count, level)| vec![*level; *count]);
        let values: Vec<f64> = (0..)
            .zip(steps)
            .map(|(at, level)| level + noise(7, at))
            .collect();
        assert_eq!(at(&values), [15, 27]);
        let found = changes(&values, 0.001);
        assert!((found[0].before - 10.0).abs() < 1.0 && (found[1].after - 12.0).abs() < 1.0);
        assert!(found.iter().all(|change| change.p < 1e-6));
    }

    #[test]
    fn a_bump_is_two_changes_though_its_outer_sides_are_alike() {
        let level = |at: u64| if (20..30).contains(&at) { 6.0 } else { 0.0 };
        let values: Vec<f64> = (0..50).map(|at| level(at) + noise(3, at)).collect();
        assert_eq!(at(&values), [20, 30]);
    }

    #[test]
    fn values_without_noise_change_exactly_where_they_change() {
        let mut values = vec![0.25; 8];
        values.extend([0.5; 5]);
        let found = changes(&values, 0.001);
        assert_eq!((found.len(), found[0].at, found[0].p), (1, 8, 0.0));
        assert_eq!(at(&[0.1 + 0.2; 12]), Vec::<usize>::new());
        assert_eq!(at(&[1.0, 2.0, 3.0]), Vec::<usize>::new());
        assert_eq!(at(&[]), Vec::<usize>::new());
    }

    #[test]
    fn a_t_test_has_the_textbooks_p() {
        // scipy.stats.ttest_ind([1, 2, 3, 4], [3, 5, 6, 8]): t −2.4494897, p 0.0498.
        let p = p_between(&[1.0, 2.0, 3.0, 4.0], &[3.0, 5.0, 6.0, 8.0]);
        let t: f64 = 3.0 / ((5.0 / 3.0 + 13.0 / 3.0) / 4.0_f64).sqrt();
        assert!((t - 2.449_489_742_783).abs() < 1e-9);
        assert!((p - 2.0 * student_t_above(t, 6.0)).abs() < 1e-12 && (0.049..0.051).contains(&p));
    }

    #[test]
    fn noise_alone_is_hardly_ever_a_change() {
        let alarms = (0..1_000).filter(|series| {
            let values: Vec<f64> = (0..30).map(|at| noise(1_000 + series, at)).collect();
            !changes(&values, 0.001).is_empty()
        });
        let alarms = alarms.count();
        assert!(alarms <= 25, "{alarms} of 1,000");
    }

    proptest! {
        #[test]
        fn changes_rise_and_leave_two_values_on_each_side(
            values in prop::collection::vec(-5.0_f64..5.0, 0..40),
        ) {
            let found = at(&values);
            let mut ends = vec![0];
            ends.extend(found);
            ends.push(values.len());
            prop_assert!(ends.len() == 2 || ends.windows(2).all(|pair| pair[1] >= pair[0] + 2));
        }
    }
}
