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
