//! A failing case out of a scenario: which one, and what it takes to fail again.

use std::collections::{BTreeMap, VecDeque};

use super::bleach::bleached;
use super::{Case, Fingerprint, read_at};
use crate::history::{EndReason, JobRecord, Settled};
use crate::ids::{ArmIndex, RecordingIndex, TenantIndex};
use crate::outcome::{Cause, OutcomeKind};
use crate::recorder::Sink;
use crate::scenario::{Arm, Scenario};
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

/// Takes the failure that is `wanted` out of the first arm of `scenario`.
///
/// # Errors
/// [`CaptureError`].
pub fn capture(scenario: &Scenario, wanted: &Wanted) -> Result<Captured, CaptureError> {
    let mut scenario = scenario.clone();
    scenario.arms.truncate(1);
    if let Some(name) = &wanted.gate {
        let arm = &mut scenario.arms[0];
        arm.gates.retain(|gate| gate.name == *name);
        if arm.gates.is_empty() {
            return Err(CaptureError::NoSuchGate(name.clone()));
        }
    }
    let mut survey = Survey {
        asked: wanted.recording,
        ..Survey::default()
    };
    crate::sim::run(&scenario, &mut survey);
    let found = survey.choose(&scenario, wanted)?;
    let arm = &mut scenario.arms[0];
    let gate = arm.gates.swap_remove(found.tenant.0 as usize);
    arm.gates = vec![gate];
    let bleached = bleached(&scenario.arms[0]);
    let mut seen = Seen {
        until: found.settled_at,
        timelines: VecDeque::new(),
        longest: Vec::new(),
        stages: bleached.platform.pipelines.iter().map(|it| it.stages.len()).collect(),
        pipeline: |timeline: &Timeline| {
            let platform = &bleached.platform;
            platform.pipeline_of(timeline.taken_for(), timeline.region)
        },
    };
    crate::sim::run(&scenario, &mut seen);
    let mut timelines: Vec<Timeline> = seen.timelines.into();
    timelines.sort_by_key(|timeline| (timeline.ended_at, timeline.recording));
    let longest = seen.longest;
    let case = written_down(&scenario, &bleached, &timelines, &found)?;
    let failing = survey.failing.get(&found.tenant);
    let played = case.probe().ok_or(CaptureError::Elsewhere(found.recording))?;
    let expected = found.fingerprint(&case);
    match played.fingerprint {
        Some(fingerprint) if Some(&fingerprint) == expected.as_ref() => Ok(Captured {
            case,
            fingerprint,
            recordings: survey.last.map_or(0, |last| last.0 + 1),
            failing: failing.map_or(0, |it| it.count),
            longest,
        }),
        _ => Err(CaptureError::Elsewhere(found.recording)),
    }
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
    if !recordings.iter().any(|it| it.timeline.recording == found.recording) {
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

impl Settled {
    fn fingerprint(&self, case: &Case) -> Option<Fingerprint> {
        Fingerprint::of(self, case.timeline()?, &case.arm)
    }
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
    fn choose(&self, scenario: &Scenario, wanted: &Wanted) -> Result<Settled, CaptureError> {
        if let Some(recording) = wanted.recording {
            return self.chosen(scenario, recording);
        }
        // Incomplete exports first, then the gate with the most, its commonest cause.
        let kinds = self.failing.values().flat_map(|it| it.kinds.iter());
        let best = kinds.min_by_key(|((outcome, _), (count, ..))| {
            (std::cmp::Reverse(*outcome == OutcomeKind::Incomplete), std::cmp::Reverse(*count))
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
struct Seen<F> {
    until: Timestamp,
    timelines: VecDeque<Timeline>,
    longest: Vec<Vec<Duration>>,
    stages: Vec<usize>,
    pipeline: F,
}

impl<F: Fn(&Timeline) -> usize> Sink for Seen<F> {
    fn timeline(&mut self, _: ArmIndex, timeline: &Timeline) {
        let pipeline = (self.pipeline)(timeline);
        self.longest
            .resize_with(self.stages.len(), Vec::new);
        if let Some(longest) = self.longest.get_mut(pipeline) {
            longest.resize(self.stages[pipeline], Duration::ZERO);
            for (longest, stage) in longest.iter_mut().zip(&timeline.stages) {
                if !stage.done_at.is_never() {
                    *longest = (*longest).max(stage.done_at.since(stage.started_at));
                }
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
