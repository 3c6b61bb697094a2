//! A laboratory: stations that answer, a bucket that is ingested, a database, and gateways over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use stationkeeper::stations::{Account, Options, Stations};
use stationkeeper::up::scaled_clock::ScaledClock;
use stationkeeper_gateway::{
    AskedReservation, CommandAccess, Gateway, GatewayOptions, StationReach, Vitals, put_reservation,
};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_rules::orchestrator::{ActionKind, ActionState, AfterEnd, StationAction, Timing};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus, Settings, StationWord};
use stationkeeper_simulator::{Document, Lab as SimulatedLab, LabPlan, Power, Role};
use stationkeeper_station_link::AllowedCommands;
use stationkeeper_station_link::winrm::{CertificatePolicy, Credential, Login};
use stationkeeper_store::{
    ActionFilter, Author, CatalogEntry, HostStatus, LabReservations, Labs, OperationFilter, RecordedOperation, Store,
    StoreOptions, TokenGrant, TokenRole,
};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey, ObjectKind};
use stationkeeper_tests::database::{Database, Kind};
use stationkeeper_tests::http::{Answer, get, post, request};
use stationkeeper_tests::simulated_stations::{PASSWORD, USER};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many seconds of the lab in one of ours.
pub const SPEED: f64 = 20.0;
/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(180);

/// See the module.
pub struct Lab {
    pub stations: Stations,
    pub clock: ScaledClock,
    pub store: Store,
    deaf: Arc<AtomicBool>,
    ingest: Arc<Ingest<Arc<MemoryBucket>, ScaledClock>>,
    database: Database,
    token: String,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A gateway that answers and acts.
pub struct Served {
    pub page: String,
    token: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
    runtime: Runtime,
}

impl Lab {
    /// So many stations at which nothing happens but what they are told.
    pub async fn with(stations: usize, kind: Kind) -> Self {
        let database = tokio::task::spawn_blocking(move || Database::new(kind)).await.unwrap();
        Self::over(stations, database).await
    }

