//! A gateway behind a real socket, over a store in a folder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use stationkeeper_gateway::{Gateway, GatewayOptions, ServeLimits, Vitals, mint_token};
use stationkeeper_store::{Labs, NewUpdate, Store, StoreOptions, TokenGrant, TokenRole};
use stationkeeper_tests::http::{Answer, request};
use stationkeeper_tests::waiting::now;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A gateway that serves, and an admin of it.
pub struct World {
    pub address: SocketAddr,
    pub store: Store,
    pub token: String,
    /// Seconds that its clock is ahead.
    ahead: Arc<AtomicI64>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _vitals: watch::Sender<Vitals>,
    _folder: TempDir,
}

impl World {
    pub async fn start(limits: ServeLimits) -> Self {
        Self::start_with(GatewayOptions { limits, ..GatewayOptions::default() }).await
    }

    pub async fn start_with(options: GatewayOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::sqlite(&folder.path().join("stationkeeper.sqlite"), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let (vitals, seen) = watch::channel(Vitals::unseen(now()));
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&ahead);
        let clock = Arc::new(move || now() + TimeDelta::seconds(clock.load(Ordering::SeqCst)));
        let gateway = Gateway::new(store.clone(), seen, clock, options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serving = TaskTracker::new()
            .spawn(async move { gateway.serve(listener, async move { stopped.cancelled().await }).await.unwrap() });
        let mut world =
            Self { address, store, token: String::new(), ahead, stop, serving, _vitals: vitals, _folder: folder };
        world.token = world.add_token("admin", TokenRole::Admin).await;
        world
    }

    pub async fn add_token(&self, name: &str, role: TokenRole) -> String {
        let grant = TokenGrant { name: name.to_owned(), role, labs: Labs::All };
        let (secret, kept) = mint_token(grant, now()).unwrap();
        self.store.insert_token(&kept).await.unwrap();
        secret
    }

    /// Its clock goes on.
    pub fn pass(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks with a token, on a connection of its own.
    pub async fn ask(&self, method: &str, path: &str, token: &str) -> std::io::Result<Answer> {
        request(method, &self.base(), path, &[("X-Lab-Manager-Token", token)]).await
    }

    /// Somebody who behaves is answered, and soon enough for a person on a loaded computer.
    pub async fn answers_others(&self) {
        let begun = Instant::now();
        let answer = self.ask("GET", "/api/v1/stations", &self.token).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    }

    /// So many things happen, numbered on from `first`, each with a payload of so many characters.
    pub async fn happen(&self, first: usize, count: usize, length: usize) {
        let updates: Vec<_> = (first..first + count)
            .map(|number| NewUpdate {
                at: now(),
                kind: "station".to_owned(),
                host: None,
                payload: json!({ "number": number, "text": "x".repeat(length) }),
            })
            .collect();
        let mut work = self.store.begin().await.unwrap();
        work.updates().append(&updates).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Tells it to stop, and says how long that took.
    pub async fn stop(self) -> Duration {
        let begun = Instant::now();
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(60), self.serving).await.expect("it stops").unwrap();
        begun.elapsed()
    }
}
