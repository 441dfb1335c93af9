//! What a figure shows, before anything is placed.

use super::axes::Axis;
use super::looks::{DrawnPath, Look};
use super::tints::Tint;
use analysis::estimate::Estimate;

/// One figure: words, keys and panels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Description {
    /// File stem.
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) title: String,
    /// One or two sentences with the summary's figures.
    pub(crate) reading: String,
    /// How to look at it, under the title.
    pub(crate) lead: String,
    /// What is missing, in a frame.
    pub(crate) notice: Option<Notice>,
    /// Keys, beside those of the series.
    pub(crate) keys: Vec<Key>,
    /// The panels, row by row.
    pub(crate) panels: Vec<Plot>,
    /// Groups of stacked bars, below the panels.
    pub(crate) bars: Vec<Bars>,
    /// Where along an axis something holds, below the panels.
    pub(crate) spans: Vec<Spans>,
    /// What must be said beside, under the panels.
    pub(crate) notes: Vec<String>,
    /// Machine and set-up, in the last line.
    pub(crate) footer: String,
}

/// What is missing and how to get it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notice {
    /// What is missing.
    pub(crate) title: String,
    /// Why, the remedy, and what is shown instead.
    pub(crate) lines: Vec<String>,
}

/// A key that explains what is no series.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// How it looks.
    pub(crate) shape: KeyShape,
    /// What it means.
    pub(crate) text: String,
}

/// The look of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeyShape {
    /// A grey area.
    Area(AreaKind),
    /// A dashed line.
    Line,
    /// A cross.
    Cross,
    /// A category of CPU time.
    Tint(Tint),
    /// An arrow.
    Arrow,
}

/// Stacked bars that lie one below the other.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// What they are of.
    pub(crate) title: String,
    /// Findings, under the title.
    pub(crate) remarks: Vec<String>,
    /// Across, from 0.
    pub(crate) axis: Axis,
    /// From top to bottom.
    pub(crate) rows: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// Whose.
    pub(crate) name: String,
    /// Bars of the same group stand closer.
    pub(crate) group: usize,
    /// From left to right.
    pub(crate) segments: Vec<Segment>,
    /// The whole, behind it.
    pub(crate) total: String,
}

/// A part of a bar.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// How it looks.
    pub(crate) tint: Tint,
    /// On the axis.
    pub(crate) length: f64,
    /// What stands in it where there is room.
    pub(crate) share: String,
    /// What it says under the pointer.
    pub(crate) tip: String,
}

/// Rows that tell where along one axis something holds.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    /// What they are of.
    pub(crate) title: String,
    /// Across.
    pub(crate) axis: Axis,
    /// From top to bottom.
    pub(crate) rows: Vec<Span>,
}

/// Where it holds for one of them.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// What it is of, and what is found.
    pub(crate) text: String,
    /// How it looks.
    pub(crate) look: Look,
    /// From and to: what was measured.
    pub(crate) measured: [f64; 2],
    /// From and to: where it holds.
    pub(crate) holds: Vec<[f64; 2]>,
    /// Where it begins or ends to hold, where that is estimated.
    pub(crate) at: Option<f64>,
    /// From and to: where it may begin or end to hold.
    pub(crate) unclear: Option<[f64; 2]>,
}

/// A pair of axes and what lies in it.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// What this panel is of.
    pub(crate) title: String,
    /// Findings, under the title.
    pub(crate) remarks: Vec<String>,
    /// Across.
    pub(crate) x: Axis,
    /// Up.
    pub(crate) y: Axis,
    /// Areas, behind everything else.
    pub(crate) areas: Vec<Area>,
    /// Lines that are no measurement: break-even, ideal.
    pub(crate) guides: Vec<Vec<[f64; 2]>>,
    /// The measurements.
    pub(crate) series: Vec<Series>,
}

/// A part of the plot that means something; none is open to the edge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Area {
    /// Why it is there.
    pub(crate) kind: AreaKind,
    /// From and to, across.
    pub(crate) x: Option<[f64; 2]>,
    /// From and to, up.
    pub(crate) y: Option<[f64; 2]>,
}

