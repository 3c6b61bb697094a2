//! Delivers what is owed, at least once: claim, send, settle. A crash between two of them repeats the message with the same id.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use stationkeeper_rules::{Message, NextAttempt, NotificationSettings, Receiver, Refusal, next_attempt};
use stationkeeper_store::{ClaimedNotification, Settlement, Store, StoreError};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::observe;

/// Messages to one receiver claimed at once.
const MOST: u32 = 32;
/// How long a claim holds: longer than all that is tried under it.
const LEASE: TimeDelta = TimeDelta::seconds(120);
/// One attempt takes no longer.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(25);
/// One receiver is worked on for no longer under one claim; what is left of it is released.
const RECEIVER_LIMIT: Duration = Duration::from_secs(40);
/// Receivers at once.
const RECEIVERS: usize = 8;
/// While one receiver is worked on, others are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// With less time left than this, nothing more is begun.
const MARGIN: Duration = Duration::from_secs(5);
/// How often the end of an attempt is told to a database that does not take it. Untold, a message that was sent is sent again.
const TELLINGS: u32 = 4;

/// One attempt: what goes to whom.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// To whom.
    pub receiver: &'a Receiver,
    /// What.
    pub message: &'a Message,
    /// Where the status page is seen.
    pub page_url: Option<&'a str>,
    /// Of several people behind the receiver, those who have it already.
    pub reached: &'a [String],
}

/// Takes a message to where it goes.
pub trait Notifier: Send + Sync {
    /// Delivers it, or says why not. What it says is kept and shown: it holds no secret.
    fn notify(&self, outgoing: Outgoing<'_>) -> impl Future<Output = Result<(), NotifyError>> + Send;
}

/// Why a message was not delivered, or not to everybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotifyError {
    /// What happened, to be shown: no secret in it.
    pub reason: String,
    /// What it says of the next attempt.
    pub refusal: Refusal,
    /// Of several people behind the receiver, those who got it with this attempt.
    pub reached: Vec<String>,
}

impl NotifyError {
    /// It may pass by itself.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refusal: Refusal::Passing, reached: Vec::new() }
    }

    /// It never will.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refusal: Refusal::Permanent, reached: Vec::new() }
    }
}

/// How long a delivery may go on: what was begun is finished, and nothing more is begun.
#[derive(Default)]
pub struct Until {
    deadline: Option<Instant>,
    is_told_to_stop: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl Until {
    /// Until this says so.
    pub fn told(is_told_to_stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { deadline: None, is_told_to_stop: Some(Box::new(is_told_to_stop)) }
    }

    fn has_come(&self) -> bool {
        self.deadline.is_some_and(is_near) || self.is_told_to_stop.as_ref().is_some_and(|is_told| is_told())
    }
}

impl From<Option<Instant>> for Until {
    /// Until shortly before the deadline; none: until nothing is due.
    fn from(deadline: Option<Instant>) -> Self {
        Self { deadline, is_told_to_stop: None }
    }
}

fn is_near(deadline: Instant) -> bool {
    deadline.saturating_duration_since(Instant::now()) < MARGIN
}

/// What a delivery did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Messages that their receivers took.
    pub sent: usize,
    /// Messages that are tried again.
    pub failed: usize,
    /// Messages that were given up.
    pub dead: usize,
    /// Messages that were claimed and not tried.
    pub released: usize,
    /// More is due: time ran out first.
    pub more: bool,
}

impl std::ops::AddAssign for DeliveryReport {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.failed += other.failed;
        self.dead += other.dead;
        self.released += other.released;
        self.more |= other.more;
    }
}

