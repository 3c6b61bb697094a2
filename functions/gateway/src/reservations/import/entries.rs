//! What a list of reservations says, entry by entry, before anything is known of stations: JSON and CSV. An entry that cannot be read costs
//! nothing else.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use stationkeeper_rules::ReservationStatus;
use utoipa::ToSchema;

use super::calendar;

/// Most entries of a list.
pub const MOST_ENTRIES: usize = 1_000;
/// Longest name of a laboratory or a person, in characters.
const NAME_LENGTH: usize = 128;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// A list of objects.
    Json,
    /// With a line of headings.
    Csv,
    /// RFC 5545.
    Calendar,
}

/// An instant, as it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Known.
    At(DateTime<Utc>),
    /// By the clocks of the laboratory.
    Local(NaiveDateTime),
}

/// One entry that could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// On this station.
    pub host: Option<String>,
    /// Of this laboratory.
    pub lab: Option<String>,
    /// On this station or of this laboratory.
    pub place: Option<String>,
    /// First instant of it.
    pub start: Option<When>,
    /// First instant after it.
    pub end: Option<When>,
    /// Where it stands.
    pub status: Option<ReservationStatus>,
    /// Who booked it.
    pub who: Option<String>,
}

/// Why an entry cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryRefusal {
    /// It has no id.
    Id,
    /// It is not what an entry looks like.
    Unreadable(String),
    /// A time is none.
    Times(String),
    /// It lasts whole days, which end at no instant of a laboratory.
    AllDay,
    /// It recurs.
    Recurring,
    /// Its time zone is not known.
    TimeZone(String),
    /// Its status is not known.
    Status(String),
    /// A name is too long.
    TooLong(&'static str),
    /// An entry before has its id.
    Repeated,
}

impl EntryRefusal {
    /// The stable name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Unreadable(_) => "unreadable",
            Self::Times(_) => "times",
            Self::AllDay => "all_day",
            Self::Recurring => "recurring",
            Self::TimeZone(_) => "time_zone",
            Self::Status(_) => "status",
            Self::TooLong(_) => "too_long",
            Self::Repeated => "repeated",
        }
    }
}

impl fmt::Display for EntryRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("it has no id"),
            Self::Unreadable(why) => f.write_str(why),
            Self::Times(text) => write!(f, "`{text}` is no time: write it as 2026-12-01T09:00:00+01:00"),
            Self::AllDay => f.write_str("it lasts whole days: say from when until when"),
            Self::Recurring => f.write_str("it recurs: write each of its dates as an entry of its own"),
            Self::TimeZone(name) => {
                write!(f, "there is no time zone `{name}`: give one such as Europe/Madrid, or times in UTC")
            }
            Self::Status(text) => write!(f, "`{text}` is no status: confirmed, active, completed or cancelled"),
            Self::TooLong(what) => write!(f, "{what} has more than {NAME_LENGTH} characters"),
            Self::Repeated => f.write_str("an entry before has the same id"),
        }
    }
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the list, from 1; headings do not count.
    pub number: u64,
    /// The booking system's, as far as it has one.
    pub id: String,
    /// What it says.
    pub asked: Result<Asked, EntryRefusal>,
}

/// Reads a list.
///
/// # Errors
/// It is no list of this kind, or has too many entries: a sentence.
pub fn read_entries(text: &str, format: ListFormat) -> Result<Vec<Entry>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = match format {
        ListFormat::Json => json(text)?,
        ListFormat::Csv => csv(text)?,
        ListFormat::Calendar => calendar::events(text)?,
    };
    if entries.len() > MOST_ENTRIES {
        return Err(format!("the list has {} entries, and at most {MOST_ENTRIES} are taken at once", entries.len()));
    }
    Ok(entries.into_iter().map(checked).collect())
}

/// What holds of every kind.
fn checked(mut entry: Entry) -> Entry {
    let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > NAME_LENGTH);
    entry.asked = entry.asked.and_then(|asked| match () {
        () if entry.id.is_empty() => Err(EntryRefusal::Id),
        () if long(&asked.lab) || long(&asked.place) => Err(EntryRefusal::TooLong("the laboratory")),
        () if long(&asked.who) => Err(EntryRefusal::TooLong("the name of who booked it")),
        () => Ok(asked),
    });
    entry
}

