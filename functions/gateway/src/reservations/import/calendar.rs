//! Reservations of an iCalendar file (RFC 5545): `UID` is the id, `SUMMARY` who booked it, `X-STATIONKEEPER-HOST` and `X-STATIONKEEPER-LAB`
//! or else `LOCATION` the place.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use icalendar::parser::{Component, Property, read_components};
use stationkeeper_rules::{ReservationStatus, TimeZone};

use super::entries::{Asked, Entry, EntryRefusal, When, shown};

/// Deeper than any calendar nests its parts. The parser goes down with them.
const MOST_NESTED: usize = 8;
/// Longest that an event lasts.
const LONGEST: TimeDelta = TimeDelta::days(366);

/// Every event.
///
/// # Errors
/// It is no iCalendar file: a sentence.
pub(super) fn events(text: &str) -> Result<Vec<Entry>, String> {
    // Lines end in one way: the parser would look for the other one to the end of the text, line by line.
    let lines: Vec<&str> = text.lines().collect();
    let text = icalendar::parser::unfold(&lines.join("\r\n")) + "\r\n";
    nests_as_a_calendar(&text)?;
    let calendars = read_components(&text).map_err(|error| {
        let said =
            error.lines().map(str::trim).find(|line| line.starts_with("at line")).unwrap_or("no calendar is in it");
        format!("the body cannot be read as iCalendar: {}", shown(said))
    })?;
    if calendars.is_empty() || calendars.iter().any(|one| one.name != "VCALENDAR") {
        return Err("the body cannot be read as iCalendar: it begins with BEGIN:VCALENDAR".to_owned());
    }
    let events = calendars.iter().flat_map(|calendar| &calendar.components).filter(|one| one.name == "VEVENT");
    Ok(events.zip(1..).map(|(event, number)| entry(event, number)).collect())
}

/// Each part ends by its own name before the one around it does, and none lies deep: of unfolded lines, as the parser reads them.
fn nests_as_a_calendar(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for line in text.lines() {
        let after = |word: &str| {
            line.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| line[word.len()..].trim())
        };
        if let Some(name) = after("BEGIN:") {
            open.push(name);
        } else if let Some(name) = after("END:")
            && open.pop() != Some(name)
        {
            return Err(format!("the calendar ends {} where it has not begun it", shown(name)));
        }
        if open.len() > MOST_NESTED {
            return Err("the calendar nests its parts too deeply".to_owned());
        }
    }
    Ok(())
}

fn entry(event: &Component<'_>, number: u64) -> Entry {
    let id = text(event, "UID").unwrap_or_default();
    Entry { number, id, asked: asked(event) }
}

fn asked(event: &Component<'_>) -> Result<Asked, EntryRefusal> {
    if ["RRULE", "RDATE", "RECURRENCE-ID"].iter().any(|name| event.find_prop(name).is_some()) {
        return Err(EntryRefusal::Recurring);
    }
    let start = event.find_prop("DTSTART").map(when).transpose()?;
    let end = match (event.find_prop("DTEND"), event.find_prop("DURATION"), start) {
        (Some(end), _, _) => Some(when(end)?),
        (None, Some(lasts), Some(start)) => Some(after(start, lasts.val.as_str())?),
        (None, _, _) => None,
    };
    let (host, lab) = (text(event, "X-STATIONKEEPER-HOST"), text(event, "X-STATIONKEEPER-LAB"));
    let place = text(event, "LOCATION").filter(|_| host.is_none() && lab.is_none());
    let status = match text(event, "STATUS").unwrap_or_default().to_ascii_uppercase().as_str() {
        "CANCELLED" => Some(ReservationStatus::Cancelled),
        "" | "CONFIRMED" => Some(ReservationStatus::Confirmed),
        // Nobody has said yet that it takes place.
        other => return Err(EntryRefusal::Status(shown(other))),
    };
    Ok(Asked { host, lab, place, start, end, status, who: text(event, "SUMMARY") })
}

