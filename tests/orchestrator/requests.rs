//! Whoever sits at a station before a reservation: they leave, ask for more time, are granted it or not.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_rules::orchestrator::{ActionKind, ActionSettings, AfterEnd, Policy, StationAction};
use stationkeeper_rules::{Rule, Settings};
use stationkeeper_store::ActionFilter;
use stationkeeper_tests::database::Kind;

use crate::lab::{Lab, Served};

/// A reservation after so many seconds, and somebody who sits at its station; whoever still does when they have had their notice is logged off.
async fn with_somebody(starts_in: i64) -> (Lab, Served, DateTime<Utc>) {
    let lab = Lab::with(1, Kind::Sqlite).await;
    let policies = [(Rule::LocalSessionBeforeReservation, Policy::Auto)].into();
    let actions = ActionSettings { policies, ..ActionSettings::default() };
    lab.store
        .apply_settings(&Settings { actions, after_end: AfterEnd::default(), ..Settings::default() })
        .await
        .unwrap();
    let host = lab.host(0);
    lab.stations.with_lab(|lab, now| lab.sit_down(&host, "ana", now));
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    let start = lab.in_seconds(starts_in);
    lab.book("R", 0, start, lab.in_seconds(starts_in + 600)).await;
    (lab, gateway, start)
}

async fn guard(lab: &Lab) -> Option<StationAction> {
    let found = lab.store.actions(&ActionFilter::default(), None, 100, lab.clock.now()).await.unwrap();
    found.into_iter().map(|one| one.action).find(|action| action.kind == ActionKind::SessionGuard)
}

async fn until_guard_waits(lab: &Lab) -> StationAction {
    lab.until("a guard", async || guard(lab).await.is_some()).await;
    guard(lab).await.unwrap()
}

/// When the station was told to log whoever sits there off.
fn guarded_at(lab: &Lab) -> Option<DateTime<Utc>> {
    let host = lab.host(0);
    let given = lab.stations.with_lab(|lab, _| lab.given(&host));
    given.into_iter().find(|one| one.line.contains("session guard")).map(|one| one.at)
}

async fn ask(lab: &Lab, gateway: &Served, what: &str, body: Value) -> Value {
    let answer = gateway.post(&format!("/api/v1/stations/{}/{what}", lab.host(0)), &body).await;
    assert!([200, 202].contains(&answer.status), "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_that_they_leave_is_not_waited_for_and_the_reservation_is_prepared() {
    let (lab, gateway, start) = with_somebody(590).await;
    let waits = until_guard_waits(&lab).await;
    assert!(waits.not_before > lab.in_seconds(120), "they have notice: {waits:?}");
    let receipt = ask(&lab, &gateway, "leaving", json!({})).await;
    assert_eq!((&receipt["state"], &receipt["reservation_id"]), (&json!("granted"), &json!("R")));
    let alerts = gateway.get("/api/v1/alerts?rule=local_session_before_reservation&state=any").await.json();
    assert_eq!(alerts["items"][0]["state"], "acknowledged", "{alerts}");
    lab.until("the guard", async || guarded_at(&lab).is_some()).await;
    assert!(guarded_at(&lab).unwrap() < waits.not_before, "still there, they are logged off all the same");
    lab.until_told("R", "scheduler:start completed 200").await;
    assert!(lab.told("R").await.iter().all(|line| !line.contains("blocked")), "{:?}", lab.told("R").await);
    assert!(guarded_at(&lab).unwrap() < start);
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_time_that_was_granted_before_the_guard_was_wanted_delays_it_and_the_reservation_begins_in_time() {
    let (lab, gateway, start) = with_somebody(900).await;
    let granted = ask(&lab, &gateway, "more-time", json!({ "minutes": 11 })).await;
    assert_eq!((&granted["state"], &granted["reservation_id"]), (&json!("granted"), &json!("R")));
    let until: DateTime<Utc> = granted["until"].as_str().unwrap().parse().unwrap();
    let waits = until_guard_waits(&lab).await;
    assert!(waits.not_before >= until, "{waits:?}");
    lab.until_told("R", "scheduler:start completed 200").await;
    let guarded_at = guarded_at(&lab).unwrap();
    assert!(until <= guarded_at && guarded_at < start, "{until} {guarded_at} {start}");
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_grants_delays_the_guard_and_what_they_refuse_or_nobody_answers_does_not() {
    let (lab, gateway, _start) = with_somebody(590).await;
    let waits = until_guard_waits(&lab).await;
    let asked = ask(&lab, &gateway, "more-time", json!({})).await;
    assert_eq!(asked["state"], "asked", "{asked}");
    let until: DateTime<Utc> = asked["until"].as_str().unwrap().parse().unwrap();
    let path = format!("/api/v1/requests/{}", asked["id"].as_str().unwrap());
    let granted = gateway.post(&format!("{path}/answer"), &json!({ "granted": true })).await;
    assert_eq!((granted.status, &granted.json()["state"]), (200, &json!("granted")), "{}", granted.text());
    let delayed = guard(&lab).await.unwrap();
    assert!(delayed.not_before >= until && delayed.not_before > waits.not_before, "{delayed:?}");
    lab.until("the guard", async || guarded_at(&lab).is_some()).await;
    assert!(guarded_at(&lab).unwrap() >= until);
    lab.until_told("R", "scheduler:start completed 200").await;
    gateway.close().await;
    lab.close().await;

    let (lab, gateway, _start) = with_somebody(590).await;
    let waits = until_guard_waits(&lab).await;
    let asked = ask(&lab, &gateway, "more-time", json!({})).await;
    let path = format!("/api/v1/requests/{}", asked["id"].as_str().unwrap());
    let refused =
        gateway.post(&format!("{path}/answer"), &json!({ "granted": false, "note": "the class waits" })).await;
    assert_eq!((refused.status, &refused.json()["state"]), (200, &json!("refused")), "{}", refused.text());
    assert_eq!(guard(&lab).await.unwrap().not_before, waits.not_before);
    let asked = ask(&lab, &gateway, "more-time", json!({})).await;
    let path = format!("/api/v1/requests/{}", asked["id"].as_str().unwrap());
    lab.until("the guard", async || guarded_at(&lab).is_some()).await;
    lab.until("the end of it", async || gateway.get(&path).await.json()["state"] == "expired").await;
    gateway.close().await;
    lab.close().await;
}
