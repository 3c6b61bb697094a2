//! The checker itself: a good database passes on both databases, and each kind of damage is found.

use sha2::{Digest, Sha256};
use stationkeeper_store::{ObjectVersion, Store, StoreOptions};
use stationkeeper_tests::conservation::{Accepted, Conservation, Violations, accepted_by_memory};
use stationkeeper_tests::database::{Database, Kind};
use stationkeeper_tests::tables::Tables;

use crate::run::{Plans, Run};
use crate::scenario::steps;

async fn undisturbed(kind: Kind) -> (Database, Run) {
    let database = tokio::task::spawn_blocking(move || Database::new(kind)).await.unwrap();
    let store = Store::open(&database.url(), StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let mut run = Run::over(&database.url(), Plans::default(), false).await;
    run.all(&steps()).await;
    (database, run)
}

/// Dropping a MariaDB's database blocks.
async fn drop_database(database: Database) {
    tokio::task::spawn_blocking(move || drop(database)).await.unwrap();
}

#[tokio::test]
async fn an_undisturbed_run_passes_on_both_databases() {
    for kind in [Kind::Sqlite, Kind::MariaDb] {
        let (database, run) = undisturbed(kind).await;
        let counts = run
            .conservation()
            .at_least("accepted", 25)
            .at_least("stations", 5)
            .at_least("history", 20)
            .at_least("variants", 1)
            .at_least("state_documents", 4)
            .at_least("quarantined", 2)
            .at_least("events", 2)
            .at_least("forced_logoffs", 3)
            .at_least("alerts", 5)
            .at_least("transitions", 9)
            .holds()
            .await;
        assert!(counts["unresolved"] < counts["alerts"], "{kind:?}: {counts:?}");
        drop_database(database).await;
    }
}

async fn damaged(sql: &str, conservation: impl Fn(&Run) -> Conservation) -> Violations {
    let (database, run) = undisturbed(Kind::Sqlite).await;
    let mut tables = Tables::open(&database.url()).await.unwrap();
    tables.execute(sql).await.unwrap();
    tables.close().await.unwrap();
    let found = conservation(&run).check().await;
    found.err().unwrap_or_else(|| panic!("nothing was found after: {sql}"))
}

#[tokio::test]
async fn each_kind_of_damage_is_found() {
    const LOST: &str = "lost";
    const DOUBLE: &str = "double";
    const BYTES: &str = "bytes out are not bytes in";
    const LATEST: &str = "latest is not the greatest of history";
    const LIFE: &str = "not the life of an alert";
    const ORPHAN: &str = "orphan";
    const RUNS: &str = "runs do not follow one another";
    let one_alert = "id = (select id from alerts where state = 'resolved' order by id limit 1)";
    let one_row = "rowid = (select min(rowid) from lab_station_heartbeat where host = 'LAB-02')";
    let copied = "insert into alerts (id, rule, host, reservation_id, state, opened_at, cause)";
    for (shows, sql, kind) in [
        ("a heartbeat is gone", format!("delete from lab_station_heartbeat where {one_row}"), LOST),
        ("and its mark too", format!("delete from ingested_objects; delete from lab_station_heartbeat where {one_row}"), LOST),
        ("a document of the state was forgotten", "delete from ingested_objects".to_owned(), LOST),
        ("quarantine was emptied", "delete from quarantined_objects".to_owned(), LOST),
        (
            "something is in history and in quarantine",
            "insert into quarantined_objects select 'stations/LAB-01/heartbeat.json', '1', host, reason, detail, first_bytes, \
             size_bytes, arrived_at, quarantined_at, quarantine_key from quarantined_objects limit 1"
                .to_owned(),
            DOUBLE,
        ),
        (
            "a body is in history twice",
            "insert into lab_station_heartbeat_variants select host, timestamp_utc, sha256, first_arrived_at, ingested_at, \
             raw_format, raw_dictionary, raw, raw_json, raw_length from lab_station_heartbeat limit 1"
                .to_owned(),
            DOUBLE,
        ),
        ("a body is cut", format!("update lab_station_heartbeat set raw = substr(raw, 1, 20) where {one_row}"), BYTES),
        (
            "a body is another's",
            format!("update lab_station_heartbeat set raw = (select raw from lab_station_heartbeat where host = 'LAB-04' limit 1), raw_length = (select raw_length from lab_station_heartbeat where host = 'LAB-04' limit 1) where {one_row}"),
            BYTES,
        ),
        ("a length is wrong", format!("update lab_station_heartbeat set raw_length = raw_length + 1 where {one_row}"), BYTES),
        ("the dictionary is gone", "delete from raw_dictionaries".to_owned(), BYTES),
        ("nobody put it", format!("update lab_station_heartbeat set sha256 = zeroblob(32) where {one_row}"), BYTES),
        (
            "latest is an older one",
            "update lab_station_state set timestamp_utc = '2026-11-24T10:00:00.000000Z' where host = 'LAB-02'".to_owned(),
            LATEST,
        ),
        (
            "latest arrived at another time",
            "update lab_station_state set advanced_at = '2026-11-24T10:00:00.000000Z' where host = 'LAB-02'".to_owned(),
            LATEST,
        ),
        ("latest says another thing", "update lab_station_state set ready = 0 where host = 'LAB-02'".to_owned(), LATEST),
        (
            "latest shows another snapshot",
            "update lab_station_state set snapshot = (select snapshot from lab_station_state where host = 'LAB-04') \
             where host = 'LAB-02'"
                .to_owned(),
            LATEST,
        ),
        (
            "latest is missing",
            "update lab_station_state set timestamp_utc = null, advanced_at = null where host = 'LAB-02'".to_owned(),
            LATEST,
        ),
        ("a step is missing", format!("delete from alert_transitions where to_state = 'open' and alert_{one_alert}"), LIFE),
        (
            "it stands elsewhere than its steps end",
            format!("update alerts set state = 'acknowledged', resolved_at = null where {one_alert}"),
            LIFE,
        ),
        (
            "it was resolved twice",
            format!(
                "insert into alert_transitions select alert_id, '2026-11-24T11:00:00.000000Z', to_state, from_state, actor, cause, \
                 note, acknowledged_until from alert_transitions where to_state = 'resolved' and alert_{one_alert}"
            ),
            LIFE,
        ),
        (
            "it opened at another time",
            format!("update alerts set opened_at = '2026-11-24T09:00:00.000000Z' where {one_alert}"),
            LIFE,
        ),
        (
            "it was resolved at another time",
            format!("update alerts set resolved_at = '2026-11-24T19:00:00.000000Z' where {one_alert}"),
            LIFE,
        ),
        (
            "two of a kind are unresolved",
            format!(
                "create table copy as select * from alerts; drop table alerts; alter table copy rename to alerts; \
                 {copied} values ('a', 'not_ready', 'LAB-01', '', 'open', '2026-11-24T10:00:00.000000Z', '{{}}'); \
                 {copied} values ('b', 'not_ready', 'LAB-01', '', 'open', '2026-11-24T10:00:01.000000Z', '{{}}')"
            ),
            DOUBLE,
        ),
        ("steps of no alert", format!("delete from alerts where {one_alert}"), ORPHAN),
        (
            "nobody owes news of a step",
            format!("delete from notifications_owed where to_state = 'resolved' and alert_{one_alert}"),
            "lost",
        ),
        (
            "news of no step are owed",
            format!("update notifications_owed set at = '2026-11-24T09:00:00.000000Z' where alert_{one_alert} and to_state = 'open'"),
            ORPHAN,
        ),
        ("a variant of nothing", "delete from lab_station_heartbeat where host = 'LAB-01'".to_owned(), ORPHAN),
        ("a row of no station", "delete from lab_hosts where name = 'LAB-03'".to_owned(), ORPHAN),
        ("a station without a state", "delete from lab_station_state where host = 'LAB-05'".to_owned(), ORPHAN),
        ("a link to no reservation", "delete from reservations".to_owned(), ORPHAN),
        (
            "something that nobody put is in quarantine",
            "update quarantined_objects set object_key = 'stations/LAB-09/heartbeat.json' where host is not null".to_owned(),
            ORPHAN,
        ),
        (
            "something that nobody put is marked",
            "insert into ingested_objects values (zeroblob(16), 1, '2026-11-24')".to_owned(),
            ORPHAN,
        ),
        (
            "a run ends before the next begins",
            "update station_state_runs set to_at = '2026-11-24T09:00:00.000000Z' where host = 'LAB-02' and to_at is not null"
                .to_owned(),
            RUNS,
        ),
        (
            "no run is open",
            "update station_state_runs set to_at = '2026-11-24T12:00:00.000000Z' where host = 'LAB-02' and to_at is null"
                .to_owned(),
            RUNS,
        ),
    ] {
        let violations = damaged(&sql, Run::conservation).await;
        assert!(violations.kinds().contains(&kind), "{shows}: {violations}");
    }
}

#[tokio::test]
async fn what_was_put_and_what_waits_is_compared_with_what_is_kept() {
    let (database, run) = undisturbed(Kind::Sqlite).await;
    let known = accepted_by_memory(&run.objects);
    let one = known.iter().find(|one| one.object.key == "stations/LAB-02/heartbeat.json").unwrap();
    let key = &one.object.key;
    let waits = |version: &str| ObjectVersion { key: key.clone(), version: version.to_owned() };
    for (shows, conservation, kind) in [
        (
            "an accepted object is nowhere",
            run.conservation().accepted([Accepted::answered(key, "999", b"{}")]),
            Some("lost"),
        ),
        (
            "one that was not answered may be nowhere",
            run.conservation().accepted([Accepted::unanswered(key, b"{}")]),
            None,
        ),
        (
            "one that waits is somewhere",
            run.conservation().accepted([Accepted::answered(key, "999", b"{}")]).waiting([waits("999")]),
            None,
        ),
        ("one that is done does not wait", run.conservation().waiting([one.object.clone()]), Some("double")),
        ("one that waits was put", run.conservation().waiting([waits("999")]), Some("orphan")),
        ("nobody put what is there", Conservation::of(database.url()), Some("bytes out are not bytes in")),
        (
            "too little happened",
            run.conservation().observed("kills", 1).observed("kills", 1).at_least("kills", 3),
            Some("too little happened"),
        ),
        ("enough happened", run.conservation().observed("kills", 2).observed("kills", 1).at_least("kills", 3), None),
        ("a count of its own is too small", run.conservation().at_least("history", 1_000), Some("too little happened")),
        ("what was never observed is nothing", run.conservation().at_least("stops", 1), Some("too little happened")),
    ] {
        let found = conservation.check().await;
        let kinds = found.as_ref().err().map(Violations::kinds).unwrap_or_default();
        assert_eq!(kinds.contains(&kind.unwrap_or("none")), kind.is_some(), "{shows}: {found:?}");
        assert_eq!(kinds.is_empty(), kind.is_none(), "{shows}: {found:?}");
    }
    assert_eq!(
        one.sha256,
        <[u8; 32]>::from(Sha256::digest(
            &run.objects.versions().iter().find(|(address, _)| address.key == *key).unwrap().1
        ))
    );
}

#[tokio::test]
async fn every_violation_is_named_and_not_only_the_first() {
    let violations = damaged(
        "delete from ingested_objects; update lab_station_state set ready = 1 - ready; delete from alerts",
        |run| run.conservation().at_least("kills", 7),
    )
    .await;
    let text = violations.to_string();
    for part in [
        "lost (",
        "latest is not the greatest of history (",
        "orphan (",
        "kills: 0, of 7 at least",
        "session-guard-events.jsonl",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
