//! A station as a reader needs it: the one word first, then what it said and how old that is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_rules::requests::{HoldStage, LocalModeOrder};
use stationkeeper_rules::{Cause, Doing, Reservation, StationState, StationWord};
use stationkeeper_telemetry::HostName;

use crate::operation_view::newest;
use crate::{
    ForcedLogoffOperationView, HoldView, Instant, Language, PowerActionView, SafeguardRebootView, SessionOperationView,
    text,
};

/// One station with its latest state. What the station never said is null, never a guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StationView {
    /// Upper case.
    pub host: HostName,
    /// The first lab that has it.
    pub lab: Option<String>,
    /// The one word for it, derived by the rules.
    pub state: StationWord,
    /// Since when.
    pub state_since: Instant,
    /// Why: a code with its parameters.
    pub cause: Option<Cause>,
    /// The same as a sentence.
    pub cause_text: Option<String>,
    /// The latest heartbeat, by the station's clock.
    pub timestamp_utc: Option<Instant>,
    /// When that heartbeat was first put.
    pub arrived_at: Option<Instant>,
    /// Seconds since it was put.
    pub age_seconds: Option<i64>,
    /// Station clock minus ours; positive: the station is ahead.
    pub skew_seconds: Option<i64>,
    /// `summary.ready`.
    pub ready: Option<bool>,
    /// `summary.issues`, verbatim.
    pub issues: Vec<String>,
    /// The flag of local mode.
    pub local_mode_enabled: Option<bool>,
    /// Someone other than the lab user is logged on.
    pub local_session_active: Option<bool>,
    /// Names as the station wrote them.
    pub local_users: Vec<String>,
    /// Adapters that do not comply.
    pub nic_issue_count: Option<u64>,
    /// The station's verdict on its sleep timeout.
    pub sleep_compliant: Option<bool>,
    /// The station's verdict on its hibernate timeout.
    pub hibernate_compliant: Option<bool>,
    /// Last prepare.
    pub last_prepare: Option<SessionOperationView>,
    /// Last release.
    pub last_release: Option<SessionOperationView>,
    /// Last shutdown or hibernate.
    pub last_power_action: Option<PowerActionView>,
    /// Last forced logoff.
    pub last_forced_logoff: Option<ForcedLogoffOperationView>,
    /// Last safeguard reboot.
    pub last_safeguard_reboot: Option<SafeguardRebootView>,
    /// Lab Station's version.
    pub version: Option<String>,
    /// Start of collection of the last `status.json`; it feeds no rule.
    pub status_as_of: Option<Instant>,
    /// What is done to it now.
    pub current_action: Option<CurrentActionView>,
    /// The reservation that runs now.
    pub current_reservation: Option<ReservationView>,
    /// The next one to start.
    pub next_reservation: Option<ReservationView>,
    /// Local mode that was ordered and is not over; null: none was.
    pub hold: Option<HoldView>,
}

/// What is done to a station now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrentActionView {
    /// What.
    pub doing: Doing,
    /// Since when.
    pub since: Instant,
    /// Whoever does it is taken to be gone from here on.
    pub until: Instant,
}

/// A reservation, as far as a station's row shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReservationView {
    /// The booking system's.
    pub id: String,
    /// First instant of it.
    pub start: Instant,
    /// First instant after it.
    pub end: Instant,
}

impl From<&Reservation> for ReservationView {
    fn from(reservation: &Reservation) -> Self {
        Self { id: reservation.id.0.clone(), start: reservation.start_at.into(), end: reservation.end_at.into() }
    }
}

