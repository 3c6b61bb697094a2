//! A station that somebody at a distance wakes and commands. What is done to it here, no script foresaw; left alone, it writes the bytes of its script.

use chrono::{DateTime, TimeDelta, Utc};
use rand_chacha::ChaCha8Rng;
use stationkeeper_telemetry::HostName;

use super::{BOOT, Pending, Run};
use crate::operation::Operation;
use crate::pc::{Change, Outage, Outages, Power, Sitting};
use crate::role::Profile;
use crate::script::{Guard, Trouble};
use crate::station::local_time;
use crate::station_view::{SessionRow, StationView};
use crate::upload::{Document, Emission, Waiting};

/// A PC that nobody has started is looked at again after so long.
const STILL_OFF: TimeDelta = TimeDelta::seconds(60);

/// What commands and people did beside the script.
#[derive(Debug, Clone, Default)]
pub(super) struct Unforeseen {
    outages: Outages,
    /// Who sat down: user, session, since when.
    visitors: Vec<(String, i64, DateTime<Utc>)>,
    /// `None`: as the script has it.
    local_mode: Option<bool>,
}

impl Unforeseen {
    pub fn show(&self, view: &mut StationView, at: DateTime<Utc>) {
        let here = self.visitors.iter().filter(|(_, _, since)| *since <= at);
        view.other_sessions.extend(here.map(|(user, id, since)| SessionRow {
            user: user.clone(),
            session: "console".to_owned(),
            id: id.to_string(),
            state: "Active".to_owned(),
            idle: ".".to_owned(),
            logon_time: local_time(*since),
        }));
        view.local_mode = self.local_mode.unwrap_or(view.local_mode);
    }
}

impl Run {
    /// Everything that is due by then.
    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<Emission> {
        while !self.finished && self.next_instant() <= now {
            self.step();
        }
        let mut due = Vec::new();
        // Whoever read ahead left some that are still to come.
        while let Some(waiting) = self.ready.pop_front_if(|waiting| waiting.at() <= now) {
            due.push(waiting);
        }
        while let Some(entry) = self.made.first_entry()
            && entry.key().0 <= now
        {
            due.push(entry.remove());
        }
        if let Some(last) = due.iter().rfind(|waiting| waiting.emission.upload.document == Document::Heartbeat) {
            self.heartbeat = Some(last.emission.upload.bytes.clone());
        }
        due.into_iter().map(Waiting::leave).collect()
    }

