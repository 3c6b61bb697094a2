//! `POST /api/heartbeat/poll`: reads a station's heartbeat by WinRM, now. What was read is kept like an upload of the station's own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_station_link::StationPath;
use stationkeeper_station_link::winrm::WinRmError;
use stationkeeper_store::CatalogHost;
use stationkeeper_telemetry::{HostName, ObjectKind};
use tokio::time::Instant;

use crate::Gateway;
use crate::actor::Actor;
use crate::command::CommandAccess;
use crate::error::ApiError;
use crate::extract::{OldBody, boolean, first_text};
use crate::hosts::known;
use crate::reach::Reachable;
use crate::token::digest;
use crate::uploads::{StationUpload, UploadOutcome};

/// Reads the heartbeat of a station from the station itself, and keeps it.
///
/// Role: instructor, for stations of the token's laboratories.
#[utoipa::path(
    post, path = "/heartbeat/poll", operation_id = "old_poll_heartbeat", tag = "older service",
    request_body(content = Value, example = json!({ "host": "LAB-WS01", "include_events": true })),
    responses(
        (status = OK, description = "`heartbeat`, `last_event`, `duration_ms` and `host`", body = Value),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such host", body = ErrorBody),
        (status = INTERNAL_SERVER_ERROR, description = "`INTERNAL_ERROR`: the station was not reached, or does not let the gateway in; the header `X-Station-Error` says which", body = ErrorBody),
    ),
)]
pub(crate) async fn poll(
    State(gateway): State<Gateway>,
    actor: Actor,
    OldBody(body): OldBody,
) -> Result<Json<Value>, ApiError> {
    let name = first_text(&body, &["host", "hostName"]);
    let name = name.ok_or_else(|| ApiError::BadRequest("host is required".to_owned()))?;
    let include_events = body.get("include_events").and_then(boolean).unwrap_or(true);
    let host = known(&gateway, &name).await?.ok_or_else(|| ApiError::NotInConfig(name.clone()))?;
    actor.may_act_in_one_of(&host.access.labs)?;
    let begun = Instant::now();
    let (access, station) = gateway.way_to(&host).await?;
    let read = async {
        let (path, heartbeat) = read_heartbeat(&gateway, &access, &host, &station).await.map_err(ApiError::Station)?;
        let value = json_of(&heartbeat).ok_or_else(|| no_json(&host, &path))?;
        let events = match include_events {
            true => read_events(&gateway, &access, &host, &station).await,
            false => None,
        };
        Ok::<_, ApiError>((heartbeat, value, events))
    };
    let (heartbeat, value, events) = tokio::select! {
        read = read => read?,
        () = gateway.closing() => return Err(ApiError::Closing),
    };
    let last_event = events.as_deref().and_then(last_event);
    let stored = keep(&gateway, &host, heartbeat, events).await?;
    Ok(Json(json!({
        "heartbeat": value,
        "last_event": last_event,
        "duration_ms": u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "host": name,
        "stored": stored,
    })))
}

/// Whether it is in the database now: not where this gateway has no bucket, and not what can never be read.
pub(crate) async fn keep(
    gateway: &Gateway,
    host: &CatalogHost,
    heartbeat: Vec<u8>,
    events: Option<Vec<u8>>,
) -> Result<bool, ApiError> {
    let Some(take) = gateway.shared().options.uploads.clone() else { return Ok(false) };
    let read = digest(&heartbeat);
    let upload = |kind, body| StationUpload { host: host.entry.host.clone(), kind, body };
    // The same bytes again are no news, and would only be another version in the bucket.
    let known = gateway.store().newest_raw(&host.entry.host).await?;
    let heartbeat = Some(heartbeat).filter(|heartbeat| known.is_none_or(|raw| raw.bytes != *heartbeat));
    let is_new = heartbeat.is_some();
    // The trail first: a forced logoff that the heartbeat names is looked for in it.
    let events = events.map(|events| upload(ObjectKind::Events, events));
    let heartbeat = heartbeat.map(|heartbeat| upload(ObjectKind::Heartbeat, heartbeat));
    let uploads = events.into_iter().chain(heartbeat).collect();
    match take(uploads).await {
        UploadOutcome::Taken { put_aside: 0 } => {
            // What it had uploaded by itself is not news of ours.
            if is_new {
                gateway.shared().polled.remember(&host.entry.host, read);
            }
            Ok(true)
        }
        UploadOutcome::Taken { .. } => Ok(false),
        UploadOutcome::NotTaken(reason) => {
            tracing::warn!(host = %host.entry.host, reason, "what was read from a station could not be kept");
            Err(ApiError::NotKept)
        }
    }
}

