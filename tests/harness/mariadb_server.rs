//! A MariaDB server of a test's own: a folder, a port and a process that nobody else uses. It ends when this is dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, MySqlConnection};
use tempfile::TempDir;

use crate::database::blocking;

/// Long enough for a loaded computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server.
#[derive(Debug)]
pub struct MariaDbServer {
    _folder: Option<TempDir>,
    place: PathBuf,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl MariaDbServer {
    /// A running one with these further arguments, in a temporary folder.
    ///
    /// # Panics
    /// Where MariaDB is not installed, or does not start.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().to_owned();
        let mut server = Self::in_folder(&place, arguments);
        server._folder = Some(folder);
        server
    }

    /// The same in a folder that is there already.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn in_folder(place: &Path, arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        let mut server = Self { _folder: None, place: place.to_owned(), port, arguments, child: None };
        if is_root() {
            // The server refuses to run as root; its folder, and the way to it, must be its user's.
            run(Command::new("chown").arg("mysql").arg(&server.place));
        }
        run(server.command("mariadb-install-db").arg("--auth-root-authentication-method=normal").arg("--skip-test-db"));
        server.again();
        server.as_root(
            "create database stationkeeper character set utf8mb4; create user sk@'127.0.0.1' identified by 'sk'; \
             grant select, insert, update, delete, create, drop, alter, index, references, create view, create routine, trigger, \
             lock tables on stationkeeper.* to sk@'127.0.0.1'",
        );
        server
    }

    /// `mysql://…` of its database, as a user without special rights.
    pub fn url(&self) -> String {
        format!("mysql://sk:sk@127.0.0.1:{}/stationkeeper", self.port)
    }

    /// Starts it on the same port and rows, and waits until it answers.
    ///
    /// # Panics
    /// Where it does not, in time.
    pub fn again(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.place.join("log")).expect("a log");
        let mut command = self.command("mariadbd");
        command
            .arg(format!("--socket={}", self.place.join("sock").display()))
            .arg(format!("--pid-file={}", self.place.join("pid").display()))
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve"])
            .args(["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().expect("mariadbd is installed"));
        let begun = Instant::now();
        while apart(MySqlConnection::connect(&self.root_url())).is_err() {
            let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            let log = || std::fs::read_to_string(self.place.join("log")).unwrap_or_default();
            assert!(!ended && begun.elapsed() < PATIENCE, "MariaDB did not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends it: `TERM` as an operator does, `KILL` as a power cut.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn stop(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        run(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
        let begun = Instant::now();
        while matches!(child.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("MariaDB did not end after {signal}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Statements of its administrator.
    ///
    /// # Panics
    /// Where one fails.
    pub fn as_root(&self, statements: &'static str) {
        apart(async {
            let mut connection = MySqlConnection::connect(&self.root_url()).await.expect("it answers");
            sqlx::raw_sql(statements).execute(&mut connection).await.expect("an administrator may");
            connection.close().await.expect("it lets go");
        });
    }

    /// A number that a statement of its administrator gives.
    ///
    /// # Panics
    /// Where it gives none.
    pub fn number(&self, statement: &'static str) -> i64 {
        apart(async {
            let mut connection = MySqlConnection::connect(&self.root_url()).await.expect("it answers");
            sqlx::query_scalar(statement).fetch_one(&mut connection).await.expect("a number")
        })
    }

    /// The same with a text for its question mark.
    ///
    /// # Panics
    /// As [`number`](Self::number).
    pub fn number_of(&self, statement: &'static str, text: &str) -> i64 {
        apart(async {
            let mut connection = MySqlConnection::connect(&self.root_url()).await.expect("it answers");
            sqlx::query_scalar(statement).bind(text).fetch_one(&mut connection).await.expect("a number")
        })
    }

    /// `mysql://…` of its administrator.
    pub fn root_url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/mysql", self.port)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--no-defaults").arg(format!("--datadir={}", self.place.join("rows").display()));
        if is_root() {
            command.arg("--user=mysql");
        }
        // Where Debian keeps servers; a user's own path may leave it out.
        #[expect(clippy::disallowed_methods, reason = "programs are found by it")]
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        // Servers that install their tables at the same time would find one another's files in a common folder.
        command.env("TMPDIR", &self.place);
        command
    }
}

impl Drop for MariaDbServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs a future to its end on a thread of its own: the caller may stand in a runtime.
fn apart<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| blocking(future)).join().expect("it does not panic"))
}

/// Whether the superuser runs this.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Runs a program that must end well.
///
/// # Panics
/// Where it does not.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let said = || [output.stdout.clone(), output.stderr.clone()].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said()));
}
