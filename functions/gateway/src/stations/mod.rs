//! Stations with their latest state.

pub(crate) mod list;
pub(crate) mod one;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_api::{Language, StationView};
use stationkeeper_rules::Reservation;
use stationkeeper_store::Station;
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::error::ApiError;

/// How far ahead the next reservation of a station is looked for.
const AHEAD: TimeDelta = TimeDelta::days(7);
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

/// A station and its reservations as the reader sees it.
pub(crate) fn view(
    station: &Station,
    reservations: &BTreeMap<HostName, Vec<Reservation>>,
    language: Language,
    now: DateTime<Utc>,
) -> StationView {
    let own = reservations.get(&station.entry.host).map(Vec::as_slice).unwrap_or_default();
    StationView::new(&station.state, station.entry.lab.as_deref(), own, language, now)
}
