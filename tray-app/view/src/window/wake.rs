//! Waking a station, step by step, until its fresh heartbeat.

use chrono::TimeDelta;
use serde::Serialize;
use stationkeeper_api::{ActionState, ActionView, Instant, StationView, StationWord};

use crate::words::say;
use crate::{Command, Mode, Scene, span_text};

/// A station is ready within this, as the gateway's settings are unless somebody changed them.
const READY_WITHIN: TimeDelta = TimeDelta::seconds(180);

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It was done.
    Done,
    /// It is being done.
    Running,
    /// It is still to come.
    ToCome,
    /// It was not done, and will not be.
    Failed,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What.
    pub text: String,
    /// Where it stands.
    pub state: StepState,
    /// When it was done, in the laboratory's time.
    pub at: Option<String>,
}

/// A wake that runs, or that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WakeSteps {
    /// In their order. The older service tells of none.
    pub steps: Vec<Step>,
    /// `26 s`: since it was ordered.
    pub elapsed: String,
    /// It is not over.
    pub runs: bool,
    /// How much of the time that it may take is over: 0 to 1000.
    pub permille: u32,
    /// Ends it.
    pub stop: Option<Command>,
    /// How it ended, where it did not end well.
    pub problem: Option<String>,
}

/// The part of the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wake {
    /// It can be woken, or not now, and why.
    Offer {
        /// Wakes it.
        command: Command,
        /// Why it cannot be done now.
        off: Option<String>,
        /// How the last one went, where it went wrong.
        last: Option<WakeSteps>,
    },
    /// It is being woken, or just was.
    Steps(WakeSteps),
}

/// The wake of a station that is under way.
pub(crate) fn running_wake<'a>(scene: &Scene<'a>, station: &StationView) -> Option<&'a ActionView> {
    let wake = scene.world.wake_of(&station.host)?;
    let runs = matches!(wake.state, ActionState::Pending | ActionState::Claimed | ActionState::Unknown);
    (runs && scene.now < wake.expires_at.0).then_some(wake)
}

/// Wakes the station, where it may be asleep.
pub(crate) fn wake_command(scene: &Scene<'_>, station: &StationView) -> Option<Command> {
    let asleep =
        matches!(station.state, StationWord::Unknown | StationWord::Off | StationWord::Down | StationWord::Late);
    // Until the older service has read a station, whether it sleeps is not known.
    (asleep && scene.world.may_act(station)).then(|| Command::Wake(station.host.clone()))
}

impl Wake {
    /// Of a station; none: nothing is to be said of it.
    pub fn of(scene: &Scene<'_>, station: &StationView) -> Option<Self> {
        if let Some(wake) = running_wake(scene, station) {
            return Some(Self::Steps(steps(scene, station, wake)));
        }
        let last = scene.world.wake_of(&station.host);
        if let Some(command) = wake_command(scene, station) {
            let failed = last.filter(|wake| {
                matches!(wake.state, ActionState::Failed | ActionState::Expired)
                    && wake.ordered_at >= station.state_since
            });
            let off = scene.is_offline().then(|| say(scene.language, "off_offline", &[]));
            return Some(Self::Offer { command, off, last: failed.map(|wake| steps(scene, station, wake)) });
        }
        // What it was woken for is seen once more: that it is ready.
        let just = last.filter(|wake| {
            wake.state == ActionState::Done
                && wake.settled_at.is_some_and(|at| scene.now - at.0 < TimeDelta::minutes(2))
        });
        just.map(|wake| Self::Steps(steps(scene, station, wake)))
    }
}

