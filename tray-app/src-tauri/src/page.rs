//! What the window's page is given, and what it may ask for. The token is in neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use stationkeeper_api::{Language, phrase, phrases};
use stationkeeper_tray_client::{Token, found_at, pair};
use stationkeeper_tray_view::pairing::{Fingerprint, GatewayUrl, PairingProblem};
use stationkeeper_tray_view::window::{Card, Header, OwnCard, SettingsView, StationList, Upcoming};
use stationkeeper_tray_view::{Command, Link, Mode, Scene, Settings};
use tauri::State as Managed;
use tauri_plugin_autostart::ManagerExt;

use crate::companion::{Companion, Route, State, Trouble};
use crate::files::Connection;
use crate::secret::{self, Kept};
use crate::{act as acts, keeper, window};

type App<'a> = Managed<'a, Arc<Companion>>;

/// The whole window.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// `en`, `es`.
    language: &'static str,
    /// How old everything is.
    header: Header,
    /// What is shown.
    part: Part,
    /// There is something to see under *Upcoming*.
    has_upcoming: bool,
    /// There is a page to open in the browser.
    has_page: bool,
    /// What did not work out.
    trouble: Option<Trouble>,
}

/// What is shown.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "name")]
enum Part {
    List {
        list: StationList,
    },
    Card {
        card: Box<Card>,
        asks: Option<Command>,
    },
    /// A station that is no longer in the catalog.
    Gone {
        host: String,
    },
    Upcoming {
        upcoming: Option<Upcoming>,
    },
    Settings {
        view: SettingsView,
        kept: Option<Kept>,
    },
    Pairing {
        pairing: Pairing,
    },
}

/// The connection to a gateway, before there is one.
#[derive(Debug, Clone, Serialize)]
struct Pairing {
    /// What stands in the field at first.
    gateway: String,
    /// The gateway that a link leads to. Its code stays here.
    offered: Option<String>,
    /// This PC's own status works without a gateway.
    own: Option<OwnCard>,
    /// There is a connection to go back to.
    is_connected: bool,
}

/// What answers at an address.
#[derive(Debug, Clone, Serialize)]
pub struct Looked {
    /// In a sentence.
    text: String,
    /// Which service; none: it cannot be connected to.
    mode: Option<Mode>,
    /// A certificate that the person has to vouch for.
    certificate: Option<String>,
}

impl View {
    /// Of a scene.
    pub fn of(state: &State, scene: &Scene<'_>) -> Self {
        let gateway = state.connection.as_ref().map(|connection| connection.gateway.shown());
        let part = match &state.route {
            Route::List => Part::List { list: StationList::of(scene) },
            Route::Card { host, asks } => match scene.world.station(host) {
                Some(station) => Part::Card { card: Box::new(Card::of(scene, station)), asks: asks.clone() },
                None => Part::Gone { host: host.to_string() },
            },
            Route::Upcoming => Part::Upcoming { upcoming: Upcoming::of(scene) },
            Route::Settings => Part::Settings { view: SettingsView::of(scene, gateway.as_deref()), kept: state.kept },
            Route::Pairing => Part::Pairing { pairing: Pairing::of(state, scene) },
        };
        let connected = scene.world.link != Link::Unpaired;
        let full = scene.world.mode == Mode::Full && connected;
        Self {
            language: scene.language.tag(),
            header: Header::of(scene),
            part,
            has_upcoming: full,
            has_page: full,
            trouble: state.trouble.clone(),
        }
    }
}

impl Pairing {
    fn of(state: &State, scene: &Scene<'_>) -> Self {
        let offered = state.offer.as_ref().map(|offer| offer.gateway.shown());
        let known = state.suggested.as_ref().or(state.connection.as_ref().map(|connection| &connection.gateway));
        Self {
            gateway: known.map(ToString::to_string).unwrap_or_default(),
            offered,
            own: if scene.local.is_some() { OwnCard::of(scene) } else { None },
            is_connected: state.connection.is_some(),
        }
    }
}

