//! A picture of pixels from an SVG.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::typeface::{BOLD, FAMILY, REGULAR};

/// Pixels a unit of the SVG: sharp on paper and on dense screens.
const SCALE: f32 = 2.0;

/// An SVG could not be turned into a PNG.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The SVG is none, or uses what the renderer does not know.
    #[error("the figure's SVG cannot be read: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// The picture is empty or has more pixels than there is memory for.
    #[error("a figure of {width} × {height} pixels cannot be drawn")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The pixels cannot be encoded.
    #[error("the figure cannot be encoded as PNG: {0}")]
    Encoding(#[from] png::EncodingError),
}

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    fonts.set_sans_serif_family(FAMILY);
    Arc::new(fonts)
});

/// A PNG of an SVG on white, two pixels a unit. Nothing outside the text of the SVG is read.
///
/// # Errors
/// The SVG is malformed, or its picture is empty or far too large.
pub fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    let options = Options {
        font_family: FAMILY.to_owned(),
        fontdb: Arc::clone(&FONTS),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)?;
    let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
    let mut picture = Pixmap::new(width, height).ok_or(PngError::Size { width, height })?;
    picture.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    encoded(&picture)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float's cast saturates, and a picture of that size is refused"
)]
fn pixels(units: f32) -> u32 {
    (units * SCALE).ceil() as u32
}

/// Without the transparency, of which there is none on white.
fn encoded(picture: &Pixmap) -> Result<Vec<u8>, PngError> {
    let opaque: Vec<u8> = picture
        .pixels()
        .iter()
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Between speed and size: lower levels make larger files, higher ones take longer for little.
    encoder.set_deflate_compression(png::DeflateCompression::Level(4));
    // Of flat colours no filter makes less, and trying them on each line takes time.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&opaque)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dark pixels of a picture, by the encoder's own decoder.
    fn dark(bytes: &[u8]) -> (u32, u32, usize) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let dark = pixels.chunks(3).filter(|rgb| rgb.iter().all(|part| *part < 128)).count();
        (info.width, info.height, dark)
    }

    fn svg(body: &str) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20" viewBox="0 0 60 20">{body}</svg>"#
        )
    }

    #[test]
    fn text_is_drawn_with_the_embedded_font_whatever_the_machine_has() {
        let bytes = png(&svg(
            r#"<text x="2" y="15" font-size="14" font-family="Nowhere, sans-serif">4 KiB</text>"#,
        ))
        .unwrap();
        let (width, height, dark) = dark(&bytes);
        assert_eq!((width, height), (120, 40));
        assert!(dark > 100, "{dark} dark pixels");
    }

    #[test]
    fn a_line_without_length_is_a_dot_where_its_caps_are_round() {
        let dots = r#"<path d="M10 10h0M30 10h0M50 10h0" stroke="black" stroke-width="6" stroke-linecap="round"/>"#;
        let (_, _, dark) = dark(&png(&svg(dots)).unwrap());
        // Three discs of 12 pixels across.
        assert!((300..380).contains(&dark), "{dark} dark pixels");
    }

    #[test]
    fn what_is_no_svg_is_refused_with_the_reason() {
        let error = png("<p>no</p>").unwrap_err().to_string();
        assert!(error.starts_with("the figure's SVG cannot be read"), "{error}");
    }
}
