//! Holding a station in local mode.

use chrono::TimeDelta;
use serde::Serialize;
use stationkeeper_api::{HoldStage, ReservationRecordView, StationView};

use crate::command::HoldLength;
use crate::menu::length_text;
use crate::words::say;
use crate::world::NEEDED_BEFORE;
use crate::{Command, Mode, Role, Scene};

/// A reservation that a hold would stand in the way of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// Its id.
    pub reservation_id: String,
    /// What it would mean, with the reservation's name and start.
    pub text: String,
}

/// Something that can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldChoice {
    /// Does it, or asks first.
    pub command: Command,
    /// What stands on it.
    pub text: String,
    /// What it would stand in the way of, the first first: where there is any, the person is asked, and says why.
    pub blocks: Vec<Blocked>,
}

/// The part of the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Who holds it until when, and whether it does so already.
    pub held: Option<String>,
    /// What can be done.
    pub choices: Vec<HoldChoice>,
    /// Why it cannot be done now.
    pub off: Option<String>,
}

impl Hold {
    /// Of a station; none: it is not held, and the person may not hold it.
    pub fn of(scene: &Scene<'_>, station: &StationView) -> Option<Self> {
        let language = scene.language;
        let lab = station.lab.as_deref();
        let held = station.hold.as_ref().filter(|hold| hold.state != HoldStage::Released).map(|hold| {
            if scene.world.mode == Mode::Limited {
                return say(language, "hold_asked", &[]);
            }
            let key = match (hold.state, hold.expires_at.is_some()) {
                (HoldStage::Releasing | HoldStage::Released, _) => "hold_releasing",
                (HoldStage::Ordered, true) => "hold_ordered_until",
                (HoldStage::Ordered, false) => "hold_ordered",
                (HoldStage::Held, true) => "held_until",
                (HoldStage::Held, false) => "held_by",
            };
            let time = hold.expires_at.map(|at| scene.zones.moment(lab, at.0, scene.now)).unwrap_or_default();
            let said = say(language, key, &[("owner", &hold.owner), ("time", &time)]);
            match &hold.problem {
                Some(problem) => say(language, "hold_problem", &[("hold", &said), ("problem", problem)]),
                None => said,
            }
        });
        let held = held.or_else(|| {
            (scene.world.mode == Mode::Limited && station.local_mode_enabled == Some(true))
                .then(|| say(language, "held_unsaid", &[]))
        });
        let choices = if scene.world.may_act(station) { hold_choices(scene, station) } else { Vec::new() };
        if held.is_none() && choices.is_empty() {
            return None;
        }
        let off = scene.is_offline().then(|| say(language, "off_offline", &[]));
        Some(Self { held, choices, off })
    }
}

/// What somebody who may act can do about the local mode of a station.
pub(crate) fn hold_choices(scene: &Scene<'_>, station: &StationView) -> Vec<HoldChoice> {
    let language = scene.language;
    let host = || station.host.clone();
    let plain = |command: Command, key: &str| HoldChoice { command, text: say(language, key, &[]), blocks: Vec::new() };
    if scene.world.mode == Mode::Limited {
        let enabled = station.local_mode_enabled == Some(true);
        let key = if enabled { "local_mode_off" } else { "local_mode_on" };
        return vec![plain(Command::LocalMode(host(), !enabled), key)];
    }
    if let Some(hold) = station.hold.as_ref().filter(|hold| hold.enabled && hold.state != HoldStage::Released) {
        let person = scene.world.person.as_ref();
        let ends = person.is_some_and(|person| person.name == hold.owner || person.role >= Role::Operator);
        return if ends { vec![plain(Command::EndHold(host()), "end_hold")] } else { Vec::new() };
    }
    HoldLength::ALL.into_iter().map(|length| choice(scene, station, length)).collect()
}

