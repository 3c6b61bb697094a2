//! `POST /api/v1/actions`: a person wants something done to a station.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ActionView, ErrorBody};
use stationkeeper_rules::orchestrator::{ActionKind, asked};
use stationkeeper_store::{AuditAction, AuditEntry};
use utoipa::ToSchema;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Query};
use crate::hosts::known;
use crate::idempotency;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ActionRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// At this station.
    host: String,
    /// What.
    kind: ActionKind,
}

/// Has something done to a station at once; how it goes is told by `GET /api/v1/actions/{id}` and by the events `action`.
///
/// A wake that is under way can be withdrawn, a command cannot. Nothing that touches whoever is at the station is done while a reservation
/// runs or local mode is on. Role: instructor for `wake` and `wol_check`, operator for all else; for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/v1/actions", operation_id = "order_action", tag = "actions",
    request_body(content = Request, example = json!({ "host": "LAB-WS01", "kind": "wake" })),
    responses(
        (status = ACCEPTED, description = "It is done as soon as the station is free", body = ActionView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such station", body = ErrorBody),
        (status = CONFLICT, description = "`action_not_possible`: a reservation is running, local mode is on, or the like", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "`no_networks`, `no_login`: this gateway reaches no station, or may not log in to one", body = ErrorBody),
    ),
)]
pub(crate) async fn order(
    State(gateway): State<Gateway>,
    actor: Actor,
    headers: HeaderMap,
    Query(NoParameters {}): Query<NoParameters>,
    Body(request): Body<Request>,
) -> Result<(StatusCode, Json<ActionView>), ApiError> {
    let kind = request.kind;
    if kind.changes_station() {
        actor.may_command()?;
    }
    let unknown = || ApiError::UnknownStation(request.host.clone());
    let station = known(&gateway, &request.host).await?.ok_or_else(unknown)?;
    actor.may_act_in_one_of(&station.access.labs)?;
    gateway.can_act(kind.changes_station())?;
    let host = station.entry.host;
    let (now, settings) = (gateway.now(), gateway.store().settings().await?);
    let key = match headers.contains_key("idempotency-key") {
        true => format!("{}\n{}", actor.token_id(), idempotency::key(&headers)?),
        false => {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes)?;
            hex::encode(bytes)
        }
    };
    let action = asked(&host, kind, &actor.name, &key, &settings.actions, now);
    let entry = AuditEntry::done(&actor.author(), AuditAction::ActionOrder, &action.id.0, now)
        .of(Some(&host))
        .with(json!({ "kind": kind }));
    let ordered = gateway.acting(&host, &settings).order(&action, &entry).await?;
    gateway.shared().actions.poke();
    Ok((StatusCode::ACCEPTED, Json(ActionView::new(&ordered?))))
}
