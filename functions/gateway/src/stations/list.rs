//! `GET /api/v1/stations`: stations by host name, with filters `lab`, `state` (one, or several with commas) and `host`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stationkeeper_api::{Page, StationView};
use stationkeeper_rules::StationWord;
use stationkeeper_store::StationFilter;
use stationkeeper_telemetry::HostName;

use super::{reservations, view};
use crate::Gateway;
use crate::actor::Actor;
use crate::cursor;
use crate::error::ApiError;
use crate::extract::{Query, Reader};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    lab: Option<String>,
    state: Option<String>,
    host: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<StationView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after: Option<HostName> = cursor::decode(asked.cursor.as_deref())?;
    let filter = StationFilter {
        lab: asked.lab,
        words: asked.state.as_deref().map(words).transpose()?.unwrap_or_default(),
        hosts: asked.host.as_deref().map(host).transpose()?.into_iter().collect(),
    };
    let now = gateway.now();
    let found = gateway.store().stations(&filter, after.as_ref(), limit + 1).await?;
    let reservations = reservations(&gateway, filter.hosts.first(), now).await?;
    Ok(Json(cursor::page(
        found,
        limit,
        |station| station.entry.host.clone(),
        |station| view(station, &reservations, language, now),
    )))
}

fn words(text: &str) -> Result<Vec<StationWord>, ApiError> {
    text.split(',')
        .map(|word| {
            StationWord::parse(word).ok_or_else(|| {
                let known = StationWord::ALL.map(StationWord::as_str).join(", ");
                ApiError::BadRequest(format!("state is one of {known}"))
            })
        })
        .collect()
}

/// A filter by host name.
pub(crate) fn host(text: &str) -> Result<HostName, ApiError> {
    HostName::parse(text).map_err(|error| ApiError::BadRequest(format!("host: {error}")))
}