/// An entry of a JSON list.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ReservationEntry)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonEntry {
    /// The booking system's.
    #[schema(max_length = 128)]
    id: String,
    /// Of this laboratory; without a station on its first one in the catalog.
    lab: Option<String>,
    /// On this station.
    host: Option<String>,
    /// First instant of it, RFC 3339.
    #[schema(format = DateTime)]
    start_at: Option<String>,
    /// First instant after it, RFC 3339.
    #[schema(format = DateTime)]
    end_at: Option<String>,
    /// Where it stands; `confirmed` when it is new.
    #[schema(value_type = Option<ReservationStatus>)]
    status: Option<String>,
    /// Who booked it.
    who: Option<String>,
}

fn json(text: &str) -> Result<Vec<Entry>, String> {
    let list: Vec<Value> = serde_json::from_str(text).map_err(|error| format!("the body is no JSON list: {error}"))?;
    let entries = list.into_iter().zip(1..).map(|(value, number)| {
        let id = value["id"].as_str().unwrap_or_default().trim().to_owned();
        let asked =
            serde_json::from_value::<JsonEntry>(value).map_err(|error| EntryRefusal::Unreadable(error.to_string()));
        Entry { number, id, asked: asked.and_then(JsonEntry::asked) }
    });
    Ok(entries.collect())
}

impl JsonEntry {
    fn asked(self) -> Result<Asked, EntryRefusal> {
        let said = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Asked {
            host: said(self.host),
            lab: said(self.lab),
            place: None,
            start: said(self.start_at).as_deref().map(instant).transpose()?,
            end: said(self.end_at).as_deref().map(instant).transpose()?,
            status: said(self.status).as_deref().map(status).transpose()?,
            who: said(self.who),
        })
    }
}

const HEADINGS: [&str; 7] = ["id", "lab", "host", "start_at", "end_at", "who", "status"];

/// Commas, or semicolons where a table's program writes those.
fn csv(text: &str) -> Result<Vec<Entry>, String> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains(';') && !first.contains(',') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|error| format!("the list cannot be read as CSV: {error}"))?.clone();
    if let Some(unknown) = headings.iter().find(|heading| !HEADINGS.contains(heading)) {
        let unknown: String = unknown.chars().take(40).collect();
        return Err(format!("there is no column `{}`; there are: {}", unknown.escape_debug(), HEADINGS.join(",")));
    }
    if !headings.iter().any(|heading| heading == "id") {
        return Err(format!("the first line has the headings, `id` among them; there are: {}", HEADINGS.join(",")));
    }
    let mut entries = Vec::new();
    for (record, number) in reader.records().zip(1..) {
        let record = record.map_err(|error| format!("the list cannot be read as CSV: {error}"))?;
        let cell = |name: &str| {
            let place = headings.iter().position(|heading| heading == name)?;
            record.get(place).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let row = JsonEntry {
            id: cell("id").unwrap_or_default(),
            lab: cell("lab"),
            host: cell("host"),
            start_at: cell("start_at"),
            end_at: cell("end_at"),
            status: cell("status"),
            who: cell("who"),
        };
        let id = row.id.clone();
        let asked = match record.len() > headings.len() {
            true => Err(EntryRefusal::Unreadable("it has more cells than there are headings".to_owned())),
            false => row.asked(),
        };
        entries.push(Entry { number, id, asked });
    }
    Ok(entries)
}

fn instant(text: &str) -> Result<When, EntryRefusal> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_no_instant| EntryRefusal::Times(shown(text)))?;
    Ok(When::At(at.to_utc()))
}

pub(super) fn status(text: &str) -> Result<ReservationStatus, EntryRefusal> {
    ReservationStatus::parse(&text.to_ascii_lowercase()).ok_or_else(|| EntryRefusal::Status(shown(text)))
}

