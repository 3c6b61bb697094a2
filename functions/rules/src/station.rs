//! What is known of a station between two events: the row `lab_station_state`.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::{HostName, Nic, PowerAction, ServiceState, Snapshot};

use crate::{Cause, Heard, ResolvedByHand, Uploads};

/// The one word for a station, derived here and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StationWord {
    /// In the catalog, no heartbeat ever.
    Unknown,
    /// Silent after a power action that ended well.
    Off,
    /// `heartbeat_missing` is unresolved.
    Down,
    /// Silent by order, and a wake is running.
    Waking,
    /// A guard or prepare is known to run; heartbeats may pause.
    Busy,
    /// Local mode.
    Held,
    /// Not ready, or an open alert.
    Attention,
    /// The last advance is more than 120 s ago.
    Late,
    /// Otherwise.
    Ready,
}

impl StationWord {
    /// All of them, first match wins.
    pub const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Off,
        Self::Down,
        Self::Waking,
        Self::Busy,
        Self::Held,
        Self::Attention,
        Self::Late,
        Self::Ready,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Off => "off",
            Self::Down => "down",
            Self::Waking => "waking",
            Self::Busy => "busy",
            Self::Held => "held",
            Self::Attention => "attention",
            Self::Late => "late",
            Self::Ready => "ready",
        }
    }

    /// The word of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == name)
    }

    /// The one that a reader of both must not miss.
    pub fn worse(self, other: Self) -> Self {
        if self.badness() < other.badness() { other } else { self }
    }

    const fn badness(self) -> u8 {
        match self {
            Self::Ready => 0,
            Self::Off => 1,
            Self::Held => 2,
            Self::Busy => 3,
            Self::Waking => 4,
            Self::Unknown => 5,
            Self::Late => 6,
            Self::Attention => 7,
            Self::Down => 8,
        }
    }
}

/// The heartbeat that stands for the station now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latest {
    /// What it says.
    pub snapshot: Snapshot,
    /// When a heartbeat of this station timestamp was first put: part of its rank.
    pub first_arrived_at: DateTime<Utc>,
}

impl Latest {
    /// Greatest wins: a clock that ran ahead cannot block the truth for ever, whatever the order of arrival.
    pub fn rank(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        rank(self.snapshot.timestamp_utc, self.first_arrived_at)
    }
}

/// The rank of a heartbeat among those of its station (DESIGN.md section 4.1).
pub fn rank(timestamp: DateTime<Utc>, first_arrived_at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    (timestamp.min(first_arrived_at), timestamp)
}

/// An unbroken run of unready heartbeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnreadyRun {
    /// Station timestamp of its first heartbeat.
    pub since: DateTime<Utc>,
    /// Station timestamp of its last.
    pub last: DateTime<Utc>,
    /// Issues of its first.
    pub issues: Vec<String>,
}

/// A `status.json`: shown "as of", feeds no rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusDocument {
    /// What it says.
    pub snapshot: Snapshot,
    /// When it was put.
    pub arrived_at: DateTime<Utc>,
}

/// What is done to a station: heartbeats may pause, and nobody need be told that they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It is woken.
    Wake,
    /// `prepare-session`.
    Prepare,
    /// `release-session`.
    Release,
    /// `session guard`.
    SessionGuard,
    /// `recovery reboot-if-needed`.
    Reboot,
}

impl Doing {
    /// As Lab Station calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wake => "wake",
            Self::Prepare => "prepare-session",
            Self::Release => "release-session",
            Self::SessionGuard => "session guard",
            Self::Reboot => "recovery reboot",
        }
    }
}

/// Something of ours that runs on a station, as far as its word and its silence go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What.
    pub doing: Doing,
    /// When it was issued.
    pub since: DateTime<Utc>,
    /// Whoever issued it may be gone: it explains nothing from here on.
    pub until: DateTime<Utc>,
}

impl Running {
    /// From an instant on, for so long. As instants are kept and shown, to the microsecond.
    pub fn new(doing: Doing, since: DateTime<Utc>, lasts: TimeDelta) -> Self {
        let since = since.trunc_subsecs(6);
        Self { doing, since, until: since + lasts }
    }
}

