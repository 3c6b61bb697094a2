//! Forced logoffs: seen in a heartbeat or an INI (`forced_logoff_sightings`), and what was found of them
//! (`reservation_forced_logoffs`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::{FoundIn, ReservationId};
use stationkeeper_telemetry::{ForcedLogoff, HostName};

use crate::{Store, StoreError};

/// A forced logoff that a heartbeat or an INI mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedLogoffSighting {
    /// On which station.
    pub host: HostName,
    /// When it says it was.
    pub logged_off_at: DateTime<Utc>,
    /// As the heartbeat shows it.
    pub heartbeat: Option<ForcedLogoff>,
    /// As the INI shows it.
    pub service_state: Option<ForcedLogoff>,
    /// Timestamp of the heartbeat it was last seen in.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When it was first noticed (an arrival).
    pub noticed_at: DateTime<Utc>,
    /// Nothing more is awaited.
    pub settled: bool,
}

/// Natural key of a found forced logoff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForcedLogoffKey {
    /// On which station.
    pub host: HostName,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// Who.
    pub user: Option<String>,
    /// In which session.
    pub session_id: Option<i64>,
    /// 0 for the first of that key.
    pub occurrence: u32,
}

/// A forced logoff as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedLogoffRecord {
    /// Which.
    pub key: ForcedLogoffKey,
    /// Seconds of warning.
    pub grace: Option<i64>,
    /// Without asking.
    pub force: Option<bool>,
    /// What the user was told.
    pub message: Option<String>,
    /// Who ordered it.
    pub source: Option<String>,
    /// For which reservation.
    pub reservation_id: Option<ReservationId>,
    /// Where it was found.
    pub found_in: FoundIn,
}

/// Which forced logoffs to list.
#[derive(Debug, Clone, Default)]
pub struct ForcedLogoffFilter {
    /// Of this station.
    pub host: Option<HostName>,
    /// Of this reservation.
    pub reservation_id: Option<ReservationId>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// Where a page of a list ended: the key of its last row.
pub type ForcedLogoffCursor = ForcedLogoffKey;

/// Forced logoffs in a unit of work.
#[derive(Debug)]
pub struct ForcedLogoffs<'t>(std::marker::PhantomData<&'t mut ()>);

impl ForcedLogoffs<'_> {
    /// Inserts or replaces sightings (by host and `logged_off_at`; `noticed_at` of a known one stays).
    pub async fn save_sightings(&mut self, sightings: &[ForcedLogoffSighting]) -> Result<(), StoreError> {
        let _ = sightings;
        unimplemented!()
    }
    /// Sightings within these windows (from ≤ `logged_off_at` ≤ to), in order of host and time.
    pub async fn sightings_within(
        &mut self,
        windows: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<Vec<ForcedLogoffSighting>, StoreError> {
        let _ = windows;
        unimplemented!()
    }
    /// Sightings of these stations that are not settled, in order of host and time.
    pub async fn pending_of(&mut self, hosts: &[HostName]) -> Result<Vec<ForcedLogoffSighting>, StoreError> {
        let _ = hosts;
        unimplemented!()
    }
    /// Inserts; those that are there stay.
    pub async fn insert(&mut self, records: &[ForcedLogoffRecord]) -> Result<(), StoreError> {
        let _ = records;
        unimplemented!()
    }
    /// Inserts or replaces, by key.
    pub async fn save(&mut self, records: &[ForcedLogoffRecord]) -> Result<(), StoreError> {
        let _ = records;
        unimplemented!()
    }
    /// Deletes by key (a lesser source was replaced by a better one under another key).
    pub async fn delete(&mut self, keys: &[ForcedLogoffKey]) -> Result<(), StoreError> {
        let _ = keys;
        unimplemented!()
    }
    /// Found ones within these windows (from ≤ timestamp ≤ to), in order of host and time.
    pub async fn within(
        &mut self,
        windows: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<Vec<ForcedLogoffRecord>, StoreError> {
        let _ = windows;
        unimplemented!()
    }
    /// Links found ones of a station with from ≤ timestamp ≤ to to a reservation (or to none). How many rows it held.
    pub async fn relink(
        &mut self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        reservation_id: Option<&ReservationId>,
    ) -> Result<u64, StoreError> {
        let _ = (host, from, to, reservation_id);
        unimplemented!()
    }
}

impl Store {
    /// Stations with sightings that are not settled and were noticed before an instant, oldest first.
    pub async fn hosts_with_pending_sightings(
        &self,
        noticed_before: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<HostName>, StoreError> {
        let _ = (noticed_before, limit);
        unimplemented!()
    }
    /// Found forced logoffs, newest first, after `after`.
    pub async fn forced_logoffs(
        &self,
        filter: &ForcedLogoffFilter,
        after: Option<&ForcedLogoffCursor>,
        limit: u32,
    ) -> Result<Vec<ForcedLogoffRecord>, StoreError> {
        let _ = (filter, after, limit);
        unimplemented!()
    }
}
