//! The demo: a simulated lab with a day of history that goes on in real time, through the real S3 endpoint. Its stations can be reached: they answer
//! WS-Management and magic packets on loopback.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use stationkeeper_embedded_bucket::{Credential as AccessKey, EmbeddedBucket};
use stationkeeper_gateway::CommandAccess;
use stationkeeper_pipeline::QUARANTINE;
use stationkeeper_pipeline::clock::{Clock, SimulatedClock};
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_pipeline::s3::S3Bucket;
use stationkeeper_rules::orchestrator::Policy;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus, Rule, Settings};
use stationkeeper_simulator::{Emissions, Lab, LabPlan, Role, ScenarioReservation};
use stationkeeper_station_link::winrm::{CertificatePolicy, Credential, Login};
use stationkeeper_store::{CatalogEntry, HostStatus, Store};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::scaled_clock::ScaledClock;
use super::work::UpIngest;
use crate::commands::simulate;
use crate::connections::Connections;
use crate::failure::{Exit, Failure};
use crate::progress;
use crate::station_access;
use crate::stations::{Account, Options, Stations};

/// How much history the demo has when it begins.
const HISTORY: TimeDelta = TimeDelta::hours(24);
/// History is ingested in slices of this length, with a check after each.
const SLICE: TimeDelta = TimeDelta::minutes(1);
/// A reservation is known this long before it starts.
const BOOKED_AHEAD: TimeDelta = TimeDelta::hours(2);

/// Who commands the demo's stations.
const STATION_USER: &str = "labadmin";

/// A lab on its way.
pub struct DemoLab {
    lab: Lab,
    stations: Stations,
    booked_until: DateTime<Utc>,
}

/// How the demo's stations are reached, all of it on loopback.
#[derive(Debug, Serialize)]
pub struct StationAccess {
    /// Who commands them by WS-Management.
    pub user: String,
    /// Made anew with each start.
    pub password: String,
    /// UDP port of magic packets, at any address of loopback.
    pub wake_port: u16,
    /// By station.
    pub stations: BTreeMap<HostName, StationPlace>,
}

/// Where a station of the demo answers.
#[derive(Debug, Serialize)]
pub struct StationPlace {
    /// `https://ADDRESS/wsman`.
    pub address: SocketAddr,
    /// SHA-256 of its certificate, in hexadecimal digits.
    pub certificate_sha256: String,
}

impl StationAccess {
    /// How a gateway logs in to them.
    pub fn commands(&self) -> Result<CommandAccess, Failure> {
        let pinned = |(host, place): (&HostName, &StationPlace)| {
            let policy = CertificatePolicy::pin(&place.certificate_sha256);
            policy.map(|policy| (host.clone(), policy)).map_err(|error| Failure::of(Exit::Failed, &error))
        };
        Ok(CommandAccess {
            credential: Credential::new(&self.user, &self.password),
            login: Login::Ntlm,
            certificate: CertificatePolicy::Roots,
            pins: self.stations.iter().map(pinned).collect::<Result<_, _>>()?,
            allowed: station_access::allowed()?,
        })
    }
}

