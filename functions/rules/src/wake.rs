//! Stations that went off: `power_wake_not_ready`, one that may not come back, and `should_be_on`, one that a reservation needs.

use chrono::{DateTime, Utc};

use crate::before_reservation::left;
use crate::heartbeat_missing::off;
use crate::judge::seconds;
use crate::{Cause, Context, OffPolicy, Reservation, StationState, Verdict};

/// `power_wake_not_ready`: a power action went ahead although the station found itself not ready to be woken, and no heartbeat came
/// later than its end.
pub fn power_wake_not_ready(state: &StationState, now: DateTime<Utc>) -> Verdict {
    let (Some(latest), Some(action)) = (&state.latest, state.last_power_action()) else { return Verdict::Unjudged };
    match off(state) {
        None => {
            let timestamp = latest.snapshot.timestamp_utc;
            Verdict::Clear { at: now, cause: Cause::HeartbeatArrived { timestamp } }
        }
        Some(off) if action.wake_ready == Some(false) => {
            Verdict::Holds { at: now, cause: Cause::WakeNotReady { at: off.ordered_at, issues: action.wake_issues } }
        }
        // Whether it may be woken again only the station itself finds out.
        Some(_) if state.powered.as_ref() == Some(&action) => Verdict::Unjudged,
        // Ordered once more, and that found it ready.
        Some(_) => Verdict::Clear { at: now, cause: Cause::WakeReady },
    }
}

