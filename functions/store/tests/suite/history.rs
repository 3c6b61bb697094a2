use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::history::Beat;
use stationkeeper_rules::{RawFormat, ReservationId};
use stationkeeper_store::{NewHeartbeat, StoreError, StoreOptions, train_dictionary};
use stationkeeper_telemetry::{ForcedLogoff, PowerAction, SessionOperation};

use super::{at, chain, heartbeat, host, sha256, snapshot};
use crate::Lab;

async fn insert(lab: &Lab, heartbeats: &[NewHeartbeat<'_>], format: RawFormat) {
    let mut work = lab.store.begin().await.unwrap();
    work.heartbeats().insert(heartbeats, format).await.unwrap();
    work.commit().await.unwrap();
}

pub async fn a_heartbeat_comes_back_byte_by_byte(lab: Lab) {
    let bodies: [&[u8]; 5] = [
        b"{\"host\":\"LAB-01\"}\r\n",
        b"\xEF\xBB\xBF{\"user\":\"Jos\xC3\xA9\"}",
        b"\xFF\xFE{\0}\0",
        b"",
        b"\xEF\xBB\xBF",
    ];
    for (offset, format) in [(0, RawFormat::Zstd), (100, RawFormat::Json)] {
        for (second, body) in bodies.iter().enumerate() {
            let timestamp = at(offset + i64::try_from(second).unwrap());
            let snapshot = snapshot("LAB-01", timestamp);
            insert(&lab, &[heartbeat(&snapshot, body)], format).await;
            let raw = lab.store.raw(&host("LAB-01"), timestamp).await.unwrap().unwrap();
            assert_eq!(raw.bytes, *body);
            assert_eq!(raw.sha256, sha256(body));
            assert_eq!(raw.arrived_at, timestamp + TimeDelta::seconds(1));
        }
    }
    assert_eq!(lab.store.raw(&host("LAB-01"), at(50)).await.unwrap(), None);
    // Plain JSON is there for SQL, byte order mark or not; what is no text is not.
    assert_eq!(lab.tamper("update lab_station_heartbeat set state = 'x' where raw_json like '{%}%'").await, 2);
}

pub async fn a_heartbeat_is_inserted_once(lab: Lab) {
    let snapshot = snapshot("LAB-01", at(0));
    insert(&lab, &[heartbeat(&snapshot, b"first")], RawFormat::Zstd).await;
    insert(&lab, &[heartbeat(&snapshot, b"second")], RawFormat::Zstd).await;
    let mut work = lab.store.begin().await.unwrap();
    let keys = [(host("LAB-01"), at(0)), (host("LAB-01"), at(1)), (host("LAB-02"), at(0))];
    let existing = work.heartbeats().existing(&keys).await.unwrap();
    assert_eq!(existing.len(), 1);
    assert_eq!((existing[0].timestamp_utc, existing[0].sha256), (at(0), sha256(b"first")));
    assert_eq!((existing[0].first_arrived_at, existing[0].arrived_at), (at(1), at(1)));
}

pub async fn other_bytes_are_kept_beside_the_winner(lab: Lab) {
    let snapshot = snapshot("LAB-01", at(0));
    let body = |raw: &'static [u8], arrived| NewHeartbeat { arrived_at: at(arrived), ..heartbeat(&snapshot, raw) };
    insert(&lab, &[body(b"one", 1)], RawFormat::Zstd).await;
    let mut work = lab.store.begin().await.unwrap();
    for _ in 0..2 {
        work.heartbeats().replace(&[body(b"three", 30)], RawFormat::Zstd).await.unwrap();
        work.heartbeats().add_variants(&[body(b"two", 20)], RawFormat::Json).await.unwrap();
    }
    work.commit().await.unwrap();
    let key = (&host("LAB-01"), at(0));
    assert_eq!(lab.store.raw(key.0, key.1).await.unwrap().unwrap().bytes, b"three");
    let variants = lab.store.raw_variants(key.0, key.1).await.unwrap();
    let variants: Vec<_> = variants.iter().map(|one| (one.bytes.as_slice(), one.arrived_at)).collect();
    assert_eq!(variants, [(&b"one"[..], at(1)), (&b"two"[..], at(20))]);

    // A variant that comes again, later than all, wins; nothing is lost or doubled.
    let mut work = lab.store.begin().await.unwrap();
    work.heartbeats().replace(&[body(b"two", 40)], RawFormat::Zstd).await.unwrap();
    work.commit().await.unwrap();
    let variants = lab.store.raw_variants(key.0, key.1).await.unwrap();
    assert_eq!(variants.iter().map(|one| one.bytes.as_slice()).collect::<Vec<_>>(), [&b"one"[..], b"three"]);
    let row = &lab.store.heartbeats(key.0, at(0), at(1), 9).await.unwrap()[0];
    assert_eq!((row.first_arrived_at, row.arrived_at), (at(1), at(40)));

    // One that comes again keeps the earlier of its arrivals, in whatever order they become known.
    let mut work = lab.store.begin().await.unwrap();
    for arrived in [35, 25, 38] {
        work.heartbeats().add_variants(&[body(b"three", arrived)], RawFormat::Zstd).await.unwrap();
    }
    let variants = work.heartbeats().variants(&[(key.0.clone(), key.1), (host("LAB-02"), key.1)]).await.unwrap();
    work.commit().await.unwrap();
    let variants: Vec<_> = variants.iter().map(|one| (one.sha256, one.arrived_at)).collect();
    assert!(variants.contains(&(sha256(b"three"), at(25))), "{variants:?}");
    assert_eq!(variants.len(), 2, "the winner is not among them: {variants:?}");
}

pub async fn first_arrivals_only_sink(lab: Lab) {
    let (one, two) = (snapshot("LAB-01", at(100)), snapshot("LAB-01", at(200)));
    insert(&lab, &[heartbeat(&one, b"1"), heartbeat(&two, b"2")], RawFormat::Zstd).await;
    let mut work = lab.store.begin().await.unwrap();
    let arrivals = [(host("LAB-01"), at(100), at(90)), (host("LAB-01"), at(200), at(300))];
    work.heartbeats().lower_first_arrived_at(&arrivals).await.unwrap();
    work.heartbeats().lower_first_arrived_at(&arrivals).await.unwrap();
    work.commit().await.unwrap();
    let rows = lab.store.heartbeats(&host("LAB-01"), at(0), at(999), 9).await.unwrap();
    let arrivals: Vec<_> = rows.iter().map(|row| (row.first_arrived_at, row.arrived_at)).collect();
    assert_eq!(arrivals, [(at(90), at(101)), (at(201), at(201))]);
}

pub async fn history_is_read_in_pages_and_linked(lab: Lab) {
    let mut snapshots: Vec<_> = (0..4).map(|minute| snapshot("LAB-01", at(minute * 60))).collect();
    let full = &mut snapshots[1];
    (full.ready, full.issues) = (false, vec!["a \"quoted\" issue".to_owned()]);
    full.local_mode_enabled = Some(true);
    let prepare = SessionOperation { timestamp: Some(at(-1)), success: Some(true), duration_ms: None, user: None };
    (full.last_prepare, full.last_release) =
        (Some(prepare.clone()), Some(SessionOperation { timestamp: Some(at(-2)), ..prepare }));
    full.last_power_action = Some(PowerAction {
        timestamp: Some(at(-3)),
        mode: Some("shutdown".to_owned()),
        forced: None,
        wake_ready: None,
        success: None,
        delay: None,
        reason: None,
        wake_issues: None,
    });
    full.last_forced_logoff = Some(ForcedLogoff {
        timestamp: Some(at(-4)),
        user: Some("añn".to_owned()),
        session_id: None,
        grace: None,
        force: None,
        message: None,
        source: None,
        state: None,
        success: None,
    });
    full.details.version = Some("2.1".to_owned());
    // A clock that ran ahead: arrived long before its timestamp.
    let ahead = snapshot("LAB-01", at(9_000));
    let reservation = ReservationId("R-1".to_owned());
    let mut heartbeats: Vec<_> = snapshots.iter().map(|snapshot| heartbeat(snapshot, b"{}")).collect();
    heartbeats[1].reservation_id = Some(&reservation);
    heartbeats.push(NewHeartbeat { first_arrived_at: at(150), arrived_at: at(150), ..heartbeat(&ahead, b"{ }") });
    insert(&lab, &heartbeats, RawFormat::Zstd).await;

    let page = lab.store.heartbeats(&host("LAB-01"), at(0), at(180), 2).await.unwrap();
    assert_eq!(page.iter().map(|row| row.timestamp_utc).collect::<Vec<_>>(), [at(0), at(60)]);
    let row = &page[1];
    assert_eq!((row.ready, row.issues.as_slice()), (false, &["a \"quoted\" issue".to_owned()][..]));
    assert_eq!((row.local_session_active, row.local_mode_enabled), (Some(false), Some(true)));
    assert_eq!((row.last_prepare_at, row.last_prepare_success), (Some(at(-1)), Some(true)));
    assert_eq!((row.last_release_at, row.last_power_action_at), (Some(at(-2)), Some(at(-3))));
    assert_eq!(row.last_power_mode.as_deref(), Some("shutdown"));
    assert_eq!((row.last_forced_logoff_at, row.last_forced_logoff_user.as_deref()), (Some(at(-4)), Some("añn")));
    assert_eq!((row.version.as_deref(), row.reservation_id.as_ref()), (Some("2.1"), Some(&reservation)));
    assert_eq!((row.ingested_at, row.raw_length, row.nic_issue_count), (at(62), 2, Some(0)));
    let rest = lab.store.heartbeats(&host("LAB-01"), at(60) + TimeDelta::microseconds(1), at(180), 2).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.timestamp_utc).collect::<Vec<_>>(), [at(120)]);

    let mut work = lab.store.begin().await.unwrap();
    let greatest = work.heartbeats().greatest(&host("LAB-01")).await.unwrap().unwrap();
    assert_eq!(greatest.timestamp_utc, at(180));
    assert_eq!(work.heartbeats().relink(&host("LAB-01"), at(60), at(120), None).await.unwrap(), 2);
    let other = ReservationId("R-2".to_owned());
    assert_eq!(work.heartbeats().relink(&host("LAB-01"), at(120), at(180), Some(&other)).await.unwrap(), 2);
    work.commit().await.unwrap();
    let rows = lab.store.heartbeats(&host("LAB-01"), at(0), at(200), 9).await.unwrap();
    let links: Vec<_> = rows.into_iter().map(|row| row.reservation_id).collect();
    assert_eq!(links, [None, None, Some(other.clone()), Some(other)]);
    assert_eq!(lab.store.count_heartbeats(None).await.unwrap(), 5);
    assert_eq!(lab.store.count_heartbeats(Some(&host("LAB-02"))).await.unwrap(), 0);
}

