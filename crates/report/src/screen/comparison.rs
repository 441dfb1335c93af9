//! What may be said of one path against another, in sentences.

use std::collections::{BTreeMap, BTreeSet};

use analysis::metric::Metric;
use analysis::summary::{Estimate, Finding, Ratio, Summary};
use model::{Bytes, Cell, Measured, Plan, SendPath};

use super::grid::Grid;
use crate::numbers::{percent, ratio};
use crate::styled_text::{Line, Style, whole};

/// More pairs than this are left to `summary.json`.
const MOST_PAIRS: usize = 6;
/// More row groups with findings of their own than this are only counted.
const MOST_GROUPS: usize = 5;

/// Continuations are indented by the pair's names, but not further than this.
const WIDEST_TITLE: usize = 20;
/// On a narrower terminal there is no room for that.
const NARROW: usize = 80;

/// With more row groups than this, no two are looked at for findings alike.
const MOST_GROUPS_READ: usize = 64;

/// A ratio in its place.
struct Place<'a> {
    group: String,
    size: Bytes,
    ratio: &'a Ratio,
}

impl Place<'_> {
    /// What may be said; nothing where there is no pair.
    fn finding(&self) -> Option<Finding> {
        self.ratio.ratio.value().map(|_| self.ratio.finding)
    }
}

/// One path against another over all blocks.
struct Pair<'a> {
    paths: (String, String),
    goodput: Vec<Place<'a>>,
    cpu: Vec<Place<'a>>,
}

/// Two lines for each pair of paths: goodput, then CPU of both ends.
pub(super) fn comparisons(summary: &Summary, plan: &Plan, grid: &Grid, width: usize) -> Vec<Line> {
    let pairs = pairs(summary, grid);
    let margin = percent(plan.measure.margin.0);
    let mut lines = Vec::new();
    for pair in pairs.iter().take(MOST_PAIRS) {
        let title = format!("{} against {}: ", pair.paths.0, pair.paths.1);
        let hang = if width < NARROW { 4 } else { title.chars().count().min(WIDEST_TITLE) };
        for (place, metric, rows) in
            [(0, Metric::GoodputGbps, &pair.goodput), (1, Metric::EndsCpuNsPerKib, &pair.cpu)]
        {
            if rows.is_empty() {
                continue;
            }
            let line = Line::wrapped(hang);
            let line = if place == 0 || pair.goodput.is_empty() {
                line.and(Style::Strong, &title)
            } else {
                line.and(Style::Plain, whole(&" ".repeat(hang)))
            };
            lines.push(line.and(Style::Plain, sentence(rows, metric, &margin, grid.groups())));
        }
    }
    if pairs.len() > MOST_PAIRS {
        lines.push(Line::wrapped(2).and(
            Style::Faint,
            format!("{} more pairs of paths in summary.json, ratios", pairs.len() - MOST_PAIRS),
        ));
    }
    lines
}

fn pairs<'a>(summary: &'a Summary, grid: &Grid) -> Vec<Pair<'a>> {
    let controls: BTreeSet<&Cell> =
        summary.estimates.iter().filter(|entry| entry.control).map(|entry| &entry.cell).collect();
    let mut pairs: Vec<Pair> = Vec::new();
    let mut places = BTreeMap::new();
    for ratio in &summary.ratios {
        if controls.contains(&ratio.cell) || controls.contains(&ratio.against) {
            continue;
        }
        if !answers(ratio.cell.send_path, ratio.against.send_path, grid.paths()) {
            continue;
        }
        let paths = (grid.naming.path(&ratio.cell), grid.naming.path(&ratio.against));
        let index = *places.entry(paths.clone()).or_insert_with(|| {
            pairs.push(Pair { paths, goodput: Vec::new(), cpu: Vec::new() });
            pairs.len() - 1
        });
        let place = Place {
            group: grid.naming.group(&ratio.cell),
            size: ratio.cell.message.bytes(),
            ratio,
        };
        if let Some(pair) = pairs.get_mut(index) {
            // The other metrics' ratios are in summary.json.
            if ratio.metric == Metric::GoodputGbps {
                pair.goodput.push(place);
            } else if ratio.metric == Metric::EndsCpuNsPerKib {
                pair.cpu.push(place);
            }
        }
    }
    pairs
}

