//! A command from its start to its end.

use chrono::{DateTime, Utc};

use crate::operation::Operation;

/// Where a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Printed {
    /// In the code page of whoever reads.
    Text(String),
    /// Byte for byte, as a file holds it.
    Bytes(Vec<u8>),
}

/// Something printed at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    /// True time.
    pub at: DateTime<Utc>,
    /// Where.
    pub stream: Stream,
    /// What.
    pub printed: Printed,
}

/// What a command will have printed, and how it will have ended, if it is left alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Unique in the lab.
    pub number: u64,
    /// When it was given.
    pub begun_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
    /// The exit code.
    pub exit_code: i32,
    /// By instant.
    pub prints: Vec<Print>,
    /// What it changes and when, by instant.
    pub(crate) changes: Vec<(DateTime<Utc>, Change)>,
}

impl Course {
    pub(crate) fn new(at: DateTime<Utc>) -> Self {
        Self { number: 0, begun_at: at, ends_at: at, exit_code: 0, prints: Vec::new(), changes: Vec::new() }
    }

    pub(crate) fn say(&mut self, stream: Stream, line: impl AsRef<str>) {
        let printed = Printed::Text(format!("{}\r\n", line.as_ref()));
        self.prints.push(Print { at: self.ends_at, stream, printed });
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.changes.push((self.ends_at, change));
    }

    /// Everything that it prints to one stream.
    pub fn text(&self, stream: Stream) -> String {
        let of_stream = self.prints.iter().filter(|print| print.stream == stream);
        of_stream
            .map(|print| match &print.printed {
                Printed::Text(text) => text.clone(),
                Printed::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            })
            .collect()
    }
}

/// How a PC goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Down {
    Shutdown,
    Hibernate,
    Reboot,
}

/// What a command does to its PC at an instant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// Written to `service-state.ini`; of a forced logoff also its line.
    Record(Operation),
    /// That user's sessions end.
    LogOff(String),
    /// The lab user's own session ends.
    LabUserLeaves,
    /// All adapters may wake the PC.
    RepairWake,
    /// The PC goes down.
    GoDown(Down),
    /// A file is written.
    Write(String, Vec<u8>),
    /// A file is removed.
    Remove(String),
}
