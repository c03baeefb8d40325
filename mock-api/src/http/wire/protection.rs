//! Deletion protection: the real API's legal hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::Reference;

/// `ConversationDeletionProtectionQuery`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ProtectionQuery {
    /// Up to 100 of them.
    #[schema(max_items = 100)]
    pub(in crate::http) conversation_ids: Vec<String>,
}

/// `ManageDeleteProtectionResult`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ProtectionResult {
    pub(in crate::http) failed_updates: Vec<FailedProtection>,
}

/// `FailedDeleteProtectionUpdate`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct FailedProtection {
    pub(in crate::http) conversation: Reference,
    pub(in crate::http) error_message: &'static str,
    pub(in crate::http) error_code: &'static str,
}
