//! `GET /api/v1/labs`: the laboratories that the settings speak of.

use axum::Json;
use axum::extract::State;
use stationkeeper_api::{LabView, Page};

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Query};

/// Laboratories that the settings speak of, with their time zones.
///
/// A laboratory of which they say nothing is not among them, though stations may be in it.
#[utoipa::path(
    get, path = "/v1/labs", operation_id = "list_labs", tag = "stations",
    responses((status = OK, description = "By name", body = Page<LabView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Page<LabView>>, ApiError> {
    let settings = gateway.store().settings().await?;
    let labs = settings.labs.into_iter();
    let items = labs.map(|(name, lab)| LabView { name, time_zone: lab.time_zone.0.name().to_owned() }).collect();
    Ok(Json(Page { items, next: None }))
}
