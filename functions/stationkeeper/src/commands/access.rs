//! `token …` and `audit`: who may do what, and who did.

use serde::Serialize;
use stationkeeper_api::Instant;
use stationkeeper_gateway::{
    GiveAccessError, add_token, audit_view, grant, offer_pairing, pairing_lasts, revoke_token, token_view,
};
use stationkeeper_store::{AuditFilter, Author, Store, StoreError, TokenGrant};

use crate::cli::{AuditLog, Grant, Place, TokenCommand};
use crate::commands::summary::{columns, harmless};
use crate::environment;
use crate::failure::{Exit, Failure, print_bytes, print_json, print_line};
use crate::place;

#[derive(Serialize)]
struct Minted<'a> {
    name: &'a str,
    token: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct Offered<'a> {
    code: &'a str,
    expires_at: Instant,
}

/// Runs `token …`.
pub async fn token(command: &TokenCommand) -> Result<Option<Exit>, Failure> {
    match command {
        TokenCommand::Add { place, grant, json } => add(place, grant, *json).await,
        TokenCommand::Pair { place, grant, json } => pair(place, grant, *json).await,
        TokenCommand::List { place, json } => list(place, *json).await,
        TokenCommand::Revoke { place, id, json } => revoke(place, id, *json).await,
    }
}

/// A token may be made before the first `up`.
async fn store_and_grant(place: &Place, asked: &Grant) -> Result<(Store, TokenGrant), Failure> {
    let granted = grant(&asked.name, asked.role, asked.labs.clone()).map_err(|error| refused(&error))?;
    let connections = place::connections(place)?;
    place::make_folder(&connections.data)?;
    Ok((place::open_store(&connections).await?, granted))
}

fn refused(error: &GiveAccessError) -> Failure {
    let exit = match error {
        GiveAccessError::Name | GiveAccessError::Labs => Exit::Rejected,
        GiveAccessError::Random(_) => Exit::Failed,
        GiveAccessError::Store(_) => Exit::Unavailable,
    };
    Failure::because(exit, "cannot give access", error)
}

fn somebody() -> Author {
    Author::of_command_line(environment::variable("USER").as_deref())
}

async fn add(place: &Place, asked: &Grant, json: bool) -> Result<Option<Exit>, Failure> {
    let (store, granted) = store_and_grant(place, asked).await?;
    let (secret, token) =
        add_token(&store, granted, &somebody(), place::now()).await.map_err(|error| refused(&error))?;
    let name = &token.grant.name;
    if json {
        print_json(&Minted { name, token: &secret, id: &token.id })?;
    } else {
        print_line(format_args!("{secret}"))?;
        print_line(format_args!(
            "Token of {} ({}), id {}. It is shown this once; it goes into `Authorization: Bearer`.",
            harmless(name),
            token.grant.role.as_str(),
            token.id
        ))?;
    }
    Ok(None)
}

async fn pair(place: &Place, asked: &Grant, json: bool) -> Result<Option<Exit>, Failure> {
    let (store, granted) = store_and_grant(place, asked).await?;
    let (code, expires_at) = offer_pairing(&store, granted, &somebody(), place::now(), pairing_lasts())
        .await
        .map_err(|error| refused(&error))?;
    let expires_at = Instant(expires_at);
    if json {
        print_json(&Offered { code: &code, expires_at })?;
    } else {
        print_line(format_args!("{code}"))?;
        print_line(format_args!("Good once, until {expires_at}."))?;
    }
    Ok(None)
}

async fn list(place: &Place, json: bool) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(place).await?;
    let tokens = store.tokens().await.map_err(|error| unreadable(&error))?;
    if json {
        for token in &tokens {
            print_json(&token_view(token))?;
        }
        return Ok(None);
    }
    let mut rows = vec![["Id", "Name", "Role", "Labs", "Made", "Revoked"].map(str::to_owned)];
    rows.extend(tokens.iter().map(token_view).map(|token| {
        [
            token.id,
            harmless(&token.name),
            token.role,
            harmless(&token.labs.map_or_else(|| "all".to_owned(), |labs| labs.join(", "))),
            token.created_at.to_string(),
            token.revoked_at.map(|at| at.to_string()).unwrap_or_default(),
        ]
    }));
    print_bytes(columns(&rows).as_bytes())?;
    Ok(None)
}

fn unreadable(error: &StoreError) -> Failure {
    Failure::because(Exit::Unavailable, "cannot read the tokens", error)
}

async fn revoke(place: &Place, start: &str, json: bool) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(place).await?;
    let tokens = store.tokens().await.map_err(|error| unreadable(&error))?;
    let mut matching = tokens.into_iter().filter(|token| token.token.id.starts_with(start));
    let token = match (matching.next(), matching.next()) {
        (Some(token), None) => token,
        (Some(_), Some(_)) => {
            let said = format!("several tokens begin with {start}: give more of the id");
            return Err(Failure::new(Exit::Rejected, said));
        }
        (None, _) => {
            let said = format!("there is no token {start}: `stationkeeper token list` lists them");
            return Err(Failure::new(Exit::NoInput, said));
        }
    };
    let now = place::now();
    let revoked = revoke_token(&store, &token.token.id, &somebody(), now)
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot revoke the token", &error))?;
    let mut view = token_view(&token);
    view.revoked_at = view.revoked_at.or(Some(Instant(now)));
    if json {
        print_json(&view)?;
    } else {
        let said = if revoked { "Revoked" } else { "It had been revoked before" };
        print_line(format_args!("{said}: {} ({})", harmless(&view.name), view.id))?;
    }
    Ok(None)
}

/// Runs `audit`.
pub async fn audit(arguments: &AuditLog) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(&arguments.place).await?;
    let filter = AuditFilter {
        actor: arguments.actor.clone(),
        action: None,
        target: arguments.target.clone(),
        host: arguments.host.as_deref().map(place::host).transpose()?,
    };
    let entries = store
        .audit_log(&filter, None, arguments.limit)
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot read the audit log", &error))?;
    if arguments.json {
        for entry in &entries {
            print_json(&audit_view(entry))?;
        }
        return Ok(None);
    }
    if entries.is_empty() {
        print_line("Nothing was changed by anybody.")?;
        return Ok(None);
    }
    let mut rows = vec![["When", "Who", "What", "On", "Station", "Outcome"].map(str::to_owned)];
    rows.extend(entries.iter().map(audit_view).map(|entry| {
        [
            entry.at.to_string(),
            harmless(&entry.actor),
            entry.action,
            harmless(&entry.target),
            entry.host.unwrap_or_default(),
            entry.outcome,
        ]
    }));
    print_bytes(columns(&rows).as_bytes())?;
    Ok(None)
}
