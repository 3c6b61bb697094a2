//! DESIGN.md section 4.6: time is an argument.

use bytes::Bytes;
use chrono::TimeDelta;
use stationkeeper_pipeline::ingest::Delivery;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus, Rule};
use stationkeeper_simulator::{Document, Lab as SimulatedLab, LabPlan};
use stationkeeper_telemetry::{HostName, ObjectKey, ObjectKind};

use crate::lab::{Lab, Outcome, at, ready};

// Promise 6.1
#[tokio::test]
async fn station_time_arrival_and_storing_are_three_columns() {
    let lab = Lab::starting_at("11:30:00").await;
    let announced = lab.put_newest("LAB-01", ready("LAB-01", at("10:00:00")), at("10:00:07"));
    lab.take(&[announced]).await;
    let rows = lab.history("LAB-01").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].timestamp_utc, rows[0].arrived_at, rows[0].ingested_at),
        (at("10:00:00"), at("10:00:07"), at("11:30:00"))
    );
}

// Promise 6.1
#[tokio::test]
async fn without_a_time_in_the_event_the_objects_own_time_is_its_arrival() {
    let lab = Lab::starting_at("11:30:00").await;
    let announced = lab.put_newest("LAB-01", ready("LAB-01", at("10:00:00")), at("10:00:07"));
    let mut event: serde_json::Value = serde_json::from_str(&announced).unwrap();
    event["Records"][0].as_object_mut().unwrap().remove("eventTime");
    lab.take(&[event.to_string()]).await;
    assert_eq!(lab.history("LAB-01").await[0].arrived_at, at("10:00:07"));
}

/// An hour of a lab of twelve, taken in batches of `batch`, the handler's clock `behind` the arrivals.
async fn an_hour(behind: TimeDelta, batch: usize) -> (Lab, Vec<HostName>) {
    let lab = Lab::starting_at("08:00:00").await;
    let simulated = SimulatedLab::new(LabPlan::new(12, at("08:00:00"), Some(60), 11)).unwrap();
    let hosts: Vec<_> = simulated.hosts().map(|(host, _)| host.clone()).collect();
    let reservations: Vec<_> = simulated
        .reservations_between(at("08:00:00"), at("10:00:00"))
        .into_iter()
        .map(|one| Reservation {
            host: HostName::parse(&one.host).unwrap(),
            id: ReservationId(one.id),
            lab: None,
            start_at: one.start_utc,
            end_at: one.end_utc,
            status: ReservationStatus::Confirmed,
            who: None,
        })
        .collect();
    lab.ingest.put_reservations(&reservations).await.unwrap();
    let uploads: Vec<_> = simulated.uploads().collect();
    for some in uploads.chunks(batch) {
        let deliveries: Vec<_> = some
            .iter()
            .map(|upload| {
                let kind = match upload.document {
                    Document::Heartbeat => ObjectKind::Heartbeat,
                    Document::Status => ObjectKind::Status,
                    Document::Events => ObjectKind::Events,
                    Document::ServiceState => ObjectKind::ServiceState,
                };
                let key = ObjectKey::latest(&upload.host, kind).into_string();
                let body = lab.objects.put(&key, Bytes::from(upload.bytes.clone()), upload.at);
                Delivery { id: String::new(), body }
            })
            .collect();
        lab.clock.advance_to(some.last().unwrap().at + behind);
        let report = lab.ingest.batch(&deliveries).await;
        assert!(report.failed.is_empty(), "{report:?}");
    }
    (lab, hosts)
}

async fn outcomes(lab: &Lab, hosts: &[HostName]) -> Vec<Outcome> {
    let mut all = Vec::new();
    for host in hosts {
        all.push(lab.outcome(host.as_str()).await);
    }
    all
}

// Promise 6.2
#[tokio::test]
async fn a_queue_that_drains_an_hour_late_changes_no_verdict() {
    let (in_time, hosts) = an_hour(TimeDelta::zero(), 1).await;
    let expected = outcomes(&in_time, &hosts).await;
    let alerts: usize = expected.iter().map(|outcome| outcome.alerts.len()).sum();
    assert!(alerts > 3, "the hour has something to judge: {alerts}");
    let (late, _) = an_hour(TimeDelta::hours(1), 50).await;
    for ((host, expected), late) in hosts.iter().zip(expected).zip(outcomes(&late, &hosts).await) {
        assert_eq!(late, expected, "{host}");
    }
}

// Promise 6.2
#[tokio::test]
async fn silence_counts_from_the_arrival_of_the_last_advance() {
    let lab = Lab::starting_at("10:00:00").await;
    // Its clock is wrong by an hour; it is judged by when it was heard.
    let announced = lab.put_newest("LAB-01", ready("LAB-01", at("09:00:00")), at("10:00:00"));
    lab.take(&[announced]).await;
    for (time, missing) in [("10:00:30", 0), ("10:03:00", 0), ("10:03:01", 1)] {
        lab.clock.advance_to(at(time));
        lab.ingest.check_overdue().await.unwrap();
        assert_eq!(lab.alerts_of(Rule::HeartbeatMissing).await.len(), missing, "{time}");
    }
    let alerts = lab.alerts_of(Rule::HeartbeatMissing).await;
    assert_eq!(alerts[0].opened_at, at("10:03:01"), "when it became true");
}

// Promise 6.2
#[tokio::test]
async fn the_same_heartbeat_uploaded_again_is_no_sign_of_life() {
    let lab = Lab::starting_at("10:00:00").await;
    let body = ready("LAB-01", at("10:00:00"));
    for time in ["10:00:00", "10:01:00", "10:02:00", "10:03:00"] {
        lab.clock.advance_to(at(time));
        let announced = lab.put_newest("LAB-01", body.clone(), at(time));
        lab.take(&[announced]).await;
        lab.ingest.check_overdue().await.unwrap();
    }
    assert!(lab.alerts_of(Rule::HeartbeatMissing).await.is_empty());
    lab.clock.advance_to(at("10:03:01"));
    lab.ingest.check_overdue().await.unwrap();
    assert_eq!(lab.alerts_of(Rule::HeartbeatMissing).await.len(), 1);
}
