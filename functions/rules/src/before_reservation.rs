//! The rules that look at what stands before a reservation: a local session, local mode, a stale forced logoff.

use chrono::{DateTime, Utc};

use crate::judge::seconds;
use crate::{AlertSettings, Cause, Passage, Reservation, StationState, Verdict};

/// `local_session_before_reservation`: somebody is logged on and start − lead ≤ now < start.
pub fn local_session(
    state: &StationState,
    reservation: &Reservation,
    now: DateTime<Utc>,
    settings: &AlertSettings,
    passage: Passage,
) -> Verdict {
    let opens = reservation.start_at - seconds(settings.local_session_lead_seconds);
    let Some(latest) = &state.latest else { return Verdict::Unjudged };
    if now >= reservation.start_at {
        return Verdict::Clear { at: left(reservation.start_at, now, passage), cause: Cause::WindowPassed };
    }
    if now < opens {
        return Verdict::Clear { at: now, cause: Cause::WindowPassed }; // it was moved away
    }
    match latest.snapshot.local_session_active {
        Some(true) => Verdict::Holds {
            at: said_at(state, now).max(opens),
            cause: Cause::LocalSession {
                users: latest.snapshot.details.local_users.clone(),
                start: reservation.start_at,
            },
        },
        Some(false) => Verdict::Clear { at: said_at(state, now), cause: Cause::LocalSessionGone },
        None => Verdict::Unjudged,
    }
}

/// `local_mode_pending_reservation`: local mode is on and this reservation has not ended. `turn_at`: since when it is the next to end.
pub fn local_mode(
    state: &StationState,
    reservation: &Reservation,
    turn_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    passage: Passage,
) -> Verdict {
    let Some(latest) = &state.latest else { return Verdict::Unjudged };
    if now >= reservation.end_at {
        return Verdict::Clear { at: left(reservation.end_at, now, passage), cause: Cause::WindowPassed };
    }
    match latest.snapshot.local_mode_enabled {
        Some(true) => Verdict::Holds {
            at: turn_at.map_or(said_at(state, now), |turn_at| turn_at.max(said_at(state, now))),
            cause: Cause::LocalMode { start: reservation.start_at, end: reservation.end_at },
        },
        Some(false) => Verdict::Clear { at: said_at(state, now), cause: Cause::LocalModeOff },
        None => Verdict::Unjudged,
    }
}

/// `stale_forced_logoff`: start − lead ≤ now < start and the last forced logoff is older than it may be.
///
/// One that never happened raises nothing. A prepare or a guard of ours that succeeded within the window cleaned the station without a new
/// logoff.
pub fn stale_forced_logoff(
    state: &StationState,
    reservation: &Reservation,
    now: DateTime<Utc>,
    settings: &AlertSettings,
    passage: Passage,
) -> Verdict {
    let opens = reservation.start_at - seconds(settings.forced_logoff_check_lead_seconds);
    if now >= reservation.start_at {
        return Verdict::Clear { at: left(reservation.start_at, now, passage), cause: Cause::WindowPassed };
    }
    if now < opens {
        return Verdict::Clear { at: now, cause: Cause::WindowPassed };
    }
    let prepared = state
        .last_prepare()
        .is_some_and(|prepare| prepare.success == Some(true) && prepare.timestamp.is_some_and(|at| at >= opens));
    let guarded = state.guarded_at.is_some_and(|at| at >= opens);
    let Some(last) = state.last_forced_logoff().and_then(|logoff| logoff.timestamp) else { return Verdict::Unjudged };
    if prepared || guarded || reservation.start_at - last <= seconds(settings.forced_logoff_max_age_seconds) {
        return Verdict::Clear { at: said_at(state, now), cause: Cause::ForcedLogoffRenewed };
    }
    Verdict::Holds {
        at: said_at(state, now).max(opens),
        cause: Cause::StaleForcedLogoff { last, start: reservation.start_at },
    }
}

/// When a window that ended at `end` was left: then, or at the heartbeat that found it so where nothing is judged in between.
pub(crate) fn left(end: DateTime<Utc>, now: DateTime<Utc>, passage: Passage) -> DateTime<Utc> {
    match passage {
        Passage::EveryTick => end,
        Passage::OverdueOnly => now,
    }
}

