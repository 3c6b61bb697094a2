//! What was sent to the bucket and what was answered: the list that everything is held against.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use stationkeeper_store::ObjectVersion;
use stationkeeper_tests::conservation::Accepted;

use crate::rows::{Found, Rows};

/// What an upload must become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// One row of history.
    History,
    /// One row of the quarantine.
    Quarantine,
    /// Part of a station's state: a mark that it was seen.
    State,
}

/// One PUT.
#[derive(Debug, Clone)]
pub struct Entry {
    pub becomes: Becomes,
    pub key: String,
    /// Of the body, in hex.
    pub sha256: String,
    /// Of the answer with 200. None: no answer, so that it may be there or not.
    pub version: Option<String>,
}

/// Names an entry.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize);

/// All of them. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Entry>>>);

impl Ledger {
    /// Before it is sent.
    pub fn sends(&self, becomes: Becomes, key: &str, body: &[u8]) -> Place {
        let entry = Entry { becomes, key: key.to_owned(), sha256: hex::encode(Sha256::digest(body)), version: None };
        let mut entries = self.0.lock().unwrap();
        entries.push(entry);
        Place(entries.len() - 1)
    }

    /// It was answered with 200.
    pub fn answered(&self, place: Place, version: &str) {
        self.0.lock().unwrap()[place.0].version = Some(version.to_owned());
    }

    /// What was answered so far.
    pub fn accepted(&self) -> Vec<Entry> {
        self.0.lock().unwrap().iter().filter(|entry| entry.version.is_some()).cloned().collect()
    }

    /// All of it, for the checker that tests of faults share.
    pub fn to_conserve(&self) -> Vec<Accepted> {
        let of = |entry: &Entry| {
            let mut sha256 = [0; 32];
            hex::decode_to_slice(&entry.sha256, &mut sha256).unwrap();
            let (key, version) = named(entry);
            Accepted { object: ObjectVersion { key, version }, sha256, answered: entry.version.is_some() }
        };
        self.0.lock().unwrap().iter().map(of).collect()
    }

    /// Of these, what is not there: a line each.
    pub fn missing(accepted: &[Entry], found: &Found) -> Vec<String> {
        let is_there = |entry: &Entry| match entry.becomes {
            Becomes::History => found.history.contains_key(&entry.sha256),
            Becomes::Quarantine => found.quarantine.contains(&named(entry)),
            Becomes::State => found.seen.contains(&mark(entry)) || found.quarantine.contains(&named(entry)),
        };
        accepted.iter().filter(|entry| !is_there(entry)).map(|entry| format!("lost: {entry:?}")).collect()
    }

    /// What is there and should not be: twice, never sent, or in two places. A line each.
    pub fn superfluous(&self, found: &Found) -> Vec<String> {
        let entries = self.0.lock().unwrap();
        let sent: HashSet<_> = entries.iter().map(|entry| entry.sha256.as_str()).collect();
        let answered: HashMap<_, _> =
            entries.iter().filter(|entry| entry.version.is_some()).map(|entry| (named(entry), entry)).collect();
        let twice =
            found.history.iter().filter(|(_, count)| **count > 1).map(|(sha, count)| format!("{count} times: {sha}"));
        let unknown =
            found.history.keys().filter(|sha| !sent.contains(sha.as_str())).map(|sha| format!("never sent: {sha}"));
        let in_two = found.quarantine.iter().filter_map(|named| {
            let entry = answered.get(named)?;
            (entry.becomes == Becomes::History && found.history.contains_key(&entry.sha256))
                .then(|| format!("in history and in quarantine: {entry:?}"))
        });
        twice.chain(unknown).chain(in_two).collect()
    }

    /// Waits until all that was answered until now is there.
    pub async fn settles(&self, rows: &Rows, within: Duration) {
        let accepted = self.accepted();
        Self::all_settle(&accepted, rows, within).await;
    }

    /// Waits until all of these are there.
    pub async fn all_settle(accepted: &[Entry], rows: &Rows, within: Duration) {
        let begun = Instant::now();
        loop {
            let missing = Self::missing(accepted, &rows.found().await);
            if missing.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < within,
                "{} of {} are not there after {} s:\n{}",
                missing.len(),
                accepted.len(),
                within.as_secs(),
                missing.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whatever is there was sent, and is there once.
    pub async fn holds_no_more(&self, rows: &Rows) {
        let wrong = self.superfluous(&rows.found().await);
        assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
    }

    fn wrong(&self, found: &Found) -> Vec<String> {
        let mut wrong = Self::missing(&self.accepted(), found);
        wrong.extend(self.superfluous(found));
        wrong
    }

    /// As [`holds`](Self::holds), once the bucket and the database have been compared: meanwhile an object is forgotten and taken again.
    pub async fn comes_to_hold(&self, rows: &Rows, within: Duration) {
        let begun = Instant::now();
        loop {
            let wrong = self.wrong(&rows.found().await);
            if wrong.is_empty() {
                return;
            }
            assert!(begun.elapsed() < within, "{} violations:\n{}", wrong.len(), wrong.join("\n"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everything that was answered is there, and nothing else, each once.
    pub async fn holds(&self, rows: &Rows) {
        let wrong = self.wrong(&rows.found().await);
        assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn named(entry: &Entry) -> (String, String) {
    (entry.key.clone(), entry.version.clone().unwrap_or_default())
}

/// As the database remembers that it saw an object: half a SHA-256 of key and version.
fn mark(entry: &Entry) -> String {
    let (key, version) = named(entry);
    let digest = Sha256::digest([key.as_bytes(), &[0], version.as_bytes()].concat());
    hex::encode(&digest[..16])
}
