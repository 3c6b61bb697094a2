//! The promises, each a function of a store.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_rules::{Latest, StationState, StationWord};
use stationkeeper_store::{NewHeartbeat, Store};
use stationkeeper_telemetry::{Details, HostName, Snapshot};

pub mod actions;
pub mod alerts;
pub mod catalog;
pub mod connections;
pub mod deciding;
pub mod history;
pub mod keys;
pub mod operations;
pub mod outbox;
pub mod people;
pub mod requests;
pub mod sources;
pub mod standing;
pub mod stations;
pub mod trail;
pub mod work;

pub fn host(name: &str) -> HostName {
    HostName::parse(name).expect("a host")
}

/// Seconds after the beginning of the test's day.
pub fn at(seconds: i64) -> DateTime<Utc> {
    "2026-11-24T08:00:00Z".parse::<DateTime<Utc>>().expect("an instant") + TimeDelta::seconds(seconds)
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn snapshot(name: &str, timestamp_utc: DateTime<Utc>) -> Snapshot {
    Snapshot {
        host: host(name),
        timestamp_utc,
        ready: true,
        state: Some("ready".to_owned()),
        issues: Vec::new(),
        local_session_active: Some(false),
        local_mode_enabled: None,
        nics: None,
        nic_issue_count: Some(0),
        sleep_compliant: Some(true),
        hibernate_compliant: None,
        last_prepare: None,
        last_release: None,
        last_forced_logoff: None,
        last_power_action: None,
        last_safeguard_reboot: None,
        details: Details::default(),
    }
}

/// A heartbeat that arrived a second after its timestamp and was stored a second later.
pub fn heartbeat<'a>(snapshot: &'a Snapshot, raw: &'a [u8]) -> NewHeartbeat<'a> {
    let arrived_at = snapshot.timestamp_utc + TimeDelta::seconds(1);
    NewHeartbeat {
        snapshot,
        raw,
        sha256: sha256(raw),
        first_arrived_at: arrived_at,
        arrived_at,
        ingested_at: arrived_at + TimeDelta::seconds(1),
        reservation_id: None,
    }
}

pub fn heard(name: &str, timestamp: DateTime<Utc>, word: StationWord) -> StationState {
    StationState {
        latest: Some(Latest {
            snapshot: snapshot(name, timestamp),
            first_arrived_at: timestamp + TimeDelta::seconds(1),
        }),
        word,
        word_cause: None,
        ..StationState::unheard(host(name), timestamp)
    }
}

/// Stations with these states.
pub async fn with_stations(store: &Store, states: &[StationState]) {
    let hosts: Vec<HostName> = states.iter().map(|state| state.host.clone()).collect();
    let mut work = store.begin().await.expect("begins");
    work.states().ensure(&hosts, at(0)).await.expect("ensures");
    work.states().save(states).await.expect("saves");
    work.commit().await.expect("commits");
}

/// The whole chain of an error, as an operator reads it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
