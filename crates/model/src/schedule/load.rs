//! How a lag grows with what waits: a lag that comes from a queue is told by the queue's length.

/// Weight that an observation keeps when the next one comes: some 330 count.
const KEPT: f64 = 0.997;
/// Observations of no effect that stand against the slope, and of the expected lag against the mean.
const PRIOR_WEIGHT: f64 = 1.0;
/// Largest power of the load that a lag grows with; beyond is chance.
const SLOPE_MAX: f64 = 1.5;
/// Least and largest multiple of the lag that was expected.
const SCALES: (f64, f64) = (1e-3, 1e3);

/// A regression of the logarithm of lags on that of the load, which forgets: an accelerated failure
/// time model, lag = expected × scale(load) × residual.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LoadScale {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl LoadScale {
    /// A recording whose clock started when `load` recordings waited had `lag` times the lag that
    /// was expected.
    pub fn observe(&mut self, load: usize, lag: f64) {
        let (x, y) = (abscissa(load), libm::log(lag.clamp(SCALES.0, SCALES.1)));
        for sum in [
            &mut self.weight,
            &mut self.x,
            &mut self.y,
            &mut self.xx,
            &mut self.xy,
        ] {
            *sum *= KEPT;
        }
        self.weight += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
    }

    /// The lag under that load, as a multiple of the one that was expected.
    #[must_use]
    pub fn at(&self, load: usize) -> f64 {
        if self.weight == 0.0 {
            return 1.0;
        }
        let (mean_x, mean_y) = (self.x / self.weight, self.y / self.weight);
        let spread = self.xx - self.x * mean_x;
        let slope = (self.xy - self.x * mean_y) / (spread + PRIOR_WEIGHT);
        let level = mean_y * self.weight / (self.weight + PRIOR_WEIGHT);
        let slope = slope.clamp(0.0, SLOPE_MAX);
        libm::exp(level + slope * (abscissa(load) - mean_x)).clamp(SCALES.0, SCALES.1)
    }
}

fn abscissa(load: usize) -> f64 {
    libm::log1p(load as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_that_grows_with_the_load_is_foretold_beyond_what_was_seen() {
        let mut scale = LoadScale::default();
        for turn in 0..600_usize {
            let load = turn % 60;
            scale.observe(load, 0.1 * (1.0 + load as f64));
        }
        for load in [0, 10, 100, 500] {
            let (told, truth) = (scale.at(load), 0.1 * (1.0 + load as f64));
            assert!((told / truth - 1.0).abs() < 0.1, "{told} for {truth}");
        }
    }

    #[test]
    fn a_lag_that_does_not_depend_on_the_load_stays_the_same() {
        let mut scale = LoadScale::default();
        for turn in 0..600_usize {
            // Twice and half of 2, whatever the load.
            let lag = if turn / 20 % 2 == 0 { 4.0 } else { 1.0 };
            scale.observe(turn % 20, lag);
        }
        for load in [0, 10, 20] {
            let told = scale.at(load);
            assert!((told / 2.0 - 1.0).abs() < 0.1, "{told} under {load}");
        }
    }

    #[test]
    fn nothing_is_known_before_anything_was_seen() {
        assert!((LoadScale::default().at(7) - 1.0).abs() < 1e-12);
    }
}
