//! Q2: misses from A1 to A2 by level and size, or the nearest thing that was measured.

use std::collections::BTreeMap;

use model::{Cell, Missing, SendPath};

use super::{Found, columns, crowd_note};
use crate::claims::{LEVELS, log_ratios};
use crate::comparisons::{Compared, counters_remedy, extremes, paths, row_name, twins};
use crate::estimate::Moments;
use crate::evidence::{Evidence, figure};
use crate::explained::Table;
use crate::figure_text::{counted, level, listed, message, ratio, reduction};
use crate::metric::Metric;
use crate::pairs::{self, SIGNIFICANCE, holm};

/// The paper's table is of two threads; without them the fewest that were measured.
fn at_threads(evidence: &Evidence<'_>) -> u32 {
    let threads = crate::comparisons::threads_asked(evidence);
    if threads.contains(&2) { 2 } else { threads.first().copied().unwrap_or(1) }
}

/// A1 → A2 in one metric at one thread count, as rows of the paper's table.
fn rows(
    evidence: &Evidence<'_>,
    name: &str,
    metric: Metric,
    compared: &[Compared],
) -> Vec<Vec<String>> {
    let of = |cell: &Cell| {
        let estimate = evidence.cell(cell).and_then(|e| figure(e, metric));
        estimate.map_or_else(|| "-".to_owned(), |e| level(&e))
    };
    compared
        .iter()
        .map(|c| {
            vec![
                row_name(&c.cell),
                name.to_owned(),
                of(&c.against),
                of(&c.cell),
                reduction(&c.ratio),
            ]
        })
        .collect()
}

fn table(what: &str, rows: Vec<Vec<String>>) -> Table {
    Table { columns: columns(["message", what, "A1", "A2", "reduction"]), rows }
}

/// Three levels where they are counted; CPU time where they are not.
pub(super) fn q2(evidence: &Evidence<'_>) -> Found {
    let threads = at_threads(evidence);
    let at = |cell: &Cell| cell.threads.get() == threads;
    let by_level = LEVELS.map(|(name, metric)| {
        let compared = twins(
            evidence,
            metric,
            |cell| cell.send_path == SendPath::A2 && at(cell),
            |cell| Cell { send_path: SendPath::A1, ..cell.clone() },
        );
        (name, metric, compared)
    });
    if by_level.iter().all(|(_, _, compared)| compared.is_empty()) {
        return without_counters(evidence, threads);
    }
    let mut cells = Vec::new();
    for (name, metric, compared) in &by_level {
        cells.extend(rows(evidence, name, *metric, compared));
    }
    let mut notes = crowd_note(evidence);
    notes.push(
        "counted on the senders; L2 misses are read from the reads that reach the last level"
            .to_owned(),
    );
    let evidence_table = table("misses per KiB at", cells);
    let levels = by_level.iter().filter(|(_, _, compared)| !compared.is_empty()).count();
    let Some(order) = Order::of(evidence, at) else {
        return Found {
            line: "not answered: in no round were misses of A1 and A2 counted at every size"
                .to_owned(),
            evidence: evidence_table,
            would_answer: vec![Missing::rounds()],
            notes,
            ..Found::default()
        };
    };
    let (shown, mut told) = order.words();
    let is_whole = levels == LEVELS.len();
    if is_whole {
        told = format!("{told} ({})", counted(threads as usize, "thread", "threads"));
    } else {
        notes.push(
            "not every level was counted, so the largest reduction is only the largest counted one"
                .to_owned(),
        );
    }
    let widest = by_level
        .iter()
        .find(|(name, ..)| *name == order.best.name)
        .and_then(|(.., compared)| extremes(compared));
    if let (true, Some((widest, _))) = (shown, widest) {
        notes.push(format!(
            "the widest reduction of that level is {} at {}",
            reduction(&widest.ratio),
            message(&widest.cell)
        ));
    }
    Found {
        line: told,
        answered: is_whole && shown,
        evidence: evidence_table,
        would_change: if is_whole && shown {
            "another CPU's cache sizes, a larger working set (--ring), fewer fields (--fields)"
                .to_owned()
        } else {
            String::new()
        },
        would_answer: match (is_whole, shown) {
            (true, true) => Vec::new(),
            (true, false) => vec![Missing::rounds()],
            (false, _) => {
                vec![counters_remedy(evidence, Metric::SenderL1dMissesPerKib, "l1d-misses")]
            }
        },
        notes,
    }
}

/// One level's misses from A1 to A2 on the average over sizes, round by round.
struct Level {
    name: &'static str,
    /// Each round's mean log-ratio over the sizes that every level has.
    logs: BTreeMap<u32, f64>,
}

impl Level {
    fn moments(&self) -> Moments {
        let mut moments = Moments::default();
        self.logs.values().for_each(|log| moments.push(*log));
        moments
    }

    /// How far they fall, in percent.
    fn fall(&self) -> String {
        pairs::ratio(&self.moments()).value().map(reduction).unwrap_or_default()
    }

    fn words(&self) -> String {
        format!("{} by {}", self.name, self.fall())
    }
}

/// The level whose misses fall most, and the others.
struct Order {
    best: Level,
    others: Vec<Level>,
    /// Each other level's p of "it falls as far", by Holm.
    p: Vec<f64>,
}

