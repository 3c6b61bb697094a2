//! The trail of forced logoffs: `session-guard-events.jsonl`, read by ranges from where it was last read to its end.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_rules::links::{SAME_LOGOFF_WITHIN, SIGHTING_WAITS, is_same_logoff};
use stationkeeper_rules::{FoundIn, Reservation, ReservationId, ReservationSettings, links};
use stationkeeper_telemetry::{
    Events, ForcedLogoff, HostEvent, HostName, Limits, ObjectKey, ObjectKind, Rejection, normalize_events,
    resume_events,
};

use crate::bucket::{Bucket, BucketError, ObjectAddress};

/// So many bytes before the offset are read again: they tell whether the file only grew.
pub(crate) const OVERLAP: u64 = 64;

/// How far the trail of a station has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Bytes; a torn last line is not among them.
    pub consumed: u64,
    /// Lines within `consumed`.
    pub lines: u64,
    /// SHA-256 of the last bytes (at most 64) before `consumed`.
    pub tail_sha256: Option<[u8; 32]>,
}

/// One read of a trail.
#[derive(Debug, Clone)]
pub struct TrailRead {
    /// Whose.
    pub host: HostName,
    /// Where it began; the same cursor must still stand when the lines are written.
    pub from: Cursor,
    /// Where the next read begins.
    pub to: Cursor,
    /// Byte offset of the first line in `events`: occurrences before it were counted by earlier reads.
    pub base: u64,
    /// What it says, lines numbered through the whole file.
    pub events: Events,
    /// Where in the file the line of each event begins, in their order: the same in whichever read it came.
    pub offsets: Vec<u64>,
}

/// Why a trail was not read.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// There is none, or the bucket did not give it.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The whole file cannot be read.
    #[error("the trail is unreadable: {}", .0.detail)]
    Rejected(Rejection),
}

/// Reads what is new in the trail of `host`. A file that was replaced is read anew; an older version than what was read gives its
/// lines again and leaves the cursor.
pub async fn read_trail<B: Bucket>(
    bucket: &B,
    host: &HostName,
    address: &ObjectAddress,
    from: Cursor,
    limits: &Limits,
) -> Result<TrailRead, TrailError> {
    let overlap = OVERLAP.min(from.consumed);
    let fetched = bucket.get(address, from.consumed - overlap, limits.max_bytes).await?;
    let size = fetched.head.size;
    let grew = size >= from.consumed && fetched.body.len() as u64 >= overlap && {
        let (before, _) = fetched.body.split_at(usize::try_from(overlap).unwrap_or_default());
        overlap == 0 || from.tail_sha256 == Some(Sha256::digest(before).into())
    };
    if grew {
        let rest = fetched.body.slice(usize::try_from(overlap).unwrap_or_default()..);
        let read = parse(host, &from, &from, &fetched.body, rest, limits)?;
        return Ok(read);
    }
    let whole = bucket.get(address, 0, limits.max_bytes).await?;
    let start = Cursor::default();
    let mut read = parse(host, &from, &start, &whole.body, whole.body.clone(), limits)?;
    if size < from.consumed {
        read.to = from;
    }
    Ok(read)
}

fn parse(
    host: &HostName,
    from: &Cursor,
    start: &Cursor,
    seen: &Bytes,
    rest: Bytes,
    limits: &Limits,
) -> Result<TrailRead, TrailError> {
    if rest.is_empty() && start.consumed > 0 {
        let events = Events::default();
        return Ok(TrailRead {
            host: host.clone(),
            from: from.clone(),
            to: start.clone(),
            base: start.consumed,
            events,
            offsets: Vec::new(),
        });
    }
    let events = match start.consumed {
        0 => normalize_events(&rest, limits, 1),
        _ => resume_events(&rest, limits, start.lines + 1),
    }
    .map_err(TrailError::Rejected)?;
    let consumed = start.consumed + events.consumed as u64;
    // `seen` ends where `rest` ends; the unread torn tail is cut off before the overlap is taken.
    let end = seen.len() - (rest.len() - events.consumed);
    let overlap = usize::try_from(OVERLAP.min(consumed)).unwrap_or_default().min(end);
    let tail = &seen[end - overlap..end];
    let to = Cursor {
        consumed,
        lines: start.lines + events.lines,
        tail_sha256: (overlap as u64 == OVERLAP.min(consumed)).then(|| Sha256::digest(tail).into()),
    };
    let offsets = offsets(&rest, start, &events);
    Ok(TrailRead { host: host.clone(), from: from.clone(), to, base: start.consumed, events, offsets })
}

