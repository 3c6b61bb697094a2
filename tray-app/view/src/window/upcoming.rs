//! What is reserved today.

use serde::Serialize;
use stationkeeper_api::StationWord;
use stationkeeper_telemetry::HostName;

use super::Header;
use crate::times::relative;
use crate::words::say;
use crate::{Mode, Scene};

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpcomingRow {
    /// The booking system's.
    pub id: String,
    /// Its station.
    pub host: HostName,
    /// `10:50`.
    pub start: String,
    /// `12:20`.
    pub end: String,
    /// It has begun.
    pub runs: bool,
    /// `in 8 min`; of one that runs, when it began.
    pub relative: String,
    /// The word for the station: a reservation at risk is seen before its station.
    pub state: StationWord,
    /// What is in its way, in the gateway's words.
    pub risks: Vec<String>,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upcoming {
    /// How old it is.
    pub header: Header,
    /// By start; over ones are not there.
    pub rows: Vec<UpcomingRow>,
    /// What is said where there is none.
    pub empty: Option<String>,
}

impl Upcoming {
    /// Of a scene; none: the older service knows of no reservations.
    pub fn of(scene: &Scene<'_>) -> Option<Self> {
        if scene.world.mode == Mode::Limited {
            return None;
        }
        let mut rows: Vec<_> = scene
            .world
            .standing(scene.now)
            .filter_map(|one| {
                let host = HostName::parse(&one.host).ok()?;
                let station = scene.world.station(&host)?;
                let lab = station.lab.as_deref();
                let today = scene.zones.day(lab, one.start_at.0) <= scene.zones.day(lab, scene.now);
                today.then(|| {
                    let row = UpcomingRow {
                        id: one.id.clone(),
                        host: host.clone(),
                        start: scene.zones.moment(lab, one.start_at.0, scene.now),
                        end: scene.zones.moment(lab, one.end_at.0, scene.now),
                        runs: one.start_at.0 <= scene.now,
                        relative: relative(scene.language, one.start_at.0, scene.now),
                        state: station.state,
                        risks: one.at_risk.iter().flatten().map(|risk| risk.text.clone()).collect(),
                    };
                    (one.start_at, row)
                })
            })
            .collect();
        rows.sort_by(|(a, one), (b, other)| (a, &one.id).cmp(&(b, &other.id)));
        let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
        let empty = rows.is_empty().then(|| say(scene.language, "nothing_upcoming", &[]));
        Some(Self { header: Header::of(scene), rows, empty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zones;
    use crate::testing::{Stage, reservation, station};

    #[test]
    fn todays_reservations_stand_by_start_and_what_is_over_is_gone() {
        let mut stage = Stage::of("10:42:00", vec![station("A", "Redes", "down"), station("B", "Óptica", "ready")]);
        let mut cancelled = reservation("R-0", "A", "10:50:00", "11:00:00");
        cancelled.status = stationkeeper_api::ReservationStatus::Cancelled;
        stage.world.reservations = vec![
            reservation("R-3", "A", "11:00:00", "12:00:00"),
            reservation("R-2", "B", "10:50:00", "12:20:00"),
            reservation("R-1", "B", "10:00:00", "10:50:00"),
            reservation("R-9", "B", "09:00:00", "10:42:00"),
            reservation("R-8", "ELSEWHERE", "11:00:00", "12:00:00"),
            // Tomorrow in Madrid.
            reservation("R-7", "B", "23:10:00", "23:50:00"),
            cancelled,
        ];
        stage.zones = Zones::everywhere("Europe/Madrid").unwrap();
        let upcoming = Upcoming::of(&stage.scene()).unwrap();
        let rows: Vec<_> = upcoming
            .rows
            .iter()
            .map(|row| {
                format!(
                    "{} {} {}-{} {}{}",
                    row.id,
                    row.host,
                    row.start,
                    row.end,
                    row.relative,
                    if row.runs { " runs" } else { "" }
                )
            })
            .collect();
        assert_eq!(
            rows,
            ["R-1 B 11:00-11:50 42 min ago runs", "R-2 B 11:50-13:20 in 8 min", "R-3 A 12:00-13:00 in 18 min"]
        );

        stage.world.person.as_mut().unwrap().labs = Some(vec!["Nowhere".to_owned()]);
        let none = Upcoming::of(&stage.scene()).unwrap();
        assert_eq!(none.empty.as_deref(), Some("Nothing is booked any more today."));
        stage.world.mode = Mode::Limited;
        assert_eq!(Upcoming::of(&stage.scene()), None);
    }
}
