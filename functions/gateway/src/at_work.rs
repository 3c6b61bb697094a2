//! Which stations a loop of this process acts on: one task a station. The loop looks from time to time, and soon where somebody says that
//! something changed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stationkeeper_telemetry::HostName;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Gateway;

/// The stations of one loop. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct AtWork {
    /// Whether the loop wanted it meanwhile.
    hosts: Arc<Mutex<HashMap<HostName, bool>>>,
    poked: Arc<Notify>,
}

/// A station that is ours within this process, until this is dropped.
pub(crate) struct Taken {
    at_work: AtWork,
    /// Which.
    pub(crate) host: HostName,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.at_work.hosts().remove(&self.host) == Some(true) {
            self.at_work.poke();
        }
    }
}

impl AtWork {
    /// The station; none: it is acted on already, and looked at again as soon as that is over.
    pub(crate) fn take(&self, host: &HostName) -> Option<Taken> {
        match self.hosts().entry(host.clone()) {
            Entry::Occupied(mut taken) => {
                taken.insert(true);
                None
            }
            Entry::Vacant(free) => {
                free.insert(false);
                Some(Taken { at_work: self.clone(), host: host.clone() })
            }
        }
    }

    /// Whether a station is acted on; then it is looked at again as soon as that is over.
    pub(crate) fn has(&self, host: &HostName) -> bool {
        self.hosts().get_mut(host).map(|wanted| *wanted = true).is_some()
    }

    /// Something has changed: look again soon.
    pub(crate) fn poke(&self) {
        self.poked.notify_one();
    }

    /// Waits for the next look after one that began at `began`: `wait`, or less if somebody pokes, but at least `least`. False: the gateway is
    /// told to stop.
    pub(crate) async fn next_look(&self, gateway: &Gateway, began: Instant, wait: Duration, least: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait.max(least)) => true,
            () = async {
                self.poked.notified().await;
                tokio::time::sleep_until(began + least).await;
            } => true,
            () = gateway.closing() => false,
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<HostName, bool>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_station_is_taken_by_one_until_it_is_let_go_and_whoever_wanted_it_looks_again() {
        let (at_work, host) = (AtWork::default(), HostName::parse("LAB-01").unwrap());
        let taken = at_work.take(&host).unwrap();
        assert!(at_work.clone().take(&host).is_none() && at_work.has(&host));
        assert!(at_work.take(&HostName::parse("LAB-02").unwrap()).is_some(), "another one is free");
        drop(taken);
        let soon = Duration::from_secs(5);
        assert!(tokio::time::timeout(soon, at_work.poked.notified()).await.is_ok());
        assert!(!at_work.has(&host));
        drop(at_work.take(&host).unwrap());
        assert!(tokio::time::timeout(Duration::from_millis(1), at_work.poked.notified()).await.is_err(), "nobody did");
    }
}
