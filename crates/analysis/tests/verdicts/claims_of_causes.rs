//! C13, C14, C15 and C17.

use analysis::metric::Metric;
use analysis::operands::Compared;
use analysis::reason::{Derived, PartKind, Reason, Shown, Unseen};
use analysis::reference::Caveat;
use model::SendPath::{Send, Sendmsg, Zerocopy};
use model::values::{Ring, SocketBuffer};
use model::{Cell, Completions, Factor, Measured, MemoryLoad, Sockets};

use crate::made::{
    CPUS, ROUNDS, Run, count, gives, host, kib, lacks, misses, one_thread, plan, run,
    run_of_goodput, run_with_noise,
};

fn threads() -> model::Plan {
    plan(&[(Factor::Threads, "4,8"), (Factor::Message, "64KiB")])
}

fn falling(cell: &Cell) -> f64 {
    match (cell.threads.get(), cell.send_path) {
        (8, Zerocopy) => 3.0,
        (8, _) => 7.0,
        _ => 10.0,
    }
}

#[test]
fn without_a_fall_there_is_nothing_to_explain() {
    let level = run_of_goodput(threads(), |_| 10.0);
    for claim in [13, 14, 15] {
        level.refutes(claim, PartKind::Premise);
    }
}

#[test]
fn without_eight_threads_no_fall_was_measured() {
    for claim in [13, 14, 15] {
        let one = run(plan(&[(Factor::Threads, "1,4")]), |_, trial| trial);
        let claim = one.leaves_open(claim, PartKind::Premise, Shown::NotMeasured);
        gives(&claim, |it| lacks(it, Metric::GoodputGbps, &[65_536], &[8]));
    }
}

#[test]
fn c13_no_counter_of_these_shows_or_refutes() {
    let counted = || run(threads(), |cell, trial| trial.goodput_gbps(falling(cell)).counted());
    counted().leaves_open(13, PartKind::Counter, Shown::Unclear);
    let thirty = counted().with(|_, finished| {
        finished.sender.counters.llc_misses = count(kib(&finished.sender) * 30.0);
    });
    // 30 lines of 64 bytes per KiB that the sender alone read.
    gives(
        &thirty.leaves_open(13, PartKind::Counter, Shown::Unclear),
        |reason| matches!(reason, Reason::DemandReads { bytes_per_byte } if *bytes_per_byte > 1.8),
    );
    assert!(counted().claim(13).would_decide[0].what.contains("memory controller"));
    run_of_goodput(threads(), falling).leaves_open(13, PartKind::Counter, Shown::NotMeasured);
}

#[test]
fn c13_falls_where_less_memory_changes_nothing() {
    let both = || {
        plan(&[
            (Factor::Send, "send,sendmsg"),
            (Factor::Ring, "auto,1"),
            (Factor::Sndbuf, "auto,64KiB"),
            (Factor::Rcvbuf, "auto,64KiB"),
            (Factor::Threads, "4,8"),
            (Factor::Message, "64KiB"),
        ])
    };
    let is_small = |cell: &Cell| {
        cell.ring == Ring::Fixed(1)
            && cell.send_buffer != SocketBuffer::Auto
            && cell.receive_socket_buffer != SocketBuffer::Auto
    };
    // What 8 threads carry where all that they touch fits the cache, and elsewhere.
    let gbps = move |cell: &Cell, small: f64, other: f64| match (cell.threads.get(), is_small(cell))
    {
        (8, true) => small,
        (8, false) => other,
        _ => 10.0,
    };
    let carrying =
        |small: f64, other: f64| run_of_goodput(both(), move |cell| gbps(cell, small, other));
    let claim = carrying(6.0, 6.0).refutes(13, PartKind::Intervention);
    // 8 times 64 KiB of messages, 256 KiB of sockets and 128 KiB that a receive call fills.
    let set = Reason::WorkingSet { bytes: (8 * (64 + 256 + 128)) << 10, cache_bytes: 12 << 20 };
    gives(&claim, |it| *it == set);
    // Without a counter of the memory it is not shown, though the fall goes with the memory.
    let of_intervention = |run: &Run| {
        let claim = run.leaves_open(13, PartKind::Counter, Shown::NotMeasured);
        let parts = claim.parts.into_iter();
        parts.filter(|part| part.kind == PartKind::Intervention).map(|part| part.shown).next()
    };
    assert_eq!(of_intervention(&carrying(10.0, 6.0)), Some(Shown::Yes));
    let noisy = run_with_noise(both(), 0.2, |cell, trial| trial.goodput_gbps(gbps(cell, 6.2, 6.0)));
    assert_eq!(of_intervention(&noisy), Some(Shown::Unclear));
    carrying(10.0, 10.0).refutes(13, PartKind::Premise);
    // A cache that is too small for them, and none at all.
    for l3 in [Some(1 << 20), None] {
        let elsewhere = carrying(6.0, 6.0).on(|host| {
            host.caches.retain(|cache| cache.level != 3 || l3.is_some());
            for cache in host.caches.iter_mut().filter(|cache| cache.level == 3) {
                cache.bytes = l3.unwrap_or_default();
            }
        });
        assert_eq!(of_intervention(&elsewhere), Some(Shown::NotMeasured));
    }
}

