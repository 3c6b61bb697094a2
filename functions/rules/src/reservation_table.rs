//! Reservations that a booking system keeps in a table of its own (`lab_reservations` of the older service): what its rows mean, and what
//! follows from them for ours. The table wins for what came from it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::HostName;

use crate::{Reservation, ReservationId, ReservationStatus};

/// Where a reservation of the table is said to come from.
pub const TABLE: &str = "lab_reservations";
/// Longest id, in characters; as over the API.
pub const ID_LENGTH: usize = 128;
/// Longest name of whoever booked, in characters: what is said beyond it is not kept.
const WHO_LENGTH: usize = 128;
/// How instants are written in a row.
const INSTANT: &str = "%Y-%m-%dT%H:%M:%S%.f";

/// A row as it was read: nothing of it is trusted yet. Instants are `2026-12-01T09:00:00`, in UTC without saying so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRow {
    /// `transaction_hash`.
    pub id: Option<String>,
    /// `lab_id`.
    pub lab: Option<String>,
    /// `start_time`.
    pub start_at: Option<String>,
    /// `end_time`.
    pub end_at: Option<String>,
    /// `status`.
    pub status: Option<String>,
    /// `wallet_address`, where the table has it.
    pub who: Option<String>,
}

/// Why a row is no reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RowRefusal {
    /// Its id is empty, longer than 128 characters, or has control characters.
    Id,
    /// No station of the catalog has its laboratory.
    UnknownLab,
    /// One of its times is missing, or no time.
    Times,
    /// It ends before it starts.
    EndsBeforeItBegins,
    /// Its status is none of the known ones.
    Status,
    /// Another row has the same id.
    Repeated,
    /// The database does not take it.
    NotKept,
}

impl RowRefusal {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::UnknownLab => "unknown_lab",
            Self::Times => "times",
            Self::EndsBeforeItBegins => "ends_before_it_begins",
            Self::Status => "status",
            Self::Repeated => "repeated",
            Self::NotKept => "not_kept",
        }
    }
}

impl fmt::Display for RowRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "its id is empty, longer than 128 characters, or has control characters",
            Self::UnknownLab => "no station of the catalog has its laboratory",
            Self::Times => "one of its times is missing, or no time",
            Self::EndsBeforeItBegins => "it ends before it starts",
            Self::Status => "its status is none of PENDING, CONFIRMED, ACTIVE, COMPLETED and CANCELLED",
            Self::Repeated => "another row has the same id",
            Self::NotKept => "the database does not take it",
        })
    }
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// This reservation.
    Reserved(Reservation),
    /// Nobody has confirmed it yet: there is none of this id.
    Pending(ReservationId),
}

/// A row that was put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedRow {
    /// Its id, as far as it has one: the first 128 characters.
    pub id: String,
    /// Why.
    pub reason: RowRefusal,
}

/// What follows for ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is as the table says.
    Put(Reservation),
    /// It is in the table no more, or not confirmed any more: cancelled.
    Cancel(Reservation),
}

impl Change {
    /// As it shall be.
    pub const fn reservation(&self) -> &Reservation {
        match self {
            Self::Put(reservation) | Self::Cancel(reservation) => reservation,
        }
    }
}

/// One of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownReservation {
    /// As it stands.
    pub reservation: Reservation,
    /// It came from the table; else the API or somebody's hand made it.
    pub from_table: bool,
}

/// What was read, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRead {
    /// Every row that touches the window, and those of ours that were looked for by id.
    pub rows: Vec<TableRow>,
    /// No row of the window is missing in it: what is not there is not in the table.
    pub is_whole: bool,
}

/// What a table comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablePlan {
    /// In the order of the rows, cancellations last.
    pub changes: Vec<Change>,
    /// Rows that are no reservations.
    pub refused: Vec<RefusedRow>,
}

