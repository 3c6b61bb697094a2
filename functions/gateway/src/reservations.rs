//! Reservations: `GET` and `PUT /api/v1/reservations/{id}`, and `DELETE …/{id}`, which cancels.

pub(crate) mod go_ahead;
pub(crate) mod list;
pub(crate) mod ordered;
pub(crate) mod timeline;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use stationkeeper_api::{ErrorBody, ReservationRecordView};
use stationkeeper_pipeline::IngestError;
use stationkeeper_pipeline::reservations::put_reservation as put;
use stationkeeper_rules::orchestrator::Known;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::{AuditAction, AuditEntry, Author, NewUpdate, Store, StoreError};
use stationkeeper_telemetry::HostName;
use utoipa::ToSchema;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::{ApiError, InternalError};
use crate::extract::{Body, NoParameters, Path, Query};
use crate::openapi::Conditions;
use crate::stations::list::host;

/// Longest id of a reservation, in characters (gateway.md section 6).
const ID_LENGTH: usize = 128;
/// How often a commit that met another one is repeated.
const ATTEMPTS: u32 = 5;

/// A reservation as somebody asks for it; what is left out stays as it was.
#[derive(Debug, Clone, Default)]
pub struct AskedReservation {
    /// On this station.
    pub host: Option<HostName>,
    /// Of this lab; without a station the lab's first one in the catalog.
    pub lab: Option<String>,
    /// First instant of it.
    pub start_at: Option<DateTime<Utc>>,
    /// First instant after it.
    pub end_at: Option<DateTime<Utc>>,
    /// Where it stands.
    pub status: Option<ReservationStatus>,
    /// Who booked it.
    pub who: Option<String>,
    /// Why it shall be taken although the station is in local mode.
    pub confirm_local_mode: Option<String>,
    /// Only if the reservation is as whoever asks has seen it.
    pub expected: Option<Expected>,
}

/// What a reservation must be before it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Not there.
    Absent,
    /// There, and of one of these versions (none: of any).
    Present(Vec<String>),
}

/// Why a reservation was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReservationError {
    /// An id that cannot be kept.
    #[error("a reservation's id has 1 to {ID_LENGTH} characters, none of them a control character")]
    Id,
    /// Neither a station nor a lab.
    #[error("say where: host, or lab for the first station of a laboratory")]
    NoPlace,
    /// A new one without its times.
    #[error("say when: start_at and end_at")]
    NoTime,
    /// Not a span.
    #[error("a reservation ends after it starts")]
    EndsBeforeItBegins,
    /// No such station.
    #[error("host '{0}' not found")]
    UnknownStation(HostName),
    /// A lab without a station.
    #[error("no station of the laboratory '{0}' is in the catalog")]
    NoStationOf(String),
    /// The station is in local mode.
    #[error("{host} is in local mode: confirm_local_mode takes the reservation nevertheless, with a reason")]
    LocalMode {
        /// Which station.
        host: HostName,
    },
    /// Confirmed without saying why.
    #[error("say in a reason why the reservation is taken although the station is in local mode")]
    NoReason,
    /// Somebody else was first.
    #[error("the reservation is not as you have seen it: look at it again")]
    Changed,
}

/// Why a reservation was not put.
#[derive(Debug, thiserror::Error)]
pub enum PutReservationError {
    /// It cannot be taken as asked.
    #[error(transparent)]
    Refused(#[from] ReservationError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// So did what hangs on a reservation.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl PutReservationError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Store(error) => error.is_conflict(),
            Self::Ingest(error) => error.is_conflict(),
        }
    }
}

