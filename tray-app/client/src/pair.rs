//! Getting a token for a code.

use serde_json::json;
use stationkeeper_api::{Language, MintedTokenView};
use stationkeeper_tray_view::pairing::{Fingerprint, GatewayUrl, PairingCode, PairingProblem};
use stationkeeper_tray_view::{Mode, Person, Role};

use crate::{Api, ClientError, Token};

/// What answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Ours, or the older service.
    pub mode: Mode,
    /// Of ours.
    pub version: Option<String>,
    /// Stations in its catalog, where it says so.
    pub stations: Option<u64>,
}

/// What pairing brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paired {
    /// For the keychain.
    pub token: Token,
    /// Whose it is, and what it may do.
    pub person: Person,
}

/// Looks what answers, while the address is typed.
///
/// # Errors
/// Nothing answers, something else does, or its certificate is not vouched for and not the one that is `pinned`.
pub async fn found_at(gateway: &GatewayUrl, pinned: Option<Fingerprint>) -> Result<Found, PairingProblem> {
    let api = Api::new(gateway.clone(), None, pinned, Language::En).map_err(|error| problem(error, pinned))?;
    let health = api.health().await.map_err(|error| problem(error, pinned))?;
    found(&health).ok_or(PairingProblem::NotAGateway)
}

/// What `/health` tells of itself; none: it is neither ours nor the older service's.
pub(crate) fn found(health: &serde_json::Value) -> Option<Found> {
    let version = health["version"].as_str().map(str::to_owned);
    let stations = health["hosts_loaded"].as_u64();
    let known = health["status"].is_string() && (health.get("hosts_loaded").is_some() || version.is_some());
    known.then(|| {
        let ours = version.is_some() && health["parts"].is_object();
        Found { mode: if ours { Mode::Full } else { Mode::Limited }, version: version.filter(|_| ours), stations }
    })
}

/// Changes a code into a token. `pinned`: the certificate that the person or the link vouches for; it is kept with the token.
///
/// # Errors
/// What the person is told.
pub async fn pair(
    gateway: &GatewayUrl,
    code: &PairingCode,
    pinned: Option<Fingerprint>,
) -> Result<Paired, PairingProblem> {
    let found = found_at(gateway, pinned).await?;
    if found.mode == Mode::Limited {
        return Err(PairingProblem::NotAGateway);
    }
    let api = Api::new(gateway.clone(), None, pinned, Language::En).map_err(|error| problem(error, pinned))?;
    let minted: MintedTokenView = api
        .post_once("api/v1/pair", &json!({ "code": code.as_str() }), std::time::Duration::from_secs(20))
        .await
        .map_err(|error| problem(error, pinned))?;
    let role = Role::parse(&minted.about.role)
        .ok_or_else(|| PairingProblem::Other(format!("a token with the role “{}”", minted.about.role)))?;
    let person = Person { name: minted.about.name, role, labs: minted.about.labs };
    Ok(Paired { token: Token::new(minted.token), person })
}

fn problem(error: ClientError, pinned: Option<Fingerprint>) -> PairingProblem {
    match error {
        ClientError::Name => PairingProblem::Name,
        ClientError::Away(_) => PairingProblem::NoAnswer,
        ClientError::NotAGateway(_) | ClientError::TokenRefused => PairingProblem::NotAGateway,
        ClientError::Certificate(_) if pinned.is_some() => PairingProblem::OtherCertificate,
        ClientError::Certificate(fingerprint) => PairingProblem::Certificate(fingerprint),
        ClientError::Refused { retry_after, code, text, .. } => match code.as_str() {
            "pairing_code" => PairingProblem::WrongCode,
            "pairing_code_expired" => PairingProblem::ExpiredCode,
            "too_many_attempts" => PairingProblem::Wait { seconds: retry_after.unwrap_or(60) },
            _ => PairingProblem::Other(text),
        },
        ClientError::Client(text) => PairingProblem::Other(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_tells_ours_from_the_older_service_and_from_anything_else() {
        let ours = json!({ "status": "ok", "hosts_loaded": 6, "version": "1.0.0", "parts": {} });
        let older = json!({ "status": "ok", "hosts_loaded": 3, "db": true });
        assert_eq!(
            found(&ours),
            Some(Found { mode: Mode::Full, version: Some("1.0.0".to_owned()), stations: Some(6) })
        );
        assert_eq!(found(&older), Some(Found { mode: Mode::Limited, version: None, stations: Some(3) }));
        for other in [json!({}), json!({ "status": "UP" }), json!({ "hosts_loaded": 3 }), json!([])] {
            assert_eq!(found(&other), None, "{other}");
        }
    }
}
