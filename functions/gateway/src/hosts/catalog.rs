//! The files of the catalog and the table that is its master: read at start and at a reload, written back where somebody changes the
//! catalog over the API.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use stationkeeper_store::{CatalogEntry, CatalogHost, CatalogSource, HostStatus, StoreError};
use stationkeeper_telemetry::HostName;

use super::document::{self, Document, DocumentError, ListedHost, SetAside};
use crate::Gateway;

/// Larger files are no catalogs, in bytes.
const LARGEST: u64 = 16 << 20;

/// Where the files of the catalog are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogFiles {
    /// Which is never written.
    pub base: Option<PathBuf>,
    /// Which wins, and is written to.
    pub overlay: Option<PathBuf>,
}

/// What came of reading them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogReport {
    /// Entries that cannot be used.
    pub set_aside: Vec<SetAside>,
    /// Why a file was not read; what was there before stays.
    pub problem: Option<String>,
}

/// Why the catalog could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// Read or write.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no catalog.
    #[error("{} is no catalog: {reason}", path.display())]
    Document {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The last report, and the turn of whoever reads or writes the files.
#[derive(Default)]
pub(crate) struct Catalog {
    report: Mutex<CatalogReport>,
    turn: tokio::sync::Mutex<()>,
}

impl Catalog {
    /// What came of the last reading.
    pub fn report(&self) -> CatalogReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, report: CatalogReport) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    /// One reads or writes the files at a time.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

impl Gateway {
    /// Reads the files of the catalog into the table. On an error nothing of it happened, and the catalog stays as it was.
    ///
    /// # Errors
    /// A file is unreadable, or the store failed.
    pub async fn load_catalog(&self) -> Result<CatalogReport, CatalogError> {
        let catalog = &self.shared().catalog;
        let _turn = catalog.turn().await;
        let loaded = self.load().await;
        let report = match &loaded {
            Ok(report) => report.clone(),
            Err(error) => {
                let problem = Some(format!("{error}: the catalog is as it was before"));
                CatalogReport { problem, ..catalog.report() }
            }
        };
        for aside in &report.set_aside {
            tracing::warn!(host = aside.name, reason = aside.reason, "an entry of the catalog is set aside");
        }
        catalog.remember(report);
        loaded
    }

    async fn load(&self) -> Result<CatalogReport, CatalogError> {
        let files = &self.shared().options.catalog;
        if files.base.is_none() && files.overlay.is_none() {
            return Ok(CatalogReport::default());
        }
        let base = self.read_document(files.base.as_deref()).await?;
        let overlay = self.read_document(files.overlay.as_deref()).await?;
        // A base that is not there may be on its way, as a share that is not mounted yet: nothing is retired for it.
        let problem =
            files.base.as_ref().filter(|_| base.is_none()).map(|path| format!("there is no {}", path.display()));
        let (base, overlay) = (base.unwrap_or_default(), overlay.unwrap_or_default());
        let set_aside: Vec<SetAside> = base.set_aside.into_iter().chain(overlay.set_aside).collect();
        let mut work = self.store().begin().await?;
        let known = work.states().lock_catalog().await?;
        let changed = plan(&known, base.hosts, overlay.hosts, &Spared::of(&set_aside, problem.is_some()), self.now());
        work.states().save_hosts(&changed).await?;
        work.commit().await?;
        tracing::info!(changed = changed.len(), set_aside = set_aside.len(), "the catalog was read");
        Ok(CatalogReport { set_aside, problem })
    }

    async fn read_document(&self, path: Option<&Path>) -> Result<Option<Document>, CatalogError> {
        let Some(path) = path else { return Ok(None) };
        let Some(bytes) = read_file(path).await? else { return Ok(None) };
        document::read(&bytes, &self.shared().options.reach.networks)
            .map(Some)
            .map_err(|error| no_catalog(path, &error))
    }
}

impl CatalogFiles {
    /// Puts an entry into the overlay in place of the one of its name, or takes it out. Without an overlay nothing is written.
    pub(crate) async fn write_overlay(
        &self,
        host: &HostName,
        entry: Option<&Map<String, Value>>,
    ) -> Result<(), CatalogError> {
        let Some(path) = self.overlay.as_deref() else { return Ok(()) };
        let mut entries = match read_file(path).await? {
            Some(bytes) => document::entries(&bytes).map_err(|error| no_catalog(path, &error))?,
            None => Vec::new(),
        };
        let is_it = |known: &Value| {
            known
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|name| HostName::parse(name.trim()).as_ref() == Ok(host))
        };
        match (entries.iter().position(is_it), entry) {
            (Some(place), Some(entry)) => entries[place] = merged(&entries[place], entry),
            (None, Some(entry)) => entries.push(Value::Object(entry.clone())),
            (Some(_), None) => entries.retain(|known| !is_it(known)),
            (None, None) => return Ok(()),
        }
        let text = format!("{:#}\n", json!({ "hosts": entries }));
        write_file(path, text.as_bytes()).await
    }
}

