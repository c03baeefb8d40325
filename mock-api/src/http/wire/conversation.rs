//! Conversations as they go on.

use std::net::IpAddr;

use racegate_model::ids::{ConversationId, RecordingId};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiDate;
use super::fields::{Id, Shown};

/// `Conversation`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Conversation {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<ConversationId>,
    pub(in crate::http) start_time: ApiDate,
    /// Not there while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) end_time: Option<ApiDate>,
    pub(in crate::http) participants: Vec<Participant>,
    pub(in crate::http) recording_state: &'static str,
    pub(in crate::http) secure_pause: bool,
    pub(in crate::http) self_uri: String,
}

/// `Participant`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Participant {
    pub(in crate::http) id: String,
    pub(in crate::http) purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) user_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) queue_id: Option<String>,
    pub(in crate::http) start_time: ApiDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) end_time: Option<ApiDate>,
    pub(in crate::http) calls: [Call; 1],
}

/// `Call`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Call {
    /// The agent's is the recording's session.
    pub(in crate::http) id: String,
    /// The call at the other end.
    pub(in crate::http) peer_id: String,
    pub(in crate::http) state: &'static str,
    pub(in crate::http) direction: &'static str,
    pub(in crate::http) provider: &'static str,
    pub(in crate::http) recording: bool,
    pub(in crate::http) recording_state: &'static str,
    #[schema(value_type = Id)]
    pub(in crate::http) recording_id: Shown<RecordingId>,
    /// Of softphones only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(in crate::http) client_ip_address: Option<IpAddr>,
    pub(in crate::http) connected_time: ApiDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) disconnected_time: Option<ApiDate>,
}
