//! How long a station was in which state (`station_state_runs`): strip, chart and gaps come from it.

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Cause, StationWord};
use stationkeeper_telemetry::HostName;

use crate::{Store, StoreError};

/// A station was in one state.
#[derive(Debug, Clone, PartialEq)]
pub struct StateRun {
    /// Which station.
    pub host: HostName,
    /// From this instant.
    pub from_at: DateTime<Utc>,
    /// To this one; none: it still is.
    pub to_at: Option<DateTime<Utc>>,
    /// In this state.
    pub word: StationWord,
    /// Why.
    pub cause: Option<Cause>,
}

/// State runs in a unit of work.
#[derive(Debug)]
pub struct StateRuns<'t>(std::marker::PhantomData<&'t mut ()>);

impl StateRuns<'_> {
    /// Appends changes of state (`to_at` is ignored): closes the open run of a station where the next begins. A run that does not
    /// begin after the open one is already there, and is left out: repeating is harmless.
    pub async fn append(&mut self, runs: &[StateRun]) -> Result<(), StoreError> {
        let _ = runs;
        unimplemented!()
    }
}

impl Store {
    /// Runs of a station that touch [from, to), in time order.
    pub async fn state_runs(
        &self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StateRun>, StoreError> {
        let _ = (host, from, to);
        unimplemented!()
    }
}