#[test]
fn c13_falls_where_receivers_that_discard_change_nothing() {
    let both = || {
        plan(&[
            (Factor::Send, "send,sendmsg"),
            (Factor::Recv, "recv,recv-trunc"),
            (Factor::Threads, "4,8"),
            (Factor::Message, "64KiB"),
        ])
    };
    // What 8 threads carry to receivers that discard, and to those that read; all carry more where nobody reads.
    let gbps = |cell: &Cell, discarded: f64, read: f64| match (
        cell.threads.get(),
        cell.receive_path.shows_content(),
    ) {
        (8, true) => read,
        (8, false) => 1.5 * discarded,
        (_, true) => 10.0,
        (_, false) => 15.0,
    };
    let carrying =
        |discarded: f64, read: f64| run_of_goodput(both(), move |cell| gbps(cell, discarded, read));
    let claim = carrying(6.0, 6.0).refutes(13, PartKind::Intervention);
    let is_of_discarding = |c: &Compared| {
        !c.cell.receive_path.shows_content() && c.against.receive_path.shows_content()
    };
    gives(&claim, |it| {
        matches!(it, Reason::Derived { what: Derived::GoodputKept { from: 4, to: 8 }, least, of: 2, .. }
            if is_of_discarding(least))
    });
    let of_intervention = |run: &Run| {
        let claim = run.leaves_open(13, PartKind::Counter, Shown::NotMeasured);
        let parts = claim.parts.into_iter().filter(|part| part.kind == PartKind::Intervention);
        parts.map(|part| part.shown).collect::<Vec<_>>()
    };
    assert_eq!(of_intervention(&carrying(10.0, 6.0)), [Shown::Yes]);
    let noisy = run_with_noise(both(), 0.2, |cell, trial| trial.goodput_gbps(gbps(cell, 6.2, 6.0)));
    assert_eq!(of_intervention(&noisy), [Shown::Unclear]);
    // A fall with receivers that discard alone is not the paper's.
    carrying(6.0, 10.0).refutes(13, PartKind::Premise);
    // Nor do they count among the falls that it printed.
    let read = [(Send, 7.3), (Sendmsg, 3.8), (Zerocopy, 3.4)];
    let three = plan(&[
        (Factor::Recv, "recv,recv-trunc"),
        (Factor::Threads, "4,8"),
        (Factor::Message, "64KiB"),
    ]);
    let papers = run_of_goodput(three, move |cell| {
        let of_eight = read.iter().find(|(path, _)| *path == cell.send_path);
        match (cell.threads.get(), cell.receive_path.shows_content(), of_eight) {
            (8, true, Some((_, gbps))) => *gbps,
            _ => 10.0,
        }
    });
    papers.supports(12);
}

