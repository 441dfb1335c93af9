//! What changed between runs, in sentences and names.

use std::collections::BTreeSet;

use analysis::changes::{
    Apart, Attributed, Change, Changes, Comparison, Detectable, Difference, Overall, RunName,
    Scope, SideFacts, Subject, Unit,
};
use analysis::estimate::Estimate;
use analysis::metric::{Better, Metric};
use analysis::results::Finding;
use model::plan::FEWEST_ROUNDS;
use model::{Cell, Contrast, Factor, Link};

use super::figures::{metric, place};
use crate::spelling::{counted, factors, listed, percent, ratio, shared_words};

mod judged;

pub use judged::judged;

/// A side by its runs: `before (12 rounds)`.
pub(crate) fn side(side: &SideFacts) -> String {
    let run = |run: &RunName| {
        let rounds = counted(run.rounds, "round", "rounds");
        let label = if run.label.is_empty() { String::new() } else { format!("{}, ", run.label) };
        format!("{} ({label}{rounds})", run.name)
    };
    side.runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

/// A side's runs by name alone.
pub(crate) fn side_name(side: &SideFacts) -> String {
    side.runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// `6.8.0 → 6.11.0`.
pub(crate) fn difference(difference: &Difference) -> String {
    let values = |of: &[String]| match of {
        [] => "nothing".to_owned(),
        of => of
            .iter()
            .map(|value| if value.is_empty() { "none" } else { value.as_str() })
            .collect::<Vec<_>>()
            .join(" or "),
    };
    format!("{} → {}", values(&difference.base), values(&difference.other))
}

/// That the line decided the goodput of cells on both sides; none where it did of none.
pub(crate) fn at_line_rate(comparison: &Comparison) -> Option<String> {
    let of = u32::try_from(comparison.at_line_rate.len()).unwrap_or(u32::MAX);
    let all = if of == comparison.cells { "Every cell is" } else { "" };
    let some = if of == 1 { "1 cell is" } else { &format!("{of} cells are") };
    let who = if all.is_empty() { some } else { all };
    let decides = if is_cost_compared(comparison) { "; what they cost in CPU decides" } else { "" };
    (of > 0).then(|| {
        format!(
            "{who} at line rate on both sides: the line decides goodput there, which is no change{decides}."
        )
    })
}

/// Whether what cells at line rate cost was compared; only a cost can have been measured in no cell.
fn is_cost_compared(comparison: &Comparison) -> bool {
    let is_missing = |link: Link| comparison.not_measured.iter().any(|of| of.link == link);
    !comparison.at_line_rate.iter().any(|cell| is_missing(cell.0.link))
}

/// How many facts differ, above the list of them.
pub(crate) fn differing(
    of: &[Difference],
    what: &str,
    base: &SideFacts,
    comparison: &Comparison,
) -> String {
    let mut runs = base.runs.iter().chain(&comparison.other.runs);
    match (u32::try_from(of.len()).unwrap_or(u32::MAX), runs.find(|run| run.imported)) {
        (0, None) => format!("The {what} are the same, as far as recorded."),
        (0, Some(RunName { name, .. })) => {
            format!("Whether the {what} differ is not told by {name}, an imported table.")
        }
        (1, _) => format!("The {what} differ in one fact:"),
        (n, _) => format!("The {what} differ in {n} facts:"),
    }
}

/// A cell: `zerocopy, 64 KiB, 1 thread`.
pub(crate) fn cell(cell: &Cell) -> String {
    format!("{}, {}", cell.send_path, place(cell, &[]))
}

/// A contrast: `zerocopy / sendmsg`, of another factor than the path `nodelay: on / off`.
pub(crate) fn contrast(contrast: &Contrast) -> String {
    if contrast.paths().is_some() { contrast.values() } else { contrast.to_string() }
}

/// What changed.
pub(crate) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Contrast { contrast: of, blocks } => {
            format!("{}, {}", contrast(of), counted(*blocks, "block", "blocks"))
        }
        Subject::Ratio { contrast: of, cell, .. } => {
            let path =
                if of.paths().is_some() { String::new() } else { format!("{}, ", cell.send_path) };
            format!("{}, {path}{}", contrast(of), place(cell, &[of.factor]))
        }
        Subject::Level { cell: of } => cell(of),
    }
}

fn is_worse(of: Metric, finding: Finding) -> Option<bool> {
    match (of.better(), finding) {
        (Better::High, Finding::Less) | (Better::Low, Finding::More) => Some(true),
        (Better::High, Finding::More) | (Better::Low, Finding::Less) => Some(false),
        (Better::None, _) | (_, Finding::Equivalent | Finding::Undecided | Finding::AtLineRate) => {
            None
        }
    }
}

