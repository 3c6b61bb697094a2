//! `GET /api/v1/stations`: stations by host name, with filters `lab`, `state` (one, or several with commas) and `host`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stationkeeper_api::{Page, StationView};
use stationkeeper_rules::StationWord;
use stationkeeper_store::StationFilter;
use stationkeeper_telemetry::HostName;
use utoipa::IntoParams;

use super::{reservations, view};
use crate::Gateway;
use crate::actor::Actor;
use crate::cursor;
use crate::error::ApiError;
use crate::extract::{Query, Reader};
use crate::openapi::AcceptLanguage;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Of this laboratory.
    lab: Option<String>,
    /// In this state, or in one of several, parted by commas.
    state: Option<String>,
    /// Of this station.
    host: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Stations with their latest state.
#[utoipa::path(
    get, path = "/v1/stations", operation_id = "list_stations", tag = "stations",
    params(Parameters, AcceptLanguage),
    responses((status = OK, description = "By host name", body = Page<StationView>)),
)]
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
    let found = gateway.store().stations_in_brief(&filter, after.as_ref(), limit + 1).await?;
    let reservations = reservations(&gateway, filter.hosts.first(), now).await?;
    let orders = gateway.store().local_mode_orders().await?;
    Ok(Json(cursor::page(
        found,
        limit,
        |station| station.state.host.clone(),
        |station| view((&station.state, station.lab.as_deref()), &reservations, &orders, language, now),
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
