//! A queue of bucket events elsewhere: what is asked of it, the adapter to SQS, and who works it off.

pub mod poll;
pub mod sqs;

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::failure::{Exit, Failure};

/// Most messages that one request can be about.
pub const MOST: usize = 10;

/// A message that was received and is invisible to others for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id: the same at every delivery.
    pub id: String,
    /// Of this delivery: what deleting and giving back want.
    pub receipt: String,
    /// A bucket's event.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent.
    pub sent_at: Option<DateTime<Utc>>,
}

/// How much is in a queue, as far as it tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Can be received.
    pub waiting: u64,
    /// Received and neither deleted nor given back.
    pub under_way: u64,
    /// Not to be received yet.
    pub delayed: u64,
}

/// Why a queue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The address is none of a queue.
    #[error(
        "{url} is no address of a queue: give what the queue service shows, such as https://sqs.eu-south-2.amazonaws.com/123456789012/NAME"
    )]
    NoAddress {
        /// What was given.
        url: String,
    },
    /// The queue forbids it, or nobody said who asks.
    #[error("the queue refuses to {action}: {code}")]
    Denied {
        /// What was asked.
        action: &'static str,
        /// Its word.
        code: String,
    },
    /// Anything else: worth repeating.
    #[error("cannot {action}: {reason}")]
    Unavailable {
        /// What was asked.
        action: &'static str,
        /// What went wrong.
        reason: String,
    },
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        let exit = match error {
            QueueError::NoAddress { .. } => Exit::Configuration,
            QueueError::Denied { .. } | QueueError::Unavailable { .. } => Exit::Unavailable,
        };
        Self::of(exit, &error)
    }
}

/// A queue that delivers at least once. The trait is where tests let it fail.
pub trait EventQueue: Send + Sync + 'static {
    /// At most [`MOST`] messages; waits for the first of them. They are invisible to others for `invisible`.
    fn receive(
        &self,
        wait: Duration,
        invisible: Duration,
    ) -> impl Future<Output = Result<Vec<Message>, QueueError>> + Send;

    /// Lets messages be received again after a while (zero: at once), counted from now. At most [`MOST`]; receipts of those that it did not
    /// do so with.
    fn postpone(&self, receipts: &[(String, Duration)])
    -> impl Future<Output = Result<Vec<String>, QueueError>> + Send;

    /// They are done with. At most [`MOST`]; receipts of those that are still there.
    fn delete(&self, receipts: &[String]) -> impl Future<Output = Result<Vec<String>, QueueError>> + Send;

    /// How much is in it.
    fn depth(&self) -> impl Future<Output = Result<Depth, QueueError>> + Send;
}
