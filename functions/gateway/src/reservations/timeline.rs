//! `GET /api/reservations/timeline` of the older service, with what is ours beside it: heartbeats, forced logoffs and alerts of the
//! reservation (gateway.md sections 1 and 6).

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_rules::orchestrator::Action;
use stationkeeper_rules::{ReservationId, ReservationStatus, Settings};
use stationkeeper_store::{AlertFilter, ForcedLogoffFilter, OperationFilter, RecordedOperation, Station};
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
    let (found, total) = store.operations_page(&filter, part.limit, part.offset).await?;
    let reservation = store.reservation(&id).await?;
    // What was started by hand need not be booked.
    let host = reservation
        .as_ref()
        .map(|one| one.host.clone())
        .or_else(|| found.first().map(|recorded| recorded.operation.host.clone()));
    let Some(host) = host else { return Err(ApiError::UnknownReservation) };
    let station = store.station(&host).await?;
    let latest = store.operations(&filter, None, MOST).await?;
    let settings = store.settings().await?;
    let evidence = match &reservation {
        Some(reservation) => evidence(&gateway, reservation, &settings).await?,
        None => json!({ "heartbeats": [], "forcedLogoffs": [], "alerts": [] }),
    };
    let operations: Vec<_> = found.iter().map(operation).collect();
    let mut answer = json!({
        "reservation": {
            "reservationId": id,
            "labId": reservation.as_ref().and_then(|one| one.lab.clone()),
            "status": reservation.as_ref().map(|one| word(one.status)),
            "start": reservation.as_ref().map(|one| instant(one.start_at)),
            "end": reservation.as_ref().map(|one| instant(one.end_at)),
            "walletAddress": reservation.as_ref().and_then(|one| one.who.clone()),
            "createdAt": null,
            "updatedAt": null,
        },
        "host": {
            "name": host,
            "labId": reservation.as_ref().and_then(|one| one.lab.clone()),
            "config": station.as_ref().map(|station| json!({
                "name": station.entry.host,
                "address": station.entry.address,
                "mac": station.entry.mac,
                "labs": station.entry.lab.iter().collect::<Vec<_>>(),
            })),
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

/// As the older service's tables have it.
fn word(status: ReservationStatus) -> String {
    status.as_str().to_uppercase()
}

/// The last operation of each phase, if there was one. `latest` has the newest first.
fn phases(latest: &[RecordedOperation]) -> Value {
    let last = |is: fn(Action) -> bool| latest.iter().find(|one| is(one.operation.action)).map(operation);
    json!({
        "wake": last(|action| action == Action::Wake),
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
        "localMode": said.local_mode_enabled,
        "localSession": said.local_session_active,
        "lastPower": power.map(|power| json!({ "timestamp": power.timestamp.map(instant), "mode": power.mode })),
        "lastForcedLogoff": logoff.map(|logoff| json!({ "timestamp": logoff.timestamp.map(instant), "user": logoff.user })),
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
