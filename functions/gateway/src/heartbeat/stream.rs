//! `GET /api/heartbeat/stream`: the heartbeat of one station as it comes, as server-sent events. One reader a station, however many
//! listen; it reads what is stored, and asks no station.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_api::Instant;
use stationkeeper_store::{CatalogHost, HostEventRecord};
use stationkeeper_telemetry::HostName;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Query, boolean};
use crate::heartbeat::poll::json_of;
use crate::hosts::known;
use crate::live::Told;
use crate::request_id::RequestId;
use crate::serve::places::StreamPlace;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Of the catalog.
    host: Option<String>,
    /// With the last line of its trail; yes unless it says no.
    include_events: Option<String>,
}

/// What a reader read, for all who listen.
#[derive(Debug)]
enum Beat {
    /// The newest heartbeat: with and without the last event.
    Read { with_event: String, without: String },
    /// There is none, or the database does not answer.
    Failed(ApiError),
}

type Newest = Option<Arc<Beat>>;

/// The readers that run, by station.
#[derive(Default)]
pub(crate) struct Beats(Mutex<HashMap<HostName, watch::Sender<Newest>>>);

impl Beats {
    /// The first who listens to a station starts its reader.
    fn listen(&self, gateway: &Gateway, host: &CatalogHost) -> watch::Receiver<Newest> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = running.get(&host.entry.host) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(host.entry.host.clone(), sender.clone());
        gateway.shared().tasks.spawn(read(gateway.clone(), host.clone(), sender));
        receiver
    }

    /// Whether nobody listens; then the reader is no longer ours.
    fn is_over(&self, host: &HostName, sender: &watch::Sender<Newest>) -> bool {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = sender.receiver_count() == 0;
        if over {
            running.remove(host);
        }
        over
    }
}
/// Heartbeats of a station as they come: `event: heartbeat` with `heartbeat`, `last_event` and `host`.
#[utoipa::path(
    get, path = "/heartbeat/stream", operation_id = "old_stream_heartbeats", tag = "older service",
    params(Parameters),
    responses(
        (status = OK, description = "Server-sent events", body = String, content_type = "text/event-stream"),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice; `other_lab`: it is for other laboratories", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_station`: the catalog has no such host", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "`too_many_streams`: the token has its share, or all places are taken", body = ErrorBody),
    ),
)]
pub(crate) async fn listen(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(asked): Query<Parameters>,
    parts: Parts,
) -> Result<Response, ApiError> {
    let name = asked.host.filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| ApiError::BadRequest("host is required".to_owned()))?;
    let include_events = asked.include_events.is_none_or(|word| boolean(&Value::String(word)).unwrap_or(true));
    let host = known(&gateway, name.trim()).await?.ok_or(ApiError::UnknownStation(name))?;
    let place = gateway.shared().streams.take(actor.token_id()).ok_or(ApiError::TooManyStreams)?;
    let listener = Listener {
        newest: gateway.shared().beats.listen(&gateway, &host),
        feed: gateway.shared().feed.subscribe(&gateway),
        gateway,
        token_id: actor.token_id().to_owned(),
        name: host.name().to_owned(),
        include_events,
        request_id: RequestId::of(&parts),
        is_new: true,
        _place: place,
    };
    Ok(Sse::new(told(listener)).keep_alive(KeepAlive::new()).into_response())
}

struct Listener {
    gateway: Gateway,
    newest: watch::Receiver<Newest>,
    feed: crate::live::Subscription,
    token_id: String,
    name: String,
    include_events: bool,
    request_id: Option<String>,
    is_new: bool,
    _place: StreamPlace,
}

/// Ends when the gateway stops and when the token is revoked. Who reads slowly misses what was replaced meanwhile.
fn told(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(listener, async |mut listener| {
        loop {
            if !std::mem::take(&mut listener.is_new) {
                tokio::select! {
                    changed = listener.newest.changed() => changed.ok()?,
                    heard = listener.feed.next() => {
                        if matches!(heard, Ok(Told::Tick(tick)) if tick.revoked.contains(&listener.token_id)) {
                            return None;
                        }
                        continue;
                    }
                    () = listener.gateway.closing() => return None,
                }
            }
            let newest = listener.newest.borrow_and_update().clone();
            if let Some(beat) = newest {
                let event = listener.event(&beat);
                return Some((Ok(event), listener));
            }
        }
    })
}

impl Listener {
    fn event(&self, beat: &Beat) -> Event {
        match beat {
            Beat::Read { with_event, without } => {
                let data = if self.include_events { with_event } else { without };
                Event::default().event("heartbeat").data(data)
            }
            Beat::Failed(error) => {
                let data = json!({
                    "error": error.to_string(),
                    "code": error.code(),
                    "requestId": self.request_id,
                    "host": self.name,
                });
                Event::default().event("error").data(data.to_string())
            }
        }
    }
}

/// Reads after each change of the station, and again after a while.
async fn read(gateway: Gateway, host: CatalogHost, sender: watch::Sender<Newest>) {
    let mut feed = gateway.shared().feed.subscribe(&gateway);
    let mut again = tokio::time::interval(gateway.shared().options.heartbeat_every);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = again.tick() => {}
            () = changes(&mut feed, &host.entry.host) => {}
            () = gateway.closing() => return,
        }
        if gateway.shared().beats.is_over(&host.entry.host, &sender) {
            return;
        }
        let beat = newest(&gateway, &host).await.unwrap_or_else(Beat::Failed);
        sender.send_replace(Some(Arc::new(beat)));
    }
}

/// Until something of the station may have changed.
async fn changes(feed: &mut crate::live::Subscription, host: &HostName) {
    loop {
        match feed.next().await {
            Ok(Told::Update(update)) if update.update.host.as_ref() == Some(host) => return,
            Ok(Told::Update(_) | Told::Tick(_)) => {}
            // What was missed is not known: it may have been this station's.
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            // The reader of changes has ended with the gateway.
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn newest(gateway: &Gateway, host: &CatalogHost) -> Result<Beat, ApiError> {
    let raw = gateway.store().newest_raw(&host.entry.host).await?;
    let heartbeat = raw.and_then(|raw| json_of(&raw.bytes)).ok_or(ApiError::NoHeartbeat)?;
    let event = gateway.store().newest_host_event(&host.entry.host).await?;
    let data = |event: Option<&HostEventRecord>| {
        json!({ "heartbeat": heartbeat, "last_event": event.map(line), "host": host.name() }).to_string()
    };
    Ok(Beat::Read { with_event: data(event.as_ref()), without: data(None) })
}

/// A line of the trail in the emitter's names.
fn line(record: &HostEventRecord) -> Value {
    let event = &record.event;
    json!({
        "timestamp": Instant(event.timestamp),
        "user": event.user,
        "sessionId": event.session_id,
        "grace": event.grace,
        "force": event.force,
        "message": event.message,
        "source": event.source,
        "state": event.state,
    })
}
