//! `POST /api/v1/reservations/import`: a list of reservations as JSON, CSV or iCalendar, all of it or nothing; or what it would do.

pub(crate) mod apply;
mod calendar;
pub(crate) mod entries;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ErrorBody, ImportOutcome, ImportView, ImportedView};
use utoipa::IntoParams;

use super::put::Became;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Query, Raw};
use apply::{ImportOptions, ImportReport, Imported, import_reservations};
use entries::{JsonEntry, ListFormat, read_entries};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Nothing is changed: only what would be is told.
    #[serde(default)]
    dry_run: bool,
    /// Entries that are refused do not keep the others from being taken.
    #[serde(default)]
    skip_refused: bool,
    /// Reservations are taken although their station is in local mode; `reason` says why.
    #[serde(default)]
    confirm_local_mode: bool,
    /// Why.
    reason: Option<String>,
}

/// By the Content-Type; what says nothing else is JSON.
fn format(headers: &HeaderMap) -> ListFormat {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "text/csv" => ListFormat::Csv,
        "text/calendar" => ListFormat::Calendar,
        _ => ListFormat::Json,
    }
}

/// A list as the API, and the command line, show it.
pub fn import_view(report: &ImportReport, dry_run: bool) -> ImportView {
    let of = |became| report.count(|outcome| *outcome == Ok(became));
    ImportView {
        dry_run,
        applied: report.applied,
        new: of(Became::New),
        changed: of(Became::Changed),
        same: of(Became::Same),
        refused: report.refused(),
        items: report.entries.iter().map(entry_view).collect(),
    }
}

fn entry_view(entry: &Imported) -> ImportedView {
    let outcome = match &entry.outcome {
        Ok(Became::New) => ImportOutcome::New,
        Ok(Became::Changed) => ImportOutcome::Changed,
        Ok(Became::Same) => ImportOutcome::Same,
        Err(_) => ImportOutcome::Refused,
    };
    let refused = entry.outcome.as_ref().err();
    ImportedView {
        number: entry.number,
        id: entry.id.clone(),
        outcome,
        code: refused.map(|refused| refused.code.to_owned()),
        reason: refused.map(|refused| refused.text.clone()),
    }
}

/// Takes a list of reservations: all of it, or nothing where an entry is refused.
///
/// The Content-Type says how it is written: `application/json`, a list of objects; `text/csv`, with a line of headings
/// (`id,lab,host,start_at,end_at,who`, and `status`); `text/calendar`, an iCalendar file: `UID` is the id, `SUMMARY` who booked it,
/// `X-STATIONKEEPER-HOST` and `X-STATIONKEEPER-LAB` or else `LOCATION` the place; a time without a zone is the laboratory's. Events that
/// recur or last whole days are refused. At most 1,000 entries; what an entry leaves out stays as it was. `dry_run=true` tells what it
/// would come to. Feeds by address are not fetched.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/reservations/import", operation_id = "import_reservations", tag = "reservations",
    params(Parameters),
    request_body(content(
        (Vec<JsonEntry> = "application/json", example = json!([{ "id": "res-2026-0042", "lab": "optics", "start_at": "2026-11-24T10:00:00Z", "end_at": "2026-11-24T11:00:00Z" }])),
        (String = "text/csv", example = "id,lab,host,start_at,end_at,who\nres-2026-0042,optics,,2026-11-24T10:00:00Z,2026-11-24T11:00:00Z,Ana\n"),
        (String = "text/calendar"),
    )),
    responses(
        (status = OK, description = "What became of each entry, or would", body = ImportView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
        (status = CONFLICT, description = "`import_refused`: entries are refused, and nothing was changed; with `items`, and the rest of a list that was taken", body = ErrorBody),
    ),
)]
pub(crate) async fn post(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, ApiError> {
    actor.may_import()?;
    let report = taken(&gateway, &actor, &parameters, format(&headers), &body).await?;
    let view = import_view(&report, parameters.dry_run);
    if report.applied {
        gateway.shared().orchestrator.at_work.poke();
    } else if !parameters.dry_run {
        return Ok(refused(&actor, &view));
    }
    Ok(Json(view).into_response())
}

async fn taken(
    gateway: &Gateway,
    actor: &Actor,
    parameters: &Parameters,
    format: ListFormat,
    body: &Bytes,
) -> Result<ImportReport, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_not_utf8| ApiError::BadRequest("the body is no text in UTF-8".to_owned()))?;
    let entries = read_entries(text, format).map_err(ApiError::BadRequest)?;
    let options = ImportOptions {
        dry_run: parameters.dry_run,
        skip_refused: parameters.skip_refused,
        confirm_local_mode: parameters.confirm_local_mode.then(|| parameters.reason.clone().unwrap_or_default()),
    };
    let may = |lab: Option<&str>| actor.may_reserve_in(lab).is_ok();
    Ok(import_reservations(gateway.store(), &entries, &options, may, &actor.author(), gateway.now()).await?)
}

/// An error that says more than others.
fn refused(actor: &Actor, view: &ImportView) -> Response {
    let body = json!({
        "error": format!("{} of {} entries are refused: nothing was changed", view.refused, view.items.len()),
        "code": "import_refused",
        "requestId": actor.author().request_id,
        "dry_run": view.dry_run,
        "applied": view.applied,
        "new": view.new,
        "changed": view.changed,
        "same": view.same,
        "refused": view.refused,
        "items": view.items,
    });
    (StatusCode::CONFLICT, Json(body)).into_response()
}
