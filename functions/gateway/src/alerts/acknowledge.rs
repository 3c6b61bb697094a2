//! `POST /api/v1/alerts/{id}/acknowledge`: somebody takes an alert. Again, it stays with whoever took it first.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{AlertView, ErrorBody};
use stationkeeper_rules::{Actor as By, Alert, AlertId, LifeError};
use stationkeeper_store::{AuditAction, AuditEntry, Author, Labs, Store, StoreError, Transaction};
use utoipa::ToSchema;

use super::one::view;
use super::step;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query, Reader};
use crate::openapi::AcceptLanguage;
use crate::repeating::repeating;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AcknowledgeRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// What somebody writes with it.
    note: Option<String>,
    /// When the alert opens again if it still holds.
    until: Option<DateTime<Utc>>,
}

/// Somebody takes an alert.
#[derive(Debug, Clone, Copy)]
pub struct Taking<'a> {
    /// Who.
    pub author: &'a Author,
    /// What they write.
    pub note: Option<&'a str>,
    /// Until when; none: until it is over.
    pub until: Option<DateTime<Utc>>,
}

/// Why an alert was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AcknowledgeError {
    /// No alert of that id.
    #[error("there is no alert {0}: `stationkeeper alerts` lists them")]
    Unknown(AlertId),
    /// Its life does not allow it.
    #[error(transparent)]
    Life(LifeError),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl AcknowledgeError {
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<StoreError> for AcknowledgeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What acknowledging came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// It was open until now.
    Now,
    /// Somebody had taken it; it stays theirs.
    Before,
}

/// Takes an alert, with its transition, its update and the news that it owes in one unit of work.
///
/// # Errors
/// No such alert, a resolved one, a note that is too long, an end that has passed, or the store failed.
pub async fn acknowledge(
    store: &Store,
    id: &AlertId,
    taking: Taking<'_>,
    now: DateTime<Utc>,
) -> Result<Acknowledged, AcknowledgeError> {
    repeating!(once(store, id, taking, now))
}

async fn once(
    store: &Store,
    id: &AlertId,
    taking: Taking<'_>,
    now: DateTime<Utc>,
) -> Result<Acknowledged, AcknowledgeError> {
    let Some(known) = store.alert(id).await? else { return Err(AcknowledgeError::Unknown(id.clone())) };
    let mut work = store.begin().await?;
    // As whoever judges the station does, so that none of the two moves the alert from where the other has left it.
    if let Some(host) = known.alert.key.host {
        work.states().lock(&[host]).await?;
    }
    let Some(alert) = work.alerts().lock(id).await? else { return Err(AcknowledgeError::Unknown(id.clone())) };
    let came_to = acknowledge_in(&mut work, &alert, taking, now).await?;
    if came_to == Acknowledged::Now {
        work.commit().await?;
        tracing::info!(alert.id = %id, alert.rule = %alert.key.rule, "an alert was acknowledged");
    }
    Ok(came_to)
}

/// The same in a unit of work that has locked the alert's station.
pub(crate) async fn acknowledge_in(
    work: &mut Transaction,
    alert: &Alert,
    taking: Taking<'_>,
    now: DateTime<Utc>,
) -> Result<Acknowledged, AcknowledgeError> {
    let (by, note) = (By::Person(taking.author.name.clone()), taking.note.map(str::to_owned));
    let step = stationkeeper_rules::acknowledge(alert, by, note, taking.until, now).map_err(AcknowledgeError::Life)?;
    let Some(step) = step else { return Ok(Acknowledged::Before) };
    let entry = AuditEntry::done(taking.author, AuditAction::AlertAcknowledge, &alert.id.0, now)
        .with(json!({ "rule": alert.key.rule, "note": taking.note, "until": taking.until }));
    step::write(work, alert, step, entry, now).await?;
    Ok(Acknowledged::Now)
}

/// Only looked up for whom it matters.
pub(super) async fn lab_of_alert(gateway: &Gateway, actor: &Actor, id: &str) -> Result<Option<String>, ApiError> {
    if actor.labs == Labs::All {
        return Ok(None);
    }
    let alert = gateway.store().alert(&AlertId(id.to_owned())).await?;
    let alert = alert.ok_or_else(|| ApiError::UnknownAlert(id.to_owned()))?.alert;
    let Some(host) = alert.key.host else { return Ok(None) };
    Ok(gateway.store().station(&host).await?.and_then(|station| station.entry.lab))
}

/// Somebody takes an alert. Again, it stays with whoever took it first.
///
/// Role: instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/alerts/{id}/acknowledge", operation_id = "acknowledge_alert", tag = "alerts",
    params(("id" = String, Path, description = "Of the alert"), AcceptLanguage),
    request_body(content = Request, example = json!({ "note": "on my way" })),
    responses(
        (status = OK, description = "As it stands now", body = AlertView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_alert`: no alert has this id", body = ErrorBody),
        (status = CONFLICT, description = "`alert_resolved`: it is over", body = ErrorBody),
    ),
)]
pub(crate) async fn post(
    State(gateway): State<Gateway>,
    actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
    Body(request): Body<Request>,
) -> Result<Json<AlertView>, ApiError> {
    let author = actor.author();
    actor.may_act_in(lab_of_alert(&gateway, &actor, &id).await?.as_deref())?;
    let note = request.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    let taking = Taking { author: &author, note, until: request.until };
    match acknowledge(gateway.store(), &AlertId(id.clone()), taking, gateway.now()).await {
        Ok(Acknowledged::Now | Acknowledged::Before) => view(&gateway, id, language).await.map(Json),
        Err(AcknowledgeError::Unknown(AlertId(id))) => Err(ApiError::UnknownAlert(id)),
        Err(AcknowledgeError::Life(error)) => Err(ApiError::Life(error)),
        Err(AcknowledgeError::Store(error)) => Err(error.into()),
    }
}
