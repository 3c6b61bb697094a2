//! `up --database mysql://… --bucket s3://… --queue …`: a lab server over an S3 server and a queue that are not ours.

mod life;
mod queue;
mod unannounced;
mod webhook;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_telemetry::{ObjectKey, ObjectKind};
use stationkeeper_tests::conservation::Accepted;

use crate::harness::cloud::Cloud;
use crate::harness::now;
use crate::harness::station::{heartbeat, host, newest_key, spool_key};

/// Puts so many files of so many stations: mostly heartbeats, as the newest or from the spool; some of the other files, some that cannot be read.
async fn upload(cloud: &Cloud, stations: u32, turns: i64) -> Vec<Accepted> {
    let begun = now() - TimeDelta::hours(1);
    let mut accepted = Vec::new();
    for turn in 0..turns {
        for number in 0..stations {
            let (key, body) = file(&format!("LAB-{number:02}"), begun + TimeDelta::seconds(turn), turn);
            accepted.push(cloud.put(&key, &body).await);
        }
    }
    accepted
}

fn file(name: &str, at: DateTime<Utc>, turn: i64) -> (String, Vec<u8>) {
    let latest = |kind| ObjectKey::latest(&host(name), kind).into_string();
    match turn % 10 {
        3 => (newest_key(name), format!("{{\"half\": \"{name} {turn}").into_bytes()),
        5 => (latest(ObjectKind::Status), HeartbeatBuilder::new(name, at).status_bytes()),
        7 => {
            (latest(ObjectKind::ServiceState), format!("[power-action]\r\nmode=hibernate\r\nreason={name}\r\n").into())
        }
        2 | 8 => (spool_key(name, at), heartbeat(name, at)),
        _ => (newest_key(name), heartbeat(name, at)),
    }
}

/// The same in an order that a seed decides.
fn shuffled<T>(mut items: Vec<T>, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for place in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(place, usize::try_from(state % (place as u64 + 1)).unwrap());
    }
    items
}
