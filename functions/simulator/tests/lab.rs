//! A lab is what telemetry.md and alerts.md say it is: same seed, same bytes; spacing, quirks, roles; alerts and silences.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_simulator::scenario::Scenario;
use stationkeeper_simulator::{Document, HeartbeatBuilder, Lab, LabPlan, Logoff, Role, TruthBeat, Upload};

fn start() -> DateTime<Utc> {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

fn lab(stations: usize, minutes: u32, seed: u64) -> Lab {
    Lab::new(LabPlan::new(stations, start(), Some(minutes), seed)).unwrap()
}

fn of_role(role: Role, minutes: u32, seed: u64) -> Lab {
    Lab::new(LabPlan { roles: Some(vec![role]), ..LabPlan::new(1, start(), Some(minutes), seed) }).unwrap()
}

/// Strips the mark and escapes raw control characters, which a strict parser refuses.
fn parsed(bytes: &[u8]) -> serde_json::Value {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").expect("BOM at byte 0")).unwrap();
    let mut clean = String::new();
    for character in text.chars() {
        if character < ' ' {
            clean.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            clean.push(character);
        }
    }
    serde_json::from_str(&clean).unwrap()
}

fn heartbeats(lab: &Lab) -> Vec<Upload> {
    lab.uploads().filter(|upload| upload.document == Document::Heartbeat).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let all = |seed| lab(14, 30, seed).files().collect::<Vec<_>>();
    assert_eq!(all(11), all(11));
    assert_ne!(all(11), all(12));
}

#[test]
fn more_stations_change_nothing_for_the_others() {
    let few: Vec<Upload> = lab(3, 45, 5).uploads().collect();
    let many: Vec<Upload> = lab(9, 45, 5).uploads().filter(|upload| upload.host.as_str() <= "LAB-WS03").collect();
    assert_eq!(few, many);
}

#[test]
fn uploads_come_in_time_order_and_within_the_lab() {
    for minutes in [10, 45, 300] {
        let lab = lab(14, minutes, 7);
        let mut before = start();
        for upload in lab.uploads() {
            assert!(
                before <= upload.at && upload.at <= lab.end(),
                "{} {:?} at {}",
                upload.host,
                upload.document,
                upload.at
            );
            before = upload.at;
        }
    }
}

#[test]
fn heartbeats_are_compact_sorted_and_name_their_station() {
    fn sorted(value: &serde_json::Value, text: &str) {
        // serde_json would sort keys itself: compare the text with what it makes of the value.
        assert_eq!(value.to_string().len(), text.len(), "no blank, no other escape");
        assert_eq!(value.to_string(), text, "keys in order of their code units");
    }
    let mut seen = 0;
    for upload in heartbeats(&lab(14, 45, 3)).iter().filter(|upload| upload.rejected.is_none()) {
        let value = parsed(&upload.bytes);
        assert_eq!(value["host"], upload.host.as_str());
        assert_eq!(value["timestamp"], upload.timestamp.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        assert_eq!(value["wake"], value["status"]["wake"]);
        assert_eq!(value["operations"], value["status"]["operations"]);
        assert_eq!(value["summary"], value["status"]["summary"]);
        let text = std::str::from_utf8(&upload.bytes[3..]).unwrap();
        // Raw control characters are the emitter's own.
        if !text.contains('\u{1b}') {
            sorted(&value, text);
            seen += 1;
        }
        assert!(upload.bytes.len() > 3500 && upload.bytes.len() < 12_000, "{}", upload.bytes.len());
    }
    assert!(seen > 300);
}

#[test]
fn beats_are_60_to_70_s_apart_and_their_status_is_5_to_12_s_older() {
    let lab = of_role(Role::Healthy, 85, 2);
    let truth: Vec<TruthBeat> = lab.truth().collect();
    let service: Vec<&TruthBeat> = truth.iter().filter(|beat| beat.snapshot.ready).collect();
    let mut minutes = BTreeSet::new();
    for pair in service.windows(2) {
        let gap = (pair[1].at - pair[0].at).num_seconds();
        assert!((53..=85).contains(&gap), "{gap}");
    }
    for beat in &service {
        let lag = (beat.snapshot.timestamp_utc - beat.snapshot.details.collected_at.unwrap()).num_seconds();
        assert!((5..=12).contains(&lag), "{lag}");
        minutes.insert(beat.at.timestamp() % 60);
    }
    assert!(minutes.len() > 20, "never aligned");
    assert!(service.len() < 85, "fewer heartbeats than minutes");
}

#[test]
fn quirks_of_single_roles() {
    let beats = |role, seed| -> Vec<serde_json::Value> {
        heartbeats(&of_role(role, 45, seed)).iter().map(|upload| parsed(&upload.bytes)).collect()
    };
    for beat in beats(Role::SpanishWindows, 1) {
        assert_eq!(beat["status"]["localSessionActive"], true);
        assert_eq!(beat["status"]["sessions"]["otherUsers"][0]["user"], "USUARIO");
        assert!(beat["status"]["power"]["sleep"]["raw"].as_str().unwrap().contains("corriente alterna"));
    }
    let stale = beats(Role::StaleLogoff, 1);
    let first = &stale[0]["operations"]["lastForcedLogoff"];
    assert_eq!(first["user"], "early.bird");
    let last = &stale[stale.len() - 1]["operations"]["lastForcedLogoff"];
    assert_eq!((&last["user"], &last["message"], &last["sessionId"]), (&true.into(), &true.into(), &true.into()));
    let invisible = |beat: &serde_json::Value| {
        let sleep = &beat["status"]["power"]["sleep"];
        sleep["raw"].as_str().unwrap().contains("0x00000e10")
            && sleep["acSeconds"] == ""
            && beat["summary"]["ready"] == true
    };
    assert!(beats(Role::SleepDrift, 1).iter().any(invisible));
    let drift = beats(Role::NicDrift, 1);
    let bad =
        drift.iter().find(|beat| beat["summary"]["issues"][0].as_str().unwrap_or("").starts_with("NIC power")).unwrap();
    assert_eq!(bad["wake"]["nicNonCompliant"][0], bad["wake"]["nicPower"][0]);
    assert!((0..20).any(|seed| beats(Role::Healthy, seed)[0]["wake"]["armedDevices"] == serde_json::json!(["NONE"])));
    let flaps = (0..20).any(|seed| {
        beats(Role::Healthy, seed).iter().any(|beat| beat["summary"]["issues"][0] == "FMU executor is not running")
    });
    assert!(flaps, "the panel is a second writer on FMU hosts");
}

#[test]
fn the_other_documents_are_what_they_should_be() {
    let files: BTreeMap<String, Vec<u8>> = lab(14, 45, 11).files().collect();
    let ini = &files["LAB-WS08/service-state.ini"];
    assert!(ini.starts_with(&[0xff, 0xfe, b'[', 0]));
    let units: Vec<u16> = ini.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units).unwrap();
    let place = |section: &str| text.find(section).unwrap();
    assert!(place("[forced-logoff]\r\n") < place("[prepare-session]\r\n"));
    assert!(place("[prepare-session]\r\n") < place("[power-action]\r\n"));
    assert!(
        text.contains("\r\nreason=end of day\r\n") && text.contains("\r\nwakeArmed=\r\n"),
        "stale keys stay: {text}"
    );
    let events = &files["LAB-WS06/session-guard-events.jsonl"];
    assert!(events.starts_with(b"\xef\xbb\xbf{\"force\":true,\"grace\":30,"));
    assert_eq!(events.iter().filter(|byte| **byte == b'\n').count(), 3);
    assert!(String::from_utf8(events.clone()).unwrap().ends_with("\"user\":\"1\"}\n"), "JSONL keeps spellings");
    let status = parsed(&files["LAB-WS01/status.json"]);
    assert_eq!((status.get("host"), status.get("version")), (None, None));
    let scenario: Scenario = serde_json::from_slice(&files["scenario.json"]).unwrap();
    let beats = files.keys().filter(|path| path.contains("/heartbeat-")).count();
    let truth = files["truth.jsonl"].iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(truth, scenario.hosts.iter().map(|host| host.heartbeats).sum::<usize>());
    assert!(truth < beats, "the hostile station's broken uploads have no truth");
}

#[test]
fn jsonl_uploads_only_grow() {
    let mut before: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut grown = 0;
    for upload in lab(14, 600, 4).uploads().filter(|upload| upload.document == Document::Events) {
        let old = before.insert(upload.host.to_string(), upload.bytes.clone()).unwrap_or_default();
        assert!(upload.bytes.starts_with(&old));
        grown += usize::from(upload.bytes.len() > old.len());
    }
    assert!(grown > 10);
}

/// Each rule of the mission has a role that must raise it, and each silence is one.
#[test]
fn roles_raise_their_alerts_and_nothing_where_silence_is_due() {
    for (minutes, seed) in [(45, 11), (30, 3), (45, 1), (60, 2), (30, 8), (60, 99)] {
        let scenario = lab(14, minutes, seed).scenario();
        let rules_of = |role: Role| -> BTreeSet<&str> {
            let host = scenario.hosts.iter().find(|host| host.role == role.as_str()).unwrap();
            let alerts = scenario.expected_alerts.iter().filter(|alert| alert.host == host.host);
            alerts.map(|alert| alert.rule.as_str()).collect()
        };
        for (role, rules) in [
            (Role::Healthy, vec![]),
            (Role::GoesDown, vec!["heartbeat_missing"]),
            (Role::UnreadyFlaps, vec!["not_ready"]),
            (Role::LocalSession, vec!["local_session_before_reservation"]),
            (Role::LocalMode, vec!["local_mode_pending_reservation"]),
            (Role::StaleLogoff, vec!["stale_forced_logoff"]),
            (Role::NicDrift, vec!["not_ready"]),
            (Role::BlockedByGuard, vec!["heartbeat_missing"]),
            (Role::SpanishWindows, vec![]),
            (Role::SleepDrift, vec!["not_ready"]),
            (Role::OrderedShutdown, vec!["heartbeat_missing"]),
            (Role::Hostile, vec![]),
            (Role::StuckLabStation, vec!["heartbeat_missing"]),
            (Role::ClockAhead, vec![]),
        ] {
            assert_eq!(rules_of(role), rules.into_iter().collect(), "{role:?}, {minutes} min, seed {seed}");
        }
        for silence in &scenario.expected_silence {
            let near = |alert: &&stationkeeper_simulator::ExpectedAlert| {
                let since = alert.opens_at - silence.at_utc;
                alert.host == silence.host && since >= TimeDelta::zero() && since < TimeDelta::minutes(4)
            };
            let alert = scenario.expected_alerts.iter().find(near);
            assert_eq!(alert, None, "{} at {}, {minutes} min, seed {seed}", silence.what, silence.at_utc);
        }
        assert_eq!(serde_json::from_str::<Scenario>(&serde_json::to_string(&scenario).unwrap()).unwrap(), scenario);
    }
}

#[test]
fn a_single_missed_heartbeat_is_missed_and_no_more() {
    for seed in 0..40 {
        let lab = of_role(Role::GoesDown, 45, seed);
        let silence = lab.scenario().expected_silence[0].at_utc;
        let truth: Vec<TruthBeat> = lab.truth().collect();
        let around = truth.windows(2).find(|pair| pair[0].at < silence && silence <= pair[1].at).unwrap();
        let gap = (around[1].at - around[0].at).num_seconds();
        assert!((80..=180).contains(&gap), "{gap} with seed {seed}");
    }
}

#[test]
fn an_endless_demo_has_every_rule_and_logoffs_that_belong_to_reservations() {
    for seed in [1, 2, 3] {
        let lab = Lab::new(LabPlan::new(12, start(), None, seed)).unwrap();
        let scenario = lab.scenario();
        let rules: BTreeSet<&str> = scenario.expected_alerts.iter().map(|alert| alert.rule.as_str()).collect();
        assert_eq!(rules.len(), 5, "{rules:?}");
        // Sampled every quarter of an hour after the first two hours: something is open now or was an hour ago.
        for quarter in 8..96 {
            let now = start() + TimeDelta::minutes(15 * quarter);
            let recent = scenario.expected_alerts.iter().filter(|alert| {
                alert.opens_at <= now && alert.resolves_at.is_none_or(|at| at > now - TimeDelta::hours(1))
            });
            assert!(recent.count() >= 3, "{now} with seed {seed}");
        }
        let linked = lab.truth_events().into_iter().filter(|event| {
            scenario.reservations.iter().any(|reservation| {
                reservation.host == event.host.as_str()
                    && event.event.timestamp < reservation.end_utc
                    && reservation.start_utc - TimeDelta::minutes(15) <= event.event.timestamp
            })
        });
        assert!(linked.count() >= 5);
        assert!(lab.uploads().take(30_000).last().unwrap().at > lab.end(), "it goes on");
        let ids: BTreeSet<&String> = scenario.reservations.iter().map(|reservation| &reservation.id).collect();
        assert_eq!(ids.len(), scenario.reservations.len());
    }
}

#[test]
fn a_clock_ahead_is_ahead_by_minutes_and_stays_so() {
    let skews: BTreeSet<i64> = heartbeats(&of_role(Role::ClockAhead, 45, 3))
        .iter()
        .map(|upload| (upload.timestamp - upload.at).num_seconds())
        .collect();
    assert_eq!(skews.len(), 1);
    assert!(skews.iter().all(|skew| (300..540).contains(skew)));
}

#[test]
fn an_ordered_shutdown_is_announced_and_a_stuck_loop_leaves_status_behind() {
    let truth: Vec<TruthBeat> = of_role(Role::OrderedShutdown, 45, 6).truth().collect();
    let gap = truth.windows(2).find(|pair| pair[1].at - pair[0].at > TimeDelta::minutes(5)).unwrap();
    let action = gap[0].snapshot.last_power_action.as_ref().unwrap();
    assert_eq!((action.mode.as_deref(), action.success), (Some("shutdown"), Some(true)));
    assert!(gap[0].at < action.timestamp.unwrap() + TimeDelta::seconds(action.delay.unwrap() + 60));
    let stuck = of_role(Role::StuckLabStation, 45, 6);
    let beats: Vec<DateTime<Utc>> = heartbeats(&stuck).iter().map(|upload| upload.at).collect();
    let silent = beats.windows(2).find(|pair| pair[1] - pair[0] > TimeDelta::minutes(5)).unwrap();
    let alive = stuck.uploads().filter(|upload| {
        upload.document == Document::Status && silent[0] < upload.at && upload.at < silent[1] - TimeDelta::minutes(1)
    });
    assert!(alive.count() >= 2);
}

#[test]
fn the_builder_writes_what_it_is_told() {
    let at = start();
    let beat = HeartbeatBuilder::new("LAB-01", at)
        .unready(["Sleep timeout is not disabled"])
        .local_session("ana")
        .local_mode()
        .forced_logoff(Logoff::new(at - TimeDelta::minutes(3), "00712", 1));
    let value = parsed(&beat.bytes());
    assert_eq!(value["summary"]["state"], "needs-action");
    assert_eq!(value["status"]["localSessionActive"], true);
    assert_eq!(value["status"]["localModeEnabled"], true);
    assert_eq!(value["operations"]["lastForcedLogoff"]["user"], 712);
    assert_eq!(value["status"]["timestamp"], "2026-11-24T07:59:51Z");
    assert_eq!(beat.snapshot().unwrap().last_forced_logoff.unwrap().user.as_deref(), Some("712"));
    assert!(HeartbeatBuilder::new("../evil", at).snapshot().is_err(), "a bad host still has bytes, but no truth");
    assert_eq!(parsed(&beat.status_bytes()), value["status"]);
}
