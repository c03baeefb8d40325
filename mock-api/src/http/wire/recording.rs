//! Recordings, as the real API shows them and as the forum threads believe it does.

use std::collections::BTreeMap;

use racegate_model::ids::{ConversationId, RecordingId, SessionId};
use racegate_model::timeline::RecordingState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::annotation::Annotation;
use super::fields::{Fields, Id, Shown, TextOf};
use super::{ApiDate, Maybe};

/// Where a recording's file is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum FileState {
    Archived,
    Available,
    Deleted,
    Restored,
    Restoring,
    Uploading,
    Error,
}

/// Where archived files go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum ArchiveMedium {
    CloudArchive,
}

/// `Recording`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Recording {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<RecordingId>,
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<ApiDate>, required = false)]
    pub(in crate::http) start_time: Maybe<ApiDate>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<ApiDate>, required = false)]
    pub(in crate::http) end_time: Maybe<ApiDate>,
    pub(in crate::http) media: &'static str,
    pub(in crate::http) media_subtype: &'static str,
    pub(in crate::http) annotations: Vec<Annotation>,
    pub(in crate::http) file_state: FileState,
    pub(in crate::http) media_uris: Option<BTreeMap<&'static str, MediaUri>>,
    pub(in crate::http) output_duration_ms: u64,
    #[serde(flatten)]
    pub(in crate::http) retention: RetentionDates,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    pub(in crate::http) session_id: Maybe<TextOf<SessionId>>,
    #[schema(value_type = Vec<String>)]
    pub(in crate::http) users: [(); 0],
    pub(in crate::http) recording_file_role: &'static str,
    pub(in crate::http) creation_time: ApiDate,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ForumExtras)]
    pub(in crate::http) forum: Option<ForumExtras>,
    pub(in crate::http) self_uri: String,
}

/// What is to become of a recording, and what has.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RetentionDates {
    pub(in crate::http) restore_expiration_time: Option<ApiDate>,
    pub(in crate::http) archive_date: Option<ApiDate>,
    /// Left out rather than null, which the Python SDK cannot read of an enum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) archive_medium: Option<ArchiveMedium>,
    pub(in crate::http) delete_date: Option<ApiDate>,
    /// When the recording is to be exported.
    pub(in crate::http) export_date: Option<ApiDate>,
    /// When it was: the one proof of an export.
    pub(in crate::http) exported_date: Option<ApiDate>,
}

/// The part of a `Recording` that a client may change.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingUpdate {
    /// Goes to the archive then; none takes it back.
    pub(in crate::http) archive_date: Option<ApiDate>,
    pub(in crate::http) archive_medium: Option<ArchiveMedium>,
    /// Is deleted then; none keeps it.
    pub(in crate::http) delete_date: Option<ApiDate>,
}

/// Where the audio is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct MediaUri {
    pub(in crate::http) media_uri: String,
    /// Not made here.
    #[schema(value_type = Vec<f32>)]
    pub(in crate::http) waveform_data: [(); 0],
}

/// `RecordingMetadata`: its times are those of screen recordings only, so null here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingMetadata {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<RecordingId>,
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    pub(in crate::http) start_time: Option<ApiDate>,
    pub(in crate::http) end_time: Option<ApiDate>,
    pub(in crate::http) media: &'static str,
    pub(in crate::http) media_subtype: &'static str,
    /// There once the file is AVAILABLE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) annotations: Option<Vec<Annotation>>,
    pub(in crate::http) file_state: FileState,
    #[serde(flatten)]
    pub(in crate::http) retention: RetentionDates,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    pub(in crate::http) session_id: Maybe<TextOf<SessionId>>,
    pub(in crate::http) region: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ForumExtras)]
    pub(in crate::http) forum: Option<ForumExtras>,
    pub(in crate::http) self_uri: String,
}

/// What the forum dialect adds to a real recording.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ForumExtras {
    #[schema(value_type = ForumState, required = false)]
    pub(in crate::http) state: RecordingState,
    #[serde(flatten)]
    pub(in crate::http) fields: Fields,
}

/// The forum dialect's states, for the document.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "it documents the model's own enum")]
enum ForumState {
    Processing,
    Completed,
}

/// The forum threads' `GET /api/v2/recordings/recording/{id}`.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ForumRecording {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<RecordingId>,
    #[serde(rename = "conversationId")]
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    #[schema(value_type = ForumState)]
    pub(in crate::http) state: RecordingState,
    #[serde(rename = "fileState")]
    pub(in crate::http) file_state: FileState,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<bool>, required = false)]
    pub(in crate::http) legal_hold_flag: Maybe<bool>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    pub(in crate::http) media_type: Maybe<&'static str>,
    pub(in crate::http) metadata: Fields,
    #[serde(rename = "selfUri")]
    pub(in crate::http) self_uri: String,
}

/// `RecordingRetention`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingRetention {
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    #[schema(value_type = Id)]
    pub(in crate::http) recording_id: Shown<RecordingId>,
    pub(in crate::http) archive_date: Option<ApiDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) archive_medium: Option<ArchiveMedium>,
    pub(in crate::http) delete_date: Option<ApiDate>,
    pub(in crate::http) export_date: Option<ApiDate>,
    pub(in crate::http) exported_date: Option<ApiDate>,
    pub(in crate::http) creation_time: ApiDate,
}