/// A change in a word, where one is better.
pub(crate) fn verdict(change: &Change) -> &'static str {
    match is_worse(change.metric, change.finding) {
        Some(true) => "worse",
        Some(false) => "better",
        None => "",
    }
}

/// A change as it is, and of a cell beside what all cells have in common, where that is told apart.
pub(crate) fn told(change: &Change) -> [Option<&Estimate>; 2] {
    match &change.itself {
        Some(itself) if *itself != change.ratio => [Some(itself), Some(&change.ratio)],
        Some(_) | None => [Some(&change.ratio), None],
    }
}

/// What all cells together did, a sentence a link.
pub(crate) fn overalls(comparison: &Comparison) -> Vec<String> {
    let of_as_many = |a: &Overall, b: &Overall| (a.link, a.cells) == (b.link, b.cells);
    let by_link = comparison.overall.chunk_by(of_as_many);
    by_link.map(|of_link| overall(of_link, comparison)).collect()
}

/// Of one link, both figures in one sentence where they are of the same cells.
fn overall(of_link: &[Overall], comparison: &Comparison) -> String {
    let Some(first) = of_link.first() else { return String::new() };
    let figure = |overall: &Overall| match &overall.ratio {
        Some(of) if overall.common == 1.0 => format!("{} {}", metric(overall.metric), ratio(of)),
        Some(of) => {
            let middle = crate::spelling::short(overall.common);
            format!("{} {} (the middle cell {middle} ×)", metric(overall.metric), ratio(of))
        }
        None => format!("{} (one run a side of too few rounds)", metric(overall.metric)),
    };
    let figures: Vec<String> = of_link.iter().map(figure).collect();
    let shown = |overall: &&Overall| is_worse(overall.metric, overall.finding).is_some();
    let of_lines = of_link.iter().filter(shown).filter(|overall| overall.is_of_lines());
    let elsewhere = of_lines.map(|overall| overall.at_another_line).max();
    let moved = of_link
        .iter()
        .filter(|overall| !overall.is_of_lines())
        .find_map(|overall| is_worse(overall.metric, overall.finding));
    let because = match (moved, elsewhere, comparison.unit) {
        (None, Some(cells), _) => {
            let of = if cells < first.cells {
                format!("{cells} of them")
            } else {
                "all of them".to_owned()
            };
            format!(
                ": that says nothing of the machine, as the lines differ and decide goodput in {of}."
            )
        }
        (None, None, _) => ".".to_owned(),
        (Some(worse), _, unit) => {
            let how = if worse { "slower" } else { "faster" };
            let doubt = match unit {
                Unit::Rounds => "; of one run a side that may be its state alone",
                Unit::Runs => "",
            };
            format!(": the whole machine was {how}, or what all cells share{doubt}.")
        }
    };
    let cells = counted(first.cells, "cell", "cells");
    let over = over_known(first.stated_link);
    let is_rest = first.metric == Metric::GoodputGbps && !comparison.at_line_rate.is_empty();
    let who = if is_rest {
        format!("The {cells}{over} below line rate")
    } else {
        format!("All {cells}{over}")
    };
    format!("{who} together: {}{because}", listed(&figures))
}

/// ` over loopback`; nothing where nobody knows the link.
fn over_known(stated: Option<Link>) -> String {
    stated.map_or_else(String::new, |link| format!(" over {link}"))
}

/// `zerocopy got worse against every other path over all 16 blocks: goodput 0.95 × [0.94, 0.96] at least`.
pub(crate) fn attributed(of: &Attributed) -> String {
    let how = match is_worse(of.metric, of.finding) {
        Some(true) => "got worse",
        Some(false) => "got better",
        None => "changed",
    };
    let (name, what) = if of.factor == Factor::Send {
        (of.value.clone(), "path")
    } else {
        (format!("{} {}", of.factor.key(), of.value), "value")
    };
    let place = match &of.scope {
        Scope::AllBlocks { blocks } => format!("over all {}", counted(*blocks, "block", "blocks")),
        Scope::Block { shared } => format!("at {}", shared_words(shared)),
    };
    format!(
        "{name} {how} against every other {what} {place}: {} {} at least",
        metric(of.metric),
        ratio(&of.ratio)
    )
}