pub async fn a_large_batch_goes_through(lab: Lab) {
    let snapshots: Vec<_> = (0..1_500).map(|minute| snapshot("LAB-01", at(minute * 60))).collect();
    let heartbeats: Vec<_> = snapshots.iter().map(|snapshot| heartbeat(snapshot, b"{}")).collect();
    insert(&lab, &heartbeats, RawFormat::Zstd).await;
    let keys: Vec<_> = snapshots.iter().map(|snapshot| (snapshot.host.clone(), snapshot.timestamp_utc)).collect();
    let mut work = lab.store.begin().await.unwrap();
    assert_eq!(work.heartbeats().existing(&keys).await.unwrap().len(), 1_500);
    // More than one statement can take.
    let large: Vec<Vec<u8>> = (0..6u8).map(|byte| vec![b'0' + byte; 4 << 20]).collect();
    let later: Vec<_> = (0..6).map(|minute| snapshot("LAB-02", at(minute * 60))).collect();
    let heartbeats: Vec<_> = later.iter().zip(&large).map(|(snapshot, raw)| heartbeat(snapshot, raw)).collect();
    work.heartbeats().insert(&heartbeats, RawFormat::Json).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(lab.store.raw(&host("LAB-02"), at(300)).await.unwrap().unwrap().bytes, large[5]);
}

