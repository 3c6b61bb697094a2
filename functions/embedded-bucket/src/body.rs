//! Bodies of requests while they come in: bounded in bytes and time, and thrown away politely when a request is refused.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::poll_fn;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::task::TaskTracker;

/// What is read of a refused body at most. A client that is still sending when the connection closes would see a reset instead
/// of the refusal.
const THROWN_AWAY_BYTES: usize = 64 << 20;

/// How long a refused body is read.
const THROWN_AWAY_FOR: Duration = Duration::from_secs(10);

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("{TOO_SLOW}")]
    TooSlow,
    #[error("{TOO_LONG}")]
    TooLong,
    #[error("the connection failed: {0}")]
    Connection(#[from] hyper::Error),
}

/// How [`BodyError::TooSlow`] reads; s3s hands errors on as texts.
pub(crate) const TOO_SLOW: &str = "the body did not come in time";

/// How [`BodyError::TooLong`] reads.
pub(crate) const TOO_LONG: &str = "the body is longer than any object may be";

/// A request's body on its way to s3s.
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    deadline: Pin<Box<Sleep>>,
    room: usize,
    ended: bool,
    /// The client sends only what it is asked for, so nothing is on its way when the request is refused.
    waits: bool,
    tasks: TaskTracker,
}

impl RequestBody {
    /// `room`: bytes on the wire at most, signatures of chunks included.
    pub(crate) fn new(incoming: Incoming, room: usize, time: Duration, waits: bool, tasks: TaskTracker) -> Self {
        let deadline = Box::pin(tokio::time::sleep(time));
        Self { incoming: Some(incoming), deadline, room, ended: false, waits, tasks }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            // Whoever was too slow is not waited for again.
            self.ended = true;
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(context));
        let Some(frame) = frame.transpose()? else {
            self.ended = true;
            return Poll::Ready(None);
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        match self.room.checked_sub(length) {
            Some(room) => self.room = room,
            None => return Poll::Ready(Some(Err(BodyError::TooLong))),
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.ended || self.waits || self.is_end_stream() {
            return;
        }
        if let (Some(incoming), Ok(runtime)) = (self.incoming.take(), tokio::runtime::Handle::try_current()) {
            self.tasks.spawn_on(throw_away(incoming), &runtime);
        }
    }
}

async fn throw_away(mut incoming: Incoming) {
    let until = Instant::now() + THROWN_AWAY_FOR;
    let mut room = THROWN_AWAY_BYTES;
    while let Ok(Some(Ok(frame))) =
        tokio::time::timeout_at(until, poll_fn(|context| Pin::new(&mut incoming).poll_frame(context))).await
    {
        match room.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(left) => room = left,
            None => break,
        }
    }
}
