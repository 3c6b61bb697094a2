//! Bodies come out as they went in, each once, and the latest state is the greatest of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_rules::rank;
use stationkeeper_telemetry::{ObjectKind, classify_key};
use zstd::bulk::Decompressor;

use super::{Accepted, Counts, Violations};
use crate::tables::{Picked, Tables};

/// What history holds.
pub(crate) struct History {
    rows: Vec<Body>,
    variants: Vec<Body>,
    /// What could not be turned back into a body.
    unreadable: Vec<String>,
    bodies: HashSet<(String, [u8; 32])>,
}

struct Body {
    host: String,
    timestamp: DateTime<Utc>,
    sha256: [u8; 32],
    /// None in a variant.
    first: Option<First>,
}

struct First {
    arrived_at: DateTime<Utc>,
    ready: bool,
}

impl History {
    /// Some row or variant of this station has a body of this SHA-256.
    pub(crate) fn holds(&self, host: &str, sha256: &[u8; 32]) -> bool {
        self.bodies.contains(&(host.to_owned(), *sha256))
    }
}

impl Body {
    fn name(&self) -> String {
        format!("{} {}", self.host, self.timestamp.format("%Y-%m-%d %H:%M:%S%.f"))
    }
}

pub(crate) async fn read(tables: &mut Tables) -> Result<History, sqlx::Error> {
    let mut dictionaries: HashMap<String, Vec<u8>> = HashMap::new();
    for row in tables.columns("raw_dictionaries", &["id", "hex bytes"]).await? {
        dictionaries.insert(row.text("id").to_owned(), row.bytes("bytes"));
    }
    let mut history =
        History { rows: Vec::new(), variants: Vec::new(), unreadable: Vec::new(), bodies: HashSet::new() };
    let mut decoders = HashMap::new();
    let columns = &[
        "host",
        "timestamp_utc",
        "first_arrived_at",
        "ready",
        "hex sha256",
        "raw_format",
        "raw_dictionary",
        "hex raw",
        "raw_json",
        "raw_length",
    ];
    for row in tables.columns("lab_station_heartbeat", columns).await? {
        let first = First { arrived_at: row.instant("first_arrived_at"), ready: row.number("ready") == 1 };
        let body = history.take(&row, Some(first), &dictionaries, &mut decoders);
        history.rows.push(body);
    }
    let columns =
        &["host", "timestamp_utc", "hex sha256", "raw_format", "raw_dictionary", "hex raw", "raw_json", "raw_length"];
    for row in tables.columns("lab_station_heartbeat_variants", columns).await? {
        let body = history.take(&row, None, &dictionaries, &mut decoders);
        history.variants.push(body);
    }
    Ok(history)
}

impl History {
    fn take(
        &mut self,
        row: &Picked,
        first: Option<First>,
        dictionaries: &HashMap<String, Vec<u8>>,
        decoders: &mut HashMap<String, Decompressor<'static>>,
    ) -> Body {
        let sha256: [u8; 32] = row.bytes("sha256").try_into().unwrap_or_default();
        let host = row.text("host").to_owned();
        let body = Body { host, timestamp: row.instant("timestamp_utc"), sha256, first };
        match decode(row, dictionaries, decoders) {
            Ok(bytes) if <[u8; 32]>::from(Sha256::digest(&bytes)) == sha256 => {
                if i64::try_from(bytes.len()).ok() != Some(row.number("raw_length")) {
                    self.unreadable.push(format!("{}: {} bytes come out, not raw_length", body.name(), bytes.len()));
                }
            }
            Ok(_) => self.unreadable.push(format!("{}: what comes out has another SHA-256", body.name())),
            Err(problem) => self.unreadable.push(format!("{}: {problem}", body.name())),
        }
        self.bodies.insert((body.host.clone(), sha256));
        body
    }
}

