//! One colour, mark and dash a path, in every figure.

use model::SendPath;

/// How a series looks. Mark and dash alone tell paths apart, so that it can be read in grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    path: SendPath,
    /// Drawn hollow and dotted: the same path against a second other one.
    hollow: bool,
}

impl Look {
    /// The look of a path.
    pub(super) const fn of(path: SendPath) -> Self {
        Self { path, hollow: false }
    }

    /// The same, hollow and dotted.
    pub(super) const fn hollow(self) -> Self {
        Self { hollow: true, ..self }
    }

    /// Whether its marks are hollow.
    pub(super) const fn is_hollow(self) -> bool {
        self.hollow
    }

    /// The class that carries its colour in a page.
    pub(super) const fn class(self) -> &'static str {
        match self.path {
            SendPath::Send => "path-send",
            SendPath::Staged => "path-staged",
            SendPath::Sendmsg => "path-sendmsg",
            SendPath::Zerocopy => "path-zerocopy",
        }
    }

    /// Its colour on white: the palette of Okabe and Ito (2008), told apart by the colour-blind.
    pub(super) const fn colour(self) -> &'static str {
        match self.path {
            SendPath::Send => "#0072b2",
            SendPath::Staged => "#b07800",
            SendPath::Sendmsg => "#d55e00",
            SendPath::Zerocopy => "#008f68",
        }
    }

    /// Its colour on a dark page.
    pub(super) const fn dark_colour(self) -> &'static str {
        match self.path {
            SendPath::Send => "#56b4e9",
            SendPath::Staged => "#f0e442",
            SendPath::Sendmsg => "#ff8f43",
            SendPath::Zerocopy => "#2fd6a4",
        }
    }

    /// The dashes of its line; none where it is solid.
    pub(super) const fn dashes(self) -> &'static str {
        match (self.hollow, self.path) {
            (true, _) => "1.5 3",
            (false, SendPath::Send) => "",
            (false, SendPath::Staged) => "2 3",
            (false, SendPath::Sendmsg) => "9 3",
            (false, SendPath::Zerocopy) => "9 3 2 3",
        }
    }

    /// Its mark around a place, as the data of an SVG path: circle, diamond, square, triangle.
    pub(super) const fn mark(self) -> &'static str {
        match self.path {
            SendPath::Send => "m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
            SendPath::Staged => "m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z",
            SendPath::Sendmsg => "m-3.3-3.3h6.6v6.6h-6.6z",
            SendPath::Zerocopy => "m0-4.8l4.4 7.7h-8.8z",
        }
    }
}

/// The name of a path in keys: `sendmsg (A2)`.
pub(super) fn path_name(path: SendPath) -> String {
    path.to_string()
}
