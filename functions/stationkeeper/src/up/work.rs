//! What goes on inside `up`: the queue is worked off, stations are checked, old things are swept away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use stationkeeper_embedded_bucket::{BucketError, Condition, Delivery as Queued, EmbeddedBucket};
use stationkeeper_pipeline::Loss;
use stationkeeper_pipeline::bucket::Bucket;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest, Part};
use stationkeeper_pipeline::s3::S3Bucket;
use stationkeeper_telemetry::decode_message;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;
use crate::up::pace::{Pace, Step};
use crate::up::reconcile::{self, Reach};
use crate::up::soundness::OwnFile;
use crate::up::vitals::Observed;

/// The ingest of `up`: the same handler as on Lambda, over the embedded bucket's S3 endpoint.
pub type UpIngest<C> = Ingest<S3Bucket, C>;

/// A claimed delivery comes back after this long if nobody finished it.
const VISIBILITY: Duration = Duration::from_secs(120);
/// Longest wait between two tries of a delivery whose own object or rows are in the way.
const LONGEST_RETRY: Duration = Duration::from_secs(256);
/// The same while the database is away: once it is back, nobody waits for longer.
const LONGEST_RETRY_OF_ALL: Duration = Duration::from_secs(4);
/// A batch that takes longer (an object is slow) goes on beside the next.
const PATIENCE: Duration = Duration::from_secs(2);
/// Batches at once.
const MOST_BESIDE: usize = 4;
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
    let mut batches = JoinSet::new();
    let mut pace = Pace::default();
    while !stop.is_cancelled() {
        match bucket.receive(pace.batch(), VISIBILITY).await {
            Ok(queued) => {
                observed.send_if_modified(|observed| observed.queue(None));
                if queued.is_empty() {
                    pace = Pace::default();
                    wait(&bucket, &stop).await;
                    continue;
                }
                let oldest = queued.iter().map(|one| one.enqueued_at).min();
                let waits = oldest.map_or(TimeDelta::zero(), |oldest| ingest.now() - oldest);
                if pace.received(queued.len(), waits) == Step::LookThenTake {
                    pace.looked(look(&ingest).await);
                }
                batches.spawn(take(bucket.clone(), ingest.clone(), queued, observed.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot read the queue");
                observed.send_if_modified(|observed| observed.queue(Some(chain(&error))));
                pause(&stop).await;
                continue;
            }
        }
        let mut ended = tokio::time::timeout(PATIENCE, batches.join_next()).await.ok().flatten();
        while batches.len() >= MOST_BESIDE {
            ended = batches.join_next().await;
        }
        // Every other batch would meet the same: the objects are not even asked for.
        if let Some(Ok(Taken::DatabaseAway)) = ended {
            pace = Pace::default();
            pause(&stop).await;
        }
    }
    while batches.join_next().await.is_some() {}
}

async fn wait(bucket: &EmbeddedBucket, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        woken = bucket.wait() => if let Err(error) = woken {
            tracing::error!(error = chain(&error), "cannot wait for the queue");
            pause(stop).await;
        },
    }
}

/// Before a backlog is worked off oldest first, the newest of every station makes the board true. Whether it did.
pub async fn look<B: Bucket, C: Clock>(ingest: &Ingest<B, C>) -> bool {
    match Box::pin(ingest.look_everywhere()).await {
        Ok(stations) => {
            tracing::info!(stations, "a backlog begins to be worked off; the newest of every station is taken first");
            true
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), "cannot look for the newest of every station; it is tried again");
            false
        }
    }
}

/// How a batch went.
enum Taken {
    /// Each delivery was done, or concerns its own object alone.
    Each,
    /// Nothing could be written.
    DatabaseAway,
}

async fn take<C: Clock>(
    bucket: Arc<EmbeddedBucket>,
    ingest: Arc<UpIngest<C>>,
    queued: Vec<Queued>,
    observed: watch::Sender<Observed>,
    stop: CancellationToken,
) -> Taken {
    let deliveries: Vec<_> = queued
        .iter()
        .enumerate()
        .map(|(place, one)| Delivery { id: place.to_string(), body: one.body.clone() })
        .collect();
    let report = ingest.batch(&deliveries).await;
    let mut taken = Taken::Each;
    let mut failed = HashMap::new();
    for failure in report.failed {
        if failure.part == Part::Database {
            taken = Taken::DatabaseAway;
        }
        if let Ok(place) = failure.id.parse::<usize>() {
            failed.insert(place, (failure.part, failure.reason));
        }
    }
    let (mut done, mut back) = (Vec::new(), Vec::new());
    observed.send_modify(|observed| {
        for (place, one) in queued.iter().enumerate() {
            match failed.remove(&place) {
                None => done.push(one.id),
                Some((part, reason)) => {
                    back.push((one, part));
                    observed.failed(one.id, part, reason);
                }
            }
        }
        observed.done(&done);
    });
    until_taken(&observed, &stop, || bucket.delete(&done)).await;
    for (one, part) in back {
        if part == Part::Bucket && is_lost(&bucket, &ingest, one).await {
            observed.send_modify(|observed| observed.done(&[one.id]));
            let gone = [one.id];
            until_taken(&observed, &stop, || bucket.delete(&gone)).await;
        } else {
            let after = retry_after(one.attempts, part);
            until_taken(&observed, &stop, || bucket.retry(one.id, after)).await;
        }
    }
    taken
}

/// All that a delivery announces is gone for good, and that is recorded: it need not come back.
async fn is_lost<C: Clock>(bucket: &EmbeddedBucket, ingest: &UpIngest<C>, queued: &Queued) -> bool {
    give_up(bucket, ingest, queued).await.unwrap_or_else(|error| {
        tracing::warn!(error = chain(&error), "cannot record an object that is lost; it is tried again");
        false
    })
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

/// Tells the queue until it takes it: unheard, what is done would come back and what failed would be away until the claim ends.
async fn until_taken<T: Future<Output = Result<(), BucketError>>>(
    observed: &watch::Sender<Observed>,
    stop: &CancellationToken,
    tell: impl Fn() -> T,
) {
    while let Err(error) = tell().await {
        tracing::error!(error = chain(&error), "cannot work off the queue");
        observed.send_if_modified(|observed| observed.queue(Some(chain(&error))));
        if stop.is_cancelled() || !error.passes() {
            return;
        }
        pause(stop).await;
    }
}

/// At most one try a second for one delivery, twice as long each time, as far as it is the delivery's own trouble.
fn retry_after(attempts: u32, part: Part) -> Duration {
    let longest = match part {
        Part::Bucket | Part::Station => LONGEST_RETRY,
        Part::Database => LONGEST_RETRY_OF_ALL,
    };
    Duration::from_secs(1 << attempts.saturating_sub(1).min(8)).min(longest)
}

/// Waits for a second, or until told to stop.
pub async fn pause(stop: &CancellationToken) {
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
            tracing::error!(error = chain(&error), "the overdue check failed; it is tried again");
            // Stations that are silent because of us shall not wait for a whole round when we are back.
            every.reset_after(PAUSE.min(every.period()));
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
        let waits = |part| [1, 2, 3, 9, 10, 100].map(|attempts| retry_after(attempts, part).as_secs());
        for own in [Part::Bucket, Part::Station] {
            assert_eq!(waits(own), [1, 2, 4, 256, 256, 256]);
        }
        assert_eq!(waits(Part::Database), [1, 2, 4, 4, 4, 4], "when it is back nobody waits for minutes");
    }
}
