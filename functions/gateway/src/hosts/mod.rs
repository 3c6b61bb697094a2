//! The catalog of stations, at the addresses of the older service: `/api/hosts` and what is below it (gateway.md sections 1 and 6).

pub(crate) mod catalog;
pub(crate) mod change;
pub(crate) mod discover;
pub(crate) mod document;
pub(crate) mod list;
pub(crate) mod local_mode;
pub(crate) mod provision;
pub(crate) mod reload;
pub(crate) mod rows;

use stationkeeper_station_link::AllowedCommands;
use stationkeeper_station_link::winrm::{CertificatePolicy, Login};
use stationkeeper_store::{Author, CatalogHost, HostStatus};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::command::CommandAccess;
use crate::credentials::Logins;
use crate::error::ApiError;
use crate::reach::{ReachError, Reachable};
use rows::CatalogChange;

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
    /// For a change of the catalog. Whoever makes it has its turn.
    fn catalog_change<'a>(&'a self, author: &'a Author) -> CatalogChange<'a> {
        let options = &self.shared().options;
        let networks = &options.reach.networks;
        CatalogChange { store: self.store(), files: &options.catalog, networks, author, now: self.now() }
    }

    /// How to log in to a station: as to all, but for what its row of the catalog says.
    ///
    /// # Errors
    /// Nobody logs in to it.
    pub(crate) async fn access_to(&self, host: &CatalogHost) -> Result<CommandAccess, ApiError> {
        self.access_by(&self.logins().await, host)
    }

    /// Logins that are stored. If they cannot be read there are none.
    pub(crate) async fn logins(&self) -> Logins {
        let Some(stored) = &self.shared().options.credentials else { return Logins::default() };
        stored.store.logins().await.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the logins of stations cannot be read");
            Logins::default()
        })
    }

    /// What callers may name.
    pub(crate) fn allowed_commands(&self) -> AllowedCommands {
        let options = &self.shared().options;
        let of_policy = || options.credentials.as_ref().map(|stored| stored.policy.allowed.clone());
        options.reach.commands.as_ref().map(|access| access.allowed.clone()).or_else(of_policy).unwrap_or_default()
    }

    /// How logins are proven where the catalog says nothing of it.
    pub(crate) fn usual_transport(&self) -> &'static str {
        let options = &self.shared().options;
        let of_all = options.reach.commands.as_ref().map(|access| access.login);
        match of_all.or_else(|| options.credentials.as_ref().map(|stored| stored.policy.login)) {
            Some(Login::Basic) => "basic",
            Some(Login::Ntlm) | None => "ntlm",
        }
    }

    /// As [`access_to`](Self::access_to), with logins that were read before.
    ///
    /// # Errors
    /// Nobody logs in to it.
    pub(crate) fn access_by(&self, logins: &Logins, host: &CatalogHost) -> Result<CommandAccess, ApiError> {
        let options = &self.shared().options;
        let own = logins.of(&host.credential_ref());
        let mut access = match (&options.reach.commands, &options.credentials, own) {
            (Some(all), _, Some(own)) => CommandAccess { credential: own, ..all.clone() },
            (Some(all), _, None) => all.clone(),
            (None, Some(stored), Some(own)) => stored.access(own),
            (None, _, _) => return Err(ApiError::NoLogin),
        };
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
