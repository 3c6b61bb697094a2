//! The catalog of stations, at the addresses of the older service: `/api/hosts` and what is below it (gateway.md sections 1 and 6).

pub(crate) mod catalog;
pub(crate) mod change;
pub(crate) mod discover;
pub(crate) mod document;
pub(crate) mod list;
pub(crate) mod local_mode;
pub(crate) mod provision;
pub(crate) mod reload;

use stationkeeper_station_link::winrm::{CertificatePolicy, Login};
use stationkeeper_store::{CatalogHost, HostStatus};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::command::CommandAccess;
use crate::error::ApiError;
use crate::reach::{ReachError, Reachable};

/// A station of the catalog by any spelling of its name; none: it is not in it, or no longer in use.
pub(crate) async fn known(gateway: &Gateway, name: &str) -> Result<Option<CatalogHost>, ApiError> {
    let Ok(host) = HostName::parse(name) else { return Ok(None) };
    let found = gateway.store().catalog_host(&host).await?;
    Ok(found.filter(|host| host.entry.status != HostStatus::Retired))
}

/// How many stations are in use.
pub(crate) async fn in_use(gateway: &Gateway) -> Result<usize, ApiError> {
    let catalog = gateway.store().catalog().await?;
    Ok(catalog.iter().filter(|host| host.entry.status != HostStatus::Retired).count())
}

impl Gateway {
    /// How to log in to a station: as to all, but for what its row of the catalog says.
    ///
    /// # Errors
    /// Nobody logs in to stations.
    pub(crate) async fn access_to(&self, host: &CatalogHost) -> Result<CommandAccess, ApiError> {
        let mut access = self.shared().options.reach.commands.clone().ok_or(ApiError::NoLogin)?;
        if let Some(sha256) = host.access.pin {
            access.pins.insert(host.entry.host.clone(), CertificatePolicy::Pin(sha256));
        }
        match host.access.transport.as_deref() {
            Some("basic") => access.login = Login::Basic,
            Some("ntlm") => access.login = Login::Ntlm,
            _ => {}
        }
        Ok(access)
    }

    /// A station that may be reached, and how to log in to it.
    ///
    /// # Errors
    /// The catalog does not say where it is, nobody logs in to stations, or it is not where stations are.
    pub(crate) async fn way_to(&self, host: &CatalogHost) -> Result<(CommandAccess, Reachable), ApiError> {
        let no_address = || ApiError::BadRequest(format!("the catalog has no address of {}", host.entry.host));
        let address = host.entry.address.as_deref().ok_or_else(no_address)?;
        let access = self.access_to(host).await?;
        let station = self.shared().options.reach.check(address).await.map_err(|refused| match refused {
            ReachError::NoNetworks => ApiError::NoNetworks(refused),
            ReachError::Address(error) => ApiError::BadRequest(error.to_string()),
        })?;
        Ok((access, station))
    }
}
