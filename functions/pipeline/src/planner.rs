//! Decides who is told what of the alerts that moved, and writes the messages: one transaction, apart from the ingest, so that nothing
//! that stands in the way of a message stands in the way of a heartbeat.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use stationkeeper_rules::notify::{Plan, Standing, plan};
use stationkeeper_rules::{AlertId, Settings};
use stationkeeper_store::{Readable, Store, StoreError, Transaction, Unreadable};

use crate::{IngestError, observe};

/// News that are decided in one transaction; the rest is due at once in the next.
const MOST: u32 = 10_000;
/// How often it is repeated when somebody else was at the same rows.
const ATTEMPTS: u32 = 8;
/// An alert of which something cannot be read is looked at again after so long: somebody may have mended it, or a newer program reads it.
const DAMAGED_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// What a run of the planner came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planned {
    /// Messages that are owed now.
    pub messages: usize,
    /// Decisions that are new, or other than before.
    pub decisions: usize,
    /// News that wait.
    pub waiting: usize,
}

/// Decides about all news that are due to be looked at, and about reminders. Nothing due: one look that locks nothing. Safe to run by
/// several at once: one is after the other, and the other finds nothing left to do. Needs no bucket.
///
/// # Errors
/// Of the database; nothing of it happened (or, after a lost reply, the next run finds it done).
pub async fn plan_notifications(
    store: &Store,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Planned, IngestError> {
    let now = now.trunc_subsecs(6); // as the database keeps it
    if !store.planning_is_due(now).await? {
        return Ok(Planned::default());
    }
    let mut attempt = 1;
    loop {
        match plan_once(store, settings, now).await {
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {
                attempt += 1;
                observe::conflict(attempt);
                tokio::time::sleep(Duration::from_millis(5 << attempt)).await;
            }
            done => return done,
        }
    }
}

async fn plan_once(store: &Store, settings: &Settings, now: DateTime<Utc>) -> Result<Planned, IngestError> {
    let mut transaction = store.begin().await?;
    transaction.planner().lock().await?;
    if !transaction.owed().is_due(now).await? {
        return Ok(Planned::default());
    }
    let (plan, unreadable) = decide(&mut transaction, settings, now).await?;
    write(&mut transaction, &plan, now).await?;
    let damaged: BTreeSet<AlertId> = unreadable.iter().filter_map(|one| one.alert_id.clone()).collect();
    let damaged: Vec<AlertId> = damaged.into_iter().collect();
    transaction.owed().postpone(&damaged, now + DAMAGED_AGAIN).await?;
    transaction.commit().await?;
    for one in &unreadable {
        observe::unreadable(&one.error);
    }
    let waiting = plan.looks.iter().filter(|(_, look_at)| look_at.is_some()).count();
    observe::planned(&plan, waiting);
    Ok(Planned { messages: plan.messages.len(), decisions: plan.decisions.len(), waiting })
}

/// Reads what stands, news before alerts: an alert is at least where its news left it. An alert of which something cannot be read is
/// left out with all its news; the others are told.
async fn decide(
    transaction: &mut Transaction,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<(Plan, Vec<Unreadable>), StoreError> {
    let mut unreadable = Vec::new();
    let mut owed = readable(transaction.owed().unplanned(MOST).await?, &mut unreadable);
    let mut hearings = readable(transaction.hearings().standing().await?, &mut unreadable);
    let silences = readable(transaction.silences().standing(now).await?, &mut unreadable);
    let of_news: BTreeSet<&AlertId> = owed.iter().map(|owed| &owed.step.alert_id).collect();
    let of_hearings = hearings.iter().map(|hearing| &hearing.step.alert_id);
    let all: BTreeSet<&AlertId> = of_news.iter().copied().chain(of_hearings).collect();
    let listed = |ids: BTreeSet<&AlertId>| ids.into_iter().cloned().collect::<Vec<_>>();
    let (of_news, all) = (listed(of_news), listed(all));
    let opened_after = now - settings.notifications.flapping_window();
    let decisions = readable(transaction.decisions().of(&of_news).await?, &mut unreadable);
    let alerts = readable(transaction.placed_alerts(&all, opened_after).await?, &mut unreadable);
    let is_damaged = |id: &AlertId| unreadable.iter().any(|one| one.alert_id.as_ref() == Some(id));
    owed.retain(|owed| !is_damaged(&owed.step.alert_id));
    hearings.retain(|hearing| !is_damaged(&hearing.step.alert_id));
    let standing =
        Standing { owed: &owed, alerts: &alerts, silences: &silences, hearings: &hearings, decisions: &decisions };
    Ok((plan(&standing, settings, now), unreadable))
}

fn readable<T>(read: Readable<T>, unreadable: &mut Vec<Unreadable>) -> Vec<T> {
    unreadable.extend(read.unreadable);
    read.rows
}

async fn write(transaction: &mut Transaction, plan: &Plan, now: DateTime<Utc>) -> Result<(), StoreError> {
    transaction.notifications().owe(&plan.messages).await?;
    transaction.hearings().save(&plan.hearings).await?;
    transaction.decisions().append(&plan.decisions).await?;
    transaction.owed().save(&plan.looks, now).await?;
    transaction.silences().end(&plan.ended_silences, now).await?;
    transaction.planner().ran(now).await
}
