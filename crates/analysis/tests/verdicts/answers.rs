//! Q0 to Q6.

use model::SendPath::{Sendmsg, Zerocopy};
use model::{Cell, Factor, Plan, Preset};

use crate::made::{Run, count, kib, misses, one_thread, plan, run, run_of_goodput};

fn with_controls() -> Run {
    let mut plan = one_thread();
    plan.measure.controls = true;
    run(plan, |_, trial| trial)
}

#[test]
fn q0_tells_what_was_heard_and_that_copies_were_not_counted() {
    let answer = with_controls().answer(0);
    assert!(!answer.answered);
    assert!(answer.line.contains("did not count copied bytes"), "{}", answer.line);
    assert!(
        answer.line.contains("every zero-copy completion was marked copied"),
        "{}",
        answer.line
    );
    assert_eq!(answer.evidence.rows.len(), 3);
    assert_eq!(answer.evidence.rows[0][..2], ["send (A1)", "8.00"]);
    assert_eq!(answer.evidence.rows[2][5], "100 % of completions copied");
}

#[test]
fn q1_compares_with_sendmsg_and_names_a_cause_only_with_counter_and_intervention() {
    let answer = with_controls().answer(1);
    assert!(answer.answered);
    assert!(answer.line.contains("less in all 4 comparisons"), "{}", answer.line);
    assert!(answer.line.contains("so it pays for pages and notifications"), "{}", answer.line);
    assert!(answer.notes.iter().any(|note| note.contains("A3 is compared with A2")));
    // Without the control there is no intervention.
    let answer = run(one_thread(), |_, trial| trial).answer(1);
    assert!(answer.line.contains("is not parted from it"), "{}", answer.line);
    let answer = run(one_thread(), |_, trial| trial.copied_share(0.0)).answer(1);
    assert!(answer.line.contains("why is not shown"), "{}", answer.line);
    let answer = run(plan(&[(Factor::Send, "send,zerocopy")]), |_, trial| trial).answer(1);
    assert!(!answer.answered);
    misses(&answer.would_answer, "another plan", "--send send,sendmsg,zerocopy");
}

#[test]
fn q2_lays_out_the_levels_or_the_nearest_thing() {
    let counted = run(one_thread(), |_, trial| trial.counted()).with(|cell, finished| {
        let share = if cell.send_path == Sendmsg { 0.4 } else { 1.0 };
        finished.sender.counters.llc_misses = count(kib(&finished.sender) * 10.0 * share);
    });
    let answer = counted.answer(2);
    assert!(answer.answered);
    assert!(answer.line.starts_with("last level misses fall most"), "{}", answer.line);
    assert!(answer.line.contains("why is not shown"), "{}", answer.line);
    assert_eq!(answer.evidence.columns, ["message", "misses per KiB at", "A1", "A2", "reduction"]);
    assert_eq!(answer.evidence.rows.len(), 12);
    let row = &answer.evidence.rows[8];
    assert_eq!(row[..2], ["64 B", "last level"]);
    assert!(row[4].starts_with("60 %"), "{row:?}");

    // Two levels fall as far.
    let alike = run(one_thread(), |_, trial| trial.counted()).with(|cell, finished| {
        let share = if cell.send_path == Sendmsg { 0.4 } else { 1.0 };
        let kib = kib(&finished.sender);
        finished.sender.counters.llc_misses = count(kib * 10.0 * share);
        finished.sender.counters.llc_loads = count(kib * 40.0 * share);
    });
    let answer = alike.answer(2);
    assert!(!answer.answered);
    assert!(answer.line.contains("not told apart"), "{}", answer.line);
    assert!(answer.line.contains("last level by 60 %"), "{}", answer.line);
    assert!(answer.line.contains("L2 (reads of the last level) by 60 %"), "{}", answer.line);
    assert!(!answer.line.contains("L1"), "{}", answer.line);
    let rising = run(one_thread(), |_, trial| trial.counted()).with(|cell, finished| {
        let share = if cell.send_path == Sendmsg { 2.0 } else { 1.0 };
        let kib = kib(&finished.sender);
        finished.sender.counters.llc_misses = count(kib * 10.0 * share);
        finished.sender.counters.llc_loads = count(kib * 40.0 * share);
        finished.sender.counters.l1d_misses = count(kib * 80.0 * share);
    });
    let answer = rising.answer(2);
    assert!(
        answer.answered && answer.line.starts_with("no level's misses fall"),
        "{}",
        answer.line
    );

    let answer = run(one_thread(), |_, trial| trial).answer(2);
    assert!(!answer.answered);
    assert!(
        answer.line.contains("nearest thing measured is the senders' CPU time"),
        "{}",
        answer.line
    );
    misses(&answer.would_answer, "hardware counters", "ENOENT");
    assert_eq!(answer.evidence.rows.len(), 4);
}

