//! The laws, what was seen of them and what breaks them, in sentences.

use crate::spelling::{counted, level, listed, over, percent, ratio, shared_words, short, size};
use analysis::delivery::{Delivery, Unforeseen};
use analysis::findings::{CeilingShare, ModelledSide};
use analysis::laws::law::Law;
use analysis::laws::reason::{
    Breach, BreachRecord, BrokenLine, Counted, Figure, Fit, FittedLine, LawReason, PathOnLink,
    Source, Who, Wrong,
};
use analysis::reason::Shown;
use model::Link;

use super::copying;
use super::figures::metric;

/// What is the same of a law on every run.
#[derive(Clone, Copy, Default)]
struct Text {
    name: &'static str,
    states: &'static str,
    sources: [&'static str; 2],
    /// What is compared: one, and several.
    of: [&'static str; 2],
    /// What is so where they agree, and where they do not.
    seen: [&'static str; 2],
    /// That the run holds no record of it.
    no_record: &'static str,
}

const TRIALS: [&str; 2] = ["trial", "trials"];
const NO_TRIAL: &str = "no trial finished";
/// Of laws that are put into other words.
const NOT_COMPARED: [&str; 2] = [""; 2];

/// The laws, in the order of their numbers.
const LAWS: [Text; 11] = [
    Text {
        name: "content",
        states: "after the drain the receivers took every byte that the senders' calls accepted, in whole messages and unchanged where checked",
        sources: [
            "bytes accepted by the senders' calls",
            "bytes taken by the receivers' calls; on the sink those that its program counted in order",
        ],
        of: TRIALS,
        seen: ["every byte accepted was received", "bytes accepted and received differ"],
        no_record: NO_TRIAL,
    },
    Text {
        name: "calls",
        states: "the ends make as many system calls as they tally",
        sources: ["the ends' tally", "the kernel's tracepoints"],
        of: ["audit trial", "audit trials"],
        seen: ["the kernel saw as many calls as were tallied", "tally and kernel differ"],
        no_record: NO_TRIAL,
    },
    Text {
        name: "notifications",
        states: "every successful zero-copy send is completed exactly once",
        sources: ["successful zero-copy sends", "ids in the kernel's completions"],
        of: TRIALS,
        seen: ["each zero-copy send was completed once", "sends and completions differ"],
        no_record: "no zero-copy send was made",
    },
    Text {
        name: "copied",
        states: "delivery on the same machine marks every zero-copy completion copied, the sink none; to another host it does where something on the way copies, and where the devices tell that nothing does, none",
        sources: ["the link and the hosts' devices", "the copied mark of the kernel's completions"],
        of: TRIALS,
        seen: NOT_COMPARED,
        no_record: "no zero-copy completion came",
    },
    Text {
        name: "copies",
        states: "send and sendmsg copy each byte once in and once out; zerocopy copies it not in but once at delivery on the same machine, and on the sink not at all",
        sources: ["payload bytes", "bytes copied in the kernel, by function and end"],
        of: ["figure", "figures"],
        seen: [
            "copies per byte are within 0.01 of what the kernel's source lets expect",
            "copies per byte are not what the kernel's source lets expect",
        ],
        no_record: NO_TRIAL,
    },
    Text {
        name: "cpu",
        states: "the CPUs in use are busy for no longer than the wall clock allows, and for at least the ends' own CPU time, also beyond what they do with the ends idle",
        sources: ["busy time of whole CPUs", "the workers' own CPU clocks"],
        of: TRIALS,
        seen: [
            "the CPUs were busy for at least the ends' CPU time and no longer than the wall clock",
            "busy time and CPU time contradict",
        ],
        no_record: NO_TRIAL,
    },
    Text {
        name: "cycles",
        states: "cycles over CPU time lie inside the CPU's frequency range",
        sources: ["the cycle counter", "the task clock and the CPU's frequency range"],
        of: TRIALS,
        seen: [
            "both ends ran at a frequency that the CPU has",
            "cycles over CPU time are no frequency of this CPU",
        ],
        no_record: NO_TRIAL,
    },
    Text {
        name: "ceiling",
        states: "goodput × copies per byte stays under the rate at which the same CPUs can copy",
        sources: [
            "goodput",
            "copying measured on the same CPUs at a working set that is no larger",
        ],
        of: ["cell", "cells"],
        seen: [
            "copying stays under the ceiling",
            "copying is faster than these CPUs can copy (something else ran while the ceiling was measured, or fewer bytes are copied than expected)",
        ],
        no_record: "no cell over a link of this machine has a valid trial",
    },
    Text {
        name: "cost",
        states: "CPU a message and side = a + b·bytes with a and b above 0; only the break points named beforehand may change that",
        sources: ["CPU time at each message size", "the line through the other sizes"],
        of: ["fitted line", "fitted lines"],
        seen: NOT_COMPARED,
        no_record: NO_TRIAL,
    },
    Text {
        name: "a-a",
        states: "the same cell measured twice is equivalent within the run's noise floor",
        sources: ["a cell", "its twin in the same blocks"],
        of: ["cell", "cells"],
        seen: NOT_COMPARED,
        no_record: NO_TRIAL,
    },
    Text {
        name: "negative-control",
        states: "MSG_ZEROCOPY on a socket without SO_ZEROCOPY is an ordinary copy: no notification, and the cost of sendmsg",
        sources: ["the option left off", "completions, and the cost of sendmsg in the same blocks"],
        of: TRIALS,
        seen: ["no notification came", "notifications came without SO_ZEROCOPY"],
        no_record: "no trial left SO_ZEROCOPY off",
    },
];

fn text(id: u32) -> Text {
    let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
    place.and_then(|place| LAWS.get(place)).copied().unwrap_or_default()
}

/// A law's short name: `notifications`.
pub(crate) fn law_name(law: &Law) -> &'static str {
    text(law.id).name
}

/// `law 3 (notifications)`.
pub fn law_title(law: &Law) -> String {
    format!("law {} ({})", law.id, law_name(law))
}

/// Where it stands on the page.
pub(crate) fn anchor(law: &Law) -> String {
    format!("law-{}-{}", law.id, law_name(law))
}

/// The law itself in one sentence.
pub(crate) fn states(law: &Law) -> &'static str {
    text(law.id).states
}

/// Its two independent sources.
pub(crate) fn sources(law: &Law) -> [&'static str; 2] {
    text(law.id).sources
}

/// Why it holds, is broken or stays open: all that was seen.
pub fn law_because(law: &Law) -> String {
    because(law.id, &law.reasons)
}

/// The first of what was seen, where there is room for no more.
pub(crate) fn in_short(law: &Law) -> String {
    because(law.id, law.reasons.get(..1).unwrap_or_default())
}

/// What was seen of a law on a link.
pub(crate) fn because(id: u32, reasons: &[LawReason]) -> String {
    let clauses = reasons.iter().map(|reason| clause(&text(id), reason));
    clauses.filter(|clause| !clause.is_empty()).collect::<Vec<_>>().join("; ")
}

fn clause(law: &Text, reason: &LawReason) -> String {
    let counted_of = |n: u32| counted(n, law.of[0], law.of[1]);
    match reason {
        LawReason::NoRecord => law.no_record.to_owned(),
        LawReason::Absent { source, of, why } => {
            let of = if of.is_empty() { String::new() } else { for_places(of) };
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            format!("{}{of}{why}", absent(*source))
        }
        LawReason::Compared { of, differ: 0 } => {
            format!("{} in {}", law.seen[0], counted_of(*of))
        }
        LawReason::Compared { of, differ } => {
            format!("{} in {differ} of {}", law.seen[1], counted_of(*of))
        }
        LawReason::Count { of, n } => count(*of, *n),
        LawReason::Completions { link, delivery, trials, differ, sends, completions, copied } => {
            let seen = Marked {
                over: over(*link),
                trials: counted_of(*trials),
                differ: *differ,
                sends: *sends,
                completions: *completions,
                copied: *copied,
            };
            marked(*link, delivery, &seen)
        }
        LawReason::Nearest { share } => format!("the nearest is {}: {}", share.cell, near(share)),
        LawReason::Lines { fit, n, of } => lines(*fit, *n, &counted_of(*of)),
        LawReason::Breaks { lines, more } => breaks(lines, *more),
        LawReason::StepNotCounted { step, of, why } => {
            copying::step_not_counted(*step, &for_places(of), why)
        }
        LawReason::TwinsDiffer { metric: of, ratio: twins } => format!(
            "equal cells differ: {} {}; distrust differences of that order, and look for what else runs",
            metric(*of),
            ratio(twins)
        ),
        LawReason::Twins { metric: of, ratio: twins } => {
            format!("{} of the twins {}", metric(*of), ratio(twins))
        }
        LawReason::NoiseFloor { half_width } => {
            format!("the noise floor is ±{}", percent(*half_width))
        }
        LawReason::Cost { cell, against, ratio: cost, limit: within, alike } => {
            let limit = percent(*within);
            let verdict = match alike {
                Shown::Yes => format!("within {limit}"),
                Shown::No => format!("not within {limit}"),
                Shown::Unclear | Shown::NotMeasured | Shown::NotApplicable => {
                    let ends = [1.0 / (1.0 + *within), 1.0 + *within].map(short);
                    format!("not shown to be within {limit} ({} to {} ×)", ends[0], ends[1])
                }
            };
            format!("{cell}: its CPU per KiB is {} {}'s, {verdict}", ratio(cost), against.send_path)
        }
    }
}

const fn absent(source: Source) -> &'static str {
    match source {
        Source::Calls => "the calls that the kernel sees were not counted",
        Source::SenderCalls => "the senders' calls that their kernel sees were not counted",
        Source::ReceiverCalls => "the receivers' calls that their kernel sees were not counted",
        Source::CopiedBytes => "the bytes that the kernel copies were not counted",
        Source::BusyTime => "busy time of the CPUs was not measured",
        Source::Cycles => "cycles were not counted",
        Source::TaskClock => "the task clock was not read",
        Source::FrequencyRange => "the CPU's frequency range is unknown",
        Source::CopyingRate => "how fast these CPUs copy was not measured",
        Source::Line => "no line was fitted",
        Source::Intervals => "one round gives no interval for a and b",
        Source::Twins => "equal cells were not compared",
        Source::CostOfCopy => "its cost was not compared with sendmsg's",
    }
}

