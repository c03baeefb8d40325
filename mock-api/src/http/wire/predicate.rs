//! Predicates of queries, and the names that they may be about: those that the real API's SDKs list,
//! of conversations and of segments together.

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::words::{Operator, PredicateKind};

/// A predicate on a dimension, a property or a metric.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct QueryPredicate {
    #[serde(rename = "type")]
    #[schema(value_type = Option<PredicateKind>)]
    pub(in crate::http) kind: Option<String>,
    #[schema(schema_with = dimension)]
    pub(in crate::http) dimension: Option<String>,
    #[schema(schema_with = metric)]
    pub(in crate::http) metric: Option<String>,
    #[schema(value_type = Option<Operator>)]
    pub(in crate::http) operator: Option<String>,
    pub(in crate::http) value: Option<String>,
    pub(in crate::http) range: Option<NumericRange>,
}

/// `NumericRange`.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, ToSchema)]
pub(in crate::http) struct NumericRange {
    pub(in crate::http) gt: Option<f64>,
    pub(in crate::http) gte: Option<f64>,
    pub(in crate::http) lt: Option<f64>,
    pub(in crate::http) lte: Option<f64>,
}

impl NumericRange {
    /// That number alone.
    pub(in crate::http) const fn exactly(number: f64) -> Self {
        Self {
            gt: None,
            gte: Some(number),
            lt: None,
            lte: Some(number),
        }
    }

    pub(in crate::http) fn holds(&self, number: f64) -> bool {
        self.gt.is_none_or(|bound| number > bound)
            && self.gte.is_none_or(|bound| number >= bound)
            && self.lt.is_none_or(|bound| number < bound)
            && self.lte.is_none_or(|bound| number <= bound)
    }
}

fn dimension() -> Object {
    one_of(DIMENSIONS)
}

fn metric() -> Object {
    one_of(METRICS)
}

