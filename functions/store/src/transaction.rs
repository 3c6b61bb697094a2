//! One unit of work.

use crate::{
    Alerts, ForcedLogoffs, Heartbeats, HostEvents, Objects, OverdueCheckRow, Reservations, StateRuns, States,
    StoreError, Updates,
};

/// One unit of work. Dropped without [`commit`](Self::commit), nothing of it happened.
#[derive(Debug)]
pub struct Transaction {}

impl Transaction {
    /// Makes all of it happen, or says why none of it did. After a lost reply it may have happened: repeat the whole batch.
    pub async fn commit(self) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Stations: the catalog and the latest state (`lab_hosts`, `lab_station_state`).
    pub fn states(&mut self) -> States<'_> {
        unimplemented!()
    }
    /// How long a station was in which state (`station_state_runs`).
    pub fn runs(&mut self) -> StateRuns<'_> {
        unimplemented!()
    }
    /// History (`lab_station_heartbeat` and its variants).
    pub fn heartbeats(&mut self) -> Heartbeats<'_> {
        unimplemented!()
    }
    /// Lines of the JSONL trail and how far each was read (`lab_host_events`, `host_event_cursors`).
    pub fn host_events(&mut self) -> HostEvents<'_> {
        unimplemented!()
    }
    /// Sightings of forced logoffs and what was found of them (`forced_logoff_sightings`, `reservation_forced_logoffs`).
    pub fn forced_logoffs(&mut self) -> ForcedLogoffs<'_> {
        unimplemented!()
    }
    /// Reservations.
    pub fn reservations(&mut self) -> Reservations<'_> {
        unimplemented!()
    }
    /// Alerts and their transitions.
    pub fn alerts(&mut self) -> Alerts<'_> {
        unimplemented!()
    }
    /// What changed, for whoever listens (`updates`).
    pub fn updates(&mut self) -> Updates<'_> {
        unimplemented!()
    }
    /// Objects seen and objects put aside (`ingested_objects`, `quarantined_objects`).
    pub fn objects(&mut self) -> Objects<'_> {
        unimplemented!()
    }
    /// The one row of the overdue check (`overdue_checks`).
    pub fn overdue_check(&mut self) -> OverdueCheckRow<'_> {
        unimplemented!()
    }
}
