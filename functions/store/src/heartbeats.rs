//! History: every heartbeat once, byte-exact (`lab_station_heartbeat`, `lab_station_heartbeat_variants`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::{RawFormat, ReservationId};
use stationkeeper_telemetry::{HostName, Snapshot};

use crate::StoreError;

/// A heartbeat to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewHeartbeat<'a> {
    /// Host, timestamp and the fields that get columns of their own.
    pub snapshot: &'a Snapshot,
    /// The body as received.
    pub raw: &'a [u8],
    /// SHA-256 of `raw`.
    pub sha256: [u8; 32],
    /// When a heartbeat of this host and timestamp was first put (whatever its bytes).
    pub first_arrived_at: DateTime<Utc>,
    /// When this body was put.
    pub arrived_at: DateTime<Utc>,
    /// When it is being stored.
    pub ingested_at: DateTime<Utc>,
    /// The reservation whose window holds it.
    pub reservation_id: Option<&'a ReservationId>,
}

/// What is known of a heartbeat that is already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHeartbeat {
    /// Which station.
    pub host: HostName,
    /// Its timestamp.
    pub timestamp_utc: DateTime<Utc>,
    /// SHA-256 of the body that won.
    pub sha256: [u8; 32],
    /// When a heartbeat of this host and timestamp was first put.
    pub first_arrived_at: DateTime<Utc>,
    /// When the body that won was put.
    pub arrived_at: DateTime<Utc>,
}

/// History in a unit of work. Lock the stations' states first ([`States::lock`](crate::States::lock)).
#[derive(Debug)]
pub struct Heartbeats<'t>(std::marker::PhantomData<&'t mut ()>);

impl Heartbeats<'_> {
    /// Which of these are there.
    pub async fn existing(&mut self, keys: &[(HostName, DateTime<Utc>)]) -> Result<Vec<StoredHeartbeat>, StoreError> {
        let _ = keys;
        unimplemented!()
    }
    /// Inserts; one that is already there stays as it is.
    pub async fn insert(&mut self, heartbeats: &[NewHeartbeat<'_>], format: RawFormat) -> Result<(), StoreError> {
        let _ = (heartbeats, format);
        unimplemented!()
    }
    /// Other bytes win: the present winner (if its bytes differ) moves to the variants, the row becomes the new one
    /// (`first_arrived_at` included: pass the smaller one).
    pub async fn replace(&mut self, heartbeats: &[NewHeartbeat<'_>], format: RawFormat) -> Result<(), StoreError> {
        let _ = (heartbeats, format);
        unimplemented!()
    }
    /// Keeps bodies that did not win. One that is already kept stays.
    pub async fn add_variants(&mut self, variants: &[NewHeartbeat<'_>], format: RawFormat) -> Result<(), StoreError> {
        let _ = (variants, format);
        unimplemented!()
    }
    /// Lowers `first_arrived_at` where the given one is earlier.
    pub async fn lower_first_arrived_at(
        &mut self,
        arrivals: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<(), StoreError> {
        let _ = arrivals;
        unimplemented!()
    }
    /// Links the heartbeats of a station with from ≤ timestamp ≤ to to a reservation (or to none). How many rows it held.
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
    /// The station's heartbeat of the greatest rank (DESIGN.md section 4.1). Reads the station's whole history: for checks only.
    pub async fn greatest(&mut self, host: &HostName) -> Result<Option<StoredHeartbeat>, StoreError> {
        let _ = host;
        unimplemented!()
    }
}
