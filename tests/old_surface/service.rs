//! The gateway in the older service's place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use stationkeeper_simulator::Role;
use stationkeeper_tests::http::{self, Answer};
use stationkeeper_tests::programs::{Running, command};
use stationkeeper_tests::simulated_stations::{PASSWORD, SimulatedStations, USER};
use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::until;
use tempfile::TempDir;

/// By which a proxy vouches for its callers.
pub const SECRET: &str = "s3cret";
/// Of the stations' logins.
pub const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
/// The speed of the stations' day where nothing but the first heartbeat is waited for.
const SPEED: f64 = 20.0;
/// Where several are: a station whose clock is minutes ahead is not believed.
const SLOWER: f64 = 8.0;
const STARTING: Duration = Duration::from_secs(60);
const SHOWN: Duration = Duration::from_secs(60);

/// A gateway, its files, and its stations.
pub struct Service {
    /// As a client reaches it.
    pub up: Up,
    /// The stations that answer.
    pub lab: SimulatedStations,
    folder: TempDir,
}

impl Service {
    /// With one station that answers, `lab-ws-01` of the laboratories 7 and optics, and others that do not: see [`others`].
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// As [`start`](Self::start), with more variables.
    pub async fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::at_speed(SPEED, environment).await
    }

    /// As [`start_with`](Self::start_with), with a station whose heartbeats are believed for longer.
    pub async fn start_slower_with(environment: &[(&str, &str)]) -> Self {
        Self::at_speed(SLOWER, environment).await
    }

    async fn at_speed(speed: f64, environment: &[(&str, &str)]) -> Self {
        let lab = SimulatedStations::start(&[Role::Idle], speed).await;
        let pin = hex::encode(lab.stations.certificate(&lab.host(0)).expect("a certificate").sha256);
        let mac = lab.mac(0).map(|byte| format!("{byte:02x}")).join(":");
        let mut hosts = vec![json!({
            "name": lab.host(0).as_str().to_lowercase(), "address": lab.address(0).to_string(), "mac": mac,
            "credential_ref": "Lab-7", "winrm_transport": "ntlm", "winrm_use_ssl": true, "winrm_port": 5986,
            "labs": ["7", "optics"], "certificate_sha256": pin,
        })];
        hosts.extend(others());
        Self::of(lab, &hosts, environment).await
    }

    /// With these hosts.
    pub async fn of(lab: SimulatedStations, hosts: &[Value], environment: &[(&str, &str)]) -> Self {
        let folder = data_folder();
        let files = Files::below(folder.path());
        std::fs::write(&files.base, json!({ "hosts": hosts }).to_string()).expect("a file");
        let up = launch(&files, environment);
        let up = Up::answering(up, &files.data, STARTING);
        let service = Self { up, lab, folder };
        // Its first round of upkeep is done.
        until("a gateway that is well", SHOWN, async || {
            (service.send("GET", "/health", &[], b"").await.status == 200).then_some(())
        })
        .await;
        service
    }

    /// Its files.
    pub fn files(&self) -> Files {
        Files::below(self.folder.path())
    }

    /// The name of the station that answers, as its file has it.
    pub fn host(&self) -> String {
        self.lab.host(0).as_str().to_lowercase()
    }

    /// Sends a request as it is.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let page = self.up.line["page"].as_str().expect("an address");
        http::send(method, page, path, headers, body).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Asks as the proxy does.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("X-Ops-Internal-Token", SECRET)], b"").await
    }

    /// Sends JSON as the proxy does.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("X-Ops-Internal-Token", SECRET)], body.to_string().as_bytes()).await
    }

    /// Stores the login of the station that answers.
    pub async fn log_in(&self) {
        let login = json!({ "credentialRef": "LAB-7", "user": USER, "password": PASSWORD });
        let saved = self.post("/api/hosts/winrm-credentials", &login).await;
        assert_eq!(saved.status, 200, "{}", saved.text());
    }

    /// Once the station has written a heartbeat.
    pub async fn until_heartbeat(&self) {
        until("a heartbeat on the station", SHOWN, async || {
            let polled = self.post("/api/heartbeat/poll", &json!({ "host": self.host() })).await;
            (polled.status == 200).then_some(())
        })
        .await;
    }

    /// Commands of Lab Station that the station was given.
    pub fn given(&self) -> Vec<String> {
        let host = self.lab.host(0);
        let given = self.lab.stations.with_lab(|lab, _| lab.given(&host));
        given.into_iter().filter_map(|one| Some(one.line.split_once("LabStation.exe ")?.1.to_owned())).collect()
    }

    /// Ends it.
    pub async fn stop(self) {
        let log = self.up.program.log();
        for secret in [PASSWORD, SECRET, KEY] {
            assert!(!log.contains(secret), "a secret is in the log");
        }
        self.up.terminate();
        self.lab.stop().await;
    }
}

/// Hosts that do not answer: one with an adapter, one without, and one of which nobody knows how to log in.
pub fn others() -> Vec<Value> {
    vec![
        json!({ "name": "Lab-Off", "address": "127.0.250.1", "mac": "00:1A:2B:3C:4D:5E", "labs": ["8"], "winrm_use_ssl": true, "winrm_port": 5986, "credential_ref": "lab-7" }),
        json!({ "name": "lab-nomac", "address": "127.0.250.2", "labs": "9, 10", "winrm_use_ssl": "yes", "winrm_port": "5986", "credential_ref": "lab-7" }),
        json!({ "name": "lab-nologin", "address": "127.0.250.3", "mac": "00:1A:2B:3C:4D:5F", "labs": [7], "mode": "hybrid" }),
        json!({ "name": "lab-outside", "address": "192.0.2.1" }),
        json!({ "name": "lab-plain", "address": "127.0.250.4", "winrm_use_ssl": false, "winrm_port": 5985 }),
    ]
}

/// Where the files of a service are.
pub struct Files {
    /// Its data folder.
    pub data: PathBuf,
    /// `OPS_CONFIG`.
    pub base: PathBuf,
    /// `OPS_DYNAMIC_CONFIG`.
    pub overlay: PathBuf,
    /// `OPS_CREDENTIALS_PATH`.
    pub credentials: PathBuf,
}

impl Files {
    /// Below a folder.
    pub fn below(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            base: folder.join("hosts.json"),
            overlay: folder.join("ops-data").join("hosts.json"),
            credentials: folder.join("ops-data").join("winrm-credentials.json"),
        }
    }
}

/// Starts it with the older service's variables. One that is given as nothing is not set.
pub fn launch(files: &Files, environment: &[(&str, &str)]) -> Running {
    let mut gateway = command("stationkeeper");
    gateway.args(["gateway", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&files.data);
    gateway.envs([
        ("OPS_INTERNAL_AUTH_TOKEN", SECRET),
        ("OPS_SECRETS_KEY", KEY),
        ("WINRM_MANAGEMENT_CIDRS", "127.0.0.0/16"),
    ]);
    gateway.envs([
        ("OPS_CONFIG", &files.base),
        ("OPS_DYNAMIC_CONFIG", &files.overlay),
        ("OPS_CREDENTIALS_PATH", &files.credentials),
    ]);
    for (name, value) in environment {
        match value.is_empty() {
            true => gateway.env_remove(name),
            false => gateway.env(name, value),
        };
    }
    Running::start(gateway, "stationkeeper gateway", &files.data.with_extension("log"))
}
