//! normalize ∘ emit = truth, for every station of every lab; and what is broken is rejected for its reason.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use chrono::{DateTime, Utc};
use stationkeeper_simulator::{Breakage, Document, HeartbeatBuilder, Lab, LabPlan};
use stationkeeper_telemetry::{
    HostName, Limits, normalize_events, normalize_heartbeat, normalize_service_state, normalize_status,
};

fn start() -> DateTime<Utc> {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

fn labs() -> impl Iterator<Item = Lab> {
    [(14, 45, 11), (14, 30, 3), (28, 45, 77), (14, 720, 5), (14, 720, 6)]
        .into_iter()
        .map(|(stations, minutes, seed)| Lab::new(LabPlan::new(stations, start(), Some(minutes), seed)).unwrap())
}

#[test]
fn heartbeats_normalize_to_the_truth() {
    for lab in labs() {
        for emission in lab.emissions().filter(|emission| emission.upload.document == Document::Heartbeat) {
            let upload = emission.upload;
            let result = normalize_heartbeat(&upload.bytes, Some(&upload.host), upload.at, &Limits::default());
            match (emission.truth, result) {
                (Some(truth), Ok(snapshot)) => assert_eq!(snapshot, truth.snapshot, "{} at {}", upload.host, upload.at),
                (None, Err(rejection)) => {
                    assert_eq!(Some(rejection.reason.as_str()), upload.rejected, "{}", rejection.detail);
                }
                (truth, result) => panic!("{} at {}: {truth:?} became {result:?}", upload.host, upload.at),
            }
        }
    }
}

#[test]
fn each_breakage_is_rejected_for_its_reason() {
    let host = HostName::parse("LAB-01").unwrap();
    let bytes = HeartbeatBuilder::new("LAB-01", start()).bytes();
    for breakage in Breakage::ALL {
        let broken = breakage.apply(&bytes, "LAB-01");
        let rejection = normalize_heartbeat(&broken, Some(&host), start(), &Limits::default()).unwrap_err();
        assert_eq!(rejection.reason.as_str(), breakage.reason(), "{breakage:?}: {}", rejection.detail);
    }
}

#[test]
fn status_documents_are_readable() {
    for lab in labs() {
        for upload in lab.uploads().filter(|upload| upload.document == Document::Status) {
            normalize_status(&upload.bytes, &upload.host, upload.at, &Limits::default()).unwrap();
        }
    }
}

#[test]
fn event_lines_normalize_to_the_truth() {
    for lab in labs() {
        let truth = lab.truth_events();
        let mut last = std::collections::BTreeMap::new();
        for upload in lab.uploads().filter(|upload| upload.document == Document::Events) {
            last.insert(upload.host, upload.bytes);
        }
        for (host, bytes) in last {
            let events = normalize_events(&bytes, &Limits::default(), 1).unwrap();
            let own: Vec<_> =
                truth.iter().filter(|event| event.host == host).map(|event| event.event.clone()).collect();
            assert_eq!(events.events, own);
            assert_eq!(events.rejected_lines, []);
        }
    }
}

/// The INI keeps spellings, so that what it says is the JSONL's where both know of one logoff.
#[test]
fn the_ini_names_whom_the_jsonl_names() {
    for lab in labs() {
        let truth = lab.truth_events();
        let mut compared = 0;
        for upload in lab.uploads().filter(|upload| upload.document == Document::ServiceState) {
            let state = normalize_service_state(&upload.bytes, &Limits::default()).unwrap();
            let Some(logoff) = state.last_forced_logoff else { continue };
            let known = truth.iter().find(|event| {
                event.host == upload.host
                    && Some(event.event.timestamp) == logoff.timestamp
                    && event.event.session_id == logoff.session_id
            });
            if let Some(event) = known {
                assert_eq!((&logoff.user, &logoff.message), (&event.event.user, &event.event.message));
                compared += 1;
            }
        }
        assert!(compared > 0);
    }
}
