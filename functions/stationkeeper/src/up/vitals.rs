//! What `up` observes of itself, for `/health`.

use std::sync::Arc;
use std::time::Duration;

use stationkeeper_embedded_bucket::EmbeddedBucket;
use stationkeeper_gateway::{QueueVitals, Vitals};
use stationkeeper_pipeline::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;
use crate::up::soundness::{self, OwnFile};

/// What the loops have seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Why the last batch had a delivery that comes back; none: it had none.
    pub ingest_error: Option<String>,
    /// Why the queue cannot be read.
    pub queue_error: Option<String>,
}

/// Before the first look, which a start does not wait for: the disk may be slow.
pub fn at_start(files: &[OwnFile], clock: impl Clock) -> Vitals {
    Vitals { updated_at: clock.now(), bucket_problem: None, set_aside: soundness::set_aside(files), queue: None }
}

async fn look_with(bucket: &EmbeddedBucket, observed: &Observed, files: &[OwnFile], clock: impl Clock) -> Vitals {
    let mut problem = observed.queue_error.clone().or_else(|| observed.ingest_error.clone());
    if let Err(error) = bucket.check().await {
        problem = Some(chain(&error));
    }
    let queue = match (bucket.queue_depth().await, bucket.oldest_enqueued_at().await) {
        (Ok(depth), Ok(oldest_at)) => Some(QueueVitals { depth, oldest_at }),
        (Err(error), _) | (_, Err(error)) => {
            problem = Some(chain(&error));
            None
        }
    };
    Vitals { updated_at: clock.now(), bucket_problem: problem, set_aside: soundness::set_aside(files), queue }
}

/// Looks every second until told to stop.
pub async fn publish(
    bucket: Arc<EmbeddedBucket>,
    observed: watch::Receiver<Observed>,
    vitals: watch::Sender<Vitals>,
    files: Vec<OwnFile>,
    clock: impl Clock + Copy,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let seen = observed.borrow().clone();
        vitals.send_replace(look_with(&bucket, &seen, &files, clock).await);
    }
}
