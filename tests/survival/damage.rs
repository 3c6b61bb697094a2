//! Files that were cut, overwritten or emptied while `up` did not run: set aside, counted, named by `/health`, and started.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use stationkeeper_embedded_bucket::{Attributes, BucketOptions, EmbeddedBucket, ObjectKey, WriteCondition};
use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::{PATIENCE, now, until};

use crate::disk::Disk;
use crate::ledger::{Becomes, Ledger};
use crate::load::{Dice, Station, client, upload_all};
use crate::rows::Rows;
use crate::{ALONE, started_in_time};

const BUCKET: &str = "bucket.sqlite";
const DATABASE: &str = "stationkeeper.sqlite";

/// How `up` ended before the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGTERM: the log is in the file, and the file is known.
    InOrder,
    /// SIGKILL: all of it may still be in the log.
    Killed,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    LogCut,
    LogOverwritten,
    LogGone,
    Emptied,
    HeadOverwritten,
    PagesOverwritten,
    Cut,
    Replaced,
}

use End::{InOrder, Killed};
use Harm::{Cut, Emptied, HeadOverwritten, LogCut, LogGone, LogOverwritten, PagesOverwritten, Replaced};

impl Harm {
    fn happens(self, file: &Path, dice: &mut Dice) {
        let log = file.with_extension("sqlite-wal");
        let length = |path: &Path| fs::metadata(path).unwrap().len();
        let cut = |path: &Path, to: u64| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(to).unwrap();
        match self {
            LogCut => cut(&log, length(&log) / 2),
            LogOverwritten => overwrite(&log, length(&log) / 2, 3_000, dice),
            LogGone => fs::remove_file(&log).unwrap(),
            Emptied => cut(file, 0),
            HeadOverwritten => overwrite(file, 0, 4_096, dice),
            PagesOverwritten => {
                for part in 1..4 {
                    let from = length(file) * part / 4 / 8_192 * 8_192;
                    overwrite(file, from, 8_192, dice);
                }
            }
            Cut => cut(file, length(file) / 2 / 8_192 * 8_192 + 100),
            Replaced => {
                fs::write(file, "this is a letter, no database; somebody saved it in the wrong place\n".repeat(200))
                    .unwrap()
            }
        }
    }
}

fn overwrite(file: &Path, from: u64, bytes: usize, dice: &mut Dice) {
    let noise: Vec<u8> = (0..bytes).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
    let mut file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&noise).unwrap();
}

