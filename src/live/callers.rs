//! Makes the planned calls, each at its time: real softphones or synthetic recordings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mock_api::clock::RunClock;
use mock_api::service::Service;
use mock_api::synthetic;
use racegate_model::draws::{Draws, Seed};
use racegate_model::fault::{FaultPlan, SessionOutcome};
use racegate_model::ids::ConversationId;
use racegate_model::scenario::{Fidelity, Workload};
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

/// Places the calls of a workload.
pub(super) struct Callers {
    pub(super) service: Service,
    pub(super) clock: RunClock,
    pub(super) phones: Phones,
    pub(super) faults: FaultPlan,
    pub(super) workload: Workload,
    pub(super) seed: Seed,
    pub(super) counters: Arc<CallCounters>,
    pub(super) reports: mpsc::UnboundedSender<CallReport>,
}

impl Callers {
    /// Begins every call at its time, until all are begun or the task is ended.
    pub(super) async fn run(self) {
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
