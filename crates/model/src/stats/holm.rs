//! Several verdicts at once, without one false alarm too many.

/// p-values adjusted by Holm's step-down method (*Scandinavian Journal of Statistics* 6, 1979), in
/// the order given: each may be compared with the error that all of them together may make.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut highest: f64 = 0.0;
    for (rank, &position) in order.iter().enumerate() {
        let factor = (p.len() - rank) as f64;
        highest = highest.max((factor * p[position]).min(1.0));
        adjusted[position] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn holm_has_reference_values() {
        // R: p.adjust(p, "holm").
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005, 0.2]);
        for (got, expected) in adjusted.iter().zip([0.04, 0.09, 0.09, 0.025, 0.2]) {
            assert!((got - expected).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }

    proptest! {
        #[test]
        fn adjusting_never_lowers_and_keeps_the_order(p in prop::collection::vec(0.0..=1.0_f64, 1..12)) {
            let adjusted = holm(&p);
            for (at, value) in p.iter().enumerate() {
                prop_assert!(adjusted[at] >= *value && adjusted[at] <= 1.0);
                for (other, second) in p.iter().enumerate() {
                    prop_assert!(value > second || adjusted[at] <= adjusted[other]);
                }
            }
        }
    }
}
