//! Bulk jobs: the query that a client posts, and the job that it gets.

use racegate_model::ids::{ConversationId, RecordingId};
use racegate_model::org::JobState;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ApiDate;
use super::fields::Shown;

/// `RecordingJobsQuery`, as far as it decides anything here. Unknown keys are passed over, as the
/// real API does; the job shows the whole query again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct JobsQuery {
    pub(in crate::http) action: Option<String>,
    pub(in crate::http) integration_id: Option<String>,
    pub(in crate::http) conversation_query: Option<ConversationQuery>,
}

/// `AsyncConversationQuery`, likewise.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ConversationQuery {
    pub(in crate::http) interval: Option<String>,
    #[serde(default)]
    pub(in crate::http) conversation_filters: Option<Vec<QueryFilter>>,
    #[serde(default)]
    pub(in crate::http) segment_filters: Option<Vec<QueryFilter>>,
}

/// A filter: predicates and clauses joined by `type`.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct QueryFilter {
    #[serde(rename = "type")]
    pub(in crate::http) join: Join,
    #[serde(default)]
    pub(in crate::http) predicates: Option<Vec<QueryPredicate>>,
    #[serde(default)]
    pub(in crate::http) clauses: Option<Vec<QueryClause>>,
}

/// A clause of a filter.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct QueryClause {
    #[serde(rename = "type")]
    pub(in crate::http) join: Join,
    #[serde(default)]
    pub(in crate::http) predicates: Option<Vec<QueryPredicate>>,
}

/// How predicates are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Join {
    And,
    Or,
}

/// A predicate on a dimension.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct QueryPredicate {
    #[serde(rename = "type")]
    pub(in crate::http) kind: Option<String>,
    pub(in crate::http) dimension: Option<String>,
    pub(in crate::http) operator: Option<String>,
    pub(in crate::http) value: Option<String>,
}

/// The body of PUT.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct JobUpdate {
    pub(in crate::http) state: Option<String>,
}

/// `RecordingJob`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingJob<'a> {
    pub(in crate::http) id: String,
    pub(in crate::http) state: &'static str,
    pub(in crate::http) user: &'a Reference,
    pub(in crate::http) recording_jobs_query: &'a RawValue,
    pub(in crate::http) date_created: ApiDate,
    pub(in crate::http) total_conversations: usize,
    pub(in crate::http) total_recordings: usize,
    pub(in crate::http) total_skipped_recordings: usize,
    pub(in crate::http) total_failed_recordings: usize,
    pub(in crate::http) total_processed_recordings: usize,
    pub(in crate::http) percent_progress: u8,
    pub(in crate::http) error_message: Option<&'static str>,
    pub(in crate::http) failed_recordings: String,
    pub(in crate::http) self_uri: String,
}

/// An entity by id.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Reference {
    pub(in crate::http) id: String,
    pub(in crate::http) self_uri: String,
}

/// A recording for which a job failed.
#[derive(Serialize)]
pub(in crate::http) struct FailedRecording {
    pub(in crate::http) conversation: Reference,
    pub(in crate::http) recording: Reference,
}

impl FailedRecording {
    pub(in crate::http) fn of(conversation: ConversationId, recording: RecordingId) -> Self {
        let conversation_uri = format!("/api/v2/conversations/{conversation}");
        Self {
            recording: Reference {
                id: recording.to_string(),
                self_uri: format!("{conversation_uri}/recordings/{recording}"),
            },
            conversation: Reference {
                id: conversation.to_string(),
                self_uri: conversation_uri,
            },
        }
    }
}

/// The states of a job, in the API's words.
const STATES: [(JobState, &str); 5] = [
    (JobState::Pending, "PENDING"),
    (JobState::Ready, "READY"),
    (JobState::Processing, "PROCESSING"),
    (JobState::Fulfilled, "FULFILLED"),
    (JobState::Cancelled, "CANCELLED"),
];

/// The API's word for a state.
pub(in crate::http) const fn state_name(state: JobState) -> &'static str {
    STATES[state as usize].1
}

/// The state of that name. A job that FAILED is over like one that was cancelled.
pub(in crate::http) fn state_named(name: &str) -> Option<JobState> {
    if name == "FAILED" {
        return Some(JobState::Cancelled);
    }
    STATES
        .into_iter()
        .find(|(_, known)| *known == name)
        .map(|(state, _)| state)
}

/// The query that our own client posts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ExportQuery<'a> {
    pub(in crate::http) action: &'static str,
    pub(in crate::http) action_date: ApiDate,
    pub(in crate::http) integration_id: &'a str,
    pub(in crate::http) include_screen_recordings: bool,
    pub(in crate::http) conversation_query: ExportConversations,
}

/// The conversations of [`ExportQuery`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ExportConversations {
    pub(in crate::http) interval: String,
    pub(in crate::http) conversation_filters: [ExportFilter; 1],
}

/// The filter of [`ExportQuery`].
#[derive(Serialize)]
pub(in crate::http) struct ExportFilter {
    #[serde(rename = "type")]
    pub(in crate::http) join: &'static str,
    pub(in crate::http) predicates: Vec<ExportPredicate>,
}

/// A predicate of [`ExportQuery`].
#[derive(Serialize)]
pub(in crate::http) struct ExportPredicate {
    #[serde(rename = "type")]
    kind: &'static str,
    dimension: &'static str,
    operator: &'static str,
    value: Shown<ConversationId>,
}

impl ExportPredicate {
    pub(in crate::http) const fn conversation(id: ConversationId) -> Self {
        Self {
            kind: "dimension",
            dimension: "conversationId",
            operator: "matches",
            value: Shown(id),
        }
    }
}

/// A job, as a client reads it.
#[derive(Deserialize)]
pub(in crate::http) struct JobRead {
    pub(in crate::http) id: String,
    pub(in crate::http) state: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_name() {
        for (state, name) in STATES {
            assert_eq!(state_name(state), name);
            assert_eq!(state_named(name), Some(state));
        }
        assert_eq!(state_named("nonsense"), None);
    }
}
