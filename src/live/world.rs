//! A live run from start to end: servers up, calls made, gates raced, everything told to the sink.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mock_api::clock::RunClock;
use mock_api::ingest::IngestShards;
use mock_api::server::{MockServer, PlatformEvents, ServerConfig, ServerError};
use mock_api::service::{Delivery, News, ServiceConfig, Subscription, TenantConfig};
use mock_api::storage::layout::RunEpoch;
use racegate_model::draws::Seed;
use racegate_model::exporter::{Exporter, Input};
use racegate_model::fault::FaultPlan;
use racegate_model::history::EndReason;
use racegate_model::ids::{ArmIndex, RecordingId, TenantIndex};
use racegate_model::recorder::{Recorder, Sink};
use racegate_model::scenario::{Arm, Scenario};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;
use racegate_udp::{Shard, ShardError, ShardMeter};
use tokio::sync::{mpsc, watch};

use super::Arms;
use super::callers::{CallCounters, CallReport, Callers};
use super::generator::{GeneratorReport, Progress};
use super::health::Baseline;
use super::media::{self, Phones};
use super::network::HttpTransport;
use super::tenant::{Message, Record, TenantDriver};
use super::verdicts::Verdicts;
use super::webhooks::{self, Dues};

/// Why a live run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A server could not be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A socket could not be opened.
    #[error("{what} could not be opened: {source}{hint}", hint = hint(source))]
    Socket {
        /// What it was for.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The media stack could not be set up.
    #[error("the media stack could not be set up: {0}")]
    Media(String),
    /// The media thread failed.
    #[error("the media thread failed: {0}")]
    Shard(#[from] ShardError),
    /// The audio could not be kept.
    #[error("the audio cannot be written to {folder} ({source})", folder = folder.display())]
    Audio {
        /// Where to.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An exporter could not log in.
    #[error("the exporter of gate `{gate}` could not log in: {reason}")]
    Login {
        /// Which.
        gate: String,
        /// Why.
        reason: String,
    },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(24 | 23) => {
            "\n  too few file descriptors: raise the limit (`ulimit -n 4096`) or lower the rates"
        }
        _ => "",
    }
}

/// How far a run is to be stopped; raised by Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Stop {
    /// Not at all.
    #[default]
    No,
    /// No more arrivals; what is under way is finished.
    Arrivals,
    /// Now.
    Now,
}

/// What a live run may be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveOptions {
    /// Which arms it runs.
    pub arms: Arms,
    /// A folder to keep the received audio in.
    pub keep_audio: Option<PathBuf>,
    /// Threads that carry the media: all cores but one unless told otherwise.
    pub shards: Option<NonZeroUsize>,
}

/// How often progress is shown and the history gets a chance to be flushed.
const PROGRESS_EVERY: std::time::Duration = std::time::Duration::from_millis(250);
/// Time for servers to settle before the first arrival.
const LEAD: std::time::Duration = std::time::Duration::from_millis(100);

/// Runs `scenario` against the embedded mock.
///
/// # Errors
/// When a server, a socket or the media stack cannot be set up, or the media thread fails.
pub async fn run(
    scenario: &Scenario,
    options: &LiveOptions,
    sink: &mut impl Sink,
    stop: watch::Receiver<Stop>,
    mut progress: impl FnMut(Progress),
) -> Result<GeneratorReport, LiveError> {
    let arms = match options.arms {
        Arms::Base => scenario.arms.get(..1).unwrap_or_default(),
        Arms::All => &scenario.arms[..],
    };
    let shards = options.shards.unwrap_or_else(media::shards);
    let (mut world, server) = World::start(scenario, arms, shards).await?;
    let result = world.coordinate(sink, stop, &mut progress).await;
    world.callers.abort();
    let shards_failed = media::stop(std::mem::take(&mut world.shards));
    server.stop().await;
    if let Some(folder) = &options.keep_audio {
        world.keep_audio(folder)?;
    }
    let report = world.finish(sink, result);
    shards_failed?;
    Ok(report)
}