pub async fn damaged_rows_are_named(lab: Lab) {
    let snapshot = snapshot("LAB-01", at(0));
    insert(&lab, &[heartbeat(&snapshot, b"{\"a\":1}")], RawFormat::Json).await;
    for (damage, expected) in [
        (
            "update lab_station_heartbeat set raw_json = '{\"a\":2}'",
            "inconsistent row LAB-01 2026-11-24T08:00:00.000000Z of lab_station_heartbeat: sha256 cannot be read: \
             its bytes do not give its SHA-256",
        ),
        (
            "update lab_station_heartbeat set raw_format = 9",
            "inconsistent row LAB-01 2026-11-24T08:00:00.000000Z of lab_station_heartbeat: raw_format cannot be read: \
             9 is out of range",
        ),
        (
            "update lab_station_heartbeat set raw_format = 1, raw_dictionary = 7, raw = x'00'",
            "inconsistent row LAB-01 2026-11-24T08:00:00.000000Z of lab_station_heartbeat: raw_dictionary cannot be read: \
             dictionary 7 is not there",
        ),
    ] {
        lab.tamper(damage).await;
        let error = lab.store.raw(&host("LAB-01"), at(0)).await.unwrap_err();
        assert_eq!(chain(&error), expected);
        assert!(!error.is_transient() && !error.is_conflict());
    }
    lab.tamper("update lab_station_heartbeat set issues = 'no json'").await;
    let error = lab.store.heartbeats(&host("LAB-01"), at(0), at(9), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Inconsistent { column: "issues", .. }), "{error}");
}

