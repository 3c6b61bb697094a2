//! `POST /api/reservations/start` and `…/end` of the older service: does what a reservation needs now, and waits for it (gateway.md
//! sections 1, 4 and 6).
//!
//! What is asked for is a run like those of the schedule, under the same lease. A key names it, so that a request that comes twice is
//! answered twice and done once.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use stationkeeper_api::ErrorBody;
use stationkeeper_pipeline::orchestrate::{Busy, asked_run};
use stationkeeper_rules::orchestrator::{
    Block, EndWish, Operation, Override, Part, PowerMode, RunId, Side, StartWish, WakeOptions, Work,
};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_station_link::{ReleaseSession, StationCommand};
use stationkeeper_store::{AuditAction, AuditEntry, AuditOutcome, CatalogEntry, CatalogHost, RecordedOperation};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::ID_LENGTH;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, first_text, is_nothing, number, seconds, texts, yes};
use crate::hosts::known;
use crate::idempotency;
use crate::operations::old;
use crate::orchestrator::{self, command};
use crate::wol::only_of_the_catalog;

/// Names of what a request must say, and of its laboratory.
const RESERVATION: &[&str] = &["reservationId", "reservation_id"];
const HOST: &[&str] = &["host", "hostName"];
const LAB: &[&str] = &["labId", "lab_id"];
/// Time of the reboot that a release ends with where the caller says nothing of it, in seconds.
const USUAL_REBOOT: u32 = 20;
/// How long a request waits for what is done on the station now.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// That is looked for this often.
const LOOK: Duration = Duration::from_millis(500);
/// The same request again within this time is the same order, unless the first has failed.
const TWICE: TimeDelta = TimeDelta::minutes(10);
/// Operations that one run of a request can have.
const MOST_STEPS: u32 = 500;

/// What `POST /api/reservations/start` reads of its body. Other fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field, in several spellings")]
#[schema(rename_all = "camelCase")]
pub(crate) struct StartBody {
    /// The booking system's.
    reservation_id: Option<String>,
    /// Of the catalog.
    host: Option<String>,
    /// Of this laboratory.
    lab_id: Option<String>,
    /// Whether it is woken.
    #[schema(value_type = Option<Value>, default = true)]
    wake: Option<bool>,
    /// `mac`, `ping_target`, `attempts`, `ping_timeout`, `broadcast`, `port`.
    #[schema(value_type = Option<Value>)]
    wake_options: Option<Value>,
    /// Whether it is prepared.
    #[schema(value_type = Option<Value>, default = true)]
    prepare: Option<bool>,
    /// Further arguments: a list of texts, or one text.
    #[schema(value_type = Option<Value>)]
    prepare_args: Option<Value>,
    /// Seconds that whoever is logged on has to leave.
    #[schema(value_type = Option<Value>, default = 90)]
    guard_grace: Option<u32>,
    /// Goes ahead although somebody is logged on or local mode is on; says why.
    override_reason: Option<String>,
}

/// What `POST /api/reservations/end` reads of its body. Other fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field, in several spellings")]
#[schema(rename_all = "camelCase")]
pub(crate) struct EndBody {
    /// The booking system's.
    reservation_id: Option<String>,
    /// Of the catalog.
    host: Option<String>,
    /// Of this laboratory.
    lab_id: Option<String>,
    /// Whether it is released.
    #[schema(value_type = Option<Value>, default = true)]
    release: Option<bool>,
    /// Further arguments: a list of texts, or one text.
    #[schema(value_type = Option<Value>)]
    release_args: Option<Value>,
    /// `mode` (`shutdown` or `hibernate`) and `args`.
    #[schema(value_type = Option<Value>)]
    power_action: Option<Value>,
    /// Goes ahead although somebody is logged on or local mode is on; says why.
    override_reason: Option<String>,
}

/// A request, read.
struct Order {
    /// What it calls things, which is how it is answered.
    named: Named,
    entry: CatalogEntry,
    reservation: Reservation,
    side: Side,
    work: Vec<Work>,
    overridden: Option<String>,
    key: Option<String>,
}