/// The heartbeat's bytes, and where they were. Where the catalog names no path, old installations are looked at too.
pub(crate) async fn read_heartbeat(
    gateway: &Gateway,
    access: &CommandAccess,
    host: &CatalogHost,
    station: &Reachable,
) -> Result<(StationPath, Vec<u8>), WinRmError> {
    let named = host.access.heartbeat_path.as_deref();
    read_first(gateway, access, host, station, named, [StationPath::HEARTBEAT, StationPath::LEGACY_HEARTBEAT]).await
}

/// The trail's bytes; without it a heartbeat is worth as much.
pub(crate) async fn read_events(
    gateway: &Gateway,
    access: &CommandAccess,
    host: &CatalogHost,
    station: &Reachable,
) -> Option<Vec<u8>> {
    let named = host.access.events_path.as_deref();
    let read = read_first(gateway, access, host, station, named, [StationPath::EVENTS, StationPath::LEGACY_EVENTS]);
    match read.await {
        Ok((_path, bytes)) => Some(bytes).filter(|bytes| !bytes.trim_ascii().is_empty()),
        Err(error) => {
            tracing::info!(host = %host.entry.host, error = %error, "the trail of a station could not be read");
            None
        }
    }
}

async fn read_first(
    gateway: &Gateway,
    access: &CommandAccess,
    host: &CatalogHost,
    station: &Reachable,
    named: Option<&str>,
    usual: [&str; 2],
) -> Result<(StationPath, Vec<u8>), WinRmError> {
    let parsed = |path: &str| {
        path.parse::<StationPath>().map_err(|error| WinRmError::File {
            host: host.entry.host.to_string(),
            path: path.to_owned(),
            reason: error.to_string(),
        })
    };
    let read = async |path: &str| {
        let path = parsed(path)?;
        let bytes = gateway.shared().commander.read_file(access, &host.entry.host, station, &path).await?;
        Ok((path, bytes))
    };
    match named {
        Some(path) => read(path).await,
        None => match read(usual[0]).await {
            // The error of the place where it should be says more than that of the other.
            Err(error @ WinRmError::File { .. }) => read(usual[1]).await.map_err(|_old_place| error),
            read => read,
        },
    }
}

/// What was read of a station is no heartbeat.
pub(crate) fn no_json(host: &CatalogHost, path: &StationPath) -> ApiError {
    ApiError::Station(WinRmError::File {
        host: host.entry.host.to_string(),
        path: path.to_string(),
        reason: "it is no JSON".to_owned(),
    })
}

/// What of each station was kept last because it was asked: whether somebody else has heard from it since.
#[derive(Default)]
pub(crate) struct Polled(Mutex<HashMap<HostName, [u8; 32]>>);

impl Polled {
    fn remember(&self, host: &HostName, heartbeat: [u8; 32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), heartbeat);
    }

    /// Whether this is that.
    pub fn was(&self, host: &HostName, heartbeat: &[u8]) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host) == Some(&digest(heartbeat))
    }
}

/// A document of a station as JSON.
pub(crate) fn json_of(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)).ok()
}

/// The last line that says something; a line that is being written does not yet.
pub(crate) fn last_event(trail: &[u8]) -> Option<Value> {
    trail.rsplit(|byte| *byte == b'\n').find_map(|line| json_of(line.trim_ascii()).filter(Value::is_object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_is_the_last_whole_line() {
        for (trail, expected) in [
            (&b""[..], None),
            (b"\r\n\r\n", None),
            (b"{\"user\":\"a\"}\r\n{\"user\":\"b\"}\r\n", Some(json!({ "user": "b" }))),
            (b"\xEF\xBB\xBF{\"user\":\"a\"}\n{\"us", Some(json!({ "user": "a" }))),
            (b"{\"user\":\"a\"}\n7\n", Some(json!({ "user": "a" }))),
        ] {
            assert_eq!(last_event(trail), expected, "{}", String::from_utf8_lossy(trail));
        }
    }
}
