//! The `normalize` output: the same facts with stable keys, in a stable order, without what is not promised.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::{
    Events, ForcedLogoff, HostEvent, HostName, Nic, PowerAction, Reason, RejectedLine, ServiceState, SessionOperation,
    Snapshot, format_instant,
};

impl Snapshot {
    /// What `normalize` prints for a heartbeat or a `status.json`.
    pub fn normalized(&self) -> NormalizedSnapshot<'_> {
        NormalizedSnapshot {
            host: &self.host,
            timestamp_utc: Some(self.timestamp_utc),
            ready: self.ready,
            state: self.state.as_deref(),
            issues: &self.issues,
            local_session_active: self.local_session_active,
            local_mode_enabled: self.local_mode_enabled,
            nics: self.nics.as_ref().map(|nics| nics.iter().map(NormalizedNic::from).collect()),
            nic_issue_count: self.nic_issue_count,
            sleep_compliant: self.sleep_compliant,
            hibernate_compliant: self.hibernate_compliant,
            operations: NormalizedOperations {
                last_prepare: self.last_prepare.as_ref().map(Into::into),
                last_release: self.last_release.as_ref().map(Into::into),
                last_forced_logoff: self.last_forced_logoff.as_ref().map(Into::into),
                last_power_action: self.last_power_action.as_ref().map(Into::into),
            },
        }
    }
}

impl ServiceState {
    /// What `normalize` prints for a `service-state.ini`.
    pub fn normalized(&self) -> NormalizedOperations<'_> {
        NormalizedOperations {
            last_prepare: self.last_prepare.as_ref().map(Into::into),
            last_release: self.last_release.as_ref().map(Into::into),
            last_forced_logoff: self.last_forced_logoff.as_ref().map(Into::into),
            last_power_action: self.last_power_action.as_ref().map(Into::into),
        }
    }
}

impl Events {
    /// What `normalize` prints for a `session-guard-events.jsonl`.
    pub fn normalized(&self) -> NormalizedEvents<'_> {
        NormalizedEvents {
            events: self.events.iter().map(Into::into).collect(),
            rejected_lines: self.rejected_lines.iter().map(Into::into).collect(),
        }
    }
}

/// As [`format_instant`] writes it.
fn instant<S: Serializer>(instant: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    instant.map(format_instant).serialize(serializer)
}

/// View of a [`Snapshot`].
#[derive(Debug, Serialize)]
pub struct NormalizedSnapshot<'a> {
    host: &'a HostName,
    #[serde(serialize_with = "instant")]
    timestamp_utc: Option<DateTime<Utc>>,
    ready: bool,
    state: Option<&'a str>,
    issues: &'a [String],
    local_session_active: Option<bool>,
    local_mode_enabled: Option<bool>,
    nics: Option<Vec<NormalizedNic<'a>>>,
    nic_issue_count: Option<u64>,
    sleep_compliant: Option<bool>,
    hibernate_compliant: Option<bool>,
    #[serde(flatten)]
    operations: NormalizedOperations<'a>,
}

#[derive(Debug, Serialize)]
struct NormalizedNic<'a> {
    /// An adapter without a name has none, not an empty one.
    name: Option<&'a str>,
    wol_ready: Option<bool>,
    wake_armed: Option<bool>,
    compliance_issues: &'a [String],
}

/// View of a [`ServiceState`].
#[derive(Debug, Serialize)]
pub struct NormalizedOperations<'a> {
    last_prepare: Option<NormalizedSessionOperation<'a>>,
    last_release: Option<NormalizedSessionOperation<'a>>,
    last_forced_logoff: Option<NormalizedForcedLogoff<'a>>,
    last_power_action: Option<NormalizedPowerAction<'a>>,
}

#[derive(Debug, Serialize)]
struct NormalizedSessionOperation<'a> {
    #[serde(serialize_with = "instant")]
    timestamp: Option<DateTime<Utc>>,
    success: Option<bool>,
    duration_ms: Option<i64>,
    user: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct NormalizedForcedLogoff<'a> {
    #[serde(serialize_with = "instant")]
    timestamp: Option<DateTime<Utc>>,
    user: Option<&'a str>,
    session_id: Option<i64>,
    grace: Option<i64>,
    force: Option<bool>,
    message: Option<&'a str>,
    source: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct NormalizedPowerAction<'a> {
    #[serde(serialize_with = "instant")]
    timestamp: Option<DateTime<Utc>>,
    mode: Option<&'a str>,
    forced: Option<bool>,
    wake_ready: Option<bool>,
}

/// View of [`Events`].
#[derive(Debug, Serialize)]
pub struct NormalizedEvents<'a> {
    events: Vec<NormalizedEvent<'a>>,
    rejected_lines: Vec<NormalizedRejectedLine>,
}

#[derive(Debug, Serialize)]
struct NormalizedEvent<'a> {
    #[serde(serialize_with = "instant")]
    timestamp: Option<DateTime<Utc>>,
    user: Option<&'a str>,
    session_id: Option<i64>,
    grace: Option<i64>,
    force: Option<bool>,
    message: Option<&'a str>,
    source: Option<&'a str>,
    line: u64,
    state: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct NormalizedRejectedLine {
    line: u64,
    reason: Reason,
}

impl<'a> From<&'a Nic> for NormalizedNic<'a> {
    fn from(nic: &'a Nic) -> Self {
        Self {
            name: Some(nic.name.as_str()).filter(|name| !name.is_empty()),
            wol_ready: nic.wol_ready,
            wake_armed: nic.wake_armed,
            compliance_issues: &nic.compliance_issues,
        }
    }
}

impl<'a> From<&'a SessionOperation> for NormalizedSessionOperation<'a> {
    fn from(operation: &'a SessionOperation) -> Self {
        Self {
            timestamp: operation.timestamp,
            success: operation.success,
            duration_ms: operation.duration_ms,
            user: operation.user.as_deref(),
        }
    }
}

impl<'a> From<&'a ForcedLogoff> for NormalizedForcedLogoff<'a> {
    fn from(logoff: &'a ForcedLogoff) -> Self {
        Self {
            timestamp: logoff.timestamp,
            user: logoff.user.as_deref(),
            session_id: logoff.session_id,
            grace: logoff.grace,
            force: logoff.force,
            message: logoff.message.as_deref(),
            source: logoff.source.as_deref(),
        }
    }
}

impl<'a> From<&'a PowerAction> for NormalizedPowerAction<'a> {
    fn from(action: &'a PowerAction) -> Self {
        Self {
            timestamp: action.timestamp,
            mode: action.mode.as_deref(),
            forced: action.forced,
            wake_ready: action.wake_ready,
        }
    }
}

impl<'a> From<&'a HostEvent> for NormalizedEvent<'a> {
    fn from(event: &'a HostEvent) -> Self {
        Self {
            timestamp: Some(event.timestamp),
            user: event.user.as_deref(),
            session_id: event.session_id,
            grace: event.grace,
            force: event.force,
            message: event.message.as_deref(),
            source: event.source.as_deref(),
            line: event.line,
            state: event.state.as_deref(),
        }
    }
}

impl From<&RejectedLine> for NormalizedRejectedLine {
    fn from(line: &RejectedLine) -> Self {
        Self { line: line.line, reason: line.reason }
    }
}
