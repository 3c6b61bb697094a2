//! When the orchestrator acts, how long it waits, and what it does to a station after a reservation.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::PowerMode;
use crate::judge::seconds;
use crate::{Doing, Running};

/// Times of the orchestrator, in seconds unless said otherwise. Every key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// A reservation is woken and prepared this long before its start. Default 120.
    pub start_lead_seconds: u32,
    /// A station is released this long after the end. Default 60.
    pub end_delay_seconds: u32,
    /// What ended longer ago than this is left alone. Default 21600 (6 h).
    pub lookback_seconds: u32,
    /// Least wait after a failed run. Default 60.
    pub cooldown_seconds: u32,
    /// Warning that a local user gets before a prepare logs them off. Default 90, at least 30.
    pub guard_grace_seconds: u32,
    /// Wait after the first failed run; it doubles with each further one. Default 60.
    pub backoff_base_seconds: u32,
    /// Longest wait between two runs. Default 900.
    pub backoff_max_seconds: u32,
    /// Runs for one side of a reservation, then it is given up. Default 5, at least 1.
    pub attempts: u32,
    /// A station heard within this time counts as up. Default 180.
    pub fresh_seconds: u32,
    /// A station that was woken has this long to send a heartbeat. Default 180.
    pub ready_within_seconds: u32,
    /// A command whose reply was lost has this long, after its time is up, to show in a heartbeat. Default 300.
    pub settle_within_seconds: u32,
}

/// A station that warns its user for less than this refuses.
const LEAST_GRACE: u32 = 30;
/// What a command may take beyond its grace.
const COMMAND_SLACK: TimeDelta = TimeDelta::seconds(60);

impl Default for Timing {
    fn default() -> Self {
        Self {
            start_lead_seconds: 120,
            end_delay_seconds: 60,
            lookback_seconds: 6 * 3_600,
            cooldown_seconds: 60,
            guard_grace_seconds: 90,
            backoff_base_seconds: 60,
            backoff_max_seconds: 900,
            attempts: 5,
            fresh_seconds: 180,
            ready_within_seconds: 180,
            settle_within_seconds: 300,
        }
    }
}

impl Timing {
    /// How long before the start it begins.
    pub fn lead(&self) -> TimeDelta {
        seconds(self.start_lead_seconds)
    }

    /// How long after the end it begins.
    pub fn delay(&self) -> TimeDelta {
        seconds(self.end_delay_seconds)
    }

    /// The warning that is sent with a prepare.
    pub fn guard_grace(&self) -> u32 {
        self.guard_grace_seconds.max(LEAST_GRACE)
    }

    /// How long a command with this grace may run.
    pub fn budget(&self, grace_seconds: u32) -> TimeDelta {
        seconds(grace_seconds) + COMMAND_SLACK
    }

    /// What goes on of what ran once it has ended: a station that was woken and answers is on its way until it is heard.
    pub fn running_after(
        &self,
        running: Option<Running>,
        success: Option<bool>,
        now: DateTime<Utc>,
    ) -> Option<Running> {
        let running = running.filter(|running| running.doing == Doing::Wake && success == Some(true))?;
        Some(Running { until: now + seconds(self.ready_within_seconds), ..running })
    }

    /// The wait after the failed run number `failed` (from 1); none: it is given up.
    pub fn wait_after(&self, failed: u32) -> Option<TimeDelta> {
        if failed >= self.attempts.max(1) {
            return None;
        }
        let doubled = u64::from(self.backoff_base_seconds) << failed.saturating_sub(1).min(31);
        let wait = doubled.min(u64::from(self.backoff_max_seconds)).max(u64::from(self.cooldown_seconds));
        Some(TimeDelta::seconds(i64::try_from(wait).unwrap_or(i64::from(u32::MAX))))
    }
}

/// What is done to a station after a reservation, beside the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AfterEnd {
    /// Whether it reboots. A power action replaces the reboot. Default true.
    pub reboot: bool,
    /// Seconds until it reboots: time enough for the reply. Default 15, which is also the least.
    pub reboot_timeout_seconds: u32,
    /// `shutdown` or `hibernate`; left out: it stays on.
    pub power: Option<PowerMode>,
}

