//! Cells of a run laid side by side: the same message by another path, at another size, with other threads.

use crate::operands::Compared;
use crate::operands::Crossed;
use std::collections::BTreeMap;

use model::{Cell, Contrast, Measured, Missing, SendPath};

use crate::estimate::Moments;
use crate::evidence::{Evidence, figure};
use crate::findings::Crossover;
use crate::metric::{Better, Metric};
use crate::oversubscribed::Oversubscribed;
use crate::pairs::{self, Tested};
use crate::reason::Reason;
use crate::results::{CellEstimates, Finding};

/// Comparisons that are not oversubscribed; all of them, and true, where every one is.
pub(crate) fn with_a_cpu_each(compared: Vec<Compared>) -> (Vec<Compared>, bool) {
    if compared.iter().all(|compared| compared.oversubscribed.is_so()) {
        let any = !compared.is_empty();
        return (compared, any);
    }
    (compared.into_iter().filter(|compared| !compared.oversubscribed.is_so()).collect(), false)
}

/// One path against another in every block of the plan that has both, as `ratios` of the summary has it.
pub(crate) fn paths(
    evidence: &Evidence<'_>,
    path: SendPath,
    against: SendPath,
    metric: Metric,
) -> Vec<Compared> {
    contrasted(evidence, &Contrast::of_paths(path, against), metric)
}

/// The two values of a contrast in every block of the plan that has both, as `ratios` of the summary has it.
fn contrasted(evidence: &Evidence<'_>, contrast: &Contrast, metric: Metric) -> Vec<Compared> {
    let oversubscribed: BTreeMap<&Cell, Oversubscribed> =
        evidence.asked().map(|e| (&e.cell, e.oversubscribed)).collect();
    let is_it = |ratio: &&crate::results::Ratio| {
        ratio.metric == metric
            && ratio.contrast == *contrast
            && ratio.cell.is_itself()
            && ratio.against.is_itself()
    };
    let compared =
        |ratio: &crate::results::Ratio| {
            Some(Compared {
                cell: ratio.cell.clone(),
                against: ratio.against.clone(),
                ratio: *ratio.ratio.value()?,
                finding: ratio.finding,
                oversubscribed: Oversubscribed::any([&ratio.cell, &ratio.against].map(|cell| {
                    oversubscribed.get(cell).copied().unwrap_or(Oversubscribed::UNKNOWN)
                })),
            })
        };
    evidence.ratios.iter().filter(is_it).filter_map(compared).collect()
}

/// Cells against others, by their paired log-ratios: tested as one family. Those without a pair are left out.
pub(crate) fn of_moments(
    evidence: &Evidence<'_>,
    family: Vec<(Cell, Cell, Moments)>,
) -> Vec<Compared> {
    let moments: Vec<Moments> = family.iter().map(|(.., moments)| *moments).collect();
    let tested = pairs::test_family(&moments, evidence.plan.measure.margin);
    let compared = |((cell, against, moments), tested): ((Cell, Cell, Moments), Option<Tested>)| {
        Some(Compared {
            ratio: *pairs::ratio(&moments).value()?,
            finding: tested.map_or(Finding::Undecided, |tested| tested.finding),
            oversubscribed: Oversubscribed::any(
                [&cell, &against].map(|cell| evidence.oversubscribed(cell)),
            ),
            cell,
            against,
        })
    };
    family.into_iter().zip(tested).filter_map(compared).collect()
}

/// Cells against others, of which one may be a control, paired by round; those without a pair are left out.
pub(crate) fn against(
    evidence: &Evidence<'_>,
    pairs: impl Iterator<Item = (Cell, Cell)>,
    metric: Metric,
) -> Vec<Compared> {
    let family = pairs.map(|(cell, against)| {
        let moments = evidence.paired(&cell, &against, metric);
        (cell, against, moments)
    });
    of_moments(evidence, family.collect())
}

/// Every cell of the plan that `keep` keeps against the cell that `twin` makes of it, paired by round; cells without a
/// twin in the run are left out.
pub(crate) fn twins(
    evidence: &Evidence<'_>,
    metric: Metric,
    keep: impl Fn(&Cell) -> bool,
    twin: impl Fn(&Cell) -> Cell,
) -> Vec<Compared> {
    let kept = evidence.asked().map(|estimates| &estimates.cell).filter(|cell| keep(cell));
    let pairs = kept.map(|cell| (cell.clone(), twin(cell)));
    against(evidence, pairs.filter(|(cell, twin)| cell != twin), metric)
}

