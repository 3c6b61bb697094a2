//! The icon's pictures.

use stationkeeper_tray_view::{Icon, Look, Shape};
use tauri::image::Image;
use tauri::include_image;

/// The picture of an icon.
pub fn of(icon: Icon) -> Image<'static> {
    match (icon.shape, icon.look) {
        (Shape::Ready, Look::Colour) => include_image!("icons/ready.png"),
        (Shape::Ready, Look::Monochrome) => include_image!("icons/ready-mono.png"),
        (Shape::Paused, Look::Colour) => include_image!("icons/paused.png"),
        (Shape::Paused, Look::Monochrome) => include_image!("icons/paused-mono.png"),
        (Shape::Attention, Look::Colour) => include_image!("icons/attention.png"),
        (Shape::Attention, Look::Monochrome) => include_image!("icons/attention-mono.png"),
        (Shape::Down, Look::Colour) => include_image!("icons/down.png"),
        (Shape::Down, Look::Monochrome) => include_image!("icons/down-mono.png"),
        (Shape::Offline, Look::Colour) => include_image!("icons/offline.png"),
        (Shape::Offline, Look::Monochrome) => include_image!("icons/offline-mono.png"),
    }
}
