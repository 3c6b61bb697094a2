//! The PUTs of a lab's folder: `DIR/<HOST>/heartbeat-….json`, `session-guard-events.jsonl`, `status.json`, `service-state.ini`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey, ObjectKind, normalize_events, normalize_heartbeat};

use crate::failure::{Exit, Failure};

/// One PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// When.
    pub at: DateTime<Utc>,
    /// Of this station.
    pub host: HostName,
    /// Under this key.
    pub key: String,
    /// With this body.
    pub body: Bytes,
}

/// All PUTs of a lab, in time order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// In order.
    pub puts: Vec<Put>,
}

impl Timeline {
    /// Reads a lab's folder.
    pub fn read(dir: &Path) -> Result<Self, Failure> {
        let mut puts = Vec::new();
        for path in entries(dir)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(host) = HostName::parse(name) else { continue };
            if path.is_dir() {
                station(&path, &host, &mut puts)?;
            }
        }
        if puts.is_empty() {
            let said = format!(
                "there is no station in {}: it should hold a folder for each, DIR/HOST/heartbeat-….json",
                dir.display()
            );
            return Err(Failure::new(Exit::NoInput, said));
        }
        puts.sort_by(|one, other| (one.at, &one.host, &one.key).cmp(&(other.at, &other.host, &other.key)));
        Ok(Self { puts })
    }

    /// When the last PUT happens.
    pub fn end(&self) -> Option<DateTime<Utc>> {
        self.puts.last().map(|put| put.at)
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cannot = |error: &std::io::Error| {
        Failure::because(Exit::NoInput, format_args!("cannot read the folder {}", dir.display()), error)
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(|error| cannot(&error))?
        .map(|entry| entry.map(|entry| entry.path()).map_err(|error| cannot(&error)))
        .collect::<Result<_, _>>()?;
    paths.sort();
    Ok(paths)
}

fn station(dir: &Path, host: &HostName, puts: &mut Vec<Put>) -> Result<(), Failure> {
    let mut last = None;
    let mut singles = Vec::new();
    for path in entries(dir)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let body = || {
            std::fs::read(&path).map(Bytes::from).map_err(|error| {
                Failure::because(Exit::NoInput, format_args!("cannot read {}", path.display()), &error)
            })
        };
        if name.starts_with("heartbeat") && name.ends_with(".json") {
            let body = body()?;
            let at = heartbeat_at(&name, &body).ok_or_else(|| {
                let said =
                    format!("cannot tell when {} was put: neither its name nor its timestamp says so", path.display());
                Failure::new(Exit::Rejected, said)
            })?;
            last = last.max(Some(at));
            let key = ObjectKey::latest(host, ObjectKind::Heartbeat).into_string();
            puts.push(Put { at, host: host.clone(), key, body });
        } else if let Some(kind) = ObjectKind::ALL.into_iter().find(|kind| kind.file_name() == name) {
            singles.push((kind, body()?));
        }
    }
    for (kind, body) in singles {
        let key = ObjectKey::latest(host, kind).into_string();
        if kind == ObjectKind::Events {
            trail(host, &key, &body, last, puts);
        } else if let Some(at) = last {
            puts.push(Put { at: at + TimeDelta::seconds(1), host: host.clone(), key, body });
        }
    }
    Ok(())
}

/// A heartbeat is put at its own timestamp; one that cannot be read, at the instant in its name.
fn heartbeat_at(name: &str, body: &[u8]) -> Option<DateTime<Utc>> {
    let by_name = || {
        let stamp = name.strip_prefix("heartbeat-")?.strip_suffix(".json")?;
        NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%SZ").ok().map(|at| at.and_utc())
    };
    let judged_at = by_name().unwrap_or(DateTime::<Utc>::MAX_UTC);
    normalize_heartbeat(body, None, judged_at, &Limits::default())
        .ok()
        .map(|snapshot| snapshot.timestamp_utc)
        .or_else(by_name)
}

/// The trail grows: it is put anew at the timestamp of each of its lines, as far as it had grown by then.
fn trail(host: &HostName, key: &str, body: &Bytes, last: Option<DateTime<Utc>>, puts: &mut Vec<Put>) {
    let put = |at, length| Put { at, host: host.clone(), key: key.to_owned(), body: body.slice(..length) };
    let mut ends = Vec::new();
    let mut start = 0;
    while start < body.len() {
        let length = body[start..].iter().position(|byte| *byte == b'\n').map_or(body.len() - start, |at| at + 1);
        let line = normalize_events(&body[start..start + length], &Limits::default(), 1).ok();
        let at = line.and_then(|line| line.events.first().map(|event| event.timestamp));
        start += length;
        ends.push((at, start));
    }
    // Lines never go back in time within the file; one that cannot be read comes with its predecessor.
    let mut newest = ends.iter().find_map(|(at, _)| *at).or(last);
    for (index, (at, end)) in ends.iter().enumerate() {
        newest = newest.max(*at);
        let same_instant_follows =
            ends.get(index + 1).is_some_and(|(next, _)| next.is_none_or(|next| Some(next) <= newest));
        if let Some(at) = newest
            && !same_instant_follows
        {
            puts.push(put(at, *end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_put_as_it_grew() {
        let host = HostName::parse("LAB-01").expect("a host");
        let line =
            |clock: &str| format!("{{\"timestamp\":\"2026-11-24T{clock}Z\",\"user\":\"a\",\"sessionId\":\"1\"}}\n");
        let text = format!("{}{}{}{{\"time", line("08:00:00"), line("08:00:00"), line("08:10:00"));
        let mut puts = Vec::new();
        trail(&host, "k", &Bytes::from(text.clone()), None, &mut puts);
        let got: Vec<_> = puts.iter().map(|put| (put.at.format("%H:%M:%S").to_string(), put.body.len())).collect();
        let first = line("08:00:00").len() * 2;
        assert_eq!(got, [("08:00:00".to_owned(), first), ("08:10:00".to_owned(), text.len())]);
    }
}
