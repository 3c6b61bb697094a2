//! The one word for a station, since when, and why. First match wins.

use chrono::{DateTime, Utc};

use crate::heartbeat_missing::{late_at, off};
use crate::judge::seconds;
use crate::not_ready::counts_as_ready;
use crate::{Alert, Cause, Context, Doing, OffPolicy, Rule, Running, StationState, StationWord};

/// The word for `state`, given its unresolved alerts; the cause; and since when, if it is new.
pub fn word(
    state: &StationState,
    unresolved: &[Alert],
    now: DateTime<Utc>,
    context: &Context<'_>,
) -> (StationWord, Option<Cause>, DateTime<Utc>) {
    let Some(latest) = &state.latest else { return (StationWord::Unknown, Some(Cause::NeverHeard), now) };
    let booked_soon = context.reservations.iter().any(|reservation| {
        reservation.end_at > now && reservation.start_at - seconds(context.settings.local_session_lead_seconds) <= now
    });
    let running = state.running_at(now);
    let waking = running.filter(|running| running.doing == Doing::Wake);
    let is_off = off(state).filter(|off| context.off == OffPolicy::Excuses && now >= off.from);
    if !booked_soon
        && waking.is_none()
        && let Some(off) = &is_off
    {
        let off = off.clone();
        return (StationWord::Off, Some(Cause::OffOnPurpose { at: off.ordered_at, mode: off.mode }), off.from);
    }
    if let Some(alert) = unresolved.iter().find(|alert| alert.key.rule == Rule::HeartbeatMissing) {
        // A command of ours explains the silence: the station is not marked down.
        if let Some(running) = running.filter(|_| waking.is_none()) {
            return (StationWord::Busy, Some(busy(running)), running.since);
        }
        return (StationWord::Down, Some(alert.cause.clone()), alert.opened_at);
    }
    if let Some(running) = waking.filter(|_| is_off.is_some()) {
        return (StationWord::Waking, Some(Cause::Waking { since: running.since }), running.since);
    }
    if let Some(running) = running.filter(|_| waking.is_none()) {
        return (StationWord::Busy, Some(busy(running)), running.since);
    }
    let snapshot = &latest.snapshot;
    if snapshot.local_mode_enabled == Some(true) {
        return (StationWord::Held, None, latest.first_arrived_at);
    }
    if !counts_as_ready(snapshot, context.ignored_issue_codes) {
        let since = state.unready_run.as_ref().map_or(latest.first_arrived_at, |run| run.since);
        let cause = state.unready_run.as_ref().map(|run| Cause::Issues {
            issues: snapshot.issues.clone(),
            codes: snapshot
                .issues
                .iter()
                .filter_map(|issue| stationkeeper_telemetry::issue_code(issue))
                .map(str::to_owned)
                .collect(),
            since: run.since,
        });
        return (StationWord::Attention, cause, since);
    }
    if let Some(alert) = unresolved.iter().max_by_key(|alert| (alert.key.rule.severity(), alert.opened_at)) {
        return (StationWord::Attention, Some(alert.cause.clone()), alert.opened_at);
    }
    match late_at(state, context.settings) {
        Some(at) if now >= at => (StationWord::Late, Some(Cause::Late { since: latest.first_arrived_at }), at),
        _ => (StationWord::Ready, None, latest.first_arrived_at),
    }
}

