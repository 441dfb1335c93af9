//! Many paths: a row a path and a column a size, those that the answer speaks of first.

use std::collections::{BTreeSet, HashMap};

use analysis::metric::Metric;
use analysis::recommendation::{Advice, Recommendation};
use analysis::results::{CellEstimates, Finding, Ratio};
use analysis::summary::Summary;
use model::{Bytes, Cell, Factor, Link, Plan, SendPath};

use super::comparison::spread;
use super::grid::{Grid, RowGroup};
use super::{estimate, grid};
use crate::numbers::{counted, half_width};
use crate::plain_table::{GAP, Group, Table, TableRow};
use crate::spelling::short_ratio;
use crate::styled_text::{Line, Style};
use crate::words::figures::tested;
use crate::words::said_by_reference;

/// So many paths have a row in every table, however little room there is.
const LEAST_PATHS: usize = 5;
/// Reasons why figures are absent that are told; the others stand on the page.
const MOST_REASONS: usize = 2;

/// The tables of a run of many paths.
pub(super) struct PathRows<'a> {
    summary: &'a Summary,
    plan: &'a Plan,
    grid: &'a Grid<'a>,
    /// Ratios by their two cells and what they are of.
    ratios: HashMap<(&'a Cell, &'a Cell, Metric), &'a Ratio>,
    width: usize,
    /// Where all figures are, as the reader can type it.
    directory: &'a str,
}

/// How near to the front an advice has a value: 0 for what to use, 2 for what that is held against, 4 for others.
fn place_in(advice: &Advice, value: &str) -> usize {
    match advice {
        Advice::Use { value: best, against, .. } => {
            if best == value {
                0
            } else {
                2 + usize::from(against != value) * 2
            }
        }
        Advice::BySize { value: one, against, .. } => {
            if [one, against].iter().any(|named| *named == value) { 0 } else { 4 }
        }
        Advice::Alike { values }
        | Advice::Unclear { values }
        | Advice::NotCompared { values }
        | Advice::NotThemselves { values, .. } => {
            usize::from(!values.iter().any(|named| named == value)) * 4
        }
        Advice::Alone { .. } | Advice::Nothing => 0,
    }
}

/// What is shown of it.
#[derive(Clone, Copy)]
struct Extent {
    groups: usize,
    paths: usize,
}

/// The cells of a link and setting, its paths in the order in which they are shown.
struct Ranked<'a> {
    group: &'a RowGroup<'a>,
    link: Link,
    /// Indices of the grid's columns.
    paths: Vec<usize>,
    /// What the ratios are to, and those of each path.
    reference: Option<usize>,
    ratios: Vec<Ratios>,
}

/// A path's figure over another's, size by size.
struct Ratios {
    path: usize,
    against: usize,
    figures: Vec<Option<Shown>>,
}

impl<'a> PathRows<'a> {
    pub(super) fn new(
        summary: &'a Summary,
        plan: &'a Plan,
        grid: &'a Grid<'a>,
        width: usize,
        directory: &'a str,
    ) -> Self {
        let valued = summary.ratios.iter().filter(|ratio| ratio.ratio.value().is_some());
        let ratios = valued.map(|ratio| ((&ratio.cell, &ratio.against, ratio.metric), ratio));
        Self { summary, plan, grid, ratios: ratios.collect(), width, directory }
    }

    /// The tables, in at most so many lines where that can be done with a row for [`LEAST_PATHS`]: of every link the cells that its
    /// answer is drawn from, then as many others as there is room for.
    pub(super) fn lines(&self, room: usize) -> Vec<Line> {
        let groups = self.ranked();
        let links: BTreeSet<Link> = groups.iter().map(|group| group.link).collect();
        let all = groups.iter().map(|group| group.paths.len()).max().unwrap_or(0);
        let least = LEAST_PATHS.min(all);
        let at = |extent: Extent| self.laid_out(&groups, extent);
        let fits = |extent: &Extent| at(*extent).len() <= room;
        let more_groups = (links.len()..=groups.len()).rev().map(|groups| (groups, all));
        let fewer_paths = (least..all).rev().map(|paths| (links.len(), paths));
        let extents = more_groups.chain(fewer_paths);
        let mut extents = extents.map(|(groups, paths)| Extent { groups, paths });
        at(extents.find(fits).unwrap_or(Extent { groups: links.len(), paths: least }))
    }

