//! What the bucket holds and no event ever announced: from time to time the bucket is listed and compared with the database.
//!
//! A round goes through the stations' folders in order, some in each step; how far it came is kept in the database, so that a restart goes
//! on there. It looks at what was put since the round before: the versions of the latest files, and of `heartbeat/…`, whose keys sort by time,
//! those of a day before and later. Once a day a round reads the whole of `heartbeat/…`, since a station that was cut off
//! uploads old heartbeats late.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use stationkeeper_store::ObjectVersion;
use stationkeeper_telemetry::{HostName, ObjectEvent, ObjectKind, classify_key};

use crate::bucket::{ListVersions, ListedVersion, VersionMarker};
use crate::clock::Clock;
use crate::ingest::Ingest;
use crate::{IngestError, chain, observe};

/// Folders compared in a step.
const FOLDERS: usize = 64;
/// Folders compared at once.
const CONCURRENCY: usize = 4;
/// Objects ingested together.
const CHUNK: usize = 200;
/// A round of every day looks so far back in `heartbeat/…`.
const LATE: TimeDelta = TimeDelta::hours(24);
/// Between two rounds that read all of `heartbeat/…`.
const DEEP_EVERY: TimeDelta = TimeDelta::hours(24);
/// The database remembers objects for seven days from their ingest; a day less, since it counts in days.
const REMEMBERED: TimeDelta = TimeDelta::days(6);
/// Clocks of a bucket's servers differ by less.
const SLACK: TimeDelta = TimeDelta::seconds(5);
/// Under which the progress is kept among the settings.
const KEY: &str = "reconciler";
const STATIONS: &str = "stations/";
/// The files that a station overwrites; its beacon is of no use later.
const LATEST: [ObjectKind; 4] =
    [ObjectKind::Heartbeat, ObjectKind::Status, ObjectKind::Events, ObjectKind::ServiceState];

/// How a bucket is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// What was put within this time may still be announced, and is left alone.
    pub patience: TimeDelta,
    /// Where the very first round begins; none: all that the bucket holds is compared.
    pub first_from: Option<DateTime<Utc>>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepReport {
    /// Folders that were compared.
    pub folders: usize,
    /// Folders that could not be compared to the end: the next round looks at the same again.
    pub failed: usize,
    /// Versions that were compared.
    pub compared: u64,
    /// Of these, versions that nothing had announced and that are ingested now.
    pub found: u64,
    /// The round is over.
    pub is_over: bool,
}

/// How far the bucket was compared with the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    /// All that was put before is compared.
    since: Option<DateTime<Utc>>,
    /// The same of all of `heartbeat/…`.
    deep_since: Option<DateTime<Utc>>,
    round: Option<Round>,
}

/// A round on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Round {
    began_at: DateTime<Utc>,
    /// What was put before this is not looked at.
    since: Option<DateTime<Utc>>,
    /// What was put after this may still be announced.
    until: DateTime<Utc>,
    is_deep: bool,
    /// The last folder that was compared.
    after: Option<String>,
    has_failed: bool,
}

impl Progress {
    /// The round that is on its way, or the next.
    fn round(&self, comparison: Comparison, now: DateTime<Utc>) -> Round {
        if let Some(round) = &self.round {
            return round.clone();
        }
        let is_deep = self.deep_since.is_none_or(|at| now - at > DEEP_EVERY);
        let compared = if is_deep { self.deep_since.or(self.since) } else { self.since };
        // What is older may have been announced and forgotten since.
        let since = compared.map(|at| at.max(now - REMEMBERED)).or(comparison.first_from);
        Round { began_at: now, since, until: now - comparison.patience, is_deep, after: None, has_failed: false }
    }

    fn after(mut self, mut round: Round, step: &StepReport, last: Option<&String>) -> Self {
        round.has_failed |= step.failed > 0;
        if !step.is_over {
            round.after = last.cloned().or(round.after);
            self.round = Some(round);
            return self;
        }
        self.round = None;
        if !round.has_failed {
            self.since = Some(round.until);
            if round.is_deep {
                self.deep_since = Some(round.until);
            }
        }
        self
    }
}

impl Round {
    /// Whether a version is old enough, and new since the last round.
    fn concerns(&self, version: &ListedVersion) -> bool {
        let Some(put_at) = version.last_modified else { return true };
        put_at <= self.until && !self.is_past(version)
    }

    fn is_past(&self, version: &ListedVersion) -> bool {
        matches!((version.last_modified, self.since), (Some(put_at), Some(since)) if put_at < since - SLACK)
    }

