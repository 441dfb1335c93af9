use analysis::copies::{NotCounted, Step};
use analysis::estimate::Estimate;
use analysis::findings::{BreakPoint, Copies};
use analysis::laws::law::LawState;
use analysis::metric::Metric;
use model::{Cell, Factor, Measured, SendPath, Shared};

use super::*;

fn cell(id: &str) -> Cell {
    id.parse().unwrap()
}

fn around(mean: f64) -> Estimate {
    Estimate { mean, low: Some(mean * 0.9), high: Some(mean * 1.1), trials: 10 }
}

fn law(id: u32, reasons: Vec<LawReason>) -> Law {
    Law {
        id,
        state: LawState::Broken,
        reasons,
        would_decide: Vec::new(),
        compared: 120,
        broken_by: Vec::new(),
        broken_by_more: 0,
        links: Vec::new(),
    }
}

fn compared(differ: u32) -> LawReason {
    LawReason::Compared { of: 120, differ }
}

fn absent(source: Source, why: &str) -> LawReason {
    LawReason::Absent { source, of: Vec::new(), why: why.to_owned() }
}

fn lines(fit: Fit, n: u32) -> LawReason {
    LawReason::Lines { fit, n, of: 8 }
}

fn completions(link: Link, differ: u32) -> LawReason {
    let delivery = Delivery::of(&synthetic::host(), link);
    marked_of(link, delivery, differ)
}

fn marked_of(link: Link, delivery: Delivery, differ: u32) -> LawReason {
    let copied = if delivery == Delivery::Copied { 40 } else { 4 * u64::from(differ) };
    LawReason::Completions {
        link,
        delivery,
        trials: 10,
        differ,
        sends: 80,
        completions: 40,
        copied,
    }
}

fn cost(alike: Shown, mean: f64) -> LawReason {
    LawReason::Cost {
        cell: Box::new(cell("send=zerocopy message_bytes=64 threads=1 so_zerocopy=off")),
        against: Box::new(cell("send=sendmsg message_bytes=64 threads=1")),
        ratio: around(mean),
        limit: 0.1,
        alike,
    }
}

fn of_send(source: impl FnOnce(Vec<PathOnLink>) -> LawReason) -> LawReason {
    source(vec![PathOnLink { path: SendPath::Send, link: Link::Loopback }])
}

fn line_of(threads: u32) -> FittedLine {
    let cell = cell(&format!("send=send message_bytes=64 threads={threads}"));
    let shared = Shared::new(&cell, &[Factor::Send, Factor::Message]);
    FittedLine { side: ModelledSide::Sender, path: SendPath::Send, shared }
}

