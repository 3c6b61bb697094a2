//! Whoever was refused a change is in the audit log too (gateway.md section 2): one layer around the API, since no handler that refuses
//! has a unit of work to write it with. Who is not known (401) is counted by `/metrics`, and what could not be understood (400, 404) was
//! no change of anything.

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;
use stationkeeper_store::{AuditAction, AuditEntry, AuditOutcome};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::actor::{Actor, Counted};
use crate::error::ErrorParts;
use crate::idempotency::REPLAYED;

/// Longest target and longest text that the log takes, in characters.
const TARGET_LENGTH: usize = 128;
const TEXT_LENGTH: usize = 500;

/// What is refused, and not only misunderstood.
const REFUSED: [StatusCode; 4] =
    [StatusCode::FORBIDDEN, StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED, StatusCode::UNPROCESSABLE_ENTITY];

/// Writes down that a change was refused.
pub(crate) async fn write_down(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let params = RawPathParams::from_request_parts(&mut parts, &gateway).await.ok();
    let asked = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status();
    if REFUSED.contains(&status) && !response.headers().contains_key(REPLAYED) {
        let said = response.extensions().get::<ErrorParts>().cloned();
        append(&gateway, asked, params, status, said).await;
    }
    response
}

async fn append(
    gateway: &Gateway,
    mut asked: Parts,
    params: Option<RawPathParams>,
    status: StatusCode,
    said: Option<ErrorParts>,
) {
    // A page of another site is refused as well: the entry says so, and in whose name it asked.
    asked.headers.remove(header::ORIGIN);
    asked.extensions.insert(Counted);
    let Ok(actor) = Actor::from_request_parts(&mut asked, gateway).await else { return };
    let route = asked.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let route = &route[route.find("/api/").map_or(0, |at| at + "/api".len())..];
    let param = params.as_ref().and_then(|params| params.iter().next());
    let target = param.map_or(route, |(_, value)| value).chars().take(TARGET_LENGTH).collect::<String>();
    let host = param.filter(|(name, _)| *name == "host").and_then(|(_, value)| HostName::parse(value).ok());
    let entry = AuditEntry::done(&actor.author(), action(&asked.method, route), target, gateway.now())
        .of(host.as_ref())
        .with(json!({
            "request": format!("{} {route}", asked.method),
            "status": status.as_u16(),
            "code": said.as_ref().map(|parts| &parts.code),
            "error": said.as_ref().map(|parts| parts.text.chars().take(TEXT_LENGTH).collect::<String>()),
        }))
        .came_to(AuditOutcome::Refused);
    if let Err(error) = gateway.store().append_audit(&entry).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a refusal is not in the audit log");
    }
}

/// What was asked for: by the template of its address, without `/api`.
fn action(method: &Method, route: &str) -> AuditAction {
    match (method.as_str(), route) {
        ("POST", "/v1/alerts/{id}/acknowledge") => AuditAction::AlertAcknowledge,
        ("POST", "/v1/alerts/{id}/resolve") => AuditAction::AlertResolve,
        ("POST", "/v1/silences") => AuditAction::SilenceSet,
        ("DELETE", "/v1/silences/{id}") => AuditAction::SilenceEnd,
        ("PUT", "/v1/reservations/{id}") => AuditAction::ReservationPut,
        ("DELETE", "/v1/reservations/{id}") => AuditAction::ReservationCancel,
        ("POST", "/v1/reservations/import") => AuditAction::ReservationImport,
        ("POST", "/v1/reservations/{id}/override") => AuditAction::ReservationOverride,
        ("POST", "/reservations/start") => AuditAction::ReservationStart,
        ("POST", "/reservations/end") => AuditAction::ReservationEnd,
        ("POST", "/v1/stations/{host}/stop") => AuditAction::StationStop,
        ("POST", "/v1/stations/{host}/hold") => AuditAction::HoldSet,
        ("DELETE", "/v1/stations/{host}/hold") => AuditAction::HoldEnd,
        ("POST", "/v1/stations/{host}/leaving") => AuditAction::StationLeaving,
        ("POST", "/v1/stations/{host}/more-time") => AuditAction::StationMoreTime,
        ("POST", "/v1/requests/{id}/answer") => AuditAction::RequestAnswer,
        ("POST", "/v1/requests/{id}/shown" | "/v1/requests/{id}/seen") => AuditAction::RequestReceipt,
        ("POST", "/v1/actions") => AuditAction::ActionOrder,
        ("POST", "/v1/actions/{id}/approve") => AuditAction::ActionApprove,
        ("POST", "/v1/actions/{id}/withdraw") => AuditAction::ActionWithdraw,
        ("POST", "/v1/operations/{id}/stop") => AuditAction::StationStop,
        ("POST", "/v1/tokens") => AuditAction::TokenAdd,
        ("DELETE", "/v1/tokens/{id}") => AuditAction::TokenRevoke,
        ("POST", "/v1/pairing-codes") => AuditAction::PairingOffer,
        ("POST", "/wol") => AuditAction::StationWake,
        ("POST", "/winrm") => AuditAction::StationCommand,
        ("POST", "/hosts/local-mode") => AuditAction::StationLocalMode,
        ("POST", "/heartbeat/poll") => AuditAction::StationCommand,
        ("POST", "/hosts/discover") => AuditAction::HostAdd,
        ("POST", "/hosts/provision") => AuditAction::HostAdd,
        ("PATCH", "/hosts/{name}") => AuditAction::HostChange,
        ("DELETE", "/hosts/{name}") => AuditAction::HostRetire,
        ("POST", "/hosts/reload") => AuditAction::CatalogReload,
        ("POST", "/hosts/winrm-credentials") => AuditAction::CredentialSet,
        _ => AuditAction::Request,
    }
}