pub async fn every_dictionary_stays_readable(lab: Lab) {
    let body = |second: i64| {
        format!(
            "{{\"host\":\"LAB-01\",\"timestamp\":{second},\"summary\":{{\"ready\":true,\"issues\":[\"issue {}\"]}}}}",
            second % 7
        )
    };
    let store = async |second: i64| {
        let (snapshot, raw) = (snapshot("LAB-01", at(second)), body(second));
        insert(&lab, &[heartbeat(&snapshot, raw.as_bytes())], RawFormat::Zstd).await;
    };
    store(1).await;
    let samples: Vec<Vec<u8>> = (0..2_000).map(|second| body(second).into_bytes()).collect();
    let dictionary = train_dictionary(&samples, 2_048).unwrap();
    let id = lab.store.add_dictionary(&dictionary).await.unwrap();
    assert_eq!(lab.store.add_dictionary(&dictionary).await.unwrap(), id);
    store(2).await;
    assert_eq!(
        lab.tamper(&format!("update lab_station_heartbeat set state = 'x' where raw_dictionary = {id}")).await,
        1
    );

    let fresh = lab.again(StoreOptions::default()).await;
    for second in [1, 2] {
        let raw = fresh.raw(&host("LAB-01"), at(second)).await.unwrap().unwrap();
        assert_eq!(raw.bytes, body(second).as_bytes());
    }
    fresh.close().await;
    lab.tamper(
        &format!("update raw_dictionaries set sha256 = zeroblob(32) where id = {id}")
            .replace("zeroblob(32)", "x'0000000000000000000000000000000000000000000000000000000000000000'"),
    )
    .await;
    assert!(matches!(lab.store.add_dictionary(&dictionary).await, Err(StoreError::DictionaryTaken { .. })));
    assert!(train_dictionary(&[], 2_048).is_err());
}

