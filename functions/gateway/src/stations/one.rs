//! `GET /api/v1/stations/{host}`: one station.

use axum::Json;
use axum::extract::State;
use stationkeeper_api::{ErrorBody, StationView};

use super::{known, reservations, view};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query, Reader};
use crate::openapi::AcceptLanguage;

/// One station with its latest state.
#[utoipa::path(
    get, path = "/v1/stations/{host}", operation_id = "get_station", tag = "stations",
    params(("host" = String, Path, description = "The station, in any case", example = "LAB-WS01"), AcceptLanguage),
    responses(
        (status = OK, description = "As it is now", body = StationView),
        (status = NOT_FOUND, description = "`unknown_station`: no station has this name", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(name): Path,
) -> Result<Json<StationView>, ApiError> {
    let now = gateway.now();
    let station = known(&gateway, name).await?;
    let reservations = reservations(&gateway, Some(&station.entry.host), now).await?;
    let order = gateway.store().local_mode_order(&station.entry.host).await?;
    Ok(Json(view((&station.state, station.entry.lab.as_deref()), &reservations, order.as_slice(), language, now)))
}
