use stationkeeper_telemetry::{ForcedLogoff, PowerAction, SafeguardReboot, Snapshot};

use super::*;
use crate::orchestrator::{ActionId, OrderedBy, Policy, asked, propose};
use crate::testing::{host, instant, reservation, station};
use crate::{Alert, AlertId, AlertKey, AlertState, Cause, ReservationId, ReservationStatus, Rule, StationState};

pub(crate) fn alert(rule: Rule, reservation: Option<&str>, opened: &str) -> Alert {
    let reservation_id = reservation.map(|id| ReservationId(id.to_owned()));
    let key = AlertKey { rule, host: Some(host()), reservation_id };
    Alert {
        id: AlertId::derive(&key, instant(opened)),
        key,
        state: AlertState::Open,
        opened_at: instant(opened),
        acknowledged_at: None,
        acknowledged_by: None,
        note: None,
        acknowledged_until: None,
        resolved_at: None,
        cause: Cause::NeverHeard,
    }
}

pub(crate) struct Lab {
    pub(crate) state: StationState,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) settings: ActionSettings,
    pub(crate) timing: Timing,
    pub(crate) busy: bool,
}

impl Lab {
    pub(crate) fn with(beat: &str, says: impl FnOnce(&mut Snapshot)) -> Self {
        let mut state = station(beat, says);
        state.skew = Some(TimeDelta::zero());
        let (settings, timing) = (ActionSettings::default(), Timing::default());
        Self { state, reservations: Vec::new(), settings, timing, busy: false }
    }

    pub(crate) fn quiet() -> Self {
        Self::with("09:59:30", |_| {})
    }

    fn known(&self) -> Known<'_> {
        Known { state: &self.state, held: false }
    }

    pub(crate) fn around(&self) -> Surroundings<'_> {
        Surroundings {
            known: self.known(),
            busy: self.busy,
            reservations: &self.reservations,
            settings: &self.settings,
            timing: &self.timing,
        }
    }
}

/// Ordered at 10:00 by a rule, unless a person has approved it.
pub(crate) fn action(kind: ActionKind, state: ActionState) -> StationAction {
    let claimed = state == ActionState::Claimed;
    StationAction {
        state,
        ordered_by: OrderedBy::Rule(Rule::NotReady),
        claim: claimed.then(|| Claim { by: "gw-1".to_owned(), until: instant("10:02:00") }),
        ..asked(&host(), kind, "ana", "k", &ActionSettings::default(), instant("10:00:00"))
    }
}

type Go = fn(StationAction, &Lab, DateTime<Utc>) -> Result<StationAction, ActionError>;

pub(crate) fn lease() -> TimeDelta {
    TimeDelta::seconds(60)
}

#[test]
fn each_step_of_a_life_is_possible_from_where_it_is_and_from_nowhere_else() {
    use ActionState::*;
    let lab = Lab::quiet();
    let now = instant("10:01:00");
    let steps: [(&str, Go); 6] = [
        ("approve", |action, lab, now| action.approve("ana", &lab.around(), now)),
        ("withdraw", |action, _, now| action.withdraw("not needed", now)),
        ("claim", |action, lab, now| action.claim("gw-1", lease(), &lab.around(), now)),
        ("issue", |action, lab, now| action.issue("gw-1", &lab.around(), now)),
        ("done", |action, _, now| action.finish("gw-1", Done, "well", now)),
        ("lost", |action, _, now| action.finish("gw-1", Unknown, "the reply was lost", now)),
    ];
    for (step, from, to) in [
        ("approve", Proposed, Pending),
        ("withdraw", Proposed, Withdrawn),
        ("withdraw", Pending, Withdrawn),
        ("claim", Pending, Claimed),
        ("issue", Claimed, Claimed),
        ("done", Claimed, Done),
        ("lost", Claimed, Unknown),
    ] {
        let (_, go) = steps.iter().find(|(name, _)| *name == step).expect("a step");
        let moved = go(action(ActionKind::RebootIfNeeded, from), &lab, now).expect("possible");
        assert_eq!(moved.state, to, "{step} from {from:?}");
        assert_eq!(moved.settled_at.is_some(), to.is_over(), "{step} from {from:?}");
        assert_eq!(moved.claim.is_some(), to == Claimed, "{step} from {from:?}");
    }
    for (step, go) in steps {
        for from in ActionState::ALL {
            let possible = match step {
                "approve" => from == Proposed,
                "withdraw" => matches!(from, Proposed | Pending),
                "claim" => from == Pending,
                "done" | "lost" => matches!(from, Claimed | Unknown),
                _ => from == Claimed,
            };
            let moved = go(action(ActionKind::RebootIfNeeded, from), &lab, now);
            let refused = if possible { None } else { Some(ActionError::NotFrom(from)) };
            assert_eq!(moved.err(), refused, "{step} from {from:?}");
        }
    }
    for state in ActionState::ALL {
        assert_eq!(ActionState::parse(state.as_str()), Some(state));
    }
    for kind in ActionKind::ALL {
        assert_eq!(ActionKind::parse(kind.as_str()), Some(kind));
    }
}

