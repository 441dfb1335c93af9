//! Reasons in clauses.

use crate::spelling::{counted, level, listed, over, percent, ratio, share_range, short, size};
use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::operands::{Compared, OffsetCost};
use analysis::reason::{Derived, Figured, Reason, Unseen};
use model::{Cell, Factor, Link, Measured};

use super::copying;
use super::figures::metric;

/// Clauses of a sentence.
pub(crate) fn reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(reason).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

/// One clause.
pub(crate) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::NoValidTrial => "no trial is valid".to_owned(),
        Reason::NoWholeRound => "no whole round was measured".to_owned(),
        Reason::Each { metric: of, ratios } => comparisons(&metric(*of), ratios),
        Reason::Range { metric: name, least, most, of } => range(&metric(*name), least, most, *of),
        Reason::AtLeast { ratio } => format!("it would take {ratio} × or more"),
        Reason::NotMeasured { metric: of, paths, sizes, threads } => {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            let sizes: Vec<String> = sizes.iter().map(|bytes| size(*bytes as f64)).collect();
            let counts: Vec<String> = threads.iter().map(ToString::to_string).collect();
            let one = threads == &[1];
            let of_paths =
                if paths.is_empty() { String::new() } else { format!(" of {}", listed(&paths)) };
            let at =
                if sizes.is_empty() { String::new() } else { format!(" at {}", listed(&sizes)) };
            let with = if counts.is_empty() {
                String::new()
            } else {
                format!(" with {} {}", listed(&counts), if one { "thread" } else { "threads" })
            };
            format!("not measured: {}{of_paths}{at}{with}", metric(*of))
        }
        Reason::TooFewCpus => "more threads than CPUs".to_owned(),
        Reason::PageBytes { bytes } => format!("a page has {} here", size(*bytes as f64)),
        Reason::NoIntervention => {
            "no measurement without that cause, so it is not shown to be the cause".to_owned()
        }
        Reason::OffsetCosts { of } if of.is_empty() => {
            "no message was measured that touches more pages at another offset".to_owned()
        }
        Reason::OffsetCosts { of } => {
            let each: Vec<String> = of.iter().map(offset_cost).collect();
            format!(
                "CPU cost of zero-copy against the copy, over the same at offset 0: {}",
                listed(&each)
            )
        }
        Reason::Completions { copied: shares, copied_by } => copied(shares, *copied_by),
        Reason::Derived { what, least, most, of } => range(&derived(*what), least, most, *of),
        Reason::NotVaried { factor, value: None } => format!("not varied: {}", factor.id_key()),
        Reason::NotVaried { factor, value: Some(value) } => {
            format!("not measured: {}={value}", factor.id_key())
        }
        Reason::Figures { metric: of, figures: cells } => figures(&metric(*of), cells),
        Reason::Claimed { low, high } => format!("claimed: {low} to {high}"),
        Reason::FixedCosts { costs } if costs.is_empty() => {
            "no straight line over size fits, and no message below 1 KiB was sent by both paths"
                .to_owned()
        }
        Reason::FixedCosts { costs } => {
            let each = costs.iter().map(|cost| format!("{} {}", cost.path, level(&cost.ns)));
            let each: Vec<String> = each.collect();
            format!("fixed CPU cost of a message for the sender, in ns: {}", listed(&each))
        }
        Reason::CallsShare { share } => {
            let interval = share.low.zip(share.high).map_or_else(
                || "interval not known".to_owned(),
                |(low, high)| format!("{} to {}", percent(low), percent(high)),
            );
            format!("{} [{interval}] of the fixed cost goes with the calls", percent(share.mean))
        }
        Reason::NotInstrumented { what } => {
            let what = match what {
                Unseen::MemoryBandwidth => "how much of the memory's bandwidth is used",
                Unseen::SharedCacheLines => "cache lines that move between CPUs",
                Unseen::LockContention => "lock contention",
            };
            format!("this version does not measure {what}")
        }
        Reason::DemandReads { bytes_per_byte } => format!(
            "both ends read at most {} bytes from memory per byte carried, prefetches and writes not counted",
            short(*bytes_per_byte)
        ),
        Reason::NumaNodes { nodes: Measured::Value(nodes) } => {
            counted(*nodes, "NUMA node", "NUMA nodes")
        }
        Reason::NumaNodes { nodes: Measured::Absent { absent } } => {
            format!("the number of NUMA nodes is not available: {absent}")
        }
        Reason::Cache { level, bytes: None, .. } => {
            format!("the machine lists no L{level} cache")
        }
        Reason::Cache { level, bytes: Some(bytes), message_bytes } => {
            let messages = bytes.checked_div(*message_bytes).unwrap_or(0);
            let message = size(*message_bytes as f64);
            let room = match messages {
                0 => format!("less than a message of {message}"),
                n => format!("room for {} of {message}", counted(n, "message", "messages")),
            };
            format!("the L{level} cache has {}, {room}", size(*bytes as f64))
        }
        Reason::WorkingSet { bytes, cache_bytes } => format!(
            "buffers and sockets of all threads together hold at most {}, and the last-level cache {}",
            size(*bytes as f64),
            size(*cache_bytes as f64)
        ),
        Reason::Rings { threads, bytes } => format!(
            "the message buffers of {} take {}",
            counted(*threads, "sending thread", "sending threads"),
            size(*bytes as f64)
        ),
        Reason::Copies { of } => copying::copies(of),
        Reason::StepNotCounted { step, why } => copying::step_not_counted(*step, "", why),
        Reason::NotAudited { audit, cell, why } => {
            copying::not_audited(*audit, cell.as_deref(), why.as_deref())
        }
        Reason::UnlikeSamples { events: [one, other] } => {
            format!("samples of {one} and of {other} are not compared")
        }
        Reason::Crossovers { of } => copying::crossovers(of),
        Reason::Bookkeeping { ends, of } => copying::bookkeeping(ends, *of),
        Reason::StillCopied { ends, of } => copying::still_copied(ends, *of),
        Reason::NothingCopied { link } => format!("{} nothing is copied", over(*link)),
        Reason::NotAcrossNodes => {
            "not measured: the same workers within one NUMA node and across nodes".to_owned()
        }
        Reason::CountsAs { low, high } => format!("an interval within {low} to {high} × counts"),
        Reason::SizesCount { low, high } => {
            format!("a size from {} to {} counts", size(*low), size(*high))
        }
        Reason::TwoHosts => {
            "it is about both ends on one machine, and here they ran on two".to_owned()
        }
        Reason::NoTcp => {
            "no link of TCP with a receiver was measured, which the paper speaks of: a unix socket is none".to_owned()
        }
        Reason::SinkAlone => {
            "only the sink was measured: it has no receiver, so its figures are sender-side cost"
                .to_owned()
        }
    }
}

