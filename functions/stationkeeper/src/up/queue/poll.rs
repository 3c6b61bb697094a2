//! Works a queue off, several pollers side by side. A message is deleted only after the commit of what it announces; it stays invisible for as
//! long as it is worked at; what failed comes back, ever later.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use stationkeeper_pipeline::bucket::Bucket;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::{BatchReport, Delivery, Ingest, Part};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{EventQueue, MOST, Message, QueueError};
use crate::failure::chain;
use crate::up::pace::{Pace, Step};
use crate::up::vitals::Observed;
use crate::up::work::{look, pause};

/// Pollers side by side.
pub const POLLERS: usize = 4;
/// How long a poll waits for a message.
const WAIT: Duration = Duration::from_secs(20);
/// How long a message is invisible. Whoever dies with it delays it by no more than this.
const INVISIBLE: Duration = Duration::from_secs(30);
/// So often this is extended while messages are worked at.
const EXTEND_EVERY: Duration = Duration::from_secs(10);
/// Requests of a poller at once while a backlog lasts.
const AT_ONCE: usize = 4;
/// Longest wait between two tries of a message.
const LONGEST_RETRY: Duration = Duration::from_secs(256);
/// Shortest wait between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a request is repeated that ends a message. In vain, it comes back, and costs a look.
const ATTEMPTS: usize = 3;

/// What the pollers of a queue share.
#[derive(Debug, Default)]
pub struct Shared {
    pace: Mutex<Pace>,
    oldest_at: Mutex<Option<DateTime<Utc>>>,
}

impl Shared {
    /// When the oldest message of a backlog was sent; none: there is no backlog.
    pub fn oldest_at(&self) -> Option<DateTime<Utc>> {
        *self.oldest_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace<T>(&self, at: impl FnOnce(&mut Pace) -> T) -> T {
        at(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn remember(&self, oldest_at: Option<DateTime<Utc>>) {
        *self.oldest_at.lock().unwrap_or_else(PoisonError::into_inner) = oldest_at;
    }
}

/// One poller.
pub struct Poller<Q, B, C> {
    /// What it works off.
    pub queue: Arc<Q>,
    /// Who takes what is in there.
    pub ingest: Arc<Ingest<B, C>>,
    /// What it has in common with the others.
    pub shared: Arc<Shared>,
    /// What it sees.
    pub observed: watch::Sender<Observed>,
}

impl<Q: EventQueue, B: Bucket, C: Clock> Poller<Q, B, C> {
    /// Works until told to stop. What was begun is finished.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let most = self.shared.pace(|pace| pace.batch());
            match self.gather(most, &stop).await {
                Ok(messages) if messages.is_empty() => {
                    self.observed.send_if_modified(|observed| observed.queue(None));
                    if !stop.is_cancelled() {
                        // A poll that waited in vain: nothing is left.
                        self.shared.pace(|pace| *pace = Pace::default());
                        self.shared.remember(None);
                    }
                }
                Ok(messages) => {
                    self.observed.send_if_modified(|observed| observed.queue(None));
                    let in_the_way = self.take(&messages, most).await;
                    self.wait_for(in_the_way, &stop).await;
                }
                Err(error) => {
                    tracing::error!(error = chain(&error), "cannot read the queue");
                    self.observed.send_if_modified(|observed| observed.queue(Some(chain(&error))));
                    pause(&stop).await;
                }
            }
        }
    }

    /// Waits for messages; where there are many, goes on until a batch is full.
    async fn gather(&self, most: usize, stop: &CancellationToken) -> Result<Vec<Message>, QueueError> {
        let mut messages = tokio::select! {
            () = stop.cancelled() => return Ok(Vec::new()),
            received = self.queue.receive(WAIT, INVISIBLE) => received?,
        };
        let mut full = messages.len() == MOST;
        while full && messages.len() < most && !stop.is_cancelled() {
            let polls = (most - messages.len()).div_ceil(MOST).min(AT_ONCE);
            for more in join_all((0..polls).map(|_| self.queue.receive(Duration::ZERO, INVISIBLE))).await {
                match more {
                    Ok(more) => {
                        full &= more.len() == MOST;
                        messages.extend(more);
                    }
                    // What has come is worked at first.
                    Err(_) => full = false,
                }
            }
        }
        Ok(messages)
    }

    /// Takes a batch. What is in the way of everything, if something is.
    async fn take(&self, messages: &[Message], most: usize) -> Option<Part> {
        let oldest_at = messages.iter().filter_map(|one| one.sent_at).min();
        let waits = oldest_at.map_or(TimeDelta::zero(), |oldest| self.ingest.now() - oldest);
        let begins_backlog = self.shared.pace(|pace| pace.received(messages.len(), waits)) == Step::LookThenTake;
        let is_full = messages.len() >= most;
        let report = self
            .while_invisible(messages, async {
                if begins_backlog {
                    let looked = look(&self.ingest).await;
                    self.shared.pace(|pace| pace.looked(looked));
                }
                let deliveries: Vec<_> =
                    messages.iter().map(|one| Delivery { id: one.id.clone(), body: one.body.clone() }).collect();
                self.ingest.batch(&deliveries).await
            })
            .await;
        let (in_the_way, failed) = judge(messages, &report);
        self.shared.remember(oldest_at.filter(|_| is_full || in_the_way == Some(Part::Database)));
        let done: Vec<_> = messages.iter().filter(|one| !failed.contains_key(one.id.as_str())).collect();
        let back: Vec<_> = messages
            .iter()
            .filter_map(|one| Some((one.receipt.clone(), retry_after(one.receives, *failed.get(one.id.as_str())?))))
            .collect();
        self.observed.send_modify(|observed| {
            observed.done_with(done.iter().map(|one| one.id.as_str()));
            for failure in &report.failed {
                observed.failed_at(failure.id.clone(), failure.part, failure.reason.clone());
            }
        });
        self.end(done.iter().map(|one| one.receipt.clone()).collect()).await;
        self.give_back(back).await;
        in_the_way
    }

    /// Works, and keeps the messages invisible meanwhile; a queue that answers slowly holds up no work.
    async fn while_invisible<T>(&self, messages: &[Message], work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.extend(messages) => match never {},
        }
    }

