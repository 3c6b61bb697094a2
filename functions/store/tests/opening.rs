//! What is wrong with a database is said in one sentence, without a secret.
#![cfg(all(feature = "sqlite", feature = "mysql"))]

use std::time::Duration;

use stationkeeper_store::{Store, StoreOptions};

async fn refused(url: &str) -> String {
    let options = StoreOptions { acquire_timeout: Duration::from_secs(5), ..StoreOptions::default() };
    let error = Store::open(url, options).await.expect_err("it does not open");
    let mut text = format!("{error}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert!(!text.contains("se-cret") && !format!("{error:?}").contains("se-cret"), "{text}");
    text
}

#[tokio::test]
async fn a_wrong_url_is_said() {
    for (url, says) in [
        ("", "it begins with neither `sqlite:` nor `mysql://`"),
        ("postgres://ann:se-cret@localhost/x", "it begins with neither `sqlite:` nor `mysql://`"),
        ("se-cret", "it begins with neither `sqlite:` nor `mysql://`"),
        ("mysql://ann:se-cret@localhost", "it names no database"),
        ("mysql://ann:se-cret@localhost:port/x", "not a MySQL URL"),
        ("mysql://ann:se-cret@", "not a MySQL URL"),
        ("mysql:ann:se-cret@localhost/x", "it begins with neither `sqlite:` nor `mysql://`"),
        ("sqlite::memory:", "a database in memory is not supported"),
        ("sqlite:x.db?colour=red", "not a SQLite path"),
    ] {
        let text = refused(url).await;
        assert!(text.contains(says), "{url}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = refused(&format!("mysql://ann:se-cret@127.0.0.1:{port}/lab")).await;
    assert!(text.starts_with(&format!("cannot open the database MySQL ann@127.0.0.1:{port}/lab: ")), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_is_not_waited_for_long() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://ann:se-cret@{}/lab", listener.local_addr().unwrap());
    let options = StoreOptions { acquire_timeout: Duration::from_secs(1), ..StoreOptions::default() };
    let error = Store::open(&url, options).await.expect_err("nobody answers");
    assert!(error.is_transient());
    assert!(error.to_string().ends_with("no answer within 1 s"), "{error}");
}

#[tokio::test]
async fn a_path_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let text = refused(&format!("sqlite:{}/no/such/folder/x.sqlite", folder.path().display())).await;
    assert!(
        text.contains("cannot open the database SQLite ") && text.contains("unable to open database file"),
        "{text}"
    );
    let path = folder.path().join("x.sqlite");
    std::fs::write(&path, "this is no database, and was not meant to be one ".repeat(100)).unwrap();
    let text = refused(&format!("sqlite:{}", path.display())).await;
    assert!(text.contains("file is not a database"), "{text}");
}

#[tokio::test]
async fn an_owned_file_that_is_damaged_is_rebuilt_and_says_that_it_may_lack_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    let now = "2026-11-24T10:00:00Z".parse().unwrap();
    let open = async || {
        Store::sqlite_owned(&path, StoreOptions::default(), now, Duration::from_secs(30)).await.expect("it opens")
    };
    let (store, prepared) = open().await;
    assert!(prepared.may_lack_rows(), "a new one lacks all of them");
    stationkeeper_sqlite_file::settled(&path).unwrap();
    store.close_owned(&path).await.unwrap();
    let (store, prepared) = open().await;
    assert!(!prepared.may_lack_rows() && prepared.set_aside.is_none());
    store.close_owned(&path).await.unwrap();
    std::fs::write(&path, "this is no database, and was not meant to be one ".repeat(400)).unwrap();
    let (store, prepared) = open().await;
    assert!(prepared.may_lack_rows() && prepared.set_aside.is_some());
    assert_eq!(store.pending_migrations().await.unwrap(), []);
    assert_eq!(store.overdue_check().await.unwrap().last_run_at, None);
    store.close_owned(&path).await.unwrap();
    let (_, prepared) = open().await;
    assert!(prepared.may_lack_rows() && prepared.set_aside.is_none(), "until somebody says that it is settled");
}