/// ` for send over loopback and zerocopy into the sink`.
fn for_places(of: &[PathOnLink]) -> String {
    let of: Vec<String> = of.iter().map(|it| format!("{} {}", it.path, over(it.link))).collect();
    format!(" for {}", listed(&of))
}

/// How much there was; nothing where nothing is to be added.
fn count(of: Counted, n: u64) -> String {
    match of {
        Counted::CheckedBytes if n == 0 => {
            "content was not compared in timing trials; copycost verify compares every byte"
                .to_owned()
        }
        Counted::CheckedBytes => format!("{n} bytes were compared with what was sent"),
        Counted::SinkTrials | Counted::NoLowestFrequency if n == 0 => String::new(),
        Counted::SinkTrials => {
            format!("in {} the sink's own program counted them", counted(n, TRIALS[0], TRIALS[1]))
        }
        Counted::NoLowestFrequency => format!(
            "in {} the CPU's lowest frequency is unknown, so that only the highest was compared",
            counted(n, TRIALS[0], TRIALS[1])
        ),
        Counted::Calls => format!("{} tallied", counted(n, "call", "calls")),
        Counted::RingCompletions => {
            format!("{} taken from io_urings", counted(n, "completion", "completions"))
        }
        Counted::Sends => counted(n, "such send", "such sends"),
        Counted::AuditTrials => format!("counted in {}", counted(n, "audit trial", "audit trials")),
    }
}

