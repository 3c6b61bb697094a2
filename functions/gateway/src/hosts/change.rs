//! `PATCH` and `DELETE /api/hosts/{name}`: what the catalog says of a station is changed, or it is taken out of use. Its history stays.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use stationkeeper_store::{AuditAction, AuditEntry, CatalogHost, CatalogSource, HostStatus, Transaction};
use stationkeeper_telemetry::HostName;

use super::catalog::row_of;
use super::document::read_host;
use super::provision::{FIELDS, for_the_older_service, in_catalog_names};
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
    let asked = in_catalog_names(&body);
    let _turn = gateway.shared().catalog.turn().await;
    let mut work = gateway.store().begin().await?;
    let row = locked(&mut work, &name).await?;
    let mut fields = fields_of(&row);
    fields.extend(asked.clone());
    let listed = read_host(&fields, &gateway.shared().options.reach.networks).map_err(ApiError::BadRequest)?;
    let host = listed.host.clone();
    let new = row_of(listed, row.access.order, CatalogSource::Api, row.entry.created_at);
    work.states().save_hosts(std::slice::from_ref(&new)).await?;
    let audit = AuditEntry::done(&actor.author(), AuditAction::HostChange, host.as_str(), gateway.now());
    work.audit().append(&[audit.of(Some(&host)).with(Value::Object(asked.clone()))]).await?;
    gateway.write_overlay(&host, Some(&for_the_older_service(fields))).await?;
    work.commit().await?;
    Ok(Json(json!({ "changed": true, "host": list::entry(&gateway, &gateway.logins().await, &new) })))
}

pub(crate) async fn retire(
    State(gateway): State<Gateway>,
    actor: Actor,
    Path(name): Path,
) -> Result<Json<Value>, ApiError> {
    actor.may_change_catalog()?;
    let _turn = gateway.shared().catalog.turn().await;
    let mut work = gateway.store().begin().await?;
    let mut row = locked(&mut work, &name).await?;
    let host = row.entry.host.clone();
    (row.entry.status, row.access.source) = (HostStatus::Retired, Some(CatalogSource::Api));
    work.states().save_hosts(std::slice::from_ref(&row)).await?;
    let audit = AuditEntry::done(&actor.author(), AuditAction::HostRetire, host.as_str(), gateway.now());
    work.audit().append(&[audit.of(Some(&host))]).await?;
    gateway.write_overlay(&host, None).await?;
    work.commit().await?;
    Ok(Json(json!({ "retired": true, "hosts": in_use(&gateway).await?, "host": row.name() })))
}

async fn locked(work: &mut Transaction, name: &str) -> Result<CatalogHost, ApiError> {
    let host = HostName::parse(name).map_err(|_no_name| ApiError::UnknownStation(name.to_owned()))?;
    let catalog = work.states().lock_catalog().await?;
    catalog
        .into_iter()
        .find(|row| row.entry.host == host && row.entry.status != HostStatus::Retired)
        .ok_or_else(|| ApiError::UnknownStation(name.to_owned()))
}

/// A row as the files of the catalog would say it.
fn fields_of(row: &CatalogHost) -> Map<String, Value> {
    let (entry, access) = (&row.entry, &row.access);
    let fields = [
        ("name", json!(row.name())),
        ("address", json!(entry.address)),
        ("mac", json!(entry.mac)),
        ("labs", json!(access.labs)),
        ("credential_ref", json!(access.credential_ref)),
        ("heartbeat_path", json!(access.heartbeat_path)),
        ("events_path", json!(access.events_path)),
        ("mode", json!(access.mode)),
        ("ping_target", json!(access.ping_target)),
        ("winrm_transport", json!(access.transport)),
        ("certificate_sha256", json!(access.pin.map(hex::encode))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
