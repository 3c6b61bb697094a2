//! Alerts: what needs somebody.

pub(crate) mod acknowledge;
pub(crate) mod explain;
pub(crate) mod list;
pub(crate) mod one;
pub(crate) mod resolve;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use stationkeeper_rules::Alert;
use stationkeeper_rules::orchestrator::{ActionId, StationAction};
use stationkeeper_store::StationFilter;
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::error::ApiError;

/// The labs of the stations that these alerts are about.
pub(crate) async fn labs(gateway: &Gateway, alerts: &[Alert]) -> Result<BTreeMap<HostName, String>, ApiError> {
    let hosts: BTreeSet<HostName> = alerts.iter().filter_map(|alert| alert.key.host.clone()).collect();
    if hosts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let most = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let filter = StationFilter { hosts: hosts.into_iter().collect(), ..StationFilter::default() };
    let stations = gateway.store().stations(&filter, None, most).await?;
    Ok(stations.into_iter().filter_map(|station| Some((station.entry.host, station.entry.lab?))).collect())
}

/// What is done about these alerts, by the id of the answer.
pub(crate) async fn actions(
    gateway: &Gateway,
    alerts: &[Alert],
) -> Result<BTreeMap<ActionId, StationAction>, ApiError> {
    let ids: Vec<_> = alerts.iter().filter_map(ActionId::answering).collect();
    let found = gateway.store().actions_by_id(&ids, gateway.now()).await?;
    Ok(found.into_iter().map(|action| (action.id.clone(), action)).collect())
}

/// What is done about an alert.
pub(crate) fn action<'a>(actions: &'a BTreeMap<ActionId, StationAction>, alert: &Alert) -> Option<&'a StationAction> {
    actions.get(&ActionId::answering(alert)?)
}

/// The lab of the station that an alert is about.
pub(crate) fn lab<'l>(labs: &'l BTreeMap<HostName, String>, alert: &Alert) -> Option<&'l str> {
    labs.get(alert.key.host.as_ref()?).map(String::as_str)
}
