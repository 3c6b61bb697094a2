//! DESIGN.md section 4.1: at least once, unordered, duplicated.

use chrono::TimeDelta;
use sqlx::{Connection, SqliteConnection};
use stationkeeper_rules::Rule;

use crate::lab::{Dice, Lab, Outcome, altered, at, deliveries, host, newest, ready, spooled, unready};

/// Ten minutes of a station: ready, three minutes not ready, ready again; the trail of its announcements.
fn ten_minutes(lab: &Lab, name: &str) -> Vec<String> {
    (0..10)
        .map(|minute| {
            let time = at("10:00:00") + TimeDelta::minutes(minute);
            let body = if (3..7).contains(&minute) { unready(name, time) } else { ready(name, time) };
            lab.put_newest(name, body, time + TimeDelta::seconds(1))
        })
        .collect()
}

async fn in_order() -> Outcome {
    let lab = Lab::starting_at("10:10:00").await;
    let announced = ten_minutes(&lab, "LAB-01");
    for one in &announced {
        lab.take(std::slice::from_ref(one)).await;
    }
    lab.outcome("LAB-01").await
}

// Promise 1.1
#[tokio::test]
async fn history_and_latest_are_the_same_in_any_order_and_however_often_delivered() {
    let expected = in_order().await;
    assert_eq!(expected.history.len(), 10);
    for seed in 1..=20 {
        let lab = Lab::starting_at("10:10:00").await;
        let mut announced = ten_minutes(&lab, "LAB-01");
        let mut dice = Dice::of(seed);
        for _ in 0..dice.below(8) {
            announced.push(announced[dice.below(10)].clone());
        }
        dice.shuffle(&mut announced);
        let size = 1 + dice.below(5);
        for batch in announced.chunks(size) {
            lab.take(batch).await;
        }
        let outcome = lab.outcome("LAB-01").await;
        assert_eq!(outcome.history, expected.history, "seed {seed}");
        assert_eq!(outcome.bodies, expected.bodies, "seed {seed}");
        assert_eq!(outcome.latest, expected.latest, "seed {seed}");
    }
}

// Promise 1.1
#[tokio::test]
async fn repeated_deliveries_in_order_change_no_alert_either() {
    let expected = in_order().await;
    assert_eq!(expected.alerts.len(), 1, "it was not ready for three minutes: {:?}", expected.alerts);
    let lab = Lab::starting_at("10:10:00").await;
    let announced = ten_minutes(&lab, "LAB-01");
    for place in 0..announced.len() {
        // All that came before comes again with each new one.
        lab.take(&announced[..=place]).await;
        lab.take(&announced[place.saturating_sub(2)..=place]).await;
    }
    assert_eq!(lab.outcome("LAB-01").await, expected);
}

// Promise 1.2
#[tokio::test]
async fn the_same_heartbeat_under_another_key_is_the_same_heartbeat() {
    let lab = Lab::starting_at("10:01:00").await;
    let (time, body) = (at("10:00:00"), ready("LAB-01", at("10:00:00")));
    let first = lab.put_newest("LAB-01", body.clone(), at("10:00:01"));
    let from_spool = lab.put(&spooled("LAB-01", time), body, at("10:00:30"));
    lab.take(&[first]).await;
    let report = lab.take(&[from_spool]).await;
    assert_eq!((report.tally.duplicates, report.tally.variants, report.tally.advanced), (1, 0, 0));
    assert_eq!(lab.history("LAB-01").await.len(), 1);
    assert!(lab.store.raw_variants(&host("LAB-01"), time).await.unwrap().is_empty());
}

// Promise 1.3
#[tokio::test]
async fn an_older_heartbeat_goes_to_history_and_moves_nothing() {
    let lab = Lab::starting_at("10:05:00").await;
    lab.beat("LAB-01", "10:05:00").await;
    let before = lab.state("LAB-01").await;
    let late = lab.put(&spooled("LAB-01", at("10:01:00")), unready("LAB-01", at("10:01:00")), at("10:05:10"));
    let report = lab.take(&[late]).await;
    assert_eq!((report.tally.history_only, report.tally.advanced), (1, 0));
    assert_eq!(lab.state("LAB-01").await, before);
    assert_eq!(lab.history("LAB-01").await.len(), 2);
}

