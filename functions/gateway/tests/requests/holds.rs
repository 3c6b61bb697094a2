use serde_json::{Value, json};

use super::{People, told};

const HOLD: &str = "/api/v1/stations/LAB-01/hold";

#[tokio::test]
async fn a_hold_lasts_until_the_next_reservation_needs_the_station_and_says_whose_it_is() {
    let people = People::with_a_station().await;
    people.reserve("R1", "12:00:00", "13:00:00").await;
    let held = people.send(&people.ana, "POST", HOLD, &json!({ "reason": " a class " })).await;
    assert_eq!(told(&held), (202, "ordered".to_owned()), "{}", held.text());
    let hold = held.json();
    assert_eq!(hold["expires_at"], "2026-11-24T11:56:30Z", "start less 120 s of lead and 90 s of guard");
    assert_eq!(
        (&hold["owner"], &hold["reason"], &hold["enabled"], &hold["observed"]),
        (&json!("ana"), &json!("a class"), &json!(true), &json!(false))
    );
    let again = people.send(&people.ana, "POST", HOLD, &json!({ "reason": "a class" })).await;
    assert_eq!(again.json()["request_id"], hold["request_id"], "the same hold");
    assert_eq!(people.app.get(HOLD).await.json(), again.json());
    let station = people.app.get("/api/v1/stations/LAB-01").await.json();
    assert_eq!(station["hold"], again.json());
    assert_eq!(people.app.get("/api/v1/stations").await.json()["items"][0], station);
    let desired = &people.app.get("/api/hosts").await.json()["hosts"][0]["localMode"]["desired"];
    assert_eq!(
        (&desired["owner"], &desired["expiresAt"], &desired["state"]),
        (&json!("ana"), &json!("2026-11-24T11:56:30Z"), &json!("ordered"))
    );
    let log = people.app.get("/api/v1/audit?action=hold.set").await.json();
    let [entry, _first] = &log["items"].as_array().unwrap()[..] else { panic!("{log}") };
    assert_eq!(
        (&entry["actor"], &entry["host"], &entry["detail"]["blocks"]),
        (&json!("ana"), &json!("LAB-01"), &json!([]))
    );
}

#[tokio::test]
async fn a_hold_over_a_reservation_names_it_until_it_is_confirmed_with_a_reason() {
    let people = People::with_a_station().await;
    people.reserve("R1", "12:00:00", "13:00:00").await;
    people.reserve("R2", "14:00:00", "15:00:00").await;
    for (shows, body, expected) in [
        ("over one", json!({ "minutes": 150, "reason": "exam" }), (409, "blocks_reservation")),
        ("without a reason", json!({ "minutes": 150, "confirm_reservation": "R1" }), (400, "bad_request")),
        (
            "another",
            json!({ "minutes": 150, "reason": "exam", "confirm_reservation": "R2" }),
            (409, "blocks_reservation"),
        ),
        (
            "and the next",
            json!({ "until": "2026-11-24T14:30:00Z", "reason": "exam", "confirm_reservation": "R1" }),
            (409, "blocks_reservation"),
        ),
        ("confirmed", json!({ "minutes": 150, "reason": "exam", "confirm_reservation": "R1" }), (202, "ordered")),
        (
            "both",
            json!({ "until": "2026-11-24T14:30:00Z", "reason": "exam", "confirm_reservation": ["R1", "R2"] }),
            (202, "ordered"),
        ),
    ] {
        let answer = people.send(&people.ana, "POST", HOLD, &body).await;
        assert_eq!(told(&answer), (expected.0, expected.1.to_owned()), "{shows}: {}", answer.text());
    }
    let refused = people.send(&people.ana, "POST", HOLD, &json!({ "minutes": 150, "reason": "exam" })).await;
    assert!(refused.json()["error"].as_str().unwrap().contains("R1"), "{}", refused.text());
}

