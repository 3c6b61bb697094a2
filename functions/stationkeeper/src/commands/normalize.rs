//! `normalize` and `decode-event`: what a file means, without any server.

use std::path::Path;

use serde::Serialize;
use stationkeeper_pipeline::clock::{Clock, SystemClock};
use stationkeeper_telemetry::{
    HostName, Limits, ObjectKind, Reason, Rejection, decode_event, normalize_events, normalize_heartbeat,
    normalize_service_state, normalize_status,
};

use crate::cli;
use crate::failure::{Exit, Failure, print_json, print_line, read_input};

#[derive(Serialize)]
struct Rejected<'a> {
    rejected: Because<'a>,
}

#[derive(Serialize)]
struct Because<'a> {
    reason: &'a str,
    detail: &'a str,
}

/// Runs `normalize`. A rejected file is an answer, not a failure: it is printed, and the exit code says so.
pub fn normalize(arguments: &cli::Normalize) -> Result<Option<Exit>, Failure> {
    let kind = match arguments.kind {
        Some(kind) => kind,
        None => kind_of(&arguments.file).ok_or_else(|| {
            let name = arguments.file.display();
            Failure::new(Exit::NoInput, format!("cannot tell from its name what {name} is: say --kind"))
        })?,
    };
    let limits = Limits::default();
    let bytes = read_bounded(&arguments.file, &limits)?;
    let now = arguments.now.unwrap_or_else(|| SystemClock.now());
    match bytes.and_then(|bytes| answer(kind, &bytes, arguments, now, &limits)) {
        Ok(answer) => {
            print_line(answer)?;
            Ok(None)
        }
        Err(rejection) => {
            let because = Because { reason: rejection.reason.as_str(), detail: &rejection.detail };
            print_json(&Rejected { rejected: because })?;
            Ok(Some(Exit::Rejected))
        }
    }
}

/// A file over the limit is refused by its size, before it is read.
fn read_bounded(path: &Path, limits: &Limits) -> Result<Result<Vec<u8>, Rejection>, Failure> {
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.is_file()
        && let Err(rejection) = limits.check_size(metadata.len())
    {
        return Ok(Err(rejection));
    }
    read_input(path, limits.max_bytes).map(Ok)
}

fn answer(
    kind: cli::Kind,
    bytes: &[u8],
    arguments: &cli::Normalize,
    now: chrono::DateTime<chrono::Utc>,
    limits: &Limits,
) -> Result<String, Rejection> {
    let host = match &arguments.host {
        Some(text) => Some(
            HostName::parse(text)
                .map_err(|error| Rejection { reason: Reason::BadHost, detail: format!("--host {text:?}: {error}") })?,
        ),
        None => host_of(&arguments.file),
    };
    match kind {
        cli::Kind::Heartbeat => {
            let snapshot = normalize_heartbeat(bytes, host.as_ref(), now, limits)?;
            in_one_line(&snapshot.normalized())
        }
        cli::Kind::Status => {
            let host = host.ok_or_else(|| Rejection {
                reason: Reason::MissingField,
                detail: "a status.json does not say whose it is: say --host".to_owned(),
            })?;
            in_one_line(&normalize_status(bytes, &host, now, limits)?.normalized())
        }
        cli::Kind::Events => in_one_line(&normalize_events(bytes, limits, 1)?.normalized()),
        cli::Kind::ServiceState => in_one_line(&normalize_service_state(bytes, limits)?.normalized()),
    }
}

fn in_one_line(answer: &impl Serialize) -> Result<String, Rejection> {
    serde_json::to_string(answer)
        .map_err(|error| Rejection { reason: Reason::MalformedJson, detail: error.to_string() })
}

/// By the file's name: the names on a station, in the bucket and in a lab's folder.
fn kind_of(path: &Path) -> Option<cli::Kind> {
    let name = path.file_name()?.to_str()?;
    let of = |kind: ObjectKind| match kind {
        ObjectKind::Heartbeat => Some(cli::Kind::Heartbeat),
        ObjectKind::Status => Some(cli::Kind::Status),
        ObjectKind::Events => Some(cli::Kind::Events),
        ObjectKind::ServiceState => Some(cli::Kind::ServiceState),
        ObjectKind::Uplink => None,
    };
    if let Some(kind) = ObjectKind::ALL.into_iter().find(|kind| kind.file_name() == name) {
        return of(kind);
    }
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "jsonl" => Some(cli::Kind::Events),
        "ini" => Some(cli::Kind::ServiceState),
        "json" if name.starts_with("status") => Some(cli::Kind::Status),
        "json" => Some(cli::Kind::Heartbeat),
        _ => None,
    }
}

/// By the folder: `…/stations/{host}/…`, or `{host}/heartbeat-….json` of a lab's folder.
fn host_of(path: &Path) -> Option<HostName> {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    let after_stations = parts.iter().rposition(|part| *part == "stations").and_then(|place| parts.get(place + 1));
    let named = after_stations.or_else(|| {
        let name = *parts.last()?;
        let of_a_lab =
            name.starts_with("heartbeat-") || ObjectKind::ALL.into_iter().any(|kind| kind.file_name() == name);
        if of_a_lab { parts.get(parts.len().checked_sub(2)?) } else { None }
    })?;
    HostName::parse(named).ok().filter(|host| host.as_str().contains(['-', '_']) || after_stations.is_some())
}

/// Runs `decode-event`.
pub fn decode(arguments: &cli::DecodeEvent) -> Result<Option<Exit>, Failure> {
    let bytes = read_input(&arguments.file, Limits::default().max_bytes)?;
    let decoded = decode_event(&bytes);
    print_json(&decoded)?;
    Ok(decoded.rejected.is_some().then_some(Exit::Rejected))
}
