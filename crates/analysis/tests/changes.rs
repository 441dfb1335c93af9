//! What changed between runs: planted changes are found and told apart, and where there is none, none is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's functions may fail it, and tell the rates"
)]

use analysis::JudgedRun;
use analysis::changes::{
    Changes, Comparison, MeasuredRun, Scope, Subject, Unit, Unseen, Verdict, Worse, compare,
    verdict, worse,
};
use analysis::metric::Metric;
use analysis::results::Finding;
use model::values::Replica;
use model::{Cell, Factor, Plan, Preset, SendPath};
use synthetic::{noise, normal};

const ROUNDS: u32 = 10;

fn plan() -> Plan {
    let lists = [(Factor::Message, "64,512,4096,65536"), (Factor::Threads, "1,4")];
    synthetic::without_controls(&lists)
}

/// What is unsteady about a machine; each a standard deviation of logarithms.
#[derive(Clone, Copy, Debug)]
struct Noise {
    /// Of each trial.
    trial: f64,
    /// Of a block in a round, which its cells share.
    block: f64,
    /// Of the machine in a round; most of its state is left after one.
    machine: f64,
    /// Of the machine in a run.
    run: f64,
    /// Of each cell in a run.
    cell: f64,
    /// How many trials in a hundred stall, to 0.6 of their goodput.
    stalls: u32,
}

const QUIET: Noise =
    Noise { trial: 0.02, block: 0.0, machine: 0.0, run: 0.0, cell: 0.0, stalls: 0 };

/// A fixed standard normal figure.
fn figure(seed: u64) -> f64 {
    normal(&mut analysis::order::generator(seed, 7))
}

/// A run of a plan on such a machine; `change` is by what each cell's goodput is multiplied.
fn run(
    plan: &Plan,
    seed: u64,
    of: Noise,
    rounds: u32,
    change: impl Fn(&Cell) -> f64,
) -> MeasuredRun {
    let whole = of.run * figure(seed);
    let mut state = figure(seed + 500_000);
    let machine: Vec<f64> = (0..=rounds)
        .map(|round| {
            state = 0.8 * state + 0.6 * figure(seed * 1_000 + u64::from(round));
            whole + of.machine * state
        })
        .collect();
    let records = synthetic::run(plan, rounds, |cell, round| {
        let block = Cell { send_path: SendPath::Send, ..cell.clone() };
        let stalls = noise(seed + 3, cell, round, 1.0) > normal_quantile(of.stalls).exp();
        let speed = change(cell)
            * noise(seed, cell, round, of.trial)
            * noise(seed + 1, &block, round, of.block)
            * noise(seed + 2, cell, 0, of.cell)
            * machine[round as usize].exp()
            * if stalls { 0.6 } else { 1.0 };
        synthetic::trial(cell, round).faster(speed)
    });
    measured(plan, &records)
}

/// Beyond which so many in a hundred standard normal figures lie.
fn normal_quantile(in_hundred: u32) -> f64 {
    match in_hundred {
        0 => f64::INFINITY,
        3 => 1.881,
        other => panic!("no quantile for {other}"),
    }
}

fn measured(plan: &Plan, records: &[model::record::Record]) -> MeasuredRun {
    let host = synthetic::host();
    // Facts of the run alone are taken from its summary: that of no record is cheap.
    let summary = analysis::summarise(plan, &host, &[]);
    MeasuredRun::new("run".to_owned(), plan, &host, &JudgedRun::of(plan, records), &summary)
}

fn same(_: &Cell) -> f64 {
    1.0
}

fn of(base: MeasuredRun, other: MeasuredRun) -> Changes {
    compare(&[base], &[vec![other]])
}

fn found(comparison: &Comparison) -> Vec<String> {
    let found = comparison.changes.iter().filter(|change| change.is_found());
    found
        .map(|change| format!("{:?} {:?} {:?}", change.subject, change.metric, change.ratio))
        .collect()
}

/// A noisy machine, one thing after the other.
fn kinds() -> [Noise; 6] {
    [
        QUIET,
        Noise { trial: 0.05, block: 0.15, ..QUIET },
        Noise { machine: 0.1, block: 0.05, ..QUIET },
        Noise { run: 0.15, block: 0.05, ..QUIET },
        Noise { cell: 0.02, run: 0.05, block: 0.05, ..QUIET },
        Noise { stalls: 3, block: 0.05, ..QUIET },
    ]
}

