//! `GET /api/v1/stations/{host}/history`: a stretch of a station's past in buckets, with its states and the gaps between its heartbeats. Parameters `from`, `to`
//! (the last 24 hours) and `buckets` (288).

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use stationkeeper_api::{ErrorBody, HistoryView, Language};
use stationkeeper_rules::history::{History, Window};
use stationkeeper_store::{Store, StoreError};
use stationkeeper_telemetry::HostName;
use utoipa::IntoParams;

use super::{known, span};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Path, Query, Reader};
use crate::openapi::AcceptLanguage;

const DEFAULT_BUCKETS: u32 = 288;
const MOST_BUCKETS: u32 = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Its first instant; otherwise 24 hours before its end.
    #[param(format = DateTime)]
    from: Option<String>,
    /// The instant after it; otherwise now.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Into how many buckets it is cut: 1 to 1,000, otherwise 288.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000)]
    buckets: Option<String>,
}

/// A stretch of a station's past in buckets, with its exact states and the gaps between its heartbeats.
#[utoipa::path(
    get, path = "/v1/stations/{host}/history", operation_id = "get_history", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01"), Parameters, AcceptLanguage),
    responses(
        (status = OK, description = "In time order", body = HistoryView),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
    ),
)]
pub(crate) async fn history(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(asked): Query<Parameters>,
    Path(name): Path,
) -> Result<Json<HistoryView>, ApiError> {
    let buckets = asked.buckets.as_deref().map_or(Ok(DEFAULT_BUCKETS), buckets)?;
    let now = gateway.now();
    let (from, to) = span(asked.from.as_deref(), asked.to.as_deref(), now)?;
    let window = Window::new(from, to, buckets).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let host = known(&gateway, name).await?.entry.host;
    Ok(Json(history_of(gateway.store(), host, window, language, now).await?))
}

/// A window of a station's past as it is known at `now`.
///
/// # Errors
/// The database.
pub async fn history_of(
    store: &Store,
    host: HostName,
    window: Window,
    language: Language,
    now: DateTime<Utc>,
) -> Result<HistoryView, StoreError> {
    let mut history = History::new(window, store.settings().await?.alerts.missing_after());
    store.play_heartbeats(&host, &mut history).await?;
    let runs = store.state_runs(&host, window.from(), window.to()).await?;
    Ok(HistoryView::new(host, &window, history.told(&runs, now), &runs, language))
}

fn buckets(text: &str) -> Result<u32, ApiError> {
    text.parse()
        .ok()
        .filter(|number| (1..=MOST_BUCKETS).contains(number))
        .ok_or_else(|| ApiError::BadRequest(format!("buckets is a number from 1 to {MOST_BUCKETS}")))
}
