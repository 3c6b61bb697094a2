//! What can go wrong between here and a station's command.

use std::time::Duration;

use crate::quoting::Unquotable;

/// Why a command has no result. No text has a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WinRmError {
    /// No connection.
    #[error("cannot reach {host}: {reason}; is it on, and does WinRM listen?")]
    Unreachable {
        /// The station.
        host: String,
        /// What the network said.
        reason: String,
    },
    /// It took the connection and did not answer in time. The command was not issued.
    #[error("{host} took the connection and did not answer within {} s", limit.as_secs())]
    Timeout {
        /// The station.
        host: String,
        /// How long was waited.
        limit: Duration,
    },
    /// Wrong user or password, or a way to log in that the station does not have.
    #[error("{host} refuses the login: {reason}")]
    Unauthorized {
        /// The station.
        host: String,
        /// What it offers instead.
        reason: String,
    },
    /// The certificate is not the expected one.
    #[error("the certificate of {host} is not trusted: {reason}")]
    Certificate {
        /// The station.
        host: String,
        /// Which check failed.
        reason: String,
    },
    /// Whoever answered is not WinRM.
    #[error("{host} does not answer like WinRM: {reason}")]
    NotWinRm {
        /// The station.
        host: String,
        /// What came instead.
        reason: String,
    },
    /// WinRM's own refusal. The command was not issued.
    #[error("WinRM of {host} refuses: {reason}{}", code.map_or(String::new(), |code| format!(" (code {code})")))]
    Fault {
        /// The station.
        host: String,
        /// Its number for it.
        code: Option<u32>,
        /// Its words.
        reason: String,
    },
    /// The command was issued, and what came of it is not known. It must not be issued again: the next heartbeat tells.
    #[error("the outcome of the command on {host} is unknown: {reason}")]
    OutcomeUnknown {
        /// The station.
        host: String,
        /// What was lost.
        reason: String,
    },
    /// It ran longer than it may and was ended. What it did until then stays done.
    #[error("the command on {host} was ended after {} s", limit.as_secs())]
    TimedOut {
        /// The station.
        host: String,
        /// Its time.
        limit: Duration,
    },
    /// It said more than is read.
    #[error("the command on {host} wrote more than {} MiB and was ended", limit >> 20)]
    TooMuchOutput {
        /// The station.
        host: String,
        /// The most, in bytes.
        limit: usize,
    },
    /// The command cannot be written as one line.
    #[error("the command cannot be passed on: {0}")]
    Command(#[from] Unquotable),
    /// What was read of a file is not a file.
    #[error("cannot read {path} of {host}: {reason}")]
    File {
        /// The station.
        host: String,
        /// The file.
        path: String,
        /// What the station said.
        reason: String,
    },
    /// This computer cannot make the connection at all.
    #[error("cannot prepare a connection to {host}: {reason}")]
    Local {
        /// The station.
        host: String,
        /// Why not.
        reason: String,
    },
}

impl WinRmError {
    /// Whether the station may have done it, wholly or in part: such a command is never issued again.
    pub fn may_have_acted(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. } | Self::TimedOut { .. } | Self::TooMuchOutput { .. })
    }

    /// Whether a later try may go better without anybody's doing.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "station_unreachable",
            Self::Timeout { .. } => "station_timeout",
            Self::Unauthorized { .. } => "station_unauthorized",
            Self::Certificate { .. } => "station_certificate",
            Self::NotWinRm { .. } => "station_not_winrm",
            Self::Fault { .. } => "station_fault",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::TimedOut { .. } => "command_timed_out",
            Self::TooMuchOutput { .. } => "command_output_too_large",
            Self::Command(_) => "command_not_allowed",
            Self::File { .. } => "station_file",
            Self::Local { .. } => "connection_not_prepared",
        }
    }
}
