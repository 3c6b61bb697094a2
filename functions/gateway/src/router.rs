//! The one list of routes.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};

use crate::actor::Actor;
use crate::edge::admin_networks;
use crate::error::ApiError;
use crate::{
    Gateway, alerts, assets, audit, credentials, events, forced_logoffs, headers, health, heartbeat, hosts, live,
    login, metrics, observe, quarantine, request_id, reservations, silences, stations, status_page, tokens, winrm, wol,
};

/// Largest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// Longest that a request may take, its body included.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// Ten attempts of a minute each, or a command that waits for two others, and what goes around them.
const STATION_LIMIT: Duration = Duration::from_secs(20 * 60);
/// What waits for a station.
const WITH_STATIONS: [&str; 6] =
    ["/api/wol", "/api/winrm", "/heartbeat/poll", "/hosts/local-mode", "/hosts/discover", "/hosts/provision"];
/// Names under which somebody might put a token into a query string.
const TOKEN_NAMES: [&str; 7] =
    ["token", "access_token", "api_key", "apikey", "x-lab-manager-token", "x-ops-internal-token", "authorization"];

impl Gateway {
    /// Everything that is answered. Paths of the API are accepted below `/api` and below `/ops/api`.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .route("/wol", post(wol::wake))
            .route("/winrm", post(winrm::run))
            .route("/hosts", get(hosts::list::list))
            .route("/hosts/discover", post(hosts::discover::post))
            .route("/hosts/provision", post(hosts::provision::provision))
            .route("/hosts/reload", post(hosts::reload::reload))
            .route("/hosts/winrm-credentials", post(credentials::save::save))
            .route("/hosts/local-mode", post(hosts::local_mode::set))
            .route("/hosts/{name}", patch(hosts::change::change).delete(hosts::change::retire))
            .route("/heartbeat/poll", post(heartbeat::poll::poll))
            .route("/heartbeat/stream", get(heartbeat::stream::listen))
            .route("/v1/stations", get(stations::list::list))
            .route("/v1/stations/{host}", get(stations::one::one))
            .route("/v1/alerts", get(alerts::list::list))
            .route("/v1/alerts/{id}", get(alerts::one::one))
            .route("/v1/alerts/{id}/acknowledge", post(alerts::acknowledge::post))
            .route("/v1/alerts/{id}/explain", get(alerts::explain::explain))
            .route("/v1/silences", get(silences::list).post(silences::set))
            .route("/v1/silences/{id}", delete(silences::end))
            .route("/v1/reservations", get(reservations::list))
            .route("/v1/reservations/{id}", get(reservations::one).put(reservations::set).delete(reservations::cancel))
            .route("/v1/tokens", get(tokens::list).post(tokens::add))
            .route("/v1/tokens/{id}", delete(tokens::revoke))
            .route("/v1/pairing-codes", post(tokens::offer))
            .route("/v1/pair", post(tokens::pair))
            .route("/v1/events", get(live::listen))
            .route("/v1/audit", get(audit::list))
            .route("/v1/forced-logoffs", get(forced_logoffs::list))
            .route("/v1/quarantine", get(quarantine::list));
        Router::new()
            .route("/", get(status_page::page))
            .route("/assets/status.css", get(assets::style))
            .route("/assets/icon.svg", get(assets::icon))
            .route("/lab-manager/login", post(login::login))
            .route("/lab-manager/logout", post(login::logout))
            .route("/admin/logout", post(login::logout)) // the older service's
            .route("/events/s3", post(events::receive))
            .route("/health", get(health::health))
            .route("/ops/health", get(health::public))
            .route("/ops/health/details", get(health::details))
            .route("/livez", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics::metrics))
            .nest("/api", api.clone())
            .nest("/ops/api", api)
            .fallback(unknown_address)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn(refuse_token_in_query))
            .layer(from_fn_with_state(self.clone(), admin_networks))
            .layer(from_fn(end_in_time))
            .layer(from_fn(observe::observe))
            .layer(from_fn(request_id::request_id))
            .layer(from_fn(headers::headers))
            .with_state(self.clone())
    }
}

async fn unknown_address(State(gateway): State<Gateway>, request: Request) -> ApiError {
    not_let_in(&gateway, request).await.unwrap_or(ApiError::UnknownAddress)
}

async fn method_not_allowed(State(gateway): State<Gateway>, request: Request) -> ApiError {
    not_let_in(&gateway, request).await.unwrap_or(ApiError::MethodNotAllowed)
}

/// Whoever is not let in is not told which addresses of the API there are.
async fn not_let_in(gateway: &Gateway, request: Request) -> Option<ApiError> {
    let (mut parts, _body) = request.into_parts();
    let path = parts.uri.path();
    if !["/api/", "/ops/api/"].iter().any(|api| path.starts_with(api)) {
        return None;
    }
    Actor::from_request_parts(&mut parts, gateway).await.err()
}

async fn end_in_time(request: Request, next: Next) -> Response {
    // Their own limits hold: attempts and how long each waits, or the time of a command.
    let path = request.uri().path();
    let limit = if WITH_STATIONS.iter().any(|slow| path.ends_with(slow)) { STATION_LIMIT } else { TIME_LIMIT };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => ApiError::TooSlow.into_response(),
    }
}

async fn refuse_token_in_query(request: Request, next: Next) -> Response {
    let named = request.uri().query().is_some_and(|query| {
        query
            .split('&')
            .filter_map(|pair| pair.split('=').next())
            .any(|name| TOKEN_NAMES.iter().any(|token| name.eq_ignore_ascii_case(token)))
    });
    if named { ApiError::TokenInQuery.into_response() } else { next.run(request).await }
}
