//! A laboratory whose faults lie outside of the handlers: the loops of `up` over a real bucket and a real database, with something between
//! the handlers and the bucket that breaks answers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use stationkeeper::up::vitals::{self, Objects, Observed, Parts};
use stationkeeper::up::work::{self, UpIngest};
use stationkeeper_embedded_bucket::{BucketOptions, EmbeddedBucket};
use stationkeeper_gateway::{Gateway, GatewayOptions, Vitals};
use stationkeeper_pipeline::clock::{Clock, SystemClock};
use stationkeeper_pipeline::ingest::Ingest;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_pipeline::s3::{Endpoint, S3Bucket};
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::{HostName, Limits};
use stationkeeper_tests::conservation::{Conservation, accepted_by_embedded};
use stationkeeper_tests::faulty_s3::FaultyS3;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use stationkeeper_tests::http::get;
use stationkeeper_tests::station::{heartbeat, host, spool_key};
use stationkeeper_tests::waiting::{now, until};

/// See the module.
pub struct Lab {
    pub bucket: Arc<EmbeddedBucket>,
    pub between: FaultyS3,
    pub store: Store,
    pub vitals: watch::Receiver<Vitals>,
    page: String,
    uploads: S3Bucket,
    /// Stations and instants of the heartbeats that were accepted.
    accepted: Mutex<BTreeSet<(HostName, DateTime<Utc>)>>,
    database: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    folder: TempDir,
}