/// The gateway has the last word; what it would refuse without asking is asked here before.
fn choice(scene: &Scene<'_>, station: &StationView, length: HoldLength) -> HoldChoice {
    let (language, lab) = (scene.language, station.lab.as_deref());
    let ends = length.minutes().map_or(scene.now, |minutes| scene.now + TimeDelta::minutes(minutes.into()));
    let blocked = |one: &&ReservationRecordView| one.start_at.0 - NEEDED_BEFORE < ends;
    let text = length_text(scene, length);
    let mut blocks = Vec::new();
    let mut first = None;
    for one in scene.world.coming_of(&station.host, scene.now).take_while(blocked) {
        let start = scene.zones.moment(lab, one.start_at.0, scene.now);
        let values = [("length", text.as_str()), ("reservation", one.id.as_str()), ("start", start.as_str())];
        first.get_or_insert_with(|| say(language, "hold_blocking", &values));
        blocks.push(Blocked { reservation_id: one.id.clone(), text: say(language, "would_be_blocked", &values) });
    }
    let host = station.host.clone();
    match first {
        None => HoldChoice { command: Command::Hold(host, length), text, blocks },
        Some(text) => HoldChoice { command: Command::AskHold(host, length), text, blocks },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Stage, reservation, station};

    /// Statement 69.
    #[test]
    fn a_hold_over_a_reservation_names_it_and_asks() {
        let mut stage = Stage::of("10:00:00", vec![station("LAB-WS02", "Redes", "ready")]);
        for (start, half_hour, hour, until_next) in [
            (None, false, false, false),
            // Needed 210 s before its start: a hold until then is in nobody's way.
            (Some("10:33:30"), false, true, false),
            (Some("10:33:29"), true, true, false),
            (Some("11:03:30"), false, false, false),
            (Some("10:03:29"), true, true, true),
        ] {
            stage.world.reservations =
                start.map(|start| reservation("R-2043", "LAB-WS02", start, "12:00:00")).into_iter().collect();
            let hold = Hold::of(&stage.scene(), &stage.world.stations[0]).unwrap();
            let asks: Vec<_> = hold.choices.iter().map(|choice| !choice.blocks.is_empty()).collect();
            assert_eq!(asks, [half_hour, hour, until_next], "{start:?}");
            for choice in &hold.choices {
                let named = choice
                    .blocks
                    .iter()
                    .all(|blocked| blocked.reservation_id == "R-2043" && blocked.text.starts_with("R-2043 starts at"));
                assert!(named && choice.blocks.is_empty() == matches!(choice.command, Command::Hold(..)));
            }
        }
    }

    #[test]
    fn a_hold_over_several_reservations_names_each_of_them() {
        let mut stage = Stage::of("10:00:00", vec![station("LAB-WS02", "Redes", "ready")]);
        stage.world.reservations = [("R-3", "11:30:00"), ("R-2", "10:40:00"), ("R-1", "10:20:00")]
            .map(|(id, start)| reservation(id, "LAB-WS02", start, "12:00:00"))
            .into();
        let hold = Hold::of(&stage.scene(), &stage.world.stations[0]).unwrap();
        let named: Vec<Vec<&str>> = hold
            .choices
            .iter()
            .map(|choice| choice.blocks.iter().map(|blocked| blocked.reservation_id.as_str()).collect())
            .collect();
        assert_eq!(named, [vec!["R-1"], vec!["R-1", "R-2"], vec![]]);
    }

    #[test]
    fn the_card_says_who_holds_it_until_when_and_what_is_in_the_way() {
        for (state, expires, problem, said) in [
            ("held", Some("12:30:00"), None, "Held by luis until 12:30"),
            ("held", None, None, "Held by luis"),
            ("ordered", Some("12:30:00"), None, "Asked by luis until 12:30; the station has not done so yet"),
            ("releasing", None, None, "Over; the station has not done so yet"),
            ("ordered", None, Some("no route"), "Asked by luis; the station has not done so yet (no route)"),
        ] {
            let mut one = station("LAB-WS02", "Redes", "held");
            one.hold = serde_json::from_value(json!({
                "host": "LAB-WS02", "state": state, "enabled": state != "releasing", "owner": "luis", "problem": problem,
                "ordered_at": "2026-11-24T10:00:00Z", "expires_at": expires.map(|time| format!("2026-11-24T{time}Z")),
            }))
            .unwrap();
            let stage = Stage::of("10:42:00", vec![one]);
            let hold = Hold::of(&stage.scene(), &stage.world.stations[0]).unwrap();
            assert_eq!(hold.held.as_deref(), Some(said));
        }
    }

    #[test]
    fn a_viewer_reads_a_hold_and_is_offered_none() {
        let mut stage = Stage::of("10:42:00", vec![station("LAB-WS02", "Redes", "ready")]);
        stage.role(Role::Viewer);
        assert_eq!(Hold::of(&stage.scene(), &stage.world.stations[0]), None);
    }
}
