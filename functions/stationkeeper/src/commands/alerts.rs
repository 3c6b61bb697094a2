//! `alerts`, `ack` and `resolve`.

use stationkeeper_api::{AlertView, Language, text};
use stationkeeper_gateway::{AcknowledgeError, Acknowledged, Resolved, Resolving, Taking, acknowledge, resolve};
use stationkeeper_rules::{Alert, AlertId, AlertState, Rule};
use stationkeeper_store::{AlertFilter, Author, Store, StoreError};
use stationkeeper_telemetry::format_instant;

use crate::cli;
use crate::commands::explain;
use crate::commands::summary::{columns, harmless};
use crate::failure::{Exit, Failure, print_bytes, print_json, print_line};
use crate::place;

pub(crate) fn unreadable(error: &StoreError) -> Failure {
    Failure::because(Exit::Unavailable, "cannot read the alerts", error)
}

/// Runs `alerts …`.
pub async fn run(arguments: &cli::Alerts) -> Result<Option<Exit>, Failure> {
    match &arguments.command {
        None => list(arguments).await,
        Some(cli::AlertsCommand::Explain { place, id, json }) => explain::run(place, id, *json).await,
    }
}

/// A rule from the command line.
pub(crate) fn rule(name: &str) -> Result<Rule, Failure> {
    Rule::parse(name).ok_or_else(|| {
        let known: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        Failure::new(Exit::Rejected, format!("there is no rule {name:?}; there are: {}", known.join(", ")))
    })
}

async fn list(arguments: &cli::Alerts) -> Result<Option<Exit>, Failure> {
    let rules = arguments.rule.as_deref().map(rule).transpose()?.into_iter().collect();
    let filter = AlertFilter {
        states: match arguments.state {
            cli::AlertFilter::Unresolved => vec![AlertState::Open, AlertState::Acknowledged],
            cli::AlertFilter::Open => vec![AlertState::Open],
            cli::AlertFilter::Acknowledged => vec![AlertState::Acknowledged],
            cli::AlertFilter::Resolved => vec![AlertState::Resolved],
            cli::AlertFilter::Any => Vec::new(),
        },
        rules,
        host: arguments.host.as_deref().map(place::host).transpose()?,
        lab: None,
    };
    let store = place::existing_store(&arguments.place).await?;
    let alerts = store.alerts(&filter, None, arguments.limit).await.map_err(|error| unreadable(&error))?;
    if arguments.json {
        for alert in &alerts {
            print_json(&view(alert))?;
        }
        return Ok(None);
    }
    if alerts.is_empty() {
        print_line("No such alerts.")?;
        return Ok(None);
    }
    let mut rows = vec![["Id", "Opened", "State", "Host", "Rule", "Cause"].map(str::to_owned)];
    rows.extend(alerts.iter().map(|alert| {
        [
            alert.id.0.chars().take(8).collect(),
            format_instant(alert.opened_at),
            alert.state.as_str().to_owned(),
            alert.key.host.as_ref().map(ToString::to_string).unwrap_or_default(),
            alert.key.rule.as_str().to_owned(),
            harmless(&text(Language::En, &alert.cause)),
        ]
    }));
    print_bytes(columns(&rows).as_bytes())?;
    Ok(None)
}

fn view(alert: &Alert) -> AlertView {
    AlertView::new(alert, None, Language::En)
}

/// Runs `ack`.
pub async fn take(arguments: &cli::Ack) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(&arguments.place).await?;
    let id = find(&store, &arguments.id, &[AlertState::Open, AlertState::Acknowledged]).await?;
    let author = Author::of_command_line(arguments.by.as_deref());
    let now = place::now();
    let until = arguments.lasts.map(|lasts| now + lasts);
    let taking = Taking { author: &author, note: arguments.note.as_deref(), until };
    let done = acknowledge(&store, &id, taking, now).await.map_err(|error| unmoved("acknowledge", &id, &error))?;
    let Some(found) = store.alert(&id).await.map_err(|error| unreadable(&error))? else {
        return Err(none(&arguments.id));
    };
    if arguments.json {
        print_json(&view(&found.alert))?;
    } else {
        let by = found.alert.acknowledged_by.as_deref().unwrap_or("somebody");
        let said = match done {
            Acknowledged::Now => "Acknowledged by",
            Acknowledged::Before => "It was acknowledged before, by",
        };
        print_line(format_args!("{said} {}: {} {id}", harmless(by), found.alert.key.rule))?;
    }
    Ok(None)
}

/// Runs `resolve`.
pub async fn call_over(arguments: &cli::Resolve) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(&arguments.place).await?;
    let id = find(&store, &arguments.id, &[AlertState::Open, AlertState::Acknowledged]).await?;
    let author = Author::of_command_line(arguments.by.as_deref());
    let resolving = Resolving { author: &author, note: arguments.note.as_deref() };
    let done = resolve(&store, &id, resolving, place::now()).await.map_err(|error| unmoved("resolve", &id, &error))?;
    let Some(found) = store.alert(&id).await.map_err(|error| unreadable(&error))? else {
        return Err(none(&arguments.id));
    };
    if arguments.json {
        print_json(&view(&found.alert))?;
    } else {
        let said = match done {
            Resolved::Now => "Resolved",
            Resolved::Before => "It was over before",
        };
        print_line(format_args!("{said}: {} {id}", found.alert.key.rule))?;
    }
    Ok(None)
}

fn unmoved(doing: &str, id: &AlertId, error: &AcknowledgeError) -> Failure {
    let exit = match error {
        AcknowledgeError::Unknown(_) => Exit::NoInput,
        AcknowledgeError::Life(_) => Exit::Rejected,
        AcknowledgeError::Store(_) => Exit::Unavailable,
    };
    Failure::because(exit, format_args!("cannot {doing} {id}"), error)
}

pub(crate) fn none(id: &str) -> Failure {
    Failure::new(Exit::NoInput, format!("there is no alert {id}: `stationkeeper alerts` lists them"))
}

/// The alert whose id this is or, among those in these states (none: in any), the only one whose id begins with this.
pub(crate) async fn find(store: &Store, start: &str, states: &[AlertState]) -> Result<AlertId, Failure> {
    let exact = AlertId(start.to_owned());
    if store.alert(&exact).await.map_err(|error| unreadable(&error))?.is_some() {
        return Ok(exact);
    }
    let filter = AlertFilter { states: states.to_vec(), ..AlertFilter::default() };
    let alerts = store.alerts(&filter, None, 10_000).await.map_err(|error| unreadable(&error))?;
    let mut matching = alerts.into_iter().filter(|alert| alert.id.0.starts_with(start));
    match (matching.next(), matching.next()) {
        (Some(alert), None) => Ok(alert.id),
        (Some(_), Some(_)) => {
            Err(Failure::new(Exit::Rejected, format!("several alerts begin with {start}: give more of the id")))
        }
        (None, _) => Err(none(start)),
    }
}