/// The first sentence: how much changed.
pub(crate) fn answer(comparison: &Comparison) -> String {
    if comparison.cells == 0 {
        return "Nothing can be compared: no cell was measured on both sides.".to_owned();
    }
    if comparison.changes.is_empty() {
        let cells = counted(comparison.cells, "cell", "cells");
        let at_line = u32::try_from(comparison.at_line_rate.len()).unwrap_or(u32::MAX);
        let is_all_lines = at_line == comparison.cells && !is_cost_compared(comparison);
        return if is_all_lines {
            format!(
                "Nothing can be told of {cells}: the line decides their goodput on both sides, and their CPU time was not measured on both."
            )
        } else {
            format!("Nothing can be told of {cells}: a single round a side has no interval.")
        };
    }
    let found = |is_it: fn(&Subject) -> bool| {
        let of = comparison.changes.iter().filter(|change| change.is_found());
        u32::try_from(of.filter(|change| is_it(&change.subject)).count()).unwrap_or(u32::MAX)
    };
    let cells = found(|subject| matches!(subject, Subject::Level { .. }));
    let ratios = found(|subject| !matches!(subject, Subject::Level { .. }));
    match (cells, ratios) {
        (0, 0) => "No cell changed beyond noise.".to_owned(),
        (0, ratios) => format!("{} changed beyond noise.", counted(ratios, "ratio", "ratios")),
        (cells, 0) => format!(
            "{} changed beyond noise.",
            counted(cells, "figure of a cell", "figures of cells")
        ),
        (cells, ratios) => format!(
            "{} and {} changed beyond noise.",
            counted(cells, "figure of a cell", "figures of cells"),
            counted(ratios, "ratio", "ratios"),
        ),
    }
}

/// Why a side has no cell that can be compared with the base, and the remedy, in one line; none where it has one.
pub fn apart(changes: &Changes, comparison: &Comparison) -> Option<String> {
    let apart = comparison.apart.as_ref()?;
    let names =
        |runs: &[RunName]| listed(&runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>());
    let have = |runs: &[RunName]| if runs.len() == 1 { "has" } else { "have" };
    let both = format!("{} and {}", side_name(&changes.base), side_name(&comparison.other));
    Some(match apart {
        Apart::NoCell => format!(
            "{both} have no cell in common; name runs whose plans share path, link, size and threads"
        ),
        Apart::Unstated { silent, factors: of } => {
            let tells = if silent.len() == 1 { "the table of" } else { "the tables of" };
            let no = |(factor, _): &(Factor, String)| factor.column().to_owned();
            let values = of.iter().map(|(factor, value)| format!("{}={value}", factor.id_key()));
            format!(
                "{both} have no cell in common: {tells} {} has no column {}, and the other side has {}; write what was measured into that column and import it again",
                names(silent),
                listed(&of.iter().map(no).collect::<Vec<_>>()),
                listed(&values.collect::<Vec<_>>())
            )
        }
        Apart::NoGoodput(runs) => {
            let remedy = match runs.iter().find(|run| !run.imported) {
                Some(run) => format!("go on with: copycost run --resume {}", run.name),
                None => "import a table with a column for it".to_owned(),
            };
            format!(
                "{} {} no goodput of a cell that both sides have; {remedy}",
                names(runs),
                have(runs)
            )
        }
        Apart::OneRound(runs) => {
            let remedy = match runs.iter().find(|run| !run.imported) {
                Some(run) => format!("go on with: copycost run --resume {}", run.name),
                None => "import tables with two rows or more of a cell".to_owned(),
            };
            format!(
                "{} {} one round of each cell, which tells no spread; {remedy}, or name several runs a side: copycost compare A1 A2 --with B1 B2",
                names(runs),
                have(runs)
            )
        }
        Apart::TooFewRounds => {
            let mut runs = changes.base.runs.iter().chain(&comparison.other.runs);
            let remedy = match runs.find(|run| !run.imported) {
                Some(run) => format!("go on with: copycost run --resume {}", run.name),
                None => "import tables with more rows of a cell".to_owned(),
            };
            format!("{both} share no cell with two valid rounds on each side; {remedy}")
        }
    })
}

/// A change that is seen only from here on is as good as none: tenfold.
const HARDLY_SEEN: f64 = 9.0;

