//! The mock with one recording whose metadata is held back, and the barrier that releases it.

use mock_api::clock::{Pace, RunClock};
use mock_api::server::{ControlConfig, MockServer, ServerConfig};
use mock_api::service::{On, Service, ServiceConfig, TenantConfig};
use mock_api::storage::layout::RunEpoch;
use mock_api::synthetic;
use racegate_model::analysis::Exit;
use racegate_model::distribution::Distribution;
use racegate_model::field::{Field, FieldSet};
use racegate_model::ids::{ArmIndex, ConversationId, RecordingId, RecordingIndex, TenantIndex};
use racegate_model::repro::{Case, Schedule};
use racegate_model::scenario::{Engine, GateSpec, Scenario};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;
use racegate_model::workload::Call;
use racegate_scenario::{Source, parse};

use crate::live::LiveError;

/// The recording's number on the stage.
pub(super) const RECORDING: RecordingIndex = RecordingIndex(0);
/// Requests that the journal remembers.
const JOURNAL: u32 = 65_536;
/// The shortest call: its recording has audio.
const CALL_LEAST: Duration = Duration::from_secs(1);
/// A workload that is never played: the stage places its one call itself.
const WORKLOAD: &str = "name = \"replay\"\n[workload]\nexecutor = \"constant-arrival-rate\"\n\
    rate = \"1/s\"\nduration = \"1s\"\ncall_duration = \"1s\"\nmedia = { sip = 1 }\n\
    [[gate]]\nname = \"exporter\"\nstrategy = \"none\"\n";

/// Whether what was held back has been released, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    /// It is held back.
    Yes,
    /// The exporter was observed: the interleaving took place.
    Released,
    /// Nothing more was to be expected of the exporter: it did not.
    GivenUp,
}

/// The mock and what is on it.
pub(crate) struct Stage {
    pub(super) scenario: Scenario,
    pub(super) server: MockServer,
    pub(super) tenant: TenantConfig,
    pub(super) clock: RunClock,
    /// What is held back; none where the recording's own instants decide.
    schedule: Option<Schedule>,
    /// The recording as the repro has it.
    original: Timeline,
    pub(super) ended_at: Timestamp,
    length: Duration,
    pub(super) held: Held,
    /// Reads of one target after which an exporter is taken to wait.
    pub(super) reads: u64,
}

impl Stage {
    /// Starts the mock; time stands still, or runs. Where there is a `schedule`, what came too
    /// late in it is held back until the exporter was observed.
    pub(crate) async fn start(
        case: &Case,
        schedule: Option<&Schedule>,
        gate: GateSpec,
        pace: Pace,
        reads: Option<u64>,
    ) -> Result<Self, Exit> {
        let original = case
            .timeline()
            .ok_or_else(|| Exit::internal("no such recording"))?;
        let scenario = scenario(case, gate)?;
        let seed = scenario.seed;
        let name = scenario.arms[0].gates[0].name.clone();
        let tenant = TenantConfig::derived(seed, TenantIndex(0), ArmIndex(0), &name);
        let length = original.ended_at.since(original.started_at).max(CALL_LEAST);
        let ended_at = Timestamp::ZERO + length;
        let clock = RunClock::dialled(ended_at, pace);
        let config = ServerConfig {
            control: Some(ControlConfig {
                workload: None,
                journal: JOURNAL,
            }),
            ..ServerConfig::loopback(ServiceConfig {
                seed,
                epoch: RunEpoch::now(),
                workload: scenario.workload.clone(),
                arms: scenario.arms.clone(),
                tenants: vec![tenant.clone()],
            })
        };
        let started = MockServer::start(config, clock).await;
        let (server, _) = started.map_err(|error| Exit::internal(LiveError::from(error)))?;
        let stage = Self {
            scenario,
            server,
            tenant,
            clock,
            schedule: schedule.cloned(),
            original: Timeline {
                recording: RECORDING,
                ..original.clone()
            },
            ended_at,
            length,
            held: if schedule.is_some() {
                Held::Yes
            } else {
                Held::Released
            },
            reads: reads.unwrap_or_else(|| schedule.map_or(0, |it| it.reads as u64).max(1) + 1),
        };
        stage.place()?;
        Ok(stage)
    }