/// Whether a comparison changes one thing only. `zerocopy` against `send` also turns eight calls into one, so it is
/// shown only where no nearer path was measured.
fn answers(one: SendPath, other: SendPath, measured: &[SendPath]) -> bool {
    use SendPath::{Send, Sendmsg, Staged, Zerocopy};
    match (one, other) {
        (Send | Staged | Sendmsg, Send | Staged | Sendmsg)
        | (Sendmsg, Zerocopy)
        | (Zerocopy, Sendmsg | Zerocopy) => true,
        (Staged, Zerocopy) | (Zerocopy, Staged) => !measured.contains(&Sendmsg),
        (Send, Zerocopy) | (Zerocopy, Send) => {
            !measured.contains(&Sendmsg) && !measured.contains(&Staged)
        }
    }
}

/// What is found, and how large it is at the smallest and the largest size.
fn sentence(rows: &[Place], metric: Metric, margin: &str, groups: usize) -> String {
    let values = |row: &&Place| row.ratio.ratio.value().is_some();
    if !rows.iter().any(|row| values(&row)) {
        let reason = rows
            .iter()
            .find_map(|row| row.ratio.ratio.reason())
            .unwrap_or("no pair of valid trials");
        return format!("{} not compared: {reason}", word(metric));
    }
    let mut text = found(rows, metric, margin, groups);
    // Sizes of the first row group that has figures: the one with the fewest threads in most plans.
    let group = rows.iter().find(values).map(|row| row.group.clone()).unwrap_or_default();
    let mut shown: Vec<&Place> =
        rows.iter().filter(|row| row.group == group).filter(values).collect();
    shown.sort_by_key(|row| row.size);
    shown = match shown.as_slice() {
        [] => Vec::new(),
        [only] => vec![only],
        [first, .., last] => vec![first, last],
    };
    let shown: Vec<String> = shown.iter().map(|row| at(row.size, &row.ratio.ratio)).collect();
    if groups > 1 {
        text.push_str(&format!("; {}: {}", whole(&group), shown.join(", ")));
    } else {
        text.push_str(&format!("; {}", shown.join(", ")));
    }
    text
}

fn at(size: Bytes, estimate: &Measured<Estimate>) -> String {
    let figure = estimate.value().map_or_else(|| "-".to_owned(), ratio);
    whole(&format!("at {size} {figure}"))
}

/// The finding where it is one, by row group or by size where it is not.
fn found(rows: &[Place], metric: Metric, margin: &str, groups: usize) -> String {
    if let Some(finding) = unanimous(rows.iter()) {
        let scope = match (rows.len(), groups) {
            (1, _) => "",
            (_, 1) => " at every size",
            _ if rows.iter().all(|row| is_threads(&row.group)) => " at every size and thread count",
            _ => " in every block",
        };
        return verdict(metric, finding, margin) + scope;
    }
    let names = names(rows);
    if names.len() > MOST_GROUPS_READ {
        return counts(rows, metric, margin);
    }
    let mut texts: Vec<(Vec<&str>, String)> = Vec::new();
    for group in names {
        let text = within(rows.iter().filter(|row| row.group == group), metric, margin);
        match texts.iter_mut().find(|(_, other)| *other == text) {
            Some((groups, _)) => groups.push(group),
            None => texts.push((vec![group], text)),
        }
    }
    if texts.len() > MOST_GROUPS {
        return counts(rows, metric, margin);
    }
    if groups == 1 {
        return texts.into_iter().map(|(_, text)| text).collect();
    }
    let texts: Vec<String> = texts
        .into_iter()
        .map(|(groups, text)| format!("{}: {text}", joined_groups(&groups)))
        .collect();
    texts.join("; ")
}