    /// Where the list of `heartbeat/…` begins.
    fn spool_from(&self, folder: &str) -> Option<VersionMarker> {
        let from = self.since.filter(|_| !self.is_deep)? - LATE;
        let key = format!("{folder}heartbeat/{}.json", from.format("%Y%m%dT%H%M%SZ"));
        Some(VersionMarker { key, version_id: None })
    }
}

/// What came of one folder.
#[derive(Debug, Clone, Copy, Default)]
struct Compared {
    versions: u64,
    found: u64,
    has_failed: bool,
}

impl<B: ListVersions, C: Clock> Ingest<B, C> {
    /// Compares the next stations' objects with the database and ingests what it does not know. Called again and again it goes round.
    ///
    /// # Errors
    /// The database does not answer, or the stations cannot be listed: nothing of the step is remembered, it is repeated as a whole.
    pub async fn reconcile(&self, comparison: Comparison) -> Result<StepReport, IngestError> {
        let progress: Progress = match self.store.setting(KEY).await? {
            // A progress that nobody can read is none: a round more is all that it costs.
            Some(json) => serde_json::from_str(&json).unwrap_or_default(),
            None => Progress::default(),
        };
        let round = progress.round(comparison, self.now_by_the_bucket().await);
        let listed = self.bucket.folders(STATIONS, round.after.as_deref()).await;
        let mut folders = listed.map_err(|error| IngestError::Unfinished { reason: error.to_string() })?;
        let mut step = StepReport { is_over: folders.len() <= FOLDERS, ..StepReport::default() };
        folders.truncate(FOLDERS);
        step.folders = folders.len();
        let comparing = folders.clone().into_iter().map(|folder| self.compare(folder, &round));
        let mut comparing = stream::iter(comparing).buffer_unordered(CONCURRENCY);
        while let Some(compared) = comparing.next().await {
            let compared = compared?;
            step.compared += compared.versions;
            step.found += compared.found;
            step.failed += usize::from(compared.has_failed);
        }
        drop(comparing);
        let next = progress.after(round, &step, folders.last());
        let json = serde_json::to_string(&next).map_err(|error| IngestError::Unfinished { reason: chain(&error) })?;
        self.store.set_setting(KEY, &json).await?;
        Ok(step)
    }

