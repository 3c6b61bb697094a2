//! `GET /api/v1/requests`, `GET …/{id}`, `POST …/{id}/shown` and `…/seen`: what was asked for, and what became of it.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ErrorBody, Page, RequestView};
use stationkeeper_rules::requests::{InstructorRequest, RequestId, RequestKind, RequestState};
use stationkeeper_store::{AuditAction, AuditEntry, Author, RequestCursor, RequestFilter, Store, StoreError};
use utoipa::IntoParams;

use super::request_update;
use crate::Gateway;
use crate::actor::Actor;
use crate::cursor::{self, InstantAndId};
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query};
use crate::hosts::known;
use crate::repeating::repeating;
use crate::stations::list::host;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// At this station.
    host: Option<String>,
    /// Of this kind.
    kind: Option<RequestKind>,
    /// That stand there, or at one of several, parted by commas.
    state: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// What instructors asked for: to hold a station, that they leave it, more time at it.
#[utoipa::path(
    get, path = "/v1/requests", operation_id = "list_requests", tag = "requests",
    params(Parameters),
    responses((status = OK, description = "The newest first", body = Page<RequestView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<RequestView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = InstantAndId::decode(asked.cursor.as_deref())?
        .map(|(at, id)| RequestCursor { asked_at: at, id: RequestId(id) });
    let filter = RequestFilter {
        host: asked.host.as_deref().map(host).transpose()?,
        kind: asked.kind,
        states: asked.state.as_deref().map(states).transpose()?.unwrap_or_default(),
        over_at: None,
    };
    let found = gateway.store().requests(&filter, after.as_ref(), limit + 1).await?;
    let key = |request: &InstructorRequest| InstantAndId::of(request.asked_at, &request.id.0);
    Ok(Json(cursor::page(found, limit, key, |request| request.into())))
}

fn states(text: &str) -> Result<Vec<RequestState>, ApiError> {
    text.split(',')
        .map(|word| {
            RequestState::parse(word).ok_or_else(|| {
                let known = RequestState::ALL.map(RequestState::as_str).join(", ");
                ApiError::BadRequest(format!("state is one of {known}"))
            })
        })
        .collect()
}

/// One request.
#[utoipa::path(
    get, path = "/v1/requests/{id}", operation_id = "get_request", tag = "requests",
    params(("id" = String, Path, description = "Of the request")),
    responses(
        (status = OK, description = "As it stands", body = RequestView),
        (status = NOT_FOUND, description = "`unknown_request`: no request has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<RequestView>, ApiError> {
    let found = gateway.store().request(&RequestId(id.clone())).await?;
    Ok(Json((&found.ok_or(ApiError::UnknownRequest(id))?).into()))
}

/// A request was on somebody's screen. The first time counts.
///
/// Role: instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/requests/{id}/shown", operation_id = "mark_request_shown", tag = "requests",
    params(("id" = String, Path, description = "Of the request")),
    responses(
        (status = OK, description = "As it stands now", body = RequestView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_request`: no request has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn shown(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<RequestView>, ApiError> {
    mark(&gateway, &actor, id, InstructorRequest::shown).await
}

/// Somebody looked at a request. The first time counts.
///
/// Role: instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/requests/{id}/seen", operation_id = "mark_request_seen", tag = "requests",
    params(("id" = String, Path, description = "Of the request")),
    responses(
        (status = OK, description = "As it stands now", body = RequestView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_request`: no request has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn seen(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<RequestView>, ApiError> {
    mark(&gateway, &actor, id, InstructorRequest::seen).await
}

/// A request at a station of the labs that the actor may act in.
///
/// # Errors
/// There is none, or it is elsewhere.
pub(super) async fn within_labs(gateway: &Gateway, actor: &Actor, id: String) -> Result<InstructorRequest, ApiError> {
    let found = gateway.store().request(&RequestId(id.clone())).await?;
    let request = found.ok_or(ApiError::UnknownRequest(id))?;
    let labs = known(gateway, request.host.as_str()).await?.map(|host| host.access.labs).unwrap_or_default();
    actor.may_act_in_one_of(&labs)?;
    Ok(request)
}

async fn mark(
    gateway: &Gateway,
    actor: &Actor,
    id: String,
    marking: fn(InstructorRequest, DateTime<Utc>) -> InstructorRequest,
) -> Result<Json<RequestView>, ApiError> {
    actor.may_act()?;
    let request = within_labs(gateway, actor, id).await?;
    let marked = repeating!(mark_once(gateway.store(), &request, &actor.author(), marking, gateway.now()))?;
    Ok(Json((&marked).into()))
}

async fn mark_once(
    store: &Store,
    request: &InstructorRequest,
    author: &Author,
    marking: fn(InstructorRequest, DateTime<Utc>) -> InstructorRequest,
    now: DateTime<Utc>,
) -> Result<InstructorRequest, StoreError> {
    let (mut work, _states) = store.begin_locking(std::slice::from_ref(&request.host)).await?;
    // Nobody removes it but the end of what is kept.
    let stands = work.requests().of(&request.id).await?.unwrap_or_else(|| request.clone());
    let marked = marking(stands.clone(), now);
    if marked == stands {
        return Ok(marked);
    }
    work.requests().save(&marked).await?;
    let detail = json!({ "shown_at": marked.shown_at, "seen_at": marked.seen_at });
    let entry = AuditEntry::done(author, AuditAction::RequestReceipt, &marked.id.0, now).of(Some(&marked.host));
    work.audit().append(&[entry.with(detail)]).await?;
    work.updates().append(&[request_update(&marked, now)]).await?;
    work.commit().await?;
    Ok(marked)
}
