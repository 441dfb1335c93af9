//! The outline of an SVG path, stroke by stroke.

use std::fmt::{self, Display, Write as _};

use crate::markup::Tenths;

/// The data of an SVG path (SVG 2, section 9.3), to a tenth of a unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pen {
    data: String,
}

impl Pen {
    /// A path that begins at a place.
    pub(crate) fn at((x, y): (f64, f64)) -> Self {
        Self::default().lifted((x, y))
    }

    /// Goes on elsewhere without a line.
    pub(crate) fn lifted(self, (x, y): (f64, f64)) -> Self {
        self.then(format_args!("M{} {}", Tenths(x), Tenths(y)))
    }

    /// A line to a place.
    pub(crate) fn to(self, (x, y): (f64, f64)) -> Self {
        self.then(format_args!("L{} {}", Tenths(x), Tenths(y)))
    }

    /// A level line so far to the right.
    pub(crate) fn right(self, by: f64) -> Self {
        self.then(format_args!("h{}", Tenths(by)))
    }

    /// An upright line so far down.
    pub(crate) fn down(self, by: f64) -> Self {
        self.then(format_args!("v{}", Tenths(by)))
    }

    /// An upright line to a height.
    pub(crate) fn upright_to(self, y: f64) -> Self {
        self.then(format_args!("V{}", Tenths(y)))
    }

    /// Goes on so far to the right without a line.
    pub(crate) fn lifted_right(self, by: f64) -> Self {
        self.then(format_args!("m{} 0", Tenths(by)))
    }

    /// A shape around the place that was reached.
    pub(crate) fn shape(mut self, data: &'static str) -> Self {
        self.data.push_str(data);
        self
    }

    /// A line back to where it began.
    pub(crate) fn closed(self) -> Self {
        self.shape("z")
    }

    /// A line through places.
    pub(crate) fn through(places: impl IntoIterator<Item = (f64, f64)>) -> Self {
        places.into_iter().fold(Self::default(), |pen, place| {
            if pen.data.is_empty() { pen.lifted(place) } else { pen.to(place) }
        })
    }

    fn then(mut self, stroke: fmt::Arguments) -> Self {
        // Writing to a String cannot fail.
        let _ = self.data.write_fmt(stroke);
        self
    }
}

impl Display for Pen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_is_written_stroke_by_stroke() {
        let pen = Pen::at((1.0, 2.0)).right(3.04).down(-4.0).lifted_right(1.5).upright_to(9.0);
        assert_eq!(pen.closed().to_string(), "M1 2h3v-4m1.5 0V9z");
        assert_eq!(Pen::through([(0.0, 0.0), (1.0, 1.0)]).to_string(), "M0 0L1 1");
        assert_eq!(Pen::through([]).to_string(), "");
    }
}
