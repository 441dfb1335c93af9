use analysis::answers::{Basis, Comparisons, Departed};
use analysis::copies::{NotCounted, Step};
use analysis::estimate::Estimate;
use analysis::findings::{Crossover, CrossoverOutcome};
use analysis::id::Id;
use analysis::operands::{Crossed, Seen};
use model::{Cell, Contrast, Link, SendPath, Shared};

use super::*;

fn cell(path: &str, bytes: u64, threads: u32) -> Cell {
    format!("send={path} message_bytes={bytes} threads={threads}").parse().unwrap()
}

fn around(mean: f64) -> Estimate {
    Estimate { mean, low: Some(mean * 0.9), high: Some(mean * 1.1), trials: 10 }
}

fn compared(cell: Cell, against: Cell, mean: f64) -> Compared {
    let finding = if mean > 1.0 { Finding::More } else { Finding::Less };
    Compared { cell, against, ratio: around(mean), finding, oversubscribed: false.into() }
}

fn answer(answered: bool, finding: AnswerFinding, compared: Vec<Comparisons>) -> Answer {
    Answer {
        id: Id::Question(0),
        answered,
        finding,
        compared,
        caveats: Vec::new(),
        would_change: Vec::new(),
        would_answer: Vec::new(),
    }
}

#[track_caller]
fn reads(answered: bool, finding: AnswerFinding, compared: Vec<Comparisons>, text: &str) {
    assert_eq!(line_of(&answer(answered, finding, compared), 51), text);
}

fn all_copied() -> Reason {
    Reason::Completions { copied: Measured::Value([1.0, 1.0]), copied_by: Some(Link::Loopback) }
}

fn none_came() -> Reason {
    Reason::Completions { copied: Measured::absent("no completion came"), copied_by: None }
}

#[test]
fn what_lacks_is_named() {
    let lacking = AnswerFinding::Lacking { reason: Reason::NoValidTrial };
    reads(false, lacking, Vec::new(), "not answered: no trial is valid");
}

#[test]
fn q0_tells_how_often_where_and_by_what_count() {
    let seen = |copies: f64, eliminated| Seen {
        low: copies,
        high: copies,
        eliminated,
        decides: !eliminated,
    };
    let of_send = |steps: &[(Step, Seen)]| {
        let steps = steps.iter().copied().collect();
        vec![OfPath { path: SendPath::Send, link: Link::Loopback, cells: 6, steps }]
    };
    let finding = |total, counted, not_counted: Option<(Step, NotCounted)>| AnswerFinding::Copies {
        total,
        counted,
        not_counted: not_counted
            .map(|(step, why)| Reason::StepNotCounted { step, why })
            .into_iter()
            .collect(),
        completions: none_came(),
    };
    let once = [(Step::In, seen(1.0, false)), (Step::Out, seen(1.0, false))];
    reads(
        true,
        finding(CopiesInAll::Two, of_send(&once), None),
        Vec::new(),
        "Two in all: once in, by the sender's call, once out, by the receiver's; counted for send over loopback: 1.00 copied in and 1.00 copied out a byte (6 cells); a network card's DMA is no copy by the CPU",
    );
    let kprobes = NotCounted::Quoted { text: "kprobes are off".to_owned() };
    reads(
        false,
        finding(CopiesInAll::TwoAtLeast, of_send(&once), Some((Step::Deferred, kprobes))),
        Vec::new(),
        "not answered: at least two: once in, by the sender's call, once out, by the receiver's; counted for send over loopback: 1.00 copied in and 1.00 copied out a byte (6 cells); a network card's DMA is no copy by the CPU; not counted: copied at delivery (kprobes are off)",
    );
    let twice = [(Step::In, seen(2.0, false)), (Step::Out, seen(1.0, false))];
    reads(
        true,
        finding(CopiesInAll::NotTwo, of_send(&twice), None),
        Vec::new(),
        "Not two in all; counted for send over loopback: 2.00 copied in and 1.00 copied out a byte (6 cells); a network card's DMA is no copy by the CPU",
    );
    let remains = [(Step::In, seen(1.0, true)), (Step::Out, seen(1.0, false))];
    reads(
        false,
        finding(CopiesInAll::Unclear, of_send(&remains), None),
        Vec::new(),
        "not answered: counted for send over loopback: 1.00 copied in (eliminated, not counted) and 1.00 copied out a byte (6 cells); by the kernel's source two in all: once in, by the sender's call, once out, by the receiver's; a network card's DMA is no copy by the CPU",
    );
    reads(
        false,
        AnswerFinding::Copies {
            total: CopiesInAll::Unclear,
            counted: Vec::new(),
            not_counted: Vec::new(),
            completions: all_copied(),
        },
        Vec::new(),
        "not answered: not counted in this run; by the kernel's source two in all: once in, by the sender's call, once out, by the receiver's; a network card's DMA is no copy by the CPU; every zero-copy completion was marked copied, as loopback always does on delivery",
    );
}

