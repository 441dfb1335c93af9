//! C10, C11, C12, C16, C24 and C25.

use analysis::explained::Verdict;
use analysis::reference::Caveat;
use model::SendPath::{Send, Sendmsg, Zerocopy};
use model::{Cell, Factor, Measured, Placement};

use crate::made::{count, kib, one_thread, plan, run, run_of_goodput, run_with_noise};

#[test]
fn c10_is_near_linear_from_eight_tenths_on() {
    let threads = || plan(&[(Factor::Threads, "1,4"), (Factor::Message, "4KiB")]);
    let scaled = |speed_up: f64| {
        move |cell: &Cell| if cell.threads.get() == 4 { 10.0 * speed_up } else { 10.0 }
    };
    run_of_goodput(threads(), scaled(3.8)).supports(10, "send 3.8");
    run_of_goodput(threads(), scaled(1.5)).refutes(10, "near-linear would be 3.2");
    run_of_goodput(threads(), scaled(3.2)).leaves_open(10, "do not tell");
    run(threads(), |cell, trial| trial.goodput_gbps(scaled(1.5)(cell)).usable_cpus(2))
        .leaves_open(10, "oversubscribed");
    run(one_thread(), |_, trial| trial).leaves_open(10, "not both measured");
}

#[test]
fn c11_needs_a_jump_and_more_done_a_cycle() {
    let threads = || plan(&[(Factor::Threads, "4,8"), (Factor::Message, "4KiB")]);
    let jump = |by: f64| move |cell: &Cell| if cell.threads.get() == 8 { 10.0 * by } else { 10.0 };
    run_of_goodput(threads(), jump(1.0)).refutes(11, "there is no jump");
    run_of_goodput(threads(), jump(1.6)).leaves_open(11, "were not counted");
    let counted = || run(threads(), |cell, trial| trial.goodput_gbps(jump(1.6)(cell)).counted());
    counted().refutes(11, "does no more a cycle");
    counted()
        .with(|cell, finished| {
            let more = if cell.threads.get() == 8 { 2.0 } else { 1.0 };
            finished.sender.counters.instructions = count(kib(&finished.sender) * 1000.0 * more);
            finished.sender.counters.cycles = count(kib(&finished.sender) * 1000.0);
        })
        .leaves_open(11, "instructions a cycle are 2.00");
    run(one_thread(), |_, trial| trial).leaves_open(11, "not measured with 4 and 8 threads");
}

#[test]
fn c12_is_held_to_the_papers_falls() {
    let threads = || plan(&[(Factor::Threads, "4,8"), (Factor::Message, "64KiB")]);
    let left = |cell: &Cell| match (cell.threads.get(), cell.send_path) {
        (8, Send) => 7.3,
        (8, Sendmsg) => 3.8,
        (8, Zerocopy) => 3.4,
        _ => 10.0,
    };
    run_of_goodput(threads(), left).supports(12, "sendmsg 62 %");
    run_of_goodput(threads(), |_| 10.0).refutes(12, "sendmsg the same (1.00");
    run_with_noise(threads(), 0.8, |cell, trial| trial.goodput_gbps(left(cell)))
        .leaves_open(12, "do not tell");
    run_with_noise(threads(), 0.3, |cell, trial| trial.goodput_gbps(left(cell).max(8.0)))
        .refutes(12, " not told (");
    run(one_thread(), |_, trial| trial).leaves_open(12, "not all measured");
    let crowded = run(threads(), |cell, trial| trial.goodput_gbps(left(cell)).usable_cpus(8));
    crowded.supports(12, "sendmsg 62 %");
    assert_eq!(crowded.claim(12).caveats, [Caveat::Oversubscribed { all: true }]);
}

