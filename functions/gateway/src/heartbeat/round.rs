//! Stations that upload nothing by themselves are polled in rounds, as the older service did.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::Value;
use stationkeeper_rules::StationState;
use stationkeeper_station_link::{Probe, probe};
use stationkeeper_store::{CatalogHost, HostStatus, StationFilter, StoreError};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::heartbeat::poll::{json_of, keep, read_events, read_heartbeat};

/// Stations polled at once: one that hangs holds up no other.
const AT_ONCE: usize = 16;
/// A station that is on takes a connection by then.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Reading takes no longer.
const LIMIT: Duration = Duration::from_secs(40);
/// More than a laboratory has.
const MOST_STATIONS: u32 = 10_000;

impl Gateway {
    /// Polls each station of the catalog that was not heard for `every` (in a person's time). How many were read and kept: those that are off,
    /// or say nothing new, are not counted, and what goes wrong with one is for the log.
    ///
    /// # Errors
    /// The store failed.
    pub async fn poll_stations(&self, every: Duration) -> Result<usize, StoreError> {
        let catalog = self.store().catalog().await?;
        let stations = self.store().stations(&StationFilter::default(), None, MOST_STATIONS).await?;
        let states: HashMap<HostName, StationState> =
            stations.into_iter().map(|station| (station.entry.host, station.state)).collect();
        let every = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
        // A little less: the last round's own heartbeat came while that round went on.
        let heard_since = self.now() - self.lasting(every * 9 / 10);
        let is_due = |host: &CatalogHost| {
            let state = states.get(&host.entry.host);
            let heard_at = state.and_then(|state| Some(state.heard.as_ref()?.arrived_at).max(state.advanced_at()));
            host.entry.status == HostStatus::Active
                && host.entry.address.is_some()
                && heard_at.is_none_or(|at| at < heard_since)
        };
        let due = catalog.into_iter().filter(is_due);
        let polled = stream::iter(due).map(|host| async move { self.poll_one(&host).await }).buffer_unordered(AT_ONCE);
        Ok(polled.filter(|kept| std::future::ready(*kept)).count().await)
    }

    /// Whether something new was read and kept.
    async fn poll_one(&self, host: &CatalogHost) -> bool {
        let name = &host.entry.host;
        match tokio::time::timeout(LIMIT, self.poll_new(host)).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(reason)) => {
                tracing::info!(host = %name, reason, "a station could not be polled");
                false
            }
            Err(_elapsed) => {
                tracing::info!(host = %name, "a station did not let itself be polled in time");
                false
            }
        }
    }

    async fn poll_new(&self, host: &CatalogHost) -> Result<bool, String> {
        let (access, station) = self.way_to(host).await.map_err(|error| error.to_string())?;
        if !probe(&station.address, station.port, Probe::Tcp, PATIENCE).await.answered() {
            return Ok(false);
        }
        let (_path, heartbeat) =
            read_heartbeat(self, &access, host, &station).await.map_err(|error| error.to_string())?;
        let known = self.store().newest_raw(&host.entry.host).await.map_err(|error| error.to_string())?;
        let known = known.map(|raw| raw.bytes);
        if known.as_ref() == Some(&heartbeat) {
            return Ok(false);
        }
        // The trail has nothing new while the heartbeat names the same forced logoff.
        let events = match known.as_deref().map(forced_logoff) == Some(forced_logoff(&heartbeat)) {
            true => None,
            false => read_events(self, &access, host, &station).await,
        };
        keep(self, host, heartbeat, events).await.map_err(|error| error.to_string())
    }
}

fn forced_logoff(heartbeat: &[u8]) -> Option<Value> {
    json_of(heartbeat)?.get("operations")?.get("lastForcedLogoff").cloned()
}
