//! The last operations of a station, each the newer one of what heartbeat and `service-state.ini` say.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::{ForcedLogoff, PowerAction, SafeguardReboot, SessionOperation};

use crate::Instant;

/// A prepare or a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionOperationView {
    /// When it ended, by the station's clock.
    pub timestamp: Option<Instant>,
    /// It did all it was asked.
    pub success: Option<bool>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// None: the default lab user.
    pub user: Option<String>,
}

/// The last forced logoff, as far as heartbeat and INI know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForcedLogoffOperationView {
    /// When, by the station's clock.
    pub timestamp: Option<Instant>,
    /// Who was logged off.
    pub user: Option<String>,
    /// Windows session number.
    pub session_id: Option<i64>,
    /// Seconds of warning.
    pub grace: Option<i64>,
    /// Only the trail has it (`/api/v1/forced-logoffs`).
    pub force: Option<bool>,
    /// What the user was told.
    pub message: Option<String>,
    /// Who ordered it.
    pub source: Option<String>,
}

/// The last shutdown or hibernate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PowerActionView {
    /// When it was ordered, by the station's clock.
    pub timestamp: Option<Instant>,
    /// `shutdown` or `hibernate`.
    pub mode: Option<String>,
    /// Programs were closed without asking.
    pub forced: Option<bool>,
    /// The wake check passed before it went ahead.
    pub wake_ready: Option<bool>,
    /// It was carried out.
    pub success: Option<bool>,
}

/// The last `recovery reboot-if-needed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SafeguardRebootView {
    /// When, by the station's clock.
    pub timestamp: Option<Instant>,
    /// A reboot was ordered.
    pub rebooted: Option<bool>,
    /// It did what it was asked.
    pub success: Option<bool>,
    /// Why.
    pub reason: Option<String>,
    /// In the station's words.
    pub message: Option<String>,
    /// Joined by `; `.
    pub issues: Option<String>,
}

impl From<&SessionOperation> for SessionOperationView {
    fn from(operation: &SessionOperation) -> Self {
        Self {
            timestamp: operation.timestamp.map(Instant),
            success: operation.success,
            duration_ms: operation.duration_ms,
            user: operation.user.clone(),
        }
    }
}

impl From<&ForcedLogoff> for ForcedLogoffOperationView {
    fn from(logoff: &ForcedLogoff) -> Self {
        Self {
            timestamp: logoff.timestamp.map(Instant),
            user: logoff.user.clone(),
            session_id: logoff.session_id,
            grace: logoff.grace,
            force: logoff.force,
            message: logoff.message.clone(),
            source: logoff.source.clone(),
        }
    }
}

impl From<&PowerAction> for PowerActionView {
    fn from(action: &PowerAction) -> Self {
        Self {
            timestamp: action.timestamp.map(Instant),
            mode: action.mode.clone(),
            forced: action.forced,
            wake_ready: action.wake_ready,
            success: action.success,
        }
    }
}

impl From<&SafeguardReboot> for SafeguardRebootView {
    fn from(reboot: &SafeguardReboot) -> Self {
        Self {
            timestamp: reboot.timestamp.map(Instant),
            rebooted: reboot.rebooted,
            success: reboot.success,
            reason: reboot.reason.clone(),
            message: reboot.message.clone(),
            issues: reboot.issues.clone(),
        }
    }
}

/// The newer of the two; at the same instant the heartbeat's, as the rules do it for the other operations.
pub(crate) fn newest<'a, T>(
    heartbeat: Option<&'a T>,
    ini: Option<&'a T>,
    at: impl Fn(&T) -> Option<DateTime<Utc>>,
) -> Option<&'a T> {
    match (heartbeat, ini) {
        (Some(heartbeat), Some(ini)) => Some(if at(ini) > at(heartbeat) { ini } else { heartbeat }),
        (heartbeat, ini) => heartbeat.or(ini),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(at: Option<&str>, user: &str) -> SessionOperation {
        SessionOperation {
            timestamp: at.map(|at| at.parse().unwrap()),
            success: Some(true),
            duration_ms: None,
            user: Some(user.to_owned()),
        }
    }

    #[test]
    fn the_newer_operation_is_shown_and_a_tie_goes_to_the_heartbeat() {
        let (early, late) = (Some("2026-11-24T08:00:00Z"), Some("2026-11-24T08:00:01Z"));
        for (heartbeat, ini, shown) in [
            (Some(early), Some(late), Some("ini")),
            (Some(late), Some(early), Some("heartbeat")),
            (Some(late), Some(late), Some("heartbeat")),
            (Some(late), Some(None), Some("heartbeat")),
            (Some(late), None, Some("heartbeat")),
            (None, Some(late), Some("ini")),
            (None, None, None),
        ] {
            let from_heartbeat = heartbeat.map(|at| operation(at, "heartbeat"));
            let from_ini = ini.map(|at| operation(at, "ini"));
            let newest = newest(from_heartbeat.as_ref(), from_ini.as_ref(), |one| one.timestamp);
            assert_eq!(newest.and_then(|one| one.user.as_deref()), shown, "{heartbeat:?} {ini:?}");
        }
    }
}