/// What a request calls its reservation, its station and its laboratory: a number stays one.
struct Named {
    reservation: Value,
    host: String,
    lab: Option<Value>,
}

impl Named {
    fn of(body: &Map<String, Value>) -> Option<Self> {
        let reservation = as_said(body, RESERVATION)?;
        let host = first_text(body, HOST)?;
        Some(Self { reservation, host, lab: as_said(body, LAB) })
    }
}

fn as_said(body: &Map<String, Value>, names: &[&str]) -> Option<Value> {
    let text = first_text(body, names)?;
    names.iter().find_map(|name| body.get(*name).filter(|value| value.is_number())).cloned().or(Some(text.into()))
}

/// Wakes and prepares a station for a reservation, and waits for it.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/reservations/start", operation_id = "old_start_reservation", tag = "older service",
    request_body(content = StartBody, example = json!({ "reservationId": "res-2026-0042", "host": "LAB-WS01" })),
    responses(
        (status = OK, description = "Every step went well: `success`, `reservationId`, `host`, `labId`, `steps`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`", body = ErrorBody),
        (status = CONFLICT, description = "`station_busy`: something else is done on the station", body = ErrorBody),
        (status = BAD_GATEWAY, description = "A step did not go well; the body says which", body = Value),
    ),
)]
pub(crate) async fn start(
    State(gateway): State<Gateway>,
    actor: Actor,
    headers: HeaderMap,
    OldBody(body): OldBody,
) -> Result<Response, ApiError> {
    let (named, entry, reservation) = place(&gateway, &actor, &body).await?;
    let wake = yes(&body, "wake", true).then(|| wake_options(&body)).transpose()?;
    if let Some(options) = &wake {
        let mac = options.mac.as_deref().and_then(|mac| mac.parse().ok());
        only_of_the_catalog(&gateway, mac, options.ping_target.as_deref()).await?;
    }
    let grace = number(&body, "guardGrace", 0, 86_400)?.unwrap_or(90);
    let prepare = match yes(&body, "prepare", true) {
        true => Some((grace, texts(&body, "prepareArgs")?)),
        false => None,
    };
    let work = StartWish { wake, prepare }.work();
    let overridden = first_text(&body, &["overrideReason", "override_reason"]);
    let order = Order { named, entry, reservation, side: Side::Start, work, overridden, key: key(&headers)? };
    carry_out(&gateway, &actor, order).await
}

/// Releases a station after a reservation and switches it off if that is asked for, and waits for it.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/reservations/end", operation_id = "old_end_reservation", tag = "older service",
    request_body(content = EndBody, example = json!({ "reservationId": "res-2026-0042", "host": "LAB-WS01" })),
    responses(
        (status = OK, description = "Every step went well: `success`, `reservationId`, `host`, `labId`, `steps`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`", body = ErrorBody),
        (status = CONFLICT, description = "`station_busy`: something else is done on the station", body = ErrorBody),
        (status = BAD_GATEWAY, description = "A step did not go well; the body says which", body = Value),
    ),
)]
pub(crate) async fn end(
    State(gateway): State<Gateway>,
    actor: Actor,
    headers: HeaderMap,
    OldBody(body): OldBody,
) -> Result<Response, ApiError> {
    let (named, entry, reservation) = place(&gateway, &actor, &body).await?;
    let release = match (yes(&body, "release", true), body.get("releaseArgs")) {
        (false, _) => None,
        (true, None | Some(Value::Null)) => Some((Some(USUAL_REBOOT), Vec::new())),
        (true, Some(_)) => Some(release(&texts(&body, "releaseArgs")?)?),
    };
    let power = match body.get("powerAction") {
        None => None,
        Some(nothing) if is_nothing(nothing) => None,
        Some(Value::Object(action)) => {
            let word = first_text(action, &["mode"]).unwrap_or_else(|| PowerMode::Shutdown.as_str().to_owned());
            let mode = PowerMode::parse(&word.to_lowercase())
                .ok_or_else(|| bad("powerAction.mode is shutdown or hibernate"))?;
            Some((mode, texts(action, "args")?))
        }
        Some(_) => return Err(bad("powerAction is an object with mode and args")),
    };
    let work = EndWish { release, power }.work();
    let overridden = first_text(&body, &["overrideReason", "override_reason"]);
    let order = Order { named, entry, reservation, side: Side::End, work, overridden, key: key(&headers)? };
    carry_out(&gateway, &actor, order).await
}