/// Each law holding, broken and open, in its sentences.
#[test]
fn every_law_says_what_was_seen() {
    let nearest = LawReason::Nearest {
        share: Box::new(CeilingShare {
            cell: cell("send=send message_bytes=4096 threads=1"),
            side: ModelledSide::Sender,
            cpus: vec![0],
            goodput_gbps: around(60.0),
            copies: Copies { per_byte: 1.0, audited: true, expected: Some(1.0) },
            routine: "memcpy".to_owned(),
            working_set_bytes: 4 << 20,
            ceiling_gbps: 115.0,
            share: around(0.52),
        }),
    };
    let eliminated =
        |of| LawReason::StepNotCounted { step: Step::In, of, why: NotCounted::Eliminated };
    let refused = |of| LawReason::Absent { source: Source::Calls, of, why: "EACCES".to_owned() };
    for (id, reason, text) in [
        (1, compared(0), "every byte accepted was received in 120 trials"),
        (1, compared(40), "bytes accepted and received differ in 40 of 120 trials"),
        (1, LawReason::NoRecord, "no trial finished"),
        (
            1,
            LawReason::Count { of: Counted::SinkTrials, n: 1 },
            "in 1 trial the sink's own program counted them",
        ),
        (2, compared(0), "the kernel saw as many calls as were tallied in 120 audit trials"),
        (2, compared(1), "tally and kernel differ in 1 of 120 audit trials"),
        (
            2,
            of_send(refused),
            "the calls that the kernel sees were not counted for send over loopback (EACCES)",
        ),
        (3, compared(0), "each zero-copy send was completed once in 120 trials"),
        (3, compared(2), "sends and completions differ in 2 of 120 trials"),
        (3, LawReason::NoRecord, "no zero-copy send was made"),
        (
            4,
            completions(Link::Loopback, 0),
            "all 40 completions in 10 trials over loopback were marked copied",
        ),
        (
            4,
            completions(Link::Loopback, 3),
            "in 3 of 10 trials over loopback not every completion was marked copied: this kernel delivers otherwise, or the mark is wrong",
        ),
        (4, LawReason::NoRecord, "no zero-copy completion came"),
        (
            5,
            compared(0),
            "copies per byte are within 0.01 of what the kernel's source lets expect in 120 figures",
        ),
        (
            5,
            compared(1),
            "copies per byte are not what the kernel's source lets expect in 1 of 120 figures",
        ),
        (
            5,
            of_send(eliminated),
            "not counted for send over loopback: copied in (eliminated: what was accepted less what was passed by reference, so that a second copy could not show; a CPU with breakpoint registers counts _copy_from_iter)",
        ),
        (5, absent(Source::CopiedBytes, ""), "the bytes that the kernel copies were not counted"),
        (6, compared(1), "busy time and CPU time contradict in 1 of 120 trials"),
        (
            6,
            absent(Source::BusyTime, "no idle clock"),
            "busy time of the CPUs was not measured (no idle clock)",
        ),
        (7, compared(0), "both ends ran at a frequency that the CPU has in 120 trials"),
        (
            7,
            LawReason::Count { of: Counted::NoLowestFrequency, n: 2 },
            "in 2 trials the CPU's lowest frequency is unknown, so that only the highest was compared",
        ),
        (
            7,
            absent(Source::FrequencyRange, "no cpufreq"),
            "the CPU's frequency range is unknown (no cpufreq)",
        ),
        (
            8,
            compared(1),
            "copying is faster than these CPUs can copy (something else ran while the ceiling was measured, or fewer bytes are copied than expected) in 1 of 120 cells",
        ),
        (
            8,
            nearest,
            "the nearest is send=send message_bytes=4096 threads=1: 60.0 [54.0, 66.0] Gbit/s × 1.00 copies per byte on the senders' CPUs is 52 % of 115 Gbit/s (memcpy at 4 MiB)",
        ),
        (8, absent(Source::CopyingRate, ""), "how fast these CPUs copy was not measured"),
        (
            9,
            lines(Fit::AboveZero, 8),
            "in 8 of 8 fitted lines both a and b are shown to be above 0, in none is either shown to be below",
        ),
        (9, lines(Fit::BelowZero, 1), "a or b is below 0 in 1 place"),
        (
            9,
            lines(Fit::Untestable, 2),
            "a straight line does not fit in 2 of 8 fitted lines, and the breaks named beforehand cannot be tested with these sizes and rounds",
        ),
        (
            10,
            LawReason::TwinsDiffer { metric: Metric::EndsCpuNsPerKib, ratio: around(1.5) },
            "equal cells differ: CPU per KiB of both ends 1.50 × [1.35, 1.65]; distrust differences of that order, and look for what else runs",
        ),
        (
            10,
            LawReason::Twins { metric: Metric::GoodputGbps, ratio: around(1.5) },
            "goodput of the twins 1.50 × [1.35, 1.65]",
        ),
        (10, LawReason::NoiseFloor { half_width: 0.03 }, "the noise floor is ±3 %"),
        (10, absent(Source::Twins, "no twin"), "equal cells were not compared (no twin)"),
        (11, compared(0), "no notification came in 120 trials"),
        (
            11,
            cost(Shown::No, 1.5),
            "send=zerocopy message_bytes=64 threads=1 so_zerocopy=off: its CPU per KiB is 1.50 × [1.35, 1.65] sendmsg's, not within 10 %",
        ),
        (
            11,
            cost(Shown::Unclear, 1.5),
            "send=zerocopy message_bytes=64 threads=1 so_zerocopy=off: its CPU per KiB is 1.50 × [1.35, 1.65] sendmsg's, not shown to be within 10 % (0.909 to 1.10 ×)",
        ),
        (11, LawReason::NoRecord, "no trial left SO_ZEROCOPY off"),
    ] {
        assert_eq!(law_because(&law(id, vec![reason])), text, "law {id}");
    }
}

#[test]
fn lines_with_breaks_are_named_in_one_clause_and_the_rest_counted() {
    let of = |threads| BrokenLine {
        line: line_of(threads),
        at: vec![BreakPoint {
            name: "segment size".to_owned(),
            bytes: 65_536.0,
            p: Measured::Value(0.001),
        }],
    };
    let breaks = |n: u32, more| LawReason::Breaks { lines: (1..=n).map(of).collect(), more };
    assert_eq!(
        law_because(&law(9, vec![breaks(1, 0)])),
        "breaks named beforehand are shown: sender of send, 1 thread, at segment size (64 KiB)"
    );
    assert_eq!(
        law_because(&law(9, vec![breaks(2, 4)])),
        "breaks named beforehand are shown: sender of send, 1 thread, at segment size (64 KiB); sender of send, 2 threads, at segment size (64 KiB); 4 more lines"
    );
}