/// How large a change would have been seen; none where nothing was compared.
pub(crate) fn seen(comparison: &Comparison) -> Option<String> {
    let mut blind: Vec<&str> = Vec::new();
    let mut part = |of: Option<Detectable>, what: &'static str| {
        let of = of.filter(|of| of.median.is_finite())?;
        if of.median > HARDLY_SEEN {
            blind.push(what);
            return None;
        }
        let (least, median) = (percent(of.least), percent(of.median));
        Some(if least == median {
            format!("{median} on in {what}")
        } else {
            format!("{median} on in {what} ({least} in the steadiest)")
        })
    };
    let parts = [
        part(comparison.seen.contrast, "a ratio over all blocks"),
        part(comparison.seen.ratio, "a ratio of one block"),
        part(comparison.seen.level, "a cell"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let blind = (!blind.is_empty()).then(|| {
        format!(
            "in {} not even a tenfold one",
            listed(&blind.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
        )
    });
    match (parts.is_empty(), blind) {
        (true, None) => None,
        (true, Some(blind)) => {
            Some(format!("A change would hardly have been seen: {blind} (medians)."))
        }
        (false, blind) => {
            let blind = blind.map(|blind| format!(", {blind}")).unwrap_or_default();
            let parts = listed(&parts);
            Some(format!(
                "A change would have been seen nine times in ten from {parts}{blind}; medians."
            ))
        }
    }
}

/// Beside what the changes of cells are told, which their figures before and after are not; none where that is nothing.
pub(crate) fn beside_all(comparison: &Comparison) -> Option<String> {
    let apart = comparison.overall.iter().filter(|overall| overall.common != 1.0);
    let links: BTreeSet<Link> = comparison.overall.iter().map(|overall| overall.link).collect();
    let one = |overall: &Overall| {
        let common = crate::spelling::short(overall.common);
        let over = if links.len() > 1 { over_known(overall.stated_link) } else { String::new() };
        format!("{}{over} {common} ×", metric(overall.metric))
    };
    let all: Vec<String> = apart.map(one).collect();
    (!all.is_empty()).then(|| {
        format!(
            "Whether a cell changed is told by its change beside that of all cells ({}), whether a ratio did by its own.",
            listed(&all)
        )
    })
}

/// What the figures above a table's section are told against.
pub(crate) fn section(of: Metric, overall: Option<&Overall>) -> String {
    match overall.filter(|overall| overall.common != 1.0) {
        Some(overall) => {
            format!("{}; all cells {} ×", metric(of), crate::spelling::short(overall.common))
        }
        None => metric(of),
    }
}

/// What could not be compared, a line each.
pub(crate) fn not_compared(comparison: &Comparison) -> Vec<String> {
    const SHOWN: usize = 3;
    let figures = comparison.not_measured.iter().map(|of| {
        let over = over_known(of.stated_link);
        format!("not compared: {}{over}, which one side measured in no cell", metric(of.metric))
    });
    let cells = [
        (&comparison.only_in_base, "measured by the first side alone"),
        (&comparison.only_in_other, "measured by the other side alone"),
        (&comparison.too_few_rounds, "with too few valid rounds"),
    ]
    .into_iter()
    .filter(|(cells, _)| !cells.is_empty())
    .map(|(cells, why)| {
        let mut names: Vec<String> = cells.iter().take(SHOWN).map(|of| cell(&of.0)).collect();
        if cells.len() > SHOWN {
            names.push(format!("{} more", cells.len() - SHOWN));
        }
        let n = counted(u32::try_from(cells.len()).unwrap_or(u32::MAX), "cell", "cells");
        format!("not compared: {n} {why}: {}", names.join("; "))
    });
    figures.chain(cells).collect()
}

/// What to beware of, a line each.
pub(crate) fn cautions(base: &SideFacts, comparison: &Comparison) -> Vec<String> {
    let mut cautions = Vec::new();
    if comparison.unit == Unit::Rounds {
        cautions.push("one run a side: a change cannot be told from how runs of one machine differ by boot and time; with several: copycost compare A1 A2 --with B1 B2".to_owned());
    }
    if !comparison.unstated.is_empty() {
        cautions.push(format!(
            "not in the table of an imported run, so that cells that pass for equal may differ: {}",
            factors(&comparison.unstated)
        ));
    }
    // Other cells beside them leave those that both sides have as they are.
    if comparison.settings.iter().any(|of| !of.is_asked) {
        cautions.push("measured otherwise: what changed may be the way of measuring".to_owned());
    }
    let rounds = base.runs.iter().chain(&comparison.other.runs).map(|run| run.rounds).min();
    if let Some(rounds) = rounds.filter(|rounds| *rounds < FEWEST_ROUNDS) {
        let rounds = counted(rounds, "round", "rounds");
        cautions.push(format!(
            "preliminary, a run of {rounds}: trust intervals from {FEWEST_ROUNDS} rounds on"
        ));
    }
    cautions
}