fn bad(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}

/// The station and the reservation. One that nobody has put is as long as it takes.
async fn place(
    gateway: &Gateway,
    actor: &Actor,
    body: &Map<String, Value>,
) -> Result<(Named, CatalogEntry, Reservation), ApiError> {
    actor.may_command()?;
    let (Some(id), Some(named)) = (first_text(body, RESERVATION), Named::of(body)) else {
        return Err(bad("reservationId and host are required"));
    };
    if id.chars().count() > ID_LENGTH || id.chars().any(char::is_control) {
        return Err(ApiError::Reservation(super::ReservationError::Id));
    }
    let unknown = || ApiError::UnknownStation(named.host.clone());
    let CatalogHost { entry, access } = known(gateway, &named.host).await?.ok_or_else(unknown)?;
    actor.may_act_in_one_of(&access.labs)?;
    let host = entry.host.clone();
    let lab = first_text(body, LAB).or_else(|| entry.lab.clone());
    let id = ReservationId(id);
    let now = gateway.now();
    let reservation = match gateway.store().reservation(&id).await? {
        Some(booked) => Reservation { host, ..booked },
        None => Reservation {
            id,
            lab,
            host,
            start_at: now,
            end_at: now + TimeDelta::days(1),
            status: ReservationStatus::Active,
            who: None,
        },
    };
    Ok((named, entry, reservation))
}

fn wake_options(body: &Map<String, Value>) -> Result<WakeOptions, ApiError> {
    let options = match body.get("wakeOptions") {
        None => return Ok(WakeOptions::default()),
        Some(nothing) if is_nothing(nothing) => return Ok(WakeOptions::default()),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(bad("wakeOptions is an object")),
    };
    let port = number(options, "port", 1, 65_535)?;
    let broadcast = first_text(options, &["broadcast"]);
    if broadcast.as_deref().is_some_and(|text| text.parse::<std::net::Ipv4Addr>().is_err()) {
        return Err(bad("broadcast is invalid"));
    }
    Ok(WakeOptions {
        mac: first_text(options, &["mac"]),
        ping_target: first_text(options, &["ping_target", "pingTarget"]),
        attempts: number(options, "attempts", 1, 10)?,
        ping_timeout_seconds: seconds(options, "ping_timeout", 60)?.map(whole),
        broadcast,
        port: port.and_then(|port| u16::try_from(port).ok()),
    })
}

/// What is stored has no fractions.
fn whole(patience: Duration) -> u32 {
    let seconds = patience.as_secs() + u64::from(patience.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// A caller's arguments; the reboot among them is a time of ours, since a power action takes its place.
fn release(arguments: &[String]) -> Result<(Option<u32>, Vec<String>), ApiError> {
    let refused = |error: stationkeeper_station_link::CommandRefused| ApiError::BadRequest(error.to_string());
    let release = ReleaseSession::from_arguments(arguments).map_err(refused)?;
    let reboot = release.reboot.map(|timeout| u32::try_from(timeout.duration().as_secs()).unwrap_or(u32::MAX));
    let alone = StationCommand::ReleaseSession(ReleaseSession { reboot: None, ..release });
    // The command's own word is not among its arguments.
    Ok((reboot, alone.arguments().into_iter().skip(1).collect()))
}

/// `Idempotency-Key`, as a name that fits a row.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let sent = headers.contains_key("idempotency-key").then(|| idempotency::key(headers)).transpose()?;
    Ok(sent.map(|key| digest(&["key", &key])))
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..16])
}

