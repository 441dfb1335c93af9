//! What may be said of one path against another, in sentences.

use std::collections::{BTreeMap, BTreeSet};

use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::results::{Finding, Ratio};
use analysis::summary::Summary;
use model::{Bytes, Cell, Contrast, Factor, Plan, SendPath};

use super::grid::Grid;
use crate::numbers::{counted, percent, ratio, short};
use crate::plain_table::{Group, Table, TableRow};
use crate::spelling::listed;
use crate::styled_text::{Line, Style, whole};
use crate::words::figures::tested;

/// More pairs than this are left to `summary.json`.
const MOST_PAIRS: usize = 6;
/// More row groups than this are counted in a list of what was not compared.
const MOST_GROUPS: usize = 5;

/// Continuations are indented by so many columns.
const HANG: usize = 4;

/// More sizes than this are counted in a list of what was not compared.
const MOST_SIZES: usize = 8;
/// More sizes than this are counted in a finding.
const MOST_NAMED: usize = 3;

/// A ratio in its place.
struct Place<'a> {
    group: String,
    /// Whether its group is named by its threads, and by nothing else.
    differs_in_threads_alone: bool,
    size: Bytes,
    ratio: &'a Ratio,
}

impl Place<'_> {
    /// What may be said; nothing where there is no pair.
    fn finding(&self) -> Option<Finding> {
        self.ratio.ratio.value().map(|_| self.ratio.finding)
    }

    fn is_compared(&self) -> bool {
        self.ratio.ratio.value().is_some()
    }
}

/// One path against another over all blocks.
struct Pair<'a> {
    paths: (String, String),
    goodput: Vec<Place<'a>>,
    cpu: Vec<Place<'a>>,
}

/// Fewer pairs than this are told beside the ratio: its interval is then hardly to be trusted.
const FEW_PAIRS: u32 = 5;

/// A pair's ratios in the first row group that has figures, by size.
fn of_first_group<'r, 'a>(rows: &'r [Place<'a>]) -> Vec<&'r Place<'a>> {
    let group = rows.iter().find(|row| row.is_compared()).map(|row| row.group.as_str());
    let in_it = |row: &&Place| row.is_compared() && Some(row.group.as_str()) == group;
    let mut shown: Vec<&Place> = rows.iter().filter(in_it).collect();
    shown.sort_by_key(|row| row.size);
    shown
}

/// `4.79 ±2 %`, `1.14? ±11 %`: a question mark where a ratio is shown neither to differ nor to be the same.
fn brief(row: &Place) -> String {
    let Some(estimate) = row.ratio.ratio.value() else { return "-".to_owned() };
    let width = analysis::estimate::half_width(estimate).filter(|width| *width <= 1.0);
    // Whole percents, but never none.
    let whole = |width: f64| format!(" ±{:.0} %", (width * 100.0).max(1.0));
    let width = width.map_or_else(String::new, whole);
    let mark = mark(row.ratio.finding);
    format!("{}{mark}{width}", short(estimate.mean))
}

/// What stands behind a ratio that shows no difference and no equality either.
pub(super) const fn mark(finding: Finding) -> &'static str {
    match finding {
        Finding::Undecided => "?",
        Finding::AtLineRate => "=",
        Finding::More | Finding::Less | Finding::Equivalent => "",
    }
}

/// What [`mark`] says of ratios at line rate.
pub(super) const AT_LINE_RATE: &str = "= both at line rate: it decides goodput, not the path";

/// So many sizes have a column in the table of ratios.
const SIZES: usize = 4;

/// As many of these as are asked for: the smallest, the largest, and what lies evenly between; of one the largest.
pub(super) fn spread<T: Copy>(all: &BTreeSet<T>, most: usize) -> Vec<T> {
    let all: Vec<T> = all.iter().copied().collect();
    let last = all.len().saturating_sub(1);
    if all.len() <= most {
        return all;
    }
    let place = |nth: usize| (nth * last).checked_div(most.saturating_sub(1)).unwrap_or(last);
    (0..most).filter_map(|nth| all.get(place(nth)).copied()).collect()
}

