//! What happened between two heartbeats by the passing of time alone.

use chrono::{DateTime, Utc};

use crate::evaluate::Judged;
use crate::judge::seconds;
use crate::life::unresolved_after;
use crate::{Context, Passage, Reservation, StationState, Transition};

/// What ticks between the last heartbeat and this instant have found, or would have: a handler that is late judges as one that is not.
pub(crate) fn meanwhile(state: &StationState, now: DateTime<Utc>, context: &Context<'_>) -> Vec<Transition> {
    // What came due before this was judged when it did.
    let Some(due_at) = state.check_at.filter(|_| context.passage == Passage::EveryTick) else { return Vec::new() };
    let mut instants: Vec<_> = context
        .reservations
        .iter()
        .flat_map(|one| turns(one, context))
        .filter(|at| due_at <= *at && *at < now)
        .collect();
    instants.sort_unstable();
    instants.dedup();
    let mut transitions = Vec::new();
    for at in instants {
        let unresolved = unresolved_after(context.unresolved, &transitions);
        let context = Context { unresolved: &unresolved, ..*context };
        let mut judged = Judged::new(state, &context);
        judged.reservations(at);
        transitions.extend(judged.transitions);
    }
    transitions
}

/// The instants at which time changes what a reservation means.
pub(crate) fn turns(reservation: &Reservation, context: &Context<'_>) -> [DateTime<Utc>; 5] {
    let settings = context.settings;
    [
        reservation.start_at - seconds(settings.local_session_lead_seconds),
        reservation.start_at - seconds(settings.forced_logoff_check_lead_seconds),
        reservation.start_at - seconds(settings.should_be_on_lead_seconds),
        reservation.start_at,
        reservation.end_at,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, reservation, snapshot, station};
    use crate::{Alert, AlertSettings, Incoming, OffPolicy, RuleSet, on_heartbeat, on_passage};

    /// How the alerts of a station moved: its ticks, and then the heartbeat, as `HH:MM:SS rule to`.
    fn told(ticks: &[&str], sits_before: bool, beat: &str, sits: bool, passage: Passage) -> Vec<String> {
        let settings = AlertSettings::default();
        let reservations = [reservation("R", "10:00:00", "11:00:00")];
        let mut state = station("09:45:00", |said| said.local_session_active = Some(sits_before));
        state.check_at = Some(instant("09:45:01"));
        let mut unresolved: Vec<Alert> = Vec::new();
        let mut told = Vec::new();
        for at in ticks.iter().chain([&beat]) {
            let context = Context {
                settings: &settings,
                ignored_issue_codes: &[],
                reservations: &reservations,
                unresolved: &unresolved,
                rules: RuleSet::of(&[crate::Rule::LocalSessionBeforeReservation]),
                off: OffPolicy::Excuses,
                passage,
                grace_from: None,
            };
            let outcome = if *at == beat {
                let mut said = snapshot(at);
                said.local_session_active = Some(sits);
                let incoming = Incoming { snapshot: said, arrived_at: instant(at), at_once: true };
                on_heartbeat(&state, incoming, &context)
            } else {
                on_passage(&state, instant(at), &context)
            };
            unresolved = unresolved_after(&unresolved, &outcome.transitions);
            told.extend(
                outcome
                    .transitions
                    .iter()
                    .map(|moved| format!("{} {}", moved.at.format("%H:%M:%S"), moved.to.as_str())),
            );
            state = outcome.state;
        }
        told
    }

    #[test]
    fn a_handler_that_is_late_judges_as_one_whose_ticks_were_punctual() {
        let every_tick = ["09:50:00", "09:55:00", "10:00:00", "10:05:00", "10:59:59"];
        for (shows, sits_before, beat, sits, expected) in [
            ("still sitting", true, "09:52:00", true, vec!["09:50:00 open"]),
            ("gone meanwhile", true, "09:52:00", false, vec!["09:50:00 open", "09:52:00 resolved"]),
            ("all of the window passed", true, "10:20:00", false, vec!["09:50:00 open", "10:00:00 resolved"]),
            ("nobody sat", false, "10:20:00", false, vec![]),
            ("before the window", true, "09:49:00", true, vec![]),
        ] {
            let ticks: Vec<_> = every_tick.into_iter().filter(|tick| *tick < beat).collect();
            assert_eq!(told(&ticks, sits_before, beat, sits, Passage::EveryTick), expected, "{shows}, punctual");
            assert_eq!(told(&[], sits_before, beat, sits, Passage::EveryTick), expected, "{shows}, late");
        }
        // A replay judges heartbeats alone: what nobody saw did not happen.
        assert_eq!(told(&[], true, "09:52:00", false, Passage::OverdueOnly), [""; 0]);
    }
}
