//! Variables that an operator has set: heeded, or named at the start.

use serde_json::json;
use stationkeeper_simulator::Role;
use stationkeeper_tests::http;
use stationkeeper_tests::programs::{Running, command};
use stationkeeper_tests::simulated_stations::SimulatedStations;
use stationkeeper_tests::up::{Up, data_folder};

use crate::service::{Files, KEY, SECRET, Service, others};

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_may_stand_in_a_file_and_the_variable_holds_where_both_are_set() {
    let secrets = data_folder();
    let file = |name: &str, text: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (internal, key) = (file("internal", "s3cret-of-file\r\n"), file("key", &format!("{KEY}\n")));
    let (shared, other) = (file("shared", "shar3d\n"), file("other", "another\n"));
    let lab = SimulatedStations::start(&[Role::Idle], 1.0).await;
    let environment = [
        ("OPS_INTERNAL_AUTH_TOKEN", ""),
        ("OPS_INTERNAL_AUTH_TOKEN_FILE", internal.as_str()),
        ("OPS_SECRETS_KEY_FILE", &key),
        ("OPS_SECRETS_KEY", ""),
        ("LAB_MANAGER_TOKEN_FILE", &shared),
    ];
    let service = Service::of(lab, &others(), &environment).await;
    for (header, secret, status) in [
        ("X-Ops-Internal-Token", "s3cret-of-file", 200),
        ("X-Ops-Internal-Token", SECRET, 401),
        ("X-Lab-Manager-Token", "shar3d", 200),
    ] {
        assert_eq!(
            service.send("GET", "/api/hosts", &[(header, secret)], b"").await.status,
            status,
            "{header} {secret}"
        );
    }
    assert_eq!(service.send("GET", "/health", &[], b"").await.json()["ops_secrets_key"], json!(true));
    service.up.terminate();

    let both = [("OPS_INTERNAL_AUTH_TOKEN", SECRET), ("OPS_INTERNAL_AUTH_TOKEN_FILE", other.as_str())];
    let service = Service::of(service.lab, &others(), &both).await;
    assert_eq!(service.get("/api/hosts").await.status, 200);
    let log = service.up.program.log();
    assert!(log.contains("OPS_INTERNAL_AUTH_TOKEN and OPS_INTERNAL_AUTH_TOKEN_FILE are both set"), "{log}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_older_service_read_and_means_nothing_here_is_named_once_and_stops_nothing() {
    let lab = SimulatedStations::start(&[Role::Idle], 1.0).await;
    let environment = [
        ("OPS_BACKEND_MYSQL_USER", "ops"),
        ("OPS_BACKEND_MYSQL_PASSWORD", "db-s3cr3t"),
        ("MYSQL_HOSTNAME", "mysql"),
        ("NOTIFICATION_SERVICE_URL", "http://127.0.0.1:9/send"),
        ("NOTIFICATION_SERVICE_ACCESS_TOKEN", "mail-s3cr3t"),
        ("OPS_ALERT_FAILURE_THRESHOLD", "3"),
        ("OPS_TIMELINE_MAX_OPS", "50"),
        ("OPS_POWER_CONFIG", "/app/data/power-controllers.json"),
        ("GUAC_ADMIN_PASS", "guac-s3cr3t"),
        ("OPS_WINRM_READ_TIMEOUT", "30"),
        ("WINRM_ALLOWED_TRANSPORTS", "ntlm,kerberos,credssp"),
        ("OPS_RESERVATION_START_LEAD", "90"),
        ("OPS_ALLOWED_COMMANDS", "prepare-session,status-json,energy,account,service,wol,status"),
    ];
    let service = Service::of(lab, &others(), &environment).await;
    let log = service.up.program.log();
    for said in [
        "no reservations are read: OPS_BACKEND_MYSQL_USER and OPS_MYSQL_DATABASE (or MYSQL_DSN) name their database",
        "not heeded: NOTIFICATION_SERVICE_ACCESS_TOKEN, NOTIFICATION_SERVICE_URL;",
        "not heeded: OPS_ALERT_FAILURE_THRESHOLD;",
        "not heeded: OPS_TIMELINE_MAX_OPS;",
        "not heeded: GUAC_ADMIN_PASS, OPS_POWER_CONFIG;",
        "not heeded: OPS_WINRM_READ_TIMEOUT;",
        "not heeded: WINRM_ALLOWED_TRANSPORTS;",
        "OPS_RESERVATION_START_LEAD says 90",
        "OPS_ALLOWED_COMMANDS names energy, account, service, wol, status,",
    ] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
    for secret in ["db-s3cr3t", "mail-s3cr3t", "guac-s3cr3t"] {
        assert!(!log.contains(secret));
    }
    // The list narrows what may be run, and never widens it.
    for (word, status, text) in [
        ("account", 400, "command 'account' not allowed"),
        ("power", 400, "command 'power' not allowed"),
        ("release-session", 400, "command 'release-session' not allowed"),
        ("energy", 400, "command 'energy' not allowed"),
        ("status-json", 404, "host 'ghost' not found in config"),
        ("prepare-session", 404, "host 'ghost' not found in config"),
    ] {
        let answer = service.post("/api/winrm", &json!({ "host": "ghost", "command": word })).await;
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(text)), "{word}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_where_the_older_service_did_and_without_its_secret_lets_nobody_in() {
    let folder = data_folder();
    let files = Files::below(folder.path());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut gateway = command("stationkeeper");
    gateway.args(["gateway", "--json", "--data"]).arg(&files.data);
    gateway.envs([
        ("OPS_BIND", "127.0.0.1"),
        ("OPS_PORT", &port.to_string()),
        ("WINRM_MANAGEMENT_CIDRS", "127.0.0.0/16"),
    ]);
    let running = Running::start(gateway, "stationkeeper gateway", &files.data.with_extension("log"));
    let up = Up::answering(running, &files.data, std::time::Duration::from_secs(60));
    let page = format!("http://127.0.0.1:{port}");
    assert_eq!(up.line["page"], json!(page));
    for path in ["/api/hosts", "/ops/api/hosts", "/api/nothing"] {
        let answer = http::get(&page, path, &[("X-Ops-Internal-Token", "anything")]).await;
        assert_eq!((answer.status, &answer.json()["success"]), (401, &json!(false)), "{path}");
    }
    // The token of its own is all that lets in; once it is revoked, nothing does.
    assert_eq!(up.get("/api/hosts").await.status, 200);
    let store = up.store().await;
    for token in store.tokens().await.unwrap() {
        store.revoke_token(&token.token.id, stationkeeper::place::now()).await.unwrap();
    }
    let answer = http::get(&page, "/api/hosts", &[]).await;
    let said = answer.json();
    assert_eq!((answer.status, &said["success"]), (503, &json!(false)));
    assert_eq!(said["error"], json!("Ops internal authentication is not configured"));
    up.terminate();
}
