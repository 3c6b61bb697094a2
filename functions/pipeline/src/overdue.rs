//! The scheduled check: stations that fell silent, and everything else that time alone changes.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use stationkeeper_rules::fleet::{self, Fleet, FleetOutcome};
use stationkeeper_rules::{
    Alert, Context, OffPolicy, Rule, Settings, StationState, StationWord, expire, off, on_passage,
};
use stationkeeper_store::{OverdueCheck, StationFilter};
use stationkeeper_telemetry::{HostName, ObjectEvent, ObjectKey, ObjectKind, classify_key};

use crate::bucket::{Bucket, BucketError};
use crate::clock::Clock;
use crate::commit::{reservations_of, run, write_changes};
use crate::ingest::Ingest;
use crate::invariant::{self, Newest};
use crate::plan::Turn;
use crate::{IngestError, observe};

/// Stations judged in one transaction.
const STEP: u32 = 200;
/// Looks in flight at once.
const CONCURRENCY: usize = 16;
/// How often the bucket is looked into before a check says that it cannot be.
const LOOKS: u32 = 3;
/// How long it waits in between: nobody is asked more than once a second for the same object.
const LOOK_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(1);
/// Reservations that ended within this time are still judged.
const LATELY: TimeDelta = TimeDelta::days(1);
/// A run judges at most so many stations; the rest is due at once in the next.
const MOST: u32 = 10_000;

/// What a check came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Stations that were due.
    pub due: usize,
    /// Of these, stations for which the bucket was looked into.
    pub looked: usize,
    /// Alerts that moved.
    pub transitions: usize,
    /// False: the ingest is stalled, nobody was judged.
    pub judged: bool,
}

/// What a look into the bucket found.
enum Look {
    Objects(Vec<ObjectEvent>),
    Failed(BucketError),
}

/// Why the bucket could not be looked into.
struct LookFailure {
    reason: String,
    may_pass: bool,
}

impl<B: Bucket, C: Clock> Ingest<B, C> {
    /// What time it is here.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// What time it is by the clock that stamps arrivals, so that a handler whose own clock is wrong finds nobody silent; by its own
    /// where the bucket does not tell.
    pub(crate) async fn now_by_the_bucket(&self) -> DateTime<Utc> {
        match self.bucket.now().await {
            Some(now) => now,
            None => self.clock.now(),
        }
    }

    /// Takes the newest heartbeat that the bucket holds of every station that was ever heard: after an outage of ours the board is true
    /// long before the backlog is through. Returns how many stations were looked for.
    pub async fn look_everywhere(&self) -> Result<usize, IngestError> {
        let settings = self.settings().await?;
        let everyone = self.suspects(&[], true, self.clock.now(), &settings).await?;
        let stations = everyone.len();
        match self.look_at(&everyone).await? {
            None => Ok(stations),
            Some(reason) => Err(IngestError::Unfinished { reason }),
        }
    }

