//! One station judged: its state and its alerts after a heartbeat, or after time has passed.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_telemetry::Snapshot;

use crate::before_reservation::{local_mode, local_session, stale_forced_logoff};
use crate::clock::{ClockReading, Heard, on_clock};
use crate::drift::{clock_skew, nic_policy, power_drift};
use crate::heartbeat_missing::{heartbeat_missing, late_at, missing_at, off};
use crate::life::{reopen, unresolved_after};
use crate::meanwhile::{meanwhile, turns};
use crate::not_ready::{counts_as_ready, extend, grown, not_ready};
use crate::wake::{power_wake_not_ready, should_be_on};
use crate::word::word;
use crate::{
    Actor, Alert, AlertId, AlertKey, AlertState, Cause, Context, Latest, OffPolicy, Reservation, Rule, StationState,
    Transition, Verdict, rank,
};

/// A heartbeat that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What it says.
    pub snapshot: Snapshot,
    /// When it was first put.
    pub arrived_at: DateTime<Utc>,
    /// It was put as the station's newest, not from a spool: only then does its age speak of the clock.
    pub at_once: bool,
}

/// Which rules time alone moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// `heartbeat_missing` alone.
    OverdueOnly,
    /// Every rule that has a window.
    EveryTick,
}

/// A station after it was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// As it is now.
    pub state: StationState,
    /// How its alerts moved, in order.
    pub transitions: Vec<Transition>,
}

impl Outcome {
    /// Nothing happened.
    pub(crate) fn unmoved(state: &StationState) -> Self {
        Self { state: state.clone(), transitions: Vec::new() }
    }
}

/// Judges a station on one more heartbeat. One that is not newer than the latest moves nothing; it can show a clock that was set
/// back.
pub fn on_heartbeat(state: &StationState, incoming: Incoming, context: &Context<'_>) -> Outcome {
    let timestamp = incoming.snapshot.timestamp_utc;
    let rank = rank(timestamp, incoming.arrived_at);
    let clock = ClockReading { timestamp, in_range: true, arrived_at: incoming.arrived_at };
    if state.latest.as_ref().is_some_and(|latest| latest.rank() >= rank) {
        return if incoming.at_once { on_clock(state, clock, context) } else { Outcome::unmoved(state) };
    }
    let mut next = state.without_latest();
    if incoming.at_once {
        next.heard = Heard::after(state.heard.as_ref(), clock).or(next.heard);
    }
    let ready = counts_as_ready(&incoming.snapshot, context.ignored_issue_codes);
    next.unready_run =
        extend(state.unready_run.as_ref(), timestamp, ready, &incoming.snapshot.issues, context.settings);
    if incoming.at_once {
        next.skew = Some(timestamp - incoming.arrived_at);
    }
    next.latest = Some(Latest { snapshot: incoming.snapshot, first_arrived_at: incoming.arrived_at });
    let now = rank.0;

    let meanwhile = meanwhile(state, now, context);
    let unresolved = unresolved_after(context.unresolved, &meanwhile);
    let context = &Context { unresolved: &unresolved, ..*context };
    let mut judged = Judged::new(&next, context);
    judged.answer(Rule::NotReady, None, not_ready(next.unready_run.as_ref(), timestamp, context.settings));
    judged.reopen_grown(next.latest.as_ref().map(|latest| &latest.snapshot));
    judged.answer(
        Rule::HeartbeatMissing,
        None,
        Verdict::Clear { at: incoming.arrived_at, cause: Cause::HeartbeatArrived { timestamp } },
    );
    judged.windows(now);
    judged.answer(Rule::PowerWakeNotReady, None, power_wake_not_ready(&next, now));
    let latest = next.latest.as_ref().map(|latest| &latest.snapshot);
    if let Some(snapshot) = latest {
        judged.answer(Rule::NicPolicyChanged, None, nic_policy(next.nic_baseline.as_deref(), snapshot));
        judged.answer(Rule::PowerDrift, None, power_drift(snapshot));
    }
    if let Some(skew) = next.skew.filter(|_| incoming.at_once) {
        judged.answer(Rule::ClockSkew, None, clock_skew(skew, incoming.arrived_at, context.settings));
    }
    let transitions = judged.transitions;

    let nic_alert_open = is_open_after(context.unresolved, &transitions, Rule::NicPolicyChanged);
    if !nic_alert_open && let Some(nics) = latest.and_then(|snapshot| snapshot.nics.clone()).filter(|n| !n.is_empty()) {
        next.nic_baseline = Some(nics);
    }
    let mut outcome = finish(state, next, transitions, incoming.arrived_at, context);
    outcome.transitions.splice(..0, meanwhile);
    outcome
}

