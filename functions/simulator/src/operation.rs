//! One run of a command on a station, and the line that a session guard leaves in `session-guard-events.jsonl`.

use chrono::{DateTime, Utc};

use crate::json;
use crate::scenario::instant_text;

/// One run of a command, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// `prepare-session`.
    Prepare(SessionRun),
    /// `release-session`; `Some`: a reboot was asked for, in so many seconds.
    Release(SessionRun, Option<u32>),
    /// `recovery reboot-if-needed`.
    SafeguardReboot {
        /// When.
        at: DateTime<Utc>,
        /// A reboot was ordered.
        rebooted: bool,
        /// It did what it was asked.
        success: bool,
        /// Why.
        reason: String,
        /// In the emitter's words.
        message: String,
        /// Joined by `; `; `None`: none, so that those of an older run stay.
        issues: Option<String>,
    },
    /// A session guard that logged someone off.
    ForcedLogoff(Logoff),
    /// A shutdown or hibernate.
    Power(PowerRun),
}

/// A prepare or a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRun {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// It did all it was asked.
    pub success: bool,
    /// Milliseconds.
    pub duration_ms: i64,
    /// Empty: the default lab user.
    pub user: String,
}

/// Someone was logged off.
#[derive(Debug, Clone, PartialEq)]
pub struct Logoff {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub user: String,
    /// Windows session number.
    pub session_id: i64,
    /// State of the session, such as `Active`.
    pub state: String,
    /// What the user was told.
    pub message: String,
    /// Seconds of warning; may be a fraction.
    pub grace: f64,
    /// Without asking.
    pub force: bool,
}

/// A shutdown or hibernate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerRun {
    /// When it was ordered.
    pub at: DateTime<Utc>,
    /// It went ahead.
    pub success: bool,
    /// `shutdown` or `hibernate`.
    pub mode: String,
    /// Seconds until it happens.
    pub delay: i64,
    /// Without asking.
    pub force: bool,
    /// `None`: not said, so that the one of an older run stays.
    pub reason: Option<String>,
    /// What the check of the wake settings found.
    pub wake: WakeCheck,
}

/// The wake check before a power action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeCheck {
    /// Left out: counts as ready, and `wakeArmed` is empty.
    Skipped,
    /// So many lines of armed devices (one too many, telemetry.md section 1.3).
    Ready(i64),
    /// The same, and what is wrong.
    NotReady(i64, String),
}

impl PowerRun {
    /// An ordered shutdown that went well.
    pub fn shutdown(at: DateTime<Utc>, delay: i64) -> Self {
        Self {
            at,
            success: true,
            mode: "shutdown".to_owned(),
            delay,
            force: true,
            reason: Some("end of day".to_owned()),
            wake: WakeCheck::Ready(2),
        }
    }
}

impl Logoff {
    /// A session guard's, with 60 s of warning.
    pub fn new(at: DateTime<Utc>, user: &str, session_id: i64) -> Self {
        Self {
            at,
            user: user.to_owned(),
            session_id,
            state: "Active".to_owned(),
            message: "Class is over".to_owned(),
            grace: 60.0,
            force: true,
        }
    }

    /// Its line in `session-guard-events.jsonl`: not through the INI, so spellings survive.
    pub(crate) fn line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"force\":");
        json::boolean(out, self.force);
        out.extend_from_slice(b",\"grace\":");
        if self.grace.fract() == 0.0 {
            // Whole seconds are integers in the emitter; a grace is far below 2^53.
            json::integer(out, self.grace as i64);
        } else {
            json::float(out, self.grace);
        }
        out.extend_from_slice(b",\"message\":");
        json::text(out, &self.message);
        out.extend_from_slice(b",\"sessionId\":");
        json::text(out, &self.session_id.to_string());
        out.extend_from_slice(b",\"source\":\"session-guard\",\"state\":");
        json::text(out, &self.state);
        out.extend_from_slice(b",\"timestamp\":");
        json::text(out, &instant_text(self.at));
        out.extend_from_slice(b",\"user\":");
        json::text(out, &self.user);
        out.extend_from_slice(b"}\n");
    }

    /// Whole seconds, as the INI prints them.
    pub(crate) fn whole_grace(&self) -> i64 {
        self.grace.round() as i64
    }
}
