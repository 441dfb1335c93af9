//! What is copied, and what copying and its bookkeeping cost, in clauses.

use crate::spelling::{
    counted, listed, message, over, percent, ratio, shared_words, short, untold,
};
use analysis::copies::Step;
use analysis::estimate::Estimate;
use analysis::findings::CrossoverOutcome;
use analysis::operands::{CopyingTime, Crossed, OfPath, Unit};
use model::{Audit, Cell, Factor, Shared};

use super::figures::metric;

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

/// An instrument that told nothing.
pub(super) fn not_audited(audit: Audit, cell: Option<&Cell>, why: Option<&str>) -> String {
    let what = match audit {
        Audit::CopyAudit => "the bytes that the kernel copies were not counted",
        Audit::Profile => "CPU time was not sampled",
        Audit::Ceiling => "the copying ceiling was not measured",
    };
    let of = cell.map_or_else(String::new, |cell| format!(" ({} {})", cell.send_path, place(cell)));
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("{what}{of}{why}")
}

/// `goodput, zerocopy / send: better from a size between 512 B and 4 KiB on (1 thread)`; what is found of all alike is told once.
pub(super) fn crossovers(of: &[Crossed]) -> String {
    let Some(first) = of.first() else { return String::new() };
    let found: Vec<String> = of.iter().map(outcome).collect();
    let told = if of.len() > 1 && found.iter().all(|it| *it == found[0]) {
        format!("{} (in all {})", found[0], counted(of.len(), "setting", "settings"))
    } else {
        let one = |(crossed, found): (&Crossed, &String)| {
            let crowd =
                if crossed.crossover.oversubscribed { ", more threads than CPUs" } else { "" };
            format!("{found} ({}{crowd})", shared_words(&crossed.crossover.shared))
        };
        of.iter().zip(&found).map(one).collect::<Vec<_>>().join(", ")
    };
    let crossover = &first.crossover;
    format!("{}, {}: better {told}", metric(crossover.metric), crossover.contrast.values())
}

/// The end of "better …"; where no crossover is shown, what is at how many sizes.
fn outcome(crossed: &Crossed) -> String {
    let Crossed { crossover, better, worse, alike, unclear } = crossed;
    if crossover.outcome != CrossoverOutcome::Undecided || better + worse + alike == 0 {
        let at = crate::spelling::outcome(&crossover.outcome);
        return format!("{at}{}", untold(crossover));
    }
    let at = if *better > 0 { better.to_string() } else { "none".to_owned() };
    let others = [(worse, "worse"), (alike, "no difference"), (unclear, "unclear")];
    let others = others.iter().filter(|(n, _)| **n > 0).map(|(n, word)| format!(", {word} at {n}"));
    let sizes = counted(better + worse + alike + unclear, "size", "sizes");
    format!("at {at} of {sizes}{}{}", others.collect::<String>(), untold(crossover))
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
        format!("{} {}: {}", place(&times.cell), over(times.cell.link), text(times))
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

/// `64 B, fields=1`.
fn place(cell: &Cell) -> String {
    let beside = [Factor::Send, Factor::Message, Factor::Threads, Factor::Link];
    let others = Shared::new(cell, &beside).to_string().replace(' ', ", ");
    if others.is_empty() { message(cell) } else { format!("{}, {others}", message(cell)) }
}
