//! The one place where this app reads the time of day.

use chrono::{DateTime, Utc};

/// Now, by this computer.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
