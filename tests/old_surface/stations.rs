//! Commands, polls and local mode, on a station that answers, and on one that fails.

use serde_json::{Value, json};
use stationkeeper::stations::Fault;
use stationkeeper_tests::simulated_stations::USER;

use crate::row::{check, holds, internal, row};
use crate::service::{SECRET, Service};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_and_its_exit_code_is_an_answer() {
    let service = Service::start().await;
    service.log_in().await;
    let host = service.host();
    let run = async |body: Value| service.post("/ops/api/winrm", &body).await;
    let answer = json!({ "exit_code": 0, "stdout": "<any>", "stderr": "<any>", "duration_ms": "<number>" });
    for (shows, body, given) in [
        ("no arguments", json!({ "host": host, "command": "status-json" }), "status-json"),
        (
            "the name in other letters",
            json!({ "host": host.to_uppercase(), "command": "status-json", "args": null }),
            "status-json",
        ),
        (
            "the way said again",
            json!({ "host": host, "command": "status-json", "args": [], "use_ssl": "true", "port": "5986", "transport": "ntlm" }),
            "status-json",
        ),
        (
            "a list",
            json!({ "host": host, "command": "prepare-session", "args": ["--guard-grace=30"] }),
            "prepare-session --guard-grace=30",
        ),
        (
            "one text",
            json!({ "host": host, "command": "prepare-session", "args": "--guard-grace=30 --user=LABUSER" }),
            "prepare-session --user=LABUSER --guard-grace=30",
        ),
    ] {
        let ran = run(body).await;
        assert_eq!(ran.status, 200, "{shows}: {}", ran.text());
        holds(&answer, &ran.json(), "").unwrap_or_else(|place| panic!("{shows}: {place} in {}", ran.text()));
        assert_eq!(service.given().last().map(String::as_str), Some(given), "{shows}");
    }
    // Its page sends a reboot without a time: the station would reboot at once.
    let released = run(json!({ "host": host, "command": "release-session", "args": ["--reboot"] })).await;
    assert_eq!(released.status, 200, "{}", released.text());
    let given = service.given().last().unwrap().clone();
    let seconds: u32 = given.split("--reboot-timeout=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(given.starts_with("release-session --reboot ") && seconds >= 15, "{given}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_station_does_not_do_is_an_answer_too() {
    let service = Service::start().await;
    service.log_in().await;
    // Windows refuses a second order while the first is pending.
    let order = json!({ "host": service.host(), "command": "power", "args": ["shutdown", "--delay=600", "--reason=Remote order"] });
    let ordered = service.post("/ops/api/winrm", &order).await;
    assert_eq!((ordered.status, &ordered.json()["exit_code"]), (200, &json!(0)), "{}", ordered.text());
    assert_eq!(service.given().last().unwrap(), r#"power shutdown --delay=600 "--reason=Remote order""#);
    let again = service.post("/api/winrm", &order).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert!(again.json()["exit_code"].as_i64().unwrap() != 0, "{}", again.text());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_reads_the_station_and_echoes_the_host_as_it_was_typed() {
    let service = Service::start().await;
    service.log_in().await;
    service.until_heartbeat().await;
    for (name, include_events) in [
        (service.host(), json!(true)),
        (service.host().to_uppercase(), json!(false)),
        (service.host(), json!("no")),
        (service.host(), Value::Null),
    ] {
        for path in ["/api/heartbeat/poll", "/ops/api/heartbeat/poll"] {
            let polled = service.post(path, &json!({ "host": name, "include_events": include_events })).await;
            assert_eq!(polled.status, 200, "{}", polled.text());
            let expected = json!({
                "host": name, "duration_ms": "<number>", "last_event": null,
                "heartbeat": { "host": service.lab.host(0), "timestamp": "<time>", "summary": { "ready": "<flag>" }, "status": {} },
            });
            holds(&expected, &polled.json(), "").unwrap_or_else(|place| panic!("{place} in {}", polled.text()));
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_mode_is_set_by_any_word_for_yes_and_no() {
    let service = Service::start().await;
    service.log_in().await;
    for (word, enabled) in [
        (json!(true), true),
        (json!("off"), false),
        (json!("Yes"), true),
        (json!(0), false),
        (json!("1"), true),
        (json!("No"), false),
        (json!(" ON "), true),
        (json!("false"), false),
        (json!(1), true),
        (json!(false), false),
    ] {
        let host = if enabled { service.host() } else { service.host().to_uppercase() };
        let set = service.post("/ops/api/hosts/local-mode", &json!({ "host": host, "enabled": word })).await;
        assert_eq!(set.status, 200, "{word}: {}", set.text());
        let expected = json!({ "host": host, "localModeEnabled": enabled, "desired": { "enabled": enabled } });
        holds(&expected, &set.json(), "").unwrap_or_else(|place| panic!("{word}: {place} in {}", set.text()));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_station_does_wrong_callers_are_told_nothing_of_it_but_a_word() {
    let service = Service::start().await;
    service.log_in().await;
    let asked = |host: &str| {
        [
            ("POST /api/winrm", json!({ "host": host, "command": "status-json" })),
            ("POST /api/heartbeat/poll", json!({ "host": host })),
            ("POST /api/hosts/local-mode", json!({ "host": host, "enabled": true })),
        ]
    };
    let answers = async |shows: &str, host: &str, words: &[&str]| {
        for (line, body) in asked(host) {
            let (method, path) = line.split_once(' ').unwrap();
            let headers = [("X-Ops-Internal-Token", SECRET), ("X-Request-ID", "r-1")];
            let answer = service.send(method, path, &headers, body.to_string().as_bytes()).await;
            let expected = json!({ "error": "Internal server error", "code": "INTERNAL_ERROR", "requestId": "r-1" });
            assert_eq!((answer.status, answer.json()), (500, expected), "{shows}: {line}");
            let word = answer.header("x-station-error").unwrap();
            assert!(words.contains(&word), "{shows}: {line}: {word}");
        }
    };
    answers("nothing listens", "lab-off", &["station_unreachable"]).await;
    answers("nobody logs in", "lab-nologin", &["no_login"]).await;
    let name = service.lab.host(0);
    let host = service.host();
    for (shows, fault, words) in [
        ("it refuses the login", Fault::Unauthorized, &["station_unauthorized"][..]),
        ("it talks nonsense", Fault::Garbage, &["station_not_winrm", "station_unreachable"]),
    ] {
        service.lab.stations.set_fault(&name, Some(fault));
        answers(shows, &host, words).await;
    }
    service.lab.stations.set_fault(&name, None);
    let wrong = json!({ "credentialRef": "lab-7", "user": USER, "password": "wr0ng-password" });
    assert_eq!(service.post("/api/hosts/winrm-credentials", &wrong).await.status, 200);
    answers("the password is another", &host, &["station_unauthorized"]).await;
    assert!(!service.up.program.log().contains("wr0ng-password"));
    let rows =
        [row("a login that is none", "POST /api/heartbeat/poll", json!({ "host": host }).to_string(), 500, internal())];
    check(&service, &rows).await;
    service.stop().await;
}
