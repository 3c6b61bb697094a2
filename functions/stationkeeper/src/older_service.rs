//! What the environment says in the older service's names: `OPS_CONFIG` and `OPS_DYNAMIC_CONFIG` (the catalog and its overlay),
//! `OPS_CREDENTIALS_PATH` and `OPS_SECRETS_KEY` (the logins of stations), `OPS_INTERNAL_AUTH_TOKEN` and `OPS_INTERNAL_AUTH_HEADER`, `ADMIN_DASHBOARD_LOCAL_ONLY`, `ADMIN_ALLOWED_CIDRS` and
//! `ADMIN_TRUST_FORWARDED_IP`, `OPS_DISCOVERY_…`, `OPS_HEARTBEAT_SSE_INTERVAL_SECONDS`, `OPS_POLL_ENABLED`, `OPS_POLL_INTERVAL` and
//! `OPS_RESERVATION_SCAN_INTERVAL`; `OPS_RESERVATION_AUTOMATION`, `LAB_MANAGER_TOKEN` and its header, `OPS_BIND` and `OPS_PORT`. Its other times
//! of reservations are settings. What it knew and we do not is named at the start.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use stationkeeper_gateway::{
    AdminNetworks, CatalogFiles, ConfiguredKey, CredentialStore, DiscoveryOptions, GatewayOptions, InternalToken,
    SecretsKey, SharedToken, StoredLogins,
};
use stationkeeper_rules::orchestrator::Timing;

use crate::environment::{secret, variable, variables_that};
use crate::failure::{Exit, Failure};
use crate::station_access;

/// Longest that something may be waited for, in seconds.
const LONGEST: f64 = 3_600.0;

/// The options with what the environment says.
pub fn options(options: GatewayOptions, data: &Path) -> Result<GatewayOptions, Failure> {
    let defaults = DiscoveryOptions::default();
    Ok(GatewayOptions {
        catalog: catalog_files(),
        discovery: DiscoveryOptions {
            ports: list("OPS_DISCOVERY_LABSTATION_PORTS")?.unwrap_or(defaults.ports),
            paths: list("OPS_DISCOVERY_LABSTATION_PATHS")?
                .map_or(defaults.paths, |paths| paths.into_iter().map(absolute).collect()),
            patience: seconds("OPS_DISCOVERY_TIMEOUT_SECONDS", 0.2)?.unwrap_or(defaults.patience),
        },
        heartbeat_every: seconds("OPS_HEARTBEAT_SSE_INTERVAL_SECONDS", 1.0)?.unwrap_or(options.heartbeat_every),
        scan_every: seconds("OPS_RESERVATION_SCAN_INTERVAL", 1.0)?.unwrap_or(options.scan_every),
        credentials: Some(StoredLogins { store: credential_store(data)?, policy: station_access::policy()? }),
        internal: internal()?,
        shared_token: shared_token()?,
        automation: flag("OPS_RESERVATION_AUTOMATION")?.unwrap_or(true),
        admin_networks: admin_networks()?,
        ..options
    })
}

/// Where the files of the catalog are.
pub fn catalog_files() -> CatalogFiles {
    CatalogFiles {
        base: variable("OPS_CONFIG").map(PathBuf::from),
        overlay: variable("OPS_DYNAMIC_CONFIG").map(PathBuf::from),
    }
}

/// Where the logins of stations are: `OPS_CREDENTIALS_PATH`, else in the data folder; by the key `OPS_SECRETS_KEY`.
pub fn credential_store(data: &Path) -> Result<CredentialStore, Failure> {
    let path = variable("OPS_CREDENTIALS_PATH").map_or_else(|| data.join("winrm-credentials.json"), PathBuf::from);
    let key = match secret("OPS_SECRETS_KEY")? {
        None => ConfiguredKey::None,
        Some(text) => SecretsKey::parse(&text).map_or(ConfiguredKey::Invalid, ConfiguredKey::Valid),
    };
    if key == ConfiguredKey::Invalid {
        tracing::error!("OPS_SECRETS_KEY is no key: it is 32 random bytes in base64 for URLs");
    }
    Ok(CredentialStore { path, key })
}

fn internal() -> Result<Option<InternalToken>, Failure> {
    let Some(secret) = secret("OPS_INTERNAL_AUTH_TOKEN")? else { return Ok(None) };
    Ok(by_header("OPS_INTERNAL_AUTH_TOKEN", ("OPS_INTERNAL_AUTH_HEADER", InternalToken::HEADER), |header| {
        InternalToken::new(header, &secret)
    }))
}