    fn laid_out(&self, groups: &[Ranked<'a>], extent: Extent) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut told = Told::default();
        for group in groups.iter().take(extent.groups) {
            if !lines.is_empty() {
                lines.push(Line::fixed());
            }
            let mut paths: Vec<usize> = group.paths.clone();
            told.left_paths = told.left_paths.max(paths.len().saturating_sub(extent.paths));
            paths.truncate(extent.paths);
            lines.extend(self.levels(group, &paths, &mut told));
            lines.extend(self.ratios(group, &paths, &mut told));
        }
        told.left_groups = groups.len().saturating_sub(extent.groups);
        lines.extend(self.notes(groups.iter().take(extent.groups), &told));
        lines
    }

    /// Of every link first what its answer is drawn from.
    fn ranked(&self) -> Vec<Ranked<'a>> {
        let mut seen: BTreeSet<Link> = BTreeSet::new();
        let (mut first, mut others) = (Vec::new(), Vec::new());
        let ranked = self.grid.groups_of_rows().filter_map(|group| {
            let link = group.entries().next()?.cell.link;
            let recommendation = self.recommendation(link);
            let shared = recommendation.and_then(|it| it.shared.as_ref());
            let is_answered = shared.is_none_or(|shared| {
                group.entries().any(|entry| entry.trials > 0 && shared.has(&entry.cell))
            });
            let paths = self.order(group, link);
            let none = Ranked { group, link, paths, reference: None, ratios: Vec::new() };
            Some((self.with_ratios(none), is_answered))
        });
        let mut ranked: Vec<(Ranked, bool)> = ranked.collect();
        // Where no group is what the answer is drawn from, the first one stands for its link.
        ranked.sort_by_key(|(group, is_answered)| (group.link, !is_answered));
        for (group, _) in ranked {
            if seen.insert(group.link) { first.push(group) } else { others.push(group) }
        }
        first.extend(others);
        first
    }

    fn with_ratios(&self, group: Ranked<'a>) -> Ranked<'a> {
        let Some(reference) = self.reference(&group) else { return group };
        let metric = self.answered(group.link);
        let others = group.paths.iter().copied().filter(|path| *path != reference);
        let ratios = others.filter_map(|path| self.against(&group, path, reference, metric));
        Ranked { reference: Some(reference), ratios: ratios.collect(), ..group }
    }

    /// What a link's answer is about.
    fn answered(&self, link: Link) -> Metric {
        self.recommendation(link).map_or_else(|| Metric::cost_on(link), |answer| answer.metric)
    }

    fn recommendation(&self, link: Link) -> Option<&'a Recommendation> {
        self.summary.explained.recommendations.iter().find(|it| it.link == link)
    }

    /// The columns that have a cell in a group: first those that the answer names, then what may be as good, then what they are held
    /// against, then the others, the cheapest first.
    fn order(&self, group: &RowGroup<'a>, link: Link) -> Vec<usize> {
        let metric = Metric::cost_on(link);
        let places = cost_places(group, metric);
        let has_cell = |column: &usize| group.cell_of(*column).is_some();
        let mut columns: Vec<usize> = (0..self.grid.columns()).filter(has_cell).collect();
        columns.sort_by_key(|column| {
            let cell = group.cell_of(*column).map(|entry| &entry.cell);
            let rank = cell.map_or(usize::MAX, |cell| self.rank(cell, link));
            (rank, places.get(column).copied().unwrap_or((usize::MAX, usize::MAX)), *column)
        });
        columns
    }

    /// How near a cell is to the answer.
    fn rank(&self, cell: &Cell, link: Link) -> usize {
        let Some(answer) = self.recommendation(link) else { return 0 };
        let value = cell.get(answer.factor);
        let is_said = |it: &&analysis::recommendation::ByReference| {
            [it.path, it.against].contains(&cell.send_path)
        };
        let instead = answer.if_rewritten.as_ref().map_or(4, |advice| 1 + place_in(advice, &value));
        let of_answer = place_in(&answer.advice, &value).min(instead);
        let of_words =
            if answer.factor == Factor::Send && said_by_reference(answer).iter().any(is_said) {
                2
            } else {
                usize::MAX
            };
        let receiving = self.summary.explained.receiving.iter();
        let mut behind =
            receiving.filter(|it| it.choice.link == link && it.send_path == cell.send_path);
        let is_named = behind.any(|it| it.choice.advice.names(cell.receive_path.name()));
        // Of a path that is named, behind which receive paths vary, the one that is to be used first.
        2 * of_answer.min(of_words).min(4) + usize::from(!is_named && self.varies_receiving())
    }

