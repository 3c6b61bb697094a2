//! `GET /api/heartbeat/stream`: the heartbeat of one station as it comes, as server-sent events. One reader a station, however many
//! listen; it reads what is stored of a station that uploads by itself, and asks one that does not.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use stationkeeper_api::Instant;
use stationkeeper_station_link::winrm::WinRmError;
use stationkeeper_store::{CatalogHost, HostEventRecord};
use stationkeeper_telemetry::HostName;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use utoipa::IntoParams;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{Query, boolean};
use crate::heartbeat::poll::{json_of, keep, last_event, no_json, read_events, read_heartbeat};
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

/// Reading takes no longer.
const LIMIT: Duration = Duration::from_secs(40);
/// A station that uploads by itself has been heard within this time (a person's).
const HEARD_WITHIN: TimeDelta = TimeDelta::seconds(150);

/// What a reader read, for all who listen.
#[derive(Debug)]
enum Beat {
    /// The newest heartbeat: with and without the last event.
    Read { with_event: String, without: String },
    /// There is none, or the database does not answer.
    Failed(ApiError),
}

type Newest = Option<Arc<Beat>>;

impl Beat {
    fn read(host: &CatalogHost, heartbeat: &Value, event: &Value) -> Self {
        let data =
            |event: &Value| json!({ "heartbeat": heartbeat, "last_event": event, "host": host.name() }).to_string();
        Self::Read { with_event: data(event), without: data(&Value::Null) }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Read { with_event, .. }, Self::Read { with_event: other, .. }) => with_event == other,
            (Self::Read { .. } | Self::Failed(_), _) => false,
        }
    }
}

/// The readers that run, by station.
#[derive(Default)]
pub(crate) struct Beats(Mutex<HashMap<HostName, Reader>>);

/// What listeners and their reader share.
#[derive(Clone)]
struct Reader {
    newest: watch::Sender<Newest>,
    /// How many want the trail too.
    trail: Arc<AtomicUsize>,
}

/// Whoever wants the trail, for as long as they listen.
struct TrailWish(Arc<AtomicUsize>);

impl TrailWish {
    fn new(wishes: &Arc<AtomicUsize>) -> Self {
        wishes.fetch_add(1, Ordering::Relaxed);
        Self(wishes.clone())
    }
}

impl Drop for TrailWish {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Beats {
    /// The first who listens to a station starts its reader.
    fn listen(
        &self,
        gateway: &Gateway,
        host: &CatalogHost,
        with_trail: bool,
    ) -> (watch::Receiver<Newest>, Option<TrailWish>) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wish = |reader: &Reader| with_trail.then(|| TrailWish::new(&reader.trail));
        if let Some(reader) = running.get(&host.entry.host) {
            return (reader.newest.subscribe(), wish(reader));
        }
        let (newest, receiver) = watch::channel(None);
        let reader = Reader { newest, trail: Arc::default() };
        let wish = wish(&reader);
        running.insert(host.entry.host.clone(), reader.clone());
        gateway.shared().tasks.spawn(read(gateway.clone(), host.clone(), reader));
        (receiver, wish)
    }

