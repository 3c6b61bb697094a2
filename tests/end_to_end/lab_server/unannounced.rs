//! What no event ever announced: the bucket is listed from time to time, and all of it is found.

use std::time::Duration;

use chrono::TimeDelta;
use stationkeeper_tests::conservation::Conservation;

use super::upload;
use crate::harness::cloud::{Cloud, REDELIVERED, event};
use crate::harness::database::Database;
use crate::harness::station::{heartbeat, newest_key, spool_key};
use crate::harness::up::{Up, data_folder};
use crate::harness::{now, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_versions_is_compared_by_what_is_there() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5).without_versions().await;
    let up = cloud.up(folder.path(), &database.url, &["--reconcile-seconds", "2"]);
    let begun = now() - TimeDelta::minutes(30);
    let mut accepted = Vec::new();
    for minute in 0..4 {
        let at = begun + TimeDelta::minutes(minute);
        accepted.push(cloud.put(&spool_key("LAB-01", at), &heartbeat("LAB-01", at)).await);
    }
    accepted.push(cloud.put(&newest_key("LAB-02"), &heartbeat("LAB-02", begun)).await);
    accepted.push(cloud.put(&newest_key("LAB-03"), b"{").await);
    // One of them is announced, as a bucket without versions does.
    cloud.send(&[event(&accepted[0])]).await;
    until("what nobody announced", REDELIVERED, async || (counted(&up, FOUND).await >= 4).then_some(())).await;
    let rounds_more = async |more: u64| {
        let rounds = counted(&up, ROUNDS).await + more;
        until("more rounds", REDELIVERED, async || (counted(&up, ROUNDS).await >= rounds).then_some(())).await;
    };
    rounds_more(1).await;
    let found = counted(&up, FOUND).await;
    rounds_more(3).await;
    assert_eq!(counted(&up, FOUND).await, found, "nothing is found again and again");
    up.quarantined(&newest_key("LAB-03"), REDELIVERED).await;
    up.terminate();
    Conservation::of(&database.url).accepted(accepted).at_least("history", 5).at_least("quarantined", 1).holds().await;
}