#[test]
fn q3_shows_each_path_over_threads_and_claims_no_cause_where_oversubscribed() {
    let threads = || plan(&[(Factor::Threads, "1,2,4,8")]);
    let answer = run(threads(), |_, trial| trial.counted()).answer(3);
    assert!(answer.answered);
    assert!(answer.line.starts_with("from 1 to 8 threads at 64 KiB"), "{}", answer.line);
    assert_eq!(answer.evidence.rows.len(), 12);
    let answer = run(threads(), |_, trial| trial.usable_cpus(8)).answer(3);
    assert!(!answer.answered);
    // Up to four threads each has its CPU.
    assert!(answer.line.contains("from 1 to 4 threads"), "{}", answer.line);
    assert!(answer.notes.iter().any(|note| note.contains("8 threads are oversubscribed")));
    let answer = run(threads(), |_, trial| trial.usable_cpus(2)).answer(3);
    assert!(answer.line.contains("from 1 to 8 threads"), "{}", answer.line);
    assert!(answer.line.contains("oversubscribed, so no cause is claimed"), "{}", answer.line);
    let answer = run(one_thread(), |_, trial| trial).answer(3);
    assert!(answer.line.contains("only 1 thread was measured"), "{}", answer.line);
}

#[test]
fn q4_and_q5_give_the_break_even_and_the_papers_table() {
    let doubled = |cell: &Cell| match (cell.send_path, cell.message.bytes().0) {
        (Sendmsg, _) => 20.0,
        (Zerocopy, 0..4096) => 5.0,
        (Zerocopy, _) => 15.0,
        _ => 10.0,
    };
    let run = run_of_goodput(plan(&[(Factor::Threads, "1,2")]), doubled);
    let (q4, q5) = (run.answer(4), run.answer(5));
    assert!(q4.answered && q5.answered);
    assert!(q4.line.starts_with("A2 carries more than A1 at every size measured"), "{}", q4.line);
    assert_eq!(q4.evidence.columns, ["message", "A2 / A1 goodput, 1T", "A2 / A1 goodput, 2T"]);
    let sizes: Vec<&str> = q4.evidence.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(sizes, ["64 B", "512 B", "4 KiB", "64 KiB"]);
    for row in &q4.evidence.rows {
        let first = row[1].split(' ').next().unwrap().parse::<f64>().unwrap();
        assert!((first - 2.0).abs() < 0.02, "{row:?}");
    }
    assert!(q5.line.contains("between 512 B and 4 KiB"), "{}", q5.line);
    assert!(q5.line.contains("every zero-copy completion was marked copied"), "{}", q5.line);
    assert!(q5.would_change.contains("--preset break-even"), "{}", q5.would_change);
    assert!(q5.notes.iter().any(|note| note.contains("one call of eight")));
    let alone = run_of_goodput(plan(&[(Factor::Send, "sendmsg")]), doubled).answer(4);
    assert!(!alone.answered && alone.line.contains("not both measured"));
}

#[test]
fn q4_and_q5_claim_no_break_even_beyond_what_each_size_shows() {
    // More at small sizes, and alike at the largest.
    let fading = |cell: &Cell| match (cell.send_path, cell.message.bytes().0) {
        (Sendmsg, 0..10_000) => 15.0,
        (Sendmsg, _) => 10.1,
        _ => 10.0,
    };
    let q4 = run_of_goodput(one_thread(), fading).answer(4);
    assert!(q4.answered, "{}", q4.line);
    assert!(q4.line.contains("at 3 of 4 sizes, no difference at 1 (1 thread)"), "{}", q4.line);
    // Less at 512 bytes and more from 4 KiB on; 64 bytes do not tell.
    let risen = crate::made::run_with_noise(one_thread(), 0.02, |cell, trial| {
        trial.goodput_gbps(match (cell.send_path, cell.message.bytes().0) {
            (Zerocopy, 512) => 7.0,
            (Zerocopy, 4096..) => 14.0,
            _ => 10.0,
        })
    })
    .answer(5);
    let words = "between 512 B and 4 KiB on (1 thread); at 64 B neither is shown to be better";
    assert!(risen.line.contains(words), "{}", risen.line);
}

#[test]
fn msg_zerocopy_without_the_option_is_never_taken_for_zerocopy() {
    let option = plan(&[(Factor::Threads, "1"), (Factor::SoZerocopy, "on,off")]);
    let run = run_of_goodput(option, |cell| match (cell.send_path, cell.so_zerocopy.is_on()) {
        (Zerocopy, true) => 5.0,
        (Zerocopy, false) => 50.0,
        _ => 10.0,
    });
    let (q1, q5) = (run.answer(1), run.answer(5));
    assert!(q1.line.contains("less in all 4"), "{}", q1.line);
    assert!(q5.line.contains("at no size measured") && !q5.line.contains("5.00"), "{}", q5.line);
}

/// Goodput that path, size and threads give by twos, in the logarithm.
fn expected(cell: &Cell) -> f64 {
    let path = f64::from(cell.send_path as u32);
    let size = (cell.message.bytes().0 as f64).ln();
    let threads = f64::from(cell.threads.get());
    (0.1 * path * size + 0.3 * path * threads.sqrt() + 0.02 * size * threads).exp()
}

