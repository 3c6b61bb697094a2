use std::time::Duration;

use stationkeeper_rules::StationWord;
use stationkeeper_store::{IngestOutcome, ObjectVersion, StoreOptions};
use stationkeeper_telemetry::HostName;

use super::{at, chain, heard, host, with_stations};
use crate::Lab;

fn known() -> ObjectVersion {
    ObjectVersion { key: "stations/LAB-01/heartbeat.json".to_owned(), version: "v1".to_owned() }
}

pub async fn a_unit_begins_with_its_stations_locked(lab: Lab) {
    // Letters of two and of four bytes too.
    let hosts = ["LAB-01", "ÄULA-Ü", "LAB-\u{10400}"].map(host).to_vec();
    let states: Vec<_> = hosts.iter().map(|host| heard(host.as_str(), at(0), StationWord::Ready)).collect();
    with_stations(&lab.store, &states).await;
    let asked: Vec<HostName> = hosts.iter().rev().chain(&hosts).cloned().chain([host("NOBODY")]).collect();
    let (work, locked) = lab.store.begin_locking(&asked).await.unwrap();
    let mut expected = hosts.clone();
    expected.sort();
    assert_eq!(locked.iter().map(|state| state.host.clone()).collect::<Vec<_>>(), expected);
    assert!(locked.iter().all(|state| states.contains(state)));

    let impatient = StoreOptions { connections: 1, lock_timeout: Duration::from_secs(1), ..StoreOptions::default() };
    let other = lab.again(impatient).await;
    let error = other.begin_locking(&hosts).await.unwrap_err();
    assert!(error.is_conflict() && error.is_transient(), "{}", chain(&error));
    work.commit().await.unwrap();
    // Nothing of the failed beginning is left open: its one connection sees what was committed since, and begins again.
    with_stations(&lab.store, &[heard("LAB-09", at(0), StationWord::Ready)]).await;
    assert!(other.station(&host("LAB-09")).await.unwrap().is_some());
    assert_eq!(other.begin_locking(&hosts).await.unwrap().1.len(), hosts.len());
    let (empty, none) = other.begin_locking(&[]).await.unwrap();
    assert_eq!(none, []);
    empty.commit().await.unwrap();
    other.close().await;
}

pub async fn objects_are_marked_with_the_commit_or_nothing_of_it_happened(lab: Lab) {
    let mut work = lab.store.begin().await.unwrap();
    work.states().ensure(&[host("LAB-01")], at(0)).await.unwrap();
    work.commit_marking(&[(known(), IngestOutcome::Ingested)], at(0)).await.unwrap();
    assert_eq!(lab.store.known_objects(&[known()]).await.unwrap(), [(known(), IngestOutcome::Ingested)]);
    assert!(lab.store.station(&host("LAB-01")).await.unwrap().is_some());

    let many: Vec<_> = (0..300)
        .map(|number| (ObjectVersion { version: number.to_string(), ..known() }, IngestOutcome::Ignored))
        .collect();
    lab.store.begin().await.unwrap().commit_marking(&many, at(0)).await.unwrap();
    let versions: Vec<_> = many.iter().map(|(version, _)| version.clone()).collect();
    assert_eq!(lab.store.known_objects(&versions).await.unwrap().len(), 300);
    lab.store.begin().await.unwrap().commit_marking(&[], at(0)).await.unwrap();

    lab.tamper("drop table ingested_objects").await;
    let mut work = lab.store.begin().await.unwrap();
    work.states().ensure(&[host("LAB-02")], at(0)).await.unwrap();
    let error = work.commit_marking(&[(known(), IngestOutcome::Ingested)], at(0)).await.unwrap_err();
    assert!(!error.is_transient(), "{}", chain(&error));
    assert_eq!(lab.store.station(&host("LAB-02")).await.unwrap(), None);
}

pub async fn one_connection_serves_unit_after_unit(lab: Lab) {
    let narrow = StoreOptions { connections: 1, ..StoreOptions::default() };
    let store = lab.again(narrow).await;
    for round in 0..20 {
        let name = host(&format!("LAB-{round:02}"));
        let mut dropped = store.begin().await.unwrap();
        dropped.states().ensure(&[name.clone()], at(0)).await.unwrap();
        drop(dropped);
        assert_eq!(store.station(&name).await.unwrap(), None);
        let mut given_up = store.begin().await.unwrap();
        // Given up in the midst of a statement.
        let _ = tokio::time::timeout(Duration::ZERO, given_up.states().ensure(&[name.clone()], at(0))).await;
        drop(given_up);
        assert_eq!(store.station(&name).await.unwrap(), None);
        let mut kept = store.begin().await.unwrap();
        kept.states().ensure(&[name.clone()], at(0)).await.unwrap();
        kept.commit().await.unwrap();
        assert!(store.station(&name).await.unwrap().is_some());
        assert_eq!(store.pending_migrations().await.unwrap(), []);
    }
    tokio::time::timeout(Duration::from_secs(5), store.close()).await.expect("it closes what it holds");
}
