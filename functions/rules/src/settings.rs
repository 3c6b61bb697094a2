//! What a verdict depends on. Stored in the database (`config apply`), so that a Lambda and a gateway never disagree.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::orchestrator::{ActionSettings, AfterEnd, Timing};
use crate::{LabSettings, NotificationSettings, TimeZone};

/// The settings of verdicts, links and retention. Every key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Limits of the alert rules.
    pub alerts: AlertSettings,
    /// Windows by which heartbeats and forced logoffs belong to a reservation.
    pub reservations: ReservationSettings,
    /// What is kept and for how long.
    pub history: HistorySettings,
    /// Issue codes to ignore, by station (for permanent conditions, telemetry.md section 5).
    pub ignored_issue_codes: BTreeMap<String, Vec<String>>,
    /// Laboratories, by name.
    pub labs: BTreeMap<String, LabSettings>,
    /// Who is told what.
    pub notifications: NotificationSettings,
    /// When stations are prepared and released, and how often that is tried.
    pub orchestrator: Timing,
    /// What is done to a station after a reservation, where its laboratory says nothing else.
    pub after_end: AfterEnd,
    /// What the rules may do by themselves.
    pub actions: ActionSettings,
}

impl Settings {
    /// Where a laboratory is; UTC where nobody said.
    pub fn time_zone(&self, lab: Option<&str>) -> TimeZone {
        lab.and_then(|lab| self.labs.get(lab)).map_or_else(TimeZone::default, |lab| lab.time_zone)
    }

    /// What is done to a station of that laboratory after a reservation.
    pub fn after_end(&self, lab: Option<&str>) -> &AfterEnd {
        lab.and_then(|lab| self.labs.get(lab)?.after_end.as_ref()).unwrap_or(&self.after_end)
    }
}

/// Limits of the alert rules, in seconds unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertSettings {
    /// Time between two heartbeats that a station intends. Default 60.
    pub interval_seconds: u32,
    /// Intervals without an advance after which a station is missing. Default 3.
    pub missing_after_intervals: u32,
    /// `not_ready` opens when the run is longer than this. Default 120.
    pub not_ready_after_seconds: u32,
    /// A gap longer than this restarts an unready run. Default 180.
    pub gap_resets_not_ready_seconds: u32,
    /// How long before a reservation a local session matters. Default 600.
    pub local_session_lead_seconds: u32,
    /// How old the last forced logoff may be at the start of a reservation. Default 900.
    pub forced_logoff_max_age_seconds: u32,
    /// How long before a reservation the last forced logoff is looked at. Default 600.
    pub forced_logoff_check_lead_seconds: u32,
    /// A clock is wrong when it is off by more than this. Default 120.
    pub clock_skew_seconds: u32,
    /// A station is late when its last advance is longer ago than this. Default 120.
    pub late_after_seconds: u32,
    /// The ingest is stalled only when at least this many stations were expected. Default 3.
    pub stalled_min_stations: u32,
    /// So many uploads of one kind in a row that nobody can read are an alert. Default 3.
    pub quarantined_uploads: u32,
    /// When they come within this time. Default 600.
    pub quarantined_uploads_within_seconds: u32,
    /// How long before a reservation a station should be on. Default 600.
    pub should_be_on_lead_seconds: u32,
}

/// Windows around a reservation, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReservationSettings {
    /// Heartbeats this long before the start belong to it. Default 120.
    pub start_lead_seconds: u32,
    /// Heartbeats this long after the end belong to it. Default 60.
    pub end_delay_seconds: u32,
    /// A forced logoff this long before the start belongs to it. Default 900.
    pub forced_logoff_lead_seconds: u32,
}

/// How raw heartbeats are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawFormat {
    /// zstd with a dictionary.
    Zstd,
    /// Plain JSON, for people who query it in SQL.
    Json,
}

/// What is kept and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySettings {
    /// `zstd` (default) or `json`.
    pub raw: RawFormat,
    /// Days that heartbeats are kept. Default 90.
    pub retention_days: u32,
    /// Days that host events, forced logoffs and alert transitions are kept. Default 730.
    pub audit_retention_days: u32,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            interval_seconds: 60,
            missing_after_intervals: 3,
            not_ready_after_seconds: 120,
            gap_resets_not_ready_seconds: 180,
            local_session_lead_seconds: 600,
            forced_logoff_max_age_seconds: 900,
            forced_logoff_check_lead_seconds: 600,
            clock_skew_seconds: 120,
            late_after_seconds: 120,
            stalled_min_stations: 3,
            quarantined_uploads: 3,
            quarantined_uploads_within_seconds: 600,
            should_be_on_lead_seconds: 600,
        }
    }
}

impl Default for ReservationSettings {
    fn default() -> Self {
        Self { start_lead_seconds: 120, end_delay_seconds: 60, forced_logoff_lead_seconds: 900 }
    }
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self { raw: RawFormat::Zstd, retention_days: 90, audit_retention_days: 730 }
    }
}

impl AlertSettings {
    /// No advance for this long: more than that is missing.
    pub fn missing_after(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.interval_seconds) * i64::from(self.missing_after_intervals))
    }
}
