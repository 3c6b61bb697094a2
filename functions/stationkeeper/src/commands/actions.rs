//! `actions`: what rules propose and persons want done to stations.

use stationkeeper_api::ActionView;
use stationkeeper_pipeline::orchestrate::Acting;
use stationkeeper_rules::orchestrator::{ActionId, ActionState, StationAction};
use stationkeeper_store::{ActionFilter, Author, Store};
use stationkeeper_telemetry::format_instant;

use crate::cli::{self, ActionsCommand};
use crate::commands::alerts::unreadable;
use crate::commands::summary::{columns, harmless};
use crate::failure::{Exit, Failure, print_bytes, print_json, print_line};
use crate::place;

/// More than wait at once in any deployment.
const MOST: u32 = 10_000;

/// Runs `actions`.
pub async fn run(arguments: &cli::Actions) -> Result<Option<Exit>, Failure> {
    match &arguments.command {
        Some(ActionsCommand::Approve(decided)) => return decide(decided, Word::Approve).await,
        Some(ActionsCommand::Withdraw(decided)) => return decide(decided, Word::Withdraw).await,
        None => {}
    }
    let store = place::existing_store(&arguments.place).await?;
    let filter = ActionFilter {
        host: arguments.host.as_deref().map(place::host).transpose()?,
        states: if arguments.all { Vec::new() } else { ActionState::open().collect() },
        ..ActionFilter::default()
    };
    let found =
        store.actions(&filter, None, arguments.limit, place::now()).await.map_err(|error| unreadable(&error))?;
    if arguments.json {
        for one in &found {
            print_json(&ActionView::new(&one.action))?;
        }
        return Ok(None);
    }
    if found.is_empty() {
        print_line(if arguments.all {
            "Nothing was ever proposed or wanted."
        } else {
            "Nothing waits or is done now."
        })?;
        return Ok(None);
    }
    let mut rows = vec![["Id", "Ordered", "State", "Host", "Kind", "By", "Message"].map(str::to_owned)];
    rows.extend(found.iter().map(|one| {
        let action = &one.action;
        [
            action.id.0.chars().take(8).collect(),
            format_instant(action.ordered_at),
            action.state.as_str().to_owned(),
            action.host.to_string(),
            action.kind.as_str().to_owned(),
            harmless(&action.ordered_by.to_string()),
            harmless(action.message.as_deref().unwrap_or_default()),
        ]
    }));
    print_bytes(columns(&rows).as_bytes())?;
    Ok(None)
}

/// What a person says of an action.
enum Word {
    Approve,
    Withdraw,
}

async fn decide(decided: &cli::Decided, word: Word) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(&decided.place).await?;
    let action = find(&store, &decided.id).await?;
    let settings = store.settings().await.map_err(|error| unreadable(&error))?;
    let (author, now) = (Author::of_command_line(decided.by.as_deref()), place::now());
    let acting = Acting { store: &store, settings: &settings, host: &action.host, holder: "command line", now };
    let moved = match word {
        Word::Approve => acting.approve(&action.id, &author).await,
        Word::Withdraw => acting.withdraw(&action.id, &author).await,
    };
    let moved =
        moved.map_err(|error| Failure::because(Exit::Unavailable, "cannot write the action", &error))?.map_err(
            |refused| Failure::because(Exit::Rejected, format_args!("cannot do that to {}", action.id), &refused),
        )?;
    if decided.json {
        print_json(&ActionView::new(&moved))?;
    } else {
        print_line(format_args!("{} of {} is {} now", moved.kind.as_str(), moved.host, moved.state.as_str()))?;
    }
    Ok(None)
}

/// The action of that id or, among those that are not over, the only one whose id begins so.
async fn find(store: &Store, start: &str) -> Result<StationAction, Failure> {
    let now = place::now();
    let exact = store.action(&ActionId(start.to_owned()), now).await.map_err(|error| unreadable(&error))?;
    if let Some(found) = exact {
        return Ok(found.action);
    }
    let filter = ActionFilter { states: ActionState::open().collect(), ..ActionFilter::default() };
    let found = store.actions(&filter, None, MOST, now).await.map_err(|error| unreadable(&error))?;
    let mut matching = found.into_iter().filter(|one| one.action.id.0.starts_with(start));
    match (matching.next(), matching.next()) {
        (Some(one), None) => Ok(one.action),
        (Some(_), Some(_)) => {
            Err(Failure::new(Exit::Rejected, format!("several actions begin with {start}: give more of the id")))
        }
        (None, _) => Err(Failure::new(
            Exit::NoInput,
            format!("there is no action {start} that is not over: `stationkeeper actions` lists them"),
        )),
    }
}
