use std::time::Duration;

use stationkeeper_rules::reservation_table::{RefusedRow, RowRefusal};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::{ReservationSource, SourceNews};

use super::{at, host};
use crate::Lab;

const LEASE: Duration = Duration::from_secs(60);

pub async fn a_source_is_read_by_one_and_taken_over_when_it_is_given_up(lab: Lab) {
    let lease = async |holder: &str, lasts| lab.store.lease_source("table", holder, lasts).await.unwrap();
    assert!(lease("one", LEASE).await);
    assert!(lease("one", LEASE).await, "again");
    assert!(!lease("other", LEASE).await);
    assert!(lease("one", Duration::ZERO).await, "given up");
    assert!(lease("other", LEASE).await);
    assert!(!lease("one", LEASE).await);
}

pub async fn what_came_of_a_source_is_kept(lab: Lab) {
    assert_eq!(lab.store.reservation_sources().await.unwrap(), []);
    assert!(lab.store.lease_source("table", "one", LEASE).await.unwrap());
    let refused: Vec<_> =
        (0..150).map(|n| RefusedRow { id: format!("«{n}»"), reason: RowRefusal::UnknownLab }).collect();
    let read = SourceNews::Read { rows: 200, refused: &refused, problem: None };
    lab.store.save_source("table", "one", read, at(0)).await.unwrap();
    lab.store.save_source("table", "other", SourceNews::Failed("it is another's"), at(5)).await.unwrap();
    let expected = ReservationSource {
        name: "table".to_owned(),
        tried_at: Some(at(0)),
        read_at: Some(at(0)),
        rows: 200,
        refused: refused[..100].to_vec(),
        refused_rows: 150,
        problem: None,
    };
    assert_eq!(lab.store.reservation_sources().await.unwrap(), [expected.clone()]);
    lab.store.save_source("table", "one", SourceNews::Failed("no answer"), at(30)).await.unwrap();
    let away = ReservationSource { tried_at: Some(at(30)), problem: Some("no answer".to_owned()), ..expected };
    assert_eq!(lab.store.reservation_sources().await.unwrap(), [away]);
}

pub async fn a_reservation_keeps_where_it_comes_from(lab: Lab) {
    let one = |id: &str, start: i64| Reservation {
        id: ReservationId(id.to_owned()),
        lab: None,
        host: host("LAB-01"),
        start_at: at(start),
        end_at: at(start + 100),
        status: ReservationStatus::Confirmed,
        who: None,
    };
    let (ours, theirs) = (one("a", 0), one("b", 50));
    let mut work = lab.store.begin().await.unwrap();
    work.states().ensure(&[host("LAB-01")], at(0)).await.unwrap();
    work.reservations().save(&[ours.clone(), theirs.clone()]).await.unwrap();
    work.reservations().set_source(&theirs.id, "table").await.unwrap();
    // Moved: it is theirs all the same.
    let moved = Reservation { start_at: at(60), ..theirs.clone() };
    work.reservations().save(&[moved.clone()]).await.unwrap();
    assert_eq!(work.reservations().source(&theirs.id).await.unwrap().as_deref(), Some("table"));
    assert_eq!(work.reservations().source(&ours.id).await.unwrap(), None);
    assert_eq!(work.reservations().source(&ReservationId("none".to_owned())).await.unwrap(), None);
    work.commit().await.unwrap();
    let ids = [ours.id.clone(), theirs.id.clone()];
    assert_eq!(lab.store.sources_of(&ids).await.unwrap(), [(theirs.id.clone(), "table".to_owned())]);
    assert_eq!(lab.store.reservations_of_ids(&ids).await.unwrap(), [ours, moved.clone()]);
    for (from, to, found) in [(0, 1_000, true), (151, 1_000, false), (0, 59, false)] {
        let read = lab.store.reservations_from("table", (at(from), at(to)), 10).await.unwrap();
        assert_eq!(read, if found { vec![moved.clone()] } else { Vec::new() }, "{from} to {to}");
    }
}
