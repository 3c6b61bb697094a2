//! Stations that upload whatever happens to the server: one PUT after the other each, over a connection that is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_telemetry::{ObjectKey, ObjectKind};
use stationkeeper_tests::station::{host, newest_key, spool_key};
use stationkeeper_tests::up::Access;
use stationkeeper_tests::waiting::now;
use tokio::task::JoinSet;

use crate::ledger::{Becomes, Ledger};

/// A client that asks once and waits long: what it is not told is not known.
pub fn client(access: &Access) -> Client {
    let patient = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(120))
        .build();
    let bucket = access.sdk();
    let config = bucket.client().config().to_builder();
    Client::from_conf(config.retry_config(RetryConfig::disabled()).timeout_config(patient).build())
}

/// Stations at work; they stop with [`end`](Self::end).
pub struct Load {
    stop: Arc<AtomicBool>,
    stations: JoinSet<()>,
}

impl Load {
    /// So many uploads in a second, each station one.
    pub fn begin(access: &Access, ledger: &Ledger, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut stations = JoinSet::new();
        let client = client(access);
        let begun = now() - TimeDelta::hours(3);
        for number in 0..per_second {
            let station = Station::numbered(number, &client, access, ledger, begun);
            let stop = stop.clone();
            stations.spawn(async move {
                // Not all in the same instant.
                tokio::time::sleep(Duration::from_secs(1) * number / per_second.max(1)).await;
                let mut every = tokio::time::interval(Duration::from_secs(1));
                every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                let mut turn = i64::from(number % 7);
                while !stop.load(Ordering::SeqCst) {
                    every.tick().await;
                    station.upload(turn).await;
                    turn += 1;
                }
            });
        }
        Self { stop, stations }
    }

    /// Lets each finish its PUT.
    pub async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.stations.join_all().await;
    }
}

/// One station of a load.
pub struct Station {
    pub name: String,
    pub client: Client,
    pub bucket: String,
    pub ledger: Ledger,
    /// The timestamp of turn 0; each turn is a second later.
    pub begun: DateTime<Utc>,
}

impl Station {
    fn numbered(number: u32, client: &Client, access: &Access, ledger: &Ledger, begun: DateTime<Utc>) -> Self {
        Self {
            name: format!("LAB-{number:03}"),
            client: client.clone(),
            bucket: access.bucket.clone(),
            ledger: ledger.clone(),
            begun,
        }
    }

    /// The file of a turn: mostly a heartbeat, as the newest or from the spool; now and then one that cannot be read, or one of the others.
    pub fn file(&self, turn: i64) -> (Becomes, String, Vec<u8>) {
        let at = self.begun + TimeDelta::seconds(turn);
        let heartbeat = HeartbeatBuilder::new(&self.name, at);
        let latest = |kind| ObjectKey::latest(&host(&self.name), kind).into_string();
        match turn % 20 {
            7 => (
                Becomes::Quarantine,
                newest_key(&self.name),
                format!("{{\"half\": \"{} {turn}", self.name).into_bytes(),
            ),
            11 => (Becomes::State, latest(ObjectKind::Status), heartbeat.status_bytes()),
            13 => (Becomes::State, latest(ObjectKind::ServiceState), service_state(&self.name, at)),
            5 | 10 | 15 => (Becomes::History, spool_key(&self.name, at), heartbeat.bytes()),
            _ => (Becomes::History, newest_key(&self.name), heartbeat.bytes()),
        }
    }

    /// Puts the file of a turn, and writes down what became of it. Whether it was answered.
    pub async fn upload(&self, turn: i64) -> bool {
        let (becomes, key, body) = self.file(turn);
        let place = self.ledger.sends(becomes, &key, &body);
        let put = self.client.put_object().bucket(&self.bucket).key(&key).body(ByteStream::from(body)).send().await;
        let version = put.ok().and_then(|put| put.version_id);
        if let Some(version) = &version {
            self.ledger.answered(place, version);
        }
        version.is_some()
    }
}

/// A `service-state.ini` after a shutdown.
fn service_state(name: &str, at: DateTime<Utc>) -> Vec<u8> {
    let at = at.format("%Y-%m-%dT%H:%M:%SZ");
    format!("[power-action]\r\nmode=hibernate\r\nreason={name}\r\nsuccess=1\r\ntimestamp={at}\r\n").into_bytes()
}

/// Uploads so many turns of so many stations, all of which must be answered.
pub async fn upload_all(access: &Access, ledger: &Ledger, stations: u32, turns: std::ops::Range<i64>) {
    let client = client(access);
    let begun = now() - TimeDelta::hours(3);
    let mut uploads = JoinSet::new();
    for number in 0..stations {
        let station = Station::numbered(number, &client, access, ledger, begun);
        let turns = turns.clone();
        uploads.spawn(async move {
            for turn in turns {
                assert!(station.upload(turn).await, "an upload of {} was not answered", station.name);
            }
        });
    }
    uploads.join_all().await;
}

/// Small numbers in an order that a seed decides (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// A time shorter than this many milliseconds.
    pub fn time(&mut self, below_ms: u64) -> Duration {
        Duration::from_millis(self.below(below_ms))
    }
}
