//! What people do to the catalog, over the API or at the command line: each change with its row in the audit log and in the overlay, or
//! not at all.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use stationkeeper_station_link::ManagementNetworks;
use stationkeeper_store::{
    AuditAction, AuditEntry, Author, CatalogHost, CatalogSource, HostStatus, Store, StoreError, Transaction,
};
use stationkeeper_telemetry::HostName;

use super::catalog::{CatalogError, CatalogFiles, row_of};
use super::document::{labs, read_host};

/// Where the catalog is, and who changes it.
#[derive(Debug, Clone, Copy)]
pub struct CatalogChange<'a> {
    /// Its table.
    pub store: &'a Store,
    /// Its files.
    pub files: &'a CatalogFiles,
    /// In which stations stand; none: it is not looked at.
    pub networks: &'a ManagementNetworks,
    /// Who.
    pub author: &'a Author,
    /// When.
    pub now: DateTime<Utc>,
}

/// Why the catalog was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeHostError {
    /// Something in the entry.
    #[error("{0}")]
    Entry(String),
    /// A station of this name is in use. The text is the older service's.
    #[error("host {0} already exists")]
    Exists(String),
    /// No station of this name is in use. The text is the older service's.
    #[error("host '{0}' not found")]
    Unknown(String),
    /// A file or the store.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<StoreError> for ChangeHostError {
    fn from(error: StoreError) -> Self {
        Self::Catalog(error.into())
    }
}

impl CatalogChange<'_> {
    /// Puts a station into the catalog, by the names that the files have. One that was seen by itself, or was out of use, may be put in.
    ///
    /// # Errors
    /// It is in use, its entry cannot be used, or it could not be written.
    pub async fn add(&self, fields: Map<String, Value>, detail: Value) -> Result<CatalogHost, ChangeHostError> {
        let listed = read_host(&fields, self.networks).map_err(ChangeHostError::Entry)?;
        let mut work = self.store.begin().await?;
        let catalog = work.states().lock_catalog().await?;
        let known = catalog.iter().find(|row| row.entry.host == listed.host);
        if known.is_some_and(|row| row.entry.status == HostStatus::Active) {
            return Err(ChangeHostError::Exists(listed.access.spelling.unwrap_or_default()));
        }
        let order = catalog.iter().filter_map(|row| row.access.order).max().map_or(0, |last| last.saturating_add(1));
        let created_at = known.map_or(self.now, |row| row.entry.created_at);
        let row = row_of(listed, Some(order), CatalogSource::Api, created_at);
        self.write(work, AuditAction::HostAdd, &row, Some(detail), Some(&for_the_older_service(fields))).await?;
        Ok(row)
    }

    /// Changes what it says of a station, by the names that the files have.
    ///
    /// # Errors
    /// There is none of this name, its entry cannot be used so, or it could not be written.
    pub async fn change(&self, name: &str, asked: Map<String, Value>) -> Result<CatalogHost, ChangeHostError> {
        let mut work = self.store.begin().await?;
        let row = in_use(&mut work, name).await?;
        if asked.is_empty() {
            return Err(ChangeHostError::Entry("nothing is named that could be changed".to_owned()));
        }
        let mut fields = fields_of(&row);
        fields.extend(asked.clone());
        let listed = read_host(&fields, self.networks).map_err(ChangeHostError::Entry)?;
        let new = row_of(listed, row.access.order, CatalogSource::Api, row.entry.created_at);
        let fields = for_the_older_service(fields);
        self.write(work, AuditAction::HostChange, &new, Some(Value::Object(asked)), Some(&fields)).await?;
        Ok(new)
    }

    /// Takes a station out of use. Its history stays.
    ///
    /// # Errors
    /// There is none of this name, or it could not be written.
    pub async fn retire(&self, name: &str) -> Result<CatalogHost, ChangeHostError> {
        let mut work = self.store.begin().await?;
        let mut row = in_use(&mut work, name).await?;
        (row.entry.status, row.access.source) = (HostStatus::Retired, Some(CatalogSource::Api));
        self.write(work, AuditAction::HostRetire, &row, None, None).await?;
        Ok(row)
    }

    async fn write(
        &self,
        mut work: Transaction,
        action: AuditAction,
        row: &CatalogHost,
        detail: Option<Value>,
        overlay: Option<&Map<String, Value>>,
    ) -> Result<(), ChangeHostError> {
        let host = &row.entry.host;
        work.states().save_hosts(std::slice::from_ref(row)).await?;
        let audit = AuditEntry::done(self.author, action, host.as_str(), self.now).of(Some(host));
        let audit = match detail {
            Some(detail) => audit.with(detail),
            None => audit,
        };
        work.audit().append(&[audit]).await?;
        // All of it is checked by now; what is written and not committed is read at the next reload.
        self.files.write_overlay(host, overlay).await?;
        Ok(work.commit().await?)
    }
}

async fn in_use(work: &mut Transaction, name: &str) -> Result<CatalogHost, ChangeHostError> {
    let unknown = || ChangeHostError::Unknown(name.to_owned());
    let host = HostName::parse(name).map_err(|_no_name| unknown())?;
    let catalog = work.states().lock_catalog().await?;
    let found = catalog.into_iter().find(|row| row.entry.host == host && row.entry.status != HostStatus::Retired);
    found.ok_or_else(unknown)
}

/// A row as the files of the catalog would say it.
fn fields_of(row: &CatalogHost) -> Map<String, Value> {
    let (entry, access) = (&row.entry, &row.access);
    let fields = [
        ("name", json!(row.name())),
        ("address", json!(entry.address)),
        ("mac", json!(entry.mac)),
        ("labs", json!(access.labs)),
        ("credential_ref", json!(access.credential_ref)),
        ("heartbeat_path", json!(access.heartbeat_path)),
        ("events_path", json!(access.events_path)),
        ("mode", json!(access.mode)),
        ("ping_target", json!(access.ping_target)),
        ("winrm_transport", json!(access.transport)),
        ("certificate_sha256", json!(access.pin.map(hex::encode))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The older service does not start with an entry that lacks these.
fn for_the_older_service(mut fields: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in [
        ("winrm_use_ssl", json!(true)),
        ("winrm_port", json!(stationkeeper_station_link::winrm::WINRM_PORT)),
        ("winrm_transport", json!("ntlm")),
    ] {
        fields.entry(name).or_insert(value);
    }
    if let Ok(labs) = labs(fields.get("labs")) {
        fields.insert("labs".to_owned(), json!(labs));
    }
    fields
}
