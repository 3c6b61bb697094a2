//! `GET /api/operations/recent` of the older service (gateway.md sections 1 and 6).

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_rules::ReservationId;
use stationkeeper_store::OperationFilter;
use stationkeeper_telemetry::HostName;
use utoipa::IntoParams;

use super::old::{Part, operation, parameter};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::OldQuery;

/// Other parameters are ignored.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a query that is read field by field, in several spellings")]
pub(crate) struct Recent {
    /// On this station.
    host: Option<String>,
    /// For this reservation.
    #[param(rename = "reservationId")]
    reservation_id: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    limit: Option<String>,
    /// How many are left out.
    offset: Option<String>,
}

/// What was done lately, the newest first.
///
/// Role: operator.
#[utoipa::path(
    get, path = "/operations/recent", operation_id = "old_recent_operations", tag = "older service",
    params(Recent),
    responses(
        (status = OK, description = "`operations` and `pagination`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`", body = ErrorBody),
    ),
)]
pub(crate) async fn recent(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldQuery(query): OldQuery,
) -> Result<Json<Value>, ApiError> {
    actor.may_command()?;
    let part = Part::of(parameter(&query, &["limit"]), parameter(&query, &["offset"]));
    let host = match parameter(&query, &["host", "hostName"]) {
        None => None,
        Some(name) => {
            let unknown = || ApiError::UnknownStation(name.to_owned());
            let host = HostName::parse(name).map_err(|_no_name| unknown())?;
            Some(gateway.store().station(&host).await?.ok_or_else(unknown)?.entry.host)
        }
    };
    let reservation_id = parameter(&query, &["reservationId", "reservation_id"]).map(|id| ReservationId(id.to_owned()));
    let filter = OperationFilter { host, reservation_id, ..OperationFilter::default() };
    let (found, total) = gateway.store().operations_page(&filter, part.limit, part.offset).await?;
    let operations: Vec<_> = found.iter().map(operation).collect();
    Ok(Json(json!({ "operations": operations, "pagination": part.pagination(found.len(), total) })))
}