#[tokio::test]
async fn whoever_holds_it_and_operators_change_and_end_a_hold_and_nobody_else_does() {
    let people = People::with_a_station().await;
    let body = json!({ "minutes": 60 });
    for (token, expected) in [(&people.viewer, "forbidden"), (&people.elsewhere, "other_lab")] {
        for method in ["POST", "DELETE"] {
            let refused = people.send(token, method, HOLD, &body).await;
            assert_eq!(told(&refused), (403, expected.to_owned()), "{method}");
        }
    }
    for method in ["GET", "DELETE"] {
        assert_eq!(told(&people.send(&people.ana, method, HOLD, &json!({})).await), (404, "not_held".to_owned()));
    }
    let held = people.send(&people.ana, "POST", HOLD, &body).await.json();
    for method in ["POST", "DELETE"] {
        let refused = people.send(&people.ben, method, HOLD, &body).await;
        assert_eq!(told(&refused), (403, "held_by_another".to_owned()), "{method}");
    }
    let longer = people.send(&people.operator, "POST", HOLD, &json!({ "minutes": 90 })).await.json();
    assert_eq!(
        (&longer["owner"], &longer["expires_at"], &longer["request_id"]),
        (&json!("ana"), &json!("2026-11-24T11:30:00Z"), &held["request_id"])
    );
    let ended = people.send(&people.ana, "DELETE", HOLD, &json!({})).await;
    assert_eq!(told(&ended), (202, "releasing".to_owned()), "{}", ended.text());
    assert_eq!((&ended.json()["owner"], &ended.json()["ended_by"]), (&json!("ana"), &json!("ana")));
    let again = people.send(&people.ben, "DELETE", HOLD, &json!({})).await;
    assert_eq!(again.json(), ended.json(), "ended again, it stays as it was");
    let next = people.send(&people.ben, "POST", HOLD, &body).await.json();
    assert_eq!(next["owner"], "ben");
    assert_ne!(next["request_id"], held["request_id"], "another hold");
}

#[tokio::test]
async fn what_is_no_hold_is_said() {
    let people = People::with_a_station().await;
    for (body, status) in [
        (json!({ "minutes": 0 }), 400),
        (json!({ "minutes": 43_201 }), 400),
        (json!({ "minutes": 5, "until": "2026-11-24T11:00:00Z" }), 400),
        (json!({ "until": "2026-11-24T10:00:00Z" }), 400),
        (json!({ "until": "2026-12-24T10:00:00Z" }), 400),
        (json!({ "until": "tomorrow" }), 400),
        (json!({ "hours": 1 }), 400),
        (json!({ "reason": "x".repeat(501) }), 400),
        (json!({ "confirm_reservation": 7 }), 400),
    ] {
        let refused = people.send(&people.ana, "POST", HOLD, &body).await;
        assert_eq!(refused.status.as_u16(), status, "{body}: {}", refused.text());
    }
    for method in ["GET", "POST", "DELETE"] {
        let unknown = people.send(&people.operator, method, "/api/v1/stations/LAB-99/hold", &json!({})).await;
        assert_eq!(told(&unknown), (404, "unknown_station".to_owned()), "{method}");
    }
    assert_eq!(people.app.get("/api/v1/stations/LAB-01").await.json()["hold"], Value::Null);
}

#[tokio::test]
async fn a_reservation_of_a_held_station_wants_a_reason_although_no_heartbeat_shows_the_hold_yet() {
    let people = People::with_a_station().await;
    people.send(&people.ana, "POST", HOLD, &json!({ "minutes": 60 })).await;
    let body = json!({ "host": "LAB-01", "start_at": "2026-11-24T10:30:00Z", "end_at": "2026-11-24T11:00:00Z" });
    let path = "/api/v1/reservations/R1";
    let refused = people.send(&people.operator, "PUT", path, &body).await;
    assert_eq!(told(&refused), (409, "local_mode_active".to_owned()), "{}", refused.text());
    people.send(&people.ana, "DELETE", HOLD, &json!({})).await;
    assert_eq!(people.send(&people.operator, "PUT", path, &body).await.status.as_u16(), 201);
}
