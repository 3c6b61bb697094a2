//! What people hear.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::planner::{Planned, plan_notifications};
use stationkeeper_rules::notify::Because;
use stationkeeper_rules::{AlertState, NewsEvent, QuietHours, Rule, TimeOfDay};
use stationkeeper_store::faults::FaultPlan;
use stationkeeper_tests::database::Kind;
use stationkeeper_tests::tables::Tables;
use tokio::task::JoinSet;

use crate::world::{World, at, open, stations};

/// A story on both databases.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(super::Kind::Sqlite).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(super::Kind::MariaDb).await;
            })*
        }
    };
}

stories! {
    a_laboratory_that_goes_down_and_comes_back_is_two_messages_a_receiver,
    a_silence_mutes_the_opening_and_never_the_end,
    a_silence_that_is_ended_while_the_alert_stands_lets_it_be_told,
    quiet_hours_hold_what_is_not_critical_until_the_morning,
    what_flaps_is_told_once,
    what_is_critical_is_told_again_until_somebody_takes_it,
    an_acknowledgement_that_is_over_opens_the_alert_again,
    an_acknowledgement_ends_when_the_station_complains_of_more,
    what_is_called_over_and_lasts_is_another_alert_and_ends_as_any_other,
    two_planners_at_once_tell_what_one_tells,
    one_damaged_alert_keeps_nobody_from_hearing_of_the_others,
    nothing_to_decide_costs_one_look,
    planners_beside_the_ingest_lose_nothing_and_tell_nothing_twice,
    without_receivers_nothing_is_told_and_nothing_waits,
}

async fn a_laboratory_that_goes_down_and_comes_back_is_two_messages_a_receiver(kind: Kind) {
    let mut world = World::with(kind, 30).await;
    let all = stations(0..30);
    world.pass("10:00:00", "10:05:00", &all).await;
    world.pass("10:05:00", "10:40:00", &[]).await;
    let down = world.heard().await;
    world.pass("10:40:00", "10:50:00", &all).await;
    let up = world.heard().await;
    for (heard, word, sign) in [(&down, "problem", '+'), (&up, "resolution", '-')] {
        assert_eq!(heard.len(), 2, "one for dean, one for ops: {heard:?}");
        for message in heard {
            assert!(message.contains(word), "{message}");
            for name in &all {
                assert!(message.contains(&format!("heartbeat_missing{sign}{name}")), "{name}: {message}");
            }
        }
    }
    let messages = world.messages().await;
    assert_eq!(messages.iter().map(|one| one.current.len()).collect::<Vec<_>>(), [30, 30, 0, 0]);
    assert!(messages.iter().all(|one| one.lab.as_deref() == Some("redes")));
    world.end().await;
}

async fn a_silence_mutes_the_opening_and_never_the_end(kind: Kind) {
    let mut world = World::with(kind, 2).await;
    let (good, bad) = (stations(0..2), vec!["!LAB-00".to_owned(), "LAB-01".to_owned()]);
    world.pass("10:00:00", "10:10:00", &bad).await;
    assert_eq!(world.heard().await, ["10:04:30 problem to ops: not_ready+LAB-00"]);
    world.silence("10:10:00", Some("11:00:00")).await;
    world.pass("10:10:00", "10:20:00", &good).await;
    assert_eq!(world.heard().await, ["10:11:30 resolution to ops: not_ready-LAB-00"]);
    world.pass("10:20:00", "10:40:00", &["LAB-00".to_owned(), "!LAB-01".to_owned()]).await;
    let unready = world.alert(Rule::NotReady).await;
    let decisions = world.store.decisions(&unready.id).await.unwrap();
    assert!(matches!(decisions[..], [_]) && matches!(decisions[0].because, Because::Silenced { .. }), "{decisions:?}");
    world.pass("10:40:00", "11:10:00", &good).await;
    assert_eq!(world.heard().await, [""; 0], "nobody heard that it opened");
    world.end().await;
}

async fn a_silence_that_is_ended_while_the_alert_stands_lets_it_be_told(kind: Kind) {
    let mut world = World::with(kind, 1).await;
    let bad = vec!["!LAB-00".to_owned()];
    let once = world.silence("10:00:00", Some("12:00:00")).await;
    world.pass("10:00:00", "10:20:00", &bad).await;
    let waits = world.silence("10:20:00", None).await;
    assert!(world.end_silence(&once.id, "10:20:00").await);
    world.pass("10:20:00", "10:30:00", &bad).await;
    assert_eq!(world.heard().await, [""; 0]);
    assert!(world.end_silence(&waits.id, "10:30:00").await);
    world.pass("10:30:00", "10:40:00", &bad).await;
    assert_eq!(world.heard().await, ["10:31:30 problem to ops: not_ready+LAB-00"]);
    let waits = world.silence("10:40:00", None).await;
    world.pass("10:40:00", "10:50:00", &stations(0..1)).await;
    assert_eq!(world.heard().await, ["10:41:30 resolution to ops: not_ready-LAB-00"]);
    assert!(!world.end_silence(&waits.id, "10:50:00").await, "the resolution ended it");
    world.end().await;
}

