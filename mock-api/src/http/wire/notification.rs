//! Notification channels, and what goes over their WebSockets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiDate;

/// `Channel`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Channel {
    pub(in crate::http) connect_uri: String,
    pub(in crate::http) id: String,
    pub(in crate::http) expires: ApiDate,
}

/// A topic that a client asks for.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct TopicRequest {
    pub(in crate::http) id: String,
}

/// `ChannelTopic`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ChannelTopic {
    pub(in crate::http) id: String,
    pub(in crate::http) state: TopicState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) rejection_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(in crate::http) missing_permissions: Vec<String>,
    pub(in crate::http) self_uri: String,
}

/// Whether a topic was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) enum TopicState {
    Permitted,
    Rejected,
}

/// `AvailableTopic`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AvailableTopic {
    pub(in crate::http) id: &'static str,
    pub(in crate::http) description: &'static str,
    #[schema(value_type = Vec<String>)]
    pub(in crate::http) requires_permissions: &'static [&'static str],
    pub(in crate::http) requires_current_user: bool,
    pub(in crate::http) visibility: &'static str,
    #[schema(value_type = Vec<String>)]
    pub(in crate::http) transports: [&'static str; 1],
    pub(in crate::http) topic_parameters: Vec<&'static str>,
}

/// What goes over a channel's WebSocket.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Frame<'a, B> {
    pub(in crate::http) topic_name: &'a str,
    pub(in crate::http) version: &'static str,
    pub(in crate::http) event_body: &'a B,
    pub(in crate::http) metadata: FrameMetadata,
}

/// What belongs to the frame, not to the event.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct FrameMetadata {
    pub(in crate::http) correlation_id: String,
}

/// The body of heartbeats and answers.
#[derive(Serialize)]
pub(in crate::http) struct PlainMessage {
    pub(in crate::http) message: &'static str,
}

/// What a client may send.
#[derive(Deserialize)]
pub(in crate::http) struct ClientMessage {
    pub(in crate::http) message: String,
}

/// A recording's media is there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingEvent {
    pub(in crate::http) id: String,
    pub(in crate::http) conversation_id: String,
    pub(in crate::http) file_state: &'static str,
    pub(in crate::http) media_uris: [(); 0],
    pub(in crate::http) estimated_transcode_time_ms: u64,
    pub(in crate::http) actual_transcode_time_ms: u64,
}

/// Something happened to a conversation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ConversationEvent {
    pub(in crate::http) event_time: i64,
    pub(in crate::http) conversation_id: String,
    pub(in crate::http) participant_id: String,
    pub(in crate::http) session_id: String,
    pub(in crate::http) recording_id: String,
    pub(in crate::http) media_type: &'static str,
    pub(in crate::http) provider: &'static str,
    pub(in crate::http) direction: &'static str,
}

/// A user's conversation changed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct UserConversationEvent {
    pub(in crate::http) id: String,
    pub(in crate::http) start_time: ApiDate,
    pub(in crate::http) end_time: ApiDate,
    pub(in crate::http) recording_state: &'static str,
}

/// The data lake has moved on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AvailabilityEvent {
    pub(in crate::http) data_availability_date: ApiDate,
}