    /// When something is due again, or the PC goes down or comes up.
    pub fn due_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let made = self.made.keys().next().map(|(at, _)| *at);
        let ready = self.ready.front().map(Waiting::at);
        let down = self.script.spans.iter().filter(|span| span.trouble == Trouble::Down);
        let turns = down.flat_map(|span| [span.from, span.to]).filter(|turn| now < *turn).min();
        let outage = self.unforeseen.outages.next_after(now);
        [made, ready, turns, outage].into_iter().flatten().fold(self.next_instant(), DateTime::min)
    }

    /// Until when the loop cannot write, as far as is known.
    pub(super) fn silent_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.outage_until(at).max(self.script.silent_until(at))
    }

    /// Until when the PC is off, as far as is known.
    pub(super) fn down_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.outage_until(at).max(self.script.down_until(at))
    }

    fn outage_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.unforeseen.outages.at(at).map(|outage| outage.until().unwrap_or(at + STILL_OFF))
    }

    /// What the PC is doing.
    pub fn power(&self, at: DateTime<Utc>) -> Power {
        let scripted = || if self.script.down_until(at).is_some() { Power::Off } else { Power::On };
        self.unforeseen.outages.power(at).unwrap_or_else(scripted)
    }

    /// Starts a PC that is off. `None`: it was not.
    pub fn wake(&mut self, at: DateTime<Utc>, random: &mut ChaCha8Rng) -> Option<DateTime<Utc>> {
        let hibernated = match self.power(at) {
            Power::Off => false,
            Power::Hibernated => true,
            Power::GoingDown { .. } | Power::Booting { .. } | Power::On => return None,
        };
        for span in self.script.spans.iter_mut().filter(|span| span.trouble == Trouble::Down && span.from <= at) {
            span.to = span.to.min(at);
        }
        if self.unforeseen.outages.at(at).is_none() {
            self.unforeseen.outages.push(Outage::abrupt(at));
        }
        let up_at = self.unforeseen.outages.start(at, random)?;
        self.starts(up_at, hibernated);
        Some(up_at)
    }

    /// Its services answer from that instant, and nobody but the lab user is logged on.
    fn starts(&mut self, up_at: DateTime<Utc>, hibernated: bool) {
        self.next_collection = up_at + BOOT;
        if !hibernated {
            self.view.lab_user_since = (self.view.profile == Profile::Server).then(|| local_time(up_at));
        }
    }

    /// The PC falls down as if its plug were drawn.
    pub fn fall(&mut self, at: DateTime<Utc>) {
        self.goes(Outage::abrupt(at));
    }

    /// What was collected is not published any more; files go up once the PC is back.
    fn goes(&mut self, outage: Outage) {
        self.unforeseen.outages.push(outage);
        self.made.retain(|(at, _), _| *at < outage.from);
        self.ready.retain(|waiting| waiting.at() < outage.from);
        if !self.view.operations.is_empty() {
            self.ini_upload = Pending::WithNextBeat;
        }
        if !self.jsonl.is_empty() {
            self.jsonl_upload = Pending::WithNextBeat;
        }
        if !outage.hibernated {
            for (user, _) in self.sitting_names(outage.from) {
                self.leaves(&user, outage.from);
            }
            self.view.lab_user_since = None;
        }
        if let Some(up_at) = outage.until() {
            self.starts(up_at, outage.hibernated);
        }
    }

    /// A command's effect.
    pub fn change(&mut self, change: Change, at: DateTime<Utc>, random: &mut ChaCha8Rng) {
        match change {
            Change::Record(operation) => {
                self.view.operations.record(&operation);
                if self.ini_upload == Pending::Nothing {
                    self.ini_upload = Pending::WithNextBeat;
                }
                if let Operation::ForcedLogoff(logoff) = operation {
                    self.append_line(&logoff);
                    if self.jsonl_upload == Pending::Nothing {
                        self.jsonl_upload = Pending::At(at.max(self.last_publish) + TimeDelta::seconds(3));
                    }
                }
            }
            Change::LogOff(user) => self.leaves(&user, at),
            Change::LabUserLeaves => self.view.lab_user_since = None,
            Change::RepairWake => {
                let faulty = |trouble: &Trouble| matches!(trouble, Trouble::Adapter(_));
                for span in self.script.spans.iter_mut().filter(|span| faulty(&span.trouble) && span.from <= at) {
                    span.to = span.to.min(at);
                }
            }
            Change::GoDown(down) => {
                if matches!(self.power(at), Power::On) {
                    self.goes(Outage::begin(at, down, random));
                }
            }
            // Files are the PC's, not the loop's.
            Change::Write(..) | Change::Remove(_) => {}
        }
    }

    /// Someone sits down at the PC.
    pub fn sit_down(&mut self, user: &str, session_id: i64, at: DateTime<Utc>) {
        self.unforeseen.visitors.push((user.to_owned(), session_id, at));
    }

    fn leaves(&mut self, user: &str, at: DateTime<Utc>) {
        self.unforeseen.visitors.retain(|(visitor, _, _)| visitor != user);
        let victims = vec![(user.to_owned(), 0)];
        self.script.log_off(&Guard { grace: 0.0, message: "", victims, lines_lost: false }, at);
    }

    fn sitting_names(&self, at: DateTime<Utc>) -> Vec<(String, i64)> {
        self.sitting(at).into_iter().map(|one| (one.user, one.session_id)).collect()
    }

    /// Other people than the lab user.
    pub fn sitting(&self, at: DateTime<Utc>) -> Vec<Sitting> {
        let scripted = self.script.spans.iter().filter(|span| span.from <= at && at < span.to);
        let scripted = scripted.filter_map(|span| match &span.trouble {
            Trouble::Session { user, id, .. } => Some((user.clone(), *id, "Active")),
            Trouble::Disconnected { user, id } => Some((user.clone(), *id, "Disc")),
            _ => None,
        });
        let visitors = self.unforeseen.visitors.iter().filter(|(_, _, since)| *since <= at);
        let all = scripted.chain(visitors.map(|(user, id, _)| (user.clone(), *id, "Active")));
        all.map(|(user, session_id, state)| Sitting { user, session_id, state }).collect()
    }

    /// The flag file is there, or it is not.
    pub fn set_local_mode(&mut self, on: bool) {
        self.unforeseen.local_mode = Some(on);
    }

    /// The flag file is there.
    pub fn local_mode(&self, at: DateTime<Utc>) -> bool {
        let is_up = |span: &&crate::script::Span| span.trouble == Trouble::LocalMode && span.from <= at && at < span.to;
        self.unforeseen.local_mode.unwrap_or_else(|| self.script.spans.iter().find(is_up).is_some())
    }

    /// Whose it is.
    pub fn host(&self) -> &HostName {
        &self.station.host
    }

    /// What Lab Station saw last, with the operations up to now.
    pub fn view(&self) -> &StationView {
        &self.view
    }

    /// Station time − true time.
    pub fn clock_offset(&self) -> TimeDelta {
        self.station.clock_offset
    }

    /// `heartbeat.json` as it stands. `None`: none was written since the lab is open to commands.
    pub fn heartbeat(&self) -> Option<&[u8]> {
        self.heartbeat.as_deref()
    }

    /// `session-guard-events.jsonl` as it stands; empty: there is none.
    pub fn jsonl(&self) -> &[u8] {
        &self.jsonl
    }

    /// `status.json`, as the command line would write it.
    pub fn status_by_command(&self, at: DateTime<Utc>) -> Vec<u8> {
        let mut run = self.clone();
        run.look(at, at, false);
        run.status_bytes()
    }

    /// Randomness that the script knows nothing of.
    pub fn own_randomness(&self) -> ChaCha8Rng {
        self.station.command_randomness()
    }
}
