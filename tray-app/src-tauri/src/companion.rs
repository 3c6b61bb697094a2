//! What the app knows while it runs, in one place: choices, the session with the gateway, and what is shown of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_api::Language;
use stationkeeper_telemetry::HostName;
use stationkeeper_tray_client::{Api, ClientError, Session, SessionOptions, Token};
use stationkeeper_tray_view::pairing::{GatewayUrl, PairingLink};
use stationkeeper_tray_view::{
    Command, Icon, Link, LocalCard, Menu, Notice, Notices, Scene, Settings, World, Zones, tooltip,
};
use tauri::AppHandle;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::clock;
use crate::files::{Connection, Folder};
use crate::page::View;
use crate::secret::Kept;

/// Which part of the window is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "part")]
pub enum Route {
    /// All stations.
    #[default]
    List,
    /// One station.
    Card {
        /// Its name.
        host: HostName,
        /// What the person is asked about before it is done.
        asks: Option<Command>,
    },
    /// What is reserved today.
    Upcoming,
    /// The choices.
    Settings,
    /// The connection to a gateway.
    Pairing,
}

/// What did not work out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// In a sentence.
    pub text: String,
    /// Finds the request in the gateway's log.
    pub request_id: Option<String>,
}

/// A session that runs.
struct Running {
    session: Arc<Session>,
    stop: CancellationToken,
}

/// Everything that changes.
pub struct State {
    pub settings: Settings,
    pub connection: Option<Connection>,
    pub kept: Option<Kept>,
    pub local: Option<LocalCard>,
    pub own_host: Option<HostName>,
    pub paused_until: Option<DateTime<Utc>>,
    pub notices: Notices,
    pub route: Route,
    pub trouble: Option<Trouble>,
    /// A link that the person has not agreed to yet.
    pub offer: Option<PairingLink>,
    /// A gateway that the command line names and that the app is not connected to.
    pub suggested: Option<GatewayUrl>,
    running: Option<Running>,
    world: watch::Receiver<World>,
    zones: Zones,
    desktop_language: String,
    drawn: Drawn,
}

/// What was drawn last.
#[derive(Default)]
struct Drawn {
    icon: Option<Icon>,
    tooltip: Option<String>,
    menu: Option<Menu>,
    view: Option<String>,
}

/// What has to be drawn anew, and told.
#[derive(Default)]
pub struct Changes {
    pub icon: Option<Icon>,
    pub tooltip: Option<String>,
    pub menu: Option<Menu>,
    pub notices: Vec<Notice>,
    pub view: Option<View>,
    /// When to look again, although nothing happens.
    pub next_at: Option<DateTime<Utc>>,
}

/// The app.
pub struct Companion {
    pub handle: AppHandle,
    pub folder: Folder,
    /// Somebody changed something: it is drawn anew.
    pub changed: Notify,
    visible: AtomicBool,
    state: Mutex<State>,
}

impl Companion {
    /// Not connected yet.
    pub fn new(handle: AppHandle, folder: Folder, arguments: &Arguments) -> Arc<Self> {
        let connection = folder.connection();
        let suggested =
            arguments.gateway.clone().filter(|url| connection.as_ref().map(|one| &one.gateway) != Some(url));
        let asks = connection.is_none() || suggested.is_some();
        let zone = iana_time_zone::get_timezone().ok().and_then(|name| Zones::everywhere(&name));
        let state = State {
            settings: folder.settings(),
            kept: None,
            local: None,
            own_host: own_name(),
            paused_until: None,
            notices: Notices::default(),
            route: if asks { Route::Pairing } else { Route::List },
            trouble: None,
            offer: None,
            suggested,
            running: None,
            world: nothing(if connection.is_none() { Link::Unpaired } else { Link::Connecting }),
            connection,
            zones: zone.unwrap_or_default(),
            desktop_language: sys_locale::get_locale().unwrap_or_default(),
            drawn: Drawn::default(),
        };
        let (changed, visible, state) = (Notify::new(), AtomicBool::new(false), Mutex::new(state));
        Arc::new(Self { handle, folder, changed, visible, state })
    }

    /// Never held over an await, nor while anything of the desktop is called: that waits for the main thread.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has everything drawn anew.
    pub fn redraw(&self) {
        self.changed.notify_one();
    }

    /// Whether the window is shown.
    pub fn is_visible(&self) -> bool {
        self.visible.load(Ordering::Relaxed)
    }

