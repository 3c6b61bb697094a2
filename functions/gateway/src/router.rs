//! The one list of routes.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actor::Actor;
use crate::edge::admin_networks;
use crate::error::ApiError;
use crate::{
    Gateway, actions, alerts, assets, audit, credentials, events, forced_logoffs, headers, health, heartbeat, hosts,
    idempotency, labs, live, login, metrics, observe, openapi, operations, quarantine, refusals, request_id, requests,
    reservations, serve, silences, stations, status_page, tokens, winrm, wol,
};

/// Largest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// Longest that a request may take, its body included.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// Ten attempts of a minute each, or a command that waits for two others, and what goes around them.
const STATION_LIMIT: Duration = Duration::from_secs(20 * 60);
/// A list of a thousand reservations, on a slow database.
const LIST_LIMIT: Duration = Duration::from_secs(2 * 60);
/// What takes a list.
const LISTS: &str = "/reservations/import";
/// What waits for a station.
const WITH_STATIONS: [&str; 8] = [
    "/api/wol",
    "/api/winrm",
    "/heartbeat/poll",
    "/hosts/local-mode",
    "/hosts/discover",
    "/hosts/provision",
    "/reservations/start",
    "/reservations/end",
];
/// Names under which somebody might put a token into a query string.
const TOKEN_NAMES: [&str; 7] =
    ["token", "access_token", "api_key", "apikey", "x-lab-manager-token", "x-ops-internal-token", "authorization"];

/// What is answered below `/api`, described: `routes!` registers a handler and its `#[utoipa::path]` at once, so that the document of the
/// API can neither lack a route nor have one that is not there.
fn api() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(openapi::json))
        .routes(routes!(wol::wake))
        .routes(routes!(winrm::run))
        .routes(routes!(hosts::list::list))
        .routes(routes!(hosts::discover::post))
        .routes(routes!(hosts::provision::provision))
        .routes(routes!(hosts::reload::reload))
        .routes(routes!(credentials::save::save))
        .routes(routes!(hosts::local_mode::set))
        .routes(routes!(hosts::change::change, hosts::change::retire))
        .routes(routes!(heartbeat::poll::poll))
        .routes(routes!(heartbeat::stream::listen))
        .routes(routes!(labs::list))
        .routes(routes!(stations::list::list))
        .routes(routes!(stations::one::one))
        .routes(routes!(stations::history::history))
        .routes(routes!(stations::heartbeats::list))
        .routes(routes!(requests::hold::one, requests::hold::set, requests::hold::end))
        .routes(routes!(requests::leaving::leaving))
        .routes(routes!(requests::more_time::ask))
        .routes(routes!(requests::receipts::list))
        .routes(routes!(requests::receipts::one))
        .routes(routes!(requests::receipts::shown))
        .routes(routes!(requests::receipts::seen))
        .routes(routes!(requests::more_time::answer))
        .routes(routes!(alerts::list::list))
        .routes(routes!(alerts::one::one))
        .routes(routes!(alerts::acknowledge::post))
        .routes(routes!(alerts::resolve::post))
        .routes(routes!(alerts::explain::explain))
        .routes(routes!(silences::list, silences::set))
        .routes(routes!(silences::end))
        .routes(routes!(reservations::list::list))
        .routes(routes!(reservations::one, reservations::set, reservations::cancel))
        .routes(routes!(reservations::source::list))
        .routes(routes!(reservations::import::post))
        .routes(routes!(reservations::go_ahead::go_ahead))
        .routes(routes!(reservations::ordered::start))
        .routes(routes!(reservations::ordered::end))
        .routes(routes!(reservations::timeline::timeline))
        .routes(routes!(reservations::go_ahead::stop))
        .routes(routes!(operations::list))
        .routes(routes!(operations::one))
        .routes(routes!(operations::recent::recent))
        .routes(routes!(operations::stop))
        .routes(routes!(actions::list::list, actions::order::order))
        .routes(routes!(actions::list::one))
        .routes(routes!(actions::decide::approve))
        .routes(routes!(actions::decide::withdraw))
        .routes(routes!(tokens::list, tokens::add))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::offer))
        .routes(routes!(tokens::pair))
        .routes(routes!(live::listen))
        .routes(routes!(audit::list))
        .routes(routes!(forced_logoffs::list))
        .routes(routes!(quarantine::list))
}

/// What is answered elsewhere, described likewise.
fn beside() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(login::login))
        .routes(routes!(login::logout))
        .routes(routes!(events::receive))
        .routes(routes!(health::health))
        .routes(routes!(health::public))
        .routes(routes!(health::details))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
}

/// All that is described, in one document.
pub(crate) fn described(about: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    OpenApiRouter::with_openapi(about).merge(beside()).nest("/api", api()).into_openapi()
}

impl Gateway {
    /// Everything that is answered. Paths of the API are accepted below `/api` and below `/ops/api`.
    pub fn router(&self) -> Router {
        let (api, _) = api().split_for_parts();
        let api = api.layer(from_fn_with_state(self.clone(), idempotency::once));
        let api = api.layer(from_fn_with_state(self.clone(), refusals::write_down));
        let (beside, _) = beside().split_for_parts();
        // Pages, their files and another name of one address: these alone are not in the document.
        let pages = Router::new()
            .route("/", get(status_page::page))
            .route("/api/docs", get(openapi::page::page))
            .route("/assets/status.css", get(assets::style))
            .route("/assets/reference.css", get(assets::reference_style))
            .route("/assets/icon.svg", get(assets::icon))
            .route("/admin/logout", post(login::logout)); // the older service's
        pages
            .merge(beside)
            .nest("/api", api.clone())
            .nest("/ops/api", api)
            .fallback(unknown_address)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn(refuse_token_in_query))
            .layer(from_fn_with_state(self.clone(), admin_networks))
            .layer(from_fn_with_state(self.clone(), serve::body::in_time))
            .layer(from_fn(end_in_time))
            .layer(from_fn(observe::observe))
            .layer(from_fn(request_id::request_id))
            .layer(from_fn_with_state(self.clone(), headers::headers))
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
    if !["/api/", "/ops/api/", "/aas-admin/"].iter().any(|api| path.starts_with(api)) {
        return None;
    }
    Actor::from_request_parts(&mut parts, gateway).await.err()
}

async fn end_in_time(request: Request, next: Next) -> Response {
    // Their own limits hold: attempts and how long each waits, or the time of a command.
    let path = request.uri().path();
    let limit = match path {
        path if WITH_STATIONS.iter().any(|slow| path.ends_with(slow)) => STATION_LIMIT,
        path if path.ends_with(LISTS) => LIST_LIMIT,
        _ => TIME_LIMIT,
    };
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

#[cfg(test)]
mod tests {
    /// `route` registers a handler without a description, `routes` both.
    #[test]
    fn only_pages_and_their_files_are_not_in_the_document() {
        let code = include_str!("router.rs").split("#[cfg(test)]").next().unwrap();
        let undescribed: Vec<&str> =
            code.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(
            undescribed,
            ["/", "/api/docs", "/assets/status.css", "/assets/reference.css", "/assets/icon.svg", "/admin/logout"]
        );
        assert!(!code.contains(".route_service(") && !code.contains(".nest_service("));
    }
}