#[test]
fn where_nothing_changed_one_pair_of_runs_in_twenty_shows_a_change_at_most() {
    const PAIRS: u64 = 20;
    let plan = plan();
    let mut wrong = 0;
    for (kind, of_kind) in (0..).zip(kinds()) {
        for rounds in [3, ROUNDS] {
            let shows = |pair: &u64| {
                let seed = 1_000_000 * (kind + 1) + 100 * pair + u64::from(rounds);
                let of = |seed| run(&plan, seed, of_kind, rounds, same);
                !found(&compare(&[of(seed)], &[vec![of(seed + 50)]]).comparisons[0]).is_empty()
            };
            let of_these = (0..PAIRS).filter(shows).count();
            eprintln!("{of_kind:?}, {rounds} rounds: {of_these} of {PAIRS}");
            assert!(of_these <= 2, "{of_kind:?}: {of_these}");
            wrong += of_these;
        }
    }
    assert!(wrong <= 12, "{wrong} of 240");
}

#[test]
fn a_path_that_is_5_per_cent_slower_is_found_and_named_on_a_noisy_machine() {
    let plan = plan();
    let noisy = Noise { trial: 0.03, block: 0.15, machine: 0.1, run: 0.1, ..QUIET };
    let slower = |cell: &Cell| if cell.send_path == SendPath::Zerocopy { 0.95 } else { 1.0 };
    let named = (0..10).filter(|pair| {
        let seed = 30_000_000 + 100 * pair;
        let before = run(&plan, seed, noisy, ROUNDS, same);
        let changes = of(before, run(&plan, seed + 50, noisy, ROUNDS, slower));
        changes.comparisons[0].attributed.iter().any(|it| {
            it.value == "zerocopy"
                && matches!(it.scope, Scope::AllBlocks { blocks: 8 })
                && (it.metric, it.finding) == (Metric::GoodputGbps, Finding::Less)
                && it.ratio.low.unwrap() < 0.95
                && 0.95 < it.ratio.high.unwrap() + 0.01
        })
    });
    let named = named.count();
    assert!(named >= 9, "{named} of 10");
}

#[test]
fn a_machine_that_is_slower_as_a_whole_is_told_as_such() {
    let plan = plan();
    let steady = Noise { block: 0.03, ..QUIET };
    let before = run(&plan, 1, steady, ROUNDS, same);
    let changes = of(before, run(&plan, 2, steady, ROUNDS, |_| 0.88));
    let comparison = &changes.comparisons[0];
    assert_eq!(found(comparison), Vec::<String>::new());
    for overall in &comparison.overall {
        let (slower, ratio) = if overall.metric == Metric::GoodputGbps {
            (Finding::Less, 0.88)
        } else {
            (Finding::More, 1.0 / 0.88)
        };
        let interval = overall.ratio.unwrap();
        assert_eq!(overall.finding, slower, "{overall:?}");
        assert!(interval.low.unwrap() < ratio && ratio < interval.high.unwrap(), "{overall:?}");
        assert!((overall.common / ratio - 1.0).abs() < 0.03, "{overall:?}");
    }
    // One run a side does not tell the machine's state from a change; three do.
    assert_eq!(worse(&changes, 0.05), []);
    let side = |first: u64, speed: f64| -> Vec<MeasuredRun> {
        (first..first + 3).map(|seed| run(&plan, seed, steady, ROUNDS, |_| speed)).collect()
    };
    let changes = compare(&side(10, 1.0), &[side(20, 0.88)]);
    assert_eq!(changes.comparisons[0].unit, Unit::Runs);
    let all = |it: &Worse<'_>| matches!(it, Worse::All(_));
    assert_eq!(worse(&changes, 0.05).iter().filter(|it| all(it)).count(), 2);
    assert_eq!(worse(&changes, 0.2), []);
}

fn unseen(changes: &Changes, share: f64) -> Unseen<'_> {
    match verdict(changes, share) {
        Verdict::Undecided(unseen) => unseen,
        other @ (Verdict::Worse(_) | Verdict::Excluded) => panic!("{other:?}"),
    }
}

