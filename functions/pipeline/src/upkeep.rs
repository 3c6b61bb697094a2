//! Reservations as they come, and what is forgotten in time.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::{Reservation, links};
use stationkeeper_store::Pruned;
use stationkeeper_telemetry::HostName;

use crate::IngestError;
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::commit::reservations_of;
use crate::ingest::Ingest;

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
        let windows = &settings.reservations;
        let seconds = |number: u32| TimeDelta::seconds(i64::from(number));
        let leads = [seconds(windows.start_lead_seconds), seconds(windows.forced_logoff_lead_seconds)];
        let before = leads[0].max(leads[1]);
        let after = seconds(windows.end_delay_seconds);
        for reservation in reservations {
            let mut transaction = self.store.begin().await?;
            let former = transaction.reservations().by_id(std::slice::from_ref(&reservation.id)).await?;
            let mut spans: Vec<(HostName, DateTime<Utc>, DateTime<Utc>)> = Vec::new();
            for one in former.iter().chain([reservation]) {
                spans.push((one.host.clone(), one.start_at - before, one.end_at + after));
            }
            let hosts: Vec<_> = spans.iter().map(|(host, _, _)| host.clone()).collect();
            transaction.states().ensure(&hosts, now).await?;
            transaction.states().lock(&hosts).await?;
            transaction.reservations().save(std::slice::from_ref(reservation)).await?;
            let oldest = spans.iter().map(|(_, from, _)| *from).min().unwrap_or(reservation.start_at);
            let booked = reservations_of(&mut transaction, &hosts, oldest - before).await?;
            for (host, from, to) in &spans {
                let none = Vec::new();
                let booked = booked.get(host).unwrap_or(&none);
                // Between two boundaries every heartbeat belongs to the same reservation: one statement a piece.
                for (from, to) in pieces(*from, *to, booked, leads, after) {
                    let middle = from + (to - from) / 2;
                    let heartbeat = links::of_heartbeat(middle, booked, windows);
                    transaction.heartbeats().relink(host, from, to, heartbeat).await?;
                    let logoff = links::of_forced_logoff(middle, booked, windows);
                    transaction.forced_logoffs().relink(host, from, to, logoff).await?;
                }
            }
            // What time alone changes about this station may come sooner now: it is due at once.
            let mut states = transaction.states().lock(&hosts).await?;
            for state in &mut states {
                state.check_at = Some(now);
            }
            transaction.states().save(&states).await?;
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
        for kind in [Kind::Heartbeats, Kind::Audit, Kind::Updates, Kind::Objects] {
            for _ in 0..STEPS {
                let pruned: Pruned = match kind {
                    Kind::Heartbeats => self.store.prune_heartbeats(history, STEP).await?,
                    Kind::Audit => self.store.prune_audit(audit, STEP).await?,
                    Kind::Updates => self.store.prune_updates(now - UPDATES_KEPT, STEP).await?,
                    Kind::Objects => self.store.prune_ingested_objects(now - OBJECTS_REMEMBERED, STEP).await?,
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
}

/// [from, to] cut at every instant where the reservation that a heartbeat or a logoff belongs to can change. A piece ends a
/// microsecond before the next begins.
fn pieces(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    booked: &[Reservation],
    leads: [TimeDelta; 2],
    after: TimeDelta,
) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let tick = TimeDelta::microseconds(1);
    let mut cuts = vec![from, to + tick];
    for one in booked {
        let [heartbeat, logoff] = leads.map(|lead| one.start_at - lead);
        for cut in [heartbeat, logoff, one.start_at, one.start_at + tick, one.end_at, one.end_at + after + tick] {
            if from < cut && cut <= to {
                cuts.push(cut);
            }
        }
    }
    cuts.sort();
    cuts.dedup();
    cuts.windows(2).map(|pair| (pair[0], pair[1] - tick)).collect()
}
