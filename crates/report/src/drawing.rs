//! The ground floor of all pictures: descriptions of figures, axes, text that fits, marks, colours, and their layout.
//!
//! A figure is first described ([`description`]: axes, series, areas, bars) and then placed and written twice: for wide
//! pages and files, and in one column for phones. Text is measured with the font that PNGs are drawn with (DejaVu Sans,
//! wider than what browsers take in its place), so nothing is clipped. The same description gives the same bytes.

pub(crate) mod axes;
mod bars;
pub(crate) mod breadth;
pub(crate) mod description;
pub(crate) mod letters;
pub(crate) mod looks;
mod marks;
mod panel;
pub(crate) mod pen;
pub(crate) mod sheet;
mod spans;
pub(crate) mod style;
pub(crate) mod tints;
mod typeset;