/// What is known of one station.
#[derive(Debug, Clone, PartialEq)]
pub struct StationState {
    /// Which.
    pub host: HostName,
    /// Of the greatest rank; none before the first heartbeat.
    pub latest: Option<Latest>,
    /// The newest upload of `heartbeat.json`.
    pub heard: Option<Heard>,
    /// The current run, if the latest heartbeat is unready.
    pub unready_run: Option<UnreadyRun>,
    /// Adapters as they were when all was well.
    pub nic_baseline: Option<Vec<Nic>>,
    /// From `service-state.ini`, with the arrival of the upload.
    pub service_state: Option<(ServiceState, DateTime<Utc>)>,
    /// From `status.json`.
    pub status: Option<StatusDocument>,
    /// What came of its uploads.
    pub uploads: Uploads,
    /// The last power step of ours that went well, by the station's clock.
    pub powered: Option<PowerAction>,
    /// Its alerts that somebody has called over, as long as it matters.
    pub resolved_by_hand: Vec<ResolvedByHand>,
    /// When the last session guard of ours went well.
    pub guarded_at: Option<DateTime<Utc>>,
    /// What we do to it now.
    pub running: Option<Running>,
    /// Station timestamp − arrival of the newest heartbeat that was uploaded at once (positive: ahead).
    pub skew: Option<TimeDelta>,
    /// The derived word.
    pub word: StationWord,
    /// Since when it is so.
    pub word_since: DateTime<Utc>,
    /// Why.
    pub word_cause: Option<Cause>,
    /// The next instant at which time alone can change a verdict.
    pub check_at: Option<DateTime<Utc>>,
}

impl StationState {
    /// A station that is in the catalog and has said nothing yet.
    pub fn unheard(host: HostName, now: DateTime<Utc>) -> Self {
        Self {
            host,
            latest: None,
            heard: None,
            unready_run: None,
            nic_baseline: None,
            service_state: None,
            status: None,
            uploads: Uploads::default(),
            powered: None,
            resolved_by_hand: Vec::new(),
            guarded_at: None,
            running: None,
            skew: None,
            word: StationWord::Unknown,
            word_since: now,
            word_cause: Some(Cause::NeverHeard),
            check_at: None,
        }
    }

    /// The same without its latest heartbeat, for whoever is about to replace it: it is the largest part, and is not copied.
    pub(crate) fn without_latest(&self) -> Self {
        Self {
            host: self.host.clone(),
            latest: None,
            heard: self.heard.clone(),
            unready_run: self.unready_run.clone(),
            nic_baseline: self.nic_baseline.clone(),
            service_state: self.service_state.clone(),
            status: self.status.clone(),
            uploads: self.uploads.clone(),
            powered: self.powered.clone(),
            resolved_by_hand: self.resolved_by_hand.clone(),
            guarded_at: self.guarded_at,
            running: self.running,
            skew: self.skew,
            word: self.word,
            word_since: self.word_since,
            word_cause: self.word_cause.clone(),
            check_at: self.check_at,
        }
    }

    /// What we do to it at that instant. A wake is over with the first sign of life after it.
    pub fn running_at(&self, now: DateTime<Utc>) -> Option<&Running> {
        let awake = |since: DateTime<Utc>| self.alive_at().is_some_and(|alive_at| alive_at > since);
        let running = self.running.as_ref().filter(|running| now < running.until)?;
        (running.doing != Doing::Wake || !awake(running.since)).then_some(running)
    }

    /// When the last advance arrived.
    pub fn advanced_at(&self) -> Option<DateTime<Utc>> {
        self.latest.as_ref().map(|latest| latest.first_arrived_at)
    }

    /// When it was last heard with something new: its silence counts from here. The last advance, or a later upload by a clock that
    /// was set back.
    pub fn alive_at(&self) -> Option<DateTime<Utc>> {
        self.advanced_at().max(self.heard.as_ref().and_then(|heard| heard.alive_at))
    }
}