/// `offset 1: 1.04 × [1.02, 1.06] at 5 messages that touch 1 page more, relative to 3 that touch as many`.
fn offset_cost(cost: &OffsetCost) -> String {
    let OffsetCost { offset, ratio: of, with_more, with_as_many, pages_more, .. } = cost;
    let more = format!("{} more", short(*pages_more));
    let as_many = match with_as_many {
        0 => String::new(),
        n => format!(", relative to {n} that touch as many"),
    };
    format!(
        "offset {offset} {} for {} that touch {more} pages{as_many}",
        ratio(of),
        counted(*with_more, "message", "messages")
    )
}

/// How many zero-copy completions were marked copied: the least and the largest share of a cell's, and the link that always
/// copies on delivery.
pub(crate) fn copied(shares: &Measured<[f64; 2]>, copied_by: Option<Link>) -> String {
    match shares.value() {
        None => "no zero-copy completion came, so what was copied is unknown".to_owned(),
        Some([least, _]) if *least >= 1.0 => {
            let always = copied_by
                .map_or_else(String::new, |link| format!(", as {link} always does on delivery"));
            format!("every zero-copy completion was marked copied{always}")
        }
        Some([_, most]) if *most <= 0.0 => "no zero-copy completion was marked copied".to_owned(),
        Some([least, most]) => {
            format!("{} of zero-copy completions were marked copied", share_range(*least, *most))
        }
    }
}

