//! C18 to C23: what hardware counters and the machine's facts decide.

use analysis::metric::Metric;
use analysis::operands::Compared;
use analysis::reason::{Derived, PartKind, Reason, Shown};
use analysis::reference::Caveat;
use model::SendPath::{Send, Sendmsg, Zerocopy};
use model::values::Ring;
use model::{Cell, Factor, Layout, Plan};

use crate::made::{Run, are_each, count, decided_by, gives, kib, lacks, one_thread, plan, run};

fn counted(plan: Plan) -> Run {
    run(plan, |_, trial| trial.counted().goodput_gbps(10.0))
}

fn bytes(cell: &Cell) -> u64 {
    cell.message.bytes().0
}

/// The sender's cache misses per KiB, by cell; goodput is the same everywhere, so misses a second follow.
fn missing(plan: Plan, misses: impl Fn(&Cell) -> f64) -> Run {
    counted(plan).with(|cell, finished| {
        finished.sender.counters.cache_misses = count(kib(&finished.sender) * misses(cell));
    })
}

#[test]
fn c18_needs_the_peak_and_a_layout_without_it() {
    let layouts = || plan(&[(Factor::Threads, "1"), (Factor::Layout, "scattered,packed")]);
    let peak = |cell: &Cell| if bytes(cell) == 512 { 9.0 } else { 3.0 };
    let peak_of_scattered =
        move |cell: &Cell| if cell.layout == Layout::Packed { 3.0 } else { peak(cell) };
    // Three other sizes of one layout.
    let has = |layout: Layout, low: f64, high: f64| {
        move |it: &Reason| {
            matches!(it, Reason::Derived { what: Derived::CacheMissesPerS, least, most, of: 3 }
            if [least, most].iter().all(|c| {
                c.cell.layout == layout && (low..high).contains(&c.ratio.mean)
            }))
        }
    };
    let supported = missing(layouts(), peak_of_scattered).supports(18);
    gives(&supported, has(Layout::Scattered, 0.3, 0.4));
    gives(&supported, has(Layout::Packed, 0.9, 1.1));
    let refuted = missing(layouts(), peak).refutes(18, PartKind::Intervention);
    decided_by(&refuted, has(Layout::Packed, 0.3, 0.4));
    // One size has more misses than the peak, of three.
    let higher = missing(one_thread(), |cell| match bytes(cell) {
        64 => 9.0,
        512 => 8.0,
        _ => 3.0,
    });
    decided_by(&higher.refutes(18, PartKind::Effect), |it| {
        matches!(it, Reason::Derived { least, most, of: 1, .. }
            if [least, most].iter().all(|c| bytes(&c.cell) == 64))
    });
    let peak_alone = plan(&[(Factor::Message, "512"), (Factor::Threads, "1")]);
    let peak_alone = missing(peak_alone, |_| 3.0);
    decided_by(&peak_alone.leaves_open(18, PartKind::Effect, Shown::NotMeasured), |it| {
        matches!(it, Reason::NotVaried { factor: Factor::Message, .. })
    });
    missing(one_thread(), peak).leaves_open(18, PartKind::Intervention, Shown::NotMeasured);
    missing(one_thread(), |_| 3.0).refutes(18, PartKind::Effect);
    run(one_thread(), |_, trial| trial).leaves_open(18, PartKind::Effect, Shown::NotMeasured);
}

