//! Conversations as analytics shows them.

use racegate_model::ids::ConversationId;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiDate;
use super::fields::{Id, Shown};

/// `AnalyticsConversation`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AnalyticsConversation {
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    pub(in crate::http) conversation_start: ApiDate,
    /// Not there while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) conversation_end: Option<ApiDate>,
    pub(in crate::http) originating_direction: &'static str,
    pub(in crate::http) participants: [AnalyticsParticipant; 2],
}

/// `AnalyticsParticipant`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AnalyticsParticipant {
    pub(in crate::http) participant_id: String,
    pub(in crate::http) purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) participant_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) user_id: Option<String>,
    pub(in crate::http) sessions: [AnalyticsSession; 1],
}

/// `AnalyticsSession`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AnalyticsSession {
    /// The agent's is the recording's.
    pub(in crate::http) session_id: String,
    /// The session at the other end.
    pub(in crate::http) peer_id: String,
    pub(in crate::http) media_type: &'static str,
    pub(in crate::http) direction: &'static str,
    pub(in crate::http) provider: &'static str,
    pub(in crate::http) recording: bool,
    pub(in crate::http) segments: [AnalyticsSegment; 1],
}

/// `AnalyticsConversationSegment`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AnalyticsSegment {
    pub(in crate::http) segment_start: ApiDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) segment_end: Option<ApiDate>,
    pub(in crate::http) segment_type: &'static str,
    pub(in crate::http) conference: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) queue_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) disconnect_type: Option<&'static str>,
}

/// `AnalyticsConversationQueryResponse`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DetailsPage {
    pub(in crate::http) conversations: Vec<AnalyticsConversation>,
    pub(in crate::http) total_hits: usize,
}

/// `AsyncQueryResponse`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DetailsSubmitted {
    pub(in crate::http) job_id: String,
}

/// `AsyncQueryStatus`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DetailsStatus {
    pub(in crate::http) state: DetailsState,
    pub(in crate::http) submission_date: ApiDate,
    pub(in crate::http) expiration_date: ApiDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) completion_date: Option<ApiDate>,
}

/// How far a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum DetailsState {
    Queued,
    Cancelled,
    Fulfilled,
    Expired,
}

/// `AnalyticsConversationAsyncQueryResponse`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DetailsResults {
    pub(in crate::http) conversations: Vec<AnalyticsConversation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) cursor: Option<String>,
    pub(in crate::http) data_availability_date: ApiDate,
}

/// `DataAvailabilityResponse`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DataAvailability {
    pub(in crate::http) data_availability_date: ApiDate,
}