    /// The window was shown or hidden.
    pub fn set_visible(&self, visible: bool) {
        self.visible.store(visible, Ordering::Relaxed);
        if visible {
            self.redraw();
        }
    }

    /// Ends the session.
    pub fn stop(&self) {
        self.state().end(Link::Unpaired);
    }
}

impl State {
    /// The language of now.
    pub fn language(&self) -> Language {
        self.settings.language.language(&self.desktop_language)
    }

    /// The gateway's time, or this computer's.
    pub fn now(&self) -> DateTime<Utc> {
        self.running.as_ref().map_or_else(clock::now, |running| running.session.now())
    }

    /// The session, if there is one.
    pub fn session(&self) -> Option<Arc<Session>> {
        self.running.as_ref().map(|running| Arc::clone(&running.session))
    }

    /// What can be watched for changes.
    pub fn watched(&self) -> watch::Receiver<World> {
        self.world.clone()
    }

    /// What the gateway told last.
    pub fn world(&self) -> World {
        self.world.borrow().clone()
    }

    /// Where the laboratories are, by the clock.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Begins a session; one that runs ends.
    ///
    /// # Errors
    /// Connections cannot be prepared.
    pub fn begin(
        &mut self,
        connection: Connection,
        token: Option<Token>,
        kept: Option<Kept>,
    ) -> Result<(), ClientError> {
        self.end(Link::Connecting);
        let api = Api::new(connection.gateway.clone(), token, connection.pinned(), self.language())?;
        let options = SessionOptions { api, person: connection.person.clone() };
        let (session, world) = Session::new(options, Arc::new(clock::now));
        let (session, stop) = (Arc::new(session), CancellationToken::new());
        let (runs, stopped) = (Arc::clone(&session), stop.clone());
        tauri::async_runtime::spawn(async move { runs.run(stopped).await });
        self.running = Some(Running { session, stop });
        self.world = world;
        self.connection = Some(connection);
        self.kept = kept;
        // What was seen elsewhere is no news here.
        self.notices = Notices::default();
        Ok(())
    }

    /// Ends the session.
    pub fn end(&mut self, link: Link) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
        }
        self.world = nothing(link);
    }

    /// The scene, for as long as `world` is looked at.
    pub fn scene<'a>(&'a self, world: &'a World) -> Scene<'a> {
        Scene {
            world,
            own_host: self.own_host.as_ref(),
            local: self.local.as_ref(),
            settings: &self.settings,
            language: self.language(),
            zones: &self.zones,
            paused_until: self.paused_until,
            now: self.now(),
        }
    }

    /// What changed since it was drawn last. `visible`: the window is shown, and its page is drawn, too.
    pub fn changes(&mut self, visible: bool) -> Changes {
        let mut notices = std::mem::take(&mut self.notices);
        let mut receiver = self.world.clone();
        self.world.mark_unchanged();
        let world = receiver.borrow_and_update();
        self.zones = self.zones.told(&world.labs);
        let scene = self.scene(&world);
        let told = notices.observe(&scene);
        let (icon, menu, text) = (Icon::of(&scene), Menu::of(&scene), tooltip(&scene));
        let view = visible.then(|| View::of(self, &scene));
        drop(world);
        let next_at = notices.next_at();
        self.notices = notices;
        let drawn = &mut self.drawn;
        let text_of_view = view.as_ref().and_then(|view| serde_json::to_string(view).ok());
        let view = view.filter(|_| text_of_view != drawn.view);
        if text_of_view.is_some() {
            drawn.view = text_of_view;
        }
        Changes {
            icon: (drawn.icon.replace(icon) != Some(icon)).then_some(icon),
            tooltip: (drawn.tooltip.as_ref() != Some(&text)).then(|| drawn.tooltip.insert(text).clone()),
            menu: (drawn.menu.as_ref() != Some(&menu)).then(|| drawn.menu.insert(menu).clone()),
            notices: told,
            view,
            next_at,
        }
    }
}

fn nothing(link: Link) -> watch::Receiver<World> {
    watch::channel(World::nothing(link)).1
}

/// The name of this PC, if stations can have such a name.
fn own_name() -> Option<HostName> {
    let name = gethostname::gethostname();
    let name = name.to_str()?;
    HostName::parse(name.split('.').next().unwrap_or(name)).ok()
}
