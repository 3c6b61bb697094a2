//! What a reservation's steps leave behind: rows of `reservation_operations`, and the words and codes in them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use crate::{ReservationId, Rule};

/// How a station is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerMode {
    /// `power shutdown`.
    Shutdown,
    /// `power hibernate`.
    Hibernate,
}

impl PowerMode {
    /// The word of the command, and of what a heartbeat says of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Hibernate => "hibernate",
        }
    }

    /// The mode of that name; there are no others.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Shutdown, Self::Hibernate].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// What an operation is: a step on a station, or the end of a scheduled run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Action {
    /// Wake-on-LAN, until the station can be reached.
    Wake,
    /// `prepare-session`.
    Prepare,
    /// `release-session`.
    Release,
    /// `power shutdown` or `power hibernate`.
    Power(PowerMode),
    /// Closes what the schedule did before a reservation.
    SchedulerStart,
    /// Closes what the schedule did after one.
    SchedulerEnd,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Wake,
        Self::Prepare,
        Self::Release,
        Self::Power(PowerMode::Shutdown),
        Self::Power(PowerMode::Hibernate),
        Self::SchedulerStart,
        Self::SchedulerEnd,
    ];

    /// The word in the table and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wake => "wake",
            Self::Prepare => "prepare",
            Self::Release => "release",
            Self::Power(PowerMode::Shutdown) => "power:shutdown",
            Self::Power(PowerMode::Hibernate) => "power:hibernate",
            Self::SchedulerStart => "scheduler:start",
            Self::SchedulerEnd => "scheduler:end",
        }
    }

    /// The action of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Whether it changes the station, so that it is never issued twice on a guess.
    pub const fn changes_station(self) -> bool {
        match self {
            Self::Prepare | Self::Release | Self::Power(_) => true,
            Self::Wake | Self::SchedulerStart | Self::SchedulerEnd => false,
        }
    }
}

impl From<Action> for &'static str {
    fn from(action: Action) -> Self {
        action.as_str()
    }
}

impl TryFrom<String> for Action {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        Self::parse(&word).ok_or_else(|| format!("no action is called '{word}'"))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// Its row was opened; whether it reached the station is not known yet.
    Running,
    /// Done, with or without warnings.
    Completed,
    /// Not done. Without a response code it did not reach the station.
    Failed,
    /// It may have reached the station, and nothing tells how it ended.
    Unknown,
    /// Not begun: the station is held in local mode.
    BlockedLocalMode,
    /// Not begun: somebody is logged on at the station.
    BlockedLocalSession,
    /// Not tried again.
    GaveUp,
}

impl OperationStatus {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Unknown,
        Self::BlockedLocalMode,
        Self::BlockedLocalSession,
        Self::GaveUp,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::BlockedLocalMode => "blocked_local_mode",
            Self::BlockedLocalSession => "blocked_local_session",
            Self::GaveUp => "gave_up",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Who or what ordered it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum OrderedBy {
    /// The reservation itself.
    Schedule,
    /// The policy of a rule.
    Rule(Rule),
    /// A person, by the name of their token or login.
    Person(String),
}

impl OrderedBy {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => (text == "schedule").then_some(Self::Schedule),
            Some(("rule", name)) => Rule::parse(name).map(Self::Rule),
            Some(("person", name)) => Some(Self::Person(name.to_owned())),
            Some(_) => None,
        }
    }
}

impl fmt::Display for OrderedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule => f.write_str("schedule"),
            Self::Rule(rule) => write!(f, "rule:{rule}"),
            Self::Person(name) => write!(f, "person:{name}"),
        }
    }
}

impl From<OrderedBy> for String {
    fn from(by: OrderedBy) -> Self {
        by.to_string()
    }
}

impl TryFrom<String> for OrderedBy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("'{text}' is nobody who orders something"))
    }
}

/// Names a run among those of its reservation, so that whoever does the same again finds it done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum RunId {
    /// The schedule's, counted from 1 for each side of a reservation.
    Scheduled(u32),
    /// A request's, by its idempotency key.
    Asked(String),
    /// No run: what the schedule decided after so many of them, such as `gave_up`.
    Verdict(OperationStatus, u32),
}

impl RunId {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        match kind {
            "scheduled" => name.parse().ok().map(Self::Scheduled),
            "asked" => Some(Self::Asked(name.to_owned())),
            verdict => Some(Self::Verdict(OperationStatus::parse(verdict)?, name.parse().ok()?)),
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduled(number) => write!(f, "scheduled:{number}"),
            Self::Asked(key) => write!(f, "asked:{key}"),
            Self::Verdict(status, after) => write!(f, "{}:{after}", status.as_str()),
        }
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.to_string()
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("'{text}' names no run"))
    }
}

/// Derived from the natural key, never counted: two who open the same operation open one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub String);