    /// Puts the recording there, as far as it was when the failing export was taken.
    fn place(&self) -> Result<(), Exit> {
        let call = Call {
            index: RECORDING,
            arrival: self.ended_at - self.length,
            duration: self.length,
            kind: self.original.kind,
            hold: self.original.hold,
        };
        let service = self.service();
        service.calls().begin(call);
        let audio = synthetic::recording(self.scenario.seed, &call);
        service
            .store_media(RECORDING, audio)
            .map_err(Exit::internal)?;
        service.place(&call, &self.timeline(), On::Every);
        Ok(())
    }

    /// The recording's instants as they are held back.
    pub(super) fn timeline(&self) -> Timeline {
        let held = |it: &Schedule| it.held(&self.original, self.length, self.ended_at);
        self.schedule
            .as_ref()
            .map_or_else(|| self.original.clone(), held)
    }

    pub(super) const fn service(&self) -> &Service {
        self.server.service()
    }

    /// The ids by which a request may name the recording.
    pub(super) fn ids(&self) -> [String; 2] {
        let seed = self.scenario.seed;
        [
            RecordingId::of(seed, RECORDING).to_string(),
            ConversationId::of(seed, RECORDING).to_string(),
        ]
    }

    /// Whether the exporter has been observed: an export was taken, or one target that names the
    /// recording was read so often that it evidently waits.
    pub(super) fn is_observed(&self) -> bool {
        let exported = *self.service().exports().borrow() > 0;
        let reads = self.server.control().map(|it| it.reads_of(&self.ids()));
        let most = reads.and_then(|reads| reads.values().copied().max());
        exported || most.unwrap_or(0) >= self.reads
    }

    /// What came too late comes at `now`; returns the recording as it is from now on.
    pub(super) fn release(&mut self, now: Timestamp, how: Held) -> Timeline {
        self.held = how;
        let (length, ended_at) = (self.length, self.ended_at);
        let Some(schedule) = &self.schedule else {
            return self.original.clone();
        };
        let released = schedule.released(&self.original, length, ended_at, now);
        self.service().retell(&released, On::Every);
        released
    }

    /// Fields that the failing export lacked and that never come.
    pub(super) fn never(&self) -> String {
        let names: Vec<&str> = self.missing_for_ever().iter().map(Field::name).collect();
        names.join(", ")
    }

    fn missing_for_ever(&self) -> FieldSet {
        self.schedule
            .as_ref()
            .map_or(FieldSet::EMPTY, |schedule| schedule.never)
    }

    /// Whether all that was held back comes in the end.
    pub(super) fn all_comes(&self) -> bool {
        self.missing_for_ever() == FieldSet::EMPTY
    }

    /// Stops the mock.
    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}

/// The case's platform with one gate; jobs take as long as the failing one's last export did.
fn scenario(case: &Case, gate: GateSpec) -> Result<Scenario, Exit> {
    let source = Source::new("replay", WORKLOAD);
    let mut scenario = parse(&source, &[]).map_err(Exit::internal)?;
    let mut arm = case.arm.clone();
    arm.gates = vec![gate];
    let failing = case.recordings.iter();
    let mut failing = failing.filter(|one| one.timeline.recording == case.failing);
    let jobs = failing.next().map(|one| one.jobs.clone());
    let times = jobs.unwrap_or_default().last().map(|chance| chance.times);
    let times = times.unwrap_or_default();
    let export = &mut arm.platform.export;
    export.query_time = Distribution::constant(times.query);
    export.latency = Distribution::constant(times.latency.saturating_sub(times.between));
    export.between = Distribution::constant(times.between);
    scenario.seed = case.seed;
    scenario.engine = Engine::Live;
    scenario.arms = vec![arm];
    Ok(scenario)
}
