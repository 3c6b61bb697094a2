//! `GET /api/v1/events`: what changes, as it changes, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! `hello` comes first, `tick` every five seconds; in between what the table `updates` tells, each by the name of its kind and with the id
//! `EPOCH-SEQUENCE`. Whoever comes back with a `Last-Event-ID` is told what they missed, or `reset`: fetch everything again.

mod feed;
mod resume;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::json;
use stationkeeper_api::{ErrorBody, Instant};
use stationkeeper_store::Update;
use tokio::sync::broadcast::error::RecvError;

use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::{NoParameters, Query};
use crate::serve::places::StreamPlace;
pub(crate) use feed::{Feed, Subscription, Told};
use resume::{Resumed, resume};

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// What changes, as it changes.
///
/// `hello` comes first, `tick` every five seconds, in between each update by the name of its kind; `reset` says: fetch everything again.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "listen", tag = "live",
    params(("Last-Event-ID" = Option<String>, Header, description = "What was heard last: what was missed since is told first, or `reset`")),
    responses(
        (status = OK, description = "Server-sent events, until the connection ends", content_type = "text/event-stream", body = String),
        (status = TOO_MANY_REQUESTS, description = "`too_many_streams`: the token has its share, or all places are taken", body = ErrorBody),
    ),
)]
pub(crate) async fn listen(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let place = gateway.shared().streams.take(actor.token_id()).ok_or(ApiError::TooManyStreams)?;
    // Subscribed first: what comes while the past is read is not lost, and what comes twice is told twice.
    let epoch = gateway.store().epoch().await?;
    let subscription = gateway.shared().feed.subscribe(&gateway);
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let sequence = gateway.store().last_update().await?;
    let hello = Event::default().event("hello").id(id(&epoch, sequence)).retry(RETRY).data(
        json!({
            "epoch": epoch,
            "sequence": sequence,
            "server_time": Instant(gateway.now()),
            "version": env!("CARGO_PKG_VERSION"),
        })
        .to_string(),
    );
    let mut first = vec![hello];
    match resume(gateway.store(), &epoch, last).await? {
        Resumed::Nothing => {}
        Resumed::Reset => first.push(reset()),
        Resumed::Missed(updates) => first.extend(updates.iter().map(|update| event(&epoch, update))),
    }
    let listener = Listener { gateway, epoch, token_id: actor.token_id().to_owned(), subscription, _place: place };
    let events = stream::iter(first).chain(told(listener)).map(Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::new()).into_response())
}

struct Listener {
    gateway: Gateway,
    epoch: String,
    token_id: String,
    subscription: feed::Subscription,
    _place: StreamPlace,
}

/// Ends when the gateway stops, when the token is revoked, and for whoever reads too slowly.
fn told(listener: Listener) -> impl Stream<Item = Event> {
    stream::unfold(Some(listener), async |listener| {
        let mut listener = listener?;
        let heard = tokio::select! {
            heard = listener.subscription.next() => heard,
            () = listener.gateway.closing() => return None,
        };
        match heard {
            Ok(Told::Update(update)) => Some((event(&listener.epoch, &update), Some(listener))),
            Ok(Told::Tick(tick)) if tick.revoked.contains(&listener.token_id) => None,
            Ok(Told::Tick(tick)) => {
                let data = json!({
                    "server_time": Instant(tick.at),
                    "newest_ingest": tick.newest_advance_at.map(Instant),
                    "version": env!("CARGO_PKG_VERSION"),
                });
                Some((Event::default().event("tick").data(data.to_string()), Some(listener)))
            }
            // What was missed is not known here: the client is told so, and comes back.
            Err(RecvError::Lagged(_)) => Some((reset(), None)),
            Err(RecvError::Closed) => None,
        }
    })
}

fn reset() -> Event {
    Event::default().event("reset").data("{}")
}

fn event(epoch: &str, update: &Update) -> Event {
    let mut data = json!({ "at": Instant(update.update.at), "host": update.update.host });
    if let (Some(data), Some(payload)) = (data.as_object_mut(), update.update.payload.as_object()) {
        for (name, value) in payload {
            data.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Event::default().event(&update.update.kind).id(id(epoch, update.sequence)).data(data.to_string())
}

fn id(epoch: &str, sequence: u64) -> String {
    format!("{epoch}-{sequence}")
}
