//! The API's error body.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What every refusal looks like.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorBody {
    /// For people.
    pub message: Cow<'static, str>,
    /// For programs: dotted lower case.
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// The entity that it is about, if it is about one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub entity_id: String,
    /// What kind of entity that is.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub entity_name: Cow<'static, str>,
    /// The correlation id.
    pub context_id: String,
    /// The message with names where its values are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_with_params: Option<Cow<'static, str>>,
    /// Those values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub message_params: BTreeMap<Cow<'static, str>, String>,
    /// One per thing that is wrong.
    pub details: Vec<ErrorDetail>,
    /// Always empty here; the real API nests bodies.
    #[schema(no_recursion)]
    pub errors: Vec<Self>,
    /// The limit that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<ErrorLimit>,
    /// The login's own word for the error (RFC 6749).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'static, str>>,
    /// Forum dialect: what a strict export misses, per recording.
    #[serde(
        rename = "missing_required_fields",
        skip_serializing_if = "Option::is_none"
    )]
    pub missing_required_fields: Option<Vec<MissingFields>>,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorDetail {
    /// What kind of wrong.
    pub error_code: Cow<'static, str>,
    /// The field.
    pub field_name: Cow<'static, str>,
    /// The entity that it is a field of.
    pub entity_id: String,
    /// What kind of entity.
    pub entity_name: Cow<'static, str>,
}

/// A limit that was reached.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ErrorLimit {
    /// Its name.
    pub key: Cow<'static, str>,
    /// The part of the API that it is a limit of.
    pub namespace: Cow<'static, str>,
    /// How many there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
}

/// Forum dialect: the fields that a recording lacks.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MissingFields {
    /// The recording.
    pub recording_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// What it lacks.
    pub fields: Vec<Cow<'static, str>>,
}
