//! Draws and tells whatever changed, for as long as the app runs.

use std::sync::Arc;
use std::time::Duration;

use stationkeeper_tray_client::{LocalFile, Looked};
use stationkeeper_tray_view::Link;
use tauri::Emitter;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::companion::{Changes, Companion};
use crate::{clock, link, secret, tell, tray, window};

/// Ages and countdowns go on while somebody looks.
const LOOKED_AT: Duration = Duration::from_secs(1);
/// The icon turns offline, and this PC's file is looked at, so often.
const UNSEEN: Duration = Duration::from_secs(5);

/// Runs until the app ends.
pub async fn run(companion: Arc<Companion>, arguments: Arguments) {
    let mut file = arguments.heartbeat().map(LocalFile::new);
    look(&companion, file.as_mut()).await;
    draw(&companion, companion.state().changes(false));
    begin(&companion).await;
    if let Some(link) = &arguments.link {
        link::opened(&companion, link);
    }
    let mut hidden_since = Some(Instant::now());
    loop {
        look(&companion, file.as_mut()).await;
        let visible = companion.is_visible();
        let changes = companion.state().changes(visible);
        let next_at = changes.next_at;
        draw(&companion, changes);
        hidden_since = if visible { None } else { hidden_since.or_else(|| Some(Instant::now())) };
        if hidden_since.is_some_and(|since| since.elapsed() > window::KEPT_FOR) {
            window::free(&companion);
        }
        let (mut world, now) = {
            let state = companion.state();
            (state.watched(), state.now())
        };
        let most = if visible { LOOKED_AT } else { UNSEEN };
        let wait = next_at.and_then(|at| (at - now).to_std().ok()).map_or(most, |wait| wait.min(most));
        tokio::select! {
            // A session that ended tells nothing more; the next one is drawn because somebody began it.
            Ok(()) = world.changed() => {}
            () = companion.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Takes up the connection that was kept.
pub async fn begin(companion: &Arc<Companion>) {
    let connection = companion.state().connection.clone();
    let Some(connection) = connection else { return };
    let (folder, gateway) = (companion.folder.clone(), connection.gateway.clone());
    let found = tauri::async_runtime::spawn_blocking(move || secret::read(&folder, &gateway)).await;
    let found = found.ok().flatten();
    let mut state = companion.state();
    let (token, kept) = found.map_or((None, None), |(token, kept)| (Some(token), Some(kept)));
    // Whoever has a name has a token: without it there is nothing to ask with.
    if token.is_none() && connection.person.is_some() {
        tracing::warn!("the token is gone: the app has to be connected again");
        state.end(Link::TokenRefused);
        return;
    }
    if let Err(error) = state.begin(connection, token, kept) {
        tracing::error!(error = &error as &dyn std::error::Error, "the session cannot begin");
        state.end(Link::Unpaired);
    }
}

async fn look(companion: &Companion, file: Option<&mut LocalFile>) {
    let Some(file) = file else { return };
    if file.look(clock::now()).await == Looked::New {
        let mut state = companion.state();
        state.local = file.card().cloned();
        if let Some(host) = file.host() {
            state.own_host = Some(host.clone());
        }
    }
}

fn draw(companion: &Arc<Companion>, changes: Changes) {
    tray::draw(companion, &changes);
    if let Some(view) = &changes.view
        && let Err(error) = companion.handle.emit_to(window::LABEL, "view", view)
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "the window cannot be told");
    }
    for notice in changes.notices {
        tell::tell(companion, notice);
    }
}
