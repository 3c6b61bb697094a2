//! "Give me 10 minutes": granted at once, asked of the operators, or too late.

use chrono::{DateTime, TimeDelta, Utc};

use super::hold::{needed_at, standing};
use crate::judge::seconds;
use crate::orchestrator::Timing;
use crate::{Reservation, ReservationId};

/// What the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct MoreTimeScene<'a> {
    /// The station's.
    pub reservations: &'a [Reservation],
    /// When whoever sits there will be asked to leave, where that is planned.
    pub guard_at: Option<DateTime<Utc>>,
    /// Times.
    pub timing: &'a Timing,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoreTime {
    /// Guard and prepare still end before the start.
    Granted {
        /// They may stay until then.
        until: DateTime<Utc>,
        /// Before this one; none: none comes.
        reservation_id: Option<ReservationId>,
    },
    /// A reservation would begin late: an operator decides.
    Asked {
        /// They would stay until then: a guard before the start ends by it.
        until: DateTime<Utc>,
        /// When no answer helps any more.
        expires_at: DateTime<Utc>,
        /// The one that would begin late.
        reservation_id: ReservationId,
    },
}

/// Why there is nothing to decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoreTimeRefused {
    /// Somebody else has the station.
    #[error("the reservation {} is running", .0.0)]
    Running(ReservationId),
    /// It is being prepared.
    #[error("it is too late: the station is being made ready for the reservation {}", .0.0)]
    TooLate(ReservationId),
}

/// Decides on so many minutes from now.
///
/// # Errors
/// A reservation is running, or it is too late.
pub fn more_time(minutes: u32, scene: &MoreTimeScene<'_>, now: DateTime<Utc>) -> Result<MoreTime, MoreTimeRefused> {
    let until = now + TimeDelta::minutes(i64::from(minutes));
    let standing = standing(scene.reservations, now);
    let Some(next) = standing.first() else { return Ok(MoreTime::Granted { until, reservation_id: None }) };
    let reservation_id = next.id.clone();
    if next.start_at <= now {
        return Err(MoreTimeRefused::Running(reservation_id));
    }
    let expires_at = scene.guard_at.unwrap_or(next.start_at - scene.timing.lead());
    if expires_at <= now {
        return Err(MoreTimeRefused::TooLate(reservation_id));
    }
    // The guard ends before the prepare begins, and that before the start.
    if until <= needed_at(next, scene.timing) {
        return Ok(MoreTime::Granted { until, reservation_id: Some(reservation_id) });
    }
    let latest = next.start_at - seconds(scene.timing.guard_grace());
    if latest <= now {
        return Err(MoreTimeRefused::TooLate(reservation_id));
    }
    Ok(MoreTime::Asked { until: until.min(latest), expires_at, reservation_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, reservation};

    #[test]
    fn ten_minutes_are_granted_while_guard_and_prepare_still_end_before_the_start() {
        let timing = Timing::default();
        let booked = [reservation("B", "14:00:00", "15:00:00"), reservation("A", "12:00:00", "13:00:00")];
        // 120 s of lead and 90 s of guard before the start: the station is needed from 11:56:30.
        for (shows, minutes, now, guard_at, expected) in [
            ("long before", 10, "10:00:00", None, "granted until 10:10:00"),
            ("they just end", 10, "11:46:30", None, "granted until 11:56:30"),
            ("one second too long", 10, "11:46:31", None, "asked until 11:56:31, by 11:58:00"),
            (
                "when asked to leave five minutes before",
                10,
                "11:50:00",
                Some("11:55:00"),
                "asked until 11:58:30, by 11:55:00",
            ),
            ("less is granted", 5, "11:50:00", Some("11:55:00"), "granted until 11:55:00"),
            ("the guard has begun", 1, "11:55:00", Some("11:55:00"), "too late for A"),
            ("the prepare has begun", 1, "11:58:00", None, "too late for A"),
            ("no guard would end by the start", 1, "11:58:30", Some("11:59:00"), "too late for A"),
            ("it is running", 1, "12:00:00", None, "A is running"),
            ("the next one counts", 10, "13:00:00", None, "granted until 13:10:00"),
            ("none comes", 60, "15:00:00", None, "granted until 16:00:00"),
        ] {
            let guard_at = guard_at.map(instant);
            let scene = MoreTimeScene { reservations: &booked, guard_at, timing: &timing };
            let told = match more_time(minutes, &scene, instant(now)) {
                Ok(MoreTime::Granted { until, .. }) => format!("granted until {}", until.format("%H:%M:%S")),
                Ok(MoreTime::Asked { until, expires_at, .. }) => {
                    format!("asked until {}, by {}", until.format("%H:%M:%S"), expires_at.format("%H:%M:%S"))
                }
                Err(MoreTimeRefused::TooLate(id)) => format!("too late for {}", id.0),
                Err(MoreTimeRefused::Running(id)) => format!("{} is running", id.0),
            };
            assert_eq!(told, expected, "{shows}");
        }
    }
}
