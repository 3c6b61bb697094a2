//! What is done to stations for reservations, and who acts on a station now.

use std::time::Duration;

use chrono::TimeDelta;
use stationkeeper_rules::orchestrator::{
    Action, Ending, Operation, OperationId, OperationStatus, OrderedBy, Outcome, Override, Part, Run, RunId, Side,
};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::{CommandOutput, OperationCursor, OperationFilter};

use super::{at, host};
use crate::Lab;

fn operation(reservation: &str, on: &str, action: Action, second: i64) -> Operation {
    let (reservation_id, run) = (ReservationId(reservation.to_owned()), RunId::Scheduled(1));
    Operation {
        id: OperationId::derive(&reservation_id, &run, action, 1),
        reservation_id,
        host: host(on),
        lab: Some("óptica".to_owned()),
        run,
        action,
        attempt: 1,
        status: OperationStatus::Running,
        success: None,
        response_code: None,
        message: None,
        packets: None,
        started_at: at(second),
        finished_at: None,
        ordered_by: OrderedBy::Person("ana".to_owned()),
    }
}

fn run(on: &str, key: &str) -> Run {
    let reservation = Reservation {
        id: ReservationId("R".to_owned()),
        lab: None,
        host: host(on),
        start_at: at(0),
        end_at: at(60),
        status: ReservationStatus::Confirmed,
        who: None,
    };
    Run {
        host: host(on),
        ordered_by: OrderedBy::Schedule,
        heartbeat_after: Some(at(5)),
        parts: vec![Part::asked(&reservation, Side::End, key, Vec::new())],
    }
}

pub async fn an_operation_is_opened_once_and_settled_once(lab: Lab) {
    let opened = operation("R", "LAB-01", Action::Prepare, 10);
    let settled = opened.clone().settled(Outcome::exited(Ending::DoneWithWarnings, 1), at(20));
    let other = opened.clone().settled(Outcome::unknown("nobody knows"), at(30));
    let output = CommandOutput {
        exit_code: Some(1),
        stdout: "perfil límpio\r\n".to_owned(),
        stderr: String::new(),
        arguments: vec!["prepare-session".to_owned(), "--guard-grace=90".to_owned()],
        duration_ms: 9_876,
    };
    let mut work = lab.store.begin().await.unwrap();
    assert!(work.operations().open(&opened).await.unwrap());
    assert!(!work.operations().open(&opened).await.unwrap(), "it is there");
    work.commit().await.unwrap();
    let read = async || lab.store.operation(&opened.id).await.unwrap().unwrap();
    assert_eq!((read().await.operation, read().await.output), (opened.clone(), None));

    let mut work = lab.store.begin().await.unwrap();
    assert!(work.operations().settle(&settled, Some(&output)).await.unwrap());
    assert!(!work.operations().settle(&other, None).await.unwrap(), "how it ended is said once");
    work.operations().append(&[other]).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!((read().await.operation, read().await.output), (settled.clone(), Some(output)));
    let of_reservation = lab.store.operations_of_reservations(&[settled.reservation_id.clone()]).await.unwrap();
    assert_eq!(of_reservation, [settled]);
    assert_eq!(lab.store.operation(&OperationId("x".to_owned())).await.unwrap(), None);
}

