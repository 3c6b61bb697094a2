//! What the heartbeats of a station say to somebody who is about to do something to it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::{SafeguardReboot, SessionOperation};

use super::{OperationStatus, Timing, Work};
use crate::judge::{newest, seconds};
use crate::{Off, StationState, off};

/// How exactly an instant of the station's clock can be said in ours, once the skew is taken off.
pub(super) const INEXACT: TimeDelta = TimeDelta::seconds(5);

/// A station as it is known now.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// From its heartbeats.
    pub state: &'a StationState,
    /// Local mode was ordered; a heartbeat may not show it yet.
    pub held: bool,
}

/// Why a station is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Block {
    /// Local mode is on, or ordered.
    LocalMode,
    /// Somebody is logged on.
    LocalSession {
        /// Names as the station wrote them.
        users: Vec<String>,
    },
}

impl Block {
    /// The status of a run that does not begin for this reason.
    pub const fn status(&self) -> OperationStatus {
        match self {
            Self::LocalMode => OperationStatus::BlockedLocalMode,
            Self::LocalSession { .. } => OperationStatus::BlockedLocalSession,
        }
    }

    /// In a sentence.
    pub const fn message(&self) -> &'static str {
        match self {
            Self::LocalMode => "The station is held in local mode",
            Self::LocalSession { .. } => "Somebody is logged on at the station",
        }
    }
}

/// What the station's own record says of a command that was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// It ended, and well or not.
    Ended {
        /// As the station says.
        success: bool,
        /// By our clock.
        at: DateTime<Utc>,
    },
    /// Its time is up, the station is heard, and says nothing of it.
    Absent,
    /// Not heard since.
    Silent,
}

