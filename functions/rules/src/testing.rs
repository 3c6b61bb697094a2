//! Short ways to say what a test of a rule needs. All on 2026-11-24.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{Details, HostName, Snapshot};

use crate::{Latest, Reservation, ReservationId, ReservationStatus, StationState};

pub(crate) fn instant(clock: &str) -> DateTime<Utc> {
    format!("2026-11-24T{clock}Z").parse().expect("HH:MM:SS")
}

pub(crate) fn host() -> HostName {
    HostName::parse("LAB-01").expect("a host")
}

pub(crate) fn reservation(id: &str, start: &str, end: &str) -> Reservation {
    Reservation {
        id: ReservationId(id.to_owned()),
        lab: None,
        host: host(),
        start_at: instant(start),
        end_at: instant(end),
        status: ReservationStatus::Confirmed,
        who: None,
    }
}

pub(crate) fn snapshot(at: &str) -> Snapshot {
    Snapshot {
        host: host(),
        timestamp_utc: instant(at),
        ready: true,
        state: Some("ready".to_owned()),
        issues: Vec::new(),
        local_session_active: Some(false),
        local_mode_enabled: Some(false),
        nics: None,
        nic_issue_count: None,
        sleep_compliant: Some(true),
        hibernate_compliant: Some(true),
        last_prepare: None,
        last_release: None,
        last_forced_logoff: None,
        last_power_action: None,
        last_safeguard_reboot: None,
        details: Details::default(),
    }
}

/// A station whose latest heartbeat said this, uploaded at once.
pub(crate) fn station(at: &str, says: impl FnOnce(&mut Snapshot)) -> StationState {
    let mut said = snapshot(at);
    says(&mut said);
    let mut state = StationState::unheard(host(), instant(at));
    state.latest = Some(Latest { snapshot: said, first_arrived_at: instant(at) });
    state
}
