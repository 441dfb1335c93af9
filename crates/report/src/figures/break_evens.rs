//! From which message size on each path that passes by reference costs less than `sendmsg` and than its own copying twin.

use std::collections::BTreeSet;

use crate::spelling::shared_words;
use analysis::estimate::Estimate;
use analysis::findings::{Crossover, CrossoverOutcome};
use analysis::metric::Metric;
use analysis::results::Finding;
use analysis::summary::Summary;
use model::{Factor, Link, SendPath};

use super::captions::{caption, unclear};
use crate::drawing::axes::{Axis, as_f64};
use crate::drawing::description::{Description, Span, Spans};
use crate::drawing::looks::Look;
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
    let pairs: BTreeSet<[SendPath; 2]> = rows().map(|row| [row.path, row.against]).collect();
    let sizes: BTreeSet<u64> = rows().flat_map(|row| row.crossover.sizes.clone()).collect();
    let sizes: Vec<u64> = sizes.into_iter().collect();
    // Of one pair the figures of ratios and of links tell it.
    if sizes.len() < 2 || pairs.len() < 2 {
        return None;
    }
    // Where nothing is copied at delivery passing by reference can pay; it comes first.
    groups.sort_by_key(|(link, ..)| link.has_receiver());
    let left = groups.len().saturating_sub(MOST_GROUPS);
    groups.truncate(MOST_GROUPS);
    let reading = groups
        .iter()
        .find_map(|(_, title, rows)| rows.first().map(|row| format!("{title}: {}.", row.text())));
    let axis = Axis::sizes(&sizes);
    let spans = groups.into_iter().map(|(_, title, mut rows)| {
        rows.sort_by_key(|row| (row.path, Some(row.against) != usual()));
        let rows = rows.iter().map(Row::span).collect();
        Spans { title, axis: axis.clone(), rows }
    });
    let more =
        (left > 0).then(|| format!("{left} more groups of cells are in summary.json, crossovers"));
    Some(Description {
        name: "break-even",
        title: "From which message size on passing by reference costs less".to_owned(),
        lead: "Cost per KiB against sendmsg, and against the path that does the same and copies. Thick: it costs less. Dotted between two bars: where that begins or ends (95 %), or the intervals do not tell.".to_owned(),
        reading: reading.unwrap_or_default(),
        spans: spans.collect(),
        notes: more.into_iter().collect(),
        ..Description::default()
    })
}

/// A path against one that copies.
struct Row<'a> {
    crossover: &'a Crossover,
    path: SendPath,
    against: SendPath,
    /// Where the path, which may be the second of the contrast, costs less.
    outcome: CrossoverOutcome,
    /// The single sizes, where the outcome may be told by them.
    ratios: Vec<(&'a Estimate, Finding)>,
}

/// Only of a path that passes by reference, against `sendmsg` or its own twin.
fn row<'a>(summary: &'a Summary, crossover: &'a Crossover) -> Option<Row<'a>> {
    let contrast = &crossover.contrast;
    let [first, second] = contrast.paths().filter(|_| contrast.factor == Factor::Send)?;
    let is_turned = !passes(first);
    let (path, against) = if is_turned { (second, first) } else { (first, second) };
    let is_twin = path.capabilities().copying_twin == Some(against);
    if !passes(path) || passes(against) || !(is_twin || Some(against) == usual()) {
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

/// What all are held against: the path that does what the paper's zero-copy path does, and copies.
fn usual() -> Option<SendPath> {
    SendPath::A3.capabilities().copying_twin
}

fn passes(path: SendPath) -> bool {
    path.capabilities().passes_by_reference
}

impl Row<'_> {
    fn text(&self) -> String {
        let is_twin = self.path.capabilities().copying_twin == Some(self.against);
        let twin = if is_twin { ", its copying twin" } else { "" };
        let found = caption(&self.outcome, self.crossover.metric, &self.ratios);
        let unclear = unclear(&self.crossover.unclear_sizes);
        format!("{} / {}{twin}: {found}{unclear}", self.path, self.against)
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
            look: Look::for_path(self.path),
            measured: [first, last],
            holds,
            at: at.filter(|at| (first..=last).contains(at)),
            unclear,
        }
    }
}
