//! What is owed, who heard what, what was decided, and what mutes it.

use chrono::TimeDelta;
use stationkeeper_rules::notify::{Because, Decision, Heard, Hearing, Owed, Silence, SilenceId, Span, Step, Telling};
use stationkeeper_rules::{
    Actor, AlertId, AlertKey, AlertState, Cause, MessageId, MessageKind, Reservation, ReservationId, ReservationStatus,
    Rule, StationWord, TimeZone, Transition,
};
use stationkeeper_store::{CatalogEntry, HostStatus, SilenceCursor};

use super::{at, heard, host, with_stations};
use crate::Lab;

fn opened(name: &str, second: i64) -> Transition {
    let key = AlertKey { rule: Rule::HeartbeatMissing, host: Some(host(name)), reservation_id: None };
    Transition {
        alert_id: AlertId::derive(&key, at(second)),
        key,
        from: None,
        to: AlertState::Open,
        at: at(second),
        actor: Actor::Rule,
        cause: Cause::NothingNewer { since: at(second) },
        note: None,
        acknowledged_until: None,
    }
}

fn resolved(opened: &Transition, second: i64) -> Transition {
    Transition {
        from: Some(AlertState::Open),
        to: AlertState::Resolved,
        at: at(second),
        cause: Cause::HeartbeatArrived { timestamp: at(second) },
        ..opened.clone()
    }
}

fn step(moved: &Transition) -> Step {
    Step { alert_id: moved.alert_id.clone(), at: moved.at, to: moved.to }
}

async fn moved(lab: &Lab, transitions: &[Transition], now: i64) {
    let mut work = lab.store.begin().await.unwrap();
    work.alerts().apply(transitions).await.unwrap();
    work.owed().append(transitions, at(now)).await.unwrap();
    work.commit().await.unwrap();
}

async fn unplanned(lab: &Lab) -> Vec<Owed> {
    let mut work = lab.store.begin().await.unwrap();
    work.owed().unplanned(100).await.unwrap().rows
}

async fn saved(lab: &Lab, news: &[(Owed, Option<i64>)], now: i64) {
    let news: Vec<_> = news.iter().map(|(owed, look)| (owed.clone(), look.map(at))).collect();
    let mut work = lab.store.begin().await.unwrap();
    work.owed().save(&news, at(now)).await.unwrap();
    work.commit().await.unwrap();
}

pub async fn news_are_owed_once_until_they_are_planned(lab: Lab) {
    let (one, two) = (opened("LAB-01", 0), opened("LAB-02", 1));
    assert!(!lab.store.planning_is_due(at(1_000)).await.unwrap());
    moved(&lab, &[one.clone(), two.clone()], 5).await;
    moved(&lab, &[one.clone()], 9).await;
    let owed = unplanned(&lab).await;
    let mut steps: Vec<_> = owed.iter().map(|owed| (owed.step.clone(), owed.owed_at, owed.cause.clone())).collect();
    steps.sort_by_key(|(one, ..)| one.at);
    assert_eq!(steps, [(step(&one), at(5), one.cause.clone()), (step(&two), at(5), two.cause.clone())]);
    assert!(!lab.store.planning_is_due(at(4)).await.unwrap());
    assert!(lab.store.planning_is_due(at(5)).await.unwrap());

    let of_one = owed.iter().find(|owed| owed.step.alert_id == one.alert_id).unwrap().clone();
    let of_two = owed.iter().find(|owed| owed.step.alert_id == two.alert_id).unwrap().clone();
    saved(&lab, &[(of_one.clone(), None), (of_two.clone(), Some(60))], 6).await;
    assert_eq!(unplanned(&lab).await, [of_two.clone()]);
    assert_eq!(lab.store.next_look_at(&one.alert_id).await.unwrap(), None);
    assert_eq!(lab.store.next_look_at(&two.alert_id).await.unwrap(), Some(at(60)));
    assert!(!lab.store.planning_is_due(at(59)).await.unwrap());
    assert!(lab.store.planning_is_due(at(60)).await.unwrap());

    moved(&lab, &[one.clone()], 70).await;
    assert_eq!(unplanned(&lab).await, [of_two.clone()], "what is planned stays planned");
    let mut work = lab.store.begin().await.unwrap();
    work.planner().lock().await.unwrap();
    work.owed().look_at_once(at(20)).await.unwrap();
    work.planner().ran(at(20)).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(lab.store.next_look_at(&two.alert_id).await.unwrap(), Some(at(20)));
}