pub async fn instants_of_far_years_are_kept_or_refused(lab: Lab) {
    for text in [
        "0001-01-01T00:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "2038-01-19T03:14:08Z",
        "9999-12-31T23:59:59.999999Z",
    ] {
        let far: DateTime<Utc> = text.parse().unwrap();
        let mut snapshot = snapshot("LAB-01", far);
        snapshot.last_release =
            Some(SessionOperation { timestamp: Some(far), success: None, duration_ms: None, user: None });
        let new =
            NewHeartbeat { first_arrived_at: at(0), arrived_at: at(0), ingested_at: at(0), ..heartbeat_at(&snapshot) };
        insert(&lab, &[new], RawFormat::Zstd).await;
        let mut work = lab.store.begin().await.unwrap();
        assert_eq!(work.heartbeats().existing(&[(host("LAB-01"), far)]).await.unwrap().len(), 1, "{text}");
    }
    let all = lab.store.heartbeats(&host("LAB-01"), DateTime::UNIX_EPOCH, at(1 << 40), 9).await;
    assert!(matches!(all, Err(StoreError::Instant(_))), "a year of five digits is no bound either");
    let rows = lab.store.heartbeats(&host("LAB-01"), DateTime::UNIX_EPOCH, at(0), 9).await.unwrap();
    assert_eq!(rows, []);

    let beyond =
        snapshot("LAB-01", "2026-11-24T08:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(3_000_000));
    let mut work = lab.store.begin().await.unwrap();
    let new = NewHeartbeat { first_arrived_at: at(0), arrived_at: at(0), ingested_at: at(0), ..heartbeat_at(&beyond) };
    let error = work.heartbeats().insert(&[new], RawFormat::Zstd).await.unwrap_err();
    assert!(matches!(error, StoreError::Instant(_)) && !error.is_transient());
}

fn heartbeat_at(snapshot: &stationkeeper_telemetry::Snapshot) -> NewHeartbeat<'_> {
    NewHeartbeat {
        snapshot,
        raw: b"{}",
        sha256: sha256(b"{}"),
        first_arrived_at: at(0),
        arrived_at: at(0),
        ingested_at: at(0),
        reservation_id: None,
    }
}

pub async fn times_of_heartbeats_are_read_by_station_and_clock(lab: Lab) {
    for name in ["LAB-01", "LAB-02"] {
        let snapshots: Vec<_> = (0..1_000).map(|number| snapshot(name, at(number * 60))).collect();
        let beats: Vec<_> = snapshots.iter().map(|snapshot| heartbeat(snapshot, b"{}")).collect();
        insert(&lab, &beats, RawFormat::Zstd).await;
    }
    let beat = |second| Beat { timestamp_utc: at(second), first_arrived_at: at(second + 1) };
    let read = async |from, limit| lab.store.beats(&host("LAB-01"), at(from), limit).await.unwrap();
    assert_eq!(read(60, 2).await, [beat(60), beat(120)]);
    assert_eq!(read(61, 1).await, [beat(120)]);
    assert_eq!(read(59_941, 10).await, []);
    let before = async |second| lab.store.beat_before(&host("LAB-01"), at(second)).await.unwrap();
    assert_eq!([before(0).await, before(60).await, before(61).await], [None, Some(beat(0)), Some(beat(60))]);
    assert_eq!(lab.store.beat_before(&host("LAB-03"), at(60)).await.unwrap(), None);
    for (statement, values, most) in [
        (include_str!("../../src/sql/beats.sql"), &["LAB-01", "2026-11-24T12:00:00.000000Z", "20"][..], 20 + 2),
        (include_str!("../../src/sql/beat_before.sql"), &["LAB-01", "2026-11-24T12:00:00.000000Z"], 2),
    ] {
        lab.reads_by_index(statement, values, most).await;
    }
}
