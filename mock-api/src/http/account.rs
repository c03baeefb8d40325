//! Who is asking: what logins of SDKs and of the streaming client look up, and the settings and
//! limits of an organization.

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use parking_lot::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::clients::Client;
use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::ids::Uuid;
use super::params::{Params, invalid};
use super::state::ApiState;
use super::wire::account::{
    Chat, Entities, Limit, LimitDocs, LimitDocumentation, Named, NamespaceDocs, Organization,
    RecordingSettings, Station, Stations, TokenInfo, UserMe,
};
use super::wire::words;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(user_me))
        .routes(routes!(token_me))
        .routes(routes!(settings, change_settings))
        .routes(routes!(namespaces))
        .routes(routes!(docs))
        .routes(routes!(limits))
        .routes(routes!(default_limits))
}

/// The organization's settings.
#[derive(Debug, Default)]
pub(super) struct SettingsDesk(Mutex<RecordingSettings>);

impl SettingsDesk {
    pub(super) fn get(&self) -> RecordingSettings {
        *self.0.lock()
    }

    /// Nobody has changed them.
    pub(super) fn clear(&self) {
        *self.0.lock() = RecordingSettings::default();
    }
}

/// What the real API can show more of a user. Here `station` and `organization` add something.
const EXPANDED: &[&str] = &[
    "routingStatus",
    "presence",
    "integrationPresence",
    "conversationSummary",
    "outOfOffice",
    "geolocation",
    "station",
    "authorization",
    "lasttokenissued",
    "authorization.unusedRoles",
    "team",
    "workPlanBidRanks",
    "externalContactsSettings",
    "profileSkills",
    "certifications",
    "locations",
    "groups",
    "skills",
    "languages",
    "languagePreference",
    "employerInfo",
    "biography",
    "dateLastLogin",
    "customAttributes",
    "date",
    "geolocationsettings",
    "organization",
    "presencedefinitions",
    "divisionedpresencedefinitions",
    "locationdefinitions",
    "orgauthorization",
    "orgproducts",
    "favorites",
    "superiors",
    "directreports",
    "adjacents",
    "routingskills",
    "routinglanguages",
    "fieldconfigs",
    "token",
    "trustors",
    "logCapture",
];

/// The user that the client acts as.
#[utoipa::path(
    get,
    path = "/api/v2/users/me",
    tag = "account",
    params(("expand" = Option<Vec<words::UserExpand>>, Query, style = Form, explode = false,
        description = "`station` and `organization` add something; one parameter each will do")),
    responses((status = 200, body = UserMe))
)]
async fn user_me(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let expanded = params.words("expand", EXPANDED)?;
    let client = state.client(caller);
    let station = expanded.contains(&"station").then(|| Stations {
        effective_station: station_of(&state, caller, client),
    });
    let organization = expanded.contains(&"organization");
    Ok(Json(UserMe {
        station,
        organization: organization.then(|| organization_of(&state, caller)),
        ..user_of(&state, caller, client)
    })
    .into_response())
}

/// The user that a client of the caller's organization acts as.
pub(super) fn user_of(state: &ApiState, caller: Caller, client: &Client) -> UserMe {
    let user = &client.user;
    let organization = &state.tenant(caller).config().organization;
    let email = format!("{}@{organization}.example", client.id);
    UserMe {
        id: user.id.clone(),
        name: client.id.clone(),
        username: email.clone(),
        email,
        state: "active",
        version: 1,
        chat: Chat {
            jabber_id: format!("{}@{organization}.orgspan.com", user.id),
        },
        station: None,
        organization: None,
        self_uri: user.self_uri.clone(),
    }
}

/// The softphone of such a user.
pub(super) fn station_of(state: &ApiState, caller: Caller, client: &Client) -> Station {
    let name = format!("station of {}", client.user.id);
    let id = Uuid::keyed(&state.desk(caller).key, &name).to_string();
    Station {
        name: format!("{} softphone", client.id),
        kind: "inin_webrtc_softphone",
        web_rtc_user_id: client.user.id.clone(),
        web_rtc_persistent_enabled: false,
        web_rtc_call_appearances: 100,
        self_uri: format!("/api/v2/stations/{id}"),
        id,
    }
}

/// The organization that the caller is of.
pub(super) fn organization_of(state: &ApiState, caller: Caller) -> Organization {
    let name = state.tenant(caller).config().organization.clone();
    Organization {
        id: name.clone(),
        name,
        default_language: "en-US",
        state: "active",
        version: 1,
        self_uri: "/api/v2/organizations/me",
    }
}

/// What the token stands for.
#[utoipa::path(
    get,
    path = "/api/v2/tokens/me",
    tag = "account",
    responses((status = 200, body = TokenInfo))
)]
async fn token_me(State(state): State<ApiState>, caller: Caller) -> Response {
    let organization = state.tenant(caller).config().organization.clone();
    let organization = Named {
        id: organization.clone(),
        name: organization,
    };
    let client = state.client(caller).id.clone();
    Json(TokenInfo {
        home_organization: organization.clone(),
        organization,
        authorized_scope: [],
        o_auth_client: Named {
            id: client.clone(),
            name: client,
        },
    })
    .into_response()
}

