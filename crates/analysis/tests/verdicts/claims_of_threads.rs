//! C10, C11, C12, C16, C24 and C25.

use analysis::claims::claim::Verdict;
use analysis::metric::Metric;
use analysis::operands::Compared;
use analysis::reason::{Derived, PartKind, Reason, Shown};
use analysis::reference::Caveat;
use analysis::results::Finding;
use model::SendPath::{Send, Sendmsg, Zerocopy};
use model::{Cell, Factor, Measured, Placement, Sockets};

use crate::made::{
    CPUS, ROUNDS, Run, are_each, count, decided_by, gives, host, kib, lacks, one_thread, plan, run,
    run_of_goodput, run_with_noise,
};

const GOODPUT: Metric = Metric::GoodputGbps;

#[test]
fn c10_is_near_linear_from_eight_tenths_on() {
    let threads = || plan(&[(Factor::Threads, "1,4"), (Factor::Message, "4KiB")]);
    let scaled = |speed_up: f64| {
        move |cell: &Cell| if cell.threads.get() == 4 { 10.0 * speed_up } else { 10.0 }
    };
    let near_linear = run_of_goodput(threads(), scaled(3.8)).supports(10);
    gives(&near_linear, |it| *it == Reason::AtLeast { ratio: 3.2 });
    run_of_goodput(threads(), scaled(1.5)).refutes(10, PartKind::Effect);
    run_of_goodput(threads(), scaled(3.2)).leaves_open(10, PartKind::Effect, Shown::Unclear);
    let few_cpus =
        run(threads(), |cell, trial| trial.goodput_gbps(scaled(1.5)(cell)).usable_cpus(2));
    gives(&few_cpus.leaves_open(10, PartKind::Effect, Shown::Unclear), |it| {
        *it == Reason::TooFewCpus
    });
    let one = run(one_thread(), |_, trial| trial);
    gives(&one.leaves_open(10, PartKind::Effect, Shown::NotMeasured), |it| {
        lacks(it, GOODPUT, &[4096], &[4])
    });
}

#[test]
fn c11_needs_a_jump_and_more_done_a_cycle() {
    let threads = || plan(&[(Factor::Threads, "4,8"), (Factor::Message, "4KiB")]);
    let jump = |by: f64| move |cell: &Cell| if cell.threads.get() == 8 { 10.0 * by } else { 10.0 };
    run_of_goodput(threads(), jump(1.0)).refutes(11, PartKind::Premise);
    run_of_goodput(threads(), jump(1.6)).leaves_open(11, PartKind::Counter, Shown::NotMeasured);
    let counted = || run(threads(), |cell, trial| trial.goodput_gbps(jump(1.6)(cell)).counted());
    counted().refutes(11, PartKind::Counter);
    let twice = counted().with(|cell, finished| {
        let more = if cell.threads.get() == 8 { 2.0 } else { 1.0 };
        finished.sender.counters.instructions = count(kib(&finished.sender) * 1000.0 * more);
        finished.sender.counters.cycles = count(kib(&finished.sender) * 1000.0);
    });
    let is_twice = |reason: &Reason| {
        matches!(reason, Reason::Derived { what: Derived::InstructionsPerCycle, least, most, .. }
            if [least, most].iter().all(|c| (c.ratio.mean - 2.0).abs() < 0.01))
    };
    gives(&twice.leaves_open(11, PartKind::Counter, Shown::Unclear), is_twice);
    let four = run(plan(&[(Factor::Threads, "4")]), |_, trial| trial);
    gives(&four.leaves_open(11, PartKind::Effect, Shown::NotMeasured), |it| {
        lacks(it, GOODPUT, &[4096], &[8])
    });
}

