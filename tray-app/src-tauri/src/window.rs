//! The window: made when it is first wanted, hidden when it is closed, given back to the system when it stays hidden.

use std::sync::Arc;
use std::time::Duration;

use tauri::{
    LogicalSize, Manager, PhysicalPosition, PhysicalSize, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent,
};

use crate::companion::Companion;
use crate::files::Place;

/// Its name, which the capabilities name, too.
pub const LABEL: &str = "main";
/// Hidden for so long it is made anew when it is wanted: what draws it needs more memory than all the rest.
pub const KEPT_FOR: Duration = Duration::from_secs(120);
/// As it is at first.
const SIZE: LogicalSize<f64> = LogicalSize { width: 360.0, height: 620.0 };
const LEAST: LogicalSize<f64> = LogicalSize { width: 320.0, height: 420.0 };
/// From the edges of the screen.
const MARGIN: i32 = 8;

/// Shows it, and gives it the keyboard.
///
/// # Errors
/// The system has no place for it.
pub fn show(companion: &Arc<Companion>) -> tauri::Result<()> {
    let window = match companion.handle.get_webview_window(LABEL) {
        Some(window) => window,
        None => build(companion)?,
    };
    window.show()?;
    window.unminimize()?;
    window.set_focus()?;
    companion.set_visible(true);
    Ok(())
}

/// Hides it.
pub fn hide(companion: &Companion) {
    let Some(window) = companion.handle.get_webview_window(LABEL) else { return };
    remember(companion, &window);
    companion.set_visible(false);
    if let Err(error) = window.hide() {
        tracing::warn!(error = &error as &dyn std::error::Error, "the window cannot be hidden");
    }
}

/// Gives back what a hidden window costs.
pub fn free(companion: &Companion) {
    if companion.is_visible() {
        return;
    }
    if let Some(window) = companion.handle.get_webview_window(LABEL)
        && let Err(error) = window.destroy()
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "the window cannot be given back");
    }
}

fn build(companion: &Arc<Companion>) -> tauri::Result<WebviewWindow> {
    let window = WebviewWindowBuilder::new(&companion.handle, LABEL, WebviewUrl::App("index.html".into()))
        .title("Stationkeeper")
        .inner_size(SIZE.width, SIZE.height)
        .min_inner_size(LEAST.width, LEAST.height)
        .visible(false)
        // The page is in the app: whatever leads elsewhere is none of its doing.
        .on_navigation(|url| url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost"))
        .build()?;
    match companion.folder.place().filter(|place| is_on_a_screen(&window, *place)) {
        Some(place) => {
            window.set_size(PhysicalSize::new(place.width, place.height))?;
            window.set_position(PhysicalPosition::new(place.x, place.y))?;
        }
        None => to_the_corner(&window)?,
    }
    let closed = Arc::clone(companion);
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } => {
            api.prevent_close();
            hide(&closed);
        }
        WindowEvent::Destroyed => closed.set_visible(false),
        _ => {}
    });
    Ok(window)
}

/// A screen may be gone since.
fn is_on_a_screen(window: &WebviewWindow, place: Place) -> bool {
    let Ok(screens) = window.available_monitors() else { return false };
    screens.iter().any(|screen| {
        let (at, size) = (screen.position(), screen.size());
        let within = |value: i32, from: i32, length: u32| {
            let (value, from) = (i64::from(value), i64::from(from));
            (from..from + i64::from(length)).contains(&value)
        };
        within(place.x + MARGIN, at.x, size.width) && within(place.y + MARGIN, at.y, size.height)
    })
}

/// Trays are at the bottom right on Windows, at the top right elsewhere.
fn to_the_corner(window: &WebviewWindow) -> tauri::Result<()> {
    let Some(screen) = window.primary_monitor()? else { return Ok(()) };
    let (area, size) = (screen.work_area(), window.outer_size()?);
    let length = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
    let right = area.position.x.saturating_add(length(area.size.width)).saturating_sub(length(size.width));
    let bottom = area.position.y.saturating_add(length(area.size.height)).saturating_sub(length(size.height));
    let top = if cfg!(windows) { bottom - MARGIN } else { area.position.y + MARGIN };
    window.set_position(PhysicalPosition::new(right - MARGIN, top))
}

fn remember(companion: &Companion, window: &WebviewWindow) {
    let (Ok(at), Ok(size)) = (window.outer_position(), window.inner_size()) else { return };
    let place = Place { x: at.x, y: at.y, width: size.width, height: size.height };
    if let Err(error) = companion.folder.keep_place(place) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the window's place cannot be kept");
    }
}
