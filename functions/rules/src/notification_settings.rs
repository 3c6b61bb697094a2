//! Who is told what, by which way and when: receivers, routes, quiet hours.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::orchestrator::AfterEnd;
use crate::{Channel, Language, Rule, Severity};

/// Who is told, and after which waits. Without receivers nobody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationSettings {
    /// News of a laboratory waits until none came for this long, so that what happens together is told together. Default 90.
    pub group_wait_seconds: u32,
    /// And never longer than this after the first of them. Default 300.
    pub group_wait_most_seconds: u32,
    /// A critical alert that nobody takes is told again after so many minutes. Default 60.
    pub reminder_minutes: u32,
    /// An alert that opens more often than this within `flapping_minutes` is told once, as flapping. Default 4.
    pub flapping_openings: u32,
    /// See `flapping_openings`. Default 30.
    pub flapping_minutes: u32,
    /// A message that could not be delivered so many times is dead. Default 12.
    pub max_attempts: u32,
    /// Where people open the status page, for links in messages, such as `https://stations.example.org`. Default none.
    pub page_url: Option<String>,
    /// Who can be told, by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// Which alerts are told to whom. A receiver that several routes name is told once.
    pub routes: Vec<Route>,
}

/// Somebody, or something, that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// By what it is reached.
    #[serde(flatten)]
    pub channel: Channel,
    /// In which language.
    #[serde(default)]
    pub language: Language,
    /// When it is told only of what is critical, and of what is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
}

/// A time of every day. From 22:00 to 07:00 lasts over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Its first minute.
    pub from: TimeOfDay,
    /// The first minute after it.
    pub to: TimeOfDay,
    /// Of this zone. Default: that of the laboratory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
}

/// Which alerts go to a receiver: those that meet every condition that is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The receiver's name.
    pub receiver: String,
    /// Of these rules; empty: of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// At least so urgent; none: however urgent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Of stations of these laboratories; empty: of any, of no laboratory, and of the system itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labs: Vec<String>,
    /// Whose reservation is at risk, as the booking system names them; empty: whosever, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
}

/// What is known of a laboratory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabSettings {
    /// Where it is, such as `Europe/Madrid`. Default `UTC`.
    pub time_zone: TimeZone,
    /// What is done to its stations after a reservation; left out: as everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_end: Option<AfterEnd>,
}

/// A zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = "Europe/Madrid"))]
pub struct TimeZone(pub chrono_tz::Tz);

/// An hour and a minute, `07:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeOfDay(pub NaiveTime);

impl Default for NotificationSettings {
    fn default() -> Self {
        Self {
            group_wait_seconds: 90,
            group_wait_most_seconds: 300,
            reminder_minutes: 60,
            flapping_openings: 4,
            flapping_minutes: 30,
            max_attempts: 12,
            page_url: None,
            receivers: BTreeMap::new(),
            routes: Vec::new(),
        }
    }
}

impl NotificationSettings {
    /// See `group_wait_seconds`.
    pub fn group_wait(&self) -> TimeDelta {
        TimeDelta::seconds(self.group_wait_seconds.into())
    }

    /// See `group_wait_most_seconds`.
    pub fn group_wait_most(&self) -> TimeDelta {
        TimeDelta::seconds(self.group_wait_most_seconds.into())
    }

    /// See `reminder_minutes`.
    pub fn reminder(&self) -> TimeDelta {
        TimeDelta::minutes(self.reminder_minutes.into())
    }

    /// See `flapping_minutes`.
    pub fn flapping_window(&self) -> TimeDelta {
        TimeDelta::minutes(self.flapping_minutes.into())
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self(chrono_tz::UTC)
    }
}

impl TimeZone {
    /// The zone of that name.
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// The instant at which its clocks show this; of two the first. None: they never do.
    pub fn utc_of(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        local.and_local_timezone(self.0).earliest().map(|at| at.to_utc())
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| {
            serde::de::Error::custom(format!("there is no time zone `{name}`: give one such as `Europe/Madrid`"))
        })
    }
}

impl TimeOfDay {
    /// `HH:MM`.
    pub fn parse(text: &str) -> Option<Self> {
        NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| text.len() == 5).map(Self)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%H:%M"))
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no time of day: write it as `07:30`")))
    }
}