#[test]
fn c13_falls_where_less_of_the_memorys_bandwidth_changes_nothing() {
    let both = |factor, values| {
        plan(&[
            (Factor::Send, "send,sendmsg"),
            (factor, values),
            (Factor::Threads, "4,8"),
            (Factor::Message, "64KiB"),
        ])
    };
    // What 8 threads carry beside a thread that streams through memory, and without; and 4 beside it.
    let beside_of = |with: f64, without: f64, four: f64| {
        run_of_goodput(both(Factor::MemoryLoad, "off,stream"), move |cell| {
            match (cell.threads.get(), cell.memory_load) {
                (8, MemoryLoad::Stream) => with,
                (8, MemoryLoad::Off) => without,
                (_, MemoryLoad::Stream) => four,
                (_, MemoryLoad::Off) => 10.0,
            }
        })
    };
    let beside = |with: f64, without: f64| beside_of(with, without, 10.0);
    let claim = beside(6.0, 6.0).refutes(13, PartKind::Intervention);
    gives(&claim, |it| {
        matches!(it, Reason::Derived { what: Derived::GoodputKept { from: 4, to: 8 }, least, of: 2, .. }
            if least.cell.memory_load == MemoryLoad::Stream)
    });
    // How much was taken stands beside: 8 bytes a nanosecond.
    gives(&claim, |it| {
        matches!(it, Reason::Figures { metric: Metric::MemoryLoadGbPerS, figures }
            if figures.iter().all(|of| (of.value.mean - 8.0).abs() < 1e-9) && figures.len() == 2)
    });
    // That they carry less is not enough without the memory's own counter.
    let of_intervention = |run: &Run| {
        let claim = run.leaves_open(13, PartKind::Counter, Shown::NotMeasured);
        let parts = claim.parts.into_iter().filter(|part| part.kind == PartKind::Intervention);
        parts.map(|part| part.shown).collect::<Vec<_>>()
    };
    assert_eq!(of_intervention(&beside(5.0, 6.0)), [Shown::Yes]);
    // Where 4 lose as large a share, the fall from 4 to 8 is what it was.
    beside_of(5.0, 6.0, 10.0 * 5.0 / 6.0).refutes(13, PartKind::Intervention);
    // What goes on beside a stream is not one of the paper's falls.
    beside(6.0, 10.0).refutes(13, PartKind::Premise);
    // Nor where messages that are rewritten, which takes more of it, fall no further.
    let rewriting = |on: f64, off: f64| {
        run_of_goodput(both(Factor::Rewriting, "off,on"), move |cell| {
            match (cell.threads.get(), cell.rewriting.is_on()) {
                (8, true) => on,
                (8, false) => off,
                _ => 10.0,
            }
        })
    };
    rewriting(6.0, 6.0).refutes(13, PartKind::Intervention);
    assert_eq!(of_intervention(&rewriting(4.0, 6.0)), [Shown::Yes]);
}

#[test]
fn c14_no_record_tells_a_line_that_travels() {
    let falls = run_of_goodput(threads(), falling);
    let unseen = Reason::NotInstrumented { what: Unseen::SharedCacheLines };
    let claim = falls.leaves_open(14, PartKind::Intervention, Shown::NotMeasured);
    gives(&claim, |it| *it == unseen);
}

#[test]
fn c14_falls_where_sharing_costs_what_own_connections_do_not_pay() {
    let both = || {
        plan(&[
            (Factor::Send, "send,sendmsg"),
            (Factor::Sockets, "own,shared"),
            (Factor::Threads, "4,8"),
            (Factor::Message, "64KiB"),
        ])
    };
    let sharing = |costs: f64| {
        run(both(), move |cell, trial| {
            let more = if cell.sockets == Sockets::Shared { costs } else { 1.0 };
            trial.goodput_gbps(falling(cell)).ends_cpu_ns_per_kib(200.0 * more)
        })
    };
    let claim = sharing(1.6).refutes(14, PartKind::Intervention);
    gives(&claim, |it| {
        matches!(it, Reason::Range { metric: Metric::EndsCpuNsPerKib, least, of: 2, .. }
            if (least.ratio.mean - 1.6).abs() < 0.05 && least.cell.sockets == Sockets::Shared)
    });
    // Whoever shares pays nothing, so that own connections may share as much: it takes a record of the lines.
    sharing(1.0).leaves_open(14, PartKind::Counter, Shown::NotMeasured);
    sharing(1.06).leaves_open(14, PartKind::Intervention, Shown::Unclear);
    // A byte over connections of one's own costs more, too: that may be by what sharing costs.
    let grows = run(both(), |cell, trial| {
        let more = if cell.sockets == Sockets::Shared { 1.6 } else { 1.0 };
        let grown = f64::from(cell.threads.get()) / 4.0;
        trial.goodput_gbps(falling(cell)).ends_cpu_ns_per_kib(200.0 * more * grown)
    });
    grows.leaves_open(14, PartKind::Intervention, Shown::Unclear);
    let crowded = run(both(), |cell, trial| {
        let more = if cell.sockets == Sockets::Shared { 1.6 } else { 1.0 };
        let trial = trial.goodput_gbps(falling(cell)).ends_cpu_ns_per_kib(200.0 * more);
        trial.usable_cpus(2)
    });
    let crowded = crowded.leaves_open(14, PartKind::Intervention, Shown::NotMeasured);
    gives(&crowded, |it| *it == Reason::TooFewCpus);
    run_of_goodput(both(), |_| 10.0).refutes(14, PartKind::Premise);
}