/// Uploads that were all ingested, an end, a harm, a start: everything is there once, the damage is said, the stations' keys are valid.
async fn outlives(name: &'static str, end: End, harm: Harm) {
    let shows = format!("{name}: {end:?}, {harm:?}");
    let folder = data_folder();
    let data = folder.path();
    let rows = Rows::of_folder(data);
    let ledger = Ledger::default();
    let up = tokio::task::block_in_place(|| Up::start(data));
    let station = tokio::task::block_in_place(|| up.station_access("LAB-KEY"));
    upload_all(&up.access, &ledger, 8, 0..30).await;
    ledger.settles(&rows, PATIENCE).await;
    match end {
        InOrder => drop(tokio::task::block_in_place(|| up.terminate())),
        Killed => up.program.kill(),
    }
    if end == InOrder && matches!(harm, LogCut | LogOverwritten | LogGone) {
        panic!("{shows}: there is no log after an end in order");
    }
    harm.happens(&data.join(name), &mut Dice::of(5));

    let beside = data_folder();
    let disk = Disk::watch(beside.path());
    let begun = Instant::now();
    let up = tokio::task::block_in_place(|| Up::start(data));
    let took = begun.elapsed();
    started_in_time(took, &disk, begun, &shows);
    ledger.settles(&rows, PATIENCE).await;

    let kept = |entry: &str| entry.starts_with(&format!("{name}.damaged-"));
    let aside: Vec<_> = fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|entry| kept(entry))
        .collect();
    assert!(!aside.is_empty(), "{shows}: the damaged file is kept");
    let health = until(&format!("{shows}: /health names it"), Duration::from_secs(5), async || {
        let health = up.get_openly("/health").await;
        (health.status == 503).then(|| health.json())
    })
    .await;
    assert_eq!(health["parts"]["files"]["ok"], false, "{shows}: {health}");
    for part in ["database", "bucket"] {
        assert_eq!(health["parts"][part]["ok"], true, "{shows}: it runs: {health}");
    }
    let (file, kind) =
        (if name == BUCKET { "bucket" } else { "database" }, if is_torn_log(harm) { "torn_log" } else { "set_aside" });
    let counted = format!("stationkeeper_damaged_files_total{{file=\"{file}\",kind=\"{kind}\"}} 1");
    let metrics = up.get_openly("/metrics").await.text();
    assert!(metrics.contains(&counted), "{shows}: {counted} in\n{metrics}");
    let log = up.program.log();
    let said = log.lines().filter(|line| line.contains("damaged-") && line.contains("ERROR")).count();
    assert!((1..=2).contains(&said), "{shows}: one clear line for what was found, not {said}:\n{log}");

    let access = stationkeeper_tests::up::Access { endpoint: up.access.endpoint.clone(), ..station };
    let of_station = Station {
        name: "LAB-KEY".to_owned(),
        client: client(&access),
        bucket: access.bucket.clone(),
        ledger: ledger.clone(),
        begun: now() - chrono::TimeDelta::hours(1),
    };
    for turn in 0..10 {
        assert!(of_station.upload(turn).await, "{shows}: the station's key is valid");
    }
    upload_all(&up.access, &ledger, 8, 30..40).await;
    ledger.settles(&rows, PATIENCE).await;
    ledger.comes_to_hold(&rows, PATIENCE).await;
    tokio::task::block_in_place(|| up.terminate());

    // Once the operator has moved it away, all is well.
    for entry in aside {
        fs::remove_file(data.join(entry)).unwrap();
    }
    let up = tokio::task::block_in_place(|| Up::start(data));
    let health = up.get_openly("/health").await;
    assert_eq!(health.status, 200, "{shows}: {}", health.text());
    tokio::task::block_in_place(|| up.terminate());
    rows.conserved(data, ledger.to_conserve(), &[("history", 200)]).await;
}

fn is_torn_log(harm: Harm) -> bool {
    matches!(harm, LogCut | LogOverwritten | LogGone)
}