fn shared_token() -> Result<Option<SharedToken>, Failure> {
    let Some(token) = secret("LAB_MANAGER_TOKEN")? else { return Ok(None) };
    Ok(by_header("LAB_MANAGER_TOKEN", ("LAB_MANAGER_TOKEN_HEADER", SharedToken::HEADER), |header| {
        SharedToken::new(header, &token)
    }))
}

/// A secret and the header that carries it, which has a usual name. A blank secret lets nobody in.
fn by_header<T>(name: &str, (in_header, usual): (&str, &str), make: impl Fn(&str) -> Option<T>) -> Option<T> {
    let named = variable(in_header);
    let made = named.as_deref().and_then(&make);
    if let (Some(header), None) = (&named, &made) {
        tracing::error!("{in_header} says {header:?}, which is no name of a header: it is {usual}");
    }
    let made = made.or_else(|| make(usual));
    if made.is_none() {
        tracing::error!("{name} is blank: nobody is let in by it");
    }
    made
}

/// Where `gateway` listens if nobody says otherwise: `OPS_BIND` and `OPS_PORT`, if one of them is set.
pub fn listen() -> Result<Option<SocketAddr>, Failure> {
    let (bind, port) = (variable("OPS_BIND"), variable("OPS_PORT"));
    if bind.is_none() && port.is_none() {
        return Ok(None);
    }
    let wrong = |name: &str, what: &str| Failure::new(Exit::Configuration, format!("{name} is {what}"));
    let bind = bind.as_deref().unwrap_or("0.0.0.0").trim().parse::<IpAddr>();
    let port = port.as_deref().unwrap_or("8081").trim().parse::<u16>();
    let bind = bind.map_err(|_no_address| wrong("OPS_BIND", "an address, such as 0.0.0.0"))?;
    let port = port.map_err(|_no_port| wrong("OPS_PORT", "a port, such as 8081"))?;
    Ok(Some(SocketAddr::new(bind, port)))
}

/// What else the older service read: a sentence for each group of which something is set.
pub fn unheard() -> Vec<String> {
    UNHEARD.iter().filter_map(|(marks, instead)| group(marks, instead, &variables_that(|_| true))).collect()
}

/// Beginnings of names, and what is to be done instead.
const UNHEARD: [(&[&str], &str); 6] = [
    (
        &["NOTIFICATION_SERVICE_"],
        "people are told by the connections of --connections-file and the settings `notifications`",
    ),
    (
        &["OPS_ALERT_"],
        "what fails again and again is given up and is one alert (`wake_failed`, `prepare_failed`, `release_failed`): see the settings `orchestrator` (attempts, backoff) and `notifications`",
    ),
    (&["OPS_TIMELINE_"], "a page of a timeline has 100 operations, or as many as `limit` says, at most 500"),
    (
        &["OPS_WINRM_READ_TIMEOUT", "OPS_WINRM_OPERATION_TIMEOUT"],
        "a command has its grace and a minute, a status two minutes",
    ),
    (
        &["WINRM_ALLOWED_TRANSPORTS", "OPS_DISCOVERY_HEARTBEAT_PATHS"],
        "a station is reached by NTLM, or by Basic where its entry says so, and its heartbeat is where its entry says",
    ),
    (
        &[
            "OPS_POWER_",
            "GUACAMOLE_",
            "GUAC_",
            "OPS_GUACAMOLE_",
            "SESSION_OBSERV",
            "ACCESS_AUDIT_URL",
            "RESERVATION_PROJECTION_",
            "BASYX_",
            "AAS_",
        ],
        "power controllers, Guacamole, audits of sessions and shells of assets are not served here",
    ),
];

fn group(marks: &[&str], instead: &str, all: &[(String, String)]) -> Option<String> {
    let is_set =
        |(name, value): &&(String, String)| !value.is_empty() && marks.iter().any(|mark| name.starts_with(mark));
    let mut names: Vec<&str> = all.iter().filter(is_set).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| format!("not heeded: {}; {instead}", names.join(", ")))
}

