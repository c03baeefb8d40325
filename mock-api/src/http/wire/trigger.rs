//! Process-automation triggers, and what is sent to a webhook.

use racegate_model::ids::{ConversationId, RecordingId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::fields::Shown;
use super::whole;

/// A condition of a trigger: an object, kept as it was said.
pub(in crate::http) type Criterion = Map<String, Value>;

/// A trigger to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct TriggerRequest {
    pub(in crate::http) name: Option<String>,
    pub(in crate::http) description: Option<String>,
    #[schema(required = true, value_type = super::words::TriggerTopic)]
    pub(in crate::http) topic_name: Option<String>,
    pub(in crate::http) enabled: Option<bool>,
    #[schema(required = true, value_type = TriggerTarget)]
    pub(in crate::http) target: Option<TriggerTarget>,
    #[schema(value_type = Option<Vec<Object>>)]
    pub(in crate::http) match_criteria: Option<Vec<Criterion>>,
    #[serde(
        rename = "eventTTLSeconds",
        default,
        deserialize_with = "whole::option"
    )]
    pub(in crate::http) event_ttl_seconds: Option<u32>,
    #[serde(default, deserialize_with = "whole::option")]
    pub(in crate::http) delay_by_seconds: Option<u32>,
    /// Of an update: the version that it changes.
    #[serde(default, deserialize_with = "whole::option")]
    pub(in crate::http) version: Option<u32>,
}

/// Where its events go: a workflow, which nothing here runs, or (our extension) a webhook.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::http) struct TriggerTarget {
    #[serde(rename = "type")]
    pub(in crate::http) kind: TargetKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) url: Option<String>,
}

/// What kind of target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::http) enum TargetKind {
    Workflow,
    Webhook,
}

/// A trigger.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Trigger {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) description: Option<String>,
    pub(in crate::http) topic_name: String,
    pub(in crate::http) target: TriggerTarget,
    #[schema(value_type = Vec<Object>)]
    pub(in crate::http) match_criteria: Vec<Criterion>,
    pub(in crate::http) enabled: bool,
    #[serde(rename = "eventTTLSeconds", skip_serializing_if = "Option::is_none")]
    pub(in crate::http) event_ttl_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) delay_by_seconds: Option<u32>,
    pub(in crate::http) version: u32,
    pub(in crate::http) self_uri: String,
}

/// What is posted to a webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct WebhookMessage<'a> {
    /// The same for a duplicate, so that a receiver can tell.
    pub(in crate::http) id: String,
    pub(in crate::http) topic_name: &'a str,
    /// Milliseconds since 1970, as in the real events.
    pub(in crate::http) event_time: i64,
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    pub(in crate::http) recording_id: Shown<RecordingId>,
    pub(in crate::http) media_type: &'static str,
}

/// The trigger that our own client creates.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct NewTrigger<'a> {
    pub(in crate::http) name: &'a str,
    pub(in crate::http) topic_name: &'a str,
    pub(in crate::http) enabled: bool,
    pub(in crate::http) target: TriggerTarget,
}

/// A trigger, as a client reads it.
#[derive(Deserialize)]
pub(in crate::http) struct TriggerRead {
    pub(in crate::http) id: String,
}
