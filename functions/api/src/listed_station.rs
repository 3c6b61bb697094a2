//! A station's row of a list, in two parts. What its latest state alone says is most of the row and changes with the state only: it is written once, with
//! the state, and a list copies it. What depends on when and by whom the list is read is added then.

use chrono::{DateTime, Utc};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use stationkeeper_rules::{Cause, Reservation, StationState};

use crate::station_view::{ReservationView, current_and_next};
use crate::{Language, StationView, text};

/// The fields of a [`StationView`] that its state alone decides, all but those of [`ReadNow`], as an object of JSON with a field at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow(String);

impl KeptRow {
    /// None while something is done to the station, since until when that counts is for the reader's clock to say.
    ///
    /// # Errors
    /// It has no form as JSON; there is none of which that is known.
    pub fn new(state: &StationState) -> serde_json::Result<Option<Self>> {
        if state.running.is_some() {
            return Ok(None);
        }
        // Neither language nor time is in the fields that are kept.
        let view = StationView::new(state, None, &[], Language::En, DateTime::UNIX_EPOCH);
        serde_json::to_string(&Fields(&view)).map(|text| Some(Self(text)))
    }

    /// One that was kept. None: it is no object, or an empty one.
    pub fn parse(text: String) -> Option<Self> {
        let has_fields = text.starts_with("{\"") && text.ends_with('}');
        has_fields.then_some(Self(text))
    }

    /// As it is kept.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Appends the row to a list: both parts as one object.
    ///
    /// # Errors
    /// What is added has no form as JSON; there is none of which that is known.
    pub fn write(&self, read_now: &ReadNow<'_>, list: &mut Vec<u8>) -> serde_json::Result<()> {
        let Self(text) = self;
        list.extend_from_slice(&text.as_bytes()[..text.len() - 1]);
        let seam = list.len();
        serde_json::to_writer(&mut *list, read_now)?;
        // Where the second object opens, the first goes on.
        list[seam] = b',';
        Ok(())
    }
}

struct Fields<'v>(&'v StationView);

/// The fields of a [`StationView`] that [`KeptRow`] leaves out, of a station that nothing is done to and whose local mode nobody ordered.
#[derive(Debug)]
pub struct ReadNow<'r> {
    /// Its laboratory, if it has one.
    pub lab: Option<&'r str>,
    /// Why its word is what it is.
    pub cause: Option<&'r Cause>,
    /// When its latest heartbeat was first put.
    pub first_arrived_at: Option<DateTime<Utc>>,
    /// Its own, in any order.
    pub reservations: &'r [Reservation],
    /// The reader's.
    pub language: Language,
    /// When it is read.
    pub now: DateTime<Utc>,
}

macro_rules! serialize_fields {
    ($serializer:expr, $($name:ident: $value:expr),+ $(,)?) => {{
        let fields = [$(stringify!($name)),+].len();
        let mut row = $serializer.serialize_struct("StationView", fields)?;
        $(row.serialize_field(stringify!($name), $value)?;)+
        row.end()
    }};
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(view) = self;
        serialize_fields!(
            serializer,
            host: &view.host,
            state: &view.state,
            state_since: &view.state_since,
            cause: &view.cause,
            timestamp_utc: &view.timestamp_utc,
            arrived_at: &view.arrived_at,
            skew_seconds: &view.skew_seconds,
            ready: &view.ready,
            issues: &view.issues,
            local_mode_enabled: &view.local_mode_enabled,
            local_session_active: &view.local_session_active,
            local_users: &view.local_users,
            nic_issue_count: &view.nic_issue_count,
            sleep_compliant: &view.sleep_compliant,
            hibernate_compliant: &view.hibernate_compliant,
            last_prepare: &view.last_prepare,
            last_release: &view.last_release,
            last_power_action: &view.last_power_action,
            last_forced_logoff: &view.last_forced_logoff,
            last_safeguard_reboot: &view.last_safeguard_reboot,
            version: &view.version,
            status_as_of: &view.status_as_of,
        )
    }
}