    /// The same over a database that is there.
    pub async fn over(stations: usize, database: Database) -> Self {
        let clock = ScaledClock::starting_now(SPEED);
        let roles = vec![Role::Idle; stations];
        let plan = LabPlan { roles: Some(roles), ..LabPlan::new(stations, clock.now(), None, 7) };
        let emissions = SimulatedLab::new(plan).expect("names of stations").emissions();
        let account = Account { user: USER.to_owned(), password: PASSWORD.to_owned() };
        let options = Options { account, basic: false, wake_port: 0 };
        let stations = Stations::open(emissions.live(), clock, options).await.expect("loopback has room");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        stations.serve(&tasks, &stop);

        let store = Store::open(&database.url(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let entries: Vec<_> = stations
            .addresses()
            .map(|(host, address)| CatalogEntry {
                host: host.clone(),
                lab: Some("Lab".to_owned()),
                address: Some(address.to_string()),
                mac: stations.with_lab(|lab, _| lab.mac(host).map(str::to_owned)),
                status: HostStatus::Active,
                created_at: clock.now(),
            })
            .collect();
        let mut work = store.begin().await.unwrap();
        work.states().save_catalog(&entries).await.unwrap();
        work.commit().await.unwrap();
        let grant = TokenGrant { name: "ana".to_owned(), role: TokenRole::Admin, labs: Labs::All };
        let (token, row) = stationkeeper_gateway::mint_token(grant, clock.now()).unwrap();
        store.insert_token(&row).await.unwrap();

        let bucket = Arc::new(MemoryBucket::default());
        let ingest = Ingest::new(bucket.clone(), store.clone(), clock, Limits::default(), Judging::default());
        let ingest = Arc::new(ingest);
        let deaf = Arc::new(AtomicBool::new(false));
        let is_deaf = deaf.clone();
        let (from, stopped, taking) = (stations.clone(), stop.clone(), ingest.clone());
        tasks.spawn(async move {
            loop {
                let uploads = tokio::select! {
                    () = stopped.cancelled() => return,
                    uploads = from.uploads() => uploads,
                };
                if is_deaf.load(Ordering::Relaxed) {
                    continue;
                }
                let deliveries: Vec<_> = uploads
                    .into_iter()
                    .enumerate()
                    .map(|(number, upload)| {
                        let key = ObjectKey::latest(&upload.host, kind_of(upload.document)).into_string();
                        Delivery {
                            id: number.to_string(),
                            body: bucket.put(&key, Bytes::from(upload.bytes), upload.at),
                        }
                    })
                    .collect();
                // What a database that is away did not take comes again, as from a queue.
                while !taking.batch(&deliveries).await.failed.is_empty() && !stopped.is_cancelled() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        Self { stations, clock, store, deaf, ingest, database, token, tasks, stop }
    }

    /// Stations are checked from now on, as the schedule does.
    pub fn watch(&self) {
        let (ingest, stop) = (self.ingest.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            while !stop.is_cancelled() {
                // As the schedule: what met another writer is checked again.
                if let Err(error) = ingest.check_overdue().await {
                    assert!(error.is_conflict() || error.is_transient(), "{error:?}");
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
    }

    /// The newest action of a kind, once there is one that is so.
    pub async fn until_action(&self, kind: ActionKind, state: ActionState) -> StationAction {
        let found = async || {
            let all = self.store.actions(&ActionFilter::default(), None, 100, self.clock.now()).await.unwrap();
            all.into_iter().map(|one| one.action).find(|action| (action.kind, action.state) == (kind, state))
        };
        self.until(&format!("{} {}", kind.as_str(), state.as_str()), async || found().await.is_some()).await;
        found().await.unwrap()
    }

    /// Waits until the word for a station is this one.
    pub async fn until_word(&self, place: usize, word: StationWord) {
        let host = self.host(place);
        let is = async || self.store.station(&host).await.unwrap().is_some_and(|station| station.state.word == word);
        self.until(word.as_str(), is).await;
    }

    /// These times hold from now on: a backoff that a test can wait for, and what is done after reservations.
    pub async fn settings(&self, attempts: u32, after_end: AfterEnd) {
        let orchestrator = Timing { attempts, backoff_base_seconds: 10, cooldown_seconds: 10, ..Timing::default() };
        self.store.apply_settings(&Settings { orchestrator, after_end, ..Settings::default() }).await.unwrap();
    }

    /// A gateway over the lab.
    pub async fn gateway(&self) -> Served {
        self.gateway_reading(None).await
    }

    /// One that reads reservations from the table in the database of this URL.
    pub async fn gateway_reading(&self, table: Option<&str>) -> Served {
        let reservation_table = table.map(|url| Arc::new(LabReservations::new(url).unwrap()));
        let pins = self.stations.addresses().map(|(host, _)| {
            let certificate = self.stations.certificate(host).expect("a certificate");
            (host.clone(), CertificatePolicy::pin(&hex::encode(certificate.sha256)).unwrap())
        });
        let commands = CommandAccess {
            credential: Credential::new(USER, PASSWORD),
            login: Login::Ntlm,
            certificate: CertificatePolicy::Roots,
            pins: pins.collect(),
            allowed: AllowedCommands::default(),
        };
        let reach = StationReach {
            networks: "127.0.0.0/8".parse().unwrap(),
            wake_ports: vec![self.stations.wake_port()],
            commands: Some(commands),
        };
        let (clock, url) = (self.clock, self.database.url());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let page = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // All that it does ends with its own runtime, as with a process.
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let task = runtime.spawn(async move {
            let store = Store::open(&url, StoreOptions::default()).await.unwrap();
            let (_vitals, vitals) = watch::channel(Vitals::unseen(clock.now()));
            let options = GatewayOptions { speed: SPEED, reach, reservation_table, ..GatewayOptions::default() };
            let gateway = Gateway::new(store.clone(), vitals, Arc::new(move || clock.now()), options);
            let listener = TcpListener::from_std(listener).unwrap();
            gateway.serve(listener, async move { stopped.cancelled().await }).await.unwrap();
            store.close().await;
        });
        Served { page, token: format!("Bearer {}", self.token), stop, task, runtime }
    }

    /// By the lab's clock.
    pub fn clock_now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Nothing that stations upload is taken from now on.
    pub fn deafen(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// The n-th station.
    pub fn host(&self, place: usize) -> HostName {
        self.stations.addresses().nth(place).expect("a station").0.clone()
    }

    /// From now on each station has a laboratory of its own, by its number.
    pub async fn number_the_labs(&self) {
        for (place, (host, _)) in self.stations.addresses().enumerate() {
            let station = self.store.station(host).await.unwrap().unwrap();
            let entry = CatalogEntry { lab: Some(place.to_string()), ..station.entry };
            // A heartbeat may be written at the same moment: whoever meets it comes again.
            loop {
                let mut work = self.store.begin().await.unwrap();
                let saved = match work.states().save_catalog(std::slice::from_ref(&entry)).await {
                    Ok(()) => work.commit().await,
                    failed => failed,
                };
                match saved {
                    Ok(()) => break,
                    Err(error) => assert!(error.is_conflict(), "{error:?}"),
                }
            }
        }
    }

    /// Puts a station into local mode as somebody at it does, and waits until that shows.
    pub async fn put_into_local_mode(&self, place: usize) {
        let host = self.host(place);
        self.stations.with_lab(|lab, _| lab.put_file(&host, r"C:\LabStation\data\local-mode.flag", b"1".to_vec()));
        self.until("local mode shows", async || {
            let station = self.store.station(&host).await.unwrap().unwrap();
            station.state.latest.is_some_and(|latest| latest.snapshot.local_mode_enabled == Some(true))
        })
        .await;
    }

    /// From now by the lab's clock.
    pub fn in_seconds(&self, seconds: i64) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::seconds(seconds)
    }

    /// Books a station, whether it is in local mode or not.
    pub async fn book(&self, id: &str, place: usize, start_at: DateTime<Utc>, end_at: DateTime<Utc>) {
        let asked = AskedReservation {
            host: Some(self.host(place)),
            start_at: Some(start_at),
            end_at: Some(end_at),
            confirm_local_mode: Some("a test".to_owned()),
            ..AskedReservation::default()
        };
        self.put(id, asked).await;
    }

    /// Cancels a reservation.
    pub async fn cancel(&self, id: &str) {
        let status = Some(ReservationStatus::Cancelled);
        self.put(id, AskedReservation { status, ..AskedReservation::default() }).await;
    }

    async fn put(&self, id: &str, asked: AskedReservation) -> Reservation {
        let author = Author::of_command_line(Some("ben"));
        let id = ReservationId(id.to_owned());
        put_reservation(&self.store, &id, &asked, &author, self.clock.now()).await.unwrap().reservation
    }

    /// Has a station shut down, and waits until it is off and known to be.
    pub async fn switch_off(&self, place: usize) {
        let host = self.host(place);
        self.stations.with_lab(|lab, now| lab.fall(&host, now));
        self.until("it is off", async || self.power(place) == Power::Off).await;
    }

    /// What its PC is doing.
    pub fn power(&self, place: usize) -> Power {
        let host = self.host(place);
        self.stations.with_lab(|lab, now| lab.power(&host, now)).expect("a station")
    }

    /// Lab Station's commands that a station was given, without the program.
    pub fn given(&self, place: usize) -> Vec<String> {
        let host = self.host(place);
        let given = self.stations.with_lab(|lab, _| lab.given(&host));
        given.into_iter().filter_map(|one| Some(one.line.split_once("LabStation.exe ")?.1.to_owned())).collect()
    }

    /// How often a station was given each command, by its first words.
    pub fn times_given(&self, place: usize) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for line in self.given(place) {
            *times.entry(line.split(" --").next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        times
    }

    /// What is recorded for a reservation, the oldest first.
    pub async fn recorded(&self, id: &str) -> Vec<RecordedOperation> {
        let filter =
            OperationFilter { reservation_id: Some(ReservationId(id.to_owned())), ..OperationFilter::default() };
        let mut found = self.store.operations(&filter, None, 500).await.unwrap();
        found.sort_by_key(|one| (one.operation.started_at, one.operation.finished_at));
        found
    }

    /// The same, a line each: action, status and code.
    pub async fn told(&self, id: &str) -> Vec<String> {
        self.recorded(id)
            .await
            .iter()
            .map(|one| {
                let code = one.operation.response_code.map_or("-".to_owned(), |code| code.to_string());
                format!("{} {} {code}", one.operation.action, one.operation.status.as_str())
            })
            .collect()
    }

    /// Waits until a reservation has an operation that is told so.
    pub async fn until_told(&self, id: &str, line: &str) {
        self.until(line, async || self.told(id).await.iter().any(|told| told == line)).await;
    }

    /// Waits for something that must come.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let began = tokio::time::Instant::now();
        while !holds().await {
            if began.elapsed() > PATIENCE {
                let operations = self.store.operations(&OperationFilter::default(), None, 100).await.unwrap();
                panic!("it never came: {what}; recorded: {operations:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every heartbeat that a station has sent so far is known.
    pub async fn until_heard(&self, place: usize) {
        let host = self.host(place);
        let now = self.clock.now();
        self.until("a heartbeat", async || {
            let station = self.store.station(&host).await.unwrap();
            station.and_then(|station| station.state.latest).is_some_and(|latest| latest.first_arrived_at > now)
        })
        .await;
    }

    /// Whoever holds a lease or a claim is gone, and its time is over.
    pub async fn end_leases(&self) {
        self.database.execute("update station_leases set leased_until = 0").await;
        self.database.execute("update station_actions set claimed_until = 0 where claimed_by is not null").await;
    }

    /// Whoever was telling a station of local mode is gone, and their time is over.
    pub async fn end_claims(&self) {
        self.database.execute("update local_mode_orders set claimed_until = 0").await;
    }

    /// Ends it.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await;
    }
}

fn kind_of(document: Document) -> ObjectKind {
    match document {
        Document::Heartbeat => ObjectKind::Heartbeat,
        Document::Events => ObjectKind::Events,
        Document::Status => ObjectKind::Status,
        Document::ServiceState => ObjectKind::ServiceState,
    }
}

impl Served {
    /// Asks, with the admin's token.
    pub async fn get(&self, path: &str) -> Answer {
        get(&self.page, path, &[("Authorization", &self.token)]).await
    }

    /// Sends JSON, with the admin's token.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[]).await
    }

    /// The same, with further headers.
    pub async fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("Authorization", self.token.as_str())];
        all.extend(headers);
        post(&self.page, path, &all, body.to_string().as_bytes()).await
    }

    /// Sends a request without a body, with the admin's token.
    pub async fn send(&self, method: &str, path: &str) -> Answer {
        request(method, &self.page, path, &[("Authorization", &self.token)]).await.unwrap()
    }

    /// Stops as an operator stops it.
    pub async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.runtime.shutdown_background();
    }

    /// Is gone at once, with all that it was about to do.
    pub fn kill(self) {
        self.runtime.shutdown_background();
    }
}