impl Order {
    /// Over the sizes at which every counted level has pairs, in the rounds that have all of them; none without any.
    fn of(evidence: &Evidence<'_>, at: impl Fn(&Cell) -> bool) -> Option<Self> {
        let cells = evidence.asked().map(|estimates| &estimates.cell);
        let cells = cells.filter(|cell| cell.send_path == SendPath::A2 && at(cell));
        let by_cell: Vec<[BTreeMap<u32, f64>; 3]> = cells
            .map(|cell| {
                log_ratios(evidence, cell, &Cell { send_path: SendPath::A1, ..cell.clone() })
            })
            .collect();
        let has = |level: &usize| by_cell.iter().any(|by_level| !by_level[*level].is_empty());
        let counted: Vec<usize> = (0..LEVELS.len()).filter(has).collect();
        let common: Vec<&[BTreeMap<u32, f64>; 3]> = by_cell
            .iter()
            .filter(|by_level| counted.iter().all(|level| !by_level[*level].is_empty()))
            .collect();
        let level = |level: &usize| {
            let (first, others) = common.split_first()?;
            let of_round = |(round, log): (&u32, &f64)| {
                let mut sum = *log;
                for other in others {
                    sum += other[*level].get(round)?;
                }
                Some((*round, sum / common.len() as f64))
            };
            let logs = first[*level].iter().filter_map(of_round).collect();
            Some(Level { name: LEVELS[*level].0, logs })
        };
        let mut levels: Vec<Level> = counted.iter().filter_map(level).collect();
        levels.retain(|level| !level.logs.is_empty());
        levels.sort_by(|a, b| a.moments().mean().total_cmp(&b.moments().mean()));
        if levels.is_empty() {
            return None;
        }
        let best = levels.remove(0);
        let p = |other: &Level| {
            let mut moments = Moments::default();
            for (round, log) in &best.logs {
                if let Some(other) = other.logs.get(round) {
                    moments.push(log - other);
                }
            }
            moments.p_of_zero().unwrap_or(1.0)
        };
        let p = holm(&levels.iter().map(p).collect::<Vec<_>>());
        Some(Self { best, others: levels, p })
    }

    /// Whether it answers the question, and what there is to say.
    fn words(&self) -> (bool, String) {
        let all = || std::iter::once(&self.best).chain(&self.others);
        let words = |levels: &[&Level]| {
            listed(&levels.iter().map(|level| level.words()).collect::<Vec<_>>())
        };
        let falls = |level: &Level| {
            let moments = level.moments();
            moments.half_interval().is_some_and(|half| moments.mean() + half < 0.0)
        };
        let rises = |level: &&Level| {
            let moments = level.moments();
            moments.half_interval().is_some_and(|half| moments.mean() - half > 0.0)
        };
        if !falls(&self.best) {
            let everywhere = all().all(|level| rises(&level));
            let shown = if everywhere {
                "no level's misses fall"
            } else {
                "no level's misses are shown to fall"
            };
            let levels: Vec<&Level> = all().collect();
            return (
                everywhere,
                format!("{shown} from A1 to A2, on the average over sizes: {}", words(&levels)),
            );
        }
        let alike: Vec<&Level> = self
            .others
            .iter()
            .zip(&self.p)
            .filter(|(_, p)| **p >= SIGNIFICANCE)
            .map(|(level, _)| level)
            .collect();
        if alike.is_empty() {
            let others: Vec<&Level> = self.others.iter().collect();
            let others = if others.is_empty() {
                String::new()
            } else {
                format!(", against {}", words(&others))
            };
            return (
                true,
                format!(
                    "{} misses fall most from A1 to A2, on the average over sizes by {}{others}; why is not shown: the calls and the copy's order change together",
                    self.best.name,
                    self.best.fall()
                ),
            );
        }
        let not_told: Vec<&Level> = std::iter::once(&self.best).chain(alike).collect();
        (
            false,
            format!(
                "which level's misses fall most from A1 to A2 is not told apart, on the average over sizes: {}",
                words(&not_told)
            ),
        )
    }
}

/// The nearest thing: CPU time of the senders per KiB, with the same table.
fn without_counters(evidence: &Evidence<'_>, threads: u32) -> Found {
    let metric = Metric::SenderCpuNsPerKib;
    let mut compared = paths(evidence, SendPath::A2, SendPath::A1, metric);
    compared.retain(|c| c.cell.threads.get() == threads);
    let widest = compared.iter().min_by(|a, b| a.ratio.mean.total_cmp(&b.ratio.mean));
    let nearest = widest.map_or_else(String::new, |c| {
        format!(
            "; the nearest thing measured is the senders' CPU time, where A2 needs {} of A1's at {}",
            ratio(&c.ratio),
            message(&c.cell)
        )
    });
    Found {
        line: format!("not answered: cache misses of A1 and A2 were not both counted{nearest}"),
        answered: false,
        evidence: table(
            "nearest thing measured",
            rows(evidence, "sender CPU, ns per KiB", metric, &compared),
        ),
        would_change: String::new(),
        would_answer: vec![counters_remedy(evidence, Metric::SenderL1dMissesPerKib, "l1d-misses")],
        notes: crowd_note(evidence),
    }
}
