//! What a workload amounts to, reckoned from its rates: no call is made, so the price does not
//! grow with the number of calls.

use crate::distribution::Sampler;
use crate::scenario::{Arrivals, Executor, Fidelity, Stage, StageShape, Workload};
use crate::time::{Duration, Timestamp};

/// Parts of equal weight that the law of call durations is cut into.
const PARTS: u32 = 256;
/// How often the last part is halved: the sampler's own tables resolve a tail of 2^-44.
const TAIL_HALVES: u32 = 36;
/// Standard deviations by which the most calls at once exceed the highest mean. The number of calls
/// at once is Poisson where arrivals are; of 240 runs of the test below, one came to 4.5 deviations.
const PEAK_DEVIATIONS: f64 = 5.0;
/// Instants at which the mean number of calls at once is reckoned, at most.
const INSTANTS_MAX: usize = 20_000;
/// The same within one stage.
const INSTANTS_PER_STAGE: usize = 48;

/// The size of a workload, as expected over seeds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// Calls, warm-up included.
    pub calls: f64,
    /// Most calls at once; chance rarely exceeds it.
    pub peak_calls: f64,
    /// Of all calls, those with a real session in a live run.
    pub real_calls: f64,
    /// Most real sessions at once.
    pub peak_real_calls: f64,
    /// Length of all calls together, in seconds.
    pub call_seconds: f64,
    /// When the last session ends, at a guess.
    pub last_end: Timestamp,
}

impl Estimate {
    /// The size of `workload`.
    #[must_use]
    pub fn of(workload: &Workload) -> Self {
        let durations = Durations::of(workload);
        let real = real_share(workload);
        let (calls, peak, last_end) = match &workload.executor {
            Executor::ArrivalRate(stages) => {
                let cumulated = Cumulated::of(workload, stages);
                let peak = cumulated.peak(&durations);
                (cumulated.total(), peak, cumulated.last_end(&durations))
            }
            Executor::ConstantVus {
                vus,
                duration,
                pause,
            } => {
                let until = seconds(workload.warmup) + seconds(*duration);
                let (calls, last) = closed(f64::from(*vus), until, seconds(*pause), &durations);
                (calls, f64::from(*vus), last)
            }
        };
        let spread = match (&workload.executor, workload.arrivals) {
            (Executor::ConstantVus { .. }, _) => 0.0,
            (_, Arrivals::Regular) if durations.are_equal() => 0.0,
            _ => PEAK_DEVIATIONS,
        };
        // One call at least is there at once, whatever the mean.
        let at_most = |mean: f64| {
            (mean + spread * mean.sqrt())
                .max(mean.min(1.0))
                .min(calls.max(1.0))
        };
        Self {
            calls,
            peak_calls: at_most(peak),
            real_calls: calls * real,
            peak_real_calls: at_most(peak * real).min(at_most(peak)),
            call_seconds: calls * durations.mean(),
            last_end: instant(last_end),
        }
    }
}

/// Calls of a closed model, and when the last one ends: each user's calls are a renewal process
/// that starts anew at time 0 (Feller II, XI.3).
fn closed(vus: f64, until: f64, pause: f64, durations: &Durations) -> (f64, f64) {
    let (mean, square) = (durations.mean(), durations.mean_square());
    let cycle = mean + pause.max(1e-9);
    let variance = (square - mean * mean).max(0.0);
    let first = (variance / (cycle * cycle) + 1.0) / 2.0;
    let calls = vus * (until / cycle + first);
    (calls, until + durations.exceeded_by(vus))
}

/// The share of calls with a real session in a live run.
fn real_share(workload: &Workload) -> f64 {
    let (webrtc, sip) = (&workload.fidelity.webrtc, &workload.fidelity.sip);
    let real = |mix: &crate::scenario::FidelityMix| 1.0 - mix.share(Fidelity::Model).as_f64();
    let share = workload.webrtc_share.as_f64();
    share * real(webrtc) + (1.0 - share) * real(sip)
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and no time here is negative"
)]
fn instant(seconds: f64) -> Timestamp {
    Timestamp::ZERO + Duration::from_nanos((seconds * 1e9) as u64)
}

