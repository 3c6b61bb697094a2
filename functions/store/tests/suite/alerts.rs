use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::{
    Actor, Alert, AlertId, AlertKey, AlertState, Cause, ReservationId, Rule, StationWord, Transition,
};
use stationkeeper_store::{AlertCursor, AlertFilter, CatalogEntry, HostStatus};

use super::{at, chain, heard, host, with_stations};
use crate::Lab;

fn key(rule: Rule, name: Option<&str>, reservation: Option<&str>) -> AlertKey {
    AlertKey { rule, host: name.map(host), reservation_id: reservation.map(|id| ReservationId(id.to_owned())) }
}

fn open(key: &AlertKey, opened_at: DateTime<Utc>) -> Transition {
    Transition {
        alert_id: AlertId::derive(key, opened_at),
        key: key.clone(),
        from: None,
        to: AlertState::Open,
        at: opened_at,
        actor: Actor::Rule,
        cause: Cause::NothingNewer { since: opened_at },
        note: None,
        acknowledged_until: None,
    }
}

fn acknowledge(opened: &Transition, at: DateTime<Utc>) -> Transition {
    Transition {
        from: Some(AlertState::Open),
        to: AlertState::Acknowledged,
        at,
        actor: Actor::Person("ann".to_owned()),
        cause: Cause::ByHand,
        note: Some("on my way".to_owned()),
        acknowledged_until: Some(at + TimeDelta::hours(1)),
        ..opened.clone()
    }
}

fn resolve(opened: &Transition, from: AlertState, at: DateTime<Utc>) -> Transition {
    Transition { from: Some(from), to: AlertState::Resolved, at, cause: Cause::ReadyAgain, ..opened.clone() }
}

async fn apply(lab: &Lab, transitions: &[Transition]) {
    let mut work = lab.store.begin().await.unwrap();
    work.alerts().apply(transitions).await.unwrap();
    work.commit().await.unwrap();
}

async fn all(lab: &Lab) -> Vec<Alert> {
    lab.store.alerts(&AlertFilter::default(), None, 100).await.unwrap()
}

pub async fn an_alert_lives_and_repeats_harmlessly(lab: Lab) {
    let key = key(Rule::NotReady, Some("LAB-01"), None);
    let opened = open(&key, at(0));
    let steps = [opened.clone(), acknowledge(&opened, at(60)), resolve(&opened, AlertState::Acknowledged, at(120))];
    let mut expected = Alert {
        id: opened.alert_id.clone(),
        key: key.clone(),
        state: AlertState::Open,
        opened_at: at(0),
        acknowledged_at: None,
        acknowledged_by: None,
        note: None,
        acknowledged_until: None,
        resolved_at: None,
        cause: opened.cause.clone(),
    };
    for (count, step) in steps.iter().enumerate() {
        match step.to {
            AlertState::Open => {}
            AlertState::Acknowledged => {
                expected.state = AlertState::Acknowledged;
                expected.acknowledged_at = Some(at(60));
                expected.acknowledged_by = Some("ann".to_owned());
                expected.acknowledged_until = Some(at(60) + TimeDelta::hours(1));
                expected.note = Some("on my way".to_owned());
            }
            AlertState::Resolved => {
                expected.state = AlertState::Resolved;
                expected.resolved_at = Some(at(120));
            }
        }
        // The step, the step again, and all up to it again.
        for steps in [&steps[count..=count], &steps[count..=count], &steps[..=count]] {
            apply(&lab, steps).await;
            let found = lab.store.alert(&opened.alert_id).await.unwrap().unwrap();
            assert_eq!(found.alert, expected);
            assert_eq!(found.transitions.len(), count + 1);
        }
    }
    // What is over is not opened again by a step that comes late.
    apply(&lab, &steps[..2]).await;
    assert_eq!(all(&lab).await, [expected]);
    assert_eq!(lab.store.alert(&opened.alert_id).await.unwrap().unwrap().transitions, steps);
    assert_eq!(lab.store.alert(&AlertId("none".to_owned())).await.unwrap(), None);
    assert_eq!(lab.store.prune_audit(at(120), 9).await.unwrap().rows, 0);
    assert_eq!(lab.store.prune_audit(at(121), 9).await.unwrap().rows, 1);
    assert_eq!(lab.store.alert(&opened.alert_id).await.unwrap(), None);
}