pub async fn looking_for_what_is_owed_reads_nothing_else(lab: Lab) {
    let all: Vec<_> = (0..100).map(|number| opened(&format!("LAB-{number:03}"), number)).collect();
    moved(&lab, &all, 10_000).await;
    let now = "2026-11-24T09:00:00.000000Z";
    let statement = include_str!("../../src/sql/planning_is_due.sql");
    // Opening the tables' statistics is counted as well.
    lab.reads_by_index(statement, &[now, now], 40).await;
    assert!(!lab.store.planning_is_due(at(3_600)).await.unwrap());
}

pub async fn decisions_are_logged_and_the_last_one_counts(lab: Lab) {
    let one = opened("LAB-01", 0);
    moved(&lab, &[one.clone()], 0).await;
    let decided = |receiver: Option<&str>, because, second| Decision {
        step: step(&one),
        receiver: receiver.map(str::to_owned),
        because,
        decided_at: at(second),
    };
    let silenced = Because::Silenced { silence: SilenceId("a1".to_owned()), until: Some(at(60)) };
    let told = Because::Message { id: MessageId("m1".to_owned()), kind: MessageKind::Problem };
    let all = [
        decided(None, Because::NoRoute, 1),
        decided(Some("ops"), silenced.clone(), 2),
        decided(Some("ops"), told.clone(), 60),
    ];
    let mut work = lab.store.begin().await.unwrap();
    work.decisions().append(&[decided(Some("ops"), Because::NeverHeard, 2)]).await.unwrap();
    work.decisions().append(&all).await.unwrap();
    assert_eq!(work.decisions().of(&[one.alert_id.clone()]).await.unwrap().rows, all);
    assert_eq!(work.decisions().of(&[]).await.unwrap().rows, []);
    work.commit().await.unwrap();
    assert_eq!(lab.store.decisions(&one.alert_id).await.unwrap(), all);
    let tellings = all.map(|one| one.because.telling());
    assert_eq!(tellings, [Telling::Untold, Telling::Held, Telling::Told]);
}

pub async fn who_heard_is_remembered_until_it_is_over(lab: Lab) {
    let one = opened("LAB-01", 0);
    moved(&lab, &[one.clone()], 0).await;
    let hearing = |receiver: &str| Hearing {
        step: step(&one),
        receiver: receiver.to_owned(),
        heard: Heard::Opened,
        remind_at: Some(at(3_600)),
        ended_at: None,
    };
    let save = async |hearings: &[Hearing]| {
        let mut work = lab.store.begin().await.unwrap();
        work.hearings().save(hearings).await.unwrap();
        work.commit().await.unwrap();
        let mut work = lab.store.begin().await.unwrap();
        work.hearings().standing().await.unwrap().rows
    };
    let owed: Vec<_> = unplanned(&lab).await.into_iter().map(|owed| (owed, None)).collect();
    saved(&lab, &owed, 0).await;
    let both = [hearing("dean"), hearing("ops")];
    assert_eq!(save(&both).await, both);
    assert!(!lab.store.planning_is_due(at(3_599)).await.unwrap());
    assert!(lab.store.planning_is_due(at(3_600)).await.unwrap(), "a reminder is due");
    let ended = Hearing { remind_at: None, ended_at: Some(at(90)), ..hearing("dean") };
    let flapping = Hearing { heard: Heard::Flapping, remind_at: None, ..hearing("ops") };
    assert_eq!(save(&[ended, flapping.clone()]).await, [flapping]);
    assert!(!lab.store.planning_is_due(at(10_000)).await.unwrap());
}