/// What the mark's absence shows: `skb_zerocopy_notify_extend` (net/core/skbuff.c) joins a completion to the one before by
/// their ids alone, and the mark of the first stays.
const MERGED: &str = "completions may be merged without comparing this mark, so that it shows that no range of them began copied; that nothing was copied is for the copy audit's count, law 5";

/// What the completions of a link said.
struct Marked {
    over: String,
    trials: String,
    differ: u32,
    sends: u64,
    completions: u64,
    copied: u64,
}

/// What was seen first, then what it means.
fn marked(link: Link, delivery: &Delivery, seen: &Marked) -> String {
    let Marked { over, trials, differ, sends, completions, copied } = seen;
    let is_between_hosts = link.capabilities().has_peer_host;
    let shared = if is_between_hosts { " (both ends run under one kernel)" } else { "" };
    match (delivery, differ) {
        (Delivery::Copied, 0) => {
            format!("all {completions} completions in {trials} {over} were marked copied{shared}")
        }
        (Delivery::Left, 0) => format!(
            "none of {completions} completions of {sends} sends in {trials} {over} was marked copied ({MERGED})"
        ),
        (Delivery::Copied, n) => format!(
            "in {n} of {trials} {over} not every completion was marked copied{shared}: this kernel delivers otherwise, or the mark is wrong"
        ),
        (Delivery::Left, n) if is_between_hosts => format!(
            "{copied} of {completions} completions were marked copied, in {n} of {trials} {over}, though the sender's device takes bytes from where they lie and no packet socket is shown them: something copies packets on their way to it"
        ),
        (Delivery::Left, n) => format!(
            "in {n} of {trials} {over} completions were marked copied: something copies packets that the sink drops (a packet tap, a device without scatter-gather)"
        ),
        (Delivery::Unforeseen(why), _) => format!(
            "{copied} of {completions} completions of {sends} sends in {trials} {over} were marked copied; what they should be is not known beforehand ({})",
            unforeseen(why)
        ),
    }
}