#[test]
fn q1_tells_in_how_many_comparisons_and_why() {
    let goodput = |means: &[f64]| {
        let ratios = means.iter().zip([64, 4096, 65_536]).map(|(mean, bytes)| {
            compared(cell("zerocopy", bytes, 1), cell("sendmsg", bytes, 1), *mean)
        });
        vec![Comparisons { metric: Metric::GoodputGbps, ratios: ratios.collect() }]
    };
    let finding =
        |saves, option, completions| AnswerFinding::ByReference { saves, option, completions };
    reads(
        true,
        finding(Saves::Nothing, Vec::new(), all_copied()),
        goodput(&[0.5]),
        "goodput, zerocopy / sendmsg: less in the one comparison, 0.500 × [0.450, 0.550] at 64 B; every zero-copy completion was marked copied, as loopback always does on delivery, so no copy was saved; the option was not left off to compare",
    );
    let mut off = cell("zerocopy", 64, 1);
    off.set(Factor::SoZerocopy, "off").unwrap();
    reads(
        true,
        finding(
            Saves::NothingAndPays,
            vec![compared(cell("zerocopy", 64, 1), off, 2.0)],
            all_copied(),
        ),
        goodput(&[0.5, 2.0, 0.5]),
        "goodput, zerocopy / sendmsg: more in 1 and less in 2 of 3 comparisons, 0.500 × [0.450, 0.550] at 64 B … 2.00 × [1.80, 2.20] at 4 KiB; every zero-copy completion was marked copied, as loopback always does on delivery, so it pays for pages and notifications on top of a copy; CPU per KiB of both ends, so_zerocopy=on / off, zerocopy, 64 B, 1 thread: 2.00 × [1.80, 2.20]",
    );
    let mut unclear = goodput(&[1.0]);
    unclear[0].ratios[0].finding = Finding::Undecided;
    reads(
        true,
        finding(Saves::Unclear, Vec::new(), none_came()),
        unclear,
        "goodput, zerocopy / sendmsg: not shown to differ in the one comparison, 1.00 × [0.900, 1.10] at 64 B; why is not shown: no zero-copy completion came, so what was copied is unknown",
    );
    // An interval without 1 in it, of one comparison among many.
    let mut corrected = goodput(&[0.5]);
    corrected[0].ratios[0].finding = Finding::Undecided;
    reads(
        true,
        finding(Saves::Unclear, Vec::new(), none_came()),
        corrected,
        "goodput, zerocopy / sendmsg: not shown to differ in the one comparison after correction for 51 comparisons, 0.500 × [0.450, 0.550] at 64 B; why is not shown: no zero-copy completion came, so what was copied is unknown",
    );
    let mut some = goodput(&[0.5, 0.5]);
    some[0].ratios[0].finding = Finding::Undecided;
    reads(
        true,
        finding(Saves::Unclear, Vec::new(), none_came()),
        some,
        "goodput, zerocopy / sendmsg: less in 1 of 2 comparisons after correction for 51 comparisons, 0.500 × [0.450, 0.550] at 64 B … 0.500 × [0.450, 0.550] at 4 KiB; why is not shown: no zero-copy completion came, so what was copied is unknown",
    );
}

#[test]
fn q2_names_the_levels_that_are_not_told_apart_and_no_other() {
    let by_level = [
        (Metric::SenderLlcMissesPerKib, 0.4),
        (Metric::SenderLlcLoadsPerKib, 0.45),
        (Metric::SenderL1dMissesPerKib, 0.55),
    ];
    let compared = |metric, mean| Comparisons {
        metric,
        ratios: vec![compared(cell("sendmsg", 64, 2), cell("send", 64, 2), mean)],
    };
    let levels = |largest, n| AnswerFinding::Levels {
        threads: 2,
        largest,
        levels: by_level
            .iter()
            .take(n)
            .map(|(metric, mean)| LevelRatio { metric: *metric, ratio: around(*mean) })
            .collect(),
    };
    let all = || by_level.iter().map(|(metric, mean)| compared(*metric, *mean)).collect();
    for (answered, largest, n, text) in [
        (
            true,
            Largest::First,
            3,
            "last-level misses fall most, sendmsg / send on the average over sizes (2 threads): last-level by 60 % [56, 64], L2 by 55 % [50, 60] and L1 data by 45 % [39, 50]; why is not shown: the calls and the order of the copy change together",
        ),
        (
            false,
            Largest::OneOf(vec![by_level[0].0, by_level[2].0]),
            3,
            "not answered: which level's misses fall most is unclear, sendmsg / send on the average over sizes (2 threads): last-level by 60 % [56, 64] and L1 data by 45 % [39, 50]",
        ),
        (
            true,
            Largest::NoneFalls,
            1,
            "not every level was counted; of those that were, no level's misses fall, sendmsg / send on the average over sizes (2 threads): last-level by 60 % [56, 64]",
        ),
        (
            false,
            Largest::NoneShown,
            2,
            "not answered: not every level was counted; of those that were, no level's misses are shown to fall, sendmsg / send on the average over sizes (2 threads): last-level by 60 % [56, 64] and L2 by 55 % [50, 60]",
        ),
        (
            false,
            Largest::NotTogether,
            0,
            "not answered: no round counted misses of both paths at every size",
        ),
    ] {
        reads(answered, levels(largest, n), all(), text);
    }
    reads(
        false,
        levels(Largest::NotCounted, 0),
        vec![compared(Metric::SenderCpuNsPerKib, 0.5)],
        "not answered: cache misses of both paths were not counted; the nearest that was, the sender's CPU per KiB, sendmsg / send: 0.500 × [0.450, 0.550] at 64 B",
    );
}

