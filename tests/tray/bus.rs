//! Who shows trays and notifications on a desktop: reads the icon and its menu, activates entries, and keeps what is told.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use stationkeeper_tests::waiting::{PATIENCE, until};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, interface};

use crate::pictures::{Picture, shape_of};

const TRAY: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";
const NOTIFICATIONS: &str = "/org/freedesktop/Notifications";

/// A notification, as the desktop got it.
#[derive(Debug, Clone)]
pub struct Told {
    /// The desktop's number of it.
    pub number: u32,
    pub title: String,
    pub body: String,
    /// Ids and texts of its buttons.
    pub buttons: Vec<(String, String)>,
    /// Shown in spite of whatever else is on the screen.
    pub is_urgent: bool,
}

/// An entry of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From the top, such as `Pause notifications/1 h`.
    pub path: String,
    pub is_enabled: bool,
    /// On the first level.
    pub is_top: bool,
    id: i32,
}

/// Who a tray icon is.
type Item = (String, String);

/// An entry of a menu on the wire: id, properties, and what is below it.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

struct Watcher(Arc<Mutex<Vec<Item>>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, #[zbus(header)] header: Header<'_>, service: &str) {
        // appindicator says an object's path, others a name.
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let item = match service.starts_with('/') {
            true => (sender, service.to_owned()),
            false => (service.to_owned(), "/StatusNotifierItem".to_owned()),
        };
        self.0.lock().unwrap().push(item);
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(name, path)| format!("{name}{path}")).collect()
    }
}

struct Notifications(Arc<Mutex<Vec<Told>>>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, reason = "so it is specified")]
    fn notify(
        &self,
        _app: &str,
        replaces: u32,
        _icon: &str,
        title: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        let mut told = self.0.lock().unwrap();
        let number = if replaces == 0 { u32::try_from(told.len()).unwrap() + 1 } else { replaces };
        let buttons = actions.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let is_urgent = hints.get("urgency").is_some_and(|urgency| matches!(**urgency, Value::U8(2)));
        told.push(Told { number, title, body, buttons, is_urgent });
        number
    }

    fn get_capabilities(&self) -> Vec<&'static str> {
        vec!["body", "actions"]
    }

    fn get_server_information(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        ("desktop", "tests", "1", "1.2")
    }

    fn close_notification(&self, _number: u32) {}

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, number: u32, action: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(emitter: &SignalEmitter<'_>, number: u32, reason: u32) -> zbus::Result<()>;
}

