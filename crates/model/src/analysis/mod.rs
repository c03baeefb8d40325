//! From what a run wrote down to the numbers of its summary.
//!
//! An [`Accumulator`] takes settled recordings one by one and keeps counts, histograms and batch
//! sums per tenant, phase and kind: memory follows the recordings in flight, not the total. All
//! it keeps are integers keyed by recording, so the order of entries changes nothing, and
//! replications merge by addition. [`Replay`] feeds it from a history, in whatever order the
//! entries were written.

mod batches;
mod claims;
mod closing;
mod delay;
mod exit;
mod expect;
mod gates;
mod observe;
mod over_seeds;
mod over_time;
mod pairs;
mod platform;
mod replay;
mod replicates;
mod series;
mod shares;
mod sharing;
mod summarize;
#[cfg(test)]
mod tests;
mod within_run;

pub use batches::REPLICATIONS_MIN;
pub use claims::Claims;
pub use exit::Exit;
pub use over_seeds::Doubt;
pub use replay::Replay;
pub use replicates::{Column, Replicate, Replicates, Sample};
pub use sharing::{Sharing, is_stationary};
pub use summarize::LatencyInterval;

use self::closing::Closing;
use self::gates::{GateCell, JobCell};
use self::over_time::Bins;
use self::pairs::Pair;
use self::platform::{PlatformCell, Usage};
use crate::field::{Field, Kind};
use crate::history::{End, EndReason, HistoryHash, JobRecord, Settled};
use crate::ids::{ArmIndex, RecordingIndex, TenantIndex};
use crate::index_set::IndexSet;
use crate::recorder::Sink;
use crate::scenario::{Arm, Engine, Scenario};
use crate::time::Timestamp;
use crate::timeline::{Decided, Need, Timeline};
use crate::workload::{Phase, phases};

/// What the numbers are about, besides the scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// Name and version of the program.
    pub tool: String,
    /// The engine that ran.
    pub engine: Engine,
    /// The tenants that were run; a history's `TenantIndex` is the position in this list.
    pub tenants: Vec<Tenant>,
    /// Hash of the planned sessions, as [`crate::workload::plan_hash`] makes it.
    pub plan_hash: u64,
}

/// A gate of an arm, by position in the scenario.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tenant {
    /// Position of the arm among [`Scenario::arms`].
    pub arm: usize,
    /// Position of the gate among [`Arm::gates`].
    pub gate: usize,
}

impl Tenant {
    /// Every tenant of the scenario: arms in its order, then gates.
    #[must_use]
    pub fn all(scenario: &Scenario) -> Vec<Self> {
        let arms = scenario.arms.iter().enumerate();
        arms.flat_map(|(arm, spec)| (0..spec.gates.len()).map(move |gate| Self { arm, gate }))
            .collect()
    }
}

/// Counts a run.
#[derive(Clone, Debug)]
pub struct Accumulator {
    scenario: Scenario,
    context: Context,
    phases: Vec<Phase>,
    arms: Vec<ArmState>,
    tenants: Vec<TenantState>,
    /// One per expectation; none where nothing is compared on the same recordings.
    pairs: Vec<Option<Pair>>,
    over_time: Bins,
    hash: HistoryHash,
    not_established: u64,
    warmup_recordings: u64,
    /// The last instant seen.
    last_at: Timestamp,
    end: Option<End>,
    /// What does not close, and what was merged.
    closing: Closing,
}

/// The recordings of an arm's platform, or of a tenant's where each has its own.
#[derive(Clone, Debug)]
struct ArmState {
    /// Position in the scenario.
    arm: usize,
    /// Position of the tenant among those that were run, if the platform is its own.
    tenant: Option<usize>,
    ended: IndexSet,
    /// By phase, then kind.
    cells: Vec<PlatformCell>,
    /// The stages of the second region's own pipeline, by phase, then kind.
    regional: Vec<PlatformCell>,
    /// By pipeline, then stage.
    usage: Vec<Vec<Usage>>,
}

/// What a tenant did.
#[derive(Clone, Debug)]
struct TenantState {
    tenant: Tenant,
    /// Position of its platform among those that were run.
    arm_slot: usize,
    /// Position among the gates of the picture over time, which shows the first arm.
    shown: Option<usize>,
    settled: IndexSet,
    /// By phase, then kind.
    cells: Vec<GateCell>,
    /// By phase.
    jobs: Vec<JobCell>,
}

/// What the analysis of a settled recording needs of its timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Facts {
    started_at: Timestamp,
    ended_at: Timestamp,
    kind: Kind,
    /// Of the fields that are required, on the path that the export reads.
    fields_at: Timestamp,
    media_at: Timestamp,
}

