//! Objects that were announced and can never be read: the bucket itself says that it no longer has them, or not as they were put.

use std::collections::BTreeSet;

use stationkeeper_telemetry::ObjectEvent;

use crate::IngestError;
use crate::bucket::{Bucket, ObjectAddress};
use crate::clock::Clock;
use crate::commit;
use crate::ingest::Ingest;
use crate::quarantine::{Loss, Quarantined};
use crate::reading::{Read, ReadOutcome};

impl<B: Bucket, C: Clock> Ingest<B, C> {
    /// Records objects as lost, each as a row of the quarantine and as done with: an announcement that can never be followed must not come
    /// back for ever, and must not vanish either. Returns how many are objects of ours.
    pub async fn give_up(&self, lost: &[(ObjectEvent, Loss)]) -> Result<u64, IngestError> {
        let settings = self.settings().await?;
        let reads: Vec<_> = lost
            .iter()
            .enumerate()
            .filter_map(|(place, (event, loss))| {
                let host = event.host.clone().filter(|_| event.created)?;
                let address = ObjectAddress { key: event.key.clone(), version_id: event.version_id.clone() };
                let arrived_at = event.event_time.unwrap_or_else(|| self.clock.now());
                let size = event.size.unwrap_or_default();
                let aside = Quarantined::of_lost(&host, &address, arrived_at, size, *loss);
                Some(Read {
                    host,
                    address,
                    outcome: ReadOutcome::Quarantined(aside),
                    deliveries: BTreeSet::from([place]),
                    size: event.size,
                    arrived_at: event.event_time,
                })
            })
            .collect();
        let done = commit::commit(self, &settings, commit::Batch { reads: &reads, unreadable: &[] }).await?;
        Ok(done.quarantined)
    }
}
