//! The whole catalog (`lab_hosts`): what a station is called, and how it is reached where that differs from the others.

use stationkeeper_telemetry::HostName;

use crate::row::Row;
use crate::statement::{Statement, Value};
use crate::stations::{CatalogEntry, HostStatus, States};
use crate::{Store, StoreError};

/// Where a row of the catalog comes from. None: the station was seen by itself, or was added at the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CatalogSource {
    /// A file of hosts.
    File,
    /// Somebody, over the API.
    Api,
}

impl CatalogSource {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }

    /// The source of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::File, Self::Api].into_iter().find(|source| source.as_str() == name)
    }
}

/// How a station is reached. What is none holds for all stations alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostAccess {
    /// Its name as somebody wrote it.
    pub spelling: Option<String>,
    /// Its labs; [`CatalogEntry::lab`] is the first of them.
    pub labs: Vec<String>,
    /// Its place in the catalog: the first that lists a lab has it. None: after all that have one.
    pub order: Option<u32>,
    /// What is asked whether it is up, where that is not its address.
    pub ping_target: Option<String>,
    /// Which login it takes.
    pub credential_ref: Option<String>,
    /// How the login is proven: `ntlm` or `basic`.
    pub transport: Option<String>,
    /// Where it keeps its heartbeat.
    pub heartbeat_path: Option<String>,
    /// Where it keeps its trail.
    pub events_path: Option<String>,
    /// A word of the catalog's authors.
    pub mode: Option<String>,
    /// SHA-256 of its certificate.
    pub pin: Option<[u8; 32]>,
    /// Who says so.
    pub source: Option<CatalogSource>,
}

/// A row of the catalog as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogHost {
    /// Where it stands.
    pub entry: CatalogEntry,
    /// How it is reached.
    pub access: HostAccess,
}

impl CatalogHost {
    /// Its name, as somebody wrote it or as the wire has it.
    pub fn name(&self) -> &str {
        self.access.spelling.as_deref().unwrap_or(self.entry.host.as_str())
    }

    /// Which login it takes: the one it names, else that of its address, else that of its name; in small letters.
    pub fn credential_ref(&self) -> String {
        let said = self.access.credential_ref.as_deref().or(self.entry.address.as_deref());
        said.unwrap_or(self.entry.host.as_str()).trim().to_lowercase()
    }

    /// Lists this lab, in any letter case.
    pub fn lists(&self, lab: &str) -> bool {
        let lab = lab.trim().to_lowercase();
        self.access.labs.iter().any(|one| one.to_lowercase() == lab)
    }
}

impl States<'_> {
    /// Locks the whole catalog and reads it, by host name.
    pub async fn lock_catalog(&mut self) -> Result<Vec<CatalogHost>, StoreError> {
        let statement = Statement::new("lock the catalog", include_str!("sql/lock_hosts.sql")).of("lab_hosts", KEY);
        self.0.fetch(statement).await?.iter().map(host).collect()
    }

    /// Inserts or replaces whole rows of the catalog (`created_at` of a known one stays), and makes their states.
    pub async fn save_hosts(&mut self, hosts: &[CatalogHost]) -> Result<(), StoreError> {
        let entries: Vec<CatalogEntry> = hosts.iter().map(|host| host.entry.clone()).collect();
        self.save_catalog(&entries).await?;
        let rows = hosts.iter().map(host_row).collect::<Result<_, _>>()?;
        self.0.write_rows("write the catalog", include_str!("sql/save_hosts.sql"), rows).await
    }
}

impl Store {
    /// The catalog in its order; rows that have none come last, by host name.
    pub async fn catalog(&self) -> Result<Vec<CatalogHost>, StoreError> {
        self.reader().await?.fetch(read_hosts()).await?.iter().map(host).collect()
    }

    /// One row of it.
    pub async fn catalog_host(&self, name: &HostName) -> Result<Option<CatalogHost>, StoreError> {
        let statement = read_hosts().filter("name = ?", [name]);
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(host).transpose()
    }

    /// The station of a lab: the first of the catalog that lists it and is in use.
    pub async fn host_of_lab(&self, lab: &str) -> Result<Option<CatalogHost>, StoreError> {
        let catalog = self.catalog().await?;
        Ok(catalog.into_iter().find(|host| host.entry.status != HostStatus::Retired && host.lists(lab)))
    }
}

const KEY: &[&str] = &["name"];

fn read_hosts() -> Statement {
    Statement::new("read the catalog", include_str!("sql/hosts.sql")).of("lab_hosts", KEY)
}

fn host_row(host: &CatalogHost) -> Result<Vec<Value>, StoreError> {
    let CatalogHost { entry, access } = host;
    let labs = (!access.labs.is_empty())
        .then(|| serde_json::to_string(&access.labs))
        .transpose()
        .map_err(StoreError::json("write the catalog"))?;
    Ok(vec![
        (&entry.host).into(),
        entry.lab.as_ref().into(),
        entry.address.as_ref().into(),
        entry.mac.as_ref().into(),
        entry.status.as_str().into(),
        entry.created_at.into(),
        access.spelling.as_ref().into(),
        labs.into(),
        access.order.into(),
        access.ping_target.as_ref().into(),
        access.credential_ref.as_ref().into(),
        access.transport.as_ref().into(),
        access.heartbeat_path.as_ref().into(),
        access.events_path.as_ref().into(),
        access.mode.as_ref().into(),
        access.pin.into(),
        access.source.map(CatalogSource::as_str).into(),
    ])
}

fn host(row: &Row) -> Result<CatalogHost, StoreError> {
    let entry = CatalogEntry {
        host: row.host("name")?,
        lab: row.optional_text("lab")?,
        address: row.optional_text("address")?,
        mac: row.optional_text("mac")?,
        status: row.parsed("status", HostStatus::parse)?,
        created_at: row.instant("created_at")?,
    };
    let listed = row.optional_json::<Vec<String>>("labs")?.unwrap_or_default();
    Ok(CatalogHost {
        access: HostAccess {
            spelling: row.optional_text("spelling")?,
            labs: first_and_others(entry.lab.as_deref(), listed),
            order: row.optional_small("catalog_order")?,
            ping_target: row.optional_text("ping_target")?,
            credential_ref: row.optional_text("credential_ref")?,
            transport: row.optional_text("transport")?,
            heartbeat_path: row.optional_text("heartbeat_path")?,
            events_path: row.optional_text("events_path")?,
            mode: row.optional_text("mode")?,
            pin: row.optional_sha256("pin")?,
            source: row.optional_parsed("source", CatalogSource::parse)?,
        },
        entry,
    })
}

/// A lab that was set alone goes before those that were listed with another.
fn first_and_others(first: Option<&str>, listed: Vec<String>) -> Vec<String> {
    let others = listed.into_iter().filter(|lab| Some(lab.as_str()) != first);
    first.map(str::to_owned).into_iter().chain(others).collect()
}
