//! Until when a station may be held, and which reservations that stands in the way of.

use chrono::{DateTime, Utc};

use super::RequestSettings;
use crate::judge::seconds;
use crate::orchestrator::Timing;
use crate::{Reservation, ReservationId};

/// A hold as somebody wishes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct HoldWish<'a> {
    /// Its end; none: when the next reservation needs the station.
    pub until: Option<DateTime<Utc>>,
    /// Reservations that it may stand in the way of.
    pub confirmed: &'a [ReservationId],
    /// Why.
    pub reason: Option<&'a str>,
}

/// A hold that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedHold {
    /// Its end.
    pub expires_at: DateTime<Utc>,
    /// What it stands in the way of, confirmed by whoever wishes it.
    pub blocks: Vec<ReservationId>,
}

/// Why a hold may not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldRefused {
    /// It reaches over a reservation that nobody confirmed.
    #[error(
        "a hold until then blocks the reservation {}, which starts at {}: confirm_reservation holds it nevertheless, with a reason",
        .reservation_id.0, .start_at.format("%Y-%m-%dT%H:%M:%SZ")
    )]
    BlocksReservation {
        /// The first of them.
        reservation_id: ReservationId,
        /// When it starts.
        start_at: DateTime<Utc>,
    },
    /// Confirmed without saying why.
    #[error("say in a reason why the station is held although a reservation needs it")]
    NoReason,
    /// Not a span.
    #[error("a hold ends after it begins")]
    EndsBeforeItBegins,
    /// Nobody holds a station for so long.
    #[error("a hold lasts at most {longest} s (requests.longest_hold_seconds)")]
    TooLong {
        /// What the settings allow.
        longest: u32,
    },
}

/// From when a reservation needs its station free: before its prepare, with time for a guard.
pub fn needed_at(reservation: &Reservation, timing: &Timing) -> DateTime<Utc> {
    reservation.start_at - timing.lead() - seconds(timing.guard_grace())
}

/// Those that will happen or do, in order of their start.
pub(super) fn standing(reservations: &[Reservation], now: DateTime<Utc>) -> Vec<&Reservation> {
    let mut standing: Vec<_> = reservations.iter().filter(|one| one.is_to_come(now)).collect();
    standing.sort_by_key(|one| (one.start_at, &one.id));
    standing
}