impl Lab {
    /// Over a SQLite file.
    pub async fn over_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
        Self::over(folder, &url).await
    }

    /// Over this database.
    pub async fn over_database(url: &str) -> Self {
        Self::over(tempfile::tempdir().unwrap(), url).await
    }

    async fn over(folder: TempDir, url: &str) -> Self {
        let store = Store::open(url, quick()).await.unwrap();
        store.migrate().await.unwrap();
        let bucket =
            EmbeddedBucket::open(&folder.path().join("bucket.sqlite"), BucketOptions::default()).await.unwrap();
        let bucket = Arc::new(bucket);
        let root = bucket.root_credential().await.unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn(bucket.clone().serve(listener, stop.clone()));
        let between = FaultyS3::before(address).await;
        let client = |url: String| {
            let endpoint = Endpoint {
                url,
                region: "us-east-1".to_owned(),
                access_key_id: root.access_key_id.clone(),
                secret_access_key: root.secret.expose().to_owned(),
            };
            S3Bucket::at(&endpoint, bucket.name().to_owned())
        };
        let uploads = client(format!("http://{address}")).for_uploads();
        let handlers = client(between.endpoint());
        let ingest: Arc<UpIngest<SystemClock>> =
            Arc::new(Ingest::new(handlers, store.clone(), SystemClock, Limits::default(), Judging::default()));
        let (observed, seen) = watch::channel(Observed::default());
        tasks.spawn(work::ingest(bucket.clone(), ingest, observed, stop.clone()));
        let parts = Parts {
            bucket: Objects::Embedded(bucket.clone()),
            store: store.clone(),
            folder: folder.path().to_owned(),
            database_in_folder: true,
            files: Vec::new(),
        };
        let (sender, vitals) = watch::channel(Vitals::unseen(SystemClock.now()));
        tasks.spawn(vitals::publish(parts, seen, sender, SystemClock, stop.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = format!("http://{}", listener.local_addr().unwrap());
        let gateway =
            Gateway::new(store.clone(), vitals.clone(), Arc::new(|| SystemClock.now()), GatewayOptions::default());
        let stopped = stop.clone();
        tasks.spawn(async move { gateway.serve(listener, async move { stopped.cancelled().await }).await.unwrap() });
        let accepted = Mutex::default();
        Self { bucket, between, store, vitals, page, uploads, accepted, database: url.to_owned(), stop, tasks, folder }
    }

    /// A station's uploads: so many heartbeats, a minute apart, the last of them now. All must be accepted.
    pub async fn upload(&self, name: &str, count: i64) {
        for minute in (0..count).rev() {
            let at = now() - TimeDelta::minutes(minute);
            self.upload_one(name, at).await.unwrap();
        }
    }

    /// One heartbeat, or S3's word for its refusal.
    pub async fn upload_one(&self, name: &str, at: DateTime<Utc>) -> Result<(), String> {
        put(&self.uploads, &spool_key(name, at), heartbeat(name, at)).await?;
        // Two uploads of one second are the same document.
        self.accepted.lock().unwrap().insert((host(name), at));
        Ok(())
    }

    /// Puts what is no heartbeat.
    pub async fn upload_bytes(&self, key: &str, bytes: &[u8]) {
        put(&self.uploads, key, bytes.to_vec()).await.unwrap();
    }

    /// How many heartbeats of a station are there.
    pub async fn rows(&self, name: &str) -> u64 {
        self.store.count_heartbeats(Some(&host(name))).await.unwrap()
    }

    /// Waits for a station's heartbeats.
    pub async fn until_rows(&self, name: &str, count: u64, within: Duration) {
        until(&format!("{count} heartbeats of {name}"), within, async || {
            // A database that is just being broken may not answer.
            (self.store.count_heartbeats(Some(&host(name))).await.ok()? == count).then_some(())
        })
        .await;
    }

    /// The most tries that a delivery of the queue has had.
    pub async fn attempts(&self) -> i64 {
        let file = self.folder.path().join("bucket.sqlite");
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let most = sqlx::query_scalar("select coalesce(max(attempts), 0) from queue").fetch_one(&mut connection).await;
        connection.close().await.unwrap();
        most.unwrap()
    }

    /// Parts that `/health` names, as whoever is not logged in sees them.
    pub async fn named(&self) -> Vec<String> {
        named(&get(&self.page, "/health", &[]).await.json())
    }

    /// Waits until `/health` names exactly these.
    pub async fn until_named(&self, parts: &[&str], within: Duration) {
        until(&format!("/health names {parts:?}"), within, async || (self.named().await == parts).then_some(())).await;
    }

    /// Everything that was accepted is one row with its bytes, nothing is waiting any more, and so many objects are put aside.
    pub async fn assert_nothing_lost(&self, quarantined: u64) {
        until("the queue is empty", Duration::from_secs(60), async || {
            (self.bucket.queue_depth().await.unwrap() == 0).then_some(())
        })
        .await;
        let accepted = self.accepted.lock().unwrap().len() as u64;
        let file = self.folder.path().join("bucket.sqlite");
        let counts = Conservation::of(&self.database)
            .accepted(accepted_by_embedded(&file).await)
            .at_least("history", accepted)
            .holds()
            .await;
        assert_eq!((counts["history"], counts["variants"]), (accepted, 0), "each heartbeat is one row");
        assert_eq!(counts["quarantined"], quarantined);
    }

    /// Ends the loops as `up` does.
    pub async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.bucket.close().await;
        self.store.close().await;
        drop(self.folder);
    }
}

/// A store that does not wait for long: a test has no time.
pub fn quick() -> StoreOptions {
    StoreOptions {
        acquire_timeout: Duration::from_secs(3),
        lock_timeout: Duration::from_secs(1),
        ..StoreOptions::default()
    }
}

async fn put(bucket: &S3Bucket, key: &str, bytes: Vec<u8>) -> Result<(), String> {
    let sent = bucket.client().put_object().bucket(bucket.name()).key(key).body(bytes.into()).send().await;
    sent.map(drop).map_err(|error| format!("{error:?}"))
}

/// Parts that a health view says are not well.
pub fn named(view: &Value) -> Vec<String> {
    let parts = view["parts"].as_object().unwrap();
    let mut named: Vec<_> = parts.iter().filter(|(_, part)| part["ok"] != true).map(|(name, _)| name.clone()).collect();
    named.sort();
    named
}
