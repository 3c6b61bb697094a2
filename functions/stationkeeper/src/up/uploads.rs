//! What the gateway reads from stations goes into the bucket, and its rows are there before the gateway answers.

use std::sync::Arc;
use std::time::Duration;

use stationkeeper_gateway::{Gateway, StationUpload, TakeUploads, UploadOutcome};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_telemetry::{ObjectEvent, ObjectKey};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::work::UpIngest;
use crate::failure::chain;

/// Puts documents where the stations put theirs.
pub fn taker<C: Clock>(ingest: Arc<UpIngest<C>>) -> TakeUploads {
    Arc::new(move |uploads| {
        let ingest = ingest.clone();
        Box::pin(async move { take(&ingest, uploads).await.unwrap_or_else(UploadOutcome::NotTaken) })
    })
}

/// Polls stations that upload nothing by themselves, until told to stop.
pub async fn poll(gateway: Gateway, every: Duration, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let round = async {
            rounds.tick().await;
            gateway.poll_stations(every).await
        };
        tokio::select! {
            () = stop.cancelled() => return,
            polled = round => match polled {
                Ok(polled) => tracing::debug!(polled, "stations were polled"),
                Err(error) => tracing::warn!(error = chain(&error), "stations cannot be polled; they are again"),
            }
        }
    }
}

async fn take<C: Clock>(ingest: &UpIngest<C>, uploads: Vec<StationUpload>) -> Result<UploadOutcome, String> {
    let mut put_aside = 0;
    for upload in uploads {
        let object = put(ingest, upload).await?;
        // Its event comes too, and finds it done.
        let report = ingest.look(vec![object]).await.map_err(|error| chain(&error))?;
        put_aside += report.quarantined;
    }
    Ok(UploadOutcome::Taken { put_aside })
}

async fn put<C: Clock>(ingest: &UpIngest<C>, upload: StationUpload) -> Result<ObjectEvent, String> {
    let StationUpload { host, kind, body } = upload;
    let (bucket, key) = (ingest.bucket(), ObjectKey::latest(&host, kind).into_string());
    let size = u64::try_from(body.len()).ok();
    let sent = bucket.client().put_object().bucket(bucket.name()).key(&key).body(body.into()).send().await;
    let done = sent.map_err(|error| format!("cannot upload {key}: {}", chain(&error)))?;
    Ok(ObjectEvent {
        key,
        host: Some(host),
        kind: Some(kind),
        size,
        version_id: done.version_id().map(str::to_owned),
        sequencer: None,
        // When the bucket says that it came.
        event_time: None,
        created: true,
    })
}
