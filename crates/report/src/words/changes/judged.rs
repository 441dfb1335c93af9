//! Whether anything got worse by more than is allowed, in one line.

use analysis::changes::{Changes, Scope, Unseen, Verdict, Worse};
use model::Share;

use super::{HARDLY_SEEN, attributed, over_known, subject, told};
use crate::spelling::{counted, percent, ratio};
use crate::words::figures::metric;

/// What may be said of a change for the worse that is not allowed, in one line.
pub fn judged(verdict: &Verdict<'_>, allowed: Share, changes: &Changes) -> String {
    match verdict {
        Verdict::Worse(worse) => got_worse(worse, allowed),
        Verdict::Undecided(unseen) => neither(unseen, allowed, changes),
        Verdict::Excluded => {
            let of = if allowed.0 < 1.0 { "nothing that was compared got" } else { "no cost got" };
            format!("{of} worse by more than {}", percent(allowed.0))
        }
    }
}

/// What is neither shown nor excluded, how far that reaches, and what would tell.
fn neither(unseen: &Unseen<'_>, allowed: Share, changes: &Changes) -> String {
    let far = |share: f64| match share {
        share if share > HARDLY_SEEN => "tenfold and more".to_owned(),
        share => percent(share),
    };
    let mut told: Vec<String> = Vec::new();
    let lacking = match (unseen.too_few_rounds, unseen.cells) {
        (0, _) => None,
        (1, 1) => Some("it has no figure, or too few valid rounds".to_owned()),
        (n, of) if n == of => Some("they have no figure, or too few valid rounds".to_owned()),
        (1, _) => Some("1 of them has no figure, or too few valid rounds".to_owned()),
        (n, _) => Some(format!("{n} of them have no figure, or too few valid rounds")),
    };
    if unseen.cells > 0 {
        let widest = unseen.widest.as_ref().map(|widest| {
            let of = format!("{}, {}", metric(widest.of.metric), subject(&widest.of.subject));
            format!("the widest interval reaches {} worse ({of})", far(widest.share))
        });
        let why: Vec<String> = [widest, lacking].into_iter().flatten().collect();
        let of = counted(unseen.of, "cell", "cells");
        told.push(format!("in {} of {of}: {}", unseen.cells, why.join(", and ")));
    }
    if let Some(all) = &unseen.all {
        let state = if unseen.is_of_rounds {
            ", which one run a side does not tell from the machine's state"
        } else {
            ""
        };
        let (of, share) = (metric(all.of.metric), far(all.share));
        let over = over_known(all.of.stated_link);
        told.push(format!("of all cells{over} together: {of} may be {share} worse{state}"));
    }
    let mut runs = changes.base.runs.iter();
    let others = changes.comparisons.iter().flat_map(|it| &it.other.runs);
    let rounds = match runs.find(|run| !run.imported).or(others.into_iter().find(|it| !it.imported))
    {
        Some(run) => format!(
            "more rounds of each run (copycost run --resume {} with more --rounds and --max-time)",
            run.name
        ),
        None => "import tables with more rows of a cell".to_owned(),
    };
    let several = "several runs a side: copycost compare A1 A2 --with B1 B2";
    let remedy = match (unseen.cells, unseen.is_of_rounds) {
        (0, true) => several.to_owned(),
        (_, true) => format!("{rounds}, or {several}"),
        (_, false) => format!("{rounds}, or more runs a side"),
    };
    format!(
        "a change of {} for the worse is neither shown nor excluded {}; {remedy}",
        percent(allowed.0),
        told.join("; nor ")
    )
}

/// What got worse by more than was allowed, in one line.
fn got_worse(worse: &[Worse<'_>], allowed: Share) -> String {
    let one = |worse: &Worse<'_>| match worse {
        Worse::All(overall) => {
            let of = overall.ratio.as_ref().map(ratio).unwrap_or_default();
            let over = over_known(overall.stated_link);
            format!("all cells{over}: {} {of}", metric(overall.metric))
        }
        Worse::Cell(change) => {
            let how = match told(change) {
                [Some(itself), Some(beside)] => {
                    format!("{} itself, {} beside all cells", ratio(itself), ratio(beside))
                }
                _ => ratio(&change.ratio),
            };
            format!("{}: {} {how}", subject(&change.subject), metric(change.metric))
        }
        Worse::Value(of) => attributed(of),
    };
    const SHOWN: usize = 3;
    let order = |worse: &&Worse<'_>| match worse {
        Worse::All(_) => 0,
        Worse::Value(of) if matches!(of.scope, Scope::AllBlocks { .. }) => 1,
        Worse::Cell(_) => 2,
        Worse::Value(_) => 3,
    };
    let mut sorted: Vec<&Worse<'_>> = worse.iter().collect();
    sorted.sort_by_key(order);
    let n = counted(u32::try_from(worse.len()).unwrap_or(u32::MAX), "change", "changes");
    let mut lines: Vec<String> = sorted.into_iter().take(SHOWN).map(one).collect();
    if worse.len() > SHOWN {
        lines.push(format!("{} more", worse.len() - SHOWN));
    }
    format!("{n} for the worse by more than {allowed} beyond doubt: {}", lines.join("; "))
}