impl OperationId {
    /// The id of that attempt at that action: 32 hex digits.
    pub fn derive(reservation_id: &ReservationId, run: &RunId, action: Action, attempt: u32) -> Self {
        // The ids come from elsewhere and may hold anything: their lengths keep them apart.
        let run = run.to_string();
        let text =
            format!("{}\n{}\n{}\n{run}\n{action}\n{attempt}", reservation_id.0.len(), reservation_id.0, run.len());
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A row of `reservation_operations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// See [`OperationId::derive`].
    pub id: OperationId,
    /// For this reservation.
    pub reservation_id: ReservationId,
    /// On this station.
    pub host: HostName,
    /// Of this lab.
    pub lab: Option<String>,
    /// In this run.
    pub run: RunId,
    /// What.
    pub action: Action,
    /// Which try within the run, from 1; only a wake has a second.
    pub attempt: u32,
    /// Where it stands.
    pub status: OperationStatus,
    /// None while nobody knows.
    pub success: Option<bool>,
    /// HTTP-like for a wake and for the schedule, else the exit code.
    pub response_code: Option<i32>,
    /// In a sentence.
    pub message: Option<String>,
    /// Of a wake: rounds of magic packets that were sent. None is found out before the first answer; 0: it was up already.
    pub packets: Option<u32>,
    /// When its row was opened, before the step.
    pub started_at: DateTime<Utc>,
    /// When it was settled.
    pub finished_at: Option<DateTime<Utc>>,
    /// Who ordered it.
    pub ordered_by: OrderedBy,
}

impl Operation {
    /// Whether its command reached the station, or may have.
    pub fn may_have_reached_station(&self) -> bool {
        self.action.changes_station()
            && match self.status {
                OperationStatus::Running | OperationStatus::Completed | OperationStatus::Unknown => true,
                OperationStatus::Failed => self.response_code.is_some(),
                OperationStatus::BlockedLocalMode | OperationStatus::BlockedLocalSession | OperationStatus::GaveUp => {
                    false
                }
            }
    }

    /// The row once it is known how it ended. One that is settled already stays as it is.
    #[must_use]
    pub fn settled(mut self, outcome: Outcome, at: DateTime<Utc>) -> Self {
        if self.status == OperationStatus::Running {
            self.status = outcome.status;
            self.success = Some(outcome.status == OperationStatus::Completed);
            self.response_code = outcome.response_code;
            self.message = Some(outcome.message);
            self.packets = outcome.packets;
            self.finished_at = Some(at.max(self.started_at));
        }
        self
    }
}

/// What an exit code meant for the command that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Exit code 0.
    Done,
    /// It did what it could.
    DoneWithWarnings,
    /// It refused.
    NotDone,
    /// It broke off.
    Failed,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Never [`OperationStatus::Running`].
    pub status: OperationStatus,
    /// See [`Operation::response_code`].
    pub response_code: Option<i32>,
    /// In a sentence.
    pub message: String,
    /// See [`Operation::packets`].
    pub packets: Option<u32>,
}

impl Outcome {
    /// A wake: the station answers. `packets`: rounds that it took, 0 if it was up already.
    pub fn reachable(packets: u32) -> Self {
        Self { packets: Some(packets), ..Self::new(OperationStatus::Completed, Some(200), "Host reachable") }
    }

    /// A wake: packets were sent and nothing answers.
    pub fn no_answer(packets: u32) -> Self {
        Self { packets: Some(packets), ..Self::new(OperationStatus::Failed, Some(504), "Host did not respond to ping") }
    }

    /// It could not be tried: no address, no connection, no credential. Nothing reached the station.
    pub fn not_sent(why: impl Into<String>) -> Self {
        Self::new(OperationStatus::Failed, None, why)
    }

    /// A command ended with this exit code.
    pub fn exited(ending: Ending, exit_code: i32) -> Self {
        let (status, message) = match ending {
            Ending::Done => (OperationStatus::Completed, "Done".to_owned()),
            Ending::DoneWithWarnings => {
                (OperationStatus::Completed, format!("Done with warnings (exit code {exit_code})"))
            }
            Ending::NotDone => (OperationStatus::Failed, format!("The station refused (exit code {exit_code})")),
            Ending::Failed => (OperationStatus::Failed, format!("Failed (exit code {exit_code})")),
        };
        Self::new(status, Some(exit_code), message)
    }

    /// It may have reached the station, and nothing tells how it ended.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::new(OperationStatus::Unknown, None, why)
    }

    pub(crate) fn new(status: OperationStatus, response_code: Option<i32>, message: impl Into<String>) -> Self {
        Self { status, response_code, message: message.into(), packets: None }
    }
}

#[cfg(test)]
#[path = "operation_tests.rs"]
mod tests;