/// Where nothing is said of them, who may listen decides who may come.
fn admin_networks() -> Result<Option<AdminNetworks>, Failure> {
    let named = variable("ADMIN_ALLOWED_CIDRS");
    let local_only = flag("ADMIN_DASHBOARD_LOCAL_ONLY")?.unwrap_or(named.is_some());
    if !local_only {
        return Ok(None);
    }
    let networks = named.as_deref().map(station_access::networks).transpose()?.unwrap_or_default();
    Ok(Some(AdminNetworks { networks, trusts_proxies: flag("ADMIN_TRUST_FORWARDED_IP")?.unwrap_or(true) }))
}

/// How often stations are polled that upload nothing by themselves: `OPS_POLL_ENABLED` and `OPS_POLL_INTERVAL`. None: never.
pub fn polling() -> Result<Option<Duration>, Failure> {
    let every = seconds("OPS_POLL_INTERVAL", 1.0)?.unwrap_or(Duration::from_secs(60));
    Ok(flag("OPS_POLL_ENABLED")?.unwrap_or(false).then_some(every))
}

/// What the environment says of reservations and the settings say otherwise: the settings hold, for every gateway alike.
pub fn overruled(timing: &Timing) -> Vec<String> {
    let differing = [
        ("OPS_RESERVATION_START_LEAD", "start_lead_seconds", timing.start_lead_seconds),
        ("OPS_RESERVATION_END_DELAY", "end_delay_seconds", timing.end_delay_seconds),
        ("OPS_RESERVATION_LOOKBACK", "lookback_seconds", timing.lookback_seconds),
        ("OPS_RESERVATION_RETRY_COOLDOWN", "cooldown_seconds", timing.cooldown_seconds),
    ];
    let said = differing.into_iter().filter_map(|(name, key, holds)| {
        let said = variable(name).filter(|said| said.trim().parse() != Ok(holds))?;
        Some(format!(
            "{name} says {said}, the settings say {holds}, which holds: change orchestrator.{key} by `stationkeeper config apply`"
        ))
    });
    said.collect()
}

/// A word for yes or no.
pub fn flag(name: &str) -> Result<Option<bool>, Failure> {
    let Some(said) = variable(name) else { return Ok(None) };
    match said.trim().to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        _ => Err(Failure::new(Exit::Configuration, format!("{name} is true or false"))),
    }
}

fn seconds(name: &str, least: f64) -> Result<Option<Duration>, Failure> {
    let Some(said) = variable(name) else { return Ok(None) };
    let wrong = || Failure::new(Exit::Configuration, format!("{name} is a number of seconds, at most {LONGEST}"));
    let seconds: f64 = said.trim().parse().map_err(|_no_number| wrong())?;
    if !(0.0..=LONGEST).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Some(Duration::from_secs_f64(seconds.max(least))))
}

fn list<T: FromStr>(name: &str) -> Result<Option<Vec<T>>, Failure> {
    let Some(said) = variable(name) else { return Ok(None) };
    let parts = said.split(',').map(str::trim).filter(|part| !part.is_empty());
    let wrong = |part| Failure::new(Exit::Configuration, format!("{name} lists {part:?}, which cannot be one"));
    parts.map(|part| part.parse().map_err(|_no_such| wrong(part))).collect::<Result<_, _>>().map(Some)
}

fn absolute(path: String) -> String {
    if path.starts_with('/') { path } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_and_means_nothing_is_named_without_its_value() {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let all = [
            set("NOTIFICATION_SERVICE_URL", "https://u:s3cret@mail/x"),
            set("NOTIFICATION_SERVICE_ACCESS_TOKEN", "s3cret"),
            set("NOTIFICATION_SERVICE_RECIPIENTS", ""),
            set("MYSQL_DSN", "mysql://u:s3cret@db/x"),
            set("OPS_CONFIG", "hosts.json"),
        ];
        let said: Vec<_> = UNHEARD.iter().filter_map(|(marks, instead)| group(marks, instead, &all)).collect();
        let [said] = said.as_slice() else { panic!("{said:?}") };
        let named = "not heeded: NOTIFICATION_SERVICE_ACCESS_TOKEN, NOTIFICATION_SERVICE_URL; people are told";
        assert!(said.starts_with(named), "{said}");
        assert!(!said.contains("s3cret"));
    }

    #[test]
    fn a_header_that_is_none_is_the_usual_one() {
        let header = |named: &str| InternalToken::new(named, "s3cret").is_some();
        assert!(!header("no header") && header(InternalToken::HEADER));
        assert!(SharedToken::new(SharedToken::HEADER, " ").is_none());
    }
}
