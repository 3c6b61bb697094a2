//! `GET /api/reservations/timeline` of the older service, with what is ours beside it: heartbeats, forced logoffs and alerts of the
//! reservation (gateway.md sections 1 and 6).

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_rules::orchestrator::Action;
use stationkeeper_rules::{ReservationId, ReservationStatus, Settings};
use stationkeeper_station_link::winrm::WINRM_PORT;
use stationkeeper_store::{AlertFilter, CatalogHost, ForcedLogoffFilter, OperationFilter, RecordedOperation, Station};
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::OldQuery;
use crate::heartbeat::poll::json_of;
use crate::operations::old::{Part, instant, operation, parameter};

/// Of each kind of evidence; who needs more asks its own list.
const MOST: u32 = 500;

/// Other parameters are ignored.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a query that is read field by field, in several spellings")]
pub(crate) struct Timeline {
    /// The booking system's.
    #[param(rename = "reservationId")]
    reservation_id: Option<String>,
    /// How many operations at most: 1 to 500, otherwise 100.
    limit: Option<String>,
    /// How many are left out.
    offset: Option<String>,
}

/// What happened to a reservation and its station.
///
/// Role: operator.
#[utoipa::path(
    get, path = "/reservations/timeline", operation_id = "old_timeline", tag = "older service",
    params(Timeline),
    responses(
        (status = OK, description = "`reservation`, `host`, `operations`, `phases`, `heartbeat`, `pagination`; `heartbeats`, `forcedLogoffs`, `alerts`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_reservation`", body = ErrorBody),
    ),
)]
pub(crate) async fn timeline(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldQuery(query): OldQuery,
) -> Result<Json<Value>, ApiError> {
    actor.may_command()?;
    let Some(id) = parameter(&query, &["reservationId", "reservation_id"]) else {
        return Err(ApiError::BadRequest("reservationId is required".to_owned()));
    };
    let id = ReservationId(id.to_owned());
    let part = Part::of(parameter(&query, &["limit"]), parameter(&query, &["offset"]));
    let store = gateway.store();
    let filter = OperationFilter { reservation_id: Some(id.clone()), ..OperationFilter::default() };
    let (found, total) = oldest_first(&gateway, &filter, part).await?;
    let latest = store.operations(&filter, None, MOST).await?;
    let reservation = store.reservation(&id).await?;
    // What was started by hand need not be booked.
    let host = reservation
        .as_ref()
        .map(|one| one.host.clone())
        .or_else(|| latest.first().map(|recorded| recorded.operation.host.clone()));
    let Some(host) = host else { return Err(ApiError::UnknownReservation) };
    let station = store.station(&host).await?;
    let listed = store.catalog_host(&host).await?;
    let booked_lab = reservation.as_ref().and_then(|one| one.lab.clone());
    let lab = booked_lab.or_else(|| latest.first().and_then(|recorded| recorded.operation.lab.clone()));
    let settings = store.settings().await?;
    let evidence = match &reservation {
        Some(reservation) => evidence(&gateway, reservation, &settings).await?,
        None => json!({ "heartbeats": [], "forcedLogoffs": [], "alerts": [] }),
    };
    let operations: Vec<_> = found.iter().map(operation).collect();
    let mut answer = json!({
        "reservation": {
            "reservationId": id,
            "labId": lab,
            "status": reservation.as_ref().map(|one| word(one.status)),
            "start": reservation.as_ref().map(|one| instant(one.start_at)),
            "end": reservation.as_ref().map(|one| instant(one.end_at)),
            "walletAddress": reservation.as_ref().and_then(|one| one.who.clone()),
            "createdAt": null,
            "updatedAt": null,
        },
        "host": {
            "name": listed.as_ref().map_or(host.as_str(), CatalogHost::name),
            "labId": lab,
            "config": listed.as_ref().map(config),
        },
        "operations": operations,
        "phases": phases(&latest),
        "heartbeat": match &station {
            Some(station) => heartbeat(&gateway, station).await?,
            None => Value::Null,
        },
        "pagination": part.pagination(found.len(), total),
    });
    if let (Value::Object(answer), Value::Object(evidence)) = (&mut answer, evidence) {
        answer.extend(evidence);
    }
    Ok(Json(answer))
}

/// A page from the beginning. The store has the newest first.
async fn oldest_first(
    gateway: &Gateway,
    filter: &OperationFilter,
    part: Part,
) -> Result<(Vec<RecordedOperation>, u64), ApiError> {
    let (_, total) = gateway.store().operations_page(filter, 1, 0).await?;
    let left = u32::try_from(total).unwrap_or(u32::MAX).saturating_sub(part.offset);
    let returned = left.min(part.limit);
    if returned == 0 {
        return Ok((Vec::new(), total));
    }
    let (mut found, total) = gateway.store().operations_page(filter, returned, left - returned).await?;
    found.reverse();
    Ok((found, total))
}

