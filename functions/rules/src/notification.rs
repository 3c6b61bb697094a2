//! What is told to people: receivers, routes, and the message that goes to one receiver about one laboratory.
//!
//! A message is made once and never changes: whoever delivers it again delivers the same.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use crate::{AlertId, Cause, ReservationId, Rule, Severity};

/// The languages that texts exist in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Spanish.
    Es,
}

/// By what a receiver is reached. Secrets and addresses that are secrets stand in no setting: a connection has a name, and whoever
/// delivers knows what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case", deny_unknown_fields)]
pub enum Channel {
    /// A mail to each of these addresses.
    Email {
        /// Addresses, as in RFC 5322 `addr-spec`.
        to: Vec<String>,
    },
    /// A signed JSON document by POST.
    Webhook {
        /// Name of the connection.
        connection: String,
    },
    /// A text for a chat that takes Slack's incoming webhooks.
    Slack {
        /// Name of the connection.
        connection: String,
    },
    /// An Amazon SNS topic.
    Sns {
        /// Its ARN.
        topic_arn: String,
    },
}

/// One message: what happened in one laboratory since the last one, for one receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// See [`MessageId::derive`].
    pub id: MessageId,
    /// The receiver's name in the settings.
    pub receiver: String,
    /// What kind of news it is.
    pub kind: MessageKind,
    /// The laboratory; none: stations of no laboratory, or the system itself.
    pub lab: Option<String>,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What happened, in the order in which it became true. Empty in a test alone.
    pub news: Vec<News>,
    /// Every unresolved alert of the laboratory when it was made, the oldest first.
    pub current: Vec<Problem>,
}

/// What kind of news a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// At least one alert opened.
    Problem,
    /// Nothing opened; at least one alert ended.
    Resolution,
    /// Nobody took these so far.
    Reminder,
    /// These open and end again and again.
    Flapping,
    /// A person asked for it, to see whether it arrives.
    Test,
}

impl MessageKind {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Resolution => "resolution",
            Self::Reminder => "reminder",
            Self::Flapping => "flapping",
            Self::Test => "test",
        }
    }
}

/// One thing that happened to an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// What happened.
    pub event: NewsEvent,
    /// When it became true.
    pub at: DateTime<Utc>,
    /// Why.
    pub cause: Cause,
    /// The alert that it happened to.
    pub problem: Problem,
}

/// What can happen to an alert that people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsEvent {
    /// It opened.
    Opened,
    /// Nobody took it so far.
    StillOpen,
    /// It opens and ends again and again; nothing more is said of it until it rests.
    Flapping,
    /// It is over.
    Resolved,
}

/// An alert as people are told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Its id.
    pub alert_id: AlertId,
    /// The rule.
    pub rule: Rule,
    /// How urgent it is.
    pub severity: Severity,
    /// The station; none: the system itself.
    pub host: Option<HostName>,
    /// The reservation at risk.
    pub reservation_id: Option<ReservationId>,
    /// When it opened.
    pub opened_at: DateTime<Utc>,
    /// Why it opened.
    pub cause: Cause,
    /// Who took it.
    pub acknowledged_by: Option<String>,
}

/// Derived from what a message is about, never counted: planned again after a lost reply it is the same message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct MessageId(pub String);

impl MessageId {
    /// The id of the message of `kind` to `receiver` whose news are of `alerts` at these instants: 32 hex digits.
    pub fn derive<'a>(
        receiver: &str,
        kind: MessageKind,
        alerts: impl IntoIterator<Item = (&'a AlertId, NewsEvent, DateTime<Utc>)>,
    ) -> Self {
        let mut digest = Sha256::new();
        digest.update(format!("{}\n{receiver}\n", kind.as_str()));
        for (id, event, at) in alerts {
            digest.update(format!("{id} {event:?} {}\n", at.timestamp_micros()));
        }
        Self(digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