impl DemoLab {
    /// How they are reached.
    pub fn access(&self) -> StationAccess {
        let account = self.stations.account();
        let stations = self.stations.addresses().filter_map(|(host, address)| {
            let certificate_sha256 = hex::encode(self.stations.certificate(host)?.sha256);
            Some((host.clone(), StationPlace { address, certificate_sha256 }))
        });
        StationAccess {
            user: account.user.clone(),
            password: account.password.clone(),
            wake_port: self.stations.wake_port(),
            stations: stations.collect(),
        }
    }
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
    save_catalog(store, &lab, None).await?;
    reboot_by_itself(store, &lab).await?;
    let bucket = Arc::new(MemoryBucket::default());
    let simulated = Arc::new(SimulatedClock::at(lab.plan().start));
    let ingest = Ingest::new(bucket.clone(), store.clone(), simulated.clone(), Limits::default(), Judging::default());
    let slices = u64::try_from(HISTORY.num_seconds() / SLICE.num_seconds()).unwrap_or_default();
    let bar = progress::bar(slices, "24 hours of history", quiet);
    let mut emissions = lab.emissions();
    let mut booked_until = lab.plan().start;
    let mut slice_end = lab.plan().start + SLICE;
    while slice_end <= now {
        if slice_end + BOOKED_AHEAD > booked_until {
            booked_until = book(&ingest, &lab, booked_until, slice_end + BOOKED_AHEAD * 2).await?;
        }
        let mut batch = Vec::new();
        while let Some(emission) = emissions.next_before(slice_end) {
            let upload = emission.upload;
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
    let stations = reachable(emissions, clock).await?;
    save_catalog(store, &lab, Some(&stations)).await?;
    Ok(DemoLab { lab, stations, booked_until })
}

/// One station that is unready again and again may be rebooted without anybody's word, so that it can be seen.
async fn reboot_by_itself(store: &Store, lab: &Lab) -> Result<(), Failure> {
    let mut settings = Settings::default();
    if let Some((host, _)) = lab.hosts().find(|(_, role)| *role == Role::UnreadyFlaps) {
        settings.actions.stations.insert(host.to_string(), [(Rule::NotReady, Policy::Auto)].into());
    }
    store
        .apply_settings(&settings)
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot write the demo's settings", &error))
}

/// Opens the lab to commands.
async fn reachable(emissions: Emissions, clock: ScaledClock) -> Result<Stations, Failure> {
    let mut secret = [0; 12];
    getrandom::fill(&mut secret)
        .map_err(|error| Failure::because(Exit::Failed, "cannot make a password for the demo's stations", &error))?;
    let account = Account { user: STATION_USER.to_owned(), password: hex::encode(secret) };
    let options = Options { account, basic: false, wake_port: 0 };
    Stations::open(emissions.live().served(), clock, options)
        .await
        .map_err(|error| Failure::of(Exit::Unavailable, &error))
}

async fn save_catalog(store: &Store, lab: &Lab, stations: Option<&Stations>) -> Result<(), Failure> {
    let mut places: HashMap<HostName, (String, Option<String>)> = HashMap::new();
    if let Some(stations) = stations {
        for (host, address) in stations.addresses() {
            let mac = stations.with_lab(|lab, _| lab.mac(host).map(str::to_owned));
            places.insert(host.clone(), (address.to_string(), mac));
        }
    }
    let cannot = |error: stationkeeper_store::StoreError| {
        Failure::because(Exit::Unavailable, "cannot write the catalog", &error)
    };
    let entries: Vec<_> = lab
        .hosts()
        .map(|(host, _)| CatalogEntry {
            host: host.clone(),
            lab: Some(lab.plan().lab.clone()),
            address: places.get(host).map(|(address, _)| address.clone()),
            mac: places.get(host).and_then(|(_, mac)| mac.clone()),
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

/// Goes on with the lab until told to stop: each station uploads with its own access key, and answers while its PC is on.
pub async fn live(
    mut demo: DemoLab,
    bucket: Arc<EmbeddedBucket>,
    client: S3Bucket,
    ingest: Arc<UpIngest<ScaledClock>>,
    clock: ScaledClock,
    stop: CancellationToken,
) {
    let answering = TaskTracker::new();
    demo.stations.serve(&answering, &stop);
    let mut keys: HashMap<HostName, AccessKey> = HashMap::new();
    // Connections and what else a client holds, once a station, would add up.
    let client = client.for_uploads();
    loop {
        let uploads = tokio::select! {
            () = stop.cancelled() => break,
            uploads = demo.stations.uploads() => uploads,
        };
        if clock.now() + BOOKED_AHEAD > demo.booked_until {
            match book(&ingest, &demo.lab, demo.booked_until, clock.now() + BOOKED_AHEAD * 2).await {
                Ok(until) => demo.booked_until = until,
                Err(failure) => tracing::warn!(error = %failure, "the demo cannot book; it tries again"),
            }
        }
        for upload in uploads {
            if stop.is_cancelled() {
                break;
            }
            let key = match keys.get(&upload.host) {
                Some(key) => key,
                None => match bucket.credential_for_station(&upload.host).await {
                    Ok(key) => keys.entry(upload.host.clone()).or_insert(key),
                    Err(error) => {
                        tracing::warn!(error = crate::failure::chain(&error), "a demo station has no access key");
                        continue;
                    }
                },
            };
            // A hostile station's uploads are refused now and then: that is its part in the demo.
            let client = client.with_key(&key.access_key_id, key.secret.expose());
            if let Err(failure) = simulate::put(&client, upload).await {
                tracing::info!(error = %failure, "an upload of the demo was refused");
            }
        }
    }
    answering.close();
    answering.wait().await;
}