/// As much of it as a sentence takes.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line an entry: number, id, and what it says or why it does not.
    pub(super) fn told(text: &str, format: ListFormat) -> Vec<String> {
        let entries = read_entries(text, format).unwrap_or_else(|error| panic!("{error}"));
        entries.into_iter().map(|entry| line(&entry)).collect()
    }

    fn line(entry: &Entry) -> String {
        let when = |when: Option<When>| match when {
            None => "-".to_owned(),
            Some(When::At(at)) => at.format("%dT%H:%MZ").to_string(),
            Some(When::Local(at)) => at.format("%dT%H:%M").to_string(),
        };
        let said = match &entry.asked {
            Err(refusal) => format!("refused: {}", refusal.as_str()),
            Ok(asked) => {
                let text = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
                let status = asked.status.map_or("-", ReservationStatus::as_str);
                let places = [&asked.lab, &asked.host, &asked.place].map(text).join(" ");
                format!("{places} {} {} {} {status}", when(asked.start), when(asked.end), text(&asked.who))
            }
        };
        format!("{} {}: {said}", entry.number, entry.id)
    }

    #[test]
    fn a_json_list_is_read_entry_by_entry() {
        let text = r#"[
            {"id": " R-1 ", "lab": "optics", "start_at": "2026-12-01T09:00:00+01:00", "end_at": "2026-12-01T10:30:00Z", "who": "Ana"},
            {"id": "R-2", "host": "LAB-1", "start_at": "tomorrow", "end_at": null},
            {"id": "R-3", "hots": "LAB-1"},
            {"id": "R-4", "status": "CANCELLED"},
            {"id": "R-5", "status": "lost"},
            {"id": ""}, {"lab": "optics"}, 7
        ]"#;
        assert_eq!(
            told(text, ListFormat::Json),
            [
                "1 R-1: optics - - 01T08:00Z 01T10:30Z Ana -",
                "2 R-2: refused: times",
                "3 R-3: refused: unreadable",
                "4 R-4: - - - - - - cancelled",
                "5 R-5: refused: status",
                "6 : refused: id",
                "7 : refused: unreadable",
                "8 : refused: unreadable",
            ]
        );
        for text in ["{}", "", "[", "[1", "null"] {
            assert!(read_entries(text, ListFormat::Json).unwrap_err().contains("no JSON list"), "{text}");
        }
    }

    #[test]
    fn a_table_is_read_by_its_headings() {
        let text = "\u{feff}id,lab,host,start_at,end_at,who\r\n\
            R-1,optics,,2026-12-01T09:00:00Z,2026-12-01T10:00:00Z,\"Ana, Ben\"\r\n\
            R-2,,LAB-1,2026-12-01,2026-12-01T10:00:00Z,\r\n\
            ,optics,,,,\r\n\
            R-4\r\n\
            R-5,a,b,,,d,e,f\r\n";
        assert_eq!(
            told(text, ListFormat::Csv),
            [
                "1 R-1: optics - - 01T09:00Z 01T10:00Z Ana, Ben -",
                "2 R-2: refused: times",
                "3 : refused: id",
                "4 R-4: - - - - - - -",
                "5 R-5: refused: unreadable",
            ]
        );
        assert_eq!(told("who;id\nAna;R-1\n", ListFormat::Csv), ["1 R-1: - - - - - Ana -"]);
        assert_eq!(told("id\n", ListFormat::Csv), [""; 0]);
        for (text, says) in [("id,hots\n", "`hots`"), ("", "headings"), ("lab,host\n", "`id`")] {
            assert!(read_entries(text, ListFormat::Csv).unwrap_err().contains(says), "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let name = |length| format!(r#"[{{"id": "R", "lab": "{}"}}]"#, "x".repeat(length));
        assert_ne!(told(&name(NAME_LENGTH), ListFormat::Json), ["1 R: refused: too_long"]);
        assert_eq!(told(&name(NAME_LENGTH + 1), ListFormat::Json), ["1 R: refused: too_long"]);
        let list = |entries: usize| format!("[{}]", vec![r#"{"id":"R"}"#; entries].join(","));
        assert_eq!(read_entries(&list(MOST_ENTRIES), ListFormat::Json).unwrap().len(), MOST_ENTRIES);
        assert!(read_entries(&list(MOST_ENTRIES + 1), ListFormat::Json).unwrap_err().contains("1001 entries"));
    }

    fn pieces() -> impl Strategy<Value = String> {
        let known = prop_oneof![
            Just("id,lab,host,start_at,end_at,who\n"),
            Just("R-1,optics,,2026-12-01T09:00:00Z,2026-12-01T10:00:00Z,Ana\n"),
            Just("\""),
            Just("[{\"id\":\"R\"}"),
            Just("]"),
            Just("BEGIN:VCALENDAR\r\n"),
            Just("BEGIN:VEVENT\n"),
            Just("UID:R\n"),
            Just("DTSTART;TZID=Europe/Madrid:20261201T090000\n"),
            Just("DTSTART;VALUE=DATE:20261201\n"),
            Just("DTEND:20261201T100000Z\n"),
            Just("DURATION:PT1H\n"),
            Just(" folded\n"),
            Just("END:VEVENT\n"),
            Just("END:VCALENDAR\n"),
        ];
        prop::collection::vec(prop_oneof![3 => known.prop_map(str::to_owned), 1 => any::<String>()], 0..12)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_says_why_not(text in pieces()) {
            for format in [ListFormat::Json, ListFormat::Csv, ListFormat::Calendar] {
                match read_entries(&text, format) {
                    Ok(entries) => for entry in entries {
                        prop_assert!(entry.asked.is_err() || !entry.id.is_empty());
                    },
                    Err(sentence) => prop_assert!(!sentence.is_empty()),
                }
            }
        }
    }
}
