//! A command on a station: a shell is opened, used and closed, whatever happens.

use std::fmt;
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

use super::answer::{Ended, Fault, Received, command_id, shell_id};
use super::certificates::CertificatePolicy;
use super::code_page::CodePage;
use super::connection::{Answer, Connection, Unanswered};
use super::envelope::Heading;
use super::error::WinRmError;
use super::login::{Credential, Login};
use crate::command::{CommandLine, StationCommand};
use crate::networks::CheckedAddress;
use crate::outcome::CommandOutcome;
use crate::station_file::{StationPath, decoded};

/// Both streams together.
const MAX_OUTPUT_BYTES: usize = 16 << 20;

/// How a station is reached.
#[derive(Debug, Clone)]
pub struct WinRmTarget {
    /// Where; connections go to the address that was checked.
    pub address: CheckedAddress,
    /// [`WINRM_PORT`](super::WINRM_PORT), or that of a simulated station.
    pub port: u16,
    /// Who logs in.
    pub credential: Credential,
    /// How.
    pub login: Login,
    /// Whose certificate is taken.
    pub certificate: CertificatePolicy,
    /// In which letters the station writes.
    pub code_page: CodePage,
    /// How long its parts may take.
    pub timings: Timings,
}

/// How long the parts of an exchange may take. The command itself has its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// TCP and TLS.
    pub connect: Duration,
    /// How long the station holds a request back until it says that nothing has happened yet.
    pub operation: Duration,
    /// How much longer its answer may take on the way.
    pub grace: Duration,
    /// Ending a command and closing its shell, together.
    pub closing: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(8), operation: seconds(20), grace: seconds(10), closing: seconds(10) }
    }
}

/// A command that has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandReport {
    /// Its exit code.
    pub exit_code: i32,
    /// What that means for this command.
    pub outcome: CommandOutcome,
    /// What it wrote.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
    /// From the first packet to the last output.
    pub duration: Duration,
}

/// What a station writes is for whoever asked, not for a log.
impl fmt::Debug for CommandReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandReport")
            .field("exit_code", &self.exit_code)
            .field("outcome", &self.outcome)
            .field("stdout_bytes", &self.stdout.len())
            .field("stderr_bytes", &self.stderr.len())
            .field("duration", &self.duration)
            .finish()
    }
}

/// Runs commands on stations. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct WinRm {
    /// Shells whose caller went away are closed in tasks of their own.
    closing: TaskTracker,
}

impl WinRm {
    /// With nothing to close yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a command to its end, or to the end of its time. An error says whether the station [may have acted](WinRmError::may_have_acted).
    pub async fn run(&self, target: &WinRmTarget, command: &StationCommand) -> Result<CommandReport, WinRmError> {
        self.run_within(target, command, command.time_budget()).await
    }

    /// As [`run`](Self::run), with another time than the command's own.
    pub async fn run_within(
        &self,
        target: &WinRmTarget,
        command: &StationCommand,
        budget: Duration,
    ) -> Result<CommandReport, WinRmError> {
        let line = command.command_line()?;
        let begun = Instant::now();
        let mut shell = Shell::open(target, &self.closing).await?;
        let ran = shell.run(&line, budget).await;
        let duration = begun.elapsed();
        shell.close().await;
        let (exit_code, stdout, stderr) = ran?;
        Ok(CommandReport {
            exit_code,
            outcome: command.outcome(exit_code),
            stdout: target.code_page.decode(&stdout),
            stderr: target.code_page.decode(&stderr),
            duration,
        })
    }

    /// The bytes of a file, as they are on the station.
    pub async fn read_file(&self, target: &WinRmTarget, path: &StationPath) -> Result<Vec<u8>, WinRmError> {
        let report = self.run(target, &StationCommand::ReadFile(path.clone())).await?;
        let wrong = |reason: String| WinRmError::File {
            host: target.address.host().to_owned(),
            path: path.to_string(),
            reason,
        };
        if report.exit_code != 0 {
            let said: String =
                report.stderr.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
            return Err(wrong(format!("PowerShell exits with {}: {said}", report.exit_code)));
        }
        decoded(&report.stdout).ok_or_else(|| wrong("what PowerShell wrote is no base64".to_owned()))
    }

    /// Waits until the shells are closed that nobody waits for: the last thing before a program ends.
    pub async fn close(&self) {
        self.closing.close();
        self.closing.wait().await;
    }
}

/// An open shell. Dropped in the middle of something, it is closed by a task of its own.
struct Shell {
    open: Option<OpenShell>,
    closing: TaskTracker,
}

struct OpenShell {
    connection: Connection,
    heading: Heading,
    timings: Timings,
    host: String,
    id: String,
    command: Option<String>,
}