#[test]
fn one_gateway_has_it_and_what_changes_a_station_is_issued_once() {
    let lab = Lab::quiet();
    let claimed = action(ActionKind::SessionGuard, ActionState::Claimed);
    let (in_time, too_late) = (instant("10:01:59"), instant("10:02:00"));
    assert_eq!(claimed.clone().issue("gw-2", &lab.around(), in_time), Err(ActionError::NotYours));
    assert_eq!(claimed.clone().finish("gw-2", ActionState::Done, "", in_time), Err(ActionError::NotYours));
    assert_eq!(claimed.clone().issue("gw-1", &lab.around(), too_late), Err(ActionError::NotYours), "its claim is over");
    let issued = claimed.issue("gw-1", &lab.around(), in_time).expect("issued");
    assert_eq!(issued.issued_at, Some(in_time));
    assert_eq!(issued.issue("gw-1", &lab.around(), in_time), Err(ActionError::NotFrom(ActionState::Claimed)));
    let wake = action(ActionKind::Wake, ActionState::Claimed).issue("gw-1", &lab.around(), in_time).expect("issued");
    assert!(wake.issue("gw-1", &lab.around(), in_time).is_ok(), "a wake does no harm twice");
}

#[test]
fn time_alone_expires_what_nobody_took_and_frees_what_nobody_holds() {
    use ActionState::*;
    let issued = |kind, at: Option<&str>| StationAction { issued_at: at.map(instant), ..action(kind, Claimed) };
    for (shows, action, now, expected) in [
        ("in time", action(ActionKind::RebootIfNeeded, Pending), "10:29:59", None),
        ("too late", action(ActionKind::RebootIfNeeded, Pending), "10:30:00", Some(Expired)),
        ("nobody approved", action(ActionKind::RebootIfNeeded, Proposed), "10:30:00", Some(Expired)),
        ("its gateway is alive", issued(ActionKind::RebootIfNeeded, None), "10:01:59", None),
        ("gone before it was sent", issued(ActionKind::RebootIfNeeded, None), "10:02:00", Some(Pending)),
        ("gone, and too late", issued(ActionKind::RebootIfNeeded, None), "10:30:00", Some(Expired)),
        ("gone after it was sent", issued(ActionKind::RebootIfNeeded, Some("10:01:00")), "10:02:00", Some(Unknown)),
        ("sent is never expired", issued(ActionKind::RebootIfNeeded, Some("10:01:00")), "12:00:00", Some(Unknown)),
        ("a wake may be repeated", issued(ActionKind::WolCheck, Some("10:01:00")), "10:02:00", Some(Pending)),
        ("over", action(ActionKind::RebootIfNeeded, Done), "12:00:00", None),
        ("unknown is settled otherwise", action(ActionKind::RebootIfNeeded, Unknown), "12:00:00", None),
    ] {
        assert_eq!(action.lapse(instant(now)).map(|lapsed| lapsed.state), expected, "{shows}");
    }
    let lab = Lab::quiet();
    let late = |state| action(ActionKind::RebootIfNeeded, state);
    let now = instant("10:30:00");
    assert_eq!(late(Pending).claim("gw-1", lease(), &lab.around(), now), Err(ActionError::Expired));
    assert_eq!(late(Proposed).approve("ana", &lab.around(), now), Err(ActionError::Expired));
}

