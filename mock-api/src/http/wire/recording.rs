//! Recordings, as the real API shows them and as the forum threads believe it does.

use std::collections::BTreeMap;

use racegate_model::ids::{ConversationId, RecordingId, SessionId};
use racegate_model::timeline::RecordingState;
use serde::Serialize;

use super::fields::{Fields, Shown, TextOf};
use super::{ApiDate, Maybe};

/// `Recording`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Recording {
    pub(in crate::http) id: Shown<RecordingId>,
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub(in crate::http) start_time: Maybe<ApiDate>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub(in crate::http) end_time: Maybe<ApiDate>,
    pub(in crate::http) media: &'static str,
    pub(in crate::http) media_subtype: &'static str,
    pub(in crate::http) annotations: [(); 0],
    pub(in crate::http) file_state: &'static str,
    pub(in crate::http) media_uris: Option<BTreeMap<&'static str, MediaUri>>,
    pub(in crate::http) output_duration_ms: u64,
    pub(in crate::http) export_date: Option<ApiDate>,
    pub(in crate::http) exported_date: Option<ApiDate>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub(in crate::http) session_id: Maybe<TextOf<SessionId>>,
    pub(in crate::http) users: [(); 0],
    pub(in crate::http) recording_file_role: &'static str,
    pub(in crate::http) creation_time: ApiDate,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) forum: Option<ForumExtras>,
    pub(in crate::http) self_uri: String,
}

/// Where the audio is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct MediaUri {
    pub(in crate::http) media_uri: String,
}

/// `RecordingMetadata`: its times are those of screen recordings only, so null here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingMetadata {
    pub(in crate::http) id: Shown<RecordingId>,
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    pub(in crate::http) start_time: Option<ApiDate>,
    pub(in crate::http) end_time: Option<ApiDate>,
    pub(in crate::http) media: &'static str,
    pub(in crate::http) media_subtype: &'static str,
    /// There once the file is AVAILABLE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) annotations: Option<[(); 0]>,
    pub(in crate::http) file_state: &'static str,
    pub(in crate::http) export_date: Option<ApiDate>,
    pub(in crate::http) exported_date: Option<ApiDate>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub(in crate::http) session_id: Maybe<TextOf<SessionId>>,
    pub(in crate::http) region: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) forum: Option<ForumExtras>,
    pub(in crate::http) self_uri: String,
}

/// What the forum dialect adds to a real recording.
#[derive(Serialize)]
pub(in crate::http) struct ForumExtras {
    pub(in crate::http) state: RecordingState,
    #[serde(flatten)]
    pub(in crate::http) fields: Fields,
}

/// The forum threads' `GET /api/v2/recordings/recording/{id}`.
#[derive(Serialize)]
pub(in crate::http) struct ForumRecording {
    pub(in crate::http) id: Shown<RecordingId>,
    #[serde(rename = "conversationId")]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    pub(in crate::http) state: RecordingState,
    #[serde(rename = "fileState")]
    pub(in crate::http) file_state: &'static str,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub(in crate::http) legal_hold_flag: Maybe<bool>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub(in crate::http) media_type: Maybe<&'static str>,
    pub(in crate::http) metadata: Fields,
    #[serde(rename = "selfUri")]
    pub(in crate::http) self_uri: String,
}