#[test]
fn a_change_for_the_worse_is_shown_or_excluded_or_neither() {
    let plan = plan();
    let before = || run(&plan, 5, QUIET, ROUNDS, same);
    let after = |of: Noise, speed: f64| {
        let is_slow = |cell: &Cell| cell.send_path == SendPath::Zerocopy;
        let slower = move |cell: &Cell| if is_slow(cell) { speed } else { 1.0 };
        run(&plan, 6, of, ROUNDS, slower)
    };
    let steady = of(before(), after(QUIET, 1.0));
    assert_eq!(verdict(&steady, 0.10), Verdict::Excluded);
    // The same interval does not exclude what is smaller than itself.
    let seen = unseen(&steady, 0.005);
    let widest = seen.widest.as_ref().unwrap();
    assert!(seen.cells > 0 && seen.of == 24 && seen.too_few_rounds == 0, "{seen:?}");
    assert!(widest.share > 0.005 && widest.share < 0.10, "{}", widest.share);
    assert!(widest.of.ratio.low.unwrap() < 0.995 || widest.of.ratio.high.unwrap() > 1.005);
    // Nothing changed, but nobody could have seen it.
    let noisy = of(before(), after(Noise { trial: 0.3, ..QUIET }, 1.0));
    let seen = unseen(&noisy, 0.05);
    assert!(seen.cells > 12 && seen.widest.as_ref().unwrap().share > 0.15, "{seen:?}");
    let slower = of(before(), after(QUIET, 0.8));
    assert!(matches!(verdict(&slower, 0.05), Verdict::Worse(_)));
    // What is faster everywhere is not worse anywhere.
    let faster = of(after(QUIET, 0.8), run(&plan, 7, QUIET, ROUNDS, |_| 1.0));
    assert!(!matches!(verdict(&faster, 0.05), Verdict::Worse(_)));
}

#[test]
fn a_slower_machine_is_undecided_of_one_run_a_side_and_shown_of_three() {
    let plan = plan();
    let side = |first: u64, runs: u64, speed: f64| -> Vec<MeasuredRun> {
        (first..first + runs).map(|seed| run(&plan, seed, QUIET, ROUNDS, |_| speed)).collect()
    };
    let one = compare(&side(10, 1, 1.0), &[side(20, 1, 0.88)]);
    let seen = unseen(&one, 0.05);
    let all = seen.all.as_ref().unwrap();
    assert!(seen.is_of_rounds && seen.cells == 0 && all.share > 0.12 && all.share < 0.20);
    assert_eq!(verdict(&one, 0.20), Verdict::Excluded);
    let three = compare(&side(10, 3, 1.0), &[side(20, 3, 0.88)]);
    assert!(matches!(verdict(&three, 0.05), Verdict::Worse(_)));
    let faster = compare(&side(10, 1, 1.0), &[side(20, 1, 1.12)]);
    assert_eq!(verdict(&faster, 0.10), Verdict::Excluded);
}

#[test]
fn what_all_cells_lost_and_what_a_cell_lost_beside_them_counts_together() {
    let plan = plan();
    // 4 % everywhere, and as much again of one cell: alone neither is more than 6 %.
    let is_slow = |cell: &Cell| {
        let is_one = cell.send_path == SendPath::Zerocopy && cell.threads.get() == 1;
        is_one && cell.message.bytes().0 == 65_536
    };
    let speed = move |cell: &Cell| if is_slow(cell) { 0.92 } else { 0.96 };
    let quiet = Noise { trial: 0.002, ..QUIET };
    let side = |first: u64, runs: u64, slow: bool| -> Vec<MeasuredRun> {
        let speed = move |cell: &Cell| if slow { speed(cell) } else { 1.0 };
        (first..first + runs).map(|seed| run(&plan, seed, quiet, ROUNDS, speed)).collect()
    };
    let one = compare(&side(10, 1, false), &[side(20, 1, true)]);
    let seen = unseen(&one, 0.06);
    assert_eq!(seen.cells, 1, "{seen:?}");
    assert!(seen.all.is_none() && seen.widest.as_ref().unwrap().share > 0.07, "{seen:?}");
    assert_eq!(verdict(&one, 0.12), Verdict::Excluded);
    // Several runs a side show it.
    let three = compare(&side(10, 3, false), &[side(20, 3, true)]);
    let Verdict::Worse(worse) = verdict(&three, 0.06) else {
        panic!("{:?}", verdict(&three, 0.06))
    };
    let is_it = |it: &Worse<'_>| {
        matches!(it, Worse::Cell(change)
        if matches!(&change.subject, Subject::Level { cell } if is_slow(cell)))
    };
    assert!(!worse.is_empty() && worse.iter().any(is_it), "{worse:?}");
}