/// Whether sendmsg with 8 threads keeps this much of its goodput with 4.
fn is_fall_of_sendmsg(reason: &Reason, kept: f64) -> bool {
    let Reason::Each { ratios, .. } = reason else { return false };
    let mut of_sendmsg = ratios.iter().filter(|c| c.cell.send_path == Sendmsg);
    of_sendmsg.any(|c| (c.ratio.mean - kept).abs() < 0.01)
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
    gives(&run_of_goodput(threads(), left).supports(12), |it| is_fall_of_sendmsg(it, 0.38));
    let level = run_of_goodput(threads(), |_| 10.0).refutes(12, PartKind::Effect);
    gives(&level, |it| is_fall_of_sendmsg(it, 1.0));
    run_with_noise(threads(), 0.8, |cell, trial| trial.goodput_gbps(left(cell))).leaves_open(
        12,
        PartKind::Effect,
        Shown::Unclear,
    );
    run_with_noise(threads(), 0.3, |cell, trial| trial.goodput_gbps(left(cell).max(8.0)))
        .refutes(12, PartKind::Effect);
    let four = run(plan(&[(Factor::Threads, "4")]), |_, trial| trial);
    gives(&four.leaves_open(12, PartKind::Effect, Shown::NotMeasured), |it| {
        lacks(it, GOODPUT, &[65_536], &[8])
    });
    let copying = plan(&[(Factor::Threads, "4,8"), (Factor::Send, "send,sendmsg")]);
    let copying = run(copying, |_, trial| trial);
    gives(
        &copying.leaves_open(12, PartKind::Effect, Shown::NotMeasured),
        |it| matches!(it, Reason::NotMeasured { paths, .. } if paths == &[Zerocopy]),
    );
    let few_cpus = run(threads(), |cell, trial| trial.goodput_gbps(left(cell)).usable_cpus(8));
    let claim = few_cpus.supports(12);
    gives(&claim, |it| is_fall_of_sendmsg(it, 0.38));
    assert_eq!(claim.caveats, [Caveat::Oversubscribed { all: true }]);
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
    // What is left with 8 threads of 10 Gbit/s, within one node and across two; and how that differs by round.
    let made_by_round = |within: f64, across: f64, spread: f64| {
        let gbps = move |cell: &Cell| match (cell.threads.get(), is_within(cell)) {
            (8, true) => within,
            (8, false) => across,
            // Dearer across at either count, which is no fall.
            (_, true) => 10.0,
            (_, false) => 8.0,
        };
        let plan = placements();
        let records = synthetic::run(&plan, ROUNDS, |cell, round| {
            let of_eight = if cell.threads.get() == 8 { spread } else { 0.0 };
            synthetic::trial(cell, round)
                .usable_cpus(CPUS)
                .goodput_gbps(gbps(cell))
                .faster(synthetic::noise(3, cell, round, 0.005))
                .faster(synthetic::noise(5, &Cell::default(), round, of_eight))
        });
        Run { plan, host: host(), records }.changed(|trial| {
            let n = trial.cell.threads.get();
            trial.settings.sender_cpus = (0..n).collect();
            let first = if is_within(&trial.cell) { 8 } else { 16 };
            trial.settings.receiver_cpus = (first..first + n).collect();
        })
    };
    let made = |within: f64, across: f64| made_by_round(within, across, 0.0);
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
    let is_twice = |reason: &Reason| {
        matches!(reason, Reason::Derived { what: Derived::GoodputKept { from: 4, to: 8 }, least, most, .. }
            if [least, most].iter().all(|c| (c.ratio.mean - 2.0).abs() < 0.05))
    };
    gives(&made(8.0, 3.2).on(two_nodes).supports(16), is_twice);
    // No fall is clear, as 8 threads carry another amount in each round; how the two placements differ is.
    let unclear = made_by_round(9.0, 3.6, 2.0).on(two_nodes).supports(16);
    gives(&unclear, is_twice);
    let is_unclear = |c: &Compared| c.finding == Finding::Undecided && c.ratio.high.unwrap() > 1.0;
    gives(&unclear, |it| are_each(it, 6, is_unclear));
    made(5.0, 4.0).on(two_nodes).refutes(16, PartKind::Intervention);
    // Across nodes less is carried with either count, and nothing falls.
    made(10.0, 8.0).on(two_nodes).refutes(16, PartKind::Premise);
    let one_node = made(8.0, 3.2).says(16, Verdict::NotApplicable, PartKind::Premise);
    gives(&one_node, |it| *it == Reason::NumaNodes { nodes: Measured::Value(1) });
    run(one_thread(), |_, trial| trial).on(two_nodes).leaves_open(
        16,
        PartKind::Premise,
        Shown::NotMeasured,
    );
    let one_placement = plan(&[(Factor::Threads, "4,8"), (Factor::Message, "64KiB")]);
    let claim =
        run_of_goodput(one_placement, |cell| if cell.threads.get() == 8 { 5.0 } else { 10.0 })
            .on(two_nodes)
            .leaves_open(16, PartKind::Intervention, Shown::NotMeasured);
    gives(&claim, |it| *it == Reason::NotAcrossNodes);
    let nodes = Measured::absent("no such file");
    let unseen = run(one_thread(), |_, trial| trial).on(|host| host.numa_nodes = nodes.clone());
    gives(&unseen.leaves_open(16, PartKind::Premise, Shown::NotMeasured), |it| {
        *it == Reason::NumaNodes { nodes: nodes.clone() }
    });
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
    let claim = best_at(4).supports(24);
    gives(&claim, |it| are_each(it, 1, |c| (c.ratio.mean - 18.0 / 20.0).abs() < 0.02));
    // Of three paths with 8 threads.
    let claim = best_at(8).refutes(24, PartKind::Effect);
    decided_by(&claim, |it| are_each(it, 3, |c| c.cell.threads.get() == 8 && c.ratio.mean > 1.2));
    for (has, missing) in [("1,4", 8), ("4,8", 1), ("2,8", 4)] {
        let run =
            run(plan(&[(Factor::Threads, has), (Factor::Message, "64KiB")]), |_, trial| trial);
        let claim = run.leaves_open(24, PartKind::Effect, Shown::NotMeasured);
        gives(&claim, |it| lacks(it, GOODPUT, &[65_536], &[missing]));
    }
    let all = plan(&[(Factor::Threads, "1,4,8"), (Factor::Message, "64KiB")]);
    run_with_noise(all, 0.8, |_, trial| trial.goodput_gbps(10.0)).leaves_open(
        24,
        PartKind::Effect,
        Shown::Unclear,
    );
}

