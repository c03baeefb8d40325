//! What became of a recording under one gate: outcome, fate and cause.

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// What became of a (tenant, recording) pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum OutcomeKind {
    /// Exported with media and all required fields, all true.
    Complete,
    /// Exported with something missing.
    Incomplete,
    /// Exported with everything there and a value false.
    Inconsistent,
    /// Refused by a strict export, and no retry left.
    Rejected,
    /// The job's query did not see it.
    Skipped,
    /// The gate gave up.
    Abandoned,
    /// A permanent error.
    Errored,
}

impl OutcomeKind {
    /// Number of outcomes.
    pub const COUNT: usize = 7;
    /// Every outcome, in the order of tables.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Complete,
        Self::Incomplete,
        Self::Inconsistent,
        Self::Rejected,
        Self::Skipped,
        Self::Abandoned,
        Self::Errored,
    ];

    /// The name used in summaries and expectations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Inconsistent => "inconsistent",
            Self::Rejected => "rejected",
            Self::Skipped => "skipped",
            Self::Abandoned => "abandoned",
            Self::Errored => "errored",
        }
    }

    /// Position in [`OutcomeKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Whether waiting longer would have helped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The export would have been complete that much later.
    Late(Duration),
    /// It would never have been.
    Lost,
}

/// What held the last missing field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Cause {
    /// It waited in a stage's queue.
    QueueWait,
    /// A stage was working on it.
    Service,
    /// The metadata update service refused updates.
    RateLimit,
    /// A further lag of the fields.
    FieldLag,
    /// The search index had not caught up.
    Index,
    /// The hold missed its tagging window.
    HoldWindow,
    /// The hold had not reached the recording.
    HoldPropagation,
    /// After-call work had not ended.
    AfterCallWork,
    /// A stage was down.
    Outage,
    /// Signalling was cut: the WebRTC fields were never written.
    PartialWrite,
    /// Nobody writes the field.
    NotWritten,
    /// The export's schema leaves the field out.
    Schema,
    /// A filter leaves the field out, or the recording.
    Filter,
    /// The audio was not there.
    MediaLate,
    /// A permission is missing.
    Permission,
    /// The job failed for this recording.
    JobFailure,
    /// The recording was asked for under another id.
    WrongId,
    /// The platform took the call for another kind.
    Misclassified,
    /// The notification never came.
    NotificationLost,
    /// "Metadata ready" was sent at the session's end, and trusted.
    NotificationEarly,
    /// The gate gave up before the fields came.
    GaveUp,
    /// The data lake's watermark had not passed the session's end.
    Watermark,
    /// The sidecar was looked for under another name.
    WrongSuffix,
    /// The audio is not what was said.
    AudioAltered,
    /// The audio never reached storage.
    MediaLost,
    /// The export copied a first version that was false.
    StaleVersion,
    /// The value had been there, and was gone.
    Expired,
    /// The client took its job for done before it was.
    ReadEarly,
    /// The field is null for ever, and null is no value.
    StaysNull,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 29] = [
        Self::QueueWait,
        Self::Service,
        Self::RateLimit,
        Self::FieldLag,
        Self::Index,
        Self::HoldWindow,
        Self::HoldPropagation,
        Self::AfterCallWork,
        Self::Outage,
        Self::PartialWrite,
        Self::NotWritten,
        Self::Schema,
        Self::Filter,
        Self::MediaLate,
        Self::Permission,
        Self::JobFailure,
        Self::WrongId,
        Self::Misclassified,
        Self::NotificationLost,
        Self::NotificationEarly,
        Self::GaveUp,
        Self::Watermark,
        Self::WrongSuffix,
        Self::AudioAltered,
        Self::MediaLost,
        Self::StaleVersion,
        Self::Expired,
        Self::ReadEarly,
        Self::StaysNull,
    ];

    /// The name used in summaries and expectations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueWait => "queue_wait",
            Self::Service => "service",
            Self::RateLimit => "rate_limit",
            Self::FieldLag => "field_lag",
            Self::Index => "index",
            Self::HoldWindow => "hold_window",
            Self::HoldPropagation => "hold_propagation",
            Self::AfterCallWork => "after_call_work",
            Self::Outage => "outage",
            Self::PartialWrite => "partial_write",
            Self::NotWritten => "not_written",
            Self::Schema => "schema",
            Self::Filter => "filter",
            Self::MediaLate => "media_late",
            Self::Permission => "permission",
            Self::JobFailure => "job_failure",
            Self::WrongId => "wrong_id",
            Self::Misclassified => "misclassified",
            Self::NotificationLost => "notification_lost",
            Self::NotificationEarly => "notification_early",
            Self::GaveUp => "gave_up",
            Self::Watermark => "watermark",
            Self::WrongSuffix => "wrong_suffix",
            Self::AudioAltered => "audio_altered",
            Self::MediaLost => "media_lost",
            Self::StaleVersion => "stale_version",
            Self::Expired => "expired",
            Self::ReadEarly => "read_early",
            Self::StaysNull => "stays_null",
        }
    }
}