/// The law of call durations as weighted values in seconds, the shortest first.
struct Durations {
    values: Vec<(f64, f64)>,
}

impl Durations {
    fn of(workload: &Workload) -> Self {
        let sampler = Sampler::new(&workload.call_duration);
        let part = u64::MAX / u64::from(PARTS);
        let value = |draw: u64| seconds(sampler.sample(draw));
        let mut values: Vec<(f64, f64)> = (0..u64::from(PARTS) - 1)
            .map(|k| (f64::from(PARTS).recip(), value(k * part + part / 2)))
            .collect();
        let (mut weight, mut width) = (f64::from(PARTS).recip(), part);
        for _ in 0..TAIL_HALVES {
            (weight, width) = (weight / 2.0, width / 2);
            values.push((weight, value(u64::MAX - width - width / 2)));
        }
        values.push((weight, value(u64::MAX - width / 2)));
        Self { values }
    }

    fn are_equal(&self) -> bool {
        let mut values = self.values.iter().map(|(_, value)| value.to_bits());
        let first = values.next();
        values.all(|value| Some(value) == first)
    }

    fn mean(&self) -> f64 {
        self.values
            .iter()
            .map(|(weight, value)| weight * value)
            .sum()
    }

    fn mean_square(&self) -> f64 {
        let squares = self.values.iter();
        squares.map(|(weight, value)| weight * value * value).sum()
    }

    /// A duration that half a call of `calls` exceeds.
    fn exceeded_by(&self, calls: f64) -> f64 {
        let mut left = calls;
        let mut reached = 0.0;
        for (weight, value) in &self.values {
            reached = *value;
            left -= calls * weight;
            if left <= 0.5 {
                break;
            }
        }
        reached
    }
}

/// The expected number of arrivals up to an instant.
struct Cumulated {
    stretches: Vec<Stretch>,
}

/// A stretch in which the rate is linear. Seconds, and events per second.
#[derive(Clone, Copy)]
struct Stretch {
    start: f64,
    length: f64,
    rates: (f64, f64),
    /// Arrivals before it.
    before: f64,
}

impl Stretch {
    fn total(&self) -> f64 {
        f64::midpoint(self.rates.0, self.rates.1) * self.length
    }

    fn until(&self, at: f64) -> f64 {
        let within = (at - self.start).clamp(0.0, self.length);
        if self.length <= 0.0 {
            return self.before;
        }
        let slope = (self.rates.1 - self.rates.0) / self.length;
        self.before + within * (self.rates.0 + slope * within / 2.0)
    }
}

impl Cumulated {
    fn of(workload: &Workload, stages: &[Stage]) -> Self {
        let ends = |shape: StageShape| match shape {
            StageShape::Constant(rate) => (rate.as_per_second_f64(), rate.as_per_second_f64()),
            StageShape::Ramp(from, to) => (from.as_per_second_f64(), to.as_per_second_f64()),
        };
        let first = stages.first().map_or(0.0, |stage| ends(stage.shape).0);
        let warmup = (workload.warmup, (first, first));
        let stages = stages
            .iter()
            .map(|stage| (stage.duration, ends(stage.shape)));
        let (mut start, mut before) = (0.0, 0.0);
        let stretches = std::iter::once(warmup)
            .chain(stages)
            .map(|(length, rates)| {
                let stretch = Stretch {
                    start,
                    length: seconds(length),
                    rates,
                    before,
                };
                start += stretch.length;
                before += stretch.total();
                stretch
            });
        Self {
            stretches: stretches.collect(),
        }
    }

    fn total(&self) -> f64 {
        self.stretches
            .last()
            .map_or(0.0, |last| last.before + last.total())
    }

    fn until(&self, at: f64) -> f64 {
        let later = self
            .stretches
            .partition_point(|stretch| stretch.start <= at);
        let stretch = later
            .checked_sub(1)
            .and_then(|index| self.stretches.get(index));
        stretch.map_or(0.0, |stretch| stretch.until(at))
    }

