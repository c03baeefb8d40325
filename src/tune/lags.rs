//! Lags to tune on, and others to certify with.

use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::gate::{Strategy, Ungated};
use racegate_model::history::{EndReason, JobRecord, Settled};
use racegate_model::ids::ArmIndex;
use racegate_model::recorder::Sink;
use racegate_model::scenario::{ReadPath, RequiredFields, Scenario};
use racegate_model::schedule::{Lag, Steps};
use racegate_model::sim;
use racegate_model::survival::fit::Curve;
use racegate_model::survival::{Observation, Observations};
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;

use crate::calibrate::{Calibration, LagFit, Trace};

/// Repetitions of a scenario at most, however few recordings each has.
const RUNS_MAX: u64 = 2_000;

/// What a search is made on.
pub struct Lags {
    /// The lag that is searched on.
    pub searched: Box<dyn Lag>,
    /// How it came about, for people.
    pub source: String,
    /// Recordings that the search did not see.
    pub held_out: Observations,
    /// Recordings behind the search.
    pub recordings: u64,
    /// What the search must stand up to as well, in robust mode.
    pub others: Vec<Box<dyn Lag>>,
    /// Where checks must read.
    pub reads: ReadPath,
}

/// How many recordings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// To search on.
    pub searched: u64,
    /// To certify with.
    pub held_out: u64,
}

/// Lags of a scenario's platform, as arm `base` makes them without a gate in the way.
#[must_use]
pub fn of_scenario(scenario: &Scenario, sizes: Sizes) -> Lags {
    let first = scenario.seed.0;
    let (searched, runs) = simulated(scenario, first, sizes.searched);
    let (held_out, _) = simulated(scenario, first + runs, sizes.held_out);
    let reads = if searched.iter().any(|lag| lag.index > lag.get) {
        ReadPath::Index
    } else {
        ReadPath::Primary
    };
    let on = |lag: &SimulatedLag| match reads {
        ReadPath::Index => lag.index,
        ReadPath::Primary => lag.get,
    };
    let total = searched.len() as f64;
    let masses = searched.iter().map(on).filter(|lag| lag.is_finite());
    let steps = Steps::of_masses(masses.map(|lag| (lag, 1.0 / total)).collect());
    let observed = held_out.iter().map(|lag| {
        let at = on(lag);
        if at.is_finite() {
            Observation::exact(at)
        } else {
            Observation::beyond(1e9)
        }
    });
    Lags {
        source: format!("scenario {}, seeds from {first}", scenario.name),
        recordings: searched.len() as u64,
        held_out: observed.collect(),
        others: [0.8, 1.25]
            .map(|factor| Box::new(steps.scaled(factor)) as Box<dyn Lag>)
            .into(),
        searched: Box::new(steps),
        reads,
    }
}

/// Lags of a trace: half of its recordings are fitted, the other half certifies.
#[must_use]
pub fn of_trace(trace: Trace, seed: Seed) -> Option<(Lags, Calibration)> {
    let (searched, held_out) = halves(&trace.metadata, seed);
    let (naive, _) = halves(&trace.naive, seed);
    let half = Trace {
        metadata: searched,
        naive,
        ..trace
    };
    let calibration = Calibration::of(half, seed);
    let metadata = calibration.metadata.as_ref()?;
    let lags = Lags {
        searched: law(metadata)?,
        source: match metadata.fitting() {
            Some(fit) => format!("{} fitted to a trace", fit.curve.family().name()),
            None => "a trace that no family fits".to_owned(),
        },
        recordings: metadata.observations.total(),
        others: uncertain(metadata),
        held_out,
        reads: ReadPath::Primary,
    };
    Some((lags, calibration))
}

/// The fitted family, or the estimate without one.
fn law(metadata: &LagFit) -> Option<Box<dyn Lag>> {
    match metadata.fitting() {
        Some(fit) => Some(Box::new(fit.curve.clone())),
        None => Some(Box::new(metadata.estimate.spread().ok()?)),
    }
}

/// The fit with each parameter at either end of its 95 % interval, and the runner-up family.
fn uncertain(metadata: &LagFit) -> Vec<Box<dyn Lag>> {
    let Some(best) = metadata.fits.first() else {
        return Vec::new();
    };
    let size = best.parameters.len();
    let ends = (0..size).flat_map(|k| {
        [-1.96, 1.96].map(|errors| {
            let mut moves = vec![0.0; size];
            moves[k] = errors;
            best.moved(&moves)
        })
    });
    let second = metadata.fits.get(1).map(|fit| fit.curve.clone());
    let usable = |curve: &Curve| curve.mean().is_finite();
    let curves = ends.chain(second).filter(usable);
    curves
        .map(|curve| Box::new(curve) as Box<dyn Lag>)
        .collect()
}

/// Each recording is in one half or the other, by a keyed draw.
fn halves(observations: &Observations, seed: Seed) -> (Observations, Observations) {
    let (mut first, mut second) = (Observations::default(), Observations::default());
    let mut index = 0;
    for one in observations.iter() {
        let mut chosen = 0;
        for _ in 0..one.count {
            let draw = Draws::of_stream(seed, "half", index).draw(Purpose::Calibration);
            chosen += draw >> 63;
            index += 1;
        }
        for (half, count) in [(&mut first, chosen), (&mut second, one.count - chosen)] {
            if count > 0 {
                half.add(Observation { count, ..one });
            }
        }
    }
    (first, second)
}

/// Seconds from the session's end until checks on either path succeed; infinite for never.
#[derive(Clone, Copy, Debug)]
struct SimulatedLag {
    get: f64,
    index: f64,
}

struct Collector {
    required: RequiredFields,
    reads: ReadPath,
    lags: Vec<SimulatedLag>,
}

impl Sink for Collector {
    fn timeline(&mut self, _: ArmIndex, timeline: &Timeline) {
        let required = self.required.of(timeline.kind);
        let lag = |path| {
            let at = timeline.fields_at(path, required);
            match at.ever() {
                Some(at) => at.since(timeline.ended_at).as_secs_f64(),
                None => f64::INFINITY,
            }
        };
        self.lags.push(SimulatedLag {
            get: lag(ReadPath::Primary),
            index: lag(self.reads),
        });
    }
    fn settled(&mut self, _: &Settled, _: &Timeline) {}
    fn job(&mut self, _: &JobRecord) {}
    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

/// At least so many lags, and the seeds that they took.
fn simulated(scenario: &Scenario, first: u64, count: u64) -> (Vec<SimulatedLag>, u64) {
    let mut alone = scenario.clone();
    alone.arms.truncate(1);
    alone.expect.clear();
    let arm = &mut alone.arms[0];
    arm.gates.truncate(1);
    arm.gates[0].strategy = Strategy::Ungated(Ungated);
    arm.gates[0].repair = None;
    let mut collector = Collector {
        required: arm.required,
        reads: arm.platform.export.read,
        lags: Vec::new(),
    };
    let mut runs = 0;
    while (collector.lags.len() as u64) < count && runs < RUNS_MAX {
        alone.seed = Seed(first.wrapping_add(runs));
        sim::run(&alone, &mut collector);
        runs += 1;
        if collector.lags.is_empty() {
            break;
        }
    }
    (collector.lags, runs)
}
