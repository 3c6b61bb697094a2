//! Delivers what is owed, at least once: claim, send, settle. A crash between two of them repeats the message with the same id.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use stationkeeper_rules::{Message, NextAttempt, NotificationSettings, Receiver, Refusal, next_attempt};
use stationkeeper_store::{ClaimedNotification, Settlement, Store, StoreError};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::observe;

/// Messages claimed at once.
const MOST: u32 = 32;
/// How long a claim holds: longer than all that is tried under it.
const LEASE: TimeDelta = TimeDelta::seconds(120);
/// One attempt takes no longer.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(25);
/// One receiver is worked on for no longer under one claim; what is left of it is released.
const RECEIVER_LIMIT: Duration = Duration::from_secs(40);
/// Receivers at once.
const RECEIVERS: usize = 8;
/// With less time left than this, nothing more is begun.
const MARGIN: Duration = Duration::from_secs(5);
/// How often the end of an attempt is told to a database that does not take it. Untold, a message that was sent is sent again.
const TELLINGS: u32 = 4;

/// Takes a message to where it goes.
pub trait Notifier: Send + Sync {
    /// Delivers it, or says why not. What it says is kept and shown: it holds no secret.
    fn notify(&self, receiver: &Receiver, message: &Message) -> impl Future<Output = Result<(), NotifyError>> + Send;
}

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotifyError {
    /// What happened, to be shown: no secret in it.
    pub reason: String,
    /// What it says of the next attempt.
    pub refusal: Refusal,
}

impl NotifyError {
    /// It may pass by itself.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refusal: Refusal::Passing }
    }

    /// It never will.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refusal: Refusal::Permanent }
    }
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
    /// More is due: time, or the receivers' patience, ran out first.
    pub more: bool,
}

impl std::ops::AddAssign for DeliveryReport {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.failed += other.failed;
        self.dead += other.dead;
        self.released += other.released;
        self.more = other.more;
    }
}

/// Delivers all that is due, or, with a deadline, what can be begun in time.
pub async fn deliver<N: Notifier, C: Clock>(
    store: &Store,
    settings: &NotificationSettings,
    notifier: &N,
    clock: &C,
    deadline: Option<Instant>,
) -> Result<DeliveryReport, StoreError> {
    let mut report = DeliveryReport::default();
    loop {
        if !has_time(deadline) {
            report.more = store.notifications_are_due(clock.now()).await?;
            return Ok(report);
        }
        let claimed = claim(store, clock.now()).await?;
        if claimed.is_empty() {
            report.more = false;
            return Ok(report);
        }
        report += deliver_claimed(store, settings, notifier, clock, deadline, claimed).await?;
    }
}

fn has_time(deadline: Option<Instant>) -> bool {
    deadline.is_none_or(|deadline| deadline.saturating_duration_since(Instant::now()) >= MARGIN)
}

/// Another deliverer at the same rows is no fault: the claim is made again.
async fn claim(store: &Store, now: DateTime<Utc>) -> Result<Vec<ClaimedNotification>, StoreError> {
    let mut attempt = 0;
    loop {
        match store.claim_notifications(now, now + LEASE, MOST).await {
            Err(error) if error.is_conflict() && attempt < 5 => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(10 << attempt)).await;
            }
            done => return done,
        }
    }
}

async fn deliver_claimed<N: Notifier, C: Clock>(
    store: &Store,
    settings: &NotificationSettings,
    notifier: &N,
    clock: &C,
    deadline: Option<Instant>,
    claimed: Vec<ClaimedNotification>,
) -> Result<DeliveryReport, StoreError> {
    let mut by_receiver: BTreeMap<String, Vec<ClaimedNotification>> = BTreeMap::new();
    for one in claimed {
        by_receiver.entry(one.receiver.clone()).or_default().push(one);
    }
    let until = Instant::now() + RECEIVER_LIMIT;
    let until = deadline.map_or(until, |deadline| until.min(deadline));
    let each = by_receiver.into_values().map(|messages| {
        let work = OneReceiver { store, settings, notifier, clock, until };
        async move { work.deliver(messages).await }
    });
    let done: Vec<_> = stream::iter(each).buffer_unordered(RECEIVERS).collect().await;
    let mut report = DeliveryReport::default();
    let mut failed = None;
    for one in done {
        match one {
            Ok(one) => report += one,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(report), Err)
}

/// The messages of one receiver, one after the other.
struct OneReceiver<'a, N, C> {
    store: &'a Store,
    settings: &'a NotificationSettings,
    notifier: &'a N,
    clock: &'a C,
    until: Instant,
}

impl<N: Notifier, C: Clock> OneReceiver<'_, N, C> {
    async fn deliver(&self, messages: Vec<ClaimedNotification>) -> Result<DeliveryReport, StoreError> {
        let mut report = DeliveryReport::default();
        // Once it does not answer, its other messages would only wait for the same, each for as long.
        let mut not_before = None;
        for claimed in messages {
            let settlement = match not_before {
                Some(next_attempt_at) => Settlement::Released { next_attempt_at },
                None if !has_time(Some(self.until)) => Settlement::Released { next_attempt_at: self.clock.now() },
                None => self.attempt(&claimed).await,
            };
            match &settlement {
                Settlement::Sent => {
                    observe::attempt(&claimed, "sent", None);
                    report.sent += 1;
                }
                Settlement::Failed { error, next_attempt_at } => {
                    observe::attempt(&claimed, "failed", Some(error));
                    report.failed += 1;
                    not_before = Some(*next_attempt_at);
                }
                Settlement::Dead { error } => {
                    observe::attempt(&claimed, "dead", Some(error));
                    report.dead += 1;
                }
                Settlement::Released { .. } => report.released += 1,
            }
            self.settle(&claimed, &settlement).await?;
        }
        Ok(report)
    }

    async fn attempt(&self, claimed: &ClaimedNotification) -> Settlement {
        let outcome = match (&claimed.message, self.settings.receivers.get(&claimed.receiver)) {
            (Err(error), _) => Err(NotifyError::permanent(format!("the row holds no message: {error}"))),
            (Ok(_), None) => Err(NotifyError::permanent(format!(
                "the settings know no receiver {}: name it again, then retry",
                claimed.receiver
            ))),
            (Ok(message), Some(receiver)) => {
                let limit = ATTEMPT_LIMIT.min(self.until.saturating_duration_since(Instant::now()));
                tokio::time::timeout(limit, self.notifier.notify(receiver, message)).await.unwrap_or_else(|_| {
                    Err(NotifyError::passing(format!("it was not over after {} s", limit.as_secs())))
                })
            }
        };
        match outcome {
            Ok(()) => Settlement::Sent,
            Err(NotifyError { reason, refusal }) => {
                // Without randomness the waits are those of the middle.
                let random = getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX));
                match next_attempt(claimed.attempts + 1, self.settings.max_attempts, refusal, random) {
                    NextAttempt::After(wait) => {
                        Settlement::Failed { error: reason, next_attempt_at: self.clock.now() + wait }
                    }
                    NextAttempt::Never => Settlement::Dead { error: reason },
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
