//! Stations with their latest state.

pub(crate) mod heartbeats;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod one;

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, SubsecRound, TimeDelta, Utc};
use stationkeeper_api::{Language, StationView};
use stationkeeper_rules::requests::LocalModeOrder;
use stationkeeper_rules::{Reservation, StationState};
use stationkeeper_store::Station;
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::error::ApiError;
use crate::extract::instant;

/// How far ahead the next reservation of a station is looked for.
const AHEAD: TimeDelta = TimeDelta::days(7);
/// How far back a station's past is looked at unless somebody says.
const BACK: TimeDelta = TimeDelta::hours(24);
/// Most reservations that are read for a list.
const MOST_RESERVATIONS: u32 = 10_000;

/// Reservations that run or come, by station.
pub(crate) async fn reservations(
    gateway: &Gateway,
    host: Option<&HostName>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<HostName, Vec<Reservation>>, ApiError> {
    let found = gateway.store().reservations(host, now, now + AHEAD, MOST_RESERVATIONS).await?;
    let mut by_host: BTreeMap<HostName, Vec<Reservation>> = BTreeMap::new();
    for reservation in found {
        by_host.entry(reservation.host.clone()).or_default().push(reservation);
    }
    Ok(by_host)
}

/// The station of a path.
pub(crate) async fn known(gateway: &Gateway, name: String) -> Result<Station, ApiError> {
    let Ok(host) = HostName::parse(&name) else { return Err(ApiError::UnknownStation(name)) };
    gateway.store().station(&host).await?.ok_or(ApiError::UnknownStation(name))
}

/// `from` and `to`; up to this second, and from a day before that, unless they say otherwise.
pub(crate) fn span(
    from: Option<&str>,
    to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), ApiError> {
    let to = to.map_or(Ok(now.trunc_subsecs(0)), |text| instant("to", text))?;
    let from = match from {
        Some(text) => instant("from", text)?,
        None => to - BACK,
    };
    // The day before the first of the calendar.
    if from.year() < 1 { Err(ApiError::BadRequest("to: too long ago".to_owned())) } else { Ok((from, to)) }
}

/// A station and its reservations as the reader sees it.
pub(crate) fn view(
    (state, lab): (&StationState, Option<&str>),
    reservations: &BTreeMap<HostName, Vec<Reservation>>,
    orders: &[LocalModeOrder],
    language: Language,
    now: DateTime<Utc>,
) -> StationView {
    let own = reservations.get(&state.host).map(Vec::as_slice).unwrap_or_default();
    let order = orders.iter().find(|order| order.host == state.host);
    StationView::new(state, lab, own, language, now).held(order, state)
}
