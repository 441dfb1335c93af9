//! Q0 to Q6.

use analysis::Metric;
use analysis::answers::{Answer, AnswerFinding, Basis, Departed, Largest, Saves};
use analysis::findings::CrossoverOutcome;
use analysis::operands::Crossed;
use analysis::reason::Reason;
use analysis::reference::Caveat;
use analysis::results::Finding;
use model::SendPath::{Send, Sendmsg, Zerocopy};
use model::record::{Failure, FailureKind, Outcome};
use model::{Cell, Factor, Measured, Plan, Preset};

use crate::made::{Run, count, kib, misses, one_thread, plan, run, run_of_goodput};

fn with_controls() -> Run {
    let mut plan = one_thread();
    plan.measure.controls = true;
    run(plan, |_, trial| trial)
}

/// Every zero-copy completion was marked copied.
#[track_caller]
fn all_copied(completions: &Reason) {
    assert!(
        matches!(
            completions,
            Reason::Completions { copied: Measured::Value([1.0, 1.0]), copied_by: Some(_) }
        ),
        "{completions:?}"
    );
}

#[track_caller]
fn is_near(ratio: f64, expected: f64) {
    assert!((ratio / expected - 1.0).abs() < 0.02, "{ratio}, not {expected}");
}

#[test]
fn q0_tells_what_was_heard_and_that_copies_were_not_counted() {
    let run = with_controls();
    let answer = run.answer(0);
    assert!(!answer.answered);
    let AnswerFinding::Copies { counted, completions, .. } = &answer.finding else {
        panic!("{answer:#?}")
    };
    assert!(counted.is_empty());
    all_copied(completions);
    let paths = run.explained().data_paths;
    assert_eq!(paths.len(), 3);
    assert_eq!(paths[0].path, Send);
    is_near(*paths[0].send_calls_per_message.value().unwrap(), 8.0);
    assert_eq!(paths[2].copied_share.value(), Some(&1.0));
}

#[test]
fn q0_says_so_where_no_trial_is_valid_unless_an_audit_answers_it() {
    let failed = || {
        run(one_thread(), |_, trial| trial).changed(|trial| {
            trial.outcome = Outcome::Failed(Failure {
                kind: FailureKind::CallFailed,
                why: "send: ECONNRESET".to_owned(),
            });
        })
    };
    let answer = failed().answer(0);
    assert_eq!(answer.finding, AnswerFinding::Lacking { reason: Reason::NoValidTrial });
    misses(&answer.would_answer, "another plan", "copycost run");
    assert!(failed().audited().answer(0).answered);
}

#[test]
fn q1_compares_with_sendmsg_and_names_a_cause_only_with_counter_and_intervention() {
    #[track_caller]
    fn saves(answer: &Answer, so: Saves, options: usize) -> &Reason {
        let AnswerFinding::ByReference { saves, option, completions } = &answer.finding else {
            panic!("{answer:#?}")
        };
        assert_eq!((*saves, option.len()), (so, options));
        assert!(answer.answered);
        completions
    }
    let answer = with_controls().answer(1);
    all_copied(saves(&answer, Saves::NothingAndPays, 1));
    let goodput = answer.of(Metric::GoodputGbps);
    assert_eq!(goodput.len(), 4);
    for c in goodput {
        assert_eq!((c.cell.send_path, c.against.send_path), (Zerocopy, Sendmsg));
        assert_eq!(c.finding, Finding::Less);
    }
    // Without the control there is no intervention.
    saves(&run(one_thread(), |_, trial| trial).answer(1), Saves::Nothing, 0);
    let uncopied = run(one_thread(), |_, trial| trial.copied_share(0.0)).answer(1);
    saves(&uncopied, Saves::Unclear, 0);
    let answer = run(plan(&[(Factor::Send, "send,zerocopy")]), |_, trial| trial).answer(1);
    assert!(!answer.answered);
    misses(&answer.would_answer, "another plan", "--send send,sendmsg,zerocopy");
}

/// The order of levels, each with its mean ratio, and what may be said of it.
#[track_caller]
fn levels(answer: &Answer) -> (Largest, Vec<(Metric, f64)>) {
    let AnswerFinding::Levels { threads: 1, largest, levels } = &answer.finding else {
        panic!("{answer:#?}")
    };
    (largest.clone(), levels.iter().map(|level| (level.metric, level.ratio.mean)).collect())
}