impl Facts {
    #[inline]
    fn of(recording: &impl Decided, arm: &Arm) -> Self {
        let required = arm.required.of(recording.taken_for());
        let need = Need::fields(required.without(Field::Media));
        Self {
            started_at: recording.started_at(),
            ended_at: recording.ended_at(),
            kind: recording.kind(),
            fields_at: recording.true_at(arm.platform.export.read, required, &need),
            media_at: recording.media_at(),
        }
    }
}

impl Accumulator {
    /// Nothing counted yet.
    ///
    /// # Panics
    ///
    /// If a tenant of `context` is not in the scenario.
    #[must_use]
    pub fn new(scenario: &Scenario, context: Context) -> Self {
        let phases = phases(&scenario.workload);
        let cells = phases.len() * Kind::ALL.len();
        let mut arms: Vec<ArmState> = Vec::new();
        let mut tenants = Vec::new();
        for tenant in &context.tenants {
            let spec = scenario
                .arms
                .get(tenant.arm)
                .expect("the tenant's arm is in the scenario");
            assert!(
                tenant.gate < spec.gates.len(),
                "the tenant's gate is in its arm"
            );
            let own = spec.is_coupled().then_some(tenants.len());
            let known = arms
                .iter()
                .position(|state| state.arm == tenant.arm && own.is_none());
            let arm_slot = known.unwrap_or_else(|| {
                arms.push(ArmState::new(tenant.arm, own, spec, cells));
                arms.len() - 1
            });
            let of_first = |state: &&TenantState| state.tenant.arm == arms[0].arm;
            let shown = tenants.iter().filter(of_first).count();
            tenants.push(TenantState {
                tenant: *tenant,
                arm_slot,
                shown: (tenant.arm == arms[0].arm).then_some(shown),
                settled: IndexSet::default(),
                cells: vec![GateCell::default(); cells],
                jobs: vec![JobCell::default(); phases.len()],
            });
        }
        let pairs = scenario
            .expect
            .iter()
            .map(|line| expect::pair_of(line, scenario, &context.tenants, &phases))
            .collect();
        Self {
            over_time: Bins::new(tenants.iter().filter(|t| t.shown.is_some()).count()),
            scenario: scenario.clone(),
            context,
            phases,
            arms,
            tenants,
            pairs,
            hash: HistoryHash::default(),
            not_established: 0,
            warmup_recordings: 0,
            last_at: Timestamp::ZERO,
            end: None,
            closing: Closing::new(),
        }
    }

    /// A session ended. Each arm's recording is handed over once, decided as far as it ever will
    /// be: when its last tenant settled it, or at the end of the run for what is in flight.
    pub fn decided(&mut self, arm: ArmIndex, recording: &impl Decided) {
        let (started_at, ended_at) = (recording.started_at(), recording.ended_at());
        self.last_at = self.last_at.max(ended_at);
        let Some(slot) = self.slot_of(arm, recording.tenant()) else {
            return self.closing.unknown_arm(arm);
        };
        let warmup = self.in_warmup(started_at);
        let kind = recording.taken_for();
        let phase = self.phase(ended_at);
        let (cell, taken_for) = (cell(phase, recording.kind()), cell(phase, kind));
        let state = &mut self.arms[slot];
        let number = recording.recording();
        if !state.ended.insert(number.0) {
            return self.closing.ended_twice(state.arm, number);
        }
        let spec = &self.scenario.arms[state.arm];
        // A call that was taken for another kind went through that kind's pipeline.
        let pipeline = spec.platform.pipeline_of(kind, recording.region());
        let stages = recording.stages();
        for (usage, times) in state.usage[pipeline].iter_mut().zip(&stages) {
            usage.add(times);
        }
        if warmup {
            self.warmup_recordings += u64::from(slot == 0);
            return;
        }
        let lag = state.cells[cell].add(recording, spec.required.of(kind));
        if spec.platform.regional_pipeline() == Some(pipeline) {
            state.regional[taken_for].add_stages(number, &stages);
        } else {
            state.cells[taken_for].add_stages(number, &stages);
        }
        if slot == 0 {
            self.over_time.ended(started_at, ended_at, lag);
        }
    }

    /// A tenant is done with a recording, which the tenant's arm has decided.
    #[inline]
    pub fn concluded(&mut self, settled: &Settled, recording: &impl Decided) {
        if let Some(facts) = self.facts(settled, recording) {
            self.settled_with(settled, &facts);
        }
    }

