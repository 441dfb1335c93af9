//! What is copied, and what copying and its bookkeeping cost, in clauses.

use crate::spelling::{counted, listed, over, percent, ratio, shared_words, short};
use analysis::copies::{NotCounted, Step};
use analysis::estimate::Estimate;
use analysis::operands::{CopyingTime, Crossed, OfPath, Unit};
use model::{Audit, Cell, Factor};

use super::figures::{crossed, is_alike, metric, place, tells_where_better};
use super::laws;

/// What is told beside a cell's place, or need not be.
const BESIDE: &[Factor] = &[Factor::Threads, Factor::Link];

/// `send over loopback: 1.00 copied in, 0.00 copied at delivery and 1.00 copied out a byte (4 cells)`.
pub(super) fn copies(of: &[OfPath]) -> String {
    let one = |of: &OfPath| {
        let step = |(step, seen): (&Step, &analysis::operands::Seen)| {
            let how = if seen.eliminated { " (eliminated, not counted)" } else { "" };
            format!("{} {}{how}", seen.text(), step.words())
        };
        let steps: Vec<String> = of.steps.iter().map(step).collect();
        let cells = counted(of.cells, "cell", "cells");
        format!("{} {}: {} a byte ({cells})", of.path, over(of.link), listed(&steps))
    };
    of.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What an instrument did not tell.
pub(super) const fn untold(audit: Audit) -> &'static str {
    match audit {
        Audit::CopyAudit => "the bytes that the kernel copies were not counted",
        Audit::Profile => "CPU time was not sampled",
        Audit::Ceiling => "the copying ceiling was not measured",
    }
}

/// An instrument that told nothing.
pub(super) fn not_audited(audit: Audit, cell: Option<&Cell>, why: Option<&str>) -> String {
    let what = untold(audit);
    let of = cell
        .map_or_else(String::new, |cell| format!(" ({} {})", cell.send_path, place(cell, BESIDE)));
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("{what}{of}{why}")
}

/// A step of which audits have no count that could be another figure than the expected one, for what, and why.
pub(super) fn step_not_counted(step: Step, of: &str, of_step: &NotCounted) -> String {
    let why = match of_step {
        NotCounted::Eliminated => {
            "eliminated: what was accepted less what was passed by reference, so that a second copy could not show; a CPU with breakpoint registers counts _copy_from_iter"
        }
        NotCounted::TrialFailed { why } => &format!("the audit trial failed: {why}"),
        NotCounted::NotAudited { why: None } => "not audited",
        NotCounted::NotAudited { why: Some(why) } => &format!("not audited: {why}"),
        NotCounted::NoByte => "no byte was sent in the audit trial",
        NotCounted::Unforeseen { why } => {
            &format!("what it should be is not known beforehand: {}", laws::unforeseen(why))
        }
        NotCounted::Quoted { text } => text,
    };
    let is =
        if matches!(of_step, NotCounted::Unforeseen { .. }) { "not judged" } else { "not counted" };
    format!("{is}{of}: {} ({why})", step.words())
}

/// `goodput, zerocopy / send: better from a size between 512 B and 4 KiB on (1 thread)`; what is found of all alike is told once.
pub(super) fn crossovers(of: &[Crossed]) -> String {
    let [first, others @ ..] = of else { return String::new() };
    let better = |it: &Crossed| {
        let lead = if tells_where_better(it) { "better " } else { "" };
        format!("{lead}{}", crossed(it))
    };
    let told = if !others.is_empty() && others.iter().all(|it| is_alike(first, it)) {
        format!("{} (in all {})", better(first), counted(of.len(), "setting", "settings"))
    } else {
        let one = |it: &Crossed| {
            let crowd =
                if it.crossover.oversubscribed.is_so() { ", more threads than CPUs" } else { "" };
            format!("{} ({}{crowd})", better(it), shared_words(&it.crossover.shared))
        };
        of.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let crossover = &first.crossover;
    format!("{}, {}: {told}", metric(crossover.metric), crossover.contrast.values())
}

/// `sampled at 64 B over loopback: 812 ns per KiB of pinning and notifying …`, of many pairs of profiles the least and the most.
pub(super) fn bookkeeping(ends: &[CopyingTime], of: u32) -> String {
    sampled(ends, of, |times| {
        let explained =
            times.explained.filter(|part| *part > 0.0).map_or_else(String::new, |part| {
                let part = percent(part);
                format!(", which explains {part} of what {} costs more", times.cell.send_path)
            });
        format!(
            "{} {} of pinning and notifying with {} (with the memory in which pages are released, {} at most), {} of copying by the sender with {}{}{explained}",
            short(times.bookkeeping),
            unit(times.unit),
            times.cell.send_path,
            short(times.at_most),
            short(times.copied),
            times.against.send_path,
            in_brackets(times.against_the_copy),
        )
    })
}

/// The same of copying that is still done.
pub(super) fn still_copied(ends: &[CopyingTime], of: u32) -> String {
    sampled(ends, of, |times| {
        format!(
            "{} {} of copying by the sender with {}, {} with {}{}",
            short(times.still_copied),
            unit(times.unit),
            times.cell.send_path,
            short(times.copied),
            times.against.send_path,
            in_brackets(times.still_copied_share),
        )
    })
}

fn sampled(ends: &[CopyingTime], of: u32, text: impl Fn(&CopyingTime) -> String) -> String {
    let one = |times: &CopyingTime| {
        format!("{} {}: {}", place(&times.cell, BESIDE), over(times.cell.link), text(times))
    };
    let pairs = if of > 2 { format!(" (the least and the most of {of})") } else { String::new() };
    format!("sampled at {}{pairs}", ends.iter().map(one).collect::<Vec<_>>().join(", and at "))
}

const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::NsPerKib => "ns per KiB",
        Unit::CycleSamplesPerMib => "samples of cycles per MiB",
    }
}