/// What one row says. `place` names the station of a laboratory; one that is known already stays where it is if it can.
///
/// # Errors
/// It is no reservation.
pub fn said(row: &TableRow, place: impl FnOnce(&ReservationId, &str) -> Option<HostName>) -> Result<Said, RowRefusal> {
    let id = row.id.as_deref().map(str::trim).unwrap_or_default();
    if !(1..=ID_LENGTH).contains(&id.chars().count()) || id.chars().any(char::is_control) {
        return Err(RowRefusal::Id);
    }
    let id = ReservationId(id.to_owned());
    let status = match row.status.as_deref().map(str::trim).unwrap_or_default().to_ascii_uppercase().as_str() {
        "PENDING" => return Ok(Said::Pending(id)),
        "CONFIRMED" => ReservationStatus::Confirmed,
        "ACTIVE" => ReservationStatus::Active,
        "COMPLETED" => ReservationStatus::Completed,
        "CANCELLED" => ReservationStatus::Cancelled,
        _ => return Err(RowRefusal::Status),
    };
    let (Some(start_at), Some(end_at)) = (instant(row.start_at.as_deref()), instant(row.end_at.as_deref())) else {
        return Err(RowRefusal::Times);
    };
    if end_at <= start_at {
        return Err(RowRefusal::EndsBeforeItBegins);
    }
    let lab = row.lab.as_deref().map(str::trim).filter(|lab| !lab.is_empty()).ok_or(RowRefusal::UnknownLab)?;
    let host = place(&id, lab).ok_or(RowRefusal::UnknownLab)?;
    let who = row.who.as_deref().map(|who| who.chars().filter(|one| !one.is_control()).take(WHO_LENGTH).collect());
    let who = who.filter(|who: &String| !who.trim().is_empty());
    Ok(Said::Reserved(Reservation { id, lab: Some(lab.to_owned()), host, start_at, end_at, status, who }))
}

/// A year that every database can hold, with what lies around a reservation.
fn instant(text: Option<&str>) -> Option<DateTime<Utc>> {
    use chrono::Datelike as _;
    let at = NaiveDateTime::parse_from_str(text?.trim(), INSTANT).ok()?;
    (1971..=9998).contains(&at.year()).then(|| at.and_utc())
}

