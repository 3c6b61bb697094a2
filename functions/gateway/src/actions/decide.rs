//! `POST /api/v1/actions/{id}/approve` and `…/withdraw`: a person's word on what a rule proposed, or on a wake that is under way.

use axum::Json;
use axum::extract::State;
use stationkeeper_api::{ActionView, ErrorBody};
use stationkeeper_rules::orchestrator::{ActionId, ActionState, StationAction};
use stationkeeper_store::ActionFilter;
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Path, Query};
use crate::hosts::known;

/// Lets what a rule proposed go ahead.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/actions/{id}/approve", operation_id = "approve_action", tag = "actions",
    params(("id" = String, Path, description = "As the list has it", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = OK, description = "As it stands now", body = ActionView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_action`: no action has this id", body = ErrorBody),
        (status = CONFLICT, description = "`action_not_possible`: it is over, or the station cannot be touched now", body = ErrorBody),
    ),
)]
pub(crate) async fn approve(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<ActionView>, ApiError> {
    actor.may_command()?;
    let action = theirs(&gateway, &actor, id).await?;
    gateway.can_act(action.kind.changes_station())?;
    let settings = gateway.store().settings().await?;
    let approved = gateway.acting(&action.host, &settings).approve(&action.id, &actor.author()).await?;
    gateway.shared().actions.poke();
    Ok(Json(ActionView::new(&approved?)))
}

/// Does not have it done. A wake that is under way stops; a command that was sent does not.
///
/// Role: operator; an instructor may withdraw a wake; for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/actions/{id}/withdraw", operation_id = "withdraw_action", tag = "actions",
    params(("id" = String, Path, description = "As the list has it", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = OK, description = "As it stands now", body = ActionView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_action`: no action has this id", body = ErrorBody),
        (status = CONFLICT, description = "`action_not_possible`: it is over, or was sent", body = ErrorBody),
    ),
)]
pub(crate) async fn withdraw(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<ActionView>, ApiError> {
    actor.may_act()?;
    let action = theirs(&gateway, &actor, id).await?;
    if action.kind.changes_station() {
        actor.may_command()?;
    }
    let settings = gateway.store().settings().await?;
    let withdrawn = gateway.acting(&action.host, &settings).withdraw(&action.id, &actor.author()).await?;
    Ok(Json(ActionView::new(&withdrawn?)))
}

/// Stops what is done to wake a station; whether anything was.
pub(crate) async fn stop_wakes(gateway: &Gateway, actor: &Actor, host: &HostName) -> Result<bool, ApiError> {
    let states = vec![ActionState::Pending, ActionState::Claimed];
    let filter = ActionFilter { host: Some(host.clone()), states, ..ActionFilter::default() };
    let found = gateway.store().actions(&filter, None, 100, gateway.now()).await?;
    let settings = gateway.store().settings().await?;
    let mut stopped = false;
    for recorded in found.iter().filter(|one| !one.action.kind.changes_station()) {
        stopped |= gateway.acting(host, &settings).withdraw(&recorded.action.id, &actor.author()).await?.is_ok();
    }
    Ok(stopped)
}

/// The action, if the caller may act on its station.
async fn theirs(gateway: &Gateway, actor: &Actor, id: String) -> Result<StationAction, ApiError> {
    let found = gateway.store().action(&ActionId(id.clone()), gateway.now()).await?;
    let action = found.ok_or(ApiError::UnknownAction(id))?.action;
    let station = known(gateway, action.host.as_str()).await?;
    actor.may_act_in_one_of(station.as_ref().map_or(&[][..], |station| &station.access.labs))?;
    Ok(action)
}

impl Gateway {
    /// Whether this gateway reaches stations, and where it must, logs in to them.
    pub(crate) fn can_act(&self, logs_in: bool) -> Result<(), ApiError> {
        if self.shared().options.reach.networks.is_empty() {
            return Err(ApiError::NoNetworks(crate::reach::ReachError::NoNetworks));
        }
        if logs_in && !self.logs_in() {
            return Err(ApiError::NoLogin);
        }
        Ok(())
    }

    /// Whether this gateway knows logins of stations.
    pub(crate) fn logs_in(&self) -> bool {
        let options = &self.shared().options;
        options.reach.commands.is_some() || options.credentials.is_some()
    }
}
