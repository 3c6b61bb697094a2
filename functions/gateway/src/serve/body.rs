//! A body has its time, however slowly it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use crate::Gateway;
use crate::error::ApiError;

/// What a reader of the body is told; the caller hears [`ApiError::BodyTooSlow`].
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
struct TooSlow;

/// The layer. Whatever a handler makes of a body that broke off, the answer is 408: a handler sees only that there is no more of it.
pub(crate) async fn in_time(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let slow = Arc::new(AtomicBool::new(false));
    let (limit, mark) = (gateway.shared().options.limits.body, Arc::clone(&slow));
    let response = next.run(request.map(|body| timed(body, limit, mark))).await;
    if !slow.load(Ordering::Relaxed) {
        return response;
    }
    let mut refused = ApiError::BodyTooSlow.into_response();
    // The rest of the body would be taken for the next request.
    refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    refused
}

/// From the first look into it.
fn timed(body: Body, limit: Duration, slow: Arc<AtomicBool>) -> Body {
    let begin = (body.into_data_stream(), None, slow);
    Body::from_stream(stream::unfold(Some(begin), move |reading| async move {
        let (mut body, until, slow) = reading?;
        let until: Instant = until.unwrap_or_else(|| Instant::now() + limit);
        match timeout_at(until, body.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some((body, Some(until), slow)))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_elapsed) => {
                slow.store(true, Ordering::Relaxed);
                Some((Err(axum::Error::new(TooSlow)), None))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn the_time_is_of_the_whole_body_and_begins_when_it_is_read() {
        for (shows, pause, pieces, whole) in
            [("at once", 0, 5, true), ("slow, and each piece in time", 100, 30, false), ("nothing", 60_000, 1, false)]
        {
            let pieces = stream::iter(0..pieces).then(move |_| async move {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                Ok::<_, std::convert::Infallible>("x")
            });
            let slow = Arc::new(AtomicBool::new(false));
            let body = timed(Body::from_stream(Box::pin(pieces)), Duration::from_secs(1), Arc::clone(&slow));
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let read = to_bytes(body, 100).await;
            assert_eq!((read.is_ok(), slow.load(Ordering::Relaxed)), (whole, !whole), "{shows}");
        }
    }
}
