//! Words that parameters may take, for the document: handlers refuse others in the API's words.
#![expect(dead_code, reason = "handlers look most of the words up as text")]

use serde::Deserialize;
use utoipa::ToSchema;

#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::http) enum MediaFormat {
    Wav,
    Webm,
    WavUlaw,
    OggVorbis,
    OggOpus,
    Mp3,
    None,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub(in crate::http) enum EmailFormat {
    Eml,
    None,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub(in crate::http) enum ArchiveFormat {
    Zip,
    None,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum ForumSource {
    Primary,
    Index,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::http) enum JobSort {
    UserId,
    DateCreated,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub(in crate::http) enum JobState {
    Fulfilled,
    Pending,
    Ready,
    Processing,
    Cancelled,
    Failed,
}

/// What a job does with the recordings that it selects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum JobAction {
    Archive,
    Delete,
    Export,
}

/// The one state that a client may ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum JobCommand {
    Processing,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum ChannelScope {
    Token,
    Oauthclient,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum ConnectionType {
    Streaming,
}

#[derive(ToSchema)]
pub(in crate::http) enum OrphanMedia {
    Call,
    Chat,
    Email,
    Screen,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::http) enum Operator {
    Matches,
    Exists,
    NotExists,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum PredicateKind {
    Dimension,
    Property,
    Metric,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(in crate::http) enum GrantType {
    ClientCredentials,
}

/// Topics of triggers; the second is of the forum's dialect.
#[derive(ToSchema)]
pub(in crate::http) enum TriggerTopic {
    #[schema(rename = "v2.detail.events.conversation.{id}.customer.end")]
    Ended,
    #[schema(rename = "conversation:recordings:metadata:ready")]
    Ready,
}

#[derive(ToSchema)]
pub(in crate::http) enum TopicExpand {
    #[schema(rename = "description")]
    Description,
    #[schema(rename = "requiresPermissions")]
    RequiresPermissions,
    #[schema(rename = "schema")]
    Schema,
    #[schema(rename = "transports")]
    Transports,
    #[schema(rename = "publicApiTemplateUriPaths")]
    PublicApiTemplateUriPaths,
}

/// What the real API can show more of a user.
#[derive(ToSchema)]
pub(in crate::http) enum UserExpand {
    #[schema(rename = "routingStatus")]
    RoutingStatus,
    #[schema(rename = "presence")]
    Presence,
    #[schema(rename = "integrationPresence")]
    IntegrationPresence,
    #[schema(rename = "conversationSummary")]
    ConversationSummary,
    #[schema(rename = "outOfOffice")]
    OutOfOffice,
    #[schema(rename = "geolocation")]
    Geolocation,
    #[schema(rename = "station")]
    Station,
    #[schema(rename = "authorization")]
    Authorization,
    #[schema(rename = "lasttokenissued")]
    Lasttokenissued,
    #[schema(rename = "authorization.unusedRoles")]
    AuthorizationUnusedRoles,
    #[schema(rename = "team")]
    Team,
    #[schema(rename = "workPlanBidRanks")]
    WorkPlanBidRanks,
    #[schema(rename = "externalContactsSettings")]
    ExternalContactsSettings,
    #[schema(rename = "profileSkills")]
    ProfileSkills,
    #[schema(rename = "certifications")]
    Certifications,
    #[schema(rename = "locations")]
    Locations,
    #[schema(rename = "groups")]
    Groups,
    #[schema(rename = "skills")]
    Skills,
    #[schema(rename = "languages")]
    Languages,
    #[schema(rename = "languagePreference")]
    LanguagePreference,
    #[schema(rename = "employerInfo")]
    EmployerInfo,
    #[schema(rename = "biography")]
    Biography,
    #[schema(rename = "dateLastLogin")]
    DateLastLogin,
    #[schema(rename = "customAttributes")]
    CustomAttributes,
    #[schema(rename = "date")]
    Date,
    #[schema(rename = "geolocationsettings")]
    Geolocationsettings,
    #[schema(rename = "organization")]
    Organization,
    #[schema(rename = "presencedefinitions")]
    Presencedefinitions,
    #[schema(rename = "divisionedpresencedefinitions")]
    Divisionedpresencedefinitions,
    #[schema(rename = "locationdefinitions")]
    Locationdefinitions,
    #[schema(rename = "orgauthorization")]
    Orgauthorization,
    #[schema(rename = "orgproducts")]
    Orgproducts,
    #[schema(rename = "favorites")]
    Favorites,
    #[schema(rename = "superiors")]
    Superiors,
    #[schema(rename = "directreports")]
    Directreports,
    #[schema(rename = "adjacents")]
    Adjacents,
    #[schema(rename = "routingskills")]
    Routingskills,
    #[schema(rename = "routinglanguages")]
    Routinglanguages,
    #[schema(rename = "fieldconfigs")]
    Fieldconfigs,
    #[schema(rename = "token")]
    Token,
    #[schema(rename = "trustors")]
    Trustors,
    #[schema(rename = "logCapture")]
    LogCapture,
}
