//! `POST /api/hosts/provision`: puts a station into the catalog, once there is a sign of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_store::HostStatus;

use super::document::{labs, read_host};
use super::rows::ChangeHostError;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::OldBody;
use crate::hosts::discover::{DiscoveryStatus, discover};
use crate::hosts::{in_use, list};

/// Fields of a request, and as the files of the catalog name them.
pub(crate) const FIELDS: [(&[&str], &str); 11] = [
    (&["name"], "name"),
    (&["address"], "address"),
    (&["mac"], "mac"),
    (&["labs"], "labs"),
    (&["credentialRef", "credential_ref"], "credential_ref"),
    (&["heartbeatPath", "heartbeat_path"], "heartbeat_path"),
    (&["eventsPath", "events_path"], "events_path"),
    (&["mode"], "mode"),
    (&["pingTarget", "ping_target"], "ping_target"),
    (&["winrmTransport", "winrm_transport"], "winrm_transport"),
    (&["certificateSha256", "certificate_sha256"], "certificate_sha256"),
];

/// What a request says, in the names of the files.
pub(crate) fn in_catalog_names(body: &Map<String, Value>) -> Map<String, Value> {
    let said = FIELDS.iter().filter_map(|(spellings, name)| {
        let value = spellings.iter().find_map(|spelling| body.get(*spelling))?;
        Some(((*name).to_owned(), value.clone()))
    });
    said.collect()
}
/// Puts a station into the catalog.
///
/// Role: operator.
#[utoipa::path(
    post, path = "/hosts/provision", operation_id = "old_provision_host", tag = "older service",
    request_body(content = Value, example = json!({ "name": "LAB-WS01", "address": "10.20.0.11", "mac": "00:1A:2B:3C:4D:5E", "labs": ["7"] })),
    responses(
        (status = OK, description = "`provisioned`, `hosts` and `host`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for some laboratories alone", body = ErrorBody),
        (status = CONFLICT, description = "`host_exists`; `discovery_too_weak`, with what was found as `discovery`", body = ErrorBody),
        (status = INTERNAL_SERVER_ERROR, description = "`catalog_unreadable`: a file of the catalog; `INTERNAL_ERROR`: the log says what", body = ErrorBody),
    ),
)]
pub(crate) async fn provision(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Response, ApiError> {
    actor.may_change_catalog()?;
    let networks = &gateway.shared().options.reach.networks;
    let mut fields = in_catalog_names(&body);
    if is_blank(fields.get("name")) {
        let address = fields.get("address").cloned().unwrap_or_default();
        fields.insert("name".to_owned(), address);
    }
    // What is missing is said of the address first, as callers know it.
    if is_blank(fields.get("address")) {
        return Err(ApiError::BadRequest("address is required".to_owned()));
    }
    let asked = read_host(&fields, networks).map_err(ApiError::BadRequest)?;
    of_the_candidates(&asked.access.labs, body.get("validLabIds")).map_err(ApiError::BadRequest)?;
    let known = gateway.store().catalog_host(&asked.host).await?;
    if known.is_some_and(|host| host.entry.status == HostStatus::Active) {
        return Err(ChangeHostError::Exists(asked.access.spelling.unwrap_or_default()).into());
    }
    let discovery = discover(&gateway, &asked.address, Some(&asked.access)).await?;
    if !matches!(discovery.status, DiscoveryStatus::LabStation | DiscoveryStatus::WinRm) {
        return Ok(too_weak(&actor, &discovery.view));
    }
    if is_blank(fields.get("mac"))
        && let Some(mac) = &discovery.mac
    {
        fields.insert("mac".to_owned(), Value::String(mac.clone()));
    }
    let detail = json!({ "address": asked.address, "labs": asked.access.labs, "discovery": discovery.status.as_str() });
    let _turn = gateway.shared().catalog.turn().await;
    let row = gateway.catalog_change(&actor.author()).add(fields, detail).await?;
    tracing::info!(host = %row.entry.host, "a station was put into the catalog");
    Ok(Json(json!({
        "provisioned": true,
        "hosts": in_use(&gateway).await?,
        "host": list::entry(&gateway, &gateway.logins().await, &row),
        "discoveryStatus": discovery.status.as_str(),
    }))
    .into_response())
}

fn is_blank(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}

/// Labs that the caller may choose from, if it says which.
fn of_the_candidates(asked: &[String], candidates: Option<&Value>) -> Result<(), String> {
    let Some(candidates) = candidates.filter(|candidates| !candidates.is_null()) else { return Ok(()) };
    let candidates = labs(Some(candidates)).unwrap_or_default();
    if candidates.is_empty() {
        return Err("validLabIds must contain at least one lab candidate when provided".to_owned());
    }
    let others: Vec<&str> = asked.iter().filter(|lab| !candidates.contains(lab)).map(String::as_str).collect();
    match others.as_slice() {
        [] => Ok(()),
        others => Err(format!("labs contain values that are not valid candidates: {}", others.join(", "))),
    }
}

fn too_weak(actor: &Actor, discovery: &Value) -> Response {
    let body = json!({
        "error": "insufficient discovery signal for ops host provisioning",
        "code": "discovery_too_weak",
        "requestId": actor.author().request_id,
        "discovery": discovery,
    });
    (StatusCode::CONFLICT, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labs_are_of_the_candidates_where_there_are_some() {
        let labs = ["1".to_owned(), "2".to_owned()];
        for (candidates, fine) in [
            (None, true),
            (Some(json!(null)), true),
            (Some(json!(["1", 2, "3"])), true),
            (Some(json!("1, 2")), true),
            (Some(json!(["1"])), false),
            (Some(json!([])), false),
            (Some(json!(7)), false),
        ] {
            assert_eq!(of_the_candidates(&labs, candidates.as_ref()).is_ok(), fine, "{candidates:?}");
        }
    }

    #[test]
    fn both_spellings_of_a_field_are_one() {
        for body in [json!({ "credentialRef": "a", "other": 1 }), json!({ "credential_ref": "a" })] {
            let fields = in_catalog_names(body.as_object().unwrap());
            assert_eq!(Value::Object(fields), json!({ "credential_ref": "a" }), "{body}");
        }
    }
}
