//! Users, stations and queues of an organization: what ids in other answers lead to. A client acts as a
//! user of its own, with one softphone; all calls of an organization come by one queue.

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::account::{organization_of, station_of, user_of};
use super::error::{ApiError, Entity};
use super::extract::PathOf;
use super::gateway::Caller;
use super::paging::{PageSize, Paging};
use super::params::Params;
use super::seen::queue_id;
use super::state::ApiState;
use super::wire::account::{Organization, Queue, Station, UserMe};
use super::wire::paging::Listing;

const USERS: &str = "/api/v2/users";
const QUEUES: &str = "/api/v2/routing/queues";

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(users))
        .routes(routes!(user))
        .routes(routes!(station))
        .routes(routes!(queues))
        .routes(routes!(queue))
        .routes(routes!(organization))
}

/// The organization's users.
#[utoipa::path(
    get,
    path = "/api/v2/users",
    tag = "account",
    params(
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("pageNumber" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
    ),
    responses((status = 200, body = Listing<UserMe>))
)]
async fn users(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::of(&params, PageSize::USUAL)?;
    let all: Vec<_> = state.clients().of(caller.tenant).collect();
    let base = params.address_of(USERS);
    let listing = paging.listing(&base, &all, |client| Some(user_of(&state, caller, client)));
    Ok(Json(listing).into_response())
}

/// A user of the organization.
#[utoipa::path(
    get,
    path = "/api/v2/users/{userId}",
    tag = "account",
    params(("userId" = String, Path)),
    responses((status = 200, body = UserMe))
)]
async fn user(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let mut clients = state.clients().of(caller.tenant);
    let client = clients.find(|client| client.user.id == id);
    let client = client.ok_or_else(|| Entity::User.none(id))?;
    Ok(Json(user_of(&state, caller, client)).into_response())
}

/// A user's softphone.
#[utoipa::path(
    get,
    path = "/api/v2/stations/{stationId}",
    tag = "account",
    params(("stationId" = String, Path)),
    responses((status = 200, body = Station))
)]
async fn station(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let clients = state.clients().of(caller.tenant);
    let mut stations = clients.map(|client| station_of(&state, caller, client));
    let station = stations.find(|station| station.id == id);
    let station = station.ok_or_else(|| Entity::Station.none(id))?;
    Ok(Json(station).into_response())
}

/// The organization's queues: there is one.
#[utoipa::path(
    get,
    path = "/api/v2/routing/queues",
    tag = "account",
    params(
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("pageNumber" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
        ("name" = Option<String>, Query, description = "A name, or the beginning of one and `*`"),
    ),
    responses((status = 200, body = Listing<Queue>))
)]
async fn queues(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::of(&params, PageSize::USUAL)?;
    let wanted = params.text("name")?.filter(|name| !name.is_empty());
    let named = |queue: &Queue| {
        wanted.is_none_or(|wanted| match wanted.strip_suffix('*') {
            Some(start) => queue.name.starts_with(start),
            None => queue.name == wanted,
        })
    };
    let all: Vec<Queue> = [queue_of(&state, caller)]
        .into_iter()
        .filter(named)
        .collect();
    let listing = paging.listing(&params.address_of(QUEUES), &all, |queue| {
        Some(queue.clone())
    });
    Ok(Json(listing).into_response())
}

/// A queue.
#[utoipa::path(
    get,
    path = "/api/v2/routing/queues/{queueId}",
    tag = "account",
    params(("queueId" = String, Path)),
    responses((status = 200, body = Queue))
)]
async fn queue(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let queue = queue_of(&state, caller);
    if queue.id != id {
        return Err(Entity::Queue.none(id));
    }
    Ok(Json(queue).into_response())
}

/// The organization.
#[utoipa::path(
    get,
    path = "/api/v2/organizations/me",
    tag = "account",
    responses((status = 200, body = Organization))
)]
async fn organization(State(state): State<ApiState>, caller: Caller) -> Response {
    Json(organization_of(&state, caller)).into_response()
}

fn queue_of(state: &ApiState, caller: Caller) -> Queue {
    let id = queue_id(state, caller);
    let users = state.clients().of(caller.tenant).count();
    Queue {
        name: "Softphones".to_owned(),
        self_uri: format!("{QUEUES}/{id}"),
        id,
        member_count: u32::try_from(users).unwrap_or(u32::MAX),
    }
}
