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

    /// The name of its picture, without an ending.
    pub const fn name(self) -> &'static str {
        match (self.shape, self.look) {
            (Shape::Ready, Look::Colour) => "ready",
            (Shape::Ready, Look::Monochrome) => "ready-mono",
            (Shape::Paused, Look::Colour) => "paused",
            (Shape::Paused, Look::Monochrome) => "paused-mono",
            (Shape::Attention, Look::Colour) => "attention",
            (Shape::Attention, Look::Monochrome) => "attention-mono",
            (Shape::Down, Look::Colour) => "down",
            (Shape::Down, Look::Monochrome) => "down-mono",
            (Shape::Offline, Look::Colour) => "offline",
            (Shape::Offline, Look::Monochrome) => "offline-mono",
        }
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
    fn each_icon_has_a_picture_of_its_own() {
        let looks = [Look::Colour, Look::Monochrome];
        let names: std::collections::BTreeSet<_> =
            Shape::ALL.into_iter().flat_map(|shape| looks.map(|look| Icon { shape, look }.name())).collect();
        assert_eq!(names.len(), 10);
        assert_eq!(StationWord::ALL.len(), 9, "a new state must say what it is to the icon");
    }
}