/// How the process ends, and what then happens to a file of it.
const ENDS: [(End, Harm); 9] = [
    (Killed, LogCut),
    (Killed, LogOverwritten),
    (Killed, LogGone),
    (InOrder, Emptied),
    (InOrder, HeadOverwritten),
    (InOrder, PagesOverwritten),
    (InOrder, Cut),
    (InOrder, Replaced),
    (Killed, Emptied),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_damaged_database_is_set_aside_and_its_rows_come_again_from_the_bucket() {
    let _alone = ALONE.lock().await;
    for (end, harm) in ENDS {
        outlives(DATABASE, end, harm).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_damaged_bucket_is_set_aside_and_nothing_that_was_ingested_is_lost() {
    let _alone = ALONE.lock().await;
    for (end, harm) in ENDS {
        outlives(BUCKET, end, harm).await;
    }
}

/// Pages of a file that is in use: what comes to light is set aside and rebuilt by the process itself, on the same ports.
async fn outlives_in_use(name: &'static str) {
    let folder = data_folder();
    let data = folder.path();
    let rows = Rows::of_folder(data);
    let ledger = Ledger::default();
    let up = tokio::task::block_in_place(|| Up::start(data));
    upload_all(&up.access, &ledger, 8, 0..30).await;
    ledger.settles(&rows, PATIENCE).await;
    tokio::task::block_in_place(|| up.terminate());

    // The log is in the file now, and the process that opens it has read few of its pages.
    let up = tokio::task::block_in_place(|| Up::start(data));
    let file = data.join(name);
    let length = fs::metadata(&file).unwrap().len();
    for page in 1..length / 4_096 {
        overwrite(&file, page * 4_096 + 8, 600, &mut Dice::of(page));
    }
    let mut turn = 30;
    let aside = until(&format!("{name}: the damaged file is set aside while it runs"), PATIENCE, async || {
        // Whatever is answered is accepted; while the file is damaged much is not.
        for number in 0..8 {
            let station = Station {
                name: format!("LAB-{number:03}"),
                client: client(&up.access),
                bucket: up.access.bucket.clone(),
                ledger: ledger.clone(),
                begun: now() - chrono::TimeDelta::hours(1),
            };
            let _ = tokio::time::timeout(Duration::from_secs(2), station.upload(turn)).await;
        }
        turn += 1;
        let names = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let aside: Vec<_> = names.filter(|entry| entry.starts_with(&format!("{name}.damaged-"))).collect();
        (!aside.is_empty()).then_some(aside)
    })
    .await;
    assert!(!aside.is_empty());
    let health = until(&format!("{name}: /health names it"), PATIENCE, async || {
        let health = up.get_openly("/health").await;
        let parts = health.json()["parts"].clone();
        (parts["files"]["ok"] == false && parts["database"]["ok"] == true && parts["bucket"]["ok"] == true)
            .then_some(health)
    })
    .await;
    assert_eq!(health.status, 503, "{name}: {}", health.text());
    upload_all(&up.access, &ledger, 8, 200..210).await;
    ledger.settles(&rows, PATIENCE).await;
    ledger.comes_to_hold(&rows, PATIENCE).await;
    tokio::task::block_in_place(|| up.terminate());
    rows.conserved(data, ledger.to_conserve(), &[("history", 200)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn damage_that_shows_while_it_runs_is_set_aside_without_a_restart() {
    let _alone = ALONE.lock().await;
    for name in [DATABASE, BUCKET] {
        outlives_in_use(name).await;
    }
}

/// A bucket with uploads that wait for their ingest.
async fn waiting_bucket(data: &Path, ledger: &Ledger) {
    let bucket = EmbeddedBucket::open(&data.join(BUCKET), BucketOptions::default()).await.unwrap();
    for number in 0..6 {
        let station = Station {
            name: format!("LAB-{number:03}"),
            client: client(&nowhere()),
            bucket: String::new(),
            ledger: ledger.clone(),
            begun: now() - chrono::TimeDelta::hours(1),
        };
        for turn in 20..40 {
            let (becomes, key, body) = station.file(turn);
            let place = ledger.sends(becomes, &key, &body);
            let key = ObjectKey::parse(&key).unwrap();
            let put = bucket.put(&key, body.into(), Attributes::default(), WriteCondition::Always).await;
            ledger.answered(place, &put.unwrap().unwrap().version_id);
        }
    }
    bucket.close().await;
}

/// Of a station that does not use it.
fn nowhere() -> stationkeeper_tests::up::Access {
    stationkeeper_tests::up::Access {
        endpoint: "http://127.0.0.1:9".to_owned(),
        bucket: "none".to_owned(),
        access_key_id: "none".to_owned(),
        secret_access_key: "none".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_accepted_body_that_is_missing_or_cut_is_a_row_of_the_quarantine_and_costs_no_other() {
    let _alone = ALONE.lock().await;
    let folder = data_folder();
    let data = folder.path();
    let ledger = Ledger::default();
    waiting_bucket(data, &ledger).await;
    let harmed = ["LAB-000/heartbeat/", "LAB-001/heartbeat/", "LAB-002/heartbeat/"];
    let mut file = SqliteConnectOptions::new().filename(data.join(BUCKET)).connect().await.unwrap();
    for (harm, of) in [
        "delete from versions where object_key like",
        "update versions set body = substr(body, 1, 100) where object_key like",
        // Not a byte more or less, and still JSON: only the checksum tells.
        "update versions set body = cast(replace(cast(body as text), 'true', 'null') as blob) where object_key like",
    ]
    .iter()
    .zip(harmed)
    {
        let done = sqlx::query(AssertSqlSafe(format!("{harm} 'stations/{of}%'"))).execute(&mut file).await.unwrap();
        assert_eq!(done.rows_affected(), 3, "{harm}");
    }
    // And a queue that lost what it had of one station.
    let done = sqlx::query("delete from queue where body like '%LAB-003%'").execute(&mut file).await.unwrap();
    assert_eq!(done.rows_affected(), 20);
    file.close().await.unwrap();

    let up = tokio::task::block_in_place(|| Up::start(data));
    let rows = Rows::of_folder(data);
    let is_harmed = |key: &str| harmed.iter().any(|of| key.contains(of));
    let (lost, whole): (Vec<_>, Vec<_>) = ledger.accepted().into_iter().partition(|entry| is_harmed(&entry.key));
    assert_eq!((lost.len(), whole.len()), (9, 111));
    Ledger::all_settle(&whole, &rows, PATIENCE).await;
    let lost: Vec<_> =
        lost.into_iter().map(|entry| crate::ledger::Entry { becomes: Becomes::Quarantine, ..entry }).collect();
    Ledger::all_settle(&lost, &rows, PATIENCE).await;
    ledger.holds_no_more(&rows).await;
    for (of, reason) in harmed.iter().zip(["missing_object", "damaged_object", "damaged_object"]) {
        let listed = up.all("/api/v1/quarantine").await;
        let reasons: Vec<_> = listed
            .iter()
            .filter(|row| row["key"].as_str().is_some_and(|key| key.contains(of)))
            .map(|row| row["reason"].clone())
            .collect();
        assert_eq!(reasons, vec![serde_json::json!(reason); 3], "{of}");
    }
    let metrics = up.get_openly("/metrics").await.text();
    assert!(metrics.contains("stationkeeper_quarantined_objects{reason=\"damaged_object\"} 6"), "{metrics}");
    tokio::task::block_in_place(|| up.terminate());
    rows.conserved(data, ledger.to_conserve(), &[("history", 50), ("quarantined", 9)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whichever_page_of_a_waiting_queue_is_overwritten_each_upload_is_one_row_or_one_row_of_the_quarantine() {
    let _alone = ALONE.lock().await;
    let folder = data_folder();
    let whole = folder.path().join("whole");
    let ledger = Ledger::default();
    waiting_bucket(&whole, &ledger).await;
    let pages = fs::metadata(whole.join(BUCKET)).unwrap().len() / 4_096;
    assert!(pages > 150, "bodies stand on pages of their own: {pages}");
    for place in 1..=9 {
        let data = folder.path().join(format!("page-{place}"));
        fs::create_dir(&data).unwrap();
        fs::copy(whole.join(BUCKET), data.join(BUCKET)).unwrap();
        overwrite(&data.join(BUCKET), pages * place / 10 * 4_096, 4_096, &mut Dice::of(place));
        let up = tokio::task::block_in_place(|| Up::start(&data));
        let rows = Rows::of_folder(&data);
        let accepted = ledger.accepted();
        until(&format!("page {place}: all are accounted for"), PATIENCE, async || {
            let found = rows.found().await;
            let lost = Ledger::missing(&accepted, &found).len();
            let aside = accepted
                .iter()
                .filter(|entry| entry.becomes == Becomes::History)
                .filter(|entry| found.quarantine.contains(&(entry.key.clone(), entry.version.clone().unwrap())))
                .count();
            (lost == aside).then_some(())
        })
        .await;
        ledger.holds_no_more(&rows).await;
        tokio::task::block_in_place(|| up.terminate());
        rows.conserved(&data, ledger.to_conserve(), &[("accepted", 120)]).await;
    }
}
