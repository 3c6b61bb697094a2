//! `GET /api/v1/audit`: who changed what, the newest first, with filters `actor`, `action`, `target` and `host`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stationkeeper_api::{AuditView, ErrorBody, Page};
use stationkeeper_store::{AuditAction, AuditCursor, AuditEntry, AuditFilter, TokenRole};
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::cursor::{self, InstantAndId};
use crate::error::ApiError;
use crate::extract::Query;
use crate::stations::list::host;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// By whoever has this name.
    actor: Option<String>,
    /// Of this kind.
    action: Option<String>,
    /// On this id.
    target: Option<String>,
    /// Of this station.
    host: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Who changed what.
///
/// Role: operator.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "list_audit", tag = "access",
    params(Parameters),
    responses(
        (status = OK, description = "The newest first", body = Page<AuditView>),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<AuditView>>, ApiError> {
    actor.may_see_audit()?;
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = InstantAndId::decode(asked.cursor.as_deref())?.map(|(at, id)| AuditCursor { at, id });
    let filter = AuditFilter {
        actor: asked.actor,
        action: asked.action.as_deref().map(action).transpose()?,
        target: asked.target,
        host: asked.host.as_deref().map(host).transpose()?,
    };
    let found = gateway.store().audit_log(&filter, after.as_ref(), limit + 1).await?;
    let key = |entry: &AuditEntry| InstantAndId::of(entry.at, &entry.id);
    Ok(Json(cursor::page(found, limit, key, view)))
}

fn action(text: &str) -> Result<AuditAction, ApiError> {
    AuditAction::parse(text).ok_or_else(|| {
        let known = AuditAction::ALL.map(AuditAction::as_str).join(", ");
        ApiError::BadRequest(format!("action is one of {known}"))
    })
}

/// An entry as the API, and the command line, show it.
pub fn view(entry: &AuditEntry) -> AuditView {
    AuditView {
        id: entry.id.clone(),
        at: entry.at.into(),
        actor: entry.author.name.clone(),
        role: entry.author.role.map(|role| TokenRole::as_str(role).to_owned()),
        action: entry.action.as_str().to_owned(),
        target: entry.target.clone(),
        host: entry.host.as_ref().map(ToString::to_string),
        outcome: entry.outcome.as_str().to_owned(),
        detail: entry.detail.clone(),
        request_id: entry.author.request_id.clone(),
    }
}
