//! `notifications`, `notifications retry` and `notifications test`.

use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use stationkeeper_notifier::Wording;
use stationkeeper_rules::{AlertId, Language, Message, MessageId, MessageKind, NewsEvent};
use stationkeeper_store::{Notification, NotificationState, Store, StoreError};
use stationkeeper_telemetry::format_instant;

use crate::cli::{NotificationFilter, NotificationList, Notifications, NotificationsCommand, Place};
use crate::commands::summary::{columns, harmless};
use crate::failure::{Exit, Failure, print_bytes, print_json, print_line};
use crate::place;

/// A message and what became of it. Keys are added, never changed.
#[derive(Serialize)]
struct View<'n> {
    id: &'n str,
    state: &'static str,
    kind: MessageKind,
    receiver: &'n str,
    lab: Option<&'n str>,
    subject: String,
    made_at: DateTime<Utc>,
    attempts: u32,
    /// Null: it is settled.
    next_attempt_at: Option<DateTime<Utc>>,
    last_error: Option<&'n str>,
    settled_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Owed<'n> {
    id: &'n str,
    receiver: &'n str,
}

#[derive(Serialize)]
struct Retried {
    retried: u64,
}

fn unavailable(error: &StoreError) -> Failure {
    Failure::because(Exit::Unavailable, "cannot work on the notifications", error)
}

/// Runs `notifications …`.
pub async fn run(arguments: &Notifications) -> Result<Option<Exit>, Failure> {
    match &arguments.command {
        None => list(&arguments.list).await?,
        Some(NotificationsCommand::Retry { place, id, all: _, json }) => retry(place, id.as_deref(), *json).await?,
        Some(NotificationsCommand::Test { place, receiver, json }) => test(place, receiver, *json).await?,
    }
    Ok(None)
}

async fn list(arguments: &NotificationList) -> Result<(), Failure> {
    let state = match arguments.state {
        NotificationFilter::Pending => Some(NotificationState::Pending),
        NotificationFilter::Sent => Some(NotificationState::Sent),
        NotificationFilter::Dead => Some(NotificationState::Dead),
        NotificationFilter::Any => None,
    };
    let store = place::existing_store(&arguments.place).await?;
    let found = store.notifications(state, arguments.limit).await.map_err(|error| unavailable(&error))?;
    if arguments.json {
        return found.iter().try_for_each(|one| print_json(&view(one)));
    }
    if found.is_empty() {
        return print_line("No such notifications.");
    }
    let mut rows = vec![["Id", "Made", "State", "Tries", "Receiver", "Subject", "Error"].map(str::to_owned)];
    rows.extend(found.iter().map(|one| {
        let view = view(one);
        [
            view.id.chars().take(8).collect(),
            format_instant(view.made_at),
            view.state.to_owned(),
            view.attempts.to_string(),
            harmless(view.receiver),
            harmless(&view.subject),
            view.last_error.map(harmless).unwrap_or_default(),
        ]
    }));
    print_bytes(columns(&rows).as_bytes())
}

fn view(one: &Notification) -> View<'_> {
    let Notification { message, state, attempts, next_attempt_at, last_error, settled_at } = one;
    View {
        id: &message.id.0,
        state: state.as_str(),
        kind: message.kind,
        receiver: &message.receiver,
        lab: message.lab.as_deref(),
        subject: Wording::new(message, Language::En, None).subject,
        made_at: message.made_at,
        attempts: *attempts,
        next_attempt_at: (*state == NotificationState::Pending).then_some(*next_attempt_at),
        last_error: last_error.as_deref(),
        settled_at: *settled_at,
    }
}

async fn retry(place: &Place, id: Option<&str>, json: bool) -> Result<(), Failure> {
    let store = place::existing_store(place).await?;
    let only = match id {
        Some(start) => Some(find(&store, start).await?),
        None => None,
    };
    let again = store.send_notifications_again(only.as_ref(), place::now()).await;
    let retried = again.map_err(|error| unavailable(&error))?;
    if json {
        return print_json(&Retried { retried });
    }
    match retried {
        0 => print_line("None was given up: there is nothing to send again."),
        number => print_line(format_args!(
            "{number} to be sent again; `stationkeeper notifications` says what becomes of it."
        )),
    }
}

/// The message that was given up and whose id begins so.
async fn find(store: &Store, start: &str) -> Result<MessageId, Failure> {
    let dead = store.notifications(Some(NotificationState::Dead), 10_000).await.map_err(|error| unavailable(&error))?;
    let mut matching = dead.into_iter().map(|one| one.message.id).filter(|id| id.0.starts_with(start));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => {
            Err(Failure::new(Exit::Rejected, format!("several messages begin with {start}: give more of the id")))
        }
        (None, _) => {
            let said = format!(
                "no message {start} was given up: `stationkeeper notifications --state dead` lists those that were"
            );
            Err(Failure::new(Exit::NoInput, said))
        }
    }
}

async fn test(place: &Place, receiver: &str, json: bool) -> Result<(), Failure> {
    let store = place::existing_store(place).await?;
    let settings = store.settings().await.map_err(|error| unavailable(&error))?;
    let receivers = &settings.notifications.receivers;
    if !receivers.contains_key(receiver) {
        let known: Vec<_> = receivers.keys().map(String::as_str).collect();
        let known = match known.as_slice() {
            [] => "the settings name none (`stationkeeper config apply`)".to_owned(),
            known => format!("there are: {}", known.join(", ")),
        };
        return Err(Failure::new(Exit::NoInput, format!("there is no receiver {receiver:?}; {known}")));
    }
    // As the database keeps it.
    let made_at = place::now().trunc_subsecs(6);
    let none = AlertId(String::new());
    let message = Message {
        id: MessageId::derive(receiver, MessageKind::Test, [(&none, NewsEvent::Opened, made_at)]),
        receiver: receiver.to_owned(),
        kind: MessageKind::Test,
        lab: None,
        made_at,
        news: Vec::new(),
        current: Vec::new(),
    };
    store.owe_notifications(std::slice::from_ref(&message)).await.map_err(|error| unavailable(&error))?;
    if json {
        return print_json(&Owed { id: &message.id.0, receiver });
    }
    print_line(format_args!(
        "{} is owed to {receiver}; `stationkeeper notifications` says what becomes of it.",
        message.id
    ))
}
