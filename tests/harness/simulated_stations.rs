//! Simulated stations that answer on loopback, and pywinrm to command them; see winrm_client.py.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use stationkeeper::stations::{Account, Options, Stations};
use stationkeeper::up::scaled_clock::ScaledClock;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_simulator::{Document, Lab, LabPlan, Power, Role, Upload};
use stationkeeper_telemetry::HostName;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::mail_server::script;
use crate::programs::with_input;

/// Who commands them.
pub const USER: &str = "labadmin";
/// Its password; a colon and letters beyond ASCII are allowed in one.
pub const PASSWORD: &str = "Contraseña: 1";

/// A lab on its way.
pub struct SimulatedStations {
    /// What answers.
    pub stations: Stations,
    /// Its time.
    pub clock: ScaledClock,
    uploads: Arc<Mutex<Vec<Upload>>>,
    folder: TempDir,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl SimulatedStations {
    /// One station a role, at so many times the speed of the day.
    ///
    /// # Panics
    /// Where loopback has no room.
    pub async fn start(roles: &[Role], speed: f64) -> Self {
        let clock = ScaledClock::starting_now(speed);
        let plan = LabPlan { roles: Some(roles.to_vec()), ..LabPlan::new(roles.len(), clock.now(), None, 7) };
        let lab = Lab::new(plan).expect("names of stations").emissions().live();
        let account = Account { user: USER.to_owned(), password: PASSWORD.to_owned() };
        let options = Options { account, basic: true, wake_port: 0 };
        let stations = Stations::open(lab, clock, options).await.expect("loopback has room");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        stations.serve(&tasks, &stop);
        let uploads = Arc::new(Mutex::new(Vec::new()));
        let (from, to, stopped) = (stations.clone(), uploads.clone(), stop.clone());
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    new = from.uploads() => to.lock().unwrap_or_else(PoisonError::into_inner).extend(new),
                }
            }
        });
        Self { stations, clock, uploads, folder: TempDir::new().expect("a temporary folder"), tasks, stop }
    }

    /// The n-th station.
    ///
    /// # Panics
    /// Where there are not so many.
    pub fn host(&self, place: usize) -> HostName {
        self.stations.addresses().nth(place).expect("a station").0.clone()
    }

    /// Where it answers.
    ///
    /// # Panics
    /// Where there are not so many.
    pub fn address(&self, place: usize) -> SocketAddr {
        self.stations.addresses().nth(place).expect("a station").1
    }

    /// What its PC is doing.
    pub fn power(&self, place: usize) -> Power {
        let host = self.host(place);
        self.stations.with_lab(|lab, now| lab.power(&host, now)).expect("a station")
    }

    /// The address of its adapter.
    ///
    /// # Panics
    /// Where it has none.
    pub fn mac(&self, place: usize) -> [u8; 6] {
        let host = self.host(place);
        let text = self.stations.with_lab(|lab, _| lab.mac(&host).map(str::to_owned)).expect("an adapter");
        let bytes: Vec<u8> = text.split('-').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
        bytes.try_into().expect("six bytes")
    }

    /// Heartbeats of a station so far.
    pub fn heartbeats(&self, place: usize) -> Vec<Value> {
        let host = self.host(place);
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let beats = uploads.iter().filter(|upload| upload.host == host && upload.document == Document::Heartbeat);
        beats.filter_map(|upload| serde_json::from_slice(&upload.bytes[3..]).ok()).collect()
    }

    /// A file with the certificate of a station.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn certificate(&self, place: usize) -> PathBuf {
        let host = self.host(place);
        let path = self.folder.path().join(format!("{host}.pem"));
        let certificate = self.stations.certificate(&host).expect("a certificate");
        std::fs::write(&path, &certificate.pem).expect("a file");
        path
    }

    /// pywinrm, with the right password by NTLM.
    pub fn client(&self, place: usize) -> WinRmClient {
        WinRmClient {
            address: self.address(place),
            password: PASSWORD.to_owned(),
            transport: "ntlm",
            trust: None,
            wait: 20,
            patience: 30,
        }
    }

    /// Ends it.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// pywinrm and how it comes.
#[derive(Debug, Clone)]
pub struct WinRmClient {
    /// Where the station answers.
    pub address: SocketAddr,
    /// What it says.
    pub password: String,
    /// In its words: `ntlm`, `basic`.
    pub transport: &'static str,
    /// The certificates that it trusts; none: all.
    pub trust: Option<PathBuf>,
    /// Seconds that the station may let it wait for output.
    pub wait: u32,
    /// Seconds after which it gives up.
    pub patience: u32,
}

/// What a job came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The exit code.
    pub exit_code: i64,
    /// Standard output, byte for byte.
    pub out: Vec<u8>,
    /// Standard error, byte for byte.
    pub err: Vec<u8>,
    /// How long it took.
    pub seconds: f64,
}

impl Said {
    /// Standard output, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// A command line.
pub fn cmd(line: &str) -> Value {
    json!({ "do": "cmd", "command": line })
}

/// A script of PowerShell.
pub fn ps(script: &str) -> Value {
    json!({ "do": "ps", "script": script })
}

/// A command of Lab Station.
pub fn lab_station(arguments: &str) -> Value {
    cmd(&format!(r"C:\LabStation\LabStation.exe {arguments}"))
}

impl WinRmClient {
    /// Does one job after another, each with a login of its own. An error is the name of pywinrm's exception.
    ///
    /// # Panics
    /// Where pywinrm does not run.
    pub async fn run(&self, jobs: Vec<Value>) -> Vec<Result<Said, String>> {
        let asked = json!({
            "endpoint": format!("https://{}/wsman", self.address),
            "user": USER,
            "password": self.password,
            "transport": self.transport,
            "trust": self.trust,
            "wait": self.wait,
            "patience": self.patience,
            "jobs": jobs,
        });
        let mut command = script("winrm_client.py");
        command.env("NO_PROXY", "*");
        let input = asked.to_string().into_bytes();
        let output = tokio::task::spawn_blocking(move || with_input(command, &input)).await.expect("it ends");
        assert!(output.status.success(), "pywinrm: {}", String::from_utf8_lossy(&output.stderr));
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list of answers");
        answers.iter().map(said).collect()
    }

    /// One job.
    ///
    /// # Panics
    /// Where pywinrm does not run.
    pub async fn one(&self, job: Value) -> Result<Said, String> {
        self.run(vec![job]).await.remove(0)
    }
}

fn said(answer: &Value) -> Result<Said, String> {
    if let Some(error) = answer["error"].as_str() {
        return Err(format!("{error}: {}", answer["message"].as_str().unwrap_or_default()));
    }
    Ok(Said {
        exit_code: answer["exit_code"].as_i64().expect("an exit code"),
        out: base64(&answer["out"]),
        err: base64(&answer["err"]),
        seconds: answer["seconds"].as_f64().expect("a number"),
    })
}

fn base64(value: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(value.as_str().expect("text")).expect("base64")
}
