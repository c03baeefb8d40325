//! What can go wrong between a session and its metadata: cut signalling, calls taken for another
//! kind, workers that are lost, updates that are refused.

use super::{Arm, Backoff, ExportRequest, RateLimit, SelectionSpec};
use crate::time::{Duration, Probability};

/// How the platform takes calls in. The default takes every one for what it is.
#[derive(Clone, PartialEq, Debug)]
pub struct IntakeSpec {
    /// Bounds of the WebRTC signalling service.
    pub signalling: SignallingSpec,
    /// The share of WebRTC calls that are taken for SIP calls.
    pub misclassified: Probability,
}

impl Default for IntakeSpec {
    fn default() -> Self {
        Self {
            signalling: SignallingSpec::default(),
            misclassified: Probability::ZERO,
        }
    }
}

/// Bounds of the WebRTC signalling service. A call beyond one of them is cut: its WebRTC fields
/// are never written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SignallingSpec {
    /// Connections at once; none is unlimited.
    pub max_connections: Option<u32>,
    /// Connections accepted per second of the run's clock; none is unlimited.
    pub accepted_per_second: Option<u64>,
}

impl Arm {
    /// Whether the platform consists of clocks and queues only: nothing of this file, of selection
    /// or of a gate's request is switched on. An engine that knows no more may run it.
    #[must_use]
    pub fn is_untroubled(&self) -> bool {
        let platform = &self.platform;
        let mut stages = platform
            .pipelines
            .iter()
            .flat_map(|pipeline| &pipeline.stages);
        !self.is_coupled()
            && platform.region.is_none()
            && platform.versions.is_none()
            && platform.intake == IntakeSpec::default()
            && platform
                .pipelines
                .iter()
                .all(|pipeline| pipeline.updates.is_none())
            && stages.all(|stage| stage.outages.is_empty())
            && platform.hold.level == HoldLevel::default()
            && platform.hold.propagation_loss == Probability::ZERO
            && platform.export.selection == SelectionSpec::default()
            && self
                .gates
                .iter()
                .all(|gate| gate.request == ExportRequest::default())
    }
}

impl SignallingSpec {
    /// Whether no call is ever cut.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.max_connections.is_none() && self.accepted_per_second.is_none()
    }
}

/// The limit of the service that writes what a pipeline's last stage has made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpdateLimit {
    /// Updates per window; those beyond are refused.
    pub limit: RateLimit,
    /// What the pipeline waits after a refusal before it tries again; it never gives up.
    pub backoff: Backoff,
}

/// A time in which a stage has fewer workers. Those at work finish what they have begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    /// Its beginning, from the run's start, warm-up included.
    pub from: Duration,
    /// How long it lasts.
    pub duration: Duration,
    /// The workers that are left; none is a stage that is down.
    pub workers: u32,
}

/// Where a legal hold is set; the other level gets it by propagation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HoldLevel {
    /// On the interaction: the recording, as `GET` shows it, follows.
    #[default]
    Interaction,
    /// On the recording: the interaction, as the search index shows it, follows.
    Recording,
}
