//! Stations that do not do as they should.

use std::time::Duration;

use stationkeeper::stations::Fault;
use stationkeeper_rules::orchestrator::{ActionKind, ActionState, AfterEnd, OperationStatus, PowerMode};
use stationkeeper_rules::{AlertState, Rule};
use stationkeeper_simulator::Power;
use stationkeeper_store::AlertFilter;
use stationkeeper_tests::database::{Database, Kind};
use stationkeeper_tests::mariadb_server::MariaDbServer;

use crate::lab::Lab;

async fn alerts(lab: &Lab, rule: Rule) -> Vec<(Option<String>, AlertState)> {
    let filter = AlertFilter { rules: vec![rule], ..AlertFilter::default() };
    let found = lab.store.alerts(&filter, None, 10).await.unwrap();
    found.into_iter().map(|alert| (alert.key.reservation_id.map(|id| id.0), alert.state)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_again_and_again_is_given_up_with_one_alert_until_it_is_done_after_all() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(2, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let host = lab.host(0);
    lab.stations.set_fault(&host, Some(Fault::Unauthorized));
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(125), lab.in_seconds(6_000)).await;
    lab.until_told("R", "scheduler:start gave_up -").await;
    let told = lab.told("R").await;
    assert_eq!(told.iter().filter(|line| *line == "prepare failed -").count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|line| *line == "scheduler:start failed 502").count(), 2, "{told:?}");
    assert_eq!(alerts(&lab, Rule::PrepareFailed).await, [(Some("R".to_owned()), AlertState::Open)]);
    assert!(lab.given(0).is_empty());

    lab.stations.set_fault(&host, None);
    let asked = serde_json::json!({ "reservationId": "R", "host": host });
    let answer = gateway.post("/api/reservations/start", &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(alerts(&lab, Rule::PrepareFailed).await, [(Some("R".to_owned()), AlertState::Resolved)]);
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_lost_is_settled_by_the_next_heartbeat_and_nothing_is_sent_twice() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    let after_end = AfterEnd { power: Some(PowerMode::Hibernate), ..AfterEnd::default() };
    lab.settings(5, after_end).await;
    lab.until_heard(0).await;
    lab.stations.set_fault(&lab.host(0), Some(Fault::ReplyLost));
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(125), lab.in_seconds(300)).await;
    lab.until_told("R", "power:hibernate running -").await;
    lab.until("it hibernates", async || lab.power(0) == Power::Hibernated).await;
    // It can only tell once somebody wakes it.
    let woken = gateway.post("/api/wol", &serde_json::json!({ "host": lab.host(0) })).await;
    assert_eq!(woken.json()["success"], true, "{}", woken.text());
    lab.until_told("R", "scheduler:end completed 200").await;
    let power = lab.recorded("R").await.into_iter().find(|one| one.operation.action.as_str() == "power:hibernate");
    let power = power.unwrap().operation;
    assert_eq!(power.status, OperationStatus::Completed);
    assert!(power.message.as_ref().unwrap().contains("heartbeat says"), "{power:?}");
    assert!(lab.times_given(0).values().all(|times| *times == 1), "{:?}", lab.given(0));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_hangs_holds_up_itself_alone() {
    let lab = Lab::with(8, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    for place in 0..8 {
        lab.until_heard(place).await;
    }
    lab.stations.set_fault(&lab.host(0), Some(Fault::Hangs));
    lab.stations.set_fault(&lab.host(1), Some(Fault::NeverAnswers));
    let gateway = lab.gateway().await;
    let (start, end) = (lab.in_seconds(140), lab.in_seconds(6_000));
    for place in 0..8 {
        lab.book(&format!("R{place}"), place, start, end).await;
    }
    for place in 2..8 {
        lab.until_told(&format!("R{place}"), "scheduler:start completed 200").await;
    }
    for place in 0..2 {
        let told = lab.told(&format!("R{place}")).await;
        assert!(!told.iter().any(|line| line == "scheduler:start completed 200"), "{told:?}");
    }
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_restarts_during_its_prepare_is_prepared_all_the_same() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    lab.stations.set_fault(&lab.host(0), Some(Fault::RebootsDuringPrepare));
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(140), lab.in_seconds(9_000)).await;
    lab.until("it was begun", async || !lab.given(0).is_empty()).await;
    lab.until("it is down", async || lab.power(0) != Power::On).await;
    lab.stations.set_fault(&lab.host(0), None);
    lab.until_told("R", "scheduler:start completed 200").await;
    let told = lab.told("R").await;
    assert_eq!(told.iter().filter(|line| *line == "prepare completed 0").count(), 1, "{told:?}");
    assert_eq!(lab.times_given(0)["prepare-session"], 2, "a run of its own for each: {:?}", lab.given(0));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_that_falls_dead_during_its_prepare_is_missed_woken_and_prepared() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    lab.watch();
    lab.stations.set_fault(&lab.host(0), Some(Fault::DiesInCommand));
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(140), lab.in_seconds(9_000)).await;
    lab.until("it is down", async || lab.power(0) == Power::Off).await;
    lab.stations.set_fault(&lab.host(0), None);
    // Its run waits to hear how the prepare ended: the alert of its silence wakes it meanwhile.
    lab.until_action(ActionKind::WolCheck, ActionState::Done).await;
    lab.until_told("R", "scheduler:start completed 200").await;
    assert_eq!(lab.times_given(0)["prepare-session"], 2, "a run of its own for each: {:?}", lab.given(0));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_during_a_start_costs_nothing() {
    let mut server = tokio::task::spawn_blocking(|| MariaDbServer::start(&[])).await.unwrap();
    let database = Database::MariaDb { server: server.url(), name: "stationkeeper".to_owned() };
    let lab = Lab::over(1, database).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(140), lab.in_seconds(2_000)).await;
    lab.until("the station is told", async || !lab.given(0).is_empty()).await;
    // Killed while the command runs, and away for longer than the command takes.
    let server = tokio::task::spawn_blocking(move || {
        server.stop("KILL");
        std::thread::sleep(Duration::from_secs(10));
        server.again();
        server
    });
    let server = server.await.unwrap();
    lab.until_told("R", "scheduler:start completed 200").await;
    let told = lab.told("R").await;
    assert_eq!(told, ["wake completed 200", "prepare completed 0", "scheduler:start completed 200"]);
    lab.until_told("R", "scheduler:end completed 200").await;
    assert!(lab.times_given(0).values().all(|times| *times == 1), "{:?}", lab.given(0));
    gateway.close().await;
    lab.close().await;
    drop(server);
}