/// Judges a station on nothing but the time that has passed, or on a document that is no heartbeat.
pub fn on_passage(state: &StationState, now: DateTime<Utc>, context: &Context<'_>) -> Outcome {
    let mut next = state.clone();
    let mut judged = Judged::new(state, context);
    judged.answer(Rule::HeartbeatMissing, None, heartbeat_missing(state, now, context));
    if context.passage == Passage::EveryTick {
        judged.windows(now);
        judged.answer(Rule::QuarantinedUploads, None, next.uploads.pass(now));
    }
    let transitions = judged.transitions;
    finish(state, next, transitions, now, context)
}

/// Judges a station anew after a document that is no heartbeat: it can excuse a silence, and tell that the station went off.
pub fn on_operations(state: &StationState, now: DateTime<Utc>, context: &Context<'_>) -> Outcome {
    let mut judged = Judged::new(state, context);
    let verdict = heartbeat_missing(state, now, context);
    if matches!(verdict, Verdict::Clear { .. }) {
        judged.answer(Rule::HeartbeatMissing, None, verdict);
    }
    judged.answer(Rule::PowerWakeNotReady, None, power_wake_not_ready(state, now));
    for reservation in context.reservations {
        judged.answer(Rule::ShouldBeOn, Some(reservation), should_be_on(state, reservation, now, context));
    }
    let transitions = judged.transitions;
    finish(state, state.clone(), transitions, now, context)
}

pub(crate) fn finish(
    before: &StationState,
    mut next: StationState,
    transitions: Vec<Transition>,
    now: DateTime<Utc>,
    context: &Context<'_>,
) -> Outcome {
    let unresolved = unresolved_after(context.unresolved, &transitions);
    let (word, cause, since) = word(&next, &unresolved, now, context);
    if word != before.word {
        next.word = word;
        next.word_since = since.max(before.word_since);
    }
    next.word_cause = cause;
    next.forget_resolved(&transitions, context.reservations);
    next.check_at = check_at(&next, &unresolved, now, context);
    Outcome { state: next, transitions }
}

/// Alerts move as verdicts come in: a verdict becomes a transition only where it differs from what stands.
pub(crate) struct Judged<'a> {
    state: &'a StationState,
    context: &'a Context<'a>,
    pub(crate) transitions: Vec<Transition>,
}

impl<'a> Judged<'a> {
    pub(crate) fn new(state: &'a StationState, context: &'a Context<'a>) -> Self {
        Self { state, context, transitions: Vec::new() }
    }

    pub(crate) fn answer(&mut self, rule: Rule, reservation: Option<&Reservation>, verdict: Verdict) {
        if !self.context.rules.has(rule) {
            return;
        }
        let standing = self.context.unresolved(rule, reservation.map(|reservation| &reservation.id));
        match (verdict, standing) {
            (Verdict::Holds { at, cause }, None) => {
                let key = self.context.key(self.state, rule, reservation);
                self.transitions.push(self.state.opening(key, at, cause));
            }
            (Verdict::Clear { at, cause }, Some(alert)) => self.transitions.push(resolve(alert, at, cause)),
            _ => {}
        }
    }

    /// Somebody has taken it for what it was; it is more now.
    fn reopen_grown(&mut self, snapshot: Option<&Snapshot>) {
        let Some(snapshot) = snapshot.filter(|_| self.context.rules.has(Rule::NotReady)) else { return };
        let Some(alert) = self.context.unresolved(Rule::NotReady, None) else { return };
        if let Some(cause) = grown(alert, snapshot, self.context.ignored_issue_codes) {
            self.transitions.push(reopen(alert, snapshot.timestamp_utc, cause));
        }
    }