#[test]
fn q3_says_what_was_not_measured_and_claims_no_crowd_where_nothing_was() {
    let finding = |to| AnswerFinding::Threads { bytes: 65_536, from: 1, to };
    let of = |metric, oversubscribed: bool| Comparisons {
        metric,
        ratios: vec![Compared {
            oversubscribed: oversubscribed.into(),
            ..compared(cell("send", 65_536, 4), cell("send", 65_536, 1), 2.0)
        }],
    };
    let misses = |crowded| of(Metric::SenderLlcMissesPerKib, crowded);
    let cpu = |crowded| of(Metric::EndsCpuNsPerKib, crowded);
    for (answered, compared, text) in [
        (
            false,
            Vec::new(),
            "not answered: cache misses were not counted; CPU per KiB was not measured at both",
        ),
        (
            false,
            vec![cpu(false)],
            "not answered: cache misses were not counted; CPU per KiB of both ends, 4 / 1 threads, send, 64 KiB: 2.00 × [1.80, 2.20]",
        ),
        (
            false,
            vec![cpu(true)],
            "not answered: cache misses were not counted; CPU per KiB of both ends, 4 / 1 threads, send, 64 KiB: 2.00 × [1.80, 2.20]; more threads than CPUs, so no cause is claimed",
        ),
        (
            true,
            vec![misses(false), cpu(false)],
            "the sender's last-level misses per KiB, 4 / 1 threads, send, 64 KiB: 2.00 × [1.80, 2.20]; CPU per KiB of both ends, 4 / 1 threads, send, 64 KiB: 2.00 × [1.80, 2.20]; that the one makes the other is not shown",
        ),
    ] {
        reads(answered, finding(4), compared, text);
    }
    reads(false, finding(1), Vec::new(), "not answered: only 1 thread was measured");
}

#[test]
fn q5_tells_from_which_size_on_and_what_was_copied() {
    let crossover = Crossover {
        contrast: Contrast::of_paths(SendPath::Zerocopy, SendPath::Send),
        shared: Shared::new(&cell("send", 64, 1), &[Factor::Send, Factor::Message]),
        oversubscribed: false.into(),
        metric: Metric::GoodputGbps,
        outcome: CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 },
        sizes: vec![64, 512, 4096],
        unclear_sizes: vec![64],
    };
    let crossed = Crossed { crossover, better: 1, worse: 1, alike: 0, unclear: 1 };
    let ratios = vec![compared(cell("zerocopy", 4096, 1), cell("send", 4096, 1), 1.4)];
    reads(
        true,
        AnswerFinding::Sizes {
            path: SendPath::Zerocopy,
            against: SendPath::Send,
            break_evens: vec![crossed],
            completions: Some(all_copied()),
        },
        vec![Comparisons { metric: Metric::GoodputGbps, ratios }],
        "zerocopy beats send from a size between 512 B and 4 KiB on, unclear at 64 B (1 thread): 1.40 × [1.26, 1.54] at 4 KiB; every zero-copy completion was marked copied, as loopback always does on delivery",
    );
}

#[test]
fn q6_names_the_cell_or_says_that_nothing_surprises() {
    let finding = |tests, departures: Vec<Departed>| AnswerFinding::Departures {
        tests,
        surviving: u32::try_from(departures.len()).unwrap(),
        margin: 0.05,
        departures,
    };
    let departed = Departed {
        cell: cell("zerocopy", 65_536, 8),
        metric: Metric::GoodputGbps,
        basis: Basis::Additive,
        measured: 4.0,
        expected: 10.0,
        ratio: around(0.4),
        standard_errors: Some(9.0),
        p: 2e-6,
        oversubscribed: false.into(),
        not_told_from: Vec::new(),
    };
    reads(
        true,
        finding(40, vec![departed]),
        Vec::new(),
        "zerocopy at 64 KiB, 8 threads: goodput is 0.400 × [0.360, 0.440] of what its path, size and threads do elsewhere let expect (p = 2e-6 after Holm)",
    );
    reads(
        true,
        finding(40, Vec::new()),
        Vec::new(),
        "nothing surprising: in 40 tests no cell departs from what the other cells let expect, after correction and beyond 5 %",
    );
    reads(
        false,
        finding(0, Vec::new()),
        Vec::new(),
        "not answered: an expectation needs two sizes at two thread counts (or five sizes at one), in two rounds",
    );
}