    /// One folder. Only what concerns every folder is an error.
    async fn compare(&self, folder: String, round: &Round) -> Result<Compared, IngestError> {
        let mut compared = Compared::default();
        let name = folder.strip_prefix(STATIONS).unwrap_or(&folder).trim_end_matches('/');
        if HostName::parse(name).is_err() {
            return Ok(compared);
        }
        let lists = LATEST.map(|kind| (format!("{folder}{}", kind.file_name()), None, true)).into_iter().chain([(
            format!("{folder}heartbeat/"),
            round.spool_from(&folder),
            false,
        )]);
        for (prefix, mut after, is_one_key) in lists {
            loop {
                let page = match self.bucket.versions_below(&prefix, after.as_ref()).await {
                    Ok(page) => page,
                    Err(error) => {
                        observe::not_compared(&prefix, &error.to_string());
                        compared.has_failed = true;
                        break;
                    }
                };
                // Of one key the newest come first.
                let is_enough = is_one_key && page.versions.iter().any(|version| round.is_past(version));
                self.take_unknown(name, page.versions, round, &mut compared).await?;
                after = page.next.filter(|_| !is_enough);
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(compared)
    }

    async fn take_unknown(
        &self,
        name: &str,
        versions: Vec<ListedVersion>,
        round: &Round,
        compared: &mut Compared,
    ) -> Result<(), IngestError> {
        let candidates: Vec<_> =
            versions.into_iter().filter(|version| round.concerns(version)).filter_map(announced).collect();
        compared.versions += candidates.len() as u64;
        for candidates in candidates.chunks(CHUNK) {
            let objects: Vec<_> = candidates.iter().filter_map(version_of).collect();
            let known = match objects.is_empty() {
                true => Vec::new(),
                false => self.store.known_objects(&objects).await?,
            };
            let is_known = |event: &&ObjectEvent| {
                version_of(event).is_some_and(|object| known.iter().any(|(one, _)| *one == object))
            };
            // The oldest first, as their events would have come.
            let unknown: Vec<_> = candidates.iter().rev().filter(|event| !is_known(event)).cloned().collect();
            if unknown.is_empty() {
                continue;
            }
            let (count, are_versions) = (unknown.len(), unknown.iter().all(|event| event.version_id.is_some()));
            let (report, failures) = match self.take_unannounced(unknown).await {
                Ok(taken) => taken,
                // A station whose rows are in the way costs the others nothing.
                Err(error) if !error.is_transient() => {
                    observe::not_compared(name, &chain(&error));
                    compared.has_failed = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some((_, reason)) = failures.values().next() {
                observe::not_compared(name, reason);
                compared.has_failed = true;
            }
            // Without versions nobody knows beforehand what is new; only history tells afterwards, and of heartbeats alone.
            let new = report.tally.advanced + report.tally.history_only + report.tally.variants;
            let found = if are_versions { (count - failures.len().min(count)) as u64 } else { new };
            if found > 0 {
                observe::unannounced(name, found);
                compared.found += found;
            }
        }
        Ok(())
    }
}

/// A version as the event would have told of it; none: it is no object of use.
fn announced(version: ListedVersion) -> Option<ObjectEvent> {
    let (host, kind) = classify_key(&version.key)?;
    (kind != ObjectKind::Uplink).then_some(ObjectEvent {
        key: version.key,
        host: Some(host),
        kind: Some(kind),
        size: Some(version.size),
        version_id: version.version_id,
        sequencer: None,
        event_time: version.last_modified,
        created: true,
    })
}

fn version_of(event: &ObjectEvent) -> Option<ObjectVersion> {
    Some(ObjectVersion { key: event.key.clone(), version: event.version_id.clone()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    fn put(at: Option<DateTime<Utc>>) -> ListedVersion {
        ListedVersion { key: "key".to_owned(), version_id: None, size: 1, last_modified: at }
    }

    const MINUTE: Comparison = Comparison { patience: TimeDelta::seconds(60), first_from: None };

    #[test]
    fn a_round_looks_at_what_was_put_since_the_last_and_is_no_longer_on_its_way() {
        let progress = Progress { since: Some(at("10:00:00")), deep_since: Some(at("09:00:00")), round: None };
        let round = progress.round(MINUTE, at("10:10:00"));
        assert!(!round.is_deep);
        for (shows, put_at, concerns) in [
            ("before the last round", Some(at("09:59:54")), false),
            ("at its end, by a clock that is late", Some(at("09:59:55")), true),
            ("since", Some(at("10:05:00")), true),
            ("a minute ago", Some(at("10:09:00")), true),
            ("its event may still come", Some(at("10:09:01")), false),
            ("nobody knows when", None, true),
        ] {
            assert_eq!(round.concerns(&put(put_at)), concerns, "{shows}");
        }
        assert_eq!(
            round.spool_from("stations/LAB-01/").unwrap().key,
            "stations/LAB-01/heartbeat/20261123T100000Z.json",
            "a day before"
        );
    }

    #[test]
    fn the_first_round_and_one_a_day_read_all_and_none_reaches_behind_what_the_database_remembers() {
        let now = at("10:00:00");
        let known = |days, deep: i64| Progress {
            since: Some(now - TimeDelta::days(days)),
            deep_since: Some(now - TimeDelta::days(deep)),
            round: None,
        };
        let earlier = Comparison { first_from: Some(now - TimeDelta::days(3)), ..MINUTE };
        for (shows, progress, comparison, is_deep, days) in [
            ("the very first", Progress::default(), MINUTE, true, None),
            ("the first of a database that was there", Progress::default(), earlier, true, Some(3)),
            ("a day after", known(0, 2), MINUTE, true, Some(2)),
            ("away for a month", known(30, 31), MINUTE, true, Some(6)),
            ("another on the same day", known(0, 1), earlier, false, Some(0)),
        ] {
            let round = progress.round(comparison, now);
            assert_eq!(
                (round.is_deep, round.since),
                (is_deep, days.map(|days| now - TimeDelta::days(days))),
                "{shows}"
            );
            assert_eq!(round.spool_from("x/").is_none(), is_deep, "{shows}");
        }
    }

    #[test]
    fn a_round_goes_on_where_it_was_left_and_counts_only_when_nothing_failed() {
        let begun = Progress { since: Some(at("09:00:00")), ..Progress::default() };
        let round = begun.round(MINUTE, at("10:00:00"));
        let step = |failed, is_over| StepReport { failed, is_over, ..StepReport::default() };
        let half = begun.clone().after(round.clone(), &step(0, false), Some(&"stations/B/".to_owned()));
        let left = half.round(MINUTE, at("11:00:00"));
        assert_eq!((left.after.as_deref(), left.until), (Some("stations/B/"), at("09:59:00")));
        let done = half.after(left, &step(0, true), None);
        assert_eq!((done.since, done.deep_since, done.round), (Some(at("09:59:00")), Some(at("09:59:00")), None));
        let failed = begun.after(round, &step(1, true), None);
        assert_eq!((failed.since, failed.round), (Some(at("09:00:00")), None), "the same is looked at again");
    }
}