    /// Whether nobody listens; then the reader is no longer ours.
    fn is_over(&self, host: &HostName, reader: &Reader) -> bool {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = reader.newest.receiver_count() == 0;
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
    let (newest, trail) = gateway.shared().beats.listen(&gateway, &host, include_events);
    let listener = Listener {
        newest,
        _trail: trail,
        feed: gateway.shared().feed.subscribe(&gateway),
        gateway,
        token_id: actor.token_id().to_owned(),
        name: host.name().to_owned(),
        include_events,
        request_id: RequestId::of(&parts),
        is_new: true,
        _place: place,
    };
    let mut response = Sse::new(told(listener)).keep_alive(KeepAlive::new()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

struct Listener {
    gateway: Gateway,
    newest: watch::Receiver<Newest>,
    _trail: Option<TrailWish>,
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
                    "error": error.said(),
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
async fn read(gateway: Gateway, host: CatalogHost, reader: Reader) {
    let mut feed = gateway.shared().feed.subscribe(&gateway);
    let mut again = tokio::time::interval(gateway.shared().options.heartbeat_every);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_time = tokio::select! {
            _ = again.tick() => true,
            () = changes(&mut feed, &host.entry.host) => false,
            () = gateway.closing() => return,
        };
        if gateway.shared().beats.is_over(&host.entry.host, &reader) {
            return;
        }
        let with_trail = reader.trail.load(Ordering::Relaxed) > 0;
        let told = reader.newest.borrow().clone();
        let beat = tokio::select! {
            beat = async {
                match is_time {
                    true => now(&gateway, &host, with_trail).await,
                    false => stored(&gateway, &host).await,
                }
            } => beat.unwrap_or_else(Beat::Failed),
            () = gateway.closing() => return,
        };
        // What the station was just asked for comes back as a change of it.
        if is_time || told.is_none_or(|told| !told.says_the_same(&beat)) {
            reader.newest.send_replace(Some(Arc::new(beat)));
        }
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

async fn stored(gateway: &Gateway, host: &CatalogHost) -> Result<Beat, ApiError> {
    let raw = gateway.store().newest_raw(&host.entry.host).await?;
    let heartbeat = raw.and_then(|raw| json_of(&raw.bytes)).ok_or(ApiError::NoHeartbeat)?;
    Ok(Beat::read(host, &heartbeat, &stored_event(gateway, host).await?))
}

async fn stored_event(gateway: &Gateway, host: &CatalogHost) -> Result<Value, ApiError> {
    let event = gateway.store().newest_host_event(&host.entry.host).await?;
    Ok(event.as_ref().map_or(Value::Null, line))
}

/// What is stored, of a station that uploads by itself or cannot be asked; else what it says now.
async fn now(gateway: &Gateway, host: &CatalogHost, with_trail: bool) -> Result<Beat, ApiError> {
    if uploads_by_itself(gateway, &host.entry.host).await? {
        return stored(gateway, host).await;
    }
    // As the catalog has it now: whoever listens may have begun days ago.
    let unknown = || ApiError::UnknownStation(host.entry.host.to_string());
    let host = &known(gateway, host.entry.host.as_str()).await?.ok_or_else(unknown)?;
    let (access, station) = match gateway.way_to(host).await {
        Ok(way) => way,
        Err(ApiError::NoLogin) => {
            return stored(gateway, host).await.map_err(|error| match error {
                ApiError::NoHeartbeat => ApiError::NoLogin,
                error => error,
            });
        }
        Err(_nowhere) => return stored(gateway, host).await,
    };
    let asked = async {
        let (path, heartbeat) = read_heartbeat(gateway, &access, host, &station).await.map_err(ApiError::Station)?;
        let value = json_of(&heartbeat).ok_or_else(|| no_json(host, &path))?;
        let events = match with_trail {
            true => read_events(gateway, &access, host, &station).await,
            false => None,
        };
        Ok::<_, ApiError>((heartbeat, value, events))
    };
    let limit = || WinRmError::TimedOut { host: host.entry.host.to_string(), limit: LIMIT };
    let (heartbeat, value, events) =
        tokio::time::timeout(LIMIT, asked).await.map_err(|_elapsed| ApiError::Station(limit()))??;
    let event = match events.as_deref().and_then(last_event) {
        Some(event) => event,
        None => stored_event(gateway, host).await?,
    };
    // What is told need not be kept: why it is not is in the log.
    if let Err(error) = keep(gateway, host, heartbeat, events).await {
        tracing::warn!(host = %host.entry.host, error = %error, "what a station said is told and not kept");
    }
    Ok(Beat::read(host, &value, &event))
}

/// It was heard lately, and not because it was asked.
async fn uploads_by_itself(gateway: &Gateway, host: &HostName) -> Result<bool, ApiError> {
    let Some(station) = gateway.store().station(host).await? else { return Ok(false) };
    let state = station.state;
    let heard_at = state.heard.as_ref().map(|heard| heard.arrived_at).max(state.advanced_at());
    if heard_at.is_none_or(|at| at < gateway.now() - gateway.lasting(HEARD_WITHIN)) {
        return Ok(false);
    }
    let newest = gateway.store().newest_raw(host).await?;
    Ok(newest.is_some_and(|raw| !gateway.shared().polled.was(host, &raw.bytes)))
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