fn silence(rule: Option<Rule>, span: Span, second: i64) -> Silence {
    Silence::new(Silence {
        id: SilenceId(String::new()),
        host: Some(host("LAB-01")),
        lab: Some("redes".to_owned()),
        rule,
        span,
        reason: "cleaning".to_owned(),
        author: "ana".to_owned(),
        created_at: at(second),
        ended_at: None,
    })
    .unwrap()
}

pub async fn silences_stand_until_they_are_over_or_ended(lab: Lab) {
    let one = opened("LAB-01", 0);
    moved(&lab, &[one.clone()], 0).await;
    let held: Vec<_> = unplanned(&lab).await.into_iter().map(|owed| (owed, Some(500))).collect();
    saved(&lab, &held, 0).await;
    let once = silence(None, Span::Once { from: at(0), until: at(100) }, 0);
    let until_resolved = silence(Some(Rule::HeartbeatMissing), Span::UntilResolved { from: at(0) }, 1);
    let recurring = silence(
        None,
        Span::Recurring {
            from: at(0),
            until: at(60),
            rule: "FREQ=DAILY".to_owned(),
            time_zone: TimeZone::parse("Europe/Madrid").unwrap(),
        },
        2,
    );
    let mut work = lab.store.begin().await.unwrap();
    for silence in [&once, &until_resolved, &recurring, &once] {
        work.silences().add(silence).await.unwrap();
    }
    let (o, u, r) = (once.clone(), until_resolved.clone(), recurring.clone());
    assert_eq!(work.silences().standing(at(99)).await.unwrap().rows, [r.clone(), u.clone(), o.clone()]);
    assert_eq!(work.silences().standing(at(100)).await.unwrap().rows, [r.clone(), u.clone()]);
    assert_eq!(work.silences().end(&[u.id.clone()], at(50)).await.unwrap(), 1);
    work.commit().await.unwrap();
    assert_eq!(lab.store.silences(Some(at(10)), None, 10).await.unwrap(), [r.clone(), o.clone()]);
    let ended = Silence { ended_at: Some(at(50)), ..u.clone() };
    let after = SilenceCursor { created_at: r.created_at, id: r.id.clone() };
    assert_eq!(lab.store.silences(None, Some(&after), 1).await.unwrap(), [ended.clone()]);
    assert_eq!(lab.store.silence(&u.id).await.unwrap(), Some(ended.clone()));
    assert_eq!(lab.store.silences(None, None, 2).await.unwrap(), [r.clone(), ended]);

    assert_eq!(lab.store.next_look_at(&one.alert_id).await.unwrap(), Some(at(500)));
    for (id, second, ended) in [(&r.id, 70, 1), (&r.id, 80, 0), (&SilenceId("none".to_owned()), 80, 0)] {
        let mut work = lab.store.begin().await.unwrap();
        assert_eq!(work.silences().end(std::slice::from_ref(id), at(second)).await.unwrap(), ended, "{id} at {second}");
        if ended > 0 {
            work.owed().look_at_once(at(second)).await.unwrap();
        }
        work.commit().await.unwrap();
    }
    assert_eq!(lab.store.next_look_at(&one.alert_id).await.unwrap(), Some(at(70)), "what it held back");

    assert_eq!(lab.store.prune_audit(at(71), 10).await.unwrap().rows, 2, "what was ended before");
    assert_eq!(lab.store.silences(None, None, 10).await.unwrap(), [o]);
    assert_eq!(lab.store.prune_audit(at(101), 10).await.unwrap().rows, 1, "what was over before");
}

