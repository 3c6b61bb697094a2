//! The icon in the tray and its menu.

use std::sync::Arc;

use stationkeeper_tray_view::{Command, Entry, Icon, Look, Menu, Shape};
use tauri::menu::{IsMenuItem, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, MouseButtonState, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Wry};

use crate::companion::{Changes, Companion};
use crate::{act, pictures};

const ID: &str = "main";

/// Puts it there.
///
/// # Errors
/// The desktop has no tray, or does not let it in.
pub fn build(companion: &Arc<Companion>) -> tauri::Result<()> {
    let of_menu = Arc::clone(companion);
    let of_icon = Arc::clone(companion);
    let first = Icon { shape: Shape::Offline, look: companion.state().settings.icon };
    TrayIconBuilder::with_id(ID)
        .icon(pictures::of(first))
        .icon_as_template(first.look == Look::Monochrome)
        .show_menu_on_left_click(false)
        .on_menu_event(move |_app, event| match event.id().as_ref().parse() {
            Ok(command) => act::start(&of_menu, command),
            Err(unknown) => tracing::debug!(%unknown, "an entry that does nothing"),
        })
        .on_tray_icon_event(move |_tray, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event {
                act::start(&of_icon, Command::Open);
            }
        })
        .build(&companion.handle)?;
    Ok(())
}

/// Draws what changed. A menu that stays as it is stays open.
pub fn draw(companion: &Companion, changes: &Changes) {
    if let Err(error) = try_draw(&companion.handle, changes) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the tray cannot be drawn");
    }
}

fn try_draw(handle: &AppHandle, changes: &Changes) -> tauri::Result<()> {
    let Some(tray) = handle.tray_by_id(ID) else { return Ok(()) };
    if let Some(icon) = changes.icon {
        tray.set_icon_with_as_template(Some(pictures::of(icon)), icon.look == Look::Monochrome)?;
    }
    if let Some(text) = &changes.tooltip {
        tray.set_tooltip(Some(text))?;
    }
    if let Some(menu) = &changes.menu {
        tray.set_menu(Some(build_menu(handle, menu)?))?;
    }
    Ok(())
}

fn build_menu(handle: &AppHandle, menu: &Menu) -> tauri::Result<tauri::menu::Menu<Wry>> {
    let items = items(handle, &menu.entries)?;
    let items: Vec<_> = items.iter().map(AsRef::as_ref).collect();
    tauri::menu::Menu::with_items(handle, &items)
}

fn items(handle: &AppHandle, entries: &[Entry]) -> tauri::Result<Vec<Box<dyn IsMenuItem<Wry>>>> {
    entries.iter().map(|entry| item(handle, entry)).collect()
}

fn item(handle: &AppHandle, entry: &Entry) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    Ok(match entry {
        Entry::Separator => Box::new(PredefinedMenuItem::separator(handle)?),
        Entry::Text(text) => Box::new(MenuItem::new(handle, plain(text), false, None::<&str>)?),
        Entry::Action { command, text, off } => {
            let text = match off {
                Some(reason) => format!("{text} ({reason})"),
                None => text.clone(),
            };
            Box::new(MenuItem::with_id(handle, command.to_string(), plain(&text), off.is_none(), None::<&str>)?)
        }
        Entry::Submenu { text, entries } => {
            let within = items(handle, entries)?;
            let within: Vec<_> = within.iter().map(AsRef::as_ref).collect();
            Box::new(Submenu::with_items(handle, plain(text), true, &within)?)
        }
    })
}

/// An ampersand would underline the letter after it.
fn plain(text: &str) -> String {
    text.replace('&', "&&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ampersand_stays_one() {
        assert_eq!(plain("Física & Química"), "Física && Química");
    }
}
