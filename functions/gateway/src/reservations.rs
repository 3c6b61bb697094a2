//! Reservations: `GET` and `PUT /api/v1/reservations/{id}`, and `DELETE …/{id}`, which cancels.

pub(crate) mod go_ahead;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod ordered;
mod put;
pub(crate) mod risk;
pub(crate) mod source;
pub(crate) mod table;
pub(crate) mod timeline;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use stationkeeper_api::{ErrorBody, Language, ReservationRecordView};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use utoipa::ToSchema;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query, Reader};
use crate::openapi::{AcceptLanguage, Conditions};
use crate::stations::list::host;
pub use put::{
    AskedReservation, Became, Expected, PutReservation, PutReservationError, ReservationError, put_reservation,
};
use put::{ID_LENGTH, placed};
use risk::reservation_views;

impl Expected {
    /// Of `If-Match` and `If-None-Match: *` (RFC 9110, section 13.1).
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
        if text(header::IF_NONE_MATCH) == Some("*") {
            return Some(Self::Absent);
        }
        let versions = text(header::IF_MATCH)?;
        if versions == "*" {
            return Some(Self::Present(Vec::new()));
        }
        let of_tag = |tag: &str| tag.trim().trim_matches('"').to_owned();
        Some(Self::Present(versions.split(',').map(of_tag).collect()))
    }
}

/// Changes with anything that a person could see of it.
pub(crate) fn version(reservation: &Reservation) -> String {
    hex::encode(&Sha256::digest(serde_json::to_vec(&record_view(reservation)).unwrap_or_default())[..8])
}

/// A reservation as the API, and the command line, show it.
pub fn record_view(reservation: &Reservation) -> ReservationRecordView {
    ReservationRecordView {
        id: reservation.id.0.clone(),
        lab: reservation.lab.clone(),
        host: reservation.host.to_string(),
        start_at: reservation.start_at.into(),
        end_at: reservation.end_at.into(),
        status: reservation.status,
        who: reservation.who.clone(),
        source: None,
        at_risk: None,
    }
}

async fn answer(
    gateway: &Gateway,
    status: StatusCode,
    reservation: &Reservation,
    language: Language,
) -> Result<Response, ApiError> {
    let tag = format!("\"{}\"", version(reservation));
    let view = reservation_views(gateway.store(), std::slice::from_ref(reservation), language, gateway.now()).await?;
    Ok((status, [(header::ETAG, tag)], Json(view.into_iter().next())).into_response())
}

/// One reservation.
#[utoipa::path(
    get, path = "/v1/reservations/{id}", operation_id = "get_reservation", tag = "reservations",
    params(("id" = String, Path, description = "The booking system's", max_length = 128, example = "res-2026-0042"), AcceptLanguage),
    responses(
        (status = OK, description = "As it stands", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = NOT_FOUND, description = "`unknown_reservation`: no reservation has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Response, ApiError> {
    let known = gateway.store().reservation(&ReservationId(id)).await?;
    answer(&gateway, StatusCode::OK, &known.ok_or(ApiError::UnknownReservation)?, language).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ReservationRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// On this station.
    host: Option<String>,
    /// Of this laboratory; without a station on its first one in the catalog.
    lab: Option<String>,
    /// First instant of it.
    start_at: Option<DateTime<Utc>>,
    /// First instant after it.
    end_at: Option<DateTime<Utc>>,
    /// Where it stands; `confirmed` when it is new.
    status: Option<ReservationStatus>,
    /// Who booked it.
    who: Option<String>,
    /// It is taken although the station is in local mode; `reason` says why.
    #[serde(default)]
    confirm_local_mode: bool,
    /// Why.
    reason: Option<String>,
}

/// Makes or changes a reservation. What is left out stays as it was.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    put, path = "/v1/reservations/{id}", operation_id = "put_reservation", tag = "reservations",
    params(("id" = String, Path, description = "The booking system's", max_length = 128, example = "res-2026-0042"), Conditions, AcceptLanguage),
    request_body(
        content = Request,
        example = json!({ "host": "LAB-WS01", "start_at": "2026-11-24T10:00:00Z", "end_at": "2026-11-24T11:00:00Z" })
    ),
    responses(
        (status = OK, description = "It was there; as it stands now", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = CREATED, description = "It is new", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
        (status = CONFLICT, description = "`local_mode_active`: the station is in local mode, and nobody confirmed; `from_table`: it comes from a table, which alone changes it", body = ErrorBody),
        (status = PRECONDITION_FAILED, description = "`changed_meanwhile`: it is not as `If-Match` or `If-None-Match` says", body = ErrorBody),
    ),
)]
pub(crate) async fn set(
    State(gateway): State<Gateway>,
    actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
    headers: HeaderMap,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    let asked = AskedReservation {
        host: request.host.as_deref().map(host).transpose()?,
        lab: request.lab,
        start_at: request.start_at,
        end_at: request.end_at,
        status: request.status,
        who: request.who,
        confirm_local_mode: request.confirm_local_mode.then(|| request.reason.unwrap_or_default()),
        expected: Expected::of(&headers),
    };
    let id = ReservationId(id);
    allow(&gateway, &actor, &id, &asked).await?;
    let done = put_reservation(gateway.store(), &id, &asked, &actor.author(), gateway.now()).await?;
    gateway.shared().orchestrator.at_work.poke();
    let status = if done.became == Became::New { StatusCode::CREATED } else { StatusCode::OK };
    answer(&gateway, status, &done.reservation, language).await
}

/// Both where it is and where it shall be.
async fn allow(gateway: &Gateway, actor: &Actor, id: &ReservationId, asked: &AskedReservation) -> Result<(), ApiError> {
    if let Some((_, lab)) = placed(gateway.store(), asked).await? {
        actor.may_reserve_in(lab.as_deref())?;
    }
    match gateway.store().reservation(id).await? {
        Some(known) => actor.may_reserve_in(known.lab.as_deref()),
        None if asked.host.is_none() && asked.lab.is_none() => actor.may_reserve_in(None),
        None => Ok(()),
    }
}

/// Cancels a reservation. Cancelled again, it stays as it was.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    delete, path = "/v1/reservations/{id}", operation_id = "cancel_reservation", tag = "reservations",
    params(("id" = String, Path, description = "The booking system's", max_length = 128, example = "res-2026-0042"), Conditions, AcceptLanguage),
    responses(
        (status = OK, description = "As it stands now", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_reservation`: no reservation has this id", body = ErrorBody),
        (status = CONFLICT, description = "`from_table`: it comes from a table, which alone changes it", body = ErrorBody),
        (status = PRECONDITION_FAILED, description = "`changed_meanwhile`: it is not as `If-Match` or `If-None-Match` says", body = ErrorBody),
    ),
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = ReservationId(id);
    let known = gateway.store().reservation(&id).await?.ok_or(ApiError::UnknownReservation)?;
    actor.may_reserve_in(known.lab.as_deref())?;
    let asked = AskedReservation {
        status: Some(ReservationStatus::Cancelled),
        expected: Expected::of(&headers),
        ..AskedReservation::default()
    };
    let done = put_reservation(gateway.store(), &id, &asked, &actor.author(), gateway.now()).await?;
    gateway.shared().orchestrator.at_work.poke();
    answer(&gateway, StatusCode::OK, &done.reservation, language).await
}
