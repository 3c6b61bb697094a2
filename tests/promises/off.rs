//! A station that was switched off: what its last words and the passing of time mean, from the PUT to the alert.

use chrono::TimeDelta;
use stationkeeper_rules::{AlertState, Cause, Reservation, ReservationId, ReservationStatus, Rule, StationWord};
use stationkeeper_simulator::{HeartbeatBuilder, PowerRun, WakeCheck};
use stationkeeper_telemetry::{ObjectKey, ObjectKind};

use crate::lab::{Lab, at, host};

/// LAB-01, which was switched off at 10:00:10: its heartbeat of 10:00:20 and its service state say so, each announced twice.
async fn switched_off(wake: WakeCheck) -> Lab {
    let lab = Lab::starting_at("10:00:00").await;
    lab.beat("LAB-01", "10:00:00").await;
    let reservation = Reservation {
        id: ReservationId("R1".to_owned()),
        lab: None,
        host: host("LAB-01"),
        start_at: at("12:00:00"),
        end_at: at("13:00:00"),
        status: ReservationStatus::Confirmed,
        who: None,
    };
    lab.ingest.put_reservations(&[reservation]).await.unwrap();
    let said = HeartbeatBuilder::new("LAB-01", at("10:00:20"))
        .power_action(PowerRun { wake, ..PowerRun::shutdown(at("10:00:10"), 30) });
    let state = ObjectKey::latest(&host("LAB-01"), ObjectKind::ServiceState).into_string();
    let announced = [
        lab.put_newest("LAB-01", said.bytes(), at("10:00:20")),
        lab.put(&state, said.service_state_bytes(), at("10:00:21")),
    ];
    for _ in 0..2 {
        lab.take(&announced).await;
    }
    lab
}

async fn check(lab: &Lab, time: &str) {
    lab.clock.advance_to(at(time));
    lab.ingest.check_overdue().await.unwrap();
}

#[tokio::test]
async fn a_station_that_may_not_be_woken_is_an_alert_from_its_last_words_on_until_it_is_back() {
    let lab = switched_off(WakeCheck::NotReady(3, "NIC not WoL ready: Ethernet".to_owned())).await;
    let alerts = lab.alerts_of(Rule::PowerWakeNotReady).await;
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((alert.state, alert.opened_at), (AlertState::Open, at("10:00:20")));
    let issues = Some("NIC not WoL ready: Ethernet".to_owned());
    assert_eq!(alert.cause, Cause::WakeNotReady { at: at("10:00:10"), issues });
    check(&lab, "10:30:00").await;
    assert_eq!(lab.state("LAB-01").await.word, StationWord::Off);
    lab.beat("LAB-01", "10:40:00").await;
    let alerts = lab.alerts_of(Rule::PowerWakeNotReady).await;
    assert_eq!((alerts.len(), alerts[0].resolved_at), (1, Some(at("10:40:00"))));
}

#[tokio::test]
async fn a_station_that_is_off_when_a_reservation_needs_it_is_an_alert_and_not_missing() {
    let lab = switched_off(WakeCheck::Ready(3)).await;
    for (time, alerts) in [("10:30:00", 0), ("11:49:59", 0), ("11:50:02", 1), ("12:30:00", 1)] {
        check(&lab, time).await;
        assert_eq!(lab.alerts_of(Rule::ShouldBeOn).await.len(), alerts, "at {time}");
        if time == "10:30:00" {
            assert_eq!(lab.ingest.next_check_at().await.unwrap(), Some(at("11:50:00")));
        }
    }
    assert!(lab.alerts_of(Rule::HeartbeatMissing).await.is_empty());
    assert!(lab.alerts_of(Rule::PowerWakeNotReady).await.is_empty());
    let alert = lab.alerts_of(Rule::ShouldBeOn).await.remove(0);
    assert_eq!(alert.key.reservation_id, Some(ReservationId("R1".to_owned())));
    assert_eq!((alert.state, alert.opened_at), (AlertState::Open, at("12:00:00") - TimeDelta::minutes(10)));
    assert_eq!(alert.cause, Cause::OffThoughReserved { at: at("10:00:10"), start: at("12:00:00") });
    assert_eq!(lab.state("LAB-01").await.word, StationWord::Attention);
    lab.beat("LAB-01", "12:31:00").await;
    let alert = lab.alerts_of(Rule::ShouldBeOn).await.remove(0);
    assert_eq!(alert.resolved_at, Some(at("12:31:00")));
}
