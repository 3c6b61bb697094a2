use chrono::{DateTime, Utc};
use stationkeeper_rules::{Actor, Alert, AlertId, AlertKey, AlertState, Cause, Latest, Rule, StationState, Transition};
use stationkeeper_telemetry::{Details, HostName, Snapshot};

use super::*;

fn instant(clock: &str) -> DateTime<Utc> {
    format!("2026-11-24T{clock}Z").parse().expect("HH:MM:SS")
}

fn host() -> HostName {
    HostName::parse("LAB-01").expect("a host")
}

/// A station whose latest is of this timestamp and arrival.
fn station(latest: Option<(&str, &str)>) -> StationState {
    let mut state = StationState::unheard(host(), instant("09:00:00"));
    state.latest = latest.map(|(timestamp, arrived)| Latest {
        snapshot: Snapshot {
            host: host(),
            timestamp_utc: instant(timestamp),
            ready: true,
            state: None,
            issues: Vec::new(),
            local_session_active: None,
            local_mode_enabled: None,
            nic_issue_count: None,
            sleep_compliant: None,
            hibernate_compliant: None,
            nics: None,
            last_prepare: None,
            last_release: None,
            last_safeguard_reboot: None,
            last_forced_logoff: None,
            last_power_action: None,
            details: Details::default(),
        },
        first_arrived_at: instant(arrived),
    });
    state
}

#[test]
fn the_latest_gives_way_to_a_greater_one_alone() {
    for (shows, before, after, holds) in [
        ("the first", None, Some(("10:00:00", "10:00:01")), true),
        ("none yet", None, None, true),
        ("nothing happened", Some(("10:00:00", "10:00:01")), Some(("10:00:00", "10:00:01")), true),
        ("a newer one", Some(("10:00:00", "10:00:01")), Some(("10:01:00", "10:01:01")), true),
        ("an older one", Some(("10:01:00", "10:01:01")), Some(("10:00:00", "10:00:01")), false),
        (
            "the truth after a clock that ran ahead",
            Some(("23:00:00", "10:00:00")),
            Some(("10:01:00", "10:01:01")),
            true,
        ),
        (
            "a clock that runs ahead of a newer arrival",
            Some(("10:01:00", "10:01:01")),
            Some(("23:00:00", "10:00:00")),
            false,
        ),
        ("it arrived earlier than was known", Some(("23:00:00", "10:05:00")), Some(("23:00:00", "10:00:00")), true),
        ("it arrives later than it did", Some(("10:00:00", "10:00:01")), Some(("10:00:00", "10:00:02")), false),
        ("it vanishes", Some(("10:00:00", "10:00:01")), None, false),
    ] {
        let outcome = latest_moves_forward(Newest::of(&station(before)), &station(after));
        assert_eq!(outcome.is_ok(), holds, "{shows}: {outcome:?}");
        if let Err(violation) = outcome {
            assert_eq!((violation.invariant, violation.host), (Invariant::LatestMovesForward, Some(host())), "{shows}");
        }
    }
}

/// `RULE ID from>to`, where the id is of the key and a letter.
fn moved(text: &str) -> Transition {
    let [rule, id, step] = text.split(' ').collect::<Vec<_>>().try_into().expect("three words");
    let (from, to) = step.split_once('>').expect("from and to");
    let rule = Rule::parse(rule).expect("a rule");
    Transition {
        alert_id: AlertId(id.to_owned()),
        key: AlertKey { rule, host: Some(host()), reservation_id: None },
        from: AlertState::parse(from),
        to: AlertState::parse(to).expect("a state"),
        at: instant("10:00:00"),
        actor: Actor::Rule,
        cause: Cause::ByHand,
        note: None,
        acknowledged_until: None,
    }
}

fn standing(text: &str) -> Vec<Alert> {
    let opened = text.split(", ").filter(|one| !one.is_empty()).map(|one| moved(&format!("{one} >open")));
    let opened: Vec<_> = opened.collect();
    stationkeeper_rules::unresolved_after(&[], &opened)
}

#[test]
fn transitions_are_a_path_of_the_life_of_an_alert() {
    use Invariant::{OneUnresolvedAlert, PathOfAnAlert};
    for (shows, stands, moves, violated) in [
        ("nothing moves", "not_ready a", "", None),
        ("one opens", "", "not_ready a >open", None),
        ("one of another kind opens", "not_ready a", "power_drift b >open", None),
        (
            "one is taken, given back and resolved",
            "not_ready a",
            "not_ready a open>acknowledged, not_ready a acknowledged>open, not_ready a open>resolved",
            None,
        ),
        ("one is resolved and the next opens", "not_ready a", "not_ready a open>resolved, not_ready b >open", None),
        ("one opens and is over within a batch", "", "not_ready a >open, not_ready a open>resolved", None),
        ("a second of one kind", "not_ready a", "not_ready b >open", Some(OneUnresolvedAlert)),
        ("a second of one kind within a batch", "", "not_ready a >open, not_ready b >open", Some(OneUnresolvedAlert)),
        ("the same once more", "not_ready a", "not_ready a >open", Some(OneUnresolvedAlert)),
        ("one that does not stand is resolved", "", "not_ready a open>resolved", Some(PathOfAnAlert)),
        (
            "one is resolved twice",
            "not_ready a",
            "not_ready a open>resolved, not_ready a open>resolved",
            Some(PathOfAnAlert),
        ),
        (
            "a step from where it does not stand",
            "not_ready a",
            "not_ready a acknowledged>resolved",
            Some(PathOfAnAlert),
        ),
        ("it begins in the middle", "", "not_ready a >acknowledged", Some(PathOfAnAlert)),
        ("it stays where it is", "not_ready a", "not_ready a open>open", Some(PathOfAnAlert)),
        ("under the key of another", "not_ready a", "power_drift a open>resolved", Some(PathOfAnAlert)),
        ("back from the end", "not_ready a", "not_ready a resolved>open", Some(PathOfAnAlert)),
    ] {
        let moves: Vec<_> = moves.split(", ").filter(|one| !one.is_empty()).map(moved).collect();
        let outcome = alerts_live(&standing(stands), &moves);
        assert_eq!(outcome.err().map(|violation| violation.invariant), violated, "{shows}");
    }
}

#[test]
fn heartbeats_and_rows_are_counted() {
    let tally = Tally { advanced: 1, history_only: 2, duplicates: 3, variants: 4, state_documents: 5 };
    for (came, holds) in [(10, true), (9, false), (11, false)] {
        assert_eq!(every_heartbeat_counted(&host(), tally, came).is_ok(), holds, "{came}");
    }
    assert_eq!(rows_as_planned("heartbeats", 2, 2), Ok(()));
    let violation = rows_as_planned("heartbeats", 2, 1).expect_err("one is missing");
    assert_eq!(violation.to_string(), "rows_as_planned: heartbeats: 2 rows were to be written, and 1 were");
}
