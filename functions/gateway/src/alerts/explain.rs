//! `GET /api/v1/alerts/{id}/explain`: the alert with its life, and who was told of each step, who was not, and why.

use axum::Json;
use axum::extract::State;
use stationkeeper_api::{DecisionView, ErrorBody, ExplanationView};
use stationkeeper_rules::AlertId;

use super::one::view;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query, Reader};
use crate::openapi::AcceptLanguage;

/// Who was told of each step of an alert, who was not, and why.
#[utoipa::path(
    get, path = "/v1/alerts/{id}/explain", operation_id = "explain_alert", tag = "alerts",
    params(("id" = String, Path, description = "Of the alert"), AcceptLanguage),
    responses(
        (status = OK, description = "Its life, and what was decided about each step", body = ExplanationView),
        (status = NOT_FOUND, description = "`unknown_alert`: no alert has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn explain(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<ExplanationView>, ApiError> {
    let alert = view(&gateway, id.clone(), language).await?;
    let id = AlertId(id);
    let decisions = gateway.store().decisions(&id).await?;
    let next_look_at = gateway.store().next_look_at(&id).await?;
    Ok(Json(ExplanationView {
        alert,
        decisions: decisions.iter().map(|decision| DecisionView::new(decision, language)).collect(),
        next_look_at: next_look_at.map(Into::into),
    }))
}
