//! What instructors ask for, over the router: who may, what is answered, and what is kept.

mod holds;
mod more_time;

use serde_json::Value;
use stationkeeper_gateway::CommandAccess;
use stationkeeper_rules::StationWord;
use stationkeeper_station_link::AllowedCommands;
use stationkeeper_station_link::winrm::{CertificatePolicy, Credential, Login};
use stationkeeper_store::{Labs, TokenRole};

use crate::app::{Answer, App};

/// Tokens of a lab with a station that the gateway could log in to.
struct People {
    app: App,
    viewer: String,
    ana: String,
    ben: String,
    elsewhere: String,
    operator: String,
}

impl People {
    async fn with_a_station() -> Self {
        let app = App::start_with(|_folder, options| {
            options.reach.commands = Some(CommandAccess {
                credential: Credential::new("labadmin", "secret"),
                login: Login::Ntlm,
                certificate: CertificatePolicy::Roots,
                pins: std::collections::HashMap::new(),
                allowed: AllowedCommands::default(),
            });
        })
        .await;
        app.station("LAB-01", Some("optics"), StationWord::Ready).await;
        app.place("LAB-01", Some("127.0.0.9"), None).await;
        let of = |lab: &str| Labs::named([lab.to_owned()]);
        Self {
            viewer: app.add_token("wall", TokenRole::Viewer).await,
            ana: app.add_token_of("ana", TokenRole::Instructor, of("optics")).await,
            ben: app.add_token_of("ben", TokenRole::Instructor, of("optics")).await,
            elsewhere: app.add_token_of("eva", TokenRole::Instructor, of("redes")).await,
            operator: app.add_token("op", TokenRole::Operator).await,
            app,
        }
    }

    async fn send(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.app.request(method, path).header("x-lab-manager-token", token);
        self.app.send_body(request, body.to_string().into_bytes()).await
    }

    async fn reserve(&self, id: &str, start: &str, end: &str) {
        let body = serde_json::json!({
            "host": "LAB-01", "start_at": format!("2026-11-24T{start}Z"), "end_at": format!("2026-11-24T{end}Z"),
        });
        let put = self.send(&self.app.admin, "PUT", &format!("/api/v1/reservations/{id}"), &body).await;
        assert!(put.status.is_success(), "{}", put.text());
    }
}

/// Status and code, or where it stands.
fn told(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    let word = json["code"].as_str().or(json["state"].as_str()).unwrap_or_default();
    (answer.status.as_u16(), word.to_owned())
}
