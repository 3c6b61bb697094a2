//! What is asked for by the older service's addresses.

use serde_json::json;
use stationkeeper_rules::orchestrator::AfterEnd;
use stationkeeper_simulator::Power;
use stationkeeper_tests::database::Kind;

use crate::lab::Lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_asked_for_twice_at_once_is_done_once_and_answered_twice() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    let asked = json!({ "reservation_id": "R", "hostName": lab.host(0), "labId": "7", "guardGrace": "30" });
    let (one, other) = tokio::join!(
        gateway.post("/api/reservations/start", &asked),
        gateway.post("/ops/api/reservations/start", &asked)
    );
    for answer in [&one, &other] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let said = answer.json();
        assert_eq!(
            (&said["success"], &said["reservationId"], &said["labId"]),
            (&json!(true), &json!("R"), &json!("7"))
        );
        let steps = said["steps"].as_array().unwrap();
        let actions: Vec<_> = steps.iter().map(|step| step["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["wake", "prepare"]);
        assert_eq!(
            (&steps[0]["message"], &steps[0]["details"]["attempts_used"]),
            (&json!("Host reachable"), &json!(0))
        );
        assert_eq!((&steps[1]["status"], &steps[1]["details"]["exitCode"]), (&json!("completed"), &json!(0)));
    }
    assert_eq!(lab.times_given(0), [("prepare-session".to_owned(), 1)].into());
    assert!(lab.given(0)[0].contains("--guard-grace=30"));

    let key = [("Idempotency-Key", "again")];
    let again = gateway.post_with("/api/reservations/start", &asked, &key).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(lab.times_given(0)["prepare-session"], 2, "another key is another order");
    let again = gateway.post_with("/api/reservations/start", &asked, &key).await;
    assert_eq!((again.status, lab.times_given(0)["prepare-session"]), (200, 2), "the same key is the same order");
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_releases_and_switches_off_and_a_reboot_gives_way_to_that() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let gateway = lab.gateway().await;
    let asked = json!({
        "reservationId": "R",
        "host": lab.host(0),
        "releaseArgs": "--reboot",
        "powerAction": { "mode": "shutdown", "args": ["--delay=0", "--reason=Remote order"] },
    });
    let answer = gateway.post("/api/reservations/end", &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let given = lab.given(0);
    assert_eq!(given[0], "release-session");
    assert!(given[1].starts_with("power shutdown --delay=0"), "{given:?}");
    lab.until("it is off", async || lab.power(0) == Power::Off).await;
    let failed = gateway.post("/api/reservations/end", &json!({ "reservationId": "R", "host": lab.host(0) })).await;
    assert_eq!(failed.status, 502, "nobody is there to be released: {}", failed.text());
    assert_eq!(failed.json()["steps"][0]["status"], "failed");
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_request_is_said_before_any_step() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    let gateway = lab.gateway().await;
    let host = lab.host(0);
    let long = "x".repeat(129);
    for (path, body, status, text) in [
        ("start", json!({}), 400, "reservationId and host are required"),
        ("start", json!({ "reservationId": "R" }), 400, "reservationId and host are required"),
        ("start", json!({ "reservationId": "R", "host": "nobody" }), 404, "host 'nobody' not found"),
        ("start", json!({ "reservationId": long, "host": host }), 400, "a reservation's id has 1 to 128 characters"),
        (
            "start",
            json!({ "reservationId": "R", "host": host, "prepareArgs": ["--evil=1 & calc"] }),
            400,
            "no argument",
        ),
        (
            "start",
            json!({ "reservationId": "R", "host": host, "wakeOptions": { "attempts": 11 } }),
            400,
            "attempts is a number",
        ),
        (
            "start",
            json!({ "reservationId": "R", "host": host, "wakeOptions": { "ping_target": "10.0.0.1" } }),
            400,
            "ping_target is invalid",
        ),
        (
            "end",
            json!({ "reservationId": "R", "host": host, "powerAction": { "mode": "reboot" } }),
            400,
            "shutdown or hibernate",
        ),
        ("end", json!({ "reservationId": "R", "host": host, "releaseArgs": ["--format"] }), 400, "no argument"),
    ] {
        let answer = gateway.post(&format!("/api/reservations/{path}"), &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains(text), "{body}: {}", answer.text());
    }
    assert!(lab.given(0).is_empty());
    let none = gateway.get("/api/reservations/timeline").await;
    assert_eq!((none.status, &none.json()["error"]), (400, &json!("reservationId is required")));
    let unknown = gateway.get("/api/reservations/timeline?reservationId=X").await;
    assert_eq!((unknown.status, &unknown.json()["error"]), (404, &json!("Reservation not found")));
    let unknown = gateway.get("/api/operations/recent?host=nobody").await;
    assert_eq!((unknown.status, &unknown.json()["error"]), (404, &json!("host 'nobody' not found")));
    gateway.close().await;
    lab.close().await;
}
