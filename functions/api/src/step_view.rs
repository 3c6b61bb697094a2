//! What was done to a station for a reservation.

use serde::{Deserialize, Serialize};

use crate::Instant;

/// A step on a station, or the end of a scheduled run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperationView {
    /// Derived from reservation, run, action and attempt.
    pub id: String,
    /// For this reservation.
    pub reservation_id: String,
    /// On this station.
    pub host: String,
    /// Of this lab.
    pub lab: Option<String>,
    /// `scheduled:N`, `asked:KEY`, or a status and after how many runs it was decided.
    pub run: String,
    /// `wake`, `prepare`, `release`, `power:shutdown`, `power:hibernate`, `scheduler:start` or `scheduler:end`.
    pub action: String,
    /// Which try within the run, from 1.
    pub attempt: u32,
    /// `running`, `completed`, `failed`, `unknown`, `blocked_local_mode`, `blocked_local_session` or `gave_up`.
    pub status: String,
    /// Null while nobody knows.
    pub success: Option<bool>,
    /// HTTP-like for a wake and for the schedule, else the exit code.
    pub response_code: Option<i32>,
    /// In a sentence.
    pub message: Option<String>,
    /// Of a wake: rounds of magic packets; 0: it was up.
    pub packets: Option<u32>,
    /// Before the step.
    pub started_at: Instant,
    /// When it was known how it ended.
    pub finished_at: Option<Instant>,
    /// `schedule`, or `rule:` or `person:` and a name.
    pub ordered_by: String,
    /// Of a command that ended; for operators.
    pub output: Option<CommandOutputView>,
}

/// What a command was given and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommandOutputView {
    /// As the station gave it.
    pub exit_code: Option<i32>,
    /// What it wrote.
    pub stdout: String,
    /// And as errors.
    pub stderr: String,
    /// Its arguments, one each.
    pub arguments: Vec<String>,
    /// From issuing it to its end.
    pub duration_ms: u64,
}