/// What the catalog says of the station, in the names of its file. No secret is in it.
fn config(listed: &CatalogHost) -> Value {
    let (entry, access) = (&listed.entry, &listed.access);
    json!({
        "name": listed.name(),
        "address": entry.address,
        "mac": entry.mac,
        "labs": access.labs,
        "credential_ref": listed.credential_ref(),
        "winrm_transport": access.transport.as_deref().unwrap_or("ntlm"),
        "winrm_use_ssl": true,
        "winrm_port": WINRM_PORT,
        "heartbeat_path": access.heartbeat_path,
        "events_path": access.events_path,
        "mode": access.mode,
        "ping_target": access.ping_target,
    })
}

/// As the older service's tables have it.
fn word(status: ReservationStatus) -> String {
    status.as_str().to_uppercase()
}

/// The last operation of each phase, if there was one. `latest` has the newest first.
fn phases(latest: &[RecordedOperation]) -> Value {
    let last = |is: fn(Action) -> bool| latest.iter().find(|one| is(one.operation.action)).map(operation);
    json!({
        // A run that needed no wake is shown by what closed it.
        "wake": last(|action| action == Action::Wake).or_else(|| last(|action| action == Action::SchedulerStart)),
        "prepare": last(|action| action == Action::Prepare),
        "release": last(|action| action == Action::Release),
        "power": last(|action| matches!(action, Action::Power(_))),
        "schedulerStart": last(|action| action == Action::SchedulerStart),
        "schedulerEnd": last(|action| action == Action::SchedulerEnd),
    })
}

/// The latest of the station.
async fn heartbeat(gateway: &Gateway, station: &Station) -> Result<Value, ApiError> {
    let Some(latest) = &station.state.latest else { return Ok(Value::Null) };
    let said = &latest.snapshot;
    let raw = gateway.store().raw(&said.host, said.timestamp_utc).await?;
    let raw = raw.and_then(|raw| json_of(&raw.bytes));
    let power = station.state.last_power_action();
    let logoff = station.state.last_forced_logoff();
    Ok(json!({
        "timestamp": instant(said.timestamp_utc),
        "ready": said.ready,
        "localMode": said.local_mode_enabled == Some(true),
        "localSession": said.local_session_active == Some(true),
        "lastPower": {
            "timestamp": power.as_ref().and_then(|power| power.timestamp).map(instant),
            "mode": power.and_then(|power| power.mode),
        },
        "lastForcedLogoff": {
            "timestamp": logoff.as_ref().and_then(|logoff| logoff.timestamp).map(instant),
            "user": logoff.and_then(|logoff| logoff.user),
        },
        "raw": raw,
    }))
}

async fn evidence(
    gateway: &Gateway,
    reservation: &stationkeeper_rules::Reservation,
    settings: &Settings,
) -> Result<Value, ApiError> {
    let store = gateway.store();
    let seconds = |number: u32| chrono::TimeDelta::seconds(i64::from(number));
    let from = reservation.start_at - seconds(settings.reservations.start_lead_seconds);
    let to = reservation.end_at + seconds(settings.reservations.end_delay_seconds);
    let heartbeats = store.heartbeats(&reservation.host, from, to, MOST).await?;
    let logoffs = ForcedLogoffFilter { reservation_id: Some(reservation.id.clone()), ..ForcedLogoffFilter::default() };
    let logoffs = store.forced_logoffs(&logoffs, None, MOST).await?;
    let alerts = AlertFilter { host: Some(reservation.host.clone()), ..AlertFilter::default() };
    let alerts = store.alerts(&alerts, None, MOST).await?;
    let concern = alerts.iter().filter(|alert| {
        alert.key.reservation_id.as_ref() == Some(&reservation.id)
            || (alert.key.reservation_id.is_none()
                && alert.opened_at <= to
                && alert.resolved_at.is_none_or(|resolved_at| from <= resolved_at))
    });
    Ok(json!({
        "heartbeats": heartbeats.iter().map(|row| json!({
            "timestamp": instant(row.timestamp_utc),
            "ready": row.ready,
            "localMode": row.local_mode_enabled,
            "localSession": row.local_session_active,
        })).collect::<Vec<_>>(),
        "forcedLogoffs": logoffs.iter().map(|row| json!({
            "timestamp": instant(row.key.timestamp),
            "user": row.key.user,
            "foundIn": row.found_in,
        })).collect::<Vec<_>>(),
        "alerts": concern.map(|alert| json!({
            "id": alert.id,
            "rule": alert.key.rule,
            "state": alert.state,
            "openedAt": instant(alert.opened_at),
            "resolvedAt": alert.resolved_at.map(instant),
            "acknowledgedBy": alert.acknowledged_by,
        })).collect::<Vec<_>>(),
    }))
}
