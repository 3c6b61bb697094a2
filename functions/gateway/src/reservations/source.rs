//! `GET /api/v1/reservation-sources`: tables of others that reservations are read from, and what came of it.

use axum::Json;
use axum::extract::State;
use stationkeeper_api::{ErrorBody, Page, RefusedRowView, ReservationSourceView};
use stationkeeper_store::ReservationSource;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Query};

/// Tables that reservations are read from, with the rows that are none and why.
///
/// Role: operator.
#[utoipa::path(
    get, path = "/v1/reservation-sources", operation_id = "list_reservation_sources", tag = "reservations",
    responses(
        (status = OK, description = "By name; none where no table was ever read", body = Page<ReservationSourceView>),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Page<ReservationSourceView>>, ApiError> {
    actor.may_see_details()?;
    let sources = gateway.store().reservation_sources().await?;
    Ok(Json(Page { items: sources.iter().map(view).collect(), next: None }))
}

fn view(source: &ReservationSource) -> ReservationSourceView {
    ReservationSourceView {
        name: source.name.clone(),
        tried_at: source.tried_at.map(Into::into),
        read_at: source.read_at.map(Into::into),
        rows: source.rows,
        refused: source
            .refused
            .iter()
            .map(|row| RefusedRowView { id: row.id.clone(), reason: row.reason, text: row.reason.to_string() })
            .collect(),
        refused_rows: source.refused_rows,
        problem: source.problem.clone(),
    }
}