/// What an area means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AreaKind {
    /// More busy threads than CPUs.
    Oversubscribed,
    /// What equal cells differ by.
    Noise,
    /// Where two paths break even.
    BreakEven(Look),
}

/// Measurements of one path, or of one path against another.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The same for the same thing in every figure: `send`, `sendmsg/send`.
    pub(crate) id: String,
    /// Its name in the key.
    pub(crate) name: String,
    /// Colour, mark and dash.
    pub(crate) look: Look,
    /// Ascending in x.
    pub(crate) points: Vec<Point>,
    /// Single trials.
    pub(crate) dots: Vec<[f64; 2]>,
    /// Void trials.
    pub(crate) crosses: Vec<[f64; 2]>,
    /// Trials that lie beyond the upright axis: an arrow at its end.
    pub(crate) beyond: Vec<[f64; 2]>,
    /// Void trials beyond it: a hollow one.
    pub(crate) void_beyond: Vec<[f64; 2]>,
    /// Intervals of cells as boxes.
    pub(crate) boxes: Vec<CellBox>,
    /// Whether the last place has no figure.
    is_interrupted: bool,
}

/// The interval of a cell whose trials are dots.
#[derive(Clone, Debug)]
pub(crate) struct CellBox {
    /// From and to, across.
    pub(crate) x: [f64; 2],
    /// From and to, up; absent where there is no interval.
    pub(crate) y: Option<[f64; 2]>,
    /// What it says under the pointer.
    pub(crate) tip: String,
}

/// An estimate in its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Across.
    pub(crate) x: f64,
    /// Up.
    pub(crate) y: f64,
    /// The interval's ends, where there is one.
    pub(crate) interval: Option<[f64; 2]>,
    /// Whether the cell before it has no figure, so that no line leads here.
    pub(crate) after_gap: bool,
    /// What it says under the pointer.
    pub(crate) tip: String,
}

impl Plot {
    /// The figures of all its estimates.
    pub(crate) fn heights(&self) -> impl Iterator<Item = f64> {
        self.series.iter().flat_map(Series::heights)
    }
}

impl Series {
    /// A path's series without any measurement yet.
    pub(crate) fn for_path(path: DrawnPath) -> Self {
        Self::new(path.name().to_owned(), path.name().to_owned(), Look::for_drawn(path))
    }

    /// A series without any measurement yet.
    pub(crate) fn new(id: String, name: String, look: Look) -> Self {
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
            is_interrupted: false,
        }
    }

    /// Adds an estimate at a place, with what it says under the pointer; no line leads over a place without one.
    pub(crate) fn add(
        &mut self,
        x: f64,
        estimate: Option<&Estimate>,
        tip: impl FnOnce(&Estimate) -> String,
    ) {
        if let Some(estimate) = estimate {
            self.points.push(Point {
                x,
                y: estimate.mean,
                interval: estimate.low.zip(estimate.high).map(|(low, high)| [low, high]),
                after_gap: self.is_interrupted,
                tip: tip(estimate),
            });
        }
        self.is_interrupted = estimate.is_none();
    }

    /// The figures of its estimates, ends of intervals included as far as they say something, for an axis that holds them all: an
    /// interval that reaches further than tenfold must not squeeze everything else.
    pub(crate) fn heights(&self) -> impl Iterator<Item = f64> {
        const FURTHEST: f64 = 10.0;
        let ends = |point: &Point| {
            let y = point.y;
            let cut = move |end: f64| {
                if y > 0.0 && end > 0.0 { end.clamp(y / FURTHEST, y * FURTHEST) } else { end }
            };
            point.interval.into_iter().flatten().map(cut).chain([y])
        };
        self.points.iter().flat_map(ends)
    }

    /// Whether nothing of it can be drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty()
            && self.dots.is_empty()
            && self.crosses.is_empty()
            && self.beyond.is_empty()
            && self.void_beyond.is_empty()
            && self.boxes.is_empty()
    }
}
