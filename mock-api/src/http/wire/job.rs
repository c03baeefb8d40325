//! Bulk jobs: the query that a client posts, and the job that it gets.

use racegate_model::ids::{ConversationId, RecordingId};
use racegate_model::org::JobState;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::ApiDate;
use super::fields::Shown;
use super::predicate::QueryPredicate;
use super::whole;
use super::words::{JobAction, JobCommand, Operator};

/// `RecordingJobsQuery`. What is not modelled (screens, snippets, policies) is checked and decides
/// nothing. Unknown keys are passed over, as the real API does; the job shows the
/// whole query again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "some keys are checked only")]
pub(in crate::http) struct JobsQuery {
    pub(in crate::http) action: JobAction,
    pub(in crate::http) action_date: Option<ApiDate>,
    #[serde(default, deserialize_with = "whole::option")]
    #[schema(minimum = 0, maximum = 36_500)]
    pub(in crate::http) action_age: Option<u32>,
    pub(in crate::http) screen_recording_action_date: Option<ApiDate>,
    #[serde(default, deserialize_with = "whole::option")]
    #[schema(minimum = 0, maximum = 36_500)]
    pub(in crate::http) screen_recording_action_age: Option<u32>,
    /// Required for EXPORT.
    #[schema(min_length = 1)]
    pub(in crate::http) integration_id: Option<String>,
    pub(in crate::http) include_recordings_with_sensitive_data: Option<bool>,
    pub(in crate::http) include_screen_recordings: Option<bool>,
    pub(in crate::http) include_policy_based_recordings: Option<bool>,
    pub(in crate::http) include_snippet_recordings: Option<bool>,
    /// DELETE only: gives up pending exports.
    pub(in crate::http) clear_export: Option<bool>,
    pub(in crate::http) conversation_query: Option<ConversationQuery>,
    /// Conversations of more than five years ago: there are none here.
    pub(in crate::http) aged_conversation_interval: Option<String>,
    /// Forum dialect: its filters may stand here too.
    #[serde(flatten)]
    pub(in crate::http) forum: ForumFilters,
    /// Forum dialect.
    pub(in crate::http) filters: Option<ForumFilters>,
}

/// Filters that the forum threads believe in; to the real API they are unknown keys.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct ForumFilters {
    pub(in crate::http) include_metadata: Option<bool>,
    pub(in crate::http) include_webrtc_metadata: Option<bool>,
    /// webRTC, SIP, WEBCAM.
    #[serde(rename = "mediaType")]
    kind: Option<String>,
    /// The same in the other spelling.
    #[serde(rename = "media_type")]
    other_kind: Option<String>,
}

impl ForumFilters {
    pub(in crate::http) fn media_type(&self) -> Option<&str> {
        self.kind.as_deref().or(self.other_kind.as_deref())
    }

    pub(in crate::http) fn says_nothing(&self) -> bool {
        let switches = [self.include_metadata, self.include_webrtc_metadata];
        self.media_type().is_none() && switches.iter().all(Option::is_none)
    }
}

/// `AsyncConversationQuery` of a bulk job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ConversationQuery {
    /// Two dates joined by a slash.
    #[schema(pattern = "^[^/]+/[^/]+$")]
    pub(in crate::http) interval: Option<String>,
    #[serde(flatten)]
    pub(in crate::http) parts: QueryParts,
}

/// `ConversationQuery` of analytics, which needs an interval.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DetailsQuery {
    /// Two dates joined by a slash.
    #[schema(pattern = "^[^/]+/[^/]+$")]
    pub(in crate::http) interval: String,
    pub(in crate::http) paging: Option<QueryPaging>,
    #[serde(flatten)]
    pub(in crate::http) parts: QueryParts,
}

/// `AsyncConversationQuery` of analytics, likewise. Its results have pages of their own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AsyncDetailsQuery {
    /// Two dates joined by a slash.
    #[schema(pattern = "^[^/]+/[^/]+$")]
    pub(in crate::http) interval: String,
    #[serde(flatten)]
    pub(in crate::http) parts: QueryParts,
}

