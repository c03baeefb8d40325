//! The live parts without sockets, on a paused clock: the service, storage and its documents, and
//! the exporters. The model's own deadlines are passed as `now`, since tokio's timers are a
//! millisecond coarse.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use mock_api::clock::RunClock;
use mock_api::service::{News, Service, ServiceConfig, Subscription, TenantConfig};
use mock_api::storage::Store;
use mock_api::storage::layout::RunEpoch;
use racegate::live::transport::InProcess;
use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::exporter::{Exporter, Input, Output};
use racegate_model::ids::{ArmIndex, RecordingIndex, TenantIndex};
use racegate_model::recorder::{Recorder, Sink};
use racegate_model::scenario::Scenario;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;
use racegate_model::workload::SessionEnds;
use tokio::sync::mpsc::UnboundedReceiver;

struct Tenant {
    arm: ArmIndex,
    exporter: Exporter,
    transport: InProcess,
}

struct World<S> {
    service: Service,
    news: UnboundedReceiver<News>,
    tenants: Vec<Tenant>,
    recorders: Vec<Recorder>,
    /// Media objects on their way: (when, arm, recording).
    media: BinaryHeap<Reverse<(Timestamp, ArmIndex, RecordingIndex)>>,
    lateness: Lateness,
    sink: S,
}

/// How late what the clients do reaches the platform, as on a busy machine: exponentially
/// distributed, and known, so that a run can be repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lateness {
    mean: Duration,
    drawn: u64,
}

impl Lateness {
    /// Everything happens when it is due.
    pub(crate) const NONE: Self = Self::of_mean(Duration::ZERO);

    /// Sessions end late, and calls arrive late, by `mean` on average.
    pub(crate) const fn of_mean(mean: Duration) -> Self {
        Self { mean, drawn: 0 }
    }

    fn next(&mut self) -> Duration {
        if self.mean == Duration::ZERO {
            return Duration::ZERO;
        }
        self.drawn += 1;
        let draws = Draws::of_stream(Seed(1), "lateness", self.drawn);
        let uniform = (draws.draw(Purpose::Test) >> 11) as f64 / (1_u64 << 53) as f64;
        let nanos = -(1.0 - uniform).ln() * self.mean.as_nanos() as f64;
        Duration::from_secs_f64(nanos / 1e9)
    }
}

/// Runs every arm of `scenario` and returns the sink.
pub(crate) async fn lockstep<S: Sink>(scenario: &Scenario, lateness: Lateness, sink: S) -> S {
    let mut world = World::new(scenario, lateness, sink);
    let mut late = Lateness {
        drawn: 1 << 32,
        ..lateness
    };
    let mut ends = SessionEnds::of_workload(&scenario.workload, scenario.seed);
    let mut pending: BTreeMap<_, _> = std::iter::from_fn(|| {
        let call = ends.next()?;
        let at = call.ended_at() + late.next();
        Some(((at, call.index), (call, ends.ending())))
    })
    .collect();
    let clock = RunClock::start();
    let mut last_end = Timestamp::ZERO;
    loop {
        let next_end = pending.keys().next().map(|(at, _)| *at);
        let Some(now) = world.next(next_end) else {
            break;
        };
        if next_end.is_none() && now > last_end + scenario.limits.drain {
            break;
        }
        clock.sleep_until(now).await;
        world.service.handle_timeout(now);
        while let Some(entry) = pending.first_entry().filter(|entry| entry.key().0 <= now) {
            let (call, ending) = entry.remove();
            last_end = now;
            world.service.calls().begin(call);
            let media = bytes::Bytes::from_static(b"OggS");
            world
                .service
                .store_media(call.index, media)
                .expect("storage has room");
            world.service.session_over(now, &call, ending);
        }
        world.hear(now);
        for tenant in &mut world.tenants {
            tenant.exporter.handle_timeout(now);
        }
        world.serve(now);
    }
    world.sink
}

