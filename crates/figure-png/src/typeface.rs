//! The embedded typeface and its metrics.

use std::sync::LazyLock;

use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider as _};

/// The family's name, as SVG and CSS ask for it.
pub const FAMILY: &str = "DejaVu Sans";
/// The regular face, a TrueType font.
pub const REGULAR: &[u8] = include_bytes!("../font/DejaVuSans.ttf");
/// The bold face.
pub const BOLD: &[u8] = include_bytes!("../font/DejaVuSans-Bold.ttf");

/// How wide a character is taken to be that the font does not have, in ems: as wide as any that is common.
const UNKNOWN_EMS: f64 = 1.0;

/// What is needed of a face to measure text: which glyph a character has, and how far it advances at size 1.
struct Metrics {
    glyphs: Charmap<'static>,
    advances: GlyphMetrics<'static>,
}

impl Metrics {
    fn of(face: &'static [u8]) -> Option<Self> {
        let face = FontRef::new(face).ok()?;
        let advances = face.glyph_metrics(Size::new(1.0), LocationRef::default());
        Some(Self { glyphs: face.charmap(), advances })
    }

    fn ems(&self, c: char) -> Option<f64> {
        self.advances.advance_width(self.glyphs.map(c)?).map(f64::from)
    }
}

static FACES: LazyLock<[Option<Metrics>; 2]> =
    LazyLock::new(|| [Metrics::of(REGULAR), Metrics::of(BOLD)]);

/// A face of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// For text.
    Regular,
    /// For titles.
    Bold,
}

/// How wide a line of text is, in the units of `size` (the font's size).
///
/// The subset has no kerning and no ligatures, so this is the sum of its characters.
pub fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let face = match weight {
        Weight::Regular => &FACES[0],
        Weight::Bold => &FACES[1],
    };
    let ems = |c| face.as_ref().and_then(|face| face.ems(c)).unwrap_or(UNKNOWN_EMS);
    text.chars().map(ems).sum::<f64>() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_faces_parse_and_have_every_sign_that_the_figures_use() {
        for (index, face) in FACES.iter().enumerate() {
            let face = face.as_ref().unwrap();
            for c in (' '..='~').chain("×µ±≥≤≈−–—…·’“”′→".chars()) {
                assert!(face.glyphs.map(c).is_some(), "face {index} lacks {c:?}");
            }
        }
    }

    #[test]
    fn width_is_the_fonts_own_and_grows_with_size_and_weight() {
        // DejaVu Sans: 1303 of 2048 units for every digit.
        assert!((width("100", 10.24, Weight::Regular) - 19.545).abs() < 1e-4);
        assert!(width("64 KiB", 12.0, Weight::Bold) > width("64 KiB", 12.0, Weight::Regular));
        assert_eq!(width("", 12.0, Weight::Regular), 0.0);
        assert_eq!(width("語", 12.0, Weight::Regular), 12.0);
    }
}