pub async fn alerts_are_found_with_their_laboratory_and_person(lab: Lab) {
    with_stations(&lab.store, &[heard("LAB-01", at(0), StationWord::Ready)]).await;
    let entry = CatalogEntry {
        host: host("LAB-01"),
        lab: Some("redes".to_owned()),
        address: None,
        mac: None,
        status: HostStatus::Active,
        created_at: at(0),
    };
    let reservation = Reservation {
        id: ReservationId("R1".to_owned()),
        lab: None,
        host: host("LAB-01"),
        start_at: at(0),
        end_at: at(60),
        status: ReservationStatus::Confirmed,
        who: Some("mia".to_owned()),
    };
    let mut of_mia = opened("LAB-01", 10);
    of_mia.key.reservation_id = Some(reservation.id.clone());
    of_mia.alert_id = AlertId::derive(&of_mia.key, of_mia.at);
    let (old, elsewhere) = (opened("LAB-01", 0), opened("LAB-02", 5));
    let mut work = lab.store.begin().await.unwrap();
    work.states().save_catalog(&[entry]).await.unwrap();
    work.reservations().save(&[reservation]).await.unwrap();
    work.commit().await.unwrap();
    let end = resolved(&old, 1);
    moved(&lab, &[old.clone(), end, of_mia.clone(), elsewhere.clone()], 20).await;

    let find = async |these: &[AlertId], after: i64| {
        let mut work = lab.store.begin().await.unwrap();
        let found = work.placed_alerts(these, at(after)).await.unwrap().rows;
        found.into_iter().map(|one| (one.alert.id, one.lab, one.person)).collect::<Vec<_>>()
    };
    let standing = [
        (elsewhere.alert_id.clone(), None, None),
        (of_mia.alert_id.clone(), Some("redes".to_owned()), Some("mia".to_owned())),
    ];
    assert_eq!(find(&[], 100).await, standing, "what is unresolved");
    let over = (old.alert_id.clone(), Some("redes".to_owned()), None);
    let all: Vec<_> = [over].into_iter().chain(standing).collect();
    assert_eq!(find(&[old.alert_id.clone(), of_mia.alert_id.clone()], 100).await, all, "and what is asked for");
    assert_eq!(find(&[], -1).await, all, "and what opened lately");
}

pub async fn what_was_decided_goes_with_its_alert(lab: Lab) {
    let one = opened("LAB-01", 0);
    moved(&lab, &[one.clone(), resolved(&one, 10)], 10).await;
    let mut work = lab.store.begin().await.unwrap();
    let hearing =
        Hearing { step: step(&one), receiver: "ops".to_owned(), heard: Heard::Opened, remind_at: None, ended_at: None };
    let decision = Decision { step: step(&one), receiver: None, because: Because::NoRoute, decided_at: at(1) };
    work.hearings().save(&[hearing]).await.unwrap();
    work.decisions().append(&[decision]).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(lab.store.prune_audit(at(10) + TimeDelta::seconds(1), 10).await.unwrap().rows, 1);
    assert_eq!(lab.store.decisions(&one.alert_id).await.unwrap(), []);
    assert_eq!(unplanned(&lab).await, []);
    let mut work = lab.store.begin().await.unwrap();
    assert_eq!(work.hearings().standing().await.unwrap().rows, []);
}

pub async fn one_row_that_cannot_be_read_does_not_take_the_others_with_it(lab: Lab) {
    let (one, two) = (opened("LAB-01", 0), opened("LAB-02", 1));
    moved(&lab, &[one.clone(), two.clone()], 1).await;
    lab.tamper(&format!("update alerts set cause = '{{' where id = '{}'", one.alert_id)).await;
    lab.tamper(&format!("update alert_transitions set cause = '{{' where alert_id = '{}'", one.alert_id)).await;
    let mut work = lab.store.begin().await.unwrap();
    let owed = work.owed().unplanned(10).await.unwrap();
    assert_eq!(owed.rows.iter().map(|owed| &owed.step.alert_id).collect::<Vec<_>>(), [&two.alert_id]);
    assert_eq!(owed.unreadable[0].alert_id.as_ref(), Some(&one.alert_id));
    let alerts = work.placed_alerts(&[], at(0)).await.unwrap();
    assert_eq!(alerts.rows.iter().map(|placed| &placed.alert.id).collect::<Vec<_>>(), [&two.alert_id]);
    assert!(alerts.unreadable.iter().all(|unreadable| unreadable.alert_id.as_ref() == Some(&one.alert_id)));
    let error = alerts.unreadable[0].error.to_string();
    assert!(error.contains("alerts") && error.contains(&one.alert_id.0), "{error}");
}