fn view_of(companion: &Companion) -> View {
    let state = companion.state();
    let world = state.world();
    View::of(&state, &state.scene(&world))
}

/// What is to be shown now; later changes come as the event `view`.
#[tauri::command]
pub fn view(app: App<'_>) -> View {
    view_of(&app)
}

/// The page's own texts.
#[tauri::command]
pub fn texts(app: App<'_>) -> BTreeMap<String, String> {
    phrases(app.state().language(), "window")
}

/// Shows another part.
#[tauri::command]
pub fn go(app: App<'_>, route: Route) -> View {
    {
        let mut state = app.state();
        // Whoever goes elsewhere did not agree.
        state.offer = None;
        state.trouble = None;
        state.route = route;
    }
    view_of(&app)
}

/// Does what an id stands for.
#[tauri::command]
pub async fn act(app: App<'_>, command: Command) -> Result<View, ()> {
    acts::perform(&app, command).await;
    Ok(view_of(&app))
}

/// Holds the station that the person was asked about.
#[tauri::command]
pub async fn hold_over(app: App<'_>, command: Command, reason: String, reservations: Vec<String>) -> Result<View, ()> {
    if let Command::AskHold(host, length) = command {
        acts::hold_over(&app, host, length, reason, reservations).await;
    }
    Ok(view_of(&app))
}

/// Keeps the choices.
#[tauri::command]
pub async fn choose(app: App<'_>, settings: Settings) -> Result<View, ()> {
    let (before, language) = {
        let mut state = app.state();
        let language = state.language();
        (std::mem::replace(&mut state.settings, settings.clone()), language)
    };
    let mut trouble = None;
    if before.starts_at_login != settings.starts_at_login {
        let autostart = app.handle.autolaunch();
        let done = if settings.starts_at_login { autostart.enable() } else { autostart.disable() };
        if let Err(error) = done {
            tracing::warn!(error = &error as &dyn std::error::Error, "the start with the desktop cannot be changed");
            app.state().settings.starts_at_login = before.starts_at_login;
            trouble = Some(error.to_string());
        }
    }
    let kept = app.state().settings.clone();
    if let Err(error) = app.folder.keep_settings(&kept) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the choices cannot be kept");
        trouble = Some(error.to_string());
    }
    if app.state().language() != language {
        // What the gateway says comes in the language of the session.
        keeper::begin(&app).await;
    }
    app.state().trouble = trouble.map(|text| Trouble { text, request_id: None });
    app.redraw();
    Ok(view_of(&app))
}

/// Looks what answers, while the address is typed. `certificate`: one that the person vouched for.
#[tauri::command]
pub async fn look_at(app: App<'_>, gateway: String, certificate: Option<String>) -> Result<Looked, ()> {
    let language = app.state().language();
    let looked = match gateway.parse::<GatewayUrl>() {
        Err(problem) => Err((PairingProblem::Url(problem), gateway)),
        Ok(url) => {
            let pinned = certificate.and_then(|text| text.parse().ok());
            found_at(&url, pinned).await.map_err(|problem| (problem, url.shown()))
        }
    };
    Ok(match looked {
        Ok(found) => {
            let stations = found.stations.unwrap_or_default().to_string();
            let version = found.version.unwrap_or_default();
            let values = [("version", version.as_str()), ("stations", stations.as_str())];
            let key = if found.mode == Mode::Full { "found" } else { "found_older" };
            Looked { text: phrase(language, "window", key, &values), mode: Some(found.mode), certificate: None }
        }
        Err((problem, shown)) => {
            let certificate = match &problem {
                PairingProblem::Certificate(fingerprint) => Some(fingerprint.to_string()),
                _ => None,
            };
            Looked { text: problem.text(language, &shown), mode: None, certificate }
        }
    })
}