    async fn extend(&self, messages: &[Message]) -> Infallible {
        loop {
            tokio::time::sleep(EXTEND_EVERY).await;
            let longer: Vec<_> = messages.iter().map(|one| (one.receipt.clone(), INVISIBLE)).collect();
            for part in longer.chunks(MOST) {
                if let Err(error) = self.queue.postpone(part).await {
                    tracing::warn!(error = chain(&error), "messages may be delivered twice");
                }
            }
        }
    }

    async fn end(&self, receipts: Vec<String>) {
        for parts in receipts.chunks(MOST * AT_ONCE) {
            join_all(parts.chunks(MOST).map(|part| self.end_part(part))).await;
        }
    }

    async fn end_part(&self, receipts: &[String]) {
        let mut left = receipts.to_vec();
        for attempt in 1..=ATTEMPTS {
            match self.queue.delete(&left).await {
                Ok(still_there) => left = still_there,
                Err(error) => tracing::warn!(error = chain(&error), "cannot delete messages that are done with"),
            }
            if left.is_empty() {
                return;
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(PAUSE).await;
            }
        }
        tracing::warn!(messages = left.len(), "messages that are done with come back, and are known then");
    }

    async fn give_back(&self, back: Vec<(String, Duration)>) {
        for part in back.chunks(MOST) {
            // Those that it did not take come back when their time is over.
            if let Err(error) = self.queue.postpone(part).await {
                tracing::warn!(error = chain(&error), "messages that failed come back at the queue's own time");
            }
        }
    }

