//! What the control plane's bodies look like.

use std::collections::BTreeMap;
use std::fmt;

use racegate_model::time::{Duration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// A length of time as scenarios have it: `250ms`, `1.5s`, `1m30s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) struct Span(pub(in crate::http) Duration);

impl Span {
    pub(in crate::http) const fn std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.as_nanos())
    }

    /// Since the run's start.
    pub(in crate::http) fn until(at: Timestamp) -> Self {
        Self(at.since(Timestamp::ZERO))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A length of time: `250ms`, `1.5s`, `1m30s`"))
            .into()
    }
}

impl ToSchema for Span {}

/// A span, or null.
struct SpanOrNever;

impl PartialSchema for SpanOrNever {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("A length of time, or null for never"))
            .into()
    }
}

impl ToSchema for SpanOrNever {}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        racegate_scenario::parse_duration(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// `GET /__admin/clock`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ClockBody {
    /// The run's time, since its start.
    pub(in crate::http) now: Span,
    /// The same as a date.
    pub(in crate::http) date: String,
    /// `real`, `manual` or a factor.
    pub(in crate::http) pace: String,
}

/// `PUT /__admin/clock`: one or both.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct ClockUpdate {
    /// Where to jump, since the run's start.
    pub(in crate::http) now: Option<Span>,
    /// Where to jump, as a date.
    pub(in crate::http) date: Option<String>,
    pub(in crate::http) pace: Option<String>,
}

/// `POST /__admin/clock/advance`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Advance {
    pub(in crate::http) by: Span,
}

/// Which requests.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct MatchBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) method: Option<String>,
    /// `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) path: Option<String>,
    /// A client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) client: Option<String>,
}

/// Which of the matching requests. Nothing said means all.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct WhenBody {
    /// The first ones that are spared.
    pub(in crate::http) skip: u64,
    /// Only the nth one, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) nth: Option<u64>,
    /// So many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) count: Option<u64>,
    /// Each with this probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) probability: Option<f64>,
}

/// The kinds of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) enum FaultKind {
    /// 429; with `Retry-After` if `retryAfter` says so.
    TooManyRequests,
    /// 503; with `Retry-After` if `retryAfter` says so.
    ServiceUnavailable,
    /// The connection is reset once the request has taken effect (`before`: instead of that).
    Reset,
    /// No answer for `lasting`, then a reset; the request has no effect (`after`: it has).
    Hang,
    /// The answer comes after `lasting`.
    Delay,
    /// The body comes in `chunk` bytes at a time, with `every` between.
    SlowBody,
    /// The connection ends after `keep` bytes of the body.
    TruncatedBody,
    /// The token is good no more; 401.
    TokenExpiry,
    /// The WebSocket is cut `lasting` after it was opened.
    WebsocketDrop,
    /// The job that the request starts fails as a whole: FAILED, and nothing is written.
    JobFailure,
    /// A webhook or notification comes `copies` times more; `path` is that of the receiver, or
    /// `/channels`.
    DuplicateDelivery,
}

/// Whether a request has taken effect when the fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Moment {
    /// It has not.
    Before,
    /// It has.
    After,
}

/// A fault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct FaultBody {
    #[serde(rename = "type")]
    pub(in crate::http) kind: FaultKind,
    /// Whole seconds, or an HTTP date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) retry_after: Option<RetryAfter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) moment: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) lasting: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) chunk: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) every: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) keep: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) copies: Option<u32>,
}

/// `Retry-After`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum RetryAfter {
    /// So many seconds.
    Seconds(u32),
    /// Anything, such as an HTTP date, or nonsense.
    Text(String),
}

impl FaultBody {
    #[cfg(test)]
    pub(in crate::http) const fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            retry_after: None,
            moment: None,
            lasting: None,
            chunk: None,
            every: None,
            keep: None,
            copies: None,
        }
    }
}

/// `POST /__admin/faults`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct RuleBody {
    #[serde(rename = "match", default)]
    pub(in crate::http) matching: MatchBody,
    #[serde(default)]
    pub(in crate::http) when: WhenBody,
    pub(in crate::http) fault: FaultBody,
}

/// A rule in force.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RuleShown {
    pub(in crate::http) id: u64,
    #[serde(rename = "match")]
    pub(in crate::http) matching: MatchBody,
    pub(in crate::http) when: WhenBody,
    pub(in crate::http) fault: FaultBody,
    /// Requests that matched so far.
    pub(in crate::http) matched: u64,
    /// Those that met the fault.
    pub(in crate::http) fired: u64,
}

/// `POST /__admin/requests/verify`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct Verify {
    #[serde(rename = "match")]
    pub(in crate::http) matching: MatchBody,
    pub(in crate::http) status: Option<u16>,
    pub(in crate::http) recording: Option<String>,
    pub(in crate::http) at_least: Option<usize>,
    pub(in crate::http) at_most: Option<usize>,
    pub(in crate::http) exactly: Option<usize>,
}

/// What a verification found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Verified {
    pub(in crate::http) count: usize,
    /// Requests of all kinds that the journal had no room for since it was last cleared.
    pub(in crate::http) forgotten: u64,
}

/// `GET /__admin/requests`.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RequestsBody {
    pub(in crate::http) requests: Vec<RequestShown>,
    /// Matching requests that the journal holds, of which `requests` shows the last ones.
    pub(in crate::http) count: usize,
    /// Requests of all kinds that the journal had no room for since it was last cleared.
    pub(in crate::http) forgotten: u64,
    /// Requests of all kinds since the mock's start.
    pub(in crate::http) total: u64,
    /// What the journal takes in memory.
    pub(in crate::http) bytes: usize,
}

