//! What an alert is: a rule that holds of a station (or of the system), its life, and why.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use crate::{Cause, ReservationId};

/// The closed list of rules. `as_str` is the name on the wire, in the database and in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Unready for longer than the limit.
    NotReady,
    /// Someone is logged on shortly before a reservation.
    LocalSessionBeforeReservation,
    /// Local mode is on although a reservation is to come or running.
    LocalModePendingReservation,
    /// The last forced logoff is too old for the reservation that is about to start.
    StaleForcedLogoff,
    /// No newer heartbeat for more than three intervals.
    HeartbeatMissing,
    /// An adapter lost a wake setting or gained a fault.
    NicPolicyChanged,
    /// The power plan sleeps although the station says that it complies.
    PowerDrift,
    /// The station's clock is wrong.
    ClockSkew,
    /// Nothing comes in from anybody; of no station.
    IngestStalled,
    /// It keeps sending what nobody can read.
    QuarantinedUploads,
    /// It went off and may not be woken.
    PowerWakeNotReady,
    /// It is off although a reservation needs it.
    ShouldBeOn,
    /// It was not woken for a reservation, and nothing more is tried.
    WakeFailed,
    /// It was not prepared for a reservation, and nothing more is tried.
    PrepareFailed,
    /// It was not released after a reservation, and nothing more is tried.
    ReleaseFailed,
}

impl Rule {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 15] = [
        Self::NotReady,
        Self::LocalSessionBeforeReservation,
        Self::LocalModePendingReservation,
        Self::StaleForcedLogoff,
        Self::HeartbeatMissing,
        Self::NicPolicyChanged,
        Self::PowerDrift,
        Self::ClockSkew,
        Self::IngestStalled,
        Self::QuarantinedUploads,
        Self::PowerWakeNotReady,
        Self::ShouldBeOn,
        Self::WakeFailed,
        Self::PrepareFailed,
        Self::ReleaseFailed,
    ];

    /// The five that the mission names.
    pub const MISSION: [Self; 5] = [
        Self::NotReady,
        Self::LocalSessionBeforeReservation,
        Self::LocalModePendingReservation,
        Self::StaleForcedLogoff,
        Self::HeartbeatMissing,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "not_ready",
            Self::LocalSessionBeforeReservation => "local_session_before_reservation",
            Self::LocalModePendingReservation => "local_mode_pending_reservation",
            Self::StaleForcedLogoff => "stale_forced_logoff",
            Self::HeartbeatMissing => "heartbeat_missing",
            Self::NicPolicyChanged => "nic_policy_changed",
            Self::PowerDrift => "power_drift",
            Self::ClockSkew => "clock_skew",
            Self::IngestStalled => "ingest_stalled",
            Self::QuarantinedUploads => "quarantined_uploads",
            Self::PowerWakeNotReady => "power_wake_not_ready",
            Self::ShouldBeOn => "should_be_on",
            Self::WakeFailed => "wake_failed",
            Self::PrepareFailed => "prepare_failed",
            Self::ReleaseFailed => "release_failed",
        }
    }

    /// The rule of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    /// How urgent it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::HeartbeatMissing
            | Self::IngestStalled
            | Self::ShouldBeOn
            | Self::WakeFailed
            | Self::PrepareFailed => Severity::Critical,
            Self::NotReady
            | Self::LocalSessionBeforeReservation
            | Self::LocalModePendingReservation
            | Self::StaleForcedLogoff
            | Self::QuarantinedUploads
            | Self::PowerWakeNotReady
            | Self::ReleaseFailed => Severity::Warning,
            Self::NicPolicyChanged | Self::PowerDrift | Self::ClockSkew => Severity::Notice,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// The next reservation is at risk.
    Warning,
    /// The station, or the whole system, is not there.
    Critical,
}

impl Severity {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where an alert stands. (`pending` is computed and never stored.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It holds and nobody took it.
    Open,
    /// It holds and somebody took it.
    Acknowledged,
    /// Over.
    Resolved,
}

impl AlertState {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Acknowledged, Self::Resolved].into_iter().find(|state| state.as_str() == name)
    }
}

/// What an alert is about. At most one unresolved alert each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// The rule that holds.
    pub rule: Rule,
    /// The station; none: the system itself.
    pub host: Option<HostName>,
    /// The reservation at risk, where the rule is about one.
    pub reservation_id: Option<ReservationId>,
}

/// Derived from the natural key, never counted: a commit whose reply was lost repeats harmlessly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct AlertId(pub String);

impl AlertId {
    /// The id of the alert of `key` that opened at `opened_at`: 32 hex digits.
    pub fn derive(key: &AlertKey, opened_at: DateTime<Utc>) -> Self {
        let text = format!(
            "{}\n{}\n{}\n{}",
            key.rule,
            key.host.as_ref().map_or("", HostName::as_str),
            key.reservation_id.as_ref().map_or("", |id| id.0.as_str()),
            opened_at.timestamp_micros()
        );
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An alert as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// See [`AlertId::derive`].
    pub id: AlertId,
    /// What it is about.
    pub key: AlertKey,
    /// Where it stands.
    pub state: AlertState,
    /// When the rule became true.
    pub opened_at: DateTime<Utc>,
    /// When it was taken.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who took it.
    pub acknowledged_by: Option<String>,
    /// Until when, after which it is open again; none: until it is over.
    pub acknowledged_until: Option<DateTime<Utc>>,
    /// What they wrote.
    pub note: Option<String>,
    /// When the rule became false.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Why it opened.
    pub cause: Cause,
}

/// Who moved an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The rule itself.
    Rule,
    /// A person, by the name of their token or login.
    Person(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule => f.write_str("rule"),
            Self::Person(name) => write!(f, "person:{name}"),
        }
    }
}

impl Actor {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "rule" => Some(Self::Rule),
            _ => text.strip_prefix("person:").map(|name| Self::Person(name.to_owned())),
        }
    }
}

/// One step of an alert's life.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Which alert.
    pub alert_id: AlertId,
    /// What it is about.
    pub key: AlertKey,
    /// Where it stood; none when it opens.
    pub from: Option<AlertState>,
    /// Where it stands now.
    pub to: AlertState,
    /// When this became true (not when it was noticed).
    pub at: DateTime<Utc>,
    /// Who did it.
    pub actor: Actor,
    /// Why.
    pub cause: Cause,
    /// What a person wrote with it.
    pub note: Option<String>,
    /// Until when somebody takes it; none: until it is over, or it is no acknowledgement.
    pub acknowledged_until: Option<DateTime<Utc>>,
}