fn text(event: &Component<'_>, name: &str) -> Option<String> {
    let text = event.find_prop(name)?.val.as_str().trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `20261201T090000Z`, or without the `Z` by the zone that `TZID` names, else by the clocks of the laboratory.
fn when(property: &Property<'_>) -> Result<When, EntryRefusal> {
    let parameter = |name: &str| {
        let found = property.params.iter().find(|one| one.key.as_str().eq_ignore_ascii_case(name))?;
        found.val.as_ref().map(|value| value.as_str().trim_matches('"'))
    };
    let text = property.val.as_str().trim();
    if parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("DATE")) || text.len() == 8 {
        return Err(EntryRefusal::AllDay);
    }
    let refused = || EntryRefusal::Times(shown(text));
    let local = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").map_err(|_no_time| refused());
    if let Some(utc) = text.strip_suffix('Z') {
        return Ok(When::At(local(utc)?.and_utc()));
    }
    let at = local(text)?;
    match parameter("TZID") {
        None => Ok(When::Local(at)),
        Some(name) => {
            let zone = TimeZone::parse(name).ok_or_else(|| EntryRefusal::TimeZone(shown(name)))?;
            zone.utc_of(at).map(When::At).ok_or_else(refused)
        }
    }
}

/// `PT1H30M`, `P1DT2H`, `P1W` later.
fn after(start: When, lasts: &str) -> Result<When, EntryRefusal> {
    let refused = || EntryRefusal::Times(shown(lasts));
    let lasts = duration(lasts.trim()).filter(|lasts| *lasts <= LONGEST).ok_or_else(refused)?;
    let at = |at: DateTime<Utc>| at.checked_add_signed(lasts);
    match start {
        When::At(start) => at(start).map(When::At),
        When::Local(start) => start.checked_add_signed(lasts).map(When::Local),
    }
    .ok_or_else(refused)
}

