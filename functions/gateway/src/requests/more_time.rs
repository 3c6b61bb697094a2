//! `POST /api/v1/stations/{host}/more-time`: granted at once while the next reservation can still begin in time, else asked of the operators,
//! who answer by `POST /api/v1/requests/{id}/answer`. A grant delays the guard.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ErrorBody, RequestView};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::requests::{
    InstructorRequest, MoreTime, MoreTimeRefused, MoreTimeScene, RequestError, RequestId, RequestKind, RequestState,
    more_time,
};
use stationkeeper_store::{AuditAction, AuditEntry, Author, Store, StoreError};
use stationkeeper_telemetry::HostName;
use utoipa::ToSchema;

use super::{AHEAD, TEXT_LENGTH, guard, request_update, said};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query};
use crate::hosts::known;
use crate::repeating::repeating;

/// What is asked for where nobody says.
const MINUTES: u32 = 10;
/// Most that can be asked for.
const MOST_MINUTES: u32 = 60;

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
enum Undecided {
    #[error(transparent)]
    Refused(#[from] MoreTimeRefused),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("request '{0}' not found")]
    Unknown(RequestId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Undecided {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<Undecided> for ApiError {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::Refused(refused) => Self::MoreTime(refused),
            Undecided::Request(error) => Self::Request(error),
            Undecided::Unknown(id) => Self::UnknownRequest(id.0),
            Undecided::Store(error) => error.into(),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MoreTimeRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// How many from now: 1 to 60, otherwise 10.
    #[schema(minimum = 1, maximum = 60)]
    minutes: Option<u32>,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Asks for more time at a station.
///
/// Granted at once when guard and prepare still end before the next reservation's start; else an operator decides, until it is too late. Role:
/// instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/stations/{host}/more-time", operation_id = "ask_more_time", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01")),
    request_body(content = Request, example = json!({ "minutes": 10, "reason": "the last measurement runs" })),
    responses(
        (status = OK, description = "It is granted", body = RequestView),
        (status = ACCEPTED, description = "It is asked of the operators: follow it at `/api/v1/requests/{id}` or by events of the kind `request`", body = RequestView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
        (status = CONFLICT, description = "`reservation_running`: somebody else has the station; `too_late`: it is being made ready for a reservation", body = ErrorBody),
    ),
)]
pub(crate) async fn ask(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(name): Path,
    Body(request): Body<Request>,
) -> Result<(StatusCode, Json<RequestView>), ApiError> {
    actor.may_act()?;
    let host = known(&gateway, &name).await?.ok_or(ApiError::UnknownStation(name))?;
    actor.may_act_in_one_of(&host.access.labs)?;
    let minutes = request.minutes.unwrap_or(MINUTES);
    if !(1..=MOST_MINUTES).contains(&minutes) {
        return Err(ApiError::BadRequest(format!("minutes is a number from 1 to {MOST_MINUTES}")));
    }
    if request.reason.as_ref().is_some_and(|reason| reason.chars().count() > TEXT_LENGTH) {
        return Err(ApiError::BadRequest(format!("reason has at most {TEXT_LENGTH} characters")));
    }
    let asked = Asked { host: host.entry.host, minutes, reason: said(request.reason.as_deref()) };
    let request = repeating!(ask_once(gateway.store(), &asked, &actor.author(), gateway.now()))?;
    gateway.shared().keeper.at_work.poke();
    let status = if request.state == RequestState::Asked { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json((&request).into())))
}

/// Somebody asks again for what they wait for.
fn is_same(waits: &InstructorRequest, asked: &Asked, reservation_id: Option<&ReservationId>) -> bool {
    waits.minutes == Some(asked.minutes) && waits.reservation_id.as_ref() == reservation_id
}

struct Asked {
    host: HostName,
    minutes: u32,
    reason: Option<String>,
}

async fn ask_once(
    store: &Store,
    asked: &Asked,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<InstructorRequest, Undecided> {
    let settings = store.settings().await?;
    let host = &asked.host;
    let (mut work, _states) = store.begin_locking(std::slice::from_ref(host)).await?;
    let reservations = work.reservations().of_hosts(std::slice::from_ref(host), now, now + AHEAD).await?;
    let guard_at = guard::planned(&mut work, host, now).await?;
    let scene = MoreTimeScene { reservations: &reservations, guard_at, timing: &settings.orchestrator };
    let decided = more_time(asked.minutes, &scene, now)?;
    let (state, until, expires_at, reservation_id) = match decided {
        MoreTime::Granted { until, reservation_id } => (RequestState::Granted, until, None, reservation_id),
        MoreTime::Asked { until, expires_at, reservation_id } => {
            (RequestState::Asked, until, Some(expires_at), Some(reservation_id))
        }
    };
    let since = now - TimeDelta::days(1);
    let earlier = work.requests().of_person(RequestKind::MoreTime, host, &author.name, since).await?;
    let waits = earlier.iter().find(|one| one.state == RequestState::Asked && one.lapse(now).is_none());
    match waits {
        Some(waits) if state == RequestState::Asked && is_same(waits, asked, reservation_id.as_ref()) => {
            return Ok(waits.clone());
        }
        // Something else is asked for now.
        Some(waits) => {
            let replaced = InstructorRequest { state: RequestState::Expired, ..waits.clone() };
            work.requests().save(&replaced).await?;
            work.updates().append(&[request_update(&replaced, now)]).await?;
        }
        None => {}
    }
    let about = reservation_id.as_ref().map_or("", |id| id.0.as_str());
    // Two of one instant differ by what was before them.
    let cause = format!("{about}\n{}\n{}", now.to_rfc3339(), earlier.len());
    let granted = state == RequestState::Granted;
    let request = InstructorRequest {
        id: RequestId::derive(RequestKind::MoreTime, host, &author.name, &cause),
        kind: RequestKind::MoreTime,
        host: host.clone(),
        reservation_id,
        asked_by: author.name.clone(),
        asked_at: now,
        reason: asked.reason.clone(),
        minutes: Some(asked.minutes),
        until: Some(until),
        state,
        expires_at,
        shown_at: None,
        seen_at: None,
        answered_at: granted.then_some(now),
        answered_by: None,
        note: None,
    };
    if granted {
        guard::delay(&mut work, &request, now).await?;
    }
    work.requests().save(&request).await?;
    let entry = AuditEntry::done(author, AuditAction::StationMoreTime, host.as_str(), now).of(Some(host)).with(json!({
        "request_id": request.id,
        "state": request.state,
        "minutes": request.minutes,
        "until": request.until,
        "reservation_id": request.reservation_id,
        "reason": request.reason,
    }));
    work.audit().append(&[entry]).await?;
    work.updates().append(&[request_update(&request, now)]).await?;
    work.commit().await?;
    tracing::info!(%host, state = request.state.as_str(), "somebody asks for more time at a station");
    Ok(request)
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AnswerRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// Whether they may stay.
    granted: bool,
    /// What is written with it.
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// Answers a request. A grant delays the guard, and with it the reservation that the request names.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/requests/{id}/answer", operation_id = "answer_request", tag = "requests",
    params(("id" = String, Path, description = "Of the request")),
    request_body(content = Answer, example = json!({ "granted": true, "note": "the class was told" })),
    responses(
        (status = OK, description = "As it stands now", body = RequestView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_request`: no request has this id", body = ErrorBody),
        (status = CONFLICT, description = "`request_answered`: it has its answer; `request_expired`: it is too late", body = ErrorBody),
    ),
)]
pub(crate) async fn answer(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
    Body(answer): Body<Answer>,
) -> Result<Json<RequestView>, ApiError> {
    actor.may_command()?;
    if answer.note.as_ref().is_some_and(|note| note.chars().count() > TEXT_LENGTH) {
        return Err(ApiError::BadRequest(format!("note has at most {TEXT_LENGTH} characters")));
    }
    let request = super::receipts::within_labs(&gateway, &actor, id).await?;
    let request = repeating!(answer_once(gateway.store(), &request, &answer, &actor.author(), gateway.now()))?;
    gateway.shared().actions.poke();
    Ok(Json((&request).into()))
}

async fn answer_once(
    store: &Store,
    request: &InstructorRequest,
    answer: &Answer,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<InstructorRequest, Undecided> {
    let host = &request.host;
    let (mut work, _states) = store.begin_locking(std::slice::from_ref(host)).await?;
    let stands = work.requests().of(&request.id).await?.ok_or_else(|| Undecided::Unknown(request.id.clone()))?;
    let answered = stands.answered(answer.granted, &author.name, said(answer.note.as_deref()), now)?;
    if answered.state == RequestState::Granted {
        guard::delay(&mut work, &answered, now).await?;
    }
    work.requests().save(&answered).await?;
    let detail = json!({ "state": answered.state, "until": answered.until, "reservation_id": answered.reservation_id, "note": answered.note });
    let entry = AuditEntry::done(author, AuditAction::RequestAnswer, &answered.id.0, now).of(Some(host)).with(detail);
    work.audit().append(&[entry]).await?;
    work.updates().append(&[request_update(&answered, now)]).await?;
    work.commit().await?;
    Ok(answered)
}
