//! The comparison of bucket and database while the n-th call of either fails: in the end all that nothing announced is there, once.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_pipeline::reconcile::{Comparison, StepReport};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_store::Store;
use stationkeeper_store::faults::{Fault, FaultPlan};
use stationkeeper_telemetry::{Limits, ObjectKey, ObjectKind};
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory};
use stationkeeper_tests::faults::FaultyBucket;
use stationkeeper_tests::station::{heartbeat, host, newest_key, spool_key};
use tempfile::TempDir;

use crate::run::{Plans, open};
use crate::scenario::at;

const COMPARISON: Comparison = Comparison { patience: TimeDelta::seconds(60), first_from: None };

/// A bucket that announces nothing, and its handler.
struct Quiet {
    objects: Arc<MemoryBucket>,
    clock: Arc<SimulatedClock>,
    handler: Ingest<Arc<FaultyBucket>, Arc<SimulatedClock>>,
    store: Store,
    url: String,
    _folder: TempDir,
}

impl Quiet {
    async fn with(plans: &Plans) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
        let store = open(&url).await;
        store.migrate().await.unwrap();
        // It has its dictionary: otherwise the first run would make calls that the others do not.
        drop(store.begin().await.unwrap());
        let objects = Arc::new(MemoryBucket::default());
        let bucket = Arc::new(FaultyBucket::planned(objects.clone(), plans.bucket.clone()));
        let clock = Arc::new(SimulatedClock::at(at("12:00:00")));
        let faulty = store.with_faults(plans.store.clone());
        let handler = Ingest::new(bucket, faulty, clock.clone(), Limits::default(), Judging::default());
        Self { objects, clock, handler, store, url, _folder: folder }
    }

    fn put(&self, key: &str, body: Vec<u8>, put_at: DateTime<Utc>) -> String {
        self.objects.put(key, body.into(), put_at)
    }

    /// Six versions of four files each of two stations, from the spool as well; one that nobody can read.
    fn fill(&self) {
        for name in ["LAB-01", "LAB-02"] {
            for minute in 0..4 {
                let then = at("11:00:00") + TimeDelta::minutes(minute);
                self.put(&newest_key(name), heartbeat(name, then), then);
                let spooled = then - TimeDelta::hours(30);
                self.put(&spool_key(name, spooled), heartbeat(name, spooled), then);
            }
            let then = at("11:05:00");
            let latest = |kind| ObjectKey::latest(&host(name), kind).into_string();
            self.put(&latest(ObjectKind::Status), HeartbeatBuilder::new(name, then).status_bytes(), then);
            self.put(&latest(ObjectKind::Uplink), b"{}".to_vec(), then);
        }
        self.put(&newest_key("LAB-03"), b"{".to_vec(), at("11:06:00"));
        self.put("stations/notes.txt", b"no folder".to_vec(), at("11:06:00"));
        self.put("stations/LAB-01/notes.txt", b"no file of a station".to_vec(), at("11:06:00"));
    }

    /// Goes on until a round is over that nothing was in the way of. What all of it came to, and how often it had to be begun again.
    async fn settle(&self) -> (StepReport, u64) {
        let (mut all, mut again) = (StepReport::default(), 0);
        for _ in 0..20 {
            match self.handler.reconcile(COMPARISON).await {
                Ok(step) => {
                    all.compared += step.compared;
                    all.found += step.found;
                    all.failed += step.failed;
                    if step.is_over && step.failed == 0 {
                        return (all, again);
                    }
                    again += 1;
                }
                Err(_) => again += 1,
            }
        }
        panic!("no round came to its end: {all:?}");
    }

    async fn conservation(&self) -> Conservation {
        let mut accepted = accepted_by_memory(&self.objects);
        // A beacon is of no use later.
        accepted.retain(|one| !one.object.key.ends_with("uplink.json"));
        self.store.close().await;
        Conservation::of(&self.url).accepted(accepted)
    }
}

#[tokio::test]
async fn what_nothing_announced_is_found_once_and_what_may_still_be_announced_is_left_alone() {
    let quiet = Quiet::with(&Plans::default()).await;
    quiet.fill();
    let young = quiet.put(&newest_key("LAB-01"), heartbeat("LAB-01", at("11:59:30")), at("11:59:30"));
    let (first, _) = quiet.settle().await;
    assert_eq!((first.compared, first.found), (19, 19), "all but the young one, and but the beacons");
    quiet.clock.advance_to(at("12:05:00"));
    let report = quiet.handler.batch(&[Delivery { id: "late".to_owned(), body: young }]).await;
    assert_eq!(report.tally.advanced, 1, "its event came after all");
    let (second, _) = quiet.settle().await;
    assert_eq!((second.compared, second.found), (1, 0), "only what is new is compared, and it is known");

    // A station that was cut off uploads old heartbeats now: within the day a round finds them by their keys, later the daily one does.
    for (hours, seen) in [(20, 1), (40, 0)] {
        let then = at("12:06:00") - TimeDelta::hours(hours);
        quiet.put(&spool_key("LAB-02", then), heartbeat("LAB-02", then), at("12:06:00"));
        quiet.clock.advance_to(at("12:10:00") + TimeDelta::minutes(40 - hours));
        assert_eq!(quiet.settle().await.0.found, seen, "{hours} hours old");
    }
    quiet.clock.advance_to(at("12:10:00") + TimeDelta::hours(25));
    assert_eq!(quiet.settle().await.0.found, 1, "the daily round");
    quiet.conservation().await.at_least("history", 19).at_least("quarantined", 1).holds().await;
}

#[tokio::test]
async fn whichever_call_fails_and_however_the_comparison_comes_to_its_end() {
    let counting = Plans::default();
    let quiet = Quiet::with(&counting).await;
    quiet.fill();
    quiet.settle().await;
    let calls = [counting.store.calls(), counting.bucket.calls()];
    assert!(calls.iter().all(|calls| *calls > 20), "{calls:?}");
    let (mut struck, mut begun_again, mut runs) = (0, 0, 0);
    for fault in [Fault::Once, Fault::OnceRefused, Fault::ReplyLost] {
        for (part, calls) in calls.into_iter().enumerate() {
            for nth in 1..=calls {
                runs += 1;
                let mut plans = Plans::default();
                let plan = Arc::new(FaultPlan::at(nth, fault));
                if part == 0 {
                    plans.store = plan.clone()
                } else {
                    plans.bucket = plan.clone()
                }
                let quiet = Quiet::with(&plans).await;
                quiet.fill();
                let (_, again) = quiet.settle().await;
                // Stations that are compared at the same time may share a call.
                let what = plan.struck().unwrap_or_default();
                struck += u64::from(!what.is_empty());
                begun_again += again;
                let held = quiet.conservation().await.at_least("history", 16).at_least("quarantined", 1).check().await;
                held.unwrap_or_else(|violations| panic!("{fault:?} at call {nth}, {what}: {violations}"));
            }
        }
    }
    assert!(struck * 10 >= runs * 9, "{struck} of {runs} runs met a fault");
    assert!(begun_again >= 60, "{begun_again} times something was begun again");
}
