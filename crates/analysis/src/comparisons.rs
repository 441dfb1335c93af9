//! Cells of a run laid side by side: the same message by another path, at another size, with other threads.

use std::collections::BTreeMap;

use model::factor::Factor;
use model::{Cell, Contrast, Missing, SendPath, Shared};

use crate::estimate::Moments;
use crate::evidence::{Evidence, figure};
use crate::explained::{Crossover, CrossoverOutcome};
use crate::figure_text::{self, counted, message, percent, ratio, shared_words};
use crate::metric::{Better, Metric};
use crate::pairs::{self, Tested};
use crate::reference::Reference;
use crate::summary::{CellEstimates, Estimate, Finding};

/// A ratio between two cells and what may be said of it.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    pub(crate) cell: Cell,
    pub(crate) against: Cell,
    pub(crate) ratio: Estimate,
    /// What may be said of it, corrected over the comparisons that it was made with.
    pub(crate) finding: Finding,
    /// Whether more busy threads than CPUs stand behind either cell.
    pub(crate) oversubscribed: bool,
}

impl Compared {
    /// The 95 % interval lies above `x`.
    pub(crate) fn is_above(&self, x: f64) -> bool {
        self.ratio.low.is_some_and(|low| low > x)
    }

    /// The 95 % interval lies below `x`.
    pub(crate) fn is_below(&self, x: f64) -> bool {
        self.ratio.high.is_some_and(|high| high < x)
    }

    /// Shown to be less than 1, or to lie within the plan's margin of it.
    pub(crate) fn is_no_more(&self) -> bool {
        matches!(self.finding, Finding::Less | Finding::Equivalent)
    }

    /// Shown to be more than 1, or to lie within the plan's margin of it.
    pub(crate) fn is_no_less(&self) -> bool {
        matches!(self.finding, Finding::More | Finding::Equivalent)
    }

    /// `1.20 × [1.17, 1.24] at 64 KiB, 1 thread`.
    pub(crate) fn text(&self) -> String {
        format!("{} at {}", ratio(&self.ratio), place(&self.cell))
    }

    /// How it stands among the evidence.
    pub(crate) fn reference(&self, metric: Metric) -> Reference {
        Reference::Ratio { metric, cell: self.cell.clone(), against: self.against.clone() }
    }
}

/// `64 KiB, 1 thread`, and what else is not usual: `64 KiB, 1 thread, placement=none`.
pub(crate) fn place(cell: &Cell) -> String {
    let threads = counted(cell.threads.get() as usize, "thread", "threads");
    format!("{}, {threads}{}", message(cell), others(cell))
}

/// The message of a table's row, and what else is not usual: `64 KiB, placement=none`.
pub(crate) fn row_name(cell: &Cell) -> String {
    format!("{}{}", message(cell), others(cell))
}

/// `A2`, and what else is not usual: `A2, placement=none`.
pub(crate) fn column_name(cell: &Cell) -> String {
    format!("{}{}", cell.send_path, others(cell))
}

fn others(cell: &Cell) -> String {
    let others = Shared::new(cell, &[Factor::Send, Factor::Message, Factor::Threads]).to_string();
    if others.is_empty() { others } else { format!(", {}", others.replace(' ', ", ")) }
}

/// A path with the name that it bears in the paper, where it has one: `sendmsg (A2)`.
pub(crate) fn path_name(path: SendPath) -> String {
    path.paper_name().map_or_else(|| path.to_string(), |name| format!("{path} ({name})"))
}

/// How comparisons stand among the evidence.
pub(crate) fn names(compared: &[Compared], metric: Metric) -> Vec<Reference> {
    compared.iter().map(|compared| compared.reference(metric)).collect()
}

/// The comparison of smallest and of largest ratio.
pub(crate) fn extremes(compared: &[Compared]) -> Option<(&Compared, &Compared)> {
    let by_mean = |a: &&Compared, b: &&Compared| a.ratio.mean.total_cmp(&b.ratio.mean);
    Some((compared.iter().min_by(by_mean)?, compared.iter().max_by(by_mean)?))
}