#[test]
fn a_station_in_use_held_or_off_on_purpose_is_left_alone() {
    use ActionKind::*;
    let off = |said: &mut Snapshot| {
        said.last_power_action = Some(PowerAction {
            timestamp: Some(instant("09:50:00")),
            mode: Some("shutdown".to_owned()),
            forced: None,
            wake_ready: None,
            success: Some(true),
            delay: None,
            reason: None,
            wake_issues: None,
        });
    };
    let booked = |lab: Lab, start: &str| Lab { reservations: vec![reservation("R", start, "12:00:00")], ..lab };
    let held = || Lab::with("09:59:30", |said| said.local_mode_enabled = Some(true));
    let sits = || Lab::with("09:59:30", |said| said.local_session_active = Some(true));
    let cancelled = || {
        let mut lab = booked(Lab::quiet(), "09:30:00");
        lab.reservations[0].status = ReservationStatus::Cancelled;
        lab
    };
    let soon = ActionError::ReservationSoon(instant("10:15:00"));
    for (shows, lab, kind, by_rule, by_person) in [
        ("nothing in the way", Lab::quiet(), RebootIfNeeded, None, None),
        (
            "off on purpose",
            Lab::with("09:50:00", off),
            WolCheck,
            Some(ActionError::OffOnPurpose),
            Some(ActionError::OffOnPurpose),
        ),
        ("a person wakes it", Lab::with("09:50:00", off), Wake, None, None),
        ("silent without a word", Lab::with("09:50:00", |_| {}), WolCheck, None, None),
        ("busy", Lab { busy: true, ..Lab::quiet() }, WolCheck, Some(ActionError::Busy), Some(ActionError::Busy)),
        (
            "running",
            booked(Lab::quiet(), "09:30:00"),
            RebootIfNeeded,
            Some(ActionError::ReservationRunning),
            Some(ActionError::ReservationRunning),
        ),
        (
            "running",
            booked(Lab::quiet(), "10:00:00"),
            SessionGuard,
            Some(ActionError::ReservationRunning),
            Some(ActionError::ReservationRunning),
        ),
        ("running", booked(Lab::quiet(), "09:30:00"), WolCheck, None, None),
        ("cancelled", cancelled(), RebootIfNeeded, None, None),
        ("soon", booked(Lab::quiet(), "10:15:00"), RebootIfNeeded, Some(soon), None),
        ("soon", booked(Lab::quiet(), "10:15:00"), SessionGuard, None, None),
        ("not so soon", booked(Lab::quiet(), "10:15:01"), RebootIfNeeded, None, None),
        ("held", held(), SessionGuard, Some(ActionError::LocalMode), Some(ActionError::LocalMode)),
        ("held", held(), Shutdown, Some(ActionError::LocalMode), Some(ActionError::LocalMode)),
        ("a session", sits(), RebootIfNeeded, Some(ActionError::LocalSession), None),
        ("a session", sits(), SessionGuard, None, None),
    ] {
        let pending = || action(kind, ActionState::Pending);
        let now = instant("10:00:00");
        let claim = |action: StationAction| action.claim("gw-1", lease(), &lab.around(), now).err();
        assert_eq!(claim(pending()), by_rule, "{shows}: {kind:?} by a rule");
        let person = StationAction { approved_by: Some("ana".to_owned()), ..pending() };
        assert_eq!(claim(person), by_person, "{shows}: {kind:?} by a person");
        let approve = action(kind, ActionState::Proposed).approve("ana", &lab.around(), now);
        assert_eq!(approve.err(), by_person, "{shows}: {kind:?} is approved");
    }
    // What changed since it was claimed counts too.
    let running = booked(Lab::quiet(), "10:01:00");
    let claimed = action(RebootIfNeeded, ActionState::Claimed);
    assert_eq!(claimed.issue("gw-1", &running.around(), instant("10:01:00")), Err(ActionError::ReservationRunning));
}

