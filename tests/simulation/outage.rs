//! A night without a database, and a night without a network: what comes back at once, and what in the end.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper::up::{vitals::Observed, work};
use stationkeeper_embedded_bucket::{
    Attributes, BucketOptions, Durability, EmbeddedBucket, ObjectKey as BucketKey, WriteCondition,
};
use stationkeeper_pipeline::bucket::Bucket;
use stationkeeper_pipeline::clock::{Clock, SimulatedClock, SystemClock};
use stationkeeper_pipeline::ingest::Ingest;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_pipeline::s3::{Endpoint, S3Bucket};
use stationkeeper_rules::Rule;
use stationkeeper_simulator::{Document, Lab, LabPlan, Role, Upload};
use stationkeeper_store::faults::{Fault, FaultPlan};
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey};
use stationkeeper_tests::conservation::{Conservation, accepted_by_embedded, accepted_by_memory, waiting_in_embedded};
use stationkeeper_tests::database::{Database, Kind, blocking};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::moved::{openings, stored};
use crate::ticks::{TICK, Ticks, key, reservations};
use crate::world::World;

/// Two hundred stations for eight hours and twenty minutes are 96,000 heartbeats; without optimization an hour of twenty must do.
const STATIONS: usize = if cfg!(debug_assertions) { 20 } else { 200 };
const OUTAGE_MINUTES: u32 = if cfg!(debug_assertions) { 60 } else { 505 };
const HEARTBEATS: u64 = if cfg!(debug_assertions) { 1_100 } else { 96_000 };
/// So long all was well before.
const BEFORE_MINUTES: u32 = 10;
/// What must come out the same however late: each table without what the order of arrival may change.
const TABLES: [(&str, &[&str]); 5] = [
    ("lab_station_heartbeat", &["ingested_at"]),
    ("lab_station_heartbeat_variants", &[]),
    ("lab_host_events", &[]),
    ("reservation_forced_logoffs", &[]),
    // A run of unready heartbeats, and the word, are judged on what had arrived.
    ("lab_station_state", &["memory", "word", "word_since", "word_cause", "skew_ms", "check_at", "listed"]),
];

/// Stations that upload all the time, with what goes wrong at stations that do.
fn lab(stations: usize, minutes: u32) -> Lab {
    let roles = vec![Role::EverydayUse, Role::UnreadyFlaps, Role::Healthy, Role::LocalSession, Role::NicDrift];
    let start = "2026-11-24T20:00:00Z".parse().unwrap();
    Lab::new(LabPlan { roles: Some(roles), ..LabPlan::new(stations, start, Some(minutes), 7) }).unwrap()
}

/// What stations put, without what they put beside a heartbeat every five minutes and nothing depends on.
fn uploads(lab: &Lab) -> Vec<Upload> {
    lab.uploads().filter(|upload| upload.document != Document::Status).collect()
}

/// `up` without its gateway: the embedded bucket behind its S3 endpoint, and the clock of all of it.
struct Place {
    bucket: Arc<EmbeddedBucket>,
    client: S3Bucket,
    clock: Arc<SimulatedClock>,
    stop: CancellationToken,
    serving: TaskTracker,
}

