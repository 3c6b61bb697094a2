use std::time::Duration;

use chrono::{TimeDelta, Utc};
use stationkeeper_rules::{RawFormat, Settings, StationWord};
use stationkeeper_store::{
    IngestOutcome, Labs, NewApiToken, NewUpdate, ObjectVersion, OverdueCheck, QuarantinedObject, StoreOptions,
    TokenGrant, TokenRole,
};

use super::{at, chain, heard, heartbeat, host, sha256, snapshot, with_stations};
use crate::Lab;

pub async fn migrations_run_once_and_say_which(lab: Lab) {
    lab.tamper("drop table ingested_objects").await;
    lab.tamper("delete from _sqlx_migrations where version = 5").await;
    lab.tamper("drop table quarantined_objects").await;
    let pending = lab.store.pending_migrations().await.unwrap();
    assert_eq!(pending.iter().map(|step| step.version).collect::<Vec<_>>(), [5]);
    assert_eq!(lab.store.migrate().await.unwrap(), pending);
    assert_eq!(lab.store.migrate().await.unwrap(), []);
    // Two at once are one after the other.
    let other = lab.again(StoreOptions::default()).await;
    lab.tamper("drop table ingested_objects").await;
    lab.tamper("drop table quarantined_objects").await;
    lab.tamper("delete from _sqlx_migrations where version = 5").await;
    let (one, two) = tokio::join!(lab.store.migrate(), other.migrate());
    one.unwrap();
    two.unwrap();
    assert_eq!(lab.store.pending_migrations().await.unwrap(), []);
    other.close().await;
}

pub async fn a_write_on_trial_leaves_nothing(lab: Lab) {
    lab.store.try_write().await.unwrap();
    lab.store.try_write().await.unwrap();
    assert_eq!(lab.store.setting("trial").await.unwrap(), None);
}

pub async fn what_is_not_committed_did_not_happen(lab: Lab) {
    let mut work = lab.store.begin().await.unwrap();
    work.states().ensure(&[host("LAB-01")], at(0)).await.unwrap();
    drop(work);
    assert_eq!(lab.store.station(&host("LAB-01")).await.unwrap(), None);

    let mut work = lab.store.begin().await.unwrap();
    work.states().ensure(&[host("LAB-01")], at(0)).await.unwrap();
    work.commit().await.unwrap();
    assert!(lab.store.station(&host("LAB-01")).await.unwrap().is_some());
}

pub async fn two_writers_of_one_station_are_one_after_the_other(lab: Lab) {
    with_stations(&lab.store, &[heard("LAB-01", at(0), StationWord::Ready)]).await;
    let other = lab.again(StoreOptions::default()).await;
    let count = |store: stationkeeper_store::Store| async move {
        for _ in 0..25 {
            let mut work = store.begin().await.unwrap();
            let mut state = work.states().lock(&[host("LAB-01")]).await.unwrap().remove(0);
            state.skew = Some(state.skew.unwrap_or_default() + TimeDelta::milliseconds(1));
            work.states().save(&[state]).await.unwrap();
            work.commit().await.unwrap();
        }
    };
    tokio::join!(tokio::spawn(count(lab.store.clone())), tokio::spawn(count(other.clone()))).0.and(Ok(())).unwrap();
    let station = lab.store.station(&host("LAB-01")).await.unwrap().unwrap();
    assert_eq!(station.state.skew, Some(TimeDelta::milliseconds(50)));
    other.close().await;
}

pub async fn a_lock_that_is_not_got_is_a_conflict(lab: Lab) {
    with_stations(&lab.store, &[heard("LAB-01", at(0), StationWord::Ready)]).await;
    let impatient = StoreOptions { lock_timeout: Duration::from_secs(1), ..StoreOptions::default() };
    let other = lab.again(impatient).await;
    let mut holder = lab.store.begin().await.unwrap();
    holder.states().lock(&[host("LAB-01")]).await.unwrap();
    // SQLite waits when the work begins, MySQL at the row.
    let error = match other.begin().await {
        Err(error) => error,
        Ok(mut work) => work.states().lock(&[host("LAB-01")]).await.unwrap_err(),
    };
    assert!(error.is_conflict() && error.is_transient(), "{}", chain(&error));
    holder.commit().await.unwrap();
    let mut work = other.begin().await.unwrap();
    assert_eq!(work.states().lock(&[host("LAB-01")]).await.unwrap().len(), 1);
    drop(work);
    other.close().await;
}

pub async fn a_database_without_its_schema_says_so(lab: Lab) {
    lab.tamper("drop table raw_dictionaries").await;
    let fresh = lab.again(StoreOptions::default()).await;
    let error = fresh.begin().await.unwrap_err();
    assert!(error.to_string().contains("was the database migrated?"), "{}", chain(&error));
    assert!(!error.is_transient());
    fresh.close().await;
}