    fn varies_receiving(&self) -> bool {
        !self.summary.explained.receiving.is_empty()
    }

    /// What the ratios of a group are to: what is to be used where that is one path, else what the study holds all against.
    fn reference(&self, group: &Ranked<'a>) -> Option<usize> {
        let answer = self.recommendation(group.link)?;
        let is = |value: &str| {
            let value = value.to_owned();
            move |column: &usize| {
                let cell = group.group.cell_of(*column).map(|entry| &entry.cell);
                cell.is_some_and(|cell| cell.get(answer.factor) == value)
            }
        };
        let find = |value: &str| {
            let mut found: Vec<usize> = group.paths.iter().copied().filter(is(value)).collect();
            // What differs in nothing else: the default of the rest.
            let named = |column: &usize| {
                let cell = group.group.cell_of(*column).map(|entry| &entry.cell);
                cell.map_or(0, |cell| {
                    Factor::ALWAYS_WITHIN_BLOCK.iter().filter(|f| !cell.is_default(**f)).count()
                })
            };
            found.sort_by_key(named);
            found.first().copied()
        };
        let usual =
            || if answer.factor == Factor::Send { find(SendPath::USUAL.name()) } else { None };
        match &answer.advice {
            Advice::Use { value, .. } => find(value),
            Advice::BySize { against, .. } => usual().or_else(|| find(against)),
            Advice::Alike { .. }
            | Advice::Unclear { .. }
            | Advice::NotCompared { .. }
            | Advice::NotThemselves { .. }
            | Advice::Alone { .. }
            | Advice::Nothing => usual().or_else(|| group.paths.first().copied()),
        }
    }

    /// Goodput where somebody receives, and cost.
    fn levels(&self, group: &Ranked<'a>, paths: &[usize], told: &mut Told) -> Vec<Line> {
        let cost = Metric::cost_on(group.link);
        let metrics: &[Metric] =
            if group.link.has_receiver() { &[Metric::GoodputGbps, cost] } else { &[cost] };
        let marks_imprecise = self.grid.marks_imprecise();
        let figures = |column: usize| {
            metrics.iter().flat_map(move |metric| {
                group.group.rows().map(move |(_, cells)| {
                    let entry = cells.get(column).copied().flatten();
                    entry.map_or_else(String::new, |it| grid::figure(it, *metric, marks_imprecise))
                })
            })
        };
        let rows = paths.iter().map(|column| (self.name(*column), figures(*column).collect()));
        let headings = metrics.iter().map(|metric| {
            let cost = || grid::cost_heading(group.group.entries()).to_owned();
            if *metric == Metric::GoodputGbps { "goodput Gbit/s".to_owned() } else { cost() }
        });
        self.table(group, &group.group.name, headings.collect(), rows.collect(), told)
    }

    /// A path's figure over another's, in what the answer is about; where the ratio to the common reference was not formed, to one
    /// that is named.
    fn ratios(&self, group: &Ranked<'a>, paths: &[usize], told: &mut Told) -> Vec<Line> {
        let metric = self.answered(group.link);
        let Some(reference) = group.reference else { return Vec::new() };
        let mut rows = Vec::new();
        for ratios in group.ratios.iter().filter(|ratios| paths.contains(&ratios.path)) {
            let Ratios { path, against, figures } = ratios;
            let name = if *against == reference {
                self.name(*path)
            } else {
                format!("{} / {}", self.name(*path), self.name(*against))
            };
            let text = |shown: &Option<Shown>| {
                shown.as_ref().map_or_else(
                    || "-".to_owned(),
                    |shown| {
                        told.widths.extend(shown.half_width);
                        told.unclear |= shown.unclear;
                        told.metric = Some(metric);
                        format!(
                            "{}{}",
                            short_ratio(shown.mean),
                            if shown.unclear { "?" } else { "" }
                        )
                    },
                )
            };
            rows.push((name, figures.iter().map(text).collect()));
        }
        if rows.is_empty() {
            return Vec::new();
        }
        let what = match (metric == Metric::GoodputGbps, group.link.has_receiver()) {
            (true, _) => "goodput",
            (false, true) => "CPU",
            (false, false) => "sender-side cost",
        };
        let heading = format!("{what} / that of {}", self.name(reference));
        self.table(group, "", vec![heading], rows, told)
    }

