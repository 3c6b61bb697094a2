//! `POST /api/v1/reservations/{id}/override`: it goes ahead although local mode or somebody who is logged on stands in its way; and
//! `POST /api/v1/stations/{host}/stop`: what is done on a station now ends before its next step.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::ErrorBody;
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::orchestrator::Override;
use stationkeeper_store::{AuditAction, AuditEntry};
use stationkeeper_telemetry::HostName;
use utoipa::ToSchema;

use crate::Gateway;
use crate::actions::decide::stop_wakes;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query};
use crate::hosts::known;

/// Longest reason, in characters.
const REASON_LENGTH: usize = 2_000;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OverrideRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Why it goes ahead.
    reason: String,
}

/// Lets a reservation go ahead although local mode or a local session blocks it. Who said so and why is kept with what is done.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/override", operation_id = "override_reservation", tag = "reservations",
    params(("id" = String, Path, description = "The booking system's", max_length = 128, example = "res-2026-0042")),
    request_body(content = Request, example = json!({ "reason": "The class is here; the user was told." })),
    responses(
        (status = NO_CONTENT, description = "It goes ahead at the next try"),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_reservation`: no reservation has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn go_ahead(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
    Body(request): Body<Request>,
) -> Result<StatusCode, ApiError> {
    let reason = request.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_LENGTH {
        return Err(ApiError::BadRequest(format!("say in a reason of at most {REASON_LENGTH} characters why")));
    }
    let id = ReservationId(id);
    let booked = gateway.store().reservation(&id).await?.ok_or(ApiError::UnknownReservation)?;
    actor.may_reserve_in(booked.lab.as_deref())?;
    let now = gateway.now();
    let said =
        Override { reservation_id: id.clone(), by: actor.name.clone(), reason: Some(reason.to_owned()), at: now };
    let entry = AuditEntry::done(&actor.author(), AuditAction::ReservationOverride, &id.0, now)
        .of(Some(&booked.host))
        .with(json!({ "reason": reason }));
    let mut work = gateway.store().begin().await?;
    work.operations().set_override(&said).await?;
    work.audit().append(&[entry]).await?;
    work.commit().await?;
    gateway.shared().orchestrator.at_work.poke();
    Ok(StatusCode::NO_CONTENT)
}

/// Asks whoever acts on a station to end before the next step, and stops a wake that a rule or a person wanted. A command that was begun is not
/// broken off.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/stations/{host}/stop", operation_id = "stop_station", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01")),
    responses(
        (status = ACCEPTED, description = "It ends before its next step; `stopping` is false where nothing is done now", body = serde_json::Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
    ),
)]
pub(crate) async fn stop(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(name): Path,
) -> Result<(StatusCode, Json<serde_json::Value>), ApiError> {
    let unknown = || ApiError::UnknownStation(name.clone());
    actor.may_command()?;
    let station = known(&gateway, &name).await?.ok_or_else(unknown)?;
    actor.may_act_in_one_of(&station.access.labs)?;
    let stopping = stopped(&gateway, &actor, &station.entry.host).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "stopping": stopping }))))
}

/// Asks whoever acts on the station to end; whether anybody does.
pub(crate) async fn stopped(gateway: &Gateway, actor: &Actor, host: &HostName) -> Result<bool, ApiError> {
    let mut work = gateway.store().begin().await?;
    let stopping = work.leases().ask_to_stop(host, &actor.name).await?;
    if stopping {
        let entry =
            AuditEntry::done(&actor.author(), AuditAction::StationStop, host.as_str(), gateway.now()).of(Some(host));
        work.audit().append(&[entry]).await?;
    }
    work.commit().await?;
    Ok(stop_wakes(gateway, actor, host).await? || stopping)
}