pub async fn the_clock_and_the_sizes_are_told(lab: Lab) {
    lab.store.ping().await.unwrap();
    let away = lab.store.now().await.unwrap() - Utc::now();
    assert!(away.abs() < TimeDelta::seconds(60), "{away}");
    let sizes = lab.store.sizes().await.unwrap();
    assert!(sizes.iter().any(|size| size.table == "lab_station_heartbeat" && size.bytes > 0), "{sizes:?}");
}

pub async fn settings_are_kept_whole(lab: Lab) {
    assert_eq!(lab.store.settings().await.unwrap(), Settings::default());
    let mut settings = Settings::default();
    settings.history.raw = RawFormat::Json;
    settings.alerts.interval_seconds = 30;
    settings.ignored_issue_codes.insert("LAB-01".to_owned(), vec!["nic_power".to_owned()]);
    lab.store.apply_settings(&settings).await.unwrap();
    lab.store.apply_settings(&settings).await.unwrap();
    assert_eq!(lab.store.settings().await.unwrap(), settings);

    assert_eq!(lab.store.setting("epoch").await.unwrap(), None);
    lab.store.set_setting("epoch", "\"a\"").await.unwrap();
    lab.store.set_setting("epoch", "\"b\"").await.unwrap();
    assert_eq!(lab.store.setting("epoch").await.unwrap().as_deref(), Some("\"b\""));

    lab.tamper("update settings set value = '{\"nonsense\": 1}'").await;
    let error = lab.store.settings().await.unwrap_err();
    assert_eq!(error.to_string(), "inconsistent row settings of settings: value cannot be read");
}

pub async fn updates_are_read_after_a_sequence(lab: Lab) {
    let update = |second, kind: &str| NewUpdate {
        at: at(second),
        kind: kind.to_owned(),
        host: (kind == "station").then(|| host("LAB-01")),
        payload: serde_json::json!({ "é": second }),
    };
    assert_eq!(lab.store.last_update().await.unwrap(), 0);
    let mut work = lab.store.begin().await.unwrap();
    work.updates().append(&[update(0, "station"), update(1, "alert"), update(2, "station")]).await.unwrap();
    work.commit().await.unwrap();
    let all = lab.store.updates_after(0, 10).await.unwrap();
    assert_eq!(
        all.iter().map(|one| one.update.clone()).collect::<Vec<_>>(),
        [update(0, "station"), update(1, "alert"), update(2, "station")]
    );
    let first = all[0].sequence;
    assert_eq!(lab.store.updates_after(first, 1).await.unwrap(), all[1..2]);
    assert_eq!(lab.store.last_update().await.unwrap(), all[2].sequence);
    assert_eq!(lab.store.prune_updates(at(2), 100).await.unwrap().rows, 2);
    assert_eq!(lab.store.updates_after(0, 10).await.unwrap(), all[2..]);
}

pub async fn a_database_keeps_its_epoch(lab: Lab) {
    let epoch = lab.store.epoch().await.unwrap();
    assert_eq!(epoch.len(), 12);
    lab.store.migrate().await.unwrap();
    assert_eq!(lab.store.epoch().await.unwrap(), epoch);
}

pub async fn objects_are_known_once_they_are_marked(lab: Lab) {
    let object = |key: &str, version: &str| ObjectVersion { key: key.to_owned(), version: version.to_owned() };
    let (one, two) = (object("stations/A/heartbeat.json", "1"), object("stations/A/heartbeat.json", "2"));
    let mut work = lab.store.begin().await.unwrap();
    assert_eq!(work.objects().known(&[one.clone()]).await.unwrap(), []);
    work.objects().mark(&[(one.clone(), IngestOutcome::Ingested)], at(0)).await.unwrap();
    work.objects().mark(&[(one.clone(), IngestOutcome::Duplicate)], at(1)).await.unwrap();
    assert_eq!(
        work.objects().known(&[two.clone(), one.clone()]).await.unwrap(),
        [(one.clone(), IngestOutcome::Ingested)]
    );
    work.commit().await.unwrap();
    assert_eq!(lab.store.known_objects(&[one.clone()]).await.unwrap().len(), 1);
    assert_eq!(lab.store.prune_ingested_objects(at(3_600), 10).await.unwrap().rows, 0, "the same day is kept");
    assert_eq!(lab.store.prune_ingested_objects(at(86_400), 10).await.unwrap().rows, 1);
    assert_eq!(lab.store.known_objects(&[one]).await.unwrap(), []);
}

