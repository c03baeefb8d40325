//! A live run from start to end: platform, callers and exporters joined, everything told to the sink.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use mock_api::clock::RunClock;
use mock_api::ingest::IngestShards;
use mock_api::service::{Delivery, News};
use racegate_model::draws::Seed;
use racegate_model::fault::FaultPlan;
use racegate_model::history::EndReason;
use racegate_model::ids::{ArmIndex, TenantIndex};
use racegate_model::recorder::{Recorder, Sink};
use racegate_model::scenario::{Arm, Scenario};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;
use racegate_udp::{Shard, ShardMeter};
use tokio::sync::watch;

use super::Arms;
use super::callers::{CallReport, Callers};
use super::error::LiveError;
use super::exporters::Exporters;
use super::generator::{GeneratorReport, Progress};
use super::guest::{Guest, NoGuest};
use super::health::Baseline;
use super::media::{self, Phones};
use super::platform::Platform;
use super::tenant::Record;
use super::verdicts::Verdicts;

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
    progress: impl FnMut(Progress),
) -> Result<GeneratorReport, LiveError> {
    run_beside(scenario, options, sink, stop, progress, &mut NoGuest).await
}

/// Runs `scenario` against the embedded mock, with an exporter beside its gates that is not ours.
///
/// # Errors
/// When a server, a socket, the media stack or the guest cannot be set up, or the media thread
/// fails.
pub async fn run_beside(
    scenario: &Scenario,
    options: &LiveOptions,
    sink: &mut impl Sink,
    stop: watch::Receiver<Stop>,
    mut progress: impl FnMut(Progress),
    guest: &mut impl Guest,
) -> Result<GeneratorReport, LiveError> {
    let arms = match options.arms {
        Arms::Base => scenario.arms.get(..1).unwrap_or_default(),
        Arms::All => &scenario.arms[..],
    };
    let shards = options.shards.unwrap_or_else(media::shards);
    let mut world = World::start(scenario, arms, shards, guest).await?;
    let result = world.coordinate(sink, stop, &mut progress).await;
    world.callers.stop();
    world.settle_guest(sink).await;
    let shards_failed = media::stop(std::mem::take(&mut world.shards));
    let (report, platform) = world.finish(sink, result);
    if let Some(folder) = &options.keep_audio {
        platform.keep_audio(scenario.seed, folder)?;
    }
    platform.server.stop().await;
    shards_failed?;
    Ok(report)
}

/// Everything that is running.
struct World<'a, G> {
    scenario: &'a Scenario,
    clock: RunClock,
    platform: Platform,
    callers: Callers,
    exporters: Exporters,
    arms: Vec<LiveArm>,
    phones: Phones,
    shards: Vec<Shard>,
    generator: GeneratorReport,
    ended: u64,
    settled: u64,
    verdicts: Verdicts,
    baseline: Baseline,
    meters: Vec<ShardMeter>,
    guest: &'a mut G,
}

struct LiveArm {
    recorder: Recorder,
    tenants: std::ops::Range<usize>,
    ended: u64,
}

