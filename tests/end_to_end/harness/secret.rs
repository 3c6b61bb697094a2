//! Secrets Manager, a user whose password changes, and a database that takes TLS alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tempfile::TempDir;

use super::database::Database;
use super::programs::{Running, with_input};
use super::{PATIENCE, variable};

/// A Python program that stands beside the harness.
pub fn script(name: &str) -> Command {
    let python = variable("STATIONKEEPER_TEST_PYTHON").expect(
        "STATIONKEEPER_TEST_PYTHON is not set: run tests/run, or give a python that has what tests/requirements.txt pins",
    );
    let mut command = Command::new(python);
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("end_to_end/harness").join(name));
    // Loopback is never asked for by way of somebody's proxy.
    command.env("NO_PROXY", "127.0.0.1").env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Secrets Manager with one secret.
pub struct Secrets {
    /// Its address.
    pub endpoint: String,
    _program: Running,
}

impl Secrets {
    pub fn serve(folder: &Path) -> Self {
        let mut command = script("secret_service.py");
        command.arg("serve");
        let mut program = Running::start(command, "Secrets Manager", &folder.join("secrets-manager.log"));
        let endpoint = program.first_line(PATIENCE).trim().to_owned();
        Self { endpoint, _program: program }
    }

    /// What the secret says from now on; gives back its ARN.
    pub fn put(&self, secret: &str) -> String {
        let mut command = script("secret_service.py");
        command.args(["put", &self.endpoint]);
        let output = with_input(command, secret.as_bytes());
        assert!(output.status.success(), "Secrets Manager: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("an ARN")
    }
}

/// A secret in the form of RDS.
pub fn secret(host: &str, port: u16, database: &str, user: &str, password: &str) -> String {
    json!({
        "engine": "mysql", "host": host, "port": port, "dbname": database, "username": user, "password": password,
    })
    .to_string()
}

/// A user of a test's own, who may do all with a database. Gone with the test.
pub struct Login {
    server: MySqlConnectOptions,
    user: String,
}

impl Login {
    /// Makes one.
    pub async fn to(database: &Database, password: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let login = Self {
            server: database.url.parse().expect("an address"),
            user: format!("sk_login_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)),
        };
        let (user, database) = (&login.user, login.database());
        let made = login
            .execute(format!(
                "drop user if exists {user}@'%'; create user {user}@'%' identified by '{password}'; \
                 grant all on {database}.* to {user}@'%'"
            ))
            .await;
        made.expect("a user can be made");
        login
    }

    fn database(&self) -> &str {
        self.server.get_database().expect("it names a database")
    }

    /// What a secret says of it.
    pub fn secret(&self, password: &str) -> String {
        secret(self.server.get_host(), self.server.get_port(), self.database(), &self.user, password)
    }

    /// Another password from now on; what is connected by the old one is cut off.
    pub async fn change_password(&self, password: &str) {
        let user = &self.user;
        let changed =
            self.execute(format!("alter user {user}@'%' identified by '{password}'; kill user {user}@'%'")).await;
        changed.expect("a password can be changed");
    }

    /// Names and passwords are the tests' own.
    async fn execute(&self, sql: String) -> Result<(), sqlx::Error> {
        let mut connection = MySqlConnection::connect_with(&self.server).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(drop)
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
                let _ = runtime.block_on(self.execute(format!("drop user if exists {}@'%'", self.user)));
            });
        });
    }
}

/// A database for 127.0.0.1 that takes TLS alone.
pub struct TlsDatabase {
    /// Where it listens.
    pub port: u16,
    // Ends before its folder goes.
    _program: Running,
    folder: TempDir,
}

impl TlsDatabase {
    /// With a user `lab`, whose database is `lab`.
    pub fn start(password: &str) -> Self {
        let folder = super::up::data_folder();
        let mut command = script("tls_database.py");
        command.arg(folder.path()).arg(password);
        let mut program = Running::start(command, "MariaDB", &folder.path().join("log"));
        let said = program.first_line(PATIENCE);
        let port = said.trim().parse().unwrap_or_else(|_| panic!("no port: {said}\n{}", program.log()));
        Self { port, _program: program, folder }
    }

    /// The authority that signed its certificate.
    pub fn authority(&self) -> String {
        self.file("authority.pem")
    }

    /// An authority that did not.
    pub fn stranger(&self) -> String {
        self.file("stranger.pem")
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("text").to_owned()
    }
}
