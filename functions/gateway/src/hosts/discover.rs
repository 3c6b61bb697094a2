//! `POST /api/hosts/discover`: what answers at an address, before it is put into the catalog. Nothing outside of the management networks
//! is asked.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_station_link::wake::MacAddress;
use stationkeeper_station_link::winrm::WINRM_PORT;
use stationkeeper_station_link::{AddressError, Page, Probe, StationPath, get_page, probe};
use stationkeeper_store::{CatalogEntry, CatalogHost, HostAccess, HostStatus};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, boolean, first_text};
use crate::heartbeat::poll::{json_of, read_heartbeat};
use crate::reach::{ReachError, Reachable};

/// A station that answers by WinRM at all says so by then.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(20);

/// How a station is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryOptions {
    /// Where Lab Station may answer by HTTP.
    pub ports: Vec<u16>,
    /// At which paths.
    pub paths: Vec<String>,
    /// How long each answer is waited for.
    pub patience: Duration,
}

impl Default for DiscoveryOptions {
    fn default() -> Self {
        Self {
            ports: vec![8765, 8088],
            paths: vec!["/labstation/health".to_owned(), "/health".to_owned()],
            patience: Duration::from_millis(1_500),
        }
    }
}

/// What was found, from the best to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiscoveryStatus {
    /// Lab Station by HTTP, and WinRM.
    LabStation,
    /// WinRM.
    WinRm,
    /// Lab Station by HTTP alone.
    LabStationWithoutWinRm,
    /// A name.
    Resolves,
    /// Nothing.
    Nothing,
}

impl DiscoveryStatus {
    /// The older service's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LabStation => "labstation-detected",
            Self::WinRm => "winrm-reachable",
            Self::LabStationWithoutWinRm => "labstation-detected-without-winrm",
            Self::Resolves => "host-resolves",
            Self::Nothing => "no-response",
        }
    }

    fn of(resolves: bool, winrm: bool, lab_station: bool) -> Self {
        match (winrm, lab_station) {
            (true, true) => Self::LabStation,
            (true, false) => Self::WinRm,
            (false, true) => Self::LabStationWithoutWinRm,
            (false, false) if resolves => Self::Resolves,
            (false, false) => Self::Nothing,
        }
    }
}

