//! A failing case out of a scenario: which one, and what it takes to fail again.

use std::collections::{BTreeMap, VecDeque};

use super::bleach::bleached;
use super::{Case, Fingerprint, read_at};
use crate::history::{EndReason, JobRecord, Settled};
use crate::ids::{ArmIndex, RecordingIndex, TenantIndex};
use crate::outcome::{Cause, OutcomeKind};
use crate::recorder::Sink;
use crate::scenario::{
    Arm, FixedDelay, GateSpec, GateStart, PlatformSpec, Scenario, Slots, Strategy,
};
use crate::sim::{GivenRecording, GivenTenant};
use crate::time::{Duration, Timestamp};
use crate::timeline::Timeline;

/// Recordings before the failing one that are looked at: what ended earlier is long written.
const BEFORE_MAX: usize = 200_000;

/// Which failure is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Of this gate; any if none is named.
    pub gate: Option<String>,
    /// Of this recording; the most telling one if none is named.
    pub recording: Option<RecordingIndex>,
}

/// Why no case can be taken out of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CaptureError {
    /// Every recording is exported complete.
    #[error("every recording is exported complete: nothing fails that could be repeated")]
    NothingFails,
    /// The recording that is wanted is complete.
    #[error("recording {} is exported complete under {gate}", recording.0)]
    Complete {
        /// The recording.
        recording: RecordingIndex,
        /// The gate.
        gate: String,
    },
    /// There is no such recording.
    #[error("there is no recording {} that is settled; there are 0 to {}", recording.0, last.0)]
    NoSuchRecording {
        /// The recording.
        recording: RecordingIndex,
        /// The last one.
        last: RecordingIndex,
    },
    /// There is no such gate.
    #[error("the scenario has no gate `{0}`")]
    NoSuchGate(String),
    /// Run by itself the exporter does something else.
    #[error("recording {} does not fail in the same way when its arm is run alone", .0.0)]
    Elsewhere(RecordingIndex),
}

/// A case as it was in the run.
#[derive(Clone, PartialEq, Debug)]
pub struct Captured {
    /// The case, with every recording that ended before it was over.
    pub case: Case,
    /// How it fails.
    pub fingerprint: Fingerprint,
    /// Recordings of the run.
    pub recordings: u64,
    /// Recordings that fail under its gate.
    pub failing: u64,
    /// The longest service in the run, by pipeline and stage.
    pub longest: Vec<Vec<Duration>>,
}

/// Takes the failure that is `wanted` out of the first arm of `scenario`, which is simulated.
///
/// # Errors
/// [`CaptureError`].
pub fn capture(scenario: &Scenario, wanted: &Wanted) -> Result<Captured, CaptureError> {
    let mut scenario = of_gates(scenario, wanted)?;
    let mut survey = Survey::asking(wanted);
    crate::sim::run(&scenario, &mut survey);
    let found = survey.choose(&scenario, wanted)?;
    leave_gate(&mut scenario, &found);
    let bleached = bleached(&scenario.arms[0]);
    let mut seen = Seen::until(found.settled_at, &bleached);
    crate::sim::run(&scenario, &mut seen);
    let case = written_down(&scenario, &bleached, &seen.sorted(), &found)?;
    captured(case, &found, &survey, seen.longest)
}

/// Takes it out of what a run wrote down: its `timelines` on the first arm, and what its gates
/// `settled`. Where the gate itself does something else on a clock without lateness, its place is
/// taken by the delay that was observed.
///
/// # Errors
/// [`CaptureError`].
pub fn capture_history(
    scenario: &Scenario,
    timelines: &[Timeline],
    settled: &[Settled],
    wanted: &Wanted,
) -> Result<Captured, CaptureError> {
    let whole = &scenario.arms[0];
    let mut scenario = of_gates(scenario, wanted)?;
    let known: BTreeMap<RecordingIndex, &Timeline> =
        timelines.iter().map(|it| (it.recording, it)).collect();
    let mut survey = Survey::asking(wanted);
    for timeline in timelines {
        survey.timeline(ArmIndex(0), timeline);
    }
    for one in settled {
        let gate = whole.gates.get(one.tenant.0 as usize);
        let kept = |gate: &GateSpec| scenario.arms[0].gates.contains(gate);
        if let Some(timeline) = known.get(&one.recording)
            && gate.is_some_and(kept)
        {
            survey.settled(one, timeline);
        }
    }
    let found = survey.choose(&scenario, wanted)?;
    scenario.arms[0].gates.clone_from(&whole.gates);
    leave_gate(&mut scenario, &found);
    let bleached = bleached(&scenario.arms[0]);
    let mut seen = Seen::until(found.settled_at, &bleached);
    for timeline in timelines {
        seen.timeline(ArmIndex(0), timeline);
    }
    let timelines = seen.sorted();
    let case = written_down(&scenario, &bleached, &timelines, &found)?;
    let longest = seen.longest;
    captured(case.clone(), &found, &survey, longest.clone())
        .or_else(|_| captured(observed(case, &found), &found, &survey, longest))
}