/// One path against another in a figure that `ratios` need not have, in the plan's cells that `keep` keeps.
pub(crate) fn path_twins(
    evidence: &Evidence<'_>,
    metric: Metric,
    [path, against]: [SendPath; 2],
    keep: impl Fn(&Cell) -> bool,
) -> Vec<Compared> {
    let is_it = |cell: &Cell| cell.send_path == path && cell.is_itself() && keep(cell);
    twins(evidence, metric, is_it, |cell| Cell { send_path: against, ..cell.clone() })
}

/// One thread count against another at one size, for one path.
pub(crate) fn threads(
    evidence: &Evidence<'_>,
    metric: Metric,
    path: SendPath,
    bytes: u64,
    [more, fewer]: [u32; 2],
) -> Vec<Compared> {
    let Some(fewer) = model::values::Threads::new(fewer) else { return Vec::new() };
    twins(
        evidence,
        metric,
        |cell| {
            cell.send_path == path
                && cell.message.bytes().0 == bytes
                && cell.threads.get() == more
                && cell.is_itself()
        },
        |cell| Cell { threads: fewer, ..cell.clone() },
    )
}

/// Crossovers of a path with another in one metric: those not oversubscribed, or all where every one is. Groups in which
/// the zerocopy path is an ordinary copy are left out.
pub(crate) fn crossovers<'a>(
    evidence: &Evidence<'a>,
    path: SendPath,
    against: SendPath,
    metric: Metric,
) -> Vec<&'a Crossover> {
    let contrast = Contrast::of_paths(path, against);
    let is_it = |crossover: &&Crossover| {
        crossover.contrast == contrast && crossover.metric == metric && crossover.shared.is_itself()
    };
    let mut found: Vec<&Crossover> = evidence.crossovers.iter().filter(is_it).collect();
    if found.iter().any(|crossover| !crossover.oversubscribed.is_so()) {
        found.retain(|crossover| !crossover.oversubscribed.is_so());
    }
    found
}

/// At how many of a crossover's sizes which finding was made, for the path: better, worse, alike, unclear.
fn findings(evidence: &Evidence<'_>, crossover: &Crossover) -> [usize; 4] {
    let compared = contrasted(evidence, &crossover.contrast, crossover.metric);
    let is_of = |c: &&Compared| crossover.shared.has(&c.cell);
    let is_low_better = crossover.metric.better() == Better::Low;
    let mut counts = [0; 4];
    for c in compared.iter().filter(is_of) {
        let place = match c.finding {
            Finding::Equivalent => 2,
            Finding::Undecided => 3,
            Finding::AtLineRate => continue,
            Finding::More => usize::from(is_low_better),
            Finding::Less => usize::from(!is_low_better),
        };
        counts[place] += 1;
    }
    counts
}

/// Crossovers with what was found at their sizes.
pub(crate) fn each_crossed(evidence: &Evidence<'_>, found: &[&Crossover]) -> Vec<Crossed> {
    let crossed = |crossover: &&Crossover| {
        let [better, worse, alike, unclear] =
            findings(evidence, crossover).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        Crossed { crossover: (*crossover).clone(), better, worse, alike, unclear }
    };
    found.iter().map(crossed).collect()
}

/// The same as a reason.
pub(crate) fn crossed(evidence: &Evidence<'_>, found: &[&Crossover]) -> Reason {
    Reason::Crossovers { of: each_crossed(evidence, found) }
}

/// Whether every size of a crossover is shown to be better, worse or alike.
pub(crate) fn tells_at_each_size(evidence: &Evidence<'_>, crossover: &Crossover) -> bool {
    let [better, worse, alike, unclear] = findings(evidence, crossover);
    better + worse + alike > 0 && unclear == 0
}

