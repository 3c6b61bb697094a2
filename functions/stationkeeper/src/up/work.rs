//! What goes on inside `up`: the queue is worked off, stations are checked, old things are swept away.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use stationkeeper_embedded_bucket::{Delivery as Queued, EmbeddedBucket};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::s3::S3Bucket;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;
use crate::up::pace::{Pace, Step};
use crate::up::vitals::Observed;

/// The ingest of `up`: the same handler as on Lambda, over the embedded bucket's S3 endpoint.
pub type UpIngest<C> = Ingest<S3Bucket, C>;

/// A claimed delivery comes back after this long if nobody finished it.
const VISIBILITY: Duration = Duration::from_secs(120);
/// Longest wait between two tries of one delivery.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// How long nothing is tried when nothing can be done.
const PAUSE: Duration = Duration::from_secs(1);
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
    let mut pace = Pace::default();
    while !stop.is_cancelled() {
        match bucket.receive(pace.batch(), VISIBILITY).await {
            Ok(queued) if queued.is_empty() => {
                pace = Pace::default();
                tokio::select! {
                    () = stop.cancelled() => {}
                    woken = bucket.wait() => if let Err(error) = woken {
                        tracing::error!(error = chain(&error), "cannot wait for the queue");
                        pause(&stop).await;
                    },
                }
            }
            Ok(queued) => {
                let oldest = queued.iter().map(|one| one.enqueued_at).min();
                let waits = oldest.map_or(TimeDelta::zero(), |oldest| ingest.now() - oldest);
                if pace.received(queued.len(), waits) == Step::LookThenTake {
                    pace.looked(look(&ingest).await);
                }
                match take(&bucket, &ingest, queued, &observed).await {
                    Ok(Taken::All) => {}
                    Ok(Taken::Nothing) => {
                        pace = Pace::default();
                        pause(&stop).await;
                    }
                    Err(error) => {
                        tracing::error!(error = chain(&error), "cannot work off the queue");
                        pause(&stop).await;
                    }
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

/// What a batch came to.
enum Taken {
    /// Each delivery is done, or comes back by itself.
    All,
    /// The database is away: none was done, all of them were given back.
    Nothing,
}

async fn take<C: Clock>(
    bucket: &EmbeddedBucket,
    ingest: &UpIngest<C>,
    queued: Vec<Queued>,
    observed: &watch::Sender<Observed>,
) -> Result<Taken, stationkeeper_embedded_bucket::BucketError> {
    let deliveries: Vec<_> = queued
        .iter()
        .enumerate()
        .map(|(place, one)| Delivery { id: place.to_string(), body: one.body.clone() })
        .collect();
    let report = ingest.batch(&deliveries).await;
    observed.send_modify(|observed| {
        observed.queue_error = None;
        observed.ingest_error = report.failed.first().map(|failure| failure.reason.clone());
    });
    if report.away {
        let all: Vec<_> = queued.into_iter().map(|one| one.id).collect();
        bucket.give_back(&all).await?;
        return Ok(Taken::Nothing);
    }
    let failed: HashSet<usize> = report.failed.iter().filter_map(|failure| failure.id.parse().ok()).collect();
    let (back, done): (Vec<_>, Vec<_>) = queued.into_iter().enumerate().partition(|(place, _)| failed.contains(place));
    let done: Vec<_> = done.into_iter().map(|(_, one)| one.id).collect();
    bucket.delete(&done).await?;
    for (_, one) in back {
        bucket.retry(one.id, retry_after(one.attempts)).await?;
    }
    Ok(Taken::All)
}

/// Before a backlog is worked off oldest first, the newest of every station makes the board true. Whether it did.
async fn look<C: Clock>(ingest: &UpIngest<C>) -> bool {
    match ingest.look_everywhere().await {
        Ok(stations) => {
            tracing::info!(stations, "a backlog begins to be worked off; the newest of every station is taken first");
            true
        }
        Err(error) => {
            tracing::warn!(error = error.chain(), "cannot look for the newest of every station; it is tried again");
            false
        }
    }
}

/// At most one try a second for one delivery, twice as long each time.
fn retry_after(attempts: u32) -> Duration {
    Duration::from_secs(1 << attempts.saturating_sub(1).min(8)).min(LONGEST_RETRY)
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(PAUSE) => {}
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
            tracing::error!(error = error.chain(), "the overdue check failed; it is tried again");
            // Stations that are silent because of us shall not wait for a whole round when we are back.
            every.reset_after(PAUSE.min(every.period()));
        }
    }
}

/// Sweeps until told to stop.
pub async fn sweep<C: Clock>(bucket: Arc<EmbeddedBucket>, ingest: Arc<UpIngest<C>>, stop: CancellationToken) {
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
            tracing::warn!(error = error.chain(), "cannot prune the database; it is tried again");
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
