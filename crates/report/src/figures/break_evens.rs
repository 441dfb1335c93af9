//! From which message size on each path that passes by reference costs less than `sendmsg` and than its own copying twin.

use std::collections::BTreeSet;

use crate::spelling::shared_words;
use analysis::estimate::Estimate;
use analysis::findings::{Crossover, CrossoverOutcome};
use analysis::metric::Metric;
use analysis::results::Finding;
use analysis::summary::Summary;
use model::{Cell, Contrast, Factor, Link, ReceivePath, TakenBytes};

use super::captions::{caption, unclear};
use crate::drawing::axes::{Axis, as_f64};
use crate::drawing::description::{Description, Span, Spans};
use crate::drawing::looks::{DrawnPath, Look};
use crate::link_tables::cost_name;

/// Groups of cells that are drawn; the others are counted.
const MOST_GROUPS: usize = 8;

/// One group of rows for each link and setting; nothing where fewer than two such pairs were measured at several sizes.
pub(super) fn break_evens(summary: &Summary) -> Option<Description> {
    let mut groups: Vec<(Link, String, Vec<Row>)> = Vec::new();
    for crossover in &summary.explained.crossovers {
        let link = crossover.shared.cell().link;
        let Some(row) =
            row(summary, crossover).filter(|_| crossover.metric == Metric::cost_on(link))
        else {
            continue;
        };
        let crowded =
            if crossover.oversubscribed.is_so() { ", more threads than CPUs" } else { "" };
        let title = format!(
            "{}, {link}, {}{crowded}",
            cost_name(link),
            shared_words(&crossover.shared.without(&[Factor::Link]))
        );
        match groups.iter_mut().find(|group| group.1 == title) {
            Some(group) => group.2.push(row),
            None => groups.push((link, title, vec![row])),
        }
    }
    let rows = || groups.iter().flat_map(|group| &group.2);
    let pairs: BTreeSet<[DrawnPath; 2]> = rows().map(|row| [row.path, row.against]).collect();
    let sizes: BTreeSet<u64> = rows().flat_map(|row| row.crossover.sizes.clone()).collect();
    let sizes: Vec<u64> = sizes.into_iter().collect();
    // Of one pair of send paths the figures of ratios and of links tell it.
    let receives = pairs.iter().any(|[path, _]| matches!(path, DrawnPath::Receive(_)));
    if sizes.len() < 2 || (pairs.len() < 2 && !receives) {
        return None;
    }
    // Where nothing is copied at delivery passing by reference can pay; it comes first.
    // Of a run that varies receive paths these come before the send paths, which are told behind each of them.
    groups.sort_by_key(|(link, _, rows)| {
        let is_of_sending = rows.iter().all(|row| matches!(row.path, DrawnPath::Send(_)));
        (link.has_receiver(), is_of_sending)
    });
    let left = groups.len().saturating_sub(MOST_GROUPS);
    groups.truncate(MOST_GROUPS);
    let reading = groups
        .iter()
        .find_map(|(_, title, rows)| rows.first().map(|row| format!("{title}: {}.", row.text())));
    let axis = Axis::sizes(&sizes);
    let spans = groups.into_iter().map(|(_, title, mut rows)| {
        rows.sort_by_key(|row| (row.path, !row.is_against_usual()));
        let rows = rows.iter().map(Row::span).collect();
        Spans { title, axis: axis.clone(), rows }
    });
    let more =
        (left > 0).then(|| format!("{left} more groups of cells are in summary.json, crossovers"));
    Some(Description {
        name: "break-even",
        title: "From which message size on passing by reference costs less".to_owned(),
        lead: "Cost per KiB against sendmsg (of receive paths against recv), and against the path that does the same and copies. Thick: it costs less. Dotted between two bars: where that begins or ends (95 %), or the intervals do not tell.".to_owned(),
        reading: reading.unwrap_or_default(),
        spans: spans.collect(),
        notes: more.into_iter().collect(),
        ..Description::default()
    })
}

/// A path against one that copies.
struct Row<'a> {
    crossover: &'a Crossover,
    path: DrawnPath,
    against: DrawnPath,
    /// Where the path, which may be the second of the contrast, costs less.
    outcome: CrossoverOutcome,
    /// The single sizes, where the outcome may be told by them.
    ratios: Vec<(&'a Estimate, Finding)>,
}