/// Where the lines of these events begin; `rest` begins in line `start.lines + 1`.
fn offsets(rest: &Bytes, start: &Cursor, events: &Events) -> Vec<u64> {
    let mut lines = rest.split_inclusive(|byte| *byte == b'\n');
    let (mut line, mut offset) = (start.lines + 1, start.consumed);
    let begin = |event: &HostEvent| {
        while line < event.line {
            offset += lines.next().map_or(0, <[u8]>::len) as u64;
            line += 1;
        }
        offset
    };
    events.events.iter().map(begin).collect()
}

/// Where the trail of a station stands, newest version.
pub fn trail_address(host: &HostName) -> ObjectAddress {
    ObjectAddress { key: ObjectKey::latest(host, ObjectKind::Events).into_string(), version_id: None }
}

/// Identity of a line within its file: several users can be logged off in one second, and one of them twice.
pub type LineIdentity = (DateTime<Utc>, Option<String>, Option<i64>);

/// The identity of a line.
pub fn identity(line: &HostEvent) -> LineIdentity {
    (line.timestamp, line.user.clone(), line.session_id)
}

/// Numbers lines of the same identity, going on from how many stood before.
pub fn with_occurrence(
    lines: Vec<HostEvent>,
    mut before: HashMap<LineIdentity, u32>,
) -> impl Iterator<Item = (HostEvent, u32)> {
    lines.into_iter().map(move |line| {
        let seen = before.entry(identity(&line)).or_default();
        let occurrence = *seen;
        *seen += 1;
        (line, occurrence)
    })
}

/// A forced logoff that a heartbeat or the INI showed, waiting for its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// By the station's clock; with the host, its identity.
    pub logged_off_at: DateTime<Utc>,
    /// As the newest heartbeat that shows it has it.
    pub heartbeat: Option<ForcedLogoff>,
    /// As the INI has it.
    pub service_state: Option<ForcedLogoff>,
    /// When it first arrived.
    pub noticed_at: DateTime<Utc>,
}

/// What a sighting comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// Its line is there: the line's own row stands for it.
    Line,
    /// No line yet, and none so far given up.
    Waits,
    /// Settled from the INI or the heartbeat; a line that comes later replaces it.
    Row(Box<LogoffRow>),
}

/// A row of `reservation_forced_logoffs`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogoffRow {
    /// When, by the station's clock.
    pub timestamp: DateTime<Utc>,
    /// Who.
    pub user: Option<String>,
    /// Windows session number.
    pub session_id: Option<i64>,
    /// Of those with the same identity.
    pub occurrence: u32,
    /// Seconds of warning.
    pub grace: Option<i64>,
    /// Known from a line only.
    pub force: Option<bool>,
    /// What the user was told.
    pub message: Option<String>,
    /// Who ordered it.
    pub source: Option<String>,
    /// Which reservation it belongs to.
    pub reservation_id: Option<ReservationId>,
    /// Where it was found.
    pub found_in: FoundIn,
}

/// Settles a sighting: the line, else the INI, else after ten minutes the heartbeat alone.
pub fn settle(
    sighting: &Sighting,
    lines: &[HostEvent],
    reservations: &[Reservation],
    settings: &ReservationSettings,
    now: DateTime<Utc>,
) -> Settlement {
    let shown = [&sighting.service_state, &sighting.heartbeat];
    let has_line = |logoff: &ForcedLogoff| lines.iter().any(|line| is_same_logoff(line, logoff));
    if shown.into_iter().flatten().any(has_line) {
        return Settlement::Line;
    }
    let (logoff, found_in) = match (&sighting.service_state, &sighting.heartbeat) {
        (Some(logoff), _) => (logoff, FoundIn::ServiceState),
        (None, Some(logoff)) if now - sighting.noticed_at >= SIGHTING_WAITS => (logoff, FoundIn::Heartbeat),
        _ => return Settlement::Waits,
    };
    Settlement::Row(Box::new(LogoffRow {
        timestamp: sighting.logged_off_at,
        user: logoff.user.clone(),
        session_id: logoff.session_id,
        occurrence: 0,
        grace: logoff.grace,
        force: None,
        message: logoff.message.clone(),
        source: logoff.source.clone(),
        reservation_id: links::of_forced_logoff(sighting.logged_off_at, reservations, settings).cloned(),
        found_in,
    }))
}