    /// The highest mean number of calls at once. With arrivals of rate λ it is
    /// `E[Λ(t) − Λ(t − D)]` at t, whatever the law of D (Eick, Massey and Whitt 1993).
    fn peak(&self, durations: &Durations) -> f64 {
        let instants = self.instants(durations);
        let mut active: Vec<f64> = instants.iter().map(|at| self.until(*at)).collect();
        for (weight, value) in &durations.values {
            let mut index = 0;
            for (at, active) in instants.iter().zip(&mut active) {
                let begun = at - value;
                // Instants rise, so the stretch that one looks back to is never before the last.
                while self
                    .stretches
                    .get(index + 1)
                    .is_some_and(|next| next.start <= begun)
                {
                    index += 1;
                }
                *active -= weight
                    * self
                        .stretches
                        .get(index)
                        .map_or(0.0, |stretch| stretch.until(begun));
            }
        }
        active.into_iter().fold(0.0, f64::max)
    }

    /// Where the mean is looked at: the ends of stages, evenly between, and where what a stage
    /// began has grown.
    fn instants(&self, durations: &Durations) -> Vec<f64> {
        let room = INSTANTS_MAX / self.stretches.len().max(1);
        let each = room.clamp(2, INSTANTS_PER_STAGE) / 2;
        let step = (durations.values.len() / each).max(1);
        let mut instants = Vec::new();
        for stretch in &self.stretches {
            let end = stretch.start + stretch.length;
            let evenly = (1_u32..).take(each).map(|k| {
                let share = f64::from(k) / each as f64;
                stretch.start + stretch.length * share
            });
            instants.extend(evenly);
            let grown = durations.values.iter().step_by(step);
            let grown = grown.map(|(_, value)| stretch.start + value);
            instants.extend(grown.filter(|at| *at < end));
        }
        instants.sort_by(f64::total_cmp);
        instants
    }

