//! `POST /api/hosts/local-mode`: puts a station into local mode or takes it out, in place of a hold. What is wanted is kept; what is, its
//! heartbeat says.

use axum::Json;
use axum::extract::State;
use chrono::SubsecRound;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_rules::requests::LocalModeOrder;
use stationkeeper_store::{AuditAction, AuditEntry, AuditOutcome, CatalogHost};

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, boolean, first_text, instant};
use crate::hosts::known;
use crate::hosts::list::{desired, observed};
use crate::orchestrator;
use crate::requests::hold::end_receipt;
use crate::requests::{claim_patiently, tell_station};

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
    let until = match first_text(&body, &["until", "expiresAt", "expires_at"]) {
        Some(text) => Some(instant("until", &text)?.trunc_subsecs(6)),
        None => None,
    };
    let now = gateway.now();
    if until.is_some_and(|until| !enabled || until <= now) {
        return Err(bad("until is the end of local mode that is set: an instant to come"));
    }
    gateway.way_to(&host).await?;
    let order = LocalModeOrder {
        expires_at: until,
        ..LocalModeOrder::new(host.entry.host.clone(), enabled, &actor.name, reason, now)
    };
    carry_out(&gateway, &actor, &host, order.clone()).await?;
    let order = gateway.store().local_mode_order(&order.host).await?.unwrap_or(order);
    let station = gateway.store().station(&order.host).await?;
    Ok(Json(json!({
        "host": name,
        "localModeEnabled": enabled,
        "desired": desired(&order),
        "observed": observed(station.as_ref()),
    })))
}

/// What is wanted is kept before it is issued, whatever becomes of it; a hold is over by that.
async fn carry_out(
    gateway: &Gateway,
    actor: &Actor,
    host: &CatalogHost,
    order: LocalModeOrder,
) -> Result<(), ApiError> {
    let detail = json!({ "enabled": order.enabled, "reason": order.reason, "until": order.expires_at });
    let entry = |detail: Value| {
        AuditEntry::done(&actor.author(), AuditAction::StationLocalMode, order.host.as_str(), gateway.now())
            .of(Some(&order.host))
            .with(detail)
    };
    let mut work = gateway.store().begin().await?;
    work.states().lock(std::slice::from_ref(&order.host)).await?;
    let replaced = work.states().local_mode_order(&order.host).await?;
    end_receipt(&mut work, replaced.and_then(|replaced| replaced.request_id).as_ref(), order.ordered_at).await?;
    work.states().order_local_mode(&order).await?;
    work.audit().append(&[entry(detail.clone())]).await?;
    work.commit().await?;
    let claimant = orchestrator::name();
    claim_patiently(gateway, &order.host, &claimant).await?;
    // Whoever had the claim before may have been told of a newer order.
    let stands = gateway.store().local_mode_order(&order.host).await?;
    if stands.is_none_or(|stands| stands.ordered_at != order.ordered_at) {
        let mut work = gateway.store().begin().await?;
        work.states().give_back_local_mode(&order.host, &claimant).await?;
        work.commit().await?;
        gateway.shared().keeper.at_work.poke();
        return Err(ApiError::StationBusy { host: order.host, reservation_id: None });
    }
    let told = tokio::select! {
        told = tell_station(gateway, host, order.enabled) => told,
        () = gateway.closing() => return Err(ApiError::Closing),
    };
    let settled = match &told {
        Ok(()) => order.clone().applied(gateway.now()),
        // It is the caller who tries again.
        Err(error) => LocalModeOrder { problem: Some(error.to_string()), ..order.clone() },
    };
    let mut work = gateway.store().begin().await?;
    work.states().settle_local_mode(&settled).await?;
    work.states().give_back_local_mode(&order.host, &claimant).await?;
    if let Err(error) = &told {
        let mut detail = detail;
        detail["error"] = Value::String(error.to_string());
        work.audit().append(&[entry(detail).came_to(AuditOutcome::Failed)]).await?;
    }
    work.commit().await?;
    gateway.shared().keeper.at_work.poke();
    if told.is_ok() {
        tracing::info!(host = %order.host, enabled = order.enabled, "local mode was set");
    }
    told
}