/// Around which instants lines can settle these sightings.
pub fn span(sightings: &[Sighting]) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let first = sightings.iter().map(|sighting| sighting.logged_off_at).min()?;
    let last = sightings.iter().map(|sighting| sighting.logged_off_at).max()?;
    let slack = SAME_LOGOFF_WITHIN + TimeDelta::seconds(1);
    Some((first - slack, last + slack))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryBucket;

    fn instant(clock: &str) -> DateTime<Utc> {
        format!("2026-11-24T{clock}Z").parse().expect("HH:MM:SS")
    }

    fn line(clock: &str, user: &str) -> String {
        format!(
            "{{\"force\":true,\"grace\":90,\"message\":\"bye\",\"sessionId\":\"3\",\"source\":\"session-guard\",\
             \"state\":\"Active\",\"timestamp\":\"2026-11-24T{clock}Z\",\"user\":\"{user}\"}}\n"
        )
    }

    async fn read(bucket: &MemoryBucket, from: &Cursor) -> TrailRead {
        let host = HostName::parse("LAB-01").expect("a host");
        let limits = Limits::default();
        read_trail(bucket, &host, &trail_address(&host), from.clone(), &limits).await.expect("readable")
    }

    fn users(read: &TrailRead) -> Vec<&str> {
        read.events.events.iter().filter_map(|event| event.user.as_deref()).collect()
    }

    #[tokio::test]
    async fn a_trail_is_read_from_where_it_was_left() {
        let bucket = MemoryBucket::default();
        let put = |text: String| {
            bucket.put("stations/LAB-01/session-guard-events.jsonl", Bytes::from(text), instant("10:00:00"))
        };
        let mut text = format!("\u{feff}{}", line("09:00:00", "ana"));
        put(text.clone());
        let first = read(&bucket, &Cursor::default()).await;
        assert_eq!(users(&first), ["ana"]);
        text += &line("09:10:00", "eva");
        put(format!("{text}{{\"force\":tr"));
        let second = read(&bucket, &first.to).await;
        assert_eq!((users(&second), second.events.events[0].line), (vec!["eva"], 2));
        let at_once = read(&bucket, &Cursor::default()).await;
        assert_eq!(users(&at_once), ["ana", "eva"]);
        assert_eq!(
            at_once.offsets,
            [first.offsets[0], second.offsets[0]],
            "a line lies where it lies, whoever reads it"
        );
        text += &line("09:20:00", "leo");
        put(text.clone());
        let third = read(&bucket, &second.to).await;
        assert_eq!((users(&third), third.events.events[0].line), (vec!["leo"], 3), "the torn line is read when whole");
        assert!(users(&read(&bucket, &third.to).await).is_empty(), "nothing new");

        put(format!("\u{feff}{}", line("09:30:00", "new")) + &"\n".repeat(600));
        let replaced = read(&bucket, &third.to).await;
        assert_eq!((users(&replaced), replaced.base), (vec!["new"], 0), "another file is read anew");
        assert_ne!(replaced.to, third.to);

        put(format!("\u{feff}{}", line("09:00:00", "ana")));
        let older = read(&bucket, &third.to).await;
        assert_eq!((users(&older), &older.to), (vec!["ana"], &third.to), "an older version leaves the cursor");
    }

    #[test]
    fn a_sighting_waits_ten_minutes_for_its_line() {
        let settings = ReservationSettings::default();
        let logoff = |user: &str| ForcedLogoff {
            timestamp: Some(instant("09:00:00")),
            user: Some(user.to_owned()),
            session_id: Some(3),
            grace: None,
            force: None,
            message: None,
            source: None,
            state: None,
            success: None,
        };
        let sighting = Sighting {
            logged_off_at: instant("09:00:00"),
            heartbeat: Some(logoff("true")),
            service_state: None,
            noticed_at: instant("09:00:40"),
        };
        let with_ini = Sighting { service_state: Some(logoff("1")), ..sighting.clone() };
        let its_line = [HostEvent {
            timestamp: instant("09:00:01"),
            user: Some("1".to_owned()),
            session_id: Some(3),
            grace: None,
            force: None,
            message: None,
            source: None,
            line: 1,
            state: None,
        }];
        for (shows, sighting, lines, now, expected) in [
            ("it waits", &sighting, &[][..], "09:10:39", "waits"),
            ("it has waited", &sighting, &[], "09:10:40", "heartbeat"),
            ("the INI has it", &with_ini, &[], "09:00:41", "service_state"),
            ("its line is there", &sighting, &its_line, "09:00:41", "line"),
            ("the line beats the INI", &with_ini, &its_line, "10:00:00", "line"),
        ] {
            let got = match settle(sighting, lines, &[], &settings, instant(now)) {
                Settlement::Line => "line",
                Settlement::Waits => "waits",
                Settlement::Row(row) => row.found_in.as_str(),
            };
            assert_eq!(got, expected, "{shows}");
        }
    }
}
