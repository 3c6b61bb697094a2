//! The list: this PC first, then the laboratories.

use std::collections::BTreeMap;

use serde::Serialize;
use stationkeeper_api::{StationView, StationWord};
use stationkeeper_telemetry::HostName;

use super::{Header, OwnCard};
use crate::Scene;
use crate::times::relative;
use crate::tooltip::{summary, word};
use crate::words::{say, why};

/// The reservation that comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextLine {
    /// `11:00`, in the laboratory's time.
    pub time: String,
    /// `in 18 min`.
    pub relative: String,
}

/// A station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub host: HostName,
    /// The word for it, by which shape and colour are chosen.
    pub state: StationWord,
    /// The same in the person's language.
    pub state_text: String,
    /// Why, or what else there is to say.
    pub detail: Option<String>,
    /// The reservation that comes next.
    pub next: Option<NextLine>,
    /// `as of 10:38`: it is greyed, and may be wrong.
    pub as_of: Option<String>,
}

/// The stations of a laboratory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabRows {
    /// Its name, or what stands for none.
    pub name: String,
    /// The worst first.
    pub rows: Vec<Row>,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StationList {
    /// How old it is.
    pub header: Header,
    /// `Electrónica: 1 down, 2 need attention`.
    pub summary: String,
    /// This PC, where it is a station.
    pub own: Option<OwnCard>,
    /// By name, stations of no laboratory last.
    pub labs: Vec<LabRows>,
}

impl StationList {
    /// Of a scene.
    pub fn of(scene: &Scene<'_>) -> Self {
        let mut labs: BTreeMap<(bool, &str), Vec<&StationView>> = BTreeMap::new();
        for station in scene.world.mine() {
            let lab = station.lab.as_deref();
            labs.entry((lab.is_none(), lab.unwrap_or_default())).or_default().push(station);
        }
        let labs = labs
            .into_iter()
            .map(|((nameless, name), mut stations)| {
                stations.sort_by_key(|station| {
                    let next = station.next_reservation.as_ref().map(|next| next.start);
                    (severity(station.state), next.is_none(), next, station.host.clone())
                });
                LabRows {
                    name: if nameless { say(scene.language, "no_lab", &[]) } else { name.to_owned() },
                    rows: stations.into_iter().map(|station| Row::of(scene, station)).collect(),
                }
            })
            .collect();
        Self { header: Header::of(scene), summary: summary(scene), own: OwnCard::of(scene), labs }
    }
}

/// The order of the list: what needs somebody comes first.
fn severity(word: StationWord) -> u8 {
    match word {
        StationWord::Down => 0,
        StationWord::Attention => 1,
        StationWord::Late => 2,
        StationWord::Waking => 3,
        StationWord::Busy => 4,
        StationWord::Held => 5,
        StationWord::Ready => 6,
        StationWord::Unknown => 7,
        StationWord::Off => 8,
    }
}

impl Row {
    /// Of a station.
    pub fn of(scene: &Scene<'_>, station: &StationView) -> Self {
        let (language, lab) = (scene.language, station.lab.as_deref());
        let time = |at| scene.zones.moment(lab, at, scene.now);
        let in_session = station
            .current_reservation
            .as_ref()
            .filter(|current| scene.now < current.end.0)
            .map(|current| say(language, "in_session_until", &[("time", &time(current.end.0))]));
        let next = station.next_reservation.as_ref().filter(|next| scene.now < next.start.0);
        let as_of = match scene.world.link.freshness(scene.now) {
            crate::Freshness::Offline(Some(since)) => {
                Some(say(language, "as_of", &[("time", &scene.zones.moment(lab, since, scene.now))]))
            }
            _ => None,
        };
        Self {
            host: station.host.clone(),
            state: station.state,
            state_text: word(language, station.state),
            detail: why(language, station, scene.zones).or(in_session),
            next: next.map(|next| NextLine {
                time: time(next.start.0),
                relative: relative(language, next.start.0, scene.now),
            }),
            as_of,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Stage, station};

    fn hosts(list: &StationList) -> Vec<String> {
        list.labs
            .iter()
            .map(|lab| {
                let rows: Vec<_> = lab.rows.iter().map(|row| row.host.as_str()).collect();
                format!("{}: {}", lab.name, rows.join(" "))
            })
            .collect()
    }

    #[test]
    fn laboratories_are_in_order_and_their_worst_station_is_first() {
        let mut lost = station("Z", "", "down");
        lost.lab = None;
        let stage = Stage::of(
            "10:42:00",
            vec![
                lost,
                station("C", "Redes", "ready"),
                station("B", "Redes", "off"),
                station("A", "Redes", "down"),
                station("D", "Óptica", "held"),
                station("E", "Electrónica", "ready"),
            ],
        );
        let list = StationList::of(&stage.scene());
        assert_eq!(hosts(&list), ["Electrónica: E", "Redes: A C B", "Óptica: D", "Stations of no lab: Z"]);
        assert_eq!(list.own, None);
    }

    #[test]
    fn a_row_says_what_comes_next_and_offline_how_old_that_is() {
        let mut one = station("LAB-WS01", "Redes", "ready");
        let window = |start: &str, end: &str| json!({ "id": "R", "start": format!("2026-11-24T{start}Z"), "end": format!("2026-11-24T{end}Z") });
        one.current_reservation = serde_json::from_value(window("10:00:00", "11:00:00")).unwrap();
        one.next_reservation = serde_json::from_value(window("11:00:00", "12:00:00")).unwrap();
        let mut stage = Stage::of("10:42:00", vec![one]);
        let row = Row::of(&stage.scene(), &stage.world.stations[0]);
        assert_eq!(row.detail.as_deref(), Some("in session until 11:00"));
        assert_eq!(row.next, Some(NextLine { time: "11:00".to_owned(), relative: "in 18 min".to_owned() }));
        assert_eq!((row.as_of, row.state_text.as_str()), (None, "Ready"));

        stage.away("10:38:00");
        let row = Row::of(&stage.scene(), &stage.world.stations[0]);
        assert_eq!(row.as_of.as_deref(), Some("as of 10:38"));

        // Nothing is told any more, but time goes on.
        stage.at("11:30:00");
        let row = Row::of(&stage.scene(), &stage.world.stations[0]);
        assert_eq!((row.detail, row.next), (None, None));
    }
}
