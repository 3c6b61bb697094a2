//! Who logs in to stations, from the environment: `WINRM_USER`, `WINRM_PASSWORD`, `WINRM_TRANSPORT` (`ntlm` or `basic`), `WINRM_CA_FILE`
//! (PEM; else the bundle of `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE`, which the older service took; without any the public roots hold) and
//! `OPS_ALLOWED_COMMANDS`. A password may also stand in a file: `WINRM_PASSWORD_FILE`.

use std::collections::HashMap;

use stationkeeper_gateway::{CommandAccess, CommandPolicy, ReachError, Reachable, StationReach};
use stationkeeper_station_link::winrm::{CertificatePolicy, Credential, Login};
use stationkeeper_station_link::{AllowedCommands, ManagementNetworks};
use stationkeeper_telemetry::HostName;

use crate::environment::{secret, variable};
use crate::failure::{Exit, Failure};

/// Files with certificates of authorities; the first that is named holds.
const BUNDLES: [&str; 3] = ["WINRM_CA_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// Networks as somebody writes them.
pub fn networks(text: &str) -> Result<ManagementNetworks, Failure> {
    text.parse().map_err(|error| Failure::because(Exit::Configuration, "these are no networks", &error))
}

/// A station that may be reached.
pub async fn check(reach: &StationReach, host: &HostName, address: &str) -> Result<Reachable, Failure> {
    reach.check(address).await.map_err(|error| {
        let exit = match &error {
            ReachError::NoNetworks => Exit::Configuration,
            ReachError::Address(_) => Exit::Rejected,
        };
        Failure::because(exit, format_args!("cannot reach {host}"), &error)
    })
}

/// How logins are proven, whose certificates are taken and what may be asked for.
pub fn policy() -> Result<CommandPolicy, Failure> {
    let login = match variable("WINRM_TRANSPORT").as_deref() {
        None | Some("ntlm") => Login::Ntlm,
        Some("basic") => Login::Basic,
        Some(_) => return Err(Failure::new(Exit::Configuration, "WINRM_TRANSPORT is ntlm or basic")),
    };
    let bundle = BUNDLES.iter().find_map(|name| Some((*name, variable(name)?)));
    let certificate = match bundle {
        None => CertificatePolicy::Roots,
        Some((name, path)) => CertificatePolicy::authority(read(&path, name)?.as_bytes())
            .map_err(|error| Failure::because(Exit::Configuration, format_args!("{name}, {path}"), &error))?,
    };
    Ok(CommandPolicy { login, certificate, allowed: allowed()? })
}

/// None: no user is named.
pub fn of_environment() -> Result<Option<CommandAccess>, Failure> {
    let Some(user) = variable("WINRM_USER") else { return Ok(None) };
    let password = secret("WINRM_PASSWORD")?.ok_or_else(|| {
        let said = "WINRM_USER is set, and neither WINRM_PASSWORD nor WINRM_PASSWORD_FILE";
        Failure::new(Exit::Configuration, said)
    })?;
    let CommandPolicy { login, certificate, allowed } = policy()?;
    let credential = Credential::new(user, password);
    Ok(Some(CommandAccess { credential, login, certificate, pins: HashMap::new(), allowed }))
}

/// What callers may name.
pub fn allowed() -> Result<AllowedCommands, Failure> {
    let (allowed, unknown) = AllowedCommands::narrowed(&variable("OPS_ALLOWED_COMMANDS").unwrap_or_default());
    // The older service's own list has some that are never taken from callers here.
    if !unknown.is_empty() {
        tracing::warn!(
            "OPS_ALLOWED_COMMANDS names {}, which no caller may have run on a station here",
            unknown.join(", ")
        );
    }
    Ok(allowed)
}

fn read(path: &str, variable: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::because(Exit::Configuration, format_args!("cannot read {path} ({variable})"), &error))
}
