//! What a station said, normalized: one typed snapshot a document.
//!
//! A field that the emitter did not know, left out, or lost on its way through the INI is `None`; nothing is guessed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::HostName;

/// A heartbeat or a `status.json`, normalized. The latest one of a station is its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Upper case, composed (NFC).
    pub host: HostName,
    /// The station's own clock: publish time of a heartbeat, start of collection of a `status.json`.
    pub timestamp_utc: DateTime<Utc>,
    /// `summary.ready`.
    pub ready: bool,
    /// `summary.state` as written (`ready`, `needs-action`).
    pub state: Option<String>,
    /// `summary.issues`, verbatim and in their order.
    pub issues: Vec<String>,
    /// A session row that is not the lab user's. Known to be wrong on a non-English Windows.
    pub local_session_active: Option<bool>,
    /// The flag file of local mode exists.
    pub local_mode_enabled: Option<bool>,
    /// `None`: no wake block at all. Empty: no adapter, or a failed collector.
    pub nics: Option<Vec<Nic>>,
    /// Adapters (not faults) that do not comply.
    pub nic_issue_count: Option<u64>,
    /// The emitter's verdict; it fails open (see [`Power`] for what the raw text says).
    pub sleep_compliant: Option<bool>,
    /// As [`sleep_compliant`](Self::sleep_compliant).
    pub hibernate_compliant: Option<bool>,
    /// Last `prepare-session`.
    pub last_prepare: Option<SessionOperation>,
    /// Last `release-session`.
    pub last_release: Option<SessionOperation>,
    /// Last forced logoff; several in one second leave only the last here.
    pub last_forced_logoff: Option<ForcedLogoff>,
    /// Last shutdown or hibernate.
    pub last_power_action: Option<PowerAction>,
    /// Last `recovery reboot-if-needed`. Not part of the `normalize` output.
    pub last_safeguard_reboot: Option<SafeguardReboot>,
    /// What the rules and the page need besides. Not part of the `normalize` output.
    pub details: Details,
}

/// A network adapter of `wake.nicPower`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The alias, such as `Ethernet`.
    pub name: String,
    /// The emitter's verdict on wake settings.
    pub wol_ready: Option<bool>,
    /// Almost always false (alias compared with description): never alert on it.
    pub wake_armed: Option<bool>,
    /// Faults in the emitter's words.
    pub compliance_issues: Vec<String>,
    /// Not part of the `normalize` output.
    pub settings: NicSettings,
}

/// The settings of an adapter, verbatim (`Enabled`, `Disabled`, `Unsupported`), absent when not reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSettings {
    /// Hardware address as written, `AA-BB-…`.
    pub mac_address: Option<String>,
    /// Link state, such as `Up`.
    pub status: Option<String>,
    /// Wake on a magic packet.
    pub wake_on_magic_packet: Option<String>,
    /// Wake on a pattern.
    pub wake_on_pattern: Option<String>,
    /// Sleep when the link goes.
    pub device_sleep_on_disconnect: Option<String>,
    /// The operating system may turn the adapter off.
    pub allow_turn_off: Option<String>,
}

/// A prepare or a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOperation {
    /// When it ended, by the station's clock.
    pub timestamp: Option<DateTime<Utc>>,
    /// It did all it was asked.
    pub success: Option<bool>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// `None`: the default lab user.
    pub user: Option<String>,
}

/// A forced logoff as the INI or the heartbeat shows it (spellings may be lost there, see [`HostEvent`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForcedLogoff {
    /// When, by the station's clock.
    pub timestamp: Option<DateTime<Utc>>,
    /// Who was logged off.
    pub user: Option<String>,
    /// Windows session number.
    pub session_id: Option<i64>,
    /// Seconds of warning.
    pub grace: Option<i64>,
    /// Always absent here; only the JSONL line has it.
    pub force: Option<bool>,
    /// What the user was told.
    pub message: Option<String>,
    /// Who ordered it, such as `session-guard`.
    pub source: Option<String>,
    /// Not part of the `normalize` output.
    pub state: Option<String>,
    /// Not part of the `normalize` output.
    pub success: Option<bool>,
}