/// Two cells by what they differ in: `sendmsg / send`, `8 / 4 threads`, `64 KiB / 4 KiB`, `so_zerocopy=on / off`.
fn pair(compared: &Compared) -> String {
    let (cell, against) = (&compared.cell, &compared.against);
    let differ = Factor::ALL.iter().filter(|f| cell.get(**f) != against.get(**f));
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these have words of their own")]
    let word = |factor: &Factor| match factor {
        Factor::Threads => format!("{} / {} threads", cell.threads, against.threads),
        Factor::Send | Factor::Message => {
            format!("{} / {}", value(cell, *factor), value(against, *factor))
        }
        _ => format!("{} / {}", value(cell, *factor), against.get(*factor)),
    };
    differ.map(word).collect::<Vec<_>>().join(", ")
}

/// One factor's value as readers know it.
#[allow(clippy::wildcard_enum_match_arm, reason = "only these have words of their own")]
fn value(cell: &Cell, factor: Factor) -> String {
    match factor {
        Factor::Message => size(cell.message.bytes().0 as f64),
        Factor::Threads => counted(cell.threads.get(), "thread", "threads"),
        Factor::Send => cell.send_path.to_string(),
        _ => format!("{}={}", factor.id_key(), cell.get(factor)),
    }
}

/// `goodput, 8 / 4 threads, 64 KiB: send 0.91 × [0.86, 0.96] and sendmsg 0.70 × [0.66, 0.74]`: what all have in common
/// stands once, and with each what it differs in.
pub(crate) fn comparisons(of: &str, compared: &[Compared]) -> String {
    let pairs: Vec<String> = compared.iter().map(pair).collect();
    let one_pair = pairs.windows(2).all(|two| two[0] == two[1]);
    // What a pair differs in stands in its name, not among what its cells share.
    let is_shared =
        |factor: &Factor| compared.iter().all(|c| c.cell.get(*factor) == c.against.get(*factor));
    let cells: Vec<&Cell> = compared.iter().map(|c| &c.cell).collect();
    let (common, own) = common_and_own(&cells, is_shared);
    let mut head = vec![of.to_owned()];
    head.extend(pairs.first().filter(|_| one_pair).cloned());
    head.extend(common);
    let each = compared.iter().zip(pairs).zip(own).map(|((c, pair), own)| {
        let names: Vec<String> = (!one_pair).then_some(pair).into_iter().chain(own).collect();
        named(&names, &ratio(&c.ratio))
    });
    format!("{}: {}", head.join(", "), listed(&each.collect::<Vec<_>>()))
}

/// `goodput: 2.22 × [2.21, 2.22] (64 KiB / 4 KiB, sendmsg, 4 threads) to 7.85 × [7.81, 7.90] (512 B / 64 B, send, 1 thread) in
/// 36 comparisons`: each end is named in full, as what both share the others need not.
fn range(of: &str, least: &Compared, most: &Compared, count: u32) -> String {
    match count {
        1 => comparisons(of, std::slice::from_ref(most)),
        2 => comparisons(of, &[least.clone(), most.clone()]),
        _ => {
            let end = |c: &Compared| {
                let is_shared = |f: &Factor| c.cell.get(*f) == c.against.get(*f);
                let (names, _) = common_and_own(&[&c.cell], is_shared);
                let names: Vec<String> = std::iter::once(pair(c)).chain(names).collect();
                format!("{} ({})", ratio(&c.ratio), names.join(", "))
            };
            format!("{of}: {} to {} in {count} comparisons", end(least), end(most))
        }
    }
}

