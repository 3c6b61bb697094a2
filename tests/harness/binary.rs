//! The binary as a user runs it: arguments in, exit code and both streams out.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Where the binaries of this build lie.
///
/// # Panics
/// With a sentence, where they have not been built.
#[expect(clippy::disallowed_methods, reason = "tests/run says by the environment what it built")]
pub fn path(name: &str) -> PathBuf {
    let folder = std::env::var_os("STATIONKEEPER_TEST_BINARIES").map(PathBuf::from).or_else(|| {
        // This executable is target/PROFILE/deps/NAME-HASH.
        Some(std::env::current_exe().ok()?.parent()?.parent()?.to_owned())
    });
    let binary = folder.map(|folder| folder.join(name)).filter(|binary| binary.is_file());
    binary.unwrap_or_else(|| panic!("the binary {name} is not built: run tests/run, or `cargo build --workspace --bins` in the test's own profile first"))
}

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Ran {
    /// What was run, for messages.
    pub line: String,
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

/// `stationkeeper`, with nothing of this process's own configuration in its environment.
pub fn stationkeeper<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(path("stationkeeper"));
    for name in [
        "DATA",
        "DATABASE_URL",
        "CONFIG",
        "LISTEN",
        "S3_LISTEN",
        "LOG",
        "BUCKET",
        "QUEUE_URL",
        "EVENTS_TOKEN",
        "EVENTS_TOKEN_FILE",
        "RECONCILE_SECONDS",
        "CONNECTIONS_FILE",
        "TLS_CERT",
        "TLS_KEY",
    ] {
        command.env_remove(format!("STATIONKEEPER_{name}"));
    }
    // A backtrace would be shown to whoever has this set; nobody may see one anyway.
    command.env("RUST_BACKTRACE", "1").args(arguments).stdin(Stdio::null());
    command
}

/// Runs `stationkeeper` to its end.
///
/// # Panics
/// Where it cannot be started, or panicked.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    finish(&mut stationkeeper(arguments))
}

/// Runs it in a folder.
///
/// # Panics
/// As [`run`].
pub fn run_in<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Ran {
    finish(stationkeeper(arguments).current_dir(folder))
}

/// Runs it with this on standard input.
///
/// # Panics
/// As [`run`].
pub fn run_with_input<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Ran {
    let mut command = stationkeeper(arguments);
    let line = shown(&command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // It may stop reading before the end of what is too large.
    let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("cannot wait for {line}: {error}"));
    writer.join().expect("writing does not panic");
    ran(line, output)
}

/// Runs a prepared command to its end.
///
/// # Panics
/// As [`run`].
pub fn finish(command: &mut Command) -> Ran {
    let line = shown(command);
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
    ran(line, output)
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    format!("stationkeeper {}", words.join(" "))
}

fn ran(line: String, output: std::process::Output) -> Ran {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    for sign in ["panicked at", "stack backtrace", "RUST_BACKTRACE", "thread 'main'"] {
        assert!(!stderr.contains(sign), "{line}: nobody may see a panic, but standard error says:\n{stderr}");
    }
    Ran { line, code: output.status.code(), stdout: output.stdout, stderr }
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The one line of JSON on standard output.
    ///
    /// # Panics
    /// Where there is more, or none, or no JSON.
    pub fn json(&self) -> Value {
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "{}: one line of JSON, not {text:?}; {}", self.line, self.stderr);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error} in {text}", self.line))
    }

    /// Every line of standard output as JSON.
    ///
    /// # Panics
    /// Where one is none.
    pub fn json_lines(&self) -> Vec<Value> {
        let text = self.text();
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        text.lines().map(parse).collect()
    }

    /// It went well.
    ///
    /// # Panics
    /// Where it did not.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}: {}{}", self.line, self.text(), self.stderr);
        self
    }

    /// It ended with this code and one sentence, and nothing on standard output. Returns the sentence.
    ///
    /// # Panics
    /// Where it ended otherwise.
    pub fn refused(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}: {}{}", self.line, self.text(), self.stderr);
        assert_eq!(self.text(), "", "{}: a failure says nothing on standard output", self.line);
        let sentence = self.stderr.trim_end();
        assert_eq!(sentence.lines().count(), 1, "{}: one sentence, not\n{sentence}", self.line);
        sentence
            .strip_prefix("stationkeeper: ")
            .unwrap_or_else(|| panic!("{}: the sentence says who speaks: {sentence}", self.line))
    }
}