    /// What a path is held against in a group: the reference where there is any such ratio, else what shares its send path, else
    /// the first in order.
    fn against(
        &self,
        group: &Ranked<'a>,
        column: usize,
        reference: usize,
        metric: Metric,
    ) -> Option<Ratios> {
        let path = |column: usize| group.group.cell_of(column).map(|entry| entry.cell.send_path);
        let mut others: Vec<usize> = group.paths.clone();
        others.sort_by_key(|other| (*other != reference, path(*other) != path(column), *other));
        others.into_iter().filter(|other| *other != column).find_map(|other| {
            let figures: Vec<Option<Shown>> = group
                .group
                .rows()
                .map(|(_, cells)| {
                    let cell = |column: usize| cells.get(column).copied().flatten();
                    self.ratio(&cell(column)?.cell, &cell(other)?.cell, metric)
                })
                .collect();
            let ratios = Ratios { path: column, against: other, figures };
            ratios.figures.iter().any(Option::is_some).then_some(ratios)
        })
    }

    fn ratio(&self, cell: &Cell, against: &Cell, metric: Metric) -> Option<Shown> {
        let found = self.ratios.get(&(cell, against, metric));
        let (ratio, turned) = match found {
            Some(ratio) => (*ratio, false),
            None => (*self.ratios.get(&(against, cell, metric))?, true),
        };
        let estimate = ratio.ratio.value()?;
        let estimate = if turned { estimate.inverse() } else { *estimate };
        Some(Shown {
            mean: estimate.mean,
            half_width: analysis::estimate::half_width(&estimate),
            unclear: ratio.finding == Finding::Undecided,
        })
    }

    fn name(&self, column: usize) -> String {
        self.grid.column(column).to_owned()
    }

    /// A table of as many sizes as fit beside each other.
    fn table(
        &self,
        group: &Ranked<'a>,
        name: &str,
        headings: Vec<String>,
        rows: Vec<(String, Vec<String>)>,
        told: &mut Told,
    ) -> Vec<Line> {
        let sizes: Vec<Bytes> = group.group.rows().map(|(size, _)| *size).collect();
        let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let fits_beside_names =
            |heading: &String| names + GAP + heading.chars().count() <= self.width;
        let (name, headings) = match headings.as_slice() {
            all if all.iter().all(fits_beside_names) => (name.to_owned(), headings),
            [only] => {
                let above = [name, only].into_iter().filter(|text| !text.is_empty());
                (above.collect::<Vec<_>>().join(": "), vec![String::new()])
            }
            // Each stands above a table of its own.
            several => {
                let of = |(nth, heading): (usize, &String)| {
                    let own = |figures: &Vec<String>| {
                        figures.iter().skip(nth * sizes.len()).take(sizes.len()).cloned().collect()
                    };
                    let rows = rows.iter().map(|(path, figures)| (path.clone(), own(figures)));
                    self.table(group, name, vec![heading.clone()], rows.collect(), told)
                };
                return several.iter().enumerate().flat_map(of).collect();
            }
        };
        let is_in_corner = name.chars().count() <= names && headings != [String::new()];
        let widths: Vec<usize> = sizes
            .iter()
            .enumerate()
            .map(|(index, size)| {
                let of_figures = rows.iter().flat_map(|(_, figures)| {
                    figures.iter().skip(index).step_by(sizes.len().max(1))
                });
                let widest = of_figures.map(|text| text.chars().count()).max().unwrap_or(0);
                widest.max(size.to_string().chars().count())
            })
            .collect();
        let places: BTreeSet<usize> = (0..sizes.len()).collect();
        let fits = |shown: &Vec<usize>| {
            let figures = shown.iter().filter_map(|place| widths.get(*place));
            names + figures.map(|width| width + GAP).sum::<usize>() <= self.width
        };
        let shown = (1..=sizes.len()).rev().map(|most| spread(&places, most)).find(fits);
        let shown = shown.unwrap_or_else(|| spread(&places, 1));
        told.left_sizes = told.left_sizes.max(sizes.len() - shown.len());
        let columns: Vec<String> =
            shown.iter().filter_map(|place| sizes.get(*place)).map(Bytes::to_string).collect();
        let only_shown = |figures: Vec<String>| {
            let texts = figures.into_iter().enumerate();
            let is_shown = |index: usize| shown.contains(&(index % sizes.len().max(1)));
            texts.filter(|(index, _)| is_shown(*index)).map(|(_, text)| text).collect()
        };
        let in_corner = if is_in_corner { name.clone() } else { String::new() };
        let table = Table {
            corner: [in_corner, String::new()],
            groups: headings
                .into_iter()
                .map(|heading| Group { heading, columns: columns.clone() })
                .collect(),
            rows: rows
                .into_iter()
                .map(|(name, figures)| TableRow::Figures(name, only_shown(figures)))
                .collect(),
        };
        let above = (!is_in_corner).then(|| Line::wrapped(2).and(Style::Strong, name));
        // Parts that stand one below the other need no empty line between: each has a heading.
        let lines = table.lines(self.width).into_iter().filter(|line| !line.text().is_empty());
        above.into_iter().chain(lines).collect()
    }

