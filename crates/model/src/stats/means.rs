//! Two means of replications: paired by seed, or of independent samples.

use super::beta::{student_t_above, student_t_quantile};

/// Second mean minus first, with what is needed to bound it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MeanDifference {
    /// The difference.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of the standard error; Welch's need not be whole.
    pub degrees: f64,
}

impl MeanDifference {
    /// The mean of `differences` between pairs (Student 1908). `None` below two.
    #[must_use]
    pub fn paired(differences: &[f64]) -> Option<Self> {
        let (mean, variance) = mean_and_variance(differences)?;
        let count = differences.len() as f64;
        Some(Self {
            estimate: mean,
            standard_error: (variance / count).sqrt(),
            degrees: count - 1.0,
        })
    }

    /// Mean of `second` minus mean of `first`, whose variances may differ (Welch, *Biometrika* 34,
    /// 1947). `None` below two values on a side.
    #[must_use]
    pub fn independent(first: &[f64], second: &[f64]) -> Option<Self> {
        let (first_mean, first_variance) = mean_and_variance(first)?;
        let (second_mean, second_variance) = mean_and_variance(second)?;
        let (first_count, second_count) = (first.len() as f64, second.len() as f64);
        let a = first_variance / first_count;
        let b = second_variance / second_count;
        let sum = a + b;
        let spread = a * a / (first_count - 1.0) + b * b / (second_count - 1.0);
        let degrees = if spread > 0.0 {
            sum * sum / spread
        } else {
            first_count + second_count - 2.0
        };
        Some(Self {
            estimate: second_mean - first_mean,
            standard_error: sum.sqrt(),
            degrees,
        })
    }

    /// The bound that the difference is below with confidence `level`.
    #[must_use]
    pub fn upper(&self, level: f64) -> f64 {
        self.estimate + self.half_width(level)
    }

    /// The bound that the difference is above with confidence `level`.
    #[must_use]
    pub fn lower(&self, level: f64) -> f64 {
        self.estimate - self.half_width(level)
    }

    /// One-sided p of "the difference is at most `bound`".
    #[must_use]
    pub fn p_above(&self, bound: f64) -> f64 {
        let miss = self.estimate - bound;
        if self.standard_error > 0.0 {
            return student_t_above(miss / self.standard_error, self.degrees);
        }
        if miss > 0.0 { 0.0 } else { 1.0 }
    }

    fn half_width(&self, level: f64) -> f64 {
        if self.standard_error > 0.0 {
            student_t_quantile(level, self.degrees) * self.standard_error
        } else {
            0.0
        }
    }
}

/// Mean and sample variance; `None` below two values.
#[must_use]
pub fn mean_and_variance(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    Some((mean, squares / (count - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 10] = [3.1, 2.4, 5.5, 1.9, 7.7, 4.2, 6.6, 2.2, 9.1, 3.3];
    const B: [f64; 10] = [2.0, 2.5, 3.9, 1.1, 6.0, 4.4, 4.8, 2.0, 6.5, 3.0];

    #[test]
    fn the_paired_test_has_reference_values() {
        // SciPy ttest_rel: t 3.3127943490635525, p 0.009043546531952735 on both sides.
        let differences: Vec<f64> = A.iter().zip(B).map(|(a, b)| a - b).collect();
        let test = MeanDifference::paired(&differences).unwrap();
        let t = test.estimate / test.standard_error;
        assert!((t - 3.312_794_349_063_552_5).abs() < 1e-12, "{t}");
        let p = 2.0 * test.p_above(0.0);
        assert!((p - 0.009_043_546_531_952_735).abs() < 1e-13, "{p}");
        assert!((test.p_above(test.lower(0.975)) - 0.025).abs() < 1e-12);
        assert!((test.p_above(test.upper(0.95)) - 0.95).abs() < 1e-12);
    }

    #[test]
    fn welch_takes_variances_that_differ() {
        // By hand: variances 1 and 4 of 3 and 3 values, degrees (5/3)² ÷ (1/18 + 16/18).
        let test = MeanDifference::independent(&[1.0, 2.0, 3.0], &[4.0, 6.0, 8.0]).unwrap();
        assert!((test.estimate - 4.0).abs() < 1e-15);
        assert!((test.standard_error - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((test.degrees - 50.0 / 17.0).abs() < 1e-12);
    }

    #[test]
    fn equal_values_differ_by_exactly_nothing() {
        let test = MeanDifference::paired(&[0.0; 20]).unwrap();
        assert_eq!((test.lower(0.99), test.upper(0.99)), (0.0, 0.0));
        assert!((test.p_above(0.0) - 1.0).abs() < 1e-15);
        assert_eq!(MeanDifference::paired(&[1.0]), None);
    }
}
