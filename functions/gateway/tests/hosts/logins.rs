//! Logins of stations: set over the API, shown nowhere.

use serde_json::json;
use stationkeeper_gateway::{CommandPolicy, ConfiguredKey, CredentialStore, SecretsKey, StoredLogins};
use stationkeeper_rules::StationWord;
use stationkeeper_station_link::AllowedCommands;
use stationkeeper_station_link::winrm::{CertificatePolicy, Login};
use stationkeeper_store::TokenRole;

use super::audited;
use crate::app::App;

const PATH: &str = "/api/hosts/winrm-credentials";

async fn with_key(key: ConfiguredKey) -> App {
    App::start_with(|folder, options| {
        let store = CredentialStore { path: folder.join("data/winrm-credentials.json"), key };
        let (login, certificate) = (Login::Ntlm, CertificatePolicy::Roots);
        let policy = CommandPolicy { login, certificate, allowed: AllowedCommands::default() };
        options.credentials = Some(StoredLogins { store, policy });
    })
    .await
}

#[tokio::test]
async fn a_login_is_kept_and_never_comes_back() {
    let app = with_key(ConfiguredKey::Valid(SecretsKey::generate().unwrap())).await;
    app.station("LAB-01", Some("optics"), StationWord::Ready).await;
    app.place("LAB-01", Some("Lab-01.example"), None).await;
    let configured = async || app.get("/api/hosts").await.json()["hosts"][0]["winrmConfigured"].clone();
    assert_eq!(configured().await, false);
    for body in [
        json!({ "credentialRef": " LAB-01.Example ", "user": "labadmin", "password": " s3cret ñ " }),
        json!({ "credential_ref": "lab-01.example", "username": "labadmin", "password": "s3cret" }),
    ] {
        let saved = app.post(PATH, &body.to_string()).await;
        assert_eq!(saved.json(), json!({ "saved": true, "credentialRef": "lab-01.example", "hosts": 1 }));
    }
    assert_eq!(configured().await, true);
    let command = app.post("/api/winrm", r#"{"host":"LAB-01","command":"status-json"}"#).await;
    assert_ne!(command.json()["code"], "no_login", "commands log in by it");
    let file = std::fs::read_to_string(app.folder().join("data/winrm-credentials.json")).unwrap();
    let shown = app.get("/api/hosts").await.text();
    let log = audited(&app, "credential.set").await;
    assert_eq!(
        (log.len(), &log[0]["target"], &log[0]["detail"]),
        (2, &json!("lab-01.example"), &json!({ "user": "labadmin" }))
    );
    for text in [file, shown, json!(log).to_string()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert_eq!(app.send(app.request("GET", "/health")).await.json()["ops_secrets_key"], true);
}

#[tokio::test]
async fn what_is_no_login_is_refused_in_one_sentence() {
    let app = with_key(ConfiguredKey::Valid(SecretsKey::generate().unwrap())).await;
    let long = "x".repeat(257);
    for body in [
        json!({}),
        json!({ "user": "a", "password": "b" }),
        json!({ "credentialRef": "a", "password": "b" }),
        json!({ "credentialRef": "a", "user": "b" }),
        json!({ "credentialRef": "a", "user": "b", "password": "  " }),
        json!({ "credentialRef": "a", "user": "b", "password": ["c"] }),
        json!({ "credentialRef": "a", "user": "b\nc", "password": "d" }),
        json!({ "credentialRef": "a", "user": "b", "password": long }),
    ] {
        let refused = app.post(PATH, &body.to_string()).await;
        let error = refused.json()["error"].clone();
        assert_eq!(
            (refused.status.as_u16(), error.as_str()),
            (400, Some("Invalid WinRM credentials request")),
            "{body}"
        );
    }
    let operator = app.add_token("op", TokenRole::Operator).await;
    let body = json!({ "credentialRef": "a", "user": "b", "password": "c" }).to_string();
    assert_eq!(app.post_as(&operator, PATH, &body).await.json()["code"], "forbidden", "secrets are the admins'");
    assert!(!app.folder().join("data").exists() && audited(&app, "credential.set").await.is_empty());
}

#[tokio::test]
async fn without_a_key_nothing_is_kept_and_health_says_so() {
    let body = json!({ "credentialRef": "a", "user": "b", "password": "c" }).to_string();
    for (key, problem) in [(ConfiguredKey::None, false), (ConfiguredKey::Invalid, true)] {
        let app = with_key(key).await;
        let refused = app.post(PATH, &body).await;
        assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (503, Some("no_secrets_key")));
        let health = app.send(app.request("GET", "/health")).await.json();
        assert_eq!(health["ops_secrets_key"], false);
        assert_eq!(health["parts"]["files"]["ok"], !problem, "{health}");
    }
}