impl Shell {
    async fn open(target: &WinRmTarget, closing: &TaskTracker) -> Result<Self, WinRmError> {
        let host = target.address.host().to_owned();
        let timings = target.timings;
        let mut connection = Connection::new(target)?;
        let heading = Heading { to: connection.url(), operation_timeout: timings.operation };
        let limit = timings.operation + timings.grace;
        let answer =
            connection.post(&heading.create(target.code_page), limit).await.map_err(|unanswered| unanswered.error)?;
        let id = match answer {
            Answer::Done(answer) => shell_id(&answer)
                .map_err(|error| WinRmError::NotWinRm { host: host.clone(), reason: error.to_string() })?,
            Answer::Fault(fault) => return Err(fault_error(&host, fault)),
        };
        let open = OpenShell { connection, heading, timings, host, id, command: None };
        Ok(Self { open: Some(open), closing: closing.clone() })
    }

    async fn run(&mut self, line: &CommandLine, budget: Duration) -> Result<(i32, Vec<u8>, Vec<u8>), WinRmError> {
        match &mut self.open {
            Some(open) => open.run(line, budget).await,
            // Only `close` takes it, and that takes the shell too.
            None => Err(WinRmError::Local { host: String::new(), reason: "the shell is closed".to_owned() }),
        }
    }

    async fn close(mut self) {
        if let Some(open) = self.open.take() {
            // In a task, so that it ends even if nobody waits for it any more.
            let closed = self.closing.spawn(open.close());
            let _ = closed.await;
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let (Some(open), Ok(runtime)) = (self.open.take(), tokio::runtime::Handle::try_current()) {
            self.closing.spawn_on(open.close(), &runtime);
        }
    }
}

impl OpenShell {
    async fn run(&mut self, line: &CommandLine, budget: Duration) -> Result<(i32, Vec<u8>, Vec<u8>), WinRmError> {
        let ends_at = Instant::now() + budget;
        let command = self.issue(line).await?;
        self.command = Some(command.clone());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            let left = ends_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(WinRmError::TimedOut { host: self.host.clone(), limit: budget });
            }
            // Near its end the station is asked for no more than what is left.
            let heading = Heading { operation_timeout: self.timings.operation.min(left), ..self.heading.clone() };
            let limit = (self.timings.operation + self.timings.grace).min(left + self.timings.grace);
            let answer = match self.connection.post(&heading.receive(&self.id, &command), limit).await {
                Ok(answer) => answer,
                Err(unanswered) => return Err(self.unknown(unanswered.error.to_string())),
            };
            let received = match answer {
                Answer::Fault(fault) if fault.is_timed_out() => continue,
                Answer::Fault(fault) => return Err(self.unknown(format!("WinRM says: {}", fault.reason))),
                Answer::Done(answer) => Received::read(&answer).map_err(|error| self.unknown(error.to_string()))?,
            };
            stdout.extend(received.stdout);
            stderr.extend(received.stderr);
            if stdout.len() + stderr.len() > MAX_OUTPUT_BYTES {
                return Err(WinRmError::TooMuchOutput { host: self.host.clone(), limit: MAX_OUTPUT_BYTES });
            }
            match received.ended {
                Some(Ended::Exited(code)) => return Ok((code, stdout, stderr)),
                Some(Ended::WithoutExitCode) => return Err(self.unknown("it ended without an exit code".to_owned())),
                None => {}
            }
        }
    }

    /// From here on the station may act.
    async fn issue(&mut self, line: &CommandLine) -> Result<String, WinRmError> {
        let limit = self.timings.operation + self.timings.grace;
        match self.connection.post(&self.heading.command(&self.id, line), limit).await {
            Ok(Answer::Done(answer)) => command_id(&answer).map_err(|error| self.unknown(error.to_string())),
            // It says that it has not answered itself, not that it has done nothing.
            Ok(Answer::Fault(fault)) if fault.is_timed_out() => Err(self.unknown(fault.reason)),
            Ok(Answer::Fault(fault)) => Err(fault_error(&self.host, fault)),
            Err(Unanswered { error, sent: false }) => Err(error),
            Err(Unanswered { error, sent: true }) => Err(self.unknown(error.to_string())),
        }
    }

    fn unknown(&self, reason: String) -> WinRmError {
        WinRmError::OutcomeUnknown { host: self.host.clone(), reason }
    }

    /// Ends what runs in it and closes it, in its time. The station closes by itself what this cannot reach.
    async fn close(mut self) {
        let limit = self.timings.closing;
        let closing = async {
            if let Some(command) = &self.command {
                let terminate = self.heading.terminate(&self.id, command);
                let _ = self.connection.post(&terminate, limit / 2).await;
            }
            let _ = self.connection.post(&self.heading.delete(&self.id), limit).await;
        };
        let _ = tokio::time::timeout(limit, closing).await;
    }
}

fn fault_error(host: &str, fault: Fault) -> WinRmError {
    WinRmError::Fault { host: host.to_owned(), code: fault.code, reason: fault.reason }
}