fn in_brackets(over: Option<Estimate>) -> String {
    over.map_or_else(String::new, |over| format!(" ({})", ratio(&over)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]
mod tests {
    use analysis::findings::{Crossover, CrossoverOutcome};
    use analysis::metric::Metric;
    use model::{Contrast, SendPath, Shared};

    use super::*;

    #[test]
    fn a_step_that_was_not_counted_says_why_once() {
        let why = "no CAP_BPF".to_owned();
        for (reason, text) in [
            (
                NotCounted::Eliminated,
                "eliminated: what was accepted less what was passed by reference, so that a second copy could not show; a CPU with breakpoint registers counts _copy_from_iter",
            ),
            (NotCounted::TrialFailed { why: why.clone() }, "the audit trial failed: no CAP_BPF"),
            (NotCounted::NotAudited { why: None }, "not audited"),
            (NotCounted::NotAudited { why: Some(why.clone()) }, "not audited: no CAP_BPF"),
            (NotCounted::NoByte, "no byte was sent in the audit trial"),
            (NotCounted::Quoted { text: why }, "no CAP_BPF"),
        ] {
            let told = step_not_counted(Step::In, "", &reason);
            assert_eq!(told, format!("not counted: copied in ({text})"));
        }
    }

    #[test]
    fn crossovers_say_better_only_where_a_size_is() {
        let of = |threads: u32, outcome, [better, worse, alike, unclear]: [u32; 4]| {
            let cell = format!("send=send message_bytes=64 threads={threads}").parse().unwrap();
            let crossover = Crossover {
                contrast: Contrast::of_paths(SendPath::Zerocopy, SendPath::Send),
                shared: Shared::new(&cell, &[Factor::Send, Factor::Message]),
                oversubscribed: (threads > 4).into(),
                metric: Metric::GoodputGbps,
                outcome,
                sizes: vec![64, 4096],
                unclear_sizes: Vec::new(),
            };
            Crossed { crossover, better, worse, alike, unclear }
        };
        let (never, open) = (CrossoverOutcome::Never, CrossoverOutcome::Undecided);
        let partly =
            |is_better, from| CrossoverOutcome::Partly { is_better, up_to: Some(512.0), from };
        for (all, text) in [
            (
                vec![of(1, partly(true, None), [2, 0, 1, 1])],
                "better up to at least 512 B, no difference at 1 (1 thread)",
            ),
            (
                vec![of(1, partly(false, Some(65_536.0)), [0, 3, 0, 1])],
                "better at no size shown, and worse up to at least 512 B and at least from 64 KiB on (1 thread)",
            ),
            (vec![of(1, never, [0, 4, 0, 0])], "better at no size measured (1 thread)"),
            (
                vec![of(1, open, [1, 2, 0, 1])],
                "better at 1 of 4 sizes, worse at 2, unclear at 1 (1 thread)",
            ),
            (
                vec![of(1, open, [0, 2, 2, 0])],
                "worse at 2 of 4 sizes, no difference at 2 (1 thread)",
            ),
            (
                vec![of(1, open, [0, 0, 0, 2]), of(8, open, [0, 0, 0, 4])],
                "unclear at every size (in all 2 settings)",
            ),
            (
                vec![of(1, open, [0, 0, 0, 4]), of(8, never, [0, 4, 0, 0])],
                "unclear at every size (1 thread), better at no size measured (8 threads, more threads than CPUs)",
            ),
        ] {
            assert_eq!(crossovers(&all), format!("goodput, zerocopy / send: {text}"));
        }
    }
}
