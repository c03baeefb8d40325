//! Words that parameters may take, for the document: handlers refuse others in the API's words.
#![expect(dead_code, reason = "handlers look the words up as text")]

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

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub(in crate::http) enum JobAction {
    Archive,
    Delete,
    Export,
}

/// The one state that a client may ask for.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
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
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::http) enum Dimension {
    ConversationId,
    ConversationEnd,
    MediaType,
    Direction,
    OriginatingDirection,
    Provider,
    Recording,
    ScreenRecording,
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
