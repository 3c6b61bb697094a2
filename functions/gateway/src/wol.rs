//! `POST /api/wol` of the older service: wakes a station and waits for it. Spellings, texts and defaults are that service's
//! (gateway.md sections 1 and 6).

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::json;
use stationkeeper_api::ErrorBody;
use stationkeeper_station_link::wake::MacAddress;
use stationkeeper_store::{AuditAction, AuditEntry, CatalogHost, HostStatus};
use stationkeeper_telemetry::HostName;
use utoipa::ToSchema;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, first_text, number, seconds};
use crate::hosts::known;
use crate::reach::{ReachError, host_and_port};
use crate::wake::{WakeOrder, wake_station};

/// How long an answer is waited for where nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest name of a host, in characters.
const LONGEST: usize = 253;

/// What `POST /api/wol` reads of its body. Other fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field, in several spellings")]
struct WakeBody {
    /// Of the catalog.
    host: Option<String>,
    /// Of a host in the catalog; otherwise the host's.
    #[schema(example = "00:1A:2B:3C:4D:5E")]
    mac: Option<String>,
    /// Of a host in the catalog; otherwise the host's address.
    ping_target: Option<String>,
    /// How often packets are sent, 1 to 10.
    #[schema(value_type = Option<Value>, default = 3)]
    attempts: Option<u32>,
    /// Seconds to wait for an answer after each attempt, up to 60; fractions too.
    #[schema(value_type = Option<Value>, default = 10)]
    ping_timeout: Option<f64>,
    /// An IPv4 address to broadcast to beside those of the interfaces.
    broadcast: Option<String>,
    /// A UDP port in place of the usual ones.
    #[schema(value_type = Option<Value>)]
    port: Option<u16>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct WakeAnswer {
    /// It answers.
    success: bool,
    /// Attempts that were made.
    attempts_used: u32,
    /// From the order to the answer, or to the end of patience.
    duration_ms: u64,
    /// Where an answer was waited for.
    ping_target: String,
    /// Why no packet left, where none did.
    problem: Option<String>,
}

/// Wakes a station and waits for it.
///
/// Other spellings of the older service are taken too (`hostName`, numbers as texts); a body that cannot be read counts as `{}`.
/// Role: instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/wol", operation_id = "wake_station", tag = "older service",
    request_body(content = WakeBody, example = json!({ "host": "LAB-WS01", "attempts": 2, "ping_timeout": 5 })),
    responses(
        (status = OK, description = "Also if it stayed down", body = WakeAnswer),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
    ),
)]
pub(crate) async fn wake(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<WakeAnswer>, ApiError> {
    // A host that is not in the catalog says nothing of a MAC: what is missing is what is answered.
    let host = match first_text(&body, &["host", "hostName"]) {
        None => None,
        Some(name) => known(&gateway, &name).await?,
    };
    actor.may_act_in_one_of(host.as_ref().map(|host| host.access.labs.as_slice()).unwrap_or_default())?;
    let ping_target = host.as_ref().and_then(|host| host.access.ping_target.clone());
    let host = host.map(|host| host.entry);
    let asked_mac = first_text(&body, &["mac"]);
    let mac = asked_mac.clone().or_else(|| host.as_ref().and_then(|entry| entry.mac.clone()));
    let mac = mac.ok_or_else(|| bad("mac is required"))?;
    let asked_target = first_text(&body, &["ping_target", "pingTarget"]);
    let target = asked_target.clone().or(ping_target).or_else(|| host.as_ref().and_then(|entry| entry.address.clone()));
    let target = target.ok_or_else(|| bad("ping_target or host address is required"))?;
    if !could_be_reached(&target) {
        return Err(bad("ping_target is invalid"));
    }
    let mac: MacAddress = mac.parse().map_err(|_no_mac| bad("mac is invalid"))?;
    if asked_mac.is_some() || asked_target.is_some() {
        only_of_the_catalog(&gateway, asked_mac.as_ref().map(|_| mac), asked_target.as_deref()).await?;
    }
    let order = WakeOrder {
        mac,
        attempts: number(&body, "attempts", 1, 10)?.unwrap_or(3),
        patience: seconds(&body, "ping_timeout", 60)?.unwrap_or(PATIENCE),
        broadcast: first_text(&body, &["broadcast"])
            .map(|address| address.parse::<Ipv4Addr>().map_err(|_no_address| bad("broadcast is invalid")))
            .transpose()?,
        port: number(&body, "port", 1, 65_535)?.map(clamped),
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
    Ok(Json(WakeAnswer {
        success: report.answers,
        attempts_used: report.attempts,
        duration_ms: u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        ping_target: target,
        problem: report.problem,
    }))
}

fn bad(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}

/// Whether it could be a name or an address at all, whatever the catalog says.
fn could_be_reached(target: &str) -> bool {
    let (host, _port) = host_and_port(target);
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|sign| sign.is_alphanumeric() || sign == '-' || sign == '_')
    };
    host.parse::<std::net::IpAddr>().is_ok() || (host.chars().count() <= LONGEST && host.split('.').all(is_label))
}

/// Nothing else of the network is woken or asked.
pub(crate) async fn only_of_the_catalog(
    gateway: &Gateway,
    mac: Option<MacAddress>,
    target: Option<&str>,
) -> Result<(), ApiError> {
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

/// In range before.
fn clamped(port: u32) -> u16 {
    u16::try_from(port).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_or_an_address() {
        for (target, fine) in [
            ("lab-ws01", true),
            ("lab_ws01.example.org.", true),
            ("10.0.0.7", true),
            ("10.0.0.7:5986", true),
            ("fe80::1", true),
            ("", false),
            ("a b", false),
            ("lab;reboot", false),
            ("-lab", false),
            ("lab-.example", false),
            ("lab..example", false),
            ("http://lab", false),
        ] {
            assert_eq!(could_be_reached(target), fine, "{target:?}");
        }
        assert!(!could_be_reached(&"a".repeat(64)) && !could_be_reached(&"a.".repeat(200)));
    }
}
