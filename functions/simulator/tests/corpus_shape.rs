//! The builder's bytes are the emitter's: the baseline heartbeat of the corpus, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use chrono::{DateTime, Utc};
use stationkeeper_simulator::{HeartbeatBuilder, Logoff, Operation, PowerRun, SessionRun, WakeCheck};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn the_builder_writes_the_golden_baseline() {
    let release = SessionRun { at: at("2026-11-24T07:40:00Z"), success: false, duration_ms: 2140, user: String::new() };
    let prepare =
        SessionRun { at: at("2026-11-24T08:55:00Z"), success: true, duration_ms: 4187, user: "LABUSER".to_owned() };
    let beat = HeartbeatBuilder::new("LAB-WS01", at("2026-11-24T09:00:09Z"))
        .forced_logoff(Logoff { grace: 90.0, ..Logoff::new(at("2026-11-24T08:54:10Z"), "instructor", 3) })
        .power_action(PowerRun {
            reason: Some("night".to_owned()),
            wake: WakeCheck::Ready(2),
            ..PowerRun::shutdown(at("2026-11-23T20:00:05Z"), 60)
        })
        .prepare(prepare)
        .operation(&Operation::Release(release, Some(15)))
        .operation(&Operation::SafeguardReboot {
            at: at("2026-11-20T10:00:00Z"),
            rebooted: false,
            success: true,
            reason: "healthy".to_owned(),
            message: "skipped".to_owned(),
            issues: None,
        });
    let golden = include_bytes!("baseline_heartbeat.json");
    assert_eq!(String::from_utf8_lossy(&beat.bytes()), String::from_utf8_lossy(golden));
}
