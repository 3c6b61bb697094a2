//! `GET /metrics` in Prometheus' text format. Open to this computer itself (unless a proxy handed the request on), otherwise with
//! a token: the figures hold no names, but they tell when a lab is empty.

use std::fmt::Write as _;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use stationkeeper_api::ErrorBody;
use stationkeeper_rules::{AlertState, Rule, StationWord};

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::origin::is_local;

/// Figures. Open to this computer itself, otherwise with a token.
#[utoipa::path(
    get, path = "/metrics", operation_id = "get_metrics", tag = "operation",
    security((), ("token" = []), ("header" = []), ("session" = [])),
    responses(
        (status = OK, description = "Prometheus' text format", content_type = "text/plain", body = String),
        (status = UNAUTHORIZED, description = "`unauthenticated`: from elsewhere, without a token", body = ErrorBody),
    ),
)]
pub(crate) async fn metrics(State(gateway): State<Gateway>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _body) = request.into_parts();
    if !is_local(&parts) {
        Actor::from_request_parts(&mut parts, &gateway).await?;
    }
    let mut text = gateway.shared().options.metrics.as_ref().map(|handle| handle.render()).unwrap_or_default();
    let words = gateway.store().stations_by_word().await?;
    let alerts = gateway.store().unresolved_alerts_by_rule().await?;
    let quarantined = gateway.store().quarantined_by_reason().await?;
    let vitals = gateway.shared().vitals.borrow().clone();
    let now = gateway.now();

    let mut family = |name: &str, help: &str, samples: Vec<(String, i64)>| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let word = |word: StationWord| {
        let found = words.iter().find(|(one, _)| *one == word).map_or(0, |(_, number)| *number);
        (format!("{{state=\"{}\"}}", word.as_str()), count(found))
    };
    family("stationkeeper_stations", "Stations by state.", StationWord::ALL.map(word).to_vec());
    let alert = |rule: Rule, state: AlertState| {
        let found = alerts.iter().find(|one| one.0 == rule && one.1 == state).map_or(0, |one| one.2);
        (format!("{{rule=\"{rule}\",state=\"{}\"}}", state.as_str()), count(found))
    };
    let unresolved = [AlertState::Open, AlertState::Acknowledged];
    let each = Rule::ALL.iter().flat_map(|rule| unresolved.map(|state| alert(*rule, state))).collect();
    family("stationkeeper_alerts", "Unresolved alerts by rule and state.", each);
    // Reasons come from the closed list of telemetry, so they need no escaping.
    let reasons = quarantined.iter().map(|(reason, number)| (format!("{{reason=\"{reason}\"}}"), count(*number)));
    family("stationkeeper_quarantined_objects", "Objects put aside, by reason.", reasons.collect());
    if let Some(outbox) = vitals.outbox {
        let states = [("pending", outbox.pending), ("dead", outbox.dead)];
        let each = states.map(|(state, number)| (format!("{{state=\"{state}\"}}"), count(number)));
        family("stationkeeper_notifications", "Messages that wait, and those that were given up.", each.to_vec());
        let oldest = outbox.oldest_pending_at.map_or(0, |at| (now - at).num_seconds().max(0));
        let help = "Age of the oldest message that waits.";
        family("stationkeeper_notifications_oldest_seconds", help, vec![(String::new(), oldest)]);
    }
    if let Some(queue) = vitals.queue {
        let oldest = queue.oldest_at.map_or(0, |at| (now - at).num_seconds().max(0));
        family("stationkeeper_queue_deliveries", "Deliveries that wait.", vec![(String::new(), count(queue.depth))]);
        family("stationkeeper_queue_oldest_seconds", "Age of the oldest delivery.", vec![(String::new(), oldest)]);
        let dead = vec![(String::new(), count(queue.dead_letters))];
        family("stationkeeper_queue_dead_letters", "Deliveries that failed too often.", dead);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