async fn quiet_hours_hold_what_is_not_critical_until_the_morning(kind: Kind) {
    let mut world = World::with(kind, 3).await;
    // 06:00 UTC is seven in Madrid.
    let time = |text: &str| TimeOfDay::parse(text).unwrap();
    let ops = world.settings.notifications.receivers.get_mut("ops").unwrap();
    ops.quiet_hours = Some(QuietHours { from: time("22:00"), to: time("07:00"), time_zone: None });
    world.pass("05:00:00", "05:20:00", &["!LAB-00".to_owned(), "!LAB-01".to_owned()]).await;
    world.beat(&stations(2..3), at("05:20:00")).await;
    world.pass("05:20:10", "05:40:00", &["LAB-00".to_owned(), "!LAB-01".to_owned()]).await;
    assert_eq!(
        world.heard().await,
        ["05:24:40 problem to dean: heartbeat_missing+LAB-02", "05:24:40 problem to ops: heartbeat_missing+LAB-02"]
    );
    world.pass("05:40:00", "06:10:00", &["LAB-00".to_owned(), "!LAB-01".to_owned()]).await;
    assert_eq!(world.heard().await, ["06:01:30 problem to ops: not_ready+LAB-01"]);
    world.end().await;
}

async fn what_flaps_is_told_once(kind: Kind) {
    let mut world = World::with(kind, 1).await;
    let (good, bad) = (stations(0..1), vec!["!LAB-00".to_owned()]);
    for round in 0..6 {
        let minute = |after: u32| format!("10:{:02}:00", round * 5 + after);
        world.pass(&minute(0), &minute(4), &bad).await;
        world.pass(&minute(4), &minute(5), &good).await;
    }
    world.pass("10:30:00", "11:20:00", &good).await;
    let heard = world.heard().await;
    // Each opening is over before it can be told, until the fifth makes it a flapping.
    assert_eq!(
        heard,
        ["10:24:30 flapping to ops: not_ready*LAB-00", "10:49:30 resolution to ops: not_ready-LAB-00"],
        "the fifth opening was at 10:23, and half as many are within thirty minutes from 10:48"
    );
    world.end().await;
}

async fn what_is_critical_is_told_again_until_somebody_takes_it(kind: Kind) {
    let mut world = World::with(kind, 1).await;
    world.pass("10:00:00", "10:02:00", &stations(0..1)).await;
    world.pass("10:02:00", "12:10:00", &[]).await;
    let heard = world.heard().await;
    let words: Vec<_> = heard.iter().map(|message| message.split(' ').nth(1).unwrap()).collect();
    assert_eq!(
        words,
        ["problem", "problem", "reminder", "reminder", "reminder", "reminder"],
        "to dean and ops each: {heard:?}"
    );
    world.take(Rule::HeartbeatMissing, "12:10:00", None).await;
    world.pass("12:10:00", "14:00:00", &[]).await;
    assert_eq!(world.heard().await, [""; 0]);
    world.pass("14:00:00", "14:05:00", &stations(0..1)).await;
    assert_eq!(
        world.heard().await,
        [
            "14:01:30 resolution to dean: heartbeat_missing-LAB-00",
            "14:01:30 resolution to ops: heartbeat_missing-LAB-00"
        ]
    );
    world.end().await;
}

