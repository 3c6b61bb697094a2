//! What is to be done: a run, its parts (one for a reservation), and the work of each.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::HostName;

use super::{Action, OrderedBy, PowerMode, RunId, Timing};
use crate::{Doing, Reservation, ReservationId, Running};

/// The beginning or the end of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Wake, then prepare.
    Start,
    /// Release, then power off if that is wanted.
    End,
}

impl Side {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }

    /// The operation that closes a scheduled run of this side.
    pub const fn closing(self) -> Action {
        match self {
            Self::Start => Action::SchedulerStart,
            Self::End => Action::SchedulerEnd,
        }
    }
}

/// How a caller wants a station woken; what is left out comes from the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WakeOptions {
    /// Another MAC address.
    pub mac: Option<String>,
    /// Another address to probe.
    pub ping_target: Option<String>,
    /// Rounds of packets.
    pub attempts: Option<u32>,
    /// Wait after each.
    pub ping_timeout_seconds: Option<u32>,
    /// Where to.
    pub broadcast: Option<String>,
    /// UDP port.
    pub port: Option<u16>,
}

/// One step on a station. Arguments are what a caller adds to the command, one each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Probe; if nothing answers, magic packets until something does.
    Wake(WakeOptions),
    /// `prepare-session`.
    Prepare {
        /// Warning for a local user.
        guard_grace_seconds: u32,
        /// Further ones.
        arguments: Vec<String>,
    },
    /// `release-session`.
    Release {
        /// Seconds until it reboots; none: it does not.
        reboot_timeout_seconds: Option<u32>,
        /// Further ones.
        arguments: Vec<String>,
    },
    /// `power`.
    Power {
        /// Which.
        mode: PowerMode,
        /// Further ones.
        arguments: Vec<String>,
    },
}

impl Work {
    /// Its word.
    pub const fn action(&self) -> Action {
        match self {
            Self::Wake(_) => Action::Wake,
            Self::Prepare { .. } => Action::Prepare,
            Self::Release { .. } => Action::Release,
            Self::Power { mode, .. } => Action::Power(*mode),
        }
    }

    /// What runs on the station while it is done; none: a station that goes off says so itself.
    pub fn running(&self, timing: &Timing, now: DateTime<Utc>) -> Option<Running> {
        let (doing, lasts) = match self {
            Self::Wake(_) => (Doing::Wake, timing.budget(timing.ready_within_seconds)),
            Self::Prepare { .. } => (Doing::Prepare, self.budget(timing)),
            Self::Release { .. } => (Doing::Release, self.budget(timing)),
            Self::Power { .. } => return None,
        };
        Some(Running::new(doing, now, lasts))
    }

    /// How long its command may run on the station.
    pub fn budget(&self, timing: &Timing) -> TimeDelta {
        match self {
            Self::Prepare { guard_grace_seconds, .. } => timing.budget(*guard_grace_seconds),
            Self::Wake(_) | Self::Release { .. } | Self::Power { .. } => timing.budget(0),
        }
    }
}

/// A person's word that local mode or a local session shall not stand in the way of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Of this one.
    pub reservation_id: ReservationId,
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a run does for one reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// For this one.
    pub reservation_id: ReservationId,
    /// Of this lab.
    pub lab: Option<String>,
    /// Its beginning or its end.
    pub side: Side,
    /// Names the operations of this part.
    pub run: RunId,
    /// In this order; one that fails ends the part. Empty: there is nothing left to do but to say so.
    pub work: Vec<Work>,
    /// From here on no step of it is begun any more.
    pub begins_before: Option<DateTime<Utc>>,
    /// Who said that it goes ahead all the same.
    pub overridden: Option<Override>,
    /// What its closing row says if all goes well; none: the usual.
    pub remark: Option<String>,
}

/// What is done on a station under one lease. It is stored with the lease, so that whoever finds it goes on where it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// On this station.
    pub host: HostName,
    /// Who ordered it.
    pub ordered_by: OrderedBy,
    /// It reboots or goes off at about this instant: only a later heartbeat says that it is up.
    pub heartbeat_after: Option<DateTime<Utc>>,
    /// One, or two at a turnover. Each is tried, whatever became of the one before.
    pub parts: Vec<Part>,
}

impl Run {
    /// Whether it releases for one reservation and prepares for the next.
    pub fn is_turnover(&self) -> bool {
        self.parts.len() > 1
    }
}

/// What a request asks of a station before a reservation. None: that step is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartWish {
    /// How to wake it.
    pub wake: Option<WakeOptions>,
    /// Grace and further arguments of the prepare.
    pub prepare: Option<(u32, Vec<String>)>,
}

/// What a request asks of a station after a reservation. None: that step is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndWish {
    /// Timeout of the reboot, if one is wanted, and further arguments of the release.
    pub release: Option<(Option<u32>, Vec<String>)>,
    /// How it is switched off, and further arguments.
    pub power: Option<(PowerMode, Vec<String>)>,
}

impl StartWish {
    /// The steps, in their order.
    pub fn work(self) -> Vec<Work> {
        let wake = self.wake.map(Work::Wake);
        let prepare =
            self.prepare.map(|(guard_grace_seconds, arguments)| Work::Prepare { guard_grace_seconds, arguments });
        wake.into_iter().chain(prepare).collect()
    }
}

impl EndWish {
    /// The steps, in their order. A power action replaces the reboot: Windows refuses a shutdown while one is pending.
    pub fn work(self) -> Vec<Work> {
        let powered = self.power.is_some();
        let release = self.release.map(|(reboot, arguments)| Work::Release {
            reboot_timeout_seconds: reboot.filter(|_| !powered).map(super::timing::reboot_timeout),
            arguments,
        });
        let power = self.power.map(|(mode, arguments)| Work::Power { mode, arguments });
        release.into_iter().chain(power).collect()
    }
}

impl Part {
    /// What a request asks for. The same key names the same operations.
    pub fn asked(reservation: &Reservation, side: Side, key: &str, work: Vec<Work>) -> Self {
        Self {
            reservation_id: reservation.id.clone(),
            lab: reservation.lab.clone(),
            side,
            run: RunId::Asked(key.to_owned()),
            work,
            // Whoever asks for a start after the end is told so.
            begins_before: (side == Side::Start).then_some(reservation.end_at),
            overridden: None,
            remark: None,
        }
    }
}