/// `should_be_on`: a station that is off on purpose, and start − lead ≤ now < end of a reservation.
pub fn should_be_on(
    state: &StationState,
    reservation: &Reservation,
    now: DateTime<Utc>,
    context: &Context<'_>,
) -> Verdict {
    let Some(latest) = &state.latest else { return Verdict::Unjudged };
    if context.off == OffPolicy::Ignored {
        return Verdict::Unjudged;
    }
    let opens = reservation.start_at - seconds(context.settings.should_be_on_lead_seconds);
    if now >= reservation.end_at {
        return Verdict::Clear { at: left(reservation.end_at, now, context.passage), cause: Cause::WindowPassed };
    }
    if now < opens {
        return Verdict::Clear { at: now, cause: Cause::WindowPassed }; // it was moved away
    }
    match off(state) {
        Some(off) if now >= off.from => Verdict::Holds {
            at: opens.max(off.from),
            cause: Cause::OffThoughReserved { at: off.ordered_at, start: reservation.start_at },
        },
        // It is about to go off.
        Some(_) => Verdict::Unjudged,
        None => {
            let timestamp = latest.snapshot.timestamp_utc;
            Verdict::Clear { at: now, cause: Cause::HeartbeatArrived { timestamp } }
        }
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::{PowerAction, ServiceState, Snapshot};

    use super::*;
    use crate::testing::{instant, reservation, snapshot, station};
    use crate::{
        Alert, AlertSettings, Incoming, Passage, Rule, RuleSet, on_heartbeat, on_operations, on_passage,
        unresolved_after,
    };

    /// A shutdown after 30 s that went ahead.
    fn shutdown(ordered: &str, wake_ready: Option<bool>) -> PowerAction {
        PowerAction {
            timestamp: Some(instant(ordered)),
            mode: Some("shutdown".to_owned()),
            forced: None,
            wake_ready,
            success: Some(true),
            delay: Some(30),
            reason: None,
            wake_issues: wake_ready.filter(|ready| !ready).map(|_| "NIC not WoL ready: Ethernet".to_owned()),
        }
    }

    enum Step {
        /// A heartbeat that shows this power action.
        Beat(&'static str, Option<PowerAction>),
        /// A `service-state.ini` that shows it.
        Ini(&'static str, PowerAction),
        /// The scheduled check.
        Check(&'static str),
    }
    use Step::{Beat, Check, Ini};

    /// How alerts of the rule moved after a ready heartbeat of 10:00:00.
    fn told(rule: Rule, reservations: &[Reservation], off: OffPolicy, steps: &[Step]) -> Vec<String> {
        let settings = AlertSettings::default();
        let mut state = station("10:00:00", |_| {});
        let mut unresolved: Vec<Alert> = Vec::new();
        let mut told = Vec::new();
        for step in steps {
            let context = Context {
                settings: &settings,
                ignored_issue_codes: &[],
                reservations,
                unresolved: &unresolved,
                rules: RuleSet::ALL,
                off,
                passage: Passage::EveryTick,
                grace_from: None,
            };
            let outcome = match step {
                Beat(at, action) => {
                    let said = Snapshot { last_power_action: action.clone(), ..snapshot(at) };
                    let incoming = Incoming { snapshot: said, arrived_at: instant(at), at_once: true };
                    on_heartbeat(&state, incoming, &context)
                }
                Ini(at, action) => {
                    let known = ServiceState { last_power_action: Some(action.clone()), ..ServiceState::default() };
                    state.service_state = Some((known, instant(at)));
                    on_operations(&state, instant(at), &context)
                }
                Check(at) => on_passage(&state, instant(at), &context),
            };
            unresolved = unresolved_after(&unresolved, &outcome.transitions);
            let of_rule = outcome.transitions.iter().filter(|moved| moved.key.rule == rule);
            told.extend(of_rule.map(|moved| format!("{} {}", moved.at.format("%H:%M:%S"), moved.to.as_str())));
            state = outcome.state;
        }
        told
    }

    #[test]
    fn a_station_that_goes_off_and_may_not_be_woken_is_an_alert_until_it_is_back() {
        let unready = || shutdown("10:00:10", Some(false));
        for (shows, steps, expected) in [
            ("its last heartbeat says so", vec![Beat("10:00:20", Some(unready()))], vec!["10:00:20 open"]),
            ("its service state says so", vec![Ini("10:00:25", unready())], vec!["10:00:25 open"]),
            (
                "both, again and again",
                vec![Beat("10:00:20", Some(unready())), Ini("10:00:25", unready()), Ini("10:00:30", unready())],
                vec!["10:00:20 open"],
            ),
            (
                "a last heartbeat within its slack is no return",
                vec![Beat("10:00:20", Some(unready())), Beat("10:01:40", Some(unready()))],
                vec!["10:00:20 open"],
            ),
            (
                "a later one is",
                vec![Beat("10:00:20", Some(unready())), Check("11:00:00"), Beat("11:30:00", Some(unready()))],
                vec!["10:00:20 open", "11:30:00 resolved"],
            ),
            (
                "what it tells of an old shutdown when it is back opens nothing",
                vec![Beat("11:30:00", Some(unready())), Ini("11:30:05", unready())],
                vec![],
            ),
            (
                "ordered once more, and ready",
                vec![Beat("10:00:20", Some(unready())), Ini("10:00:40", shutdown("10:00:30", Some(true)))],
                vec!["10:00:20 open", "10:00:40 resolved"],
            ),
            ("ready to be woken", vec![Beat("10:00:20", Some(shutdown("10:00:10", Some(true))))], vec![]),
            ("nobody looked", vec![Beat("10:00:20", Some(shutdown("10:00:10", None)))], vec![]),
            (
                "it did not go ahead",
                vec![Beat("10:00:20", Some(PowerAction { success: Some(false), ..unready() }))],
                vec![],
            ),
        ] {
            assert_eq!(told(Rule::PowerWakeNotReady, &[], OffPolicy::Excuses, &steps), expected, "{shows}");
        }
    }

    #[test]
    fn the_cause_is_what_the_station_found() {
        let state = station("10:00:20", |said| said.last_power_action = Some(shutdown("10:00:10", Some(false))));
        let cause =
            Cause::WakeNotReady { at: instant("10:00:10"), issues: Some("NIC not WoL ready: Ethernet".to_owned()) };
        let at = instant("10:00:20");
        assert_eq!(power_wake_not_ready(&state, at), Verdict::Holds { at, cause });
    }

    #[test]
    fn a_station_that_is_off_when_a_reservation_needs_it_is_an_alert_until_it_is_back() {
        let off = || Some(shutdown("10:00:10", Some(true))); // off from 10:01:40 on
        let at_noon = [reservation("R", "12:00:00", "13:00:00")];
        let soon = [reservation("R", "10:05:00", "11:00:00")];
        for (shows, reservations, policy, steps, expected) in [
            (
                "ten minutes before it starts, by the check",
                &at_noon[..],
                OffPolicy::Excuses,
                vec![Beat("10:00:20", off()), Check("11:49:59"), Check("11:50:03"), Check("12:10:00")],
                vec!["11:50:00 open"],
            ),
            (
                "it comes back",
                &at_noon,
                OffPolicy::Excuses,
                vec![Beat("10:00:20", off()), Check("11:50:00"), Beat("11:55:00", off())],
                vec!["11:50:00 open", "11:55:00 resolved"],
            ),
            (
                "it comes back, and the check was away",
                &at_noon,
                OffPolicy::Excuses,
                vec![Beat("10:00:20", off()), Beat("11:55:00", off())],
                vec!["11:50:00 open", "11:55:00 resolved"],
            ),
            (
                "it comes back in time",
                &at_noon,
                OffPolicy::Excuses,
                vec![Beat("10:00:20", off()), Check("11:40:00"), Beat("11:49:00", off()), Check("11:50:00")],
                vec![],
            ),
            (
                "it stays away until the end",
                &at_noon,
                OffPolicy::Excuses,
                vec![Beat("10:00:20", off()), Check("11:50:00"), Check("13:00:20")],
                vec!["11:50:00 open", "13:00:00 resolved"],
            ),
            (
                "a station goes off within the window: not before it is off",
                &soon,
                OffPolicy::Excuses,
                vec![Beat("10:00:20", off()), Check("10:01:39"), Check("10:01:40")],
                vec!["10:01:40 open"],
            ),
            (
                "what it says last comes late",
                &soon,
                OffPolicy::Excuses,
                vec![Check("10:04:00"), Ini("10:04:30", shutdown("10:00:10", Some(true)))],
                vec!["10:01:40 open"],
            ),
            (
                "silent without a word: that is another rule",
                &at_noon,
                OffPolicy::Excuses,
                vec![Check("11:50:00")],
                vec![],
            ),
            ("nothing reserved", &[], OffPolicy::Excuses, vec![Beat("10:00:20", off()), Check("11:50:00")], vec![]),
            (
                "where every gap counts it is missing, not off",
                &at_noon,
                OffPolicy::Ignored,
                vec![Beat("10:00:20", off()), Check("11:50:00")],
                vec![],
            ),
        ] {
            assert_eq!(told(Rule::ShouldBeOn, reservations, policy, &steps), expected, "{shows}");
        }
    }

    #[test]
    fn a_station_that_is_off_is_due_when_a_reservation_needs_it() {
        let settings = AlertSettings { should_be_on_lead_seconds: 1_200, ..AlertSettings::default() };
        let state = station("10:00:20", |said| said.last_power_action = Some(shutdown("10:00:10", Some(true))));
        let context = Context {
            settings: &settings,
            ignored_issue_codes: &[],
            reservations: &[reservation("R", "12:00:00", "13:00:00")],
            unresolved: &[],
            rules: RuleSet::ALL,
            off: OffPolicy::Excuses,
            passage: Passage::EveryTick,
            grace_from: None,
        };
        let outcome = on_passage(&state, instant("10:05:00"), &context);
        assert_eq!(outcome.state.check_at, Some(instant("11:40:00")));
    }
}
