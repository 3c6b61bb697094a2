//! What is known, and how fresh that is.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_api::{
    ActionKind, ActionView, AlertView, LabView, Language, RequestView, ReservationRecordView, ReservationStatus,
    StationView,
};
use stationkeeper_telemetry::{HostName, Snapshot};

use crate::{Settings, Zones};

/// Until this old, what is shown counts as live.
const LIVE: TimeDelta = TimeDelta::seconds(10);
/// Older than this, it may be wrong: nothing is changed on its strength.
const LOST: TimeDelta = TimeDelta::seconds(30);
/// From a guard's first warning to a reservation's start, as the gateway's settings are unless somebody changed them: lead and grace.
pub(crate) const NEEDED_BEFORE: TimeDelta = TimeDelta::seconds(210);

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Wakes, holds, leaves, in their laboratories.
    Instructor,
    /// All but secrets.
    Operator,
    /// All.
    Admin,
}

impl Role {
    /// As the API names it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "viewer" => Some(Self::Viewer),
            "instructor" => Some(Self::Instructor),
            "operator" => Some(Self::Operator),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Of the token; requests and holds bear it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// For these laboratories; none: for all.
    pub labs: Option<Vec<String>>,
}

impl Person {
    /// Whether the laboratory is one of theirs.
    pub fn has_lab(&self, lab: Option<&str>) -> bool {
        self.labs.as_ref().is_none_or(|labs| lab.is_some_and(|lab| labs.iter().any(|one| one == lab)))
    }

    /// Whether they may change anything in it.
    pub fn may_act(&self, lab: Option<&str>) -> bool {
        self.role >= Role::Instructor && self.has_lab(lab)
    }
}

/// What answers at the gateway's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Our gateway.
    #[default]
    Full,
    /// The older service: hosts, polls, wakes and local mode.
    Limited,
}

/// How the gateway is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// There is no token: nothing is asked.
    Unpaired,
    /// It was not reached yet.
    Connecting,
    /// It said something at this time.
    Reached(DateTime<Utc>),
    /// It was lost.
    Away {
        /// The last time that it said something; none: never.
        since: Option<DateTime<Utc>>,
        /// When it is tried again.
        next_try_at: DateTime<Utc>,
    },
    /// It does not take the token any more: pair again.
    TokenRefused,
    /// Its certificate is not the one that was pinned.
    CertificateRefused,
}

/// How old what is shown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As good as now.
    Live(TimeDelta),
    /// A little late.
    Delayed(TimeDelta),
    /// It may be wrong. None: nothing was heard in this run.
    Offline(Option<DateTime<Utc>>),
}

impl Link {
    /// At `now`.
    pub fn freshness(self, now: DateTime<Utc>) -> Freshness {
        match self {
            Self::Reached(at) if now - at <= LIVE => Freshness::Live((now - at).max(TimeDelta::zero())),
            Self::Reached(at) if now - at <= LOST => Freshness::Delayed(now - at),
            Self::Reached(at) => Freshness::Offline(Some(at)),
            Self::Away { since, .. } => Freshness::Offline(since),
            Self::Unpaired | Self::Connecting | Self::TokenRefused | Self::CertificateRefused => {
                Freshness::Offline(None)
            }
        }
    }

    /// Whether nothing can be asked of it.
    pub fn is_offline(self, now: DateTime<Utc>) -> bool {
        matches!(self.freshness(now), Freshness::Offline(_))
    }
}

/// What this PC's own heartbeat file says.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalCard {
    /// The last that could be read.
    pub snapshot: Snapshot,
    /// When the file was written.
    pub written_at: DateTime<Utc>,
}

/// What the gateway told last.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// What answers.
    pub mode: Mode,
    /// How.
    pub link: Link,
    /// Who asks; the older service knows nobody.
    pub person: Option<Person>,
    /// By host.
    pub stations: Vec<StationView>,
    /// Of today, by start.
    pub reservations: Vec<ReservationRecordView>,
    /// That are not resolved.
    pub alerts: Vec<AlertView>,
    /// The newest first.
    pub actions: Vec<ActionView>,
    /// The newest first.
    pub requests: Vec<RequestView>,
    /// Those that the gateway's settings speak of, by name.
    pub labs: Vec<LabView>,
}

impl World {
    /// Nothing is known yet.
    pub const fn nothing(link: Link) -> Self {
        Self {
            mode: Mode::Full,
            link,
            person: None,
            stations: Vec::new(),
            reservations: Vec::new(),
            alerts: Vec::new(),
            actions: Vec::new(),
            requests: Vec::new(),
            labs: Vec::new(),
        }
    }

    /// A station by its name.
    pub fn station(&self, host: &HostName) -> Option<&StationView> {
        self.stations.iter().find(|station| &station.host == host)
    }

    /// Whether the station is in one of the person's laboratories.
    pub fn is_mine(&self, station: &StationView) -> bool {
        self.person.as_ref().is_none_or(|person| person.has_lab(station.lab.as_deref()))
    }

    /// Those of the person's laboratories.
    pub fn mine(&self) -> impl Iterator<Item = &StationView> {
        self.stations.iter().filter(|station| self.is_mine(station))
    }

    /// Whether the person may change anything at the station. The older service leaves that to whoever reaches it.
    pub fn may_act(&self, station: &StationView) -> bool {
        match (&self.person, self.mode) {
            (Some(person), _) => person.may_act(station.lab.as_deref()),
            (None, Mode::Limited) => true,
            (None, Mode::Full) => false,
        }
    }

