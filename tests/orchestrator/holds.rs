//! Stations that are held for a while: told by a gateway, and taken back by one.

use std::time::Duration;

use serde_json::{Value, json};
use stationkeeper::stations::Fault;
use stationkeeper_gateway::{AskedHold, end_hold, set_hold};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_rules::orchestrator::AfterEnd;
use stationkeeper_rules::requests::HoldStage;
use stationkeeper_station_link::StationCommand;
use stationkeeper_store::{Author, RequestFilter};
use stationkeeper_tests::database::Kind;

use crate::lab::Lab;

/// What somebody at the command line asks for: no gateway need be there.
async fn hold(lab: &Lab, place: usize, seconds: i64) {
    let asked = AskedHold {
        host: lab.host(place),
        until: Some(lab.in_seconds(seconds)),
        reason: Some("a class".to_owned()),
        confirmed: Vec::new(),
    };
    let author = Author::of_command_line(Some("ben"));
    set_hold(&lab.store, &asked, &author, lab.clock.now()).await.unwrap();
}

async fn until_stage(lab: &Lab, place: usize, stage: HoldStage) {
    let host = lab.host(place);
    lab.until(&format!("{stage:?}"), async || {
        lab.store.local_mode_order(&host).await.unwrap().is_some_and(|order| order.stage() == stage)
    })
    .await;
}

async fn until_shown(lab: &Lab, place: usize, enabled: bool) {
    let host = lab.host(place);
    lab.until("what its heartbeat shows", async || {
        let station = lab.store.station(&host).await.unwrap().unwrap();
        station.state.latest.is_some_and(|latest| latest.snapshot.local_mode_enabled == Some(enabled))
    })
    .await;
}

/// How often the station was told of local mode: to set it, and to take it back.
fn told(lab: &Lab, place: usize) -> (usize, usize) {
    let host = lab.host(place);
    let given = lab.stations.with_lab(|lab, _| lab.given(&host));
    let of = |enabled| {
        let script = StationCommand::SetLocalMode { enabled }.arguments().pop().expect("a script");
        given.iter().filter(|one| one.line.contains(&script)).count()
    };
    (of(true), of(false))
}

async fn updates(lab: &Lab, kind: &str) -> Vec<Value> {
    let all = lab.store.updates_after(0, 10_000).await.unwrap();
    all.into_iter().filter(|one| one.update.kind == kind).map(|one| one.update.payload).collect()
}