/// The first arm alone, with the gate that is wanted.
fn of_gates(scenario: &Scenario, wanted: &Wanted) -> Result<Scenario, CaptureError> {
    let mut scenario = scenario.clone();
    scenario.arms.truncate(1);
    if let Some(name) = &wanted.gate {
        let arm = &mut scenario.arms[0];
        arm.gates.retain(|gate| gate.name == *name);
        if arm.gates.is_empty() {
            return Err(CaptureError::NoSuchGate(name.clone()));
        }
    }
    Ok(scenario)
}

fn leave_gate(scenario: &mut Scenario, found: &Settled) {
    let gates = &mut scenario.arms[0].gates;
    let gate = gates.swap_remove(found.tenant.0 as usize);
    *gates = vec![gate];
}

fn captured(
    case: Case,
    found: &Settled,
    survey: &Survey,
    longest: Vec<Vec<Duration>>,
) -> Result<Captured, CaptureError> {
    let elsewhere = || CaptureError::Elsewhere(found.recording);
    let played = case.probe().ok_or_else(elsewhere)?;
    let timeline = case.timeline().ok_or_else(elsewhere)?;
    let expected = Fingerprint::of(found, timeline, &case.arm);
    let fingerprint = played
        .fingerprint
        .filter(|it| Some(it) == expected.as_ref());
    Ok(Captured {
        fingerprint: fingerprint.ok_or_else(elsewhere)?,
        case,
        recordings: survey.last.map_or(0, |last| last.0 + 1),
        failing: survey.failing.get(&found.tenant).map_or(0, |it| it.count),
        longest,
    })
}

/// The case with a gate that waits as long as was observed, in jobs that take no time.
fn observed(mut case: Case, found: &Settled) -> Case {
    let Some(ended_at) = case.timeline().map(|timeline| timeline.ended_at) else {
        return case;
    };
    let gate = &mut case.arm.gates[0];
    gate.strategy = Strategy::FixedDelay(FixedDelay {
        delay: read_at(found).since(ended_at),
    });
    gate.start = GateStart::SessionEnd;
    gate.repair = None;
    case.arm.platform.export.slots = Slots::Unlimited;
    for one in &mut case.recordings {
        one.jobs.clear();
        one.told.clear();
    }
    case
}

/// The case with what chance made of it.
fn written_down(
    scenario: &Scenario,
    bleached: &Arm,
    timelines: &[Timeline],
    found: &Settled,
) -> Result<Case, CaptureError> {
    let tenant = GivenTenant {
        arm: &scenario.arms[0],
        seed: scenario.seed,
        drain: scenario.limits.drain,
    };
    let mut noted = tenant.note(timelines).noted;
    let told = timelines.iter().zip(tenant.told(timelines));
    let recordings = told.map(|(timeline, told)| GivenRecording {
        timeline: Timeline {
            tenant: None,
            ..timeline.clone()
        },
        told,
        jobs: noted.remove(&timeline.recording).unwrap_or_default(),
    });
    let recordings: Vec<_> = recordings.collect();
    if !recordings
        .iter()
        .any(|it| it.timeline.recording == found.recording)
    {
        return Err(CaptureError::Elsewhere(found.recording));
    }
    Ok(Case {
        seed: scenario.seed,
        arm: bleached.clone(),
        drain: scenario.limits.drain,
        recordings,
        failing: found.recording,
    })
}

/// Which recordings fail, and how.
#[derive(Default)]
struct Survey {
    failing: BTreeMap<TenantIndex, Failing>,
    last: Option<RecordingIndex>,
    /// What became of the recording that is asked for.
    all: BTreeMap<(RecordingIndex, TenantIndex), Settled>,
    asked: Option<RecordingIndex>,
}

/// The failures of one gate.
#[derive(Default)]
struct Failing {
    count: u64,
    /// By outcome and cause: how many, and the one that takes least.
    kinds: BTreeMap<(OutcomeKind, Option<Cause>), (u64, Duration, Settled)>,
}

