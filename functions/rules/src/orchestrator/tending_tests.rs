use super::*;
use crate::Rule;
use crate::orchestrator::action_life::tests::{Lab, action, alert, lease};
use crate::orchestrator::{ActionKind, Claim, Policy};
use crate::testing::{instant, reservation};

fn tended(lab: &Lab, open: &[StationAction], alerts: &[Alert], known: &[ActionId], now: &str) -> Tended {
    let known = known.iter().cloned().collect();
    Tending { open, known: &known, alerts, around: lab.around() }.tended(instant(now))
}

fn taken(lab: &Lab, open: &[StationAction], now: &str) -> Option<StationAction> {
    taken_by(lab, open, true, now)
}

fn taken_by(lab: &Lab, open: &[StationAction], logs_in: bool, now: &str) -> Option<StationAction> {
    let known = BTreeSet::new();
    Tending { open, known: &known, alerts: &[], around: lab.around() }.take("gw-1", logs_in, lease(), instant(now))
}

#[test]
fn an_alert_orders_its_answer_once() {
    let mut lab = Lab::quiet();
    let silent = alert(Rule::HeartbeatMissing, None, "10:00:00");
    let drift = alert(Rule::PowerDrift, None, "10:00:00");
    let first = tended(&lab, &[], &[silent.clone(), drift], &[], "10:00:05");
    assert_eq!(first.moved, []);
    let [ordered] = first.ordered.as_slice() else { panic!("one answer: {first:?}") };
    assert_eq!((ordered.kind, ordered.state), (ActionKind::WolCheck, ActionState::Pending));
    assert_eq!(ordered.alert_id.as_ref(), Some(&silent.id));
    assert_eq!(tended(&lab, &[], &[silent], std::slice::from_ref(&ordered.id), "10:05:00"), Tended::default());

    // The same need of the same reservation is the same answer, however often its alert opens.
    lab.reservations = vec![reservation("R", "11:00:00", "12:00:00")];
    let alerts = ["10:50:00", "10:53:00"].map(|at| alert(Rule::StaleForcedLogoff, Some("R"), at));
    let ids: BTreeSet<_> = alerts
        .iter()
        .flat_map(|one| tended(&lab, &[], std::slice::from_ref(one), &[], "10:54:00").ordered)
        .map(|one| one.id)
        .collect();
    assert_eq!(ids.len(), 1);

    lab.settings.policies.insert(Rule::StaleForcedLogoff, Policy::Off);
    assert_eq!(tended(&lab, &[], &alerts, &[], "10:54:00"), Tended::default());
}

#[test]
fn time_and_the_end_of_an_alert_move_what_nobody_has() {
    let lab = Lab::quiet();
    let stands = alert(Rule::NotReady, None, "10:00:00");
    let id = ActionId::answering(&stands).expect("an answer");
    let of = |state, kind| StationAction { id: id.clone(), ..action(kind, state) };
    for (shows, open, alerts, now, becomes) in [
        ("it waits", of(ActionState::Proposed, ActionKind::RebootIfNeeded), true, "10:29:59", None),
        (
            "nobody took it up",
            of(ActionState::Proposed, ActionKind::RebootIfNeeded),
            true,
            "10:30:00",
            Some(ActionState::Expired),
        ),
        (
            "its alert is over",
            of(ActionState::Proposed, ActionKind::RebootIfNeeded),
            false,
            "10:01:00",
            Some(ActionState::Withdrawn),
        ),
        ("over while a gateway has it", of(ActionState::Claimed, ActionKind::RebootIfNeeded), false, "10:01:00", None),
        (
            "its gateway is gone before it was sent",
            of(ActionState::Claimed, ActionKind::RebootIfNeeded),
            true,
            "10:02:00",
            Some(ActionState::Pending),
        ),
    ] {
        let alerts = if alerts { vec![stands.clone()] } else { Vec::new() };
        let moved = tended(&lab, &[open], &alerts, std::slice::from_ref(&id), now).moved;
        assert_eq!(moved.first().map(|action| action.state), becomes, "{shows}");
    }
    // What a person wants needs no alert.
    let wanted = crate::orchestrator::asked(
        &crate::testing::host(),
        ActionKind::Wake,
        "ana",
        "k",
        &lab.settings,
        instant("10:00:00"),
    );
    assert_eq!(tended(&lab, &[wanted], &[], &[], "10:01:00"), Tended::default());
}

