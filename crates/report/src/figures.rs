//! Figures of a run as SVG, each from the summary's own figures; the same summary gives the same bytes.

mod break_evens;
mod captions;
mod counters;
pub(crate) mod cpu_time;
mod groups;
mod levels;
mod links;
mod ratios;
mod run;
mod scaling;
mod trials;
mod wording;
mod working_set;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use analysis::metric::Metric;
use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::host::Host;
use model::{Cell, Link};

use self::groups::{Across, Cells};
use self::run::Run;
use crate::drawing::breadth::Breadth;
use crate::drawing::description::Description;
use crate::drawing::{sheet, style as styles};

pub(crate) use self::wording::footer;
pub use figure_png::{PngError, png};

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

/// The page's style for inlined figures: light and dark (`prefers-color-scheme`, or `data-theme="dark"` or `"light"` at the
/// root), light on paper, and which of the two drawings is shown at which width.
///
/// A key or series with the class `off` is hidden.
pub fn style() -> &'static str {
    static STYLE: LazyLock<String> = LazyLock::new(styles::sheet);
    &STYLE
}

/// All figures of a run, in the order of the report; the first is the main one. None for a run without cells.
pub fn all(summary: &Summary, host: &Host) -> Vec<Figure> {
    let has_receiver = |cell: &Cell| cell.link.has_receiver();
    let without_receiver = Cells::new(summary, |cell| !cell.link.has_receiver());
    // Sender-side cost is never drawn beside the cost of both ends, but in the figures that say so.
    let received = Cells::new(summary, has_receiver);
    let cells = if received.is_empty() { without_receiver.clone() } else { received };
    if cells.is_empty() {
        return Vec::new();
    }
    let (paths, drawn) = (cells.paths(), cells.drawn());
    let run = Run { summary, cells, paths, drawn };
    // What the plan follows comes first.
    let is_by_size = run.cells.followed() != Across::WorkingSet;
    let working_set = working_set::working_set(&run, host);
    let (first, later) = if is_by_size { (None, working_set) } else { (working_set, None) };
    let described = [
        first,
        is_by_size.then(|| levels::cpu_cost(&run)),
        Some(levels::goodput_over_size(&run)),
        Some(ratios::ratios_over_size(&run)),
        is_by_size.then(|| levels::cpu_cost_by_group(&run)).flatten(),
        Some(levels::goodput_over_threads(&run)),
        Some(scaling::scaling(&run)),
        later,
        Some(counters::cache_misses(&run)),
        Some(counters::cycles(&run)),
        Some(levels::context_switches(&run)),
        Some(trials::trials(&run)),
        // There bars without a receiver stand in panels of their own, which say what they are of.
        cpu_time::cpu_time(&run, &without_receiver),
    ];
    let footer = footer(summary, host);
    let mut figures: Vec<Figure> =
        described.into_iter().flatten().map(|figure| with_notes(&run, figure, &footer)).collect();
    // It says itself, panel by panel, what was copied.
    figures.extend(links::links(summary).map(|mut figure| {
        figure.notes.extend(wording::preliminary(summary));
        footer.clone_into(&mut figure.footer);
        placed(figure)
    }));
    figures.extend(break_evens::break_evens(summary).map(|mut figure| {
        let links: BTreeSet<Link> = summary.estimates.iter().map(|e| e.cell.link).collect();
        for link in &links {
            let copied = wording::copied(&Cells::new(summary, |cell| cell.link == *link));
            figure.notes.extend(copied.map(|said| match links.len() {
                1 => said,
                _ => format!("{link}: {said}"),
            }));
        }
        figure.notes.extend(wording::preliminary(summary));
        footer.clone_into(&mut figure.footer);
        placed(figure)
    }));
    if !summary.run.imported.is_empty() && !has_cost(summary) {
        // The main figure is one that can be drawn.
        let goodput = figures.len().min(1);
        figures.rotate_left(goodput);
    }
    figures
}

/// Whether any cell has the cost of its link.
fn has_cost(summary: &Summary) -> bool {
    let cost = |entry: &CellEstimates| {
        entry.metrics.get(&Metric::cost_on(entry.cell.link)).is_some_and(|it| it.value().is_some())
    };
    summary.estimates.iter().any(cost)
}

/// A figure with what every one must say, drawn.
fn with_notes(run: &Run, mut figure: Description, footer: &str) -> Figure {
    let notes = [
        // Bars say it themselves, panel by panel.
        wording::of_links(run.summary, &run.cells).filter(|_| figure.bars.is_empty()),
        // Beside bars of one kind of link there may be those of the other, of whose completions this does not speak.
        wording::copied(&run.cells).filter(|_| {
            let all = run.summary.estimates.iter().map(|entry| entry.cell.link.has_receiver());
            figure.bars.is_empty() || all.clone().all(|is| is) || !all.clone().any(|is| is)
        }),
        // Bars are of audit trials, which are judged by nobody's rounds.
        wording::without_trials(run.summary, &run.cells).filter(|_| figure.bars.is_empty()),
        wording::preliminary(run.summary),
    ];
    figure.notes.extend(notes.into_iter().flatten());
    footer.clone_into(&mut figure.footer);
    placed(figure)
}

fn placed(figure: Description) -> Figure {
    Figure {
        name: figure.name,
        svg: sheet::draw(&figure, Breadth::Wide),
        narrow: sheet::draw(&figure, Breadth::Narrow),
        title: figure.title,
        reading: figure.reading,
    }
}
