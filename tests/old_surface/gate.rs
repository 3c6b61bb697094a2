//! Who is let in: the secret of a proxy, tokens, the login; and health, which is open.

use serde_json::{Value, json};
use stationkeeper_simulator::Role;
use stationkeeper_tests::simulated_stations::SimulatedStations;

use crate::row::{check, error, row};
use crate::service::{SECRET, Service, others};

const OLD: [&str; 15] = [
    "POST /api/wol",
    "POST /api/winrm",
    "POST /api/heartbeat/poll",
    "GET /api/heartbeat/stream",
    "GET /api/hosts",
    "POST /api/hosts/discover",
    "POST /api/hosts/provision",
    "POST /api/hosts/winrm-credentials",
    "POST /api/hosts/reload",
    "POST /api/hosts/local-mode",
    "POST /api/reservations/start",
    "POST /api/reservations/end",
    "GET /api/reservations/timeline",
    "GET /api/operations/recent",
    "POST /api/aas-sync",
];

fn unauthorized() -> Value {
    json!({ "error": "Unauthorized", "success": false, "requestId": "<text>", "code": "<text>" })
}

/// The fields of a form's answer, sent by itself.
async fn login(service: &Service, form: &str, headers: &[(&str, &str)]) -> stationkeeper_tests::http::Answer {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    service.send("POST", "/lab-manager/login", &[headers, &kind].concat(), form.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_without_the_secret_and_health_is_open() {
    let service = Service::start_with(&[("LAB_MANAGER_TOKEN", "shar3d")]).await;
    let mut rows = Vec::new();
    for line in OLD {
        rows.push(row("nobody", line, "", 401, unauthorized()).without_secret());
        let sent = row("a wrong secret", line, "{}", 401, unauthorized()).without_secret();
        rows.push(sent.with("X-Ops-Internal-Token", "S3cret"));
        rows.push(
            row("a bearer of nothing", line, "{}", 401, unauthorized())
                .without_secret()
                .with("Authorization", "Bearer x"),
        );
        rows.push(
            row("a cookie of nothing", line, "{}", 401, unauthorized())
                .without_secret()
                .with("Cookie", "lab_manager_token=x"),
        );
    }
    for wrong in ["", "s3cret2", "s3cre", "sécret", &"x".repeat(2_000)] {
        let sent = row("a wrong secret", "POST /api/wol", "{}", 401, unauthorized()).without_secret();
        rows.push(sent.with("X-Ops-Internal-Token", wrong));
    }
    for line in ["GET /api/nothing", "DELETE /api/wol", "POST /aas-admin/lab/7/sync", "GET /ops/health/details"] {
        rows.push(row("nobody is told what there is", line, "", 401, unauthorized()).without_secret());
    }
    let health = json!({ "status": "ok", "hosts_loaded": 4, "db": true, "ops_secrets_key": true });
    rows.push(row("health", "GET /health", "", 200, health.clone()).without_secret());
    rows.push(
        row("health with a wrong secret", "GET /health", "", 200, health)
            .without_secret()
            .with("X-Ops-Internal-Token", "no"),
    );
    let public = json!({ "status": "UP", "service": "ops-worker", "mode": "full", "public": true });
    rows.push(row("health in a word", "GET /ops/health", "", 200, public).without_secret());
    rows.push(row("health in detail", "GET /ops/health/details", "", 200, json!({ "status": "ok" })));
    // The token that all shared does everything, by its header too.
    let hosts = json!({ "guacamoleAvailable": false });
    rows.push(
        row("the shared token", "GET /api/hosts", "", 200, hosts.clone())
            .without_secret()
            .with("X-Lab-Manager-Token", "shar3d"),
    );
    rows.push(
        row("the shared token as a bearer", "GET /api/hosts", "", 200, hosts)
            .without_secret()
            .with("Authorization", "Bearer shar3d"),
    );
    rows.push(
        row("another", "GET /api/hosts", "", 401, unauthorized())
            .without_secret()
            .with("X-Lab-Manager-Token", "shared"),
    );
    println!("{} requests", check(&service, &rows).await);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_by_the_shared_token_and_out_again() {
    let service =
        Service::start_with(&[("LAB_MANAGER_TOKEN", "shar3d"), ("OPS_INTERNAL_AUTH_HEADER", "no header")]).await;
    let page = service.up.line["page"].as_str().unwrap().to_owned();
    let long = format!("token={}", "x".repeat(513));
    for (shows, form, headers, status) in [
        ("nothing", "", &[][..], 400),
        ("an empty token", "token=", &[], 400),
        ("another field", "password=shar3d", &[], 400),
        ("too long a token", long.as_str(), &[], 400),
        ("a wrong token", "token=shared", &[], 401),
        ("a token that is no text", "token=%FF%FE", &[], 401),
        ("another site", "token=shar3d", &[("Origin", "https://example.org")], 403),
        ("no site", "token=shar3d", &[("Origin", "null")], 403),
        ("our site", "token=shar3d", &[("Origin", page.as_str())], 204),
        ("the admin token of the first start", &format!("token={}", service.up.token()), &[], 204),
        ("the shared token", "token=shar3d&next=%2F", &[], 204),
    ] {
        let answer = login(&service, form, headers).await;
        assert_eq!(answer.status, status, "{shows}: {}", answer.text());
        if status != 204 {
            assert!(answer.json()["error"].is_string(), "{shows}: {}", answer.text());
        }
    }
    for method in ["GET", "PUT", "DELETE"] {
        for path in ["/lab-manager/login", "/admin/logout"] {
            let answer = service.send(method, path, &[], b"").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method} {path}");
        }
    }
    let answer = login(&service, "token=shar3d", &[]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (204, Some("no-store")));
    let set = answer.header("set-cookie").unwrap().to_owned();
    for mark in ["HttpOnly", "SameSite", "Max-Age=1800"] {
        assert!(set.contains(mark), "{set}");
    }
    assert!(!set.contains("shar3d"), "the token is not in the cookie");
    let cookie = set.split(';').next().unwrap();
    let as_session = [("Cookie", cookie)];
    assert_eq!(service.send("GET", "/ops/api/hosts", &as_session, b"").await.status, 200);
    let elsewhere = [("Cookie", cookie), ("Origin", "https://example.org")];
    assert_eq!(service.send("POST", "/ops/api/hosts/reload", &elsewhere, b"").await.status, 403);
    assert_eq!(service.send("POST", "/admin/logout", &elsewhere, b"").await.status, 403);
    assert_eq!(service.send("POST", "/admin/logout", &as_session, b"").await.status, 204);
    assert_eq!(service.send("GET", "/ops/api/hosts", &as_session, b"").await.status, 401);
    let audit = service.get("/api/v1/audit").await;
    assert!(!audit.text().contains("shar3d"), "{}", audit.text());
    assert!(
        service.up.program.log().contains("OPS_INTERNAL_AUTH_HEADER says"),
        "its usual header holds, and that is said"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_of_the_secret_and_the_networks_of_administrators_are_the_operator_s() {
    let environment = [
        ("OPS_INTERNAL_AUTH_HEADER", "X-Edge"),
        ("LAB_MANAGER_TOKEN", "shar3d"),
        ("LAB_MANAGER_TOKEN_HEADER", "X-Shared"),
    ];
    let policy = [("ADMIN_DASHBOARD_LOCAL_ONLY", "true"), ("ADMIN_ALLOWED_CIDRS", "10.7.0.0/16")];
    let lab = SimulatedStations::start(&[Role::Idle], 1.0).await;
    let service = Service::of(lab, &others(), &[&environment[..], &policy].concat()).await;
    for (headers, status) in [
        (&[("X-Edge", SECRET)][..], 200),
        (&[("X-Ops-Internal-Token", SECRET)], 401),
        (&[("X-Shared", "shar3d")], 200),
        (&[("X-Shared", "shared")], 401),
        (&[("X-Edge", SECRET), ("X-Forwarded-For", "10.7.1.2")], 200),
        (&[("X-Edge", SECRET), ("X-Forwarded-For", "192.0.2.1")], 403),
        (&[("X-Forwarded-For", "192.0.2.1")], 403),
    ] {
        let answer = service.send("GET", "/api/hosts", headers, b"").await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
    }
    let health = service.send("GET", "/health", &[("X-Forwarded-For", "192.0.2.1")], b"").await;
    assert_eq!(health.status, 200, "health is for everybody");
    service.up.terminate();
    service.lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_slowed_down_and_a_mistake_of_the_path_is_told_to_those_inside() {
    let service = Service::start().await;
    let mut statuses = Vec::new();
    for guess in 0..14 {
        statuses.push(login(&service, &format!("token=guess{guess}"), &[]).await.status);
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    let rows = [row("inside", "GET /api/hosts/none/such", "", 404, error("nothing is at this address"))];
    check(&service, &rows).await;
    service.stop().await;
}
