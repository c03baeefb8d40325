//! What a tenant sees of a recording, and how it is shown.

use racegate_model::field::{Field, Kind};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex, TenantIndex};
use racegate_model::scenario::ReadPath;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::{Hold, View};

use super::downloads::{Purpose, media_url};
use super::error::{ApiError, Entity};
use super::gateway::Caller;
use super::ids::Uuid;
use super::keeping::{Kept, OrphanFate, PendingExport, Protection};
use super::origin::Origin;
use super::permissions::VIEW;
use super::state::ApiState;
use super::wire::fields::{Fields, Shown};
use super::wire::recording::{
    ArchiveMedium, FileState, ForumExtras, ForumRecording, MediaUri, MediaUris, Recording,
    RecordingMetadata, RetentionDates,
};
use super::wire::{ApiDate, truth_of_timeline};
use crate::storage::sidecar::Truth;

/// An address of its own takes 111 bytes at most.
const SELF_URI_CAPACITY: usize = 112;

/// Refuses a caller that may not read recordings at all.
pub(super) fn readable(state: &ApiState, caller: Caller) -> Result<(), ApiError> {
    state.need_any(caller, VIEW)?;
    match state.tenant(caller).refuses_reading() {
        None => Ok(()),
        Some(_) => Err(ApiError::MissingPermissions(VIEW[0].into())),
    }
}

/// What a tenant sees of a recording.
pub(super) struct Seen {
    pub(super) index: RecordingIndex,
    pub(super) truth: Truth,
    pub(super) view: View,
    pub(super) length: Duration,
    pub(super) submitted_at: Timestamp,
    pub(super) kept: Kept,
    /// The date at which it was looked at.
    pub(super) seen_at: ApiDate,
}

impl Seen {
    /// Whether it is protected from deletion: by hand, or by a legal hold that has arrived.
    pub(super) fn protection(&self) -> Protection {
        if let Some(said) = self.kept.protection {
            return said;
        }
        let held = self.truth.hold == Hold::Held;
        let arrived = self.view.present.contains(Field::LegalHoldFlag);
        if arrived && held != self.view.wrong.contains(Field::LegalHoldFlag) {
            Protection::Applied
        } else {
            Protection::Revoked
        }
    }

    pub(super) fn file_state(&self) -> FileState {
        if self.view.present.contains(Field::Media) {
            self.kept.file_state(self.seen_at, self.protection())
        } else {
            FileState::Uploading
        }
    }

    /// Whether there is audio to be played.
    pub(super) fn is_playable(&self) -> bool {
        matches!(
            self.file_state(),
            FileState::Available | FileState::Restored
        )
    }

    /// Media without any metadata, with which nothing was done yet.
    pub(super) fn is_orphan(&self) -> bool {
        self.view.present.contains(Field::Media)
            && self.view.present.without(Field::Media).is_empty()
            && self.view.null.is_empty()
            && self.kept.orphan == OrphanFate::Open
    }

    pub(super) const fn subtype(&self) -> &'static str {
        match self.truth.kind {
            Kind::Webrtc => "Station",
            Kind::Sip => "Trunk",
        }
    }
}

/// The recording, from its session's end on.
pub(super) fn look(
    state: &ApiState,
    caller: Caller,
    now: Timestamp,
    index: RecordingIndex,
    path: ReadPath,
) -> Option<Seen> {
    look_as(state, caller.tenant, now, index, path)
}

/// Likewise, when nobody asks.
pub(super) fn look_as(
    state: &ApiState,
    tenant: TenantIndex,
    now: Timestamp,
    index: RecordingIndex,
    path: ReadPath,
) -> Option<Seen> {
    let service = state.service();
    let epoch = state.config().epoch;
    let seen = service.tenant(tenant)?.read(service, index, |timeline| {
        (timeline.ended_at <= now).then(|| Seen {
            index,
            truth: truth_of_timeline(service.seed(), epoch, timeline),
            view: timeline.view(now, path),
            length: timeline.ended_at.since(timeline.started_at),
            submitted_at: timeline.submitted_at,
            kept: state.desk_of(tenant).keeping.of(index),
            seen_at: ApiDate::of(epoch, now),
        })
    });
    seen.flatten()
}

/// Likewise, now and where `GET` looks.
pub(super) fn look_now(state: &ApiState, caller: Caller, index: RecordingIndex) -> Option<Seen> {
    look(state, caller, caller.now, index, ReadPath::Primary)
}

/// The call of a conversation's id, whether the platform knows of it or not.
pub(super) fn conversation_index(state: &ApiState, id: &str) -> Result<RecordingIndex, ApiError> {
    let index = ConversationId::parse(id).and_then(|id| id.index(state.service().seed()));
    index.ok_or_else(|| Entity::Conversation.none(id))
}

/// The call of a recording's id, if it is one of that conversation.
pub(super) fn recording_index(
    state: &ApiState,
    conversation: &str,
    recording: &str,
) -> Result<RecordingIndex, ApiError> {
    let index = conversation_index(state, conversation)?;
    let named = RecordingId::parse(recording).and_then(|id| id.index(state.service().seed()));
    if named == Some(index) {
        Ok(index)
    } else {
        Err(Entity::Recording.none(recording))
    }
}

/// The recording of that path, as it is now.
pub(super) fn find(
    state: &ApiState,
    caller: Caller,
    (conversation, recording): (&str, &str),
) -> Result<Seen, ApiError> {
    let index = recording_index(state, conversation, recording)?;
    there(state, caller, index)
}