#[test]
fn c20_compares_the_levels() {
    let levels = |l1: f64, l2: f64, last: f64| {
        counted(one_thread()).with(move |cell, finished| {
            let of = |share: f64| if cell.send_path == Sendmsg { share } else { 1.0 };
            let kib = kib(&finished.sender);
            let counters = &mut finished.sender.counters;
            counters.l1d_misses = count(kib * 20.0 * of(l1));
            counters.llc_loads = count(kib * 10.0 * of(l2));
            counters.llc_misses = count(kib * 5.0 * of(last));
        })
    };
    // The level that comes nearest: 0.4 over 0.8.
    let is_half = |reason: &Reason| {
        let l2 = Derived::LastLevelMissesPer { level: Metric::SenderLlcLoadsPerKib };
        matches!(reason, Reason::Derived { what, least, most, .. }
            if *what == l2 && [least, most].iter().all(|c| (c.ratio.mean - 0.5).abs() < 0.01))
    };
    gives(&levels(0.9, 0.8, 0.4).supports(20), is_half);
    let is_of_l1 = |reason: &Reason| {
        let l1 = Derived::LastLevelMissesPer { level: Metric::SenderL1dMissesPerKib };
        matches!(reason, Reason::Derived { what, .. } if *what == l1)
    };
    gives(&levels(0.3, 0.8, 0.7).refutes(20, PartKind::Effect), is_of_l1);
    levels(0.5, 0.5, 0.5).leaves_open(20, PartKind::Effect, Shown::Unclear);
    // The second level was never counted: nothing can be said of it.
    let without_l2 = levels(0.9, 0.8, 0.4).with(|_, finished| {
        finished.sender.counters.llc_loads = model::Measured::absent("no such event");
    });
    let is_l2 = |reason: &Reason| {
        matches!(reason, Reason::NotMeasured { metric: Metric::SenderLlcLoadsPerKib, sizes, .. }
            if sizes == &[64])
    };
    let claim = without_l2.leaves_open(20, PartKind::Effect, Shown::Unclear);
    gives(&claim, is_l2);
    let missing = claim.would_decide;
    assert!(missing.iter().any(|missing| missing.because.contains("no such event")), "{missing:?}");
    // Another level that loses more refutes all the same.
    let without_l2 = levels(0.3, 0.8, 0.7).with(|_, finished| {
        finished.sender.counters.llc_loads = model::Measured::absent("no such event");
    });
    decided_by(&without_l2.refutes(20, PartKind::Effect), is_of_l1);
    let uncounted = run(one_thread(), |_, trial| trial);
    decided_by(&uncounted.leaves_open(20, PartKind::Effect, Shown::NotMeasured), |it| {
        lacks(it, Metric::SenderLlcMissesPerKib, &[], &[])
    });
}

#[test]
fn c21_is_a_matter_of_size() {
    let of = |bytes: u64| {
        run(one_thread(), |_, trial| trial).on(move |host| host.caches[2].bytes = bytes)
    };
    let l3 = Reason::Cache { level: 3, bytes: Some(12 << 20), message_bytes: 65_536 };
    gives(&of(12 << 20).refutes(21, PartKind::Effect), |it| *it == l3);
    let small = Reason::Cache { level: 3, bytes: Some(32 << 10), message_bytes: 65_536 };
    gives(&of(32 << 10).supports(21), |it| *it == small);
    run(one_thread(), |_, trial| trial).on(|host| host.caches.truncate(2)).leaves_open(
        21,
        PartKind::Effect,
        Shown::NotMeasured,
    );
}

/// Sender cycles a byte, at 3 GHz.
fn set_cycles(finished: &mut model::record::Finished, per_byte: f64) {
    let cycles = kib(&finished.sender) * 1024.0 * per_byte;
    finished.sender.counters.cycles = count(cycles);
    finished.sender.counters.task_clock_ns = count(cycles / 3.0);
}

#[test]
fn cycles_at_no_frequency_of_the_cpu_decide_nothing() {
    let threads = plan(&[(Factor::Threads, "1,8")]);
    let broken = cycles(threads, |_| 3.0).with(|_, finished| {
        finished.sender.counters.task_clock_ns = count(1000.0);
    });
    broken.leaves_open_with(22, Caveat::LawBroken { id: 7 });
    broken.leaves_open_with(23, Caveat::LawBroken { id: 7 });
}

/// A run of so many sender cycles a byte.
fn cycles(plan: Plan, per_byte: impl Fn(&Cell) -> f64) -> Run {
    counted(plan).with(|cell, finished| {
        set_cycles(finished, per_byte(cell));
    })
}

#[test]
fn c22_is_every_part_of_it() {
    let sizes = || plan(&[(Factor::Threads, "1,8"), (Factor::Message, "64,64KiB")]);
    let as_claimed = |cell: &Cell| match (bytes(cell), cell.threads.get(), cell.send_path) {
        (64, _, Sendmsg) => 60.0,
        (64, ..) => 200.0,
        (_, 8, Sendmsg) => 0.04,
        (_, _, Sendmsg) => 0.3,
        _ => 0.8,
    };
    let supported = cycles(sizes(), as_claimed).supports(22);
    let figures = |low: f64, high: f64| {
        move |it: &Reason| {
            matches!(it, Reason::Figures { figures, .. }
                if figures.iter().all(|of| (low..=high).contains(&of.value.mean)))
        }
    };
    for (low, high) in [(59.0, 201.0), (0.29, 0.81), (0.039, 0.041)] {
        gives(&supported, figures(low, high));
    }
    let one_off = move |cell: &Cell| if cell.send_path == Send { 5.0 } else { as_claimed(cell) };
    let claim = cycles(sizes(), one_off).refutes(22, PartKind::Effect);
    decided_by(&claim, |it| are_each(it, 2, |c| c.cell.send_path == Send && c.ratio.mean < 0.1));
    gives(&claim, figures(4.9, 5.1));
    // Below sendmsg at one size with one thread count, of many comparisons.
    let below = move |cell: &Cell| match (bytes(cell), cell.threads.get(), cell.send_path) {
        (64, 8, Send) => 55.0,
        _ => as_claimed(cell),
    };
    decided_by(&cycles(sizes(), below).refutes(22, PartKind::Effect), |it| {
        are_each(it, 1, |c| c.cell.send_path == Send && c.ratio.mean < 1.0)
    });
    let sendmsg =
        plan(&[(Factor::Threads, "1,8"), (Factor::Message, "64,64KiB"), (Factor::Send, "sendmsg")]);
    let sendmsg = cycles(sendmsg, as_claimed).leaves_open(22, PartKind::Effect, Shown::NotMeasured);
    decided_by(
        &sendmsg,
        |it| matches!(it, Reason::NotMeasured { paths, .. } if paths == &[Send, Zerocopy]),
    );
    cycles(plan(&[(Factor::Threads, "1"), (Factor::Message, "64")]), as_claimed).leaves_open(
        22,
        PartKind::Effect,
        Shown::NotMeasured,
    );
    run(sizes(), |_, trial| trial).leaves_open(22, PartKind::Effect, Shown::NotMeasured);
}