/// Why nobody knows beforehand what delivery to another host does.
pub(crate) fn unforeseen(why: &Unforeseen) -> String {
    match why {
        Unforeseen::NoLine { device } => format!(
            "the sender's {device} has no line that anybody tells of: a virtual device may copy packets or pass them on"
        ),
        Unforeseen::InOnePiece { device } => {
            format!("the sender's {device} takes packets in one piece, without scatter-gather")
        }
        Unforeseen::Tapped { taps } => format!(
            "{} of the sender's host shown every packet, which is copied for each: end tcpdump and its like",
            counted(*taps, "packet socket is", "packet sockets are")
        ),
        Unforeseen::NotRecorded => "the run did not record the sender's device".to_owned(),
    }
}

fn lines(fit: Fit, n: u32, lines: &str) -> String {
    match fit {
        Fit::AboveZero => format!(
            "in {n} of {lines} both a and b are shown to be above 0, in none is either shown to be below"
        ),
        Fit::BelowZero => format!("a or b is below 0 in {}", counted(n, "place", "places")),
        Fit::Unexplained => format!(
            "a straight line does not fit in {n} of {lines}, and no break point named beforehand explains it"
        ),
        Fit::Untestable => format!(
            "a straight line does not fit in {n} of {lines}, and the breaks named beforehand cannot be tested with these sizes and rounds"
        ),
    }
}

/// `breaks named beforehand are shown: sender of send, 1 thread, at segment size (64 KiB); …`.
fn breaks(lines: &[BrokenLine], more: u32) -> String {
    let line = |of: &BrokenLine| {
        let at = of.at.iter().map(|point| format!("{} ({})", point.name, size(point.bytes)));
        format!("{}, at {}", name(&of.line), listed(&at.collect::<Vec<_>>()))
    };
    let more = (more > 0).then(|| counted(more, "more line", "more lines"));
    let lines: Vec<String> = lines.iter().map(line).chain(more).collect();
    format!("breaks named beforehand are shown: {}", lines.join("; "))
}

/// `60.1 [59, 61] Gbit/s × 1.00 copies per byte on the senders' CPUs is 52 % of 115 Gbit/s (memcpy at 4 MiB)`.
fn near(share: &CeilingShare) -> String {
    format!(
        "{} Gbit/s × {} copies per byte on the {} CPUs is {} of {} Gbit/s ({} at {})",
        level(&share.goodput_gbps),
        short(share.copies.per_byte),
        side(share.side),
        percent(share.share.mean),
        short(share.ceiling_gbps),
        share.routine,
        size(share.working_set_bytes as f64),
    )
}