#[test]
fn what_may_be_the_machines_state_is_not_called_a_change_of_a_cell() {
    let lists = [(Factor::Message, "64"), (Factor::Threads, "1"), (Factor::Send, "sendmsg")];
    let one_cell = synthetic::without_controls(&lists);
    let side = |plan: &Plan, first: u64, runs: u64, speed: fn(&Cell) -> f64| -> Vec<MeasuredRun> {
        (first..first + runs).map(|seed| run(plan, seed, QUIET, ROUNDS, speed)).collect()
    };
    // Half as fast, but nothing is there that would tell the cell from the machine.
    let one = compare(&side(&one_cell, 10, 1, same), &[side(&one_cell, 20, 1, |_| 0.5)]);
    assert_eq!(unseen(&one, 0.05).cells, 1);
    let three = compare(&side(&one_cell, 10, 3, same), &[side(&one_cell, 20, 3, |_| 0.5)]);
    assert!(matches!(verdict(&three, 0.05), Verdict::Worse(_)));
    // Slower beside all others, which are faster than they were, and as fast as before itself.
    let speed = |cell: &Cell| if cell.send_path == SendPath::Zerocopy { 1.0 } else { 1.25 };
    let plan = synthetic::without_controls(&[
        (Factor::Message, "64,512,4096,65536"),
        (Factor::Threads, "1"),
        (Factor::Send, "sendmsg,zerocopy"),
    ]);
    let beside = compare(&side(&plan, 10, 1, same), &[side(&plan, 20, 1, speed)]);
    let cells = worse(&beside, 0.05);
    assert!(!cells.iter().any(|it| matches!(it, Worse::Cell(_))), "{cells:?}");
}

#[test]
fn a_cell_of_too_few_rounds_is_not_taken_for_one_that_did_not_change() {
    let plan = plan();
    let lacking = |block: &Cell| block.message.bytes().0 == 64 && block.threads.get() == 1;
    let records = synthetic::run(&plan, ROUNDS, |cell, round| {
        let trial = synthetic::trial(cell, round).faster(noise(9, cell, round, 0.02));
        let kind = model::record::FailureKind::EndLost;
        if round > 1 && lacking(cell) { trial.failed(kind, "gone") } else { trial }
    });
    let changes = of(run(&plan, 8, QUIET, ROUNDS, same), measured(&plan, &records));
    let seen = unseen(&changes, 0.20);
    assert_eq!((seen.cells, seen.too_few_rounds, seen.of), (3, 3, 24));
    assert!(seen.widest.is_none() && seen.all.is_none(), "{seen:?}");
}

#[test]
fn a_cell_is_told_as_it_is_beside_what_all_cells_share() {
    let plan = plan();
    let slower = |cell: &Cell| if cell.send_path == SendPath::Zerocopy { 0.7 } else { 0.9 };
    let steady = Noise { block: 0.03, ..QUIET };
    let changes = of(run(&plan, 1, steady, ROUNDS, same), run(&plan, 2, steady, ROUNDS, slower));
    for change in &changes.comparisons[0].changes {
        let Subject::Level { cell } = &change.subject else {
            assert_eq!(change.itself, None);
            continue;
        };
        let itself = change.itself.unwrap();
        assert!((itself.mean * change.before / change.after - 1.0).abs() < 1e-9, "{change:?}");
        if change.metric == Metric::GoodputGbps {
            let [low, high] = [itself.low.unwrap(), itself.high.unwrap()];
            let (is, beside) = (slower(cell), slower(cell) / 0.9);
            assert!(low * 0.97 < is && is < high * 1.03, "{change:?}");
            assert!((change.ratio.mean / beside - 1.0).abs() < 0.05, "{change:?}");
            // What a block's cells share in a round is in the one and not quite in the other.
            assert!(high / low > 1.01);
        }
    }
    // Of cells too few to be told apart the two are one.
    let mut alone = synthetic::without_controls(&[
        (Factor::Send, "send"),
        (Factor::Message, "4096"),
        (Factor::Threads, "1"),
    ]);
    alone.factors.replica = vec![Replica::ONE];
    let changes = of(run(&alone, 1, QUIET, ROUNDS, same), run(&alone, 2, QUIET, ROUNDS, |_| 0.8));
    let levels = &changes.comparisons[0].changes;
    assert!(!levels.is_empty() && levels.iter().all(|it| it.itself == Some(it.ratio)));
}

