//! The figure model: what a figure shows, before anything is placed.

use super::look::Look;

/// One figure: words, keys and panels.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawing {
    /// File stem.
    pub(super) name: &'static str,
    /// In a few words.
    pub(super) title: String,
    /// One or two sentences with the summary's figures.
    pub(super) reading: String,
    /// How to look at it, under the title.
    pub(super) lead: String,
    /// What is missing, in a frame.
    pub(super) notice: Option<Notice>,
    /// Keys, beside those of the series.
    pub(super) keys: Vec<Key>,
    /// The panels, row by row.
    pub(super) panels: Vec<Plot>,
    /// Panels side by side on a wide page.
    pub(super) columns: usize,
    /// What must be said beside, under the panels.
    pub(super) notes: Vec<String>,
    /// Machine and set-up, in the last line.
    pub(super) footer: String,
}

/// What is missing and how to get it.
#[derive(Clone, Debug, Default)]
pub(super) struct Notice {
    /// What is missing.
    pub(super) title: String,
    /// Why, the remedy, and what is shown instead.
    pub(super) lines: Vec<String>,
}

/// A key that explains what is no series.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// How it looks.
    pub(super) shape: KeyShape,
    /// What it means.
    pub(super) text: String,
}

/// The look of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeyShape {
    /// A grey area.
    Area(AreaKind),
    /// A dashed line.
    Line,
    /// A cross.
    Cross,
    /// An arrow.
    Arrow,
}

/// A pair of axes and what lies in it.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    /// What this panel is of.
    pub(super) title: String,
    /// Findings, under the title.
    pub(super) remarks: Vec<String>,
    /// Across.
    pub(super) x: Axis,
    /// Up.
    pub(super) y: Axis,
    /// Areas, behind everything else.
    pub(super) areas: Vec<Area>,
    /// Lines that are no measurement: break-even, ideal.
    pub(super) guides: Vec<Vec<[f64; 2]>>,
    /// The measurements.
    pub(super) series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What it measures, with the unit.
    pub(super) label: String,
    /// How values become places.
    pub(super) scale: Scale,
    /// From where to where.
    pub(super) domain: [f64; 2],
    /// Where figures stand; labels that would overlap are left out when drawn.
    pub(super) ticks: Vec<Tick>,
}

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Equal steps.
    Linear,
    /// Equal ratios.
    Log,
}

/// A place with a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Where.
    pub(super) at: f64,
    /// Its name.
    pub(super) name: String,
    /// Where there is no room for all names, those of a higher rank stay.
    pub(super) rank: u32,
}

/// A part of the plot that means something; none is open to the edge.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Area {
    /// Why it is there.
    pub(super) kind: AreaKind,
    /// From and to, across.
    pub(super) x: Option<[f64; 2]>,
    /// From and to, up.
    pub(super) y: Option<[f64; 2]>,
}

/// What an area means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AreaKind {
    /// More busy threads than CPUs.
    Oversubscribed,
    /// What equal cells differ by.
    Noise,
    /// Where two paths break even.
    BreakEven(Look),
}

/// Measurements of one path, or of one path against another.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// The same for the same thing in every figure: `send`, `sendmsg/send`.
    pub(super) id: String,
    /// Its name in the key.
    pub(super) name: String,
    /// Colour, mark and dash.
    pub(super) look: Look,
    /// Ascending in x.
    pub(super) points: Vec<Point>,
    /// Single trials.
    pub(super) dots: Vec<[f64; 2]>,
    /// Void trials.
    pub(super) crosses: Vec<[f64; 2]>,
    /// Trials that lie beyond the upright axis: an arrow at its end.
    pub(super) beyond: Vec<[f64; 2]>,
    /// Void trials beyond it: a hollow one.
    pub(super) void_beyond: Vec<[f64; 2]>,
    /// Intervals of cells as boxes: left, right, low, high.
    pub(super) boxes: Vec<CellBox>,
}

/// The interval of a cell whose trials are dots.
#[derive(Clone, Debug)]
pub(super) struct CellBox {
    /// From and to, across.
    pub(super) x: [f64; 2],
    /// From and to, up; absent where there is no interval.
    pub(super) y: Option<[f64; 2]>,
    /// What it says under the pointer.
    pub(super) says: String,
}

/// An estimate in its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    /// Across.
    pub(super) x: f64,
    /// Up.
    pub(super) y: f64,
    /// The interval's ends, where there is one.
    pub(super) interval: Option<[f64; 2]>,
    /// Whether the cell before it has no figure, so that no line leads here.
    pub(super) after_gap: bool,
    /// What it says under the pointer.
    pub(super) says: String,
}

impl Series {
    /// A series without any measurement yet.
    pub(super) fn new(id: String, name: String, look: Look) -> Self {
        Self {
            id,
            name,
            look,
            points: Vec::new(),
            dots: Vec::new(),
            crosses: Vec::new(),
            beyond: Vec::new(),
            void_beyond: Vec::new(),
            boxes: Vec::new(),
        }
    }

    /// Whether nothing of it can be drawn.
    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
            && self.dots.is_empty()
            && self.crosses.is_empty()
            && self.beyond.is_empty()
            && self.void_beyond.is_empty()
            && self.boxes.is_empty()
    }
}