/// Context switches in each trial's window, by cell.
fn switching(run: Run, switches: impl Fn(&Cell) -> u64) -> Run {
    run.with(|cell, finished| {
        for usage in [&mut finished.sender.usage, &mut finished.receiver.usage] {
            if let Measured::Value(usage) = usage {
                usage.voluntary_switches = switches(cell);
            }
        }
    })
}

#[test]
fn c15_is_shown_by_switches_that_go_away_with_the_notifications() {
    let option = || {
        plan(&[
            (Factor::Threads, "4,8"),
            (Factor::Message, "64KiB"),
            (Factor::SoZerocopy, "on,off"),
        ])
    };
    let many = |cell: &Cell| {
        if cell.send_path == Zerocopy && cell.so_zerocopy.is_on() { 50_000 } else { 500 }
    };
    let with_option = |cell: &Cell| {
        if cell.so_zerocopy.is_on() || cell.threads.get() == 4 { falling(cell) } else { 7.0 }
    };
    let supporting = || switching(run_of_goodput(option(), with_option), many);
    let parts = supporting().supports(15).parts;
    assert_eq!(parts.last().map(|part| part.kind), Some(PartKind::Intervention), "{parts:#?}");
    let few_cpus =
        run(option(), |cell, trial| trial.goodput_gbps(with_option(cell)).usable_cpus(8));
    let claim = switching(few_cpus, many).leaves_open(15, PartKind::Effect, Shown::Unclear);
    gives(&claim, |it| *it == Reason::TooFewCpus);
    assert_eq!(claim.caveats, [Caveat::Oversubscribed { all: true }], "{claim:#?}");
    misses(&claim.would_decide, "a machine with at least 16 usable CPUs", "--threads 4,8");
    let as_far = |cell: &Cell| if cell.threads.get() == 4 { 10.0 } else { falling(cell) };
    switching(run_of_goodput(option(), as_far), many).refutes(15, PartKind::Intervention);
    // It costs more with notifications at either count, and no further down.
    let costlier = |cell: &Cell| {
        let of_path = as_far(cell);
        let is_on = cell.send_path == Zerocopy && cell.so_zerocopy.is_on();
        if is_on { of_path / 2.0 } else { of_path }
    };
    switching(run_of_goodput(option(), costlier), many).refutes(15, PartKind::Intervention);
    // It falls, and further than without notifications, but no further than the others.
    let alike = |cell: &Cell| match (cell.threads.get(), cell.send_path) {
        (8, Zerocopy) if !cell.so_zerocopy.is_on() => 7.0,
        (8, _) => 3.0,
        _ => 10.0,
    };
    switching(run_of_goodput(option(), alike), many).refutes(15, PartKind::Effect);
    let no_send = plan(&[
        (Factor::Threads, "4,8"),
        (Factor::Message, "64KiB"),
        (Factor::SoZerocopy, "on,off"),
        (Factor::Send, "sendmsg,zerocopy"),
    ]);
    switching(run_of_goodput(no_send, with_option), many).leaves_open(
        15,
        PartKind::Effect,
        Shown::Unclear,
    );
    // More switches than sendmsg, but no more than send.
    let as_send = |cell: &Cell| if cell.send_path == Send { 50_000 } else { many(cell) };
    switching(run_of_goodput(option(), with_option), as_send).refutes(15, PartKind::Counter);
    // The plan has no cells without notifications.
    switching(run_of_goodput(threads(), falling), many).leaves_open(
        15,
        PartKind::Intervention,
        Shown::NotMeasured,
    );
    switching(run_of_goodput(threads(), falling), |_| 500).refutes(15, PartKind::Counter);
    let others = |cell: &Cell| match (cell.threads.get(), cell.send_path) {
        (8, Zerocopy) => 8.0,
        (8, _) => 4.0,
        _ => 10.0,
    };
    switching(run_of_goodput(threads(), others), many).refutes(15, PartKind::Effect);
}