/// The same of figures: `the sender's cycles per byte, 64 B: send, 1 thread 3.00 and sendmsg, 4 threads 5.00`.
fn figures(of: &str, figures: &[Figured]) -> String {
    let cells: Vec<&Cell> = figures.iter().map(|figure| &figure.cell).collect();
    let (common, own) = common_and_own(&cells, |_| true);
    let text = |of: &Estimate| if of.low == of.high { short(of.mean) } else { level(of) };
    let each = figures.iter().zip(own).map(|(figure, own)| named(&own, &text(&figure.value)));
    let head: Vec<String> = std::iter::once(of.to_owned()).chain(common).collect();
    format!("{}: {}", head.join(", "), listed(&each.collect::<Vec<_>>()))
}

/// Of the factors to be named, the values that all cells have, and those that each has of its own.
fn common_and_own(
    cells: &[&Cell],
    is_named: impl Fn(&Factor) -> bool,
) -> (Vec<String>, Vec<Vec<String>>) {
    let usual = Cell::default();
    let is_worth_it = |cell: &Cell, factor: &Factor| {
        matches!(factor, Factor::Message | Factor::Threads | Factor::Send)
            || cell.get(*factor) != usual.get(*factor)
    };
    let Some(first) = cells.first() else { return Default::default() };
    let (own, common): (Vec<Factor>, Vec<Factor>) = Factor::ALL
        .iter()
        .filter(|factor| is_named(factor))
        .partition(|factor| cells.iter().any(|cell| cell.get(**factor) != first.get(**factor)));
    let common =
        common.iter().filter(|f| is_worth_it(first, f)).map(|f| value(first, *f)).collect();
    let of = |cell: &&Cell| own.iter().map(|f| value(cell, *f)).collect();
    (common, cells.iter().map(of).collect())
}

fn named(names: &[String], figure: &str) -> String {
    if names.is_empty() { figure.to_owned() } else { format!("{} {figure}", names.join(", ")) }
}

/// What a derived figure is called in a sentence.
fn derived(of: Derived) -> String {
    match of {
        Derived::InstructionsPerCycle => "the sender's instructions per cycle".to_owned(),
        Derived::CacheMissesPerS => "the sender's cache misses per second".to_owned(),
        Derived::LastLevelMissesPer { level: Metric::SenderL1dMissesPerKib } => {
            "the sender's last-level misses per L1 data miss".to_owned()
        }
        Derived::LastLevelMissesPer { level: Metric::SenderLlcLoadsPerKib } => {
            "the sender's last-level misses per last-level read".to_owned()
        }
        Derived::LastLevelMissesPer { level } => {
            format!("the sender's last-level misses per KiB over {}", metric(level))
        }
        Derived::Gain { path, against } => format!("gain of {path} over {against}"),
        Derived::GoodputKept { from, to } => format!("goodput kept from {from} to {to} threads"),
    }
}

#[cfg(test)]
mod tests {
    use analysis::results::Finding;
    use model::SendPath;

    use super::*;

    fn cell(id: &str) -> Cell {
        id.parse().unwrap()
    }

    fn estimate(mean: f64) -> Estimate {
        Estimate { mean, low: Some(mean * 0.95), high: Some(mean * 1.05), trials: 10 }
    }

    fn compared(of: &str, against: &str, mean: f64) -> Compared {
        Compared {
            cell: cell(of),
            against: cell(against),
            ratio: estimate(mean),
            finding: Finding::More,
            oversubscribed: false.into(),
        }
    }

    #[track_caller]
    fn reads(reason_is: Reason, text: &str) {
        assert_eq!(reason(&reason_is), text);
    }

    fn each(ratios: impl IntoIterator<Item = Compared>) -> Reason {
        Reason::Each { metric: Metric::GoodputGbps, ratios: ratios.into_iter().collect() }
    }

