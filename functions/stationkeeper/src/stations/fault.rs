//! What a test lets go wrong with a station.

/// See the module. Each stays until it is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Connections are accepted, and nothing ever comes, not even TLS.
    NeverAnswers,
    /// Requests are taken, and no answer ever comes.
    Hangs,
    /// Answers are no HTTP.
    Garbage,
    /// Answers are HTTP without a meaning.
    MeaninglessBody,
    /// Nobody is let in.
    Unauthorized,
    /// HTTP 500 without a fault of WS-Management.
    ServerError,
    /// The PC falls down when somebody waits for the output of a command.
    DiesInCommand,
    /// Windows restarts two seconds into a `prepare-session`.
    RebootsDuringPrepare,
    /// A command that changes power is carried out, and the connection breaks before the reply.
    ReplyLost,
}
