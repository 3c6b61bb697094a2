//! What a rule proposes or a person wants done to a station, and its life until it is settled.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use super::{OrderedBy, PowerMode, Timing};
use crate::judge::seconds;
use crate::{Alert, AlertId, Doing, Reservation, ReservationId, Rule};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Probe; if nothing answers, wake, and wait for a fresh heartbeat.
    WolCheck,
    /// Wake, because a person wants it.
    Wake,
    /// `recovery reboot-if-needed`.
    RebootIfNeeded,
    /// `session guard`.
    SessionGuard,
    /// `power shutdown`.
    Shutdown,
    /// `power hibernate`.
    Hibernate,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::WolCheck, Self::Wake, Self::RebootIfNeeded, Self::SessionGuard, Self::Shutdown, Self::Hibernate];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WolCheck => "wol_check",
            Self::Wake => "wake",
            Self::RebootIfNeeded => "reboot_if_needed",
            Self::SessionGuard => "session_guard",
            Self::Shutdown => "shutdown",
            Self::Hibernate => "hibernate",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether it touches whoever is at the station, so that it is never issued twice on a guess.
    pub const fn changes_station(self) -> bool {
        !matches!(self, Self::WolCheck | Self::Wake)
    }

    /// What runs on the station meanwhile; none: a station that goes off says so itself.
    pub const fn doing(self) -> Option<Doing> {
        match self {
            Self::WolCheck | Self::Wake => Some(Doing::Wake),
            Self::RebootIfNeeded => Some(Doing::Reboot),
            Self::SessionGuard => Some(Doing::SessionGuard),
            Self::Shutdown | Self::Hibernate => None,
        }
    }

    /// Whether the station goes down.
    pub(super) const fn takes_down(self) -> bool {
        matches!(self, Self::RebootIfNeeded | Self::Shutdown | Self::Hibernate)
    }

    /// Which way it is switched off, if it is.
    pub const fn power(self) -> Option<PowerMode> {
        match self {
            Self::Shutdown => Some(PowerMode::Shutdown),
            Self::Hibernate => Some(PowerMode::Hibernate),
            Self::WolCheck | Self::Wake | Self::RebootIfNeeded | Self::SessionGuard => None,
        }
    }

    /// What answers an alert of that rule.
    pub const fn answering(rule: Rule) -> Option<Self> {
        match rule {
            Rule::HeartbeatMissing => Some(Self::WolCheck),
            Rule::NotReady => Some(Self::RebootIfNeeded),
            Rule::LocalSessionBeforeReservation | Rule::StaleForcedLogoff => Some(Self::SessionGuard),
            _ => None,
        }
    }
}

/// What a rule may do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nothing.
    Off,
    /// Propose: one click of an operator.
    Propose,
    /// Have it done.
    Auto,
}

/// Policies and times of actions. Every key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActionSettings {
    /// By rule; what is left out: `auto` for `heartbeat_missing`, which touches nobody, else `propose`.
    pub policies: BTreeMap<Rule, Policy>,
    /// The same for single stations, by host; it goes before.
    pub stations: BTreeMap<String, BTreeMap<Rule, Policy>>,
    /// How long somebody who is logged on has after the notice. Default 300.
    pub notice_seconds: u32,
    /// No reboot by itself this long before a reservation. Default 900.
    pub quiet_before_reservation_seconds: u32,
    /// What nobody took up for this long is not done any more. Default 1800; a check of a silent station: a third of it.
    pub expires_after_seconds: u32,
}

impl Default for ActionSettings {
    fn default() -> Self {
        Self {
            policies: BTreeMap::new(),
            stations: BTreeMap::new(),
            notice_seconds: 300,
            quiet_before_reservation_seconds: 900,
            expires_after_seconds: 1_800,
        }
    }
}

impl ActionSettings {
    /// What `rule` may do at that station.
    pub fn policy(&self, rule: Rule, host: &HostName) -> Policy {
        let default = if rule == Rule::HeartbeatMissing { Policy::Auto } else { Policy::Propose };
        let of_station = self.stations.get(host.as_str()).and_then(|policies| policies.get(&rule));
        of_station.or_else(|| self.policies.get(&rule)).copied().unwrap_or(default)
    }
}

/// Derived from the natural key, never counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionId(pub String);

impl ActionId {
    /// The id of what `cause` (an alert, a request's key) wants done there: 32 hex digits.
    pub fn derive(host: &HostName, kind: ActionKind, cause: &str) -> Self {
        let text = format!("{}\n{}\n{cause}", host.as_str(), kind.as_str());
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The id of what answers an alert; none: nothing does. An alert that opens again before the same reservation asks for no second guard.
    pub fn answering(alert: &Alert) -> Option<Self> {
        let kind = ActionKind::answering(alert.key.rule)?;
        let cause = match &alert.key.reservation_id {
            Some(id) => format!("{}\n{}", alert.key.rule, id.0),
            None => alert.id.0.clone(),
        };
        Some(Self::derive(alert.key.host.as_ref()?, kind, &cause))
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// It waits for an operator.
    Proposed,
    /// It waits for a gateway.
    Pending,
    /// A gateway has it.
    Claimed,
    /// It may have reached the station, and nobody knows yet how it ended.
    Unknown,
    /// It was done.
    Done,
    /// It was not.
    Failed,
    /// Nobody took it up in time.
    Expired,
    /// An operator does not want it, or its alert is over.
    Withdrawn,
}

impl ActionState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Proposed,
        Self::Pending,
        Self::Claimed,
        Self::Unknown,
        Self::Done,
        Self::Failed,
        Self::Expired,
        Self::Withdrawn,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Those in which something can still happen to it.
    pub fn open() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|state| !state.is_over())
    }

    /// Whether nothing more happens to it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Expired | Self::Withdrawn)
    }
}

