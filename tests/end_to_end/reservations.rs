//! Reservations that several people change at once, on MariaDB.

use chrono::TimeDelta;
use stationkeeper_gateway::{AskedReservation, Became, put_reservation};
use stationkeeper_rules::ReservationId;
use stationkeeper_store::{AuditFilter, Author};

use crate::harness::database::Database;
use crate::harness::now;
use crate::harness::station::host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_people_change_at_once_is_changed_by_both() {
    let database = Database::empty().await;
    let store = database.store().await;
    let (at, ana) = (now(), Author::of_command_line(Some("ana")));
    let mut work = store.begin().await.unwrap();
    work.states().ensure(&[host("LAB-01"), host("LAB-02")], at).await.unwrap();
    work.commit().await.unwrap();
    let id = ReservationId("R-1".to_owned());
    let first = AskedReservation {
        host: Some(host("LAB-01")),
        start_at: Some(at + TimeDelta::hours(1)),
        end_at: Some(at + TimeDelta::hours(2)),
        ..AskedReservation::default()
    };
    assert!(put_reservation(&store, &id, &first, &ana, at).await.unwrap().became == Became::New);
    for round in 1..=20 {
        let end_at = at + TimeDelta::hours(2) + TimeDelta::minutes(round);
        let place = host(if round % 2 == 0 { "LAB-01" } else { "LAB-02" });
        let moves = AskedReservation { end_at: Some(end_at), ..AskedReservation::default() };
        let names = AskedReservation { who: Some(format!("group {round}")), ..AskedReservation::default() };
        let elsewhere = AskedReservation { host: Some(place.clone()), ..AskedReservation::default() };
        let put = |asked| {
            let (store, id, ana) = (&store, &id, &ana);
            async move { put_reservation(store, id, asked, ana, at).await.unwrap() }
        };
        tokio::join!(put(&moves), put(&names), put(&elsewhere));
        let is = store.reservation(&id).await.unwrap().unwrap();
        assert_eq!((is.end_at, is.who, is.host), (end_at, Some(format!("group {round}")), place), "round {round}");
    }
    let log = store.audit_log(&AuditFilter::default(), None, 100).await.unwrap();
    assert_eq!(log.len(), 61, "one for its making and three a round, though all are of one instant");
}