/// Connects: with the code that was typed, with the link that was opened, or, to the older service, with its token.
#[tauri::command]
pub async fn connect(
    app: App<'_>,
    gateway: Option<String>,
    code: Option<String>,
    token: Option<String>,
    certificate: Option<String>,
) -> Result<View, ()> {
    let language = app.state().language();
    let offer = app.state().offer.take();
    let done = match (gateway, offer) {
        (Some(gateway), _) => by_hand(&app, &gateway, code, token, certificate).await,
        (None, Some(offer)) => {
            let paired = pair(&offer.gateway, &offer.code, offer.certificate).await;
            let shown = offer.gateway.shown();
            match paired {
                Ok(paired) => {
                    let connection = Connection::new(offer.gateway, offer.certificate, Some(paired.person));
                    took(&app, connection, Some(paired.token)).await
                }
                Err(problem) => Err(problem.text(language, &shown)),
            }
        }
        (None, None) => Ok(()),
    };
    app.state().trouble = done.err().map(|text| Trouble { text, request_id: None });
    app.redraw();
    Ok(view_of(&app))
}

async fn by_hand(
    app: &Arc<Companion>,
    gateway: &str,
    code: Option<String>,
    token: Option<String>,
    certificate: Option<String>,
) -> Result<(), String> {
    let language = app.state().language();
    let says = |problem: PairingProblem, shown: &str| problem.text(language, shown);
    let url: GatewayUrl = gateway.parse().map_err(|problem| says(PairingProblem::Url(problem), gateway))?;
    let pinned: Option<Fingerprint> = certificate.and_then(|text| text.parse().ok());
    let Some(code) = code else {
        let token = token.filter(|token| !token.is_empty()).map(Token::new);
        return took(app, Connection::new(url, pinned, None), token).await;
    };
    let code = code.parse().map_err(|_unreadable| says(PairingProblem::NoCode, &url.shown()))?;
    let paired = pair(&url, &code, pinned).await.map_err(|problem| says(problem, &url.shown()))?;
    took(app, Connection::new(url, pinned, Some(paired.person)), Some(paired.token)).await
}

/// Keeps what pairing brought, and begins.
async fn took(app: &Arc<Companion>, connection: Connection, token: Option<Token>) -> Result<(), String> {
    let cannot = |language: Language, error: &dyn std::fmt::Display| {
        phrase(language, "window", "cannot_keep", &[("error", &error.to_string())])
    };
    let language = app.state().language();
    let kept = match token.clone() {
        None => None,
        Some(token) => {
            let (folder, gateway) = (app.folder.clone(), connection.gateway.clone());
            let keeping = tauri::async_runtime::spawn_blocking(move || secret::keep(&folder, &gateway, &token)).await;
            let kept = keeping.map_err(|error| cannot(language, &error))?;
            Some(kept.map_err(|error| cannot(language, &error))?)
        }
    };
    app.folder.keep_connection(Some(&connection)).map_err(|error| cannot(language, &error))?;
    tracing::info!(gateway = connection.gateway.shown(), ?kept, "connected");
    let mut state = app.state();
    state.begin(connection, token, kept).map_err(|error| cannot(language, &error))?;
    state.suggested = None;
    state.route = Route::List;
    Ok(())
}

/// Forgets gateway and token.
#[tauri::command]
pub async fn disconnect(app: App<'_>) -> Result<View, ()> {
    let connection = {
        let mut state = app.state();
        state.end(Link::Unpaired);
        state.kept = None;
        state.route = Route::Pairing;
        state.connection.take()
    };
    if let Some(connection) = connection {
        let (folder, gateway) = (app.folder.clone(), connection.gateway.clone());
        let forgot = tauri::async_runtime::spawn_blocking(move || {
            folder.keep_connection(None).and(secret::forget(&folder, &gateway))
        });
        if let Ok(Err(error)) = forgot.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the connection cannot be forgotten");
            app.state().trouble = Some(Trouble { text: error.to_string(), request_id: None });
        }
        tracing::info!(gateway = connection.gateway.shown(), "disconnected");
    }
    app.redraw();
    Ok(view_of(&app))
}

/// Hides the window.
#[tauri::command]
pub async fn hide(app: App<'_>) -> Result<(), ()> {
    window::hide(&app);
    Ok(())
}
