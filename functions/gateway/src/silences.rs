//! `GET /api/v1/silences`, newest first (with `all=true` also those that are over), `POST` to set one, `DELETE …/{id}` to end one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ErrorBody, Page, SilenceView};
use stationkeeper_rules::notify::{Silence, SilenceError, SilenceId, Span};
use stationkeeper_rules::{AlertState, Rule};
use stationkeeper_store::{AuditAction, AuditEntry, Author, SilenceCursor, Store, StoreError};
use stationkeeper_telemetry::HostName;
use utoipa::{IntoParams, ToSchema};

use crate::Gateway;
use crate::actor::Actor;
use crate::cursor::{self, InstantAndId};
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query, Reader};
use crate::openapi::AcceptLanguage;
use crate::stations::list::host;

/// A silence as somebody asks for it. Without `until` it lasts until what it mutes is over.
#[derive(Debug, Clone, Default)]
pub struct AskedSilence {
    /// Of this station.
    pub host: Option<HostName>,
    /// Of stations of this laboratory.
    pub lab: Option<String>,
    /// Of this rule.
    pub rule: Option<Rule>,
    /// The first instant of it; none: now.
    pub from: Option<DateTime<Utc>>,
    /// The first instant after it, or after its first time.
    pub until: Option<DateTime<Utc>>,
    /// By which it recurs, as in RFC 5545, by the time zone of the laboratory.
    pub recurring: Option<String>,
    /// Why.
    pub reason: String,
}