/// Everything that is running.
struct World<'a> {
    scenario: &'a Scenario,
    clock: RunClock,
    arms: Vec<LiveArm>,
    inboxes: Vec<mpsc::UnboundedSender<Message>>,
    service: mock_api::service::Service,
    ingests: Vec<IngestShards>,
    news: mpsc::UnboundedReceiver<News>,
    records: mpsc::UnboundedReceiver<Record>,
    reports: mpsc::UnboundedReceiver<CallReport>,
    counters: Arc<CallCounters>,
    callers: tokio::task::JoinHandle<()>,
    phones: Phones,
    shards: Vec<Shard>,
    webhooks: mock_api::http::Webhooks,
    dues: Dues,
    generator: GeneratorReport,
    ended: u64,
    settled: u64,
    received: Arc<PlatformEvents>,
    verdicts: Verdicts,
    baseline: Baseline,
    meters: Vec<ShardMeter>,
}

struct LiveArm {
    recorder: Recorder,
    tenants: std::ops::Range<usize>,
    ended: u64,
}

impl<'a> World<'a> {
    async fn start(
        scenario: &'a Scenario,
        arms: &'a [Arm],
        shards: NonZeroUsize,
    ) -> Result<(World<'a>, MockServer), LiveError> {
        let clock = RunClock::starting_at(tokio::time::Instant::now() + LEAD);
        let config = server_config(scenario, arms, shards);
        let tenants = config.service.tenants.clone();
        let (mut server, news) = MockServer::start(config, clock).await?;
        let (phones, shards) = media::start(scenario, &mut server)?;
        let faults = FaultPlan::new(&scenario.workload, scenario.seed);
        let (record_sender, records) = mpsc::unbounded_channel();
        let (inboxes, receivers): (Vec<_>, Vec<_>) =
            tenants.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let dues = Dues::default();
        start_webhooks(arms, &server, &inboxes, &tenants, (clock, &dues)).await?;
        let mut inbox = receivers.into_iter();
        for tenant in &tenants {
            let arm = &arms[tenant.arm.0 as usize];
            let gate = arm.gates.iter().find(|gate| gate.name == tenant.gate);
            let (Some(gate), Some(inbox)) = (gate, inbox.next()) else {
                continue;
            };
            let export = &arm.platform.export;
            let exporter = Exporter::new(tenant.index, gate, export, arm.required, scenario.seed);
            let transport = HttpTransport::connect(&server, tenant).await?;
            let driver = TenantDriver::new(exporter, transport, clock, record_sender.clone());
            tokio::spawn(driver.run(inbox));
        }
        let (report_sender, reports) = mpsc::unbounded_channel();
        let counters = Arc::<CallCounters>::default();
        let callers = Callers {
            service: server.service().clone(),
            clock,
            phones: phones.clone(),
            faults: faults.clone(),
            workload: scenario.workload.clone(),
            seed: scenario.seed,
            counters: Arc::clone(&counters),
            reports: report_sender,
        };
        let world = World {
            scenario,
            clock,
            arms: live_arms(arms, scenario.seed),
            inboxes,
            service: server.service().clone(),
            ingests: server
                .ring()
                .into_iter()
                .chain([server.ingest()])
                .cloned()
                .collect(),
            webhooks: server.webhooks().clone(),
            dues,
            news,
            records,
            reports,
            counters,
            callers: tokio::spawn(callers.run()),
            phones,
            meters: shards.iter().map(Shard::meter).collect(),
            baseline: Baseline::take(),
            shards,
            generator: GeneratorReport::new(),
            ended: 0,
            settled: 0,
            received: server.received(),
            verdicts: Verdicts::new(faults),
        };
        Ok((world, server))
    }