async fn a_hold_is_set_warned_of_and_taken_back_by_itself(kind: Kind) {
    let lab = Lab::with(2, kind).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateways = [lab.gateway().await, lab.gateway().await];
    let (host, place) = (lab.host(0), 0);
    let body = json!({ "until": lab.in_seconds(900), "reason": "a class" });
    let held = gateways[0].post(&format!("/api/v1/stations/{host}/hold"), &body).await;
    assert_eq!(held.status, 202, "{}", held.text());
    until_shown(&lab, place, true).await;
    until_stage(&lab, place, HoldStage::Held).await;
    let shown = gateways[1].get(&format!("/api/v1/stations/{host}")).await.json();
    assert_eq!((&shown["hold"]["state"], &shown["hold"]["observed"]), (&json!("held"), &json!(true)), "{shown}");
    until_stage(&lab, place, HoldStage::Released).await;
    until_shown(&lab, place, false).await;
    assert_eq!(told(&lab, place), (1, 1), "of two gateways one acts");

    let order = lab.store.local_mode_order(&host).await.unwrap().unwrap();
    let warned_at = order.warned_at.expect("a warning");
    assert!(order.expires_at.unwrap() - warned_at > chrono::TimeDelta::zero());
    assert_eq!(order.ended_by.as_deref(), Some("stationkeeper"));
    let warnings = updates(&lab, "hold").await.into_iter().filter(|one| one["ends_soon"] == true).count();
    assert_eq!(warnings, 1, "said once");
    let [request] = &lab.store.requests(&RequestFilter::default(), None, 10).await.unwrap()[..] else {
        panic!("a receipt")
    };
    assert_eq!((request.state.as_str(), Some(&request.id)), ("ended", order.request_id.as_ref()));
    let log = gateways[0].get("/api/v1/audit?action=hold.end").await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 1, "{log}");
    assert_eq!(log["items"][0]["detail"]["expired"], true);
    let untouched = lab.host(1);
    assert_eq!(lab.store.local_mode_order(&untouched).await.unwrap(), None);
    for gateway in gateways {
        gateway.close().await;
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_set_warned_of_and_taken_back_by_itself_on_sqlite() {
    a_hold_is_set_warned_of_and_taken_back_by_itself(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_set_warned_of_and_taken_back_by_itself_on_mariadb() {
    a_hold_is_set_warned_of_and_taken_back_by_itself(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_whose_gateway_is_killed_at_any_moment_is_set_and_taken_back_by_the_next() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    hold(&lab, 0, 400).await;
    let mut gateway = lab.gateway().await;
    // Wherever it is by then: before it was told, meanwhile, and after it.
    for life in 0..10_u64 {
        tokio::time::sleep(Duration::from_millis(100 + 150 * life)).await;
        gateway.kill();
        lab.end_claims().await;
        gateway = lab.gateway().await;
    }
    until_stage(&lab, 0, HoldStage::Released).await;
    until_shown(&lab, 0, false).await;
    let (set, taken_back) = told(&lab, 0);
    assert!(set >= 1 && taken_back >= 1, "{set} {taken_back}");
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_ended_while_no_gateway_was_there_is_taken_back_by_the_first_that_comes() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    hold(&lab, 0, 300).await;
    let gateway = lab.gateway().await;
    until_stage(&lab, 0, HoldStage::Held).await;
    until_shown(&lab, 0, true).await;
    gateway.kill();
    let over = lab.in_seconds(300);
    lab.until("its time is over", async || lab.clock.now() > over).await;
    assert_eq!(told(&lab, 0), (1, 0));
    lab.end_claims().await;
    let next = lab.gateway().await;
    until_shown(&lab, 0, false).await;
    until_stage(&lab, 0, HoldStage::Released).await;
    assert_eq!(told(&lab, 0), (1, 1));
    next.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_is_off_when_its_hold_ends_is_told_once_it_is_back() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    hold(&lab, 0, 3_000).await;
    until_stage(&lab, 0, HoldStage::Held).await;
    lab.switch_off(0).await;
    let author = Author::of_command_line(Some("ben"));
    end_hold(&lab.store, &lab.host(0), &author, lab.clock.now()).await.unwrap();
    let host = lab.host(0);
    lab.until("it does not answer", async || {
        lab.store.local_mode_order(&host).await.unwrap().is_some_and(|order| order.problem.is_some())
    })
    .await;
    assert_eq!(lab.store.local_mode_order(&host).await.unwrap().unwrap().stage(), HoldStage::Releasing);
    let woken = gateway.post("/api/wol", &json!({ "host": host })).await;
    assert_eq!(woken.status, 200, "{}", woken.text());
    until_stage(&lab, 0, HoldStage::Released).await;
    until_shown(&lab, 0, false).await;
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_is_prepared_after_the_hold_before_it_has_ended_by_itself() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(600), lab.in_seconds(900)).await;
    let host = lab.host(0);
    let held = gateway.post(&format!("/api/v1/stations/{host}/hold"), &json!({})).await;
    assert_eq!(held.status, 202, "{}", held.text());
    until_shown(&lab, 0, true).await;
    lab.until_told("R", "scheduler:start completed 200").await;
    let operations = lab.told("R").await;
    assert!(!operations.iter().any(|one| one.contains("blocked")), "{operations:?}");
    assert_eq!(told(&lab, 0), (1, 1));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_mode_that_is_set_at_the_older_address_ends_a_hold_and_ends_by_itself_only_if_it_says_so() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    let host = lab.host(0);
    hold(&lab, 0, 3_000).await;
    until_stage(&lab, 0, HoldStage::Held).await;
    let off = gateway.post("/api/hosts/local-mode", &json!({ "host": host, "enabled": false })).await;
    assert_eq!((off.status, &off.json()["desired"]["state"]), (200, &json!("released")), "{}", off.text());
    until_shown(&lab, 0, false).await;
    let [receipt] = &lab.store.requests(&RequestFilter::default(), None, 10).await.unwrap()[..] else {
        panic!("a receipt")
    };
    assert_eq!(receipt.state.as_str(), "ended");
    let until = lab.in_seconds(200);
    let on = json!({ "host": host, "enabled": true, "until": until });
    assert_eq!(gateway.post("/api/hosts/local-mode", &on).await.status, 200);
    until_shown(&lab, 0, true).await;
    until_stage(&lab, 0, HoldStage::Released).await;
    assert!(lab.clock.now() >= until);
    until_shown(&lab, 0, false).await;
    assert_eq!(told(&lab, 0), (2, 2));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_hangs_holds_up_no_other_hold_and_is_held_once_it_answers() {
    let lab = Lab::with(4, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    for place in 0..4 {
        lab.until_heard(place).await;
    }
    lab.stations.set_fault(&lab.host(0), Some(Fault::Hangs));
    let gateway = lab.gateway().await;
    hold(&lab, 0, 20_000).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for place in 1..4 {
        hold(&lab, place, 300).await;
    }
    for place in 1..4 {
        until_stage(&lab, place, HoldStage::Released).await;
        assert_eq!(told(&lab, place), (1, 1));
    }
    let stage = |order: stationkeeper_rules::requests::LocalModeOrder| order.stage();
    let hanging = lab.store.local_mode_order(&lab.host(0)).await.unwrap().map(stage);
    assert_eq!(hanging, Some(HoldStage::Ordered));
    lab.stations.set_fault(&lab.host(0), None);
    until_stage(&lab, 0, HoldStage::Held).await;
    gateway.close().await;
    lab.close().await;
}
