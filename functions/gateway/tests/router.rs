//! The router in-process, over a real SQLite store: what a client sees.

#![expect(clippy::unwrap_used, reason = "a test that panics has said what is wrong")]

mod app;
mod document;
mod history;
mod hosts;
mod importing;
mod keys;
mod listing;
mod live;
mod people;
mod refusals;
mod requests;
mod resolving;
mod silences;
mod vendored;
mod waking;

use app::{Answer, App};
use axum::http::StatusCode;
use chrono::TimeDelta;
use stationkeeper_rules::{AlertState, Cause, Doing, Heard, Rule, Running, StationWord, StatusDocument};
use stationkeeper_store::TokenRole;
use stationkeeper_telemetry::{HostName, ServiceState, SessionOperation, Snapshot};

#[tokio::test]
async fn without_a_token_nothing_of_the_api_is_shown() {
    let app = App::start().await;
    for path in [
        "/api/v1/stations",
        "/ops/api/v1/stations",
        "/api/v1/stations/LAB-01",
        "/api/v1/stations/LAB-01/history",
        "/api/v1/stations/LAB-01/heartbeats",
        "/api/v1/alerts",
        "/api/v1/alerts/x",
        "/api/v1/alerts/x/explain",
        "/api/v1/silences",
        "/api/v1/reservations",
        "/api/v1/reservations/x",
        "/api/v1/tokens",
        "/api/v1/audit",
        "/api/v1/events",
        "/api/v1/forced-logoffs",
        "/api/v1/quarantine",
        "/metrics",
    ] {
        for token in [None, Some("sk_wrong"), Some("")] {
            let answer = app.get_as(token, path).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
            assert_eq!(
                (answer.json()["error"].as_str(), answer.json()["code"].as_str()),
                (Some("Unauthorized"), Some("unauthenticated"))
            );
        }
        let raw = app.send(app.request("GET", path).header("x-lab-manager-token", b"\xff\xfe".as_slice())).await;
        assert_eq!(raw.status, StatusCode::UNAUTHORIZED, "a token that is no text: {path}");
    }
}

#[tokio::test]
async fn a_gateway_without_any_token_is_closed() {
    let app = App::without_tokens().await;
    let answer = app.get_as(Some("sk_any"), "/api/v1/stations").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["code"], "not_configured");
}