/// Why a silence was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetSilenceError {
    /// It says nothing that can be set.
    #[error(transparent)]
    Silence(#[from] SilenceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks what is asked for and sets it.
///
/// # Errors
/// It would mute everything or nothing, or waits for the end of nothing; or the store failed.
pub async fn set_silence(
    store: &Store,
    asked: AskedSilence,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<Silence, SetSilenceError> {
    // As it is kept: what is answered now is what is read later.
    let from = asked.from.unwrap_or(now).trunc_subsecs(6);
    let until = asked.until.map(|until| until.trunc_subsecs(6));
    let span = match (until, asked.recurring) {
        (None, _) => Span::UntilResolved { from },
        (Some(until), None) => Span::Once { from, until },
        (Some(until), Some(rule)) => {
            let lab = match (&asked.lab, &asked.host) {
                (None, Some(host)) => store.station(host).await?.and_then(|known| known.entry.lab),
                (lab, _) => lab.clone(),
            };
            let time_zone = store.settings().await?.time_zone(lab.as_deref());
            Span::Recurring { from, until, rule, time_zone }
        }
    };
    let silence = Silence::new(Silence {
        id: SilenceId(String::new()),
        host: asked.host,
        lab: asked.lab,
        rule: asked.rule,
        span,
        reason: asked.reason,
        author: author.name.clone(),
        created_at: now,
        ended_at: None,
    })?;
    let mut work = store.begin().await?;
    if matches!(silence.span, Span::UntilResolved { .. }) {
        let alerts = work.placed_alerts(&[], now).await?;
        let stands = |state| state != AlertState::Resolved;
        if !alerts.rows.iter().any(|placed| stands(placed.alert.state) && silence.speaks_of(placed)) {
            return Err(SilenceError::NothingOpen.into());
        }
    }
    work.silences().add(&silence).await?;
    let entry = AuditEntry::done(author, AuditAction::SilenceSet, &silence.id.0, now)
        .of(silence.host.as_ref())
        .with(json!({ "lab": silence.lab, "rule": silence.rule, "reason": silence.reason }));
    work.audit().append(&[entry]).await?;
    work.commit().await?;
    tracing::info!(silence.id = %silence.id, "a silence was set");
    Ok(silence)
}

/// Ends a silence; what it held back is looked at at once. False: it had ended before, or there is none.
///
/// # Errors
/// The store failed.
pub async fn end_silence(
    store: &Store,
    id: &SilenceId,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut work = store.begin().await?;
    let ended = work.silences().end(std::slice::from_ref(id), now).await? > 0;
    if ended {
        work.owed().look_at_once(now).await?;
        work.audit().append(&[AuditEntry::done(author, AuditAction::SilenceEnd, &id.0, now)]).await?;
    }
    work.commit().await?;
    Ok(ended)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Also those that are over.
    all: Option<bool>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Silences that mute, or will.
#[utoipa::path(
    get, path = "/v1/silences", operation_id = "list_silences", tag = "silences",
    params(Parameters, AcceptLanguage),
    responses((status = OK, description = "The newest first", body = Page<SilenceView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<SilenceView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = InstantAndId::decode(asked.cursor.as_deref())?
        .map(|(at, id)| SilenceCursor { created_at: at, id: SilenceId(id) });
    let now = gateway.now();
    let standing_at = (!asked.all.unwrap_or_default()).then_some(now);
    let found = gateway.store().silences(standing_at, after.as_ref(), limit + 1).await?;
    let key = |silence: &Silence| InstantAndId::of(silence.created_at, &silence.id.0);
    Ok(Json(cursor::page(found, limit, key, |silence| SilenceView::new(silence, now, language))))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SilenceRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Of this station.
    host: Option<String>,
    /// Of stations of this laboratory.
    lab: Option<String>,
    /// Of this rule.
    rule: Option<Rule>,
    /// The first instant of it; otherwise now.
    from: Option<DateTime<Utc>>,
    /// The first instant after it, or after its first time.
    until: Option<DateTime<Utc>>,
    /// By which it recurs (RFC 5545), such as `FREQ=WEEKLY;BYDAY=SA,SU`, by the time zone of the laboratory.
    recurring: Option<String>,
    /// It ends when nothing is left that it mutes.
    #[serde(default)]
    until_resolved: bool,
    /// Why.
    reason: String,
}

/// Sets a silence: news of what it speaks of are held back.
///
/// Say either `until` or `until_resolved`. Role: operator.
#[utoipa::path(
    post, path = "/v1/silences", operation_id = "set_silence", tag = "silences",
    params(AcceptLanguage),
    request_body(
        content = Request,
        example = json!({ "lab": "electronics", "until": "2026-11-24T18:00:00Z", "reason": "new switches" })
    ),
    responses(
        (status = CREATED, description = "It is set", body = SilenceView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
        (status = CONFLICT, description = "`nothing_open`: nothing is open whose end it could wait for", body = ErrorBody),
    ),
)]
pub(crate) async fn set(
    State(gateway): State<Gateway>,
    actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Body(request): Body<Request>,
) -> Result<(StatusCode, Json<SilenceView>), ApiError> {
    actor.may_silence()?;
    if request.until_resolved == request.until.is_some() || (request.until_resolved && request.recurring.is_some()) {
        let said = "say either until (and recurring, if it recurs) or until_resolved: true";
        return Err(ApiError::BadRequest(said.to_owned()));
    }
    let asked = AskedSilence {
        host: request.host.as_deref().map(host).transpose()?,
        lab: request.lab,
        rule: request.rule,
        from: request.from,
        until: request.until,
        recurring: request.recurring,
        reason: request.reason,
    };
    let now = gateway.now();
    match set_silence(gateway.store(), asked, &actor.author(), now).await {
        Ok(silence) => Ok((StatusCode::CREATED, Json(SilenceView::new(&silence, now, language)))),
        Err(SetSilenceError::Silence(error)) => Err(ApiError::Silence(error)),
        Err(SetSilenceError::Store(error)) => Err(error.into()),
    }
}

/// Ends a silence; what it held back is looked at at once.
///
/// Ended again, it stays as it was. Role: operator.
#[utoipa::path(
    delete, path = "/v1/silences/{id}", operation_id = "end_silence", tag = "silences",
    params(("id" = String, Path, description = "Of the silence"), AcceptLanguage),
    responses(
        (status = OK, description = "As it stands now", body = SilenceView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_silence`: no silence has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn end(
    State(gateway): State<Gateway>,
    actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<SilenceView>, ApiError> {
    actor.may_silence()?;
    let (known, now) = (SilenceId(id.clone()), gateway.now());
    end_silence(gateway.store(), &known, &actor.author(), now).await?;
    let Some(silence) = gateway.store().silence(&known).await? else { return Err(ApiError::UnknownSilence(id)) };
    Ok(Json(SilenceView::new(&silence, now, language)))
}
