//! A database of a test's own on the MariaDB that tests/run starts.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use stationkeeper_store::{Store, StoreOptions};

use super::variable;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An empty database, gone with the test.
pub struct Database {
    server: MySqlConnectOptions,
    name: String,
    /// `mysql://…` of it.
    pub url: String,
}

impl Database {
    /// Makes one.
    pub async fn empty() -> Self {
        let url = variable("STATIONKEEPER_TEST_MYSQL_URL").expect(
            "STATIONKEEPER_TEST_MYSQL_URL is not set: run tests/run, or give mysql://USER:PASSWORD@HOST:PORT/NAME of a \
             server on which databases may be made",
        );
        let server: MySqlConnectOptions = url.parse().expect("STATIONKEEPER_TEST_MYSQL_URL is an address");
        let name = format!("sk_end_to_end_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // The name is made of our own letters and digits.
        let sql = format!("drop database if exists {name}; create database {name} character set utf8mb4");
        let mut connection = MySqlConnection::connect_with(&server).await.expect("the server of the tests answers");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a database can be made");
        let (base, _) = url.rsplit_once('/').expect("it names a database");
        Self { server, url: format!("{base}/{name}"), name }
    }

    /// Opened by the library, its schema up to date.
    pub async fn store(&self) -> Store {
        let store = Store::open(&self.url, StoreOptions::default()).await.expect("it opens");
        store.migrate().await.expect("it migrates");
        store
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("drop database if exists {}", self.name));
        let dropping = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                if let Ok(mut connection) = MySqlConnection::connect_with(&server).await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
                }
            });
        });
        let _ = dropping.join();
    }
}