#[test]
fn c15_is_decided_where_nobody_reads_the_completions() {
    let read_and_left = || {
        plan(&[
            (Factor::Threads, "4,8"),
            (Factor::Message, "64KiB"),
            (Factor::Completions, "read,left"),
        ])
    };
    let is_read = |cell: &Cell| cell.completions == Completions::Read;
    let many = move |cell: &Cell| {
        if cell.send_path == Zerocopy && is_read(cell) { 50_000 } else { 500 }
    };
    let cured = move |cell: &Cell| {
        if is_read(cell) || cell.threads.get() == 4 { falling(cell) } else { 7.0 }
    };
    let parts = switching(run_of_goodput(read_and_left(), cured), many).supports(15).parts;
    assert_eq!(parts.last().map(|part| part.kind), Some(PartKind::Intervention), "{parts:#?}");
    // It falls as far with nobody reading, or switches as often.
    switching(run_of_goodput(read_and_left(), falling), many).refutes(15, PartKind::Intervention);
    let always = |cell: &Cell| if cell.send_path == Zerocopy { 50_000 } else { 500 };
    switching(run_of_goodput(read_and_left(), cured), always).refutes(15, PartKind::Intervention);
    // Too few CPUs support no cause, and refute one all the same.
    let crowded = |goodput: fn(&Cell) -> f64| {
        run(read_and_left(), move |cell, trial| trial.goodput_gbps(goodput(cell)).usable_cpus(8))
    };
    switching(crowded(falling), many).refutes(15, PartKind::Intervention);
    // Noise that hides whether reading has to do with it.
    let plan_of_noisy = read_and_left();
    let records = synthetic::run(&plan_of_noisy, ROUNDS, |cell, round| {
        let by = if is_read(cell) { 0.005 } else { 0.9 };
        let goodput = falling(cell);
        synthetic::trial(cell, round)
            .usable_cpus(CPUS)
            .goodput_gbps(goodput)
            .faster(synthetic::noise(3, cell, round, by))
    });
    let noisy = Run { plan: plan_of_noisy, host: host(), records };
    switching(noisy, many).leaves_open(15, PartKind::Intervention, Shown::Unclear);
    // Either factor alone will do, and what one refutes the other does not save.
    let both = plan(&[
        (Factor::Threads, "4,8"),
        (Factor::Message, "64KiB"),
        (Factor::SoZerocopy, "on,off"),
        (Factor::Completions, "read,left"),
    ]);
    let by_option = |cell: &Cell| {
        if cell.so_zerocopy.is_on() || cell.threads.get() == 4 { falling(cell) } else { 7.0 }
    };
    let switches = |cell: &Cell| {
        if cell.send_path == Zerocopy && cell.is_itself() { 50_000 } else { 500 }
    };
    switching(run_of_goodput(both, by_option), switches).refutes(15, PartKind::Intervention);
}

#[test]
fn c17_falls_where_no_cpu_time_is_burnt() {
    let threads = || plan(&[(Factor::Threads, "1,4")]);
    run(threads(), |_, trial| trial).refutes(17, PartKind::Counter);
    // As many threads as there are CPUs for will do.
    let two = plan(&[(Factor::Send, "send,sendmsg"), (Factor::Threads, "1,2,8")]);
    run(two, |_, trial| trial.sender_cpu_ns_per_kib(100.0).usable_cpus(4))
        .refutes(17, PartKind::Counter);
    let spins = run(threads(), |cell, trial| {
        trial.sender_cpu_ns_per_kib(100.0 * f64::from(cell.threads.get()))
    });
    let unseen = Reason::NotInstrumented { what: Unseen::LockContention };
    gives(&spins.leaves_open(17, PartKind::Counter, Shown::Unclear), |it| *it == unseen);
    let one = run(one_thread(), |_, trial| trial);
    gives(&one.leaves_open(17, PartKind::Counter, Shown::NotMeasured), |it| {
        lacks(it, Metric::SenderCpuNsPerKib, &[], &[4])
    });
    let few_cpus = run(threads(), |_, trial| trial.usable_cpus(2));
    let few_cpus = few_cpus.leaves_open(17, PartKind::Counter, Shown::NotMeasured);
    gives(&few_cpus, |it| *it == Reason::TooFewCpus);
    gives(
        &few_cpus,
        |it| matches!(it, Reason::Range { least, .. } if least.oversubscribed.is_so()),
    );
}
