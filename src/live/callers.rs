//! Makes the planned calls, each at its time: real softphones or synthetic recordings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mock_api::clock::RunClock;
use mock_api::service::Service;
use mock_api::synthetic;
use racegate_model::draws::Seed;
use racegate_model::ids::ConversationId;
use racegate_model::scenario::{Fidelity, Workload};
use racegate_model::time::Duration;
use racegate_model::workload::{Call, Calls};
use tokio::sync::mpsc;

use super::generator::DROPPED_AFTER;
use super::softphone::{CallOutcome, Dial, Softphones};

/// What became of a call.
#[derive(Debug)]
pub(super) enum CallReport {
    /// A synthetic call has ended.
    Synthetic,
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
    pub(super) softphones: Option<Softphones>,
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
            let report = match (this.workload.fidelity.get(call.kind), &this.softphones) {
                (Fidelity::Media, Some(softphones)) => this.dial(softphones, call).await,
                _ => this.pretend(call).await,
            };
            this.counters.active.fetch_sub(1, Ordering::Relaxed);
            // The coordinator is gone when the run was stopped.
            drop(this.reports.send(report));
        });
    }

    /// A call without network: its recording is there when it ends.
    async fn pretend(&self, call: Call) -> CallReport {
        let media = synthetic::recording(self.seed, &call);
        if let Err(error) = self.service.store_media(call.index, media) {
            tracing::error!(%error, "a recording could not be stored");
        }
        self.clock.sleep_until(call.ended_at()).await;
        self.service.session_ended(call.ended_at(), &call);
        CallReport::Synthetic
    }

    /// A real session; the ingest tells the platform when it has ended.
    async fn dial(&self, softphones: &Softphones, call: Call) -> CallReport {
        let outcome = softphones.dial(Dial {
            conversation_id: ConversationId::of(self.seed, call.index).to_string(),
            hang_up_at: self.clock.instant(call.ended_at()).into_std(),
            clip: usize::try_from(call.clip(self.seed) >> 32).unwrap_or(0),
        });
        match outcome.await {
            Ok(outcome) => CallReport::Real(call, outcome),
            Err(_) => CallReport::Abandoned(call),
        }
    }
}
