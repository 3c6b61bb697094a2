//! Who is let in at all: the secret of a proxy, and the networks of administrators.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use serde_json::json;
use stationkeeper_gateway::{AdminNetworks, InternalToken};
use stationkeeper_rules::StationWord;
use stationkeeper_store::TokenRole;

use super::audited;
use crate::app::App;

#[tokio::test]
async fn a_proxy_lets_its_callers_in_by_a_secret_of_its_own() {
    let app =
        App::start_with(|_folder, options| options.internal = InternalToken::new("X-Ops-Internal-Token", "s3cret"))
            .await;
    app.station("LAB-01", None, StationWord::Ready).await;
    let with = |value: &'static [u8]| app.request("GET", "/api/hosts").header("x-ops-internal-token", value);
    assert_eq!(app.send(with(b"s3cret")).await.status, 200);
    for wrong in [&b"S3cret"[..], b"", b"\xff\xfe", b"s3cret "] {
        let refused = app.send(with(wrong)).await;
        let body = refused.json();
        assert_eq!(refused.status, 401, "{wrong:?}");
        assert_eq!((&body["error"], &body["success"]), (&json!("Unauthorized"), &json!(false)), "{wrong:?}");
    }
    // A wrong secret is not made good by a right token; without one, tokens count as ever.
    assert_eq!(app.send(with(b"no").header("x-lab-manager-token", &app.admin)).await.status, 401);
    assert_eq!(app.get("/api/hosts").await.status, 200);
    let retire = app.request("DELETE", "/api/hosts/LAB-01").header("x-ops-internal-token", "s3cret");
    assert_eq!(app.send(retire).await.status, 200);
    assert_eq!(audited(&app, "host.retire").await[0]["actor"], "ops-internal");
    let asked = app.request("GET", "/api/hosts?X-Ops-Internal-Token=s3cret");
    assert_eq!(app.send(asked).await.json()["code"], "token_in_query");
}

#[tokio::test]
async fn whoever_has_neither_a_secret_nor_a_token_of_its_own_answers_nobody() {
    let closed = App::without_tokens().await;
    let answer = closed.get_as(None, "/api/hosts").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["success"]), (503, &json!(false)));
    let secret = App::without_tokens_with(|_folder, options| {
        options.internal = InternalToken::new("X-Ops-Internal-Token", "s3cret")
    })
    .await;
    assert_eq!(secret.get_as(None, "/api/hosts").await.status, 401, "a token is missing, not the configuration");
}

#[tokio::test]
async fn outside_of_the_networks_of_administrators_nothing_but_health_answers() {
    let app = App::start_with(|_folder, options| {
        options.admin_networks = Some(AdminNetworks { networks: "10.7.0.0/16".parse().unwrap(), trusts_proxies: true });
    })
    .await;
    let from = async |address: [u8; 4], path: &str, headers: &[(&str, &str)]| {
        let mut request = app.request("GET", path).extension(ConnectInfo(SocketAddr::from((address, 50_000))));
        for (name, value) in headers.iter().chain(&[("x-lab-manager-token", app.admin.as_str())]) {
            request = request.header(*name, *value);
        }
        app.send(request).await
    };
    for (address, path, headers, status) in [
        ([127, 0, 0, 1], "/api/hosts", &[][..], 200),
        ([10, 7, 3, 4], "/api/hosts", &[], 200),
        ([192, 0, 2, 1], "/api/hosts", &[], 403),
        ([192, 0, 2, 1], "/", &[], 403),
        ([192, 0, 2, 1], "/livez", &[], 200),
        ([127, 0, 0, 1], "/api/hosts", &[("x-forwarded-for", "10.7.3.4")], 200),
        ([127, 0, 0, 1], "/api/hosts", &[("x-forwarded-for", "192.0.2.1")], 403),
        ([192, 0, 2, 1], "/api/hosts", &[("x-forwarded-for", "127.0.0.1")], 403),
    ] {
        let answer = from(address, path, headers).await;
        assert_eq!(answer.status, status, "{address:?} {path} {headers:?}");
        if status == 403 {
            assert_eq!(answer.json()["code"], "network_policy");
        }
    }
}

#[tokio::test]
async fn the_way_in_and_out_is_the_older_service_s() {
    let app = App::start().await;
    for (method, path, status) in
        [("GET", "/lab-manager/login", 405), ("POST", "/admin/logout", 204), ("POST", "/lab-manager/logout", 204)]
    {
        assert_eq!(app.send(app.request(method, path)).await.status, status, "{method} {path}");
    }
    let long = "x".repeat(513);
    for (form, headers, status) in [
        ("token=", &[][..], 400),
        ("", &[], 400),
        (&format!("token={long}"), &[], 400),
        ("token=wrong", &[], 401),
        (&format!("token={}", app.admin), &[("origin", "http://example.org")], 403),
        (&format!("token={}", app.admin), &[], 204),
    ] {
        assert_eq!(app.login(form, headers).await.status, status, "{form:.20} {headers:?}");
    }
    assert_eq!(App::without_tokens().await.login("token=x", &[]).await.status, 503);
}

#[tokio::test]
async fn health_is_one_word_for_all_and_its_parts_for_operators() {
    let mut app = App::start().await;
    app.check_ran().await;
    let well = app.send(app.request("GET", "/ops/health")).await;
    let body = json!({ "status": "UP", "service": "ops-worker", "mode": "full", "public": true });
    assert_eq!((well.status.as_u16(), well.json()), (200, body));
    app.bucket_fails("refused by 10.0.0.1");
    let partial = app.send(app.request("GET", "/ops/health")).await;
    assert_eq!((partial.status.as_u16(), &partial.json()["status"]), (503, &json!("PARTIAL")));
    assert!(!partial.text().contains("10.0.0.1"));
    let viewer = app.add_token("wall", TokenRole::Viewer).await;
    for (token, status) in [(None, 401), (Some(viewer.as_str()), 403)] {
        assert_eq!(app.get_as(token, "/ops/health/details").await.status, status);
    }
    let details = app.get("/ops/health/details").await;
    assert_eq!(
        (details.status.as_u16(), &details.json()["parts"]["bucket"]["problem"]),
        (503, &json!("refused by 10.0.0.1"))
    );
    app.close_database().await;
    let down = app.send(app.request("GET", "/ops/health")).await;
    assert_eq!((down.status.as_u16(), &down.json()["status"]), (503, &json!("DOWN")));
}

#[tokio::test]
async fn whoever_is_not_let_in_is_not_told_which_addresses_there_are() {
    let app = App::start().await;
    for (method, path, status) in [
        ("POST", "/api/aas-sync", 404),
        ("GET", "/ops/api/power/controllers", 404),
        ("POST", "/api/labs/1/power/start", 404),
        ("GET", "/api/wol", 405),
    ] {
        assert_eq!(app.send(app.request(method, path)).await.status, 401, "{method} {path}");
        let answer = app.send(app.request(method, path).header("x-lab-manager-token", &app.admin)).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(App::without_tokens().await.get_as(None, "/api/nothing").await.status, 503);
}
