//! What an instructor asks for: to hold a station in local mode, that they leave it, more time at it. Each has a receipt.

mod guard;
mod hold;
mod local_mode;
mod more_time;
mod receipt;

use serde::{Deserialize, Serialize};

pub use hold::{HoldRefused, HoldWish, PlannedHold, needed_at, plan_hold};
pub use local_mode::{HoldStage, HoldStep, LocalModeOrder};
pub use more_time::{MoreTime, MoreTimeRefused, MoreTimeScene, more_time};
pub use receipt::{InstructorRequest, RequestError, RequestId, RequestKind, RequestState};

/// Times of what instructors ask for, in seconds. Every key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestSettings {
    /// A hold without an end, where no reservation comes, ends after this. Default 14400 (4 h).
    pub hold_seconds: u32,
    /// No hold lasts longer. Default 604800 (7 days).
    pub longest_hold_seconds: u32,
    /// It is said this long before that a hold will end. Default 600.
    pub hold_warning_seconds: u32,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self { hold_seconds: 4 * 3_600, longest_hold_seconds: 7 * 86_400, hold_warning_seconds: 600 }
    }
}