fn busy(running: &Running) -> Cause {
    Cause::Busy { command: running.doing.as_str().to_owned(), since: running.since }
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::{PowerAction, Snapshot};

    use super::*;
    use crate::testing::{host, instant, reservation, station};
    use crate::{Alert, AlertId, AlertKey, AlertSettings, AlertState, Passage, RuleSet};

    fn alert(rule: Rule) -> Alert {
        let key = AlertKey { rule, host: Some(host()), reservation_id: None };
        Alert {
            id: AlertId::derive(&key, instant("09:00:00")),
            key,
            state: AlertState::Open,
            opened_at: instant("09:00:00"),
            acknowledged_at: None,
            acknowledged_by: None,
            note: None,
            acknowledged_until: None,
            resolved_at: None,
            cause: Cause::NeverHeard,
        }
    }

    fn switched_off(snapshot: &mut Snapshot) {
        snapshot.last_power_action = Some(PowerAction {
            timestamp: Some(instant("09:59:00")),
            mode: Some("shutdown".to_owned()),
            forced: None,
            wake_ready: None,
            success: Some(true),
            delay: Some(60),
            reason: None,
            wake_issues: None,
        });
    }

    #[test]
    fn the_first_word_that_matches_wins() {
        let settings = AlertSettings::default();
        let doing = |doing| Running { doing, since: instant("10:00:30"), until: instant("10:06:00") };
        let (running, wake) = (doing(Doing::SessionGuard), doing(Doing::Wake));
        let soon = [reservation("R", "10:10:00", "11:00:00")];
        type Says = fn(&mut Snapshot);
        type Row<'a> = (&'a str, Says, &'a [Rule], Option<&'a Running>, &'a [crate::Reservation], &'a str, &'a str);
        let rows: [Row<'_>; 17] = [
            ("all is well", |_| {}, &[], None, &[], "10:01:00", "ready"),
            ("120 s after its last word", |_| {}, &[], None, &[], "10:02:00", "ready"),
            ("121 s after it", |_| {}, &[], None, &[], "10:02:01", "late"),
            ("an open alert", |_| {}, &[Rule::PowerDrift], None, &[], "10:01:00", "attention"),
            ("it says so itself", |said| said.ready = false, &[], None, &[], "10:01:00", "attention"),
            (
                "local mode",
                |said| said.local_mode_enabled = Some(true),
                &[Rule::PowerDrift],
                None,
                &[],
                "10:01:00",
                "held",
            ),
            ("a guard runs", |said| said.local_mode_enabled = Some(true), &[], Some(&running), &[], "10:01:00", "busy"),
            ("missing", |_| {}, &[Rule::HeartbeatMissing], None, &[], "10:05:00", "down"),
            ("missing while a guard runs", |_| {}, &[Rule::HeartbeatMissing], Some(&running), &[], "10:05:00", "busy"),
            ("a guard of which nobody tells the end", |_| {}, &[], Some(&running), &[], "10:06:00", "late"),
            (
                "missing, and woken: the wake is its second line",
                |_| {},
                &[Rule::HeartbeatMissing],
                Some(&wake),
                &[],
                "10:05:00",
                "down",
            ),
            ("woken while it is up", |_| {}, &[], Some(&wake), &[], "10:01:00", "ready"),
            ("off, and woken", switched_off, &[], Some(&wake), &[], "10:01:00", "waking"),
            ("off, and woken for a booking", switched_off, &[], Some(&wake), &soon, "10:05:00", "waking"),
            ("switched off", switched_off, &[], None, &[], "10:01:00", "off"),
            ("switched off a moment ago", switched_off, &[], None, &[], "10:00:59", "ready"),
            ("switched off, but booked", switched_off, &[], None, &soon, "10:05:00", "late"),
        ];
        for (shows, says, alerts, running, reservations, now, expected) in rows {
            let unresolved: Vec<_> = alerts.iter().map(|rule| alert(*rule)).collect();
            let context = Context {
                settings: &settings,
                ignored_issue_codes: &[],
                reservations,
                unresolved: &unresolved,
                rules: RuleSet::ALL,
                off: OffPolicy::Excuses,
                passage: Passage::EveryTick,
                grace_from: None,
            };
            let mut state = station("10:00:00", says);
            state.running = running.copied();
            let (got, _, _) = word(&state, &unresolved, instant(now), &context);
            assert_eq!(got.as_str(), expected, "{shows}");
        }
    }
}
