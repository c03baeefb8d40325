//! The role of the callers: the planned calls, each at its time, by real softphones or as synthetic
//! recordings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mock_api::clock::RunClock;
use mock_api::service::Service;
use mock_api::synthetic;
use racegate_model::draws::{Draws, Seed};
use racegate_model::fault::{FaultPlan, SessionOutcome};
use racegate_model::ids::ConversationId;
use racegate_model::scenario::{Fidelity, Scenario, Workload};
use racegate_model::time::Duration;
use racegate_model::workload::{Call, Calls};
use tokio::sync::mpsc;

use super::generator::DROPPED_AFTER;
use super::media::Phones;
use super::softphone::{CallOutcome, Dial, DialFault, DialMedia, Softphones};

/// What became of a call.
#[derive(Debug)]
pub(super) enum CallReport {
    /// A synthetic call has ended.
    Synthetic,
    /// A synthetic call that a fault kept from coming up, and how far it came.
    NotEstablished(Call, &'static str),
    /// A softphone's call is over.
    Real(Call, CallOutcome),
    /// The call was given up before it ended: the run was stopped.
    Abandoned(Call),
}

/// Counters that the coordinator reads while calls are made.
#[derive(Debug, Default)]
pub(super) struct CallCounters {
    pub(super) begun: AtomicU64,
    pub(super) active: AtomicU64,
    pub(super) peak: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) all_begun: AtomicBool,
}

/// The callers of a run: a task that places the calls of the workload, each at its time.
pub(super) struct Callers {
    pub(super) counters: Arc<CallCounters>,
    /// What became of each call.
    pub(super) reports: mpsc::UnboundedReceiver<CallReport>,
    task: tokio::task::JoinHandle<()>,
}

impl Callers {
    /// Begins to place the calls of `scenario`, whose recordings `service` is to hold.
    pub(super) fn start(
        scenario: &Scenario,
        service: &Service,
        clock: RunClock,
        phones: Phones,
    ) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        let counters = Arc::<CallCounters>::default();
        let dialer = Dialer {
            service: service.clone(),
            clock,
            phones,
            faults: FaultPlan::new(&scenario.workload, scenario.seed),
            workload: scenario.workload.clone(),
            seed: scenario.seed,
            counters: Arc::clone(&counters),
            reports: sender,
        };
        Self {
            counters,
            reports,
            task: tokio::spawn(dialer.run()),
        }
    }

    /// Places no more calls; those under way go on.
    pub(super) fn stop(&self) {
        self.task.abort();
        self.counters.all_begun.store(true, Ordering::Release);
    }

    /// Whether all calls have begun and none is under way.
    pub(super) fn are_done(&self) -> bool {
        self.counters.all_begun.load(Ordering::Acquire)
            && self.counters.active.load(Ordering::Relaxed) == 0
    }
}

/// Places the calls of a workload.
struct Dialer {
    service: Service,
    clock: RunClock,
    phones: Phones,
    faults: FaultPlan,
    workload: Workload,
    seed: Seed,
    counters: Arc<CallCounters>,
    reports: mpsc::UnboundedSender<CallReport>,
}

impl Dialer {
    /// Begins every call at its time, until all are begun or the task is ended.
    async fn run(self) {
        let this = Arc::new(self);
        for call in Calls::new(&this.workload, this.seed) {
            this.clock.sleep_until(call.arrival).await;
            let lateness = this.clock.now().since(call.arrival);
            this.begin(call, lateness);
        }
        this.counters.all_begun.store(true, Ordering::Release);
    }

    fn begin(self: &Arc<Self>, call: Call, lateness: Duration) {
        let counters = &self.counters;
        counters.begun.fetch_add(1, Ordering::Relaxed);
        if lateness > DROPPED_AFTER {
            counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let active = counters.active.fetch_add(1, Ordering::Relaxed) + 1;
        counters.peak.fetch_max(active, Ordering::Relaxed);
        self.service.calls().begin(call);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let fidelity = this.workload.fidelity_of(this.seed, &call);
            let report = match this.phones.of(fidelity, call.index.0) {
                Some(phones) => this.dial(phones, fidelity, call).await,
                None => this.pretend(call).await,
            };
            this.counters.active.fetch_sub(1, Ordering::Relaxed);
            // The coordinator is gone when the run was stopped.
            drop(this.reports.send(report));
        });
    }

    /// A call without network: its recording is there when it ends. A fault of the scenario does to it what it would do to a real
    /// one.
    async fn pretend(&self, call: Call) -> CallReport {
        let prediction = self.faults.predict(&call);
        if prediction.outcome == SessionOutcome::NotEstablished {
            self.clock.sleep_until(call.ended_at()).await;
            return CallReport::NotEstablished(call, self.faults.stopped_at(&call));
        }
        self.store_synthetic(&call);
        self.clock.sleep_until(prediction.ended_at).await;
        self.service
            .session_over(prediction.ended_at, &call, prediction.ending);
        CallReport::Synthetic
    }

    fn store_synthetic(&self, call: &Call) {
        let media = synthetic::recording(self.seed, call);
        if let Err(error) = self.service.store_media(call.index, media) {
            tracing::error!(%error, "a recording could not be stored");
        }
    }

    /// A real session; the ingest tells the platform when it has ended.
    async fn dial(&self, phones: &Softphones, fidelity: Fidelity, call: Call) -> CallReport {
        let media = match fidelity {
            Fidelity::Model | Fidelity::Signalling => DialMedia::Signalling,
            Fidelity::Transport => DialMedia::Transport,
            Fidelity::Wire | Fidelity::Media => DialMedia::Audio,
        };
        if media != DialMedia::Audio {
            self.store_synthetic(&call);
        }
        let conversation_id = ConversationId::of(self.seed, call.index).to_string();
        let hang_up_at = self.clock.instant(call.ended_at()).into_std();
        let clip = usize::try_from(call.clip(self.seed) >> 32).unwrap_or(0);
        let outcome = phones.dial(Dial {
            media,
            connection: self.workload.connection_of(self.seed, &call),
            silence: self.workload.live.silence,
            fault: self.fault_of(&call),
            ..Dial::new(conversation_id, hang_up_at, clip)
        });
        match outcome.await {
            Ok(outcome) => CallReport::Real(call, outcome),
            Err(_) => CallReport::Abandoned(call),
        }
    }

    fn fault_of(&self, call: &Call) -> Option<DialFault> {
        let struck = self.faults.of(call)?;
        Some(DialFault {
            fault: struck.fault,
            at: self.clock.instant(struck.at).into_std(),
            lasts: std::time::Duration::from_nanos(struck.lasts.as_nanos()),
            loss: self.workload.faults[struck.spec].loss,
            draws: Draws::of_call(self.seed, call.index.0),
        })
    }
}