/// What answers at an address.
pub(crate) struct Discovery {
    pub status: DiscoveryStatus,
    /// The adapter by which the station would be woken.
    pub mac: Option<String>,
    /// As callers see it.
    pub view: Value,
}
/// Looks at an address: whether its name resolves, whether WinRM listens, whether a Lab Station answers.
///
/// Role: operator.
#[utoipa::path(
    post, path = "/hosts/discover", operation_id = "old_discover_host", tag = "older service",
    request_body(content = Value, example = json!({ "address": "LAB-WS01.example.org" })),
    responses(
        (status = OK, description = "`status`, `checks` and `opsHostDraft`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for some laboratories alone", body = ErrorBody),
    ),
)]
pub(crate) async fn post(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<Value>, ApiError> {
    actor.may_change_catalog()?;
    let address = first_text(&body, &["address", "hostname", "host"])
        .ok_or_else(|| ApiError::BadRequest("address is required".to_owned()))?;
    Ok(Json(discover(&gateway, &address, None).await?.view))
}

/// Looks for a station at an address.
///
/// # Errors
/// It lies outside of the management networks, or is no address.
pub(crate) async fn discover(
    gateway: &Gateway,
    address: &str,
    asked: Option<&HostAccess>,
) -> Result<Discovery, ApiError> {
    let options = &gateway.shared().options;
    let station = match options.reach.check(address).await {
        Ok(station) => Some(station),
        Err(ReachError::Address(AddressError::Unresolved { .. })) => None,
        Err(refused @ ReachError::NoNetworks) => return Err(ApiError::NoNetworks(refused)),
        Err(ReachError::Address(error)) => return Err(ApiError::BadRequest(error.to_string())),
    };
    let (winrm, http) = match &station {
        None => (false, None),
        Some(station) => {
            let tcp = probe(&station.address, station.port, Probe::Tcp, options.discovery.patience);
            let (tcp, http) = join(tcp, lab_station(&options.discovery, station)).await;
            (tcp.answered(), http)
        }
    };
    let heartbeat = match &station {
        Some(station) if winrm => heartbeat(gateway, address, station, asked).await,
        _ => Heartbeat::unchecked("winrm-unreachable"),
    };
    let mac = http.as_ref().and_then(|http| http.mac.clone()).or_else(|| heartbeat.mac.clone());
    let status = DiscoveryStatus::of(station.is_some(), winrm, http.is_some());
    let mut draft = json!({
        "name": address,
        "address": address,
        "winrm_transport": "ntlm",
        "winrm_use_ssl": true,
        "winrm_port": WINRM_PORT,
        "heartbeat_path": heartbeat.path.as_deref().unwrap_or(StationPath::HEARTBEAT),
        "events_path": StationPath::EVENTS,
        "labs": [],
        "nameCandidates": [address],
    });
    if let Some(mac) = &mac {
        draft["mac"] = json!(mac);
    }
    let lab_station_http = match http {
        Some(http) => http.view,
        None => json!({ "checked": station.is_some(), "detected": false, "status": "no-response" }),
    };
    let view = json!({
        "address": address,
        "connection": null,
        "status": status.as_str(),
        "checks": {
            "dns": station.is_some(),
            "winrm": { WINRM_PORT.to_string(): winrm },
            "labStationHttp": lab_station_http,
            "heartbeat": heartbeat.view,
        },
        "opsHostDraft": draft,
    });
    Ok(Discovery { status, mac, view })
}

struct LabStationHttp {
    mac: Option<String>,
    view: Value,
}

/// The first of the places, in their order, at which Lab Station answers. All are asked at once.
async fn lab_station(options: &DiscoveryOptions, station: &Reachable) -> Option<LabStationHttp> {
    let places = options.ports.iter().flat_map(|port| options.paths.iter().map(move |path| (*port, path)));
    let asked = places.map(async |(port, path)| {
        let page = get_page(&station.address, port, path, options.patience).await?;
        seen(&page, &format!("http://{}:{port}{path}", station.address.host()))
    });
    join_all(asked).await.into_iter().flatten().next()
}

fn seen(page: &Page, url: &str) -> Option<LabStationHttp> {
    if !String::from_utf8_lossy(&page.body).to_lowercase().contains("labstation") {
        return None;
    }
    let body = json_of(&page.body).unwrap_or_default();
    let service = ["service", "name", "app"].iter().find_map(|name| body.get(*name)?.as_str());
    let adapter = adapter(&body);
    let mut view =
        json!({ "checked": true, "detected": true, "url": url, "statusCode": page.status, "service": service });
    if let Some(adapter) = &adapter {
        view["suggestedMac"] = adapter.view();
    }
    Some(LabStationHttp { mac: adapter.map(|adapter| adapter.mac), view })
}

struct Heartbeat {
    path: Option<String>,
    mac: Option<String>,
    view: Value,
}

impl Heartbeat {
    fn unchecked(status: &str) -> Self {
        Self { path: None, mac: None, view: json!({ "checked": false, "detected": false, "status": status }) }
    }
}

async fn heartbeat(gateway: &Gateway, address: &str, station: &Reachable, asked: Option<&HostAccess>) -> Heartbeat {
    // It has no row yet. Its slots are those of whatever has this name.
    let name = asked.and_then(|asked| asked.spelling.as_deref()).unwrap_or(address);
    let Ok(host) = HostName::parse(name).or_else(|_no_name| HostName::parse("discovery")) else {
        return Heartbeat::unchecked("winrm-unreachable");
    };
    let row = CatalogHost {
        entry: CatalogEntry {
            host: host.clone(),
            lab: None,
            address: Some(address.to_owned()),
            mac: None,
            status: HostStatus::New,
            created_at: gateway.now(),
        },
        access: asked.cloned().unwrap_or_default(),
    };
    let Ok(access) = gateway.access_to(&row).await else { return Heartbeat::unchecked("missing-winrm-credentials") };
    let read = read_heartbeat(gateway, &access, &row, station);
    match tokio::time::timeout(HEARTBEAT_LIMIT, read).await {
        Ok(Ok((path, body))) => {
            let adapter = adapter(&json_of(&body).unwrap_or_default());
            let mut view = json!({ "checked": true, "detected": true, "path": path.as_str() });
            if let Some(adapter) = &adapter {
                view["suggestedMac"] = adapter.view();
            }
            Heartbeat { path: Some(path.to_string()), mac: adapter.map(|adapter| adapter.mac), view }
        }
        failed => {
            if let Ok(Err(error)) = failed {
                tracing::info!(error = %error, "no heartbeat could be read at an address that is looked at");
            }
            Heartbeat {
                path: None,
                mac: None,
                view: json!({ "checked": true, "detected": false, "status": "read-failed" }),
            }
        }
    }
}

/// An adapter that a document of a station names.
struct Adapter {
    mac: String,
    about: Value,
    score: [bool; 3],
}

impl Adapter {
    fn view(&self) -> Value {
        json!({ "mac": self.mac, "source": "status.wake.nicPower", "adapter": self.about })
    }
}

/// The adapter by which the station would best be woken; of equal ones the first.
fn adapter(document: &Value) -> Option<Adapter> {
    let status = document.get("status").filter(|status| status.is_object()).unwrap_or(document);
    let adapters = status.get("wake")?.get("nicPower")?.as_array()?;
    let mut best: Option<Adapter> = None;
    for one in adapters {
        let text =
            |names: &[&str]| names.iter().find_map(|name| one.get(*name)?.as_str()).unwrap_or_default().to_owned();
        let flag = |name: &str| one.get(name).and_then(boolean).unwrap_or(false);
        let Ok(mac) = text(&["macAddress", "mac", "physicalAddress"]).parse::<MacAddress>() else { continue };
        let mac = mac.to_string().replace('-', ":").to_uppercase();
        let status = text(&["status"]);
        let score = [flag("wolReady"), status.trim().eq_ignore_ascii_case("up"), flag("wakeArmed")];
        let about = json!({
            "mac": mac, "name": text(&["name", "interfaceAlias"]), "status": status, "wolReady": score[0], "wakeArmed": score[2],
        });
        if best.as_ref().is_none_or(|best| score > best.score) {
            best = Some(Adapter { mac, about, score });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_best_of_what_answers() {
        for (resolves, winrm, http, word) in [
            (true, true, true, "labstation-detected"),
            (true, true, false, "winrm-reachable"),
            (true, false, true, "labstation-detected-without-winrm"),
            (true, false, false, "host-resolves"),
            (false, false, false, "no-response"),
        ] {
            assert_eq!(DiscoveryStatus::of(resolves, winrm, http).as_str(), word);
        }
    }

    #[test]
    fn the_adapter_that_can_wake_the_station_is_suggested() {
        let nic = |mac: &str, ready: Value, status: &str, armed: Value| json!({ "macAddress": mac, "wolReady": ready, "status": status, "wakeArmed": armed });
        for (shows, adapters, mac) in [
            ("none", json!([]), None),
            ("no address", json!([{ "macAddress": "?" }, 7]), None),
            (
                "ready beats up",
                json!([
                    nic("02-00-5e-00-53-01", json!(false), "Up", json!(true)),
                    nic("02-00-5e-00-53-02", json!("yes"), "Down", json!(false))
                ]),
                Some("02:00:5E:00:53:02"),
            ),
            (
                "the first of equals",
                json!([
                    nic("02:00:5e:00:53:01", json!(true), "up", json!(1)),
                    nic("02:00:5e:00:53:02", json!(true), "Up", json!(true))
                ]),
                Some("02:00:5E:00:53:01"),
            ),
        ] {
            for document in
                [json!({ "status": { "wake": { "nicPower": adapters } } }), json!({ "wake": { "nicPower": adapters } })]
            {
                let found = adapter(&document).map(|adapter| adapter.mac);
                assert_eq!(found.as_deref(), mac, "{shows}");
            }
        }
    }

    #[test]
    fn lab_station_is_known_by_its_name_in_whatever_it_answers() {
        for (body, seen_as) in [
            (&b"{\"service\":\"LabStation\"}"[..], Some(json!("LabStation"))),
            (b"<h1>LabStation is well</h1>", Some(json!(null))),
            (b"{\"service\":\"other\"}", None),
            (b"\xff\xfe", None),
        ] {
            let page = Page { status: 200, body: body.to_vec() };
            let found = seen(&page, "http://x:8765/health").map(|http| http.view["service"].clone());
            assert_eq!(found, seen_as);
        }
    }
}
