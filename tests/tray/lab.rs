//! A gateway with stations that send what a test says, every two seconds; and the real demo, at many times its speed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use stationkeeper_rules::{AlertSettings, Settings};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_store::{CatalogEntry, HostStatus};
use stationkeeper_tests::http::request;
use stationkeeper_tests::station::{host, newest_key, written};
use stationkeeper_tests::up::{Access, Up, data_folder};
use stationkeeper_tests::waiting::{now, until};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::window::LONG;

/// What a station says of itself.
pub type Says = fn(HeartbeatBuilder) -> HeartbeatBuilder;

/// All is well.
pub const READY: Says = |beat| beat;
/// A reason that a person sees.
pub const UNREADY: Says = |beat| beat.unready(["Sleep timeout is not disabled"]);

/// See the module.
pub struct Lab {
    pub up: Up,
    says: Arc<Mutex<BTreeMap<String, Says>>>,
    _stop: DropGuard,
    _tasks: TaskTracker,
    folder: TempDir,
}

impl Lab {
    /// Stations of one laboratory, all ready.
    pub async fn of(hosts: &[&str]) -> Self {
        Self::of_labs(&hosts.iter().map(|host| (*host, "Redes")).collect::<Vec<_>>(), &[]).await
    }

    /// Stations with their laboratories, all ready; `up` with more arguments.
    pub async fn of_labs(stations: &[(&str, &str)], arguments: &[&str]) -> Self {
        let folder = data_folder();
        let up = Up::start_with(&folder.path().join("data"), arguments, LONG);
        let entries: Vec<_> = stations
            .iter()
            .map(|(name, lab)| CatalogEntry {
                host: host(name),
                lab: Some((*lab).to_owned()),
                address: None,
                mac: None,
                status: HostStatus::Active,
                created_at: now(),
            })
            .collect();
        let store = up.store().await;
        let mut work = store.begin().await.unwrap();
        work.states().save_catalog(&entries).await.unwrap();
        work.commit().await.unwrap();
        // A station that is silent for ten seconds is missed; enough for a computer that has other work, too.
        let alerts = AlertSettings { interval_seconds: 5, missing_after_intervals: 2, ..AlertSettings::default() };
        store.apply_settings(&Settings { alerts, ..Settings::default() }).await.unwrap();
        store.close().await;
        let lab = Self::feeding(up, folder);
        lab.set(stations.iter().map(|(name, _)| (*name, Some(READY))));
        for (name, _) in stations {
            lab.until_is(name, "ready").await;
        }
        lab
    }

    /// The demo of so many stations, ten times as fast as the day.
    pub fn demo(stations: usize) -> Self {
        let folder = data_folder();
        let (count, data) = (stations.to_string(), folder.path().join("data"));
        let up = Up::start_with(&data, &["--demo", &count, "--speed", "10"], LONG);
        Self::feeding(up, folder)
    }

