//! Each accepted version is in exactly one place: history, what was taken into the state, quarantine, or the queue.

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};
use stationkeeper_store::ObjectVersion;
use stationkeeper_telemetry::{ObjectKind, classify_key};

use super::history::History;
use super::{Accepted, Counts, Violations};
use crate::tables::Tables;

/// The column `outcome` of an object that was put aside.
const QUARANTINED: i64 = 3;

pub(crate) async fn check(
    accepted: &[Accepted],
    waiting: &BTreeSet<ObjectVersion>,
    history: &History,
    tables: &mut Tables,
    found: &mut Violations,
    counts: &mut Counts,
) -> Result<(), sqlx::Error> {
    let marked: HashMap<Vec<u8>, i64> = tables
        .columns("ingested_objects", &["hex object_hash", "outcome"])
        .await?
        .into_iter()
        .map(|row| (row.bytes("object_hash"), row.number("outcome")))
        .collect();
    let quarantined: BTreeSet<ObjectVersion> = tables
        .columns("quarantined_objects", &["object_key", "object_version"])
        .await?
        .into_iter()
        .map(|row| ObjectVersion {
            key: row.text("object_key").to_owned(),
            version: row.text("object_version").to_owned(),
        })
        .collect();
    let mut state_documents = 0;
    for one in accepted {
        let Some((host, kind)) = classify_key(&one.object.key) else { continue };
        let name = || format!("{} {}", one.object.key, one.object.version);
        let outcome = marked.get(&hash(&one.object)[..]).copied();
        let is_waiting = waiting.contains(&one.object);
        let is_quarantined = quarantined.contains(&one.object);
        // What waits without its mark was announced again: its rows are there, and are compared when it is taken.
        let is_done = outcome.is_some() || !is_waiting;
        let mut places = Vec::new();
        if is_quarantined && is_done {
            places.push("quarantine");
        }
        if is_waiting {
            places.push("the queue");
        }
        let is_kept = if kind == ObjectKind::Heartbeat {
            let there = history.holds(host.as_str(), &one.sha256);
            if outcome.is_some_and(|outcome| outcome != QUARANTINED) && !there {
                found.add("lost", format!("{} is marked as ingested, and history does not have it", name()));
            }
            // The same bytes under another version do not make this one done.
            there && is_done
        } else {
            outcome.is_some_and(|outcome| outcome != QUARANTINED)
        };
        if is_kept {
            places.push(if kind == ObjectKind::Heartbeat { "history" } else { "the state" });
            state_documents += u64::from(kind != ObjectKind::Heartbeat);
        }
        if outcome == Some(QUARANTINED) && !is_quarantined {
            found.add("lost", format!("{} is marked as put aside, and is not in quarantine", name()));
        }
        match places.as_slice() {
            [] if one.answered => found.add("lost", format!("{} was accepted, and is nowhere", name())),
            [] | [_] => {}
            several => found.add("double", format!("{} is in {}", name(), several.join(" and in "))),
        }
    }
    let known: HashSet<&ObjectVersion> = accepted.iter().map(|one| &one.object).collect();
    // Of a PUT that was not answered nobody knows the version.
    let unanswered: HashSet<&str> =
        accepted.iter().filter(|one| !one.answered).map(|one| one.object.key.as_str()).collect();
    let of_nothing = |object: &&ObjectVersion| {
        !object.key.starts_with("delivery/") && !known.contains(object) && !unanswered.contains(object.key.as_str())
    };
    for object in quarantined.iter().filter(of_nothing) {
        found.add("orphan", format!("{} {} is in quarantine, and nobody put it", object.key, object.version));
    }
    for object in waiting.iter().filter(of_nothing) {
        found.add("orphan", format!("{} {} is in the queue, and nobody put it", object.key, object.version));
    }
    if unanswered.is_empty() {
        let hashes: HashSet<Vec<u8>> = accepted.iter().map(|one| hash(&one.object).to_vec()).collect();
        let strangers = marked.keys().filter(|hash| !hashes.contains(*hash)).count();
        if strangers > 0 {
            found.add("orphan", format!("{strangers} objects are marked as ingested, and nobody put them"));
        }
    }
    counts.insert("accepted", accepted.iter().filter(|one| one.answered).count() as u64);
    counts.insert("unanswered", accepted.iter().filter(|one| !one.answered).count() as u64);
    counts.insert("waiting", waiting.len() as u64);
    counts.insert("quarantined", quarantined.len() as u64);
    counts.insert("state_documents", state_documents);
    Ok(())
}

/// What stands for a version in `ingested_objects`.
fn hash(object: &ObjectVersion) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest([object.key.as_bytes(), b"\0", object.version.as_bytes()].concat()).into();
    std::array::from_fn(|place| digest[place])
}
