//! Upload reports.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiDate;

/// `RecordingUploadReportRequest`.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ReportRequest {
    pub(in crate::http) date_since: ApiDate,
    pub(in crate::http) upload_status: Option<UploadStatus>,
}

/// Whether a recording's file has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::http) enum UploadStatus {
    Pending,
    Success,
    Failure,
    WaitForConversation,
}

/// `RecordingUploadReport`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Report {
    pub(in crate::http) id: String,
    pub(in crate::http) state: ReportState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) signed_url: Option<String>,
    pub(in crate::http) self_uri: String,
}

/// How far an upload report is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) enum ReportState {
    InProgress,
    Completed,
}