/// The ratios of each pair of paths by size, a line a metric.
pub(super) fn table(summary: &Summary, grid: &Grid, width: usize) -> Vec<Line> {
    let pairs = pairs(summary, grid);
    let pairs: Vec<&Pair> = pairs.iter().take(MOST_PAIRS).collect();
    let mut rows: Vec<(String, Vec<&Place>)> = Vec::new();
    for pair in &pairs {
        for metric in [&pair.goodput, &pair.cpu] {
            let shown = of_first_group(metric);
            let Some(first) = shown.first() else { continue };
            let word = if first.ratio.metric == Metric::SenderSideCpuNsPerKib {
                "sender-side cost"
            } else {
                word(first.ratio.metric)
            };
            rows.push((format!("{} / {}, {word}", pair.paths.0, pair.paths.1), shown));
        }
    }
    let Some(first) = rows.iter().find_map(|(_, shown)| shown.first().copied()) else {
        return Vec::new();
    };
    let sizes = rows
        .iter()
        .flat_map(|(_, shown)| shown.iter().map(|row| row.size))
        .collect::<BTreeSet<_>>();
    let sizes = spread(&sizes, SIZES);
    let figures = |shown: &[&Place]| -> Vec<String> {
        let at = |size: &Bytes| shown.iter().find(|row| row.size == *size);
        sizes.iter().map(|size| at(size).map_or_else(|| "-".to_owned(), |row| brief(row))).collect()
    };
    let columns: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    // A pair that the heading's thread count does not have is told with its own.
    let threads = |place: &Place| place.ratio.cell.threads.get();
    let named = |(name, shown): &(String, Vec<&Place>)| match shown.first().map(|of| threads(of)) {
        Some(of) if of != threads(first) => {
            format!("{name} ({})", counted(of, "thread", "threads"))
        }
        _ => name.clone(),
    };
    let texts: Vec<(String, Vec<String>)> =
        rows.iter().map(|row| (named(row), figures(&row.1))).collect();
    let corner =
        if grid.groups() > 1 { format!("ratio, {}", first.group) } else { "ratio".to_owned() };
    let mut lines = ratio_lines(corner, &columns, &texts, width);
    let is_unclear = |row: &&Place| row.ratio.finding == Finding::Undecided;
    if rows.iter().any(|(_, shown)| shown.iter().any(is_unclear)) {
        let comparisons = tested(summary, first.ratio.metric);
        // One comparison needs no correction.
        let legend = match comparisons {
            1 => "? unclear".to_owned(),
            0 => "? unclear: a single round has no interval".to_owned(),
            n => {
                format!("? unclear, corrected for all {n} comparisons of this metric (ratios.csv)")
            }
        };
        lines.push(Line::wrapped(2).and(Style::Faint, legend));
    }
    let is_lines = |row: &&Place| row.ratio.finding == Finding::AtLineRate;
    if rows.iter().any(|(_, shown)| shown.iter().any(is_lines)) {
        lines.push(Line::wrapped(2).and(Style::Faint, AT_LINE_RATE));
    }
    let shown: Vec<&Ratio> =
        rows.iter().flat_map(|(_, shown)| shown.iter().map(|row| row.ratio)).collect();
    lines.extend(
        elsewhere(summary, grid, &shown).map(|text| Line::wrapped(2).and(Style::Faint, text)),
    );
    lines
}