#[test]
fn a_rule_proposes_its_answer_as_its_policy_says() {
    let (mut settings, timing) = (ActionSettings::default(), Timing::default());
    let now = instant("10:00:00");
    let answer = |rule, settings: &ActionSettings| {
        propose(&alert(rule, None, "10:00:00"), None, settings, &timing, now).map(|action| (action.kind, action.state))
    };
    for (rule, expected) in [
        (Rule::HeartbeatMissing, Some((ActionKind::WolCheck, ActionState::Pending))),
        (Rule::NotReady, Some((ActionKind::RebootIfNeeded, ActionState::Proposed))),
        (Rule::LocalSessionBeforeReservation, Some((ActionKind::SessionGuard, ActionState::Proposed))),
        (Rule::StaleForcedLogoff, Some((ActionKind::SessionGuard, ActionState::Proposed))),
        (Rule::LocalModePendingReservation, None),
        (Rule::ClockSkew, None),
        (Rule::IngestStalled, None),
    ] {
        assert_eq!(answer(rule, &settings), expected, "{rule}");
    }
    settings =
        serde_json::from_str(r#"{"policies":{"heartbeat_missing":"off"},"stations":{"LAB-01":{"not_ready":"auto"}}}"#)
            .expect("settings");
    assert_eq!(answer(Rule::HeartbeatMissing, &settings), None);
    assert_eq!(answer(Rule::NotReady, &settings), Some((ActionKind::RebootIfNeeded, ActionState::Pending)));
    assert_eq!(
        settings.policy(Rule::NotReady, &stationkeeper_telemetry::HostName::parse("LAB-02").expect("a host")),
        Policy::Propose
    );
}

#[test]
fn one_alert_has_one_answer_and_one_reservation_one_guard() {
    let (settings, timing) = (ActionSettings::default(), Timing::default());
    let id = |alert: &Alert, now: &str| -> ActionId {
        propose(alert, None, &settings, &timing, instant(now)).expect("an answer").id
    };
    let first = alert(Rule::NotReady, None, "10:00:00");
    assert_eq!(id(&first, "10:00:00"), id(&first, "10:05:00"));
    assert_ne!(id(&first, "10:00:00"), id(&alert(Rule::NotReady, None, "11:00:00"), "11:00:00"), "it opened again");
    let stale = |opened| alert(Rule::StaleForcedLogoff, Some("R"), opened);
    assert_eq!(id(&stale("09:50:00"), "09:50:00"), id(&stale("09:55:00"), "09:55:00"), "once per reservation");
    assert_ne!(
        id(&stale("09:50:00"), "09:50:00"),
        id(&alert(Rule::StaleForcedLogoff, Some("S"), "09:50:00"), "09:50:00")
    );
    let by = |key| asked(&host(), ActionKind::Wake, "ana", key, &settings, instant("10:00:00"));
    assert_eq!(by("k").id, by("k").id);
    assert_ne!(by("k").id, by("l").id);
    assert!(by("k").is_wanted_by_a_person());
}

#[test]
fn whoever_sits_there_has_the_notice_and_the_guard_ends_before_the_prepare() {
    let (settings, timing) = (ActionSettings::default(), Timing::default());
    let reservation = reservation("R", "10:00:00", "11:00:00");
    for (opened, not_before) in [
        ("09:50:00", "09:55:00"), // five minutes
        ("09:52:00", "09:56:30"), // as long as a guard of 90 s ends before the prepare at 09:58
        ("09:57:00", "09:57:00"), // at once
    ] {
        let alert = alert(Rule::LocalSessionBeforeReservation, Some("R"), opened);
        let guard = propose(&alert, Some(&reservation), &settings, &timing, instant(opened)).expect("an answer");
        assert_eq!((guard.not_before, guard.expires_at), (instant(not_before), instant("10:00:00")), "{opened}");
        let lab = Lab::with(opened, |_| {});
        let pending = StationAction { state: ActionState::Pending, ..guard };
        let early = pending.clone().claim("gw-1", lease(), &lab.around(), instant(not_before) - TimeDelta::seconds(1));
        assert_eq!(early, Err(ActionError::NotYet(instant(not_before))), "{opened}");
        assert!(pending.claim("gw-1", lease(), &lab.around(), instant(not_before)).is_ok(), "{opened}");
    }
}

#[test]
fn an_unknown_outcome_is_settled_by_the_next_heartbeat_and_never_sent_again() {
    use ActionState::{Done, Failed, Unknown};
    let rebooted = |at: &'static str, success: bool| {
        move |said: &mut Snapshot| {
            said.last_safeguard_reboot = Some(SafeguardReboot {
                timestamp: Some(instant(at)),
                rebooted: Some(true),
                success: Some(success),
                reason: None,
                message: None,
                issues: None,
            });
        }
    };
    let logged_off = |at: &'static str| {
        move |said: &mut Snapshot| {
            said.last_forced_logoff = Some(ForcedLogoff {
                timestamp: Some(instant(at)),
                user: Some("ana".to_owned()),
                session_id: Some(2),
                grace: Some(90),
                force: None,
                message: None,
                source: None,
                state: None,
                success: Some(true),
            });
        }
    };
    let sits = |yes| move |said: &mut Snapshot| said.local_session_active = Some(yes);
    use ActionKind::{RebootIfNeeded, SessionGuard, Shutdown};
    for (shows, lab, kind, now, expected) in [
        ("nothing heard", Lab::with("09:59:00", |_| {}), RebootIfNeeded, "10:05:59", None),
        ("nothing heard for too long", Lab::with("09:59:00", |_| {}), RebootIfNeeded, "10:06:00", Some(Failed)),
        ("it rebooted", Lab::with("10:02:00", rebooted("10:00:10", true)), RebootIfNeeded, "10:02:01", Some(Done)),
        ("it could not", Lab::with("10:02:00", rebooted("10:00:10", false)), RebootIfNeeded, "10:02:01", Some(Failed)),
        ("an earlier one", Lab::with("10:02:00", rebooted("09:30:00", true)), RebootIfNeeded, "10:02:01", None),
        (
            "somebody was logged off",
            Lab::with("10:02:00", logged_off("10:01:30")),
            SessionGuard,
            "10:02:01",
            Some(Done),
        ),
        ("nobody is there any more", Lab::with("10:02:36", sits(false)), SessionGuard, "10:02:37", Some(Done)),
        ("not yet", Lab::with("10:02:00", sits(true)), SessionGuard, "10:02:01", None),
        ("they sit there still", Lab::with("10:02:36", sits(true)), SessionGuard, "10:02:37", Some(Failed)),
        ("it never went down", Lab::with("10:01:06", |_| {}), Shutdown, "10:01:07", Some(Failed)),
    ] {
        let unknown = StationAction { issued_at: Some(instant("10:00:00")), ..action(kind, Unknown) };
        let settled = unknown.settle(&lab.known(), &lab.timing, instant(now));
        assert_eq!(settled.map(|settled| settled.state), expected, "{shows}");
        assert!(unknown.claim("gw-1", lease(), &lab.around(), instant(now)).is_err(), "{shows}: sent again");
    }
}