/// Comparisons that are not oversubscribed; all of them, and true, where every one is.
pub(crate) fn sound(compared: Vec<Compared>) -> (Vec<Compared>, bool) {
    if compared.iter().all(|compared| compared.oversubscribed) {
        let any = !compared.is_empty();
        return (compared, any);
    }
    (compared.into_iter().filter(|compared| !compared.oversubscribed).collect(), false)
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
    let is_oversubscribed: BTreeMap<&Cell, bool> =
        evidence.asked().map(|e| (&e.cell, e.oversubscribed)).collect();
    let is_it = |ratio: &&crate::summary::Ratio| {
        ratio.metric == metric
            && ratio.contrast == *contrast
            && ratio.cell.is_itself()
            && ratio.against.is_itself()
    };
    let compared = |ratio: &crate::summary::Ratio| {
        Some(Compared {
            cell: ratio.cell.clone(),
            against: ratio.against.clone(),
            ratio: *ratio.ratio.value()?,
            finding: ratio.finding,
            oversubscribed: [&ratio.cell, &ratio.against]
                .iter()
                .any(|cell| is_oversubscribed.get(cell) == Some(&true)),
        })
    };
    evidence.ratios.iter().filter(is_it).filter_map(compared).collect()
}

/// Cells against others, by their paired log-ratios: tested as one family. Those without a pair are left out.
pub(crate) fn of_moments(
    evidence: &Evidence<'_>,
    family: Vec<(Cell, Cell, Moments)>,
) -> Vec<Compared> {
    let is_oversubscribed =
        |cell: &Cell| evidence.cell(cell).is_some_and(|estimates| estimates.oversubscribed);
    let moments: Vec<Moments> = family.iter().map(|(.., moments)| *moments).collect();
    let tested = pairs::test_family(&moments, evidence.plan.measure.margin);
    let compared = |((cell, against, moments), tested): ((Cell, Cell, Moments), Option<Tested>)| {
        Some(Compared {
            ratio: *pairs::ratio(&moments).value()?,
            finding: tested.map_or(Finding::Undecided, |tested| tested.finding),
            oversubscribed: is_oversubscribed(&cell) || is_oversubscribed(&against),
            cell,
            against,
        })
    };
    family.into_iter().zip(tested).filter_map(compared).collect()
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
    let family = kept.filter_map(|cell| {
        let against = twin(cell);
        let is_twin = against != *cell;
        is_twin.then(|| {
            let moments = evidence.paired(cell, &against, metric);
            (cell.clone(), against, moments)
        })
    });
    of_moments(evidence, family.collect())
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
    if found.iter().any(|crossover| !crossover.oversubscribed) {
        found.retain(|crossover| !crossover.oversubscribed);
    }
    found
}

/// At how many of a crossover's sizes which finding was made, for the path: better, worse, alike, not told.
fn findings(evidence: &Evidence<'_>, crossover: &Crossover) -> [usize; 4] {
    let compared = contrasted(evidence, &crossover.contrast, crossover.metric);
    let is_of = |c: &&Compared| crossover.shared.has(&c.cell);
    let is_low_better = crossover.metric.better() == Better::Low;
    let mut counts = [0; 4];
    for c in compared.iter().filter(is_of) {
        let place = match c.finding {
            Finding::Equivalent => 2,
            Finding::Undecided => 3,
            Finding::More => usize::from(is_low_better),
            Finding::Less => usize::from(!is_low_better),
        };
        counts[place] += 1;
    }
    counts
}

/// Whether every size of a crossover is shown to be better, worse or alike.
pub(crate) fn is_told(evidence: &Evidence<'_>, crossover: &Crossover) -> bool {
    let [better, worse, alike, not_told] = findings(evidence, crossover);
    better + worse + alike > 0 && not_told == 0
}

