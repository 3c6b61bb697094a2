//! Notifications, as the desktop shows them: with buttons where it has any, else a click opens what it is about.

use std::sync::Arc;

use notify_rust::Notification;
use stationkeeper_tray_view::Notice;

use crate::companion::Companion;

/// Shows it. What the person does about it is done.
pub fn tell(companion: &Arc<Companion>, notice: Notice) {
    tracing::info!(id = notice.id, title = notice.title, "told");
    let companion = Arc::clone(companion);
    // Some desktops answer only when the notification is closed again, which may be never.
    let shown = std::thread::Builder::new().name("notification".to_owned()).spawn(move || {
        if let Err(error) = show(&companion, &notice) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the desktop shows no notification");
        }
    });
    if let Err(error) = shown {
        tracing::warn!(error = &error as &dyn std::error::Error, "no notification can be shown");
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn show(companion: &Arc<Companion>, notice: &Notice) -> notify_rust::error::Result<()> {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};

    use notify_rust::{Hint, Urgency};
    use stationkeeper_tray_view::Command;

    use crate::act;

    /// The desktop's number of what is shown: one of the same id takes its place.
    static SHOWN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let shown = || SHOWN.lock().unwrap_or_else(PoisonError::into_inner);

    let understands = notify_rust::get_capabilities().unwrap_or_default();
    let has = |what: &str| understands.iter().any(|one| one == what);
    let body = if has("body-markup") { escaped(&notice.body) } else { notice.body.clone() };
    let mut notification = Notification::new();
    notification
        .appname("Stationkeeper")
        .icon("stationkeeper-tray")
        .summary(&notice.title)
        .body(&body)
        .urgency(if notice.is_urgent { Urgency::Critical } else { Urgency::Normal })
        .hint(Hint::DesktopEntry("stationkeeper-tray".to_owned()));
    if has("actions") {
        notification.action("default", &notice.title);
        for button in &notice.buttons {
            notification.action(&button.command.to_string(), &button.text);
        }
    }
    if let Some(number) = shown().get(&notice.id) {
        notification.id(*number);
    }
    let handle = notification.show()?;
    let number = handle.id();
    shown().insert(notice.id.clone(), number);
    let mut chosen = None;
    handle.wait_for_action(|action| match action {
        "default" => chosen = Some(notice.opens.clone()),
        "__closed" => {}
        id => {
            chosen = id.parse::<Command>().ok().filter(|one| notice.buttons.iter().any(|button| &button.command == one))
        }
    });
    shown().retain(|_, one| *one != number);
    if let Some(command) = chosen {
        act::start(companion, command);
    }
    Ok(())
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn show(_companion: &Arc<Companion>, notice: &Notice) -> notify_rust::error::Result<()> {
    Notification::new().appname("Stationkeeper").summary(&notice.title).body(&notice.body).show().map(|_handle| ())
}

/// What a station wrote is text and no markup.
#[cfg(all(unix, not(target_os = "macos")))]
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(all(test, unix, not(target_os = "macos")))]
mod tests {
    use super::*;

    #[test]
    fn what_a_station_wrote_is_no_markup() {
        assert_eq!(escaped("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
    }
}
