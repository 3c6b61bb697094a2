//! `POST /api/v1/stations/{host}/leaving`: whoever sits at a station says that they leave it before the next reservation.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ErrorBody, RequestView};
use stationkeeper_rules::requests::{InstructorRequest, RequestId, RequestKind, RequestState};
use stationkeeper_rules::{Reservation, Rule};
use stationkeeper_store::{AuditAction, AuditEntry, Author, Store, StoreError};
use stationkeeper_telemetry::HostName;
use utoipa::ToSchema;

use super::{AHEAD, TEXT_LENGTH, guard, request_update, said};
use crate::Gateway;
use crate::actor::Actor;
use crate::alerts::acknowledge::{AcknowledgeError, Taking, acknowledge_in};
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query};
use crate::hosts::known;
use crate::repeating::repeating;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LeavingRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// What they write with it.
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// Whoever sits at a station leaves it. Their alert is taken, and the guard may begin at once; who still sits there then is logged off all the
/// same.
///
/// Said again before the same reservation, it is the same. Role: instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/stations/{host}/leaving", operation_id = "leave_station", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01")),
    request_body(content = Request, example = json!({})),
    responses(
        (status = OK, description = "The receipt", body = RequestView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
    ),
)]
pub(crate) async fn leaving(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(name): Path,
    Body(request): Body<Request>,
) -> Result<Json<RequestView>, ApiError> {
    actor.may_act()?;
    let host = known(&gateway, &name).await?.ok_or(ApiError::UnknownStation(name))?;
    actor.may_act_in_one_of(&host.access.labs)?;
    if request.note.as_ref().is_some_and(|note| note.chars().count() > TEXT_LENGTH) {
        return Err(ApiError::BadRequest(format!("note has at most {TEXT_LENGTH} characters")));
    }
    let (host, note, now) = (host.entry.host, said(request.note.as_deref()), gateway.now());
    let receipt = repeating!(once(gateway.store(), &host, &actor.author(), note.as_deref(), now))?;
    gateway.shared().actions.poke();
    Ok(Json((&receipt).into()))
}

/// The next one that stands, of those that touch the time from now on.
fn next(reservations: &[Reservation], now: DateTime<Utc>) -> Option<&Reservation> {
    reservations.iter().filter(|one| one.stands() && one.start_at > now).min_by_key(|one| (one.start_at, &one.id))
}

async fn once(
    store: &Store,
    host: &HostName,
    author: &Author,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<InstructorRequest, StoreError> {
    let (mut work, _states) = store.begin_locking(std::slice::from_ref(host)).await?;
    let reservations = work.reservations().of_hosts(std::slice::from_ref(host), now, now + AHEAD).await?;
    let next = next(&reservations, now);
    // Without a reservation to leave it for, said again within the hour it is the same.
    let cause = next.map_or_else(|| now.format("%Y-%m-%dT%H").to_string(), |next| next.id.0.clone());
    let id = RequestId::derive(RequestKind::Leaving, host, &author.name, &cause);
    let known = work.requests().of(&id).await?;
    let alerts = work.alerts().unresolved(std::slice::from_ref(host)).await?;
    let taking = Taking { author, note, until: None };
    let mut taken = Vec::new();
    for alert in alerts.iter().filter(|alert| alert.key.rule == Rule::LocalSessionBeforeReservation) {
        match acknowledge_in(&mut work, alert, taking, now).await {
            Ok(_taken_now_or_before) => taken.push(alert.id.0.clone()),
            Err(AcknowledgeError::Store(error)) => return Err(error),
            // It moved to where nobody takes it: that is as good.
            Err(AcknowledgeError::Unknown(_) | AcknowledgeError::Life(_)) => {}
        }
    }
    guard::hasten(&mut work, host, now).await?;
    if let Some(known) = known {
        work.commit().await?;
        return Ok(known);
    }
    let request = InstructorRequest {
        id,
        kind: RequestKind::Leaving,
        host: host.clone(),
        reservation_id: next.map(|next| next.id.clone()),
        asked_by: author.name.clone(),
        asked_at: now,
        reason: None,
        minutes: None,
        until: next.map(|next| next.start_at),
        state: RequestState::Granted,
        expires_at: None,
        shown_at: None,
        seen_at: None,
        answered_at: Some(now),
        answered_by: None,
        note: note.map(str::to_owned),
    };
    work.requests().save(&request).await?;
    let detail = json!({ "reservation_id": request.reservation_id, "alerts": taken, "note": note });
    let entry = AuditEntry::done(author, AuditAction::StationLeaving, host.as_str(), now).of(Some(host)).with(detail);
    work.audit().append(&[entry]).await?;
    work.updates().append(&[request_update(&request, now)]).await?;
    work.commit().await?;
    tracing::info!(%host, "whoever sits at a station leaves it");
    Ok(request)
}