/// The name of the run that a request without a key means: the last one with the same wish, if that is recent and has not failed.
fn implied(operations: &[Operation], side: Side, work: &[Work], now: DateTime<Utc>) -> String {
    let wish = digest(&[side.as_str(), &serde_json::to_string(work).unwrap_or_default()]);
    let number_of = |operation: &Operation| match &operation.run {
        RunId::Asked(key) => key.strip_prefix(&wish)?.strip_prefix('.')?.parse::<u32>().ok(),
        RunId::Scheduled(_) | RunId::Verdict(..) => None,
    };
    let Some(last) = operations.iter().filter_map(number_of).max() else { return format!("{wish}.1") };
    let of_last = || operations.iter().filter(|one| number_of(one) == Some(last));
    let failed = of_last().any(|one| one.success == Some(false));
    let runs = of_last().any(|one| one.finished_at.is_none());
    let recent = of_last().any(|one| one.finished_at.is_some_and(|at| now - at < TWICE));
    let number = if runs || (recent && !failed) { last } else { last + 1 };
    format!("{wish}.{number}")
}

async fn carry_out(gateway: &Gateway, actor: &Actor, order: Order) -> Result<Response, ApiError> {
    let Order { named, entry, reservation, side, work, overridden, key } = order;
    let wake = work.iter().find_map(|step| match step {
        Work::Wake(options) => Some(options.clone()),
        Work::Prepare { .. } | Work::Release { .. } | Work::Power { .. } => None,
    });
    for step in work.iter().filter(|step| !matches!(step, Work::Wake(_))) {
        command(step).map_err(|refused| ApiError::BadRequest(refused.to_string()))?;
    }
    let host = entry.host.clone();
    let id = reservation.id.clone();
    let recorded = gateway.store().operations_of_reservations(std::slice::from_ref(&id)).await?;
    let key = key.unwrap_or_else(|| implied(&recorded, side, &work, gateway.now()));
    let mut part = Part::asked(&reservation, side, &key, work);
    let said = || Override {
        reservation_id: id.clone(),
        by: actor.name.clone(),
        reason: overridden.clone(),
        at: gateway.now(),
    };
    part.overridden = overridden.is_some().then(said);
    let run = asked_run(&host, &actor.name, part);
    let run_id = RunId::Asked(key);
    let action = match side {
        Side::Start => AuditAction::ReservationStart,
        Side::End => AuditAction::ReservationEnd,
    };
    let audit = |outcome: AuditOutcome, detail: Value| {
        AuditEntry::done(&actor.author(), action, &id.0, gateway.now()).of(Some(&host)).with(detail).came_to(outcome)
    };
    let ordered = audit(AuditOutcome::Done, json!({ "run": run_id, "override_reason": overridden }));
    let began = Instant::now();
    let finished = loop {
        let settings = gateway.store().settings().await?;
        let place = gateway.shared().orchestrator.at_work.take(&host);
        let taken = match &place {
            Some(_) => gateway.acting(&host, &settings).begin_asked(&run, &ordered).await?,
            None => Err(Busy::Leased { reservation_id: None }),
        };
        match (taken, place) {
            (Ok(()), Some(place)) => {
                // It goes on when whoever asked has gone away.
                let (gateway_of_task, host_of_task) = (gateway.clone(), host.clone());
                let running = gateway.shared().tasks.spawn(async move {
                    let finished = orchestrator::drive(&gateway_of_task, &host_of_task, &settings).await;
                    drop(place);
                    gateway_of_task.shared().orchestrator.at_work.poke();
                    finished
                });
                break running.await.ok().flatten().ok_or(ApiError::Closing)?;
            }
            (Err(Busy::Unknown), _) => return Err(ApiError::UnknownStation(host.to_string())),
            (Err(Busy::Leased { reservation_id }), _) if began.elapsed() > PATIENCE => {
                return Err(ApiError::StationBusy { host, reservation_id: reservation_id.map(|id| id.0) });
            }
            (Err(Busy::Leased { .. }) | Ok(()), _) => tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = gateway.closing() => return Err(ApiError::Closing),
            },
        }
    };
    let (steps, _) = gateway
        .store()
        .operations_page(
            &stationkeeper_store::OperationFilter { reservation_id: Some(id.clone()), ..Default::default() },
            MOST_STEPS,
            0,
        )
        .await?;
    let of_run = |one: &&RecordedOperation| one.operation.run == run_id;
    let mut steps: Vec<Value> = steps.iter().rev().filter(of_run).map(old::step).collect();
    if let Some(options) = &wake {
        steps.iter_mut().for_each(|step| old::tell_wake(step, options, &entry));
    }
    if let Some(block) = &finished.blocked {
        gateway.store().append_audit(&audit(AuditOutcome::Refused, json!({ "blocked": block }))).await?;
    }
    if !finished.success && steps.iter().all(|step| step["success"] == json!(true)) {
        steps.push(not_begun(side, finished.blocked.as_ref(), &finished.message));
    }
    let status = if finished.success { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
    let answer = json!({
        "success": finished.success,
        "reservationId": named.reservation,
        "host": named.host,
        "labId": named.lab.or_else(|| reservation.lab.map(Value::String)),
        "steps": steps,
    });
    Ok((status, Json(answer)).into_response())
}