impl StationView {
    /// What is known of a station, at `now`. `reservations` are the station's own, in any order.
    pub fn new(
        state: &StationState,
        lab: Option<&str>,
        reservations: &[Reservation],
        language: Language,
        now: DateTime<Utc>,
    ) -> Self {
        let latest = state.latest.as_ref();
        let snapshot = latest.map(|latest| &latest.snapshot);
        let ini = state.service_state.as_ref().map(|(ini, _)| ini);
        let kept = || reservations.iter().filter(|one| one.stands());
        let current = kept().filter(|one| one.start_at <= now && now < one.end_at).min_by_key(|one| one.start_at);
        let next = kept().filter(|one| now < one.start_at).min_by_key(|one| one.start_at);
        Self {
            host: state.host.clone(),
            lab: lab.map(str::to_owned),
            state: state.word,
            state_since: state.word_since.into(),
            cause: state.word_cause.clone(),
            cause_text: state.word_cause.as_ref().map(|cause| text(language, cause)),
            timestamp_utc: snapshot.map(|snapshot| snapshot.timestamp_utc.into()),
            arrived_at: latest.map(|latest| latest.first_arrived_at.into()),
            age_seconds: latest.map(|latest| (now - latest.first_arrived_at).num_seconds().max(0)),
            skew_seconds: state.skew.map(|skew| skew.num_seconds()),
            ready: snapshot.map(|snapshot| snapshot.ready),
            issues: snapshot.map(|snapshot| snapshot.issues.clone()).unwrap_or_default(),
            local_mode_enabled: snapshot.and_then(|snapshot| snapshot.local_mode_enabled),
            local_session_active: snapshot.and_then(|snapshot| snapshot.local_session_active),
            local_users: snapshot.map(|snapshot| snapshot.details.local_users.clone()).unwrap_or_default(),
            nic_issue_count: snapshot.and_then(|snapshot| snapshot.nic_issue_count),
            sleep_compliant: snapshot.and_then(|snapshot| snapshot.sleep_compliant),
            hibernate_compliant: snapshot.and_then(|snapshot| snapshot.hibernate_compliant),
            last_prepare: state.last_prepare().as_ref().map(Into::into),
            last_release: newest(
                snapshot.and_then(|snapshot| snapshot.last_release.as_ref()),
                ini.and_then(|ini| ini.last_release.as_ref()),
                |release| release.timestamp,
            )
            .map(Into::into),
            last_power_action: state.last_power_action().as_ref().map(Into::into),
            last_forced_logoff: state.last_forced_logoff().as_ref().map(Into::into),
            last_safeguard_reboot: newest(
                snapshot.and_then(|snapshot| snapshot.last_safeguard_reboot.as_ref()),
                ini.and_then(|ini| ini.last_safeguard_reboot.as_ref()),
                |reboot| reboot.timestamp,
            )
            .map(Into::into),
            version: snapshot.and_then(|snapshot| snapshot.details.version.clone()),
            status_as_of: state.status.as_ref().map(|status| status.snapshot.timestamp_utc.into()),
            current_action: state.running_at(now).map(|running| CurrentActionView {
                doing: running.doing,
                since: running.since.into(),
                until: running.until.into(),
            }),
            current_reservation: current.map(Into::into),
            next_reservation: next.map(Into::into),
            hold: None,
        }
    }

    /// With what is wanted of its local mode, unless that is over.
    #[must_use]
    pub fn held(self, order: Option<&LocalModeOrder>, state: &StationState) -> Self {
        let stands = order.filter(|order| order.stage() != HoldStage::Released);
        Self { hold: stands.map(|order| HoldView::new(order, Some(state))), ..self }
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_rules::{ReservationId, ReservationStatus};

    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-24T{time}Z").parse().unwrap()
    }

    fn reservation(id: &str, start: &str, end: &str, status: ReservationStatus) -> Reservation {
        Reservation {
            id: ReservationId(id.to_owned()),
            lab: None,
            host: HostName::parse("LAB-01").unwrap(),
            start_at: at(start),
            end_at: at(end),
            status,
            who: None,
        }
    }

    #[test]
    fn a_station_that_never_spoke_has_nulls_and_no_guesses() {
        let state = StationState::unheard(HostName::parse("lab-01").unwrap(), at("08:00:00"));
        let view = StationView::new(&state, Some("Redes"), &[], Language::En, at("09:00:00"));
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["host"], "LAB-01");
        assert_eq!(json["lab"], "Redes");
        assert_eq!(json["state"], "unknown");
        assert_eq!(json["state_since"], "2026-11-24T08:00:00Z");
        assert_eq!(json["cause"]["code"], "never_heard");
        for field in ["ready", "local_mode_enabled", "age_seconds", "timestamp_utc", "last_prepare", "nic_issue_count"]
        {
            assert!(json[field].is_null(), "{field}: {}", json[field]);
        }
    }

    #[test]
    fn a_reservation_runs_from_its_start_to_before_its_end() {
        use ReservationStatus::{Cancelled, Completed, Confirmed};
        let reservations = [
            reservation("later", "12:00:00", "13:00:00", Confirmed),
            reservation("next", "11:00:00", "12:00:00", Confirmed),
            reservation("cancelled", "10:45:00", "10:50:00", Cancelled),
            reservation("over", "10:00:00", "10:40:00", Completed),
            reservation("current", "10:00:00", "10:30:00", Confirmed),
        ];
        let state = StationState::unheard(HostName::parse("LAB-01").unwrap(), at("08:00:00"));
        for (now, current, next) in [
            ("09:59:59", None, Some("current")),
            ("10:00:00", Some("current"), Some("next")),
            ("10:29:59", Some("current"), Some("next")),
            ("10:30:00", None, Some("next")),
            ("11:00:00", Some("next"), Some("later")),
            ("13:00:00", None, None),
        ] {
            let view = StationView::new(&state, None, &reservations, Language::En, at(now));
            assert_eq!(view.current_reservation.as_ref().map(|one| one.id.as_str()), current, "{now}");
            assert_eq!(view.next_reservation.as_ref().map(|one| one.id.as_str()), next, "{now}");
        }
    }
}
