//! SIGSTOP: a process that stands still, as on a laptop that sleeps, and goes on.

use std::time::Duration;

use stationkeeper_tests::conservation::accepted_by_embedded;
use stationkeeper_tests::up::{Ports, Up, data_folder};
use stationkeeper_tests::waiting::PATIENCE;

use crate::heartbeats_per_second;
use crate::ledger::Ledger;
use crate::load::Load;
use crate::rows::Rows;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped_for_1_to_60_seconds_it_goes_on_and_nothing_is_lost_or_twice() {
    let folder = data_folder();
    let rows = Rows::of_folder(folder.path());
    let ledger = Ledger::default();
    let up = tokio::task::block_in_place(|| Up::start_at(folder.path(), Ports::chosen(), &[], PATIENCE));
    let load = Load::begin(&up.access, &ledger, heartbeats_per_second());
    let mut accepted_before = 0;
    for seconds in [1, 3, 8, 20, 60] {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        up.program.signal("STOP");
        let accepted = ledger.accepted();
        assert!(accepted.len() > accepted_before, "it goes on between the stops");
        accepted_before = accepted.len();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        up.program.signal("CONT");
        Ledger::all_settle(&accepted, &rows, PATIENCE).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    load.end().await;
    ledger.settles(&rows, PATIENCE).await;
    ledger.holds(&rows).await;
    let accepted = ledger.accepted().len();
    assert!(accepted > 300, "enough happened: {accepted}");
    let health = up.get_openly("/health").await;
    assert_eq!(health.status, 200, "{}", health.text());
    tokio::task::block_in_place(|| up.terminate());
    let accepted = accepted_by_embedded(&folder.path().join("bucket.sqlite")).await;
    rows.conserved(folder.path(), accepted, &[("history", 100)]).await;
}