impl Serialize for ReadNow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (current, next) = current_and_next(self.reservations, self.now);
        serialize_fields!(
            serializer,
            lab: &self.lab,
            cause_text: &self.cause.map(|cause| text(self.language, cause)),
            age_seconds: &self.first_arrived_at.map(|at| age_seconds(at, self.now)),
            current_action: &(),
            current_reservation: &current.map(ReservationView::from),
            next_reservation: &next.map(ReservationView::from),
            hold: &(),
        )
    }
}

/// Whole seconds since then; an instant to come is none ago.
pub(crate) fn age_seconds(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (now - at).num_seconds().max(0)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::Value;
    use stationkeeper_rules::{Doing, Latest, ReservationId, ReservationStatus, Running};
    use stationkeeper_telemetry::{Details, HostName, SessionOperation, Snapshot};

    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-24T{time}Z").parse().unwrap()
    }

    fn state(latest: Option<Latest>) -> StationState {
        let host = HostName::parse("LAB-01").unwrap();
        StationState { latest, ..StationState::unheard(host, at("08:00:00")) }
    }

    fn heard() -> Latest {
        let snapshot = Snapshot {
            host: HostName::parse("LAB-01").unwrap(),
            timestamp_utc: "2026-11-24T08:59:00.25Z".parse().unwrap(),
            ready: false,
            state: None,
            issues: vec!["a \"quoted\" one".to_owned(), "ñ".to_owned()],
            local_session_active: Some(true),
            local_mode_enabled: Some(false),
            nics: None,
            nic_issue_count: Some(2),
            sleep_compliant: Some(true),
            hibernate_compliant: None,
            last_prepare: Some(SessionOperation {
                timestamp: Some(at("08:00:00")),
                success: Some(true),
                duration_ms: Some(1_200),
                user: None,
            }),
            last_release: None,
            last_forced_logoff: None,
            last_power_action: None,
            last_safeguard_reboot: None,
            details: Details {
                version: Some("2.1.0".to_owned()),
                local_users: vec!["ana".to_owned()],
                ..Details::default()
            },
        };
        Latest { snapshot, first_arrived_at: at("08:59:01") }
    }

    #[test]
    fn both_parts_of_a_row_are_the_station_as_it_is_shown_alone() {
        let reservation = Reservation {
            id: ReservationId("r-1".to_owned()),
            lab: None,
            host: HostName::parse("LAB-01").unwrap(),
            start_at: at("09:30:00"),
            end_at: at("10:00:00"),
            status: ReservationStatus::Confirmed,
            who: None,
        };
        for latest in [None, Some(heard())] {
            for language in Language::ALL {
                for now in [at("08:30:00"), at("09:00:00"), at("09:45:00"), at("12:00:00")] {
                    let state = state(latest.clone());
                    let read_now = ReadNow {
                        lab: Some("Redes"),
                        cause: state.word_cause.as_ref(),
                        first_arrived_at: state.latest.as_ref().map(|latest| latest.first_arrived_at),
                        reservations: std::slice::from_ref(&reservation),
                        language,
                        now,
                    };
                    let mut list = b"[".to_vec();
                    KeptRow::new(&state).unwrap().unwrap().write(&read_now, &mut list).unwrap();
                    list.push(b']');
                    let alone =
                        StationView::new(&state, Some("Redes"), std::slice::from_ref(&reservation), language, now);
                    let row: Value = serde_json::from_slice(&list).unwrap();
                    assert_eq!(row, serde_json::to_value([&alone]).unwrap(), "{language:?} {now}");
                }
            }
        }
    }

    #[test]
    fn a_station_that_something_is_done_to_has_no_row_that_is_kept() {
        let running =
            Running { doing: Doing::Wake, since: at("09:00:00"), until: at("09:00:00") + TimeDelta::minutes(5) };
        assert_eq!(KeptRow::new(&StationState { running: Some(running), ..state(Some(heard())) }).unwrap(), None);
    }

    #[test]
    fn what_is_no_object_with_fields_is_no_row() {
        for text in ["", "{", "}", "{}", "null", "[1]"] {
            assert_eq!(KeptRow::parse(text.to_owned()), None, "{text}");
        }
        let kept = KeptRow::new(&state(Some(heard()))).unwrap().unwrap();
        assert_eq!(KeptRow::parse(kept.clone().into_text()), Some(kept));
    }
}
