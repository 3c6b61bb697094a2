//! The demo: a simulated lab with a day of history that goes on in real time, through the real S3 endpoint.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_embedded_bucket::EmbeddedBucket;
use stationkeeper_pipeline::QUARANTINE;
use stationkeeper_pipeline::clock::{Clock, SimulatedClock};
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_pipeline::s3::S3Bucket;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_simulator::{Lab, LabPlan, ScenarioReservation, Upload};
use stationkeeper_store::{CatalogEntry, HostStatus, Store};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey};
use tokio_util::sync::CancellationToken;

use super::scaled_clock::ScaledClock;
use super::work::UpIngest;
use crate::commands::simulate;
use crate::connections::Connections;
use crate::failure::{Exit, Failure};
use crate::progress;

/// How much history the demo has when it begins.
const HISTORY: TimeDelta = TimeDelta::hours(24);
/// History is ingested in slices of this length, with a check after each.
const SLICE: TimeDelta = TimeDelta::minutes(1);
/// A reservation is known this long before it starts.
const BOOKED_AHEAD: TimeDelta = TimeDelta::hours(2);

/// A lab on its way.
pub struct DemoLab {
    lab: Lab,
    rest: Box<dyn Iterator<Item = Upload> + Send>,
    booked_until: DateTime<Utc>,
}

/// Removes the files of an earlier demo, and nothing else.
pub fn make_anew(connections: &Connections) -> Result<(), Failure> {
    // Another `up` may be running in this folder: its files are not ours to remove.
    EmbeddedBucket::nobody_has(&connections.bucket_file())
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot begin anew", &error))?;
    let mut files = vec![connections.bucket_file()];
    if connections.database.is_none() {
        files.push(connections.database_file());
    }
    for file in files {
        stationkeeper_sqlite_file::remove(&file)
            .map_err(|error| Failure::because(Exit::CannotCreate, "cannot begin anew", &error))?;
    }
    Ok(())
}

