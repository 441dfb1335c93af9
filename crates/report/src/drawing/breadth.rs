//! For which width a figure is placed.

/// For which width a figure is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// Pages, paper and files.
    Wide,
    /// Phones: one panel below the other.
    Narrow,
}

impl Breadth {
    /// How wide a figure is, in units of its own.
    pub(crate) const fn units(self) -> f64 {
        match self {
            Self::Wide => 960.0,
            Self::Narrow => 360.0,
        }
    }

    /// Its name in classes and ids.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}
