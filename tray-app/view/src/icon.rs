//! The icon: the worst state of the person's laboratories.

use serde::{Deserialize, Serialize};
use stationkeeper_api::StationWord;

use crate::Scene;

/// Its silhouette; the later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A disc.
    Ready,
    /// A square: notifications are off, or this PC is held.
    Paused,
    /// A triangle.
    Attention,
    /// An octagon.
    Down,
    /// A broken ring: what was known is no fact any more.
    Offline,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ready, Self::Paused, Self::Attention, Self::Down, Self::Offline];
}

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// In the colours of the states.
    #[default]
    Colour,
    /// In one; what macOS calls a template.
    Monochrome,
}

/// What stands in the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Icon {
    /// Its silhouette.
    pub shape: Shape,
    /// How it is drawn.
    pub look: Look,
}

impl Icon {
    /// Of a scene.
    pub fn of(scene: &Scene<'_>) -> Self {
        Self { shape: shape(scene), look: scene.settings.icon }
    }
}

fn shape(scene: &Scene<'_>) -> Shape {
    let offline = scene.is_offline().then_some(Shape::Offline);
    let paused = (scene.is_paused() || scene.own_is_held()).then_some(Shape::Paused);
    let worst = scene.world.mine().filter_map(|station| match station.state {
        StationWord::Down => Some(Shape::Down),
        StationWord::Attention => Some(Shape::Attention),
        // Off and held are somebody's wish, the rest passes or is told by an alert.
        _ => None,
    });
    worst.chain(offline).chain(paused).max().unwrap_or(Shape::Ready)
}

#[cfg(test)]
mod tests {
    use stationkeeper_api::StationWord;

    use super::*;
    use crate::testing::{Stage, station};

    /// Statement 61: the icon follows the worst state.
    #[test]
    fn the_worst_state_of_the_persons_laboratories_is_the_icon() {
        for (states, held, paused, away, shape) in [
            ("", false, false, false, Shape::Ready),
            ("ready off waking busy late unknown held", false, false, false, Shape::Ready),
            ("ready", false, true, false, Shape::Paused),
            ("ready", true, false, false, Shape::Paused),
            ("attention", false, true, false, Shape::Attention),
            ("attention down", false, true, false, Shape::Down),
            ("down", true, true, true, Shape::Offline),
            ("ready", false, false, true, Shape::Offline),
        ] {
            let stations = states.split_whitespace().map(|state| station("LAB-WS01", "Redes", state)).collect();
            let mut stage = Stage::of("10:42:00", stations);
            if held {
                stage.is_on("LAB-WS09").local.as_mut().unwrap().snapshot.local_mode_enabled = Some(true);
            }
            stage.paused_until = paused.then(|| stage.now + chrono::TimeDelta::seconds(1));
            if away {
                stage.away("10:38:00");
            }
            assert_eq!(Icon::of(&stage.scene()).shape, shape, "{states} held {held} paused {paused} away {away}");
        }
    }

    #[test]
    fn a_pause_that_is_over_and_other_peoples_laboratories_do_not_count() {
        let mut stage = Stage::of("10:42:00", vec![station("LAB-WS01", "Óptica", "down")]);
        stage.paused_until = Some(stage.now);
        stage.world.person.as_mut().unwrap().labs = Some(vec!["Redes".to_owned()]);
        assert_eq!(Icon::of(&stage.scene()).shape, Shape::Ready);
    }

    #[test]
    fn every_state_of_a_station_says_what_it_is_to_the_icon() {
        assert_eq!(StationWord::ALL.len(), 9);
    }
}
