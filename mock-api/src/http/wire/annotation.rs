//! Annotations of a recording.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::Reference;
use super::whole;

/// Why a recording was interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::http) enum AnnotationReason {
    Hold,
    SecurePause,
    FlowOrQueue,
    Pause,
}

/// `Annotation`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Annotation {
    pub(in crate::http) id: String,
    #[serde(flatten)]
    pub(in crate::http) said: AnnotationBody,
    pub(in crate::http) user: Reference,
    pub(in crate::http) self_uri: String,
}

/// The part of an annotation that a client says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AnnotationBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub(in crate::http) name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub(in crate::http) kind: Option<String>,
    /// Milliseconds, as all of these.
    #[serde(
        default,
        deserialize_with = "whole::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(in crate::http) location: Option<i64>,
    #[serde(
        default,
        deserialize_with = "whole::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(in crate::http) duration_ms: Option<i64>,
    #[serde(
        default,
        deserialize_with = "whole::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(in crate::http) absolute_location: Option<i64>,
    #[serde(
        default,
        deserialize_with = "whole::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(in crate::http) absolute_duration_ms: Option<i64>,
    #[serde(
        default,
        deserialize_with = "whole::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(in crate::http) recording_location: Option<i64>,
    #[serde(
        default,
        deserialize_with = "whole::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(in crate::http) recording_duration_ms: Option<i64>,
    #[serde(
        default,
        deserialize_with = "whole::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(in crate::http) realtime_location: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub(in crate::http) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) reason: Option<AnnotationReason>,
}
