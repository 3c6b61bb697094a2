//! Requests with an `Idempotency-Key`: carried out once, answered as often as they are sent.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use sha2::{Digest, Sha256};
use stationkeeper_rules::{Cause, Rule, StationWord};
use stationkeeper_store::faults::{Fault, FaultPlan};
use stationkeeper_store::{ClaimTimes, KeyClaim, KeyedRequest, TokenRole};
use tower::ServiceExt;

use crate::app::{Answer, App};

const SILENCES: &str = "/api/v1/silences";
const SILENCE: &str = r#"{"lab":"Redes","until":"2026-11-24T12:00:00Z","reason":"new switch"}"#;

async fn send(app: &App, token: &str, path: &str, key: &str, body: &str) -> Answer {
    let request = app.request("POST", path).header("x-lab-manager-token", token).header("idempotency-key", key);
    app.send_body(request, body.as_bytes().to_vec()).await
}

async fn silences(app: &App) -> usize {
    app.get("/api/v1/silences?all=true").await.json()["items"].as_array().unwrap().len()
}

/// As the layer names what makes a request.
fn digest(path: &str, body: &str) -> [u8; 32] {
    Sha256::digest(format!("POST\0{path}\0\0{body}")).into()
}

async fn token_id(app: &App, name: &str) -> String {
    let tokens = app.store().tokens().await.unwrap();
    tokens.into_iter().find(|token| token.token.grant.name == name).unwrap().token.id
}

/// What a gateway that died had claimed.
async fn claimed(app: &App, key: &str, path: &str, body: &str, now: i64) -> KeyClaim {
    let request = KeyedRequest {
        token_id: token_id(app, "admin").await,
        key: key.to_owned(),
        sha256: digest(path, body),
        claimed_by: "another process".to_owned(),
    };
    let at = |seconds| app.now + chrono::TimeDelta::seconds(seconds);
    let times = ClaimTimes { now: at(now), claimed_until: at(now + 60), expires_at: at(now + 86_400) };
    app.store().claim_request(&request, times).await.unwrap()
}

#[tokio::test]
async fn a_request_that_is_sent_again_gets_the_answer_that_was_given() {
    let app = App::start().await;
    let first = send(&app, &app.admin, SILENCES, "k1", SILENCE).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::CREATED, ""), "{}", first.text());
    app.pass(3_600);
    for path in [SILENCES, "/ops/api/v1/silences"] {
        let again = send(&app, &app.admin, path, "k1", SILENCE).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, "true"));
        assert_eq!((again.text(), again.header("content-type")), (first.text(), "application/json"));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"), "each request has its own");
    }
    assert_eq!(silences(&app).await, 1);
    assert_eq!(app.get("/api/v1/audit").await.json()["items"].as_array().unwrap().len(), 1);
    app.pass(86_400 - 3_600);
    let later =
        send(&app, &app.admin, SILENCES, "k1", r#"{"lab":"Redes","until":"2026-11-26T12:00:00Z","reason":"x"}"#).await;
    assert_eq!(
        (later.status, later.header("idempotency-replayed")),
        (StatusCode::CREATED, ""),
        "a day later it is new"
    );
}

#[tokio::test]
async fn a_key_is_of_one_request_and_of_one_token() {
    let app = App::start().await;
    let other = app.add_token("ben", TokenRole::Operator).await;
    assert_eq!(send(&app, &app.admin, SILENCES, "k1", SILENCE).await.status, StatusCode::CREATED);
    for (path, body) in [(SILENCES, r#"{"lab":"Redes"}"#), ("/api/v1/tokens", SILENCE)] {
        let refused = send(&app, &app.admin, path, "k1", body).await;
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, Some("key_of_other_request")),
            "{path} {body}"
        );
    }
    let theirs = send(&app, &other, SILENCES, "k1", SILENCE).await;
    assert_eq!((theirs.status, theirs.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    for key in ["", "two words", &"k".repeat(256)] {
        let refused = send(&app, &app.admin, SILENCES, key, SILENCE).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_request")));
    }
    assert_eq!(send(&app, "sk_wrong", SILENCES, "k1", SILENCE).await.status, StatusCode::UNAUTHORIZED);
    let large = send(&app, &app.admin, SILENCES, "k2", &"x".repeat(1024 * 1024 + 1)).await;
    assert_eq!((large.status, large.json()["code"].as_str()), (StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large")));
}

#[tokio::test]
async fn a_refusal_is_an_answer_too_and_bears_the_id_of_its_request() {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Down).await;
    let id = app.open_alert(Rule::HeartbeatMissing, Some("LAB-01"), Cause::NeverHeard).await;
    app.resolve_alert(&id).await;
    let path = format!("/api/v1/alerts/{id}/acknowledge");
    let first = send(&app, &app.admin, &path, "k1", "").await;
    assert_eq!((first.status, first.json()["code"].as_str()), (StatusCode::CONFLICT, Some("alert_resolved")));
    let again = send(&app, &app.admin, &path, "k1", "").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CONFLICT, "true"));
    for name in ["code", "error"] {
        assert_eq!(again.json()[name], first.json()[name]);
    }
    assert_eq!(again.json()["requestId"], again.header("x-request-id"));
}