/// What comes of a wish. `reservations` are the station's.
///
/// # Errors
/// It stands in the way of a reservation that nobody confirmed, or is no span that can be held.
pub fn plan_hold(
    wish: HoldWish<'_>,
    reservations: &[Reservation],
    timing: &Timing,
    settings: &RequestSettings,
    now: DateTime<Utc>,
) -> Result<PlannedHold, HoldRefused> {
    let longest = now + seconds(settings.longest_hold_seconds);
    let near: Vec<_> = standing(reservations, now).into_iter().filter(|one| needed_at(one, timing) < longest).collect();
    let unconfirmed = near.iter().find(|one| !wish.confirmed.contains(&one.id));
    let free_until = unconfirmed.map(|one| needed_at(one, timing));
    let expires_at = match (wish.until, free_until) {
        (Some(until), _) if until <= now => return Err(HoldRefused::EndsBeforeItBegins),
        (Some(until), _) if until > longest => {
            return Err(HoldRefused::TooLong { longest: settings.longest_hold_seconds });
        }
        (Some(until), _) => until,
        (None, Some(free_until)) => free_until,
        (None, None) => now + seconds(settings.hold_seconds),
    };
    if let Some(one) = unconfirmed
        && (needed_at(one, timing) < expires_at || expires_at <= now)
    {
        return Err(HoldRefused::BlocksReservation { reservation_id: one.id.clone(), start_at: one.start_at });
    }
    let blocks: Vec<_> =
        near.into_iter().filter(|one| needed_at(one, timing) < expires_at).map(|one| one.id.clone()).collect();
    if !blocks.is_empty() && wish.reason.is_none_or(|reason| reason.trim().is_empty()) {
        return Err(HoldRefused::NoReason);
    }
    Ok(PlannedHold { expires_at, blocks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReservationStatus;
    use crate::testing::{instant, reservation};

    fn told(planned: &Result<PlannedHold, HoldRefused>) -> String {
        match planned {
            Ok(PlannedHold { expires_at, blocks }) => {
                let blocks: Vec<_> = blocks.iter().map(|id| id.0.as_str()).collect();
                format!("until {} {}", expires_at.format("%H:%M:%S"), blocks.join("+")).trim_end().to_owned()
            }
            Err(HoldRefused::BlocksReservation { reservation_id, .. }) => format!("blocks {}", reservation_id.0),
            Err(HoldRefused::NoReason) => "no reason".to_owned(),
            Err(HoldRefused::EndsBeforeItBegins) => "no span".to_owned(),
            Err(HoldRefused::TooLong { .. }) => "too long".to_owned(),
        }
    }

    #[test]
    fn a_hold_lasts_until_the_next_reservation_needs_the_station_and_over_it_only_if_that_is_confirmed() {
        let (timing, settings) = (Timing::default(), RequestSettings::default());
        let cancelled =
            Reservation { status: ReservationStatus::Cancelled, ..reservation("X", "10:30:00", "11:00:00") };
        let known = [cancelled, reservation("A", "12:00:00", "13:00:00"), reservation("B", "14:00:00", "15:00:00")];
        // 120 s of lead and 90 s of guard before the start.
        for (shows, booked, now, until, confirmed, reason, expected) in [
            ("none comes: 4 h", "X", "10:00:00", None, &[][..], None, "until 14:00:00"),
            ("the next one", "B A", "10:00:00", None, &[], None, "until 11:56:30"),
            ("up to it", "A", "10:00:00", Some("11:56:30"), &[], None, "until 11:56:30"),
            ("over it", "A", "10:00:00", Some("11:56:31"), &[], Some("exam"), "blocks A"),
            ("confirmed, without a reason", "A", "10:00:00", Some("12:30:00"), &["A"], Some(" "), "no reason"),
            ("confirmed, with a reason", "A B", "10:00:00", Some("12:30:00"), &["A"], Some("exam"), "until 12:30:00 A"),
            ("another one confirmed", "A", "10:00:00", Some("12:30:00"), &["B"], Some("exam"), "blocks A"),
            ("the one after it not", "A B", "10:00:00", Some("14:30:00"), &["A"], Some("exam"), "blocks B"),
            ("both", "B A", "10:00:00", Some("14:30:00"), &["A", "B"], Some("exam"), "until 14:30:00 A+B"),
            ("confirmed, without an end", "A B", "10:00:00", None, &["A"], Some("exam"), "until 13:56:30 A"),
            ("the station is needed already", "A", "11:56:30", None, &[], None, "blocks A"),
            ("it is being used", "A", "12:10:00", Some("12:20:00"), &[], None, "blocks A"),
            ("it was used", "A", "13:00:00", Some("13:20:00"), &[], None, "until 13:20:00"),
            ("an end that has passed", "", "10:00:00", Some("10:00:00"), &[], None, "no span"),
        ] {
            let booked: Vec<_> =
                booked.split(' ').flat_map(|id| known.iter().find(|one| one.id.0 == id)).cloned().collect();
            let confirmed: Vec<_> = confirmed.iter().map(|id: &&str| ReservationId((*id).to_owned())).collect();
            let wish = HoldWish { until: until.map(instant), confirmed: &confirmed, reason };
            let planned = plan_hold(wish, &booked, &timing, &settings, instant(now));
            assert_eq!(told(&planned), expected, "{shows}");
        }
    }

    #[test]
    fn nobody_holds_a_station_for_longer_than_the_settings_say() {
        let settings = RequestSettings { longest_hold_seconds: 3_600, ..RequestSettings::default() };
        let plan = |until| {
            let wish = HoldWish { until: Some(instant(until)), ..HoldWish::default() };
            told(&plan_hold(wish, &[], &Timing::default(), &settings, instant("10:00:00")))
        };
        assert_eq!((plan("11:00:00").as_str(), plan("11:00:01").as_str()), ("until 11:00:00", "too long"));
    }
}