    /// The reservations that stand, are of the person's laboratories and not over, by start.
    pub fn standing(&self, now: DateTime<Utc>) -> impl Iterator<Item = &ReservationRecordView> {
        self.reservations.iter().filter(move |one| {
            matches!(one.status, ReservationStatus::Confirmed | ReservationStatus::Active)
                && one.end_at.0 > now
                && self.stations.iter().any(|station| station.host.as_str() == one.host && self.is_mine(station))
        })
    }

    /// The first reservation of the person's laboratories that is still to start.
    pub fn next_reservation(&self, now: DateTime<Utc>) -> Option<&ReservationRecordView> {
        self.standing(now).filter(|one| one.start_at.0 > now).min_by_key(|one| (one.start_at, &one.id))
    }

    /// The first reservation of a station that is still to start.
    pub fn next_of(&self, host: &HostName, now: DateTime<Utc>) -> Option<&ReservationRecordView> {
        self.coming_of(host, now).next()
    }

    /// The reservations of a station that are still to start, the first first.
    pub fn coming_of(&self, host: &HostName, now: DateTime<Utc>) -> impl Iterator<Item = &ReservationRecordView> {
        let mut coming: Vec<_> = self
            .reservations
            .iter()
            .filter(|one| one.host == host.as_str() && one.start_at.0 > now)
            .filter(|one| matches!(one.status, ReservationStatus::Confirmed | ReservationStatus::Active))
            .collect();
        coming.sort_by_key(|one| (one.start_at, &one.id));
        coming.into_iter()
    }

    /// The wake of a station that was ordered last.
    pub fn wake_of(&self, host: &HostName) -> Option<&ActionView> {
        self.actions
            .iter()
            .filter(|one| &one.host == host && matches!(one.kind, ActionKind::Wake | ActionKind::WolCheck))
            .max_by_key(|one| one.ordered_at)
    }
}

/// Everything that a view is made of.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What the gateway told last.
    pub world: &'a World,
    /// The name of this PC; known also where it is no station.
    pub own_host: Option<&'a HostName>,
    /// What this PC says of itself; none: it is no station, or has not said anything yet.
    pub local: Option<&'a LocalCard>,
    /// What the person chose.
    pub settings: &'a Settings,
    /// The language of this run.
    pub language: Language,
    /// Of the laboratories.
    pub zones: &'a Zones,
    /// Notifications are off until then.
    pub paused_until: Option<DateTime<Utc>>,
    /// By the gateway's clock.
    pub now: DateTime<Utc>,
}

impl<'a> Scene<'a> {
    /// This PC as the gateway knows it.
    pub fn own_station(&self) -> Option<&'a StationView> {
        self.world.station(self.own_host?)
    }

    /// Whether this PC is a station: it has a heartbeat file, or the gateway knows it.
    pub fn is_station(&self) -> bool {
        self.local.is_some() || self.own_station().is_some()
    }

    /// Whether this PC is held in local mode, by the newer of what is known.
    pub fn own_is_held(&self) -> bool {
        let local = self.local.and_then(|local| local.snapshot.local_mode_enabled);
        let told = self.own_station().and_then(|station| station.local_mode_enabled);
        local.or(told).unwrap_or(false)
    }

    /// Whether notifications are off.
    pub fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| self.now < until)
    }

    /// Whether nothing can be asked of the gateway.
    pub fn is_offline(&self) -> bool {
        self.world.link.is_offline(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn what_is_shown_is_live_then_delayed_then_offline() {
        let reached = Link::Reached(at("10:00:00"));
        for (now, is) in [
            ("09:59:58", Freshness::Live(TimeDelta::zero())),
            ("10:00:10", Freshness::Live(TimeDelta::seconds(10))),
            ("10:00:11", Freshness::Delayed(TimeDelta::seconds(11))),
            ("10:00:30", Freshness::Delayed(TimeDelta::seconds(30))),
            ("10:00:31", Freshness::Offline(Some(at("10:00:00")))),
        ] {
            assert_eq!(reached.freshness(at(now)), is, "{now}");
        }
        for link in [Link::Unpaired, Link::Connecting, Link::TokenRefused, Link::CertificateRefused] {
            assert!(link.is_offline(at("10:00:00")), "{link:?}");
        }
    }

    #[test]
    fn a_person_acts_in_their_laboratories_alone() {
        for (role, labs, lab, may) in [
            ("viewer", None, Some("Redes"), false),
            ("instructor", None, Some("Redes"), true),
            ("instructor", None, None, true),
            ("instructor", Some(vec!["Redes"]), Some("Redes"), true),
            ("instructor", Some(vec!["Redes"]), Some("Óptica"), false),
            ("instructor", Some(vec!["Redes"]), None, false),
            ("operator", Some(vec!["Redes"]), Some("Óptica"), false),
            ("admin", None, Some("Óptica"), true),
        ] {
            let role = Role::parse(role).unwrap();
            let labs = labs.map(|labs| labs.into_iter().map(str::to_owned).collect());
            let person = Person { name: "ana".to_owned(), role, labs };
            assert_eq!(person.may_act(lab), may, "{person:?} {lab:?}");
        }
        assert_eq!(Role::parse("root"), None);
    }
}
