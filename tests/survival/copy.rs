//! A copy of the folder of a running `up`, file by file as `cp -r` makes it, and then started.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use stationkeeper_tests::conservation::{Accepted, accepted_by_embedded, waiting_in_embedded};
use stationkeeper_tests::up::{Ports, Up, data_folder};
use stationkeeper_tests::waiting::{PATIENCE, until};

use crate::disk::Disk;
use crate::ledger::{Entry, Ledger};
use crate::load::{Dice, Load, upload_all};
use crate::rows::Rows;
use crate::{ALONE, heartbeats_per_second, started_in_time};

/// All that the bucket has is compared with the rows of a copy, one by one.
const COMPARED_WITHIN: Duration = Duration::from_secs(120);

/// In which order the files are copied: nobody promises one.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// As `cp -r` finds them.
    AsFound,
    Ascending,
    Descending,
}

fn copy(from: &Path, to: &Path, order: Order) {
    if let Order::AsFound = order {
        assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
        return;
    }
    let mut names: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    if let Order::Descending = order {
        names.reverse();
    }
    fs::create_dir(to).unwrap();
    for name in names {
        // One that is renamed at this moment is missed, as by any program that copies.
        let _ = fs::copy(&name, to.join(name.file_name().unwrap()));
    }
}

/// Starts a copy, which must have all that was accepted before it was made, within the time of a start.
async fn starts_with_all(copy: &Path, accepted: &[Entry], shows: &str) -> Up {
    let beside = data_folder();
    let disk = Disk::watch(beside.path());
    let begun = Instant::now();
    let up = tokio::task::block_in_place(|| Up::start_at(copy, Ports::FREE, &[], PATIENCE));
    let took = begun.elapsed();
    started_in_time(took, &disk, begun, shows);
    Ledger::all_settle(accepted, &Rows::of_folder(copy), COMPARED_WITHIN).await;
    up
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_taken_while_it_runs_starts_and_has_all_that_was_accepted_before() {
    let _alone = ALONE.lock().await;
    let folder = data_folder();
    let original = folder.path().join("original");
    let ledger = Ledger::default();
    let mut dice = Dice::of(3);
    let up = tokio::task::block_in_place(|| Up::start_at(&original, Ports::chosen(), &[], PATIENCE));
    let load = Load::begin(&up.access, &ledger, heartbeats_per_second());
    for number in 0..6 {
        tokio::time::sleep(Duration::from_millis(200) + dice.time(600)).await;
        let accepted = ledger.accepted();
        let order = [Order::AsFound, Order::Ascending, Order::Descending][number % 3];
        let taken = folder.path().join(format!("copy-{number}"));
        copy(&original, &taken, order);
        let shows = format!("copy {number}, {order:?}, of {} uploads", accepted.len());
        let copied = starts_with_all(&taken, &accepted, &shows).await;
        // What it has is of the original, and each once.
        ledger.holds_no_more(&Rows::of_folder(&taken)).await;
        // What was being ingested while it was copied is in its queue and, where the database was copied later, in its rows.
        until(&format!("{shows}: its queue is worked off"), COMPARED_WITHIN, async || {
            waiting_in_embedded(&taken.join("bucket.sqlite")).await.is_empty().then_some(())
        })
        .await;
        tokio::task::block_in_place(|| copied.terminate());
        // What was accepted while it was made is in its bucket, in its rows, in both or in neither.
        let mut in_copy = accepted_by_embedded(&taken.join("bucket.sqlite")).await;
        assert!(in_copy.len() >= accepted.len(), "{shows}: {} are in its bucket", in_copy.len());
        let known: HashSet<_> = in_copy.iter().map(|one| one.object.clone()).collect();
        let others = ledger.to_conserve().into_iter().filter(|one| !known.contains(&one.object));
        in_copy.extend(others.map(|one| Accepted { answered: false, ..one }));
        Rows::of_folder(&taken).conserved(&taken, in_copy, &[("history", 1)]).await;
        fs::remove_dir_all(&taken).unwrap();
    }
    load.end().await;
    ledger.settles(&Rows::of_folder(&original), PATIENCE).await;
    ledger.holds(&Rows::of_folder(&original)).await;
    let accepted = ledger.accepted().len();
    assert!(accepted > 200, "enough happened: {accepted}");
    tokio::task::block_in_place(|| up.terminate());
    Rows::of_folder(&original).conserved(&original, ledger.to_conserve(), &[("history", 100)]).await;
}

/// A copy so slow that the log was moved into the file between the two: the file is of one moment, its log of a later one.
async fn a_file_of_one_moment_with_the_log_of_another(name: &str) {
    let folder = data_folder();
    let (original, taken) = (folder.path().join("original"), folder.path().join("copy"));
    let ledger = Ledger::default();
    let ports = Ports::chosen();
    let start = || tokio::task::block_in_place(|| Up::start_at(&original, ports, &[], PATIENCE));
    let rows = Rows::of_folder(&original);

    let up = start();
    upload_all(&up.access, &ledger, 10, 0..20).await;
    ledger.settles(&rows, PATIENCE).await;
    tokio::task::block_in_place(|| up.terminate());
    let early = fs::read(original.join(name)).unwrap();
    // The end of a process moves the log into the file.
    let up = start();
    upload_all(&up.access, &ledger, 10, 20..40).await;
    ledger.settles(&rows, PATIENCE).await;
    tokio::task::block_in_place(|| up.terminate());
    let up = start();
    upload_all(&up.access, &ledger, 10, 40..45).await;
    ledger.settles(&rows, PATIENCE).await;
    let accepted = ledger.accepted();
    copy(&original, &taken, Order::Ascending);
    fs::write(taken.join(name), &early).unwrap();
    tokio::task::block_in_place(|| up.terminate());

    let copied = starts_with_all(&taken, &accepted, name).await;
    ledger.comes_to_hold(&Rows::of_folder(&taken), COMPARED_WITHIN).await;
    let access = &copied.access;
    upload_all(access, &ledger, 10, 45..50).await;
    ledger.settles(&Rows::of_folder(&taken), PATIENCE).await;
    ledger.comes_to_hold(&Rows::of_folder(&taken), COMPARED_WITHIN).await;
    tokio::task::block_in_place(|| copied.terminate());
    Rows::of_folder(&taken).conserved(&taken, ledger.to_conserve(), &[("history", 200)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_whose_database_is_of_two_moments_gets_its_rows_from_the_bucket() {
    let _alone = ALONE.lock().await;
    a_file_of_one_moment_with_the_log_of_another("stationkeeper.sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_whose_bucket_is_of_two_moments_keeps_its_rows_and_takes_new_uploads() {
    let _alone = ALONE.lock().await;
    a_file_of_one_moment_with_the_log_of_another("bucket.sqlite").await;
}