    /// Joins calls, platform and tenants until the run is over. Returns why it ended.
    async fn coordinate(
        &mut self,
        sink: &mut impl Sink,
        mut stop: watch::Receiver<Stop>,
        progress: &mut impl FnMut(Progress),
    ) -> EndReason {
        let mut tick = tokio::time::interval(PROGRESS_EVERY);
        let mut drained_by = Timestamp::NEVER;
        loop {
            tokio::select! {
                biased;
                Some(news) = self.news.recv() => self.hear(news, sink),
                Some(record) = self.records.recv() => self.record(record, sink),
                Some(report) = self.reports.recv() => self.call_over(report, sink),
                _ = tick.tick() => {
                    progress(self.progress());
                    self.watch_shard();
                }
                Ok(()) = stop.changed() => {
                    let stopped = *stop.borrow_and_update();
                    if stopped == Stop::Now {
                        return EndReason::Interrupted;
                    }
                    self.callers.abort();
                    self.counters.all_begun.store(true, Ordering::Release);
                }
            }
            let calls_over = self.counters.all_begun.load(Ordering::Acquire)
                && self.counters.active.load(Ordering::Relaxed) == 0;
            if calls_over && drained_by.is_never() {
                drained_by = self.clock.now() + self.scenario.limits.drain;
            }
            let settled = calls_over && self.is_settled();
            if settled || self.clock.now() >= drained_by {
                let stopped = *stop.borrow() != Stop::No;
                return if stopped {
                    EndReason::Interrupted
                } else {
                    EndReason::Finished
                };
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.news.is_empty()
            && self.records.is_empty()
            && self.reports.is_empty()
            && self.settled >= self.expected()
            && usize::try_from(self.ended)
                .is_ok_and(|ended| ended == self.service.calls().ended_count() * self.arms.len())
    }

    /// (tenant, recording) pairs to be settled of what has ended so far.
    fn expected(&self) -> u64 {
        self.arms
            .iter()
            .map(|arm| arm.ended * arm.tenants.len() as u64)
            .sum()
    }

    fn hear(&mut self, news: News, sink: &mut impl Sink) {
        match news {
            News::Began(arm, timeline) => self.began(arm, &timeline),
            News::Decided(arm, timeline) => {
                sink.timeline(arm, &timeline);
                let timeline = Timeline::clone(&timeline);
                self.arms[arm.0 as usize].recorder.decided(timeline, sink);
            }
            News::Deliver(delivery) => self.deliver(&delivery),
        }
    }

    fn began(&mut self, arm: ArmIndex, timeline: &Timeline) {
        let planned = self
            .service
            .calls()
            .get(timeline.recording)
            .map(|call| call.ended_at());
        let lateness = planned.map_or(Duration::ZERO, |planned| timeline.ended_at.since(planned));
        let arm = &mut self.arms[arm.0 as usize];
        arm.ended += 1;
        self.ended += 1;
        for inbox in &self.inboxes[arm.tenants.clone()] {
            let ended = Input::Ended(timeline.recording, timeline.taken_for());
            let stored = Input::MediaStored(timeline.recording);
            let message = Message {
                at: timeline.ended_at,
                input: ended,
                lateness,
            };
            drop(inbox.send(message));
            let (inbox, clock, at) = (inbox.clone(), self.clock, timeline.media_at);
            tokio::spawn(async move {
                clock.sleep_until(at).await;
                drop(inbox.send(Message {
                    at,
                    input: stored,
                    lateness,
                }));
            });
        }
    }

    fn deliver(&self, delivery: &Delivery) {
        self.dues.note(delivery);
        if let Err(error) = self.webhooks.deliver(delivery) {
            tracing::warn!(%error, "a webhook was not sent");
        }
    }

    fn record(&mut self, record: Record, sink: &mut impl Sink) {
        match record {
            Record::Settled(settled) => {
                self.settled += 1;
                let tenant = settled.tenant.0 as usize;
                let arm = self
                    .arms
                    .iter_mut()
                    .find(|arm| arm.tenants.contains(&tenant));
                if let Some(arm) = arm {
                    arm.recorder.settle(settled, sink);
                }
            }
            Record::Job(job) => sink.job(&job),
            Record::Sent(lateness) => self.generator.call_sent(lateness),
        }
    }

    fn call_over(&mut self, report: CallReport, sink: &mut impl Sink) {
        match report {
            CallReport::Synthetic => {}
            CallReport::Abandoned(call) => sink.not_established(call.index, "stopped"),
            CallReport::NotEstablished(call, stage) => sink.not_established(call.index, stage),
            CallReport::Real(call, outcome) => {
                self.generator.summary.sessions += 1;
                self.verdicts.add(call, outcome);
            }
        }
    }

    /// Writes every recording as it was received, under its id.
    fn keep_audio(&self, folder: &Path) -> Result<(), LiveError> {
        let failed = |source| LiveError::Audio {
            folder: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        for recording in self.service.calls().ended() {
            let Some(media) = self.service.store().media(recording) else {
                continue;
            };
            let id = RecordingId::of(self.scenario.seed, recording);
            let file = std::fs::File::create(folder.join(format!("{id}.opus")));
            let mut file = file.map_err(failed)?;
            for piece in media.pieces() {
                file.write_all(piece).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress {
            elapsed: self.clock.now().since(Timestamp::ZERO),
            begun: self.counters.begun.load(Ordering::Relaxed),
            active: self.counters.active.load(Ordering::Relaxed),
            ended: self.ended,
            settled: self.settled,
            expected: self.expected(),
        }
    }

    /// Says so when the media thread has ended before its time; joining it gives the reason.
    fn watch_shard(&self) {
        if self.shards.iter().any(Shard::is_finished) {
            tracing::error!("the media thread has ended; calls cannot go on");
        }
    }

    fn finish(mut self, sink: &mut impl Sink, reason: EndReason) -> GeneratorReport {
        while let Ok(record) = self.records.try_recv() {
            self.record(record, sink);
        }
        for (call, stage) in self.verdicts.not_established(&self.service) {
            sink.not_established(call.index, stage);
        }
        let ended: Vec<u64> = self.arms.iter().map(|arm| arm.ended).collect();
        sink.end(self.clock.now(), reason, &ended);
        let summary = &mut self.generator.summary;
        summary.sessions_peak = self.counters.peak.load(Ordering::Relaxed);
        summary.dropped = self.counters.dropped.load(Ordering::Relaxed);
        let limit = self.scenario.limits.send_lateness;
        media::count_sent(summary, self.phones.reports(), limit);
        media::count_received(summary, self.ingests.iter().map(IngestShards::counters));
        let skipped = self.meters.iter().map(|meter| meter.report().ticks_skipped);
        summary.ticks_skipped = skipped.sum();
        summary.media_shards = self.meters.len() as u64;
        summary.cpu = self.baseline.since(&self.meters);
        summary.packets_lost = summary
            .packets_sent
            .saturating_sub(summary.packets_received);
        let workload = &self.scenario.workload;
        self.verdicts
            .count(summary, workload, &self.service, &self.received);
        let usage = self.service.store().usage();
        summary.recordings_stored = self.service.calls().ended_count() as u64;
        summary.bytes_stored = usage.bytes;
        self.generator
    }
}

fn server_config(scenario: &Scenario, arms: &[Arm], shards: NonZeroUsize) -> ServerConfig {
    let mut tenants = Vec::new();
    for (index, arm) in (0..).zip(arms) {
        for gate in &arm.gates {
            let tenant = TenantIndex(u32::try_from(tenants.len()).unwrap_or(u32::MAX));
            let arm = ArmIndex(index);
            tenants.push(TenantConfig::derived(
                scenario.seed,
                tenant,
                arm,
                &gate.name,
            ));
        }
    }
    let service = ServiceConfig {
        seed: scenario.seed,
        epoch: RunEpoch::now(),
        workload: scenario.workload.clone(),
        arms: arms.to_vec(),
        tenants,
    };
    ServerConfig {
        shards,
        stack: scenario.workload.live.ingest_stack,
        ..ServerConfig::loopback(service)
    }
}

fn live_arms(arms: &[Arm], seed: Seed) -> Vec<LiveArm> {
    let mut first = 0;
    arms.iter()
        .map(|arm| {
            let tenants = first..first + arm.gates.len();
            first = tenants.end;
            let start = TenantIndex(u32::try_from(tenants.start).unwrap_or(u32::MAX));
            let recorder = Recorder::new(arm).of_run(start, seed);
            LiveArm {
                recorder,
                tenants,
                ended: 0,
            }
        })
        .collect()
}

async fn start_webhooks(
    arms: &[Arm],
    server: &MockServer,
    inboxes: &[mpsc::UnboundedSender<Message>],
    tenants: &[TenantConfig],
    (clock, dues): (RunClock, &Dues),
) -> Result<(), LiveError> {
    let service = server.service();
    let address = webhooks::receive(inboxes.to_vec(), service.clone(), clock, dues.clone())
        .await
        .map_err(|source| LiveError::Socket {
            what: "the webhook receiver",
            source,
        })?;
    for tenant in tenants {
        let arm = &arms[tenant.arm.0 as usize];
        let gate = arm.gates.iter().find(|gate| gate.name == tenant.gate);
        if let Some(event) = gate.and_then(|gate| gate.strategy.listens()) {
            let url = Some(webhooks::url(address, tenant.index, event));
            service.subscribe(Subscription {
                tenant: tenant.index,
                arm: tenant.arm,
                event,
                url,
            });
        }
    }
    Ok(())
}