/// When the station said what it says now; never after `now`.
fn said_at(state: &StationState, now: DateTime<Utc>) -> DateTime<Utc> {
    state.latest.as_ref().map_or(now, |latest| latest.rank().0).min(now)
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::{ForcedLogoff, SessionOperation};

    use super::*;
    use crate::testing::{instant, reservation, station};

    fn word(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Holds { at, .. } => format!("holds {}", at.format("%H:%M:%S")),
            Verdict::Clear { at, .. } => format!("clear {}", at.format("%H:%M:%S")),
            Verdict::Unjudged => "unjudged".to_owned(),
        }
    }

    #[test]
    fn a_local_session_matters_from_ten_minutes_before_the_start_until_the_start() {
        let settings = AlertSettings::default();
        let booked = reservation("R", "10:00:00", "11:00:00");
        for (said, active, now, expected) in [
            ("09:40:00", Some(true), "09:49:59", "clear 09:49:59"),
            ("09:40:00", Some(true), "09:50:00", "holds 09:50:00"),
            ("09:55:10", Some(true), "09:55:10", "holds 09:55:10"),
            ("09:55:10", Some(false), "09:55:10", "clear 09:55:10"),
            ("09:55:10", None, "09:55:10", "unjudged"),
            ("09:59:59", Some(true), "09:59:59", "holds 09:59:59"),
            ("09:59:59", Some(true), "10:00:00", "clear 10:00:00"),
            ("10:00:40", Some(true), "10:00:40", "clear 10:00:00"),
        ] {
            let state = station(said, |snapshot| snapshot.local_session_active = active);
            let verdict = local_session(&state, &booked, instant(now), &settings, Passage::EveryTick);
            assert_eq!(word(&verdict), expected, "said at {said}: {active:?}, judged at {now}");
        }
    }

    #[test]
    fn local_mode_matters_until_the_reservation_has_ended() {
        let booked = reservation("R", "10:00:00", "11:00:00");
        for (said, enabled, now, expected) in [
            ("01:00:00", Some(true), "01:00:00", "holds 01:00:00"),
            ("10:59:59", Some(true), "10:59:59", "holds 10:59:59"),
            ("10:59:59", Some(true), "11:00:00", "clear 11:00:00"),
            ("10:30:00", Some(false), "10:30:00", "clear 10:30:00"),
            ("10:30:00", None, "10:30:00", "unjudged"),
        ] {
            let state = station(said, |snapshot| snapshot.local_mode_enabled = enabled);
            assert_eq!(
                word(&local_mode(&state, &booked, None, instant(now), Passage::EveryTick)),
                expected,
                "{said} {enabled:?} {now}"
            );
        }
    }

    #[test]
    fn a_forced_logoff_is_stale_when_it_is_more_than_fifteen_minutes_before_the_start() {
        let settings = AlertSettings::default();
        let booked = reservation("R", "10:00:00", "11:00:00");
        for (last, prepared, now, expected) in [
            (Some("09:44:59"), None, "09:50:00", "holds 09:50:00"),
            (Some("09:45:00"), None, "09:50:00", "clear 09:50:00"),
            (Some("09:44:59"), None, "09:49:59", "clear 09:49:59"),
            (Some("09:44:59"), None, "09:59:59", "holds 09:59:59"),
            (Some("09:44:59"), None, "10:00:00", "clear 10:00:00"),
            (None, None, "09:55:00", "unjudged"),
            (Some("09:44:59"), Some(("09:49:59", true)), "09:55:00", "holds 09:55:00"),
            (Some("09:44:59"), Some(("09:50:00", true)), "09:55:00", "clear 09:55:00"),
            (Some("09:44:59"), Some(("09:50:00", false)), "09:55:00", "holds 09:55:00"),
        ] {
            let state = station(now, |snapshot| {
                snapshot.last_forced_logoff = last.map(|at| ForcedLogoff {
                    timestamp: Some(instant(at)),
                    user: None,
                    session_id: None,
                    grace: None,
                    force: None,
                    message: None,
                    source: None,
                    state: None,
                    success: None,
                });
                snapshot.last_prepare = prepared.map(|(at, success)| SessionOperation {
                    timestamp: Some(instant(at)),
                    success: Some(success),
                    duration_ms: None,
                    user: None,
                });
            });
            let verdict = stale_forced_logoff(&state, &booked, instant(now), &settings, Passage::EveryTick);
            assert_eq!(word(&verdict), expected, "last {last:?}, prepared {prepared:?}, judged at {now}");
        }
    }

    #[test]
    fn a_window_is_left_when_it_ends_or_by_the_first_heartbeat_after_it() {
        let settings = AlertSettings::default();
        let booked = reservation("R", "10:00:00", "11:00:00");
        for (passage, at_start, at_end) in [
            (Passage::EveryTick, "clear 10:00:00", "clear 11:00:00"),
            (Passage::OverdueOnly, "clear 10:01:07", "clear 11:01:07"),
        ] {
            let state = station("10:01:07", |snapshot| snapshot.local_session_active = Some(true));
            let now = instant("10:01:07");
            assert_eq!(word(&local_session(&state, &booked, now, &settings, passage)), at_start);
            assert_eq!(word(&stale_forced_logoff(&state, &booked, now, &settings, passage)), at_start);
            let state = station("11:01:07", |snapshot| snapshot.local_mode_enabled = Some(true));
            assert_eq!(word(&local_mode(&state, &booked, None, instant("11:01:07"), passage)), at_end);
        }
    }
}
