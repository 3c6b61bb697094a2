//! What may keep a reservation from finding its station ready, as it stands now. Told here and nowhere else.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::orchestrator::{Known, Timing};
use crate::{Reservation, StationWord, off};

/// Why a reservation is at risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AtRisk {
    /// The catalog has no such station any more.
    UnknownStation,
    /// The station is in local mode: it will not be prepared.
    LocalMode,
    /// The time to prepare it has come, and nothing is heard of the station.
    Down,
    /// The time to prepare it has come, and the station is off.
    Off,
    /// What it needs was tried and given up.
    GivenUp,
}

impl AtRisk {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::UnknownStation, Self::LocalMode, Self::Down, Self::Off, Self::GivenUp];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownStation => "unknown_station",
            Self::LocalMode => "local_mode",
            Self::Down => "down",
            Self::Off => "off",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is known of a reservation's surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Its station; none: the catalog has none of this name, or not in use.
    pub station: Option<Known<'a>>,
    /// An alert says that waking or preparing it was given up.
    pub given_up: bool,
}

/// Why a reservation that is to come or runs is at risk; nothing is of one that is over.
pub fn at_risk(
    reservation: &Reservation,
    around: Surroundings<'_>,
    timing: &Timing,
    now: DateTime<Utc>,
) -> Vec<AtRisk> {
    if !reservation.is_to_come(now) {
        return Vec::new();
    }
    let Some(known) = around.station else { return vec![AtRisk::UnknownStation] };
    let mut reasons = Vec::new();
    let says_local_mode = known.state.latest.as_ref().and_then(|latest| latest.snapshot.local_mode_enabled);
    if known.held || says_local_mode == Some(true) {
        reasons.push(AtRisk::LocalMode);
    }
    // Until then a station may well be off: it is woken in time.
    if now >= reservation.start_at - TimeDelta::seconds(i64::from(timing.start_lead_seconds)) {
        match known.state.word {
            StationWord::Down => reasons.push(AtRisk::Down),
            // It is on its way.
            StationWord::Waking => {}
            _ if off(known.state).is_some_and(|off| off.from <= now) => reasons.push(AtRisk::Off),
            _ => {}
        }
    }
    if around.given_up {
        reasons.push(AtRisk::GivenUp);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::PowerAction;

    use super::*;
    use crate::ReservationStatus;
    use crate::StationState;
    use crate::testing::{instant, reservation, station};

    fn switched_off() -> PowerAction {
        PowerAction {
            timestamp: Some(instant("08:00:00")),
            mode: Some("shutdown".to_owned()),
            forced: None,
            wake_ready: None,
            success: Some(true),
            delay: Some(0),
            reason: None,
            wake_issues: None,
        }
    }

    #[test]
    fn a_reservation_is_at_risk_for_what_is_true_now() {
        let at = |time: &str, change: &dyn Fn(&mut StationState)| {
            let mut state = station(time, |_| {});
            change(&mut state);
            state
        };
        let local = |state: &mut StationState| {
            state.latest.iter_mut().for_each(|latest| latest.snapshot.local_mode_enabled = Some(true));
        };
        let well = at("09:00:00", &|_| {});
        let held = at("09:00:00", &local);
        let down = at("07:00:00", &|state| state.word = StationWord::Down);
        let off = at("08:00:00", &|state| state.powered = Some(switched_off()));
        let waking = at("08:00:00", &|state| {
            state.powered = Some(switched_off());
            state.word = StationWord::Waking;
        });
        let off_and_held = at("08:00:00", &|state| {
            state.powered = Some(switched_off());
            local(state);
        });
        for (shows, state, ordered, given_up, now, expected) in [
            ("well", Some(&well), false, false, "09:59:00", ""),
            ("not in the catalog", None, false, false, "09:00:00", "unknown_station"),
            ("local mode, hours before", Some(&held), false, false, "09:00:00", "local_mode"),
            ("local mode, while it runs", Some(&held), false, false, "10:59:59", "local_mode"),
            ("local mode, when it is over", Some(&held), false, false, "11:00:00", ""),
            ("local mode was ordered and does not show yet", Some(&well), true, false, "09:00:00", "local_mode"),
            ("down, before the lead", Some(&down), false, false, "09:57:59", ""),
            ("down, at the lead", Some(&down), false, false, "09:58:00", "down"),
            ("off, before the lead: it will be woken", Some(&off), false, false, "09:57:59", ""),
            ("off, at the lead", Some(&off), false, false, "09:58:00", "off"),
            ("off, and being woken", Some(&waking), false, false, "09:58:10", ""),
            ("several", Some(&off_and_held), false, true, "10:00:00", "local_mode off given_up"),
            ("given up", Some(&well), false, true, "10:05:00", "given_up"),
        ] {
            let around = Surroundings { station: state.map(|state| Known { state, held: ordered }), given_up };
            let found = at_risk(&reservation("R", "10:00:00", "11:00:00"), around, &Timing::default(), instant(now));
            let found: Vec<_> = found.into_iter().map(AtRisk::as_str).collect();
            assert_eq!(found.join(" "), expected, "{shows}");
        }
    }

    #[test]
    fn what_will_not_happen_is_at_no_risk() {
        for status in [ReservationStatus::Cancelled, ReservationStatus::Completed] {
            let booked = Reservation { status, ..reservation("R", "10:00:00", "11:00:00") };
            let around = Surroundings { station: None, given_up: true };
            assert_eq!(at_risk(&booked, around, &Timing::default(), instant("10:30:00")), []);
        }
    }
}
