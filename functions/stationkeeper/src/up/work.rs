//! What goes on inside `up`: the queue is worked off, stations are checked, old things are swept away.

use std::sync::Arc;
use std::time::Duration;

use stationkeeper_embedded_bucket::{Condition, Delivery as Queued, EmbeddedBucket};
use stationkeeper_pipeline::Loss;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::s3::S3Bucket;
use stationkeeper_telemetry::decode_message;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;
use crate::up::reconcile::{self, Reach};
use crate::up::soundness::OwnFile;
use crate::up::vitals::Observed;

/// The ingest of `up`: the same handler as on Lambda, over the embedded bucket's S3 endpoint.
pub type UpIngest<C> = Ingest<S3Bucket, C>;

/// Deliveries of one batch.
const BATCH: usize = 50;
/// A claimed delivery comes back after this long if nobody finished it.
const VISIBILITY: Duration = Duration::from_secs(120);
/// Longest wait between two tries of one delivery.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// How often stations are checked.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How often old versions, deliveries and history are swept away.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Works off the queue until told to stop. A batch that was begun is finished.
pub async fn ingest<C: Clock>(
    bucket: Arc<EmbeddedBucket>,
    ingest: Arc<UpIngest<C>>,
    observed: watch::Sender<Observed>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        match bucket.receive(BATCH, VISIBILITY).await {
            Ok(queued) if queued.is_empty() => {
                tokio::select! {
                    () = stop.cancelled() => {}
                    woken = bucket.wait() => if let Err(error) = woken {
                        tracing::error!(error = chain(&error), "cannot wait for the queue");
                        pause(&stop).await;
                    },
                }
            }
            Ok(queued) => {
                if let Err(error) = take(&bucket, &ingest, queued, &observed).await {
                    tracing::error!(error = chain(&error), "cannot work off the queue");
                    pause(&stop).await;
                }
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot read the queue");
                observed.send_modify(|observed| observed.queue_error = Some(chain(&error)));
                pause(&stop).await;
            }
        }
    }
}

async fn take<C: Clock>(
    bucket: &EmbeddedBucket,
    ingest: &UpIngest<C>,
    queued: Vec<Queued>,
    observed: &watch::Sender<Observed>,
) -> Result<(), stationkeeper_embedded_bucket::BucketError> {
    let deliveries: Vec<_> = queued
        .iter()
        .enumerate()
        .map(|(place, one)| Delivery { id: place.to_string(), body: one.body.clone() })
        .collect();
    let report = ingest.batch(&deliveries).await;
    let failed: Vec<usize> = report.failed.iter().filter_map(|failure| failure.id.parse().ok()).collect();
    let (back, done): (Vec<_>, Vec<_>) = queued.into_iter().enumerate().partition(|(place, _)| failed.contains(place));
    let done: Vec<_> = done.into_iter().map(|(_, one)| one.id).collect();
    bucket.delete(&done).await?;
    for (_, one) in back {
        match give_up(bucket, ingest, &one).await {
            Ok(true) => bucket.delete(&[one.id]).await?,
            Ok(false) => bucket.retry(one.id, retry_after(one.attempts)).await?,
            Err(error) => {
                tracing::warn!(error = chain(&error), "cannot record an object that is lost; it is tried again");
                bucket.retry(one.id, retry_after(one.attempts)).await?;
            }
        }
    }
    observed.send_modify(|observed| {
        observed.queue_error = None;
        observed.ingest_error = report.failed.first().map(|failure| failure.reason.clone());
    });
    Ok(())
}

/// The bucket is in this process: what it says it no longer has will not come. Whether all of a delivery is settled so.
async fn give_up<C: Clock>(
    bucket: &EmbeddedBucket,
    ingest: &UpIngest<C>,
    queued: &Queued,
) -> Result<bool, stationkeeper_pipeline::IngestError> {
    let mut lost = Vec::new();
    let events = decode_message(&queued.body).events;
    for event in &events {
        let Some(version_id) = &event.version_id else { return Ok(false) };
        let loss = match bucket.condition(&event.key, version_id).await {
            Ok(Condition::Missing) => Loss::Missing,
            Ok(Condition::Damaged) => Loss::Damaged,
            // It is there, or nobody knows: it comes back.
            Ok(Condition::Whole) | Err(_) => return Ok(false),
        };
        lost.push((event.clone(), loss));
    }
    if lost.is_empty() {
        return Ok(false);
    }
    ingest.give_up(&lost).await.map(|_| true)
}

/// At most one try a second for one delivery, twice as long each time.
fn retry_after(attempts: u32) -> Duration {
    Duration::from_secs(1 << attempts.saturating_sub(1).min(8)).min(LONGEST_RETRY)
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
}

/// Checks stations until told to stop.
pub async fn check<C: Clock>(ingest: Arc<UpIngest<C>>, speed: f64, stop: CancellationToken) {
    let mut every = tokio::time::interval(CHECK_EVERY.div_f64(speed.max(1.0)).max(Duration::from_millis(200)));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = ingest.check_overdue().await {
            tracing::error!(error = chain(&error), "the overdue check failed");
        }
    }
}

/// Compares the bucket with the database first, since both forget; then sweeps until told to stop.
pub async fn reconcile_and_sweep<C: Clock>(
    bucket: Arc<EmbeddedBucket>,
    ingest: Arc<UpIngest<C>>,
    (reach, database): (Reach, Option<OwnFile>),
    stop: CancellationToken,
) {
    let is_settled = reconcile::run(&bucket, ingest.store(), reach, &stop).await;
    if let (true, Some(file)) = (is_settled, &database)
        && let Err(error) = stationkeeper_sqlite_file::settled(&file.path)
    {
        tracing::warn!(error = chain(&error), "the bucket and the database are compared again at the next start");
    }
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = bucket.sweep(ingest.now()).await {
            tracing::warn!(error = chain(&error), "cannot sweep the bucket; it is tried again");
        }
        if let Err(error) = ingest.prune().await {
            tracing::warn!(error = chain(&error), "cannot prune the database; it is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_again_at_most_once_a_second_and_ever_less_often() {
        let waits: Vec<_> = [1, 2, 3, 9, 10, 100].map(|attempts| retry_after(attempts).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 256, 256, 256]);
    }
}
