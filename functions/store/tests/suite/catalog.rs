use stationkeeper_rules::requests::LocalModeOrder;
use stationkeeper_rules::{RawFormat, StationWord};
use stationkeeper_store::{CatalogEntry, CatalogHost, CatalogSource, HostAccess, HostEventRecord, HostStatus};
use stationkeeper_telemetry::HostEvent;

use super::{at, heard, heartbeat, host, snapshot, with_stations};
use crate::Lab;

fn row(name: &str, order: Option<u32>, labs: &[&str]) -> CatalogHost {
    CatalogHost {
        entry: CatalogEntry {
            host: host(name),
            lab: labs.first().map(|lab| (*lab).to_owned()),
            address: None,
            mac: None,
            status: HostStatus::Active,
            created_at: at(0),
        },
        access: HostAccess { order, labs: labs.iter().map(|lab| (*lab).to_owned()).collect(), ..HostAccess::default() },
    }
}

async fn save(lab: &Lab, hosts: &[CatalogHost]) {
    let mut work = lab.store.begin().await.unwrap();
    work.states().save_hosts(hosts).await.unwrap();
    work.commit().await.unwrap();
}

pub async fn a_row_of_the_catalog_comes_back_whole_and_in_its_order(lab: Lab) {
    let mut full = row("LAB-ÑU", Some(1), &["óptica", "2"]);
    (full.entry.address, full.entry.mac) = (Some("lab-ñu:5986".to_owned()), Some("02-00-5E-00-53-01".to_owned()));
    full.access = HostAccess {
        spelling: Some("lab-ñu".to_owned()),
        ping_target: Some("10.0.0.9".to_owned()),
        credential_ref: Some("Shared".to_owned()),
        transport: Some("basic".to_owned()),
        heartbeat_path: Some(r"C:\LabStation\heartbeat.json".to_owned()),
        events_path: Some(r"C:\LabStation\events.jsonl".to_owned()),
        mode: Some("hybrid".to_owned()),
        pin: Some([0xab; 32]),
        source: Some(CatalogSource::Api),
        ..full.access
    };
    let others = [row("LAB-01", Some(2), &[]), row("LAB-03", None, &[]), row("LAB-02", None, &["x"])];
    save(&lab, &others).await;
    save(&lab, std::slice::from_ref(&full)).await;
    let names = |rows: Vec<CatalogHost>| rows.iter().map(|row| row.entry.host.to_string()).collect::<Vec<_>>();
    assert_eq!(names(lab.store.catalog().await.unwrap()), ["LAB-ÑU", "LAB-01", "LAB-02", "LAB-03"]);
    assert_eq!(lab.store.catalog_host(&host("lab-ñu")).await.unwrap(), Some(full.clone()));
    assert_eq!((full.name(), full.credential_ref().as_str()), ("lab-ñu", "shared"));
    assert_eq!(lab.store.catalog_host(&host("LAB-09")).await.unwrap(), None);
    assert_eq!(lab.store.station(&host("LAB-ÑU")).await.unwrap().unwrap().entry, full.entry, "it has a state");

    let mut later = full.clone();
    later.access = HostAccess { labs: full.access.labs.clone(), order: Some(7), ..HostAccess::default() };
    later.entry.created_at = at(99);
    save(&lab, &[later]).await;
    let mut work = lab.store.begin().await.unwrap();
    let locked = work.states().lock_catalog().await.unwrap();
    drop(work);
    let found = locked.iter().find(|row| row.entry.host == host("LAB-ÑU")).unwrap();
    assert_eq!((found.entry.created_at, found.access.pin, found.access.order), (at(0), None, Some(7)));
    assert_eq!(names(locked), ["LAB-01", "LAB-02", "LAB-03", "LAB-ÑU"]);
}

pub async fn the_first_in_use_that_lists_a_lab_has_it(lab: Lab) {
    let mut retired = row("LAB-01", Some(0), &["Optics"]);
    retired.entry.status = HostStatus::Retired;
    let rows = [
        retired,
        row("LAB-02", None, &["optics"]),
        row("LAB-03", Some(2), &["redes", "OPTICS"]),
        row("LAB-04", Some(3), &["optics"]),
    ];
    save(&lab, &rows).await;
    for (asked, found) in [(" optics ", Some("LAB-03")), ("Redes", Some("LAB-03")), ("x", None)] {
        let owner = lab.store.host_of_lab(asked).await.unwrap();
        assert_eq!(owner.map(|row| row.entry.host.to_string()).as_deref(), found, "{asked}");
    }
}

pub async fn a_row_that_is_set_without_its_labs_keeps_the_others(lab: Lab) {
    let full = row("LAB-01", None, &["a", "b", "c"]);
    save(&lab, std::slice::from_ref(&full)).await;
    let entry = CatalogEntry { lab: Some("c".to_owned()), ..full.entry };
    let mut work = lab.store.begin().await.unwrap();
    work.states().save_catalog(&[entry]).await.unwrap();
    work.commit().await.unwrap();
    let found = lab.store.catalog_host(&host("LAB-01")).await.unwrap().unwrap();
    assert_eq!(found.access.labs, ["c", "a", "b"]);
}

pub async fn what_is_wanted_of_local_mode_is_kept_until_something_else_is(lab: Lab) {
    save(&lab, &[row("LAB-01", None, &[])]).await;
    let order = |enabled: bool, owner: &str, second| {
        let reason = enabled.then(|| "a class «in situ»".to_owned());
        LocalModeOrder::new(host("LAB-01"), enabled, owner, reason, at(second))
    };
    for order in [order(true, "ana", 1), order(false, "eva", 2)] {
        let mut work = lab.store.begin().await.unwrap();
        work.states().order_local_mode(&order).await.unwrap();
        work.commit().await.unwrap();
        assert_eq!(lab.store.local_mode_orders().await.unwrap(), [order]);
    }
}

pub async fn the_newest_heartbeat_and_line_of_a_station_are_found(lab: Lab) {
    assert_eq!(lab.store.newest_raw(&host("LAB-01")).await.unwrap(), None);
    with_stations(
        &lab.store,
        &[heard("LAB-01", at(60), StationWord::Ready), heard("LAB-02", at(0), StationWord::Ready)],
    )
    .await;
    let mut work = lab.store.begin().await.unwrap();
    for (second, body) in [(0, "old"), (60, "new"), (90, "from the future, and not the latest")] {
        let snapshot = snapshot("LAB-01", at(second));
        work.heartbeats().insert(&[heartbeat(&snapshot, body.as_bytes())], RawFormat::Zstd).await.unwrap();
    }
    let event = |line| HostEvent {
        timestamp: at(line),
        user: Some(format!("user {line}")),
        session_id: None,
        grace: None,
        force: None,
        message: None,
        source: None,
        line: u64::try_from(line).unwrap(),
        state: None,
    };
    let record = |name: &str, line| HostEventRecord { host: host(name), occurrence: 0, offset: 0, event: event(line) };
    work.host_events()
        .insert(&[record("LAB-01", 1), record("LAB-01", 3), record("LAB-01", 2), record("LAB-02", 9)])
        .await
        .unwrap();
    work.commit().await.unwrap();
    assert_eq!(lab.store.newest_raw(&host("LAB-01")).await.unwrap().unwrap().bytes, b"new");
    let newest = lab.store.newest_host_event(&host("LAB-01")).await.unwrap().unwrap();
    assert_eq!(newest.event.user.as_deref(), Some("user 3"));
    assert_eq!(lab.store.newest_host_event(&host("LAB-03")).await.unwrap(), None);
}