/// The recording of that call as it is now, or the API's refusal.
pub(super) fn there(
    state: &ApiState,
    caller: Caller,
    index: RecordingIndex,
) -> Result<Seen, ApiError> {
    look_now(state, caller, index).ok_or_else(|| {
        let id = RecordingId::of(state.service().seed(), index);
        Entity::Recording.none(id.to_string())
    })
}

/// The call of a recording's or a conversation's id.
pub(super) fn index_of_either(state: &ApiState, id: &str) -> Option<RecordingIndex> {
    let seed = state.service().seed();
    RecordingId::parse(id)
        .and_then(|id| id.index(seed))
        .or_else(|| ConversationId::parse(id)?.index(seed))
}

pub(super) fn recording_of(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    seen: &Seen,
) -> Recording {
    recording_named(state, caller, origin, (seen, None))
}

/// The same, its audio to be saved as `name`.
pub(super) fn recording_named(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    (seen, name): (&Seen, Option<&str>),
) -> Recording {
    let (conversation, recording, self_uri) = identity(&seen.truth, "recordings");
    let fields = Fields::of(&seen.view, &seen.truth);
    let media_uris = seen.is_playable().then(|| {
        MediaUris(MediaUri {
            media_uri: media_url(state, caller, origin, (seen, name), Purpose::Playback),
            waveform_data: [],
        })
    });
    Recording {
        id: Shown(recording),
        conversation_id: Shown(conversation),
        start_time: fields.start_time(),
        end_time: fields.end_time(),
        media: "audio",
        media_subtype: seen.subtype(),
        annotations: seen.kept.annotations.clone(),
        file_state: seen.file_state(),
        media_uris,
        output_duration_ms: seen.length.as_nanos() / 1_000_000,
        retention: retention_dates(state, caller, seen),
        session_id: fields.session_id(),
        users: [],
        recording_file_role: "CUSTOMER_EXPERIENCE",
        creation_time: ApiDate(seen.truth.end_time),
        forum: extras(state, seen, fields),
        self_uri,
    }
}

pub(super) fn metadata_of(state: &ApiState, caller: Caller, seen: &Seen) -> RecordingMetadata {
    let (conversation, recording, self_uri) = identity(&seen.truth, "recordingmetadata");
    let fields = Fields::of(&seen.view, &seen.truth);
    let annotations = seen.is_playable().then(|| seen.kept.annotations.clone());
    RecordingMetadata {
        id: Shown(recording),
        conversation_id: Shown(conversation),
        start_time: None,
        end_time: None,
        media: "audio",
        media_subtype: seen.subtype(),
        annotations,
        file_state: seen.file_state(),
        retention: retention_dates(state, caller, seen),
        session_id: fields.session_id(),
        region: "us-east-1",
        forum: extras(state, seen, fields),
        self_uri,
    }
}

pub(super) fn forum_of(seen: &Seen) -> ForumRecording {
    let (conversation, recording, self_uri) = identity(&seen.truth, "recordings");
    let metadata = Fields::of(&seen.view, &seen.truth);
    ForumRecording {
        id: Shown(recording),
        conversation_id: Shown(conversation),
        state: seen.view.state,
        file_state: seen.file_state(),
        legal_hold_flag: metadata.legal_hold_flag(),
        media_type: metadata.media_type(),
        metadata,
        self_uri,
    }
}

/// The queue that an organization's calls come by.
pub(super) fn queue_id(state: &ApiState, caller: Caller) -> String {
    Uuid::keyed(&state.desk(caller).key, "queue").to_string()
}

/// What rides along in the forum dialect.
fn extras(state: &ApiState, seen: &Seen, fields: Fields) -> Option<ForumExtras> {
    state.speaks_forum().then_some(ForumExtras {
        state: seen.view.state,
        fields,
    })
}

/// Appends the text of an id, which is ASCII.
pub(super) fn push_id(text: &mut String, id: [u8; 36]) {
    text.push_str(std::str::from_utf8(&id).unwrap_or_default());
}

fn identity(truth: &Truth, kind: &str) -> (ConversationId, RecordingId, String) {
    let (conversation, recording) = (truth.conversation, truth.recording);
    let mut self_uri = String::with_capacity(SELF_URI_CAPACITY);
    self_uri.push_str("/api/v2/conversations/");
    push_id(&mut self_uri, conversation.text());
    self_uri.push('/');
    self_uri.push_str(kind);
    self_uri.push('/');
    push_id(&mut self_uri, recording.text());
    (conversation, recording, self_uri)
}

pub(super) fn retention_dates(state: &ApiState, caller: Caller, seen: &Seen) -> RetentionDates {
    let (export_date, exported_date) = export_dates(state, caller, seen.index);
    let kept = &seen.kept;
    let standing = exported_date.is_some() || kept.export == PendingExport::Standing;
    RetentionDates {
        restore_expiration_time: kept.archive_at.filter(|_| kept.restored.is_some()),
        archive_date: kept.archive_at,
        archive_medium: kept.archive_at.map(|_| ArchiveMedium::CloudArchive),
        delete_date: kept.delete_at,
        export_date: export_date.filter(|_| standing),
        exported_date,
    }
}

/// When the recording is to be exported, and when it was.
fn export_dates(
    state: &ApiState,
    caller: Caller,
    index: RecordingIndex,
) -> (Option<ApiDate>, Option<ApiDate>) {
    let Some((job, started_at)) = state.desk(caller).jobs.export_of(index) else {
        return (None, None);
    };
    let epoch = state.config().epoch;
    let exported = state.tenant(caller).read_export(job, |export| {
        let written = export
            .sidecars
            .iter()
            .any(|sidecar| sidecar.recording == index);
        written.then(|| ApiDate::of(epoch, export.snapshot_at))
    });
    (Some(ApiDate::of(epoch, started_at)), exported.flatten())
}
