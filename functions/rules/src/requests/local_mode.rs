//! What is wanted of a station's local mode, and the way there: it is ordered, set, said to end soon, ended and taken back.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::HostName;

use super::{RequestId, RequestSettings};
use crate::judge::seconds;
use crate::orchestrator::Known;

/// A station that does not answer is asked again after so long, and after twice that.
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(10);
/// And so on, up to this.
const LONGEST_RETRY: TimeDelta = TimeDelta::minutes(5);

/// What somebody wanted of a station's local mode the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalModeOrder {
    /// Which station.
    pub host: HostName,
    /// On.
    pub enabled: bool,
    /// Who; of a hold that has ended: whose it was.
    pub owner: String,
    /// Why, if they said.
    pub reason: Option<String>,
    /// When it was wanted as it is.
    pub ordered_at: DateTime<Utc>,
    /// The hold that it is; none: it was set or taken back by itself.
    pub request_id: Option<RequestId>,
    /// When it ends by itself; none: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was said that it ends soon.
    pub warned_at: Option<DateTime<Utc>>,
    /// Who ended it, of one that has.
    pub ended_by: Option<String>,
    /// How often the station was told in vain.
    pub attempts: u32,
    /// When the station is told next; none: nobody tells it by themselves.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When the station did as it was told.
    pub applied_at: Option<DateTime<Utc>>,
    /// Why it did not, the last time.
    pub problem: Option<String>,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HoldStage {
    /// The station is not in local mode yet.
    Ordered,
    /// It is.
    Held,
    /// It has ended, and the station does not know yet.
    Releasing,
    /// It is over.
    Released,
}

/// What is to be done about it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldStep {
    /// Its time is up.
    End,
    /// The station is told.
    Tell,
    /// It is said that it ends soon.
    Warn,
}

impl LocalModeOrder {
    /// An order without an end, which whoever gives it carries out.
    pub fn new(host: HostName, enabled: bool, owner: &str, reason: Option<String>, at: DateTime<Utc>) -> Self {
        Self {
            host,
            enabled,
            owner: owner.to_owned(),
            reason,
            ordered_at: at,
            request_id: None,
            expires_at: None,
            warned_at: None,
            ended_by: None,
            attempts: 0,
            next_attempt_at: None,
            applied_at: None,
            problem: None,
        }
    }

    /// Where it stands.
    pub fn stage(&self) -> HoldStage {
        match (self.enabled, self.next_attempt_at) {
            (true, Some(_)) => HoldStage::Ordered,
            (true, None) => HoldStage::Held,
            (false, Some(_)) => HoldStage::Releasing,
            (false, None) => HoldStage::Released,
        }
    }

    /// It stands in the way of reservations although no heartbeat shows it: the station is not told yet, or was told and has not spoken
    /// since.
    pub fn is_unseen(&self, known: &Known<'_>) -> bool {
        let told = self.next_attempt_at.is_none();
        self.enabled && !(told && known.heard_after(self.applied_at.unwrap_or(self.ordered_at)))
    }

    /// The station shows it without having been told.
    pub fn is_shown(&self, known: &Known<'_>) -> bool {
        let shown = known.state.latest.as_ref().and_then(|latest| latest.snapshot.local_mode_enabled);
        shown == Some(self.enabled) && known.heard_after(self.ordered_at)
    }

    /// What is to be done now.
    pub fn due(&self, settings: &RequestSettings, now: DateTime<Utc>) -> Option<HoldStep> {
        let expires = |at: DateTime<Utc>| self.enabled && at <= now;
        if self.expires_at.is_some_and(expires) {
            return Some(HoldStep::End);
        }
        if self.next_attempt_at.is_some_and(|at| at <= now) {
            return Some(HoldStep::Tell);
        }
        self.warn_at(settings).filter(|at| *at <= now).map(|_| HoldStep::Warn)
    }

    /// When something is to be done, unless somebody changes it.
    pub fn look_again_at(&self, settings: &RequestSettings) -> Option<DateTime<Utc>> {
        let expires_at = self.expires_at.filter(|_| self.enabled);
        expires_at.into_iter().chain(self.next_attempt_at).chain(self.warn_at(settings)).min()
    }

    /// A hold that is shorter than the warning needs none.
    fn warn_at(&self, settings: &RequestSettings) -> Option<DateTime<Utc>> {
        let at = self.expires_at? - seconds(settings.hold_warning_seconds);
        (self.enabled && self.warned_at.is_none() && at > self.ordered_at).then_some(at)
    }

    /// The station did as it was told.
    #[must_use]
    pub fn applied(self, at: DateTime<Utc>) -> Self {
        Self { applied_at: Some(at), next_attempt_at: None, attempts: 0, problem: None, ..self }
    }

