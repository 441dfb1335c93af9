//! One colour, mark and dash for each path, in every figure.

use model::{Cell, Factor, ReceivePath, SendPath};

/// A path whose cells make a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DrawnPath {
    /// A way to send.
    Send(SendPath),
    /// A way to receive, where more of these vary.
    Receive(ReceivePath),
}

impl DrawnPath {
    /// A cell's path of the factor whose values are series: `recv`, or else `send`.
    pub(crate) fn of(cell: &Cell, factor: Factor) -> Self {
        if factor == Factor::Recv {
            Self::Receive(cell.receive_path)
        } else {
            Self::Send(cell.send_path)
        }
    }

    /// Whether it is a cell's path.
    pub(crate) fn is_of(self, cell: &Cell) -> bool {
        match self {
            Self::Send(path) => cell.send_path == path,
            Self::Receive(path) => cell.receive_path == path,
        }
    }

    /// Every path that has a look.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let sending = SendPath::ALL.iter().copied().map(Self::Send);
        sending.chain(ReceivePath::ALL.iter().copied().map(Self::Receive))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Send(path) => path.name(),
            Self::Receive(path) => path.name(),
        }
    }
}

/// How a series looks. Mark and dash alone tell paths apart, so that it can be read in grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    path: DrawnPath,
    /// Drawn hollow and dotted: the same path in a second comparison.
    is_hollow: bool,
}

/// What a path's series are drawn with.
#[derive(Debug, PartialEq, Eq)]
struct Paint {
    /// On white.
    colour: &'static str,
    /// On a dark page.
    dark: &'static str,
    /// The dashes of its line; none where it is solid.
    dashes: Option<&'static str>,
    /// Its mark around a place, as the data of an SVG path.
    mark: &'static str,
}

const fn paint(
    colour: &'static str,
    dark: &'static str,
    dashes: Option<&'static str>,
    mark: &'static str,
) -> Paint {
    Paint { colour, dark, dashes, mark }
}

/// By a path's place among all paths, so that a new one gets the next and the others keep theirs. The first four colours are
/// of the palette of Okabe and Ito (2008), told apart by the colour-blind, darkened where white would swallow them.
const PAINTS: [Paint; 14] = [
    // A circle, a diamond, a square, a triangle.
    paint("#0072b2", "#56b4e9", None, "m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z"),
    paint("#b07800", "#f0e442", Some("2 3"), "m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z"),
    paint("#d55e00", "#ff8f43", Some("9 3"), "m-3.3-3.3h6.6v6.6h-6.6z"),
    paint("#008f68", "#2fd6a4", Some("9 3 2 3"), "m0-4.8l4.4 7.7h-8.8z"),
    // A triangle on its tip, a lying bar, an upright one, an hourglass.
    paint("#b0508c", "#f29bcb", Some("5 3"), "m0 4.8l4.4-7.7h-8.8z"),
    paint("#6a51a3", "#b8a1f5", Some("12 3 2 3 2 3"), "m-4.8-2h9.6v4h-9.6z"),
    paint("#5f6b76", "#b9c2cc", Some("5 3 2 3"), "m-2-4.8h4v9.6h-4z"),
    paint("#7a5c3a", "#d2b48c", Some("14 4"), "m-4-4.2h8l-8 8.4h8z"),
    // A plus, a pentagon, a bow tie, a shield, a lozenge that leans.
    paint("#a31621", "#ff8585", Some("3 2"), "m-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z"),
    paint("#3f6212", "#a6d854", Some("7 2 2 2"), "m0-4.6l4.4 3.2l-1.7 5.2h-5.4l-1.7-5.2z"),
    paint("#0e7490", "#67d5e8", Some("16 2 2 2"), "m-4.2-4l8.4 8v-8l-8.4 8z"),
    paint("#9d174d", "#ff9ac1", Some("2 2 6 2"), "m-3.6-4h7.2v4.6l-3.6 3.6l-3.6-3.6z"),
    paint("#4338ca", "#9aa8ff", Some("10 2 5 2"), "m-1.8-3.8h6.2l-2.6 7.6h-6.2z"),
    // A half disc.
    paint("#475000", "#c7d36f", Some("6 2 1 2"), "m-4.4 2.2a4.4 4.4 0 0 1 8.8 0z"),
];

impl Look {
    /// The look of a path.
    pub(crate) const fn for_path(path: SendPath) -> Self {
        Self::for_drawn(DrawnPath::Send(path))
    }

    /// The look of a path that makes a series.
    pub(crate) const fn for_drawn(path: DrawnPath) -> Self {
        Self { path, is_hollow: false }
    }

    /// The same, hollow and dotted.
    pub(crate) const fn hollow(self) -> Self {
        Self { is_hollow: true, ..self }
    }

    /// Whether its marks are hollow.
    pub(crate) const fn is_hollow(self) -> bool {
        self.is_hollow
    }

    /// The class that carries its colour in a page.
    pub(crate) fn class(self) -> String {
        format!("path-{}", self.path.name())
    }

    /// Its colour on white.
    pub(crate) fn colour(self) -> &'static str {
        self.paint().colour
    }

    /// Its colour on a dark page.
    pub(crate) fn dark_colour(self) -> &'static str {
        self.paint().dark
    }

    /// The dashes of its line; none where it is solid.
    pub(crate) fn dashes(self) -> Option<&'static str> {
        if self.is_hollow { Some("1.5 3") } else { self.paint().dashes }
    }

    /// Its mark around a place, as the data of an SVG path.
    pub(crate) fn mark(self) -> &'static str {
        self.paint().mark
    }

    fn paint(self) -> &'static Paint {
        let place = match self.path {
            DrawnPath::Send(path) => SendPath::ALL.iter().position(|it| *it == path),
            // After those of the study's paths: no figure has series of both kinds.
            DrawnPath::Receive(path) => {
                let place = ReceivePath::ALL.iter().position(|it| *it == path);
                place.map(|place| 4 + place)
            }
        };
        &PAINTS[place.unwrap_or(0) % PAINTS.len()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_looks_for_all_paths_and_no_two_are_alike() {
        assert!(SendPath::ALL.len() <= PAINTS.len(), "add a paint");
        assert!(ReceivePath::ALL.len() <= PAINTS.len(), "add a paint");
        let classes: BTreeSet<String> =
            DrawnPath::all().map(|path| Look::for_drawn(path).class()).collect();
        assert_eq!(classes.len(), DrawnPath::all().count(), "{classes:?}");
        let parts: [fn(&Paint) -> &str; 4] =
            [|p| p.colour, |p| p.dark, |p| p.mark, |p| p.dashes.unwrap_or("solid")];
        for part in parts {
            let different: BTreeSet<&str> = PAINTS.iter().map(part).collect();
            assert_eq!(different.len(), PAINTS.len(), "{different:?}");
        }
    }

    /// The contrast of two colours, 1 to 21 (WCAG 2.2, 1.4.11).
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| {
            let part = |place: usize| {
                let value = u8::from_str_radix(&colour[place..place + 2], 16).unwrap();
                let share = f64::from(value) / 255.0;
                if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_colour_stands_out_from_its_ground() {
        for paint in &PAINTS {
            assert!(contrast(paint.colour, "#ffffff") >= 3.0, "{paint:?}");
            assert!(contrast(paint.dark, "#14181d") >= 3.0, "{paint:?}");
        }
    }
}