const fn side(side: ModelledSide) -> &'static str {
    match side {
        ModelledSide::Sender => "senders'",
        ModelledSide::Receiver => "receivers'",
    }
}

/// `sender of sendmsg, 1 thread`.
fn name(line: &FittedLine) -> String {
    format!("{} of {}, {}", line.side.name(), line.path, shared_words(&line.shared))
}

/// The records that break a law, each with what is wrong, and how many more do.
pub(crate) fn broken_by(law: &Law) -> Vec<String> {
    let more = (law.broken_by_more > 0).then(|| format!("and {} more", law.broken_by_more));
    law.broken_by.iter().map(breach).chain(more).collect()
}

fn breach(breach: &Breach) -> String {
    let record = match &breach.record {
        BreachRecord::Trial { round, cell } => format!("round {round}, {cell}"),
        BreachRecord::Audit { cell } => format!("audit, {cell}"),
        BreachRecord::Cell { cell } => format!("all rounds, {cell}"),
        BreachRecord::Line { line } => format!("all rounds, {}", name(line)),
    };
    let wrong = match &breach.wrong {
        Wrong::Figure { figure, is, should } => differs(*figure, *is, *should),
        Wrong::Ceiling { share } => near(share),
        Wrong::BelowZero { fixed: true, ns } => format!("a = {} ns per message", level(ns)),
        Wrong::BelowZero { fixed: false, ns } => format!("b = {} ns per byte", level(ns)),
        Wrong::NoFit { p } => format!("the line does not fit (p = {p:.0e} after Holm)"),
        Wrong::Twin => "differs from its twin".to_owned(),
        Wrong::Cost { against, ratio: cost } => {
            format!("its CPU per KiB is {} that of {against}", ratio(cost))
        }
    };
    format!("{record}: {wrong}")
}

fn of_whom(who: Who) -> &'static str {
    match who {
        Who::Senders => "the senders",
        Who::Receivers => "the receivers",
        Who::SinkHelper => "the sink's helper",
    }
}

/// What a figure is, and what it should be.
fn differs(figure: Figure, is: f64, should: f64) -> String {
    let ms = |ns: f64| short(ns / 1e6);
    match figure {
        Figure::ReceivedBytes => format!("{is} bytes received, {should} accepted"),
        Figure::SinkBytes { gaps } => format!(
            "{is} bytes taken in order by the sink's program ({gaps} packets beyond a gap), {should} accepted"
        ),
        Figure::ChangedBytes => format!("{is} bytes are not what was sent"),
        Figure::MessageBytes => format!("{is} bytes in whole messages, {should} accepted"),
        Figure::Calls { who, call } => {
            format!("{} tallied {should} of {call}, the kernel saw {is}", of_whom(who))
        }
        Figure::RingCompletions { who } => format!(
            "{} took {should} completions from their io_urings, the kernel posted {is}",
            of_whom(who)
        ),
        Figure::Completed => format!("{is} ids completed, {should} zero-copy sends"),
        Figure::StrayIds => format!("{is} ids unknown or completed twice"),
        Figure::MarkedCopied => format!("{is} completions marked copied, not {should}"),
        Figure::Copies { step } => format!("{} {is:.3} times a byte, not {should}", step.words()),
        Figure::BusyNs { cpu } => {
            format!("CPU {cpu} was busy for {} ms of {} ms", ms(is), ms(should))
        }
        Figure::EndsCpuNs => format!(
            "the ends used {} ms of CPU, but the CPUs were busy for {} ms",
            ms(is),
            ms(should)
        ),
        Figure::MachineNs => format!(
            "the ends used {} ms of CPU, but the CPUs were busy for {} ms beyond what they do with the ends idle",
            ms(is),
            ms(should)
        ),
        Figure::Hz { side } => {
            let end = if is > should { "highest" } else { "lowest" };
            let (is, should) = (short(is), short(should));
            format!("the {} ran at {is}Hz, the CPU's {end} is {should}Hz", side.name())
        }
        Figure::CeilingOfBoth => {
            format!("both sides share their CPUs and copy {} of the ceiling together", percent(is))
        }
        Figure::Notifications => format!("{is} notifications and completed ids"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]
mod tests;
