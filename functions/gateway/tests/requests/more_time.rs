use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use stationkeeper_rules::orchestrator::{ActionKind, ActionSettings, OrderedBy, StationAction, asked};
use stationkeeper_rules::{Cause, ReservationId, Rule};
use stationkeeper_telemetry::HostName;

use super::{People, told};
use crate::app::Answer;

const MORE_TIME: &str = "/api/v1/stations/LAB-01/more-time";
const LEAVING: &str = "/api/v1/stations/LAB-01/leaving";

impl People {
    async fn more_time(&self, body: Value) -> Answer {
        self.send(&self.ana, "POST", MORE_TIME, &body).await
    }

    async fn answer(&self, token: &str, id: &Value, body: Value) -> Answer {
        self.send(token, "POST", &format!("/api/v1/requests/{}/answer", id.as_str().unwrap()), &body).await
    }

    /// Whoever listens is told.
    async fn updates(&self) -> Vec<String> {
        let updates = self.app.store().updates_after(0, 100).await.unwrap();
        let requests = updates.into_iter().filter(|one| one.update.kind == "request");
        requests.map(|one| one.update.payload["state"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn more_time_is_granted_at_once_while_the_next_reservation_can_begin_in_time() {
    let people = People::with_a_station().await;
    let none_comes = people.more_time(json!({})).await;
    assert_eq!(told(&none_comes), (200, "granted".to_owned()), "{}", none_comes.text());
    assert_eq!(
        (&none_comes.json()["minutes"], &none_comes.json()["until"]),
        (&json!(10), &json!("2026-11-24T10:10:00Z"))
    );
    // The station is needed from 10:16:30: 120 s of lead and 90 s of guard before the start.
    people.reserve("R1", "10:20:00", "11:00:00").await;
    for (minutes, expected) in [(16, (200, "granted")), (17, (202, "asked"))] {
        let answer = people.more_time(json!({ "minutes": minutes, "reason": "measuring" })).await;
        assert_eq!(told(&answer), (expected.0, expected.1.to_owned()), "{minutes}: {}", answer.text());
        assert_eq!(answer.json()["reservation_id"], "R1");
        assert_eq!(answer.json()["answered_at"].is_null(), expected.1 == "asked");
    }
    assert_eq!(people.updates().await, ["granted", "granted", "asked"]);
    people.app.pass(21 * 60);
    assert_eq!(told(&people.more_time(json!({})).await), (409, "reservation_running".to_owned()));
}

#[tokio::test]
async fn what_is_asked_an_operator_answers_once_and_in_time() {
    let people = People::with_a_station().await;
    people.reserve("R1", "10:10:00", "11:00:00").await;
    let asked = people.more_time(json!({})).await.json();
    assert_eq!(
        (&asked["state"], &asked["until"], &asked["expires_at"], &asked["asked_by"]),
        (&json!("asked"), &json!("2026-11-24T10:08:30Z"), &json!("2026-11-24T10:08:00Z"), &json!("ana")),
        "no longer than a guard takes before the start"
    );
    assert_eq!(people.more_time(json!({})).await.json()["id"], asked["id"], "asked again, it is the same");
    let yes = json!({ "granted": true, "note": " go on " });
    for token in [&people.viewer, &people.ana, &people.elsewhere] {
        assert_eq!(told(&people.answer(token, &asked["id"], yes.clone()).await), (403, "forbidden".to_owned()));
    }
    let list = people.app.get("/api/v1/requests?host=LAB-01&state=asked&kind=more_time").await.json();
    assert_eq!(list["items"], json!([asked]));
    let granted = people.answer(&people.operator, &asked["id"], yes.clone()).await;
    assert_eq!(told(&granted), (200, "granted".to_owned()), "{}", granted.text());
    assert_eq!((&granted.json()["answered_by"], &granted.json()["note"]), (&json!("op"), &json!("go on")));
    let again = people.answer(&people.operator, &asked["id"], json!({ "granted": false })).await;
    assert_eq!(told(&again), (409, "request_answered".to_owned()));

    let second = people.more_time(json!({ "minutes": 30 })).await.json();
    assert_ne!(second["id"], asked["id"]);
    let refused = people.answer(&people.operator, &second["id"], json!({ "granted": false })).await;
    assert_eq!(told(&refused), (200, "refused".to_owned()));
    let third = people.more_time(json!({ "minutes": 30 })).await.json();
    assert_eq!(third["state"], "asked", "{third}");
    people.app.pass(8 * 60);
    let late = people.answer(&people.operator, &third["id"], yes).await;
    assert_eq!(told(&late), (409, "request_expired".to_owned()));
    assert_eq!(told(&people.more_time(json!({})).await), (409, "too_late".to_owned()));
    let log = people.app.get("/api/v1/audit?action=request.answer").await.json();
    let done = log["items"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "done").count();
    assert_eq!(done, 2, "{log}");
}

#[tokio::test]
async fn a_grant_delays_the_guard_of_its_own_reservation_alone() {
    let people = People::with_a_station().await;
    people.reserve("R1", "10:40:00", "11:00:00").await;
    let now = people.app.now;
    let (host, settings) = (HostName::parse("LAB-01").unwrap(), ActionSettings::default());
    let guard = |reservation: &str| StationAction {
        ordered_by: OrderedBy::Rule(Rule::LocalSessionBeforeReservation),
        reservation_id: Some(ReservationId(reservation.to_owned())),
        not_before: now + TimeDelta::minutes(1),
        ..asked(&host, ActionKind::SessionGuard, "-", reservation, &settings, now)
    };
    let guards = [guard("R1"), guard("R2")];
    let mut work = people.app.store().begin().await.unwrap();
    work.actions().add(&guards).await.unwrap();
    work.commit().await.unwrap();
    let granted = people.more_time(json!({ "minutes": 10 })).await;
    assert_eq!((told(&granted), &granted.json()["reservation_id"]), ((200, "granted".to_owned()), &json!("R1")));
    for (guard, begins) in guards.iter().zip([granted.json()["until"].as_str().unwrap(), "2026-11-24T10:01:00Z"]) {
        let kept = people.app.store().action(&guard.id, now).await.unwrap().unwrap().action;
        assert_eq!(kept.not_before, begins.parse::<DateTime<Utc>>().unwrap(), "{:?}", guard.reservation_id);
    }
}

#[tokio::test]
async fn another_wish_takes_the_place_of_the_one_that_waits() {
    let people = People::with_a_station().await;
    people.reserve("R1", "10:10:00", "11:00:00").await;
    let long = people.more_time(json!({ "minutes": 20 })).await.json();
    let short = people.more_time(json!({ "minutes": 5 })).await;
    assert_eq!(told(&short), (200, "granted".to_owned()), "{}", short.text());
    let path = format!("/api/v1/requests/{}", long["id"].as_str().unwrap());
    assert_eq!(people.app.get(&path).await.json()["state"], "expired");
}

#[tokio::test]
async fn whoever_leaves_takes_the_alert_and_has_one_receipt() {
    let people = People::with_a_station().await;
    people.reserve("R1", "10:08:00", "11:00:00").await;
    let start = "2026-11-24T10:08:00Z".parse().unwrap();
    let cause = Cause::LocalSession { users: vec!["ana".to_owned()], start };
    let alert = people.app.open_alert(Rule::LocalSessionBeforeReservation, Some("LAB-01"), cause).await;
    let other = people.app.open_alert(Rule::ClockSkew, Some("LAB-01"), Cause::ClockSkew { seconds: 900 }).await;
    let left = people.send(&people.ana, "POST", LEAVING, &json!({ "note": "on my way" })).await;
    assert_eq!(told(&left), (200, "granted".to_owned()), "{}", left.text());
    let receipt = left.json();
    assert_eq!(
        (&receipt["kind"], &receipt["reservation_id"], &receipt["note"], &receipt["until"]),
        (&json!("leaving"), &json!("R1"), &json!("on my way"), &json!("2026-11-24T10:08:00Z"))
    );
    let state = async |id: &str| people.app.get(&format!("/api/v1/alerts/{id}")).await.json()["state"].clone();
    assert_eq!((state(&alert).await, state(&other).await), (json!("acknowledged"), json!("open")));
    people.app.pass(30);
    let again = people.send(&people.ana, "POST", LEAVING, &json!({})).await;
    assert_eq!(again.json(), receipt, "said again, it is the same");
    for (token, code) in [(&people.viewer, "forbidden"), (&people.elsewhere, "other_lab")] {
        for path in [LEAVING, MORE_TIME] {
            assert_eq!(told(&people.send(token, "POST", path, &json!({})).await), (403, code.to_owned()), "{path}");
        }
    }
    assert_eq!(people.app.get("/api/v1/requests?kind=leaving").await.json()["items"].as_array().unwrap().len(), 1);
    let log = people.app.get("/api/v1/audit?action=station.leaving").await.json();
    let done = log["items"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "done").count();
    assert_eq!(done, 1, "{log}");
}

#[tokio::test]
async fn a_receipt_says_when_it_was_shown_and_seen_the_first_time() {
    let people = People::with_a_station().await;
    people.reserve("R1", "10:10:00", "11:00:00").await;
    let asked = people.more_time(json!({})).await.json();
    let path = format!("/api/v1/requests/{}", asked["id"].as_str().unwrap());
    let mark = async |token: &str, what: &str| people.send(token, "POST", &format!("{path}/{what}"), &json!({})).await;
    for (token, code) in [(&people.viewer, "forbidden"), (&people.elsewhere, "other_lab")] {
        assert_eq!(told(&mark(token, "shown").await), (403, code.to_owned()));
        assert_eq!(told(&mark(token, "seen").await), (403, code.to_owned()));
    }
    let (first, later) = (json!("2026-11-24T10:00:00Z"), json!("2026-11-24T10:00:05Z"));
    for (what, passes, shown_at, seen_at) in [
        ("shown", 0, &first, &Value::Null),
        ("seen", 5, &first, &later),
        ("shown", 4, &first, &later),
        ("seen", 4, &first, &later),
    ] {
        people.app.pass(passes);
        let marked = mark(&people.operator, what).await.json();
        assert_eq!((&marked["shown_at"], &marked["seen_at"]), (shown_at, seen_at), "{what}");
    }
    assert_eq!(people.updates().await, ["asked", "asked", "asked"], "what changed nothing is not told");
    assert_eq!(people.app.get(&path).await.json()["seen_at"], "2026-11-24T10:00:05Z");
    assert_eq!(told(&people.app.get("/api/v1/requests/xx").await), (404, "unknown_request".to_owned()));
    assert_eq!(told(&mark(&people.operator, "heard").await).0, 404);
}

#[tokio::test]
async fn requests_are_listed_in_pages_and_filtered() {
    let people = People::with_a_station().await;
    for minutes in [1, 2, 3] {
        people.more_time(json!({ "minutes": minutes })).await;
        people.app.pass(1);
    }
    let first = people.app.get("/api/v1/requests?limit=2").await.json();
    let next =
        people.app.get(&format!("/api/v1/requests?limit=2&cursor={}", first["next"].as_str().unwrap())).await.json();
    let minutes = |page: &Value| -> Vec<i64> {
        page["items"].as_array().unwrap().iter().map(|one| one["minutes"].as_i64().unwrap()).collect()
    };
    assert_eq!((minutes(&first), minutes(&next), &next["next"]), (vec![3, 2], vec![1], &Value::Null));
    assert_eq!(people.app.get("/api/v1/requests?state=asked,refused").await.json()["items"], json!([]));
    for query in ["state=open", "kind=wish", "host=a%20b", "limit=0", "colour=1"] {
        assert_eq!(people.app.get(&format!("/api/v1/requests?{query}")).await.status.as_u16(), 400, "{query}");
    }
    for body in
        [json!({ "minutes": 0 }), json!({ "minutes": 61 }), json!({ "reason": "x".repeat(501) }), json!({ "x": 1 })]
    {
        assert_eq!(people.more_time(body.clone()).await.status.as_u16(), 400, "{body}");
    }
    assert_eq!(
        people.send(&people.ana, "POST", LEAVING, &json!({ "note": "x".repeat(501) })).await.status.as_u16(),
        400
    );
}
