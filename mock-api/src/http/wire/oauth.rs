//! The login's form and answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The form of `POST /oauth/token`. Credentials may be in the form or in a Basic header.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(in crate::http) struct TokenForm {
    #[schema(required = true, value_type = super::words::GrantType)]
    pub(in crate::http) grant_type: String,
    pub(in crate::http) client_id: Option<String>,
    pub(in crate::http) client_secret: Option<String>,
    /// Decides nothing for this grant; the answer says what is granted instead.
    pub(in crate::http) scope: Option<String>,
}

/// A granted token.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TokenGrant<'a> {
    pub(in crate::http) access_token: &'a str,
    pub(in crate::http) token_type: &'static str,
    pub(in crate::http) expires_in: u64,
    /// There if another one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) scope: Option<&'static str>,
}

/// A granted token, as a client reads it.
#[derive(Deserialize)]
pub(in crate::http) struct TokenRead {
    pub(in crate::http) access_token: String,
}
