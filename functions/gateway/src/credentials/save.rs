//! `POST /api/hosts/winrm-credentials`: keeps the login of the stations that name its reference. It never comes back.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_store::{AuditAction, AuditEntry};

use super::CredentialError;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, first_text};
use crate::hosts::in_use;

/// Longest reference, user or password, in characters.
const LONGEST: usize = 256;
/// Sets a login of stations. The secret never comes back.
///
/// Role: admin.
#[utoipa::path(
    post, path = "/hosts/winrm-credentials", operation_id = "old_save_login", tag = "older service",
    request_body(content = Value, example = json!({ "credentialRef": "lab-7", "user": "labadmin", "password": "…" })),
    responses(
        (status = OK, description = "`saved`, `credentialRef` and `hosts`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
    ),
)]
pub(crate) async fn save(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<Value>, ApiError> {
    actor.may_set_secrets()?;
    let asked = (
        first_text(&body, &["credentialRef", "credential_ref"]),
        first_text(&body, &["user", "username"]),
        // Blanks at its ends are part of a password.
        body.get("password").and_then(Value::as_str).filter(|password| !password.trim().is_empty()),
    );
    let invalid = || ApiError::BadRequest("Invalid WinRM credentials request".to_owned());
    let (Some(reference), Some(user), Some(password)) = asked else { return Err(invalid()) };
    let fine = |text: &str| text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    if ![reference.as_str(), &user, password].into_iter().all(fine) {
        return Err(invalid());
    }
    let reference = reference.to_lowercase();
    let store = gateway.shared().options.credentials.as_ref().map(|stored| &stored.store);
    let store = store.ok_or(ApiError::Credentials(CredentialError::NoKey))?;
    let _turn = gateway.shared().catalog.turn().await;
    let mut work = gateway.store().begin().await?;
    let entry = AuditEntry::done(&actor.author(), AuditAction::CredentialSet, reference.as_str(), gateway.now());
    work.audit().append(&[entry.with(json!({ "user": user }))]).await?;
    store.save(&reference, &user, password, gateway.now()).await.map_err(ApiError::Credentials)?;
    work.commit().await?;
    tracing::info!(reference, "a login of stations was set");
    Ok(Json(json!({ "saved": true, "credentialRef": reference, "hosts": in_use(&gateway).await? })))
}
