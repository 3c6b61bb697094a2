//! A station that keeps sending what nobody can read, from the PUT to the alert.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::Loss;
use stationkeeper_rules::{AlertState, Cause, Rule};
use stationkeeper_simulator::{HeartbeatBuilder, Logoff, session_guard_events};
use stationkeeper_store::ObjectVersion;
use stationkeeper_telemetry::{ObjectKey, ObjectKind, decode_message};

use crate::lab::{Lab, at, host, ready, spooled};

const GZIP: &[u8] = b"\x1f\x8b\x08";

fn key(name: &str, kind: ObjectKind) -> String {
    ObjectKey::latest(&host(name), kind).into_string()
}

/// The alert's states, each with its instant, in the order of its openings.
async fn moved(lab: &Lab, name: &str) -> Vec<(DateTime<Utc>, AlertState)> {
    let mut moved: Vec<_> = lab
        .alerts()
        .await
        .into_iter()
        .filter(|(alert, _)| alert.key.rule == Rule::QuarantinedUploads && alert.key.host == Some(host(name)))
        .flat_map(|(_, transitions)| transitions)
        .map(|step| (step.at, step.to))
        .collect();
    moved.sort_by_key(|(at, _)| *at);
    moved
}

/// Announces these again, as a queue does that has forgotten what was done with.
async fn again(lab: &Lab, announced: &[String]) {
    let objects: Vec<_> = announced
        .iter()
        .flat_map(|body| decode_message(body).events)
        .map(|event| ObjectVersion { key: event.key, version: event.version_id.unwrap() })
        .collect();
    lab.store.forget_objects(&objects).await.unwrap();
    lab.take(announced).await;
}

#[tokio::test]
async fn a_station_that_keeps_sending_what_nobody_can_read_is_an_alert_until_it_sends_what_can_be_read() {
    let lab = Lab::starting_at("10:00:00").await;
    for name in ["LAB-01", "LAB-02"] {
        lab.beat(name, "10:00:00").await;
    }
    let mut bad = Vec::new();
    for time in ["10:01:00", "10:02:00", "10:03:00"] {
        assert!(moved(&lab, "LAB-01").await.is_empty(), "before {time}");
        bad.push(lab.put_newest("LAB-01", b"{\"host\":\"LAB-01\",".to_vec(), at(time)));
        lab.take(&bad[bad.len() - 1..]).await;
        lab.take(&bad).await;
        again(&lab, &bad).await;
    }
    assert_eq!(moved(&lab, "LAB-01").await, [(at("10:03:00"), AlertState::Open)]);
    let alerts = lab.alerts_of(Rule::QuarantinedUploads).await;
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    let expected = Cause::Unreadable {
        document: "heartbeat.json".to_owned(),
        reason: "truncated_json".to_owned(),
        uploads: 3,
        since: at("10:01:00"),
    };
    assert_eq!(alert.cause, expected);

    lab.beat("LAB-02", "10:04:00").await;
    assert_eq!(moved(&lab, "LAB-01").await.len(), 1, "another station's heartbeat is no relief");
    lab.beat("LAB-01", "10:04:30").await;
    let over = [(at("10:03:00"), AlertState::Open), (at("10:04:30"), AlertState::Resolved)];
    assert_eq!(moved(&lab, "LAB-01").await, over);
    again(&lab, &bad).await;
    assert_eq!(moved(&lab, "LAB-01").await, over, "announced again when it is over");
    assert!(moved(&lab, "LAB-02").await.is_empty());
}

#[tokio::test]
async fn the_arrival_decides_in_whatever_order_uploads_are_announced() {
    let lab = Lab::starting_at("10:00:00").await;
    lab.beat("LAB-01", "10:00:00").await;
    let mut announced: Vec<_> =
        ["10:01:00", "10:02:00", "10:04:00"].map(|time| lab.put_newest("LAB-01", GZIP.to_vec(), at(time))).into();
    announced.push(lab.put_newest("LAB-01", ready("LAB-01", at("10:03:00")), at("10:03:00")));
    announced.reverse();
    lab.take(&announced).await;
    assert!(moved(&lab, "LAB-01").await.is_empty(), "one of them could be read");
}

