//! What is found in a file before it is opened, and what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stationkeeper_sqlite_file::{
    FileError, Origin, Prepared, Salvage, closed, inspect_log, kept_aside, opened, prepare, settled, suspect,
};
use tempfile::TempDir;

const SCHEMA: &str = "create table letters (id integer primary key, text text not null);
    create index letters_text on letters (text);
    create table names (name text not null primary key) without rowid;
    create table bodies (id integer primary key, body blob not null)";
const PLAN: Salvage = Salvage { without: &[], cut: Some(("bodies", "body")), afterwards: "" };
const ROWS: i64 = 2_000;

fn now() -> DateTime<Utc> {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

async fn connect(path: &Path) -> SqliteConnection {
    let connect = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    connect.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap()
}

async fn make(path: &Path) -> Result<(), FileError> {
    let mut connection = connect(path).await;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    Ok(())
}

async fn prepared(path: &Path) -> Prepared {
    let mut prepared = prepare(path, now(), Duration::from_secs(20), &PLAN, make).await.unwrap();
    prepared.release().await;
    prepared
}

/// A file of some hundred pages, closed in order.
async fn filled() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    make(&path).await.unwrap();
    let mut connection = connect(&path).await;
    for statement in [
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into letters select i, printf('letter %d', i) from n",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) insert into names select printf('name %d', i) from n",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 15) insert into bodies select i, zeroblob(9000) from n",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    (folder, path)
}