/// A crossover in words, with what is not told of it; where none is shown, what is at how many sizes.
pub(crate) fn crossover_words(evidence: &Evidence<'_>, crossover: &Crossover) -> String {
    let counts = findings(evidence, crossover);
    let outcome = &crossover.outcome;
    let words = if *outcome == CrossoverOutcome::Undecided && counts[..3].iter().sum::<usize>() > 0
    {
        // The end of "it is better …".
        let [better, others @ ..] = counts;
        let sizes = counted(counts.iter().sum::<usize>(), "size", "sizes");
        let at = if better > 0 { better.to_string() } else { "none".to_owned() };
        let parts = others.iter().zip(["worse", "no difference", "unclear"]);
        let parts = parts.filter(|(n, _)| **n > 0).map(|(n, word)| format!(", {word} at {n}"));
        format!("at {at} of {sizes}{}", parts.collect::<String>())
    } else {
        figure_text::outcome(outcome)
    };
    let crowd = if crossover.oversubscribed { ", oversubscribed" } else { "" };
    format!(
        "{words} ({}{crowd}){}",
        shared_words(&crossover.shared),
        figure_text::untold(crossover)
    )
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

/// What must be said wherever the zerocopy path is compared: how much of it was copied anyway.
pub(crate) fn copied_words(evidence: &Evidence<'_>) -> String {
    let links = crate::on_link::links_asked(evidence);
    let link = match links[..] {
        [link] if link.copies_by_reference_on_delivery() => {
            format!(", as {link} always does on delivery")
        }
        _ => String::new(),
    };
    match copied_shares(evidence) {
        None => "no zero-copy completion came, so what was copied is not known".to_owned(),
        Some((least, _)) if least >= 1.0 => {
            format!("every zero-copy completion was marked copied{link}")
        }
        Some((_, most)) if most <= 0.0 => "no zero-copy completion was marked copied".to_owned(),
        Some((least, most)) => format!(
            "from {} to {} of a cell's zero-copy completions were marked copied",
            percent(least),
            percent(most)
        ),
    }
}

/// What must be said of oversubscribed cells: which thread counts are, and that no cause is claimed.
pub(crate) fn oversubscribed_words(evidence: &Evidence<'_>) -> Option<String> {
    let mut threads: Vec<u32> =
        evidence.asked().filter(|e| e.oversubscribed).map(|e| e.cell.threads.get()).collect();
    threads.sort_unstable();
    threads.dedup();
    let (first, last) = (*threads.first()?, *threads.last()?);
    let which = if first == last {
        counted(first as usize, "thread is", "threads are")
    } else {
        format!("{first} to {last} threads are")
    };
    let cpus = counted(evidence.run.usable_cpus as usize, "CPU", "CPUs");
    Some(format!(
        "{which} oversubscribed (more busy threads than CPUs for them, of {cpus}); no cause is claimed there"
    ))
}

/// What would bring the figures of a hardware counter: the counter itself, or where it works the cells.
pub(crate) fn counters_remedy(evidence: &Evidence<'_>, metric: Metric, counter: &str) -> Missing {
    if counter_works(evidence, metric) {
        return Missing::of_itself("a plan with the paths and sizes named; the counter works here");
    }
    let of_trials = evidence
        .asked()
        .filter(|estimates| estimates.trials > 0)
        .find_map(|estimates| estimates.metrics.get(&metric)?.reason());
    let of_host = || evidence.host.counters.get(counter).and_then(model::Measured::reason);
    let why = of_trials.or_else(of_host).unwrap_or("no trial counted it");
    Missing::of_itself("hardware counters").because(why)
}

/// Whether a hardware counter gave any figure in this run.
pub(crate) fn counter_works(evidence: &Evidence<'_>, metric: Metric) -> bool {
    evidence.asked().any(|estimates| figure(estimates, metric).is_some())
}
