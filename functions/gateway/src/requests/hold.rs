//! `POST`, `GET` and `DELETE /api/v1/stations/{host}/hold`: local mode for a while. It is written down; whoever keeps holds tells the
//! station, and takes it back when its time is up.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ErrorBody, HoldView};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::requests::{
    HoldRefused, HoldWish, InstructorRequest, LocalModeOrder, PlannedHold, RequestId, RequestKind, RequestState,
    plan_hold,
};
use stationkeeper_store::{AuditAction, AuditEntry, Author, Store, StoreError, TokenRole, Transaction};
use stationkeeper_telemetry::HostName;
use utoipa::ToSchema;

use super::{TEXT_LENGTH, hold_update, request_update, said};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query};
use crate::hosts::known;
use crate::repeating::repeating;

/// A hold as somebody asks for it.
#[derive(Debug, Clone)]
pub struct AskedHold {
    /// Of this station.
    pub host: HostName,
    /// Its end; none: when the next reservation needs the station.
    pub until: Option<DateTime<Utc>>,
    /// Why.
    pub reason: Option<String>,
    /// Reservations that it may stand in the way of.
    pub confirmed: Vec<ReservationId>,
}

/// Why a station is not held, or goes on being held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// No such station.
    #[error("host '{0}' not found")]
    UnknownStation(HostName),
    /// It may not be held so.
    #[error(transparent)]
    Refused(#[from] HoldRefused),
    /// Somebody else holds it.
    #[error("{host} is held by {owner}: only they and operators may change that")]
    OfAnother {
        /// The station.
        host: HostName,
        /// Who.
        owner: String,
    },
    /// Nobody ever did.
    #[error("{0} is not held")]
    NotHeld(HostName),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HoldError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<HoldError> for ApiError {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::UnknownStation(host) => Self::UnknownStation(host.to_string()),
            HoldError::Store(error) => error.into(),
            error => Self::Hold(error),
        }
    }
}

/// Whoever has the database, and operators, may change holds of others.
fn may_change(author: &Author, order: &LocalModeOrder) -> Result<(), HoldError> {
    match author.role {
        None | Some(TokenRole::Operator | TokenRole::Admin) => Ok(()),
        Some(TokenRole::Viewer | TokenRole::Instructor) if order.owner == author.name => Ok(()),
        Some(TokenRole::Viewer | TokenRole::Instructor) => {
            Err(HoldError::OfAnother { host: order.host.clone(), owner: order.owner.clone() })
        }
    }
}