pub async fn operations_are_filtered_read_in_pages_and_pruned(lab: Lab) {
    let done = |one: Operation, second| one.settled(Outcome::reachable(0), at(second));
    let all = [
        operation("S", "LAB-02", Action::Release, 30),
        done(operation("R", "LAB-01", Action::SchedulerStart, 20), 20),
        done(operation("R", "LAB-01", Action::Wake, 10), 11),
    ];
    let mut work = lab.store.begin().await.unwrap();
    work.operations().append(&all).await.unwrap();
    let said = Override {
        reservation_id: ReservationId("R".to_owned()),
        by: "ana".to_owned(),
        reason: Some("ñ".to_owned()),
        at: at(1),
    };
    work.operations().set_override(&Override { by: "ben".to_owned(), ..said.clone() }).await.unwrap();
    work.operations().set_override(&said).await.unwrap();
    work.commit().await.unwrap();
    let ids = [said.reservation_id.clone(), ReservationId("S".to_owned())];
    assert_eq!(lab.store.overrides(&ids).await.unwrap(), [said], "the last word counts");

    let list = async |filter: OperationFilter, after: Option<&Operation>, limit: u32| {
        let after = after.map(|one| OperationCursor { started_at: one.started_at, id: one.id.clone() });
        let found = lab.store.operations(&filter, after.as_ref(), limit).await.unwrap();
        found.into_iter().map(|one| one.operation).collect::<Vec<_>>()
    };
    assert_eq!(list(OperationFilter::default(), None, 10).await, all, "the newest first");
    assert_eq!(list(OperationFilter::default(), Some(&all[0]), 1).await, all[1..2]);
    for (filter, expected) in [
        (OperationFilter { host: Some(host("LAB-02")), ..OperationFilter::default() }, &all[..1]),
        (OperationFilter { reservation_id: Some(ids[0].clone()), ..OperationFilter::default() }, &all[1..]),
        (OperationFilter { labs: Some(vec!["óptica".to_owned()]), ..OperationFilter::default() }, &all[..]),
        (OperationFilter { labs: Some(Vec::new()), ..OperationFilter::default() }, &[]),
    ] {
        assert_eq!(list(filter.clone(), None, 10).await, expected, "{filter:?}");
        let (page, total) = lab.store.operations_page(&filter, 1, 1).await.unwrap();
        assert_eq!(total, expected.len() as u64);
        assert_eq!(
            page.iter().map(|one| &one.operation).collect::<Vec<_>>(),
            expected.iter().skip(1).take(1).collect::<Vec<_>>()
        );
    }
    lab.store.prune_audit(at(40), 100).await.unwrap();
    assert_eq!(list(OperationFilter::default(), None, 10).await, all[..1], "what runs is not forgotten");
    assert!(lab.store.overrides(&ids).await.unwrap().is_empty());
}

pub async fn a_lease_lasts_by_the_clock_of_the_database(lab: Lab) {
    let minute = Duration::from_secs(60);
    let (one, other) = (run("LAB-01", "one"), run("LAB-02", "other"));
    let mut work = lab.store.begin().await.unwrap();
    work.states().ensure(&[host("LAB-01"), host("LAB-02")], at(0)).await.unwrap();
    work.leases().take(&one, "a", minute, at(1)).await.unwrap();
    work.leases().take(&other, "b", Duration::ZERO, at(2)).await.unwrap();
    work.commit().await.unwrap();
    let leases = lab.store.station_leases().await.unwrap();
    assert_eq!(leases.iter().map(|lease| lease.holder.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(leases[0].left.is_some_and(|left| left <= minute), "{leases:?}");
    assert_eq!((leases[1].left, leases[1].begun_at), (None, at(2)));
    assert_eq!((&leases[0].run, &leases[1].run), (&one, &other));

    let lengthen = async |on: &str, by: &str| lab.store.renew_lease(&host(on), by, minute).await.unwrap();
    assert!(lengthen("LAB-02", "b").await, "its holder is still there");
    assert!(!lengthen("LAB-02", "c").await, "it is another's");
    assert!(lab.store.station_lease(&host("LAB-02")).await.unwrap().unwrap().left.is_some());

    let mut work = lab.store.begin().await.unwrap();
    work.leases().take(&run("LAB-01", "new"), "c", minute, at(9)).await.unwrap();
    assert!(work.leases().ask_to_stop(&host("LAB-01"), "ana").await.unwrap());
    assert!(!work.leases().ask_to_stop(&host("LAB-09"), "ana").await.unwrap(), "nobody acts there");
    work.commit().await.unwrap();
    let taken = lab.store.station_lease(&host("LAB-01")).await.unwrap().unwrap();
    assert_eq!((taken.holder.as_str(), taken.stop_asked_by.as_deref()), ("c", Some("ana")));
    assert_eq!((taken.run, taken.begun_at), (one, at(1)), "what was begun is ended first");

    let mut work = lab.store.begin().await.unwrap();
    assert!(!work.leases().give_back(&host("LAB-01"), "a").await.unwrap(), "no longer its own");
    assert!(work.leases().give_back(&host("LAB-01"), "c").await.unwrap());
    work.commit().await.unwrap();
    let booked = Reservation {
        id: ReservationId("R".to_owned()),
        lab: None,
        host: host("LAB-03"),
        start_at: at(3_600),
        end_at: at(7_200),
        status: ReservationStatus::Confirmed,
        who: None,
    };
    let mut work = lab.store.begin().await.unwrap();
    work.reservations().save(&[booked]).await.unwrap();
    work.commit().await.unwrap();
    let hour = TimeDelta::hours(1);
    for (from, to, expected) in [
        (at(0), at(0) + hour, vec!["LAB-02", "LAB-03"]),
        (at(0), at(0), vec!["LAB-02"]),
        (at(7_201), at(7_201) + hour, vec!["LAB-02"]),
    ] {
        let hosts = lab.store.hosts_to_serve(from, to).await.unwrap();
        assert_eq!(hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>(), expected);
    }
}
