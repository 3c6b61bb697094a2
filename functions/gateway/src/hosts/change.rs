//! `PATCH` and `DELETE /api/hosts/{name}`: what the catalog says of a station is changed, or it is taken out of use. Its history stays.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::provision::{FIELDS, in_catalog_names};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, Path};
use crate::hosts::{in_use, list};
use stationkeeper_api::ErrorBody;
/// Changes what the catalog says of a station.
///
/// Role: operator.
#[utoipa::path(
    patch, path = "/hosts/{name}", operation_id = "old_change_host", tag = "older service",
    params(("name" = String, Path, description = "The station", example = "LAB-WS01")),
    request_body(content = Value, example = json!({ "labs": ["7"] })),
    responses(
        (status = OK, description = "The host as it is now", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for some laboratories alone", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such host", body = ErrorBody),
    ),
)]
pub(crate) async fn change(
    State(gateway): State<Gateway>,
    actor: Actor,
    Path(name): Path,
    OldBody(body): OldBody,
) -> Result<Json<Value>, ApiError> {
    actor.may_change_catalog()?;
    let is_known = |field: &String| FIELDS.iter().any(|(spellings, _)| spellings.contains(&field.as_str()));
    if let Some(field) = body.keys().find(|field| !is_known(field) || *field == "name") {
        let fields: Vec<&str> = FIELDS[1..].iter().map(|(spellings, _)| spellings[0]).collect();
        return Err(ApiError::BadRequest(format!("'{field}' cannot be changed; what can be is {}", fields.join(", "))));
    }
    let _turn = gateway.shared().catalog.turn().await;
    let new = gateway.catalog_change(&actor.author()).change(&name, in_catalog_names(&body)).await?;
    Ok(Json(json!({ "changed": true, "host": list::entry(&gateway, &gateway.logins().await, &new) })))
}
/// Takes a station out of use. Its history stays.
///
/// Role: operator.
#[utoipa::path(
    delete, path = "/hosts/{name}", operation_id = "old_retire_host", tag = "older service",
    params(("name" = String, Path, description = "The station", example = "LAB-WS01")),
    responses(
        (status = OK, description = "`retired`, `hosts` and `host`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for some laboratories alone", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such host", body = ErrorBody),
    ),
)]
pub(crate) async fn retire(
    State(gateway): State<Gateway>,
    actor: Actor,
    Path(name): Path,
) -> Result<Json<Value>, ApiError> {
    actor.may_change_catalog()?;
    let _turn = gateway.shared().catalog.turn().await;
    let row = gateway.catalog_change(&actor.author()).retire(&name).await?;
    Ok(Json(json!({ "retired": true, "hosts": in_use(&gateway).await?, "host": row.name() })))
}
