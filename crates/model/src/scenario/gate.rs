//! Gates as data: when may a recording be exported?

use super::{ExportRequest, ReadPath};
use crate::field::FieldSet;
use crate::time::{Duration, Fixed};

/// One gate of an arm.
#[derive(Clone, PartialEq, Debug)]
pub struct GateSpec {
    /// Its name; unique within the arm; also the key of its draws.
    pub name: String,
    /// How it decides.
    pub strategy: Strategy,
    /// When its clock starts.
    pub start: GateStart,
    /// Repairs after the export: what is incomplete is exported again.
    pub repair: Option<Repair>,
    /// What its client sends along and asks for.
    pub request: ExportRequest,
}

/// When a gate's clock starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GateStart {
    /// At the session's end.
    SessionEnd,
    /// When the media object is in storage.
    Media,
}

/// How a gate decides.
#[derive(Clone, PartialEq, Debug)]
pub enum Strategy {
    /// Exports at once.
    None,
    /// Exports after a delay, unseen.
    FixedDelay {
        /// The delay.
        delay: Duration,
    },
    /// Polls at a fixed interval.
    FixedInterval(Polling),
    /// Polls with exponential back-off.
    ExponentialBackoff(Polling),
    /// The forum's answer to the letter: checks at 0, 1, 3, 7, 15 s (sleeps of 2^attempt), then a
    /// last sleep of 16 s without another look.
    ForumBackoff {
        /// Number of checks (5).
        attempts: u32,
        /// What happens when the tries are used up.
        on_failure: OnFailure,
        /// What it looks at.
        check: ForumCheck,
    },
    /// Exports when the webhook arrives.
    Webhook {
        /// Which event.
        event: WebhookEvent,
        /// Delay after it.
        delay: Duration,
        /// Time after the gate's start at which it gives up if no webhook came.
        patience: Option<Duration>,
    },
    /// Polls from the webhook on.
    WebhookConfirm {
        /// Which event.
        event: WebhookEvent,
        /// How it confirms.
        polling: Polling,
    },
    /// As `WebhookConfirm`, and polls from `after` on when no webhook came.
    WebhookFallback {
        /// Which event.
        event: WebhookEvent,
        /// How long it waits for the webhook.
        after: Duration,
        /// How it confirms.
        polling: Polling,
    },
    /// Reads the data lake's watermark for all recordings together, and exports those whose clock
    /// started before it.
    Watermark {
        /// Gap between reads, while somebody waits.
        interval: Duration,
        /// Time after the gate's start at which it gives up, with a last read at that very instant.
        deadline: Option<Duration>,
    },
}

impl Strategy {
    /// Where its checks read: on the index if it looks for what the index shows.
    #[must_use]
    pub fn reads(&self) -> ReadPath {
        match self.polling() {
            Some(polling) if polling.ready.index_visible.needed() => ReadPath::Index,
            _ => ReadPath::Primary,
        }
    }

    /// How it polls, if that is what it does.
    #[must_use]
    pub const fn polling(&self) -> Option<&Polling> {
        match self {
            Self::FixedInterval(polling)
            | Self::ExponentialBackoff(polling)
            | Self::WebhookConfirm { polling, .. }
            | Self::WebhookFallback { polling, .. } => Some(polling),
            Self::None
            | Self::FixedDelay { .. }
            | Self::ForumBackoff { .. }
            | Self::Webhook { .. }
            | Self::Watermark { .. } => None,
        }
    }

    /// Whether it decides about recordings together: then none can be followed by itself.
    #[must_use]
    pub const fn is_of_fleet(&self) -> bool {
        matches!(self, Self::Watermark { .. })
    }
}

/// Polling of the primary read path.
#[derive(Clone, PartialEq, Debug)]
pub struct Polling {
    /// Delay before the first check.
    pub initial_delay: Duration,
    /// Gaps between checks.
    pub backoff: Backoff,
    /// Checks after which the gate gives up.
    pub max_attempts: Option<u32>,
    /// Time after the gate's start at which it gives up, with a last look at that very instant.
    pub deadline: Option<Duration>,
    /// What must hold for the recording to be approved; never empty.
    pub ready: Readiness,
}

/// Gaps between checks: `min(cap, base × multiplier^k)`, then jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The first gap.
    pub base: Duration,
    /// Growth from gap to gap.
    pub multiplier: Fixed,
    /// Longest gap.
    pub cap: Duration,
    /// Randomisation.
    pub jitter: Jitter,
}

/// Randomisation of a gap `g`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jitter {
    /// Exactly `g`.
    None,
    /// Uniform in `[g/2, g]`.
    Equal,
    /// Uniform in `[0, g]`.
    Full,
}

/// What a check must find. All that is set must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// `state` is COMPLETED.
    pub state_completed: Looked,
    /// The required fields are there and not null on the primary read path.
    pub required_fields: Looked,
    /// The required fields are there and not null on the index.
    pub index_visible: Looked,
    /// The media object is in storage.
    pub media_available: Looked,
    /// Further fields that must be there and not null on the primary read path.
    pub fields: FieldSet,
}

/// Whether a gate looks at something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Looked {
    /// It does not.
    #[default]
    Ignored,
    /// It does, and it must hold.
    Needed,
}

impl Looked {
    /// Whether it must hold.
    #[must_use]
    pub const fn needed(self) -> bool {
        matches!(self, Self::Needed)
    }
}

/// What the forum's gate looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForumCheck {
    /// `state == COMPLETED` and the hold flag is not null.
    StateAndFlag,
    /// `state == COMPLETED`.
    StateOnly,
}

/// What happens when a gate's tries are used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// The recording is abandoned.
    Skip,
    /// It is exported all the same.
    ExportAnyway,
}

/// What a webhook tells.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookEvent {
    /// The session has ended.
    SessionEnded,
    /// All fields are on the primary read path.
    MetadataReady,
}

/// Repair after the export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repair {
    /// Exports of one recording at most, the first included.
    pub max_exports: u32,
    /// Sidecar read → approved again.
    pub delay: Duration,
}