/// A shutdown or hibernate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerAction {
    /// When it was ordered, by the station's clock.
    pub timestamp: Option<DateTime<Utc>>,
    /// `shutdown` or `hibernate`.
    pub mode: Option<String>,
    /// `force`.
    pub forced: Option<bool>,
    /// The wake check passed before it went ahead.
    pub wake_ready: Option<bool>,
    /// Not part of the `normalize` output.
    pub success: Option<bool>,
    /// Seconds until it happens. Not part of the `normalize` output.
    pub delay: Option<i64>,
    /// Not part of the `normalize` output.
    pub reason: Option<String>,
    /// Only when `wake_ready` is false: otherwise a stale key of an older run. Not part of the `normalize` output.
    pub wake_issues: Option<String>,
}

/// A `recovery reboot-if-needed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafeguardReboot {
    /// When, by the station's clock.
    pub timestamp: Option<DateTime<Utc>>,
    /// A reboot was ordered.
    pub rebooted: Option<bool>,
    /// It did what it was asked.
    pub success: Option<bool>,
    /// Why.
    pub reason: Option<String>,
    /// In the emitter's words.
    pub message: Option<String>,
    /// Joined by `; `.
    pub issues: Option<String>,
}

/// Facts beside the core of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Lab Station's version; a `status.json` has none.
    pub version: Option<String>,
    /// As written.
    pub schema_version: Option<String>,
    /// `server` or `hybrid`.
    pub station_profile: Option<String>,
    /// `status.timestamp`: start of collection.
    pub collected_at: Option<DateTime<Utc>>,
    /// Names of local users as the station wrote them (possibly mangled), at most 16.
    pub local_users: Vec<String>,
    /// Devices armed to wake the station; the word `NONE` counts as none.
    pub wake_armed_count: Option<u64>,
    /// What the power plan really says.
    pub power: Power,
}

/// Timeouts parsed from `power.*.raw` (seconds; 0 is never), since `acSeconds` is unusable (telemetry.md 1.5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Power {
    /// Name of the plan.
    pub active_plan: Option<String>,
    /// Sleep on mains.
    pub sleep_ac_seconds: Option<u64>,
    /// Sleep on battery.
    pub sleep_dc_seconds: Option<u64>,
    /// Hibernate on mains.
    pub hibernate_ac_seconds: Option<u64>,
    /// Hibernate on battery.
    pub hibernate_dc_seconds: Option<u64>,
}

/// `service-state.ini`, normalized. Spellings survive here that the heartbeat loses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// `[prepare-session]`.
    pub last_prepare: Option<SessionOperation>,
    /// `[release-session]`.
    pub last_release: Option<SessionOperation>,
    /// `[forced-logoff]`.
    pub last_forced_logoff: Option<ForcedLogoff>,
    /// `[power-action]`.
    pub last_power_action: Option<PowerAction>,
    /// `[safeguard-reboot]`. Not part of the `normalize` output.
    pub last_safeguard_reboot: Option<SafeguardReboot>,
}

/// One line of `session-guard-events.jsonl`: a forced logoff with its true spellings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEvent {
    /// When, by the station's clock.
    pub timestamp: DateTime<Utc>,
    /// Who was logged off, exactly.
    pub user: Option<String>,
    /// Windows session number.
    pub session_id: Option<i64>,
    /// Seconds of warning, rounded.
    pub grace: Option<i64>,
    /// Logged off without asking.
    pub force: Option<bool>,
    /// What the user was told.
    pub message: Option<String>,
    /// Who ordered it.
    pub source: Option<String>,
    /// 1-based line of the file.
    pub line: u64,
    /// State of the session.
    pub state: Option<String>,
}
