//! `GET /api/v1/alerts/{id}`: one alert with its life.

use axum::Json;
use axum::extract::State;
use stationkeeper_api::{AlertView, ErrorBody, Language};
use stationkeeper_rules::AlertId;

use super::{action, actions, lab, labs};
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query, Reader};
use crate::openapi::AcceptLanguage;

/// One alert with its life.
#[utoipa::path(
    get, path = "/v1/alerts/{id}", operation_id = "get_alert", tag = "alerts",
    params(("id" = String, Path, description = "Of the alert"), AcceptLanguage),
    responses(
        (status = OK, description = "With its transitions", body = AlertView),
        (status = NOT_FOUND, description = "`unknown_alert`: no alert has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<AlertView>, ApiError> {
    view(&gateway, id, language).await.map(Json)
}

/// The alert as it stands.
pub(crate) async fn view(gateway: &Gateway, id: String, language: Language) -> Result<AlertView, ApiError> {
    let Some(found) = gateway.store().alert(&AlertId(id.clone())).await? else {
        return Err(ApiError::UnknownAlert(id));
    };
    let labs = labs(gateway, std::slice::from_ref(&found.alert)).await?;
    let actions = actions(gateway, std::slice::from_ref(&found.alert)).await?;
    Ok(AlertView::new(&found.alert, lab(&labs, &found.alert), language)
        .with_action(action(&actions, &found.alert))
        .with_transitions(&found.transitions, language))
}