#[tokio::test]
async fn each_document_counts_and_is_read_again_for_itself() {
    let start = at("10:00:00");
    let logoff = Logoff::new(start, "ana", 1);
    let whole = HeartbeatBuilder::new("LAB-01", start).forced_logoff(logoff.clone());
    for (kind, good) in [
        (ObjectKind::Heartbeat, ready("LAB-01", at("10:05:00"))),
        (ObjectKind::Status, whole.status_bytes()),
        (ObjectKind::ServiceState, whole.service_state_bytes()),
        (ObjectKind::Events, session_guard_events(&[logoff])),
    ] {
        let lab = Lab::starting_at("10:00:00").await;
        lab.beat("LAB-01", "10:00:00").await;
        for (minute, name) in [(1, "LAB-01"), (2, "LAB-01"), (3, "LAB-01"), (1, "LAB-09"), (2, "LAB-09"), (3, "LAB-09")]
        {
            let bad = lab.put(&key(name, kind), GZIP.to_vec(), start + TimeDelta::minutes(minute));
            lab.take(&[bad]).await;
            if kind != ObjectKind::Heartbeat {
                let at = start + TimeDelta::minutes(minute) + TimeDelta::seconds(1);
                let beat = lab.put_newest("LAB-01", ready("LAB-01", at), at);
                lab.take(&[beat]).await;
            }
        }
        assert_eq!(moved(&lab, "LAB-01").await, [(at("10:03:00"), AlertState::Open)], "{kind:?}");
        let unknown = lab.store.station(&host("LAB-09")).await.unwrap();
        assert!(unknown.is_none(), "{kind:?}: what nobody can read makes no station");
        assert_eq!(lab.quarantined().await.len(), 6, "{kind:?}");

        let good = lab.put(&key("LAB-01", kind), good, at("10:05:00"));
        lab.take(&[good]).await;
        let over = [(at("10:03:00"), AlertState::Open), (at("10:05:00"), AlertState::Resolved)];
        assert_eq!(moved(&lab, "LAB-01").await, over, "{kind:?}");
    }
}

#[tokio::test]
async fn it_is_over_when_nothing_unreadable_came_for_an_hour_which_the_check_finds() {
    let lab = Lab::starting_at("10:00:00").await;
    lab.beat("LAB-01", "10:00:00").await;
    let bad = ["10:01:00", "10:02:00", "10:03:00"].map(|time| lab.put_newest("LAB-01", GZIP.to_vec(), at(time)));
    lab.take(&bad).await;
    for (time, states) in [("11:02:59", 1), ("11:03:05", 2), ("11:04:00", 2)] {
        lab.clock.advance_to(at(time));
        lab.ingest.check_overdue().await.unwrap();
        let moved = moved(&lab, "LAB-01").await;
        assert_eq!(moved.len(), states, "at {time}: {moved:?}");
    }
    assert_eq!(moved(&lab, "LAB-01").await[1], (at("11:03:00"), AlertState::Resolved));
}

#[tokio::test]
async fn what_a_spool_still_held_is_no_relief_but_a_newer_heartbeat_of_it_is() {
    let lab = Lab::starting_at("10:00:00").await;
    lab.beat("LAB-01", "10:00:00").await;
    let bad = ["10:01:00", "10:02:00", "10:03:00"].map(|time| lab.put_newest("LAB-01", GZIP.to_vec(), at(time)));
    lab.take(&bad).await;
    for (of, arrives, states) in [("09:58:00", "10:04:00", 1), ("10:03:30", "10:04:10", 2)] {
        let held = lab.put(&spooled("LAB-01", at(of)), ready("LAB-01", at(of)), at(arrives));
        lab.take(&[held]).await;
        assert_eq!(moved(&lab, "LAB-01").await.len(), states, "the heartbeat of {of}");
    }
}

#[tokio::test]
async fn what_the_bucket_lost_and_what_is_wrongly_dated_are_not_held_against_the_station() {
    let lab = Lab::starting_at("10:00:00").await;
    lab.beat("LAB-01", "10:00:00").await;
    let lost: Vec<_> = ["10:01:00", "10:02:00", "10:03:00"]
        .map(|time| lab.put_newest("LAB-01", ready("LAB-01", at(time)), at(time)))
        .iter()
        .flat_map(|body| decode_message(body).events)
        .map(|event| (event, Loss::Damaged))
        .collect();
    assert_eq!(lab.ingest.give_up(&lost).await.unwrap(), 3);
    let ahead = TimeDelta::days(400);
    let wrong = ["10:04:00", "10:05:00", "10:06:00"]
        .map(|time| lab.put_newest("LAB-01", ready("LAB-01", at(time) + ahead), at(time)));
    lab.take(&wrong).await;
    assert_eq!(lab.quarantined().await.len(), 6);
    assert!(moved(&lab, "LAB-01").await.is_empty());
    assert_eq!(lab.alerts_of(Rule::ClockSkew).await.len(), 1, "that is what speaks of dates");
}