    /// A tenant is done with an export job.
    pub fn job(&mut self, job: &JobRecord) {
        self.last_at = self.last_at.max(job.done_at);
        if self.in_warmup(job.created_at) {
            return;
        }
        let phase = self.phase(job.created_at);
        match self.tenants.get_mut(job.tenant.0 as usize) {
            Some(tenant) => tenant.jobs[phase].add(job),
            None => self.closing.unknown_tenant(job.tenant),
        }
    }

    /// A session never came up.
    pub fn not_established(&mut self, _recording: RecordingIndex, _stage: &str) {
        self.not_established += 1;
    }

    /// The run is over. Without it the run counts as interrupted.
    pub fn end(&mut self, end: &End) {
        self.last_at = self.last_at.max(end.at);
        self.end = Some(end.clone());
    }

    /// The platform that is `tenant`'s own, or else that of `arm`.
    fn slot_of(&self, arm: ArmIndex, tenant: Option<TenantIndex>) -> Option<usize> {
        let tenant = tenant.map(|tenant| tenant.0 as usize);
        self.arms
            .iter()
            .position(|state| state.arm == arm.0 as usize && state.tenant == tenant)
    }

    /// What is needed of a recording to count `settled`; none if there is no such tenant.
    #[inline]
    fn facts(&mut self, settled: &Settled, recording: &impl Decided) -> Option<Facts> {
        let arm = self.arm_of(settled)?;
        Some(Facts::of(recording, &self.scenario.arms[arm.0 as usize]))
    }

    /// The arm of the tenant that settled; none if there is no such tenant.
    fn arm_of(&mut self, settled: &Settled) -> Option<ArmIndex> {
        let Some(tenant) = self.tenants.get(settled.tenant.0 as usize) else {
            self.closing.unknown_tenant(settled.tenant);
            return None;
        };
        let arm = u32::try_from(tenant.tenant.arm).expect("a scenario has few arms");
        Some(ArmIndex(arm))
    }

    fn settled_with(&mut self, settled: &Settled, facts: &Facts) {
        self.last_at = self.last_at.max(settled.settled_at);
        let position = settled.tenant.0 as usize;
        let warmup = self.in_warmup(facts.started_at);
        let phase = self.phase(facts.ended_at);
        let cell = cell(phase, facts.kind);
        let tenant = &mut self.tenants[position];
        if !tenant.settled.insert(settled.recording.0) {
            return self.closing.settled_twice(position, settled.recording);
        }
        self.hash.add(settled);
        if warmup {
            return;
        }
        tenant.cells[cell].add(settled, facts);
        if let Some(gate) = tenant.shown {
            self.over_time
                .settled(gate, facts.ended_at, settled.outcome);
        }
        for pair in self.pairs.iter_mut().flatten() {
            pair.add(position, phase, settled, facts);
        }
    }

    fn in_warmup(&self, started_at: Timestamp) -> bool {
        self.phases
            .first()
            .is_some_and(|phase| started_at < phase.start)
    }

    /// The phase that `at` lies in; the last one has no end.
    fn phase(&self, at: Timestamp) -> usize {
        self.phases
            .partition_point(|phase| phase.start <= at)
            .saturating_sub(1)
    }
}

/// Position of the cell of a phase and a kind.
const fn cell(phase: usize, kind: Kind) -> usize {
    phase * Kind::ALL.len() + kind.index()
}

impl Sink for Accumulator {
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        Self::decided(self, arm, timeline);
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        Self::concluded(self, settled, timeline);
    }

    fn decided(&mut self, arm: ArmIndex, recording: &impl Decided) {
        Self::decided(self, arm, recording);
    }

    #[inline]
    fn concluded(&mut self, settled: &Settled, recording: &impl Decided) {
        Self::concluded(self, settled, recording);
    }

    fn job(&mut self, job: &JobRecord) {
        Self::job(self, job);
    }

    fn not_established(&mut self, recording: RecordingIndex, stage: &str) {
        Self::not_established(self, recording, stage);
    }

    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]) {
        let end = End {
            at,
            reason,
            ended: ended.to_vec(),
            invalid_reasons: Vec::new(),
        };
        Self::end(self, &end);
    }
}

fn cut_short(end: &End) -> bool {
    end.reason == EndReason::Interrupted
}

impl ArmState {
    fn new(arm: usize, tenant: Option<usize>, spec: &Arm, cells: usize) -> Self {
        let pipelines = spec.platform.pipelines.iter();
        Self {
            arm,
            tenant,
            ended: IndexSet::default(),
            cells: vec![PlatformCell::default(); cells],
            regional: match spec.platform.regional_pipeline() {
                Some(_) => vec![PlatformCell::default(); cells],
                None => Vec::new(),
            },
            usage: pipelines
                .map(|pipeline| vec![Usage::default(); pipeline.stages.len()])
                .collect(),
        }
    }
}
