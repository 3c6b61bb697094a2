//! How a command ends when it cannot do what was asked: one sentence and an exit code.

use std::error::Error;
use std::process::ExitCode;

pub use stationkeeper_pipeline::chain;

/// Exit codes, after `sysexits.h` where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was given is not what it should be (65, `EX_DATAERR`).
    Rejected,
    /// A file or object that was named is not there (66, `EX_NOINPUT`).
    NoInput,
    /// Something that is needed does not answer (69, `EX_UNAVAILABLE`).
    Unavailable,
    /// A file cannot be made or written (73, `EX_CANTCREAT`).
    CannotCreate,
    /// Anything else (1).
    Failed,
    /// The configuration is wrong (78, `EX_CONFIG`).
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Failed => 1,
            Exit::Rejected => 65,
            Exit::NoInput => 66,
            Exit::Unavailable => 69,
            Exit::CannotCreate => 73,
            Exit::Configuration => 78,
        })
    }
}

/// The end of a command: what to say, and with which code to leave.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    exit: Exit,
}

impl Failure {
    /// A sentence and its code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { message: message.into(), exit }
    }

    /// What was being done, and all that the error and its sources say, as one sentence.
    pub fn because(exit: Exit, doing: impl std::fmt::Display, error: &dyn Error) -> Self {
        Self::new(exit, format!("{doing}: {}", chain(error)))
    }

    /// All that the error and its sources say, where the error itself says what was being done.
    pub fn of(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, chain(error))
    }

    /// With which code to leave.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// Reads a file or, for `-`, standard input, up to one byte more than `most`: whoever judges it sees that it is too large.
pub fn read_input(path: &std::path::Path, most: u64) -> Result<Vec<u8>, Failure> {
    use std::io::Read;

    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::because(Exit::NoInput, "cannot read standard input", &error))?;
        return Ok(bytes);
    }
    std::fs::File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::because(Exit::NoInput, format_args!("cannot read {}", path.display()), &error))?;
    Ok(bytes)
}

/// Prints bytes as they are; whoever stopped reading has seen enough.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write;

    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| Failure::because(Exit::Failed, "cannot write to standard output", &error)),
    }
}

/// Prints a line. Not by `println!`, which panics when whoever reads it is gone.
pub fn print_line(line: impl std::fmt::Display) -> Result<(), Failure> {
    print_bytes(format!("{line}\n").as_bytes())
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| Failure::because(Exit::Failed, "cannot write the answer as JSON", &error))?;
    line.push(b'\n');
    print_bytes(&line)
}