#[test]
fn what_runs_of_one_side_differ_by_is_no_change() {
    let plan = plan();
    let of_runs = Noise { run: 0.1, cell: 0.04, block: 0.05, ..QUIET };
    let side = |first: u64| -> Vec<MeasuredRun> {
        (first..first + 3).map(|seed| run(&plan, seed, of_runs, ROUNDS, same)).collect()
    };
    let shows = |pair: &u64| {
        let changes = compare(&side(40_000_000 + 20 * pair), &[side(40_000_010 + 20 * pair)]);
        !found(&changes.comparisons[0]).is_empty()
    };
    let wrong = (0..20).filter(shows).count();
    assert!(wrong <= 1, "{wrong} of 20");
}

#[test]
fn a_cell_that_got_much_worse_is_named_and_allowed_or_not_by_its_interval() {
    let plan = plan();
    let steady = Noise { block: 0.03, ..QUIET };
    let cell = plan.cells().into_iter().find(|cell| cell.send_path == SendPath::Sendmsg).unwrap();
    let slower = |share: f64| {
        let cell = cell.clone();
        move |it: &Cell| if *it == cell { 1.0 - share } else { 1.0 }
    };
    let against = |share: f64| {
        of(run(&plan, 5, steady, ROUNDS, same), run(&plan, 6, steady, ROUNDS, slower(share)))
    };
    let changes = against(0.3);
    let is_it = |subject: &Subject| *subject == Subject::Level { cell: Box::new(cell.clone()) };
    let levels: Vec<_> = changes.comparisons[0]
        .changes
        .iter()
        .filter(|change| change.is_found() && matches!(change.subject, Subject::Level { .. }))
        .collect();
    assert_eq!(levels.len(), 2, "{levels:#?}");
    assert!(levels.iter().all(|change| is_it(&change.subject)), "{levels:#?}");
    let named = &changes.comparisons[0].attributed;
    assert!(
        named.iter().any(|it| it.value == "sendmsg" && matches!(it.scope, Scope::Block { .. }))
    );
    assert!(!worse(&changes, 0.05).is_empty());
    assert_eq!(worse(&changes, 0.35), [], "30 % is not more than 35 %");
    assert_eq!(worse(&against(0.03), 0.05), [], "3 % is not more than 5 %");
}

#[test]
fn cells_of_one_side_alone_are_named_and_sides_without_a_common_cell_compare_nothing() {
    let few = |list: &str| {
        synthetic::without_controls(&[(Factor::Message, list), (Factor::Threads, "1")])
    };
    let (first, second) = (few("64,512"), few("512,4096"));
    let changes = of(run(&first, 1, QUIET, 4, same), run(&second, 2, QUIET, 4, same));
    let comparison = &changes.comparisons[0];
    assert_eq!((comparison.cells, comparison.only_in_base.len()), (3, 3));
    assert!(comparison.only_in_other.iter().all(|of| of.0.message.bytes().0 == 4096));
    let changes = of(run(&few("64"), 1, QUIET, 4, same), run(&few("4096"), 2, QUIET, 4, same));
    let comparison = &changes.comparisons[0];
    assert_eq!((comparison.cells, comparison.changes.len(), comparison.overall.len()), (0, 0, 0));
    // A single round tells no spread.
    let changes = of(run(&first, 1, QUIET, 1, same), run(&first, 2, QUIET, 4, same));
    let comparison = &changes.comparisons[0];
    assert_eq!((comparison.cells, comparison.too_few_rounds.len()), (0, 6));
}

#[test]
fn one_cell_alone_is_compared_as_it_is() {
    let mut plan = synthetic::without_controls(&[
        (Factor::Send, "send"),
        (Factor::Message, "4096"),
        (Factor::Threads, "1"),
    ]);
    plan.factors.replica = vec![Replica::ONE];
    let changes = of(run(&plan, 1, QUIET, ROUNDS, same), run(&plan, 2, QUIET, ROUNDS, |_| 0.8));
    let comparison = &changes.comparisons[0];
    assert_eq!(found(comparison).len(), 2, "goodput and cost");
    assert!((comparison.overall[0].common - 1.0).abs() < 1e-12);
    assert!(comparison.seen.contrast.is_none() && comparison.seen.level.unwrap().median < 0.1);
}