/// What follows from a table that was read. `known`: reservations of these ids, and all that came from the table and lie in the window.
pub fn plan_table(
    read: &TableRead,
    known: &[KnownReservation],
    place: impl Fn(&ReservationId, &str) -> Option<HostName>,
    now: DateTime<Utc>,
) -> TablePlan {
    let mut plan = TablePlan::default();
    let mut seen = HashSet::new();
    let mut gone = Vec::new();
    let by_id: HashMap<_, _> = known.iter().map(|one| (&one.reservation.id, one)).collect();
    for row in &read.rows {
        let mut refuse = |reason| {
            let id = row.id.as_deref().unwrap_or_default().trim().chars().take(ID_LENGTH).collect();
            plan.refused.push(RefusedRow { id, reason });
        };
        // A row that cannot be read is there all the same: what is known of it stays.
        let is_new = row.id.as_deref().is_none_or(|id| seen.insert(id.trim().to_owned()));
        match said(row, &place) {
            Ok(_) if !is_new => refuse(RowRefusal::Repeated),
            Ok(Said::Reserved(reservation)) => match by_id.get(&reservation.id) {
                Some(known) if known.from_table && known.reservation == reservation => {}
                // Nobody here has heard of it, and nobody needs to.
                None if reservation.status == ReservationStatus::Cancelled => {}
                _ => plan.changes.push(Change::Put(reservation)),
            },
            Ok(Said::Pending(id)) => gone.extend(by_id.get(&id).copied()),
            Err(reason) => refuse(reason),
        }
    }
    if read.is_whole {
        gone.extend(known.iter().filter(|one| !seen.contains(&one.reservation.id.0)));
    }
    let ours = gone.into_iter().filter(|one| one.from_table && one.reservation.is_to_come(now));
    plan.changes.extend(
        ours.map(|one| Change::Cancel(Reservation { status: ReservationStatus::Cancelled, ..one.reservation.clone() })),
    );
    plan
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::instant as at;

    fn row(id: &str, lab: &str, start: &str, end: &str, status: &str) -> TableRow {
        let some = |text: &str| (text != "-").then(|| text.to_owned());
        let time = |text: &str| some(text).map(|text| text.replace('@', "2026-11-24T"));
        TableRow {
            id: some(id),
            lab: some(lab),
            start_at: time(start),
            end_at: time(end),
            status: some(status),
            who: Some("0xA11CE".to_owned()),
        }
    }

    fn station(_id: &ReservationId, lab: &str) -> Option<HostName> {
        (lab == "1").then(crate::testing::host)
    }

    #[test]
    fn a_row_is_a_reservation_or_says_why_not() {
        let long = "x".repeat(ID_LENGTH + 1);
        for (shows, row, expected) in [
            (
                "as the older service writes it",
                row("0xab", "1", "@10:00:00.000000", "@11:00:00", "CONFIRMED"),
                "confirmed 10:00:00 11:00:00",
            ),
            (
                "in any case, with blanks",
                row(" 0xab ", " 1 ", "@10:00:00", "@11:00:00.5", " active "),
                "active 10:00:00 11:00:00",
            ),
            ("over", row("0xab", "1", "@10:00:00", "@11:00:00", "COMPLETED"), "completed 10:00:00 11:00:00"),
            ("cancelled", row("0xab", "1", "@10:00:00", "@11:00:00", "CANCELLED"), "cancelled 10:00:00 11:00:00"),
            ("not confirmed yet", row("0xab", "1", "-", "-", "PENDING"), "pending"),
            ("without an id", row("-", "1", "@10:00:00", "@11:00:00", "ACTIVE"), "id"),
            ("with a blank id", row(" ", "1", "@10:00:00", "@11:00:00", "ACTIVE"), "id"),
            ("with an id that is too long", row(&long, "1", "@10:00:00", "@11:00:00", "ACTIVE"), "id"),
            ("with a line break in its id", row("a\nb", "1", "@10:00:00", "@11:00:00", "ACTIVE"), "id"),
            ("of a laboratory without a station", row("0xab", "9", "@10:00:00", "@11:00:00", "ACTIVE"), "unknown_lab"),
            ("of no laboratory", row("0xab", "-", "@10:00:00", "@11:00:00", "ACTIVE"), "unknown_lab"),
            ("without a start", row("0xab", "1", "-", "@11:00:00", "ACTIVE"), "times"),
            ("with a date that is none", row("0xab", "1", "0000-00-00T00:00:00", "@11:00:00", "ACTIVE"), "times"),
            ("at the end of what is kept", row("0xab", "1", "@10:00:00", "9999-11-24T10:00:00", "ACTIVE"), "times"),
            ("of another age", row("0xab", "1", "@10:00:00", "12026-11-24T10:00:00", "ACTIVE"), "times"),
            ("that ends as it starts", row("0xab", "1", "@11:00:00", "@11:00:00", "ACTIVE"), "ends_before_it_begins"),
            ("with another status", row("0xab", "1", "@10:00:00", "@11:00:00", "REFUNDED"), "status"),
            ("without a status", row("0xab", "1", "@10:00:00", "@11:00:00", "-"), "status"),
        ] {
            let told = match said(&row, station) {
                Ok(Said::Reserved(one)) => {
                    assert_eq!((one.id.0.as_str(), one.who.as_deref()), ("0xab", Some("0xA11CE")), "{shows}");
                    let clock = |at: DateTime<Utc>| at.format("%H:%M:%S").to_string();
                    format!("{} {} {}", one.status.as_str(), clock(one.start_at), clock(one.end_at))
                }
                Ok(Said::Pending(_)) => "pending".to_owned(),
                Err(reason) => reason.as_str().to_owned(),
            };
            assert_eq!(told, expected, "a row {shows}");
        }
    }

    /// What a table comes to, a word a change and a refusal.
    fn told(rows: &[TableRow], known: &[&str], is_whole: bool, now: &str) -> Vec<String> {
        let known: Vec<_> = known
            .iter()
            .map(|text| {
                let words: Vec<_> = text.split(' ').collect();
                let Ok(Said::Reserved(one)) = said(&row(words[0], "1", words[1], words[2], words[3]), station) else {
                    panic!("{text}")
                };
                KnownReservation { reservation: one, from_table: words.get(4) != Some(&"BY-HAND") }
            })
            .collect();
        let plan = plan_table(&TableRead { rows: rows.to_vec(), is_whole }, &known, station, at(now));
        let changes = plan.changes.iter().map(|change| match change {
            Change::Put(one) => format!("put {} {}", one.id.0, one.status.as_str()),
            Change::Cancel(one) => {
                assert_eq!(one.status, ReservationStatus::Cancelled);
                format!("cancel {}", one.id.0)
            }
        });
        changes.chain(plan.refused.iter().map(|one| format!("refuse {} {}", one.id, one.reason.as_str()))).collect()
    }

    #[test]
    fn ours_follow_the_table() {
        let ten = |id: &str, status: &str| row(id, "1", "@10:00:00", "@11:00:00", status);
        let known = "R @10:00:00 @11:00:00 CONFIRMED";
        for (shows, rows, known, is_whole, now, expected) in [
            ("new", vec![ten("R", "CONFIRMED")], vec![], true, "09:00:00", vec!["put R confirmed"]),
            ("as it was", vec![ten("R", "CONFIRMED")], vec![known], true, "09:00:00", vec![]),
            ("goes on", vec![ten("R", "ACTIVE")], vec![known], true, "10:30:00", vec!["put R active"]),
            (
                "moved",
                vec![row("R", "1", "@12:00:00", "@13:00:00", "CONFIRMED")],
                vec![known],
                true,
                "09:00:00",
                vec!["put R confirmed"],
            ),
            ("cancelled", vec![ten("R", "CANCELLED")], vec![known], true, "10:30:00", vec!["put R cancelled"]),
            ("cancelled before we knew", vec![ten("R", "CANCELLED")], vec![], true, "09:00:00", vec![]),
            ("not confirmed any more", vec![ten("R", "PENDING")], vec![known], true, "09:00:00", vec!["cancel R"]),
            ("not confirmed yet", vec![ten("R", "PENDING")], vec![], true, "09:00:00", vec![]),
            ("vanished", vec![], vec![known], true, "09:00:00", vec!["cancel R"]),
            ("vanished while it runs", vec![], vec![known], true, "10:59:59", vec!["cancel R"]),
            ("vanished when it is over", vec![], vec![known], true, "11:00:00", vec![]),
            ("perhaps beyond what was read", vec![], vec![known], false, "09:00:00", vec![]),
            ("vanished, cancelled before", vec![], vec!["R @10:00:00 @11:00:00 CANCELLED"], true, "09:00:00", vec![]),
            (
                "there, but not to be read any more",
                vec![ten("R", "REFUNDED")],
                vec![known],
                true,
                "09:00:00",
                vec!["refuse R status"],
            ),
            (
                "made by hand before",
                vec![ten("R", "CONFIRMED")],
                vec!["R @10:00:00 @11:00:00 CONFIRMED BY-HAND"],
                true,
                "09:00:00",
                vec!["put R confirmed"],
            ),
            (
                "made by hand, and none of the table's",
                vec![],
                vec!["R @10:00:00 @11:00:00 CONFIRMED BY-HAND"],
                true,
                "09:00:00",
                vec![],
            ),
            (
                "twice",
                vec![ten("R", "CONFIRMED"), ten("R", "ACTIVE")],
                vec![],
                true,
                "09:00:00",
                vec!["put R confirmed", "refuse R repeated"],
            ),
            (
                "a bad one costs nothing else",
                vec![ten("\u{1}", "ACTIVE"), ten("S", "ACTIVE")],
                vec![],
                true,
                "10:00:00",
                vec!["put S active", "refuse \u{1} id"],
            ),
        ] {
            assert_eq!(told(&rows, &known, is_whole, now), expected, "{shows}");
        }
    }

    fn anything() -> impl Strategy<Value = Option<String>> {
        prop_oneof![
            Just(None),
            any::<String>().prop_map(Some),
            "[0-9]{0,5}-[0-9]{1,2}-[0-9]{1,2}T[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]{0,9})?".prop_map(Some),
            prop_oneof![Just("1"), Just("R"), Just("CONFIRMED"), Just("PENDING"), Just("2026-11-24T10:00:00")]
                .prop_map(|text| Some(text.to_owned())),
        ]
    }

    proptest! {
        #[test]
        fn any_table_is_read_to_its_end_and_no_row_is_lost(
            columns in prop::collection::vec((anything(), anything(), anything(), anything(), anything(), anything()), 0..8)
        ) {
            let rows: Vec<_> = columns
                .into_iter()
                .map(|(id, lab, start_at, end_at, status, who)| TableRow { id, lab, start_at, end_at, status, who })
                .collect();
            let plan = plan_table(&TableRead { rows: rows.clone(), is_whole: true }, &[], station, at("09:00:00"));
            let quiet = rows.iter().filter(|row| match said(row, station) {
                Ok(Said::Pending(_)) => true,
                Ok(Said::Reserved(one)) => one.status == ReservationStatus::Cancelled,
                Err(_) => false,
            });
            prop_assert!(plan.changes.len() + plan.refused.len() <= rows.len());
            prop_assert!(plan.changes.len() + plan.refused.len() + quiet.count() >= rows.len());
            for change in &plan.changes {
                let Change::Put(one) = change else { panic!("nothing was known") };
                prop_assert!(one.start_at < one.end_at && one.id.0.chars().count() <= ID_LENGTH);
            }
        }
    }
}
