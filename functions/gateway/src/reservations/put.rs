//! A reservation is made, moved or cancelled: with what hangs on it, its update and its row of the audit log in one unit of work.

use chrono::{DateTime, Utc};
use serde_json::json;
use stationkeeper_pipeline::IngestError;
use stationkeeper_pipeline::orchestrate::held;
use stationkeeper_pipeline::reservations::put_reservation as put;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus, Settings};
use stationkeeper_store::{AuditAction, AuditEntry, Author, NewUpdate, Store, StoreError, Transaction};
use stationkeeper_telemetry::HostName;

use super::{record_view, version};
use crate::error::{ApiError, InternalError};
use crate::repeating::repeating;

/// Longest id of a reservation, in characters (gateway.md section 6).
pub(super) const ID_LENGTH: usize = 128;
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
    /// Nothing of this name is in the catalog.
    #[error("host '{0}' not found")]
    NoSuchStation(String),
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
    /// It is not ours to change.
    #[error("the reservation comes from the table {table}, which alone says what becomes of it: change it there")]
    FromTable {
        /// The name of the table.
        table: String,
    },
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
    /// It may pass by itself: nothing is wrong with the reservation.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Store(error) => error.is_transient(),
            Self::Ingest(error) => error.is_transient(),
        }
    }

    pub(super) fn is_conflict(&self) -> bool {
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
    /// What that is to what it was.
    pub became: Became,
}

/// What a reservation is to what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It was not there.
    New,
    /// Something of it changed.
    Changed,
    /// It was so already.
    Same,
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
    refuse_id(id)?;
    repeating!(once(store, id, asked, author, now))
}

/// An id that cannot be kept.
pub(super) fn refuse_id(id: &ReservationId) -> Result<(), ReservationError> {
    let is_kept = (1..=ID_LENGTH).contains(&id.0.chars().count()) && !id.0.chars().any(char::is_control);
    if is_kept { Ok(()) } else { Err(ReservationError::Id) }
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
    let done = put_within(&mut work, &settings, id, asked, place, author, now).await?;
    if done.became != Became::Same {
        work.commit().await?;
        tracing::info!(reservation.id = %id.0, reservation.status = done.reservation.status.as_str(), "a reservation was put");
    }
    Ok(done)
}

/// The same within a unit of work of the caller's. What is refused has written nothing.
pub(super) async fn put_within(
    work: &mut Transaction,
    settings: &Settings,
    id: &ReservationId,
    asked: &AskedReservation,
    place: Option<(HostName, Option<String>)>,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<PutReservation, PutReservationError> {
    let (known, reservation) = locked(work, id, now, |known| merged(id, asked, place.clone(), known)).await?;
    let states = work.states().lock(std::slice::from_ref(&reservation.host)).await?;
    if !asked.expected.as_ref().is_none_or(|expected| expected.holds(known.as_ref())) {
        return Err(ReservationError::Changed.into());
    }
    if known.as_ref() == Some(&reservation) {
        return Ok(PutReservation { reservation, became: Became::Same });
    }
    if let Some(table) = work.reservations().source(id).await? {
        return Err(ReservationError::FromTable { table }.into());
    }
    let latest = states.iter().find_map(|state| state.latest.as_ref());
    let ordered = work.states().local_mode_order(&reservation.host).await?;
    let is_held = states.iter().any(|state| held(ordered.clone(), state));
    let in_local_mode = is_held || latest.is_some_and(|latest| latest.snapshot.local_mode_enabled == Some(true));
    let is_new_there = known.as_ref().is_none_or(|known| {
        !known.is_to_come(now)
            || (&known.host, known.start_at, known.end_at)
                != (&reservation.host, reservation.start_at, reservation.end_at)
    });
    let needs_confirmation = in_local_mode && is_new_there && reservation.is_to_come(now);
    match &asked.confirm_local_mode {
        Some(reason) if reason.trim().is_empty() => return Err(ReservationError::NoReason.into()),
        None if needs_confirmation => {
            return Err(ReservationError::LocalMode { host: reservation.host }.into());
        }
        Some(_) | None => {}
    }
    let confirmed = asked.confirm_local_mode.as_deref().filter(|_| needs_confirmation);
    save(work, settings, known.as_ref(), &reservation, confirmed, author, now).await?;
    let became = if known.is_some() { Became::Changed } else { Became::New };
    Ok(PutReservation { reservation, became })
}

/// What is known of a reservation and what it becomes, its stations locked, as whoever judges them does, and whoever else changes it.
/// Where it has been moved meanwhile, also that one.
pub(super) async fn locked(
    work: &mut Transaction,
    id: &ReservationId,
    now: DateTime<Utc>,
    becomes: impl Fn(Option<&Reservation>) -> Result<Reservation, ReservationError>,
) -> Result<(Option<Reservation>, Reservation), PutReservationError> {
    let mut locked: Vec<HostName> = Vec::new();
    loop {
        let known = work.reservations().by_id(std::slice::from_ref(id)).await?.into_iter().next();
        let next = becomes(known.as_ref())?;
        let hosts: Vec<_> =
            known.iter().chain([&next]).map(|one| &one.host).filter(|host| !locked.contains(host)).cloned().collect();
        if hosts.is_empty() {
            return Ok((known, next));
        }
        work.states().ensure(&hosts, now).await?;
        work.states().lock(&hosts).await?;
        locked.extend(hosts);
    }
}

/// Writes it, with all that hangs on it.
pub(super) async fn save(
    work: &mut Transaction,
    settings: &Settings,
    known: Option<&Reservation>,
    reservation: &Reservation,
    confirmed_local_mode: Option<&str>,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<(), PutReservationError> {
    put(work, &settings.reservations, reservation, now).await?;
    let cancels = reservation.status == ReservationStatus::Cancelled;
    let action = if cancels { AuditAction::ReservationCancel } else { AuditAction::ReservationPut };
    let entry = AuditEntry::done(author, action, &reservation.id.0, now).of(Some(&reservation.host)).with(json!({
        "was": known.map(record_view),
        "is": record_view(reservation),
        "confirmed_local_mode": confirmed_local_mode,
    }));
    work.audit().append(&[entry]).await?;
    let update = NewUpdate {
        at: now,
        kind: "reservation".to_owned(),
        host: Some(reservation.host.clone()),
        payload: json!({ "id": reservation.id.0, "status": reservation.status }),
    };
    work.updates().append(&[update]).await?;
    Ok(())
}

/// The station that is asked for, and its lab.
pub(super) async fn placed(
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
}