    /// What the order and the signs mean, why figures are absent, and what is left out.
    fn notes<'g>(&self, groups: impl Iterator<Item = &'g Ranked<'a>>, told: &Told) -> Vec<Line>
    where
        'a: 'g,
    {
        let mut legend = vec!["first what the answer names, then by cost".to_owned()];
        let mut widths = told.widths.clone();
        widths.sort_by(f64::total_cmp);
        if let Some(median) = widths.get(widths.len() / 2) {
            let width = half_width(*median);
            let is_one = width.starts_with('±');
            legend.push(format!("ratios{} {width} (median)", if is_one { "" } else { ":" }));
        }
        if let Some(metric) = told.metric.filter(|_| told.unclear) {
            legend.push(match tested(self.summary, metric) {
                1 => "? unclear".to_owned(),
                0 => "? unclear: a single round has no interval".to_owned(),
                n => format!(
                    "? unclear, corrected for all {n} comparisons of this metric (ratios.csv)"
                ),
            });
        }
        let shown: Vec<&CellEstimates> = groups.flat_map(|group| group.group.entries()).collect();
        // Signs stand beside goodput.
        let delivered = shown.iter().copied().filter(|entry| entry.cell.link.has_receiver());
        legend.extend(self.grid.signs(&delivered.collect::<Vec<_>>(), self.plan));
        let mut lines = vec![Line::wrapped(2).and(Style::Faint, legend.join("; "))];
        let absent = self.grid.absent(self.summary, shown.into_iter());
        let more = absent.len().saturating_sub(MOST_REASONS);
        lines.extend(absent.into_iter().take(MOST_REASONS).map(|text| {
            Line::wrapped(2).and(Style::Faint, "- not measured: ").and(Style::Plain, text)
        }));
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let left = [
            (told.left_paths, "path", "paths"),
            (told.left_sizes, "size", "sizes"),
            (told.left_groups, "group of cells", "groups of cells"),
            (more, "reason for absent figures", "reasons for absent figures"),
        ];
        let left: Vec<String> = left
            .into_iter()
            .filter(|(n, ..)| *n > 0)
            .map(|(n, one, several)| counted(number(n), one, several))
            .collect();
        if !left.is_empty() {
            let text = format!(
                "not shown here: {}; all in {}/results.csv, ratios.csv and the report",
                left.join(", "),
                self.directory
            );
            lines.push(Line::wrapped(2).and(Style::Faint, text));
        }
        lines
    }
}

/// A ratio as it is shown.
#[derive(Clone, Copy)]
struct Shown {
    mean: f64,
    half_width: Option<f64>,
    unclear: bool,
}

/// What was shown and what was not, for the notes.
#[derive(Default)]
struct Told {
    left_paths: usize,
    left_sizes: usize,
    left_groups: usize,
    widths: Vec<f64>,
    unclear: bool,
    metric: Option<Metric>,
}

/// The best place of each column among those of a size, and the sum of its places: what is cheapest somewhere comes first.
fn cost_places(group: &RowGroup<'_>, metric: Metric) -> HashMap<usize, (usize, usize)> {
    let mut places: HashMap<usize, (usize, usize)> = HashMap::new();
    for (_, cells) in group.rows() {
        let cost = |entry: &CellEstimates| estimate(entry, metric).map(|it| it.mean);
        let mut costs: Vec<(usize, f64)> = cells
            .iter()
            .enumerate()
            .filter_map(|(column, entry)| Some((column, (*entry).and_then(cost)?)))
            .collect();
        costs.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        for (place, (column, _)) in costs.into_iter().enumerate() {
            let (best, sum) = places.entry(column).or_insert((usize::MAX, 0));
            *best = (*best).min(place);
            *sum += place;
        }
    }
    places
}