/// The rows of one group: unanimous, or size by size.
fn within<'r, 'a: 'r>(
    rows: impl Iterator<Item = &'r Place<'a>> + Clone,
    metric: Metric,
    margin: &str,
) -> String {
    const MOST_SIZES: usize = 8;
    if let Some(finding) = unanimous(rows.clone()) {
        return verdict(metric, finding, margin) + " at every size";
    }
    let mut by_finding: Vec<(Option<Finding>, Vec<String>)> = Vec::new();
    for row in rows.clone() {
        let size = whole(&row.size.to_string());
        match by_finding.iter_mut().find(|(finding, _)| *finding == row.finding()) {
            Some((_, sizes)) => sizes.push(size),
            None => by_finding.push((row.finding(), vec![size])),
        }
    }
    let many = rows.count() > MOST_SIZES;
    let texts: Vec<String> = by_finding
        .into_iter()
        .map(|(finding, sizes)| {
            let sizes = if many { format!("{} sizes", sizes.len()) } else { sizes.join(", ") };
            format!("{} at {sizes}", verdict(metric, finding, margin))
        })
        .collect();
    texts.join(", ")
}

fn counts(rows: &[Place], metric: Metric, margin: &str) -> String {
    let findings = [
        Some(Finding::More),
        Some(Finding::Less),
        Some(Finding::Equivalent),
        Some(Finding::Undecided),
        None,
    ];
    let counted = findings.into_iter().filter_map(|finding| {
        let n = rows.iter().filter(|row| row.finding() == finding).count();
        (n > 0).then(|| format!("{} in {n}", verdict(metric, finding, margin)))
    });
    format!("{} of {} blocks", counted.collect::<Vec<_>>().join(", "), rows.len())
}

fn unanimous<'r, 'a: 'r>(mut rows: impl Iterator<Item = &'r Place<'a>>) -> Option<Option<Finding>> {
    let first = rows.next()?.finding();
    rows.all(|row| row.finding() == first).then_some(first)
}

/// The row groups in their order.
fn names<'r>(rows: &'r [Place]) -> Vec<&'r str> {
    let mut seen = BTreeSet::new();
    rows.iter().map(|row| row.group.as_str()).filter(|group| seen.insert(*group)).collect()
}

/// Whether a row group is named by its threads alone.
fn is_threads(group: &str) -> bool {
    group.ends_with(" thread") || group.ends_with(" threads")
}

/// `1, 2 and 4 threads`; or the groups one after the other.
fn joined_groups(groups: &[&str]) -> String {
    if let [others @ .., last] = groups
        && !others.is_empty()
        && groups.iter().all(|group| is_threads(group))
    {
        let numbers: Vec<&str> =
            others.iter().map(|group| group.split(' ').next().unwrap_or(group)).collect();
        return format!("{} and {last}", numbers.join(", "));
    }
    groups.join(" / ")
}

fn word(metric: Metric) -> &'static str {
    if metric == Metric::GoodputGbps { "goodput" } else { "CPU" }
}

/// What a finding says of a metric.
fn verdict(metric: Metric, finding: Option<Finding>, margin: &str) -> String {
    let goodput = metric == Metric::GoodputGbps;
    let Some(finding) = finding else { return "not compared".to_owned() };
    match (finding, goodput) {
        (Finding::More, true) => "faster".to_owned(),
        (Finding::Less, true) => "slower".to_owned(),
        (Finding::Equivalent, true) => format!("as fast (within ±{})", whole(margin)),
        (Finding::More, false) => "costs more CPU".to_owned(),
        (Finding::Less, false) => "costs less CPU".to_owned(),
        (Finding::Equivalent, false) => format!("costs as much CPU (within ±{})", whole(margin)),
        (Finding::Undecided, _) => format!("{} undecided", word(metric)),
    }
}