// Promise 1.3
#[tokio::test]
async fn an_older_heartbeat_opens_and_resolves_no_alert() {
    let lab = Lab::starting_at("10:00:00").await;
    for (time, delivered) in [("10:00:00", true), ("10:01:00", false), ("10:02:00", true), ("10:03:00", true)] {
        let announced = lab.put_newest("LAB-01", unready("LAB-01", at(time)), at(time));
        if delivered {
            lab.take(&[announced]).await;
        }
    }
    let open = lab.alerts().await;
    assert_eq!(open.len(), 1, "unready for 180 s: {open:?}");
    let late = lab.put(&spooled("LAB-01", at("10:02:30")), ready("LAB-01", at("10:02:30")), at("10:03:10"));
    lab.take(&[late]).await;
    assert_eq!(lab.alerts().await, open, "a ready one from before does not resolve it");
}

// Promise 1.4
#[tokio::test]
async fn an_overwritten_object_is_read_as_the_version_that_its_event_meant() {
    let lab = Lab::starting_at("10:03:00").await;
    let first = lab.put_newest("LAB-01", ready("LAB-01", at("10:00:00")), at("10:00:01"));
    let second = lab.put_newest("LAB-01", ready("LAB-01", at("10:01:00")), at("10:01:01"));
    lab.put_newest("LAB-01", ready("LAB-01", at("10:02:00")), at("10:02:01"));
    lab.take(&[second]).await;
    assert_eq!(lab.latest("LAB-01").await, at("10:01:00"), "the third was not announced yet");
    lab.take(&[first]).await;
    let seen: Vec<_> = lab.history("LAB-01").await.iter().map(|row| (row.timestamp_utc, row.arrived_at)).collect();
    assert_eq!(seen, [(at("10:00:00"), at("10:00:01")), (at("10:01:00"), at("10:01:01"))]);
}

// Promise 1.4
#[tokio::test]
async fn without_a_version_the_newest_is_read() {
    let lab = Lab::starting_at("10:03:00").await;
    let first = lab.put_newest("LAB-01", ready("LAB-01", at("10:00:00")), at("10:00:01"));
    lab.put_newest("LAB-01", ready("LAB-01", at("10:01:00")), at("10:01:01"));
    lab.take(&[altered(&first, "versionId", serde_json::Value::Null)]).await;
    assert_eq!(lab.latest("LAB-01").await, at("10:01:00"));
}

// Promise 1.5
#[tokio::test]
async fn sequencers_that_run_backwards_change_nothing() {
    let lab = Lab::starting_at("10:03:00").await;
    let first = lab.put_newest("LAB-01", ready("LAB-01", at("10:00:00")), at("10:00:01"));
    let second = lab.put_newest("LAB-01", ready("LAB-01", at("10:01:00")), at("10:01:01"));
    lab.take(&[altered(&first, "sequencer", "0055AED6DCD90281E5".into())]).await;
    lab.take(&[altered(&second, "sequencer", "0000000000000001".into())]).await;
    assert_eq!(lab.latest("LAB-01").await, at("10:01:00"));
}

// Promise 1.6
#[tokio::test]
async fn other_bytes_for_a_known_timestamp_are_both_kept_and_the_later_arrival_wins_in_either_order() {
    let time = at("10:00:00");
    let (early, late) = (ready("LAB-01", time), unready("LAB-01", time));
    let mut outcomes = Vec::new();
    for (shows, order, together) in [
        ("in order", [0, 1], false),
        ("turned round", [1, 0], false),
        ("one batch", [0, 1], true),
        ("one batch, turned", [1, 0], true),
    ] {
        let lab = Lab::starting_at("10:01:00").await;
        let announced = [
            lab.put_newest("LAB-01", early.clone(), at("10:00:01")),
            lab.put_newest("LAB-01", late.clone(), at("10:00:20")),
        ];
        let ordered = order.map(|place| announced[place].clone());
        let mut variants = 0;
        if together {
            variants += lab.take(&ordered).await.tally.variants;
        } else {
            for one in ordered {
                variants += lab.take(&[one]).await.tally.variants;
            }
        }
        assert_eq!(variants, 1, "{shows}: counted");
        let outcome = lab.outcome("LAB-01").await;
        assert_eq!(outcome.bodies, [(late.clone(), vec![early.clone()])], "{shows}");
        assert!(!outcome.latest.as_ref().unwrap().snapshot.ready, "{shows}: the winner is what is shown");
        outcomes.push(outcome);
    }
    let first = outcomes.remove(0);
    for other in outcomes {
        assert_eq!((&other.history, &other.latest), (&first.history, &first.latest));
    }
}