/// That settings which are not shown have ratios too, and where; none where they differ in their threads alone, which the heading
/// tells. Of the ratios that come first alone: those of paths where there are any.
fn elsewhere(summary: &Summary, grid: &Grid, shown: &[&Ratio]) -> Option<String> {
    let first = shown.first()?.contrast.factor;
    let setting = |ratio: &Ratio| -> Vec<(Factor, String)> {
        let of_cell = grid.naming.beside_threads(&ratio.cell);
        of_cell.map(|factor| (factor, ratio.cell.get(factor))).collect()
    };
    let is_first = |ratio: &&Ratio| ratio.contrast.factor == first;
    let shown: BTreeSet<_> = shown.iter().copied().filter(is_first).map(setting).collect();
    let controls: BTreeSet<&Cell> =
        summary.estimates.iter().filter(|entry| entry.control).map(|entry| &entry.cell).collect();
    let is_control = |ratio: &Ratio| [&ratio.cell, &ratio.against].map(|it| controls.contains(it));
    let measured = summary.ratios.iter().filter(|ratio| ratio.ratio.value().is_some());
    let others: BTreeSet<_> = measured
        .filter(|ratio| is_first(ratio) && is_control(ratio) == [false, false])
        .map(setting)
        .filter(|setting| !shown.contains(setting))
        .collect();
    let mut names: Vec<String> = Vec::new();
    for (factor, _) in others.iter().flatten() {
        let name = factor.id_key().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let groups = u32::try_from(others.len()).unwrap_or(u32::MAX);
    (!names.is_empty()).then(|| {
        format!(
            "ratios of {} of {}: ratios.csv, and Figures in report.html",
            counted(groups, "more group", "more groups"),
            listed(&names)
        )
    })
}

/// A table; where the terminal is too narrow for it, a sentence a row.
fn ratio_lines(
    corner: String,
    columns: &[String],
    rows: &[(String, Vec<String>)],
    width: usize,
) -> Vec<Line> {
    let table = Table {
        corner: [String::new(), corner],
        groups: vec![Group { heading: String::new(), columns: columns.to_vec() }],
        rows: rows
            .iter()
            .map(|(name, figures)| TableRow::Figures(name.clone(), figures.clone()))
            .collect(),
    };
    let lines = table.lines(width);
    if lines.iter().all(|line| line.text().chars().count() <= width) {
        return lines;
    }
    let sentence = |(name, figures): &(String, Vec<String>)| {
        let named: Vec<String> =
            columns.iter().zip(figures).map(|(column, f)| format!("{column} {f}")).collect();
        Line::wrapped(2).and(Style::Plain, format!("{name}: {}", named.join(", ")))
    };
    rows.iter().map(sentence).collect()
}

/// Two sentences for each pair of paths: goodput, then CPU of both ends; at the end, what was not compared.
pub(super) fn comparisons(summary: &Summary, plan: &Plan, grid: &Grid) -> Vec<Line> {
    let pairs = pairs(summary, grid);
    let margin = percent(plan.measure.margin.0);
    let mut lines = Vec::new();
    for pair in pairs.iter().take(MOST_PAIRS) {
        let title = format!("{} / {}", pair.paths.0, pair.paths.1);
        for (metric, rows) in
            [(Metric::GoodputGbps, &pair.goodput), (Metric::EndsCpuNsPerKib, &pair.cpu)]
        {
            if !rows.iter().any(Place::is_compared) {
                continue;
            }
            let text = sentence(rows, metric, &margin, grid.groups(), tested(summary, metric));
            let is_sink = rows.iter().all(|place| !place.ratio.cell.link.has_receiver());
            let word = if is_sink { "sender-side cost" } else { word(metric) };
            let line = Line::wrapped(HANG).and(Style::Strong, format!("{title}, {word}: "));
            lines.push(line.and(Style::Plain, text));
        }
    }
    lines.extend(not_compared(&pairs, grid.groups()));
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
    let some_delivered = summary.ratios.iter().any(|ratio| ratio.cell.link.has_receiver());
    let mut pairs: Vec<Pair> = Vec::new();
    let mut places = BTreeMap::new();
    for ratio in &summary.ratios {
        if controls.contains(&ratio.cell) || controls.contains(&ratio.against) {
            continue;
        }
        // The sink has lines of its own beside another link's: the two are never counted together.
        let link = ratio.cell.link;
        if !link.has_receiver() && (some_delivered || ratio.metric == Metric::GoodputGbps) {
            continue;
        }
        if !answers(ratio.cell.send_path, ratio.against.send_path, grid.paths()) {
            continue;
        }
        let paths = titles(ratio, grid);
        let index = *places.entry(paths.clone()).or_insert_with(|| {
            pairs.push(Pair { paths, goodput: Vec::new(), cpu: Vec::new() });
            pairs.len() - 1
        });
        let place = Place {
            group: grid.naming.group(&ratio.cell),
            differs_in_threads_alone: grid.naming.beside_threads(&ratio.cell).next().is_none(),
            size: ratio.cell.message.bytes(),
            ratio,
        };
        if let Some(pair) = pairs.get_mut(index) {
            // The other metrics' ratios are in summary.json.
            if ratio.metric == Metric::GoodputGbps {
                pair.goodput.push(place);
            } else if ratio.metric == Metric::cost_on(link) {
                pair.cpu.push(place);
            }
        }
    }
    // Which path to use is asked first.
    let is_of_paths = |pair: &Pair| {
        let mut rows = pair.goodput.iter().chain(&pair.cpu);
        rows.any(|place| place.ratio.contrast.factor == Factor::Send)
    };
    pairs.sort_by_key(|pair| !is_of_paths(pair));
    pairs
}

/// What a ratio is of: `sendmsg` and `send`, or for another factor than the path `send nodelay=on` and `off`.
fn titles(ratio: &Ratio, grid: &Grid) -> (String, String) {
    let (cell, against) = (grid.naming.path(&ratio.cell), grid.naming.path(&ratio.against));
    if cell != against {
        return (cell, against);
    }
    let Contrast { factor, value, against } = &ratio.contrast;
    (format!("{cell} {}={value}", factor.id_key()), against.clone())
}

/// Whether a comparison changes one thing only. A path that passes by reference also makes another number of calls than most
/// that copy, so it is shown beside those only where its twin was not measured.
fn answers(one: SendPath, other: SendPath, measured: &[SendPath]) -> bool {
    let (one_can, other_can) = (one.capabilities(), other.capabilities());
    if one_can.passes_by_reference == other_can.passes_by_reference {
        return true;
    }
    let twin = one_can.copying_twin.or(other_can.copying_twin);
    twin.is_none_or(|twin| [one, other].contains(&twin) || !measured.contains(&twin))
}

/// What has no ratio, by reason: the pairs, and where not all of a pair is meant, its sizes and groups.
fn not_compared(pairs: &[Pair], groups: usize) -> Option<Line> {
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for pair in pairs.iter().take(MOST_PAIRS) {
        let title = format!("{} against {}", pair.paths.0, pair.paths.1);
        let goodput = Absent::among(&pair.goodput, groups);
        let cpu = Absent::among(&pair.cpu, groups);
        let absences = if goodput == cpu {
            vec![(title, goodput)]
        } else {
            vec![(format!("goodput of {title}"), goodput), (format!("CPU of {title}"), cpu)]
        };
        for (title, absence) in absences {
            let Some(Absent { reason, places }) = absence else { continue };
            let text = format!("{}{places}", whole(&title));
            match by_reason.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, texts)) => texts.push(text),
                None => by_reason.push((reason, vec![text])),
            }
        }
    }
    let texts: Vec<String> =
        by_reason.iter().map(|(why, texts)| format!("{}: {why}", texts.join(", "))).collect();
    (!texts.is_empty()).then(|| {
        Line::wrapped(2).and(Style::Strong, "Not compared: ").and(Style::Plain, texts.join("; "))
    })
}

