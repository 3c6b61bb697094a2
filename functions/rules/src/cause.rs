//! Why: a code with parameters. Sentences are made from it elsewhere, in the reader's language.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why an alert opened or closed, or why a station is in its state. On the wire `{"code": …, parameters …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Cause {
    /// Issues of the first unready heartbeat of the run, and their codes.
    Issues {
        /// Verbatim.
        issues: Vec<String>,
        /// Suggested codes (telemetry.md 1.2); unknown texts have none.
        codes: Vec<String>,
        /// Since when the run lasts.
        since: DateTime<Utc>,
    },
    /// The station is ready again.
    ReadyAgain,
    /// Somebody is logged on at the station.
    LocalSession {
        /// Names as the station wrote them.
        users: Vec<String>,
        /// When the reservation starts.
        start: DateTime<Utc>,
    },
    /// They are gone.
    LocalSessionGone,
    /// Local mode is on.
    LocalMode {
        /// When the reservation starts.
        start: DateTime<Utc>,
        /// When it ends.
        end: DateTime<Utc>,
    },
    /// The flag is down.
    LocalModeOff,
    /// The last forced logoff is older than it may be.
    StaleForcedLogoff {
        /// When it was.
        last: DateTime<Utc>,
        /// When the reservation starts.
        start: DateTime<Utc>,
    },
    /// A newer one came, or a guard or prepare of ours succeeded.
    ForcedLogoffRenewed,
    /// The time in which it mattered is over, or the reservation is gone.
    WindowPassed,
    /// Nothing newer than this station timestamp has arrived.
    NothingNewer {
        /// The newest station timestamp.
        since: DateTime<Utc>,
    },
    /// A newer heartbeat arrived.
    HeartbeatArrived {
        /// Its station timestamp.
        timestamp: DateTime<Utc>,
    },
    /// Adapters changed for the worse.
    NicPolicy {
        /// One sentence-free entry a deviation.
        deviations: Vec<NicDeviation>,
    },
    /// They are as before.
    NicPolicyRestored,
    /// The plan sleeps or hibernates although the flag says compliant.
    PowerDrift {
        /// Setting and its seconds, such as `("sleep_ac", 3600)`.
        timeouts: Vec<(String, u64)>,
    },
    /// All of them are 0 again, or the flag admits it.
    PowerDriftGone,
    /// The station's clock is off by this many seconds (positive: ahead).
    ClockSkew {
        /// Station timestamp minus arrival.
        seconds: i64,
    },
    /// It is right again.
    ClockRight,
    /// No station's heartbeat advanced.
    NothingFromAnyone {
        /// The newest arrival of all.
        since: DateTime<Utc>,
        /// How many stations were expected.
        stations: u64,
    },
    /// The bucket could not be looked into.
    LookFailed {
        /// What it said.
        error: String,
    },
    /// Heartbeats flow again.
    FlowsAgain,
    /// Uploads that nobody can read, one after the other.
    Unreadable {
        /// Which document, such as `heartbeat.json`.
        document: String,
        /// Why the last of them was put aside, from the closed list of rejections.
        reason: String,
        /// How many.
        uploads: u64,
        /// When the first of them was put.
        since: DateTime<Utc>,
    },
    /// What it sends can be read again.
    ReadableAgain,
    /// Nothing unreadable has come for an hour.
    UnreadableNoMore,
    /// A power action went ahead, and the station found that it may not be woken.
    WakeNotReady {
        /// When it was ordered.
        at: DateTime<Utc>,
        /// What it found, verbatim.
        issues: Option<String>,
    },
    /// A later power action found it ready to be woken.
    WakeReady,
    /// It was switched off, and a reservation needs it.
    OffThoughReserved {
        /// When that was ordered.
        at: DateTime<Utc>,
        /// When the reservation starts.
        start: DateTime<Utc>,
    },
    /// A power action went well and nothing came later.
    OffOnPurpose {
        /// When it was ordered.
        at: DateTime<Utc>,
        /// `shutdown` or `hibernate`.
        mode: Option<String>,
    },
    /// A command that pauses heartbeats is running.
    Busy {
        /// Which.
        command: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// It was off, and is being woken.
    Waking {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// An alert of this rule is open.
    AlertOpen {
        /// The rule's name.
        rule: String,
    },
    /// What a reservation needs was tried and is not tried any more.
    GivenUp {
        /// The step that failed last, such as `prepare`; none: none was begun.
        step: Option<String>,
        /// Runs that were made.
        runs: u32,
        /// What was said of the last.
        message: Option<String>,
    },
    /// It was done after all.
    DoneAfterAll {
        /// The step.
        step: String,
    },
    /// A person did it.
    ByHand,
    /// A person called the alert over.
    ResolvedByHand {
        /// Who.
        by: String,
        /// What they wrote with it.
        note: Option<String>,
    },
    /// Somebody had taken it for a while that is over.
    AcknowledgementOver {
        /// Who.
        by: Option<String>,
    },
    /// No heartbeat ever.
    NeverHeard,
    /// The last advance is a while ago.
    Late {
        /// When it arrived.
        since: DateTime<Utc>,
    },
}

/// How an adapter differs from what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NicDeviation {
    /// The adapter's alias.
    pub adapter: String,
    /// A setting's name, or `compliance`.
    pub setting: String,
    /// What it was; none for a new fault.
    pub from: Option<String>,
    /// What it is.
    pub to: Option<String>,
}
