//! Does what is asked for, from menu, window and notifications alike.

use std::sync::Arc;

use stationkeeper_api::{RequestState, phrase};
use stationkeeper_telemetry::HostName;
use stationkeeper_tray_client::{ClientError, HoldOrder, Session};
use stationkeeper_tray_view::{Command, HoldLength, Mode, Notice};

use crate::companion::{Companion, Route, Trouble};
use crate::{tell, window};

/// What is asked for with *Give me 10 minutes*.
const MORE_MINUTES: u32 = 10;

/// Does it, in its own time. Windows cannot be made while an event is being handled.
pub fn start(companion: &Arc<Companion>, command: Command) {
    let companion = Arc::clone(companion);
    tauri::async_runtime::spawn(async move { perform(&companion, command).await });
}

/// Shows the window as it is.
pub fn show(companion: &Arc<Companion>) {
    let companion = Arc::clone(companion);
    tauri::async_runtime::spawn(async move { show_now(&companion) });
}

fn show_now(companion: &Arc<Companion>) {
    if let Err(error) = window::show(companion) {
        tracing::error!(error = &error as &dyn std::error::Error, "the window cannot be shown");
    }
}

fn show_at(companion: &Arc<Companion>, route: Route) {
    {
        let mut state = companion.state();
        state.route = route;
        state.trouble = None;
    }
    show_now(companion);
}

/// Does it, and says so where it did not work out.
pub async fn perform(companion: &Arc<Companion>, command: Command) {
    tracing::info!(%command, "asked for");
    match command {
        Command::Open => {
            let is_connected = companion.state().connection.is_some();
            show_at(companion, if is_connected { Route::List } else { Route::Pairing });
        }
        Command::Show(host) => show_at(companion, Route::Card { host, asks: None }),
        Command::AskHold(ref host, _) => {
            show_at(companion, Route::Card { host: host.clone(), asks: Some(command.clone()) });
        }
        Command::ShowUpcoming => show_at(companion, Route::Upcoming),
        Command::ShowPairing => show_at(companion, Route::Pairing),
        Command::OpenLabManager => open_page(companion),
        Command::Pause(length) => {
            let mut state = companion.state();
            let until = length.until(state.zones(), state.now());
            state.paused_until = Some(until);
        }
        Command::Resume => companion.state().paused_until = None,
        Command::Quit => companion.handle.exit(0),
        command => {
            let session = companion.state().session();
            let Some(session) = session else { return };
            companion.state().trouble = None;
            if let Err(error) = ask(companion, &session, &command).await {
                failed(companion, &command, &error);
            }
        }
    }
    companion.redraw();
}

/// Holds a station although that stands in the way of a reservation.
pub async fn hold_over(
    companion: &Arc<Companion>,
    host: HostName,
    length: HoldLength,
    reason: String,
    reservations: Vec<String>,
) {
    let session = companion.state().session();
    let Some(session) = session else { return };
    let order = HoldOrder { minutes: length.minutes(), reason: Some(reason), confirmed: reservations };
    let command = Command::Hold(host.clone(), length);
    let answered = session.api().hold(&host, &order).await;
    {
        let mut state = companion.state();
        state.route = Route::Card { host, asks: None };
        state.trouble = None;
    }
    if let Err(error) = answered {
        failed(companion, &command, &error);
    }
    companion.redraw();
}

/// Asks the gateway.
async fn ask(companion: &Arc<Companion>, session: &Session, command: &Command) -> Result<(), ClientError> {
    let (api, older) = (session.api(), session.limited());
    let mode = companion.state().world().mode;
    match command {
        Command::TryNow => session.try_now(),
        Command::Wake(host) if mode == Mode::Limited => {
            older.wake(host, || session.now()).await?;
            let wake = companion.state().world().wake_of(host).map(|wake| wake.id.clone());
            if let Some(id) = wake {
                remember(companion, host, &id);
            }
        }
        Command::Wake(host) => {
            let action = api.wake(host).await?;
            remember(companion, host, &action.id);
        }
        Command::StopWake(host) => {
            let wake = companion.state().world().wake_of(host).map(|wake| wake.id.clone());
            if let Some(id) = wake {
                api.withdraw(&id).await?;
            }
        }
        Command::Hold(host, length) => {
            api.hold(host, &HoldOrder { minutes: length.minutes(), ..HoldOrder::default() }).await?;
        }
        Command::EndHold(host) => {
            api.end_hold(host).await?;
        }
        Command::LocalMode(host, enabled) => older.local_mode(host, *enabled, session.now()).await?,
        Command::Leaving(host) => {
            api.leaving(host).await?;
        }
        Command::MoreTime(host) => {
            let request = api.more_time(host, MORE_MINUTES, None).await?;
            if request.state == RequestState::Asked {
                remember(companion, host, &request.id);
            }
        }
        // Done without the gateway.
        Command::Open
        | Command::Show(_)
        | Command::AskHold(..)
        | Command::ShowUpcoming
        | Command::ShowPairing
        | Command::OpenLabManager
        | Command::Pause(_)
        | Command::Resume
        | Command::Quit => {}
    }
    Ok(())
}

/// Its end is told, because it was asked for here.
fn remember(companion: &Companion, host: &HostName, id: &str) {
    let mut state = companion.state();
    let now = state.now();
    state.notices.asked(host, id, now);
}

fn failed(companion: &Arc<Companion>, command: &Command, error: &ClientError) {
    tracing::warn!(%command, error = error as &dyn std::error::Error, "it was not done");
    let language = companion.state().language();
    let said = |key: &str| phrase(language, "tray", key, &[]);
    let (text, request_id) = match error {
        ClientError::Refused { text, request_id, .. } => (text.clone(), Some(request_id.clone())),
        ClientError::TokenRefused => (said("pair_again"), None),
        ClientError::Certificate(_) => (said("certificate_changed"), None),
        ClientError::Name | ClientError::Away(_) | ClientError::NotAGateway(_) | ClientError::Client(_) => {
            (said("away"), None)
        }
    };
    if !companion.is_visible() {
        let opens = Command::Open;
        let (id, title) = (format!("failed:{command}"), phrase(language, "window", "not_done", &[]));
        tell::tell(companion, Notice { id, title, body: text.clone(), opens, buttons: Vec::new(), is_urgent: false });
    }
    companion.state().trouble = Some(Trouble { text, request_id });
}

fn open_page(companion: &Companion) {
    let page = companion.state().connection.as_ref().map(|connection| connection.gateway.at("/"));
    if let Some(page) = page
        && let Err(error) = open::that_detached(page.as_str())
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "no browser opens the page");
    }
}