/// Who has an action, and until when they are taken to be alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// A gateway.
    pub by: String,
    /// By the database's clock.
    pub until: DateTime<Utc>,
}

/// A row of `station_actions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationAction {
    /// See [`ActionId::derive`].
    pub id: ActionId,
    /// At this station.
    pub host: HostName,
    /// What.
    pub kind: ActionKind,
    /// Where it stands.
    pub state: ActionState,
    /// Who wanted it first.
    pub ordered_by: OrderedBy,
    /// The alert that it answers.
    pub alert_id: Option<AlertId>,
    /// For this reservation, where it is about one.
    pub reservation_id: Option<ReservationId>,
    /// Who let it go ahead, where it was proposed.
    pub approved_by: Option<String>,
    /// When it was wanted.
    pub ordered_at: DateTime<Utc>,
    /// Not before this: whoever sits there has been told.
    pub not_before: DateTime<Utc>,
    /// Not from here on.
    pub expires_at: DateTime<Utc>,
    /// Who has it.
    pub claim: Option<Claim>,
    /// When it was sent, written before it was.
    pub issued_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub settled_at: Option<DateTime<Utc>>,
    /// How it ended, in a sentence.
    pub message: Option<String>,
}

impl StationAction {
    /// Whether a person answers for it.
    pub fn is_wanted_by_a_person(&self) -> bool {
        self.approved_by.is_some() || matches!(self.ordered_by, OrderedBy::Person(_))
    }
}

/// What an open alert wants done; none: its rule has no answer, or may not give it. `reservation`: the one at risk.
pub fn propose(
    alert: &Alert,
    reservation: Option<&Reservation>,
    settings: &ActionSettings,
    timing: &Timing,
    now: DateTime<Utc>,
) -> Option<StationAction> {
    let host = alert.key.host.as_ref()?;
    let rule = alert.key.rule;
    let kind = ActionKind::answering(rule)?;
    let state = match settings.policy(rule, host) {
        Policy::Off => return None,
        Policy::Propose => ActionState::Proposed,
        Policy::Auto => ActionState::Pending,
    };
    let lasts = match kind {
        ActionKind::WolCheck => seconds(settings.expires_after_seconds) / 3,
        _ => seconds(settings.expires_after_seconds),
    };
    let (not_before, expires_at) = match reservation.filter(|_| kind == ActionKind::SessionGuard) {
        // The guard ends before the prepare begins, however short the notice was.
        Some(reservation) => {
            let latest = reservation.start_at - timing.lead() - seconds(timing.guard_grace());
            let noticed = alert.opened_at + seconds(settings.notice_seconds);
            (noticed.min(latest).max(now), reservation.start_at)
        }
        None => (now, now + lasts),
    };
    Some(StationAction {
        id: ActionId::answering(alert)?,
        host: host.clone(),
        kind,
        state,
        ordered_by: OrderedBy::Rule(rule),
        alert_id: Some(alert.id.clone()),
        reservation_id: alert.key.reservation_id.clone(),
        approved_by: None,
        ordered_at: now,
        not_before,
        expires_at,
        claim: None,
        issued_at: None,
        settled_at: None,
        message: None,
    })
}

/// What a person wants done, at once. The same key asks for the same action.
pub fn asked(
    host: &HostName,
    kind: ActionKind,
    person: &str,
    key: &str,
    settings: &ActionSettings,
    now: DateTime<Utc>,
) -> StationAction {
    StationAction {
        id: ActionId::derive(host, kind, &format!("asked\n{key}")),
        host: host.clone(),
        kind,
        state: ActionState::Pending,
        ordered_by: OrderedBy::Person(person.to_owned()),
        alert_id: None,
        reservation_id: None,
        approved_by: None,
        ordered_at: now,
        not_before: now,
        expires_at: now + seconds(settings.expires_after_seconds),
        claim: None,
        issued_at: None,
        settled_at: None,
        message: None,
    }
}

/// How long an action of that kind may run.
pub fn budget(kind: ActionKind, timing: &Timing) -> TimeDelta {
    match kind {
        ActionKind::SessionGuard => timing.budget(timing.guard_grace()),
        ActionKind::WolCheck | ActionKind::Wake => seconds(timing.ready_within_seconds),
        ActionKind::RebootIfNeeded | ActionKind::Shutdown | ActionKind::Hibernate => timing.budget(0),
    }
}