/// What of a pair has no ratio of a metric.
#[derive(PartialEq, Eq)]
struct Absent<'a> {
    reason: &'a str,
    /// ` at 4 KiB (1 and 2 threads)`; nothing where all of the pair is meant.
    places: String,
}

impl<'a> Absent<'a> {
    fn among(rows: &[Place<'a>], groups: usize) -> Option<Self> {
        let absent: Vec<&Place> = rows.iter().filter(|row| !row.is_compared()).collect();
        let reason = absent.iter().find_map(|row| row.ratio.ratio.reason())?;
        Some(Self { reason, places: places(&absent, rows.len(), groups) })
    }
}

/// Where the absent ones of so many rows are.
fn places(absent: &[&Place], rows: usize, groups: usize) -> String {
    if absent.len() == rows {
        return String::new();
    }
    // Groups that lack the same sizes are told together.
    let mut alike: Vec<(Vec<String>, Vec<&Place>)> = Vec::new();
    let mut seen = BTreeSet::new();
    for group in absent.iter().copied().filter(|row| seen.insert(row.group.as_str())) {
        let sizes: Vec<String> = absent
            .iter()
            .filter(|row| row.group == group.group)
            .map(|row| whole(&row.size.to_string()))
            .collect();
        match alike.iter_mut().find(|(known, _)| *known == sizes) {
            Some((_, groups)) => groups.push(group),
            None => alike.push((sizes, vec![group])),
        }
    }
    if alike.len() > MOST_GROUPS || alike.iter().any(|(sizes, _)| sizes.len() > MOST_SIZES) {
        return format!(" in {} of {rows} blocks", absent.len());
    }
    let texts: Vec<String> = alike
        .iter()
        .map(|(sizes, named)| match groups {
            1 => sizes.join(", "),
            _ => format!("{} ({})", sizes.join(", "), joined_groups(named)),
        })
        .collect();
    format!(" at {}", texts.join(" and "))
}

/// What is found, and how large it is at the smallest and the largest size.
fn sentence(
    rows: &[Place],
    metric: Metric,
    margin: &str,
    groups: usize,
    comparisons: usize,
) -> String {
    let mut text = found(rows, metric, margin, groups);
    let values = |row: &&Place| row.is_compared();
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
    let shown: Vec<String> = shown.iter().map(|row| at(row, comparisons)).collect();
    if groups > 1 {
        text.push_str(&format!("; {}: {}", whole(&group), shown.join(", ")));
    } else {
        text.push_str(&format!("; {}", shown.join(", ")));
    }
    text
}

/// A ratio with its interval; where the interval leaves 1 out and the finding does not, why.
fn at(row: &Place, comparisons: usize) -> String {
    let (size, estimate) = (row.size, &row.ratio.ratio);
    let figure = estimate.value().map_or_else(|| "-".to_owned(), ratio);
    // Each is kept whole, and a line may end between them.
    let mut text = whole(&format!("at {size} {figure}"));
    let leaves_one_out =
        |e: &Estimate| e.low.is_some_and(|low| low > 1.0) || e.high.is_some_and(|high| high < 1.0);
    if row.ratio.finding == Finding::Undecided && estimate.value().is_some_and(leaves_one_out) {
        text.push(' ');
        text.push_str(&whole(&format!("(not after correction for {comparisons} comparisons)")));
    }
    let few = estimate.value().map(|estimate| estimate.trials).filter(|pairs| *pairs < FEW_PAIRS);
    if let Some(pairs) = few {
        text.push(' ');
        text.push_str(&whole(&format!("({})", counted(pairs, "pair", "pairs"))));
    }
    text
}

/// The finding where it is one, by row group or by size where it is not. What was not compared is told elsewhere.
fn found(rows: &[Place], metric: Metric, margin: &str, groups: usize) -> String {
    if let Some(finding) = unanimous(rows.iter()) {
        let all = rows.iter().all(Place::is_compared);
        let scope = match (rows.len(), groups) {
            (_, 2..) if !all => " wherever it was compared",
            (_, 1) if !all => return within(rows.iter(), metric, margin),
            (1, _) => "",
            (_, 1) => " at every size",
            _ if rows.iter().all(|row| row.differs_in_threads_alone) => {
                " at every size and thread count"
            }
            _ => " in every block",
        };
        return verdict(metric, finding, margin) + scope;
    }
    if groups == 1 {
        return within(rows.iter(), metric, margin);
    }
    counts(rows, metric, margin)
}

/// The rows of one group: unanimous, or size by size.
fn within<'r, 'a: 'r>(
    rows: impl Iterator<Item = &'r Place<'a>> + Clone,
    metric: Metric,
    margin: &str,
) -> String {
    if rows.clone().all(Place::is_compared)
        && let Some(finding) = unanimous(rows.clone())
    {
        return verdict(metric, finding, margin) + " at every size";
    }
    let mut by_finding: Vec<(Finding, Vec<String>)> = Vec::new();
    for row in rows.clone() {
        let Some(finding) = row.finding() else { continue };
        let size = whole(&row.size.to_string());
        match by_finding.iter_mut().find(|(known, _)| *known == finding) {
            Some((_, sizes)) => sizes.push(size),
            None => by_finding.push((finding, vec![size])),
        }
    }
    let all = rows.count();
    by_finding.sort_by_key(|(_, sizes)| std::cmp::Reverse(sizes.len()));
    let most = by_finding.len();
    let texts: Vec<String> = by_finding
        .into_iter()
        .enumerate()
        .map(|(rank, (finding, sizes))| {
            let at = match sizes.len() {
                n if n > MOST_NAMED || (rank == 0 && most > 1) => format!("{n} of {all} sizes"),
                _ => sizes.join(", "),
            };
            format!("{} at {at}", verdict(metric, finding, margin))
        })
        .collect();
    texts.join("; ")
}

