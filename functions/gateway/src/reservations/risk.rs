//! What puts reservations at risk now, told with them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use stationkeeper_api::{Language, ReservationRecordView, RiskView};
use stationkeeper_pipeline::orchestrate::held;
use stationkeeper_rules::orchestrator::Known;
use stationkeeper_rules::{AlertState, AtRisk, Reservation, ReservationId, Rule, Surroundings, at_risk};
use stationkeeper_store::{AlertFilter, HostStatus, StationFilter, Store, StoreError};

use super::record_view;

/// More alerts of these rules than a person could ever look at.
const MOST_ALERTS: u32 = 1_000;

/// Each of these reservations as it is shown: with where it comes from and what puts it at risk.
///
/// # Errors
/// The store failed.
pub async fn reservation_views(
    store: &Store,
    reservations: &[Reservation],
    language: Language,
    now: DateTime<Utc>,
) -> Result<Vec<ReservationRecordView>, StoreError> {
    let ids: Vec<ReservationId> = reservations.iter().map(|one| one.id.clone()).collect();
    let sources: HashMap<_, _> = store.sources_of(&ids).await?.into_iter().collect();
    let risks = risks(store, reservations, now).await?;
    let views = reservations.iter().zip(risks).map(|(one, risks)| ReservationRecordView {
        source: sources.get(&one.id).cloned(),
        at_risk: Some(risks.into_iter().map(|risk| RiskView::new(risk, language)).collect()),
        ..record_view(one)
    });
    Ok(views.collect())
}

async fn risks(
    store: &Store,
    reservations: &[Reservation],
    now: DateTime<Utc>,
) -> Result<Vec<Vec<AtRisk>>, StoreError> {
    let hosts: HashSet<_> = reservations.iter().filter(|one| now < one.end_at).map(|one| one.host.clone()).collect();
    if hosts.is_empty() {
        return Ok(vec![Vec::new(); reservations.len()]);
    }
    let most = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let filter = StationFilter { hosts: hosts.into_iter().collect(), ..StationFilter::default() };
    let stations = store.stations(&filter, None, most).await?;
    let mut orders: HashMap<_, _> =
        store.local_mode_orders().await?.into_iter().map(|order| (order.host.clone(), order)).collect();
    let stations: HashMap<_, _> = stations
        .into_iter()
        .filter(|station| station.entry.status != HostStatus::Retired)
        .map(|station| {
            let is_held = held(orders.remove(&station.entry.host), &station.state);
            (station.entry.host, (station.state, is_held))
        })
        .collect();
    let filter = AlertFilter {
        states: vec![AlertState::Open, AlertState::Acknowledged],
        rules: vec![Rule::WakeFailed, Rule::PrepareFailed],
        ..AlertFilter::default()
    };
    let alerts = store.alerts(&filter, None, MOST_ALERTS).await?;
    let given_up: HashSet<_> = alerts.into_iter().filter_map(|alert| alert.key.reservation_id).collect();
    let timing = store.settings().await?.orchestrator;
    let of_each = reservations.iter().map(|one| {
        let station = stations.get(&one.host).map(|(state, held)| Known { state, held: *held });
        at_risk(one, Surroundings { station, given_up: given_up.contains(&one.id) }, &timing, now)
    });
    Ok(of_each.collect())
}
