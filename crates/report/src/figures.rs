//! Figures of a run as SVG.
//!
//! Every figure is first described (`drawing`: axes, series, areas, panels), from the summary's own figures, and then placed and
//! written twice: for wide pages and files, and in one column for phones. Text is measured with the font that PNGs are drawn with
//! (DejaVu Sans, wider than what browsers take in its place), so nothing is clipped. The same summary gives the same bytes.

mod axes;
mod bars;
mod counters;
pub(crate) mod cpu_time;
mod drawing;
mod groups;
mod levels;
mod links;
mod look;
mod markup;
mod panel;
mod ratios;
mod scaling;
mod sheet;
mod style;
mod tints;
mod trials;
mod typeset;
mod wording;

use std::sync::LazyLock;

use analysis::summary::Summary;
use model::host::Host;
use model::{Cell, Link, SendPath};

use self::drawing::Drawing;
use self::groups::Cells;
use self::sheet::{Breadth, drawn};

pub(crate) use self::markup::escaped;
pub(crate) use self::tints::{INK, Tint};
pub(crate) use self::typeset::wrapped;
pub(crate) use self::wording::footer;
pub use figure_png::{PngError, png};

/// A figure has at most this many panels; what is left out is said.
const MOST_PANELS: usize = 8;

/// One figure, drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// File stem: `goodput-over-size`.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub title: String,
    /// What it says, in one or two sentences with the summary's figures.
    pub reading: String,
    /// For wide pages and for files: 960 units wide, plain light colours, no script and no outside reference.
    pub svg: String,
    /// The same in one column, for a phone: 360 units wide.
    pub narrow: String,
}

/// A run as figures see it.
struct Run<'a> {
    summary: &'a Summary,
    cells: Cells<'a>,
    paths: Vec<SendPath>,
}

impl Run<'_> {
    /// The same run with some of its cells.
    fn only(&self, keep: impl Fn(&Cell) -> bool) -> Self {
        Self { summary: self.summary, cells: self.cells.only(keep), paths: self.paths.clone() }
    }
}

/// The page's style for inlined figures: light and dark (`prefers-color-scheme`, or `data-theme="dark"` or `"light"` at the
/// root), light on paper, and which of the two drawings is shown at which width.
///
/// A key or series with the class `off` is hidden.
pub fn style() -> &'static str {
    static STYLE: LazyLock<String> = LazyLock::new(style::sheet);
    &STYLE
}

/// All figures of a run, in the order of the report; the first is the main one. None for a run without cells.
pub fn all(summary: &Summary, host: &Host) -> Vec<Figure> {
    // The sink's figures are never drawn beside another link's, but for the figures that say so.
    let delivered = Cells::of(summary, |cell| cell.link != Link::Sink);
    let cells = if delivered.is_empty() { Cells::of(summary, |_| true) } else { delivered };
    if cells.is_empty() {
        return Vec::new();
    }
    let paths = cells.paths();
    let run = Run { summary, cells, paths };
    let links = links::links(summary);
    let drawings = [
        Some(levels::cpu_cost(&run)),
        Some(levels::goodput_over_size(&run)),
        Some(ratios::ratios_over_size(&run)),
        levels::cpu_cost_by_group(&run),
        Some(levels::goodput_over_threads(&run)),
        Some(scaling::scaling(&run)),
        Some(counters::cache_misses(&run)),
        Some(counters::cycles(&run)),
        Some(levels::context_switches(&run)),
        Some(trials::trials(&run)),
        // There the sink's bars stand in panels of their own, which say what they are of.
        cpu_time::cpu_time(&run, &Cells::of(summary, |cell| cell.link == Link::Sink)),
    ];
    let footer = footer(summary, host);
    let mut figures: Vec<Figure> =
        drawings.into_iter().flatten().map(|drawing| figure(&run, drawing, &footer)).collect();
    // It says itself, panel by panel, what was copied.
    figures.extend(links.map(|mut drawing| {
        drawing.notes.extend(wording::preliminary(summary));
        footer.clone_into(&mut drawing.footer);
        placed(drawing)
    }));
    figures
}

/// A drawing with what every figure must say, drawn.
fn figure(run: &Run, mut drawing: Drawing, footer: &str) -> Figure {
    let said = [
        // Beside another link's bars there may be the sink's, of whose completions this does not speak.
        wording::copied(&run.cells).filter(|_| {
            let of_sink = |cell: &Cell| cell.link == Link::Sink;
            let all = run.summary.estimates.iter().map(|entry| &entry.cell);
            drawing.bars.is_empty() || !all.clone().any(of_sink) || all.clone().all(of_sink)
        }),
        // Bars are of audit trials, which are judged by nobody's rounds.
        wording::without_trials(run.summary, &run.cells).filter(|_| drawing.bars.is_empty()),
        wording::preliminary(run.summary),
    ];
    drawing.notes.extend(said.into_iter().flatten());
    footer.clone_into(&mut drawing.footer);
    placed(drawing)
}

fn placed(drawing: Drawing) -> Figure {
    Figure {
        name: drawing.name,
        svg: drawn(&drawing, Breadth::Wide),
        narrow: drawn(&drawing, Breadth::Narrow),
        title: drawing.title,
        reading: drawing.reading,
    }
}