fn decode(
    row: &Picked,
    dictionaries: &HashMap<String, Vec<u8>>,
    decoders: &mut HashMap<String, Decompressor<'static>>,
) -> Result<Vec<u8>, String> {
    match row.number("raw_format") {
        1 => {
            let id = row.optional("raw_dictionary").unwrap_or_default().to_owned();
            let dictionary = match id.as_str() {
                "" => &[][..],
                id => dictionaries.get(id).ok_or_else(|| format!("its dictionary {id} is not there"))?,
            };
            let made = || Decompressor::with_dictionary(dictionary).expect("a decompressor");
            let decoder = decoders.entry(id.clone()).or_insert_with(made);
            let length = usize::try_from(row.number("raw_length")).unwrap_or_default();
            decoder.decompress(&row.bytes("raw"), length).map_err(|error| format!("cannot be decompressed: {error}"))
        }
        2 => Ok(row.text("raw_json").as_bytes().to_vec()),
        3 => Ok([b"\xEF\xBB\xBF", row.text("raw_json").as_bytes()].concat()),
        other => Err(format!("is of the unknown format {other}")),
    }
}

pub(crate) fn check(history: &History, accepted: &[Accepted], found: &mut Violations, counts: &mut Counts) {
    for problem in &history.unreadable {
        found.add("bytes out are not bytes in", problem.clone());
    }
    let put: HashSet<(String, [u8; 32])> = accepted
        .iter()
        .filter_map(|one| match classify_key(&one.object.key)? {
            (host, ObjectKind::Heartbeat) => Some((host.as_str().to_owned(), one.sha256)),
            _ => None,
        })
        .collect();
    let mut seen = BTreeSet::new();
    for body in history.rows.iter().chain(&history.variants) {
        if !put.contains(&(body.host.clone(), body.sha256)) {
            found.add("bytes out are not bytes in", format!("{}: nobody put such a body", body.name()));
        }
        if !seen.insert((&body.host, body.sha256)) {
            found.add("double", format!("{}: its body is kept twice", body.name()));
        }
    }
    let keys: HashSet<_> = history.rows.iter().map(|row| (&row.host, row.timestamp)).collect();
    for variant in history.variants.iter().filter(|one| !keys.contains(&(&one.host, one.timestamp))) {
        found.add("orphan", format!("{}: a variant without its heartbeat", variant.name()));
    }
    counts.insert("history", history.rows.len() as u64);
    counts.insert("variants", history.variants.len() as u64);
}

/// What a station's latest must be: timestamp, first arrival and readiness of its greatest heartbeat.
pub(crate) async fn check_latest(
    history: &History,
    tables: &mut Tables,
    found: &mut Violations,
) -> Result<(), sqlx::Error> {
    const KIND: &str = "latest is not the greatest of history";
    let mut greatest: BTreeMap<&str, (&Body, &First)> = BTreeMap::new();
    for row in &history.rows {
        let Some(first) = &row.first else { continue };
        let held = greatest.entry(&row.host).or_insert((row, first));
        if rank(row.timestamp, first.arrived_at) > rank(held.0.timestamp, held.1.arrived_at) {
            *held = (row, first);
        }
    }
    let columns = &["host", "timestamp_utc", "advanced_at", "ready", "snapshot"];
    for row in tables.columns("lab_station_state", columns).await? {
        let host = row.text("host");
        let standing = row.optional_instant("timestamp_utc").zip(row.optional_instant("advanced_at"));
        match (greatest.remove(host), standing) {
            (None, None) => {}
            (None, Some((at, _))) => found.add(KIND, format!("{host} shows {at}, and history has nothing of it")),
            (Some((body, _)), None) => {
                found.add(KIND, format!("{host} shows nothing, and history has {}", body.name()))
            }
            (Some((body, first)), Some(standing)) => {
                if standing != (body.timestamp, first.arrived_at) {
                    let (at, arrived) = (body.timestamp, first.arrived_at);
                    let message = format!("{host} shows {} (arrived {}), not {at} ({arrived})", standing.0, standing.1);
                    found.add(KIND, message);
                } else if row.optional("ready") != Some(if first.ready { "1" } else { "0" }) {
                    found.add(KIND, format!("{host} shows another readiness than {}", body.name()));
                } else if !says(row.optional("snapshot"), body.timestamp) {
                    found.add(KIND, format!("{host}: its snapshot is not of {}", body.name()));
                }
            }
        }
    }
    for (host, _) in greatest {
        found.add(KIND, format!("{host} has history and no state"));
    }
    Ok(())
}

/// A snapshot speaks of this instant.
fn says(snapshot: Option<&str>, at: DateTime<Utc>) -> bool {
    let said = snapshot.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok()).and_then(|snapshot| {
        let text = snapshot["timestamp_utc"].as_str()?.to_owned();
        text.parse::<DateTime<Utc>>().ok()
    });
    said == Some(at)
}