/// The step that something stood in the way of.
fn not_begun(side: Side, block: Option<&Block>, message: &str) -> Value {
    let action = match side {
        Side::Start => "prepare",
        Side::End => "release",
    };
    let status = block.map_or("failed", |block| block.status().as_str());
    json!({ "action": action, "success": false, "status": status, "message": message, "durationMs": null, "details": {} })
}

#[cfg(test)]
mod tests {
    use stationkeeper_rules::orchestrator::{Action, OperationId, OperationStatus, OrderedBy};
    use stationkeeper_telemetry::HostName;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn operation(key: &str, status: OperationStatus, minute: i64) -> Operation {
        let run = RunId::Asked(key.to_owned());
        let reservation_id = ReservationId("r".to_owned());
        Operation {
            id: OperationId::derive(&reservation_id, &run, Action::Release, 1),
            reservation_id,
            host: HostName::parse("LAB-WS01").unwrap(),
            lab: None,
            run,
            action: Action::Release,
            attempt: 1,
            status,
            success: (status != OperationStatus::Running).then_some(status == OperationStatus::Completed),
            response_code: None,
            message: None,
            packets: None,
            started_at: at(minute),
            finished_at: (status != OperationStatus::Running).then(|| at(minute)),
            ordered_by: OrderedBy::Schedule,
        }
    }

    #[test]
    fn the_same_request_again_is_the_same_run_unless_it_failed_or_is_long_over() {
        let work = EndWish { release: Some((None, Vec::new())), power: None }.work();
        let first = implied(&[], Side::End, &work, at(0));
        let second = first.replace(".1", ".2");
        for (shows, status, minute, expected) in [
            ("it still runs", OperationStatus::Running, -60, &first),
            ("it has just ended", OperationStatus::Completed, -1, &first),
            ("it is long over", OperationStatus::Completed, -11, &second),
            ("it failed", OperationStatus::Failed, -1, &second),
            ("nobody knows how it ended", OperationStatus::Unknown, -1, &second),
        ] {
            assert_eq!(&implied(&[operation(&first, status, minute)], Side::End, &work, at(0)), expected, "{shows}");
        }
        let other = EndWish { release: Some((Some(15), Vec::new())), power: None }.work();
        assert_ne!(implied(&[], Side::End, &other, at(0)), first, "another wish");
        let scheduled = Operation { run: RunId::Scheduled(1), ..operation("x", OperationStatus::Completed, -1) };
        assert_eq!(implied(&[scheduled], Side::End, &work, at(0)), first, "the schedule's is not a person's");
    }

    #[test]
    fn a_reboot_among_the_arguments_becomes_a_time_of_ours() {
        let read = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
            release(&arguments).map(|(reboot, rest)| (reboot, rest.join(" "))).ok()
        };
        assert_eq!(read(&[]), Some((None, String::new())));
        assert_eq!(read(&["--user=ana"]), Some((None, "--user=ana".to_owned())));
        assert_eq!(read(&["--user=ana", "--reboot", "--reboot-timeout=60"]), Some((Some(60), "--user=ana".to_owned())));
        assert!(read(&["--reboot"]).unwrap().0.unwrap() >= 15);
        assert_eq!(read(&["--format"]), None);
    }
}
