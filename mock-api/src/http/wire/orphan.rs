//! Orphans: media whose conversation's metadata is not there.

use racegate_model::ids::RecordingId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiDate;
use super::fields::{Id, Shown};
use super::recording::{FileState, Recording};

/// `OrphanRecording`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct OrphanRecording {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<RecordingId>,
    pub(in crate::http) name: String,
    pub(in crate::http) created_time: ApiDate,
    pub(in crate::http) provider_type: &'static str,
    pub(in crate::http) media_size_bytes: u64,
    pub(in crate::http) media_type: &'static str,
    pub(in crate::http) media_subtype: &'static str,
    pub(in crate::http) file_state: FileState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) recording: Option<Recording>,
    pub(in crate::http) orphan_status: OrphanStatus,
    pub(in crate::http) region: &'static str,
    pub(in crate::http) self_uri: String,
}

/// What an orphan waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::http) enum OrphanStatus {
    ConversationNotComplete,
    ConversationNotEvaluated,
}

/// `OrphanUpdateRequest`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct OrphanUpdate {
    pub(in crate::http) archive_date: Option<ApiDate>,
    pub(in crate::http) delete_date: Option<ApiDate>,
    pub(in crate::http) export_date: Option<ApiDate>,
    pub(in crate::http) integration_id: Option<String>,
    /// Whose recording it is to be; only its own.
    pub(in crate::http) conversation_id: Option<String>,
}
