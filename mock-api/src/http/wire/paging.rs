//! The two ways in which the API lists things: by page with a total, and by cursor.

use serde::Serialize;
use utoipa::ToSchema;

/// A listing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Listing<T> {
    pub(in crate::http) entities: Vec<T>,
    #[serde(flatten)]
    pub(in crate::http) page: Page,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) cursor: Option<String>,
    pub(in crate::http) self_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) next_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) previous_uri: Option<String>,
}

/// What a listing by page says beside its entities; a listing by cursor says nothing.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) page_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) page_number: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) total: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) page_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) first_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) last_uri: Option<String>,
}
