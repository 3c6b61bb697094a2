//! One reservation after the other on one station.

use serde_json::json;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::orchestrate::Acting;
use stationkeeper_rules::orchestrator::{AfterEnd, Decision, OrderedBy, PowerMode};
use stationkeeper_simulator::Power;
use stationkeeper_tests::database::Kind;

use crate::lab::Lab;

const OFF_AFTERWARDS: AfterEnd =
    AfterEnd { reboot: true, reboot_timeout_seconds: 15, power: Some(PowerMode::Shutdown) };

async fn a_station_that_is_off_is_woken_prepared_released_and_switched_off_again(kind: Kind) {
    let lab = Lab::with(2, kind).await;
    lab.settings(5, OFF_AFTERWARDS).await;
    lab.until_heard(0).await;
    lab.switch_off(0).await;
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(300), lab.in_seconds(600)).await;
    lab.until_told("R", "scheduler:end completed 200").await;
    let told = lab.told("R").await;
    assert_eq!(
        told,
        [
            "wake completed 200",
            "prepare completed 0",
            "scheduler:start completed 200",
            "release completed 0",
            "power:shutdown completed 0",
            "scheduler:end completed 200",
        ]
    );
    let recorded = lab.recorded("R").await;
    assert!(recorded[0].operation.packets.is_some_and(|packets| packets > 0), "it was off");
    assert!(recorded.iter().all(|one| one.operation.ordered_by == OrderedBy::Schedule));
    let [reservation] =
        &lab.store.reservations(None, lab.in_seconds(-3_600), lab.in_seconds(3_600), 10).await.unwrap()[..]
    else {
        panic!("one reservation")
    };
    let lead = reservation.start_at - recorded[0].operation.started_at;
    // A second of ours is twenty of the lab.
    assert!((60..=120).contains(&lead.num_seconds()), "two minutes before: {lead}");
    let prepared = &recorded[1];
    let woken_at = recorded[0].operation.finished_at.unwrap();
    assert!(prepared.operation.started_at > woken_at, "after a heartbeat from after the wake");
    let output = prepared.output.as_ref().expect("what it wrote");
    assert_eq!((output.exit_code, output.arguments[0].as_str()), (Some(0), "prepare-session"));
    assert!(recorded[3].operation.started_at >= reservation.end_at + chrono::TimeDelta::seconds(60));

    let given = lab.given(0);
    assert_eq!(given.len(), 3, "{given:?}");
    assert!(given[0].starts_with("prepare-session --guard-grace=90"), "{given:?}");
    assert_eq!(given[1], "release-session", "no reboot where it is switched off: Windows would refuse that");
    assert!(given[2].starts_with("power shutdown"), "{given:?}");
    lab.until("it is off", async || lab.power(0) == Power::Off).await;
    let state = lab.store.station(&lab.host(0)).await.unwrap().unwrap().state;
    assert!(stationkeeper_rules::off(&state).is_some(), "off on purpose, and not missing: {state:?}");
    assert!(lab.given(1).is_empty(), "nobody booked the other");

    let answer = gateway.get("/api/reservations/timeline?reservationId=R").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let timeline = answer.json();
    assert_eq!(timeline["reservation"]["status"], "CONFIRMED");
    assert_eq!(timeline["host"]["name"], lab.host(0).as_str());
    assert_eq!(timeline["pagination"]["total"], 6);
    assert_eq!(timeline["operations"][0]["action"], "wake", "the oldest first, as the older service tells it");
    assert_eq!(timeline["phases"]["prepare"]["payload"]["exitCode"], 0);
    assert_eq!(timeline["phases"]["power"]["action"], "power:shutdown");
    assert_eq!(timeline["phases"]["schedulerEnd"]["responseCode"], 200);
    assert_eq!(timeline["heartbeat"]["lastPower"]["mode"], "shutdown");
    assert!(!timeline["heartbeats"].as_array().unwrap().is_empty());
    let recent = gateway.get("/ops/api/operations/recent?limit=2&offset=junk").await.json();
    assert_eq!(recent["operations"][0]["action"], "scheduler:end");
    assert_eq!((&recent["pagination"]["nextOffset"], &recent["pagination"]["hasMore"]), (&json!(2), &json!(true)));
    let items = gateway.get("/api/v1/operations?reservation_id=R").await.json();
    assert_eq!(items["items"].as_array().unwrap().len(), 6);
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_is_off_is_woken_prepared_released_and_switched_off_again_on_sqlite() {
    a_station_that_is_off_is_woken_prepared_released_and_switched_off_again(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_is_off_is_woken_prepared_released_and_switched_off_again_on_mariadb() {
    a_station_that_is_off_is_woken_prepared_released_and_switched_off_again(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_are_turned_over_at_the_boundary_without_a_reboot() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    let boundary = lab.in_seconds(420);
    lab.book("R", 0, lab.in_seconds(180), boundary).await;
    lab.book("S", 0, boundary, lab.in_seconds(600)).await;
    lab.until_told("S", "scheduler:start completed 200").await;
    assert_eq!(
        lab.given(0).iter().filter(|line| line.starts_with("release-session")).collect::<Vec<_>>(),
        ["release-session"]
    );
    let prepared = &lab.recorded("S").await[1].operation;
    assert!(prepared.started_at >= boundary, "never before the previous end: {prepared:?}");
    let released = lab.recorded("R").await.into_iter().find(|one| one.operation.action.as_str() == "release").unwrap();
    assert!(released.operation.finished_at.unwrap() <= prepared.started_at);
    lab.until_told("S", "scheduler:end completed 200").await;
    assert_eq!(lab.times_given(0), [("prepare-session".to_owned(), 2), ("release-session".to_owned(), 2)].into());
    assert!(lab.given(0)[3].contains("--reboot --reboot-timeout=15"), "nobody comes after it: {:?}", lab.given(0));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_that_is_cancelled_while_it_runs_is_released() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(130), lab.in_seconds(7_000)).await;
    lab.until_told("R", "scheduler:start completed 200").await;
    lab.cancel("R").await;
    lab.until_told("R", "scheduler:end completed 200").await;
    assert_eq!(lab.times_given(0)["release-session"], 1);
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_mode_blocks_until_somebody_lets_it_go_ahead_and_that_is_recorded() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    let host = lab.host(0);
    lab.put_into_local_mode(0).await;
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(130), lab.in_seconds(3_000)).await;
    lab.until_told("R", "scheduler:start blocked_local_mode -").await;
    assert!(lab.given(0).is_empty());
    let settings = lab.store.settings().await.unwrap();
    let acting = Acting { store: &lab.store, settings: &settings, host: &host, holder: "x", now: lab.clock.now() };
    let decision = acting.decide().await.unwrap();
    assert!(
        matches!(decision, Decision::Nothing { look_again_at: Some(_) }),
        "said once, and then waited: {decision:?}"
    );
    let refused = gateway.post("/api/v1/reservations/R/override", &json!({ "reason": " " })).await;
    assert_eq!(refused.status, 400);
    let unknown = gateway.post("/api/v1/reservations/X/override", &json!({ "reason": "x" })).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("unknown_reservation")));
    let said = gateway.post("/api/v1/reservations/R/override", &json!({ "reason": "the class is here" })).await;
    assert_eq!(said.status, 204, "{}", said.text());
    lab.until_told("R", "scheduler:start completed 200").await;
    let prepared = lab.recorded("R").await.into_iter().find(|one| one.operation.action.as_str() == "prepare").unwrap();
    assert_eq!(prepared.operation.ordered_by, OrderedBy::Person("ana".to_owned()));
    let audit = gateway.get("/api/v1/audit?action=reservation.override").await.json();
    assert_eq!(audit["items"][0]["detail"]["reason"], "the class is here");
    gateway.close().await;
    lab.close().await;
}
