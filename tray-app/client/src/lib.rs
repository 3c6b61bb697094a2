//! How the tray app talks to its gateway: one typed client with the person's own token, one stream of events, and whatever keeps both alive.
//!
//! [`Session`] keeps a [`World`](stationkeeper_tray_view::World) true; [`Api`] asks for things; [`pair`] gets the token; [`LocalFile`] reads this
//! PC's own heartbeat. A token is in no text, error or log of this crate.

mod api;
mod backoff;
mod error;
mod limited;
mod local_file;
mod pair;
mod session;
mod sse;
mod tls;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use api::{Api, HoldOrder};
pub use backoff::Backoff;
pub use error::ClientError;
pub use limited::{Limited, POLL_APART};
pub use local_file::{LocalFile, Looked};
pub use pair::{Found, Paired, found_at, pair};
pub use session::{Session, SessionOptions};
pub use sse::{SseEvent, SseParser};

/// Where time comes from.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The person's token. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// As it was minted.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// For whatever keeps it.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