#[test]
fn c25_needs_pinning_batching_and_connections_of_ones_own() {
    let gains = |pinned: f64, batched: f64, separate: f64, noise: f64| {
        let plan = plan(&[
            (Factor::Send, "send,sendmsg"),
            (Factor::Threads, "2"),
            (Factor::Placement, "split,none"),
            (Factor::Sockets, "own,shared"),
        ]);
        run_with_noise(plan, noise, move |cell, trial| {
            let pinned = if cell.placement == Placement::Split { pinned } else { 1.0 };
            let batched = if cell.send_path == Sendmsg { batched } else { 1.0 };
            let separate = if cell.sockets == Sockets::Own { separate } else { 1.0 };
            trial.goodput_gbps(10.0 * pinned * batched * separate)
        })
    };
    gains(1.3, 2.0, 1.5, 0.005).supports(25);
    let near = |c: &Compared| (c.ratio.mean - 1.0).abs() < 0.02;
    let are_alike = |is_it: fn(&Compared) -> bool| {
        move |it: &Reason| {
            matches!(it, Reason::Range { least, most, .. }
                if [least, most].iter().all(|c| near(c) && is_it(c)))
        }
    };
    let refuted = |pinned, batched, separate| {
        gains(pinned, batched, separate, 0.005).refutes(25, PartKind::Effect)
    };
    let is_pinning = |c: &Compared| {
        c.against.placement == Placement::None && c.cell.placement != Placement::None
    };
    decided_by(&refuted(1.0, 2.0, 1.5), are_alike(is_pinning));
    decided_by(
        &refuted(1.3, 1.0, 1.5),
        are_alike(|c| c.against.send_path == Send && c.cell.send_path == Sendmsg),
    );
    decided_by(
        &refuted(1.3, 2.0, 1.0),
        are_alike(|c| c.against.sockets == Sockets::Shared && c.cell.sockets == Sockets::Own),
    );
    gains(1.3, 2.0, 1.1, 0.8).leaves_open(25, PartKind::Effect, Shown::Unclear);
    let unshared = plan(&[(Factor::Threads, "2"), (Factor::Placement, "split,none")]);
    let two_of_three = run_of_goodput(unshared, |cell| {
        let pinned = if cell.placement == Placement::Split { 1.3 } else { 1.0 };
        if cell.send_path == Sendmsg { 20.0 * pinned } else { 10.0 * pinned }
    })
    .leaves_open(25, PartKind::Effect, Shown::NotMeasured);
    decided_by(&two_of_three, |it| matches!(it, Reason::NotVaried { factor: Factor::Sockets, .. }));
    run(one_thread(), |_, trial| trial).leaves_open(25, PartKind::Effect, Shown::NotMeasured);
}