/// What we do not read in an entry stays in it.
fn merged(known: &Value, entry: &Map<String, Value>) -> Value {
    let mut fields = known.as_object().cloned().unwrap_or_default();
    for (name, value) in entry {
        match value {
            Value::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(fields)
}

/// Which stations are not retired though no file lists them.
struct Spared {
    all: bool,
    hosts: HashSet<HostName>,
}

impl Spared {
    fn of(set_aside: &[SetAside], all: bool) -> Self {
        let names = set_aside.iter().filter_map(|aside| HostName::parse(aside.name.as_deref()?.trim()).ok());
        Self { all, hosts: names.collect() }
    }
}

/// The rows that change. Pure.
fn plan(
    known: &[CatalogHost],
    base: Vec<ListedHost>,
    overlay: Vec<ListedHost>,
    spared: &Spared,
    now: DateTime<Utc>,
) -> Vec<CatalogHost> {
    let of_overlay: HashSet<HostName> = overlay.iter().map(|listed| listed.host.clone()).collect();
    let mut changed = Vec::new();
    let mut listed_hosts = HashSet::new();
    for (order, listed) in (0_u32..).zip(document::merge(base, overlay)) {
        listed_hosts.insert(listed.host.clone());
        let row = known.iter().find(|row| row.entry.host == listed.host);
        let by_api = row.filter(|row| row.access.source == Some(CatalogSource::Api));
        let new = match by_api {
            // Somebody changed or retired it over the API, and the base does not know.
            Some(row) if !of_overlay.contains(&listed.host) => {
                let mut kept = row.clone();
                kept.access.order = Some(order);
                kept
            }
            _ => row_of(listed, Some(order), CatalogSource::File, row.map_or(now, |row| row.entry.created_at)),
        };
        if row != Some(&new) {
            changed.push(new);
        }
    }
    let gone = known.iter().filter(|row| {
        row.access.source == Some(CatalogSource::File)
            && row.entry.status != HostStatus::Retired
            && !listed_hosts.contains(&row.entry.host)
            && !spared.all
            && !spared.hosts.contains(&row.entry.host)
    });
    changed.extend(gone.map(|row| {
        let mut retired = row.clone();
        retired.entry.status = HostStatus::Retired;
        retired
    }));
    changed
}

/// An entry as a row of the table.
pub(crate) fn row_of(
    listed: ListedHost,
    order: Option<u32>,
    source: CatalogSource,
    created_at: DateTime<Utc>,
) -> CatalogHost {
    let mut access = listed.access;
    (access.order, access.source) = (order, Some(source));
    CatalogHost {
        entry: CatalogEntry {
            host: listed.host,
            lab: access.labs.first().cloned(),
            address: Some(listed.address),
            mac: listed.mac,
            status: HostStatus::Active,
            created_at,
        },
        access,
    }
}

fn no_catalog(path: &Path, error: &DocumentError) -> CatalogError {
    CatalogError::Document { path: path.to_owned(), reason: error.to_string() }
}

async fn read_file(path: &Path) -> Result<Option<Vec<u8>>, CatalogError> {
    let failed = |source| CatalogError::File { doing: "read", path: path.to_owned(), source };
    match tokio::fs::metadata(path).await {
        Ok(about) if about.len() > LARGEST => Err(failed(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => tokio::fs::read(path).await.map(Some).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Beside the old file, then in its place: whoever reads meanwhile reads one of the two.
pub(crate) async fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CatalogError> {
    let failed = |source| CatalogError::File { doing: "write", path: path.to_owned(), source };
    let written = async {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            tokio::fs::create_dir_all(folder).await?;
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&beside).await?;
        tokio::io::AsyncWriteExt::write_all(&mut file, bytes).await?;
        file.sync_all().await?;
        drop(file);
        tokio::fs::rename(&beside, path).await
    };
    written.await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use stationkeeper_store::HostAccess;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn listed(text: &str) -> ListedHost {
        let (name, address) = text.split_once('@').unwrap();
        let access = HostAccess { spelling: Some(name.to_owned()), ..HostAccess::default() };
        ListedHost { host: HostName::parse(name).unwrap(), address: address.to_owned(), mac: None, access }
    }

    fn row(text: &str, source: Option<CatalogSource>, status: HostStatus) -> CatalogHost {
        let mut row = row_of(listed(text), None, CatalogSource::File, now());
        (row.access.source, row.entry.status) = (source, status);
        row
    }

    #[test]
    fn files_and_table_become_one_catalog() {
        use CatalogSource::{Api, File};
        use HostStatus::{Active, New, Retired};
        let known = [
            row("a@old", Some(File), Active),
            row("b@old", Some(Api), Active),
            row("c@old", Some(Api), Retired),
            row("d@old", Some(File), Active),
            row("e@old", None, New),
            row("f@old", Some(Api), Active),
            row("g@old", Some(File), Active),
            row("h@old", Some(Api), Retired),
            row("i@old", None, New),
        ];
        let base = ["a@base", "b@base", "c@base", "e@base", "h@base"].map(listed).to_vec();
        let overlay = ["a@over", "h@over", "j@over"].map(listed).to_vec();
        let aside = SetAside { name: Some("G".to_owned()), reason: String::new() };
        let changed =
            plan(&known, base.clone(), overlay.clone(), &Spared::of(std::slice::from_ref(&aside), false), now());
        let seen: Vec<_> = changed
            .iter()
            .map(|row| {
                let (entry, access) = (&row.entry, &row.access);
                (entry.host.as_str(), entry.address.as_deref().unwrap_or(""), entry.status, access.source, access.order)
            })
            .collect();
        let expected = [
            ("A", "over", Active, Some(File), Some(0)), // the overlay wins
            ("B", "old", Active, Some(Api), Some(1)),   // changed over the API: the base does not undo it
            ("C", "old", Retired, Some(Api), Some(2)),  // nor does it bring back what was retired there
            ("E", "base", Active, Some(File), Some(3)), // seen by itself, and now in the catalog
            ("H", "over", Active, Some(File), Some(4)), // somebody put it into the overlay again
            ("J", "over", Active, Some(File), Some(5)), // new
            ("D", "old", Retired, Some(File), None),    // no file lists it any more
        ];
        assert_eq!(seen, expected);
        let everything = plan(&known, base, overlay, &Spared::of(&[], true), now());
        assert!(
            everything.iter().all(|row| row.entry.host.as_str() != "D"),
            "nothing is retired for a file that is away"
        );
    }

    #[test]
    fn a_catalog_that_did_not_change_writes_nothing() {
        let listed = || ["a@x", "b@y"].map(listed).to_vec();
        let spared = Spared::of(&[], false);
        let first = plan(&[], listed(), Vec::new(), &spared, now());
        assert_eq!(first.len(), 2);
        assert_eq!(plan(&first, listed(), Vec::new(), &spared, now() + chrono::TimeDelta::hours(1)), []);
    }
}