// Promise 1.7
#[tokio::test]
async fn a_clock_that_ran_ahead_cannot_block_the_truth_whatever_the_order() {
    let ahead = at("10:00:00") + TimeDelta::hours(23);
    for (shows, order) in [("in order", [0, 1]), ("turned round", [1, 0])] {
        let lab = Lab::starting_at("10:02:00").await;
        let announced = [
            lab.put_newest("LAB-01", ready("LAB-01", ahead), at("10:00:00")),
            lab.put_newest("LAB-01", ready("LAB-01", at("10:01:00")), at("10:01:00")),
        ];
        for place in order {
            lab.take(&[announced[place].clone()]).await;
        }
        assert_eq!(lab.latest("LAB-01").await, at("10:01:00"), "{shows}");
        assert_eq!(lab.history("LAB-01").await.len(), 2, "{shows}: both are history");
    }
}

// Promise 1.7
#[tokio::test]
async fn a_future_heartbeat_uploaded_again_stays_where_its_first_arrival_put_it() {
    let lab = Lab::starting_at("10:00:00").await;
    let ahead = at("10:00:00") + TimeDelta::hours(23);
    let body = ready("LAB-01", ahead);
    for (time, body) in [("10:00:00", body.clone()), ("10:01:00", ready("LAB-01", at("10:01:00"))), ("10:02:00", body)]
    {
        let announced = lab.put_newest("LAB-01", body, at(time));
        lab.take(&[announced]).await;
    }
    assert_eq!(lab.latest("LAB-01").await, at("10:01:00"));
    let skew = lab.alerts_of(Rule::ClockSkew).await;
    assert_eq!(skew.len(), 1);
    assert!(skew[0].resolved_at.is_some(), "{skew:?}");
}

// Promise 1.2
#[tokio::test]
async fn a_version_that_was_ingested_is_not_even_read_again() {
    let lab = Lab::starting_at("10:00:00").await;
    let announced = lab.put(&newest("LAB-01"), ready("LAB-01", at("10:00:00")), at("10:00:00"));
    lab.take(std::slice::from_ref(&announced)).await;
    let report = lab.ingest.batch(&deliveries(&[announced.clone(), announced])).await;
    assert_eq!((report.tally.duplicates, report.failed.len()), (0, 0));
    assert_eq!(lab.history("LAB-01").await.len(), 1);
}

#[tokio::test]
async fn a_state_that_a_damaged_page_took_comes_back_with_heartbeats_that_history_has() {
    let lab = Lab::starting_at("10:10:00").await;
    let announced = ten_minutes(&lab, "LAB-01");
    lab.take(&announced).await;
    let expected = lab.outcome("LAB-01").await;
    let file = format!("sqlite://{}", lab.folder.path().join("lab.sqlite").display());
    let mut beside = SqliteConnection::connect(&file).await.unwrap();
    sqlx::raw_sql("delete from lab_station_state; delete from ingested_objects").execute(&mut beside).await.unwrap();
    beside.close().await.unwrap();
    for one in announced.iter().rev() {
        lab.take(std::slice::from_ref(one)).await;
    }
    let outcome = lab.outcome("LAB-01").await;
    assert_eq!(outcome.history, expected.history);
    assert_eq!(outcome.bodies, expected.bodies);
    assert_eq!(outcome.latest, expected.latest);
}
