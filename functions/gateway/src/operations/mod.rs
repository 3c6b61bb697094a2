//! What was done to stations for reservations: `GET /api/v1/operations`, `GET …/{id}`, and what the older service says of it.

pub(crate) mod old;
pub(crate) mod recent;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{CommandOutputView, ErrorBody, OperationView, Page};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::orchestrator::OperationId;
use stationkeeper_store::{OperationCursor, OperationFilter, RecordedOperation};
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::cursor::{self, InstantAndId};
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query};
use crate::hosts::known;
use crate::reservations::go_ahead::stopped;
use crate::stations::list::host;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// On this station.
    host: Option<String>,
    /// For this reservation.
    reservation_id: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What was done to stations for reservations.
///
/// What commands wrote is shown to operators.
#[utoipa::path(
    get, path = "/v1/operations", operation_id = "list_operations", tag = "reservations",
    params(Parameters),
    responses((status = OK, description = "The newest first", body = Page<OperationView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<OperationView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = InstantAndId::decode(asked.cursor.as_deref())?
        .map(|(at, id)| OperationCursor { started_at: at, id: OperationId(id) });
    let filter = OperationFilter {
        host: asked.host.as_deref().map(host).transpose()?,
        reservation_id: asked.reservation_id.map(ReservationId),
        ..OperationFilter::default()
    };
    let found = gateway.store().operations(&filter, after.as_ref(), limit + 1).await?;
    let key = |one: &RecordedOperation| InstantAndId::of(one.operation.started_at, &one.operation.id.0);
    let whole = actor.may_command().is_ok();
    Ok(Json(cursor::page(found, limit, key, |one| view(one, whole))))
}

/// One operation.
#[utoipa::path(
    get, path = "/v1/operations/{id}", operation_id = "get_operation", tag = "reservations",
    params(("id" = String, Path, description = "As the list has it", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = OK, description = "As it stands", body = OperationView),
        (status = NOT_FOUND, description = "`unknown_operation`: no operation has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<OperationView>, ApiError> {
    let found = gateway.store().operation(&OperationId(id.clone())).await?;
    Ok(Json(view(&found.ok_or(ApiError::UnknownOperation(id))?, actor.may_command().is_ok())))
}

/// Asks whoever does it to end before the next step. A command that was begun is not broken off.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/operations/{id}/stop", operation_id = "stop_operation", tag = "reservations",
    params(("id" = String, Path, description = "As the list has it", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = ACCEPTED, description = "What it belongs to ends before its next step; `stopping` is false where it is over", body = serde_json::Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_operation`: no operation has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn stop(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<(StatusCode, Json<serde_json::Value>), ApiError> {
    actor.may_command()?;
    let found = gateway.store().operation(&OperationId(id.clone())).await?;
    let operation = found.ok_or(ApiError::UnknownOperation(id))?.operation;
    let station = known(&gateway, operation.host.as_str()).await?;
    actor.may_act_in_one_of(station.as_ref().map_or(&[][..], |station| &station.access.labs))?;
    let runs = operation.finished_at.is_none();
    let stopping = runs && stopped(&gateway, &actor, &operation.host).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "stopping": stopping }))))
}

/// `whole`: with what its command wrote.
fn view(recorded: &RecordedOperation, whole: bool) -> OperationView {
    let operation = &recorded.operation;
    let output = recorded.output.as_ref().filter(|_| whole).map(|output| CommandOutputView {
        exit_code: output.exit_code,
        stdout: output.stdout.clone(),
        stderr: output.stderr.clone(),
        arguments: output.arguments.clone(),
        duration_ms: output.duration_ms,
    });
    OperationView {
        id: operation.id.0.clone(),
        reservation_id: operation.reservation_id.0.clone(),
        host: operation.host.to_string(),
        lab: operation.lab.clone(),
        run: operation.run.to_string(),
        action: operation.action.to_string(),
        attempt: operation.attempt,
        status: operation.status.as_str().to_owned(),
        success: operation.success,
        response_code: operation.response_code,
        message: operation.message.clone(),
        packets: operation.packets,
        started_at: operation.started_at.into(),
        finished_at: operation.finished_at.map(Into::into),
        ordered_by: operation.ordered_by.to_string(),
        output,
    }
}
