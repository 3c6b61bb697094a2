//! `GET /api/v1/alerts`: newest first, with filters `state` (`open`, `acknowledged`, `resolved`, `any`; otherwise whatever is
//! unresolved), `rule`, `host` and `lab`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stationkeeper_api::{AlertView, Page};
use stationkeeper_rules::{AlertId, AlertState, Rule};
use stationkeeper_store::{AlertCursor, AlertFilter};
use utoipa::IntoParams;

use super::{action, actions, lab, labs};
use crate::Gateway;
use crate::actor::Actor;
use crate::cursor::{self, InstantAndId};
use crate::error::ApiError;
use crate::extract::{Query, Reader};
use crate::openapi::AcceptLanguage;
use crate::stations::list::host;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `open`, `acknowledged`, `resolved` or `any`; otherwise whatever is unresolved.
    state: Option<String>,
    /// Of this rule.
    rule: Option<String>,
    /// Of this station.
    host: Option<String>,
    /// Of stations of this laboratory.
    lab: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Alerts: what needs somebody.
#[utoipa::path(
    get, path = "/v1/alerts", operation_id = "list_alerts", tag = "alerts",
    params(Parameters, AcceptLanguage),
    responses((status = OK, description = "The newest first", body = Page<AlertView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<AlertView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after =
        InstantAndId::decode(asked.cursor.as_deref())?.map(|(at, id)| AlertCursor { opened_at: at, id: AlertId(id) });
    let filter = AlertFilter {
        states: states(asked.state.as_deref())?,
        rules: asked.rule.as_deref().map(rule).transpose()?.into_iter().collect(),
        host: asked.host.as_deref().map(host).transpose()?,
        lab: asked.lab,
    };
    let found = gateway.store().alerts(&filter, after.as_ref(), limit + 1).await?;
    let labs = labs(&gateway, &found).await?;
    let actions = actions(&gateway, &found).await?;
    Ok(Json(cursor::page(
        found,
        limit,
        |alert| InstantAndId::of(alert.opened_at, &alert.id.0),
        |alert| AlertView::new(alert, lab(&labs, alert), language).with_action(action(&actions, alert)),
    )))
}

fn states(text: Option<&str>) -> Result<Vec<AlertState>, ApiError> {
    match text {
        None => Ok(vec![AlertState::Open, AlertState::Acknowledged]),
        Some("any") => Ok(Vec::new()),
        Some(text) => AlertState::parse(text)
            .map(|state| vec![state])
            .ok_or_else(|| ApiError::BadRequest("state is one of open, acknowledged, resolved, any".to_owned())),
    }
}

fn rule(text: &str) -> Result<Rule, ApiError> {
    Rule::parse(text)
        .ok_or_else(|| ApiError::BadRequest(format!("rule is one of {}", Rule::ALL.map(Rule::as_str).join(", "))))
}