    /// When the mean number of calls has fallen to a half for good.
    fn last_end(&self, durations: &Durations) -> f64 {
        let busy = self.stretches.iter().rfind(|stretch| stretch.total() > 0.0);
        let Some(last) = busy else { return 0.0 };
        let arrivals_end = last.start + last.length;
        let longest = durations.values.last().map_or(0.0, |(_, value)| *value);
        let active = |at: f64| {
            let begun = durations.values.iter();
            let ended: f64 = begun
                .map(|(weight, value)| weight * self.until(at - value))
                .sum();
            self.total() - ended
        };
        let (mut low, mut high) = (arrivals_end, arrivals_end + longest);
        for _ in 0..64 {
            let middle = f64::midpoint(low, high);
            if active(middle) > 0.5 {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::draws::Seed;
    use crate::field::PerKind;
    use crate::scenario::{FidelityMix, HoldSetAt, HoldWorkload, LiveSessions};
    use crate::time::{Probability, Rate};
    use crate::workload::Calls;

    fn stage(seconds: u64, shape: StageShape) -> Stage {
        Stage {
            name: format!("{shape:?}"),
            duration: Duration::from_secs(seconds),
            shape,
        }
    }

    fn workload(executor: Executor, call_duration: Distribution) -> Workload {
        Workload {
            executor,
            arrivals: Arrivals::Poisson,
            warmup: Duration::from_secs(3),
            call_duration,
            webrtc_share: Probability::new(0.75).unwrap(),
            hold: HoldWorkload {
                fraction: Probability::ZERO,
                set_at: HoldSetAt::CallEnd,
            },
            fidelity: PerKind {
                webrtc: FidelityMix::only(Fidelity::Media),
                sip: FidelityMix::only(Fidelity::Model),
            },
            live: LiveSessions::default(),
            faults: Vec::new(),
        }
    }

    /// What the calls of a seed really are: number, most at once, last end in seconds.
    fn counted(workload: &Workload, seed: u64) -> (f64, f64, f64) {
        let mut changes = Vec::new();
        for call in Calls::new(workload, Seed(seed)) {
            changes.push((call.arrival, 1_i64));
            changes.push((call.ended_at(), -1));
        }
        changes.sort_unstable();
        let (mut now, mut peak) = (0, 0);
        for (_, change) in &changes {
            now += change;
            peak = peak.max(now);
        }
        let end = changes
            .last()
            .map_or(0.0, |(at, _)| seconds(at.since(Timestamp::ZERO)));
        (changes.len() as f64 / 2.0, peak as f64, end)
    }

    #[test]
    fn an_estimate_is_what_the_calls_of_many_seeds_come_to() {
        let constant = |per_second| StageShape::Constant(Rate::per_second(per_second));
        let ramp = |from, to| StageShape::Ramp(Rate::per_second(from), Rate::per_second(to));
        let spike = vec![
            stage(20, constant(10)),
            stage(15, constant(80)),
            stage(40, constant(0)),
            stage(15, constant(10)),
        ];
        let ramps = vec![
            stage(10, ramp(0, 50)),
            stage(0, ramp(50, 5)),
            stage(30, ramp(5, 0)),
        ];
        let lognormal =
            Distribution::lognormal_median_p99(Duration::from_secs(5), Duration::from_secs(15))
                .unwrap();
        let exponential = Distribution::exponential(Duration::from_secs(8)).unwrap();
        let constant = Distribution::constant(Duration::from_millis(700));
        let users = |pause| Executor::ConstantVus {
            vus: 40,
            duration: Duration::from_secs(120),
            pause: Duration::from_millis(pause),
        };
        for executor in [
            Executor::ArrivalRate(spike),
            Executor::ArrivalRate(ramps),
            users(0),
            users(2_500),
        ] {
            for law in [lognormal.clone(), exponential.clone(), constant.clone()] {
                let workload = workload(executor.clone(), law.clone());
                let estimate = Estimate::of(&workload);
                let counts: Vec<_> = (0..20).map(|seed| counted(&workload, seed)).collect();
                let mean = |of: fn(&(f64, f64, f64)) -> f64| {
                    counts.iter().map(of).sum::<f64>() / counts.len() as f64
                };
                let calls = mean(|count| count.0);
                let spread = 4.0 * (calls / 20.0).sqrt();
                let told = format!("{executor:?} {law:?}: {estimate:?}, {counts:?}");
                assert!((estimate.calls - calls).abs() <= spread.max(1.0), "{told}");
                let peak = counts.iter().map(|count| count.1).fold(0.0, f64::max);
                assert!(peak <= estimate.peak_calls.ceil(), "{told}");
                assert!(
                    estimate.peak_calls <= mean(|count| count.1) * 1.4 + 10.0,
                    "{told}"
                );
                let end = mean(|count| count.2);
                let guessed = seconds(estimate.last_end.since(Timestamp::ZERO));
                assert!((guessed - end).abs() <= 0.15 * end + 1.0, "{told}");
                assert!(
                    (estimate.real_calls - 0.75 * estimate.calls).abs() < 1e-6,
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn regular_arrivals_of_one_length_leave_nothing_to_chance() {
        let steady = vec![stage(10, StageShape::Constant(Rate::per_second(10)))];
        let mut workload = workload(
            Executor::ArrivalRate(steady),
            Distribution::constant(Duration::from_secs(2)),
        );
        workload.arrivals = Arrivals::Regular;
        let estimate = Estimate::of(&workload);
        let (calls, peak, _) = counted(&workload, 1);
        assert_eq!(
            (estimate.calls.round(), estimate.peak_calls.round()),
            (calls, peak)
        );
    }

    #[test]
    fn the_largest_workload_is_estimated_without_a_call() {
        let month = 30 * 24 * 3600;
        let most = vec![stage(
            month,
            StageShape::Constant(Rate::per_second(1_000_000)),
        )];
        let workload = workload(
            Executor::ArrivalRate(most),
            Distribution::constant(Duration::from_secs(month)),
        );
        let estimate = Estimate::of(&workload);
        let expected = 1e6 * (month as f64 + 3.0);
        assert!(
            (estimate.calls / expected - 1.0).abs() < 1e-9,
            "{estimate:?}"
        );
        assert!(estimate.peak_calls > 0.99e6 * month as f64, "{estimate:?}");
    }
}