    fn feeding(up: Up, folder: TempDir) -> Self {
        let says: Arc<Mutex<BTreeMap<String, Says>>> = Arc::default();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(feed(up.access.clone(), Arc::clone(&says))));
        Self { up, says, _stop: stop.drop_guard(), _tasks: tasks, folder }
    }

    /// Where it is.
    pub fn page(&self) -> &str {
        self.up.line["page"].as_str().unwrap().trim_end_matches('/')
    }

    /// From now on these stations say this; none: nothing.
    pub fn set<'a>(&self, stations: impl IntoIterator<Item = (&'a str, Option<Says>)>) {
        let mut all = self.says.lock().unwrap();
        for (name, says) in stations {
            match says {
                Some(says) => all.insert(name.to_owned(), says),
                None => all.remove(name),
            };
        }
    }

    /// A station says this at once, and from now on.
    pub async fn says(&self, name: &str, says: Says) {
        self.set([(name, Some(says))]);
        put(&self.up.access, name, says).await.unwrap();
    }

    /// Waits until the gateway has this word for a station.
    pub async fn until_is(&self, name: &str, state: &str) {
        self.up.station(name, LONG, |station| station["state"] == state).await;
    }

    /// A reservation that begins so many minutes from now.
    pub async fn reserve(&self, id: &str, name: &str, minutes: i64) {
        let start = now() + TimeDelta::minutes(minutes);
        let end = start + TimeDelta::minutes(20);
        let body = json!({ "host": name, "start_at": written(start), "end_at": written(end) });
        let answer = self.call("PUT", &format!("/api/v1/reservations/{id}"), &body).await;
        assert!(answer.status < 300, "{}", answer.text());
    }

    /// Shuts a station of the demo down, by a command of Lab Station.
    pub async fn switch_off(&self, name: &str) {
        let body = json!({ "host": name, "command": "power", "args": ["shutdown"] });
        let answer = self.call("POST", "/api/winrm", &body).await;
        assert!(answer.status < 300, "{}", answer.text());
    }

    /// An operator's answer to a request.
    pub async fn answer(&self, id: &str, granted: bool) {
        let answer = self.call("POST", &format!("/api/v1/requests/{id}/answer"), &json!({ "granted": granted })).await;
        assert!(answer.status < 300, "{}", answer.text());
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> stationkeeper_tests::http::Answer {
        let token = format!("Bearer {}", self.up.token());
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        stationkeeper_tests::http::send(method, self.page(), path, &[("Authorization", &token)], &body).await.unwrap()
    }

    /// Waits until a list of the gateway has a row that is so.
    pub async fn until_row(&self, what: &str, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(what, LONG, async || self.up.all(path).await.into_iter().find(|row| is(row))).await
    }

    /// Withdraws the access of the app.
    pub async fn revoke(&self) {
        let tokens = self.up.all("/api/v1/tokens").await;
        let id = tokens.iter().find(|token| token["name"] == "tray of Ana").unwrap()["id"].as_str().unwrap().to_owned();
        let token = format!("Bearer {}", self.up.token());
        let path = format!("/api/v1/tokens/{id}");
        let answer = request("DELETE", self.page(), &path, &[("Authorization", &token)]).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// A folder of Lab Station for the PC that the app runs on.
    pub fn lab_station(&self) -> PathBuf {
        let folder = self.folder.path().join("LabStation");
        std::fs::create_dir_all(folder.join("telemetry")).unwrap();
        folder
    }
}

/// A pairing code, for somebody called “tray of Ana”.
pub async fn code(up: &Up, role: &str) -> String {
    let offered = up.post("/api/v1/pairing-codes", &json!({ "name": "tray of Ana", "role": role })).await;
    assert_eq!(offered.status, 201, "{}", offered.text());
    offered.json()["code"].as_str().unwrap().to_owned()
}

/// Writes this PC's own heartbeat, as Lab Station does: another file takes its place.
pub fn write_own(folder: &Path, name: &str, says: Says) {
    replace_own(folder, &says(HeartbeatBuilder::new(name, now())).bytes());
}

/// Writes this as this PC's own heartbeat.
pub fn replace_own(folder: &Path, bytes: &[u8]) {
    let (beside, file) = (folder.join("telemetry/heartbeat.tmp"), own_file(folder));
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

/// Where Lab Station writes it.
pub fn own_file(folder: &Path) -> PathBuf {
    folder.join("telemetry/heartbeat.json")
}

async fn put(access: &Access, name: &str, says: Says) -> Result<(), String> {
    access.put(&newest_key(name), says(HeartbeatBuilder::new(name, now())).bytes()).await
}

async fn feed(access: Access, says: Arc<Mutex<BTreeMap<String, Says>>>) {
    loop {
        let all: Vec<_> = says.lock().unwrap().iter().map(|(name, says)| (name.clone(), *says)).collect();
        for (name, says) in all {
            // A gateway that a test ended takes none.
            let _ = put(&access, &name, says).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