fn steps(scene: &Scene<'_>, station: &StationView, wake: &ActionView) -> WakeSteps {
    let (language, lab) = (scene.language, station.lab.as_deref());
    let over =
        matches!(wake.state, ActionState::Done | ActionState::Failed | ActionState::Expired | ActionState::Withdrawn);
    // By arrival: the station's own clock may be wrong.
    let fresh = station.arrived_at.filter(|arrived| wake.issued_at.is_some_and(|issued| *arrived > issued));
    let ready = fresh.filter(|_| station.ready == Some(true));
    let reached = [
        ("step_ordered", Some(wake.ordered_at)),
        ("step_sent", wake.issued_at),
        ("step_heartbeat", fresh),
        ("step_ready", ready),
    ];
    let mut waits = true;
    let step = |(key, at): (&str, Option<Instant>)| {
        let state = match (at, waits) {
            (Some(_), _) => StepState::Done,
            (None, true) if over && wake.state != ActionState::Done => StepState::Failed,
            (None, true) => StepState::Running,
            (None, false) => StepState::ToCome,
        };
        waits &= at.is_some();
        Step { text: say(language, key, &[]), state, at: at.map(|at| scene.zones.second(lab, at.0)) }
    };
    let steps = match scene.world.mode {
        Mode::Full => reached.into_iter().map(step).collect(),
        Mode::Limited => Vec::new(),
    };
    let end = wake.settled_at.map_or(scene.now, |at| at.0);
    let elapsed = (end - wake.ordered_at.0).max(TimeDelta::zero());
    let whole = READY_WITHIN.num_milliseconds();
    let permille = (elapsed.num_milliseconds().saturating_mul(1000) / whole).clamp(0, 1000);
    let stops = matches!(wake.state, ActionState::Pending | ActionState::Claimed)
        && scene.world.mode == Mode::Full
        && scene.world.may_act(station)
        && !scene.is_offline();
    let problem = (over && wake.state != ActionState::Done)
        .then(|| wake.message.clone().unwrap_or_else(|| say(language, "wake_without_end", &[])));
    WakeSteps {
        steps,
        elapsed: span_text(elapsed),
        runs: !over,
        permille: u32::try_from(permille).unwrap_or(1000),
        stop: stops.then(|| Command::StopWake(station.host.clone())),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Role;
    use crate::testing::{Stage, at, station, wake};

    /// `done running to-come to-come`, and what can be stopped.
    fn seen(wake: Option<Wake>) -> String {
        let steps = |steps: &WakeSteps| {
            let words: Vec<_> = steps
                .steps
                .iter()
                .map(|step| match step.state {
                    StepState::Done => "done",
                    StepState::Running => "running",
                    StepState::ToCome => "to-come",
                    StepState::Failed => "failed",
                })
                .collect();
            let stop = if steps.stop.is_some() { ", stop" } else { "" };
            let problem = steps.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
            format!("{} after {}{stop}{problem}", words.join(" "), steps.elapsed)
        };
        match wake {
            None => "nothing".to_owned(),
            Some(Wake::Steps(wake)) => steps(&wake),
            Some(Wake::Offer { off, last, .. }) => {
                let off = off.map(|off| format!(", {off}")).unwrap_or_default();
                format!("offer{off}{}", last.map(|last| format!(", last {}", steps(&last))).unwrap_or_default())
            }
        }
    }

    #[test]
    fn a_wake_is_followed_until_the_fresh_heartbeat() {
        let issued = || json!({ "issued_at": "2026-11-24T10:41:52Z" });
        let settled = |message: Option<&str>| json!({ "issued_at": "2026-11-24T10:41:52Z", "settled_at": "2026-11-24T10:42:20Z", "message": message });
        for (state, arrived, ready, action, shows) in [
            ("down", None, false, None, "offer"),
            ("ready", None, true, None, "nothing"),
            ("down", None, false, Some(("pending", json!({}))), "done running to-come to-come after 40 s, stop"),
            ("waking", None, false, Some(("claimed", issued())), "done done running to-come after 40 s, stop"),
            ("waking", None, false, Some(("unknown", issued())), "done done running to-come after 40 s"),
            // What it said before it was woken is no sign of life.
            (
                "waking",
                Some("10:41:52"),
                true,
                Some(("claimed", issued())),
                "done done running to-come after 40 s, stop",
            ),
            (
                "attention",
                Some("10:42:20"),
                false,
                Some(("claimed", issued())),
                "done done done running after 40 s, stop",
            ),
            ("ready", Some("10:42:20"), true, Some(("done", settled(None))), "done done done done after 30 s"),
            (
                "down",
                None,
                false,
                Some(("failed", settled(Some("no answer")))),
                "offer, last done done failed to-come after 30 s: no answer",
            ),
            ("down", None, false, Some(("withdrawn", settled(None))), "offer"),
        ] {
            let mut one = station("LAB-WS02", "Redes", state);
            one.arrived_at = arrived.map(|time| at(time).into());
            one.ready = Some(ready);
            let mut stage = Stage::of("10:42:30", vec![one]);
            stage.world.actions =
                action.iter().map(|(state, more)| wake("a", "LAB-WS02", state, "10:41:50", more.clone())).collect();
            assert_eq!(seen(Wake::of(&stage.scene(), &stage.world.stations[0])), shows, "{state} {action:?}");
        }
    }

    #[test]
    fn offline_it_cannot_be_asked_for_and_a_viewer_is_offered_none() {
        let mut stage = Stage::of("10:42:30", vec![station("LAB-WS02", "Redes", "down")]);
        stage.away("10:38:00");
        assert_eq!(seen(Wake::of(&stage.scene(), &stage.world.stations[0])), "offer, needs the gateway");
        stage.role(Role::Viewer);
        assert_eq!(seen(Wake::of(&stage.scene(), &stage.world.stations[0])), "nothing");
    }

    #[test]
    fn a_failure_of_long_ago_and_a_wake_that_ended_long_ago_are_not_shown() {
        let mut stage = Stage::of("12:00:00", vec![station("LAB-WS02", "Redes", "ready")]);
        stage.world.actions =
            vec![wake("a", "LAB-WS02", "done", "10:41:50", json!({ "settled_at": "2026-11-24T10:42:20Z" }))];
        assert_eq!(seen(Wake::of(&stage.scene(), &stage.world.stations[0])), "nothing");
        stage.is("LAB-WS02", "down");
        stage.world.stations[0].state_since = at("11:00:00").into();
        stage.world.actions = vec![wake("a", "LAB-WS02", "failed", "10:41:50", json!({}))];
        assert_eq!(seen(Wake::of(&stage.scene(), &stage.world.stations[0])), "offer");
    }

    #[test]
    fn the_older_service_tells_how_long_but_no_steps() {
        let mut stage = Stage::of("10:42:30", vec![station("LAB-WS02", "Redes", "down")]);
        stage.world.mode = Mode::Limited;
        stage.world.person = None;
        stage.world.actions = vec![wake("a", "LAB-WS02", "claimed", "10:41:50", json!({}))];
        assert_eq!(seen(Wake::of(&stage.scene(), &stage.world.stations[0])), " after 40 s");
    }
}
