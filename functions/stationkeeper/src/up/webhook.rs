//! What a bucket elsewhere says by webhook: taken by the same handler as any other event, and answered after the commit.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use stationkeeper_gateway::{EventOutcome, EventReceiver};
use stationkeeper_pipeline::Loss;
use stationkeeper_pipeline::bucket::{Bucket, BucketError, ObjectAddress};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest, Part};
use stationkeeper_telemetry::{ObjectEvent, decode_message};
use tokio::sync::{Semaphore, watch};

use crate::failure::chain;
use crate::up::vitals::Observed;

/// Requests worked at at once.
const AT_ONCE: usize = 8;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// An object that is not there so long after it was put will not come: nobody moves such an event aside, and a sender that repeats it
/// for ever sends nothing else.
const MISSING_AFTER: TimeDelta = TimeDelta::seconds(60);

/// Takes events that come with this token.
pub fn receiver<B: Bucket, C: Clock>(
    token: &str,
    ingest: Arc<Ingest<B, C>>,
    observed: watch::Sender<Observed>,
) -> EventReceiver {
    let webhook = Arc::new(Webhook { ingest, observed, turns: Semaphore::new(AT_ONCE) });
    EventReceiver::new(
        token,
        Arc::new(move |body| {
            let webhook = webhook.clone();
            Box::pin(async move { webhook.take(body).await })
        }),
    )
}

struct Webhook<B, C> {
    ingest: Arc<Ingest<B, C>>,
    observed: watch::Sender<Observed>,
    turns: Semaphore,
}

impl<B: Bucket, C: Clock> Webhook<B, C> {
    async fn take(&self, body: String) -> EventOutcome {
        // The semaphore is never closed.
        let Ok(_turn) = tokio::time::timeout(PATIENCE, self.turns.acquire()).await else {
            return EventOutcome::NotTaken;
        };
        // The same body is the same event, however often it is sent.
        let id = format!("webhook-{}", hex::encode(&Sha256::digest(body.as_bytes())[..8]));
        let delivery = Delivery { id, body };
        let report = self.ingest.batch(std::slice::from_ref(&delivery)).await;
        let Some(failure) = report.failed.into_iter().next() else {
            self.observed.send_if_modified(|observed| {
                observed.done_with([delivery.id.as_str()]);
                false
            });
            return EventOutcome::Taken;
        };
        let outcome = match failure.part {
            Part::Database => EventOutcome::NotWritten,
            Part::Station => EventOutcome::NotTaken,
            Part::Bucket => self.settle_missing(&delivery).await,
        };
        self.observed.send_modify(|observed| match outcome {
            EventOutcome::Taken => observed.done_with([delivery.id.as_str()]),
            EventOutcome::NotWritten | EventOutcome::NotTaken => {
                observed.failed_at(delivery.id.clone(), failure.part, failure.reason.clone());
            }
        });
        outcome
    }

    /// Records what is announced and has not been there for a while, so that its sender can go on.
    async fn settle_missing(&self, delivery: &Delivery) -> EventOutcome {
        let now = self.ingest.now();
        let mut lost = Vec::new();
        for event in decode_message(&delivery.body).events {
            if !event.created || event.host.is_none() {
                continue;
            }
            match self.is_missing(&event).await {
                Some(false) => {}
                Some(true) if event.event_time.is_none_or(|put_at| now - put_at > MISSING_AFTER) => {
                    lost.push((event, Loss::Missing));
                }
                Some(true) | None => return EventOutcome::NotTaken,
            }
        }
        if lost.is_empty() {
            return EventOutcome::NotTaken;
        }
        match self.ingest.give_up(&lost).await {
            Ok(_) => EventOutcome::Taken,
            Err(error) => {
                tracing::warn!(error = chain(&error), "cannot record an object that is not there");
                EventOutcome::NotWritten
            }
        }
    }

    /// None: nobody knows. Not a byte of the object is read.
    async fn is_missing(&self, event: &ObjectEvent) -> Option<bool> {
        let address = ObjectAddress { key: event.key.clone(), version_id: event.version_id.clone() };
        match self.ingest.bucket().get(&address, 0, 0).await {
            Ok(_) | Err(BucketError::TooLarge { .. }) => Some(false),
            Err(BucketError::NotFound { .. }) => Some(true),
            Err(BucketError::Denied { .. } | BucketError::Unavailable { .. }) => None,
        }
    }
}
