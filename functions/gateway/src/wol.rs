//! `POST /api/wol` of the older service: wakes a station and waits for it. Spellings, texts and defaults are that service's
//! (gateway.md sections 1 and 6).

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use stationkeeper_station_link::wake::MacAddress;
use stationkeeper_store::{AuditAction, AuditEntry, CatalogHost, HostStatus};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, first_text};
use crate::hosts::known;
use crate::reach::ReachError;
use crate::wake::{WakeOrder, wake_station};

pub(crate) async fn wake(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<Value>, ApiError> {
    let host = match first_text(&body, &["host", "hostName"]) {
        None => None,
        Some(name) => Some(known(&gateway, &name).await?.ok_or(ApiError::UnknownStation(name))?),
    };
    actor.may_act_in_one_of(host.as_ref().map(|host| host.access.labs.as_slice()).unwrap_or_default())?;
    let ping_target = host.as_ref().and_then(|host| host.access.ping_target.clone());
    let host = host.map(|host| host.entry);
    let asked_mac = first_text(&body, &["mac"]);
    let mac = asked_mac.clone().or_else(|| host.as_ref().and_then(|entry| entry.mac.clone()));
    let mac: MacAddress =
        mac.ok_or_else(|| bad("mac is required"))?.parse().map_err(|_no_mac| bad("mac is invalid"))?;
    let asked_target = first_text(&body, &["ping_target", "pingTarget"]);
    let target = asked_target.clone().or(ping_target).or_else(|| host.as_ref().and_then(|entry| entry.address.clone()));
    let target = target.ok_or_else(|| bad("ping_target or host address is required"))?;
    if asked_mac.is_some() || asked_target.is_some() {
        only_of_the_catalog(&gateway, asked_mac.as_ref().map(|_| mac), asked_target.as_deref()).await?;
    }
    let order = WakeOrder {
        mac,
        attempts: number(&body, "attempts", 3, 1, 10)?,
        patience: Duration::from_secs(number(&body, "ping_timeout", 10, 1, 60)?.into()),
        broadcast: first_text(&body, &["broadcast"])
            .map(|address| address.parse::<Ipv4Addr>().map_err(|_no_address| bad("broadcast is invalid")))
            .transpose()?,
        port: body.get("port").map(|_| number(&body, "port", 9, 1, 65_535)).transpose()?.map(clamped),
        remembered: host.as_ref().and_then(|entry| gateway.shared().ways.of(&entry.host)),
    };
    let reach = &gateway.shared().options.reach;
    let station = reach.check(&target).await.map_err(|refused| match refused {
        ReachError::NoNetworks => ApiError::NoNetworks(refused),
        ReachError::Address(error) => {
            tracing::warn!(error = %error, "a station is not woken");
            bad("ping_target is invalid")
        }
    })?;
    let entry = {
        let known = host.as_ref().map(|entry| &entry.host);
        let what = known.map_or_else(|| mac.to_string(), ToString::to_string);
        AuditEntry::done(&actor.author(), AuditAction::StationWake, what, gateway.now())
            .of(known)
            .with(json!({ "mac": mac.to_string(), "ping_target": target, "attempts": order.attempts }))
    };
    // Before the first packet: what was ordered is written down, whatever becomes of it.
    gateway.store().append_audit(&entry).await?;
    let report = tokio::select! {
        report = wake_station(reach, &station, &order, |_attempt| {}) => report,
        () = gateway.closing() => return Err(ApiError::Closing),
    };
    if let (Some(entry), Some(way)) = (&host, report.way.clone()) {
        gateway.shared().ways.remember(entry.host.clone(), way);
    }
    tracing::info!(
        host = host.as_ref().map(|entry| entry.host.as_str()),
        answers = report.answers,
        attempts = report.attempts,
        "a station was woken"
    );
    Ok(Json(json!({
        "success": report.answers,
        "attempts_used": report.attempts,
        "duration_ms": u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        "ping_target": target,
        "problem": report.problem,
    })))
}

fn bad(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}

/// Nothing else of the network is woken or asked.
async fn only_of_the_catalog(gateway: &Gateway, mac: Option<MacAddress>, target: Option<&str>) -> Result<(), ApiError> {
    let catalog = gateway.store().catalog().await?;
    let hosts = || catalog.iter().filter(|host| host.entry.status != HostStatus::Retired);
    let is_mac = |host: &CatalogHost, mac| host.entry.mac.as_deref().and_then(|known| known.parse().ok()) == Some(mac);
    if mac.is_some_and(|mac| !hosts().any(|host| is_mac(host, mac))) {
        return Err(bad("mac is not of a host in the catalog"));
    }
    let is_target = |host: &CatalogHost, target: &str| {
        [&host.entry.address, &host.access.ping_target].iter().any(|known| known.as_deref() == Some(target))
            || HostName::parse(target).is_ok_and(|name| name == host.entry.host)
    };
    if target.is_some_and(|target| !hosts().any(|host| is_target(host, target))) {
        return Err(bad("ping_target is invalid"));
    }
    Ok(())
}

/// A number, or its text, as callers of the older service send it.
fn number(body: &Map<String, Value>, name: &str, default: u32, least: u32, most: u32) -> Result<u32, ApiError> {
    let said = match body.get(name) {
        None | Some(Value::Null) => return Ok(default),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => String::new(),
    };
    said.strip_suffix(".0")
        .unwrap_or(&said)
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| ApiError::BadRequest(format!("{name} is a number from {least} to {most}")))
}

/// In range before.
fn clamped(port: u32) -> u16 {
    u16::try_from(port).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_numbers_or_as_texts_within_their_range() {
        for (value, expected) in [
            (json!({}), Some(3)),
            (json!({ "attempts": null }), Some(3)),
            (json!({ "attempts": 1 }), Some(1)),
            (json!({ "attempts": " 10 " }), Some(10)),
            (json!({ "attempts": 2.0 }), Some(2)),
            (json!({ "attempts": 2.5 }), None),
            (json!({ "attempts": 0 }), None),
            (json!({ "attempts": "11" }), None),
            (json!({ "attempts": -1 }), None),
            (json!({ "attempts": true }), None),
            (json!({ "attempts": "many" }), None),
        ] {
            let body = value.as_object().unwrap();
            assert_eq!(number(body, "attempts", 3, 1, 10).ok(), expected, "{value}");
        }
    }
}
