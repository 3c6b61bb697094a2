//! `POST /api/hosts/reload`: the files of the catalog are read again. What cannot be read changes nothing.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_store::{AuditAction, AuditEntry};

use super::catalog::CatalogError;
use super::rows::ChangeHostError;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::hosts::{in_use, list};
/// Reads the files of the catalog again. If that fails the old one stays.
///
/// Role: operator.
#[utoipa::path(
    post, path = "/hosts/reload", operation_id = "old_reload_hosts", tag = "older service",
    responses(
        (status = OK, description = "`reloaded`, `hosts` and what was set aside", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for some laboratories alone", body = ErrorBody),
        (status = INTERNAL_SERVER_ERROR, description = "`catalog_unreadable`: a file of the catalog; `INTERNAL_ERROR`: the log says what", body = ErrorBody),
    ),
)]
pub(crate) async fn reload(State(gateway): State<Gateway>, actor: Actor) -> Result<Json<Value>, ApiError> {
    actor.may_change_catalog()?;
    let report = gateway.load_catalog().await?;
    let hosts = in_use(&gateway).await?;
    let detail = json!({ "hosts": hosts, "set_aside": report.set_aside.len() });
    let entry = AuditEntry::done(&actor.author(), AuditAction::CatalogReload, "catalog", gateway.now()).with(detail);
    gateway.store().append_audit(&entry).await?;
    Ok(Json(json!({ "reloaded": true, "hosts": hosts, "setAside": list::set_aside(&report.set_aside) })))
}

impl From<ChangeHostError> for ApiError {
    fn from(error: ChangeHostError) -> Self {
        match error {
            ChangeHostError::Entry(text) => Self::BadRequest(text),
            ChangeHostError::Exists(name) => Self::HostExists(name),
            ChangeHostError::Unknown(name) => Self::UnknownStation(name),
            ChangeHostError::Catalog(error) => error.into(),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Store(error) => error.into(),
            error @ (CatalogError::File { .. } | CatalogError::Document { .. }) => Self::Catalog(error),
        }
    }
}