async fn count(path: &Path, table: &'static str) -> i64 {
    let text = match table {
        "letters" => "select count(*) from letters",
        "names" => "select count(*) from names",
        _ => "select count(*) from bodies where length(body) = 9000",
    };
    let mut connection = connect(path).await;
    let count = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

fn overwrite(path: &Path, page: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[page * 4_096..(page + 1) * 4_096].fill(0xA5);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn the_record_tells_where_a_file_comes_from() {
    let (folder, path) = filled().await;
    let copy = folder.path().join("copy.sqlite");
    let copied = || {
        fs::copy(&path, &copy).unwrap();
        fs::copy(folder.path().join("x.sqlite.state"), folder.path().join("copy.sqlite.state")).unwrap();
    };
    assert_eq!(prepared(&folder.path().join("none.sqlite")).await.findings.origin, Origin::New);
    assert_eq!(prepared(&path).await.findings.origin, Origin::Unknown, "without a record");
    opened(&path, false).unwrap();
    assert_eq!(prepared(&path).await.findings.origin, Origin::Killed);
    copied();
    let of_open = prepared(&copy).await.findings;
    assert_eq!((of_open.origin, of_open.may_lack_rows()), (Origin::CopyOfOpen, true));
    closed(&path).unwrap();
    let untouched = prepared(&path).await.findings;
    assert_eq!((untouched.origin, untouched.may_lack_rows()), (Origin::Untouched, false));
    copied();
    assert_eq!(prepared(&copy).await.findings.origin, Origin::CopyOfClosed);
    let mut connection = connect(&path).await;
    sqlx::query("delete from names").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!(prepared(&path).await.findings.origin, Origin::Changed);
    suspect(&path).unwrap();
    assert_eq!(prepared(&path).await.findings.origin, Origin::Suspect);
    closed(&path).unwrap();
    assert_eq!(prepared(&path).await.findings.origin, Origin::Suspect, "until it was examined and opened");
}

#[tokio::test]
async fn what_may_lack_rows_stays_so_over_kills_and_closings_until_it_is_settled() {
    let (_folder, path) = filled().await;
    opened(&path, true).unwrap();
    assert!(prepared(&path).await.may_lack_rows(), "after a kill");
    closed(&path).unwrap();
    let findings = prepared(&path).await.findings;
    assert_eq!((findings.origin, findings.may_lack_rows()), (Origin::Untouched, true), "after a closing");
    settled(&path).unwrap();
    assert!(!prepared(&path).await.may_lack_rows());
}

#[tokio::test]
async fn an_overwritten_page_costs_its_own_rows_and_the_file_is_kept() {
    let (_folder, whole) = filled().await;
    let pages = fs::metadata(&whole).unwrap().len() / 4_096;
    let mut cut = 0;
    for page in 1..usize::try_from(pages).unwrap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        fs::copy(&whole, &path).unwrap();
        overwrite(&path, page);
        let prepared = prepared(&path).await;
        let Some(aside) = prepared.set_aside else { continue };
        let kept = kept_aside(&path);
        assert_eq!(kept, ["x.sqlite.damaged-20261124T100000Z"], "page {page}");
        assert_eq!(aside.file, folder.path().join(&kept[0]));
        assert_eq!(fs::metadata(&aside.file).unwrap().len(), pages * 4_096, "page {page}: nothing is deleted");
        let (letters, names, bodies) =
            (count(&path, "letters").await, count(&path, "names").await, count(&path, "bodies").await);
        cut += aside.salvaged.cut;
        // A table's root is all of it; any other page is one page of one table.
        let lost = [(letters, ROWS), (names, 300), (bodies, 15)].iter().filter(|(left, all)| left < all).count();
        assert!(lost <= 1, "page {page}: {letters} letters, {names} names, {bodies} bodies; {:?}", aside.salvaged);
        assert_eq!(
            aside.salvaged.incomplete.is_empty(),
            lost == 0 && aside.salvaged.cut == 0,
            "page {page}: {:?}",
            aside.salvaged
        );
    }
    assert!(cut > 5, "bodies that cannot be read leave their rows: {cut}");
}

#[tokio::test]
async fn whatever_a_file_became_there_is_a_sound_one_in_its_place() {
    let (_folder, whole) = filled().await;
    let bytes = fs::read(&whole).unwrap();
    for (shows, harmed, rows_are_left) in [
        ("empty", Vec::new(), false),
        ("cut in a page", bytes[..bytes.len() / 2 + 77].to_vec(), true),
        ("a head of noise", [vec![0xA5; 4_096], bytes[4_096..].to_vec()].concat(), false),
        ("text", b"not a database at all, but long enough to be looked at as one".repeat(40), false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        fs::copy(&whole, &path).unwrap();
        closed(&path).unwrap();
        fs::write(&path, &harmed).unwrap();
        let prepared = prepared(&path).await;
        assert!(prepared.set_aside.is_some() && prepared.may_lack_rows(), "{shows}");
        assert_eq!(count(&path, "letters").await > 0, rows_are_left, "{shows}");
        let sentences = prepared.sentences("the file");
        assert!(sentences.len() == 1 && sentences[0].contains("x.sqlite.damaged-20261124T100000Z"), "{sentences:?}");
    }
}

#[tokio::test]
async fn a_new_file_that_was_not_finished_is_thrown_away_and_a_finished_one_takes_its_place() {
    let (folder, path) = filled().await;
    let rebuilt = folder.path().join("x.sqlite.rebuilt");
    fs::write(&rebuilt, "half of a new file").unwrap();
    assert_eq!(prepared(&path).await.set_aside, None);
    assert!(!rebuilt.exists(), "killed while it was made");
    assert_eq!(count(&path, "letters").await, ROWS);
    fs::rename(&path, &rebuilt).unwrap();
    assert_eq!(prepared(&path).await.set_aside, None);
    assert_eq!(count(&path, "letters").await, ROWS, "killed between the two renames");
}

/// A database with commits in its log, as a kill leaves it.
async fn with_a_log() -> (TempDir, PathBuf) {
    let (folder, source) = filled().await;
    let mut connection = connect(&source).await;
    for id in 1..=20 {
        sqlx::query("update letters set text = printf('%d changed', id) where id = ?")
            .bind(id)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let path = folder.path().join("killed.sqlite");
    for suffix in ["", "-wal", "-shm"] {
        let name = |base: &str| folder.path().join(format!("{base}.sqlite{suffix}"));
        fs::copy(name("x"), name("killed")).unwrap();
    }
    connection.close().await.unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_log_that_lost_commits_is_told_from_one_that_a_kill_left() {
    for (shows, is_torn, harm) in [
        ("as a kill leaves it", false, (|_| {}) as fn(&mut Vec<u8>)),
        ("cut", true, |log| log.truncate(log.len() / 2)),
        ("overwritten", true, |log| log[20_000..20_100].fill(0)),
        ("its head overwritten", true, |log| log[..32].fill(7)),
        ("empty", true, Vec::clear),
        ("a frame that was never finished", false, |log| log.extend([1; 700])),
        ("the head of a frame before a page that an older generation left", false, |log| {
            let head = [&[0, 0, 0, 2, 0, 0, 0, 0], &log[16..24], &[9; 8]].concat();
            log.extend(head);
            log.extend([1; 4_096]);
        }),
    ] {
        let (folder, path) = with_a_log().await;
        let log = folder.path().join("killed.sqlite-wal");
        let mut bytes = fs::read(&log).unwrap();
        harm(&mut bytes);
        fs::write(&log, bytes).unwrap();
        let loss = inspect_log(&path).unwrap();
        assert_eq!(loss.is_some(), is_torn, "{shows}: {loss:?}");
        let prepared = prepared(&path).await;
        assert_eq!((prepared.findings.torn_log.is_some(), prepared.may_lack_rows()), (is_torn, is_torn), "{shows}");
        assert_eq!(kept_aside(&path).len(), usize::from(is_torn), "{shows}: a copy of the log is kept");
    }
}

#[tokio::test]
async fn without_the_index_frames_after_the_break_tell_of_it() {
    let (folder, path) = with_a_log().await;
    fs::remove_file(folder.path().join("killed.sqlite-shm")).unwrap();
    assert_eq!(inspect_log(&path).unwrap(), None);
    let log = folder.path().join("killed.sqlite-wal");
    let mut bytes = fs::read(&log).unwrap();
    bytes[20_000..20_100].fill(0);
    fs::write(&log, bytes).unwrap();
    let loss = inspect_log(&path).unwrap().unwrap();
    assert!(loss.readable < loss.written, "{loss:?}");
}

#[tokio::test]
async fn a_check_ends_with_its_budget_and_says_that_it_did() {
    let (_folder, path) = filled().await;
    opened(&path, false).unwrap();
    let prepared = prepare(&path, now(), Duration::ZERO, &PLAN, make).await.unwrap();
    assert!(!prepared.findings.is_checked && prepared.set_aside.is_none());
    assert!(self::prepared(&path).await.findings.is_checked);
}
