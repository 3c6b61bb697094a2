use serde_json::json;

use super::*;
use crate::testing::{Stage, at, more_time as asked, reservation, station};
use crate::{LocalCard, Role};

fn at_the_station(now: &str) -> Stage {
    let mut stage = Stage::of(now, vec![station("LAB-WS04", "Redes", "attention")]);
    stage.is_on("LAB-WS04");
    stage.world.reservations = vec![reservation("R-2042", "LAB-WS04", "10:50:00", "12:20:00")];
    stage
}

fn card(stage: &Stage) -> OwnCard {
    OwnCard::of(&stage.scene()).unwrap()
}

#[test]
fn the_countdown_says_when_the_session_starts_and_when_one_is_asked_to_leave() {
    let stage = at_the_station("10:42:18");
    let coming = card(&stage).countdown.unwrap();
    assert_eq!((coming.starts_in.as_str(), coming.leave_in.as_str()), ("7:42", "4:12"));
    assert_eq!(coming.text, "R-2042, 10:50 to 12:20. You will be asked to leave at 10:46.");
    let coming = card(&at_the_station("10:48:00")).countdown.unwrap();
    assert_eq!((coming.starts_in.as_str(), coming.leave_in.as_str()), ("2:00", "0:00"));
    assert_eq!(coming.text, "R-2042, 10:50 to 12:20. Save your work and leave now.");

    let mut alone = at_the_station("10:42:18");
    alone.local.as_mut().unwrap().snapshot.local_session_active = Some(false);
    assert_eq!(card(&alone).countdown.unwrap().text, "R-2042, 10:50 to 12:20. Nobody is logged on here.");
}

/// Statement 68.
#[test]
fn more_time_is_offered_asked_granted_and_refused() {
    for (request, more) in [
        (None, "offer"),
        (
            Some(("asked", json!({ "expires_at": "2026-11-24T10:46:00Z" }))),
            "Asked 1 min ago; an operator decides. Until then the session starts as planned.",
        ),
        (
            Some(("asked", json!({ "expires_at": "2026-11-24T10:42:00Z" }))),
            "Nobody answered in time: the session starts as planned.",
        ),
        (Some(("granted", json!({ "until": "2026-11-24T10:52:00Z" }))), "You may stay until 10:52."),
        (
            Some(("granted", json!({ "until": "2026-11-24T10:52:00Z", "answered_by": "luis" }))),
            "You may stay until 10:52, says luis.",
        ),
        (Some(("refused", json!({ "answered_by": "luis" }))), "luis did not agree: the session starts as planned."),
        (
            Some(("refused", json!({ "answered_by": "luis", "note": "the class waits" }))),
            "luis did not agree: the session starts as planned. (the class waits)",
        ),
        (Some(("expired", json!({}))), "Nobody answered in time: the session starts as planned."),
        // Used up: more can be asked for.
        (Some(("granted", json!({ "until": "2026-11-24T10:42:00Z" }))), "offer"),
        (Some(("ended", json!({}))), "offer"),
    ] {
        let mut stage = at_the_station("10:42:18");
        stage.world.requests =
            request.iter().map(|(state, details)| asked("1", "LAB-WS04", "R-2042", state, details.clone())).collect();
        let shown = match card(&stage).more_time.unwrap() {
            MoreTime::Offer { off: None, .. } => "offer".to_owned(),
            MoreTime::Offer { off: Some(off), .. } => off,
            MoreTime::Asked(text) | MoreTime::Granted(text) | MoreTime::Refused(text) | MoreTime::Expired(text) => text,
        };
        assert_eq!(shown, more, "{request:?}");
    }
}

#[test]
fn a_grant_moves_the_time_of_leaving_and_those_of_other_reservations_do_not() {
    let mut stage = at_the_station("10:42:18");
    for (reservation, state, until, leaves) in [
        ("R-2042", "granted", "10:52:00", "10:52:00"),
        ("R-2042", "granted", "10:40:00", "10:46:30"),
        ("R-2042", "asked", "10:52:00", "10:46:30"),
        ("R-1", "granted", "10:52:00", "10:46:30"),
    ] {
        let until = json!({ "until": format!("2026-11-24T{until}Z") });
        stage.world.requests = vec![asked("1", "LAB-WS04", reservation, state, until)];
        assert_eq!(leave_at(&stage.world, &stage.world.reservations[0]), at(leaves), "{reservation} {state}");
    }
}

