//! Whatever call of the database fails, wherever the process ends and whoever else delivers: nothing is lost, and what comes twice is the
//! same message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::deliver::{Notifier, NotifyError, Outgoing, deliver};
use stationkeeper_rules::Message;
use stationkeeper_store::NotificationState;
use stationkeeper_store::faults::{Fault, FaultPlan};
use stationkeeper_tests::database::Kind;
use tokio::time::Instant;

use crate::world::{World, by_mail, message, open};

/// Longer than any claim.
const LEASE: TimeDelta = TimeDelta::minutes(3);
const KINDS: [Kind; 2] = [Kind::Sqlite, Kind::MariaDb];

/// Counts what it takes; can be made to take and never to answer.
#[derive(Default)]
struct Counting {
    taken: Mutex<BTreeMap<String, u32>>,
    is_stuck: AtomicBool,
}

impl Counting {
    fn times(&self) -> Vec<u32> {
        self.taken.lock().unwrap().values().copied().collect()
    }
}

impl Notifier for Counting {
    async fn notify(&self, outgoing: Outgoing<'_>) -> Result<(), NotifyError> {
        *self.taken.lock().unwrap().entry(outgoing.message.id.0.clone()).or_default() += 1;
        if self.is_stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

async fn world(kind: Kind) -> World {
    let to = || by_mail(&["ann@example.org"]);
    World::new(kind, [("a", to()), ("b", to()), ("c", to())]).await
}

fn messages(each: u32) -> Vec<Message> {
    ["a", "b", "c"].iter().flat_map(|receiver| (0..each).map(|number| message(receiver, number))).collect()
}

#[tokio::test]
async fn the_nth_call_of_the_database_fails_and_everything_arrives() {
    let runs = KINDS.iter().flat_map(|kind| Fault::ALL.map(|fault| Box::pin(each_call_fails(*kind, fault))));
    join_all(runs).await;
}

async fn each_call_fails(kind: Kind, fault: Fault) {
    let world = world(kind).await;
    for nth in 1.. {
        let plan = Arc::new(FaultPlan::at(nth, fault));
        let counting = Counting::default();
        // Other messages than those of the runs before.
        let number = u32::try_from(nth).unwrap() * 2;
        let owed: Vec<_> =
            ["a", "b", "c"].iter().flat_map(|one| [message(one, number), message(one, number + 1)]).collect();
        world.owe(&owed).await;
        let faulty = world.store.with_faults(plan.clone());
        // While it fails, and once it does not.
        let _ = deliver(&faulty, &world.settings, &counting, &world.clock, None::<Instant>).await;
        plan.heal();
        for _ in 0..2 {
            world.clock.advance_to(world.clock.now() + LEASE);
            deliver(&faulty, &world.settings, &counting, &world.clock, None::<Instant>).await.unwrap();
        }
        let shows = format!("{kind:?}, {fault:?} at {nth}: {:?}", plan.struck());
        assert!(world.states().await.iter().all(|state| *state == NotificationState::Sent), "{shows}");
        let times = counting.times();
        assert_eq!(times.len(), owed.len(), "nothing is lost: {shows}");
        assert!(times.iter().all(|times| *times <= 2), "{times:?}, {shows}");
        // What passes by itself is waited for: not even the end of an attempt is forgotten.
        if matches!(fault, Fault::Once | Fault::ReplyLost) {
            assert!(times.iter().all(|times| *times == 1), "{times:?}, {shows}");
        }
        if plan.struck().is_none() {
            assert!(nth > 15, "calls were made: {nth}");
            break;
        }
    }
    world.close().await;
}

// Promise 4.4
#[tokio::test]
async fn whoever_dies_between_sending_and_saying_so_sends_the_same_once_more() {
    for kind in KINDS {
        let world = world(kind).await;
        world.owe(&[message("a", 1)]).await;
        let counting = Counting::default();
        counting.is_stuck.store(true, Ordering::SeqCst);
        {
            let dying = deliver(&world.store, &world.settings, &counting, &world.clock, None::<Instant>);
            // It is sent when the process ends.
            let ended = async {
                while counting.times().is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                _ = dying => panic!("it never ends by itself"),
                () = ended => {}
            }
        }
        counting.is_stuck.store(false, Ordering::SeqCst);
        world.deliver(&counting).await;
        assert_eq!(counting.times(), [1], "{kind:?}: whoever claimed it may still be at it");
        for _ in 0..3 {
            world.deliver_after(LEASE, &counting).await;
        }
        assert_eq!(counting.times(), [2], "{kind:?}: the same message, once more");
        assert_eq!(world.states().await, [NotificationState::Sent], "{kind:?}");
        world.close().await;
    }
}

#[tokio::test]
async fn several_deliverers_at_once_send_nothing_twice() {
    for kind in KINDS {
        let world = world(kind).await;
        let owed = messages(60);
        world.owe(&owed).await;
        let counting = Counting::default();
        let others = [open(&world.url).await, open(&world.url).await];
        let of = |store| deliver(store, &world.settings, &counting, &world.clock, None::<Instant>);
        let (one, two, three) = tokio::join!(of(&world.store), of(&others[0]), of(&others[1]));
        let sent = [one, two, three].map(|done| done.unwrap().sent).iter().sum::<usize>();
        assert_eq!(sent, owed.len(), "{kind:?}");
        assert_eq!(counting.times(), vec![1; owed.len()], "{kind:?}");
        assert!(world.states().await.iter().all(|state| *state == NotificationState::Sent), "{kind:?}");
        for other in others {
            other.close().await;
        }
        world.close().await;
    }
}

#[tokio::test]
async fn a_receiver_that_the_settings_no_longer_name_is_given_up_and_can_be_named_again() {
    let mut world = world(Kind::Sqlite).await;
    world.owe(&[message("a", 1)]).await;
    let counting = Counting::default();
    let receiver = world.settings.receivers.remove("a").unwrap();
    world.deliver(&counting).await;
    let row = world.row().await;
    assert_eq!((row.state, counting.times().len()), (NotificationState::Dead, 0));
    assert!(row.last_error.unwrap().contains("no receiver a"));
    world.settings.receivers.insert("a".to_owned(), receiver);
    world.store.send_notifications_again(None, world.clock.now()).await.unwrap();
    world.deliver(&counting).await;
    assert_eq!((world.row().await.state, counting.times()), (NotificationState::Sent, vec![1]));
}