    #[test]
    fn what_goes_with_the_calls_is_a_share_with_its_interval() {
        let share = Estimate { mean: 0.84, low: Some(0.8), high: Some(0.88), trials: 10 };
        let text = "84 % [80 % to 88 %] of the fixed cost goes with the calls";
        reads(Reason::CallsShare { share }, text);
        let unknown = Estimate { low: None, high: None, ..share };
        let text = "84 % [interval not known] of the fixed cost goes with the calls";
        reads(Reason::CallsShare { share: unknown }, text);
        reads(
            Reason::SizesCount { low: 2048.0, high: 8192.0 },
            "a size from 2 KiB to 8 KiB counts",
        );
    }

    #[test]
    fn what_an_offset_costs_names_the_messages_that_it_moves() {
        let cost = |offset, with_as_many, pages_more| OffsetCost {
            offset,
            ratio: estimate(1.1),
            finding: Finding::More,
            with_more: 5,
            with_as_many,
            pages_more,
        };
        reads(
            Reason::OffsetCosts { of: vec![cost(1, 3, 1.0), cost(2048, 0, 1.5)] },
            "CPU cost of zero-copy against the copy, over the same at offset 0: offset 1 1.10 × [1.04, 1.16] for 5 messages that touch 1.00 more pages, relative to 3 that touch as many and offset 2048 1.10 × [1.04, 1.16] for 5 messages that touch 1.50 more pages",
        );
        reads(
            Reason::OffsetCosts { of: Vec::new() },
            "no message was measured that touches more pages at another offset",
        );
    }

    #[test]
    fn one_comparison_names_what_differs_and_then_where() {
        reads(
            each([compared(
                "send=sendmsg message_bytes=64 threads=1",
                "send=send message_bytes=64 threads=1",
                4.8,
            )]),
            "goodput, sendmsg / send, 64 B, 1 thread: 4.80 × [4.56, 5.04]",
        );
        reads(
            each([compared(
                "send=zerocopy message_bytes=4096 threads=1",
                "send=zerocopy message_bytes=4096 threads=1 so_zerocopy=off",
                0.5,
            )]),
            "goodput, so_zerocopy=on / off, zerocopy, 4 KiB, 1 thread: 0.500 × [0.475, 0.525]",
        );
    }

    #[test]
    fn of_several_comparisons_each_names_what_is_its_own() {
        reads(
            each(["send", "sendmsg"].map(|path| {
                let with =
                    |threads: u32| format!("send={path} message_bytes=65536 threads={threads}");
                compared(&with(8), &with(4), 0.7)
            })),
            "goodput, 8 / 4 threads, 64 KiB: send 0.700 × [0.665, 0.735] and sendmsg 0.700 × [0.665, 0.735]",
        );
        reads(
            each([1, 4].map(|threads| {
                let by = |path: &str| format!("send={path} message_bytes=64 threads={threads}");
                compared(&by("zerocopy"), &by("sendmsg"), 0.25)
            })),
            "goodput, zerocopy / sendmsg, 64 B: 1 thread 0.250 × [0.237, 0.263] and 4 threads 0.250 × [0.237, 0.263]",
        );
        reads(
            each(["send", "sendmsg"].map(|path| {
                let by = |path: &str| format!("send={path} message_bytes=64 threads=1");
                compared(&by("zerocopy"), &by(path), 0.25)
            })),
            "goodput, 64 B, 1 thread: zerocopy / send 0.250 × [0.237, 0.263] and zerocopy / sendmsg 0.250 × [0.237, 0.263]",
        );
    }

    #[test]
    fn a_range_names_both_ends_in_full() {
        let step = |larger: u64, smaller: u64, path: &str, mean: f64| {
            let of = |bytes: u64| format!("send={path} message_bytes={bytes} threads=1");
            compared(&of(larger), &of(smaller), mean)
        };
        let (least, most) = (step(65_536, 4096, "sendmsg", 2.0), step(512, 64, "send", 8.0));
        reads(
            Reason::Range {
                metric: Metric::GoodputGbps,
                least: Box::new(least),
                most: Box::new(most),
                of: 9,
            },
            "goodput: 2.00 × [1.90, 2.10] (64 KiB / 4 KiB, sendmsg, 1 thread) to 8.00 × [7.60, 8.40] (512 B / 64 B, send, 1 thread) in 9 comparisons",
        );
        let kept = compared(
            "send=send message_bytes=65536 threads=8 placement=0-7/8-15",
            "send=send message_bytes=65536 threads=8 placement=0-7/16-23",
            2.0,
        );
        let what = Derived::GoodputKept { from: 4, to: 8 };
        reads(
            Reason::Derived { what, least: Box::new(kept.clone()), most: Box::new(kept), of: 1 },
            "goodput kept from 4 to 8 threads, placement=0-7/8-15 / 0-7/16-23, send, 64 KiB, 8 threads: 2.00 × [1.90, 2.10]",
        );
    }

