//! What an export job selects and how it fills its sidecars, beside the clocks.

use super::Slots;
use crate::field::FieldSet;
use crate::time::{Duration, Probability};

/// Selection by a job. The default sees every recording and copies every field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SelectionSpec {
    /// Whether the forum's filters do anything.
    pub filters: Filters,
    /// The id by which a job finds recordings.
    pub correlation: Correlation,
    /// The share of WebRTC recordings that carry another conversation id than was asked for.
    pub other_id: Probability,
    /// The share of WebRTC recordings whose persistent session carries a further conversation.
    pub shared_session: Probability,
    /// What a sidecar copies.
    pub sidecar: SidecarSource,
    /// The share of recordings under legal hold that no job may write.
    pub held_forbidden: Probability,
    /// The data lake that a job's query reads; none sees a recording from its session's end on.
    pub lake: Option<LakeSpec>,
}

impl Default for SelectionSpec {
    fn default() -> Self {
        Self {
            filters: Filters::Ignored,
            correlation: Correlation::Conversation,
            other_id: Probability::ZERO,
            shared_session: Probability::ZERO,
            sidecar: SidecarSource::All,
            held_forbidden: Probability::ZERO,
            lake: None,
        }
    }
}

/// What the filters of a job request do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Filters {
    /// Nothing, as in the real API.
    #[default]
    Ignored,
    /// What the forum says; an unknown media type is answered with 400.
    RefusingUnknown,
    /// What the forum says; an unknown media type matches nothing.
    MatchingNothing,
}

/// The id by which a job finds recordings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Correlation {
    /// The conversation's: a leg with another id is not found.
    #[default]
    Conversation,
    /// The softphone session's: a session with several conversations mixes them up.
    Session,
}

/// What a sidecar copies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SidecarSource {
    /// The fields of the recording and of its interaction.
    #[default]
    All,
    /// Of browser phones only the recording's own: a hold on the interaction is left out.
    Own,
}

/// The data lake: it sees what ended before its watermark, which moves on a grid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LakeSpec {
    /// Interval at which the watermark moves; zero moves it all the time.
    pub refresh: Duration,
    /// How far it stays behind.
    pub lag: Duration,
}

/// What a gate's client sends along and asks for. The default has every permission, no filter and
/// the right names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExportRequest {
    /// Fields that its filters ask to include, besides the schema's.
    pub include: FieldSet,
    /// The media type that it selects; none selects all.
    pub media_type: Option<MediaTypeFilter>,
    /// May its token read recordings?
    pub reading: Permission,
    /// May its token create export jobs?
    pub exporting: Permission,
    /// The name under which it looks for sidecars.
    pub sidecar_name: SidecarName,
    /// By what it takes a job for done.
    pub done_when: JobDone,
    /// Jobs that it has at once; none is as many as the platform allows.
    pub jobs_at_once: Option<Slots>,
}

/// By what a client takes a job for done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum JobDone {
    /// Its state.
    #[default]
    Status,
    /// Equal counters of recordings asked for and written: before the query has run both are 0.
    Counters,
}

/// A value of the media type filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaTypeFilter {
    /// `webRTC`.
    Webrtc,
    /// `SIP`.
    Sip,
    /// `WEBCAM`, which is no media type of a call.
    Webcam,
}

/// Whether a token may do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Permission {
    /// It may.
    #[default]
    Granted,
    /// It may not: 403, whenever it tries.
    Missing,
}

/// The name under which a client looks for sidecars.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SidecarName {
    /// The one that they have.
    #[default]
    Right,
    /// Another one: every sidecar seems to be missing.
    Wrong,
}
