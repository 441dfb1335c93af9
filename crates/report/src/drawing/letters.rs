//! Text in pictures: its size, weight, ink, and where it stands.

use figure_png::{Weight, width};

use super::typeset::wrapped;
use crate::markup::Markup;

/// What is read first, on white.
pub(crate) const INK: &str = "#1b1f24";
/// What may be read, on white.
const MUTED: &str = "#57606a";

/// Where a text's `x` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letters {
    size: f64,
    weight: Weight,
    anchor: Anchor,
    is_muted: bool,
}

impl Letters {
    /// Text of a size in the picture's own ink, from its place to the right.
    pub(crate) const fn plain(size: f64) -> Self {
        Self { size, weight: Weight::Regular, anchor: Anchor::Start, is_muted: false }
    }

    /// The same in bold.
    pub(crate) const fn bold(self) -> Self {
        Self { weight: Weight::Bold, ..self }
    }

    /// The same in the ink of what may be read.
    pub(crate) const fn muted(self) -> Self {
        Self { is_muted: true, ..self }
    }

    /// The same around its place.
    pub(crate) const fn centred(self) -> Self {
        Self { anchor: Anchor::Middle, ..self }
    }

    /// The same up to its place.
    pub(crate) const fn ending(self) -> Self {
        Self { anchor: Anchor::End, ..self }
    }

    /// Its size.
    pub(crate) const fn size(self) -> f64 {
        self.size
    }

    /// How wide a text is.
    pub(crate) fn width(self, text: &str) -> f64 {
        width(text, self.size, self.weight)
    }

    /// A text in lines no wider than `room`.
    pub(crate) fn wrapped(self, text: &str, room: f64) -> Vec<String> {
        wrapped(text, room, |line| self.width(line))
    }

    /// Writes one line with its baseline at `y`.
    pub(crate) fn write(self, markup: &mut Markup, (x, y): (f64, f64), text: &str) {
        let anchor = match self.anchor {
            Anchor::Start => None,
            Anchor::Middle => Some("middle"),
            Anchor::End => Some("end"),
        };
        let tag = markup.tag("text").at("x", x).at("y", y).at("font-size", self.size);
        tag.with_any("font-weight", (self.weight == Weight::Bold).then_some("bold"))
            .with_any("class", self.is_muted.then_some("muted"))
            .with_any("fill", self.is_muted.then_some(MUTED))
            .with_any("text-anchor", anchor)
            .text(text);
    }

    /// Writes as many lines as a text needs in `room` below `top`, each `leading` high; gives the last one's baseline.
    pub(crate) fn write_lines(
        self,
        markup: &mut Markup,
        (x, top): (f64, f64),
        room: f64,
        leading: f64,
        text: &str,
    ) -> f64 {
        let mut y = top;
        for line in self.wrapped(text, room) {
            y += leading;
            self.write(markup, (x, y), &line);
        }
        y
    }
}
