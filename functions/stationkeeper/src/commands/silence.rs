//! `silence …`: what mutes notifications for a while.

use stationkeeper_api::{Language, SilenceView, span_text};
use stationkeeper_gateway::{AskedSilence, SetSilenceError, end_silence, set_silence};
use stationkeeper_rules::notify::Silence;
use stationkeeper_store::{Author, Store, StoreError};

use crate::cli::{SilenceAdd, SilenceCommand};
use crate::commands::alerts::rule;
use crate::commands::summary::{columns, harmless};
use crate::environment;
use crate::failure::{Exit, Failure, print_bytes, print_json, print_line};
use crate::place;

/// More than anybody sets.
const MOST: u32 = 10_000;

/// Runs `silence …`.
pub async fn run(command: &SilenceCommand) -> Result<Option<Exit>, Failure> {
    match command {
        SilenceCommand::Add(arguments) => add(arguments).await,
        SilenceCommand::List { place, all, limit, json } => {
            let store = place::existing_store(place).await?;
            list(&store, *all, *limit, *json).await
        }
        SilenceCommand::End { place, id, json } => {
            let store = place::existing_store(place).await?;
            end(&store, id, *json).await
        }
    }
}

fn unreadable(error: &StoreError) -> Failure {
    Failure::because(Exit::Unavailable, "cannot read the silences", error)
}

async fn add(arguments: &SilenceAdd) -> Result<Option<Exit>, Failure> {
    let host = arguments.host.as_deref().map(place::host).transpose()?;
    let rule = arguments.rule.as_deref().map(rule).transpose()?;
    let store = place::existing_store(&arguments.place).await?;
    let now = place::now();
    let from = arguments.from.unwrap_or(now);
    let asked = AskedSilence {
        host,
        lab: arguments.lab.clone(),
        rule,
        from: Some(from),
        // Without an end it is until the resolution: the command line asks for one of the three.
        until: arguments.until.or_else(|| arguments.lasts.map(|lasts| from + lasts)),
        recurring: arguments.recurring.clone(),
        reason: arguments.reason.clone(),
    };
    let author = Author::of_command_line(arguments.by.as_deref());
    let silence = set_silence(&store, asked, &author, now).await.map_err(|error| {
        let exit = match error {
            SetSilenceError::Silence(_) => Exit::Rejected,
            SetSilenceError::Store(_) => Exit::Unavailable,
        };
        Failure::because(exit, "cannot set the silence", &error)
    })?;
    if arguments.json {
        print_json(&SilenceView::new(&silence, now, Language::En))?;
    } else {
        let said = harmless(&format!("of {}, {}", of(&silence), span_text(Language::En, &silence.span)));
        print_line(format_args!("Silence {}: {said}", silence.id))?;
    }
    Ok(None)
}

async fn list(store: &Store, all: bool, limit: u32, json: bool) -> Result<Option<Exit>, Failure> {
    let now = place::now();
    let silences = store.silences((!all).then_some(now), None, limit).await.map_err(|error| unreadable(&error))?;
    if json {
        for silence in &silences {
            print_json(&SilenceView::new(silence, now, Language::En))?;
        }
        return Ok(None);
    }
    if silences.is_empty() {
        print_line("No silences.")?;
        return Ok(None);
    }
    let mut rows = vec![["Id", "Now", "Of", "When", "By", "Reason"].map(str::to_owned)];
    rows.extend(silences.iter().map(|silence| {
        let word = match (silence.is_over(now), silence.at(now)) {
            (true, _) => "over",
            (false, Some(_)) => "mutes",
            (false, None) => "waits",
        };
        [
            silence.id.to_string(),
            word.to_owned(),
            harmless(&of(silence)),
            harmless(&span_text(Language::En, &silence.span)),
            harmless(&silence.author),
            harmless(&silence.reason),
        ]
    }));
    print_bytes(columns(&rows).as_bytes())?;
    Ok(None)
}

async fn end(store: &Store, start: &str, json: bool) -> Result<Option<Exit>, Failure> {
    let all = store.silences(None, None, MOST).await.map_err(|error| unreadable(&error))?;
    let mut matching = all.into_iter().filter(|silence| silence.id.0.starts_with(start));
    let silence = match (matching.next(), matching.next()) {
        (Some(silence), None) => silence,
        (Some(_), Some(_)) => {
            let said = format!("several silences begin with {start}: give more of the id");
            return Err(Failure::new(Exit::Rejected, said));
        }
        (None, _) => {
            let said = format!("there is no silence {start}: `stationkeeper silence list --all` lists them");
            return Err(Failure::new(Exit::NoInput, said));
        }
    };
    let now = place::now();
    let author = Author::of_command_line(environment::variable("USER").as_deref());
    let ended = end_silence(store, &silence.id, &author, now)
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot end the silence", &error))?;
    if json {
        let ended_at = silence.ended_at.or(Some(now));
        print_json(&SilenceView::new(&Silence { ended_at, ..silence }, now, Language::En))?;
    } else {
        let said = if ended { "Ended" } else { "It had ended before" };
        print_line(format_args!("{said}: silence {}", silence.id))?;
    }
    Ok(None)
}

/// What it mutes.
fn of(silence: &Silence) -> String {
    let parts = [
        silence.rule.map(|rule| rule.as_str().to_owned()),
        silence.host.as_ref().map(ToString::to_string),
        silence.lab.as_ref().map(|lab| format!("lab {lab}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