#[test]
fn c23_compares_most_threads_with_fewest() {
    let threads = || plan(&[(Factor::Threads, "1,8")]);
    let by = |eight: f64| move |cell: &Cell| if cell.threads.get() == 8 { eight } else { 3.0 };
    let near = |of: f64| move |c: &Compared| (c.ratio.mean - of).abs() < 0.02;
    gives(&cycles(threads(), by(2.0)).supports(23), |it| {
        matches!(it, Reason::Range { least, most, .. }
            if [least, most].iter().all(|c| near(2.0 / 3.0)(c)))
    });
    let claim = cycles(threads(), by(4.0)).refutes(23, PartKind::Effect);
    decided_by(&claim, |it| are_each(it, 3, near(4.0 / 3.0)));
    // One path at one size is no better with more, between others that are.
    let one_off = |cell: &Cell| match (cell.threads.get(), bytes(cell), cell.send_path) {
        (8, 512, Send) => 3.6,
        (8, 64, _) => 1.0,
        (8, ..) => 2.0,
        _ => 3.0,
    };
    decided_by(&cycles(threads(), one_off).refutes(23, PartKind::Effect), |it| {
        are_each(it, 1, |c| bytes(&c.cell) == 512 && c.ratio.mean > 1.0)
    });
    run(threads(), |_, trial| trial).leaves_open(23, PartKind::Effect, Shown::NotMeasured);
    // Lower on average, and in some rounds higher.
    let unsteady = counted(threads()).changed(|trial| {
        let is_odd = trial.round % 2 == 1;
        if let model::record::Outcome::Finished(finished) = &mut trial.outcome {
            let rate = match (trial.cell.threads.get(), is_odd) {
                (8, true) => 1.0,
                (8, false) => 6.0,
                _ => 3.0,
            };
            set_cycles(finished, rate);
        }
    });
    unsteady.leaves_open(23, PartKind::Effect, Shown::Unclear);
}

#[test]
fn c21_falls_where_a_message_sent_again_is_cheaper_than_many() {
    let plan = || {
        plan(&[
            (Factor::Send, "send,sendmsg"),
            (Factor::Ring, "1,2048"),
            (Factor::MemoryLoad, "off,stream"),
            (Factor::Message, "64KiB"),
            (Factor::Threads, "1"),
        ])
    };
    // Cost per KiB to the sender of one message again and again, and of many.
    let costing = |one: f64, many: f64, l3: u64| {
        run(plan(), move |cell, trial| {
            let cost = if cell.ring == Ring::Fixed(1) { one } else { many };
            trial.sender_cpu_ns_per_kib(cost)
        })
        .on(move |host| host.caches[2].bytes = l3)
    };
    let is_it = |it: &Reason| {
        matches!(it, Reason::Range { metric: Metric::SenderCpuNsPerKib, least, of: 4, .. }
            if least.cell.ring != Ring::Fixed(1) && least.against.ring == Ring::Fixed(1))
    };
    // A cache that is too small by what the machine says: what was measured contradicts it.
    gives(&costing(50.0, 80.0, 32 << 10).refutes(21, PartKind::Intervention), is_it);
    gives(&costing(80.0, 80.0, 32 << 10).supports(21), is_it);
    gives(&costing(50.0, 80.0, 12 << 20).refutes(21, PartKind::Effect), is_it);
    // A ring of 128 MiB that the cache holds as well is not what the claim compares with.
    let held = costing(80.0, 80.0, 256 << 20).refutes(21, PartKind::Effect);
    assert!(held.parts.iter().all(|part| part.kind != PartKind::Intervention), "{held:#?}");
}
