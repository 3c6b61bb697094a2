//! A session of somebody's own, running.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stationkeeper_api::Language;
use stationkeeper_tests::up::Up;
use stationkeeper_tests::waiting::now;
use stationkeeper_tray_client::{Api, Paired, Session, SessionOptions, pair};
use stationkeeper_tray_view::World;
use stationkeeper_tray_view::pairing::{Fingerprint, GatewayUrl, PairingCode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A demo needs a while for its first heartbeats on a loaded computer.
pub const LONG: Duration = Duration::from_secs(60);

pub struct Tray {
    pub session: Arc<Session>,
    world: watch::Receiver<World>,
    stop: CancellationToken,
    running: TaskTracker,
}

impl Tray {
    pub fn start(api: Api, paired: Option<Paired>) -> Self {
        let options = SessionOptions { api, person: paired.map(|paired| paired.person) };
        let (session, world) = Session::new(options, Arc::new(now));
        let (session, stop, running) = (Arc::new(session), CancellationToken::new(), TaskTracker::new());
        let (runs, stopped) = (Arc::clone(&session), stop.clone());
        running.spawn(async move { runs.run(stopped).await });
        running.close();
        Self { session, world, stop, running }
    }

    /// The world, once `is` holds of it.
    pub async fn until(&self, what: &str, is: impl Fn(&World) -> bool) -> World {
        let link = || format!("{what} (the link is {:?})", self.world.borrow().link);
        let found = tokio::time::timeout(LONG, async {
            let mut world = self.world.clone();
            world.wait_for(|world| is(world)).await.map(|world| world.clone())
        });
        found.await.unwrap_or_else(|_elapsed| panic!("{}: not within {} s", link(), LONG.as_secs())).unwrap()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.running.wait()).await.expect("it stops when it is told to");
    }
}

pub fn page(up: &Up) -> String {
    up.line["page"].as_str().unwrap().trim_end_matches('/').to_owned()
}

pub fn gateway(address: &str) -> GatewayUrl {
    address.parse().unwrap()
}

pub async fn code(up: &Up, name: &str, role: &str) -> PairingCode {
    let offered = up.post("/api/v1/pairing-codes", &json!({ "name": name, "role": role })).await;
    assert_eq!(offered.status, 201, "{}", offered.text());
    offered.json()["code"].as_str().unwrap().parse().unwrap()
}

pub async fn paired(up: &Up, name: &str, role: &str) -> Paired {
    pair(&gateway(&page(up)), &code(up, name, role).await, None).await.unwrap()
}

/// A client with the token, at this address.
pub fn api(address: &str, paired: &Paired, pinned: Option<Fingerprint>) -> Api {
    Api::new(gateway(address), Some(paired.token.clone()), pinned, Language::En).unwrap()
}
