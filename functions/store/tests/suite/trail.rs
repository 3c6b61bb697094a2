use stationkeeper_rules::{FoundIn, Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::{
    EventCursor, ForcedLogoffFilter, ForcedLogoffKey, ForcedLogoffRecord, ForcedLogoffSighting, HostEventRecord,
};
use stationkeeper_telemetry::{ForcedLogoff, HostEvent};

use super::{at, host, sha256};
use crate::Lab;

fn line(name: &str, second: i64, user: Option<&str>, session_id: Option<i64>, number: u64) -> HostEventRecord {
    HostEventRecord {
        host: host(name),
        occurrence: 0,
        offset: number * 100,
        event: HostEvent {
            timestamp: at(second),
            user: user.map(str::to_owned),
            session_id,
            grace: Some(30),
            force: Some(false),
            message: Some("save «now»\n".to_owned()),
            source: None,
            line: number,
            state: Some("Active".to_owned()),
        },
    }
}

pub async fn lines_of_the_trail_are_kept_once(lab: Lab) {
    let long = "ü".repeat(5_000);
    let mut lines = vec![
        line("LAB-01", 0, None, None, 1),
        line("LAB-01", 0, Some(""), None, 2),
        line("LAB-01", 0, Some("ann"), None, 3),
        line("LAB-01", 0, Some("ann "), None, 4),
        line("LAB-01", 0, Some("Ann"), None, 5),
        line("LAB-01", 0, Some("ann"), Some(0), 6),
        line("LAB-01", 5, Some(&long), Some(-7), 7),
        line("LAB-02", 3, Some("ann"), Some(1), 1),
    ];
    lines.push(HostEventRecord { occurrence: 1, ..line("LAB-01", 5, Some(&long), Some(-7), 8) });
    let mut work = lab.store.begin().await.unwrap();
    work.host_events().insert(&lines).await.unwrap();
    let again: Vec<_> = lines
        .iter()
        .cloned()
        .map(|mut one| {
            one.event.grace = None;
            one
        })
        .collect();
    work.host_events().insert(&again).await.unwrap();
    let within =
        work.host_events().within(&[(host("LAB-01"), at(5), at(6)), (host("LAB-02"), at(0), at(3))]).await.unwrap();
    assert_eq!(within, [lines[6].clone(), lines[8].clone(), lines[7].clone()]);
    work.commit().await.unwrap();
    let read = lab.store.host_events(&host("LAB-01"), at(0), at(0), 100).await.unwrap();
    assert_eq!(read, lines[..6]);
    assert_eq!(lab.store.host_events(&host("LAB-01"), at(0), at(9), 2).await.unwrap(), lines[..2]);
}

pub async fn cursors_of_the_trail_are_kept(lab: Lab) {
    let mut cursor = EventCursor {
        host: host("LAB-01"),
        object_key: "stations/LAB-01/session-guard-events.jsonl".to_owned(),
        offset: 1 << 40,
        lines: 12,
        version: Some("v1".to_owned()),
        tail_length: 64,
        tail_sha256: Some(sha256(b"head")),
    };
    assert_eq!(lab.store.event_cursor(&cursor.host, &cursor.object_key).await.unwrap(), None);
    for offset in [1 << 40, 7] {
        cursor.offset = offset;
        let mut work = lab.store.begin().await.unwrap();
        work.host_events().save_cursors(&[cursor.clone()]).await.unwrap();
        assert_eq!(work.host_events().cursors(&[host("LAB-01"), host("LAB-02")]).await.unwrap(), [cursor.clone()]);
        work.commit().await.unwrap();
        assert_eq!(lab.store.event_cursor(&cursor.host, &cursor.object_key).await.unwrap(), Some(cursor.clone()));
    }
}

pub async fn reservations_are_found_by_station_and_time(lab: Lab) {
    let reservation = |id: &str, name: &str, from, to| Reservation {
        id: ReservationId(id.to_owned()),
        lab: None,
        host: host(name),
        start_at: at(from),
        end_at: at(to),
        status: ReservationStatus::Confirmed,
        who: Some("ann".to_owned()),
    };
    let mut all = [
        reservation("R-1", "LAB-01", 0, 60),
        reservation("R-2", "LAB-01", 60, 120),
        reservation("R-3", "LAB-02", 30, 90),
    ];
    let mut work = lab.store.begin().await.unwrap();
    work.reservations().save(&all).await.unwrap();
    all[1].status = ReservationStatus::Cancelled;
    all[1].lab = Some("optics".to_owned());
    work.reservations().save(&all[1..2]).await.unwrap();
    let hosts = [host("LAB-02"), host("LAB-01")];
    assert_eq!(work.reservations().of_hosts(&hosts, at(0), at(999)).await.unwrap(), all);
    assert_eq!(work.reservations().of_hosts(&hosts[1..], at(61), at(999)).await.unwrap(), all[1..2]);
    assert_eq!(work.reservations().of_hosts(&hosts[1..], at(-9), at(-1)).await.unwrap(), []);
    assert_eq!(work.reservations().by_id(&[ReservationId("R-3".to_owned())]).await.unwrap(), all[2..]);
    work.commit().await.unwrap();
    let read = async |of: Option<&str>, from, to, limit| {
        let found = lab.store.reservations(of.map(host).as_ref(), at(from), at(to), limit).await.unwrap();
        found.into_iter().map(|one| one.id.0).collect::<Vec<_>>()
    };
    assert_eq!(read(None, 0, 999, 9).await, ["R-1", "R-3", "R-2"]);
    assert_eq!(read(None, 0, 999, 1).await, ["R-1"]);
    assert_eq!(read(Some("LAB-02"), 0, 999, 9).await, ["R-3"]);
    assert_eq!(read(None, 0, 29, 9).await, ["R-1"]);
    assert_eq!(lab.store.reservation(&all[1].id).await.unwrap().as_ref(), Some(&all[1]));
}

pub async fn of_each_station_what_runs_and_what_is_next(lab: Lab) {
    let reservation = |id: &str, name: &str, start: i64, end: i64, status| Reservation {
        id: ReservationId(id.to_owned()),
        lab: Some("optics".to_owned()),
        host: host(name),
        start_at: at(start),
        end_at: at(end),
        status,
        who: Some("ann".to_owned()),
    };
    use ReservationStatus::{Active, Cancelled, Completed, Confirmed};
    let all = [
        reservation("over", "LAB-01", 0, 60, Active),
        reservation("runs", "LAB-01", 60, 120, Active),
        reservation("began-later", "LAB-01", 70, 120, Active),
        reservation("cancelled", "LAB-01", 120, 130, Cancelled),
        reservation("next", "LAB-01", 130, 140, Confirmed),
        reservation("then", "LAB-01", 140, 150, Confirmed),
        reservation("elsewhere", "LAB-02", 110, 150, Confirmed),
        reservation("completed", "LAB-03", 60, 120, Completed),
        reservation("too-late", "LAB-03", 501, 600, Confirmed),
    ];
    let mut work = lab.store.begin().await.unwrap();
    work.reservations().save(&all).await.unwrap();
    work.commit().await.unwrap();
    for (of, now, expected) in [
        (None, 90, vec!["elsewhere", "next", "runs"]),
        (Some("LAB-01"), 90, vec!["next", "runs"]),
        // A reservation runs from its start to before its end.
        (Some("LAB-01"), 60, vec!["began-later", "runs"]),
        (Some("LAB-01"), 120, vec!["next"]),
        (Some("LAB-01"), 130, vec!["next", "then"]),
        (Some("LAB-03"), 90, vec![]),
    ] {
        let of = of.map(host);
        let mut found = lab.store.current_and_next_reservations(of.as_ref(), at(now), at(500)).await.unwrap();
        found.sort_by(|one, other| one.id.0.cmp(&other.id.0));
        let ids: Vec<&str> = found.iter().map(|one| one.id.0.as_str()).collect();
        assert_eq!(ids, expected, "{of:?} at {now}");
        assert!(found.iter().all(|one| all.contains(one)), "whole, as they were saved");
    }
}

fn logoff(user: &str) -> ForcedLogoff {
    ForcedLogoff {
        timestamp: Some(at(0)),
        user: Some(user.to_owned()),
        session_id: Some(2),
        grace: None,
        force: None,
        message: None,
        source: None,
        state: None,
        success: None,
    }
}

pub async fn sightings_wait_until_they_are_settled(lab: Lab) {
    let mut sighting = ForcedLogoffSighting {
        host: host("LAB-01"),
        logged_off_at: at(0),
        heartbeat: Some(logoff("ann")),
        service_state: None,
        last_seen_at: Some(at(60)),
        noticed_at: at(61),
        settled: false,
    };
    let later = ForcedLogoffSighting { host: host("LAB-02"), noticed_at: at(30), ..sighting.clone() };
    let mut work = lab.store.begin().await.unwrap();
    work.forced_logoffs().save_sightings(&[sighting.clone(), later.clone()]).await.unwrap();
    work.commit().await.unwrap();
    let pending = async |second| lab.store.hosts_with_pending_sightings(at(second), 9).await.unwrap();
    assert_eq!(pending(61).await, [host("LAB-02")]);
    assert_eq!(pending(62).await, [host("LAB-02"), host("LAB-01")]);

    let mut work = lab.store.begin().await.unwrap();
    let hosts = [host("LAB-01"), host("LAB-02")];
    assert_eq!(work.forced_logoffs().pending_of(&hosts).await.unwrap(), [sighting.clone(), later.clone()]);
    sighting.service_state = Some(logoff("Ann"));
    sighting.settled = true;
    let again = ForcedLogoffSighting { noticed_at: at(500), ..sighting.clone() };
    work.forced_logoffs().save_sightings(&[again]).await.unwrap();
    assert_eq!(work.forced_logoffs().pending_of(&hosts).await.unwrap(), [later]);
    let windows = [(host("LAB-01"), at(-2), at(2))];
    assert_eq!(work.forced_logoffs().sightings_within(&windows).await.unwrap(), [sighting]);
}

pub async fn forced_logoffs_are_kept_listed_and_linked(lab: Lab) {
    let record = |name: &str, second, user: Option<&str>, occurrence| ForcedLogoffRecord {
        key: ForcedLogoffKey {
            host: host(name),
            timestamp: at(second),
            user: user.map(str::to_owned),
            session_id: user.map(|_| 2),
            occurrence,
        },
        grace: Some(0),
        force: Some(true),
        message: None,
        source: Some("session-guard".to_owned()),
        reservation_id: None,
        found_in: FoundIn::Heartbeat,
    };
    let records = [
        record("LAB-01", 0, Some("ann"), 0),
        record("LAB-01", 0, Some("ann"), 1),
        record("LAB-01", 0, None, 0),
        record("LAB-02", 0, Some("bob"), 0),
        record("LAB-02", 60, Some("bob"), 0),
    ];
    let mut work = lab.store.begin().await.unwrap();
    work.forced_logoffs().insert(&records).await.unwrap();
    let better = ForcedLogoffRecord { found_in: FoundIn::Jsonl, message: Some("m".to_owned()), ..records[0].clone() };
    work.forced_logoffs().insert(&[better.clone()]).await.unwrap();
    let window = [(host("LAB-01"), at(0), at(0))];
    let expected = [records[2].clone(), records[0].clone(), records[1].clone()];
    assert_eq!(work.forced_logoffs().within(&window).await.unwrap(), expected);
    work.forced_logoffs().save(&[better.clone()]).await.unwrap();
    work.forced_logoffs().delete(&[records[1].key.clone()]).await.unwrap();
    assert_eq!(work.forced_logoffs().within(&window).await.unwrap(), [records[2].clone(), better.clone()]);
    let id = ReservationId("R-1".to_owned());
    assert_eq!(work.forced_logoffs().relink(&host("LAB-02"), at(1), at(60), Some(&id)).await.unwrap(), 1);
    work.commit().await.unwrap();

    let all = ForcedLogoffFilter::default();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = lab.store.forced_logoffs(&all, after.as_ref(), 1).await.unwrap();
        let Some(one) = page.into_iter().next() else { break };
        after = Some(one.key.clone());
        seen.push(one);
    }
    let linked = ForcedLogoffRecord { reservation_id: Some(id.clone()), ..records[4].clone() };
    assert_eq!(seen, [linked.clone(), records[2].clone(), better, records[3].clone()]);
    let of_reservation = ForcedLogoffFilter { reservation_id: Some(id), ..all.clone() };
    assert_eq!(lab.store.forced_logoffs(&of_reservation, None, 9).await.unwrap(), [linked]);
    let of_host = ForcedLogoffFilter { host: Some(host("LAB-02")), from: Some(at(0)), to: Some(at(60)), ..all };
    assert_eq!(lab.store.forced_logoffs(&of_host, None, 9).await.unwrap(), records[3..4]);
}
