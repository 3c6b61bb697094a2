//! A recorded or simulated lab, fed through the real handlers under a simulated clock.

mod schedule;
mod timeline;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::IngestError;
use stationkeeper_pipeline::clock::{Clock, SimulatedClock};
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_rules::{
    AlertSettings, OffPolicy, Passage, Reservation, ReservationId, ReservationStatus, Rule, RuleSet, Settings,
};
use stationkeeper_simulator::Scenario;
use stationkeeper_store::Store;
use stationkeeper_telemetry::{HostName, Limits};

use crate::failure::{Exit, Failure};
pub use schedule::Disorder;
pub use timeline::{Put, Timeline};

/// The check runs at least this often, besides whenever a station is due.
const CHECK_EVERY: TimeDelta = TimeDelta::seconds(60);
/// After the end, forced logoffs that still wait for their line are settled as of this much later.
const SETTLE_AFTER: TimeDelta = TimeDelta::hours(1);

/// How a lab is replayed.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What happens to events on their way.
    pub disorder: Disorder,
    /// Whether a power action excuses silence.
    pub off: OffPolicy,
    /// Which rules are judged.
    pub rules: RuleSet,
}

impl Plan {
    /// The five rules of the mission, every event once and at once.
    pub fn orderly() -> Self {
        Self { disorder: Disorder::default(), off: OffPolicy::Ignored, rules: RuleSet::of(&Rule::MISSION) }
    }
}

/// Reads `DIR/scenario.json`, if there is one.
pub fn read_scenario(dir: &Path) -> Result<Option<Scenario>, Failure> {
    let path = dir.join("scenario.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::because(Exit::NoInput, format_args!("cannot read {}", path.display()), &error));
        }
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| Failure::because(Exit::Rejected, format_args!("{} is no scenario", path.display()), &error))
}

/// Settings by the scenario's policy.
pub fn settings(scenario: Option<&Scenario>) -> Settings {
    let Some(policy) = scenario.map(|scenario| &scenario.policy) else { return Settings::default() };
    Settings {
        alerts: AlertSettings {
            interval_seconds: policy.interval_s,
            missing_after_intervals: policy.missing_after_intervals,
            not_ready_after_seconds: policy.not_ready_after_s,
            gap_resets_not_ready_seconds: policy.gap_resets_not_ready_s,
            local_session_lead_seconds: policy.local_session_lead_s,
            forced_logoff_max_age_seconds: policy.forced_logoff_max_age_s,
            forced_logoff_check_lead_seconds: policy.forced_logoff_check_lead_s,
            ..AlertSettings::default()
        },
        ..Settings::default()
    }
}

/// The scenario's reservations.
pub fn reservations(scenario: &Scenario) -> Result<Vec<Reservation>, Failure> {
    scenario
        .reservations
        .iter()
        .map(|one| {
            let host = HostName::parse(&one.host).map_err(|error| {
                Failure::because(Exit::Rejected, format_args!("reservation {} is of no station", one.id), &error)
            })?;
            Ok(Reservation {
                id: ReservationId(one.id.clone()),
                lab: None,
                host,
                start_at: one.start_utc,
                end_at: one.end_utc,
                status: ReservationStatus::Confirmed,
                who: None,
            })
        })
        .collect()
}

/// Puts reservations into the store, before anything is replayed.
pub async fn put_reservations(store: &Store, reservations: &[Reservation]) -> Result<(), Failure> {
    let cannot = |error: stationkeeper_store::StoreError| {
        Failure::because(Exit::Unavailable, "cannot write the reservations", &error)
    };
    let mut transaction = store.begin().await.map_err(cannot)?;
    transaction.reservations().save(reservations).await.map_err(cannot)?;
    transaction.commit().await.map_err(cannot)
}

/// Replays a timeline into `store` up to `end`.
pub async fn run(
    store: Store,
    timeline: &Timeline,
    end: DateTime<Utc>,
    plan: Plan,
    progress: impl Fn(u64),
) -> Result<(), Failure> {
    let failed = |doing: &'static str| move |error: IngestError| Failure::because(Exit::Failed, doing, &error);
    let start = timeline.puts.first().map_or(end, |put| put.at).min(end);
    let clock = Arc::new(SimulatedClock::at(start));
    let bucket = Arc::new(MemoryBucket::default());
    let judging = Judging { rules: plan.rules, off: plan.off, passage: Passage::OverdueOnly };
    let ingest = Ingest::new(bucket.clone(), store, clock.clone(), Limits::default(), judging);
    let mut deliveries = schedule::Deliveries::new(plan.disorder);
    let mut puts = timeline.puts.iter().peekable();
    let mut next_check = start;
    let mut done = 0;
    loop {
        let next_put = puts.peek().map(|put| put.at);
        let next_delivery = deliveries.next_at();
        let Some(next) = next_put.into_iter().chain(next_delivery).min() else { break };
        // A check that is due at the same instant comes first: silence is judged up to that instant.
        let due = ingest.next_check_at().await.map_err(failed("cannot read when to check"))?;
        let check = due.map_or(next_check, |due| due.min(next_check)).max(clock.now());
        if check <= next && check <= end {
            clock.advance_to(check);
            ingest.check_overdue().await.map_err(failed("the overdue check failed"))?;
            next_check = check + CHECK_EVERY;
            continue;
        }
        clock.advance_to(next);
        if next_put == Some(next) {
            if let Some(put) = puts.next() {
                deliveries.push(put.at, bucket.put(&put.key, Bytes::clone(&put.body), put.at));
            }
            continue;
        }
        let batch: Vec<Delivery> = deliveries.take_at(next);
        done += batch.len() as u64;
        let report = ingest.batch(&batch).await;
        if let Some(failure) = report.failed.first() {
            return Err(Failure::new(Exit::Failed, format!("an event could not be ingested: {}", failure.reason)));
        }
        progress(done);
    }
    // Silence at the end of the lab is judged up to its end.
    loop {
        let due = ingest.next_check_at().await.map_err(failed("cannot read when to check"))?;
        match due.filter(|due| *due <= end && *due > clock.now()) {
            Some(due) => {
                clock.advance_to(due);
                ingest.check_overdue().await.map_err(failed("the overdue check failed"))?;
            }
            None => break,
        }
    }
    clock.advance_to(clock.now().max(end) + SETTLE_AFTER);
    ingest.settle_sightings().await.map_err(failed("cannot settle forced logoffs"))
}
