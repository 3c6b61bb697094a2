//! The icon's pictures: which silhouette is shown, and whether they can be told apart.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::LazyLock;

pub const SHAPES: [&str; 5] = ["ready", "paused", "attention", "down", "offline"];

/// Red, green, blue and opacity, pixel by pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 4]>,
}

impl Picture {
    /// None: there is no such file, or it is still being written.
    pub fn read(path: &Path) -> Option<Self> {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path).ok()?)).read_info().ok()?;
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let frame = reader.next_frame(&mut bytes).ok()?;
        let opaque = match (frame.color_type, frame.bit_depth) {
            (png::ColorType::Rgba, png::BitDepth::Eight) => false,
            (png::ColorType::Rgb, png::BitDepth::Eight) => true,
            _ => return None,
        };
        let pixels = match opaque {
            true => bytes.as_chunks::<3>().0.iter().map(|[r, g, b]| [*r, *g, *b, 255]).collect(),
            false => bytes.as_chunks::<4>().0.to_vec(),
        };
        Some(Self { width: frame.width.try_into().ok()?, height: frame.height.try_into().ok()?, pixels })
    }

    /// Half as wide and as high, in grey on `ground`: as a tray of 16 pixels shows it to whoever sees no colours.
    pub fn grey_at_half(&self, ground: f64) -> Vec<f64> {
        let grey = |[r, g, b, a]: [u8; 4]| {
            let light = 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
            let cover = f64::from(a) / 255.0;
            light * cover + ground * (1.0 - cover)
        };
        let at = |x: usize, y: usize| grey(self.pixels[y * self.width + x]);
        let halves = (0..self.height / 2).flat_map(|y| (0..self.width / 2).map(move |x| (2 * x, 2 * y)));
        halves.map(|(x, y)| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0).collect()
    }
}

/// The app's own picture of a shape.
pub fn own(shape: &str, look: &str) -> Picture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tray-app/src-tauri/icons");
    Picture::read(&folder.join(format!("{shape}{look}.png"))).expect("an icon of the app, in RGBA")
}

/// Which silhouette it is.
pub fn shape_of(shown: &Picture) -> Option<&'static str> {
    static OWN: LazyLock<Vec<(&str, Picture)>> = LazyLock::new(|| {
        SHAPES.into_iter().flat_map(|shape| ["", "-mono"].map(|look| (shape, own(shape, look)))).collect()
    });
    OWN.iter().find(|(_, picture)| picture == shown).map(|(shape, _)| *shape)
}