#[test]
fn one_at_a_time_is_taken_and_written_down_as_sent() {
    let lab = Lab::quiet();
    let of = |kind, state| action(kind, state);
    let waits = of(ActionKind::SessionGuard, ActionState::Pending);
    let wake = of(ActionKind::Wake, ActionState::Pending);
    let took = taken(&lab, &[waits.clone(), wake.clone()], "10:01:00").expect("one");
    assert_eq!((took.kind, took.state), (ActionKind::SessionGuard, ActionState::Claimed));
    assert_eq!(took.issued_at, Some(instant("10:01:00")));
    assert_eq!(took.claim, Some(Claim { by: "gw-1".to_owned(), until: instant("10:02:00") }));

    let later = StationAction { not_before: instant("10:05:00"), ..waits.clone() };
    assert_eq!(taken(&lab, &[later, wake.clone()], "10:01:00").map(|took| took.kind), Some(ActionKind::Wake));
    for (state, takes) in [(ActionState::Claimed, None), (ActionState::Unknown, Some(ActionKind::Wake))] {
        let open = [of(ActionKind::RebootIfNeeded, state), waits.clone(), wake.clone()];
        assert_eq!(taken(&lab, &open, "10:01:00").map(|took| took.kind), takes, "{state:?}");
    }
    let packets = taken_by(&lab, &[waits.clone(), wake.clone()], false, "10:01:00");
    assert_eq!(packets.map(|took| took.kind), Some(ActionKind::Wake), "by a gateway that logs in to no station");
    assert_eq!(taken(&lab, &[of(ActionKind::Wake, ActionState::Proposed)], "10:01:00"), None, "nobody approved it");
}

#[test]
fn a_wake_under_way_can_be_stopped_and_a_command_cannot() {
    let now = instant("10:01:00");
    for (kind, stops) in [
        (ActionKind::Wake, true),
        (ActionKind::WolCheck, true),
        (ActionKind::SessionGuard, false),
        (ActionKind::Shutdown, false),
    ] {
        let stopped = action(kind, ActionState::Claimed).withdraw("ana stopped it", now);
        assert_eq!(
            stopped.is_ok_and(|action| action.state == ActionState::Withdrawn && action.claim.is_none()),
            stops,
            "{kind:?}"
        );
    }
}

#[test]
fn its_end_leaves_what_a_run_does_and_remembers_a_guard_whoever_saw_it_end() {
    use crate::{Doing, Running};
    let now = instant("10:05:00");
    for (shows, kind, state, doing, runs_on, guarded) in [
        ("a wake", ActionKind::Wake, ActionState::Done, Doing::Wake, false, false),
        ("a wake while a run prepares", ActionKind::Wake, ActionState::Done, Doing::Prepare, true, false),
        ("a wake that was stopped", ActionKind::WolCheck, ActionState::Withdrawn, Doing::Wake, false, false),
        ("a guard", ActionKind::SessionGuard, ActionState::Done, Doing::SessionGuard, false, true),
        ("a guard that failed", ActionKind::SessionGuard, ActionState::Failed, Doing::SessionGuard, false, false),
        ("nobody saw it end", ActionKind::SessionGuard, ActionState::Unknown, Doing::SessionGuard, true, false),
        ("a shutdown", ActionKind::Shutdown, ActionState::Done, Doing::Release, true, false),
    ] {
        let mut station = Lab::quiet().state;
        station.running = Some(Running::new(doing, instant("10:00:00"), lease()));
        StationAction { issued_at: Some(instant("10:00:00")), ..action(kind, state) }.leave(&mut station, now);
        assert_eq!((station.running.is_some(), station.guarded_at), (runs_on, guarded.then_some(now)), "{shows}");
    }
    let mut station = Lab::quiet().state;
    station.running = Some(Running::new(Doing::Wake, instant("10:00:00"), lease()));
    action(ActionKind::WolCheck, ActionState::Expired).leave(&mut station, now);
    assert!(station.running.is_some(), "it was never sent: the wake is a run's");
}
