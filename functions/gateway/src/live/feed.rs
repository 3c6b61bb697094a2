//! One reader of `updates` for all listeners: it runs while somebody listens.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_store::{StoreError, Update};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::{Instant, MissedTickBehavior};

use crate::Gateway;

/// How often `updates` is read.
const PERIOD: Duration = Duration::from_millis(500);
/// Sequences are given before a commit: a row may appear after others with greater ones.
const OVERLAP: Duration = Duration::from_secs(10);
/// Readings between two ticks.
const TICK: u32 = 10;
/// Most updates of one reading; the rest comes with the next.
const MOST: u32 = 10_000;
/// How far a listener may fall behind. A slot is taken once, however many listen.
const BEHIND: usize = 4_096;

/// What listeners are told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// Something changed.
    Update(Arc<Update>),
    /// Nothing need have changed: this is how old all of it is.
    Tick(Arc<Tick>),
}

/// The state of things, every few seconds.
#[derive(Debug)]
pub(crate) struct Tick {
    /// Our clock.
    pub at: DateTime<Utc>,
    /// The newest advance of any station.
    pub newest_advance_at: Option<DateTime<Utc>>,
    /// Ids of tokens that are no longer valid.
    pub revoked: HashSet<String>,
}

/// The feed of a gateway.
#[derive(Default)]
pub(crate) struct Feed(Mutex<Option<Sender<Told>>>);

/// Somebody who listens.
pub(crate) struct Subscription(Receiver<Told>);

impl Subscription {
    /// What comes next.
    pub async fn next(&mut self) -> Result<Told, RecvError> {
        self.0.recv().await
    }
}

impl Feed {
    /// Listens from now on. The first listener starts the reader.
    pub fn subscribe(&self, gateway: &Gateway) -> Subscription {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = running.as_ref() {
            return Subscription(sender.subscribe());
        }
        let (sender, receiver) = broadcast::channel(BEHIND);
        *running = Some(sender.clone());
        gateway.shared().tasks.spawn(read(gateway.clone(), sender));
        Subscription(receiver)
    }

    /// Whether nobody listens; then the reader is no longer ours.
    fn is_over(&self, sender: &Sender<Told>) -> bool {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = sender.receiver_count() == 0;
        if over {
            *running = None;
        }
        over
    }
}

async fn read(gateway: Gateway, sender: Sender<Told>) {
    let mut interval = tokio::time::interval(PERIOD);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut window: Option<Window> = None;
    let mut until_tick = 0;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = gateway.closing() => return,
        }
        if gateway.shared().feed.is_over(&sender) {
            return;
        }
        // A database that is away is told by ticks that do not come.
        let told = once(&gateway, &sender, &mut window, &mut until_tick).await;
        if let Err(error) = told {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot read what changed");
        }
    }
}

async fn once(
    gateway: &Gateway,
    sender: &Sender<Told>,
    window: &mut Option<Window>,
    until_tick: &mut u32,
) -> Result<(), StoreError> {
    let store = gateway.store();
    let window = match window {
        Some(window) => window,
        None => window.insert(Window::from(store.last_update().await?)),
    };
    for update in store.updates_after(window.read_after(Instant::now()), MOST).await? {
        if window.is_new(update.sequence, Instant::now()) {
            let _ = sender.send(Told::Update(Arc::new(update)));
        }
    }
    if *until_tick == 0 {
        let tokens = store.tokens().await?;
        let revoked = tokens.into_iter().filter(|token| token.revoked_at.is_some()).map(|token| token.token.id);
        let newest_advance_at = store.newest_advance_at().await?;
        let tick = Tick { at: gateway.now(), newest_advance_at, revoked: revoked.collect() };
        let _ = sender.send(Told::Tick(Arc::new(tick)));
        *until_tick = TICK;
    }
    *until_tick -= 1;
    Ok(())
}

/// Which updates were told lately.
struct Window {
    /// Everything up to here was told, or is too old to appear any more.
    done: u64,
    /// Told since, and when.
    told: BTreeMap<u64, Instant>,
}

impl Window {
    fn from(done: u64) -> Self {
        Self { done, told: BTreeMap::new() }
    }

    /// After which sequence to read.
    fn read_after(&mut self, now: Instant) -> u64 {
        while let Some(first) = self.told.first_entry()
            && now.duration_since(*first.get()) >= OVERLAP
        {
            self.done = first.remove_entry().0;
        }
        self.done
    }

    fn is_new(&mut self, sequence: u64, now: Instant) -> bool {
        self.told.insert(sequence, now).is_none_or(|told| {
            self.told.insert(sequence, told);
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_appears_late_is_told_once_and_so_is_every_other() {
        let (mut window, begun) = (Window::from(10), Instant::now());
        let mut told = Vec::new();
        for (second, rows) in
            [(0, vec![11, 13]), (1, vec![11, 13]), (5, vec![11, 12, 13, 14]), (9, vec![11, 12, 13, 14])]
        {
            let now = begun + Duration::from_secs(second);
            assert_eq!(window.read_after(now), 10, "{second} s");
            told.extend(rows.into_iter().filter(|sequence| window.is_new(*sequence, now)));
        }
        assert_eq!(told, [11, 13, 12, 14]);
        assert_eq!(window.read_after(begun + Duration::from_secs(12)), 11, "12 may still have others before it");
        assert_eq!(window.read_after(begun + Duration::from_secs(15)), 14, "what is too old is not read again");
    }
}
