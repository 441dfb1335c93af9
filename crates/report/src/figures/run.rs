//! A run as figures see it, and what all of them share.

use analysis::summary::Summary;
use model::{Cell, Contrast, Factor, SendPath};

use super::groups::{Cells, Group};
use crate::drawing::axes::Axis;
use crate::drawing::description::{Notice, Plot};
use crate::drawing::looks::{DrawnPath, Look};

/// A figure has at most this many panels; what is left out is said.
pub(super) const MOST_PANELS: usize = 8;

/// Of more paths than this not every pair is drawn, and readings name the best.
pub(super) const MANY_PATHS: usize = 6;

/// A run as figures see it.
pub(super) struct Run<'a> {
    pub(super) summary: &'a Summary,
    pub(super) cells: Cells<'a>,
    pub(super) paths: Vec<SendPath>,
    /// The paths that are series of figures.
    pub(super) drawn: Vec<DrawnPath>,
}

impl Run<'_> {
    /// The same run with some of its cells.
    pub(super) fn only(&self, keep: impl Fn(&Cell) -> bool) -> Self {
        Self {
            summary: self.summary,
            cells: self.cells.only(keep),
            paths: self.paths.clone(),
            drawn: self.drawn.clone(),
        }
    }

    /// Whether there are too many send paths to draw each against each.
    pub(super) fn has_many_paths(&self) -> bool {
        self.paths.len() > MANY_PATHS && self.paths.iter().any(|path| path.is_usual())
    }

    /// Whether a contrast is drawn. Of two paths, those that differ in one thing only, and the paper's A3 against A1, which
    /// also turns many calls into one. Copying fields together and passing by reference are two things, so such a pair is
    /// drawn only where the path that does neither was not measured. Of many paths, whose pairs nobody could tell apart, each is drawn against the usual one
    /// and against its own twin.
    pub(super) fn draws(&self, contrast: &Contrast) -> bool {
        let draws_receiving = self.cells.drawn_factor() == Factor::Recv;
        let usual = Cell::default();
        if draws_receiving && contrast.factor == Factor::Recv {
            // All against the usual one; of six there are fifteen pairs.
            let is_measured = self.drawn.iter().any(|path| path.is_of(&usual));
            let usual = usual.get(Factor::Recv);
            return !is_measured || [&contrast.value, &contrast.against].contains(&&usual);
        }
        let Some([path, against]) = contrast.paths() else { return true };
        // Where receive paths are series, each panel is of one send path.
        if draws_receiving {
            return false;
        }
        let (one, other) = (path.capabilities(), against.capabilities());
        let differs_twice = one.passes_by_reference != other.passes_by_reference
            && one.copies_fields_together != other.copies_fields_together;
        let twin = one.copying_twin.or(other.copying_twin);
        if self.has_many_paths() {
            let are_twins = one.copying_twin == Some(against) || other.copying_twin == Some(path);
            return are_twins || path.is_usual() || against.is_usual();
        }
        !differs_twice || !twin.is_some_and(|twin| self.paths.contains(&twin))
    }
}

/// A contrast over message size, for cells of one path: what one curve of ratios is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    /// Of the cells that are looked at.
    pub(super) path: SendPath,
    pub(super) contrast: &'a Contrast,
}

impl Pair<'_> {
    /// `zerocopy / sendmsg`; `send, nodelay: on / off` of another factor than the path.
    pub(super) fn name(self) -> String {
        if self.contrast.factor == Factor::Send {
            self.contrast.values()
        } else {
            format!("{}, {}", self.path, self.contrast)
        }
    }

    /// The look of its path; of two receive paths that of the first.
    pub(super) fn look(self) -> Look {
        let receive = (self.contrast.factor == Factor::Recv)
            .then(|| self.contrast.value.parse().ok().map(DrawnPath::Receive));
        receive.flatten().map_or_else(|| Look::for_path(self.path), Look::for_drawn)
    }

    /// The same without spaces, for markup.
    pub(super) fn id(self) -> String {
        self.name().replace(' ', "")
    }
}

/// The first groups, and what is said of the others.
pub(super) fn first_groups<'a>(
    mut groups: Vec<Group<'a>>,
    most: usize,
) -> (Vec<Group<'a>>, Option<String>) {
    let left = groups.len().saturating_sub(most);
    groups.truncate(most);
    let more = format!("{left} more groups of cells are in results.csv, not drawn here");
    (groups, (left > 0).then_some(more))
}

/// Panels whose series are all empty say nothing.
pub(super) fn with_figures(mut plots: Vec<Plot>) -> Vec<Plot> {
    plots.retain(|plot| plot.series.iter().any(|series| !series.is_empty()));
    plots
}

/// Gives panels one upright axis, each with its own label.
pub(super) fn share_upright<'p>(plots: impl IntoIterator<Item = &'p mut Plot>, axis: &Axis) {
    for plot in plots {
        let label = std::mem::take(&mut plot.y.label);
        plot.y = Axis { label, ..axis.clone() };
    }
}

/// Why there are no panels, where there are none.
pub(super) fn notice_without(
    panels: &[Plot],
    title: &str,
    why: impl FnOnce() -> String,
) -> Option<Notice> {
    panels.is_empty().then(|| Notice { title: title.to_owned(), lines: vec![why()] })
}
