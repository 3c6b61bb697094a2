//! Reservations.

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Reservation, ReservationId};
use stationkeeper_telemetry::HostName;

use crate::{Store, StoreError};

/// Reservations in a unit of work.
#[derive(Debug)]
pub struct Reservations<'t>(std::marker::PhantomData<&'t mut ()>);

impl Reservations<'_> {
    /// Inserts or replaces, by id.
    pub async fn save(&mut self, reservations: &[Reservation]) -> Result<(), StoreError> {
        let _ = reservations;
        unimplemented!()
    }
    /// Those of these stations that touch [from, to], cancelled ones included, in order of host and start.
    pub async fn of_hosts(
        &mut self,
        hosts: &[HostName],
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Reservation>, StoreError> {
        let _ = (hosts, from, to);
        unimplemented!()
    }
    /// Those of these ids.
    pub async fn by_id(&mut self, ids: &[ReservationId]) -> Result<Vec<Reservation>, StoreError> {
        let _ = ids;
        unimplemented!()
    }
}

impl Store {
    /// One reservation.
    pub async fn reservation(&self, id: &ReservationId) -> Result<Option<Reservation>, StoreError> {
        let _ = id;
        unimplemented!()
    }
    /// Those that touch [from, to] (of one station, or of all), cancelled ones included, in order of start and id.
    pub async fn reservations(
        &self,
        host: Option<&HostName>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        let _ = (host, from, to, limit);
        unimplemented!()
    }
}
