//! `GET /api/v1/forced-logoffs`: newest first, with filters `host`, `reservation_id`, `from` and `to`.

use axum::Json;
use axum::extract::State;
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use stationkeeper_api::{ForcedLogoffView, Page};
use stationkeeper_rules::ReservationId;
use stationkeeper_store::{ForcedLogoffCursor, ForcedLogoffFilter, ForcedLogoffRecord};
use stationkeeper_telemetry::HostName;
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::cursor;
use crate::error::ApiError;
use crate::extract::{Query, instant};
use crate::stations::list::host;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Of this station.
    host: Option<String>,
    /// That made room for this reservation.
    reservation_id: Option<String>,
    /// At this instant or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this instant.
    #[param(format = DateTime)]
    to: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct After {
    host: HostName,
    micros: i64,
    user: Option<String>,
    session_id: Option<i64>,
    occurrence: u32,
}

/// Forced logoffs, with the trail that proves them.
#[utoipa::path(
    get, path = "/v1/forced-logoffs", operation_id = "list_forced_logoffs", tag = "evidence",
    params(Parameters),
    responses((status = OK, description = "The newest first", body = Page<ForcedLogoffView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<ForcedLogoffView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = cursor::decode::<After>(asked.cursor.as_deref())?.and_then(|after| {
        Some(ForcedLogoffCursor {
            host: after.host,
            timestamp: DateTime::from_timestamp_micros(after.micros)?,
            user: after.user,
            session_id: after.session_id,
            occurrence: after.occurrence,
        })
    });
    let filter = ForcedLogoffFilter {
        host: asked.host.as_deref().map(host).transpose()?,
        reservation_id: asked.reservation_id.map(ReservationId),
        from: asked.from.as_deref().map(|text| instant("from", text)).transpose()?,
        to: asked.to.as_deref().map(|text| instant("to", text)).transpose()?,
    };
    let found = gateway.store().forced_logoffs(&filter, after.as_ref(), limit + 1).await?;
    let key = |row: &ForcedLogoffRecord| After {
        host: row.key.host.clone(),
        micros: row.key.timestamp.timestamp_micros(),
        user: row.key.user.clone(),
        session_id: row.key.session_id,
        occurrence: row.key.occurrence,
    };
    Ok(Json(cursor::page(found, limit, key, view)))
}

fn view(row: &ForcedLogoffRecord) -> ForcedLogoffView {
    ForcedLogoffView {
        host: row.key.host.clone(),
        timestamp_utc: row.key.timestamp.into(),
        user: row.key.user.clone(),
        session_id: row.key.session_id,
        occurrence: row.key.occurrence,
        grace: row.grace,
        message: row.message.clone(),
        force: row.force,
        source: row.source.clone(),
        reservation_id: row.reservation_id.as_ref().map(|id| id.0.clone()),
        found_in: row.found_in,
    }
}