#[test]
fn what_breaks_a_law_is_told_with_what_it_should_be() {
    let figure = |figure, is, should| Wrong::Figure { figure, is, should };
    let calls = Figure::Calls { who: Who::Senders, call: "sendmsg" };
    let against = cell("send=sendmsg message_bytes=64 threads=1");
    for (wrong, text) in [
        (figure(Figure::ReceivedBytes, 4095.0, 4096.0), "4095 bytes received, 4096 accepted"),
        (figure(calls, 9.0, 10.0), "the senders tallied 10 of sendmsg, the kernel saw 9"),
        (
            figure(Figure::RingCompletions { who: Who::Receivers }, 9.0, 10.0),
            "the receivers took 10 completions from their io_urings, the kernel posted 9",
        ),
        (figure(Figure::Completed, 9.0, 10.0), "9 ids completed, 10 zero-copy sends"),
        (
            figure(Figure::Copies { step: Step::In }, 2.0, 1.0),
            "copied in 2.000 times a byte, not 1",
        ),
        (figure(Figure::BusyNs { cpu: 3 }, 2e9, 1e9), "CPU 3 was busy for 2.00k ms of 1.00k ms"),
        (
            figure(Figure::MachineNs, 2e9, 1e9),
            "the ends used 2.00k ms of CPU, but the CPUs were busy for 1.00k ms beyond what they do with the ends idle",
        ),
        (
            Wrong::BelowZero { fixed: true, ns: around(-5.0) },
            "a = -5.00 [-4.50, -5.50] ns per message",
        ),
        (Wrong::NoFit { p: 0.002 }, "the line does not fit (p = 2e-3 after Holm)"),
        (Wrong::Twin, "differs from its twin"),
        (
            Wrong::Cost { against: Box::new(against), ratio: around(1.5) },
            "its CPU per KiB is 1.50 × [1.35, 1.65] that of send=sendmsg message_bytes=64 threads=1",
        ),
    ] {
        let record = BreachRecord::Line { line: line_of(1) };
        let mut law = law(1, Vec::new());
        law.broken_by = vec![Breach { record, wrong }];
        assert_eq!(broken_by(&law), [format!("all rounds, sender of send, 1 thread: {text}")]);
    }
}

#[test]
fn a_law_in_short_is_its_first_reason_and_more_breaches_than_named_are_counted() {
    let record = BreachRecord::Trial { round: 1, cell: cell("send=send") };
    let wrong = Wrong::Figure { figure: Figure::ReceivedBytes, is: 4095.0, should: 4096.0 };
    let law = Law {
        broken_by: vec![Breach { record, wrong }],
        broken_by_more: 20,
        ..law(1, vec![compared(40), LawReason::Count { of: Counted::CheckedBytes, n: 7 }])
    };
    let first = "bytes accepted and received differ in 40 of 120 trials";
    assert_eq!(in_short(&law), first);
    assert_eq!(law_because(&law), format!("{first}; 7 bytes were compared with what was sent"));
    let [named, more] = &broken_by(&law)[..] else { panic!("two lines") };
    assert!(named.ends_with(": 4095 bytes received, 4096 accepted"), "{named}");
    assert_eq!((&named[..15], more.as_str()), ("round 1, send=s", "and 20 more"));
}

#[test]
fn of_another_host_what_was_seen_stands_first_and_then_why_nothing_is_held_against_it() {
    use analysis::delivery::Unforeseen;
    let says =
        |delivery, differ| law_because(&law(4, vec![marked_of(Link::Ssh, delivery, differ)]));
    let unforeseen = |why| says(Delivery::Unforeseen(why), 3);
    let text = unforeseen(Unforeseen::NoLine { device: "tun0".to_owned() });
    assert!(text.starts_with("12 of 40 completions of 80 sends in 10 trials"), "{text}");
    assert!(text.contains("not known beforehand") && text.contains("the sender's tun0"), "{text}");
    assert!(unforeseen(Unforeseen::Tapped { taps: 2 }).contains("2 packet sockets are"));
    assert!(says(Delivery::Copied, 0).contains("under one kernel"));
    let broken = says(Delivery::Left, 3);
    assert!(broken.starts_with("12 of 40 completions were marked copied, in 3 of 10"), "{broken}");
}
