//! A quarter of an hour of five stations in which everything happens that the handlers have to write down.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_simulator::{HeartbeatBuilder, Logoff, PowerRun, session_guard_events};
use stationkeeper_telemetry::{HostName, ObjectKey, ObjectKind};

/// `10:03:01` of the day that all tests play on.
pub fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

pub fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// What happens at an instant.
pub struct Step {
    pub at: DateTime<Utc>,
    pub what: What,
}

pub enum What {
    /// A reservation comes.
    Reserve(Reservation),
    /// Objects are put and their events delivered as one batch.
    Upload(Vec<Put>),
    /// Something that is no bucket's event is delivered.
    Stray(&'static str),
    /// The overdue check runs.
    Check,
}

pub struct Put {
    pub key: String,
    pub body: Bytes,
    pub arrives: DateTime<Utc>,
    /// How often its event is delivered with this batch; 0: it comes with the next.
    pub delivered: usize,
}

fn put(key: String, body: Vec<u8>, arrives: &str) -> Put {
    Put { key, body: body.into(), arrives: at(arrives), delivered: 1 }
}

/// `heartbeat.json`, put at its own timestamp.
fn beat(name: &str, time: &str) -> Put {
    newest(HeartbeatBuilder::new(name, at(time)), name, time)
}

fn newest(heartbeat: HeartbeatBuilder, name: &str, arrives: &str) -> Put {
    put(latest(name, ObjectKind::Heartbeat), heartbeat.bytes(), arrives)
}

fn unready(name: &str, time: &str) -> Put {
    newest(HeartbeatBuilder::new(name, at(time)).unready(["Sleep timeout is not disabled"]), name, time)
}

fn latest(name: &str, kind: ObjectKind) -> String {
    ObjectKey::latest(&host(name), kind).into_string()
}

fn spooled(name: &str, time: &str, body: Vec<u8>, arrives: &str) -> Put {
    put(ObjectKey::heartbeat_at(&host(name), at(time)).into_string(), body, arrives)
}

impl Put {
    fn delivered(mut self, times: usize) -> Self {
        self.delivered = times;
        self
    }
}

/// LAB-01 sends other bytes for one timestamp, duplicates, something hostile, and an event is late; LAB-02 is not ready for a while;
/// LAB-03 is reserved, somebody sits at it and is logged off twice; LAB-04 falls silent and comes back; LAB-05 is switched off.
pub fn steps() -> Vec<Step> {
    let step = |time, what| Step { at: at(time), what };
    let upload = |time, puts| step(time, What::Upload(puts));
    let reserved = Reservation {
        id: ReservationId("R-1".to_owned()),
        lab: Some("LAB".to_owned()),
        host: host("LAB-03"),
        start_at: at("10:12:00"),
        end_at: at("10:30:00"),
        status: ReservationStatus::Confirmed,
        who: Some("ana".to_owned()),
    };
    let first = Logoff::new(at("10:01:50"), "ana", 3);
    let second = Logoff::new(at("10:03:40"), "eva", 4);
    let occupied = |time: &str| HeartbeatBuilder::new("LAB-03", at(time)).local_session("leo");
    let variant = HeartbeatBuilder::new("LAB-01", at("10:01:00")).local_mode().bytes();
    let going = HeartbeatBuilder::new("LAB-05", at("10:01:00")).power_action(PowerRun::shutdown(at("10:00:50"), 0));
    let guarded = HeartbeatBuilder::new("LAB-03", at("10:02:00")).forced_logoff(first.clone());
    vec![
        step("10:00:00", What::Reserve(reserved)),
        upload(
            "10:00:10",
            vec![
                beat("LAB-01", "10:00:00"),
                beat("LAB-02", "10:00:00").delivered(2),
                beat("LAB-03", "10:00:00"),
                beat("LAB-04", "10:00:00"),
                put(
                    latest("LAB-01", ObjectKind::Status),
                    HeartbeatBuilder::new("LAB-01", at("10:00:00")).status_bytes(),
                    "10:00:01",
                ),
            ],
        ),
        step("10:00:20", What::Check),
        upload(
            "10:01:10",
            vec![
                beat("LAB-01", "10:01:00"),
                unready("LAB-02", "10:01:00"),
                newest(going, "LAB-05", "10:01:01"),
                put(latest("LAB-01", ObjectKind::Heartbeat), b"[\"not a heartbeat\"]".to_vec(), "10:01:05"),
            ],
        ),
        step("10:01:20", What::Stray("no event of any bucket")),
        upload(
            "10:02:10",
            vec![
                put(
                    latest("LAB-03", ObjectKind::Events),
                    session_guard_events(std::slice::from_ref(&first)),
                    "10:01:55",
                )
                .delivered(0),
                newest(guarded.clone(), "LAB-03", "10:02:00"),
                // The panel's bytes for a timestamp that the service sent too.
                put(latest("LAB-01", ObjectKind::Heartbeat), variant, "10:01:30"),
                unready("LAB-02", "10:02:00"),
                unready("LAB-02", "10:03:01").delivered(2),
            ],
        ),
        step("10:02:20", What::Check),
        step("10:03:30", What::Check),
        upload(
            "10:04:10",
            vec![
                put(
                    latest("LAB-03", ObjectKind::Events),
                    session_guard_events(&[first.clone(), second.clone()]),
                    "10:03:45",
                ),
                put(latest("LAB-03", ObjectKind::ServiceState), guarded.service_state_bytes(), "10:03:50"),
                newest(occupied("10:04:00").forced_logoff(second), "LAB-03", "10:04:00"),
                beat("LAB-01", "10:04:00"),
                beat("LAB-02", "10:04:02"),
                spooled("LAB-01", "10:01:00", HeartbeatBuilder::new("LAB-01", at("10:01:00")).bytes(), "10:04:05"),
                beat("LAB-04", "10:04:00"),
            ],
        ),
        step("10:05:30", What::Check),
        upload(
            "10:06:10",
            vec![beat("LAB-01", "10:06:00").delivered(0), newest(occupied("10:06:00"), "LAB-03", "10:06:00")],
        ),
        // LAB-02 and LAB-04 are silent; of LAB-01 the bucket has something newer, whose event is late.
        step("10:07:30", What::Check),
        // And the check is away for a while.
        upload(
            "10:13:10",
            vec![
                newest(
                    HeartbeatBuilder::new("LAB-03", at("10:13:00")).forced_logoff(Logoff::new(
                        at("10:12:30"),
                        "mia",
                        5,
                    )),
                    "LAB-03",
                    "10:13:00",
                ),
                beat("LAB-01", "10:13:00"),
                beat("LAB-02", "10:13:01"),
            ],
        ),
        step("10:13:20", What::Check),
        upload("10:23:10", vec![beat("LAB-01", "10:23:00"), beat("LAB-02", "10:23:00"), beat("LAB-03", "10:23:00")]),
        // The logoff of 10:12:30 has waited for its line for ten minutes.
        step("10:23:30", What::Check),
    ]
}