/// Only of a path that passes by reference, against `sendmsg` or its own twin; and of one that receives without a copy, against
/// `recv`.
fn row<'a>(summary: &'a Summary, crossover: &'a Crossover) -> Option<Row<'a>> {
    let contrast = &crossover.contrast;
    let [first, second] = drawn_paths(contrast)?;
    let is_turned = !passes(first);
    let (path, against) = if is_turned { (second, first) } else { (first, second) };
    if !passes(path) || passes(against) || !(is_twin(path, against) || is_usual(against)) {
        return None;
    }
    let ratios = summary.ratios.iter().filter(|ratio| {
        !is_turned
            && ratio.metric == crossover.metric
            && ratio.contrast == *contrast
            && crossover.shared.has(&ratio.cell)
    });
    let outcome = crossover.outcome;
    Some(Row {
        crossover,
        path,
        against,
        outcome: if is_turned { outcome.turned() } else { outcome },
        ratios: ratios.filter_map(|ratio| Some((ratio.ratio.value()?, ratio.finding))).collect(),
    })
}

/// What all are held against.
fn is_usual(path: DrawnPath) -> bool {
    match path {
        DrawnPath::Send(path) => path.is_usual(),
        DrawnPath::Receive(path) => Cell::default().receive_path == path,
    }
}

fn is_twin(path: DrawnPath, against: DrawnPath) -> bool {
    match (path, against) {
        (DrawnPath::Send(path), DrawnPath::Send(against)) => {
            path.capabilities().copying_twin == Some(against)
        }
        _ => false,
    }
}

/// The two paths of a contrast of send paths, or of receive paths.
fn drawn_paths(contrast: &Contrast) -> Option<[DrawnPath; 2]> {
    if contrast.factor == Factor::Recv {
        let path = |value: &str| value.parse::<ReceivePath>().ok().map(DrawnPath::Receive);
        return Some([path(&contrast.value)?, path(&contrast.against)?]);
    }
    let paths = contrast.paths().filter(|_| contrast.factor == Factor::Send)?;
    Some(paths.map(DrawnPath::Send))
}

fn passes(path: DrawnPath) -> bool {
    match path {
        DrawnPath::Send(path) => path.capabilities().passes_by_reference,
        // What drops the bytes is no choice.
        DrawnPath::Receive(path) => path.capabilities().taken == TakenBytes::Mapped,
    }
}

impl Row<'_> {
    fn is_against_usual(&self) -> bool {
        is_usual(self.against)
    }

    fn text(&self) -> String {
        let twin = if is_twin(self.path, self.against) { ", its copying twin" } else { "" };
        let found = caption(&self.outcome, self.crossover.metric, &self.ratios);
        let unclear = unclear(&self.crossover.unclear_sizes);
        format!("{} / {}{twin}: {found}{unclear}", self.path.name(), self.against.name())
    }

    fn span(&self) -> Span {
        let sizes = &self.crossover.sizes;
        let first = as_f64(sizes.iter().min().copied().unwrap_or(1));
        let last = as_f64(sizes.iter().max().copied().unwrap_or(1));
        let within = |from: f64, to: f64| [from.clamp(first, last), to.clamp(first, last)];
        let (holds, at, unclear) = match self.outcome {
            CrossoverOutcome::At { bytes, low, high } => {
                (vec![within(bytes, last)], Some(bytes), Some(within(low, high)))
            }
            CrossoverOutcome::Until { bytes, low, high } => {
                (vec![within(first, bytes)], Some(bytes), Some(within(low, high)))
            }
            CrossoverOutcome::Bracket { low, high } => {
                (vec![within(high, last)], None, Some(within(low, high)))
            }
            CrossoverOutcome::UntilBracket { low, high } => {
                (vec![within(first, low)], None, Some(within(low, high)))
            }
            CrossoverOutcome::Always => (vec![[first, last]], None, None),
            CrossoverOutcome::Never | CrossoverOutcome::Alike => (Vec::new(), None, None),
            CrossoverOutcome::Partly { is_better, up_to, from } => {
                let below = up_to.map(|to| within(first, to));
                let above = from.map(|from| within(from, last));
                let told = below.into_iter().chain(above);
                let holds = if is_better { told.collect() } else { Vec::new() };
                (holds, None, Some(within(up_to.unwrap_or(first), from.unwrap_or(last))))
            }
            CrossoverOutcome::Undecided => (Vec::new(), None, Some([first, last])),
        };
        Span {
            text: self.text(),
            look: Look::for_drawn(self.path),
            measured: [first, last],
            holds,
            at: at.filter(|at| (first..=last).contains(at)),
            unclear,
        }
    }
}