pub async fn quarantine_keeps_the_first_record(lab: Lab) {
    let quarantined = |key: &str, second: i64, reason: &str| QuarantinedObject {
        object: ObjectVersion { key: key.to_owned(), version: String::new() },
        host: (reason != "bad_host").then(|| host("LAB-01")),
        reason: reason.to_owned(),
        detail: "line 1 column 2".to_owned(),
        first_bytes: vec![0xff, 0, 1],
        size: 31 << 20,
        arrived_at: at(second),
        quarantined_at: at(second + 5),
        quarantine_key: None,
    };
    let long_key = format!("stations/LAB-01/{}", "x".repeat(3_000));
    let (a, b) = (quarantined("stations/x ", 0, "bad_host"), quarantined("stations/x", 1, "not_json"));
    let mut c = quarantined(&long_key, 2, "not_json");
    c.first_bytes = vec![7; 1_000];
    let mut work = lab.store.begin().await.unwrap();
    work.objects().quarantine(&[a.clone(), b.clone(), c]).await.unwrap();
    work.objects().quarantine(&[quarantined("stations/x", 9, "too_large")]).await.unwrap();
    work.commit().await.unwrap();

    let all = lab.store.quarantined(None, None, 10).await.unwrap();
    assert_eq!(all.len(), 3, "a trailing blank is another key, the same key is not");
    assert_eq!(all[1..], [b.clone(), a]);
    assert_eq!(all[0].first_bytes.len(), 256);
    assert!(all[0].object.key.len() <= 1_024);
    let last = (all[0].quarantined_at, &all[0].object);
    assert_eq!(lab.store.quarantined(Some(&host("LAB-01")), Some(last), 10).await.unwrap(), [b]);
    assert_eq!(
        lab.store.quarantined_by_reason().await.unwrap(),
        [("bad_host".to_owned(), 1), ("not_json".to_owned(), 2)]
    );
}

pub async fn the_overdue_check_remembers(lab: Lab) {
    assert_eq!(lab.store.overdue_check().await.unwrap(), OverdueCheck::default());
    let check = OverdueCheck { last_run_at: Some(at(1)), stalled_since: None, grace_from: Some(at(2)) };
    let mut work = lab.store.begin().await.unwrap();
    assert_eq!(work.overdue_check().lock().await.unwrap(), OverdueCheck::default());
    work.overdue_check().save(&check).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(lab.store.overdue_check().await.unwrap(), check);
}

pub async fn tokens_are_found_by_hash_until_revoked(lab: Lab) {
    let token = NewApiToken {
        id: "t1".to_owned(),
        grant: TokenGrant { name: "first".to_owned(), role: TokenRole::Admin, labs: Labs::All },
        sha256: sha256(b"secret"),
        created_at: at(0),
    };
    lab.store.insert_token(&token).await.unwrap();
    lab.store.insert_token(&token).await.unwrap();
    assert_eq!(lab.store.token_by_sha256(&sha256(b"other")).await.unwrap(), None);
    let found = lab.store.token_by_sha256(&sha256(b"secret")).await.unwrap().unwrap();
    assert_eq!((found.token, found.revoked_at), (token, None));
    assert!(lab.store.revoke_token("t1", at(1)).await.unwrap());
    assert!(!lab.store.revoke_token("t1", at(2)).await.unwrap());
    assert!(!lab.store.revoke_token("t2", at(2)).await.unwrap());
    assert_eq!(lab.store.tokens().await.unwrap()[0].revoked_at, Some(at(1)));
}

pub async fn old_rows_are_pruned_in_steps(lab: Lab) {
    with_stations(
        &lab.store,
        &[heard("LAB-01", at(0), StationWord::Ready), heard("LAB-02", at(0), StationWord::Ready)],
    )
    .await;
    let snapshots: Vec<_> =
        ["LAB-01", "LAB-02"].iter().flat_map(|name| (0..5).map(|minute| snapshot(name, at(minute * 60)))).collect();
    let heartbeats: Vec<_> = snapshots.iter().map(|snapshot| heartbeat(snapshot, b"{}")).collect();
    let mut work = lab.store.begin().await.unwrap();
    work.heartbeats().insert(&heartbeats, RawFormat::Zstd).await.unwrap();
    work.commit().await.unwrap();
    let step = lab.store.prune_heartbeats(at(180), 4).await.unwrap();
    assert_eq!((step.rows, step.more), (4, true));
    let step = lab.store.prune_heartbeats(at(180), 4).await.unwrap();
    assert_eq!((step.rows, step.more), (2, false));
    for name in ["LAB-01", "LAB-02"] {
        let left = lab.store.heartbeats(&host(name), at(0), at(600), 10).await.unwrap();
        assert_eq!(left.iter().map(|row| row.timestamp_utc).collect::<Vec<_>>(), [at(180), at(240)]);
    }
    assert_eq!(lab.store.prune_audit(at(180), 4).await.unwrap(), stationkeeper_store::Pruned::default());
}
