//! `GET /api/v1/stations/{host}`: one station.

use axum::Json;
use axum::extract::State;
use stationkeeper_api::StationView;

use super::{known, reservations, view};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query, Reader};

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
    Ok(Json(view(&station, &reservations, language, now)))
}