/// Statement 66: the card of this PC works without the gateway.
#[test]
fn without_a_gateway_the_local_status_is_there_and_what_needs_the_gateway_is_off() {
    let mut stage = at_the_station("10:42:00");
    stage.away("10:38:00");
    let own = card(&stage);
    assert_eq!(own.status, "local status · heartbeat 41 s ago");
    assert!(!own.is_stale);
    assert_eq!(own.leaving.unwrap().1.as_deref(), Some("needs the gateway"));
    assert!(own.countdown.is_some(), "what was told before still comes");

    stage.world = crate::World::nothing(crate::Link::Unpaired);
    let own = card(&stage);
    assert_eq!((own.leaving, own.more_time, own.countdown), (None, None, None));
    assert_eq!(own.facts[0], ("Ready for remote use".to_owned(), "Yes".to_owned()));
}

#[test]
fn the_age_is_that_of_the_file_and_what_it_does_not_say_is_unknown() {
    let mut stage = at_the_station("10:42:00");
    for (written, status, stale) in [
        ("10:42:00", "local status · heartbeat 0 s ago", false),
        ("10:38:30", "local status · heartbeat 3 min 30 s ago", false),
        ("10:38:29", "This is the last thing this PC said, 3 min 31 s ago", true),
    ] {
        stage.local.as_mut().unwrap().written_at = at(written);
        let own = card(&stage);
        assert_eq!((own.status.as_str(), own.is_stale), (status, stale));
    }
    let mut snapshot = crate::testing::snapshot("LAB-WS04", "10:41:00");
    snapshot.ready = false;
    snapshot.issues = vec!["A".to_owned(), "B".to_owned()];
    snapshot.local_mode_enabled = None;
    snapshot.local_session_active = None;
    stage.local = Some(LocalCard { snapshot, written_at: at("10:41:00") });
    let values: Vec<_> = card(&stage).facts.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["A; B", "unknown", "unknown", "unknown"]);
}

#[test]
fn which_adapters_wake_it_is_said_only_where_the_station_says_so() {
    let nic = |name: &str, ready: Option<bool>| stationkeeper_telemetry::Nic {
        name: name.to_owned(),
        wol_ready: ready,
        wake_armed: None,
        compliance_issues: Vec::new(),
        settings: stationkeeper_telemetry::NicSettings::default(),
    };
    for (nics, said) in [
        (None, "unknown"),
        (Some(vec![]), "unknown"),
        (Some(vec![nic("Ethernet", Some(true)), nic("Wi-Fi", Some(false))]), "Ready on Ethernet"),
        (Some(vec![nic("Ethernet", Some(false))]), "No"),
        (Some(vec![nic("Ethernet", None)]), "unknown"),
    ] {
        let mut stage = at_the_station("10:42:00");
        stage.local.as_mut().unwrap().snapshot.nics = nics;
        assert_eq!(card(&stage).facts[3].1, said);
    }
}

#[test]
fn whoever_said_that_they_leave_reads_so_and_a_viewer_cannot_say_it() {
    let mut stage = at_the_station("10:42:18");
    let mut said = asked("1", "LAB-WS04", "R-2042", "granted", json!({}));
    said.kind = RequestKind::Leaving;
    stage.world.requests = vec![said];
    assert_eq!(card(&stage).left.as_deref(), Some("You said at 10:41 that you are leaving."));
    stage.role(Role::Viewer);
    let own = card(&stage);
    assert_eq!((own.left, own.leaving, own.more_time), (None, None, None));
}

#[test]
fn a_pc_that_is_no_station_has_no_card_and_a_station_without_a_file_has_one() {
    let mut stage = at_the_station("10:42:18");
    stage.local = None;
    let own = card(&stage);
    assert_eq!(own.status, "No heartbeat file was found on this PC");
    assert!(own.is_stale && own.facts.is_empty());
    stage.own_host = Some(crate::testing::host("OFFICE-7"));
    assert_eq!(OwnCard::of(&stage.scene()), None);
}
