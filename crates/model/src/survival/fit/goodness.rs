//! Whether a fitted family fits: a bootstrap that fits again, so that the p-value is right for
//! estimated parameters.

use super::likelihood::{Likelihood, between};
use super::{Curve, Fit, maximise};
use crate::draws::{Draws, Purpose, Seed};
use crate::schedule::Lag;
use crate::survival::{Observation, Observations, kaplan_meier};

/// Recordings that the test looks at; more would reject what no one could tell apart.
const LOOKED_AT: u64 = 1_000;

/// How well a fit agrees with what was observed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Goodness {
    /// Largest distance between the fit and the observations, as a share, on all of them.
    pub distance: f64,
    /// Probability of a larger distance if the family were right, by bootstrap.
    pub p: f64,
    /// Recordings that the p-value is about.
    pub tested: u64,
    /// Bootstrap repetitions.
    pub repetitions: u32,
}

/// The distance between `curve` and the observations: each observation is shared out within its
/// bounds as the curve itself would, and the sum is held against the curve. For exact lags it is
/// Kolmogorov and Smirnov's D.
#[must_use]
pub fn distance(curve: &Curve, observations: &Observations) -> f64 {
    let total = observations.total() as f64;
    // The sum is a broken line in u = F(t): slope changes and jumps, by rising u.
    let mut events: Vec<(f64, f64, f64)> = Vec::with_capacity(2 * observations.different());
    for one in observations.iter() {
        let (a, b) = (curve.tails(one.low).below, curve.tails(one.high).below);
        let share = one.count as f64 / total;
        if b - a < 1e-12 {
            events.push((b, 0.0, share));
        } else {
            events.push((a, share / (b - a), 0.0));
            events.push((b, -share / (b - a), 0.0));
        }
    }
    events.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let (mut at, mut sum, mut slope, mut most) = (0.0, 0.0, 0.0, 0.0_f64);
    for (u, change, jump) in events {
        sum += slope * (u - at);
        at = u;
        most = most.max((sum - u).abs());
        sum += jump;
        slope += change;
        most = most.max((sum - u).abs());
    }
    most
}

/// The bootstrap test of `fit` with so many repetitions.
#[must_use]
pub fn goodness(fit: &Fit, observations: &Observations, repetitions: u32, seed: Seed) -> Goodness {
    let sample = sampled(observations, seed);
    let observed = distance(&refitted(fit, &sample, 120), &sample);
    let censoring = Censoring::new(&fit.curve, &sample);
    let beyond = (0..repetitions)
        .filter(|&k| {
            let draws = Draws::of_stream(seed, "goodness", u64::from(k));
            let again = censoring.draw(&fit.curve, sample.total(), draws);
            distance(&refitted(fit, &again, 60), &again) >= observed
        })
        .count();
    Goodness {
        distance: distance(&fit.curve, observations),
        p: (beyond as f64 + 1.0) / (f64::from(repetitions) + 1.0),
        tested: sample.total(),
        repetitions,
    }
}

fn refitted(fit: &Fit, observations: &Observations, evaluations: u32) -> Curve {
    let family = fit.curve.family();
    let likelihood = Likelihood::new(observations);
    let mut starts = super::start::starts(family, observations);
    if starts.len() > 1 {
        starts = vec![fit.free.clone()];
    }
    let start = starts.pop().unwrap_or_else(|| fit.free.clone());
    let (free, _) = maximise(
        family,
        &likelihood,
        &start,
        evaluations * u32::try_from(start.len()).unwrap_or(5),
    );
    Curve::of_free(family, &free)
}

/// All observations, or so many drawn from them.
fn sampled(observations: &Observations, seed: Seed) -> Observations {
    if observations.total() <= LOOKED_AT {
        return observations.clone();
    }
    let mut places: Vec<u64> = (0..LOOKED_AT)
        .map(|k| {
            let draw = Draws::of_stream(seed, "sample", k).draw(Purpose::Calibration);
            scaled(draw, observations.total())
        })
        .collect();
    places.sort_unstable();
    let mut next = places.into_iter().peekable();
    let mut seen = 0;
    let mut sample = Observations::default();
    for one in observations.iter() {
        seen += one.count;
        let mut count = 0;
        while next.next_if(|&place| place < seen).is_some() {
            count += 1;
        }
        if count > 0 {
            sample.add(Observation { count, ..one });
        }
    }
    sample
}

fn scaled(draw: u64, size: u64) -> u64 {
    u64::try_from((u128::from(draw) * u128::from(size)) >> 64).unwrap_or(0)
}