#[test]
fn q2_lays_out_the_levels_or_the_nearest_thing() {
    let (last, l2) = (Metric::SenderLlcMissesPerKib, Metric::SenderLlcLoadsPerKib);
    let counted = run(one_thread(), |_, trial| trial.counted()).with(|cell, finished| {
        let share = if cell.send_path == Sendmsg { 0.4 } else { 1.0 };
        finished.sender.counters.llc_misses = count(kib(&finished.sender) * 10.0 * share);
    });
    let answer = counted.answer(2);
    assert!(answer.answered);
    let (largest, order) = levels(&answer);
    assert_eq!((largest, order[0].0, order.len()), (Largest::First, last, 3));
    assert_eq!(answer.compared.len(), 3);
    assert!(answer.compared.iter().all(|of| of.ratios.len() == 4));
    let smallest = &answer.of(last)[0];
    assert_eq!((smallest.cell.send_path, smallest.against.send_path), (Sendmsg, Send));
    assert_eq!(smallest.cell.message.bytes().0, 64);
    is_near(smallest.ratio.mean, 0.4);

    // Two levels fall as far.
    let alike = run(one_thread(), |_, trial| trial.counted()).with(|cell, finished| {
        let share = if cell.send_path == Sendmsg { 0.4 } else { 1.0 };
        let kib = kib(&finished.sender);
        finished.sender.counters.llc_misses = count(kib * 10.0 * share);
        finished.sender.counters.llc_loads = count(kib * 40.0 * share);
    });
    let answer = alike.answer(2);
    assert!(!answer.answered);
    let (largest, order) = levels(&answer);
    let Largest::OneOf(these) = &largest else { panic!("{largest:?}") };
    assert!(these.len() == 2 && these.contains(&last) && these.contains(&l2), "{these:?}");
    for (metric, ratio) in &order[..2] {
        assert!([last, l2].contains(metric), "{order:?}");
        is_near(*ratio, 0.4);
    }
    // A level between them that falls less on the average is told apart, a noisy one is not.
    let apart =
        run(one_thread(), |_, trial| trial.counted()).with_rounds(|cell, round, finished| {
            let is_sendmsg = cell.send_path == Sendmsg;
            let of = |share: f64| if is_sendmsg { share } else { 1.0 };
            let noisy = if round % 2 == 0 { 0.1 } else { 3.0 };
            let kib = kib(&finished.sender);
            finished.sender.counters.llc_misses = count(kib * 100.0 * of(0.4));
            finished.sender.counters.llc_loads = count(kib * 400.0 * of(0.45));
            finished.sender.counters.l1d_misses = count(kib * 800.0 * of(noisy));
        });
    let (largest, order) = levels(&apart.answer(2));
    let l1 = Metric::SenderL1dMissesPerKib;
    assert_eq!(order.iter().map(|(metric, _)| *metric).collect::<Vec<_>>(), [last, l2, l1]);
    assert_eq!(largest, Largest::OneOf(vec![last, l1]));

    let rising = run(one_thread(), |_, trial| trial.counted()).with(|cell, finished| {
        let share = if cell.send_path == Sendmsg { 2.0 } else { 1.0 };
        let kib = kib(&finished.sender);
        finished.sender.counters.llc_misses = count(kib * 10.0 * share);
        finished.sender.counters.llc_loads = count(kib * 40.0 * share);
        finished.sender.counters.l1d_misses = count(kib * 80.0 * share);
    });
    let answer = rising.answer(2);
    assert!(answer.answered && levels(&answer).0 == Largest::NoneFalls, "{answer:#?}");

    let answer = run(one_thread(), |_, trial| trial).answer(2);
    assert!(!answer.answered);
    assert_eq!(levels(&answer), (Largest::NotCounted, Vec::new()));
    misses(&answer.would_answer, "hardware counters", "ENOENT");
    assert_eq!(answer.compared.len(), 1);
    assert_eq!(answer.of(Metric::SenderCpuNsPerKib).len(), 4);
}

#[test]
fn q3_shows_each_path_over_threads_and_claims_no_cause_where_oversubscribed() {
    #[track_caller]
    fn over(answer: &Answer, from: u32, to: u32) {
        assert_eq!(answer.finding, AnswerFinding::Threads { bytes: 65_536, from, to });
    }
    let threads = || plan(&[(Factor::Threads, "1,2,4,8")]);
    let answer = run(threads(), |_, trial| trial.counted()).answer(3);
    assert!(answer.answered && answer.caveats.is_empty());
    over(&answer, 1, 8);
    for metric in [Metric::SenderLlcMissesPerKib, Metric::EndsCpuNsPerKib] {
        assert_eq!(answer.of(metric).len(), 3);
    }
    let answer = run(threads(), |_, trial| trial.usable_cpus(8)).answer(3);
    assert!(!answer.answered);
    // Up to four threads each has its CPU.
    over(&answer, 1, 4);
    assert_eq!(answer.caveats, [Caveat::Oversubscribed { all: false }]);
    assert!(answer.of(Metric::EndsCpuNsPerKib).iter().all(|c| !c.oversubscribed.is_so()));
    let answer = run(threads(), |_, trial| trial.usable_cpus(2)).answer(3);
    over(&answer, 1, 8);
    assert!(answer.of(Metric::EndsCpuNsPerKib).iter().all(|c| c.oversubscribed.is_so()));
    over(&run(one_thread(), |_, trial| trial).answer(3), 1, 1);
}

