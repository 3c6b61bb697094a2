//! This PC, where it is a station: its own word from its own file, what comes, and what whoever sits here can ask for.

use chrono::{DateTime, Utc};
use serde::Serialize;
use stationkeeper_api::{RequestKind, RequestState, RequestView, ReservationRecordView};
use stationkeeper_telemetry::{HostName, Snapshot};

use crate::times::{countdown, relative};
use crate::words::say;
use crate::world::NEEDED_BEFORE;
use crate::{Command, Mode, Scene, World, span_text};

/// A heartbeat comes every 60 to 70 s; after three of them something is wrong.
const STALE_AFTER_SECONDS: i64 = 210;

/// When whoever sits at the station is asked to leave it for the reservation, unless they were given more time.
pub fn leave_at(world: &World, reservation: &ReservationRecordView) -> DateTime<Utc> {
    let granted = world.requests.iter().filter(|request| {
        request.kind == RequestKind::MoreTime
            && request.state == RequestState::Granted
            && request.host.as_str() == reservation.host
            && request.reservation_id.as_deref() == Some(reservation.id.as_str())
    });
    let until = granted.filter_map(|request| request.until).map(|until| until.0).max();
    let planned = reservation.start_at.0 - NEEDED_BEFORE;
    until.map_or(planned, |until| until.max(planned))
}

/// What comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Countdown {
    /// The booking system's.
    pub reservation_id: String,
    /// `7:42` until a remote session starts.
    pub starts_in: String,
    /// `10:50`.
    pub start: String,
    /// `12:20`.
    pub end: String,
    /// `4:12` until whoever sits here is asked to leave.
    pub leave_in: String,
    /// In a sentence: when, and what happens then.
    pub text: String,
    /// Somebody sits here.
    pub is_somebody_here: bool,
}

/// Whether more time was asked for, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoreTime {
    /// It can be asked for.
    Offer {
        /// Asks.
        command: Command,
        /// What asking means.
        text: String,
        /// Why it cannot be asked for now.
        off: Option<String>,
    },
    /// It waits for an operator.
    Asked(String),
    /// They may stay.
    Granted(String),
    /// They may not.
    Refused(String),
    /// Nobody answered in time.
    Expired(String),
}

/// The card of this PC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnCard {
    /// Its name.
    pub host: HostName,
    /// `local status`, `heartbeat 41 s ago`, or that it has said nothing lately.
    pub status: String,
    /// It has said nothing lately.
    pub is_stale: bool,
    /// What its file says, as pairs of name and value; *unknown* where it says nothing.
    pub facts: Vec<(String, String)>,
    /// The reservation that comes next; none: none is known.
    pub countdown: Option<Countdown>,
    /// Says that whoever sits here leaves; none: it cannot be said at all.
    pub leaving: Option<(Command, Option<String>)>,
    /// That they have said so.
    pub left: Option<String>,
    /// More time; none: nothing comes, or it cannot be asked for at all.
    pub more_time: Option<MoreTime>,
}

impl OwnCard {
    /// Of a scene; none: this PC is no station.
    pub fn of(scene: &Scene<'_>) -> Option<Self> {
        if !scene.is_station() {
            return None;
        }
        let language = scene.language;
        let host = scene.own_host.or(scene.local.map(|local| &local.snapshot.host))?.clone();
        let age = scene.local.map(|local| scene.now - local.written_at);
        let is_stale = age.is_none_or(|age| age.num_seconds() > STALE_AFTER_SECONDS);
        let status = match age {
            Some(age) => {
                let key = if is_stale { "local_status_stale" } else { "local_status" };
                say(language, key, &[("age", &span_text(age))])
            }
            None => say(language, "no_local_status", &[]),
        };
        let next = scene.world.next_of(&host, scene.now);
        let may = match scene.own_station() {
            Some(station) => scene.world.may_act(station),
            None => false,
        };
        let asks = may && scene.world.mode == Mode::Full;
        let off = scene.is_offline().then(|| say(language, "off_offline", &[]));
        let left = asks.then(|| left(scene, &host, next)).flatten();
        Some(Self {
            facts: scene.local.map(|local| facts(scene, &local.snapshot)).unwrap_or_default(),
            countdown: next.map(|next| coming(scene, next)),
            more_time: next.filter(|_| asks).map(|next| more_time(scene, &host, next, off.as_ref())),
            leaving: asks.then(|| (Command::Leaving(host.clone()), off)),
            left,
            host,
            status,
            is_stale,
        })
    }
}

fn facts(scene: &Scene<'_>, snapshot: &Snapshot) -> Vec<(String, String)> {
    let language = scene.language;
    let said = |key: &str| say(language, key, &[]);
    let word = |known: Option<bool>, yes: &str, no: &str| match known {
        Some(true) => said(yes),
        Some(false) => said(no),
        None => said("unknown"),
    };
    let ready = match (snapshot.ready, snapshot.issues.is_empty()) {
        (true, _) => said("yes"),
        (false, true) => said("no"),
        (false, false) => snapshot.issues.join("; "),
    };
    let here = match (snapshot.local_session_active, snapshot.details.local_users.is_empty()) {
        (Some(true), false) => snapshot.details.local_users.join(", "),
        (known, _) => word(known, "yes", "nobody"),
    };
    let wakes = snapshot.nics.as_ref().filter(|nics| !nics.is_empty()).map(|nics| {
        let able: Vec<_> = nics.iter().filter(|nic| nic.wol_ready == Some(true)).map(|nic| nic.name.as_str()).collect();
        match able.is_empty() {
            false => say(language, "wakes_on", &[("adapters", &able.join(", "))]),
            true if nics.iter().any(|nic| nic.wol_ready.is_none()) => said("unknown"),
            true => said("no"),
        }
    });
    vec![
        (said("fact_ready"), ready),
        (said("fact_local_mode"), word(snapshot.local_mode_enabled, "on", "off")),
        (said("fact_session"), here),
        (said("fact_wake"), wakes.unwrap_or_else(|| said("unknown"))),
    ]
}