    /// The rules that look at what stands before a reservation.
    fn windows(&mut self, now: DateTime<Utc>) {
        self.reservations(now);
        self.orphans(now);
    }

    pub(crate) fn reservations(&mut self, now: DateTime<Utc>) {
        let Context { settings, reservations, passage, .. } = *self.context;
        for reservation in reservations {
            self.answer(
                Rule::LocalSessionBeforeReservation,
                Some(reservation),
                local_session(self.state, reservation, now, settings, passage),
            );
            self.answer(
                Rule::StaleForcedLogoff,
                Some(reservation),
                stale_forced_logoff(self.state, reservation, now, settings, passage),
            );
            self.answer(Rule::ShouldBeOn, Some(reservation), should_be_on(self.state, reservation, now, self.context));
        }
        for over in reservations.iter().filter(|reservation| reservation.end_at <= now) {
            for rule in [Rule::WakeFailed, Rule::PrepareFailed] {
                self.answer(rule, Some(over), Verdict::Clear { at: over.end_at, cause: Cause::WindowPassed });
            }
        }
        // One alert for the next that has not ended; it passes on to its successor.
        let next = next_to_end(reservations, now);
        let turn_at = reservations.iter().map(|one| one.end_at).filter(|end_at| *end_at <= now).max();
        for reservation in reservations {
            if Some(&reservation.id) == next.map(|next| &next.id) || reservation.end_at <= now {
                self.answer(
                    Rule::LocalModePendingReservation,
                    Some(reservation),
                    local_mode(self.state, reservation, turn_at, now, passage),
                );
            }
        }
    }

    /// Alerts whose reservation is gone: cancelled, moved to another station, or long over.
    fn orphans(&mut self, now: DateTime<Utc>) {
        for alert in self.context.unresolved {
            // What was left behind is there until somebody cleans up.
            if alert.key.rule == Rule::ReleaseFailed {
                continue;
            }
            let Some(id) = &alert.key.reservation_id else { continue };
            let gone = self.context.reservations.iter().all(|reservation| reservation.id != *id);
            if gone && self.context.rules.has(alert.key.rule) {
                self.transitions.push(resolve(alert, now, Cause::WindowPassed));
            }
        }
    }
}

fn next_to_end(reservations: &[Reservation], now: DateTime<Utc>) -> Option<&Reservation> {
    reservations.iter().filter(|reservation| reservation.end_at > now).min_by_key(|reservation| reservation.end_at)
}

/// The transition that opens an alert.
pub(crate) fn open(key: AlertKey, at: DateTime<Utc>, cause: Cause) -> Transition {
    Transition {
        alert_id: AlertId::derive(&key, at),
        key,
        from: None,
        to: AlertState::Open,
        at,
        actor: Actor::Rule,
        cause,
        note: None,
        acknowledged_until: None,
    }
}

/// The transition that resolves it; never before it opened.
pub(crate) fn resolve(alert: &Alert, at: DateTime<Utc>, cause: Cause) -> Transition {
    Transition {
        alert_id: alert.id.clone(),
        key: alert.key.clone(),
        from: Some(alert.state),
        to: AlertState::Resolved,
        at: at.max(alert.opened_at),
        actor: Actor::Rule,
        cause,
        note: None,
        acknowledged_until: None,
    }
}

fn is_open_after(unresolved: &[Alert], transitions: &[Transition], rule: Rule) -> bool {
    unresolved_after(unresolved, transitions).iter().any(|alert| alert.key.rule == rule)
}

