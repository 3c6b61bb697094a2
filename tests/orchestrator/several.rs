//! Gateways that share a database, and gateways that are gone.

use std::time::Duration;

use stationkeeper_rules::orchestrator::AfterEnd;
use stationkeeper_tests::database::Kind;

use crate::lab::Lab;

async fn of_two_gateways_one_acts(kind: Kind) {
    let lab = Lab::with(6, kind).await;
    lab.settings(5, AfterEnd::default()).await;
    for place in 0..6 {
        lab.until_heard(place).await;
    }
    let gateways = [lab.gateway().await, lab.gateway().await];
    let (start, end) = (lab.in_seconds(140), lab.in_seconds(400));
    for place in 0..6 {
        lab.book(&format!("R{place}"), place, start, end).await;
    }
    for place in 0..6 {
        lab.until_told(&format!("R{place}"), "scheduler:end completed 200").await;
        let once = [("prepare-session".to_owned(), 1), ("release-session".to_owned(), 1)].into();
        assert_eq!(lab.times_given(place), once, "station {place}");
        assert_eq!(lab.recorded(&format!("R{place}")).await.len(), 5, "station {place}");
    }
    assert!(lab.store.station_leases().await.unwrap().is_empty());
    for gateway in gateways {
        gateway.close().await;
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_gateways_one_acts_on_sqlite() {
    of_two_gateways_one_acts(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_gateways_one_acts_on_mariadb() {
    of_two_gateways_one_acts(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_again_and_again_does_each_thing_once() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(10, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let mut gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(180), lab.in_seconds(700)).await;
    // Wherever it is by then: each life a little longer than the one before.
    for life in 0..12_u64 {
        tokio::time::sleep(Duration::from_millis(400 + 350 * life)).await;
        gateway.kill();
        lab.end_leases().await;
        gateway = lab.gateway().await;
    }
    lab.until_told("R", "scheduler:end completed 200").await;
    for (command, times) in lab.times_given(0) {
        assert_eq!(times, 1, "{command}: {:#?}", lab.recorded("R").await);
    }
    assert_eq!(lab.times_given(0).len(), 2, "{:?}", lab.given(0));
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_hands_its_stations_over() {
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    lab.switch_off(0).await;
    let gateway = lab.gateway().await;
    lab.book("R", 0, lab.in_seconds(125), lab.in_seconds(3_000)).await;
    lab.until_told("R", "wake running -").await;
    gateway.close().await;
    let [lease] = &lab.store.station_leases().await.unwrap()[..] else { panic!("a lease") };
    assert_eq!(lease.left, None, "nobody need wait for it");
    let next = lab.gateway().await;
    lab.until_told("R", "scheduler:start completed 200").await;
    assert_eq!(lab.times_given(0)["prepare-session"], 1);
    next.close().await;
    lab.close().await;
}
