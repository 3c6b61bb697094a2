//! What no event ever announced: the bucket is listed from time to time, and all of it is found.

use std::time::Duration;

use stationkeeper_tests::conservation::Conservation;

use super::upload;
use crate::harness::cloud::{Cloud, REDELIVERED, event};
use crate::harness::database::Database;
use crate::harness::until;
use crate::harness::up::{Up, data_folder};

/// The value of a counter in `/metrics`; zero where it was never counted.
async fn counted(up: &Up, name: &str) -> u64 {
    let text = up.get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or_default()
}

const FOUND: &str = "stationkeeper_objects_unannounced_total";
const ROUNDS: &str = "stationkeeper_comparisons_total";

#[tokio::test(flavor = "multi_thread")]
async fn one_in_a_hundred_is_never_announced_and_all_of_them_are_found() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let up = cloud.up(folder.path(), &database.url, &["--reconcile-seconds", "4"]);
    let accepted = upload(&cloud, 5, 60).await;
    // Of each kind, overwritten ones among them: one in a hundred, and the last of all.
    let silent: Vec<_> = (0..accepted.len()).filter(|place| place % 100 == 17 || place + 1 == accepted.len()).collect();
    let told = accepted.iter().enumerate().filter(|(place, _)| !silent.contains(place));
    cloud.send(&told.map(|(_, object)| event(object)).collect::<Vec<_>>()).await;
    cloud.comes_to(0, 0, REDELIVERED).await;
    until("what nobody announced", REDELIVERED, async || {
        (counted(&up, FOUND).await >= silent.len() as u64).then_some(())
    })
    .await;
    up.terminate();

    // A restart knows how far it came: it finds nothing again.
    let again = cloud.up(folder.path(), &database.url, &["--reconcile-seconds", "2"]);
    until("two rounds", REDELIVERED, async || (counted(&again, ROUNDS).await >= 2).then_some(())).await;
    assert_eq!(counted(&again, FOUND).await, 0);
    let took = again.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");
    Conservation::of(&database.url)
        .accepted(accepted)
        .observed("never announced", silent.len() as u64)
        .at_least("never announced", 4)
        .at_least("history", 200)
        .holds()
        .await;
}
