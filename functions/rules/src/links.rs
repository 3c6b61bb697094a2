//! Which reservation a heartbeat or a forced logoff belongs to, and which line of the trail is which sighting.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_telemetry::{ForcedLogoff, HostEvent};

use crate::judge::seconds;
use crate::{Reservation, ReservationId, ReservationSettings, ReservationStatus};

/// The reservation whose [start − lead, end + delay] holds the heartbeat; of several, the running one, else the next, else the last.
pub fn of_heartbeat<'a>(
    timestamp: DateTime<Utc>,
    reservations: &'a [Reservation],
    settings: &ReservationSettings,
) -> Option<&'a ReservationId> {
    let lead = seconds(settings.start_lead_seconds);
    let delay = seconds(settings.end_delay_seconds);
    standing(reservations)
        .filter(|one| one.start_at - lead <= timestamp && timestamp <= one.end_at + delay)
        .min_by_key(|one| {
            let running = one.start_at <= timestamp && timestamp < one.end_at;
            let to_come = one.start_at > timestamp;
            (!running, !to_come, (one.start_at - timestamp).abs(), one.id.clone())
        })
        .map(|one| &one.id)
}

/// The station's running reservation, or the next that starts within the lead (15 min); of both, the next.
pub fn of_forced_logoff<'a>(
    timestamp: DateTime<Utc>,
    reservations: &'a [Reservation],
    settings: &ReservationSettings,
) -> Option<&'a ReservationId> {
    let lead = seconds(settings.forced_logoff_lead_seconds);
    let next = standing(reservations)
        .filter(|one| one.start_at > timestamp && one.start_at - timestamp <= lead)
        .min_by_key(|one| (one.start_at, one.id.clone()));
    let running = || {
        standing(reservations)
            .filter(|one| one.start_at <= timestamp && timestamp < one.end_at)
            .max_by_key(|one| (one.start_at, one.id.clone()))
    };
    next.or_else(running).map(|one| &one.id)
}

fn standing(reservations: &[Reservation]) -> impl Iterator<Item = &Reservation> {
    reservations.iter().filter(|one| one.status != ReservationStatus::Cancelled)
}

/// Where a forced logoff was found; a better source replaces a lesser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FoundIn {
    /// The heartbeat alone: spellings may be lost.
    Heartbeat,
    /// `service-state.ini`.
    ServiceState,
    /// Its line in the JSONL trail.
    Jsonl,
}

impl FoundIn {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::ServiceState => "service_state",
            Self::Jsonl => "jsonl",
        }
    }

    /// The source of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Heartbeat, Self::ServiceState, Self::Jsonl].into_iter().find(|source| source.as_str() == name)
    }
}

/// The two clocks of the emitter differ by up to a second; a line within this of a sighting can be the same logoff.
pub const SAME_LOGOFF_WITHIN: TimeDelta = TimeDelta::seconds(2);

/// How long a sighting waits for its line before it is settled from what is there.
pub const SIGHTING_WAITS: TimeDelta = TimeDelta::minutes(10);

/// Whether a line of the trail is the logoff that the heartbeat or the INI shows: same user and session once both went through
/// the INI, within two seconds.
pub fn is_same_logoff(line: &HostEvent, sighting: &ForcedLogoff) -> bool {
    let Some(at) = sighting.timestamp else { return false };
    (line.timestamp - at).abs() <= SAME_LOGOFF_WITHIN
        && through_ini(line.user.as_deref()) == through_ini(sighting.user.as_deref())
        && line.session_id == sighting.session_id
}

