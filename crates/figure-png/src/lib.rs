//! The figures' font, the width of text in it, and PNG from SVG without a browser.
//!
//! The font is a part of the program (a subset of DejaVu Sans, `font/LICENSE.txt`), so that a picture is the same on every
//! machine and text never turns out wider than the room that was left for it.
#![forbid(unsafe_code)]

mod rasterised;
mod typeface;

pub use rasterised::{PngError, png};
pub use typeface::{BOLD, FAMILY, REGULAR, Weight, width};