async fn an_acknowledgement_that_is_over_opens_the_alert_again(kind: Kind) {
    let mut world = World::with(kind, 1).await;
    let bad = vec!["!LAB-00".to_owned()];
    world.pass("10:00:00", "10:10:00", &bad).await;
    assert_eq!(world.heard().await, ["10:04:30 problem to ops: not_ready+LAB-00"]);
    world.take(Rule::NotReady, "10:10:00", Some("10:30:00")).await;
    world.pass("10:10:00", "10:30:00", &bad).await;
    assert_eq!(world.alert(Rule::NotReady).await.state, AlertState::Acknowledged);
    assert_eq!(world.heard().await, [""; 0]);
    world.pass("10:30:00", "10:40:00", &bad).await;
    let alert = world.alert(Rule::NotReady).await;
    assert_eq!((alert.state, alert.acknowledged_by, alert.acknowledged_until), (AlertState::Open, None, None));
    assert_eq!(world.heard().await, ["10:31:30 problem to ops: not_ready+LAB-00"]);
    let known = world.store.alert(&alert.id).await.unwrap().unwrap();
    let steps: Vec<_> = known.transitions.iter().map(|step| (step.at, step.to)).collect();
    let (open, taken) = (AlertState::Open, AlertState::Acknowledged);
    assert_eq!(steps, [(at("10:03:00"), open), (at("10:10:00"), taken), (at("10:30:00"), open)]);
    // Taken again, and over before that is over.
    world.take(Rule::NotReady, "10:40:00", Some("12:00:00")).await;
    world.pass("10:40:00", "10:45:00", &stations(0..1)).await;
    assert_eq!(world.heard().await, ["10:41:30 resolution to ops: not_ready-LAB-00"]);
    world.pass("11:59:00", "12:10:00", &stations(0..1)).await;
    assert_eq!(world.alert(Rule::NotReady).await.state, AlertState::Resolved);
    world.end().await;
}

async fn an_acknowledgement_ends_when_the_station_complains_of_more(kind: Kind) {
    let mut world = World::with(kind, 1).await;
    let (bad, worse) = (vec!["!LAB-00".to_owned()], vec!["!!LAB-00".to_owned()]);
    world.pass("10:00:00", "10:10:00", &bad).await;
    world.take(Rule::NotReady, "10:10:00", None).await;
    world.pass("10:10:00", "10:20:00", &bad).await;
    assert_eq!(world.heard().await, ["10:04:30 problem to ops: not_ready+LAB-00"]);
    world.pass("10:20:00", "10:25:00", &worse).await;
    assert_eq!(world.heard().await, ["10:21:30 problem to ops: not_ready+LAB-00"]);
    world.take(Rule::NotReady, "10:25:00", None).await;
    world.pass("10:25:00", "10:30:00", &bad).await;
    world.pass("10:30:00", "10:40:00", &worse).await;
    assert_eq!(world.heard().await, [""; 0], "it was taken for both");
    assert_eq!(world.alert(Rule::NotReady).await.state, AlertState::Acknowledged);
    world.end().await;
}

async fn what_is_called_over_and_lasts_is_another_alert_and_ends_as_any_other(kind: Kind) {
    let mut world = World::with(kind, 2).await;
    let all = stations(0..2);
    world.pass("10:00:00", "10:05:00", &all).await;
    world.pass("10:05:00", "10:20:00", &all[1..]).await;
    let first = world.alert(Rule::HeartbeatMissing).await;
    world.call_over(Rule::HeartbeatMissing, "10:20:00").await;
    world.pass("10:20:00", "10:30:00", &all[1..]).await;
    let second = world.alert(Rule::HeartbeatMissing).await;
    assert_ne!(second.id, first.id);
    assert!(second.opened_at > at("10:20:00") && second.opened_at < at("10:21:00"), "{second:?}");
    world.pass("10:30:00", "10:40:00", &all).await;
    let to_ops: Vec<_> = world.heard().await.into_iter().filter(|one| one.contains("to ops")).collect();
    assert_eq!(
        to_ops,
        [
            "10:08:40 problem to ops: heartbeat_missing+LAB-00",
            "10:21:30 problem to ops: heartbeat_missing-LAB-00 heartbeat_missing+LAB-00",
            "10:31:30 resolution to ops: heartbeat_missing-LAB-00",
        ]
    );
    world.end().await;
}

async fn two_planners_at_once_tell_what_one_tells(kind: Kind) {
    let mut world = World::with(kind, 10).await;
    world.pass("10:00:00", "10:02:00", &stations(0..10)).await;
    world.pass("10:02:00", "10:05:30", &[]).await;
    let other = open(&world.url).await;
    let mut made = 0;
    for now in ["10:05:40", "10:06:00", "10:06:20", "10:06:40", "10:07:00", "10:30:00", "11:10:00"].map(at) {
        let (one, two) = tokio::join!(
            plan_notifications(&world.store, &world.settings, now),
            plan_notifications(&other, &world.settings, now)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one == Planned::default() || two == Planned::default(), "one had nothing left to do: {one:?} {two:?}");
        made += one.messages + two.messages;
    }
    let heard = world.heard().await;
    assert_eq!((made, heard.len()), (4, 4), "problem and reminder, to dean and ops: {heard:?}");
    other.close().await;
    world.end().await;
}

