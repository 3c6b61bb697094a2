//! `GET /api/v1/quarantine`: uploads that can never be read, newest first, with the filter `host`.

use axum::Json;
use axum::extract::State;
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use stationkeeper_api::{ErrorBody, Page, QuarantinedObjectView};
use stationkeeper_store::{ObjectVersion, QuarantinedObject};
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::cursor;
use crate::error::ApiError;
use crate::extract::Query;
use crate::stations::list::host;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Below the prefix of this station.
    host: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Before(i64, String, String);

/// Uploads that can never be read.
///
/// Role: operator.
#[utoipa::path(
    get, path = "/v1/quarantine", operation_id = "list_quarantine", tag = "evidence",
    params(Parameters),
    responses(
        (status = OK, description = "The newest first", body = Page<QuarantinedObjectView>),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<QuarantinedObjectView>>, ApiError> {
    actor.may_see_quarantine()?;
    let limit = cursor::limit(asked.limit.as_deref())?;
    let before = cursor::decode::<Before>(asked.cursor.as_deref())?.and_then(|Before(micros, key, version)| {
        Some((DateTime::from_timestamp_micros(micros)?, ObjectVersion { key, version }))
    });
    let before = before.as_ref().map(|(at, object)| (*at, object));
    let host = asked.host.as_deref().map(host).transpose()?;
    let found = gateway.store().quarantined(host.as_ref(), before, limit + 1).await?;
    let key = |row: &QuarantinedObject| {
        Before(row.quarantined_at.timestamp_micros(), row.object.key.clone(), row.object.version.clone())
    };
    Ok(Json(cursor::page(found, limit, key, view)))
}

fn view(row: &QuarantinedObject) -> QuarantinedObjectView {
    QuarantinedObjectView {
        key: row.object.key.clone(),
        version: row.object.version.clone(),
        host: row.host.clone(),
        reason: row.reason.clone(),
        detail: row.detail.clone(),
        size_bytes: row.size,
        first_bytes_hex: hex::encode(&row.first_bytes),
        arrived_at: row.arrived_at.into(),
        quarantined_at: row.quarantined_at.into(),
        quarantine_key: row.quarantine_key.clone(),
    }
}