/// Where the path comes to carry more than `send`, thread count by thread count.
#[track_caller]
fn break_evens(answer: &Answer) -> Vec<&Crossed> {
    let AnswerFinding::Sizes { against: Send, break_evens, .. } = &answer.finding else {
        panic!("{answer:#?}")
    };
    let in_goodput = |it: &&Crossed| it.crossover.metric == Metric::GoodputGbps;
    break_evens.iter().filter(in_goodput).collect()
}

#[test]
fn q4_and_q5_give_the_break_even_and_every_ratio() {
    let doubled = |cell: &Cell| match (cell.send_path, cell.message.bytes().0) {
        (Sendmsg, _) => 20.0,
        (Zerocopy, 0..4096) => 5.0,
        (Zerocopy, _) => 15.0,
        _ => 10.0,
    };
    let run = run_of_goodput(plan(&[(Factor::Threads, "1,2")]), doubled);
    let (q4, q5) = (run.answer(4), run.answer(5));
    assert!(q4.answered && q5.answered);
    let outcomes = |answer: &Answer| -> Vec<CrossoverOutcome> {
        break_evens(answer).iter().map(|it| it.crossover.outcome).collect()
    };
    assert_eq!(outcomes(&q4), [CrossoverOutcome::Always; 2]);
    let ratios = q4.of(Metric::GoodputGbps);
    let cells: Vec<(u64, u32)> =
        ratios.iter().map(|c| (c.cell.message.bytes().0, c.cell.threads.get())).collect();
    assert_eq!(cells.len(), 8);
    for bytes in [64, 512, 4096, 65_536] {
        assert!(cells.contains(&(bytes, 1)) && cells.contains(&(bytes, 2)), "{cells:?}");
    }
    ratios.iter().for_each(|c| is_near(c.ratio.mean, 2.0));
    assert_eq!(outcomes(&q5), [CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 }; 2]);
    let AnswerFinding::Sizes { path: Zerocopy, completions: Some(completions), .. } = &q5.finding
    else {
        panic!("{q5:#?}")
    };
    all_copied(completions);
    misses(&q5.would_change, "sizes in between, which narrow the bracket", "--preset break-even");
    let alone = run_of_goodput(plan(&[(Factor::Send, "sendmsg")]), doubled).answer(4);
    let lacking = Reason::NotMeasured {
        metric: Metric::GoodputGbps,
        paths: vec![Sendmsg, Send],
        sizes: Vec::new(),
        threads: Vec::new(),
    };
    assert_eq!(alone.finding, AnswerFinding::Lacking { reason: lacking });
    assert!(!alone.answered);
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
    assert!(q4.answered);
    let [found] = break_evens(&q4)[..] else { panic!("{q4:#?}") };
    let up_to_4k = CrossoverOutcome::Partly { is_better: true, up_to: Some(4096.0), from: None };
    assert_eq!(found.crossover.outcome, up_to_4k);
    assert_eq!([found.better, found.worse, found.alike, found.unclear], [3, 0, 1, 0]);
    // Less at 512 bytes and more from 4 KiB on; 64 bytes do not tell.
    let risen = crate::made::run_with_noise(one_thread(), 0.02, |cell, trial| {
        trial.goodput_gbps(match (cell.send_path, cell.message.bytes().0) {
            (Zerocopy, 512) => 7.0,
            (Zerocopy, 4096..) => 14.0,
            _ => 10.0,
        })
    })
    .answer(5);
    let [found] = break_evens(&risen)[..] else { panic!("{risen:#?}") };
    let between = CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 };
    assert_eq!((found.crossover.outcome, &found.crossover.unclear_sizes[..]), (between, &[64][..]));
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
    for answer in [&q1, &q5] {
        let goodput = answer.of(Metric::GoodputGbps);
        assert!(goodput.len() == 4 && goodput.iter().all(|c| c.finding == Finding::Less));
        goodput.iter().for_each(|c| is_near(c.ratio.mean, 0.5));
    }
    let [found] = break_evens(&q5)[..] else { panic!("{q5:#?}") };
    assert_eq!(found.crossover.outcome, CrossoverOutcome::Never);
}

/// Goodput that path, size and threads give by twos, in the logarithm.
fn expected(cell: &Cell) -> f64 {
    let path = f64::from(cell.send_path as u32);
    let size = (cell.message.bytes().0 as f64).ln();
    let threads = f64::from(cell.threads.get());
    (0.1 * path * size + 0.3 * path * threads.sqrt() + 0.02 * size * threads).exp()
}

