//! Stations: the catalog (`lab_hosts`) and the latest state (`lab_station_state`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::{StationState, StationWord};
use stationkeeper_telemetry::HostName;

use crate::{Store, StoreError};

/// Where a station stands in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostStatus {
    /// It uploaded, and nobody has said yet whether it belongs here.
    New,
    /// In use.
    Active,
    /// No longer in use; its history stays.
    Retired,
}

impl HostStatus {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::New, Self::Active, Self::Retired].into_iter().find(|status| status.as_str() == name)
    }
}

/// A row of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Which station.
    pub host: HostName,
    /// Its lab, if it has one.
    pub lab: Option<String>,
    /// Where it answers on the lab's network.
    pub address: Option<String>,
    /// Its adapter's address.
    pub mac: Option<String>,
    /// Where it stands.
    pub status: HostStatus,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
}

/// A station with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    /// Its row of the catalog.
    pub entry: CatalogEntry,
    /// Its latest state.
    pub state: StationState,
}

/// Which stations to list.
#[derive(Debug, Clone, Default)]
pub struct StationFilter {
    /// Of this lab.
    pub lab: Option<String>,
    /// In one of these states; empty: in any.
    pub words: Vec<StationWord>,
    /// Only these hosts; empty: all.
    pub hosts: Vec<HostName>,
}

/// Stations in a unit of work.
#[derive(Debug)]
pub struct States<'t>(std::marker::PhantomData<&'t mut ()>);

impl States<'_> {
    /// Makes the rows of stations that are not known yet: status `new`, nothing heard.
    pub async fn ensure(&mut self, hosts: &[HostName], now: DateTime<Utc>) -> Result<(), StoreError> {
        let _ = (hosts, now);
        unimplemented!()
    }
    /// Inserts or replaces rows of the catalog (`created_at` of a known one stays), and makes their states.
    pub async fn save_catalog(&mut self, entries: &[CatalogEntry]) -> Result<(), StoreError> {
        let _ = entries;
        unimplemented!()
    }
    /// Locks the states of these stations, in host order whatever the order of the argument, and reads them. Unknown ones are
    /// missing in the answer: [`ensure`](Self::ensure) first.
    pub async fn lock(&mut self, hosts: &[HostName]) -> Result<Vec<StationState>, StoreError> {
        let _ = hosts;
        unimplemented!()
    }
    /// Writes whole states. `skew` is kept in milliseconds.
    pub async fn save(&mut self, states: &[StationState]) -> Result<(), StoreError> {
        let _ = states;
        unimplemented!()
    }
}

impl Store {
    /// Stations whose verdict time alone can have changed: `check_at ≤ now`, the longest due first.
    pub async fn due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<HostName>, StoreError> {
        let _ = (now, limit);
        unimplemented!()
    }
    /// The newest advance of any station (retired ones too).
    pub async fn newest_advance_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        unimplemented!()
    }
    /// How many stations are expected to send: not `off`, `down` or `unknown`, nor retired.
    pub async fn expected_stations(&self) -> Result<u64, StoreError> {
        unimplemented!()
    }
    /// Stations by host name, after `after`.
    pub async fn stations(
        &self,
        filter: &StationFilter,
        after: Option<&HostName>,
        limit: u32,
    ) -> Result<Vec<Station>, StoreError> {
        let _ = (filter, after, limit);
        unimplemented!()
    }
    /// One station.
    pub async fn station(&self, host: &HostName) -> Result<Option<Station>, StoreError> {
        let _ = host;
        unimplemented!()
    }
    /// How many stations are in each state.
    pub async fn stations_by_word(&self) -> Result<Vec<(StationWord, u64)>, StoreError> {
        unimplemented!()
    }
}