impl Survey {
    fn asking(wanted: &Wanted) -> Self {
        Self {
            asked: wanted.recording,
            ..Self::default()
        }
    }

    fn choose(&self, scenario: &Scenario, wanted: &Wanted) -> Result<Settled, CaptureError> {
        if let Some(recording) = wanted.recording {
            return self.chosen(scenario, recording);
        }
        // Incomplete exports first, then the gate with the most, its commonest cause.
        let kinds = self.failing.values().flat_map(|it| it.kinds.iter());
        let best = kinds.min_by_key(|((outcome, _), (count, ..))| {
            (
                std::cmp::Reverse(*outcome == OutcomeKind::Incomplete),
                std::cmp::Reverse(*count),
            )
        });
        best.map(|(_, (_, _, settled))| settled.clone())
            .ok_or(CaptureError::NothingFails)
    }

    fn chosen(
        &self,
        scenario: &Scenario,
        recording: RecordingIndex,
    ) -> Result<Settled, CaptureError> {
        let range = (recording, TenantIndex(0))..=(recording, TenantIndex(u32::MAX));
        let all: Vec<&Settled> = self.all.range(range).map(|(_, it)| it).collect();
        let failing = all.iter().filter(|it| it.outcome != OutcomeKind::Complete);
        let worst = failing.min_by_key(|it| (it.outcome != OutcomeKind::Incomplete, it.tenant));
        let last = self.last.unwrap_or_default();
        match (worst, all.first()) {
            (Some(worst), _) => Ok((*worst).clone()),
            (None, None) => Err(CaptureError::NoSuchRecording { recording, last }),
            (None, Some(_)) => {
                let gates = scenario.arms[0].gates.iter();
                let names: Vec<&str> = gates.map(|gate| gate.name.as_str()).collect();
                let gate = names.join(", ");
                Err(CaptureError::Complete { recording, gate })
            }
        }
    }
}

impl Sink for Survey {
    fn timeline(&mut self, _: ArmIndex, timeline: &Timeline) {
        self.last = self.last.max(Some(timeline.recording));
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        if self.asked == Some(settled.recording) {
            let key = (settled.recording, settled.tenant);
            self.all.insert(key, settled.clone());
        }
        if settled.outcome == OutcomeKind::Complete {
            return;
        }
        let failing = self.failing.entry(settled.tenant).or_default();
        failing.count += 1;
        let takes = read_at(settled).since(timeline.ended_at);
        let kind = (settled.outcome, settled.cause);
        let known = failing.kinds.entry(kind);
        let (count, least, best) = known.or_insert_with(|| (0, Duration::MAX, settled.clone()));
        *count += 1;
        if takes < *least || (takes == *least && settled.recording < best.recording) {
            (*least, *best) = (takes, settled.clone());
        }
    }

    fn job(&mut self, _: &JobRecord) {}
    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

/// The timelines that a failure may depend on.
struct Seen<'a> {
    until: Timestamp,
    timelines: VecDeque<Timeline>,
    longest: Vec<Vec<Duration>>,
    platform: &'a PlatformSpec,
}

impl<'a> Seen<'a> {
    fn until(until: Timestamp, arm: &'a Arm) -> Self {
        let platform = &arm.platform;
        let stages = platform.pipelines.iter().map(|it| it.stages.len());
        Self {
            until,
            timelines: VecDeque::new(),
            longest: stages.map(|count| vec![Duration::ZERO; count]).collect(),
            platform,
        }
    }

    /// In the order of their sessions' ends.
    fn sorted(&mut self) -> Vec<Timeline> {
        let mut timelines: Vec<Timeline> = std::mem::take(&mut self.timelines).into();
        timelines.sort_by_key(|timeline| (timeline.ended_at, timeline.recording));
        timelines
    }
}

impl Sink for Seen<'_> {
    fn timeline(&mut self, _: ArmIndex, timeline: &Timeline) {
        let platform = self.platform;
        let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
        let longest = self.longest.get_mut(pipeline).into_iter().flatten();
        for (longest, stage) in longest.zip(&timeline.stages) {
            if !stage.done_at.is_never() {
                *longest = (*longest).max(stage.done_at.since(stage.started_at));
            }
        }
        if timeline.ended_at <= self.until {
            self.timelines.push_back(timeline.clone());
            if self.timelines.len() > BEFORE_MAX {
                self.timelines.pop_front();
            }
        }
    }

    fn settled(&mut self, _: &Settled, _: &Timeline) {}
    fn job(&mut self, _: &JobRecord) {}
    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}
