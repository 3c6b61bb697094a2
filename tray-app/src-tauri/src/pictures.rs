//! The icon's pictures.

use stationkeeper_tray_view::{Icon, Look, Shape};
use tauri::image::Image;
use tauri::include_image;

/// macOS colours a template as its bar wants it. Elsewhere nobody does, and nobody says whether the panel is dark: a light picture with a dark
/// edge is legible on both.
macro_rules! of_one_colour {
    ($template:literal, $edged:literal) => {
        if cfg!(target_os = "macos") { include_image!($template) } else { include_image!($edged) }
    };
}

/// The picture of an icon.
pub fn of(icon: Icon) -> Image<'static> {
    match (icon.shape, icon.look) {
        (Shape::Ready, Look::Colour) => include_image!("icons/ready.png"),
        (Shape::Ready, Look::Monochrome) => of_one_colour!("icons/ready-mono.png", "icons/ready-edged.png"),
        (Shape::Paused, Look::Colour) => include_image!("icons/paused.png"),
        (Shape::Paused, Look::Monochrome) => of_one_colour!("icons/paused-mono.png", "icons/paused-edged.png"),
        (Shape::Attention, Look::Colour) => include_image!("icons/attention.png"),
        (Shape::Attention, Look::Monochrome) => of_one_colour!("icons/attention-mono.png", "icons/attention-edged.png"),
        (Shape::Down, Look::Colour) => include_image!("icons/down.png"),
        (Shape::Down, Look::Monochrome) => of_one_colour!("icons/down-mono.png", "icons/down-edged.png"),
        (Shape::Offline, Look::Colour) => include_image!("icons/offline.png"),
        (Shape::Offline, Look::Monochrome) => of_one_colour!("icons/offline-mono.png", "icons/offline-edged.png"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a panel of a grey shows it in 16 by 16 pixels: each is the mean of four.
    fn seen(icon: Icon, panel: f32) -> Vec<f32> {
        let picture = of(icon);
        assert_eq!((picture.width(), picture.height()), (32, 32), "{icon:?}");
        let grey = |x: usize, y: usize| {
            let [red, green, blue, alpha] = [0, 1, 2, 3].map(|part| f32::from(picture.rgba()[(y * 32 + x) * 4 + part]));
            let shade = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
            (shade * alpha + panel * (255.0 - alpha)) / 255.0
        };
        let mean = |at: usize| {
            let (x, y) = (at % 16 * 2, at / 16 * 2);
            (grey(x, y) + grey(x + 1, y) + grey(x, y + 1) + grey(x + 1, y + 1)) / 4.0
        };
        (0..256).map(mean).collect()
    }

    fn differing(one: &[f32], other: &[f32]) -> usize {
        one.iter().zip(other).filter(|(one, other)| (*one - *other).abs() > 40.0).count()
    }

    /// Statement 61, the second half of it.
    #[test]
    fn icons_of_sixteen_pixels_differ_in_grey_and_stand_out_from_the_panel() {
        let (dark, middle, light) = (20.0, 128.0, 245.0);
        // In the middle of grey a colour stands out as a colour.
        for (look, panels) in [(Look::Colour, vec![dark, light]), (Look::Monochrome, vec![dark, middle, light])] {
            for panel in panels {
                let shown = Shape::ALL.map(|shape| seen(Icon { shape, look }, panel));
                for (number, one) in shown.iter().enumerate() {
                    let (stands_out, shape) = (differing(one, &[panel; 256]), Shape::ALL[number]);
                    // A template is black: macOS colours it.
                    if !cfg!(target_os = "macos") || look == Look::Colour {
                        assert!(stands_out > 20, "{shape:?} {look:?} on {panel}: {stands_out}");
                    }
                    for (other, than) in shown.iter().zip(Shape::ALL).take(number) {
                        let differ = differing(one, other);
                        assert!(differ > 12, "{shape:?} and {than:?} {look:?} on {panel}: {differ}");
                    }
                }
            }
        }
    }
}
