//! `POST /api/hosts/reload`: the files of the catalog are read again. What cannot be read changes nothing.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_store::{AuditAction, AuditEntry};

use super::catalog::CatalogError;
use super::rows::ChangeHostError;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::hosts::{in_use, list};

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
