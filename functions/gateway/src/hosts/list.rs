//! `GET /api/hosts`: the catalog with what is known of each station now. There is no Guacamole here; what is said of it is constant.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::Instant;
use stationkeeper_rules::requests::LocalModeOrder;
use stationkeeper_store::{CatalogHost, CatalogSource, HostStatus, Station, StationFilter};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::actor::Actor;
use crate::credentials::Logins;
use crate::error::ApiError;
use crate::hosts::document::SetAside;

/// More than a laboratory has.
const MOST_STATIONS: u32 = 10_000;
/// The catalog of stations, with what is known of each now.
#[utoipa::path(
    get, path = "/hosts", operation_id = "old_list_hosts", tag = "older service",
    responses(
        (status = OK, description = "`hosts`, and what the older service says of Guacamole", body = Value),
    ),
)]
pub(crate) async fn list(State(gateway): State<Gateway>, _actor: Actor) -> Result<Json<Value>, ApiError> {
    let catalog = gateway.store().catalog().await?;
    let stations = gateway.store().stations(&StationFilter::default(), None, MOST_STATIONS).await?;
    let stations: HashMap<&HostName, &Station> =
        stations.iter().map(|station| (&station.entry.host, station)).collect();
    let orders = gateway.store().local_mode_orders().await?;
    let logins = gateway.logins().await;
    let mut hosts = Vec::new();
    for host in catalog.iter().filter(|host| host.entry.status != HostStatus::Retired) {
        let order = orders.iter().find(|order| order.host == host.entry.host);
        hosts.push(with_state(&gateway, &logins, host, stations.get(&host.entry.host).copied(), order));
    }
    let report = gateway.shared().catalog.report();
    Ok(Json(json!({
        "hosts": hosts,
        "guacamoleAvailable": false,
        "guacamoleError": null,
        "guacamoleUnmatched": [],
        "setAside": set_aside(&report.set_aside),
        "catalogProblem": report.problem,
    })))
}

/// What the catalog says of a station. No secret is in it.
pub(crate) fn entry(gateway: &Gateway, logins: &Logins, host: &CatalogHost) -> Value {
    json!({
        "name": host.name(),
        "address": host.entry.address,
        "credentialRef": host.credential_ref(),
        "mac": host.entry.mac,
        "mode": host.access.mode,
        "labs": host.access.labs,
        "winrmConfigured": gateway.access_by(logins, host).is_ok(),
        "host": host.entry.host,
        "status": host.entry.status.as_str(),
        "source": host.access.source.map(CatalogSource::as_str),
        "pinned": host.access.pin.is_some(),
    })
}

fn with_state(
    gateway: &Gateway,
    logins: &Logins,
    host: &CatalogHost,
    station: Option<&Station>,
    order: Option<&LocalModeOrder>,
) -> Value {
    let mut entry = entry(gateway, logins, host);
    let latest = station.and_then(|station| station.state.latest.as_ref());
    entry["guacamole"] = json!({ "status": "missing", "connections": [] });
    entry["state"] = json!(station.map(|station| station.state.word.as_str()));
    entry["stateSince"] = json!(station.map(|station| Instant(station.state.word_since)));
    entry["ready"] = json!(latest.map(|latest| latest.snapshot.ready));
    entry["heartbeatAt"] = json!(latest.map(|latest| Instant(latest.snapshot.timestamp_utc)));
    entry["localMode"] = json!({ "desired": order.map(desired), "observed": observed(station) });
    entry
}

/// What somebody wanted of local mode.
pub(crate) fn desired(order: &LocalModeOrder) -> Value {
    json!({
        "enabled": order.enabled,
        "owner": order.owner,
        "reason": order.reason,
        "orderedAt": Instant(order.ordered_at),
        "state": order.stage(),
        "expiresAt": order.expires_at.map(Instant),
        "appliedAt": order.applied_at.map(Instant),
        "endedBy": order.ended_by,
        "problem": order.problem,
        "requestId": order.request_id,
    })
}

/// What its latest heartbeat says of local mode.
pub(crate) fn observed(station: Option<&Station>) -> Value {
    let latest = station.and_then(|station| station.state.latest.as_ref());
    json!(latest.map(|latest| json!({
        "enabled": latest.snapshot.local_mode_enabled,
        "at": Instant(latest.snapshot.timestamp_utc),
    })))
}

/// Entries that cannot be used, with their reasons.
pub(crate) fn set_aside(entries: &[SetAside]) -> Value {
    entries.iter().map(|aside| json!({ "name": aside.name, "reason": aside.reason })).collect()
}