#[tokio::test]
async fn a_revoked_token_opens_nothing() {
    let app = App::start().await;
    assert_eq!(app.get("/api/v1/stations").await.status, StatusCode::OK);
    app.revoke_admin().await;
    app.add_token("other", TokenRole::Viewer).await;
    assert_eq!(app.get("/api/v1/stations").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn both_headers_carry_a_token_and_a_query_string_never_does() {
    let app = App::start().await;
    for (name, value) in [
        ("authorization", format!("Bearer {}", app.admin)),
        ("authorization", format!("bearer {}", app.admin)),
        ("x-lab-manager-token", app.admin.clone()),
    ] {
        let answer = app.send(app.request("GET", "/api/v1/stations").header(name, value)).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
    }
    let basic =
        app.send(app.request("GET", "/api/v1/stations").header("authorization", format!("Basic {}", app.admin))).await;
    assert_eq!(basic.status, StatusCode::UNAUTHORIZED);
    for path in ["/?token=x", "/api/v1/stations?access_token=x", "/health?Token=x"] {
        let answer = app.get(path).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("token_in_query")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_guards() {
    let app = App::start().await;
    for (given, echoed) in [(Some("trace-1:a.b"), true), (Some("two words"), false), (None, false)] {
        let mut request = app.request("GET", "/api/v1/nothing").header("x-lab-manager-token", &app.admin);
        if let Some(id) = given {
            request = request.header("x-request-id", id);
        }
        let answer = app.send(request).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let id = answer.header("x-request-id").to_owned();
        assert_eq!(answer.json()["requestId"], id.as_str());
        assert_eq!(given == Some(id.as_str()), echoed, "{given:?} {id}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn what_a_request_may_not_be() {
    let app = App::start().await;
    let large = vec![b'x'; 1024 * 1024 + 1];
    for (method, path, body, status, code) in [
        ("GET", "/nothing", vec![], StatusCode::NOT_FOUND, "unknown_address"),
        ("POST", "/api/v1/stations", vec![], StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        ("GET", "/lab-manager/login", vec![], StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        ("GET", "/api/v1/stations?stat=down", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations?state=broken", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations?host=../x", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations?lab=a&lab=b", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations?limit=0", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations?limit=501", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations?cursor=zz", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations/LAB-99", vec![], StatusCode::NOT_FOUND, "unknown_station"),
        ("GET", "/api/v1/stations/%2e%2e", vec![], StatusCode::NOT_FOUND, "unknown_station"),
        ("GET", "/api/v1/stations/LAB-01?x=1", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/stations/LAB-99/history", vec![], StatusCode::NOT_FOUND, "unknown_station"),
        ("GET", "/api/v1/stations/%2e%2e/history", vec![], StatusCode::NOT_FOUND, "unknown_station"),
        ("GET", "/api/v1/stations/LAB-99/heartbeats", vec![], StatusCode::NOT_FOUND, "unknown_station"),
        ("GET", "/api/v1/alerts?state=pending", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/alerts?rule=none", vec![], StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/api/v1/alerts/none", vec![], StatusCode::NOT_FOUND, "unknown_alert"),
        ("POST", "/api/v1/alerts/none/acknowledge", vec![], StatusCode::NOT_FOUND, "unknown_alert"),
        ("POST", "/api/v1/alerts/none/acknowledge", b"[1]".to_vec(), StatusCode::BAD_REQUEST, "bad_request"),
        ("POST", "/api/v1/alerts/none/acknowledge", b"{\"x\":1}".to_vec(), StatusCode::BAD_REQUEST, "bad_request"),
        ("POST", "/api/v1/alerts/none/acknowledge", b"{".to_vec(), StatusCode::BAD_REQUEST, "bad_request"),
        ("POST", "/api/v1/alerts/none/acknowledge", large, StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        ("GET", "/api/v1/forced-logoffs?from=yesterday", vec![], StatusCode::BAD_REQUEST, "bad_request"),
    ] {
        let answer = app.send_body(app.request(method, path).header("x-lab-manager-token", &app.admin), body).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{method} {path} {}",
            answer.text()
        );
    }
    let unknown = app.get("/api/v1/stations/LAB-99").await;
    assert_eq!(unknown.json()["error"], "host 'LAB-99' not found", "the older service's text");
}

#[tokio::test]
async fn stations_are_listed_in_pages_and_filtered() {
    let app = App::start().await;
    for (host, lab, word) in [
        ("LAB-01", "Redes", StationWord::Ready),
        ("LAB-02", "Redes", StationWord::Down),
        ("LAB-03", "Robótica", StationWord::Attention),
    ] {
        app.station(host, Some(lab), word).await;
    }
    let hosts = |answer: &Answer| -> Vec<String> {
        answer.json()["items"].as_array().unwrap().iter().map(|one| one["host"].as_str().unwrap().to_owned()).collect()
    };
    for (query, found) in [
        ("", vec!["LAB-01", "LAB-02", "LAB-03"]),
        ("?lab=Redes", vec!["LAB-01", "LAB-02"]),
        ("?state=down,attention", vec!["LAB-02", "LAB-03"]),
        ("?host=lab-03", vec!["LAB-03"]),
        ("?lab=Redes&state=attention", vec![]),
    ] {
        let answer = app.get(&format!("/api/v1/stations{query}")).await;
        assert_eq!(hosts(&answer), found, "{query}");
        assert!(answer.json()["next"].is_null(), "{query}");
    }
    let first = app.get("/api/v1/stations?limit=2").await;
    assert_eq!(hosts(&first), ["LAB-01", "LAB-02"]);
    let cursor = first.json()["next"].as_str().unwrap().to_owned();
    let second = app.get(&format!("/ops/api/v1/stations?limit=2&cursor={cursor}")).await;
    assert_eq!(hosts(&second), ["LAB-03"]);
    assert!(second.json()["next"].is_null());
    let one = app.get("/api/v1/stations/lab-02").await;
    assert_eq!((one.json()["host"].as_str(), one.json()["state"].as_str()), (Some("LAB-02"), Some("down")));
    assert_eq!(one.json()["age_seconds"], 60);
    assert_eq!(one.json()["timestamp_utc"], "2026-11-24T09:59:00Z");
}

/// A list passes over what it does not show; a single station is read whole.
#[tokio::test]
async fn a_list_shows_of_a_station_what_it_shows_of_itself() {
    let app = App::start().await;
    for (host, word) in [("LAB-01", StationWord::Busy), ("LAB-02", StationWord::Ready)] {
        app.station(host, Some("Redes"), word).await;
    }
    let at = |seconds| app.now + TimeDelta::seconds(seconds);
    let mut work = app.store().begin().await.unwrap();
    let mut state = work.states().lock(&[HostName::parse("LAB-01").unwrap()]).await.unwrap().remove(0);
    let latest = &mut state.latest.as_mut().unwrap().snapshot;
    latest.issues = vec!["Wake off".to_owned()];
    latest.details.version = Some("3.2.0".to_owned());
    latest.details.local_users = vec!["ana".to_owned()];
    latest.last_prepare =
        Some(SessionOperation { timestamp: Some(at(-900)), success: Some(true), duration_ms: Some(7), user: None });
    let release = SessionOperation { timestamp: Some(at(-800)), ..latest.last_prepare.clone().unwrap() };
    let of_ini = ServiceState { last_release: Some(release), ..ServiceState::default() };
    let snapshot = Snapshot { timestamp_utc: at(-70), ..latest.clone() };
    state.service_state = Some((of_ini, at(-50)));
    state.status = Some(StatusDocument { snapshot, arrived_at: at(-65) });
    state.heard = Some(Heard { timestamp: at(-9), in_range: true, arrived_at: at(-8), alive_at: Some(at(-8)) });
    state.running = Some(Running { doing: Doing::Prepare, since: at(-20), until: at(90) });
    state.skew = Some(TimeDelta::milliseconds(-1_500));
    state.word_cause = Some(Cause::Busy { command: "prepare-session".to_owned(), since: at(-20) });
    drop(work);
    for (doing, shown) in [(Doing::Prepare, true), (Doing::Wake, false)] {
        state.running = Some(Running { doing, since: at(-20), until: at(90) });
        let mut work = app.store().begin().await.unwrap();
        work.states().save([&state]).await.unwrap();
        work.commit().await.unwrap();
        let list = app.get("/api/v1/stations").await.json();
        for one in list["items"].as_array().unwrap() {
            let path = format!("/api/v1/stations/{}", one["host"].as_str().unwrap());
            assert_eq!(one, &app.get(&path).await.json());
        }
        let first = &list["items"][0];
        assert_eq!(first["current_action"].is_object(), shown, "a wake is over once it was heard: {first}");
        assert_eq!(first["status_as_of"], "2026-11-24T09:58:50Z");
        assert!(first["last_release"].is_object(), "{first}");
    }
}

#[tokio::test]
async fn an_alert_is_taken_once_and_by_name() {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Attention).await;
    let cause = Cause::Issues { issues: vec!["Lab user not found".into()], codes: vec![], since: app.now };
    let id = app.open_alert(Rule::NotReady, Some("LAB-01"), cause).await;
    let path = format!("/api/v1/alerts/{id}/acknowledge");

    let viewer = app.add_token("wall", TokenRole::Viewer).await;
    let refused = app.post_as(&viewer, &path, "{}").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("forbidden")));
    let long = format!("{{\"note\":\"{}\"}}", "x".repeat(2_001));
    assert_eq!(app.post(&path, &long).await.json()["code"], "note_too_long");

    let taken = app.post(&path, "{\"note\":\" on my way \"}").await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    let alert = taken.json();
    assert_eq!(alert["state"], "acknowledged");
    assert_eq!((alert["acknowledged_by"].as_str(), alert["note"].as_str()), (Some("admin"), Some("on my way")));
    let steps: Vec<_> = alert["transitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["to"].clone(), step["actor"].clone()))
        .collect();
    assert_eq!(steps, [("open".into(), "rule".into()), ("acknowledged".into(), "person:admin".into())]);

    let instructor = app.add_token("ana", TokenRole::Instructor).await;
    let again = app.post_as(&instructor, &path, "").await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["acknowledged_by"], "admin", "it stays with whoever took it first");

    app.resolve_alert(&id).await;
    let late = app.post(&path, "{}").await;
    assert_eq!((late.status, late.json()["code"].as_str()), (StatusCode::CONFLICT, Some("alert_resolved")));
}

#[tokio::test]
async fn alerts_are_filtered_by_where_they_stand() {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Down).await;
    let since = app.now;
    let missing = app.open_alert(Rule::HeartbeatMissing, Some("LAB-01"), Cause::NothingNewer { since }).await;
    let skew = app.open_alert(Rule::ClockSkew, Some("LAB-01"), Cause::ClockSkew { seconds: 137 }).await;
    app.open_alert(Rule::IngestStalled, None, Cause::NothingFromAnyone { since, stations: 3 }).await;
    app.resolve_alert(&skew).await;
    for (query, number) in [
        ("", 2),
        ("?state=open", 2),
        ("?state=acknowledged", 0),
        ("?state=resolved", 1),
        ("?state=any", 3),
        ("?state=any&rule=clock_skew", 1),
        ("?host=lab-01", 1),
        ("?lab=Redes&state=any", 2),
        ("?lab=none", 0),
    ] {
        let answer = app.get(&format!("/api/v1/alerts{query}")).await;
        assert_eq!(answer.json()["items"].as_array().map(Vec::len), Some(number), "{query} {}", answer.text());
    }
    let one = app.get(&format!("/api/v1/alerts/{missing}")).await.json();
    assert_eq!((one["rule"].as_str(), one["lab"].as_str()), (Some("heartbeat_missing"), Some("Redes")));
    assert_eq!(one["state"], AlertState::Open.as_str());
    let all = app.get("/api/v1/alerts?state=any&limit=2").await.json();
    let next = all["next"].as_str().unwrap();
    let rest = app.get(&format!("/api/v1/alerts?state=any&limit=2&cursor={next}")).await.json();
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_browser_logs_in_and_out() {
    let app = App::start().await;
    let form = app.get_as(None, "/").await;
    assert_eq!(form.status, StatusCode::UNAUTHORIZED);
    assert!(form.text().contains("name=\"token\""));

    for (body, status) in [
        ("", StatusCode::BAD_REQUEST),
        ("token=", StatusCode::BAD_REQUEST),
        ("token=sk_wrong", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(app.login(body, &[]).await.status, status, "{body}");
    }
    let long = format!("token={}", "x".repeat(513));
    assert_eq!(app.login(&long, &[]).await.status, StatusCode::BAD_REQUEST);
    let body = format!("token={}", app.admin);
    let foreign = app.login(&body, &[("origin", "https://example.org")]).await;
    assert_eq!((foreign.status, foreign.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("foreign_origin")));

    let logged_in = app.login(&body, &[]).await;
    assert_eq!(logged_in.status, StatusCode::NO_CONTENT);
    let cookie = logged_in.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=1800"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "on loopback: {cookie}");
    assert!(!cookie.contains(&app.admin));
    let elsewhere = app.login(&body, &[("host", "lab-server:8080")]).await;
    assert!(elsewhere.header("set-cookie").contains("; Secure"));
    let browser = app.login(&body, &[("accept", "text/html")]).await;
    assert_eq!((browser.status, browser.header("location")), (StatusCode::SEE_OTHER, "/"));

    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with_cookie = |method, path| app.request(method, path).header("cookie", format!("other=1; {cookie}"));
    assert_eq!(app.send(with_cookie("GET", "/")).await.status, StatusCode::OK);
    assert_eq!(app.send(with_cookie("GET", "/api/v1/stations")).await.status, StatusCode::OK);
    let forged = with_cookie("POST", "/api/v1/alerts/x/acknowledge").header("origin", "https://example.org");
    assert_eq!(app.send(forged).await.json()["code"], "foreign_origin");
    assert_eq!(app.send(with_cookie("POST", "/lab-manager/logout")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.send(with_cookie("GET", "/api/v1/stations")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let app = App::start().await;
    for _ in 0..10 {
        assert_eq!(app.login("token=sk_wrong", &[]).await.status, StatusCode::UNAUTHORIZED);
    }
    let answer = app.login(&format!("token={}", app.admin), &[]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "60");
}

#[tokio::test]
async fn the_page_shows_what_stations_wrote_as_text() {
    let app = App::start().await;
    app.station("LAB-01", Some("<img src=x onerror=alert(1)>"), StationWord::Ready).await;
    let cause = Cause::LookFailed { error: "<script>alert(2)</script>".into() };
    app.open_alert(Rule::IngestStalled, None, cause).await;
    let page = app.get("/").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let html = page.text();
    assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
    for part in [
        "LAB-01",
        "Ready",
        "Stations: 1 · open alerts: 1",
        "Nothing comes in",
        "&#60;script&#62;",
        "http-equiv=\"refresh\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains(" style="), "the policy allows no inline style");
    assert!(page.header("content-security-policy").contains("style-src 'self'"));
    assert!(!page.header("content-security-policy").contains("script-src"));
    let spanish = app
        .send(app.request("GET", "/").header("x-lab-manager-token", &app.admin).header("accept-language", "es-ES"))
        .await;
    assert!(spanish.text().contains("<html lang=\"es\">") && spanish.text().contains("Listo"));
    let style = app.get_as(None, "/assets/status.css").await;
    assert_eq!((style.status, style.header("content-type")), (StatusCode::OK, "text/css; charset=utf-8"));
}

#[tokio::test]
async fn health_is_open_and_says_what_is_wrong_but_no_more() {
    let mut app = App::start().await;
    app.station("LAB-01", None, StationWord::Ready).await;
    app.check_ran().await;
    let well = app.get_as(None, "/health").await;
    assert_eq!(well.status, StatusCode::OK, "{}", well.text());
    assert_eq!(well.json()["status"], "ok");
    assert_eq!((well.json()["hosts_loaded"].as_u64(), well.json()["db"].as_bool()), (Some(1), Some(true)));
    app.bucket_fails("refused by 10.0.0.9");
    let ill = app.get_as(None, "/health").await;
    assert_eq!((ill.status, ill.json()["status"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("degraded")));
    assert_eq!(ill.json()["parts"]["bucket"]["ok"], false);
    assert_eq!(ill.json()["parts"]["database"]["ok"], true);
    assert!(!ill.text().contains("10.0.0.9"), "internal texts stay inside: {}", ill.text());
    assert!(app.get("/").await.text().contains("10.0.0.9"), "whoever is logged in may read them");
    for path in ["/livez", "/readyz"] {
        assert_eq!(app.get_as(None, path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_finding_and_never_a_text() {
    let app = App::start().await;
    app.close_database().await;
    let health = app.get_as(None, "/health").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health.json()["parts"]["database"]["ok"], false);
    assert_eq!(app.get_as(None, "/livez").await.status, StatusCode::OK);
    for path in ["/readyz", "/api/v1/stations", "/"] {
        let answer = app.get(path).await;
        assert!(answer.status.is_server_error(), "{path}");
        assert!(["database_away", "INTERNAL_ERROR", "too_slow"].contains(&answer.json()["code"].as_str().unwrap()));
        assert!(!answer.text().to_lowercase().contains("sqlite"), "{}", answer.text());
    }
}

#[tokio::test]
async fn metrics_count_stations_and_alerts() {
    let app = App::start().await;
    app.station("LAB-01", None, StationWord::Down).await;
    app.open_alert(Rule::HeartbeatMissing, Some("LAB-01"), Cause::NothingNewer { since: app.now }).await;
    let answer = app.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    for line in [
        "stationkeeper_stations{state=\"down\"} 1",
        "stationkeeper_stations{state=\"ready\"} 0",
        "stationkeeper_alerts{rule=\"heartbeat_missing\",state=\"open\"} 1",
        "stationkeeper_queue_deliveries 0",
    ] {
        assert!(answer.text().lines().any(|one| one == line), "{line}: {}", answer.text());
    }
    let local = app.local("GET", "/metrics", &[]).await;
    assert_eq!(local.status, StatusCode::OK, "open to this computer");
    let forwarded = app.local("GET", "/metrics", &[("x-forwarded-for", "10.0.0.1")]).await;
    assert_eq!(forwarded.status, StatusCode::UNAUTHORIZED, "not to whoever a proxy speaks for");
}

#[tokio::test]
async fn evidence_is_listed() {
    let app = App::start().await;
    app.station("LAB-01", None, StationWord::Ready).await;
    app.forced_logoff("LAB-01", "ana", Some("R-1")).await;
    app.forced_logoff("LAB-01", "eva", None).await;
    for (query, number) in [("", 2), ("?reservation_id=R-1", 1), ("?host=lab-01", 2), ("?host=LAB-02", 0)] {
        let answer = app.get(&format!("/api/v1/forced-logoffs{query}")).await;
        assert_eq!(answer.json()["items"].as_array().map(Vec::len), Some(number), "{query} {}", answer.text());
    }
    let first = app.get("/api/v1/forced-logoffs?limit=1").await.json();
    let next = first["next"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/forced-logoffs?limit=1&cursor={next}")).await.json();
    assert_ne!(first["items"][0]["user"], second["items"][0]["user"]);
    app.quarantined("stations/LAB-01/heartbeat.json", "malformed_json").await;
    let put_aside = app.get("/api/v1/quarantine").await.json();
    assert_eq!(put_aside["items"][0]["reason"], "malformed_json");
    assert_eq!(put_aside["items"][0]["first_bytes_hex"], "7b");
    let viewer = app.add_token("wall", TokenRole::Viewer).await;
    assert_eq!(app.get_as(Some(&viewer), "/api/v1/quarantine").await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.get_as(Some(&viewer), "/api/v1/stations").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_bucket_elsewhere_nobody_takes_its_events() {
    let app = App::start().await;
    let request = app.request("POST", "/events/s3").header("authorization", format!("Bearer {}", app.admin));
    let answer = app.send(request).await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::NOT_FOUND, &"unknown_address".into()));
}
