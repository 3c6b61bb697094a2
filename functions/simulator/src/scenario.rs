//! `scenario.json`: what a lab was made of and which alerts it must raise. Also read from foreign labs.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// The whole file. Fields that a foreign generator may leave out have defaults; unknown ones are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// What the generator was seeded with.
    #[serde(default)]
    pub seed: u64,
    /// How many stations.
    #[serde(default)]
    pub stations: usize,
    /// How long, in minutes.
    #[serde(default)]
    pub minutes: u32,
    /// First instant.
    #[serde(with = "seconds")]
    pub start_utc: DateTime<Utc>,
    /// First instant after it.
    #[serde(with = "seconds")]
    pub end_utc: DateTime<Utc>,
    /// The thresholds that the expected alerts are computed with.
    #[serde(default)]
    pub policy: Policy,
    /// The stations.
    #[serde(default)]
    pub hosts: Vec<ScenarioHost>,
    /// Who uses which station when.
    #[serde(default)]
    pub reservations: Vec<ScenarioReservation>,
    /// By opening instant, then host.
    #[serde(default)]
    pub expected_alerts: Vec<ExpectedAlert>,
    /// What looks like trouble and must raise nothing.
    #[serde(default)]
    pub expected_silence: Vec<ExpectedSilence>,
}

/// Thresholds in seconds, as alerts.md has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Between heartbeats.
    pub interval_s: u32,
    /// An unready run longer than this alerts.
    pub not_ready_after_s: u32,
    /// Silence longer than so many intervals alerts.
    pub missing_after_intervals: u32,
    /// A local session matters this long before a reservation.
    pub local_session_lead_s: u32,
    /// At the start of a reservation, the last forced logoff may be this old.
    pub forced_logoff_max_age_s: u32,
    /// It is looked at this long before a reservation.
    pub forced_logoff_check_lead_s: u32,
    /// A longer silence restarts an unready run.
    pub gap_resets_not_ready_s: u32,
    /// For the reader.
    pub notes: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            interval_s: 60,
            not_ready_after_s: 120,
            missing_after_intervals: 3,
            local_session_lead_s: 600,
            forced_logoff_max_age_s: 900,
            forced_logoff_check_lead_s: 600,
            gap_resets_not_ready_s: 180,
            notes: Vec::new(),
        }
    }
}

/// A station of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioHost {
    /// Its name.
    pub host: String,
    /// What it suffers from; a foreign lab may have roles that this crate does not know.
    #[serde(default)]
    pub role: String,
    /// `server` or `hybrid`.
    #[serde(default)]
    pub profile: String,
    /// When the PC is off: from, to.
    #[serde(default, with = "seconds_pairs")]
    pub down: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// Readable heartbeats.
    #[serde(default)]
    pub heartbeats: usize,
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioReservation {
    /// Unique in the lab.
    pub id: String,
    /// On this station.
    pub host: String,
    /// First instant.
    #[serde(with = "seconds")]
    pub start_utc: DateTime<Utc>,
    /// First instant after it.
    #[serde(with = "seconds")]
    pub end_utc: DateTime<Utc>,
}

/// An alert that must open, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedAlert {
    /// The rule's stable name.
    pub rule: String,
    /// Of this station.
    pub host: String,
    /// For rules about a reservation.
    #[serde(default)]
    pub reservation_id: Option<String>,
    /// For the reader; empty where the rule says it all.
    #[serde(default)]
    pub cause: String,
    /// When the rule becomes true.
    #[serde(with = "seconds")]
    pub opens_at: DateTime<Utc>,
    /// Whole minutes since the start.
    #[serde(default)]
    pub open_minute: i64,
    /// When it stops being true; `None`: not before the end.
    #[serde(default, with = "optional_seconds")]
    pub resolves_at: Option<DateTime<Utc>>,
    /// Whole minutes since the start.
    #[serde(default)]
    pub resolve_minute: Option<i64>,
}

/// Something that must raise no alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedSilence {
    /// On this station.
    pub host: String,
    /// In words.
    pub what: String,
    /// When it begins.
    #[serde(with = "seconds")]
    pub at_utc: DateTime<Utc>,
}

/// `yyyy-MM-ddTHH:mm:ssZ`, as everything in a lab writes instants.
pub(crate) fn instant_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

mod seconds {
    use super::{DateTime, Deserialize, Utc, instant_text};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&instant_text(*at))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::deserialize(deserializer)
    }
}

mod optional_seconds {
    use super::{DateTime, Deserialize, Utc, instant_text};
    use serde::{Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(instant_text).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::deserialize(deserializer)
    }
}

mod seconds_pairs {
    use super::{DateTime, Deserialize, Utc, instant_text};
    use serde::{Deserializer, Serializer};

    type Pairs = Vec<(DateTime<Utc>, DateTime<Utc>)>;

    pub fn serialize<S: Serializer>(
        spans: &[(DateTime<Utc>, DateTime<Utc>)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(spans.iter().map(|(from, to)| (instant_text(*from), instant_text(*to))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        Vec::deserialize(deserializer)
    }
}