fn unit(draw: u64) -> f64 {
    ((draw >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
}

/// How lags come to be observed: which looks lie around a lag, and when watching ends.
struct Censoring {
    /// Instants that cut time into cells, and per cell the intervals that cover it with the
    /// cumulated weight: count ÷ probability, since an interval is seen as often as it is likely.
    borders: Vec<f64>,
    covering: Vec<Vec<(Observation, f64)>>,
    /// Share of the lags seen at some interval rather than exactly.
    looked: f64,
    /// When watching ends, for lags that are seen exactly: instants and the share that ends later.
    ends: Vec<(f64, f64)>,
}

impl Censoring {
    fn new(curve: &Curve, observations: &Observations) -> Self {
        let intervals: Vec<Observation> =
            observations.iter().filter(|one| !one.is_exact()).collect();
        let exact: u64 = observations
            .iter()
            .filter(Observation::is_exact)
            .map(|one| one.count)
            .sum();
        let bounded: u64 = intervals
            .iter()
            .filter(|one| !one.is_right_censored())
            .map(|one| one.count)
            .sum();
        let mut borders: Vec<f64> = intervals
            .iter()
            .flat_map(|one| [one.low, one.high])
            .collect();
        borders.sort_unstable_by(f64::total_cmp);
        borders.dedup_by(|a, b| a.total_cmp(b).is_eq());
        let mut covering = vec![Vec::new(); borders.len() + 1];
        for one in intervals {
            let probability = between(curve.tails(one.low), curve.tails(one.high)).max(1e-12);
            let start = borders.partition_point(|&border| border <= one.low);
            let end = borders.partition_point(|&border| border < one.high);
            for cell in &mut covering[start..=end] {
                let before = cell.last().map_or(0.0, |(_, sum)| *sum);
                cell.push((one, before + one.count as f64 / probability));
            }
        }
        Self {
            borders,
            covering,
            looked: bounded as f64 / (bounded + exact).max(1) as f64,
            ends: watching_ends(observations),
        }
    }

    /// So many lags of `curve`, observed in the same way.
    fn draw(&self, curve: &Curve, count: u64, draws: Draws) -> Observations {
        let random = |k: u64, which: u32| {
            let k = u32::try_from(k).unwrap_or(u32::MAX);
            unit(draws.draw_nth(Purpose::Calibration, k.wrapping_mul(4) + which))
        };
        (0..count)
            .map(|k| {
                let lag = curve.instant_with_beyond(random(k, 0));
                if random(k, 1) < self.looked {
                    self.looks(lag, random(k, 2))
                } else {
                    self.watched(lag, random(k, 2))
                }
            })
            .collect()
    }

    fn looks(&self, lag: f64, random: f64) -> Observation {
        let cell = self.borders.partition_point(|&border| border < lag);
        let candidates = &self.covering[cell];
        let total = candidates.last().map_or(0.0, |(_, sum)| *sum);
        let index = candidates.partition_point(|(_, sum)| *sum < random * total);
        match candidates.get(index) {
            Some((one, _)) => Observation { count: 1, ..*one },
            None => Observation::exact(lag),
        }
    }

    fn watched(&self, lag: f64, random: f64) -> Observation {
        let index = self.ends.partition_point(|(_, later)| *later >= random);
        match self.ends.get(index) {
            Some((end, _)) if *end < lag => Observation::beyond(*end),
            _ => Observation::exact(lag),
        }
    }
}

/// The product-limit estimate of when watching ends: what is censored and what is ready change
/// places.
fn watching_ends(observations: &Observations) -> Vec<(f64, f64)> {
    let turned: Observations = observations
        .iter()
        .map(|one| {
            let turned = if one.is_right_censored() {
                Observation::exact(one.low)
            } else {
                Observation::beyond(one.high)
            };
            Observation {
                count: one.count,
                ..turned
            }
        })
        .collect();
    let curve = kaplan_meier(&turned);
    curve
        .iter()
        .map(|point| (point.at, point.survival))
        .collect()
}

/// Pearson's χ² and the likelihood ratio G² of observations whose intervals do not overlap, as
/// when all recordings are looked at on one schedule. Degrees of freedom: intervals − 1 − parameters.
#[must_use]
pub fn grouped_chi_square(curve: &Curve, observations: &Observations) -> (f64, f64) {
    let total = observations.total() as f64;
    let (mut chi, mut ratio) = (0.0, 0.0);
    for one in observations.iter() {
        let expected = total * between(curve.tails(one.low), curve.tails(one.high));
        let seen = one.count as f64;
        chi += (seen - expected) * (seen - expected) / expected;
        ratio += 2.0 * seen * libm::log(seen / expected);
    }
    (chi, ratio)
}