/// Makes the last 24 hours of a lab: the same pipeline under a simulated clock, a minute at a time.
pub async fn with_history(
    store: &Store,
    stations: u32,
    seed: u64,
    clock: ScaledClock,
    quiet: bool,
) -> Result<DemoLab, Failure> {
    let now = clock.now();
    let start = now - HISTORY;
    let lab = Lab::new(LabPlan::new(stations as usize, start, None, seed))
        .map_err(|error| Failure::because(Exit::Rejected, "cannot name so many stations", &error))?;
    save_catalog(store, &lab).await?;
    let bucket = Arc::new(MemoryBucket::default());
    let simulated = Arc::new(SimulatedClock::at(lab.plan().start));
    let ingest = Ingest::new(bucket.clone(), store.clone(), simulated.clone(), Limits::default(), Judging::default());
    let slices = u64::try_from(HISTORY.num_seconds() / SLICE.num_seconds()).unwrap_or_default();
    let bar = progress::bar(slices, "24 hours of history", quiet);
    let mut uploads = lab.uploads().peekable();
    let mut booked_until = lab.plan().start;
    let mut slice_end = lab.plan().start + SLICE;
    while slice_end <= now {
        if slice_end + BOOKED_AHEAD > booked_until {
            booked_until = book(&ingest, &lab, booked_until, slice_end + BOOKED_AHEAD * 2).await?;
        }
        let mut batch = Vec::new();
        while let Some(upload) = uploads.next_if(|upload| upload.at < slice_end) {
            let key = ObjectKey::latest(&upload.host, simulate::kind(upload.document)).into_string();
            let body = bucket.put(&key, Bytes::from(upload.bytes), upload.at);
            batch.push(Delivery { id: batch.len().to_string(), body });
        }
        simulated.advance_to(slice_end);
        let report = ingest.batch(&batch).await;
        if let Some(failure) = report.failed.first() {
            let said = format!("cannot make the demo's history: {}", failure.reason);
            return Err(Failure::new(Exit::Failed, said));
        }
        ingest
            .check_overdue()
            .await
            .map_err(|error| Failure::because(Exit::Failed, "cannot make the demo's history", &error))?;
        bucket.forget_history();
        // Nobody looks at these copies, and some are megabytes.
        bucket.forget_below(QUARANTINE);
        slice_end += SLICE;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(DemoLab { lab, rest: Box::new(uploads), booked_until })
}

async fn save_catalog(store: &Store, lab: &Lab) -> Result<(), Failure> {
    let cannot = |error: stationkeeper_store::StoreError| {
        Failure::because(Exit::Unavailable, "cannot write the catalog", &error)
    };
    let entries: Vec<_> = lab
        .hosts()
        .map(|(host, _)| CatalogEntry {
            host: host.clone(),
            lab: Some(lab.plan().lab.clone()),
            address: None,
            mac: None,
            status: HostStatus::Active,
            created_at: lab.plan().start,
        })
        .collect();
    let mut transaction = store.begin().await.map_err(cannot)?;
    transaction.states().save_catalog(&entries).await.map_err(cannot)?;
    transaction.commit().await.map_err(cannot)
}

/// Books what starts in [from, to). Returns up to where is booked now.
async fn book<B: stationkeeper_pipeline::bucket::Bucket, C: Clock>(
    ingest: &Ingest<B, C>,
    lab: &Lab,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<DateTime<Utc>, Failure> {
    let reservations: Vec<_> = lab
        .reservations_between(from, to)
        .into_iter()
        .filter(|one| from <= one.start_utc && one.start_utc < to)
        .filter_map(|one| reservation(one, &lab.plan().lab))
        .collect();
    ingest
        .put_reservations(&reservations)
        .await
        .map_err(|error| Failure::because(Exit::Failed, "cannot book the demo's reservations", &error))?;
    Ok(to)
}

fn reservation(one: ScenarioReservation, lab: &str) -> Option<Reservation> {
    Some(Reservation {
        host: HostName::parse(&one.host).ok()?,
        id: ReservationId(one.id),
        lab: Some(lab.to_owned()),
        start_at: one.start_utc,
        end_at: one.end_utc,
        status: ReservationStatus::Confirmed,
        who: Some("demo".to_owned()),
    })
}

/// Goes on with the lab until told to stop: each station uploads with its own access key.
pub async fn live(
    mut demo: DemoLab,
    bucket: Arc<EmbeddedBucket>,
    s3: String,
    ingest: Arc<UpIngest<ScaledClock>>,
    clock: ScaledClock,
    stop: CancellationToken,
) {
    let mut clients: HashMap<HostName, S3Bucket> = HashMap::new();
    for upload in demo.rest.by_ref() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(clock.until(upload.at)) => {}
        }
        if clock.now() + BOOKED_AHEAD > demo.booked_until {
            match book(&ingest, &demo.lab, demo.booked_until, clock.now() + BOOKED_AHEAD * 2).await {
                Ok(until) => demo.booked_until = until,
                Err(failure) => tracing::warn!(error = %failure, "the demo cannot book; it tries again"),
            }
        }
        let client = match clients.get(&upload.host) {
            Some(client) => client,
            None => match bucket.credential_for_station(&upload.host).await {
                Ok(credential) => {
                    let endpoint = super::endpoint(&s3, &credential);
                    let client = S3Bucket::at(&endpoint, bucket.name().to_owned()).for_uploads();
                    clients.entry(upload.host.clone()).or_insert(client)
                }
                Err(error) => {
                    tracing::warn!(error = crate::failure::chain(&error), "a demo station has no access key");
                    continue;
                }
            },
        };
        // A hostile station's uploads are refused now and then: that is its part in the demo.
        if let Err(failure) = simulate::put(client, &upload).await {
            tracing::info!(error = %failure, "an upload of the demo was refused");
        }
    }
}