/// What all queries have beside their interval.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct QueryParts {
    pub(in crate::http) conversation_filters: Option<Vec<QueryFilter>>,
    pub(in crate::http) segment_filters: Option<Vec<QueryFilter>>,
    pub(in crate::http) evaluation_filters: Option<Vec<AbsentFilter>>,
    pub(in crate::http) survey_filters: Option<Vec<AbsentFilter>>,
    pub(in crate::http) resolution_filters: Option<Vec<AbsentFilter>>,
    /// Not computed here.
    #[schema(value_type = Option<Vec<Object>>, max_items = 0)]
    aggregations: Option<Vec<IgnoredAny>>,
    pub(in crate::http) order: Option<QueryOrder>,
    pub(in crate::http) order_by: Option<QueryOrderBy>,
    #[serde(default, deserialize_with = "whole::option")]
    pub(in crate::http) limit: Option<u32>,
    #[expect(dead_code, reason = "an interval covers whole days as it is")]
    start_of_day_interval_matching: Option<bool>,
}

impl QueryParts {
    /// Whether sums are asked for, which nothing here could answer.
    pub(in crate::http) fn asks_for_aggregations(&self) -> bool {
        self.aggregations
            .as_ref()
            .is_some_and(|list| !list.is_empty())
    }

    /// The filters on what no call here has.
    pub(in crate::http) fn absent(&self) -> impl Iterator<Item = &AbsentFilter> {
        let lists = [
            &self.evaluation_filters,
            &self.survey_filters,
            &self.resolution_filters,
        ];
        lists.into_iter().flatten().flatten()
    }
}

/// In which direction results are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum QueryOrder {
    Asc,
    Desc,
    Unordered,
}

/// By what results are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) enum QueryOrderBy {
    ConversationStart,
    ConversationEnd,
    SegmentStart,
    SegmentEnd,
}

/// Which page of results.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct QueryPaging {
    #[serde(default, deserialize_with = "whole::option")]
    #[schema(minimum = 1, maximum = 100)]
    pub(in crate::http) page_size: Option<u32>,
    #[serde(default, deserialize_with = "whole::option")]
    #[schema(minimum = 1)]
    pub(in crate::http) page_number: Option<u32>,
}

/// A filter: predicates and clauses joined by `type`.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct QueryFilter {
    #[serde(rename = "type")]
    pub(in crate::http) join: Join,
    #[serde(default)]
    pub(in crate::http) predicates: Option<Vec<QueryPredicate>>,
    #[serde(default)]
    pub(in crate::http) clauses: Option<Vec<QueryClause>>,
}

/// A clause of a filter.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct QueryClause {
    #[serde(rename = "type")]
    pub(in crate::http) join: Join,
    #[serde(default)]
    pub(in crate::http) predicates: Option<Vec<QueryPredicate>>,
}

/// How predicates are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Join {
    And,
    Or,
}

/// A filter on what no call here has: evaluations, surveys, resolutions.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct AbsentFilter {
    #[serde(rename = "type")]
    pub(in crate::http) join: Join,
    #[serde(default)]
    pub(in crate::http) predicates: Option<Vec<AbsentPredicate>>,
    #[serde(default)]
    pub(in crate::http) clauses: Option<Vec<AbsentClause>>,
}

/// A clause of such a filter.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct AbsentClause {
    #[serde(rename = "type")]
    pub(in crate::http) join: Join,
    #[serde(default)]
    pub(in crate::http) predicates: Option<Vec<AbsentPredicate>>,
}

/// A predicate of such a filter: only `notExists` is true of anything.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct AbsentPredicate {
    #[schema(value_type = Option<Operator>)]
    pub(in crate::http) operator: Option<String>,
}

/// The body of PUT.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct JobUpdate {
    /// PROCESSING, and nothing else.
    #[expect(dead_code, reason = "there is one state to ask for")]
    state: JobCommand,
}

/// `RecordingJob`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingJob<'a> {
    pub(in crate::http) id: String,
    pub(in crate::http) state: &'static str,
    pub(in crate::http) user: &'a Reference,
    #[schema(value_type = Object)]
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Reference {
    pub(in crate::http) id: String,
    pub(in crate::http) self_uri: String,
}

/// A recording for which a job failed.
#[derive(Serialize, ToSchema)]
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
