//! Messages of news.

use chrono::{DateTime, Utc};

use super::{Placed, concerns};
use crate::{Cause, Message, MessageId, MessageKind, News, NewsEvent, NotificationSettings, Problem};

/// One thing that is told of an alert.
pub(super) struct Item<'a> {
    pub(super) placed: &'a Placed,
    pub(super) event: NewsEvent,
    /// When it became true.
    pub(super) at: DateTime<Utc>,
    pub(super) cause: Cause,
}

/// Joins what is told to a receiver about a laboratory. `unresolved`: every unresolved alert, the oldest first; of the laboratory's,
/// those that concern the receiver are said too.
pub(super) fn message<'a>(
    receiver: &str,
    lab: Option<&str>,
    mut items: Vec<Item<'a>>,
    unresolved: &[Placed],
    settings: &NotificationSettings,
    now: DateTime<Utc>,
) -> Message {
    items.sort_by(|one, other| {
        let place =
            |item: &Item<'a>| (item.at, &item.placed.alert.key.host, item.placed.alert.key.rule, &item.placed.alert.id);
        place(one).cmp(&place(other))
    });
    let kind = kind(&items);
    let news = items.iter().map(|item| (&item.placed.alert.id, item.event, item.at));
    let current = unresolved
        .iter()
        .filter(|placed| placed.lab.as_deref() == lab && concerns(settings, receiver, placed))
        .map(problem)
        .collect();
    Message {
        id: MessageId::derive(receiver, kind, news),
        receiver: receiver.to_owned(),
        kind,
        lab: lab.map(str::to_owned),
        made_at: now,
        news: items
            .into_iter()
            .map(|item| News { event: item.event, at: item.at, cause: item.cause, problem: problem(item.placed) })
            .collect(),
        current,
    }
}

fn kind(items: &[Item<'_>]) -> MessageKind {
    let has = |event| items.iter().any(|item| item.event == event);
    match () {
        () if has(NewsEvent::Opened) => MessageKind::Problem,
        () if has(NewsEvent::Flapping) => MessageKind::Flapping,
        () if has(NewsEvent::StillOpen) => MessageKind::Reminder,
        () => MessageKind::Resolution,
    }
}

fn problem(placed: &Placed) -> Problem {
    let alert = &placed.alert;
    Problem {
        alert_id: alert.id.clone(),
        rule: alert.key.rule,
        severity: alert.key.rule.severity(),
        host: alert.key.host.clone(),
        reservation_id: alert.key.reservation_id.clone(),
        opened_at: alert.opened_at,
        cause: alert.cause.clone(),
        acknowledged_by: alert.acknowledged_by.clone(),
    }
}
