//! `POST /api/winrm` of the older service: runs a command of Lab Station on a station and waits for it. Spellings and texts are that
//! service's (gateway.md sections 1 and 6).

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_pipeline::orchestrate::note_power;
use stationkeeper_rules::orchestrator;
use stationkeeper_station_link::winrm::WINRM_PORT;
use stationkeeper_station_link::{AllowedCommands, PowerMode, StationCommand};
use stationkeeper_store::{AuditAction, AuditEntry, AuditOutcome};
use utoipa::ToSchema;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, boolean, first_text, number, texts};
use crate::hosts::known;

/// What `POST /api/winrm` reads of its body. Other fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field, in several spellings")]
struct CommandBody {
    /// Of the catalog.
    #[schema(min_length = 1)]
    host: String,
    /// Of Lab Station, as far as callers may name it.
    #[schema(example = "prepare-session")]
    command: String,
    /// Its arguments, each a text; or all of them as one text.
    #[schema(value_type = Option<Value>, example = json!(["--guard-grace=90"]))]
    args: Option<Vec<String>>,
}

/// What the command said.
#[derive(Serialize, ToSchema)]
pub(crate) struct CommandAnswer {
    /// 0: done. What others mean depends on the command.
    exit_code: i64,
    /// What it wrote.
    stdout: String,
    /// What it wrote of errors.
    stderr: String,
    /// How long it took.
    duration_ms: u64,
}

/// Runs a command of Lab Station on a station and waits for it.
///
/// Role: operator, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/winrm", operation_id = "run_command", tag = "older service",
    request_body(content = CommandBody, example = json!({ "host": "LAB-WS01", "command": "status-json", "args": [] })),
    responses(
        (status = OK, description = "It ended; an exit code other than 0 is also an answer", body = CommandAnswer),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such host", body = ErrorBody),
        (status = INTERNAL_SERVER_ERROR, description = "`INTERNAL_ERROR`: the station was not reached, or does not let the gateway in; the header `X-Station-Error` says which", body = ErrorBody),
    ),
)]
pub(crate) async fn run(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<CommandAnswer>, ApiError> {
    actor.may_command()?;
    let asked = (first_text(&body, &["host", "hostName"]), first_text(&body, &["command"]));
    let (Some(name), Some(word)) = asked else {
        return Err(ApiError::BadRequest("host and command are required".to_owned()));
    };
    let allowed = gateway.allowed_commands();
    // A command that nobody may run is said before a host that is not known, and what is wrong with its arguments afterwards.
    if !allowed.allows(&word) {
        command(&word, &Map::new(), &allowed)?;
    }
    let unknown = || ApiError::NotInConfig(name.clone());
    let row = known(&gateway, &name).await?.ok_or_else(unknown)?;
    actor.may_reserve_in(row.entry.lab.as_deref())?;
    let command = command(&word, &body, &allowed)?;
    restates(&body, row.access.transport.as_deref().unwrap_or(gateway.usual_transport()))?;
    let (access, station) = gateway.way_to(&row).await?;
    let host = row.entry.host;
    let audit = async |outcome: AuditOutcome, detail: Value| {
        let entry = AuditEntry::done(&actor.author(), AuditAction::StationCommand, host.as_str(), gateway.now())
            .of(Some(&host))
            .with(detail)
            .came_to(outcome);
        gateway.store().append_audit(&entry).await
    };
    let words = json!({ "command": word, "arguments": command.arguments() });
    // Before it is issued: what was ordered is written down, whatever becomes of it.
    if command.changes_station() {
        audit(AuditOutcome::Done, words.clone()).await?;
    }
    let issued_at = gateway.now();
    let commander = &gateway.shared().commander;
    let ran = tokio::select! {
        ran = commander.run(&access, &host, &station, &command) => ran,
        () = gateway.closing() => return Err(ApiError::Closing),
    };
    let report = match ran {
        Ok(report) => report,
        Err(error) => {
            if command.changes_station() {
                let mut detail = words;
                detail["error"] = Value::String(error.to_string());
                audit(AuditOutcome::Failed, detail).await?;
            }
            return Err(ApiError::Station(error));
        }
    };
    if let (StationCommand::Power(power), true) = (&command, report.outcome.is_done()) {
        let mode = match power.mode {
            PowerMode::Shutdown => orchestrator::PowerMode::Shutdown,
            PowerMode::Hibernate => orchestrator::PowerMode::Hibernate,
        };
        note_power(gateway.store(), &host, mode, &command.arguments(), issued_at, gateway.now()).await?;
    }
    tracing::info!(%host, command = word, exit_code = report.exit_code, "a command was run");
    Ok(Json(CommandAnswer {
        exit_code: report.exit_code.into(),
        stdout: report.stdout,
        stderr: report.stderr,
        duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// A caller may say again how stations are reached, and nothing else.
fn restates(body: &Map<String, Value>, transport: &str) -> Result<(), ApiError> {
    let said = |name: &str| body.get(name).filter(|value| !value.is_null() && *value != "");
    let other = |what: &str| ApiError::BadRequest(format!("request {what} does not match the host WinRM policy"));
    match said("use_ssl").map(boolean) {
        None | Some(Some(true)) => {}
        Some(Some(false)) => return Err(other("use_ssl")),
        Some(None) => return Err(ApiError::BadRequest("WinRM use_ssl must be a boolean".to_owned())),
    }
    if said("port").is_some() {
        let port = number(body, "port", 0, u32::from(u16::MAX));
        let port = port.map_err(|_no_port| ApiError::BadRequest("request port is invalid".to_owned()))?;
        if port != Some(WINRM_PORT.into()) {
            return Err(other("port"));
        }
    }
    match first_text(body, &["transport"]) {
        Some(asked) if !asked.eq_ignore_ascii_case(transport) => Err(other("transport")),
        _ => Ok(()),
    }
}

/// The command with its arguments, which come as a list, or as one text as a person would type it.
fn command(word: &str, body: &Map<String, Value>, allowed: &AllowedCommands) -> Result<StationCommand, ApiError> {
    let arguments = texts(body, "args")?;
    StationCommand::parse(word, &arguments, allowed).map_err(|error| ApiError::BadRequest(error.to_string()))
}