    /// While something is in the way of everything nothing is received: each receive would count towards the dead letters.
    async fn wait_for(&self, in_the_way: Option<Part>, stop: &CancellationToken) {
        let Some(part) = in_the_way else { return };
        loop {
            pause(stop).await;
            let answers = match part {
                Part::Database => self.ingest.store().try_write().await.is_ok(),
                Part::Bucket => self.ingest.bucket().list("stations/", None).await.is_ok(),
                Part::Station => true,
            };
            if answers || stop.is_cancelled() {
                return;
            }
        }
    }
}

/// What is in the way of everything, and which messages failed at what.
fn judge<'m>(messages: &'m [Message], report: &BatchReport) -> (Option<Part>, HashMap<&'m str, Part>) {
    let parts: HashMap<&str, Part> = report.failed.iter().map(|failure| (failure.id.as_str(), failure.part)).collect();
    let failed: HashMap<_, _> =
        messages.iter().filter_map(|one| Some((one.id.as_str(), *parts.get(one.id.as_str())?))).collect();
    let distinct: HashSet<_> = messages.iter().map(|one| one.id.as_str()).collect();
    let all = |part| failed.len() == distinct.len() && failed.values().all(|failed| *failed == part);
    let in_the_way = if failed.values().any(|failed| *failed == Part::Database) {
        Some(Part::Database)
    } else {
        // A bucket that gives one object is there.
        Some(Part::Bucket).filter(|part| !failed.is_empty() && all(*part))
    };
    (in_the_way, failed)
}

/// Twice as long each time. What waits for the database alone comes back soon: until it answers nothing is received anyway.
fn retry_after(receives: u32, part: Part) -> Duration {
    match part {
        Part::Database => PAUSE,
        Part::Bucket | Part::Station => Duration::from_secs(1 << receives.saturating_sub(1).min(8)).min(LONGEST_RETRY),
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_pipeline::ingest::Failure;

    use super::*;

    fn messages(ids: &str) -> Vec<Message> {
        let of = |id: &str| Message {
            id: id.to_owned(),
            receipt: format!("receipt of {id}"),
            body: String::new(),
            receives: 1,
            sent_at: None,
        };
        ids.split(' ').map(of).collect()
    }

    fn report(failed: &[(&str, Part)]) -> BatchReport {
        let failed =
            failed.iter().map(|(id, part)| Failure { id: (*id).to_owned(), part: *part, reason: String::new() });
        BatchReport { failed: failed.collect(), ..BatchReport::default() }
    }

    #[test]
    fn what_is_in_the_way_of_everything_is_told_from_what_concerns_one_message() {
        let (bucket, database, station) = (Part::Bucket, Part::Database, Part::Station);
        for (shows, ids, failed, in_the_way) in [
            ("nothing failed", "a b", vec![], None),
            ("one object is not there", "a b", vec![("a", bucket)], None),
            ("no object could be had", "a b", vec![("a", bucket), ("b", bucket)], Some(bucket)),
            ("one was delivered twice", "a a", vec![("a", bucket)], Some(bucket)),
            ("the database is away", "a b", vec![("a", bucket), ("b", database)], Some(database)),
            ("the rows of both stations", "a b", vec![("a", station), ("b", station)], None),
        ] {
            let (messages, report) = (messages(ids), report(&failed));
            assert_eq!(judge(&messages, &report).0, in_the_way, "{shows}");
            assert_eq!(judge(&messages, &report).1.len(), failed.len(), "{shows}");
        }
    }

    #[test]
    fn a_message_comes_back_after_a_second_at_least_and_ever_later() {
        let waits = |part| [1, 2, 3, 9, 10, 100].map(|receives| retry_after(receives, part).as_secs());
        for own in [Part::Bucket, Part::Station] {
            assert_eq!(waits(own), [1, 2, 4, 256, 256, 256]);
        }
        assert_eq!(waits(Part::Database), [1; 6]);
    }
}