/// A reboot that comes at once takes the reply with it.
const LEAST_REBOOT_TIMEOUT: u32 = 15;

impl Default for AfterEnd {
    fn default() -> Self {
        Self { reboot: true, reboot_timeout_seconds: LEAST_REBOOT_TIMEOUT, power: None }
    }
}

impl AfterEnd {
    /// Nothing but the release.
    pub const RELEASE_ONLY: Self = Self { reboot: false, reboot_timeout_seconds: LEAST_REBOOT_TIMEOUT, power: None };

    /// The timeout of the release's reboot; none: it does not reboot. Windows refuses a shutdown while a reboot is pending.
    pub fn reboot_timeout(&self) -> Option<u32> {
        (self.reboot && self.power.is_none()).then(|| reboot_timeout(self.reboot_timeout_seconds))
    }
}

/// The timeout that is sent for one that was wished.
pub(super) fn reboot_timeout(wished: u32) -> u32 {
    wished.max(LEAST_REBOOT_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_may_be_left_out_and_an_unknown_one_is_refused() {
        assert_eq!(serde_json::from_str::<Timing>("{}").expect("defaults"), Timing::default());
        assert_eq!(serde_json::from_str::<AfterEnd>("{}").expect("defaults"), AfterEnd::default());
        let some: Timing = serde_json::from_str(r#"{"start_lead_seconds":300}"#).expect("one key");
        assert_eq!(some, Timing { start_lead_seconds: 300, ..Timing::default() });
        assert!(serde_json::from_str::<Timing>(r#"{"lead":300}"#).is_err());
        assert!(serde_json::from_str::<AfterEnd>(r#"{"power":"reboot"}"#).is_err());
    }

    #[test]
    fn point_3_waits_double_up_to_a_limit_and_come_to_an_end() {
        let waits = |timing: &Timing| (1..=8).map(|failed| timing.wait_after(failed)).collect::<Vec<_>>();
        let seconds = |number| Some(TimeDelta::seconds(number));
        assert_eq!(
            waits(&Timing::default()),
            [seconds(60), seconds(120), seconds(240), seconds(480), None, None, None, None]
        );
        let slow = Timing { attempts: 7, cooldown_seconds: 90, backoff_max_seconds: 300, ..Timing::default() };
        assert_eq!(
            waits(&slow),
            [seconds(90), seconds(120), seconds(240), seconds(300), seconds(300), seconds(300), None, None]
        );
        let endless = Timing { attempts: u32::MAX, backoff_base_seconds: u32::MAX, ..Timing::default() };
        assert_eq!(endless.wait_after(u32::MAX - 1), seconds(900));
        assert_eq!(Timing { attempts: 0, ..Timing::default() }.wait_after(1), None);
    }

    #[test]
    fn point_7_a_power_action_replaces_the_reboot_and_a_reboot_leaves_time_for_the_reply() {
        let wish =
            |reboot, timeout, power| AfterEnd { reboot, reboot_timeout_seconds: timeout, power }.reboot_timeout();
        for (shows, got, expected) in [
            ("reboot alone", wish(true, 30, None), Some(30)),
            ("too soon", wish(true, 0, None), Some(15)),
            ("no reboot", wish(false, 30, None), None),
            ("shutdown instead", wish(true, 30, Some(PowerMode::Shutdown)), None),
            ("hibernate instead", wish(true, 30, Some(PowerMode::Hibernate)), None),
        ] {
            assert_eq!(got, expected, "{shows}");
        }
        assert_eq!(AfterEnd::RELEASE_ONLY.reboot_timeout(), None);
    }

    #[test]
    fn a_command_may_take_its_grace_and_a_minute() {
        let timing = Timing { guard_grace_seconds: 5, ..Timing::default() };
        assert_eq!(timing.guard_grace(), 30);
        assert_eq!(timing.budget(90), TimeDelta::seconds(150));
    }
}