#[tokio::test]
async fn of_two_at_once_one_is_carried_out() {
    let app = App::start().await;
    let (one, two) =
        tokio::join!(send(&app, &app.admin, SILENCES, "k1", SILENCE), send(&app, &app.admin, SILENCES, "k1", SILENCE));
    let carried_out = [&one, &two]
        .iter()
        .filter(|answer| answer.status == StatusCode::CREATED && answer.header("idempotency-replayed").is_empty())
        .count();
    assert_eq!(carried_out, 1, "{} {}", one.text(), two.text());
    for answer in [&one, &two] {
        let waits = answer.status == StatusCode::CONFLICT && answer.json()["code"] == "request_in_flight";
        assert!(answer.status == StatusCode::CREATED || waits, "{}", answer.text());
    }
    assert_eq!(silences(&app).await, 1);
}

#[tokio::test]
async fn what_a_gateway_had_claimed_before_it_died_is_carried_out_when_its_lease_has_ended() {
    let app = App::start().await;
    assert_eq!(claimed(&app, "k1", "/v1/silences", SILENCE, 0).await, KeyClaim::Taken);
    let waits = send(&app, &app.admin, SILENCES, "k1", SILENCE).await;
    assert_eq!((waits.status, waits.json()["code"].as_str()), (StatusCode::CONFLICT, Some("request_in_flight")));
    assert_eq!(waits.header("retry-after"), "60");
    app.pass(60);
    let done = send(&app, &app.admin, SILENCES, "k1", SILENCE).await;
    assert_eq!((done.status, done.header("idempotency-replayed")), (StatusCode::CREATED, ""), "{}", done.text());
    assert_eq!(silences(&app).await, 1);
}

#[tokio::test]
async fn an_answer_with_a_secret_is_kept_nowhere() {
    let app = App::start().await;
    for (path, inner, secret) in
        [("/api/v1/tokens", "/v1/tokens", "token"), ("/api/v1/pairing-codes", "/v1/pairing-codes", "code")]
    {
        let body = r#"{"name":"tray","role":"viewer"}"#;
        let first = send(&app, &app.admin, path, path, body).await;
        assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
        let again = send(&app, &app.admin, path, path, body).await;
        assert_eq!((again.status, again.json()["code"].as_str()), (StatusCode::CONFLICT, Some("answer_not_kept")));
        let KeyClaim::Answered(kept) = claimed(&app, path, inner, body, 1).await else { panic!("{path}") };
        assert!(!kept.contains(first.json()[secret].as_str().unwrap()), "{kept}");
    }
    assert_eq!(app.store().tokens().await.unwrap().len(), 2, "the admin's and one more");
}

#[tokio::test]
async fn whatever_call_of_the_database_fails_nothing_happens_twice_and_no_failure_is_kept() {
    for fault in [Fault::Once, Fault::OnceRefused, Fault::ReplyLost] {
        let mut struck = 0;
        for nth in 1.. {
            let app = App::start().await;
            let plan = Arc::new(FaultPlan::at(nth, fault));
            let request = Request::builder()
                .method("POST")
                .uri(SILENCES)
                .header("x-lab-manager-token", &app.admin)
                .header("idempotency-key", "k1")
                .body(Body::from(SILENCE))
                .unwrap();
            let first = Answer::of(app.with_faults(plan.clone()).oneshot(request).await.unwrap()).await;
            let Some(what) = plan.struck() else { break };
            struck += 1;
            let is_answer = first.status == StatusCode::CREATED || first.status.is_server_error();
            assert!(is_answer, "{fault:?} at {what}: {} {}", first.status, first.text());
            // Sent again at once: done, answered as before, or still claimed by whoever could not say more.
            let again = send(&app, &app.admin, SILENCES, "k1", SILENCE).await;
            let waits = again.status == StatusCode::CONFLICT && again.json()["code"] == "request_in_flight";
            assert!(again.status == StatusCode::CREATED || waits, "{fault:?} at {what}: {}", again.text());
            let done = first.status == StatusCode::CREATED || again.status == StatusCode::CREATED;
            assert!(silences(&app).await >= usize::from(done), "{fault:?} at {what}");
            assert!(silences(&app).await <= 1, "{fault:?} at {what}");
            app.pass(60);
            let at_last = send(&app, &app.admin, SILENCES, "k1", SILENCE).await;
            assert_eq!(at_last.status, StatusCode::CREATED, "{fault:?} at {what}: {}", at_last.text());
        }
        assert!(struck >= 8, "{fault:?}: {struck} calls");
    }
}
