//! SIGKILL at random moments, under load.

use std::path::Path;
use std::time::{Duration, Instant};

use stationkeeper_tests::conservation::accepted_by_embedded;
use stationkeeper_tests::database::{Database, Kind};
use stationkeeper_tests::up::{Ports, Up, data_folder};
use stationkeeper_tests::waiting::PATIENCE;

use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::load::{Dice, Load};
use crate::rows::Rows;
use crate::{ALONE, heartbeats_per_second, number, started_in_time};

/// What a series of kills saw.
struct Seen {
    kills: u32,
    starts: Vec<Duration>,
}

/// Kills and starts again so often, under load; after each start all that was answered before is there, in the end all of it is there once.
async fn survive(data: &Path, arguments: &[&str], rows: &Rows, kills: u32, seed: u64) -> Seen {
    let ports = Ports::chosen();
    let ledger = Ledger::default();
    let beside = data_folder();
    let disk = Disk::watch(beside.path());
    let mut dice = Dice::of(seed);
    let first = tokio::task::block_in_place(|| Up::start_at(data, ports, arguments, PATIENCE));
    let load = Load::begin(&first.access, &ledger, heartbeats_per_second());
    tokio::time::sleep(dice.time(1_000)).await;
    first.program.kill();
    let mut seen = Seen { kills: 1, starts: Vec::new() };
    while seen.kills < kills {
        let accepted = ledger.accepted();
        let begun = Instant::now();
        let program = Up::launch(data, ports, arguments);
        if dice.below(8) == 0 {
            // While it starts.
            tokio::time::sleep(dice.time(120)).await;
            program.kill();
        } else {
            let up = tokio::task::block_in_place(|| Up::answering(program, data, PATIENCE));
            let took = begun.elapsed();
            started_in_time(took, &disk, begun, &format!("start {}", seen.starts.len()));
            seen.starts.push(took);
            Ledger::all_settle(&accepted, rows, PATIENCE).await;
            tokio::time::sleep(dice.time(700)).await;
            up.program.kill();
        }
        seen.kills += 1;
    }
    let last = tokio::task::block_in_place(|| Up::start_at(data, ports, arguments, PATIENCE));
    load.end().await;
    ledger.settles(rows, PATIENCE).await;
    ledger.holds(rows).await;
    let health = last.get_openly("/health").await;
    assert_eq!(health.status, 200, "no damage where none was done: {}", health.text());
    let accepted = ledger.accepted().len();
    assert!(accepted >= 20 * kills as usize, "enough happened: {accepted} accepted under {kills} kills");
    assert!(
        seen.starts.len() * 2 >= kills as usize,
        "most kills hit a program that had started: {}",
        seen.starts.len()
    );
    seen.starts.sort();
    println!(
        "{} kills, {accepted} accepted; start: median {:?}, longest {:?}",
        seen.kills,
        seen.starts[seen.starts.len() / 2],
        seen.starts.last().unwrap()
    );
    tokio::task::block_in_place(|| last.terminate());
    let accepted = accepted_by_embedded(&data.join("bucket.sqlite")).await;
    rows.conserved(data, accepted, &[("history", 100)]).await;
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_a_hundred_random_moments_nothing_is_lost_or_twice_and_each_start_takes_two_seconds_at_most() {
    let _alone = ALONE.lock().await;
    let folder = data_folder();
    let kills = number("STATIONKEEPER_TEST_KILLS", 100);
    let seen = survive(folder.path(), &[], &Rows::of_folder(folder.path()), kills, 1).await;
    assert_eq!(seen.kills, kills);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_with_the_rows_on_mariadb() {
    let _alone = ALONE.lock().await;
    let folder = data_folder();
    let database = tokio::task::spawn_blocking(|| Database::new(Kind::MariaDb)).await.unwrap();
    let url = database.url();
    let kills = number("STATIONKEEPER_TEST_KILLS", 100).div_ceil(10);
    let seen = survive(folder.path(), &["--database", &url], &Rows::MariaDb(url.clone()), kills, 2).await;
    assert_eq!(seen.kills, kills);
    // It ends a runtime of its own.
    tokio::task::spawn_blocking(|| drop(database)).await.unwrap();
}
