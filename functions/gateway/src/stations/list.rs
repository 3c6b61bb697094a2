//! `GET /api/v1/stations`: stations by host name, with filters `lab`, `state` (one, or several with commas) and `host`.

use std::collections::{BTreeMap, HashMap, HashSet};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use stationkeeper_api::{HoldStage, Language, Page, ReadNow, StationView};
use stationkeeper_rules::requests::LocalModeOrder;
use stationkeeper_rules::{Reservation, StationState, StationWord};
use stationkeeper_store::{ListedStation, StationFilter};
use stationkeeper_telemetry::HostName;
use utoipa::IntoParams;

use super::{reservations, view};
use crate::Gateway;
use crate::actor::Actor;
use crate::cursor;
use crate::error::{ApiError, InternalError};
use crate::extract::{Query, Reader};
use crate::openapi::AcceptLanguage;

/// About as long is a station's row, in bytes.
const USUAL_ROW: usize = 1_024;

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
) -> Result<impl IntoResponse, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after: Option<HostName> = cursor::decode(asked.cursor.as_deref())?;
    let filter = StationFilter {
        lab: asked.lab,
        words: asked.state.as_deref().map(words).transpose()?.unwrap_or_default(),
        hosts: asked.host.as_deref().map(host).transpose()?.into_iter().collect(),
    };
    let now = gateway.now();
    let found = gateway.store().stations_listed(&filter, after.as_ref(), limit + 1).await?;
    let (found, next) = cursor::cut(found, limit, |station| serde_json::to_vec(&station.host));
    let reservations = reservations(&gateway, filter.hosts.first(), now).await?;
    let orders = gateway.store().local_mode_orders().await?;
    let whole = whole_states(&gateway, &found, &orders).await?;
    let read = Read { whole, reservations, orders, language, now };
    let body = read.page(&found, next.as_deref()).map_err(|error| ApiError::Internal(InternalError::Answer(error)))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}

/// The states of stations of which no row is kept, or not enough: what a hold shows depends on more of a state.
async fn whole_states(
    gateway: &Gateway,
    found: &[ListedStation],
    orders: &[LocalModeOrder],
) -> Result<HashMap<HostName, StationState>, ApiError> {
    let held: HashSet<&HostName> =
        orders.iter().filter(|order| order.stage() != HoldStage::Released).map(|order| &order.host).collect();
    let hosts: Vec<HostName> = found
        .iter()
        .filter(|station| station.row.is_none() || held.contains(&station.host))
        .map(|station| station.host.clone())
        .collect();
    let most = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    if most == 0 {
        return Ok(HashMap::new());
    }
    let filter = StationFilter { hosts, ..StationFilter::default() };
    let stations = gateway.store().stations(&filter, None, most).await?;
    Ok(stations.into_iter().map(|station| (station.entry.host, station.state)).collect())
}

/// What a page depends on beside the rows that are kept.
struct Read {
    whole: HashMap<HostName, StationState>,
    reservations: BTreeMap<HostName, Vec<Reservation>>,
    orders: Vec<LocalModeOrder>,
    language: Language,
    now: DateTime<Utc>,
}

impl Read {
    /// A [`Page`] of [`StationView`], as JSON.
    fn page(&self, stations: &[ListedStation], next: Option<&str>) -> serde_json::Result<Vec<u8>> {
        let mut page = Vec::with_capacity(USUAL_ROW * (stations.len() + 1));
        page.extend_from_slice(br#"{"items":["#);
        for station in stations {
            let start = page.len();
            self.write(station, &mut page)?;
            if start < page.len() {
                page.push(b',');
            }
        }
        // The comma after the last row.
        if page.ends_with(b",") {
            page.pop();
        }
        page.extend_from_slice(br#"],"next":"#);
        serde_json::to_writer(&mut page, &next)?;
        page.push(b'}');
        Ok(page)
    }

    fn write(&self, station: &ListedStation, page: &mut Vec<u8>) -> serde_json::Result<()> {
        let lab = station.lab.as_deref();
        if let Some(state) = self.whole.get(&station.host) {
            let view = view((state, lab), &self.reservations, &self.orders, self.language, self.now);
            return serde_json::to_writer(page, &view);
        }
        // A station that was removed between the two reads is in no list.
        let Some(row) = &station.row else { return Ok(()) };
        let read_now = ReadNow {
            lab,
            cause: station.cause.as_ref(),
            first_arrived_at: station.first_arrived_at,
            reservations: self.reservations.get(&station.host).map(Vec::as_slice).unwrap_or_default(),
            language: self.language,
            now: self.now,
        };
        row.write(&read_now, page)
    }
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
