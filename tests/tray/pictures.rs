//! The icon's pictures: which silhouette is shown.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::LazyLock;

const SHAPES: [&str; 5] = ["ready", "paused", "attention", "down", "offline"];

/// Red, green, blue and opacity, pixel by pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 4]>,
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
}

/// The app's own picture of a shape.
fn own(shape: &str, look: &str) -> Picture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tray-app/src-tauri/icons");
    Picture::read(&folder.join(format!("{shape}{look}.png"))).expect("an icon of the app, in RGBA")
}

/// Which silhouette it is.
pub fn shape_of(shown: &Picture) -> Option<&'static str> {
    static OWN: LazyLock<Vec<(&str, Picture)>> = LazyLock::new(|| {
        SHAPES.into_iter().flat_map(|shape| ["", "-edged"].map(|look| (shape, own(shape, look)))).collect()
    });
    OWN.iter().find(|(_, picture)| picture == shown).map(|(shape, _)| *shape)
}
