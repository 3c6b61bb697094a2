//! What the person is told unasked. A state machine over what is seen: whatever comes is held for a moment, so that what happens together is
//! told together, and limits keep it from becoming noise.
//!
//! Who sits at a station that a reservation needs is told of that at once, whatever else was told and whether or not notifications are off.

mod happening;
mod leaving;
mod limits;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use stationkeeper_api::{ActionState, AlertState, AtRisk, RequestState, ReservationRecordView, StationWord};
use stationkeeper_telemetry::HostName;

use crate::{Command, Scene};
use happening::Happening;
use leaving::LeaveSoon;
use limits::Limits;

/// What comes within this is told together.
const GATHERING: TimeDelta = TimeDelta::seconds(3);
/// A reservation that begins later is nobody's concern yet.
const RISK_AHEAD: TimeDelta = TimeDelta::minutes(30);
/// That a station is well again is no news to whoever woke it.
const OWN_DOING: TimeDelta = TimeDelta::minutes(15);

/// Something to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoticeButton {
    /// What it does.
    pub command: Command,
    /// What stands on it.
    pub text: String,
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// One of the same id takes its place.
    pub id: String,
    /// In one line.
    pub title: String,
    /// What else there is to know.
    pub body: String,
    /// What a click on it does.
    pub opens: Command,
    /// Where the system has buttons.
    pub buttons: Vec<NoticeButton>,
    /// It is shown in spite of whatever else is on the screen.
    pub is_urgent: bool,
}

/// What was told, and what is about to be.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    began_at: Option<DateTime<Utc>>,
    /// The words of the stations when the gateway told them last.
    words: Option<BTreeMap<HostName, StationWord>>,
    at_risk: BTreeSet<String>,
    logoff_at: Option<DateTime<Utc>>,
    asked: BTreeMap<String, HostName>,
    own_doing: BTreeMap<HostName, DateTime<Utc>>,
    waiting: Vec<Happening>,
    waiting_since: Option<DateTime<Utc>>,
    leave_soon: LeaveSoon,
    limits: Limits,
    next_at: Option<DateTime<Utc>>,
}

impl Notices {
    /// The person asked for something that was not answered at once: its action or request.
    pub fn asked(&mut self, host: &HostName, id: &str, now: DateTime<Utc>) {
        self.asked.insert(id.to_owned(), host.clone());
        self.own_doing.insert(host.clone(), now);
    }

