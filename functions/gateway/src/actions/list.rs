//! `GET /api/v1/actions` and `GET …/{id}`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stationkeeper_api::{ActionView, CommandOutputView, ErrorBody, Page};
use stationkeeper_rules::orchestrator::{ActionId, ActionState};
use stationkeeper_rules::{AlertId, ReservationId};
use stationkeeper_store::{ActionCursor, ActionFilter, RecordedAction};
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::cursor::{self, InstantAndId};
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query};
use crate::stations::list::host;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// At this station.
    host: Option<String>,
    /// `proposed`, `pending`, `claimed`, `unknown`, `done`, `failed`, `expired` or `withdrawn`; `open` for those that are not over.
    state: Option<String>,
    /// That answer this alert.
    alert_id: Option<String>,
    /// For this reservation.
    reservation_id: Option<String>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// What rules proposed and persons wanted done to stations.
///
/// What commands wrote is shown to operators.
#[utoipa::path(
    get, path = "/v1/actions", operation_id = "list_actions", tag = "actions",
    params(Parameters),
    responses((status = OK, description = "The newest first", body = Page<ActionView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<ActionView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = InstantAndId::decode(asked.cursor.as_deref())?
        .map(|(at, id)| ActionCursor { ordered_at: at, id: ActionId(id) });
    let filter = ActionFilter {
        host: asked.host.as_deref().map(host).transpose()?,
        states: asked.state.as_deref().map(states).transpose()?.unwrap_or_default(),
        alerts: asked.alert_id.map(AlertId).into_iter().collect(),
        reservation_id: asked.reservation_id.map(ReservationId),
    };
    let found = gateway.store().actions(&filter, after.as_ref(), limit + 1, gateway.now()).await?;
    let key = |one: &RecordedAction| InstantAndId::of(one.action.ordered_at, &one.action.id.0);
    let whole = actor.may_command().is_ok();
    Ok(Json(cursor::page(found, limit, key, |one| view(one, whole))))
}

/// One action.
#[utoipa::path(
    get, path = "/v1/actions/{id}", operation_id = "get_action", tag = "actions",
    params(("id" = String, Path, description = "As the list has it", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = OK, description = "As it stands", body = ActionView),
        (status = NOT_FOUND, description = "`unknown_action`: no action has this id", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<ActionView>, ApiError> {
    let found = gateway.store().action(&ActionId(id.clone()), gateway.now()).await?;
    Ok(Json(view(&found.ok_or(ApiError::UnknownAction(id))?, actor.may_command().is_ok())))
}

fn states(text: &str) -> Result<Vec<ActionState>, ApiError> {
    if text == "open" {
        return Ok(ActionState::open().collect());
    }
    let words = || ActionState::ALL.map(ActionState::as_str).join(", ");
    ActionState::parse(text)
        .map(|state| vec![state])
        .ok_or_else(|| ApiError::BadRequest(format!("state is open or one of {}", words())))
}

/// `whole`: with what its command wrote.
pub(crate) fn view(recorded: &RecordedAction, whole: bool) -> ActionView {
    let output = recorded.output.as_ref().filter(|_| whole).map(|output| CommandOutputView {
        exit_code: output.exit_code,
        stdout: output.stdout.clone(),
        stderr: output.stderr.clone(),
        arguments: output.arguments.clone(),
        duration_ms: output.duration_ms,
    });
    ActionView { output, ..ActionView::new(&recorded.action) }
}