/// Holds a station, or changes for how long it is held: with its receipt, its update and its row of the audit log in one unit of work.
///
/// # Errors
/// It may not be held so, or by this person; or the store failed.
pub async fn set_hold(
    store: &Store,
    asked: &AskedHold,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<LocalModeOrder, HoldError> {
    repeating!(set_once(store, asked, author, now))
}

async fn set_once(
    store: &Store,
    asked: &AskedHold,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<LocalModeOrder, HoldError> {
    let settings = store.settings().await?;
    let host = &asked.host;
    let (mut work, states) = store.begin_locking(std::slice::from_ref(host)).await?;
    if states.is_empty() {
        return Err(HoldError::UnknownStation(host.clone()));
    }
    let standing = work.states().local_mode_order(host).await?.filter(|order| order.enabled);
    if let Some(order) = &standing {
        may_change(author, order)?;
    }
    let to = now + TimeDelta::seconds(settings.requests.longest_hold_seconds.into()) + TimeDelta::hours(24);
    let reservations = work.reservations().of_hosts(std::slice::from_ref(host), now, to).await?;
    let reason = said(asked.reason.as_deref());
    // As it is kept: what is answered now is what is read later.
    let until = asked.until.map(|until| until.trunc_subsecs(6));
    let wish = HoldWish { until, confirmed: &asked.confirmed, reason: reason.as_deref() };
    let planned = plan_hold(wish, &reservations, &settings.orchestrator, &settings.requests, now)?;
    let id = standing.as_ref().and_then(|order| order.request_id.clone());
    let id = id.unwrap_or_else(|| RequestId::derive(RequestKind::Hold, host, &author.name, &now.to_rfc3339()));
    let order = match standing {
        Some(order) if order.request_id.is_some() => LocalModeOrder {
            warned_at: order.warned_at.filter(|_| order.expires_at == Some(planned.expires_at)),
            expires_at: Some(planned.expires_at),
            reason: reason.or(order.reason.clone()),
            ..order
        },
        // What was set by itself has an end from now on.
        standing => LocalModeOrder {
            request_id: Some(id.clone()),
            expires_at: Some(planned.expires_at),
            next_attempt_at: Some(now),
            ..LocalModeOrder::new(host.clone(), true, &author.name, reason.or(standing.and_then(|old| old.reason)), now)
        },
    };
    work.states().order_local_mode(&order).await?;
    let request = receipt(&mut work, id, &order, &planned, now).await?;
    let entry = AuditEntry::done(author, AuditAction::HoldSet, host.as_str(), now).of(Some(host)).with(json!({
        "expires_at": order.expires_at,
        "reason": order.reason,
        "blocks": planned.blocks,
        "owner": order.owner,
    }));
    work.audit().append(&[entry]).await?;
    work.updates().append(&[hold_update(&order, false, now), request_update(&request, now)]).await?;
    work.commit().await?;
    tracing::info!(%host, "a station is held");
    Ok(order)
}

async fn receipt(
    work: &mut Transaction,
    id: RequestId,
    order: &LocalModeOrder,
    planned: &PlannedHold,
    now: DateTime<Utc>,
) -> Result<InstructorRequest, StoreError> {
    let known = work.requests().of(&id).await?;
    let asked_at = known.as_ref().map_or(now, |known| known.asked_at);
    let request = InstructorRequest {
        id,
        kind: RequestKind::Hold,
        host: order.host.clone(),
        reservation_id: planned.blocks.first().cloned(),
        asked_by: order.owner.clone(),
        asked_at,
        reason: order.reason.clone(),
        minutes: None,
        until: Some(planned.expires_at),
        state: RequestState::Granted,
        expires_at: None,
        shown_at: known.as_ref().and_then(|known| known.shown_at),
        seen_at: known.as_ref().and_then(|known| known.seen_at),
        answered_at: known.map_or(Some(now), |known| known.answered_at),
        answered_by: None,
        note: None,
    };
    work.requests().save(&request).await?;
    Ok(request)
}

/// Ends a hold, or local mode that was set by itself. Ended again, it stays as it was.
///
/// # Errors
/// Nobody holds it, it is somebody else's, or the store failed.
pub async fn end_hold(
    store: &Store,
    host: &HostName,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<LocalModeOrder, HoldError> {
    repeating!(end_once(store, host, author, now))
}

async fn end_once(
    store: &Store,
    host: &HostName,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<LocalModeOrder, HoldError> {
    let (mut work, states) = store.begin_locking(std::slice::from_ref(host)).await?;
    if states.is_empty() {
        return Err(HoldError::UnknownStation(host.clone()));
    }
    let order = work.states().local_mode_order(host).await?;
    let order = order.ok_or_else(|| HoldError::NotHeld(host.clone()))?;
    if !order.enabled {
        return Ok(order);
    }
    may_change(author, &order)?;
    let ended = end_in(&mut work, order, author, now).await?;
    work.commit().await?;
    tracing::info!(%host, "a hold was ended");
    Ok(ended)
}

/// What the end of a hold brings with it, in a unit of work that has locked the station.
pub(super) async fn end_in(
    work: &mut Transaction,
    order: LocalModeOrder,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<LocalModeOrder, StoreError> {
    let expired = order.expires_at.is_some_and(|at| at <= now);
    let ended = order.ended(&author.name, now);
    work.states().order_local_mode(&ended).await?;
    end_receipt(work, ended.request_id.as_ref(), now).await?;
    let detail = json!({ "owner": ended.owner, "expires_at": ended.expires_at, "expired": expired });
    let entry = AuditEntry::done(author, AuditAction::HoldEnd, ended.host.as_str(), now).of(Some(&ended.host));
    work.audit().append(&[entry.with(detail)]).await?;
    work.updates().append(&[hold_update(&ended, false, now)]).await?;
    Ok(ended)
}

/// What was granted is over.
pub(crate) async fn end_receipt(
    work: &mut Transaction,
    id: Option<&RequestId>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(id) = id else { return Ok(()) };
    let Some(request) = work.requests().of(id).await? else { return Ok(()) };
    let request = request.ended();
    work.requests().save(&request).await?;
    work.updates().append(&[request_update(&request, now)]).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = HoldRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Its end; without it, and without `minutes`: when the next reservation needs the station.
    until: Option<DateTime<Utc>>,
    /// How long it lasts.
    #[schema(minimum = 1, maximum = 43200)]
    minutes: Option<u32>,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// The reservation that it may stand in the way of, or several.
    confirm_reservation: Option<Confirmed>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Confirmed {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Confirmed {
    fn ids(self) -> Vec<ReservationId> {
        match self {
            Self::One(id) => vec![ReservationId(id)],
            Self::Several(ids) => ids.into_iter().map(ReservationId).collect(),
        }
    }
}

/// Most minutes that are read; the settings allow less.
const MOST_MINUTES: u32 = 43_200;

fn bad(text: impl Into<String>) -> ApiError {
    ApiError::BadRequest(text.into())
}

impl Request {
    fn asked(self, host: HostName, now: DateTime<Utc>) -> Result<AskedHold, ApiError> {
        let until = match (self.until, self.minutes) {
            (Some(_), Some(_)) => return Err(bad("say either until or minutes")),
            (_, Some(minutes)) if !(1..=MOST_MINUTES).contains(&minutes) => {
                return Err(bad(format!("minutes is a number from 1 to {MOST_MINUTES}")));
            }
            (until, minutes) => until.or(minutes.map(|minutes| now + TimeDelta::minutes(minutes.into()))),
        };
        if self.reason.as_ref().is_some_and(|reason| reason.chars().count() > TEXT_LENGTH) {
            return Err(bad(format!("reason has at most {TEXT_LENGTH} characters")));
        }
        let confirmed = self.confirm_reservation.map(Confirmed::ids).unwrap_or_default();
        Ok(AskedHold { host, until, reason: self.reason, confirmed })
    }
}

async fn view(gateway: &Gateway, order: &LocalModeOrder) -> Result<HoldView, ApiError> {
    let station = gateway.store().station(&order.host).await?;
    Ok(HoldView::new(order, station.as_ref().map(|station| &station.state)))
}

/// Holds a station in local mode for a while; it is taken back by itself.
///
/// Without `until` and `minutes` it ends when the next reservation needs the station (its start less the lead and the guard's grace), or after
/// `requests.hold_seconds`. Sent again by whoever holds the station, or by an operator, it changes the end. Role: instructor, for stations of
/// the token's laboratories.
#[utoipa::path(
    post, path = "/v1/stations/{host}/hold", operation_id = "hold_station", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01")),
    request_body(content = Request, example = json!({ "minutes": 90, "reason": "an exam in the room" })),
    responses(
        (status = ACCEPTED, description = "It is wanted; `state` says whether the station does so already", body = HoldView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories; `held_by_another`: only they and operators may change that", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
        (status = CONFLICT, description = "`blocks_reservation`: it reaches over a reservation, which the text names and nobody confirmed", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "`no_login` or `no_networks`: the gateway reaches no stations", body = ErrorBody),
    ),
)]
pub(crate) async fn set(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(name): Path,
    Body(request): Body<Request>,
) -> Result<(StatusCode, Json<HoldView>), ApiError> {
    actor.may_act()?;
    let host = known(&gateway, &name).await?.ok_or(ApiError::UnknownStation(name))?;
    actor.may_act_in_one_of(&host.access.labs)?;
    let now = gateway.now();
    let asked = request.asked(host.entry.host.clone(), now)?;
    // Nobody shall wait for what nobody does.
    gateway.way_to(&host).await?;
    let order = set_hold(gateway.store(), &asked, &actor.author(), now).await?;
    gateway.shared().keeper.at_work.poke();
    Ok((StatusCode::ACCEPTED, Json(view(&gateway, &order).await?)))
}

/// Ends a hold before its time.
///
/// Ended again, it stays as it was. Role: instructor, for what they hold themselves; operator.
#[utoipa::path(
    delete, path = "/v1/stations/{host}/hold", operation_id = "end_hold", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01")),
    responses(
        (status = ACCEPTED, description = "It is over; `state` says whether the station does so already", body = HoldView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories; `held_by_another`: only they and operators may change that", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station; `not_held`: nobody holds it", body = ErrorBody),
    ),
)]
pub(crate) async fn end(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(name): Path,
) -> Result<(StatusCode, Json<HoldView>), ApiError> {
    actor.may_act()?;
    let host = known(&gateway, &name).await?.ok_or(ApiError::UnknownStation(name))?;
    actor.may_act_in_one_of(&host.access.labs)?;
    let order = end_hold(gateway.store(), &host.entry.host, &actor.author(), gateway.now()).await?;
    gateway.shared().keeper.at_work.poke();
    Ok((StatusCode::ACCEPTED, Json(view(&gateway, &order).await?)))
}

/// What is wanted of a station's local mode, and what is.
#[utoipa::path(
    get, path = "/v1/stations/{host}/hold", operation_id = "get_hold", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01")),
    responses(
        (status = OK, description = "The last that was wanted, which may be over", body = HoldView),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station; `not_held`: nobody ever held it", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(name): Path,
) -> Result<Json<HoldView>, ApiError> {
    let host = known(&gateway, &name).await?.ok_or(ApiError::UnknownStation(name))?.entry.host;
    let order = gateway.store().local_mode_order(&host).await?;
    let order = order.ok_or(ApiError::Hold(HoldError::NotHeld(host)))?;
    Ok(Json(view(&gateway, &order).await?))
}