    /// When to look again although nothing was heard; none: not before something is.
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        self.next_at
    }

    /// Looks, and says what is to be told now.
    pub fn observe(&mut self, scene: &Scene<'_>) -> Vec<Notice> {
        let now = scene.now;
        self.began_at.get_or_insert(now);
        let mut notices: Vec<_> = self.leave_soon.observe(scene).into_iter().collect();
        let mut happened = Vec::new();
        self.forced_logoff(scene, &mut happened);
        // What is old is no fact: it is compared once it is fresh again.
        if !scene.is_offline() {
            self.answers(scene, &mut happened);
            let at_start = self.words.is_none();
            self.words(scene, &mut happened);
            self.risks(scene, at_start, &mut happened);
        }
        if !happened.is_empty() {
            self.waiting_since.get_or_insert(now);
            self.waiting.extend(happened);
        }
        if self.waiting_since.is_some_and(|since| now - since >= GATHERING) {
            self.waiting_since = None;
            let still: Vec<_> =
                std::mem::take(&mut self.waiting).into_iter().filter(|one| one.still_holds(scene)).collect();
            if !scene.is_paused() {
                notices.extend(happening::tell(scene, self.limits.let_through(still, now), &mut self.limits));
            }
        }
        let gathered = self.waiting_since.map(|since| since + GATHERING);
        self.next_at = gathered.into_iter().chain(self.leave_soon.next_at(scene)).min();
        notices
    }

    fn forced_logoff(&mut self, scene: &Scene<'_>, happened: &mut Vec<Happening>) {
        let Some(host) = scene.own_host.filter(|_| scene.settings.notify.forced_logoffs) else { return };
        let Some(logoff) = happening::ForcedLogoffHere::latest(scene) else { return };
        let is_news =
            self.began_at.is_some_and(|began| logoff.at > began) && self.logoff_at.is_none_or(|told| logoff.at > told);
        if is_news {
            self.logoff_at = Some(logoff.at);
            happened.push(Happening::ForcedLogoff { host: host.clone(), logoff });
        }
    }

    fn answers(&mut self, scene: &Scene<'_>, happened: &mut Vec<Happening>) {
        let mut answered = Vec::new();
        for action in scene.world.actions.iter().filter(|one| self.asked.contains_key(&one.id)) {
            match action.state {
                ActionState::Proposed | ActionState::Pending | ActionState::Claimed | ActionState::Unknown => continue,
                // Nobody but a person withdraws a wake, and who asked for it mostly does.
                ActionState::Withdrawn => {}
                ActionState::Done | ActionState::Failed | ActionState::Expired => {
                    happened.push(Happening::Wake { host: action.host.clone(), id: action.id.clone() });
                }
            }
            answered.push(action.id.clone());
        }
        for request in scene.world.requests.iter().filter(|one| self.asked.contains_key(&one.id)) {
            if request.state == RequestState::Asked {
                continue;
            }
            if request.state != RequestState::Ended {
                happened.push(Happening::Answer { host: request.host.clone(), id: request.id.clone() });
            }
            answered.push(request.id.clone());
        }
        for id in answered {
            self.asked.remove(&id);
        }
    }

    fn words(&mut self, scene: &Scene<'_>, happened: &mut Vec<Happening>) {
        let words: BTreeMap<_, _> = scene.world.mine().map(|one| (one.host.clone(), one.state)).collect();
        let (now, notify) = (scene.now, scene.settings.notify);
        self.own_doing.retain(|_, at| now - *at < OWN_DOING);
        if let Some(before) = &self.words {
            for (host, word) in &words {
                // One that is new to us was as it is before.
                let Some(was) = before.get(host).filter(|was| *was != word) else { continue };
                if *word == StationWord::Down && notify.down {
                    happened.push(Happening::Down { host: host.clone() });
                } else if *was == StationWord::Down && notify.recovered && !self.own_doing.contains_key(host) {
                    happened.push(Happening::Recovered { host: host.clone() });
                }
            }
        }
        self.words = Some(words);
    }

    fn risks(&mut self, scene: &Scene<'_>, at_start: bool, happened: &mut Vec<Happening>) {
        let risky: Vec<_> = scene
            .world
            .standing(scene.now)
            .filter(|one| one.start_at.0 > scene.now && one.start_at.0 - scene.now <= RISK_AHEAD)
            .filter(|one| is_at_risk(scene, one))
            .filter_map(|one| Some((one.id.clone(), HostName::parse(&one.host).ok()?)))
            .collect();
        self.at_risk.retain(|id| scene.world.reservations.iter().any(|one| &one.id == id));
        for (reservation_id, host) in risky {
            if self.at_risk.insert(reservation_id.clone()) && !at_start && scene.settings.notify.at_risk {
                happened.push(Happening::AtRisk { host, reservation_id });
            }
        }
    }
}

/// The gateway says so, or an alert that is open; or its station is down, though it might still come back in time. What the person holds
/// themselves is no news to them.
fn is_at_risk(scene: &Scene<'_>, reservation: &ReservationRecordView) -> bool {
    let station = scene.world.stations.iter().find(|station| station.host.as_str() == reservation.host);
    let holder = station.and_then(|station| station.hold.as_ref()).map(|hold| hold.owner.as_str());
    let holds = holder.is_some() && holder == scene.world.person.as_ref().map(|person| person.name.as_str());
    let told = reservation.at_risk.iter().flatten().any(|risk| !(risk.code == AtRisk::LocalMode && holds));
    let alerted = scene.world.alerts.iter().any(|alert| {
        alert.state == AlertState::Open && alert.reservation_id.as_deref() == Some(reservation.id.as_str())
    });
    told || alerted || station.is_some_and(|station| station.state == StationWord::Down)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