    /// It did not: it is told again later.
    #[must_use]
    pub fn failed(self, problem: String, now: DateTime<Utc>) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let wait = (FIRST_RETRY * (1 << (attempts - 1).min(10))).min(LONGEST_RETRY);
        Self { attempts, next_attempt_at: Some(now + wait), problem: Some(problem), ..self }
    }

    /// It is over; the station is told.
    #[must_use]
    pub fn ended(self, by: &str, now: DateTime<Utc>) -> Self {
        Self {
            enabled: false,
            ordered_at: now,
            ended_by: Some(by.to_owned()),
            attempts: 0,
            next_attempt_at: Some(now),
            applied_at: None,
            problem: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, instant, station};

    fn hold() -> LocalModeOrder {
        LocalModeOrder {
            expires_at: Some(instant("12:00:00")),
            next_attempt_at: Some(instant("10:00:00")),
            ..LocalModeOrder::new(host(), true, "ana", None, instant("10:00:00"))
        }
    }

    #[test]
    fn a_hold_is_told_warned_of_ended_and_told_again_each_at_its_time() {
        let settings = RequestSettings::default();
        let set = hold().applied(instant("10:00:05"));
        let warned = LocalModeOrder { warned_at: Some(instant("11:50:00")), ..set.clone() };
        let ended = warned.clone().ended("stationkeeper", instant("12:00:00"));
        let short = LocalModeOrder { expires_at: Some(instant("10:09:00")), ..set.clone() };
        let endless = LocalModeOrder { expires_at: None, ..set.clone() };
        for (shows, order, now, due, stage) in [
            ("ordered", &hold(), "10:00:00", Some(HoldStep::Tell), HoldStage::Ordered),
            ("set", &set, "10:00:05", None, HoldStage::Held),
            ("just before the warning", &set, "11:49:59", None, HoldStage::Held),
            ("ten minutes before the end", &set, "11:50:00", Some(HoldStep::Warn), HoldStage::Held),
            ("warned once", &warned, "11:59:59", None, HoldStage::Held),
            ("its time is up", &warned, "12:00:00", Some(HoldStep::End), HoldStage::Held),
            ("nobody looked for hours", &hold(), "18:00:00", Some(HoldStep::End), HoldStage::Ordered),
            ("the station is told", &ended, "12:00:00", Some(HoldStep::Tell), HoldStage::Releasing),
            ("over", &ended.clone().applied(instant("12:00:05")), "12:10:00", None, HoldStage::Released),
            ("shorter than the warning", &short, "10:08:59", None, HoldStage::Held),
            ("without an end", &endless, "18:00:00", None, HoldStage::Held),
        ] {
            assert_eq!((order.due(&settings, instant(now)), order.stage()), (due, stage), "{shows}");
        }
        for (shows, order, next) in [
            ("ordered", &hold(), Some("10:00:00")),
            ("set", &set, Some("11:50:00")),
            ("warned", &warned, Some("12:00:00")),
            ("ended", &ended, Some("12:00:00")),
            ("without an end", &endless, None),
        ] {
            assert_eq!(order.look_again_at(&settings), next.map(instant), "{shows}");
        }
    }

    #[test]
    fn a_station_that_does_not_answer_is_told_again_ever_more_seldom_and_never_given_up() {
        let mut order = hold();
        let mut waits = Vec::new();
        for _ in 0..40 {
            order = order.failed("it is away".to_owned(), instant("10:00:00"));
            waits.push((order.next_attempt_at.expect("again") - instant("10:00:00")).num_seconds());
        }
        assert_eq!(waits[..6], [10, 20, 40, 80, 160, 300]);
        assert_eq!((waits[39], order.attempts, order.stage()), (300, 40, HoldStage::Ordered));
        let set = order.applied(instant("10:30:00"));
        assert_eq!((set.attempts, set.problem.as_deref(), set.stage()), (0, None, HoldStage::Held));
    }

    #[test]
    fn what_was_ordered_stands_in_the_way_until_a_heartbeat_from_after_it_was_set() {
        let told = hold().applied(instant("10:00:40"));
        let plain = LocalModeOrder::new(host(), true, "ana", None, instant("10:00:00"));
        for (shows, order, beat, unseen) in [
            ("ordered, and heard since", &hold(), "10:00:30", true),
            ("set, and not heard since", &told, "10:00:30", true),
            ("set, and heard since", &told, "10:00:41", false),
            ("by itself, and heard since", &plain, "10:00:30", false),
            ("over", &told.clone().ended("ana", instant("10:10:00")), "10:00:30", false),
        ] {
            let state = station(beat, |_| {});
            assert_eq!(order.is_unseen(&Known { state: &state, held: false }), unseen, "{shows}");
        }
    }

    #[test]
    fn a_station_that_shows_it_already_need_not_be_told() {
        let ended = hold().ended("ana", instant("10:10:00"));
        for (order, beat, mode, shown) in [
            (&ended, "10:10:30", Some(false), true),
            (&ended, "10:10:30", Some(true), false),
            (&ended, "10:10:30", None, false),
            (&ended, "10:09:30", Some(false), false),
            (&hold(), "10:00:30", Some(true), true),
        ] {
            let state = station(beat, |said| said.local_mode_enabled = mode);
            let known = Known { state: &state, held: false };
            assert_eq!(order.is_shown(&known), shown, "{} {beat} {mode:?}", order.enabled);
        }
    }
}
