//! `POST /api/v1/alerts/{id}/resolve`: somebody calls an alert over. Again, it stays as it was.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{AlertView, ErrorBody};
use stationkeeper_rules::{AlertId, resolve_by_hand};
use stationkeeper_store::{AuditAction, AuditEntry, Author, Store};
use utoipa::ToSchema;

use super::acknowledge::{AcknowledgeError, lab_of_alert};
use super::one::view;
use super::step;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query, Reader};
use crate::openapi::AcceptLanguage;
use crate::repeating::repeating;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ResolveRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// What somebody writes with it.
    note: Option<String>,
}

/// Somebody calls an alert over.
#[derive(Debug, Clone, Copy)]
pub struct Resolving<'a> {
    /// Who.
    pub author: &'a Author,
    /// What they write.
    pub note: Option<&'a str>,
}

/// What resolving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// It stood until now.
    Now,
    /// It was over.
    Before,
}

/// Calls an alert over, with its transition, its update and the news that it owes in one unit of work. Its station is looked at again at
/// once: where the rule still holds, another alert opens.
///
/// # Errors
/// No such alert, a note that is too long, or the store failed.
pub async fn resolve(
    store: &Store,
    id: &AlertId,
    resolving: Resolving<'_>,
    now: DateTime<Utc>,
) -> Result<Resolved, AcknowledgeError> {
    repeating!(once(store, id, resolving, now))
}

async fn once(
    store: &Store,
    id: &AlertId,
    resolving: Resolving<'_>,
    now: DateTime<Utc>,
) -> Result<Resolved, AcknowledgeError> {
    let Some(known) = store.alert(id).await? else { return Err(AcknowledgeError::Unknown(id.clone())) };
    let mut work = store.begin().await?;
    // As whoever judges the station does, so that none of the two moves the alert from where the other has left it.
    let mut states = match known.alert.key.host {
        Some(host) => work.states().lock(&[host]).await?,
        None => {
            work.overdue_check().lock().await?;
            Vec::new()
        }
    };
    let Some(alert) = work.alerts().lock(id).await? else { return Err(AcknowledgeError::Unknown(id.clone())) };
    let note = resolving.note.map(str::to_owned);
    let step = resolve_by_hand(&alert, &resolving.author.name, note, now).map_err(AcknowledgeError::Life)?;
    let Some(step) = step else { return Ok(Resolved::Before) };
    for state in &mut states {
        state.remember_resolved(&alert.key, step.at);
    }
    work.states().save(&states).await?;
    let entry = AuditEntry::done(resolving.author, AuditAction::AlertResolve, &id.0, now)
        .with(json!({ "rule": alert.key.rule, "note": resolving.note }));
    step::write(&mut work, &alert, step, entry, now).await?;
    work.commit().await?;
    tracing::info!(alert.id = %id, alert.rule = %alert.key.rule, "an alert was resolved by hand");
    Ok(Resolved::Now)
}

/// Somebody calls an alert over. One that is over stays as it is.
///
/// The alert's rule is asked again at once: where it still holds, another alert opens, with an id of its own, and is told as any other. To
/// have it quiet while something is being mended, acknowledge it or set a silence.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/alerts/{id}/resolve", operation_id = "resolve_alert", tag = "alerts",
    params(("id" = String, Path, description = "Of the alert"), AcceptLanguage),
    request_body(content = Request, example = json!({ "note": "the cable was loose" })),
    responses(
        (status = OK, description = "As it stands now", body = AlertView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_alert`: no alert has this id", body = ErrorBody),
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
    actor.may_resolve_in(lab_of_alert(&gateway, &actor, &id).await?.as_deref())?;
    let note = request.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    let resolving = Resolving { author: &author, note };
    match resolve(gateway.store(), &AlertId(id.clone()), resolving, gateway.now()).await {
        Ok(Resolved::Now | Resolved::Before) => view(&gateway, id, language).await.map(Json),
        Err(AcknowledgeError::Unknown(AlertId(id))) => Err(ApiError::UnknownAlert(id)),
        Err(AcknowledgeError::Life(error)) => Err(ApiError::Life(error)),
        Err(AcknowledgeError::Store(error)) => Err(error.into()),
    }
}
