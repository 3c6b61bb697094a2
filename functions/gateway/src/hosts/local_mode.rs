//! `POST /api/hosts/local-mode`: puts a station into local mode or takes it out. What is wanted is kept; what is, its heartbeat says.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_station_link::{CommandOutcome, StationCommand};
use stationkeeper_store::{AuditAction, AuditEntry, AuditOutcome, LocalModeOrder};

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, boolean, first_text};
use crate::hosts::known;
use crate::hosts::list::{desired, observed};

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// Puts a station into local mode, or takes it out.
///
/// Role: instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/hosts/local-mode", operation_id = "old_set_local_mode", tag = "older service",
    request_body(content = Value, example = json!({ "host": "LAB-WS01", "enabled": true, "reason": "Maintenance" })),
    responses(
        (status = OK, description = "What is wanted, and what the station shows", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such host", body = ErrorBody),
        (status = INTERNAL_SERVER_ERROR, description = "`INTERNAL_ERROR`: the station refused, was not reached, or does not let the gateway in; the header `X-Station-Error` says which", body = ErrorBody),
    ),
)]
pub(crate) async fn set(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<Value>, ApiError> {
    let bad = |text: &str| ApiError::BadRequest(text.to_owned());
    let name = first_text(&body, &["host", "hostName"]).ok_or_else(|| bad("host is required"))?;
    let enabled = body.get("enabled").filter(|value| !value.is_null()).ok_or_else(|| bad("enabled is required"))?;
    let enabled = boolean(enabled).ok_or_else(|| bad("enabled is true or false"))?;
    let reason = first_text(&body, &["reason"]);
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        return Err(ApiError::BadRequest(format!("reason has at most {LONGEST_REASON} characters")));
    }
    let host = known(&gateway, &name).await?.ok_or_else(|| ApiError::UnknownStation(name.clone()))?;
    actor.may_act_in_one_of(&host.access.labs)?;
    let (access, station) = gateway.way_to(&host).await?;
    let host = host.entry.host;
    let detail = json!({ "enabled": enabled, "reason": reason });
    let entry = |detail: Value| {
        AuditEntry::done(&actor.author(), AuditAction::StationLocalMode, host.as_str(), gateway.now())
            .of(Some(&host))
            .with(detail)
    };
    let order =
        LocalModeOrder { host: host.clone(), enabled, owner: actor.name.clone(), reason, ordered_at: gateway.now() };
    // Before it is issued: what is wanted is kept, whatever becomes of it.
    let mut work = gateway.store().begin().await?;
    work.states().order_local_mode(&order).await?;
    work.audit().append(&[entry(detail.clone())]).await?;
    work.commit().await?;
    let command = StationCommand::SetLocalMode { enabled };
    let ran = tokio::select! {
        ran = gateway.shared().commander.run(&access, &host, &station, &command) => ran,
        () = gateway.closing() => return Err(ApiError::Closing),
    };
    let refused = match ran {
        Ok(report) if report.outcome == CommandOutcome::Done => None,
        Ok(report) => Some(ApiError::LocalModeNotSet { host: host.clone(), exit_code: report.exit_code }),
        Err(error) => Some(ApiError::Station(error)),
    };
    if let Some(error) = refused {
        let mut detail = detail;
        detail["error"] = Value::String(error.to_string());
        gateway.store().append_audit(&entry(detail).came_to(AuditOutcome::Failed)).await?;
        return Err(error);
    }
    tracing::info!(%host, enabled, "local mode was set");
    let station = gateway.store().station(&host).await?;
    Ok(Json(json!({
        "host": name,
        "localModeEnabled": enabled,
        "desired": desired(&order),
        "observed": observed(station.as_ref()),
    })))
}
