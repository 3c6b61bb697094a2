//! What the bucket gave away and the database does not know: a database of yesterday, or one that lost its last commits, gets it again.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_embedded_bucket::{EmbeddedBucket, IngestedVersion};
use stationkeeper_store::{ObjectVersion, Store};
use tokio_util::sync::CancellationToken;

use crate::failure::chain;

/// Versions compared at a time.
const PAGE: usize = 500;
/// New uploads are not kept waiting behind more than so many old ones.
const QUEUED: u64 = 500;
/// The database remembers objects for seven days from their ingest; a day less, since it counts in days.
const REMEMBERED: TimeDelta = TimeDelta::days(6);

/// How far back the bucket is compared with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Backwards from what was ingested last, until a whole page is known, and never beyond this instant, before which the database need not
    /// remember: what is lost of commits are the last ones.
    Until(DateTime<Utc>),
    /// All that the bucket still has, whatever the database says it knows: rows may be missing anywhere.
    Everything,
}

/// Pure: what the database's last sign of life and the state of its file mean. `last_run_at`: the last overdue check that it knows.
pub fn reach(may_lack_rows: bool, last_run_at: Option<DateTime<Utc>>) -> Reach {
    match last_run_at {
        Some(at) if !may_lack_rows => Reach::Until(at - REMEMBERED),
        // A database that no check ever ran on is new, whatever the bucket has.
        _ => Reach::Everything,
    }
}

/// Announces again what the database does not know. Ends when all is announced (true), or when told to stop (false).
pub async fn run(bucket: &EmbeddedBucket, store: &Store, reach: Reach, stop: &CancellationToken) -> bool {
    let mut after: Option<IngestedVersion> = None;
    let (mut announced, mut is_over) = (0, false);
    while !stop.is_cancelled() {
        match step(bucket, store, reach, after.as_ref()).await {
            Ok(Step::Waits) => pause(Duration::from_millis(100), stop).await,
            Ok(Step::Announced(count, last)) => {
                announced += count;
                after = Some(last);
            }
            Ok(Step::Ended(count)) => {
                announced += count;
                is_over = true;
                break;
            }
            Err(problem) => {
                tracing::warn!(error = problem, "cannot compare the bucket with the database; it is tried again");
                pause(Duration::from_secs(5), stop).await;
            }
        }
    }
    if announced > 0 {
        metrics::counter!("stationkeeper_objects_announced_again_total").increment(announced);
        tracing::warn!(objects = announced, "the database did not know what the bucket holds; it is ingested again");
    }
    is_over
}

enum Step {
    /// The queue is full.
    Waits,
    /// So many, down to this one.
    Announced(u64, IngestedVersion),
    /// So many, and nothing is left to compare.
    Ended(u64),
}

async fn step(
    bucket: &EmbeddedBucket,
    store: &Store,
    reach: Reach,
    after: Option<&IngestedVersion>,
) -> Result<Step, String> {
    let of_bucket = |error: stationkeeper_embedded_bucket::BucketError| chain(&error);
    if bucket.queue_depth().await.map_err(of_bucket)? >= QUEUED {
        return Ok(Step::Waits);
    }
    let page = bucket.ingested_versions(after, PAGE).await.map_err(of_bucket)?;
    let Some(last) = page.last().cloned() else { return Ok(Step::Ended(0)) };
    let of_database = |error: stationkeeper_store::StoreError| chain(&error);
    let objects: Vec<_> = page.iter().map(object).collect();
    let known: HashSet<_> = match reach {
        Reach::Everything => {
            store.forget_objects(&objects).await.map_err(of_database)?;
            HashSet::new()
        }
        Reach::Until(_) => {
            let known = store.known_objects(&objects).await.map_err(of_database)?;
            known.into_iter().map(|(object, _)| object).collect()
        }
    };
    let is_judged = |version: &IngestedVersion| match reach {
        Reach::Everything => true,
        Reach::Until(instant) => version.ingested_at >= instant,
    };
    let unknown: Vec<_> = page
        .iter()
        .filter(|version| is_judged(version) && !known.contains(&object(version)))
        .map(|version| version.sequence)
        .collect();
    let count = bucket.announce_again(&unknown).await.map_err(of_bucket)?;
    let is_over = reach != Reach::Everything && (unknown.is_empty() || !is_judged(&last));
    Ok(if is_over { Step::Ended(count) } else { Step::Announced(count, last) })
}

fn object(version: &IngestedVersion) -> ObjectVersion {
    ObjectVersion { key: version.key.clone(), version: version.version_id.clone() }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_compared_as_far_back_as_the_database_must_remember() {
        let at: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        for (shows, may_lack_rows, last_run_at, expected) in [
            ("a database that was there", false, Some(at), Reach::Until(at - TimeDelta::days(6))),
            ("a new one", false, None, Reach::Everything),
            ("one of two moments", true, Some(at), Reach::Everything),
            ("one that was rebuilt", true, None, Reach::Everything),
        ] {
            assert_eq!(reach(may_lack_rows, last_run_at), expected, "{shows}");
        }
    }
}