impl Known<'_> {
    /// Station time as ours.
    pub(super) fn ours(&self, station_time: DateTime<Utc>) -> DateTime<Utc> {
        station_time.checked_sub_signed(self.state.skew.unwrap_or_default()).unwrap_or(station_time)
    }

    /// Whether it ever sent a heartbeat.
    pub fn ever_heard(&self) -> bool {
        self.state.latest.is_some()
    }

    /// Whether a heartbeat was made *and* arrived after `at`: one that waited in a spool says nothing of now.
    pub fn heard_after(&self, at: DateTime<Utc>) -> bool {
        let made_after = |timestamp| self.ours(timestamp) > at;
        let latest = self.state.latest.as_ref();
        latest.is_some_and(|latest| latest.first_arrived_at > at && made_after(latest.snapshot.timestamp_utc))
            // A clock that was set back makes heartbeats that are no advance.
            || self.state.heard.as_ref().is_some_and(|heard| {
                heard.alive_at.is_some_and(|alive_at| alive_at > at) && made_after(heard.timestamp)
            })
    }

    /// Whether it is up, as far as heartbeats can say: heard lately, and after `since`, and not on its way down.
    pub fn up(&self, since: Option<DateTime<Utc>>, now: DateTime<Utc>, timing: &Timing) -> bool {
        self.heard_after(now - seconds(timing.fresh_seconds) - TimeDelta::microseconds(1))
            && since.is_none_or(|since| self.heard_after(since))
            && off(self.state).is_none()
    }

    /// Whether it is off on purpose.
    pub fn off(&self, now: DateTime<Utc>) -> Option<Off> {
        off(self.state).filter(|off| off.from <= now)
    }

    /// Why it is left alone, if it is. A session that was seen before it fell silent is none any more.
    pub fn block(&self, now: DateTime<Utc>, timing: &Timing) -> Option<Block> {
        let said = self.state.latest.as_ref().map(|latest| &latest.snapshot);
        if self.held || said.is_some_and(|said| said.local_mode_enabled == Some(true)) {
            return Some(Block::LocalMode);
        }
        said.filter(|said| said.local_session_active == Some(true) && self.up(None, now, timing))
            .map(|said| Block::LocalSession { users: said.details.local_users.clone() })
    }

    /// When it last said that a prepare went well, by our clock.
    pub(super) fn prepared_at(&self) -> Option<DateTime<Utc>> {
        self.state
            .last_prepare()
            .filter(|prepare| prepare.success == Some(true))
            .and_then(|prepare| prepare.timestamp)
            .map(|at| self.ours(at))
    }

    /// When it last said that it was released, well or not, by our clock.
    pub(super) fn released_at(&self) -> Option<DateTime<Utc>> {
        self.last_release().and_then(|release| release.timestamp).map(|at| self.ours(at))
    }

    /// What became of a command that was issued at `started_at`.
    pub(super) fn record(&self, work: &Work, started_at: DateTime<Utc>, timing: &Timing) -> Record {
        let session = |said: Option<SessionOperation>| said.and_then(|said| Some((said.timestamp?, said.success)));
        let said = match work {
            Work::Wake(_) => None,
            Work::Prepare { .. } => session(self.state.last_prepare()),
            Work::Release { .. } => session(self.last_release()),
            Work::Power { mode, .. } => self
                .state
                .told_power_action()
                .filter(|said| said.mode.as_deref().is_some_and(|said| said.eq_ignore_ascii_case(mode.as_str())))
                .and_then(|said| Some((said.timestamp?, said.success))),
        };
        let said = said.map(|(at, success)| (self.ours(at), success)).filter(|(at, _)| *at >= started_at - INEXACT);
        if let Some((at, success)) = said {
            return Record::Ended { success: success == Some(true), at };
        }
        // Without a known skew nobody can say that a heartbeat is later than the command.
        let time_is_up = started_at + work.budget(timing) + INEXACT;
        match self.state.skew.is_some() && self.heard_after(time_is_up) {
            true => Record::Absent,
            false => Record::Silent,
        }
    }

    pub(super) fn last_safeguard_reboot(&self) -> Option<SafeguardReboot> {
        let heartbeat = self.state.latest.as_ref().and_then(|latest| latest.snapshot.last_safeguard_reboot.as_ref());
        let ini = self.state.service_state.as_ref().and_then(|(ini, _)| ini.last_safeguard_reboot.as_ref());
        newest(heartbeat, ini, |reboot| reboot.timestamp)
    }

    fn last_release(&self) -> Option<SessionOperation> {
        let heartbeat = self.state.latest.as_ref().and_then(|latest| latest.snapshot.last_release.as_ref());
        let ini = self.state.service_state.as_ref().and_then(|(ini, _)| ini.last_release.as_ref());
        newest(heartbeat, ini, |operation| operation.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::PowerAction;

    use super::*;
    use crate::orchestrator::PowerMode;
    use crate::testing::{instant, station};

    fn known(state: &StationState) -> Known<'_> {
        Known { state, held: false }
    }

    fn session(at: &str, success: bool) -> Option<SessionOperation> {
        Some(SessionOperation { timestamp: Some(instant(at)), success: Some(success), duration_ms: None, user: None })
    }

    fn power(at: &str, mode: &str) -> Option<PowerAction> {
        Some(PowerAction {
            timestamp: Some(instant(at)),
            mode: Some(mode.to_owned()),
            forced: None,
            wake_ready: None,
            success: Some(true),
            delay: None,
            reason: None,
            wake_issues: None,
        })
    }

    #[test]
    fn a_heartbeat_is_newer_only_if_it_was_made_and_arrived_later() {
        let mut state = station("10:00:00", |_| {});
        for (shows, arrived, skew, newer) in [
            ("both later", "10:00:00", 0, true),
            ("the same instant is not later", "09:59:00", 0, false),
            ("the station's clock is two minutes ahead", "10:00:00", 120, false),
            ("behind, so that it was made later than it says", "10:02:00", -120, true),
        ] {
            let latest = state.latest.as_mut().expect("a heartbeat");
            latest.first_arrived_at = instant(arrived);
            state.skew = Some(TimeDelta::seconds(skew));
            assert_eq!(known(&state).heard_after(instant("09:59:00")), newer, "{shows}");
        }
        let spooled = {
            let mut state = station("09:50:00", |_| {});
            state.latest.as_mut().expect("a heartbeat").first_arrived_at = instant("10:01:00");
            state
        };
        assert!(!known(&spooled).heard_after(instant("10:00:00")), "it waited in a spool");
    }

    #[test]
    fn a_station_is_up_when_it_was_heard_lately_and_was_not_told_to_go_down() {
        let timing = Timing::default();
        let state = station("10:00:00", |_| {});
        for (now, since, up) in [
            ("10:00:00", None, true),
            ("10:03:00", None, true),
            ("10:03:01", None, false),
            ("10:01:00", Some("09:59:59"), true),
            ("10:01:00", Some("10:00:00"), false),
        ] {
            assert_eq!(known(&state).up(since.map(instant), instant(now), &timing), up, "{now} {since:?}");
        }
        let going = station("10:00:00", |said| said.last_power_action = power("09:59:30", "shutdown"));
        assert!(!known(&going).up(None, instant("10:00:10"), &timing));
        assert!(known(&going).off(instant("10:00:10")).is_none(), "not off yet");
        assert!(known(&going).off(instant("10:00:30")).is_some());
        let back = station("10:05:00", |said| said.last_power_action = power("09:59:30", "shutdown"));
        assert!(known(&back).up(None, instant("10:05:10"), &timing));
    }

    #[test]
    fn point_5_local_mode_blocks_and_so_does_whoever_is_logged_on() {
        let timing = Timing::default();
        let with = |mode, session| {
            station("10:00:00", move |said| {
                said.local_mode_enabled = mode;
                said.local_session_active = session;
            })
        };
        let users = Vec::new;
        for (shows, mode, session, held, now, expected) in [
            ("neither", Some(false), Some(false), false, "10:00:10", None),
            ("unknown is not known to block", None, None, false, "10:00:10", None),
            ("local mode", Some(true), Some(false), false, "10:00:10", Some(Block::LocalMode)),
            ("ordered, not shown yet", Some(false), Some(false), true, "10:00:10", Some(Block::LocalMode)),
            ("a session", Some(false), Some(true), false, "10:03:00", Some(Block::LocalSession { users: users() })),
            ("a session of one that fell silent", Some(false), Some(true), false, "10:03:01", None),
            ("local mode outlasts silence", Some(true), Some(false), false, "12:00:00", Some(Block::LocalMode)),
        ] {
            let state = with(mode, session);
            assert_eq!(Known { state: &state, held }.block(instant(now), &timing), expected, "{shows}");
        }
    }

    #[test]
    fn the_stations_own_record_tells_what_became_of_a_command() {
        let timing = Timing::default();
        let prepare = Work::Prepare { guard_grace_seconds: 90, arguments: Vec::new() };
        let release = Work::Release { reboot_timeout_seconds: None, arguments: Vec::new() };
        let shutdown = Work::Power { mode: PowerMode::Shutdown, arguments: Vec::new() };
        let ended = |success, at| Record::Ended { success, at: instant(at) };
        for (shows, work, beat, skew, says, expected) in [
            ("nothing yet", &prepare, "10:01:00", Some(0), None, Record::Silent),
            ("ended", &prepare, "10:02:00", Some(0), Some("10:01:40"), ended(true, "10:01:40")),
            ("an older one", &prepare, "10:02:00", Some(0), Some("09:59:00"), Record::Silent),
            ("still not there after its time", &prepare, "10:02:36", Some(0), Some("09:59:00"), Record::Absent),
            ("its time is not up", &prepare, "10:02:35", Some(0), Some("09:59:00"), Record::Silent),
            ("by an unknown clock nothing is absent", &prepare, "10:30:00", None, None, Record::Silent),
            ("a clock ten minutes ahead", &prepare, "10:12:00", Some(600), Some("10:11:40"), ended(true, "10:01:40")),
            ("old by a clock ahead", &prepare, "10:12:00", Some(600), Some("10:09:00"), Record::Silent),
            ("another command's record", &release, "10:01:30", Some(0), Some("10:01:00"), Record::Absent),
            ("hibernate is not shutdown", &shutdown, "10:00:50", Some(0), None, Record::Silent),
        ] {
            let mut state = station(beat, |said| said.last_prepare = says.and_then(|at| session(at, true)));
            state.skew = skew.map(TimeDelta::seconds);
            state.latest.as_mut().expect("a heartbeat").first_arrived_at =
                instant(beat) - TimeDelta::seconds(skew.unwrap_or(0));
            assert_eq!(known(&state).record(work, instant("10:00:00"), &timing), expected, "{shows}");
        }
        let state = station("10:01:00", |said| said.last_release = session("10:00:20", false));
        assert_eq!(known(&state).record(&release, instant("10:00:00"), &timing), ended(false, "10:00:20"));
        let state = station("10:00:10", |said| said.last_power_action = power("10:00:05", "Shutdown"));
        assert_eq!(known(&state).record(&shutdown, instant("10:00:00"), &timing), ended(true, "10:00:05"));
        let state = station("10:00:10", |said| said.last_power_action = power("10:00:05", "hibernate"));
        assert_eq!(known(&state).record(&shutdown, instant("10:00:00"), &timing), Record::Silent);
    }
}
