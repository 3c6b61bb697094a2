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

/// A user of a test's own, who may do all with its database. Gone with the test.
pub struct Login {
    server: MySqlConnectOptions,
    database: String,
    user: String,
}

impl Login {
    /// Makes one.
    pub async fn to(database: &Database, password: &str) -> Self {
        let login = Self {
            server: database.server.clone(),
            database: database.name.clone(),
            user: format!("sk_login_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)),
        };
        let (user, database) = (&login.user, &login.database);
        login
            .execute(format!(
                "drop user if exists {user}@'%'; create user {user}@'%' identified by '{password}'; grant all on {database}.* to \
                 {user}@'%'"
            ))
            .await;
        login
    }

    /// What a secret says of it.
    pub fn secret(&self, password: &str) -> String {
        super::secret::secret(self.server.get_host(), self.server.get_port(), &self.database, &self.user, password)
    }

    /// Another password from now on; what is connected by the old one is cut off.
    pub async fn change_password(&self, password: &str) {
        let user = &self.user;
        self.execute(format!("alter user {user}@'%' identified by '{password}'")).await;
        self.execute(format!("kill user {user}@'%'")).await;
    }

    async fn execute(&self, sql: String) {
        let mut connection =
            MySqlConnection::connect_with(&self.server).await.expect("the server of the tests answers");
        // Names and passwords are the tests' own.
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a user can be changed");
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        drop_by(&self.server, format!("drop user if exists {}@'%'", self.user));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop_by(&self.server, format!("drop database if exists {}", self.name));
    }
}

fn drop_by(server: &MySqlConnectOptions, sql: String) {
    let server = server.clone();
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