impl Place {
    async fn open(file: &Path, start: DateTime<Utc>) -> Self {
        let clock = Arc::new(SimulatedClock::at(start));
        let stamps = clock.clone();
        let options = BucketOptions {
            clock: Arc::new(move || stamps.now()),
            durability: Durability::Normal,
            ..BucketOptions::default()
        };
        let bucket = Arc::new(EmbeddedBucket::open(file, options).await.unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = TaskTracker::new();
        serving.spawn(bucket.clone().serve(listener, stop.clone()));
        serving.close();
        let root = bucket.root_credential().await.unwrap();
        let endpoint = Endpoint {
            url,
            region: BucketOptions::default().region,
            access_key_id: root.access_key_id.clone(),
            secret_access_key: root.secret.expose().to_owned(),
        };
        let client = S3Bucket::at(&endpoint, bucket.name().to_owned());
        Self { bucket, client, clock, stop, serving }
    }

    fn handler(&self, store: Store) -> Arc<work::UpIngest<Arc<SimulatedClock>>> {
        let (client, clock) = (self.client.clone(), self.clock.clone());
        Arc::new(Ingest::new(client, store, clock, Limits::default(), Judging::default()))
    }

    /// Stations upload, each at its time.
    async fn accept(&self, uploads: impl IntoIterator<Item = Upload>) {
        let mut waiting = JoinSet::new();
        for upload in uploads {
            // What is put at one instant is committed together, as by stations that upload at once.
            if upload.at > self.clock.now() || waiting.len() >= 64 {
                finished(&mut waiting).await;
                self.clock.advance_to(upload.at);
            }
            let (bucket, key) = (self.bucket.clone(), BucketKey::parse(&key(&upload)).unwrap());
            waiting.spawn(async move {
                let put = bucket.put(&key, Bytes::from(upload.bytes), Attributes::default(), WriteCondition::Always);
                put.await.unwrap().unwrap();
            });
            // In the order of the uploads: each is on its way before the next.
            tokio::task::yield_now().await;
        }
        finished(&mut waiting).await;
    }

    /// Until the queue is empty.
    async fn drained(&self) {
        while self.bucket.queue_depth().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Until all of them have ended, none by a panic.
async fn finished(tasks: &mut JoinSet<()>) {
    while let Some(one) = tasks.join_next().await {
        one.unwrap();
    }
}

/// The loops of `up`, until they are stopped; the clock goes on meanwhile.
struct Loops {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Loops {
    fn over(place: &Place, store: Store) -> Self {
        let stop = CancellationToken::new();
        let handler = place.handler(store);
        let (observed, _) = watch::channel(Observed::default());
        let (clock, ticking) = (place.clock.clone(), stop.clone());
        let (from, began) = (clock.now(), Instant::now());
        let mut tasks = JoinSet::new();
        tasks.spawn(work::ingest(place.bucket.clone(), handler.clone(), observed, stop.clone()));
        tasks.spawn(work::check(handler, 1.0, stop.clone()));
        tasks.spawn(async move {
            while !ticking.is_cancelled() {
                clock.advance_to(from + TimeDelta::from_std(began.elapsed()).unwrap());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { tasks, stop }
    }

    async fn end(mut self) {
        self.stop.cancel();
        finished(&mut self.tasks).await;
    }
}

/// The newest heartbeat of every station, by its own clock.
fn newest(uploads: &[Upload]) -> Vec<(HostName, DateTime<Utc>)> {
    let mut newest = std::collections::BTreeMap::new();
    for upload in uploads.iter().filter(|upload| upload.document == Document::Heartbeat) {
        newest.insert(upload.host.clone(), upload.timestamp);
    }
    newest.into_iter().collect()
}

/// Whether the board shows that of every station.
async fn is_true(store: &Store, newest: &[(HostName, DateTime<Utc>)]) -> bool {
    let mut after = None;
    let mut shown = std::collections::BTreeMap::new();
    loop {
        let page = store.stations(&stationkeeper_store::StationFilter::default(), after.as_ref(), 500).await.unwrap();
        after = page.last().map(|station| station.entry.host.clone());
        let full = page.len() == 500;
        for station in page {
            shown.insert(station.entry.host, station.state.latest.map(|latest| latest.snapshot.timestamp_utc));
        }
        if !full {
            break;
        }
    }
    newest.iter().all(|(host, at)| shown.get(host) == Some(&Some(*at)))
}

/// The same uploads, each taken when it came.
async fn in_order(database: &Database, lab: &Lab) {
    let mut world = World::punctual(database, lab.plan().start).await;
    world.book(&reservations(lab)).await;
    for tick in Ticks::of(lab) {
        world.clock.advance_to(tick.now);
        let uploads = tick.uploads.into_iter().filter(|upload| upload.document != Document::Status);
        let put = uploads.map(|upload| world.put(&key(&upload), Bytes::from(upload.bytes), upload.at));
        let announced = put.collect();
        world.take(announced).await;
        world.objects.forget_history();
    }
    world.clock.advance_to(lab.end() + TimeDelta::hours(1));
    world.settle().await;
    world.close().await;
}

fn differences(got: &Database, expected: &Database) -> Vec<String> {
    let mut found = Vec::new();
    for (table, without) in TABLES {
        let (got, expected) = (got.rows(table, without), expected.rows(table, without));
        if got.len() != expected.len() {
            found.push(format!("{table}: {} rows, expected {}", got.len(), expected.len()));
        }
        let differing = got.iter().zip(&expected).filter(|(one, other)| one != other);
        for (one, other) in differing.take(3) {
            let columns: Vec<_> = other.iter().filter(|(column, value)| one.get(*column) != Some(*value)).collect();
            let got: Vec<_> = columns.iter().map(|(column, _)| &one[*column]).collect();
            found.push(format!("{table} {:?}: {got:?}, expected {columns:?}", other.get("host")));
        }
    }
    found
}

#[test]
fn after_a_night_without_a_database_the_board_is_true_within_five_seconds_and_the_rows_are_those_of_a_night_with_one() {
    let lab = lab(STATIONS, BEFORE_MINUTES + OUTAGE_MINUTES);
    let (got, expected) = (Database::new(Kind::Sqlite), Database::new(Kind::Sqlite));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bucket.sqlite");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let start = lab.plan().start;
        let outage_from = start + TimeDelta::minutes(i64::from(BEFORE_MINUTES));
        let place = Place::open(&file, start).await;
        let store = Store::open(&got.url(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        place.handler(store.clone()).put_reservations(&reservations(&lab)).await.unwrap();

        // All is well.
        let mut uploads = uploads(&lab);
        let newest = newest(&uploads);
        let after = uploads.split_off(uploads.partition_point(|upload| upload.at < outage_from));
        let loops = Loops::over(&place, store.clone());
        place.accept(uploads).await;
        place.drained().await;
        place.handler(store.clone()).check_overdue().await.unwrap();
        loops.end().await;

        // The database is away; the bucket takes what comes.
        let waiting = after.iter().filter(|upload| upload.document == Document::Heartbeat).count() as u64;
        assert!(waiting >= HEARTBEATS, "{waiting} heartbeats wait");
        let began = Instant::now();
        place.accept(after).await;
        place.clock.advance_to(lab.end());
        let accepted_in = began.elapsed();
        let depth = place.bucket.queue_depth().await.unwrap();
        let plan = Arc::new(FaultPlan::at(1, Fault::Away));
        let loops = Loops::over(&place, store.with_faults(plan.clone()));
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        let tries = plan.calls();
        assert!((3..200).contains(&tries), "asked again and again, but not hammered: {tries} calls in 3.5 s");
        assert_eq!(place.bucket.queue_depth().await.unwrap(), depth, "nothing is lost meanwhile");
        assert!(!is_true(&store, &newest).await);

        // It is back.
        let back = Instant::now();
        plan.heal();
        while !is_true(&store, &newest).await {
            assert!(back.elapsed() < Duration::from_secs(60), "the board does not become true");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let true_after = back.elapsed();
        let left = place.bucket.queue_depth().await.unwrap();
        assert!(true_after <= Duration::from_secs(5), "the board was true only after {true_after:?}");
        if !cfg!(debug_assertions) {
            assert!(left > depth / 2, "long before the backlog was through: {left} of {depth} were left");
        }
        place.drained().await;
        let drained_after = back.elapsed();
        println!(
            "{depth} events accepted in {accepted_in:.1?}; the board was true after {true_after:.2?}, the backlog through after \
             {drained_after:.1?}: {:.0} events/s",
            depth as f64 / drained_after.as_secs_f64()
        );
        loops.end().await;
        assert!(is_true(&store, &newest).await, "and stays so");
        place.handler(store.clone()).check_overdue().await.unwrap();
        place.clock.advance_to(lab.end() + TimeDelta::hours(1));
        place.handler(store.clone()).settle_sightings().await.unwrap();

        let transitions = stored(&store).await;
        for rule in [Rule::HeartbeatMissing, Rule::IngestStalled] {
            assert!(openings(&transitions, rule).is_empty(), "the outage was ours, and the check was away as well: {rule}");
        }
        store.close().await;
        place.stop.cancel();
        place.serving.wait().await;
        let waiting = waiting_in_embedded(&file).await;
        Conservation::of(got.url())
            .accepted(accepted_by_embedded(&file).await)
            .waiting(waiting)
            .observed("tries while the database was away", tries)
            .at_least("tries while the database was away", 3)
            .at_least("history", HEARTBEATS)
            .holds()
            .await;
        place.bucket.close().await;
        in_order(&expected, &lab).await;
    });
    let found = differences(&got, &expected);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn after_a_night_without_a_network_silence_was_called_once_and_the_newest_is_shown_at_once() {
    let lab = lab(12, 10 + 4 * 60);
    let database = Database::new(Kind::Sqlite);
    blocking(async {
        let start = lab.plan().start;
        let cut_from = start + TimeDelta::minutes(10);
        let mut world = World::punctual(&database, start).await;
        let mut spooled: Vec<Upload> = Vec::new();
        let mut last_arrivals = std::collections::BTreeMap::new();
        for tick in Ticks::of(&lab) {
            world.clock.advance_to(tick.now);
            let heartbeats: Vec<_> =
                tick.uploads.into_iter().filter(|upload| upload.document == Document::Heartbeat).collect();
            if tick.now <= cut_from {
                last_arrivals.extend(heartbeats.iter().map(|upload| (upload.host.clone(), upload.at)));
                let put = heartbeats.into_iter().map(|one| world.put(&key(&one), Bytes::from(one.bytes), one.at));
                let announced = put.collect();
                world.take(announced).await;
            } else {
                spooled.extend(heartbeats);
            }
            world.check().await;
        }
        // The network is back: each station puts its newest, and then what it has spooled.
        let newest = newest(&spooled);
        let mut announced = Vec::new();
        let mut now = lab.end();
        for (host, timestamp) in &newest {
            let mine: Vec<_> = spooled.iter().filter(|upload| upload.host == *host).collect();
            now += TimeDelta::milliseconds(40);
            let last = mine.last().unwrap();
            assert_eq!(last.timestamp, *timestamp);
            announced.push(world.put(&key(last), Bytes::from(last.bytes.clone()), now));
            for upload in mine {
                now += TimeDelta::milliseconds(2);
                let key = ObjectKey::heartbeat_at(host, upload.timestamp).into_string();
                announced.push(world.put(&key, Bytes::from(upload.bytes.clone()), now));
            }
        }
        let back_at = now;
        let mut since_check = now;
        for batch in announced.chunks(50) {
            now += TimeDelta::milliseconds(250);
            world.clock.advance_to(now);
            world.take(batch.to_vec()).await;
            if now - since_check >= TICK {
                world.check().await;
                since_check = now;
            }
        }
        world.check().await;
        assert!(is_true(world.store(), &newest).await);

        let transitions = stored(world.store()).await;
        let missing = openings(&transitions, Rule::HeartbeatMissing);
        for (host, arrived_at) in &last_arrivals {
            let called: Vec<_> = missing.iter().filter(|moved| moved.key.host.as_ref() == Some(host)).collect();
            assert_eq!(called.len(), 1, "{host}: {called:?}");
            assert_eq!(called[0].at, *arrived_at + TimeDelta::seconds(181), "{host}");
            let resolved =
                transitions.iter().find(|moved| moved.alert_id == called[0].alert_id && moved.from.is_some());
            let resolved = resolved.expect("it is heard again").at;
            assert!(lab.end() <= resolved && resolved <= back_at, "{host}: {resolved}");
        }
        assert_eq!(missing.len(), last_arrivals.len());
        let accepted = accepted_by_memory(&world.objects);
        world.close().await;
        Conservation::of(database.url())
            .accepted(accepted)
            .at_least("history", 12 * 220)
            .at_least("transitions", 2)
            .holds()
            .await;
    });
}

#[test]
fn a_bucket_with_a_clock_of_its_own_tells_the_time_with_its_answers() {
    let folder = tempfile::tempdir().unwrap();
    blocking(async {
        let place = Place::open(&folder.path().join("bucket.sqlite"), "2026-11-24T08:00:00Z".parse().unwrap()).await;
        assert_eq!(place.client.now().await, None, "in one process the handler's clock is the bucket's");
        // The endpoint dates its answers by the computer's clock, whatever stamps arrivals in this test.
        let told = place.client.clone().with_its_own_clock().now().await.expect("an answer has a date");
        assert!((SystemClock.now() - told).abs() <= TimeDelta::seconds(60), "{told}");
        place.stop.cancel();
        place.serving.wait().await;
    });
}
