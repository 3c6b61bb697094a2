//! A power cut, or an operator with a backup: the database is of an earlier moment than the bucket, which kept every version.

use std::fs;
use std::path::Path;

use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::{PATIENCE, until};

use crate::ALONE;
use crate::ledger::Ledger;
use crate::load::upload_all;
use crate::rows::Rows;

const STATIONS: u32 = 6;

/// How the database of before comes back.
enum Return {
    /// The same file holds what it held: its last commits never reached the disk.
    InPlace,
    /// Another file under its name: a backup.
    AsCopy,
    /// No file at all.
    Gone,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_older_than_the_bucket_gets_back_from_it_what_it_lost() {
    let _alone = ALONE.lock().await;
    for back in [Return::InPlace, Return::AsCopy, Return::Gone] {
        let folder = data_folder();
        let data = folder.path();
        let rows = Rows::of_folder(data);
        let ledger = Ledger::default();
        let up = tokio::task::block_in_place(|| Up::start(data));
        upload_all(&up.access, &ledger, STATIONS, 0..20).await;
        ledger.settles(&rows, PATIENCE).await;
        tokio::task::block_in_place(|| up.terminate());
        let before = fs::read(data.join("stationkeeper.sqlite")).unwrap();

        let up = tokio::task::block_in_place(|| Up::start(data));
        let count_before = ledger.accepted().len();
        upload_all(&up.access, &ledger, STATIONS, 20..60).await;
        ledger.settles(&rows, PATIENCE).await;
        up.program.kill();
        let lost = ledger.accepted().len() - count_before;
        put_back(data, &before, &back);

        let up = tokio::task::block_in_place(|| Up::start(data));
        ledger.settles(&rows, PATIENCE).await;
        upload_all(&up.access, &ledger, STATIONS, 60..65).await;
        ledger.settles(&rows, PATIENCE).await;
        ledger.comes_to_hold(&rows, PATIENCE).await;
        assert!(lost >= 200, "enough happened: {lost} were not in the database");
        let announced = until("that it is counted", PATIENCE, async || {
            let metrics = up.get_openly("/metrics").await.text();
            let line = metrics.lines().find(|line| line.starts_with("stationkeeper_objects_announced_again_total"))?;
            line.rsplit(' ').next()?.parse::<f64>().ok()
        })
        .await;
        assert!(announced >= f64::from(u32::try_from(lost).unwrap()), "{announced} of {lost}");
        // The board is true again as well.
        for number in 0..STATIONS {
            let name = format!("LAB-{number:03}");
            up.station(&name, PATIENCE, |station| !station["timestamp_utc"].is_null()).await;
        }
        tokio::task::block_in_place(|| up.terminate());
        rows.conserved(data, ledger.to_conserve(), &[("history", 200)]).await;
    }
}

fn put_back(data: &Path, before: &[u8], back: &Return) {
    let file = data.join("stationkeeper.sqlite");
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(data.join(format!("stationkeeper.sqlite{suffix}"))).unwrap();
    }
    match back {
        Return::InPlace => fs::write(&file, before).unwrap(),
        Return::AsCopy => {
            // Written beside, so that it cannot get the number of the file it replaces.
            fs::write(data.join("backup"), before).unwrap();
            fs::rename(data.join("backup"), &file).unwrap();
        }
        Return::Gone => fs::remove_file(&file).unwrap(),
    }
}