impl<'a, G: Guest> World<'a, G> {
    async fn start(
        scenario: &'a Scenario,
        arms: &'a [Arm],
        shards: NonZeroUsize,
        guest: &'a mut G,
    ) -> Result<Self, LiveError> {
        let clock = RunClock::starting_at(tokio::time::Instant::now() + LEAD);
        let mut platform =
            Platform::start(scenario, arms, shards, clock, journal_of(guest)).await?;
        let (phones, shards) = media::start(scenario, &mut platform.server)?;
        let exporters =
            Exporters::start(arms, &platform.server, scenario.seed, clock, guest.gate()).await?;
        if let Some(tenant) = guest.gate().and_then(|gate| platform.tenant(gate)) {
            guest.begin(&platform.server, &tenant, clock)?;
        }
        let callers = Callers::start(scenario, platform.service(), clock, phones.clone());
        Ok(Self {
            scenario,
            clock,
            platform,
            callers,
            exporters,
            arms: live_arms(arms, scenario.seed),
            phones,
            meters: shards.iter().map(Shard::meter).collect(),
            baseline: Baseline::take(),
            shards,
            generator: GeneratorReport::new(),
            ended: 0,
            settled: 0,
            verdicts: Verdicts::new(FaultPlan::new(&scenario.workload, scenario.seed)),
            guest,
        })
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
                Some(news) = self.platform.news.recv() => self.hear(news, sink),
                Some(record) = self.exporters.records.recv() => self.record(record, sink),
                Some(report) = self.callers.reports.recv() => self.call_over(report, sink),
                _ = tick.tick() => {
                    progress(self.progress());
                    self.watch_shard();
                    self.guest.look(&self.platform.server);
                }
                Ok(()) = stop.changed() => {
                    let stopped = *stop.borrow_and_update();
                    if stopped == Stop::Now {
                        return EndReason::Interrupted;
                    }
                    self.callers.stop();
                }
            }
            let calls_over = self.callers.are_done();
            if calls_over && drained_by.is_never() {
                drained_by = self.clock.now() + self.scenario.limits.drain;
            }
            let settled = calls_over && self.is_settled() && self.guest.is_done();
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
        self.platform.news.is_empty()
            && self.exporters.records.is_empty()
            && self.callers.reports.is_empty()
            && self.settled >= self.expected()
            && usize::try_from(self.ended).is_ok_and(|ended| {
                ended == self.platform.service().calls().ended_count() * self.arms.len()
            })
    }

    /// (tenant, recording) pairs to be settled of what has ended so far.
    fn expected(&self) -> u64 {
        self.arms
            .iter()
            .map(|arm| arm.ended * arm.tenants.len() as u64)
            .sum::<u64>()
            - self.guest.gate().map_or(0, |_| self.guest_ended())
    }

    /// Recordings that the guest is to export; it is a tenant of the first arm.
    fn guest_ended(&self) -> u64 {
        self.arms.first().map_or(0, |arm| arm.ended)
    }

    /// Ends the guest, and tells the sink what became of its recordings.
    async fn settle_guest(&mut self, sink: &mut impl Sink) {
        for settled in self.guest.settle(&self.platform.server).await {
            self.record(Record::Settled(settled), sink);
        }
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
            .platform
            .service()
            .calls()
            .get(timeline.recording)
            .map(|call| call.ended_at());
        let lateness = planned.map_or(Duration::ZERO, |planned| timeline.ended_at.since(planned));
        let arm = &mut self.arms[arm.0 as usize];
        arm.ended += 1;
        self.ended += 1;
        self.exporters
            .session_ended(arm.tenants.clone(), timeline, lateness);
    }

    fn deliver(&self, delivery: &Delivery) {
        self.exporters.expect(delivery);
        self.platform.deliver(delivery);
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

    fn progress(&self) -> Progress {
        Progress {
            elapsed: self.clock.now().since(Timestamp::ZERO),
            begun: self.callers.counters.begun.load(Ordering::Relaxed),
            active: self.callers.counters.active.load(Ordering::Relaxed),
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

    fn finish(mut self, sink: &mut impl Sink, reason: EndReason) -> (GeneratorReport, Platform) {
        while let Ok(record) = self.exporters.records.try_recv() {
            self.record(record, sink);
        }
        for (call, stage) in self.verdicts.not_established(self.platform.service()) {
            sink.not_established(call.index, stage);
        }
        let ended: Vec<u64> = self.arms.iter().map(|arm| arm.ended).collect();
        sink.end(self.clock.now(), reason, &ended);
        let summary = &mut self.generator.summary;
        summary.sessions_peak = self.callers.counters.peak.load(Ordering::Relaxed);
        summary.dropped = self.callers.counters.dropped.load(Ordering::Relaxed);
        let limit = self.scenario.limits.send_lateness;
        media::count_sent(summary, self.phones.reports(), limit);
        media::count_received(summary, self.platform.ingests().map(IngestShards::counters));
        let skipped = self.meters.iter().map(|meter| meter.report().ticks_skipped);
        summary.ticks_skipped = skipped.sum();
        summary.socket_drops = media::socket_drops(&self.meters);
        summary.media_shards = self.meters.len() as u64;
        summary.cpu = self.baseline.since(&self.meters);
        summary.packets_lost = summary
            .packets_sent
            .saturating_sub(summary.packets_received);
        let (workload, service) = (&self.scenario.workload, self.platform.service());
        self.verdicts
            .count(summary, workload, service, &self.platform.server.received());
        let usage = service.store().usage();
        summary.recordings_stored = service.calls().ended_count() as u64;
        summary.bytes_stored = usage.bytes;
        (self.generator, self.platform)
    }
}

/// Requests that the journal remembers when a guest is judged by them.
const JOURNAL: u32 = 1_000_000;

fn journal_of(guest: &impl Guest) -> Option<u32> {
    guest.gate().map(|_| JOURNAL)
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