fn counts(rows: &[Place], metric: Metric, margin: &str) -> String {
    let findings = [
        Finding::More,
        Finding::Less,
        Finding::Equivalent,
        Finding::Undecided,
        Finding::AtLineRate,
    ];
    let counted = findings.into_iter().filter_map(|finding| {
        let n = rows.iter().filter(|row| row.finding() == Some(finding)).count();
        (n > 0).then(|| format!("{} in {n}", verdict(metric, finding, margin)))
    });
    format!("{} of {} cells", counted.collect::<Vec<_>>().join(", "), rows.len())
}

/// The finding of all that were compared, if it is one.
fn unanimous<'r, 'a: 'r>(rows: impl Iterator<Item = &'r Place<'a>>) -> Option<Finding> {
    let mut findings = rows.filter_map(Place::finding);
    let first = findings.next()?;
    findings.all(|finding| finding == first).then_some(first)
}

/// `1, 2 and 4 threads`; or the groups one after the other, each by one of its places.
fn joined_groups(groups: &[&Place]) -> String {
    if let [others @ .., last] = groups
        && !others.is_empty()
        && groups.iter().all(|group| group.differs_in_threads_alone)
    {
        let numbers: Vec<String> =
            others.iter().map(|group| group.ratio.cell.threads.to_string()).collect();
        return format!("{} and {}", numbers.join(", "), last.group);
    }
    groups.iter().map(|group| group.group.as_str()).collect::<Vec<_>>().join(" / ")
}

fn word(metric: Metric) -> &'static str {
    if metric == Metric::GoodputGbps { "goodput" } else { "CPU" }
}

/// What a finding says of a metric.
fn verdict(metric: Metric, finding: Finding, margin: &str) -> String {
    let goodput = metric == Metric::GoodputGbps;
    match (finding, goodput) {
        (Finding::More, true) => "faster".to_owned(),
        (Finding::Less, true) => "slower".to_owned(),
        (Finding::Equivalent, true) => format!("as fast (within ±{})", whole(margin)),
        (Finding::More, false) => "costs more".to_owned(),
        (Finding::Less, false) => "costs less".to_owned(),
        (Finding::Equivalent, false) => format!("costs as much (within ±{})", whole(margin)),
        (Finding::Undecided, _) => "unclear".to_owned(),
        (Finding::AtLineRate, _) => "both at line rate".to_owned(),
    }
}