fn duration(text: &str) -> Option<TimeDelta> {
    let mut rest = text.strip_prefix('+').unwrap_or(text).strip_prefix('P')?;
    let (mut seconds, mut in_time) = (0_i64, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T').filter(|_| !in_time) {
            (rest, in_time) = (after, true);
            continue;
        }
        let digits = rest.find(|one: char| !one.is_ascii_digit())?;
        let (number, unit) = (rest[..digits].parse::<u32>().ok()?, rest[digits..].chars().next()?);
        let unit_seconds = match (unit, in_time) {
            ('W', false) => 604_800,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        seconds += i64::from(number) * unit_seconds;
        rest = &rest[digits + unit.len_utf8()..];
    }
    TimeDelta::try_seconds(seconds).filter(|lasts| *lasts > TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::super::entries::{ListFormat, read_entries};
    use super::*;

    fn calendar(event: &str) -> String {
        format!("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\n{event}\nEND:VEVENT\nEND:VCALENDAR\n")
    }

    fn one(event: &str) -> Entry {
        let mut entries =
            read_entries(&calendar(event), ListFormat::Calendar).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(entries.len(), 1, "{event}");
        entries.remove(0)
    }

    #[test]
    fn an_event_is_a_reservation() {
        let entry = one(
            "UID:R-1@example.org\nSUMMARY:Ana\\, Ben\nLOCATION:optics\nDTSTART:20261201T090000Z\nDTEND:20261201T1\n 03000Z\nSTATUS:CONFIRMED\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM",
        );
        let asked = entry.asked.expect("an event");
        let at = |text: &str| Some(When::At(text.parse().unwrap()));
        assert_eq!(entry.id, "R-1@example.org");
        assert_eq!((asked.place.as_deref(), asked.who.as_deref()), (Some("optics"), Some("Ana, Ben")));
        assert_eq!((asked.start, asked.end), (at("2026-12-01T09:00:00Z"), at("2026-12-01T10:30:00Z")));
        assert_eq!(asked.status, Some(ReservationStatus::Confirmed));
        let named =
            one("UID:R\nLOCATION:Room 1.23\nX-STATIONKEEPER-HOST:LAB-1\nX-STATIONKEEPER-LAB:optics").asked.unwrap();
        assert_eq!([named.host, named.lab, named.place], [Some("LAB-1".into()), Some("optics".into()), None]);
    }

    #[test]
    fn times_are_said_in_utc_in_a_zone_or_by_the_clocks_of_the_laboratory() {
        for (start, end, expected) in [
            ("DTSTART:20261201T090000Z", "DTEND:20261201T100000Z", "09:00:00Z 10:00:00Z"),
            (
                "DTSTART;TZID=Europe/Madrid:20261201T090000",
                "DTEND;TZID=\"Europe/Madrid\":20261201T100000",
                "08:00:00Z 09:00:00Z",
            ),
            ("DTSTART;TZID=Europe/Madrid:20260701T090000", "DURATION:PT1H30M", "07:00:00Z 08:30:00Z"),
            ("DTSTART:20261201T090000", "DTEND:20261201T100000", "09:00:00 10:00:00"),
            ("DTSTART:20261201T090000", "DURATION:P0DT0H90M", "09:00:00 10:30:00"),
            ("DTSTART:20261201T090000Z", "DURATION:P1W", "09:00:00Z 09:00:00Z"),
            ("DTSTART:20261201T090000Z", "SEQUENCE:1", "09:00:00Z -"),
            // Clocks go from two to three.
            ("DTSTART;TZID=Europe/Madrid:20260329T023000", "DURATION:PT1H", "times"),
            ("DTSTART;TZID=Romance Standard Time:20261201T090000", "DURATION:PT1H", "time_zone"),
            ("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202", "all_day"),
            ("DTSTART:20261201", "SEQUENCE:1", "all_day"),
            ("DTSTART:20261301T090000Z", "DURATION:PT1H", "times"),
            ("DTSTART:20261201T090000Z", "DURATION:-PT1H", "times"),
            ("DTSTART:20261201T090000Z", "DURATION:P9999999999D", "times"),
            ("DTSTART:20261201T090000Z", "DURATION:PT", "times"),
        ] {
            let entry = one(&format!("UID:R\n{start}\n{end}"));
            let shown = |when: Option<When>| match when {
                None => "-".to_owned(),
                Some(When::At(at)) => at.format("%H:%M:%SZ").to_string(),
                Some(When::Local(at)) => at.format("%H:%M:%S").to_string(),
            };
            let told = match entry.asked {
                Ok(asked) => format!("{} {}", shown(asked.start), shown(asked.end)),
                Err(refusal) => refusal.as_str().to_owned(),
            };
            assert_eq!(told, expected, "{start} {end}");
        }
    }

    #[test]
    fn what_recurs_or_is_tentative_is_refused_by_itself() {
        for (line, expected) in [
            ("RRULE:FREQ=WEEKLY", Err("recurring")),
            ("RDATE:20261202T090000Z", Err("recurring")),
            ("RECURRENCE-ID:20261202T090000Z", Err("recurring")),
            ("STATUS:TENTATIVE", Err("status")),
            ("STATUS:CANCELLED", Ok(Some(ReservationStatus::Cancelled))),
        ] {
            let entry = one(&format!("UID:R\nDTSTART:20261201T090000Z\nDURATION:PT1H\n{line}"));
            let said = entry.asked.map(|asked| asked.status).map_err(|refusal| refusal.as_str());
            assert_eq!(said, expected, "{line}");
        }
        assert_eq!(one("SUMMARY:nobody").asked, Err(EntryRefusal::Id));
    }

    #[test]
    fn what_is_no_calendar_is_said_in_a_sentence() {
        let deep = "BEGIN:A\n".repeat(50_000);
        let folded = "B\n EGIN:A\n".repeat(50_000);
        let pasted = ("BEGIN:A\n".repeat(8) + &"END:ABEGIN:A\n".repeat(8)).repeat(4_000);
        let other = "BEGIN:VCALENDAR\nBEGIN:A\nEND:VCALENDAR\n";
        let event = "BEGIN:VEVENT\nUID:R\nEND:VEVENT\n";
        for text in ["", "hello", "BEGIN:VCALENDAR\n", event, other, &deep, &folded, &pasted] {
            let said = events(text).unwrap_err();
            assert!(said.len() < 200 && (said.contains("calendar") || said.contains("iCalendar")), "{said}");
        }
        assert_eq!(events("BEGIN:VCALENDAR\nEND:VCALENDAR\n"), Ok(Vec::new()));
    }
}