    /// Judges the stations that are due. Running twice at once is running once: state rows are locked and read again.
    pub async fn check_overdue(&self) -> Result<CheckReport, IngestError> {
        let started = Instant::now();
        let settings = self.settings().await?;
        let now = self.now_by_the_bucket().await;
        let remembered = self.store.overdue_check().await?;
        let away = remembered.last_run_at.is_some_and(|at| now - at > settings.alerts.missing_after());
        let due = self.store.due(now, MOST).await?;
        let suspects = self.suspects(&due, away, now, &settings).await?;
        let looked = suspects.len();
        let look_error = self.look_at(&suspects).await?;
        let outcome = self.judge_fleet(now, look_error, &settings).await?;
        let mut report = CheckReport {
            due: due.len(),
            looked,
            transitions: usize::from(outcome.transition.is_some()),
            judged: outcome.judge_stations,
        };
        let mut failed = None;
        if outcome.judge_stations {
            for hosts in due.chunks(STEP as usize) {
                match self.judge(hosts, outcome.grace_from, now, &settings).await {
                    Ok(transitions) => report.transitions += transitions,
                    Err(error) if error.is_transient() => return Err(error),
                    Err(_) if hosts.len() > 1 => {
                        // One station's rows do not take the others' with them: each is judged alone.
                        for host in hosts.chunks(1) {
                            match self.judge(host, outcome.grace_from, now, &settings).await {
                                Ok(transitions) => report.transitions += transitions,
                                Err(error) => failed = failed.or(Some(error)),
                            }
                        }
                    }
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        report.transitions += self.end_acknowledgements(now).await?;
        self.settle_sightings().await?;
        if let Some(error) = failed {
            observe::refused(&error);
            return Err(error);
        }
        observe::check(report.due, report.looked, report.judged, started.elapsed());
        Ok(report)
    }

    /// Stations that would be declared missing now; after an outage of ours, every station that was ever heard.
    async fn suspects(
        &self,
        due: &[HostName],
        away: bool,
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Result<Vec<StationState>, IngestError> {
        if due.is_empty() && !away {
            return Ok(Vec::new());
        }
        let mut suspects = Vec::new();
        let mut after: Option<HostName> = None;
        let chunks: Vec<Vec<HostName>> =
            if away { vec![Vec::new()] } else { due.chunks(STEP as usize).map(<[_]>::to_vec).collect() };
        for hosts in chunks {
            let filter = StationFilter { hosts, ..StationFilter::default() };
            loop {
                let page = self.store.stations(&filter, after.as_ref(), STEP).await?;
                let full = page.len() == STEP as usize;
                after = page.last().map(|station| station.state.host.clone());
                let silent = |state: &StationState| {
                    state.alive_at().is_some_and(|at| now - at > settings.alerts.missing_after())
                };
                let excused = |state: &StationState| {
                    state.word == StationWord::Down
                        || (self.judging.off == OffPolicy::Excuses && off(state).is_some_and(|off| now >= off.from))
                };
                suspects.extend(
                    page.into_iter()
                        .map(|station| station.state)
                        .filter(|state| state.latest.is_some() && (away || (silent(state) && !excused(state)))),
                );
                if !full {
                    after = None;
                    break;
                }
            }
        }
        Ok(suspects)
    }

    /// Looks into the bucket for something newer of each suspect and ingests it. What the bucket said if it could not be looked into.
    /// One reply that is lost is no outage: what may pass is tried again.
    async fn look_at(&self, suspects: &[StationState]) -> Result<Option<String>, IngestError> {
        let mut looks = 1;
        loop {
            match self.look_once(suspects).await? {
                Some(failed) if failed.may_pass && looks < LOOKS => {
                    looks += 1;
                    tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                }
                done => return Ok(done.map(|failed| failed.reason)),
            }
        }
    }

    async fn look_once(&self, suspects: &[StationState]) -> Result<Option<LookFailure>, IngestError> {
        let mut found = Vec::new();
        let latest: Vec<_> = suspects
            .iter()
            .filter_map(|state| Some((state.host.clone(), state.latest.as_ref()?.snapshot.timestamp_utc)))
            .collect();
        let looks = latest.into_iter().map(|(host, timestamp)| self.look_for(host, timestamp));
        let mut looks = stream::iter(looks).buffered(CONCURRENCY);
        while let Some(look) = looks.next().await {
            match look {
                Look::Objects(objects) => found.extend(objects),
                Look::Failed(error) => {
                    let may_pass = !matches!(error, BucketError::Denied { .. });
                    return Ok(Some(LookFailure { reason: error.to_string(), may_pass }));
                }
            }
        }
        drop(looks);
        for objects in found.chunks(STEP as usize) {
            // On the heap: it is the whole of an ingest, and stands within a check.
            match Box::pin(self.look(objects.to_vec())).await {
                Ok(_) => {}
                Err(IngestError::Unfinished { reason }) => return Ok(Some(LookFailure { reason, may_pass: true })),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn look_for(&self, host: HostName, timestamp: DateTime<Utc>) -> Look {
        let mut objects = Vec::new();
        let key = ObjectKey::latest(&host, ObjectKind::Heartbeat).into_string();
        match self.bucket.head(&key).await {
            Ok(head) => objects.push(ObjectEvent {
                key,
                host: Some(host.clone()),
                kind: Some(ObjectKind::Heartbeat),
                size: Some(head.size),
                version_id: head.version_id,
                sequencer: None,
                event_time: head.last_modified,
                created: true,
            }),
            Err(BucketError::NotFound { .. }) => {}
            Err(error) => return Look::Failed(error),
        }
        let last_known = ObjectKey::heartbeat_at(&host, timestamp).into_string();
        let prefix = last_known.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        match self.bucket.list(&prefix, Some(&last_known)).await {
            // Its newest makes the board true; the others come with their own events.
            Ok(listed) => objects.extend(listed.into_iter().next_back().and_then(|newest| {
                let (host, kind) = classify_key(&newest.key)?;
                Some(ObjectEvent {
                    key: newest.key,
                    host: Some(host),
                    kind: Some(kind),
                    size: Some(newest.size),
                    version_id: None,
                    sequencer: None,
                    event_time: newest.last_modified,
                    created: true,
                })
            })),
            Err(BucketError::NotFound { .. }) => {}
            Err(error) => return Look::Failed(error),
        }
        Look::Objects(objects)
    }

    /// Judges the ingest itself, under the lock of the one row that two checks share.
    async fn judge_fleet(
        &self,
        now: DateTime<Utc>,
        look_error: Option<String>,
        settings: &Settings,
    ) -> Result<FleetOutcome, IngestError> {
        let newest_advance_at = self.newest_sign_of_life(now, settings).await?;
        let expected = match fleet::nobody_is_heard(newest_advance_at, now, &settings.alerts) {
            true => self.store.expected_stations().await?,
            false => 0,
        };
        let mut transaction = self.store.begin().await?;
        let row = transaction.overdue_check().lock().await?;
        let stalled = transaction.alerts().unresolved(&[]).await?;
        let stalled = match stalled.into_iter().find(|alert| alert.key.rule == Rule::IngestStalled) {
            // Somebody may just be taking it.
            Some(alert) => transaction.alerts().lock(&alert.id).await?,
            None => None,
        };
        let facts = Fleet {
            newest_advance_at,
            expected,
            last_check_at: row.last_run_at,
            grace_from: row.grace_from,
            stalled,
            stalled_since: row.stalled_since,
            look_error,
        };
        let mut outcome = fleet::on_check(&facts, now, &settings.alerts);
        if !self.judging.rules.has(Rule::IngestStalled) {
            // A replay of recorded silence: the lab may end, or be silent, as a whole.
            outcome = FleetOutcome { judge_stations: true, grace_from: None, transition: None };
        }
        let transitions: Vec<_> = outcome.transition.iter().cloned().collect();
        write_changes(&mut transaction, &[], &transitions, now).await?;
        let stalled_since = (!outcome.judge_stations).then(|| row.stalled_since.unwrap_or(now));
        let next = OverdueCheck {
            last_run_at: Some(row.last_run_at.map_or(now, |last| last.max(now))),
            stalled_since,
            grace_from: outcome.grace_from,
        };
        transaction.overdue_check().save(&next).await?;
        transaction.commit().await?;
        for moved in &transitions {
            observe::transition(moved);
        }
        Ok(outcome)
    }

    /// The newest advance of any station. Where that is long ago, all of them may talk by clocks that were set back together.
    async fn newest_sign_of_life(
        &self,
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Result<Option<DateTime<Utc>>, IngestError> {
        let mut newest = self.store.newest_advance_at().await?;
        if newest.is_none_or(|at| now - at <= settings.alerts.missing_after()) {
            return Ok(newest);
        }
        let (filter, mut after) = (StationFilter::default(), None);
        loop {
            let page = self.store.stations(&filter, after.as_ref(), STEP).await?;
            newest = newest.max(page.iter().filter_map(|station| station.state.alive_at()).max());
            match page.last() {
                Some(last) if page.len() == STEP as usize => after = Some(last.state.host.clone()),
                _ => return Ok(newest),
            }
        }
    }

    /// Judges some stations in one transaction, repeated when another handler was at them.
    async fn judge(
        &self,
        hosts: &[HostName],
        grace_from: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Result<usize, IngestError> {
        let mut attempt = 0;
        loop {
            match self.judge_once(hosts, grace_from, now, settings).await {
                Err(error) if error.is_conflict() && attempt < 8 => {
                    attempt += 1;
                    observe::conflict(attempt);
                    tokio::time::sleep(std::time::Duration::from_millis(5 << attempt)).await;
                }
                done => return done,
            }
        }
    }

    async fn judge_once(
        &self,
        hosts: &[HostName],
        grace_from: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Result<usize, IngestError> {
        let mut transaction = self.store.begin().await?;
        let states = transaction.states().lock(hosts).await?;
        let unresolved = transaction.alerts().unresolved(hosts).await?;
        // Also those that ended lately: an alert about one resolves when it ended, not when that was noticed.
        let reservations = reservations_of(&mut transaction, hosts, now - LATELY).await?;
        let (mut saved, mut turns, mut transitions) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            let of_station: Vec<_> =
                unresolved.iter().filter(|alert| alert.key.host.as_ref() == Some(&state.host)).cloned().collect();
            let context = Context {
                settings: &settings.alerts,
                ignored_issue_codes: settings.ignored_issue_codes.get(state.host.as_str()).map_or(&[], Vec::as_slice),
                reservations: reservations.get(&state.host).map_or(&[], Vec::as_slice),
                unresolved: &of_station,
                rules: self.judging.rules,
                off: self.judging.off,
                passage: self.judging.passage,
                grace_from,
            };
            let outcome = on_passage(&state, now, &context);
            invariant::latest_moves_forward(Newest::of(&state), &outcome.state)?;
            invariant::alerts_live(&of_station, &outcome.transitions)?;
            let next = &outcome.state;
            if (state.word, state.word_since) != (next.word, next.word_since) {
                let turn = Turn { from_at: next.word_since, word: next.word, cause: next.word_cause.clone() };
                turns.push(run(&state.host, &turn));
            }
            transitions.extend(outcome.transitions);
            saved.push(outcome.state);
        }
        transaction.states().save(&saved).await?;
        write_changes(&mut transaction, &turns, &transitions, now).await?;
        transaction.commit().await?;
        for moved in &transitions {
            observe::transition(moved);
        }
        Ok(transitions.len())
    }

    /// Opens alerts again that somebody had taken for a while that is over.
    async fn end_acknowledgements(&self, now: DateTime<Utc>) -> Result<usize, IngestError> {
        let mut moved = 0;
        for alert in self.store.expired_acknowledgements(now, MOST).await? {
            let mut attempt = 0;
            moved += loop {
                match self.end_acknowledgement(&alert, now).await {
                    Err(error) if error.is_conflict() && attempt < 8 => {
                        attempt += 1;
                        observe::conflict(attempt);
                        tokio::time::sleep(std::time::Duration::from_millis(5 << attempt)).await;
                    }
                    done => break done?,
                }
            };
        }
        Ok(moved)
    }

    async fn end_acknowledgement(&self, alert: &Alert, now: DateTime<Utc>) -> Result<usize, IngestError> {
        let mut transaction = self.store.begin().await?;
        // As whoever judges the station does, so that none of the two moves the alert from where the other has left it.
        if let Some(host) = &alert.key.host {
            transaction.states().lock(std::slice::from_ref(host)).await?;
        }
        let Some(alert) = transaction.alerts().lock(&alert.id).await? else { return Ok(0) };
        let Some(moved) = expire(&alert, now) else { return Ok(0) };
        write_changes(&mut transaction, &[], std::slice::from_ref(&moved), now).await?;
        transaction.commit().await?;
        observe::transition(&moved);
        Ok(1)
    }

    /// The next instant at which a station is due.
    pub async fn next_check_at(&self) -> Result<Option<DateTime<Utc>>, IngestError> {
        let Some(host) = self.store.due(far_future(), 1).await?.pop() else { return Ok(None) };
        Ok(self.store.station(&host).await?.and_then(|station| station.state.check_at))
    }
}

/// Later than any instant that a station is due at, and one that every database can hold.
fn far_future() -> DateTime<Utc> {
    DateTime::from_timestamp(253_370_764_800, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
