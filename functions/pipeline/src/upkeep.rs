//! Reservations as they come, and what is forgotten in time.

use chrono::TimeDelta;
use stationkeeper_rules::Reservation;
use stationkeeper_store::Pruned;

use crate::IngestError;
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::ingest::Ingest;
use crate::reservations::put_reservation;

/// Rows that are forgotten in one step.
const STEP: u32 = 1_000;
/// Steps of one kind in one run; the rest waits for the next.
const STEPS: usize = 50;
/// How long what was seen of the bucket is remembered: as long as the embedded bucket keeps versions.
const OBJECTS_REMEMBERED: TimeDelta = TimeDelta::days(7);
/// How long updates are kept.
const UPDATES_KEPT: TimeDelta = TimeDelta::hours(1);

impl<B: Bucket, C: Clock> Ingest<B, C> {
    /// Takes reservations, new or moved, and links anew what lies in their windows, old and new.
    pub async fn put_reservations(&self, reservations: &[Reservation]) -> Result<(), IngestError> {
        let settings = self.settings().await?;
        let now = self.now_by_the_bucket().await;
        for reservation in reservations {
            let mut transaction = self.store.begin().await?;
            put_reservation(&mut transaction, &settings.reservations, reservation, now).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Forgets what is older than the settings keep, in small steps.
    pub async fn prune(&self) -> Result<u64, IngestError> {
        let settings = self.settings().await?;
        let now = self.clock.now();
        let history = now - TimeDelta::days(i64::from(settings.history.retention_days));
        let audit = now - TimeDelta::days(i64::from(settings.history.audit_retention_days));
        let mut rows = 0;
        for kind in [Kind::Heartbeats, Kind::Audit, Kind::Updates, Kind::Objects, Kind::Keys] {
            for _ in 0..STEPS {
                let pruned: Pruned = match kind {
                    Kind::Heartbeats => self.store.prune_heartbeats(history, STEP).await?,
                    Kind::Audit => self.store.prune_audit(audit, STEP).await?,
                    Kind::Updates => self.store.prune_updates(now - UPDATES_KEPT, STEP).await?,
                    Kind::Objects => self.store.prune_ingested_objects(now - OBJECTS_REMEMBERED, STEP).await?,
                    Kind::Keys => self.store.prune_request_keys(now, STEP).await?,
                };
                rows += pruned.rows;
                if !pruned.more {
                    break;
                }
            }
        }
        Ok(rows)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Heartbeats,
    Audit,
    Updates,
    Objects,
    Keys,
}