/// That a figure is missing of these paths, sizes and thread counts, any where there are none: those of which no cell has
/// it. All of them where each has it and only a pair of cells is missing.
pub(crate) fn unmeasured(
    evidence: &Evidence<'_>,
    metric: Metric,
    paths: &[SendPath],
    sizes: &[u64],
    threads: &[u32],
) -> Reason {
    let cells = evidence.asked().filter(|estimates| figure(estimates, metric).is_some());
    let cells: Vec<&Cell> = cells.map(|estimates| &estimates.cell).collect();
    let is_missing = |path: Option<SendPath>, bytes: Option<u64>, count: Option<u32>| {
        !cells.iter().any(|cell| {
            path.is_none_or(|path| cell.send_path == path)
                && bytes.is_none_or(|bytes| cell.message.bytes().0 == bytes)
                && count.is_none_or(|count| cell.threads.get() == count)
        })
    };
    let (mut lacking, mut lacking_sizes, mut lacking_threads) = (vec![], vec![], vec![]);
    for path in each_or_any(paths) {
        for bytes in each_or_any(sizes) {
            for count in each_or_any(threads) {
                if is_missing(path, bytes, count) {
                    lacking.extend(path);
                    lacking_sizes.extend(bytes);
                    lacking_threads.extend(count);
                }
            }
        }
    }
    Reason::not_measured(
        metric,
        those_of(paths, &lacking),
        those_of(sizes, &lacking_sizes),
        those_of(threads, &lacking_threads),
    )
}

/// Values that are among the lacking ones; all where none lacks.
fn those_of<T: Copy + PartialEq>(values: &[T], lacking: &[T]) -> Vec<T> {
    let is_one = |value: &T| lacking.is_empty() || lacking.contains(value);
    values.iter().copied().filter(is_one).collect()
}

/// Each value, or that any will do.
fn each_or_any<T: Copy>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().copied().map(Some).collect() }
}

/// The send paths that the plan asks for.
pub(crate) fn paths_asked(evidence: &Evidence<'_>) -> Vec<SendPath> {
    let mut paths: Vec<SendPath> = evidence.asked().map(|e| e.cell.send_path).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// The message sizes that the plan asks for, ascending.
pub(crate) fn sizes_asked(evidence: &Evidence<'_>) -> Vec<u64> {
    let mut sizes: Vec<u64> = evidence.asked().map(|e| e.cell.message.bytes().0).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// The thread counts that the plan asks for, ascending.
pub(crate) fn threads_asked(evidence: &Evidence<'_>) -> Vec<u32> {
    let mut threads: Vec<u32> = evidence.asked().map(|e| e.cell.threads.get()).collect();
    threads.sort_unstable();
    threads.dedup();
    threads
}

/// The least and the largest share of a cell's zero-copy completions that were marked copied, over the plan's cells;
/// none without a completion.
pub(crate) fn copied_shares(evidence: &Evidence<'_>) -> Option<(f64, f64)> {
    let of = |estimates: &CellEstimates| {
        let cell = &estimates.cell;
        if cell.passes_by_reference() {
            figure(estimates, Metric::CopiedShare).map(|e| e.mean)
        } else {
            None
        }
    };
    let shares: Vec<f64> = evidence.asked().filter_map(of).collect();
    let least = shares.iter().copied().min_by(f64::total_cmp)?;
    let most = shares.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

/// The same as a reason, with the link that copies on delivery whatever is sent, where that is the only one.
pub(crate) fn completions(evidence: &Evidence<'_>) -> Reason {
    let links = crate::on_link::links_asked(evidence);
    let copied_by = match links[..] {
        [link] if link.copies_by_reference_on_delivery() => Some(link),
        _ => None,
    };
    Reason::Completions {
        copied: match copied_shares(evidence) {
            Some((least, most)) => Measured::Value([least, most]),
            None => Measured::absent("no completion came"),
        },
        copied_by,
    }
}

/// What would bring the figures of a hardware counter: the counter itself, or where it works the cells.
pub(crate) fn counters_remedy(evidence: &Evidence<'_>, metric: Metric, counter: &str) -> Missing {
    const COUNTERS: &str = "hardware counters";
    if counter_works(evidence, metric) {
        return Missing::of_itself("a plan with the paths and sizes named; the counter works here");
    }
    let of_trials = evidence
        .asked()
        .filter(|estimates| estimates.trials > 0)
        .find_map(|estimates| estimates.metrics.get(&metric)?.missing(COUNTERS));
    let of_host = || evidence.host.counters.get(counter)?.missing(COUNTERS);
    let uncounted = || Missing::of_itself(COUNTERS).because("no trial counted it");
    of_trials.or_else(of_host).unwrap_or_else(uncounted)
}

/// Whether a hardware counter gave any figure in this run.
pub(crate) fn counter_works(evidence: &Evidence<'_>, metric: Metric) -> bool {
    evidence.asked().any(|estimates| figure(estimates, metric).is_some())
}