impl From<PutReservationError> for ApiError {
    fn from(error: PutReservationError) -> Self {
        match error {
            PutReservationError::Refused(error) => Self::Reservation(error),
            PutReservationError::Store(error) | PutReservationError::Ingest(IngestError::Store(error)) => error.into(),
            PutReservationError::Ingest(error) => Self::Internal(InternalError::Ingest(error)),
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutReservation {
    /// As it stands now.
    pub reservation: Reservation,
    /// It was not there before.
    pub is_new: bool,
}

/// Makes or changes a reservation: with what hangs on it, its update and its row of the audit log in one unit of work.
///
/// # Errors
/// It cannot be taken as asked, or the store failed.
pub async fn put_reservation(
    store: &Store,
    id: &ReservationId,
    asked: &AskedReservation,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<PutReservation, PutReservationError> {
    if !(1..=ID_LENGTH).contains(&id.0.chars().count()) || id.0.chars().any(char::is_control) {
        return Err(ReservationError::Id.into());
    }
    let mut attempt = 1;
    loop {
        match once(store, id, asked, author, now).await {
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

async fn once(
    store: &Store,
    id: &ReservationId,
    asked: &AskedReservation,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<PutReservation, PutReservationError> {
    let settings = store.settings().await?;
    let place = placed(store, asked).await?;
    let mut work = store.begin().await?;
    // Its stations are locked, as whoever judges them does, and whoever else changes it. Where it has been moved meanwhile, also that one.
    let mut locked: Vec<HostName> = Vec::new();
    let (known, reservation) = loop {
        let known = work.reservations().by_id(std::slice::from_ref(id)).await?.into_iter().next();
        let reservation = merged(id, asked, place.clone(), known.as_ref())?;
        let hosts: Vec<_> = known
            .iter()
            .chain([&reservation])
            .map(|one| &one.host)
            .filter(|host| !locked.contains(host))
            .cloned()
            .collect();
        if hosts.is_empty() {
            break (known, reservation);
        }
        work.states().ensure(&hosts, now).await?;
        work.states().lock(&hosts).await?;
        locked.extend(hosts);
    };
    let states = work.states().lock(std::slice::from_ref(&reservation.host)).await?;
    if !asked.expected.as_ref().is_none_or(|expected| expected.holds(known.as_ref())) {
        return Err(ReservationError::Changed.into());
    }
    if known.as_ref() == Some(&reservation) {
        return Ok(PutReservation { reservation, is_new: false });
    }
    let latest = states.iter().find_map(|state| state.latest.as_ref());
    let ordered = work.states().local_mode_order(&reservation.host).await?;
    let is_held =
        states.iter().any(|state| ordered.as_ref().is_some_and(|order| order.is_unseen(&Known { state, held: false })));
    let in_local_mode = is_held || latest.is_some_and(|latest| latest.snapshot.local_mode_enabled == Some(true));
    let is_new_there = known.as_ref().is_none_or(|known| {
        !is_to_come(known, now)
            || (&known.host, known.start_at, known.end_at)
                != (&reservation.host, reservation.start_at, reservation.end_at)
    });
    let needs_confirmation = in_local_mode && is_new_there && is_to_come(&reservation, now);
    match &asked.confirm_local_mode {
        Some(reason) if reason.trim().is_empty() => return Err(ReservationError::NoReason.into()),
        None if needs_confirmation => {
            return Err(ReservationError::LocalMode { host: reservation.host }.into());
        }
        Some(_) | None => {}
    }
    put(&mut work, &settings.reservations, &reservation, now).await?;
    let cancels = reservation.status == ReservationStatus::Cancelled;
    let action = if cancels { AuditAction::ReservationCancel } else { AuditAction::ReservationPut };
    let entry = AuditEntry::done(author, action, &id.0, now).of(Some(&reservation.host)).with(json!({
        "was": known.as_ref().map(record_view),
        "is": record_view(&reservation),
        "confirmed_local_mode": asked.confirm_local_mode.as_deref().filter(|_| needs_confirmation),
    }));
    work.audit().append(&[entry]).await?;
    let update = NewUpdate {
        at: now,
        kind: "reservation".to_owned(),
        host: Some(reservation.host.clone()),
        payload: json!({ "id": id.0, "status": reservation.status }),
    };
    work.updates().append(&[update]).await?;
    work.commit().await?;
    tracing::info!(reservation.id = %id.0, reservation.status = reservation.status.as_str(), "a reservation was put");
    Ok(PutReservation { reservation, is_new: known.is_none() })
}

fn is_to_come(reservation: &Reservation, now: DateTime<Utc>) -> bool {
    matches!(reservation.status, ReservationStatus::Confirmed | ReservationStatus::Active) && now < reservation.end_at
}

/// The station that is asked for, and its lab.
async fn placed(
    store: &Store,
    asked: &AskedReservation,
) -> Result<Option<(HostName, Option<String>)>, PutReservationError> {
    if let Some(host) = &asked.host {
        let station = store.station(host).await?;
        let station = station.ok_or_else(|| ReservationError::UnknownStation(host.clone()))?;
        return Ok(Some((host.clone(), asked.lab.clone().or(station.entry.lab))));
    }
    let Some(lab) = &asked.lab else { return Ok(None) };
    let station = store.host_of_lab(lab).await?;
    let station = station.ok_or_else(|| ReservationError::NoStationOf(lab.clone()))?;
    Ok(Some((station.entry.host, Some(lab.clone()))))
}

fn merged(
    id: &ReservationId,
    asked: &AskedReservation,
    place: Option<(HostName, Option<String>)>,
    known: Option<&Reservation>,
) -> Result<Reservation, ReservationError> {
    let kept = known.map(|known| (known.host.clone(), known.lab.clone()));
    let (host, lab) = place.or(kept).ok_or(ReservationError::NoPlace)?;
    let start_at = asked.start_at.or(known.map(|known| known.start_at)).ok_or(ReservationError::NoTime)?;
    let end_at = asked.end_at.or(known.map(|known| known.end_at)).ok_or(ReservationError::NoTime)?;
    if end_at <= start_at {
        return Err(ReservationError::EndsBeforeItBegins);
    }
    let status = asked.status.or(known.map(|known| known.status)).unwrap_or(ReservationStatus::Confirmed);
    let who = asked.who.clone().or_else(|| known.and_then(|known| known.who.clone()));
    Ok(Reservation { id: id.clone(), lab, host, start_at, end_at, status, who })
}

impl Expected {
    fn holds(&self, known: Option<&Reservation>) -> bool {
        match (self, known) {
            (Self::Absent, known) => known.is_none(),
            (Self::Present(_), None) => false,
            (Self::Present(versions), Some(known)) => versions.is_empty() || versions.contains(&version(known)),
        }
    }

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
    }
}

fn answer(status: StatusCode, reservation: &Reservation) -> Response {
    let tag = format!("\"{}\"", version(reservation));
    (status, [(header::ETAG, tag)], Json(record_view(reservation))).into_response()
}

/// One reservation.
#[utoipa::path(
    get, path = "/v1/reservations/{id}", operation_id = "get_reservation", tag = "reservations",
    params(("id" = String, Path, description = "The booking system's", max_length = 128, example = "res-2026-0042")),
    responses(
        (status = OK, description = "As it stands", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = NOT_FOUND, description = "`unknown_reservation`: no reservation has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Response, ApiError> {
    let known = gateway.store().reservation(&ReservationId(id)).await?;
    Ok(answer(StatusCode::OK, &known.ok_or(ApiError::UnknownReservation)?))
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
    params(("id" = String, Path, description = "The booking system's", max_length = 128, example = "res-2026-0042"), Conditions),
    request_body(
        content = Request,
        example = json!({ "host": "LAB-WS01", "start_at": "2026-11-24T10:00:00Z", "end_at": "2026-11-24T11:00:00Z" })
    ),
    responses(
        (status = OK, description = "It was there; as it stands now", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = CREATED, description = "It is new", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
        (status = CONFLICT, description = "`local_mode_active`: the station is in local mode, and nobody confirmed", body = ErrorBody),
        (status = PRECONDITION_FAILED, description = "`changed_meanwhile`: it is not as `If-Match` or `If-None-Match` says", body = ErrorBody),
    ),
)]
pub(crate) async fn set(
    State(gateway): State<Gateway>,
    actor: Actor,
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
    gateway.shared().orchestrator.poke();
    Ok(answer(if done.is_new { StatusCode::CREATED } else { StatusCode::OK }, &done.reservation))
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
    params(("id" = String, Path, description = "The booking system's", max_length = 128, example = "res-2026-0042"), Conditions),
    responses(
        (status = OK, description = "As it stands now", body = ReservationRecordView, headers(("ETag" = String, description = "Its version; hand it back as `If-Match`"))),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_reservation`: no reservation has this id", body = ErrorBody),
        (status = PRECONDITION_FAILED, description = "`changed_meanwhile`: it is not as `If-Match` or `If-None-Match` says", body = ErrorBody),
    ),
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    actor: Actor,
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
    gateway.shared().orchestrator.poke();
    Ok(answer(StatusCode::OK, &done.reservation))
}
