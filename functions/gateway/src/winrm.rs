//! `POST /api/winrm` of the older service: runs a command of Lab Station on a station and waits for it. Spellings and texts are that
//! service's (gateway.md sections 1 and 6).

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use stationkeeper_station_link::{AllowedCommands, StationCommand, split};
use stationkeeper_store::{AuditAction, AuditEntry, AuditOutcome};

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{OldBody, first_text};
use crate::hosts::known;

pub(crate) async fn run(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<Value>, ApiError> {
    actor.may_command()?;
    let asked = (first_text(&body, &["host", "hostName"]), first_text(&body, &["command"]));
    let (Some(name), Some(word)) = asked else {
        return Err(ApiError::BadRequest("host and command are required".to_owned()));
    };
    let command = command(&word, &body, &gateway.allowed_commands())?;
    let unknown = || ApiError::NotInConfig(name.clone());
    let row = known(&gateway, &name).await?.ok_or_else(unknown)?;
    actor.may_reserve_in(row.entry.lab.as_deref())?;
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
    tracing::info!(%host, command = word, exit_code = report.exit_code, "a command was run");
    Ok(Json(json!({
        "exit_code": report.exit_code,
        "stdout": report.stdout,
        "stderr": report.stderr,
        "duration_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
    })))
}

/// The command with its arguments, which come as a list, or as one text as a person would type it.
fn command(word: &str, body: &Map<String, Value>, allowed: &AllowedCommands) -> Result<StationCommand, ApiError> {
    let no_list = || ApiError::BadRequest("args is a list of texts".to_owned());
    let arguments: Vec<String> = match body.get("args") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|one| match one {
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                _ => Err(no_list()),
            });
            texts.collect::<Result<_, _>>()?
        }
        Some(Value::String(text)) => split(text),
        Some(_) => return Err(no_list()),
    };
    StationCommand::parse(word, &arguments, allowed).map_err(|error| ApiError::BadRequest(error.to_string()))
}