/// The next instant at which time alone can change a verdict or the word.
fn check_at(
    state: &StationState,
    unresolved: &[Alert],
    now: DateTime<Utc>,
    context: &Context<'_>,
) -> Option<DateTime<Utc>> {
    let settings = context.settings;
    let mut instants = Vec::new();
    let is_open = |rule| unresolved.iter().any(|alert: &Alert| alert.key.rule == rule);
    let excused = if context.off == OffPolicy::Excuses { off(state) } else { None };
    instants.extend(late_at(state, settings));
    instants.extend(state.running_at(now).map(|running| running.until));
    if let Some(off) = &excused {
        instants.push(off.from);
    }
    if !is_open(Rule::HeartbeatMissing) && excused.is_none_or(|off| now < off.from) {
        instants.extend(missing_at(state, context.grace_from, settings).map(|at| at.max(now + TimeDelta::seconds(1))));
    }
    if is_open(Rule::QuarantinedUploads) {
        instants.extend(state.uploads.quiet_at());
    }
    for reservation in context.reservations {
        instants.extend(turns(reservation, context));
    }
    instants.into_iter().filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, reservation, snapshot, station};
    use crate::{AlertSettings, RuleSet, StationWord};

    /// A station under these rules, told as a story.
    struct Story {
        state: StationState,
        unresolved: Vec<Alert>,
        reservations: Vec<Reservation>,
        told: Vec<String>,
    }

    impl Story {
        fn begin() -> Self {
            let state = StationState::unheard(crate::testing::host(), instant("00:00:00"));
            Self { state, unresolved: Vec::new(), reservations: Vec::new(), told: Vec::new() }
        }

        fn settle(&mut self, judge: impl FnOnce(&StationState, &Context<'_>) -> Outcome) {
            let settings = AlertSettings::default();
            let context = Context {
                settings: &settings,
                ignored_issue_codes: &[],
                reservations: &self.reservations,
                unresolved: &self.unresolved,
                rules: RuleSet::ALL,
                off: OffPolicy::Excuses,
                passage: Passage::EveryTick,
                grace_from: None,
            };
            let outcome = judge(&self.state, &context);
            self.unresolved = unresolved_after(&self.unresolved, &outcome.transitions);
            for moved in &outcome.transitions {
                let (at, to) = (moved.at.format("%H:%M:%S"), moved.to.as_str());
                self.told.push(format!("{at} {} {to}", moved.key.rule));
            }
            self.state = outcome.state;
        }

        fn beat(&mut self, at: &str, says: impl FnOnce(&mut Snapshot)) -> &mut Self {
            let mut said = snapshot(at);
            says(&mut said);
            let incoming = Incoming { snapshot: said, arrived_at: instant(at), at_once: true };
            self.settle(|state, context| on_heartbeat(state, incoming, context));
            self
        }

        fn tick(&mut self, at: &str) -> &mut Self {
            self.settle(|state, context| on_passage(state, instant(at), context));
            self
        }
    }

    #[test]
    fn a_station_that_falls_silent_and_returns() {
        let mut story = Story::begin();
        story.beat("10:00:00", |_| {}).tick("10:02:00");
        assert_eq!(story.state.word, StationWord::Ready);
        story.tick("10:02:01");
        assert_eq!(story.state.word, StationWord::Late);
        story.tick("10:03:00");
        assert_eq!(story.told, [""; 0]);
        story.tick("10:03:01").tick("10:03:02").tick("11:00:00");
        assert_eq!(story.told, ["10:03:01 heartbeat_missing open"]);
        assert_eq!((story.state.word, story.state.word_since), (StationWord::Down, instant("10:03:01")));
        story.beat("11:00:30", |_| {});
        assert_eq!(story.told, ["10:03:01 heartbeat_missing open", "11:00:30 heartbeat_missing resolved"]);
        assert_eq!(story.state.word, StationWord::Ready);
    }

    #[test]
    fn a_heartbeat_that_is_not_newer_changes_nothing() {
        let mut story = Story::begin();
        story.beat("10:00:00", |_| {}).beat("10:01:00", |_| {});
        let before = story.state.clone();
        story.beat("10:01:00", |said| said.ready = false).beat("10:00:00", |said| said.ready = false);
        assert_eq!(story.state, before);
    }

    #[test]
    fn a_clock_that_ran_ahead_does_not_block_the_truth() {
        let mut story = Story::begin();
        let ahead = Incoming { snapshot: snapshot("20:00:00"), arrived_at: instant("10:00:00"), at_once: true };
        story.settle(|state, context| on_heartbeat(state, ahead, context));
        story.beat("10:01:00", |said| said.ready = false);
        assert_eq!(story.state.latest.as_ref().map(|l| l.snapshot.timestamp_utc), Some(instant("10:01:00")));
        assert_eq!(story.told, ["10:00:00 clock_skew open", "10:01:00 clock_skew resolved"]);
    }

    #[test]
    fn a_local_session_opens_at_the_window_by_a_tick_and_resolves_when_it_is_gone() {
        let mut story = Story::begin();
        story.reservations = vec![reservation("R", "10:30:00", "11:00:00")];
        story.beat("10:19:00", |said| said.local_session_active = Some(true));
        assert_eq!(story.state.check_at, Some(instant("10:20:00")));
        story.tick("10:20:05").beat("10:20:10", |said| said.local_session_active = Some(true));
        story.beat("10:21:15", |_| {});
        assert_eq!(
            story.told,
            ["10:20:00 local_session_before_reservation open", "10:21:15 local_session_before_reservation resolved"]
        );
    }

    #[test]
    fn local_mode_is_one_alert_that_passes_on_to_the_next_reservation() {
        let mut story = Story::begin();
        story.reservations = vec![reservation("A", "10:00:00", "10:30:00"), reservation("B", "12:00:00", "13:00:00")];
        let held = |said: &mut Snapshot| said.local_mode_enabled = Some(true);
        story.beat("09:00:00", held).beat("10:29:59", held).beat("10:31:00", held);
        assert_eq!(
            story.told,
            [
                "09:00:00 local_mode_pending_reservation open",
                "10:30:00 local_mode_pending_reservation resolved",
                "10:30:00 local_mode_pending_reservation open"
            ]
        );
        assert_eq!(story.state.word, StationWord::Held);
        story.reservations.clear();
        story.tick("10:32:00");
        assert_eq!(story.told.last().map(String::as_str), Some("10:32:00 local_mode_pending_reservation resolved"));
    }

    #[test]
    fn an_alert_opens_once_however_often_it_is_judged() {
        let mut story = Story::begin();
        for at in ["10:00:00", "10:01:00", "10:02:01", "10:03:00", "10:04:00"] {
            story.beat(at, |said| {
                said.ready = false;
                said.issues = vec!["Sleep timeout is not disabled".to_owned()];
            });
        }
        assert_eq!(story.told, ["10:02:01 not_ready open"]);
        assert_eq!((story.state.word, story.state.word_since), (StationWord::Attention, instant("10:00:00")));
    }

    #[test]
    fn word_of_a_shutdown_excuses_a_silence_and_never_opens_an_alert() {
        use stationkeeper_telemetry::{PowerAction, ServiceState};

        let mut story = Story::begin();
        story.beat("10:00:00", |_| {});
        story.settle(|state, context| on_operations(state, instant("10:30:00"), context));
        assert_eq!(story.told, [""; 0], "silence is the overdue check's business");
        story.tick("10:30:00");
        let action = PowerAction {
            timestamp: Some(instant("10:00:10")),
            mode: Some("shutdown".to_owned()),
            forced: None,
            wake_ready: None,
            success: Some(true),
            delay: Some(30),
            reason: None,
            wake_issues: None,
        };
        let known = ServiceState { last_power_action: Some(action), ..ServiceState::default() };
        story.state.service_state = Some((known, instant("10:31:00")));
        story.settle(|state, context| on_operations(state, instant("10:31:00"), context));
        assert_eq!(story.told, ["10:03:01 heartbeat_missing open", "10:03:01 heartbeat_missing resolved"]);
        assert_eq!(story.state.word, StationWord::Off);
    }

    #[test]
    fn check_at_is_the_next_instant_that_matters() {
        let settings = AlertSettings::default();
        let state = station("10:00:00", |_| {});
        let reservations = [reservation("R", "10:12:00", "11:00:00")];
        let context = Context {
            settings: &settings,
            ignored_issue_codes: &[],
            reservations: &reservations,
            unresolved: &[],
            rules: RuleSet::ALL,
            off: OffPolicy::Excuses,
            passage: Passage::EveryTick,
            grace_from: None,
        };
        for (now, expected) in [("10:00:00", "10:02:00"), ("10:02:00", "10:02:01"), ("10:02:01", "10:03:01")] {
            let outcome = on_passage(&state, instant(now), &context);
            assert_eq!(outcome.state.check_at, Some(instant(expected)), "at {now}");
        }
    }
}
