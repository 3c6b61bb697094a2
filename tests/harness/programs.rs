//! The real programs: where they lie and how they end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A variable that tests/run sets.
#[expect(clippy::disallowed_methods, reason = "where tests read their surroundings")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A program of this workspace. `tests/run` builds them before it runs the tests.
pub fn binary(name: &str) -> PathBuf {
    let folder = variable("STATIONKEEPER_TEST_BINARIES").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a running test has a file");
        test.parent().and_then(Path::parent).expect("it lies two folders down").to_owned()
    });
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "there is no {}: run tests/run, or `cargo build --workspace --bins` in the test's own profile first",
        program.display()
    );
    program
}

/// A command without what the caller's surroundings would tell it.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("STATIONKEEPER_") || name.starts_with("AWS_") {
            command.env_remove(&variable);
        }
    }
    command
}

/// Runs `stationkeeper` to its end.
pub fn stationkeeper(arguments: &[&str]) -> Output {
    command("stationkeeper").args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

/// Runs `stationkeeper`, which must end well, and gives back its standard output.
pub fn stationkeeper_says(arguments: &[&str]) -> String {
    let output = stationkeeper(arguments);
    assert!(
        output.status.success(),
        "stationkeeper {arguments:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// A program that runs until it is told to stop; ends with the test whatever happens.
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts it, its standard error going to `log`.
    pub fn start(mut command: Command, name: &str, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("a log can be made");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { child, name: name.to_owned(), log: log.to_owned() }
    }

    /// The first line on its standard output; it must come in time. What it says later is read and dropped.
    pub fn first_line(&mut self, within: Duration) -> String {
        let stdout = self.child.stdout.take().expect("asked for once");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            let _ = sender.send(line);
            let _ = std::io::copy(&mut reader, &mut std::io::sink());
        });
        match receiver.recv_timeout(within) {
            Ok(line) if !line.is_empty() => line,
            Ok(_) => panic!("{} ended before it said anything:\n{}", self.name, self.log()),
            Err(_) => panic!("{} said nothing within {} s:\n{}", self.name, within.as_secs(), self.log()),
        }
    }

    /// Keeps what it writes to standard output in a file. Nobody reading it, it would stand still once the pipe is full.
    pub fn keep_output(&mut self, file: &Path) {
        let mut stdout = self.child.stdout.take().expect("asked for once");
        let mut file = std::fs::File::create(file).expect("a file can be made");
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut file));
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to {}", self.name);
    }

    /// Waits for its end, which must come in time.
    pub fn ends_within(&mut self, within: Duration) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return (status, begun.elapsed());
            }
            assert!(
                begun.elapsed() < within,
                "{} did not end within {} s:\n{}",
                self.name,
                within.as_secs(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word.
    pub fn kill(mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4_000);
            let tail = log.get(from..).unwrap_or(&log);
            eprintln!("--- last words of {}\n{tail}", self.name);
        }
    }
}

/// Runs a program with something on its standard input.
pub fn with_input(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let bytes = input.to_vec();
    // A program that ends early closes the pipe: its own words say why.
    let writing = std::thread::spawn(move || {
        let _ = stdin.write_all(&bytes);
    });
    let mut stderr = child.stderr.take().expect("piped");
    let reading = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stderr.read_to_end(&mut said);
        said
    });
    let output = child.wait_with_output().expect("it ends");
    let _ = writing.join();
    Output { stderr: reading.join().unwrap_or_default(), ..output }
}