#[test]
fn q6_finds_the_cell_that_was_planted() {
    let odd: Cell = "send=zerocopy message_bytes=65536 threads=8".parse().unwrap();
    let run = run(plan(&[(Factor::Threads, "1,2,4,8")]), |cell, trial| {
        let factor = if *cell == odd { 0.4 } else { 1.0 };
        trial.goodput_gbps(expected(cell) * factor).ends_cpu_ns_per_kib(900.0 / expected(cell))
    });
    let answer = run.answer(6);
    assert!(answer.answered);
    assert!(
        answer.line.starts_with("zerocopy at 64 KiB, 8 threads: goodput is 0.40"),
        "{}",
        answer.line
    );
    assert!(
        answer.notes.iter().any(|note| note.contains("no cause is named")),
        "{:?}",
        answer.notes
    );
    assert!(answer.notes.iter().any(|note| note.contains("context switches per second")));
    assert_eq!(answer.evidence.rows[0][0], odd.to_string());
    assert_eq!(answer.evidence.rows.len(), 5);
}

#[test]
fn q6_finds_the_whole_of_what_was_planted_in_a_grid_with_gaps() {
    let odd: Cell = "send=zerocopy message_bytes=65536 threads=8".parse().unwrap();
    let mut run = run(plan(&[(Factor::Threads, "1,2,4,8")]), |cell, trial| {
        let factor = if *cell == odd { 0.4 } else { 1.0 };
        trial.goodput_gbps(expected(cell) * factor).ends_cpu_ns_per_kib(900.0 / expected(cell))
    });
    // Other cells of each round are missing.
    let mut place = 0_u32;
    run.records.retain(|record| {
        place += 1;
        !matches!(record, model::record::Record::Trial(trial) if trial.cell != odd && place.is_multiple_of(7))
    });
    let answer = run.answer(6);
    assert!(
        answer.line.starts_with("zerocopy at 64 KiB, 8 threads: goodput is 0.400 × [0.39"),
        "{}",
        answer.line
    );
}

#[test]
fn q6_of_two_paths_names_both_cells_of_which_one_departs() {
    let odd: Cell = "send=sendmsg message_bytes=4096 threads=4".parse().unwrap();
    let two = plan(&[(Factor::Send, "send,sendmsg"), (Factor::Threads, "1,2,4,8")]);
    let run = run(two, |cell, trial| {
        let factor = if *cell == odd { 0.4 } else { 1.0 };
        trial.goodput_gbps(expected(cell) * factor).ends_cpu_ns_per_kib(900.0 / expected(cell))
    });
    let answer = run.answer(6);
    assert!(answer.answered);
    assert!(answer.line.starts_with("one of these 2 cells departs"), "{}", answer.line);
    for cell in ["sendmsg at 4 KiB, 4 threads", "send at 4 KiB, 4 threads"] {
        assert!(answer.line.contains(cell), "{}", answer.line);
    }
    // 0.4 of one, or 2.5 of the other.
    for factor in [" 0.40", " 2.5"] {
        assert!(answer.line.contains(factor), "{}", answer.line);
    }
}

#[test]
fn q6_finds_nothing_where_there_is_nothing() {
    let mut surprised = 0;
    for seed in 0..60 {
        let plan = plan(&[(Factor::Message, "64,4KiB,64KiB"), (Factor::Threads, "1,2,4")]);
        let records = synthetic::run(&plan, 5, |cell, round| {
            synthetic::trial(cell, round)
                .usable_cpus(16)
                .goodput_gbps(expected(cell))
                .ends_cpu_ns_per_kib(900.0 / expected(cell))
                .faster(synthetic::noise(seed, cell, round, 0.1))
        });
        let run = Run { plan, host: crate::made::host(), records };
        surprised += u32::from(!run.answer(6).line.starts_with("nothing surprising"));
    }
    // 5 % of 60 are 3, with a standard deviation of 1.7.
    assert!(surprised <= 7, "{surprised} of 60");
}

#[test]
fn q6_looks_at_neighbouring_sizes_where_there_is_one_thread_count() {
    let smooth = |factor_at_4096: f64| {
        run(Plan::preset(Preset::BreakEven), move |cell, trial| {
            let x = (cell.message.bytes().0 as f64).ln();
            let odd = cell.send_path == Sendmsg && cell.message.bytes().0 == 4096;
            let factor = if odd { factor_at_4096 } else { 1.0 };
            trial.goodput_gbps((0.5 * x - 0.01 * x * x).exp() * factor).ends_cpu_ns_per_kib(300.0)
        })
        .answer(6)
    };
    let answer = smooth(0.6);
    assert!(
        answer.line.starts_with("sendmsg at 4 KiB, 1 thread: goodput is 0.6"),
        "{}",
        answer.line
    );
    assert!(smooth(1.0).line.starts_with("nothing surprising"), "{}", smooth(1.0).line);
    let few = run(one_thread(), |_, trial| trial).answer(6);
    assert!(!few.answered && few.line.contains("two thread counts"), "{}", few.line);
}