#[test]
fn c16_needs_more_than_one_node_and_a_fall_that_is_smaller_within_one() {
    let placements = || {
        plan(&[
            (Factor::Threads, "4,8"),
            (Factor::Message, "64KiB"),
            (Factor::Placement, "0-7/8-15,0-7/16-23"),
        ])
    };
    // What is left with 8 threads of 10 Gbit/s, within one node and across two.
    let made = |within: f64, across: f64| {
        run_of_goodput(placements(), move |cell| match (cell.threads.get(), is_within(cell)) {
            (8, true) => within,
            (8, false) => across,
            // Dearer across at either count, which is no fall.
            (_, is_within) => {
                if is_within {
                    10.0
                } else {
                    8.0
                }
            }
        })
        .changed(|trial| {
            let n = trial.cell.threads.get();
            trial.settings.sender_cpus = (0..n).collect();
            let first = if is_within(&trial.cell) { 8 } else { 16 };
            trial.settings.receiver_cpus = (first..first + n).collect();
        })
    };
    let two_nodes = |host: &mut model::host::Host| {
        host.numa_nodes = Measured::Value(2);
        let first = host.cpus[0].clone();
        host.cpus = (0..32)
            .map(|cpu| model::host::CpuFacts {
                cpu,
                node: Measured::Value(cpu / 16),
                ..first.clone()
            })
            .collect();
    };
    made(8.0, 3.2).on(two_nodes).supports(16, "from 2.0");
    made(5.0, 4.0).on(two_nodes).refutes(16, "no less within one node");
    // Across nodes less is carried with either count, and nothing falls.
    made(10.0, 8.0).on(two_nodes).refutes(16, "no fall to explain");
    let one_node = made(8.0, 3.2).claim(16);
    assert_eq!(one_node.verdict, Verdict::NotApplicable, "{one_node:#?}");
    assert!(one_node.because.contains("one NUMA node"), "{one_node:#?}");
    run(one_thread(), |_, trial| trial).on(two_nodes).leaves_open(16, "not measured");
    let one_placement = plan(&[(Factor::Threads, "4,8"), (Factor::Message, "64KiB")]);
    run_of_goodput(one_placement, |cell| if cell.threads.get() == 8 { 5.0 } else { 10.0 })
        .on(two_nodes)
        .leaves_open(16, "not compared");
    run(one_thread(), |_, trial| trial)
        .on(|host| host.numa_nodes = Measured::absent("no such file"))
        .leaves_open(16, "not known");
}

fn is_within(cell: &Cell) -> bool {
    matches!(&cell.placement, Placement::Cpus { receivers, .. } if receivers[0] == 8)
}

#[test]
fn c24_needs_every_other_count_to_carry_less() {
    let best_at = |best: u32| {
        let threads = plan(&[(Factor::Threads, "1,2,4,8"), (Factor::Message, "64KiB")]);
        run_of_goodput(threads, move |cell| {
            let off = cell.threads.get().abs_diff(best);
            20.0 - f64::from(off)
        })
    };
    best_at(4).supports(24, "every other count carries less");
    best_at(8).refutes(24, "not the best count");
    let threads = || plan(&[(Factor::Threads, "1,4"), (Factor::Message, "64KiB")]);
    run(threads(), |_, trial| trial).leaves_open(24, "not all measured");
    let all = plan(&[(Factor::Threads, "1,4,8"), (Factor::Message, "64KiB")]);
    run_with_noise(all, 0.8, |_, trial| trial.goodput_gbps(10.0)).leaves_open(24, "do not tell");
}

#[test]
fn c25_needs_pinned_and_unpinned_workers() {
    let pinned = |by: f64, batched: f64| {
        let plan = plan(&[(Factor::Threads, "2"), (Factor::Placement, "split,none")]);
        run_of_goodput(plan, move |cell| {
            let pinned = if cell.placement == Placement::Split { by } else { 1.0 };
            let batched = if cell.send_path == Sendmsg { batched } else { 1.0 };
            10.0 * pinned * batched
        })
    };
    pinned(1.3, 2.0).leaves_open(25, "two of its three parts help");
    let missing = pinned(1.3, 2.0).claim(25).would_decide;
    assert!(missing[0].what.starts_with("shared sockets"), "{missing:?}");
    pinned(1.0, 2.0).refutes(25, "pinned against unpinned");
    pinned(1.3, 1.0).refutes(25, "batching");
    run(one_thread(), |_, trial| trial).leaves_open(25, "were not compared");
}
