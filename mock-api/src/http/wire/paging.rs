//! The two ways in which the API lists things: by page with a total, and by cursor.

use serde::Serialize;
use utoipa::ToSchema;

/// A listing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Listing<T> {
    pub(in crate::http) entities: Vec<T>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) page: Option<Page>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) cursor: Option<String>,
    pub(in crate::http) self_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) next_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) previous_uri: Option<String>,
}

/// What a listing by page says beside its entities.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Page {
    pub(in crate::http) page_size: usize,
    pub(in crate::http) page_number: usize,
    pub(in crate::http) total: usize,
    pub(in crate::http) page_count: usize,
    pub(in crate::http) first_uri: String,
    pub(in crate::http) last_uri: String,
}
