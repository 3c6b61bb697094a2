//! One station: what it does, what was done, what can be done.

use serde::Serialize;
use stationkeeper_api::StationView;

use super::{Header, Hold, Row, Wake};
use crate::words::say;
use crate::{Scene, span_text};
use chrono::TimeDelta;

/// The last time that somebody was logged off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastForcedLogoff {
    /// When, by the station's clock, in the laboratory's time.
    pub time: String,
    /// Who, as the station wrote it.
    pub user: Option<String>,
}

/// The last prepare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastPrepare {
    /// When it ended, by the station's clock, in the laboratory's time.
    pub time: String,
    /// `41 s`.
    pub duration: Option<String>,
    /// It did all it was asked; null: not said.
    pub success: Option<bool>,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Card {
    /// How old it is.
    pub header: Header,
    /// As in the list.
    pub row: Row,
    /// Its laboratory.
    pub lab: Option<String>,
    /// What the station complains of, verbatim.
    pub issues: Vec<String>,
    /// Waking it.
    pub wake: Option<Wake>,
    /// Holding it.
    pub hold: Option<Hold>,
    /// `11:00 to 12:00, R-2043`.
    pub next: Option<String>,
    /// The last time that somebody was logged off.
    pub last_forced_logoff: Option<LastForcedLogoff>,
    /// The last prepare.
    pub last_prepare: Option<LastPrepare>,
    /// Nothing can be done here by this person.
    pub is_read_only: bool,
}

impl Card {
    /// Of a station.
    pub fn of(scene: &Scene<'_>, station: &StationView) -> Self {
        let lab = station.lab.as_deref();
        let time = |at| scene.zones.moment(lab, at, scene.now);
        let next = station.next_reservation.as_ref().filter(|next| scene.now < next.start.0);
        Self {
            header: Header::of(scene),
            row: Row::of(scene, station),
            lab: station.lab.clone(),
            issues: station.issues.clone(),
            wake: Wake::of(scene, station),
            hold: Hold::of(scene, station),
            next: next.map(|next| {
                let (start, end) = (time(next.start.0), time(next.end.0));
                let values = [("start", start.as_str()), ("end", end.as_str()), ("reservation", next.id.as_str())];
                say(scene.language, "from_to", &values)
            }),
            last_forced_logoff: station
                .last_forced_logoff
                .as_ref()
                .and_then(|last| Some(LastForcedLogoff { time: time(last.timestamp?.0), user: last.user.clone() })),
            last_prepare: station.last_prepare.as_ref().and_then(|last| {
                Some(LastPrepare {
                    time: time(last.timestamp?.0),
                    duration: last.duration_ms.and_then(TimeDelta::try_milliseconds).map(span_text),
                    success: last.success,
                })
            }),
            is_read_only: !scene.world.may_act(station),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Role;
    use crate::testing::{Stage, station};

    #[test]
    fn a_card_tells_what_comes_and_what_was_and_nothing_that_was_not_said() {
        let mut one = station("LAB-WS02", "Redes", "down");
        one.next_reservation = serde_json::from_value(
            json!({ "id": "R-2043", "start": "2026-11-24T11:00:00Z", "end": "2026-11-24T12:00:00Z" }),
        )
        .unwrap();
        one.last_forced_logoff =
            serde_json::from_value(json!({ "timestamp": "2026-11-24T08:26:00Z", "user": "profesora" })).unwrap();
        one.last_prepare = serde_json::from_value(
            json!({ "timestamp": "2026-11-24T08:28:00Z", "duration_ms": 41_000, "success": true }),
        )
        .unwrap();
        let mut stage = Stage::of("10:42:00", vec![one]);
        let card = Card::of(&stage.scene(), &stage.world.stations[0]);
        assert_eq!(card.next.as_deref(), Some("11:00 to 12:00, R-2043"));
        let logoff = LastForcedLogoff { time: "08:26".to_owned(), user: Some("profesora".to_owned()) };
        assert_eq!(card.last_forced_logoff, Some(logoff));
        let prepare = LastPrepare { time: "08:28".to_owned(), duration: Some("41 s".to_owned()), success: Some(true) };
        assert_eq!(card.last_prepare, Some(prepare));
        assert!(card.wake.is_some() && card.hold.is_some() && !card.is_read_only);

        stage.role(Role::Viewer);
        let bare = Card::of(&stage.scene(), &station("LAB-WS03", "Redes", "down"));
        assert!(bare.is_read_only);
        assert_eq!((bare.wake, bare.hold), (None, None));
        assert_eq!((bare.next, bare.last_forced_logoff, bare.last_prepare), (None, None, None));
    }
}