/// The organization's recording settings.
#[utoipa::path(
    get,
    path = "/api/v2/recording/settings",
    tag = "account",
    params(("createDefault" = Option<bool>, Query)),
    responses((status = 200, body = RecordingSettings))
)]
async fn settings(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    state.need_any(
        caller,
        &[
            "recording:settings:view",
            "recording:settings:editScreenRecordings",
        ],
    )?;
    params.flag("createDefault")?;
    Ok(Json(state.desk(caller).settings.get()).into_response())
}

/// Changes them.
#[utoipa::path(
    put,
    path = "/api/v2/recording/settings",
    tag = "account",
    request_body = RecordingSettings,
    responses((status = 200, body = RecordingSettings))
)]
async fn change_settings(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody<RecordingSettings>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:settings:editScreenRecordings"])?;
    let settings = body.value()?;
    for (field, minutes) in [
        (
            "recordingPlaybackUrlTtl",
            settings.recording_playback_url_ttl,
        ),
        (
            "recordingBatchDownloadUrlTtl",
            settings.recording_batch_download_url_ttl,
        ),
    ] {
        if !(2..=60).contains(&minutes) {
            return Err(invalid(
                field,
                Some(&minutes.to_string()),
                "2 to 60 minutes",
            ));
        }
    }
    for (field, streams) in [
        ("maxSimultaneousStreams", settings.max_simultaneous_streams),
        (
            "maxConfigurableScreenRecordingStreams",
            settings.max_configurable_screen_recording_streams,
        ),
    ] {
        if streams > 2000 {
            return Err(invalid(field, Some(&streams.to_string()), "0 to 2000"));
        }
    }
    *state.desk(caller).settings.0.lock() = settings;
    Ok(Json(settings).into_response())
}

const NAMESPACES: [&str; 3] = ["notifications", "platform.api", "recording"];

/// The parts of the API that have limits.
#[utoipa::path(
    get,
    path = "/api/v2/organizations/limits/namespaces",
    tag = "account",
    params(
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("pageNumber" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
    ),
    responses((status = 200, body = Entities<String>))
)]
async fn namespaces(_: Caller, params: Params) -> Result<Response, ApiError> {
    let paging = super::paging::Paging::of(&params, super::paging::PageSize::USUAL)?;
    let entities = NAMESPACES.iter().skip(paging.offset()).take(paging.size());
    Ok(Json(Entities {
        entities: entities.copied().collect(),
    })
    .into_response())
}

/// Where the limits are explained.
#[utoipa::path(
    get,
    path = "/api/v2/organizations/limits/docs",
    tag = "account",
    responses((status = 200, body = LimitDocumentation))
)]
async fn docs(State(state): State<ApiState>, caller: Caller) -> Response {
    let docs = NAMESPACES.iter().map(|namespace| {
        let limits = limits_in(&state, caller, namespace).into_iter();
        NamespaceDocs {
            name: namespace,
            friendly_name: namespace,
            limits: limits.map(LimitDocs::of).collect(),
        }
    });
    Json(LimitDocumentation {
        url: "https://developer.genesys.cloud/organization/organization/limits",
        namespaces: docs.collect(),
    })
    .into_response()
}

/// The limits of a part of the API.
#[utoipa::path(
    get,
    path = "/api/v2/organizations/limits/namespaces/{namespaceName}",
    tag = "account",
    params(("namespaceName" = String, Path)),
    responses((status = 200, body = Entities<Limit>))
)]
async fn limits(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(namespace): PathOf<String>,
) -> Result<Response, ApiError> {
    limits_of(&state, caller, &namespace)
}

/// The limits of a part of the API, unless they are changed: nobody can.
#[utoipa::path(
    get,
    path = "/api/v2/organizations/limits/namespaces/{namespaceName}/defaults",
    tag = "account",
    params(("namespaceName" = String, Path)),
    responses((status = 200, body = Entities<Limit>))
)]
async fn default_limits(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(namespace): PathOf<String>,
) -> Result<Response, ApiError> {
    limits_of(&state, caller, &namespace)
}

fn limits_of(state: &ApiState, caller: Caller, name: &str) -> Result<Response, ApiError> {
    let namespace = *NAMESPACES
        .iter()
        .find(|known| **known == name)
        .ok_or_else(|| Entity::Namespace.none(name))?;
    let entities = limits_in(state, caller, namespace);
    Ok(Json(Entities { entities }).into_response())
}

fn limits_in(state: &ApiState, caller: Caller, namespace: &'static str) -> Vec<Limit> {
    let limit = |key, value: u64| Limit {
        key,
        namespace,
        value,
    };
    let channels = state.config().channels;
    match namespace {
        "notifications" => vec![
            limit("channels.max", channels.per_client as u64),
            limit("topics.per.channel.max", channels.topics as u64),
        ],
        "platform.api" => state
            .tenant(caller)
            .rate_limit()
            .map(|rate| limit("client.credentials.token.rate.per.minute", rate.calls))
            .into_iter()
            .collect(),
        _ => {
            let jobs = state.tenant(caller).job_slots();
            let jobs = jobs.map(|jobs| limit("bulk.jobs.concurrent.max", jobs.into()));
            let batch = limit("batch.request.items.max", 100);
            jobs.into_iter().chain([batch]).collect()
        }
    }
}
