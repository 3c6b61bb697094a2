//! What the environment says in the older service's names: `OPS_CONFIG` and `OPS_DYNAMIC_CONFIG` (the catalog and its overlay),
//! `OPS_CREDENTIALS_PATH` and `OPS_SECRETS_KEY` (the logins of stations), `OPS_INTERNAL_AUTH_TOKEN` and `OPS_INTERNAL_AUTH_HEADER`, `ADMIN_DASHBOARD_LOCAL_ONLY`, `ADMIN_ALLOWED_CIDRS` and
//! `ADMIN_TRUST_FORWARDED_IP`, `OPS_DISCOVERY_…`, `OPS_HEARTBEAT_SSE_INTERVAL_SECONDS`, `OPS_POLL_ENABLED`, `OPS_POLL_INTERVAL` and
//! `OPS_RESERVATION_SCAN_INTERVAL`. Its other times of reservations are settings.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use stationkeeper_gateway::{
    AdminNetworks, CatalogFiles, ConfiguredKey, CredentialStore, DiscoveryOptions, GatewayOptions, InternalToken,
    SecretsKey, StoredLogins,
};
use stationkeeper_rules::orchestrator::Timing;

use crate::environment::{secret, variable};
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
    let header = variable("OPS_INTERNAL_AUTH_HEADER").unwrap_or_else(|| InternalToken::HEADER.to_owned());
    match InternalToken::new(&header, &secret) {
        Some(token) => Ok(Some(token)),
        None => {
            let said = "OPS_INTERNAL_AUTH_TOKEN is blank, or OPS_INTERNAL_AUTH_HEADER is no name of a header";
            Err(Failure::new(Exit::Configuration, said))
        }
    }
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