/// A request of the journal.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RequestShown {
    pub(in crate::http) sequence: u64,
    /// The run's time at which it was judged.
    pub(in crate::http) at: Span,
    /// The same as a date.
    pub(in crate::http) date: String,
    /// The wall clock when its answer was ready.
    pub(in crate::http) wall_time: String,
    pub(in crate::http) client: Option<String>,
    pub(in crate::http) method: String,
    /// Path and query.
    pub(in crate::http) target: String,
    /// None if there was no answer.
    pub(in crate::http) status: Option<u16>,
    /// The rule that interfered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) fault: Option<u64>,
    /// None but of a write of ours that an external S3 refused: `target` is bucket and key there,
    /// and `status` what it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) storage: Option<RefusedShown>,
    /// The recordings that it was about, as they were at that instant.
    pub(in crate::http) recordings: Vec<Visible>,
    /// More recordings than are shown.
    #[serde(skip_serializing_if = "is_zero")]
    pub(in crate::http) more_recordings: usize,
}

/// A write that an external S3 refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RefusedShown {
    pub(in crate::http) key: String,
    /// What it said, or what went wrong.
    pub(in crate::http) words: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What was visible of a recording at an instant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(in crate::http) struct Visible {
    pub(in crate::http) conversation_id: String,
    pub(in crate::http) recording_id: String,
    /// Whether its session had ended: before that there is nothing to see.
    pub(in crate::http) ended: bool,
    pub(in crate::http) media: bool,
    pub(in crate::http) state: &'static str,
    /// On `GET`: fields with a value, and fields with null.
    pub(in crate::http) present: Vec<&'static str>,
    pub(in crate::http) null: Vec<&'static str>,
    /// On the index, which exports read.
    pub(in crate::http) indexed: Vec<&'static str>,
    /// Whether an export that read the index now would have been complete.
    pub(in crate::http) complete: bool,
}

/// `POST /__admin/recordings`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct NewRecording {
    /// `webrtc` (the default) or `sip`.
    pub(in crate::http) kind: Option<String>,
    pub(in crate::http) legal_hold: Option<bool>,
    /// Length of the call.
    pub(in crate::http) duration: Option<Span>,
    /// When its session ends, from now.
    pub(in crate::http) ends_in: Option<Span>,
    /// The client that alone sees it; all do otherwise.
    pub(in crate::http) client: Option<String>,
    /// Instants instead of the scenario's law.
    pub(in crate::http) visible: Option<VisibleAt>,
}

/// When things become visible, after the end of the session. `null` means never.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct VisibleAt {
    /// The audio; at once if nothing is said.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<Span>)]
    pub(in crate::http) media: Option<Option<Span>>,
    /// `state` COMPLETED; with the last field if nothing is said.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<Span>)]
    pub(in crate::http) state: Option<Option<Span>>,
    /// Every field that is not named below; at once if nothing is said.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<Span>)]
    pub(in crate::http) metadata: Option<Option<Span>>,
    /// The index behind `GET`.
    pub(in crate::http) index_lag: Option<Span>,
    /// By name.
    #[schema(value_type = BTreeMap<String, SpanOrNever>)]
    pub(in crate::http) fields: BTreeMap<String, Option<Span>>,
    /// Whether a field that is not there yet is absent or null.
    pub(in crate::http) absent_as_null: Option<bool>,
}

/// A value that may be null, told from none.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Span>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A recording as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingShown {
    pub(in crate::http) conversation_id: String,
    pub(in crate::http) recording_id: String,
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) legal_hold: bool,
    pub(in crate::http) started: String,
    pub(in crate::http) ends: String,
    /// Per client whose platform has it.
    pub(in crate::http) clients: BTreeMap<String, Visible>,
}

/// `POST /__admin/recordings/{id}/hold` and `…/release`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct HoldBody {
    /// The fields that are held back; all metadata if none is named.
    pub(in crate::http) fields: Vec<String>,
    /// The client for whom it is; all otherwise.
    pub(in crate::http) client: Option<String>,
}

/// Of one client, or of all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct Whose {
    pub(in crate::http) client: Option<String>,
}

/// `GET /__admin`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) struct IndexBody {
    pub(in crate::http) name: &'static str,
    pub(in crate::http) version: &'static str,
    /// Where to find what.
    pub(in crate::http) clock: &'static str,
    pub(in crate::http) clients: &'static str,
    pub(in crate::http) recordings: &'static str,
    pub(in crate::http) requests: &'static str,
    pub(in crate::http) faults: &'static str,
}

/// `GET /__admin/clients`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) struct ClientsBody {
    pub(in crate::http) clients: Vec<ClientShown>,
}

/// A client that may log in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ClientShown {
    pub(in crate::http) client_id: String,
    pub(in crate::http) organization: String,
    pub(in crate::http) bucket: String,
}

/// `GET /__admin/recordings`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) struct RecordingsBody {
    pub(in crate::http) recordings: Vec<RecordingShown>,
    /// Recordings that there are, of which the last ones are shown.
    pub(in crate::http) count: usize,
}

/// `GET /__admin/faults`.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(in crate::http) struct RulesBody {
    pub(in crate::http) faults: Vec<RuleShown>,
}

/// `POST /__admin/tokens/expire`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Expired {
    /// Tokens that were good.
    pub(in crate::http) expired: usize,
}

/// `POST /__admin/websockets/drop`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Dropped {
    /// Connections that were open.
    pub(in crate::http) dropped: usize,
}