/// See the module.
pub struct Bus {
    connection: Connection,
    items: Arc<Mutex<Vec<Item>>>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Bus {
    pub async fn start(address: &str) -> Self {
        let (items, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let connection = zbus::connection::Builder::address(address)
            .unwrap()
            .name("org.kde.StatusNotifierWatcher")
            .unwrap()
            .name("org.freedesktop.Notifications")
            .unwrap()
            .serve_at("/StatusNotifierWatcher", Watcher(Arc::clone(&items)))
            .unwrap()
            .serve_at(NOTIFICATIONS, Notifications(Arc::clone(&told)))
            .unwrap()
            .build()
            .await
            .unwrap();
        Self { connection, items, told }
    }

    /// Somebody has this name.
    pub async fn until_somebody_is(&self, name: &str) {
        until(name, PATIENCE, async || self.has(name).await.then_some(())).await;
    }

    async fn has(&self, name: &str) -> bool {
        let bus = zbus::fdo::DBusProxy::new(&self.connection).await.unwrap();
        bus.name_has_owner(name.try_into().unwrap()).await.unwrap()
    }

    /// The app has an icon in the tray.
    pub async fn until_icon(&self) {
        until("an icon in the tray", PATIENCE, async || self.shape().await).await;
    }

    /// The icon that came last; none, or one whose program is gone: none.
    async fn item(&self) -> Option<Item> {
        let item = self.items.lock().unwrap().last().cloned()?;
        self.has(&item.0).await.then_some(item)
    }

    /// Whether the app still runs.
    pub async fn has_app(&self) -> bool {
        self.item().await.is_some()
    }

    /// The app's process.
    pub async fn id_of_app(&self) -> u32 {
        let (name, _) = self.item().await.expect("the app runs");
        let bus = zbus::fdo::DBusProxy::new(&self.connection).await.unwrap();
        bus.get_connection_unix_process_id(name.as_str().try_into().unwrap()).await.unwrap()
    }

    async fn property(&self, name: &str) -> Option<OwnedValue> {
        let (service, path) = self.item().await?;
        let properties = Some("org.freedesktop.DBus.Properties");
        let answer = self.connection.call_method(Some(service.as_str()), path, properties, "Get", &(TRAY, name)).await;
        answer.ok()?.body().deserialize().ok()
    }

    /// The silhouette that the icon shows now; none: there is no icon, or its picture is just being replaced.
    pub async fn shape(&self) -> Option<&'static str> {
        let file: String = self.property("IconName").await?.try_into().ok()?;
        shape_of(&Picture::read(&PathBuf::from(file))?)
    }

    /// Waits for a silhouette.
    pub async fn until_shape(&self, shape: &str) {
        until(&format!("the icon {shape}"), PATIENCE, async || self.shape().await.filter(|one| *one == shape)).await;
    }

    /// Every entry of the menu, each before those below it.
    pub async fn menu(&self) -> Vec<Entry> {
        self.read_menu().await.unwrap_or_default()
    }

    async fn read_menu(&self) -> Option<Vec<Entry>> {
        let (service, _) = self.item().await?;
        let path: zbus::zvariant::OwnedObjectPath = self.property("Menu").await?.try_into().ok()?;
        let all: (i32, i32, Vec<&str>) = (0, -1, Vec::new());
        let answer = self.connection.call_method(Some(service.as_str()), path, Some(MENU), "GetLayout", &all).await;
        let message = answer.ok()?;
        let body = message.body();
        let (_revision, root): (u32, Layout) = body.deserialize().ok()?;
        let mut entries = Vec::new();
        for child in root.2 {
            flatten(&child, "", true, &mut entries);
        }
        Some(entries)
    }

    /// Waits for an entry whose path is so.
    pub async fn until_entry(&self, what: &str, is: impl Fn(&str) -> bool) -> Entry {
        until(&format!("an entry: {what}"), PATIENCE, async || {
            self.menu().await.into_iter().find(|entry| entry.is_enabled && is(&entry.path))
        })
        .await
    }

    /// Chooses the entry whose path is so, as a person's click does. Ids change with every menu: it is looked up just before.
    pub async fn choose(&self, what: &str, is: impl Fn(&str) -> bool) {
        until(&format!("a click on {what}"), PATIENCE, async || {
            let entry = self.menu().await.into_iter().find(|entry| entry.is_enabled && is(&entry.path))?;
            let (service, _) = self.item().await?;
            let path: zbus::zvariant::OwnedObjectPath = self.property("Menu").await?.try_into().ok()?;
            let click = (entry.id, "clicked", Value::from(0_i32), 0_u32);
            self.connection.call_method(Some(service.as_str()), path, Some(MENU), "Event", &click).await.ok()
        })
        .await;
    }

    /// Chooses the entry of this path.
    pub async fn click(&self, path: &str) {
        self.choose(path, |one| one == path).await;
    }

    /// All that was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits for a notification that is so.
    pub async fn until_told(&self, what: &str, is: impl Fn(&Told) -> bool) -> Told {
        until(&format!("to be told: {what}"), 2 * PATIENCE, async || self.told().into_iter().find(|one| is(one))).await
    }

    /// Presses a button of a notification, which closes it.
    pub async fn press(&self, told: &Told, button: &str) {
        let desk = self.connection.object_server().interface::<_, Notifications>(NOTIFICATIONS).await.unwrap();
        Notifications::action_invoked(desk.signal_emitter(), told.number, button).await.unwrap();
        Notifications::notification_closed(desk.signal_emitter(), told.number, 2).await.unwrap();
    }
}

fn flatten(node: &OwnedValue, above: &str, is_top: bool, entries: &mut Vec<Entry>) {
    let Value::Structure(node) = &**node else { return };
    let [Value::I32(id), Value::Dict(properties), Value::Array(children)] = node.fields() else { return };
    let label: String = properties.get(&"label").ok().flatten().unwrap_or_default();
    let is_enabled = properties.get(&"enabled").ok().flatten().unwrap_or(true);
    let path = if above.is_empty() { label.clone() } else { format!("{above}/{label}") };
    if !label.is_empty() {
        entries.push(Entry { path: path.clone(), is_enabled, is_top, id: *id });
    }
    for child in children.iter() {
        let child = match child {
            Value::Value(within) => within.try_to_owned(),
            other => other.try_to_owned(),
        };
        flatten(&child.unwrap(), &path, false, entries);
    }
}