fn one_of(names: &[&'static str]) -> Object {
    let kinds = SchemaType::from_iter([Type::String, Type::Null]);
    let names = names.iter().copied().map(Some).chain([None]);
    ObjectBuilder::new()
        .schema_type(kinds)
        .enum_values(Some(names))
        .build()
}

/// Dimensions of conversations and of segments.
pub(in crate::http) const DIMENSIONS: &[&str] = &[
    "accessAttribute",
    "addressFrom",
    "addressTo",
    "agentAssistantId",
    "agentOwned",
    "ani",
    "authenticated",
    "bargedParticipantId",
    "callbackNumber",
    "callbackScheduledTime",
    "canonicalExternalContactId",
    "cleared",
    "coachedParticipantId",
    "conference",
    "conversationEnd",
    "conversationId",
    "conversationInitiator",
    "conversationStart",
    "customerParticipation",
    "deliveryPushed",
    "deliveryStatus",
    "destinationAddress",
    "destinationConversationId",
    "detectedSpeechEnd",
    "detectedSpeechStart",
    "direction",
    "disconnectType",
    "divisionId",
    "dnis",
    "edgeId",
    "engagementSource",
    "errorCode",
    "exitReason",
    "extendedDeliveryStatus",
    "externalContactId",
    "externalOrganizationId",
    "externalTag",
    "flaggedReason",
    "flowId",
    "flowName",
    "flowOutType",
    "flowOutcome",
    "flowOutcomeId",
    "flowOutcomeValue",
    "flowVersion",
    "groupId",
    "journeyActionId",
    "journeyActionMapId",
    "journeyCustomerId",
    "journeyCustomerIdType",
    "journeyCustomerSessionId",
    "mediaCount",
    "mediaStatsMinConversationMos",
    "mediaType",
    "messageType",
    "monitoredParticipantId",
    "originatingDirection",
    "originatingSocialMediaPublic",
    "outboundCampaignId",
    "outboundContactId",
    "outboundContactListId",
    "participantName",
    "protocolCallId",
    "provider",
    "purpose",
    "queueId",
    "recording",
    "remote",
    "remoteNameDisplayable",
    "requestedLanguageId",
    "requestedRouting",
    "requestedRoutingSkillId",
    "scoredAgentId",
    "screenMonitoredUserId",
    "screenRecording",
    "scriptId",
    "segmentEnd",
    "segmentType",
    "sessionDnis",
    "sipResponseCode",
    "skillExpressionId",
    "snippetRecording",
    "subject",
    "teamId",
    "transferTargetAddress",
    "transferTargetName",
    "transferType",
    "usedRouting",
    "userId",
    "wrapUpCode",
    "wrapUpNote",
];

/// Those of conversations only.
pub(in crate::http) const CONVERSATION_DIMENSIONS: [&str; 11] = [
    "accessAttribute",
    "conversationEnd",
    "conversationId",
    "conversationInitiator",
    "conversationStart",
    "customerParticipation",
    "divisionId",
    "externalTag",
    "mediaStatsMinConversationMos",
    "originatingDirection",
    "originatingSocialMediaPublic",
];

/// Those that are taken in filters of either kind, though the real API wants them in one.
pub(in crate::http) const ANYWHERE: [&str; 8] = [
    "conversationEnd",
    "conversationId",
    "direction",
    "mediaType",
    "originatingDirection",
    "provider",
    "recording",
    "screenRecording",
];

/// Metrics of conversations and of segments.
pub(in crate::http) const METRICS: &[&str] = &[
    "nAgentDeclined",
    "nAlertExpired",
    "nBlindTransferred",
    "nBotInteractions",
    "nCallbackAttempts",
    "nCallbackOverSla",
    "nCallbackScheduled",
    "nCfcOffered",
    "nCobrowseSessions",
    "nConnected",
    "nConsult",
    "nConsultTransferred",
    "nConversations",
    "nError",
    "nFlow",
    "nFlowMilestone",
    "nFlowOutcome",
    "nFlowOutcomeFailed",
    "nOffered",
    "nOutbound",
    "nOutboundAbandoned",
    "nOutboundAttempted",
    "nOutboundConnected",
    "nOverSla",
    "nStateTransitionError",
    "nTakeover",
    "nTransferred",
    "oAudioMessageCount",
    "oExternalAudioMessageCount",
    "oExternalMediaCount",
    "oFlowMilestone",
    "oMediaCount",
    "oMessageCount",
    "oMessageSegmentCount",
    "oMessageTurn",
    "oSkillExpressionApplications",
    "tAbandon",
    "tAcd",
    "tActiveCallback",
    "tActiveCallbackComplete",
    "tAcw",
    "tAgentResponseTime",
    "tAgentVideoConnected",
    "tAlert",
    "tAnswered",
    "tAverageAgentResponseTime",
    "tAverageCustomerResponseTime",
    "tBarging",
    "tCallbackAbandon",
    "tCallbackConnect",
    "tCallbackNotReached",
    "tCallbackVirtualWait",
    "tCfcAbandon",
    "tCfcAcd",
    "tCfcAnswered",
    "tCfcFlowOut",
    "tCoaching",
    "tCoachingComplete",
    "tConnected",
    "tContacting",
    "tConversationDuration",
    "tDialing",
    "tFirstConnect",
    "tFirstDial",
    "tFirstEngagement",
    "tFirstResponse",
    "tFlow",
    "tFlowDisconnect",
    "tFlowExit",
    "tFlowOut",
    "tFlowOutcome",
    "tHandle",
    "tHeld",
    "tHeldComplete",
    "tIvr",
    "tMonitoring",
    "tMonitoringComplete",
    "tNotResponding",
    "tPark",
    "tParkComplete",
    "tScreenMonitoring",
    "tSegmentDuration",
    "tShortAbandon",
    "tSnippetRecord",
    "tTalk",
    "tTalkComplete",
    "tTransmitting",
    "tUserResponseTime",
    "tVoicemail",
];