/// Delivers all that is due, or what can be begun in time. Receivers are worked on apart from each other: one that is slow, or does not
/// answer, holds up its own messages alone.
///
/// # Errors
/// Of the database. What was begun is finished before; a message that was sent and could not be settled is sent again.
pub async fn deliver<N: Notifier, C: Clock>(
    store: &Store,
    settings: &NotificationSettings,
    notifier: &N,
    clock: &C,
    until: impl Into<Until>,
) -> Result<DeliveryReport, StoreError> {
    let until = until.into();
    let delivery = Delivery { store, settings, notifier, clock, until: &until };
    let (mut report, mut failed) = (DeliveryReport::default(), None);
    let (mut working, mut busy) = (FuturesUnordered::new(), BTreeSet::new());
    loop {
        if failed.is_none() && !until.has_come() {
            match store.receivers_due(clock.now()).await {
                Ok(due) => {
                    for receiver in due {
                        if busy.len() < RECEIVERS && busy.insert(receiver.clone()) {
                            working.push(async { (delivery.to(&receiver).await, receiver) });
                        }
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        if working.is_empty() {
            break;
        }
        tokio::select! {
            Some((done, receiver)) = working.next() => {
                busy.remove(&receiver);
                match done {
                    Ok(done) => report += done,
                    Err(error) => failed = Some(error),
                }
            }
            // Others may have become due meanwhile.
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    report.more = until.has_come() && !store.receivers_due(clock.now()).await?.is_empty();
    Ok(report)
}

/// What all of one delivery share.
struct Delivery<'a, N, C> {
    store: &'a Store,
    settings: &'a NotificationSettings,
    notifier: &'a N,
    clock: &'a C,
    until: &'a Until,
}

impl<N: Notifier, C: Clock> Delivery<'_, N, C> {
    /// The messages of one receiver, one after the other.
    async fn to(&self, receiver: &str) -> Result<DeliveryReport, StoreError> {
        let mut report = DeliveryReport::default();
        let messages = self.claim(receiver).await?;
        let own_limit = Instant::now() + RECEIVER_LIMIT;
        // Once it does not answer, its other messages would only wait for the same, each for as long.
        let mut not_before = None;
        for claimed in messages {
            let settlement = match not_before {
                Some(next_attempt_at) => Settlement::Released { next_attempt_at },
                None if self.until.has_come() || is_near(own_limit) => {
                    Settlement::Released { next_attempt_at: self.clock.now() }
                }
                None => self.attempt(&claimed).await,
            };
            match &settlement {
                Settlement::Sent => {
                    observe::attempt(&claimed, "sent", None);
                    report.sent += 1;
                }
                Settlement::Failed { error, next_attempt_at, .. } => {
                    observe::attempt(&claimed, "failed", Some(error));
                    report.failed += 1;
                    not_before = Some(*next_attempt_at);
                }
                Settlement::Dead { error, .. } => {
                    observe::attempt(&claimed, "dead", Some(error));
                    report.dead += 1;
                }
                Settlement::Released { .. } => report.released += 1,
            }
            self.settle(&claimed, &settlement).await?;
        }
        Ok(report)
    }

    /// Another deliverer at the same rows is no fault: the claim is made again.
    async fn claim(&self, receiver: &str) -> Result<Vec<ClaimedNotification>, StoreError> {
        let mut attempt = 0;
        loop {
            let now = self.clock.now();
            match self.store.claim_notifications(receiver, now, now + LEASE, MOST).await {
                Err(error) if error.is_conflict() && attempt < 5 => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(10 << attempt)).await;
                }
                done => return done,
            }
        }
    }

    async fn attempt(&self, claimed: &ClaimedNotification) -> Settlement {
        let outcome = match (&claimed.message, self.settings.receivers.get(&claimed.receiver)) {
            (Err(error), _) => Err(NotifyError::permanent(format!("the row holds no message: {error}"))),
            (Ok(_), None) => Err(NotifyError::permanent(format!(
                "the settings know no receiver {}: name it again, then retry",
                claimed.receiver
            ))),
            (Ok(message), Some(receiver)) => {
                let page_url = self.settings.page_url.as_deref();
                let outgoing = Outgoing { receiver, message, page_url, reached: &claimed.reached };
                let left = self.until.deadline.map_or(ATTEMPT_LIMIT, |at| at.saturating_duration_since(Instant::now()));
                let limit = ATTEMPT_LIMIT.min(left);
                tokio::time::timeout(limit, self.notifier.notify(outgoing)).await.unwrap_or_else(|_| {
                    Err(NotifyError::passing(format!("it was not over after {} s", limit.as_secs())))
                })
            }
        };
        match outcome {
            Ok(()) => Settlement::Sent,
            Err(NotifyError { reason: error, refusal, reached }) => {
                let reached = claimed.reached.iter().cloned().chain(reached).collect();
                // Without randomness the waits are those of the middle.
                let random = getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX));
                match next_attempt(claimed.attempts + 1, self.settings.max_attempts, refusal, random) {
                    NextAttempt::After(wait) => {
                        Settlement::Failed { error, next_attempt_at: self.clock.now() + wait, reached }
                    }
                    NextAttempt::Never => Settlement::Dead { error, reached },
                }
            }
        }
    }

    async fn settle(&self, claimed: &ClaimedNotification, settlement: &Settlement) -> Result<(), StoreError> {
        let mut told = 0;
        loop {
            match self.store.settle_notification(claimed, settlement, self.clock.now()).await {
                Ok(_) => return Ok(()),
                Err(error) if told < TELLINGS && error.is_transient() => {
                    told += 1;
                    tokio::time::sleep(Duration::from_millis(50 << told)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