    #[test]
    fn figures_of_cells_stand_beside_what_was_claimed() {
        let figure = |path: &str, value: Estimate| Figured {
            cell: cell(&format!("send={path} message_bytes=64 threads=1")),
            value,
        };
        let count = |n: f64| Estimate { mean: n, low: Some(n), high: Some(n), trials: 10 };
        let figures = vec![figure("send", count(8.0)), figure("sendmsg", count(1.0))];
        reads(
            Reason::Figures { metric: Metric::SendCallsPerMessage, figures },
            "send calls per message, 64 B, 1 thread: send 8.00 and sendmsg 1.00",
        );
        let cycles = Reason::Figures {
            metric: Metric::SenderCyclesPerByte,
            figures: vec![figure("send", estimate(170.0))],
        };
        assert_eq!(
            reasons(&[cycles, Reason::Claimed { low: 50.0, high: 300.0 }]),
            "the sender's cycles per byte, send, 64 B, 1 thread: 170 [162, 178]; claimed: 50 to 300"
        );
    }

    #[test]
    fn what_counts_as_claimed_is_said() {
        reads(
            Reason::CountsAs { low: 1.05, high: 1.25 },
            "an interval within 1.05 to 1.25 × counts",
        );
    }

    #[test]
    fn what_is_missing_is_named_as_one_would_ask_for_it() {
        let missing = |metric, paths: &[SendPath], sizes: &[u64], threads: &[u32]| {
            let (paths, sizes, threads) = (paths.to_vec(), sizes.to_vec(), threads.to_vec());
            Reason::NotMeasured { metric, paths, sizes, threads }
        };
        reads(
            missing(Metric::GoodputGbps, &[SendPath::Sendmsg], &[4096], &[4, 8]),
            "not measured: goodput of sendmsg at 4 KiB with 4 and 8 threads",
        );
        reads(
            missing(Metric::SenderCyclesPerByte, &[], &[], &[]),
            "not measured: the sender's cycles per byte",
        );
        let value = Some("none".to_owned());
        reads(
            Reason::NotVaried { factor: Factor::Placement, value },
            "not measured: placement=none",
        );
        reads(
            Reason::NotAcrossNodes,
            "not measured: the same workers within one NUMA node and across nodes",
        );
        reads(
            Reason::NotInstrumented { what: Unseen::LockContention },
            "this version does not measure lock contention",
        );
        let nodes = Measured::absent("no such file");
        reads(
            Reason::NumaNodes { nodes },
            "the number of NUMA nodes is not available: no such file",
        );
    }

    #[test]
    fn a_cache_is_held_against_a_message() {
        let cache = |bytes| Reason::Cache { level: 3, bytes, message_bytes: 65_536 };
        reads(cache(Some(12 << 20)), "the L3 cache has 12 MiB, room for 192 messages of 64 KiB");
        reads(cache(Some(32 << 10)), "the L3 cache has 32 KiB, less than a message of 64 KiB");
        reads(cache(None), "the machine lists no L3 cache");
        reads(
            Reason::WorkingSet { bytes: 4 << 20, cache_bytes: 12 << 20 },
            "buffers and sockets of all threads together hold at most 4 MiB, and the last-level cache 12 MiB",
        );
        reads(
            Reason::Rings { threads: 8, bytes: 4 << 20 },
            "the message buffers of 8 sending threads take 4 MiB",
        );
    }
}
