//! Starts and ends, and what is told of them afterwards.

use serde_json::{Value, json};
use stationkeeper_tests::waiting::until;

use crate::row::holds;
use crate::service::Service;

fn expect(shows: &str, expected: &Value, said: &Value) {
    holds(expected, said, "").unwrap_or_else(|place| panic!("{shows}: {place} is not {expected} in {said}"));
}

/// What a start or an end answers, each step by its action, status and message.
fn done(success: bool, reservation: Value, host: &str, lab: Value, steps: &[(&str, &str, &str)]) -> Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|(action, status, message)| {
            json!({ "action": action, "success": *status == "completed", "status": status, "message": message, "details": {} })
        })
        .collect();
    json!({ "success": success, "reservationId": reservation, "host": host, "labId": lab, "steps": steps })
}

const UP: (&str, &str, &str) = ("wake", "completed", "Host reachable");
const PREPARED: (&str, &str, &str) = ("prepare", "completed", "Exit code 0");

#[tokio::test(flavor = "multi_thread")]
async fn a_start_wakes_and_prepares_as_it_is_told() {
    let service = Service::start().await;
    service.log_in().await;
    service.until_heartbeat().await;
    let (host, typed) = (service.host(), service.host().to_uppercase());
    for (shows, body, answer, given) in [
        (
            "the defaults",
            json!({ "reservationId": "R-1", "host": host, "labId": "7" }),
            done(true, json!("R-1"), &host, json!("7"), &[UP, PREPARED]),
            Some("prepare-session --guard-grace=90"),
        ),
        (
            "the other spellings, and numbers",
            json!({ "reservation_id": 42, "hostName": typed, "lab_id": 7, "guardGrace": "31" }),
            done(true, json!(42), &typed, json!(7), &[UP, PREPARED]),
            Some("prepare-session --guard-grace=31"),
        ),
        (
            "no wake",
            json!({ "reservationId": "R-2", "host": host, "wake": "off", "prepareArgs": "--guard-grace=32" }),
            done(true, json!("R-2"), &host, json!("7"), &[PREPARED]),
            Some("prepare-session --guard-grace=32"),
        ),
        (
            "no prepare",
            json!({ "reservationId": "R-3", "host": host, "labId": "7", "prepare": "No", "wakeOptions": { "attempts": "1", "ping_timeout": 0.2 } }),
            done(true, json!("R-3"), &host, json!("7"), &[UP]),
            None,
        ),
        (
            "nothing at all",
            json!({ "reservationId": "R-4", "host": host, "labId": "7", "wake": 0, "prepare": false }),
            done(true, json!("R-4"), &host, json!("7"), &[]),
            None,
        ),
        (
            "words that are no no",
            json!({ "reservationId": "R-5", "host": host, "labId": "7", "wake": "yes", "prepare": "", "prepareArgs": ["--guard-grace=33", "--guard-silent"] }),
            done(true, json!("R-5"), &host, json!("7"), &[UP, PREPARED]),
            Some("prepare-session --guard-grace=33 --guard-silent"),
        ),
    ] {
        let before = service.given().len();
        let started = service.post("/ops/api/reservations/start", &body).await;
        assert_eq!(started.status, 200, "{shows}: {}", started.text());
        expect(shows, &answer, &started.json());
        let after = service.given();
        assert_eq!(
            after[before..].iter().map(String::as_str).collect::<Vec<_>>(),
            given.into_iter().collect::<Vec<_>>(),
            "{shows}"
        );
    }
    let told = service.post("/api/reservations/start", &json!({ "reservationId": "R-6", "host": host })).await.json();
    let wake = json!({ "details": { "mac": "<text>", "pingTarget": service.lab.address(0).to_string(), "attemptsUsed": 0 }, "durationMs": "<number>" });
    expect("a wake", &wake, &told["steps"][0]);
    let prepare = json!({ "details": { "exitCode": 0, "stdout": "<any>", "stderr": "<any>", "args": "<any>", "durationMs": "<number>" }, "durationMs": "<number>" });
    expect("a prepare", &prepare, &told["steps"][1]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_a_502_with_the_steps_that_were_made() {
    let service = Service::start().await;
    let wake = json!({ "attempts": 1, "ping_timeout": 0 });
    for (shows, body, answer) in [
        (
            "a station that stays down",
            json!({ "reservationId": "F-1", "host": "lab-off", "labId": 8, "wakeOptions": wake }),
            done(false, json!("F-1"), "lab-off", json!(8), &[("wake", "failed", "Host did not respond to ping")]),
        ),
        (
            "a station without an adapter",
            json!({ "reservationId": "F-2", "host": "LAB-NOMAC" }),
            done(false, json!("F-2"), "LAB-NOMAC", json!("9"), &[("wake", "failed", "MAC address not configured")]),
        ),
    ] {
        let started = service.post("/api/reservations/start", &body).await;
        assert_eq!(started.status, 502, "{shows}: {}", started.text());
        expect(shows, &answer, &started.json());
    }
    for (line, action) in [("/api/reservations/start", "prepare"), ("/ops/api/reservations/end", "release")] {
        // Nobody logs in to it: nothing was sent, and the code is null.
        let body = json!({ "reservationId": format!("F-{action}"), "host": "lab-nologin", "wake": false });
        let failed = service.post(line, &body).await;
        assert_eq!(failed.status, 502, "{}", failed.text());
        let steps =
            json!([{ "action": action, "success": false, "status": "failed", "details": { "exitCode": null } }]);
        expect(action, &steps, &failed.json()["steps"]);
        let told = service.get(&format!("/api/operations/recent?reservationId=F-{action}")).await.json();
        expect(
            action,
            &json!([{ "action": action, "status": "failed", "success": false, "responseCode": null }]),
            &told["operations"],
        );
    }
    let told = service.get("/api/reservations/timeline?reservationId=F-1").await.json();
    expect(
        "a wake in vain",
        &json!([{ "action": "wake", "status": "failed", "responseCode": 504 }]),
        &told["operations"],
    );
    assert!(!service.up.program.log().contains("panicked"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_releases_reboots_and_switches_off_as_it_is_told() {
    for (shows, said, steps, given) in [
        ("the defaults", json!({}), &["release"][..], &["release-session --reboot --reboot-timeout="][..]),
        (
            "one text",
            json!({ "releaseArgs": "--reboot" }),
            &["release"],
            &["release-session --reboot --reboot-timeout="],
        ),
        ("no reboot", json!({ "releaseArgs": [] }), &["release"], &["release-session"]),
        ("no power action", json!({ "powerAction": {}, "releaseArgs": [] }), &["release"], &["release-session"]),
        (
            "a power action replaces the reboot",
            json!({ "powerAction": { "mode": "shutdown", "args": ["--delay=600", "--reason=Remote order"] } }),
            &["release", "power:shutdown"],
            &["release-session", r#"power shutdown --delay=600 "--reason=Remote order""#],
        ),
        (
            "it is switched off where no mode is named",
            json!({ "release": "off", "powerAction": { "args": "--delay=600" } }),
            &["power:shutdown"],
            &["power shutdown --delay=600"],
        ),
        ("nothing", json!({ "release": false, "powerAction": null }), &[], &[]),
    ] {
        let service = Service::start().await;
        service.log_in().await;
        service.until_heartbeat().await;
        let host = service.host();
        let start = json!({ "reservationId": "E", "host": host, "labId": "7", "wake": false, "guardGrace": 30 });
        assert_eq!(service.post("/api/reservations/start", &start).await.status, 200, "{shows}");
        let before = service.given().len();
        let mut body = json!({ "reservation_id": "E", "hostName": host, "labId": "7" });
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let ended = service.post("/ops/api/reservations/end", &body).await;
        assert_eq!(ended.status, 200, "{shows}: {}", ended.text());
        let steps: Vec<_> = steps.iter().map(|action| (*action, "completed", "<text>")).collect();
        expect(shows, &done(true, json!("E"), &host, json!("7"), &steps), &ended.json());
        let after = service.given();
        assert_eq!(after.len() - before, given.len(), "{shows}: {after:?}");
        for (line, begins) in after[before..].iter().zip(given) {
            assert!(line.starts_with(begins), "{shows}: {line}");
            let timeout = line.split("--reboot-timeout=").nth(1).map(|rest| rest.parse::<u32>().unwrap());
            assert!(timeout.is_none_or(|seconds| seconds >= 15), "{shows}: {line}");
        }
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_tells_the_operations_in_pages_and_the_recent_ones_are_told_newest_first() {
    let service = Service::start().await;
    service.log_in().await;
    service.until_heartbeat().await;
    let host = service.host();
    for (line, body) in [
        ("/api/reservations/start", json!({ "reservationId": "T", "host": host, "labId": "7", "guardGrace": 30 })),
        ("/api/reservations/end", json!({ "reservationId": "T", "host": host, "labId": "7", "releaseArgs": [] })),
        (
            "/api/reservations/start",
            json!({ "reservationId": "U", "host": "lab-off", "wakeOptions": { "attempts": 1, "ping_timeout": 0 } }),
        ),
    ] {
        let done = service.post(line, &body).await;
        assert!([200, 502].contains(&done.status), "{}", done.text());
    }
    let told = service.get("/ops/api/reservations/timeline?reservationId=T").await;
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.json();
    let operation = |action: &str, code: u32| json!({ "action": action, "status": "completed", "success": true, "message": "<text>", "payload": {}, "responseCode": code, "durationMs": "<number>", "createdAt": "<time>" });
    let (wake, prepare, release) = (operation("wake", 200), operation("prepare", 0), operation("release", 0));
    let expected = json!({
        "reservation": { "reservationId": "T", "labId": "7", "status": "<any>", "start": "<any>", "end": "<any>", "walletAddress": "<any>", "createdAt": "<any>", "updatedAt": "<any>" },
        "host": { "name": host, "labId": "7", "config": { "name": host, "address": service.lab.address(0).to_string(), "labs": ["7", "optics"], "mac": "<text>" } },
        "operations": [wake, prepare, release],
        "phases": { "wake": wake, "prepare": prepare, "release": release, "power": null, "schedulerEnd": null },
        "heartbeat": {
            "timestamp": "<time>", "ready": "<flag>", "localMode": "<flag>", "localSession": "<flag>",
            "lastPower": { "timestamp": "<any>", "mode": "<any>" }, "lastForcedLogoff": { "timestamp": "<any>", "user": "<any>" },
            "raw": { "host": service.lab.host(0) },
        },
        "pagination": { "limit": 100, "offset": 0, "returned": 3, "total": 3, "nextOffset": 3, "hasMore": false, "page": 1, "pageSize": 100 },
    });
    expect("the timeline", &expected, &told);
    assert!(!told.to_string().contains("certificate_sha256"));

    let page = |limit: u32, offset: u32, returned: u32, total: u32| {
        json!({
            "limit": limit, "offset": offset, "returned": returned, "total": total, "nextOffset": offset + returned,
            "hasMore": offset + returned < total, "page": offset / limit + 1, "pageSize": limit,
        })
    };
    for (query, limit, offset, returned) in [
        ("limit=2", 2, 0, 2),
        ("limit=2&offset=2", 2, 2, 1),
        ("limit=1&offset=1", 1, 1, 1),
        ("limit=2&offset=9", 2, 9, 0),
        ("limit=0", 1, 0, 1),
        ("limit=-4", 1, 0, 1),
        ("limit=9999", 500, 0, 3),
        ("limit=many&offset=few", 100, 0, 3),
        ("limit=&offset=", 100, 0, 3),
        ("offset=-1", 100, 0, 3),
        ("limit=1.5", 100, 0, 3),
        ("limit=+2", 2, 0, 2),
        ("limit=%202%20", 2, 0, 2),
        ("limit=2&limit=3", 2, 0, 2),
        ("limit=99999999999999999999", 100, 0, 3),
        ("offset=1&further=x", 100, 1, 2),
    ] {
        let said = service.get(&format!("/api/reservations/timeline?reservationId=T&{query}")).await;
        assert_eq!(said.status, 200, "{query}: {}", said.text());
        expect(query, &page(limit, offset, returned, 3), &said.json()["pagination"]);
        expect(query, &json!({ "prepare": prepare, "release": release }), &said.json()["phases"]);
    }
    let names = |said: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        said["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (text(&one["reservationId"]), text(&one["action"])))
            .collect()
    };
    for (query, expected, total) in [
        ("", &["U wake", "T release", "T prepare", "T wake"][..], 4),
        ("?host=lab-off", &["U wake"], 1),
        ("?host=LAB-OFF&reservationId=T", &[], 0),
        ("?reservationId=T", &["T release", "T prepare", "T wake"], 3),
        ("?reservation_id=U", &["U wake"], 1),
        ("?reservationId=nothing", &[], 0),
        ("?limit=1&offset=1", &["T release"], 4),
        ("?limit=junk&offset=3", &["T wake"], 4),
        ("?host=&reservationId=", &["U wake", "T release", "T prepare", "T wake"], 4),
    ] {
        for path in ["/api/operations/recent", "/ops/api/operations/recent"] {
            let said = service.get(&format!("{path}{query}")).await;
            assert_eq!(said.status, 200, "{query}: {}", said.text());
            let said = said.json();
            let listed: Vec<String> = names(&said).iter().map(|(id, action)| format!("{id} {action}")).collect();
            assert_eq!(listed, expected, "{query}");
            assert_eq!(
                (&said["pagination"]["total"], &said["pagination"]["returned"]),
                (&json!(total), &json!(expected.len())),
                "{query}"
            );
        }
    }
    let recent = service.get("/api/operations/recent?limit=1").await.json();
    expect(
        "a recent one",
        &json!([{ "host": "LAB-OFF", "reservationId": "U", "labId": "8", "success": false, "responseCode": 504 }]),
        &recent["operations"],
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_was_put_is_told_with_its_times() {
    let service =
        Service::start_with(&[("OPS_RESERVATION_AUTOMATION", "false"), ("OPS_RESERVATION_SCAN_INTERVAL", "1")]).await;
    service.log_in().await;
    service.until_heartbeat().await;
    let at = |minutes: i64| (stationkeeper::place::now() + chrono::TimeDelta::minutes(minutes)).to_rfc3339();
    let booked = json!({ "lab": "7", "start_at": at(-1), "end_at": at(60), "status": "confirmed", "who": "0xabc" });
    let headers = [("X-Ops-Internal-Token", crate::service::SECRET)];
    let put = service.send("PUT", "/api/v1/reservations/0x7f", &headers, booked.to_string().as_bytes()).await;
    assert!([200, 201].contains(&put.status), "{}", put.text());
    let told = service.get("/api/reservations/timeline?reservation_id=0x7f").await.json();
    let expected = json!({
        "reservation": { "reservationId": "0x7f", "labId": "7", "status": "CONFIRMED", "start": "<time>", "end": "<time>", "walletAddress": "0xabc" },
        "host": { "name": service.host() }, "operations": [],
        "phases": { "wake": null, "prepare": null, "release": null, "power": null, "schedulerEnd": null },
        "pagination": { "total": 0, "nextOffset": 0, "hasMore": false },
    });
    expect("booked", &expected, &told);
    // An operator who wants no automation has none: a start is what somebody asks for.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert!(service.given().is_empty(), "{:?}", service.given());
    let start = json!({ "reservationId": "0x7f", "host": service.host(), "guardGrace": 30 });
    let started = service.post("/api/reservations/start", &start).await;
    assert_eq!(started.status, 200, "{}", started.text());
    until("what was asked for is told", std::time::Duration::from_secs(20), async || {
        let told = service.get("/api/reservations/timeline?reservationId=0x7f").await.json();
        (told["phases"]["prepare"]["status"] == "completed").then_some(())
    })
    .await;
    service.stop().await;
}
