//! Stations as a list shows them. Most of what is kept of a station is in no list: its adapters, its power plan, what came of its uploads.
//! That is passed over where it stands, which is what most of the time of a list would otherwise go into.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use stationkeeper_rules::{Cause, Heard, Latest, Running, StationState, StationWord, StatusDocument};
use stationkeeper_telemetry::{
    Details, ForcedLogoff, HostName, PowerAction, SafeguardReboot, ServiceState, SessionOperation, Snapshot,
};

use crate::StoreError;
use crate::error::Inconsistency;
use crate::row::Row;

/// A station in brief.
#[derive(Debug, Clone, PartialEq)]
pub struct BriefStation {
    /// Its lab, if it has one.
    pub lab: Option<String>,
    /// Its latest state, without what no list shows: no adapters, of the details version and local users alone, nothing of
    /// its uploads and of when it was heard beside its latest heartbeat (unless something runs on it), and nothing of what the next verdict needs.
    pub state: StationState,
}

/// The part of the column `snapshot`.
#[derive(Deserialize)]
struct BriefSnapshot {
    timestamp_utc: DateTime<Utc>,
    ready: bool,
    issues: Vec<String>,
    local_session_active: Option<bool>,
    local_mode_enabled: Option<bool>,
    nic_issue_count: Option<u64>,
    sleep_compliant: Option<bool>,
    hibernate_compliant: Option<bool>,
    last_prepare: Option<SessionOperation>,
    last_release: Option<SessionOperation>,
    last_forced_logoff: Option<ForcedLogoff>,
    last_power_action: Option<PowerAction>,
    last_safeguard_reboot: Option<SafeguardReboot>,
    details: BriefDetails,
}

#[derive(Deserialize)]
struct BriefDetails {
    version: Option<String>,
    local_users: Vec<String>,
}

/// The part of the column `memory`.
#[derive(Deserialize)]
struct BriefMemory<'r> {
    #[serde(borrow, default)]
    heard: Option<&'r RawValue>,
    service_state: Option<(ServiceState, DateTime<Utc>)>,
    status: Option<BriefStatus>,
    powered: Option<PowerAction>,
    running: Option<Running>,
}

#[derive(Deserialize)]
struct BriefStatus {
    snapshot: BriefSnapshot,
    arrived_at: DateTime<Utc>,
}

impl BriefSnapshot {
    fn of(self, host: &HostName) -> Snapshot {
        Snapshot {
            host: host.clone(),
            timestamp_utc: self.timestamp_utc,
            ready: self.ready,
            state: None,
            issues: self.issues,
            local_session_active: self.local_session_active,
            local_mode_enabled: self.local_mode_enabled,
            nics: None,
            nic_issue_count: self.nic_issue_count,
            sleep_compliant: self.sleep_compliant,
            hibernate_compliant: self.hibernate_compliant,
            last_prepare: self.last_prepare,
            last_release: self.last_release,
            last_forced_logoff: self.last_forced_logoff,
            last_power_action: self.last_power_action,
            last_safeguard_reboot: self.last_safeguard_reboot,
            details: Details {
                version: self.details.version,
                local_users: self.details.local_users,
                ..Details::default()
            },
        }
    }
}

impl BriefStation {
    pub(crate) fn of(row: &Row) -> Result<Self, StoreError> {
        let host = row.host("host")?;
        let latest = match row.optional_json::<BriefSnapshot>("snapshot")? {
            None => None,
            Some(snapshot) => {
                Some(Latest { snapshot: snapshot.of(&host), first_arrived_at: row.instant("advanced_at")? })
            }
        };
        let memory: BriefMemory<'_> = row.json("memory")?;
        // Only what runs is compared with it.
        let heard = memory.heard.filter(|_| memory.running.is_some()).map(|heard| {
            serde_json::from_str::<Heard>(heard.get())
                .map_err(|error| row.inconsistent("memory", Inconsistency::Json(error)))
        });
        let state = StationState {
            latest,
            heard: heard.transpose()?,
            service_state: memory.service_state,
            status: memory
                .status
                .map(|status| StatusDocument { snapshot: status.snapshot.of(&host), arrived_at: status.arrived_at }),
            powered: memory.powered,
            running: memory.running,
            skew: row.optional_integer("skew_ms")?.map(TimeDelta::milliseconds),
            word: row.parsed("word", StationWord::parse)?,
            word_cause: row.optional_json::<Cause>("word_cause")?,
            ..StationState::unheard(host, row.instant("word_since")?)
        };
        Ok(Self { lab: row.optional_text("lab")?, state })
    }
}
