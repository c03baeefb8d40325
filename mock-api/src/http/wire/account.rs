//! Who is asking: user, organization, token, settings and limits.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::whole;

/// `UserMe`, as far as a login needs it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct UserMe {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) email: String,
    pub(in crate::http) username: String,
    pub(in crate::http) state: &'static str,
    pub(in crate::http) version: u32,
    pub(in crate::http) chat: Chat,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) station: Option<Stations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) organization: Option<Organization>,
    pub(in crate::http) self_uri: String,
}

/// Where a user's messages go.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Chat {
    pub(in crate::http) jabber_id: String,
}

/// A user's stations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Stations {
    pub(in crate::http) effective_station: Station,
}

/// A softphone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Station {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    #[serde(rename = "type")]
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) web_rtc_user_id: String,
    pub(in crate::http) web_rtc_persistent_enabled: bool,
    pub(in crate::http) web_rtc_call_appearances: u32,
    pub(in crate::http) self_uri: String,
}

/// `Organization`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Organization {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) default_language: &'static str,
    pub(in crate::http) state: &'static str,
    pub(in crate::http) version: u32,
    pub(in crate::http) self_uri: &'static str,
}

/// `TokenInfo`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct TokenInfo {
    pub(in crate::http) organization: Named,
    pub(in crate::http) home_organization: Named,
    #[schema(value_type = Vec<String>)]
    pub(in crate::http) authorized_scope: [(); 0],
    #[serde(rename = "OAuthClient")]
    pub(in crate::http) o_auth_client: Named,
}

/// `Queue`.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Queue {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) member_count: u32,
    pub(in crate::http) self_uri: String,
}

/// Something with a name.
#[derive(Clone, Serialize, ToSchema)]
pub(in crate::http) struct Named {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
}

/// `RecordingSettings`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the API's own shape")]
pub(in crate::http) struct RecordingSettings {
    #[serde(deserialize_with = "whole::number")]
    #[schema(maximum = 2000)]
    pub(in crate::http) max_simultaneous_streams: u32,
    #[serde(deserialize_with = "whole::number")]
    #[schema(maximum = 2000)]
    pub(in crate::http) max_configurable_screen_recording_streams: u32,
    pub(in crate::http) regional_recording_storage_enabled: bool,
    /// Minutes.
    #[serde(deserialize_with = "whole::number")]
    #[schema(minimum = 2, maximum = 60)]
    pub(in crate::http) recording_playback_url_ttl: u32,
    /// Minutes.
    #[serde(deserialize_with = "whole::number")]
    #[schema(minimum = 2, maximum = 60)]
    pub(in crate::http) recording_batch_download_url_ttl: u32,
    pub(in crate::http) stop_recording_when_only_external_participants: bool,
}

impl Default for RecordingSettings {
    fn default() -> Self {
        Self {
            max_simultaneous_streams: 2000,
            max_configurable_screen_recording_streams: 2000,
            regional_recording_storage_enabled: false,
            recording_playback_url_ttl: 60,
            recording_batch_download_url_ttl: 60,
            stop_recording_when_only_external_participants: false,
        }
    }
}

/// `Limit`.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub(in crate::http) struct Limit {
    pub(in crate::http) key: &'static str,
    pub(in crate::http) namespace: &'static str,
    pub(in crate::http) value: u64,
}

/// `LimitDocumentation`.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LimitDocumentation {
    pub(in crate::http) url: &'static str,
    pub(in crate::http) namespaces: Vec<NamespaceDocs>,
}

/// `NamespaceDocs`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct NamespaceDocs {
    pub(in crate::http) name: &'static str,
    pub(in crate::http) friendly_name: &'static str,
    pub(in crate::http) limits: Vec<LimitDocs>,
}

/// `LimitDocs`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct LimitDocs {
    pub(in crate::http) key: &'static str,
    pub(in crate::http) default_value: u64,
    /// Nobody can change a limit through this API.
    pub(in crate::http) configurable: bool,
}

impl LimitDocs {
    pub(in crate::http) const fn of(limit: Limit) -> Self {
        Self {
            key: limit.key,
            default_value: limit.value,
            configurable: false,
        }
    }
}

/// A list, and nothing else.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Entities<T> {
    pub(in crate::http) entities: Vec<T>,
}
