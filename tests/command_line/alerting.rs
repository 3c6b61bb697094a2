//! Silences, and who was told of an alert.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use stationkeeper_pipeline::clock::{Clock, SystemClock};
use stationkeeper_pipeline::planner::plan_notifications;
use stationkeeper_rules::{
    Actor, AlertId, AlertKey, AlertState, Cause, Channel, Language, NotificationSettings, Receiver, Route, Rule,
    Settings, Transition,
};
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::HostName;
use stationkeeper_tests::binary::{Ran, run};
use stationkeeper_tests::database::blocking;

use crate::words;

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-24T{time}Z").parse().expect("an instant")
}

async fn open(data: &Path) -> Store {
    let store = Store::sqlite(&data.join("stationkeeper.sqlite"), StoreOptions::default()).await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

/// LAB-WS01 has been unready since 10:03, and `ops` is to be told; planned as time passed until 10:10.
async fn unready(data: &Path) -> AlertId {
    let store = open(data).await;
    let key = AlertKey {
        rule: Rule::NotReady,
        host: Some(HostName::parse("LAB-WS01").expect("a host")),
        reservation_id: None,
    };
    let cause =
        Cause::Issues { issues: vec!["Disk\u{1b}[31m is full".to_owned()], codes: Vec::new(), since: at("10:00:00") };
    let opened = Transition {
        alert_id: AlertId::derive(&key, at("10:03:00")),
        key,
        from: None,
        to: AlertState::Open,
        at: at("10:03:00"),
        actor: Actor::Rule,
        cause,
        note: None,
        acknowledged_until: None,
    };
    let id = opened.alert_id.clone();
    let mut work = store.begin().await.expect("begins");
    work.alerts().apply(std::slice::from_ref(&opened)).await.expect("applies");
    work.owed().append(&[opened], at("10:03:01")).await.expect("owes");
    work.commit().await.expect("commits");
    plan(&store, &["10:03:10", "10:10:00"].map(at)).await;
    store.close().await;
    id
}

async fn plan(store: &Store, times: &[DateTime<Utc>]) {
    let receiver = Receiver {
        channel: Channel::Email { to: vec!["ops@example.org".to_owned()] },
        language: Language::En,
        quiet_hours: None,
    };
    let route =
        Route { receiver: "ops".to_owned(), rules: Vec::new(), severity: None, labs: Vec::new(), people: Vec::new() };
    let receivers = [("ops".to_owned(), receiver)].into();
    let notifications = NotificationSettings { receivers, routes: vec![route], ..NotificationSettings::default() };
    let settings = Settings { notifications, ..Settings::default() };
    for now in times {
        plan_notifications(store, &settings, *now).await.expect("plans");
    }
}

fn stationkeeper(data: &Path, arguments: &[&str]) -> Ran {
    let mut all = words(&[]);
    all.extend(arguments.iter().map(Into::into));
    all.extend(words(&[&"--data", &data]));
    run(all)
}

#[test]
fn a_silence_is_set_listed_and_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    blocking(unready(data));
    let set = |arguments: &[&str]| {
        let fixed = ["--reason", "new switch", "--by", "ana", "--json"];
        stationkeeper(data, &[&["silence", "add"], arguments, &fixed].concat())
    };
    let once = set(&["--lab", "electronics", "--rule", "not_ready", "--for", "2h"]).succeeded().json();
    assert_eq!(
        (&once["lab"], &once["rule"], &once["host"]),
        (&json!("electronics"), &json!("not_ready"), &json!(null))
    );
    assert_eq!((&once["author"], &once["reason"], &once["mutes"]), (&json!("ana"), &json!("new switch"), &json!(true)));
    let instant =
        |value: &serde_json::Value| value.as_str().expect("text").parse::<DateTime<Utc>>().expect("an instant");
    let (from, until) = (instant(&once["span"]["from"]), instant(&once["span"]["until"]));
    assert_eq!(until - from, TimeDelta::hours(2));
    let waits = set(&["--host", "lab-ws01", "--until-resolved"]).succeeded().json();
    assert_eq!((&waits["host"], &waits["span"]["kind"]), (&json!("LAB-WS01"), &json!("until_resolved")));
    let again = ["--lab", "optics", "--from", "2036-01-05T00:00:00Z", "--for", "1d", "--recurring", "FREQ=WEEKLY"];
    let recurring = set(&again).succeeded().json();
    assert_eq!((&recurring["span"]["rule"], &recurring["mutes"]), (&json!("FREQ=WEEKLY"), &json!(false)));

    let text = stationkeeper(data, &["silence", "list"]).succeeded().text();
    for part in
        ["mutes", "waits", "not_ready, lab electronics", "LAB-WS01", "until what it mutes is over", "new switch"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let id = once["id"].as_str().expect("an id");
    let ended = stationkeeper(data, &["silence", "end", &id[..9], "--json"]).succeeded().json();
    assert_eq!((&ended["id"], &ended["mutes"]), (&once["id"], &json!(false)));
    let said = stationkeeper(data, &["silence", "end", id]).succeeded().text();
    assert!(said.contains("had ended before"), "{said}");
    assert_eq!(stationkeeper(data, &["silence", "list", "--json"]).succeeded().json_lines().len(), 2);
    assert_eq!(stationkeeper(data, &["silence", "list", "--all", "--json"]).succeeded().json_lines().len(), 3);
}

#[test]
fn a_silence_of_everything_or_of_nothing_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    blocking(unready(data));
    for (arguments, code, said) in [
        (&["--for", "2h"][..], 65, "without one it would mute everything"),
        (&["--lab", "optics", "--until-resolved"], 65, "nothing is open"),
        (&["--lab", "optics", "--until", "2020-01-01T00:00:00Z"], 65, "ends after it begins"),
        (&["--lab", "optics", "--for", "1h", "--recurring", "FREQ=SECONDLY"], 65, "daily, weekly"),
        (&["--rule", "sleepy", "--for", "1h"], 65, "heartbeat_missing"),
        (&["--lab", "optics"], 2, "--for"),
        (&["--lab", "optics", "--for", "soon"], 2, "30m"),
        (&["--lab", "optics", "--for", "0m"], 2, "more than nothing"),
        (&["--lab", "optics", "--for", "1h", "--until-resolved"], 2, "--until-resolved"),
    ] {
        let ran = stationkeeper(data, &[&["silence", "add", "--reason", "x"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{}: {}", ran.line, ran.stderr);
        assert!(ran.stderr.contains(said), "{}: {}", ran.line, ran.stderr);
    }
    let said = stationkeeper(data, &["silence", "end", "zz"]);
    assert!(said.refused(66).contains("there is no silence zz"), "{}", said.stderr);
    assert_eq!(stationkeeper(data, &["silence", "list"]).succeeded().text(), "No silences.\n");
}

#[test]
fn an_alert_is_taken_for_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let id = blocking(unready(data)).0;
    let take = ["ack", &id[..6], "--note", "part ordered", "--for", "3d", "--by", "ana", "--json"];
    let taken = stationkeeper(data, &take).succeeded().json();
    let instant = |name: &str| taken[name].as_str().expect("text").parse::<DateTime<Utc>>().expect("an instant");
    assert_eq!(instant("acknowledged_until") - instant("acknowledged_at"), TimeDelta::days(3));
    assert_eq!((&taken["note"], &taken["acknowledged_by"]), (&json!("part ordered"), &json!("ana")));
}

#[test]
fn an_alert_is_called_over_once_and_whoever_did_it_is_in_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let id = blocking(unready(data)).0;
    let resolve = ["resolve", &id[..6], "--note", "the cable was loose", "--by", "ana"];
    assert_eq!(stationkeeper(data, &resolve).succeeded().text(), format!("Resolved: not_ready {id}\n"));
    let again = stationkeeper(data, &["resolve", &id, "--by", "ben", "--json"]).succeeded().json();
    assert_eq!(again["state"], "resolved");
    let log = stationkeeper(data, &["audit", "--json"]).succeeded().json_lines();
    let moved: Vec<_> = log.iter().filter(|entry| entry["action"] == "alert.resolve").collect();
    assert_eq!(moved.len(), 1, "{log:?}");
    assert_eq!((&moved[0]["actor"], &moved[0]["detail"]["note"]), (&json!("ana"), &json!("the cable was loose")));
    stationkeeper(data, &["resolve", "zz"]).refused(66);
}

#[test]
fn an_explanation_says_who_was_told_and_why_others_were_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let id = blocking(unready(data)).0;
    let text = stationkeeper(data, &["alerts", "explain", &id[..6]]).succeeded().text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], format!("Not ready of LAB-WS01 ({id})"));
    assert!(lines[1].starts_with("2026-11-24T10:03:00Z  open: Not ready since"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(
        lines[2],
        "    2026-11-24T10:03:10Z  ops: waits until 2026-11-24 10:04 UTC for what else happens in its lab"
    );
    assert!(lines[3].starts_with("    2026-11-24T10:10:00Z  ops: told in message "), "{text}");
    assert!(lines[3].ends_with(" (problem)"), "{text}");

    let json = stationkeeper(data, &["alerts", "explain", &id, "--json"]).succeeded().json();
    assert_eq!((&json["id"], &json["next_look_at"]), (&json!(id), &json!(null)));
    let decisions = json["decisions"].as_array().expect("decisions");
    let shown: Vec<_> =
        decisions.iter().map(|one| (&one["receiver"], &one["telling"], &one["because"]["code"])).collect();
    let (ops, together) = (json!("ops"), json!("together"));
    assert_eq!(shown, [(&ops, &json!("held"), &together), (&ops, &json!("told"), &json!("message"))]);

    let said = stationkeeper(data, &["alerts", "explain", "zz"]);
    assert!(said.refused(66).contains("there is no alert zz"), "{}", said.stderr);
}

#[test]
fn an_explanation_names_the_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let id = blocking(unready(data));
    let silence =
        ["silence", "add", "--host", "LAB-WS01", "--until-resolved", "--reason", "part ordered", "--by", "ana"];
    stationkeeper(data, &silence).succeeded();
    blocking(async {
        // It opens again: taken for a minute, and not told while the silence lasts.
        let store = open(data).await;
        let known = store.alert(&id).await.expect("reads").expect("is there");
        let now = SystemClock.now() + TimeDelta::minutes(1);
        let taken = Transition {
            from: Some(AlertState::Open),
            to: AlertState::Acknowledged,
            at: now,
            actor: Actor::Person("ana".to_owned()),
            cause: Cause::ByHand,
            ..known.transitions[0].clone()
        };
        let again = Transition {
            from: Some(AlertState::Acknowledged),
            to: AlertState::Open,
            at: now + TimeDelta::minutes(1),
            cause: Cause::AcknowledgementOver { by: Some("ana".to_owned()) },
            ..known.transitions[0].clone()
        };
        let mut work = store.begin().await.expect("begins");
        work.alerts().apply(&[taken.clone(), again.clone()]).await.expect("applies");
        work.owed().append(&[taken, again], now).await.expect("owes");
        work.commit().await.expect("commits");
        plan(&store, &[now + TimeDelta::minutes(2)]).await;
        store.close().await;
    });
    let text = stationkeeper(data, &["alerts", "explain", &id.0]).succeeded().text();
    assert!(text.contains("until what it mutes is over (ana: part ordered)"), "{text}");
    assert!(text.contains("What waits is looked at again at "), "{text}");
}
