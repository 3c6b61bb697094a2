//! Heartbeats of a lab's folder, over and over, each time with later dates.

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Utc};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey, ObjectKind};

use crate::failure::{Exit, Failure};
use crate::replay::Timeline;

/// From the last heartbeat of a lab to the first of its repeat.
const PAUSE: TimeDelta = TimeDelta::seconds(60);
/// `2026-11-24T08:00:22`, as it stands in every instant of a heartbeat; fraction and zone follow.
const INSTANT: &str = "dddd-dd-ddTdd:dd:dd";
const FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

/// A heartbeat to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Of this station.
    pub host: HostName,
    /// When it is put: at its own timestamp.
    pub at: DateTime<Utc>,
    /// The body.
    pub body: Bytes,
}

/// The heartbeats of a lab, in time order.
#[derive(Debug, Clone)]
pub struct Recording {
    beats: Vec<Beat>,
    span: TimeDelta,
}

impl Recording {
    /// Reads `DIR/<HOST>/heartbeat-….json`.
    pub fn read(dir: &Path) -> Result<Self, Failure> {
        let timeline = Timeline::read(dir)?;
        let limits = Limits::default();
        let heartbeat = |host: &HostName| ObjectKey::latest(host, ObjectKind::Heartbeat).into_string();
        let beats = timeline
            .puts
            .into_iter()
            // No bucket of ours takes a larger one.
            .filter(|put| put.key == heartbeat(&put.host) && limits.check_size(put.body.len() as u64).is_ok())
            .map(|put| Beat { host: put.host, at: put.at, body: put.body })
            .collect();
        Self::of(beats)
            .ok_or_else(|| Failure::new(Exit::NoInput, format!("there is no heartbeat in {}", dir.display())))
    }

    fn of(beats: Vec<Beat>) -> Option<Self> {
        let span = beats.last()?.at - beats.first()?.at;
        Some(Self { beats, span })
    }

    /// How many there are.
    pub fn length(&self) -> usize {
        self.beats.len()
    }

    /// All of them `times` over, the first after `after`. A repeat moves every instant, those in the bodies too.
    ///
    /// # Errors
    /// The dates would leave what a database can hold.
    pub fn repeated(&self, times: u32, after: Option<DateTime<Utc>>) -> Result<impl Iterator<Item = Beat>, Failure> {
        let step = self.span + PAUSE;
        let first = self.beats.first().map(|beat| beat.at);
        let start = match (first, after) {
            (Some(first), Some(after)) if after >= first => after - first + PAUSE,
            _ => TimeDelta::zero(),
        };
        let last = i32::try_from(times)
            .ok()
            .and_then(|times| step.checked_mul(times))
            .and_then(|whole| whole.checked_add(&start))
            .and_then(|moved| first?.checked_add_signed(moved));
        if last.is_none_or(|last| last.year() > 9_000) {
            let said = format!(
                "the dates of these heartbeats span {} days: too long to repeat them {times} times",
                self.span.num_days()
            );
            return Err(Failure::new(Exit::Rejected, said));
        }
        Ok((0..times).flat_map(move |repeat| {
            let by = start + step * i32::try_from(repeat).unwrap_or_default();
            self.beats.iter().map(move |beat| Beat {
                host: beat.host.clone(),
                at: beat.at + by,
                body: if by.is_zero() { beat.body.clone() } else { moved(&beat.body, by) },
            })
        }))
    }
}

/// The same body with all instants later by `by` (whole seconds).
fn moved(body: &[u8], by: TimeDelta) -> Bytes {
    let mut out = body.to_vec();
    let mut at = 0;
    while at + INSTANT.len() <= out.len() {
        let Some(later) = later(&out[at..at + INSTANT.len()], by) else {
            at += 1;
            continue;
        };
        out[at..at + INSTANT.len()].copy_from_slice(later.as_bytes());
        at += INSTANT.len();
    }
    out.into()
}

fn later(text: &[u8], by: TimeDelta) -> Option<String> {
    let fits = |(byte, mark): (&u8, u8)| if mark == b'd' { byte.is_ascii_digit() } else { *byte == mark };
    if !text.iter().zip(INSTANT.bytes()).all(fits) {
        return None;
    }
    let instant = NaiveDateTime::parse_from_str(std::str::from_utf8(text).ok()?, FORMAT).ok()?;
    let later = instant.checked_add_signed(by)?.format(FORMAT).to_string();
    (later.len() == INSTANT.len()).then_some(later)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().expect("RFC 3339")
    }

    #[test]
    fn every_instant_of_a_body_moves_and_nothing_else() {
        for (body, expected) in [
            ("", ""),
            ("2026-11-24T08:00:2", "2026-11-24T08:00:2"),
            ("{\"timestamp\":\"2026-12-31T23:59:30Z\"}", "{\"timestamp\":\"2027-01-01T00:00:30Z\"}"),
            ("2026-11-24T08:00:22.1234567+01:00", "2026-11-24T08:01:22.1234567+01:00"),
            ("2026-13-24T08:00:22 9999-12-31T23:59:59", "2026-13-24T08:00:22 9999-12-31T23:59:59"),
            ("12026-11-24T08:00:22, ñ 2026-11-24", "12026-11-24T08:01:22, ñ 2026-11-24"),
        ] {
            assert_eq!(moved(body.as_bytes(), TimeDelta::seconds(60)), expected, "{body}");
        }
    }

    #[test]
    fn a_repeat_begins_a_minute_after_the_end_and_after_what_is_stored() {
        let beat = |clock: &str| {
            let at = format!("2026-11-24T{clock}Z");
            let host = HostName::parse("LAB-01").expect("a host");
            Beat { host, at: instant(&at), body: at.into() }
        };
        let recording = Recording::of(vec![beat("08:00:00"), beat("08:10:00")]).expect("two beats");
        for (after, expected) in [
            (None, ["08:00:00", "08:10:00", "08:11:00", "08:21:00"]),
            (Some("07:00:00"), ["08:00:00", "08:10:00", "08:11:00", "08:21:00"]),
            (Some("09:00:00"), ["09:01:00", "09:11:00", "09:12:00", "09:22:00"]),
        ] {
            let after = after.map(|clock| instant(&format!("2026-11-24T{clock}Z")));
            let beats: Vec<_> = recording.repeated(2, after).expect("in time").collect();
            assert_eq!(beats, expected.map(beat), "{after:?}");
        }
    }

    #[test]
    fn dates_that_would_leave_the_calendar_are_refused() {
        let host = HostName::parse("LAB-01").expect("a host");
        let beat = |at: &str| Beat { host: host.clone(), at: instant(at), body: Bytes::new() };
        let recording = Recording::of(vec![beat("2016-11-24T08:00:00Z"), beat("2026-11-24T08:00:00Z")]).expect("two");
        assert!(recording.repeated(10, None).is_ok());
        let refused = recording.repeated(1_000, None).err().expect("refused").to_string();
        assert!(refused.contains("3652 days"), "{refused}");
    }
}
