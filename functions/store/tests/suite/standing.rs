use stationkeeper_rules::{
    Actor, AlertId, AlertKey, AlertState, Cause, RawFormat, Reservation, ReservationId, ReservationStatus, Rule,
    StationWord, Transition,
};

use super::{at, heard, heartbeat, host, snapshot, with_stations};
use crate::Lab;

pub async fn what_stands_about_stations_is_read_at_once(lab: Lab) {
    let hosts: Vec<_> = (1..=9).map(|number| host(&format!("LAB-{number:02}"))).collect();
    let states: Vec<_> = hosts.iter().map(|host| heard(host.as_str(), at(0), StationWord::Ready)).collect();
    with_stations(&lab.store, &states).await;
    let snapshots = [snapshot("LAB-01", at(0)), snapshot("LAB-01", at(60)), snapshot("LAB-09", at(0))];
    let heartbeats: Vec<_> = snapshots.iter().map(|snapshot| heartbeat(snapshot, b"{}")).collect();
    let key = AlertKey { rule: Rule::NotReady, host: Some(host("LAB-02")), reservation_id: None };
    let opened = Transition {
        alert_id: AlertId::derive(&key, at(5)),
        key,
        from: None,
        to: AlertState::Open,
        at: at(5),
        actor: Actor::Rule,
        cause: Cause::NeverHeard,
        note: None,
        acknowledged_until: None,
    };
    let reservation = |name: &str, start: i64| Reservation {
        id: ReservationId(format!("{name}-{start}")),
        lab: None,
        host: host(name),
        start_at: at(start),
        end_at: at(start + 600),
        status: ReservationStatus::Confirmed,
        who: None,
    };
    let booked = [reservation("LAB-03", 600), reservation("LAB-03", 0), reservation("LAB-04", 90_000)];
    let mut work = lab.store.begin().await.unwrap();
    work.heartbeats().insert(&heartbeats, RawFormat::Zstd).await.unwrap();
    work.alerts().apply(&[opened]).await.unwrap();
    work.reservations().save(&booked).await.unwrap();
    work.commit().await.unwrap();

    let mut work = lab.store.begin().await.unwrap();
    let span = (at(-3_600), at(3_600));
    let mut keys: Vec<_> = hosts.iter().map(|host| (host.clone(), at(0))).collect();
    // More stations than heartbeats, more heartbeats than stations, and more than one statement takes.
    for more in [0, 40, 900] {
        keys.extend((0..more).map(|second| (host("LAB-05"), at(10_000 + second))));
        let mut found = work.standing(&keys, &hosts, span).await.unwrap();
        let mut existing = work.heartbeats().existing(&keys).await.unwrap();
        found.heartbeats.sort_by(|one, other| one.host.cmp(&other.host));
        existing.sort_by(|one, other| one.host.cmp(&other.host));
        assert_eq!(found.heartbeats, existing);
        assert_eq!(existing.len(), 2, "of LAB-01 and LAB-09");
        assert_eq!(found.alerts, work.alerts().unresolved_of(&hosts).await.unwrap());
        assert_eq!(found.alerts.len(), 1);
        assert_eq!(found.reservations, work.reservations().of_hosts(&hosts, span.0, span.1).await.unwrap());
        let ids: Vec<_> = found.reservations.iter().map(|one| one.id.0.as_str()).collect();
        assert_eq!(ids, ["LAB-03-0", "LAB-03-600"]);
    }
    let alone = work.standing(&[], &hosts[..3], span).await.unwrap();
    assert_eq!((alone.heartbeats.len(), alone.alerts.len(), alone.reservations.len()), (0, 1, 2));
}