/// What is left of a text after it was written to the INI and read back for the heartbeat (telemetry.md 1.3 and 4).
pub fn through_ini(text: Option<&str>) -> String {
    let trimmed = text.unwrap_or_default().trim();
    let first_line = trimmed.split(['\r', '\n']).next().unwrap_or_default().trim_end();
    match first_line.to_lowercase().as_str() {
        "true" | "on" => return "true".to_owned(),
        "false" | "off" => return "false".to_owned(),
        _ => {}
    }
    let (sign, digits) = match first_line.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", first_line),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        let significant = digits.trim_start_matches('0');
        return match (sign, significant) {
            (_, "") => "false".to_owned(),
            ("", "1") => "true".to_owned(),
            _ => format!("{sign}{significant}"),
        };
    }
    // Numeric text that equals 1 or 0 is rewritten as the number.
    match first_line.parse::<f64>() {
        Ok(1.0) => "true".to_owned(),
        Ok(0.0) => "false".to_owned(),
        _ => first_line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, reservation};

    #[test]
    fn a_heartbeat_belongs_to_the_reservation_whose_window_holds_it() {
        let settings = ReservationSettings::default();
        let booked = [reservation("A", "10:00:00", "11:00:00"), reservation("B", "11:01:00", "12:00:00")];
        for (at, expected) in [
            ("09:57:59", None),
            ("09:58:00", Some("A")),
            ("10:59:59", Some("A")),
            ("11:00:30", Some("B")), // after A's end and in B's lead: the next wins
            ("12:01:00", Some("B")),
            ("12:01:01", None),
        ] {
            let got = of_heartbeat(instant(at), &booked, &settings).map(|id| id.0.as_str());
            assert_eq!(got, expected, "{at}");
        }
    }

    #[test]
    fn a_forced_logoff_belongs_to_the_running_reservation_or_to_the_next_within_fifteen_minutes() {
        let settings = ReservationSettings::default();
        let mut booked = vec![reservation("A", "10:00:00", "11:00:00"), reservation("B", "11:05:00", "12:00:00")];
        for (at, expected) in [
            ("09:44:59", None),
            ("09:45:00", Some("A")),
            ("10:30:00", Some("A")),
            ("10:49:59", Some("A")),
            ("10:50:00", Some("B")), // both: the next
            ("11:02:00", Some("B")),
            ("12:00:00", None),
        ] {
            let got = of_forced_logoff(instant(at), &booked, &settings).map(|id| id.0.as_str());
            assert_eq!(got, expected, "{at}");
        }
        booked[1].status = ReservationStatus::Cancelled;
        assert_eq!(of_forced_logoff(instant("10:50:00"), &booked, &settings).map(|id| id.0.as_str()), Some("A"));
    }

    #[test]
    fn the_ini_leaves_of_a_text_what_it_leaves() {
        for (text, left) in [
            ("instructor", "instructor"),
            (" ana ", "ana"),
            ("1", "true"),
            ("01", "true"),
            ("1.0", "true"),
            ("0.0", "false"),
            ("on", "true"),
            ("OFF", "false"),
            ("00712", "712"),
            ("-7", "-7"),
            ("7.5", "7.5"),
            ("712", "712"),
            ("true", "true"),
            ("", ""),
            ("line1\nuser=x", "line1"),
        ] {
            assert_eq!(through_ini(Some(text)), left, "{text:?}");
        }
    }

    #[test]
    fn a_line_is_the_same_logoff_within_two_seconds() {
        let line = HostEvent {
            timestamp: instant("10:00:02"),
            user: Some("1".to_owned()),
            session_id: Some(1),
            grace: Some(90),
            force: Some(true),
            message: None,
            source: None,
            line: 1,
            state: None,
        };
        for (at, user, session, same) in [
            ("10:00:00", "true", 1, true),
            ("10:00:04", "true", 1, true),
            ("10:00:05", "true", 1, false),
            ("10:00:02", "ana", 1, false),
            ("10:00:02", "true", 2, false),
        ] {
            let sighting = ForcedLogoff {
                timestamp: Some(instant(at)),
                user: Some(user.to_owned()),
                session_id: Some(session),
                grace: None,
                force: None,
                message: None,
                source: None,
                state: None,
                success: None,
            };
            assert_eq!(is_same_logoff(&line, &sighting), same, "{at} {user} {session}");
        }
    }
}
