//! What alerts want done and what persons want done, outside of reservations.

use serde_json::{Value, json};
use stationkeeper::stations::Fault;
use stationkeeper_rules::orchestrator::{ActionKind, ActionState, AfterEnd};
use stationkeeper_rules::{AlertState, Rule, StationWord};
use stationkeeper_simulator::Power;
use stationkeeper_store::AlertFilter;
use stationkeeper_tests::database::Kind;

use crate::lab::{Lab, Served};

/// A station that is heard and checked.
async fn one(kind: Kind) -> Lab {
    let lab = Lab::with(1, kind).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    lab.watch();
    lab
}

async fn alert(lab: &Lab, rule: Rule, state: AlertState) -> String {
    let filter = AlertFilter { rules: vec![rule], states: vec![state], ..AlertFilter::default() };
    let found = async || lab.store.alerts(&filter, None, 10).await.unwrap().into_iter().next();
    lab.until(rule.as_str(), async || found().await.is_some()).await;
    found().await.unwrap().id.0
}

/// Has something done, and answers its id.
async fn order(lab: &Lab, gateway: &Served, kind: &str) -> String {
    let answer = gateway.post("/api/v1/actions", &json!({ "host": lab.host(0), "kind": kind })).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_falls_silent_is_woken_and_its_alert_tells_what_was_done() {
    let lab = one(Kind::Sqlite).await;
    let gateway = lab.gateway().await;
    lab.switch_off(0).await;
    let id = alert(&lab, Rule::HeartbeatMissing, AlertState::Open).await;
    let taken = lab.until_action(ActionKind::WolCheck, ActionState::Claimed).await;
    assert_eq!((taken.ordered_by.to_string(), &taken.alert_id.unwrap().0), ("rule:heartbeat_missing".to_owned(), &id));
    let shown = gateway.get(&format!("/api/v1/alerts/{id}")).await.json();
    assert_eq!((&shown["action"]["kind"], &shown["action"]["state"]), (&json!("wol_check"), &json!("claimed")));
    let station = gateway.get(&format!("/api/v1/stations/{}", lab.host(0))).await.json();
    assert_eq!((&station["state"], &station["current_action"]["doing"]), (&json!("down"), &json!("wake")), "{station}");
    lab.until_action(ActionKind::WolCheck, ActionState::Done).await;
    let resolved = alert(&lab, Rule::HeartbeatMissing, AlertState::Resolved).await;
    assert_eq!(resolved, id);
    let shown = gateway.get(&format!("/api/v1/alerts/{id}")).await.json();
    assert!(shown["action"]["message"].as_str().unwrap().ends_with("and heard"), "{shown}");
    lab.until_word(0, StationWord::Ready).await;
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_answers_and_says_nothing_gets_no_packet() {
    let lab = one(Kind::Sqlite).await;
    // Nobody takes what it uploads any more: its service hangs, and the PC is up.
    lab.deafen();
    let gateway = lab.gateway().await;
    let done = lab.until_action(ActionKind::WolCheck, ActionState::Done).await;
    assert_eq!(done.message.as_deref(), Some("It can be reached but is silent; no packet was sent"));
    gateway.close().await;
    lab.close().await;
}

async fn a_station_that_is_off_on_purpose_is_woken_by_a_person_alone(kind: Kind) {
    let lab = one(kind).await;
    let gateway = lab.gateway().await;
    order(&lab, &gateway, "shutdown").await;
    lab.until_action(ActionKind::Shutdown, ActionState::Done).await;
    lab.until_word(0, StationWord::Off).await;
    // Far beyond three intervals: silence that is excused wants nothing.
    let later = lab.in_seconds(240);
    lab.until("four minutes", async || lab.in_seconds(0) > later).await;
    let listed = gateway.get("/api/v1/actions").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");

    let id = order(&lab, &gateway, "wake").await;
    lab.until_word(0, StationWord::Waking).await;
    lab.until_action(ActionKind::Wake, ActionState::Done).await;
    lab.until_word(0, StationWord::Ready).await;
    let woken = gateway.get(&format!("/api/v1/actions/{id}")).await.json();
    assert_eq!((&woken["ordered_by"], &woken["state"]), (&json!("person:ana"), &json!("done")));
    let again = order(&lab, &gateway, "wake").await;
    lab.until("it is done", async || gateway.get(&format!("/api/v1/actions/{again}")).await.json()["state"] == "done")
        .await;
    let up = gateway.get(&format!("/api/v1/actions/{again}")).await.json();
    assert_eq!(up["message"], "It was up already; no packet was sent");
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_is_off_on_purpose_is_woken_by_a_person_alone_on_sqlite() {
    a_station_that_is_off_on_purpose_is_woken_by_a_person_alone(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_is_off_on_purpose_is_woken_by_a_person_alone_on_mariadb() {
    a_station_that_is_off_on_purpose_is_woken_by_a_person_alone(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_before_a_reservation_is_guarded_once_somebody_says_so_and_its_notice_is_over() {
    let lab = one(Kind::MariaDb).await;
    let gateways = [lab.gateway().await, lab.gateway().await];
    let host = lab.host(0);
    lab.stations.with_lab(|lab, now| lab.sit_down(&host, "Muñoz", now));
    lab.book("R", 0, lab.in_seconds(580), lab.in_seconds(6_000)).await;
    let id = alert(&lab, Rule::LocalSessionBeforeReservation, AlertState::Open).await;
    let proposed = lab.until_action(ActionKind::SessionGuard, ActionState::Proposed).await;
    assert_eq!(proposed.reservation_id.as_ref().unwrap().0, "R");
    assert!(proposed.not_before > proposed.ordered_at, "whoever sits there has time: {proposed:?}");
    assert!(lab.given(0).is_empty(), "nobody said so yet");

    let path = format!("/api/v1/actions/{}", proposed.id);
    let approved = gateways[0].post(&format!("{path}/approve"), &json!({})).await;
    assert_eq!((approved.status, &approved.json()["state"]), (200, &json!("pending")), "{}", approved.text());
    let again = gateways[1].post(&format!("{path}/approve"), &json!({})).await;
    assert_eq!((again.status, &again.json()["approved_by"]), (200, &json!("ana")), "{}", again.text());
    lab.until_action(ActionKind::SessionGuard, ActionState::Claimed).await;
    assert!(lab.clock_now() >= proposed.not_before);
    lab.until_word(0, StationWord::Busy).await;
    let station = gateways[0].get(&format!("/api/v1/stations/{host}")).await.json();
    assert!(station["cause_text"].as_str().unwrap().starts_with("Busy: session guard since"), "{station}");
    lab.until_action(ActionKind::SessionGuard, ActionState::Done).await;
    assert_eq!(alert(&lab, Rule::LocalSessionBeforeReservation, AlertState::Resolved).await, id);
    assert_eq!(lab.times_given(0)["session guard"], 1, "{:?}", lab.given(0));
    lab.until_told("R", "scheduler:start completed 200").await;
    assert_eq!(lab.times_given(0)["session guard"], 1, "the station is clean: {:?}", lab.given(0));

    let whole = gateways[0].get(&path).await.json();
    assert_eq!(whole["output"]["exit_code"], 0, "{whole}");
    for gateway in gateways {
        gateway.close().await;
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_whose_gateway_is_gone_is_settled_by_the_heartbeat() {
    let lab = one(Kind::Sqlite).await;
    let host = lab.host(0);
    lab.stations.with_lab(|lab, now| lab.sit_down(&host, "ben", now));
    lab.until("somebody sits there", async || {
        let station = lab.store.station(&host).await.unwrap().unwrap();
        station.state.latest.is_some_and(|latest| latest.snapshot.local_session_active == Some(true))
    })
    .await;
    let gateway = lab.gateway().await;
    order(&lab, &gateway, "session_guard").await;
    lab.until("it was sent", async || !lab.given(0).is_empty()).await;
    gateway.kill();
    lab.end_leases().await;
    let next = lab.gateway().await;
    let done = lab.until_action(ActionKind::SessionGuard, ActionState::Done).await;
    assert!(done.message.as_ref().unwrap().contains("heartbeat says"), "{done:?}");
    assert_eq!(lab.times_given(0)["session guard"], 1, "never twice: {:?}", lab.given(0));
    next.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_whose_reply_is_lost_is_unknown_until_a_heartbeat_tells() {
    let lab = one(Kind::Sqlite).await;
    lab.stations.set_fault(&lab.host(0), Some(Fault::ReplyLost));
    let gateway = lab.gateway().await;
    let id = order(&lab, &gateway, "hibernate").await;
    lab.until_action(ActionKind::Hibernate, ActionState::Unknown).await;
    lab.until("it hibernates", async || lab.power(0) == Power::Hibernated).await;
    order(&lab, &gateway, "wake").await;
    lab.until_action(ActionKind::Hibernate, ActionState::Done).await;
    let told = gateway.get(&format!("/api/v1/actions/{id}")).await.json();
    assert!(told["message"].as_str().unwrap().contains("heartbeat says"), "{told}");
    assert_eq!(lab.times_given(0)["power hibernate"], 1, "never twice: {:?}", lab.given(0));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_that_nobody_wants_any_more_stops() {
    let lab = one(Kind::Sqlite).await;
    let gateway = lab.gateway().await;
    order(&lab, &gateway, "shutdown").await;
    lab.until("it is off", async || lab.power(0) == Power::Off).await;
    lab.until_word(0, StationWord::Off).await;
    // It takes its time to start: nothing answers yet.
    for path in [None, Some(format!("/api/v1/stations/{}/stop", lab.host(0)))] {
        let id = order(&lab, &gateway, "wake").await;
        let state = async || gateway.get(&format!("/api/v1/actions/{id}")).await.json()["state"].clone();
        lab.until("it is under way", async || state().await == "claimed").await;
        let path = path.unwrap_or(format!("/api/v1/actions/{id}/withdraw"));
        let stopped = gateway.post(&path, &json!({})).await;
        assert!(matches!(stopped.status, 200 | 202), "{}", stopped.text());
        assert_eq!(state().await, "withdrawn");
        lab.until("nothing is done", async || {
            let station = gateway.get(&format!("/api/v1/stations/{}", lab.host(0))).await.json();
            station["current_action"] == Value::Null
        })
        .await;
        lab.switch_off(0).await;
    }
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_harm_is_refused_with_its_reason() {
    let lab = one(Kind::Sqlite).await;
    let gateway = lab.gateway().await;
    let host = lab.host(0);
    lab.book("R", 0, lab.in_seconds(-10), lab.in_seconds(6_000)).await;
    for kind in ["shutdown", "hibernate", "reboot_if_needed", "session_guard"] {
        let refused = gateway.post("/api/v1/actions", &json!({ "host": host, "kind": kind })).await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (409, &json!("action_not_possible")),
            "{}",
            refused.text()
        );
        assert!(refused.text().contains("a reservation is running"), "{}", refused.text());
    }
    for (body, status, code) in [
        (json!({ "host": "nobody", "kind": "wake" }), 404, "unknown_station"),
        (json!({ "host": host, "kind": "reboot" }), 400, "bad_request"),
        (json!({ "host": host, "kind": "wake", "now": true }), 400, "bad_request"),
        (json!({ "kind": "wake" }), 400, "bad_request"),
    ] {
        let refused = gateway.post("/api/v1/actions", &body).await;
        assert_eq!((refused.status, &refused.json()["code"]), (status, &json!(code)), "{body}: {}", refused.text());
    }
    for path in ["/api/v1/actions/x/approve", "/api/v1/actions/x/withdraw"] {
        let refused = gateway.post(path, &json!({})).await;
        assert_eq!((refused.status, &refused.json()["code"]), (404, &json!("unknown_action")), "{path}");
    }
    let refused = gateway.get("/api/v1/audit?action=action.order").await.json();
    assert!(refused["items"].as_array().unwrap().iter().all(|entry| entry["outcome"] == "refused"), "{refused}");
    gateway.close().await;
    lab.close().await;
}
