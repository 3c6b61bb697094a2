//! Short ways to say what a test of notifications needs.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::HostName;

use super::Placed;
use crate::{Alert, AlertId, AlertKey, AlertState, Cause, ReservationId, Rule};

/// `2026-11-24T10:00`.
pub(crate) fn at(minute: &str) -> DateTime<Utc> {
    format!("{minute}:00Z").parse().expect("a minute")
}

/// An alert of a station of the laboratory `redes`, with a reservation of mia's at risk.
pub(crate) fn placed(rule: Rule, host: &str, opened_at: &str) -> Placed {
    let key = AlertKey {
        rule,
        host: Some(HostName::parse(host).expect("a host")),
        reservation_id: Some(ReservationId("R".to_owned())),
    };
    let alert = Alert {
        id: AlertId::derive(&key, at(opened_at)),
        key,
        state: AlertState::Open,
        opened_at: at(opened_at),
        acknowledged_at: None,
        acknowledged_by: None,
        note: None,
        acknowledged_until: None,
        resolved_at: None,
        cause: Cause::NothingNewer { since: at(opened_at) },
    };
    Placed { alert, lab: Some("redes".to_owned()), person: Some("mia".to_owned()) }
}