async fn without_receivers_nothing_is_told_and_nothing_waits(kind: Kind) {
    let mut world = World::with(kind, 1).await;
    world.settings.notifications = Default::default();
    world.pass("10:00:00", "10:02:00", &stations(0..1)).await;
    world.pass("10:02:00", "10:10:00", &[]).await;
    let missing = world.alert(Rule::HeartbeatMissing).await;
    assert_eq!(missing.state, AlertState::Open);
    let decisions = world.store.decisions(&missing.id).await.unwrap();
    assert_eq!(decisions.iter().map(|one| &one.because).collect::<Vec<_>>(), [&Because::NoRoute]);
    assert_eq!(world.store.next_look_at(&missing.id).await.unwrap(), None);
    assert!(!world.store.planning_is_due(at("23:00:00")).await.unwrap());
    assert_eq!(world.heard().await, [""; 0]);
    world.end().await;
}

async fn one_damaged_alert_keeps_nobody_from_hearing_of_the_others(kind: Kind) {
    let mut world = World::with(kind, 2).await;
    let all = vec!["!LAB-00".to_owned(), "!LAB-01".to_owned()];
    world.pass("10:00:00", "10:03:20", &all).await;
    let mut tables = Tables::open(&world.url).await.unwrap();
    let cause = "update alerts set cause = CAUSE where host = 'LAB-00'";
    let kept = tables.columns("alerts", &["host", "cause"]).await.unwrap();
    let kept = kept.iter().find(|row| row.text("host") == "LAB-00").unwrap().text("cause").to_owned();
    tables.execute(&cause.replace("CAUSE", "'{'")).await.unwrap();
    for now in ["10:03:40", "10:05:00", "10:06:00"] {
        world.plan(at(now)).await;
    }
    assert_eq!(world.heard().await, ["10:05:00 problem to ops: not_ready+LAB-01"]);
    assert!(!world.store.planning_is_due(at("10:06:10")).await.unwrap(), "it is not tried all the time");
    tables.execute(&cause.replace("CAUSE", &format!("'{kept}'"))).await.unwrap();
    tables.close().await.unwrap();
    for now in ["10:10:00", "10:16:00", "10:20:00"] {
        world.plan(at(now)).await;
    }
    assert_eq!(world.heard().await, ["10:16:00 problem to ops: not_ready+LAB-00"]);
    world.end().await;
}

async fn nothing_to_decide_costs_one_look(kind: Kind) {
    let mut world = World::with(kind, 1).await;
    world.pass("10:00:00", "10:10:00", &["!LAB-00".to_owned()]).await;
    assert_eq!(world.heard().await.len(), 1);
    let calls = Arc::new(FaultPlan::counting());
    let counted = world.store.with_faults(calls.clone());
    let planned = plan_notifications(&counted, &world.settings, at("10:11:00")).await.unwrap();
    assert_eq!((planned, calls.calls()), (Planned::default(), 2), "a connection and a look");
    world.end().await;
}

async fn planners_beside_the_ingest_lose_nothing_and_tell_nothing_twice(kind: Kind) {
    let mut world = World::with(kind, 12).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut planners = JoinSet::new();
    for _ in 0..2 {
        let (store, settings) = (open(&world.url).await, world.settings.clone());
        let (clock, done) = (world.clock(), done.clone());
        planners.spawn(async move {
            let mut messages = 0;
            while !done.load(Ordering::SeqCst) {
                messages += plan_notifications(&store, &settings, clock.now()).await.unwrap().messages;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            store.close().await;
            messages
        });
    }
    for (from, until, beating) in [
        ("10:00:00", "10:05:00", stations(0..12)),
        ("10:05:00", "10:12:00", stations(0..6)),
        ("10:12:00", "10:19:00", stations(3..9)),
        ("10:19:00", "10:26:00", stations(0..12)),
    ] {
        world.pass(from, until, &beating).await;
    }
    done.store(true, Ordering::SeqCst);
    let by_others: usize = planners.join_all().await.into_iter().sum();
    world.plan(at("10:40:00")).await;
    let messages = world.messages().await;
    assert!(by_others > 0 && by_others <= messages.len(), "{by_others} of {}", messages.len());
    // Everything is over: whoever heard that one opened has heard once that it is over.
    let mut heard: BTreeMap<_, (u32, u32)> = BTreeMap::new();
    for message in &messages {
        for news in &message.news {
            let (opened, resolved) = heard.entry((&message.receiver, &news.problem.alert_id)).or_default();
            match news.event {
                NewsEvent::Opened => *opened += 1,
                NewsEvent::Resolved => *resolved += 1,
                event => panic!("{event:?}: nothing flaps, and nothing lasts an hour"),
            }
        }
    }
    assert_eq!(heard.len(), 18, "nine alerts, of each of which two receivers heard");
    assert!(heard.values().all(|counts| *counts == (1, 1)), "{heard:?}");
    world.end().await;
}
