//! A mail server that is not ours; see mail_server.py.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{Running, variable};
use crate::waiting::PATIENCE;

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Without.
    None,
    /// By STARTTLS alone.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// A mail that came.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Who gets it.
    pub to: Vec<String>,
    /// Head and body, soft line ends taken out.
    pub text: String,
}

impl Mail {
    /// The rest of the line that begins so.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .take_while(|line| !line.is_empty())
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A server; it ends with the test.
pub struct MailServer {
    port: u16,
    tls: Tls,
    password: Option<String>,
    folder: TempDir,
    _program: Running,
}

/// A Python program of tests/harness.
///
/// # Panics
/// Where nobody says which Python.
pub fn script(name: &str) -> Command {
    let python = variable("STATIONKEEPER_TEST_PYTHON").expect(
        "STATIONKEEPER_TEST_PYTHON is not set: run tests/run, or give a python that has what tests/requirements.txt pins",
    );
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness").join(name)).env("NO_PROXY", "127.0.0.1");
    command
}

impl MailServer {
    /// Starts one; with a password it wants that of the user `lab`.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn serve(tls: Tls, password: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut program = script("mail_server.py");
        let mode = match tls {
            Tls::None => "none",
            Tls::StartTls => "starttls",
            Tls::Implicit => "implicit",
        };
        program.arg(folder.path()).arg(mode).args(password);
        let mut program = Running::start(program, "mail server", &folder.path().join("log"));
        let said = program.first_line(PATIENCE);
        let port = said.trim().parse().unwrap_or_else(|error| panic!("{error}: {said}"));
        Self { port, tls, password: password.map(str::to_owned), folder, _program: program }
    }

    /// For STATIONKEEPER_SMTP_URL.
    pub fn url(&self) -> String {
        self.url_of(self.password.as_deref())
    }

    /// The same with another password.
    pub fn url_of(&self, password: Option<&str>) -> String {
        let login = password.map_or_else(String::new, |password| format!("lab:{password}@"));
        match self.tls {
            Tls::None => format!("smtp://{login}127.0.0.1:{}?tls=none", self.port),
            Tls::StartTls => format!("smtp://{login}localhost:{}", self.port),
            Tls::Implicit => format!("smtps://{login}localhost:{}", self.port),
        }
    }

    /// For STATIONKEEPER_NOTIFY_CA.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// What becomes of the next mails; see mail_server.py.
    ///
    /// # Panics
    /// Where its folder is gone.
    pub fn behave(&self, how: &str) {
        std::fs::write(self.folder.path().join("behaviour"), how).expect("its folder is there");
    }

    /// Mails that came, the oldest first.
    ///
    /// # Panics
    /// Where its folder is gone.
    pub fn mails(&self) -> Vec<Mail> {
        let listed = std::fs::read_dir(self.folder.path()).expect("its folder is there");
        let mut files: Vec<_> = listed.map(|entry| entry.expect("readable").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "mail"));
        files.sort();
        let read = |file: &PathBuf| {
            let whole = std::fs::read_to_string(file).expect("a mail is ASCII");
            let (head, mail) = whole.split_once('\n').expect("a line before the mail");
            let head: Value = serde_json::from_str(head).expect("JSON");
            let to = serde_json::from_value(head["to"].clone()).expect("recipients");
            Mail { to, text: mail.replace("=\r\n", "").replace("\r\n", "\n") }
        };
        files.iter().map(read).collect()
    }
}
