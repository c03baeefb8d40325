//! Batch downloads.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `BatchDownloadJobSubmission`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct BatchSubmission {
    /// Up to 100 of them.
    #[schema(min_items = 1, max_items = 100)]
    pub(in crate::http) batch_download_request_list: Vec<BatchRequest>,
}

/// A recording, or all of a conversation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct BatchRequest {
    pub(in crate::http) conversation_id: String,
    pub(in crate::http) recording_id: Option<String>,
}

/// `BatchDownloadJobSubmissionResult`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct BatchSubmitted {
    pub(in crate::http) id: String,
    pub(in crate::http) self_uri: String,
}

/// `BatchDownloadJobStatusResult`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct BatchStatus {
    pub(in crate::http) id: String,
    pub(in crate::http) job_id: String,
    /// Changes as recordings are discovered.
    pub(in crate::http) expected_result_count: usize,
    pub(in crate::http) result_count: usize,
    pub(in crate::http) error_count: usize,
    pub(in crate::http) status: BatchProgress,
    pub(in crate::http) results: Vec<BatchResult>,
    pub(in crate::http) self_uri: String,
}

/// How far a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) enum BatchProgress {
    InProgress,
    Completed,
}

/// `BatchDownloadJobResult`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct BatchResult {
    pub(in crate::http) conversation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) recording_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) result_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) error_msg: Option<&'static str>,
}