pub async fn a_batch_may_resolve_and_open_again(lab: Lab) {
    let key = key(Rule::HeartbeatMissing, Some("LAB-01"), None);
    let [one, two, three] = [0, 100, 200].map(|second| open(&key, at(second)));
    apply(&lab, &[one.clone()]).await;
    let batch = [
        acknowledge(&one, at(40)),
        resolve(&one, AlertState::Acknowledged, at(50)),
        two.clone(),
        resolve(&two, AlertState::Open, at(150)),
        three.clone(),
    ];
    for _ in 0..2 {
        apply(&lab, &batch).await;
        let states: Vec<_> =
            all(&lab).await.into_iter().map(|alert| (alert.opened_at, alert.state, alert.resolved_at)).collect();
        assert_eq!(
            states,
            [
                (at(200), AlertState::Open, None),
                (at(100), AlertState::Resolved, Some(at(150))),
                (at(0), AlertState::Resolved, Some(at(50))),
            ]
        );
    }
    // Acknowledged and opened again by hand or rule.
    let taken = acknowledge(&three, at(210));
    let back = Transition { from: Some(AlertState::Acknowledged), to: AlertState::Open, at: at(220), ..three.clone() };
    apply(&lab, &[taken, back]).await;
    let mut work = lab.store.begin().await.unwrap();
    let alert = work.alerts().lock(&three.alert_id).await.unwrap().unwrap();
    assert_eq!((alert.state, alert.acknowledged_at, alert.note), (AlertState::Open, None, None));
}

pub async fn a_second_unresolved_alert_is_refused(lab: Lab) {
    for name in [Some("LAB-01"), None] {
        let key = key(Rule::IngestStalled, name, None);
        apply(&lab, &[open(&key, at(0))]).await;
        let mut work = lab.store.begin().await.unwrap();
        let error = work.alerts().apply(&[open(&key, at(60))]).await.unwrap_err();
        assert!(!error.is_transient(), "{}", chain(&error));
        drop(work);
    }
    // Another reservation is another alert.
    for reservation in ["R-1", "R-2"] {
        apply(&lab, &[open(&key(Rule::StaleForcedLogoff, Some("LAB-01"), Some(reservation)), at(0))]).await;
    }
    assert_eq!(all(&lab).await.len(), 4);
}

pub async fn alerts_are_listed_by_filter_and_page(lab: Lab) {
    with_stations(&lab.store, &[heard("LAB-02", at(0), StationWord::Ready)]).await;
    let entry = CatalogEntry {
        host: host("LAB-02"),
        lab: Some("optics".to_owned()),
        address: None,
        mac: None,
        status: HostStatus::Active,
        created_at: at(0),
    };
    let mut work = lab.store.begin().await.unwrap();
    work.states().save_catalog(&[entry]).await.unwrap();
    work.commit().await.unwrap();
    let keys = [
        key(Rule::NotReady, Some("LAB-01"), None),
        key(Rule::NotReady, Some("LAB-02"), None),
        key(Rule::PowerDrift, Some("LAB-02"), None),
        key(Rule::IngestStalled, None, None),
    ];
    // All at one instant: the page turns on the id.
    let opened = keys.each_ref().map(|key| open(key, at(0)));
    apply(&lab, &opened).await;
    apply(&lab, &[acknowledge(&opened[1], at(1)), resolve(&opened[2], AlertState::Open, at(2))]).await;

    let everything = AlertFilter::default();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = lab.store.alerts(&everything, after.as_ref(), 1).await.unwrap();
        let Some(one) = page.into_iter().next() else { break };
        after = Some(AlertCursor { opened_at: one.opened_at, id: one.id.clone() });
        seen.push(one);
    }
    assert_eq!(seen, all(&lab).await);
    assert_eq!(seen.len(), 4);

    let listed = async |filter: AlertFilter| {
        let mut keys: Vec<_> =
            lab.store.alerts(&filter, None, 9).await.unwrap().into_iter().map(|alert| alert.key).collect();
        keys.sort();
        keys
    };
    let unresolved = vec![AlertState::Open, AlertState::Acknowledged];
    let of = |indexes: &[usize]| indexes.iter().map(|index| keys[*index].clone()).collect::<Vec<_>>();
    assert_eq!(listed(AlertFilter { states: unresolved.clone(), ..everything.clone() }).await, of(&[0, 1, 3]));
    assert_eq!(listed(AlertFilter { rules: vec![Rule::NotReady], ..everything.clone() }).await, of(&[0, 1]));
    assert_eq!(listed(AlertFilter { host: Some(host("LAB-02")), ..everything.clone() }).await, of(&[1, 2]));
    assert_eq!(
        listed(AlertFilter { lab: Some("optics".to_owned()), states: unresolved, ..everything }).await,
        of(&[1])
    );

    let mut work = lab.store.begin().await.unwrap();
    let mut found: Vec<_> =
        work.alerts().unresolved(&[host("LAB-02")]).await.unwrap().into_iter().map(|alert| alert.key).collect();
    drop(work);
    found.sort();
    assert_eq!(found, of(&[1, 3]));
    assert_eq!(
        lab.store.unresolved_alerts_by_rule().await.unwrap(),
        [
            (Rule::IngestStalled, AlertState::Open, 1),
            (Rule::NotReady, AlertState::Acknowledged, 1),
            (Rule::NotReady, AlertState::Open, 1),
        ]
    );
}