#[test]
fn what_machines_and_settings_differ_in_is_listed_and_what_always_differs_is_not() {
    let plan = plan();
    let base = run(&plan, 1, QUIET, 2, same);
    let mut other = run(&plan, 2, QUIET, 2, same);
    other.host.boot_id = model::Measured::Value("another".to_owned());
    other.host.load_average = model::Measured::Value(7.0);
    other.plan.measure.seed = 77;
    let changes = of(base.clone(), other.clone());
    assert_eq!(changes.comparisons[0].host, []);
    assert_eq!(changes.comparisons[0].settings, []);
    other.host.kernel = model::Measured::Value("6.11.0-9-generic".to_owned());
    other.host.sysctls.remove("kernel.perf_event_paranoid");
    other.host.mitigations.insert("retbleed".to_owned(), "Mitigation: IBRS".to_owned());
    other.plan.measure.slice = model::Nanos::ms(25);
    let changes = of(base, other);
    let of = |differences: &[analysis::changes::Difference]| -> Vec<String> {
        let line = |it: &analysis::changes::Difference| {
            format!("{}: {} > {}", it.fact, it.base.join("|"), it.other.join("|"))
        };
        differences.iter().map(line).collect()
    };
    assert_eq!(
        of(&changes.comparisons[0].host),
        [
            "kernel: 6.8.0-45-generic > 6.11.0-9-generic",
            "sysctl kernel.perf_event_paranoid: 1 > not recorded",
            "mitigation retbleed: not recorded > Mitigation: IBRS",
        ]
    );
    assert_eq!(of(&changes.comparisons[0].settings), ["slice: 5ms > 25ms"]);
}

#[test]
fn runs_of_other_cells_or_with_other_audits_have_other_settings() {
    let base = run(&plan(), 1, QUIET, 2, same);
    let of_one = synthetic::without_controls(&[(Factor::Message, "64"), (Factor::Threads, "1,4")]);
    let mut other = run(&of_one, 2, QUIET, 2, same);
    other.plan.measure.audits = vec![model::Audit::CopyAudit];
    let changes = of(base, other);
    let settings = changes.comparisons[0].settings.iter().filter(|it| it.is_asked);
    let told: Vec<_> = settings.map(|it| (it.fact.as_str(), it.other.join("|"))).collect();
    assert_eq!(told, [("sizes", "64".to_owned()), ("audits", "copy-audit".to_owned())]);
}

#[test]
fn what_was_asked_for_is_told_as_the_cells_have_it_and_not_as_the_plan_lists_it() {
    let set = |plan: &mut Plan, factor, values| plan.factors.set(factor, values).unwrap();
    let mut hybrid = Plan::preset(Preset::Hybrid);
    set(&mut hybrid, Factor::Shape, "24+1024,24+1000+4096");
    set(&mut hybrid, Factor::Link, "loopback");
    set(&mut hybrid, Factor::AckPlacement, "helper");
    let mut wide = Plan::preset(Preset::Default);
    set(&mut wide, Factor::Send, "sendmsg,zerocopy");
    set(&mut wide, Factor::Message, "4096");
    set(&mut wide, Factor::Threads, "1");
    set(&mut wide, Factor::Fields, "24");
    let told = |base: &Plan, other: &Plan| -> Vec<String> {
        let changes = of(run(base, 1, QUIET, 2, same), run(other, 2, QUIET, 2, same));
        let asked = changes.comparisons[0].settings.iter().filter(|it| it.is_asked);
        asked.map(|it| format!("{}: {:?} > {:?}", it.fact, it.base, it.other)).collect()
    };
    // A shape decides size and fields, whatever the plan's lists of those say.
    assert_eq!(
        told(&hybrid, &wide),
        [
            r#"send: ["sendmsg, zerocopy, hybrid"] > ["sendmsg, zerocopy"]"#,
            r#"sizes: ["1048, 5120"] > ["4096"]"#,
            r#"fields: ["2, 3"] > ["24"]"#,
            r#"shape: ["24+1024, 24+1000+4096"] > ["equal"]"#,
            r#"copy-below: ["1024, 1048576"] > ["16384"]"#,
        ]
    );
    let mut listed = hybrid.clone();
    set(&mut listed, Factor::Fields, "24");
    set(&mut listed, Factor::Message, "65536");
    assert_eq!(told(&hybrid, &listed), [""; 0], "the same cells");
}