/// How many departures survive, and the first ones.
#[track_caller]
fn departures(answer: &Answer) -> (u32, &[Departed]) {
    let AnswerFinding::Departures { surviving, departures, .. } = &answer.finding else {
        panic!("{answer:#?}")
    };
    (*surviving, departures)
}

/// The first departure is of this cell in goodput, so many times what was expected.
#[track_caller]
fn surprises(answer: &Answer, cell: &Cell, factor: f64) {
    let (surviving, departures) = departures(answer);
    assert!(answer.answered && surviving > 0, "{answer:#?}");
    let first = &departures[0];
    assert_eq!((&first.cell, first.metric), (cell, Metric::GoodputGbps), "{answer:#?}");
    is_near(first.ratio.mean, factor);
    is_near(first.measured / first.expected, factor);
}

#[test]
fn q6_finds_the_cell_that_was_planted() {
    let odd: Cell = "send=zerocopy message_bytes=65536 threads=8".parse().unwrap();
    let run = run(plan(&[(Factor::Threads, "1,2,4,8")]), |cell, trial| {
        let factor = if *cell == odd { 0.4 } else { 1.0 };
        trial.goodput_gbps(expected(cell) * factor).ends_cpu_ns_per_kib(900.0 / expected(cell))
    });
    let answer = run.answer(6);
    surprises(&answer, &odd, 0.4);
    let (_, departures) = departures(&answer);
    assert_eq!((departures.len(), departures[0].basis), (5, Basis::Additive));
    assert!(departures[0].not_told_from.is_empty());
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
    surprises(&run.answer(6), &odd, 0.4);
}

/// Twenty rounds in which goodput rises by a half; half of the blocks are left out of the last ten.
fn skipping(seed: u64, plan: Plan, factor: impl Fn(&Cell) -> f64) -> Run {
    let mut records = synthetic::run(&plan, 20, |cell, round| {
        let drift = (f64::from(round) / 40.0).exp();
        synthetic::trial(cell, round)
            .usable_cpus(16)
            .goodput_gbps(expected(cell) * factor(cell) * drift)
            .ends_cpu_ns_per_kib(900.0 / expected(cell))
            .faster(synthetic::noise(seed, cell, round, 0.02))
    });
    records.retain(|record| {
        let model::record::Record::Trial(trial) = record else { return true };
        let place = trial.cell.message.bytes().0.ilog2() + trial.cell.threads.get().ilog2();
        trial.round <= 10 || place.is_multiple_of(2)
    });
    Run { plan, host: crate::made::host(), records }
}

#[test]
fn q6_has_one_grid_for_all_rounds_where_blocks_are_left_out_of_some() {
    let odd: Cell = "send=zerocopy message_bytes=65536 threads=8".parse().unwrap();
    let threads = || plan(&[(Factor::Threads, "1,2,4,8")]);
    let found = skipping(3, threads(), |cell| if *cell == odd { 0.4 } else { 1.0 }).answer(6);
    surprises(&found, &odd, 0.4);
    let sizes = || plan(&[(Factor::Threads, "1"), (Factor::Message, "64B..64KiB")]);
    let plans: [&dyn Fn() -> Plan; 2] = [&threads, &sizes];
    for plan in plans {
        let is_surprised =
            |seed: &u64| departures(&skipping(*seed, plan(), |_| 1.0).answer(6)).0 > 0;
        let surprised = (0..20).filter(is_surprised).count();
        // 5 % of 20 are 1.
        assert!(surprised <= 4, "{surprised} of 20");
    }
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
    let (surviving, departures) = departures(&answer);
    assert!(answer.answered && surviving > 0);
    let beside = Cell { send_path: Send, ..odd.clone() };
    let first = &departures[0];
    let (same, other) = if first.cell == odd { (&odd, &beside) } else { (&beside, &odd) };
    assert_eq!((&first.cell, &first.not_told_from[..]), (same, &[other.clone()][..]));
    // 0.4 of one, or 2.5 of the other.
    for (cell, factor) in [(&odd, 0.4), (&beside, 2.5)] {
        let is_it = |it: &&Departed| it.cell == *cell && it.metric == Metric::GoodputGbps;
        is_near(departures.iter().find(is_it).unwrap().ratio.mean, factor);
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
        surprised += u32::from(departures(&run.answer(6)).0 > 0);
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
    let odd = departures(&answer).1[0].cell.clone();
    assert_eq!(odd.to_string(), "send=sendmsg message_bytes=4096 threads=1");
    surprises(&answer, &odd, 0.6);
    assert_eq!(departures(&answer).1[0].basis, Basis::Neighbours);
    assert_eq!(departures(&smooth(1.0)).0, 0);
    let few = run(one_thread(), |_, trial| trial).answer(6);
    assert!(!few.answered, "{few:#?}");
    assert!(matches!(few.finding, AnswerFinding::Departures { tests: 0, .. }), "{few:#?}");
}