impl<S: Sink> World<S> {
    fn new(scenario: &Scenario, lateness: Lateness, sink: S) -> Self {
        let mut configs = Vec::new();
        for (arm, spec) in (0..).zip(&scenario.arms) {
            for gate in &spec.gates {
                let index = TenantIndex(u32::try_from(configs.len()).expect("few tenants"));
                configs.push(TenantConfig::derived(
                    scenario.seed,
                    index,
                    ArmIndex(arm),
                    &gate.name,
                ));
            }
        }
        let config = ServiceConfig {
            seed: scenario.seed,
            epoch: RunEpoch::from_unix_millis(1_800_000_000_000),
            workload: scenario.workload.clone(),
            arms: scenario.arms.clone(),
            tenants: configs.clone(),
        };
        let (service, news) = Service::new(config, Store::default());
        let gates = scenario
            .arms
            .iter()
            .flat_map(|arm| arm.gates.iter().map(move |g| (arm, g)));
        let tenants = configs.iter().zip(gates).map(|(config, (arm, gate))| {
            if let Some(event) = gate.strategy.listens() {
                let (tenant, arm) = (config.index, config.arm);
                service.subscribe(Subscription {
                    tenant,
                    arm,
                    event,
                    url: None,
                });
            }
            let export = &arm.platform.export;
            Tenant {
                arm: config.arm,
                exporter: Exporter::new(config.index, gate, export, arm.required, scenario.seed),
                transport: InProcess::new(service.clone(), config.index),
            }
        });
        let tenants = tenants.collect();
        let mut first = 0;
        let recorders = scenario.arms.iter().map(|arm| {
            let start = TenantIndex(first);
            first += u32::try_from(arm.gates.len()).expect("few gates");
            Recorder::new(arm).of_run(start, scenario.seed)
        });
        let recorders = recorders.collect();
        Self {
            service,
            news,
            tenants,
            recorders,
            media: BinaryHeap::new(),
            lateness,
            sink,
        }
    }

    fn next(&self, next_end: Option<Timestamp>) -> Option<Timestamp> {
        let exporters = self
            .tenants
            .iter()
            .filter_map(|tenant| tenant.exporter.poll_timeout());
        let media = self.media.peek().map(|Reverse((at, _, _))| *at);
        exporters
            .chain(self.service.poll_timeout())
            .chain(media)
            .chain(next_end)
            .min()
    }

    /// Passes on what the platform made known.
    fn hear(&mut self, now: Timestamp) {
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Began(arm, timeline) => {
                    self.media
                        .push(Reverse((timeline.media_at, arm, timeline.recording)));
                    let input = Input::Ended(timeline.recording, timeline.taken_for());
                    self.tell(now, arm, &input);
                }
                News::Decided(arm, timeline) => {
                    self.sink.timeline(arm, &timeline);
                    let timeline = Timeline::clone(&timeline);
                    self.recorders[arm.0 as usize].decided(timeline, &mut self.sink);
                }
                News::Deliver(delivery) => {
                    let event = delivery.subscription.event;
                    let input = Input::Notified(delivery.recording, delivery.kind, event);
                    let tenant = delivery.subscription.tenant.0 as usize;
                    self.tenants[tenant].exporter.handle_input(now, input);
                    self.serve(now);
                }
            }
        }
        while let Some(Reverse((at, arm, recording))) = self.media.peek().copied() {
            if at > now {
                break;
            }
            self.media.pop();
            self.tell(now, arm, &Input::MediaStored(recording));
        }
    }

    fn tell(&mut self, now: Timestamp, arm: ArmIndex, input: &Input) {
        for tenant in self.tenants.iter_mut().filter(|tenant| tenant.arm == arm) {
            tenant.exporter.handle_input(now, input.clone());
        }
        self.serve(now);
    }

    /// Answers every exporter's calls until there are no more.
    fn serve(&mut self, now: Timestamp) {
        for tenant in &mut self.tenants {
            while let Some(output) = tenant.exporter.poll_output() {
                match output {
                    Output::Command(command) => {
                        let arrives_at = now + self.lateness.next();
                        self.service.handle_timeout(arrives_at);
                        let input = tenant.transport.answer(arrives_at, command);
                        tenant.exporter.handle_input(now, input);
                    }
                    Output::Settled(settled) => {
                        let recorder = &mut self.recorders[tenant.arm.0 as usize];
                        recorder.settle(settled, &mut self.sink);
                    }
                    Output::Job(job) => self.sink.job(&job),
                }
            }
        }
    }
}