fn coming(scene: &Scene<'_>, next: &ReservationRecordView) -> Countdown {
    let language = scene.language;
    let lab = next.lab.as_deref();
    let leave = leave_at(scene.world, next);
    let time = |at| scene.zones.moment(lab, at, scene.now);
    let (start, end, leaves) = (time(next.start_at.0), time(next.end_at.0), time(leave));
    let is_somebody_here = scene
        .local
        .and_then(|local| local.snapshot.local_session_active)
        .or_else(|| scene.own_station().and_then(|station| station.local_session_active))
        .unwrap_or(true);
    let values = [
        ("reservation", next.id.as_str()),
        ("start", start.as_str()),
        ("end", end.as_str()),
        ("leave", leaves.as_str()),
    ];
    let text = match (is_somebody_here, leave > scene.now) {
        (true, true) => say(language, "will_be_asked_to_leave", &values),
        (true, false) => say(language, "is_asked_to_leave", &values),
        (false, _) => say(language, "nobody_has_to_leave", &values),
    };
    Countdown {
        reservation_id: next.id.clone(),
        starts_in: countdown(next.start_at.0 - scene.now),
        leave_in: countdown(leave - scene.now),
        start,
        end,
        text,
        is_somebody_here,
    }
}

/// The request of the person for this station and reservation that was made last.
fn latest<'a>(
    scene: &Scene<'a>,
    kind: RequestKind,
    host: &HostName,
    next: Option<&ReservationRecordView>,
) -> Option<&'a RequestView> {
    let name = scene.world.person.as_ref().map(|person| person.name.as_str());
    scene
        .world
        .requests
        .iter()
        .filter(|one| one.kind == kind && &one.host == host && Some(one.asked_by.as_str()) == name)
        .filter(|one| one.reservation_id.as_deref() == next.map(|next| next.id.as_str()))
        .max_by_key(|one| one.asked_at)
}

fn left(scene: &Scene<'_>, host: &HostName, next: Option<&ReservationRecordView>) -> Option<String> {
    let request = latest(scene, RequestKind::Leaving, host, next)?;
    // Without a reservation to leave it for, it was said for a while only.
    let counts = next.is_some() || scene.now - request.asked_at.0 < chrono::TimeDelta::hours(1);
    let time = scene.zones.minute(None, request.asked_at.0);
    counts.then(|| say(scene.language, "said_leaving", &[("time", &time)]))
}

fn more_time(scene: &Scene<'_>, host: &HostName, next: &ReservationRecordView, off: Option<&String>) -> MoreTime {
    let language = scene.language;
    let lab = next.lab.as_deref();
    let Some(request) = latest(scene, RequestKind::MoreTime, host, Some(next)) else {
        return offer(scene, host, off);
    };
    let time = |at: Option<stationkeeper_api::Instant>| {
        at.map(|at| scene.zones.moment(lab, at.0, scene.now)).unwrap_or_default()
    };
    let (until, by) = (time(request.until), request.answered_by.clone().unwrap_or_default());
    let noted = |said: String| match &request.note {
        Some(note) => say(language, "with_note", &[("text", &said), ("note", note)]),
        None => said,
    };
    match request.state {
        RequestState::Asked if request.expires_at.is_some_and(|at| at.0 <= scene.now) => {
            MoreTime::Expired(say(language, "more_time_expired", &[]))
        }
        RequestState::Asked => {
            let asked = relative(language, request.asked_at.0, scene.now);
            MoreTime::Asked(say(language, "more_time_asked", &[("asked", &asked)]))
        }
        RequestState::Granted if request.until.is_some_and(|until| until.0 <= scene.now) => offer(scene, host, off),
        RequestState::Granted if by.is_empty() => {
            MoreTime::Granted(noted(say(language, "more_time_granted", &[("until", &until)])))
        }
        RequestState::Granted => {
            MoreTime::Granted(noted(say(language, "more_time_granted_by", &[("until", &until), ("by", &by)])))
        }
        RequestState::Refused => MoreTime::Refused(noted(say(language, "more_time_refused", &[("by", &by)]))),
        RequestState::Expired => MoreTime::Expired(say(language, "more_time_expired", &[])),
        RequestState::Ended => offer(scene, host, off),
    }
}

fn offer(scene: &Scene<'_>, host: &HostName, off: Option<&String>) -> MoreTime {
    MoreTime::Offer {
        command: Command::MoreTime(host.clone()),
        text: say(scene.language, "more_time_offer", &[]),
        off: off.cloned(),
    }
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
