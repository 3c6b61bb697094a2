//! `GET /api/v1/stations/{host}/heartbeats`: what was kept of a station's heartbeats, in order of its clock. Filters `from` and `to` (the last 24 hours).

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use stationkeeper_api::{ErrorBody, HeartbeatView, Instant, Page};
use stationkeeper_store::HeartbeatRow;
use utoipa::IntoParams;

use super::{known, span};
use crate::Gateway;
use crate::actor::Actor;
use crate::cursor;
use crate::error::ApiError;
use crate::extract::{Path, Query};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// From this instant on; otherwise 24 hours before the end.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this instant; otherwise now.
    #[param(format = DateTime)]
    to: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What was kept of a station's heartbeats.
#[utoipa::path(
    get, path = "/v1/stations/{host}/heartbeats", operation_id = "list_heartbeats", tag = "stations",
    params(("host" = String, Path, description = "The station", example = "LAB-WS01"), Parameters),
    responses(
        (status = OK, description = "In order of the station's clock", body = Page<HeartbeatView>),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Query(asked): Query<Parameters>,
    Path(name): Path,
) -> Result<Json<Page<HeartbeatView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = cursor::decode::<i64>(asked.cursor.as_deref())?.and_then(DateTime::from_timestamp_micros);
    let (mut from, to) = span(asked.from.as_deref(), asked.to.as_deref(), gateway.now())?;
    if let Some(next) = after.and_then(|after| after.checked_add_signed(TimeDelta::microseconds(1))) {
        from = from.max(next);
    }
    let host = known(&gateway, name).await?.entry.host;
    let found = if from < to { gateway.store().heartbeats(&host, from, to, limit + 1).await? } else { Vec::new() };
    Ok(Json(cursor::page(found, limit, |row| row.timestamp_utc.timestamp_micros(), view)))
}

fn view(row: &HeartbeatRow) -> HeartbeatView {
    let instant = |at: Option<DateTime<Utc>>| at.map(Instant);
    HeartbeatView {
        host: row.host.clone(),
        timestamp_utc: row.timestamp_utc.into(),
        first_arrived_at: row.first_arrived_at.into(),
        arrived_at: row.arrived_at.into(),
        ingested_at: row.ingested_at.into(),
        sha256: hex::encode(row.sha256),
        raw_length: row.raw_length,
        ready: row.ready,
        state: row.state.clone(),
        issues: row.issues.clone(),
        local_session_active: row.local_session_active,
        local_mode_enabled: row.local_mode_enabled,
        nic_issue_count: row.nic_issue_count,
        sleep_compliant: row.sleep_compliant,
        hibernate_compliant: row.hibernate_compliant,
        last_prepare_at: instant(row.last_prepare_at),
        last_prepare_success: row.last_prepare_success,
        last_release_at: instant(row.last_release_at),
        last_power_action_at: instant(row.last_power_action_at),
        last_power_mode: row.last_power_mode.clone(),
        last_forced_logoff_at: instant(row.last_forced_logoff_at),
        last_forced_logoff_user: row.last_forced_logoff_user.clone(),
        version: row.version.clone(),
        reservation_id: row.reservation_id.as_ref().map(|id| id.0.clone()),
    }
}
