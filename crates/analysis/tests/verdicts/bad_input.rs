//! Runs that nobody hopes for: each law, answer and verdict is there, right, or says why not.

use analysis::answers::AnswerFinding;
use analysis::claims::claim::{Claim, Verdict};
use analysis::explained::Explained;
use analysis::laws::law::LawState;
use analysis::reason::Reason;
use analysis::reference::{Caveat, Reference};
use analysis::{Metric, Summary};
use model::record::FailureKind;
use model::{Cell, Factor, Link, Mark, Plan, Preset};

use crate::made::{CPUS, Run, gives, host, misses, plan, run};

/// Everything is there, no sentence is empty, and no figure is none.
#[track_caller]
fn whole(run: &Run) -> Explained {
    let summary = run.summary();
    let references = summary.explained.claims.iter().flat_map(|claim| &claim.evidence);
    references.for_each(|reference| assert_is_held(&summary, reference));
    let explained = summary.explained;
    assert_eq!(explained.laws.len(), 11);
    assert_eq!(explained.answers.len(), 7);
    assert_eq!(explained.claims.len(), 25);
    let text = serde_json::to_string(&(&explained.laws, &explained.answers)).unwrap();
    for none in ["NaN", "inf ", "inf]", "\"mean\":null"] {
        assert!(!text.contains(none), "{none} in {text}");
    }
    let claims = format!("{:?}", explained.claims);
    for none in ["NaN", "(inf", ": inf", "-inf"] {
        assert!(!claims.contains(none), "{none} in {claims}");
    }
    for law in &explained.laws {
        assert!(!law.reasons.is_empty(), "{law:#?}");
        assert_eq!(law.broken_by.is_empty(), law.state != LawState::Broken, "{law:#?}");
        assert!(law.broken_by.len() <= 20);
        let undecidable = law.state == LawState::Undecidable;
        assert_eq!(law.would_decide.is_empty(), !undecidable, "{law:#?}");
    }
    for answer in &explained.answers {
        assert!(answer.compared.iter().all(|of| !of.ratios.is_empty()), "{answer:#?}");
        assert_eq!(answer.would_change.is_empty(), !answer.answered, "{answer:#?}");
        assert_eq!(answer.would_answer.is_empty(), answer.answered, "{answer:#?}");
    }
    for claim in &explained.claims {
        assert!(!claim.parts.is_empty(), "{claim:#?}");
        let undecidable = claim.verdict == Verdict::Undecidable;
        assert_eq!(claim.would_decide.is_empty(), !undecidable, "{claim:#?}");
    }
    explained
}

/// What a verdict rests on stands in the summary; a ratio by the figures of its two cells.
#[track_caller]
fn assert_is_held(summary: &Summary, reference: &Reference) {
    let explained = &summary.explained;
    let has_figure = |metric: &Metric, cell: &Cell| {
        let mut of_cell = summary.estimates.iter().filter(|estimates| estimates.cell == *cell);
        of_cell.any(|estimates| estimates.metrics[metric].value().is_some())
    };
    let is_held = match reference {
        Reference::Ratio { metric, cell, against } => {
            has_figure(metric, cell) && has_figure(metric, against)
        }
        Reference::Figure { metric, cell } => has_figure(metric, cell),
        Reference::Crossover { metric, contrast, shared } => explained
            .crossovers
            .iter()
            .any(|it| (it.metric, &it.contrast, &it.shared) == (*metric, contrast, shared)),
        Reference::CostModel { side, path, shared } => explained
            .cost_models
            .iter()
            .any(|it| (it.side, it.path, &it.shared) == (*side, *path, shared)),
        Reference::Law { id } => explained.laws.iter().any(|law| law.id == *id),
        Reference::CopyAudit { path, link } => explained
            .copy_audits
            .iter()
            .any(|it| (it.cell.send_path, it.cell.link) == (*path, *link)),
        Reference::Profiles { cell, against } => [cell, against]
            .iter()
            .all(|cell| explained.breakdowns.iter().any(|it| it.cell == **cell)),
        Reference::Host { .. } => true,
    };
    assert!(is_held, "{reference:?} is nowhere in the summary");
}

fn undecided(explained: &Explained) -> usize {
    explained.claims.iter().filter(|claim| claim.verdict == Verdict::Undecidable).count()
}

fn of(plan: Plan, rounds: u32) -> Run {
    let records = synthetic::run(&plan, rounds, |cell, round| {
        synthetic::trial(cell, round)
            .usable_cpus(CPUS)
            .faster(synthetic::noise(1, cell, round, 0.01))
    });
    Run { plan, host: host(), records }
}

#[test]
fn one_round_decides_only_what_needs_no_interval() {
    let explained = whole(&of(Plan::preset(Preset::Default), 1));
    let decided: Vec<usize> = explained
        .claims
        .iter()
        .filter(|claim| claim.verdict != Verdict::Undecidable)
        .map(|claim| claim.id.number())
        .collect();
    assert_eq!(decided, [3, 16, 19, 21]);
    let answered = explained.answers.iter().filter(|answer| answer.answered);
    let preliminary = Caveat::Preliminary { rounds: 1 };
    assert!(answered.clone().all(|answer| answer.caveats.contains(&preliminary)));
}

#[test]
fn one_path_leaves_nothing_to_compare() {
    for path in ["send", "staged", "sendmsg", "zerocopy"] {
        let explained = whole(&of(plan(&[(Factor::Send, path)]), 10));
        for (number, answer) in explained.answers.iter().enumerate() {
            assert!(answer.answered == (number == 6), "{answer:#?}");
        }
    }
}

#[test]
fn one_size_and_one_thread_count_are_enough_for_some_questions() {
    let one_size = whole(&of(plan(&[(Factor::Message, "4KiB")]), 10));
    assert_eq!(one_size.claims[9].verdict, Verdict::Supported, "{:#?}", one_size.claims[9]);
    let one_thread = whole(&of(plan(&[(Factor::Threads, "2")]), 10));
    assert_eq!(one_thread.claims[3].verdict, Verdict::Supported, "{:#?}", one_thread.claims[3]);
    let one_cell =
        of(plan(&[(Factor::Threads, "1"), (Factor::Message, "64"), (Factor::Send, "send")]), 10);
    // The machine's facts alone decide.
    assert_eq!(undecided(&whole(&one_cell)), 23);
}

#[test]
fn without_a_valid_trial_nothing_is_decided() {
    let failed = run(Plan::preset(Preset::Default), |_, trial| {
        trial.failed(FailureKind::CallFailed, "socket: EMFILE")
    });
    let nothing = Run { records: Vec::new(), plan: Plan::preset(Preset::Default), host: host() };
    for run in [failed, nothing] {
        let explained = whole(&run);
        assert_eq!(undecided(&explained), 25);
        assert!(explained.answers.iter().all(|answer| !answer.answered));
        assert!(explained.laws.iter().all(|law| law.state == LawState::Undecidable));
    }
}

#[test]
fn without_any_counter_or_fact_only_what_needs_none_is_decided() {
    let mut blind = run(Plan::preset(Preset::Default), |_, trial| trial).with(|_, finished| {
        use model::Measured;
        use model::record::Counters;
        finished.sender.counters = Counters::absent("refused");
        finished.receiver.counters = Counters::absent("refused");
        finished.sender.usage = Measured::absent("refused");
        finished.receiver.usage = Measured::absent("refused");
        finished.sender.tcp = Measured::absent("refused");
        finished.receiver.tcp = Measured::absent("refused");
        finished.sender.snmp = Measured::absent("refused");
        finished.machine.busy = Measured::absent("refused");
        finished.machine.ticks = Measured::absent("refused");
    });
    blind.host.caches.clear();
    blind.host.cpus.clear();
    blind.host.counters.clear();
    blind.host.numa_nodes = model::Measured::absent("refused");
    let explained = whole(&blind);
    for claim in [18, 20, 21, 22, 23] {
        assert_eq!(explained.claims[claim - 1].verdict, Verdict::Undecidable);
    }
    misses(&explained.answers[2].would_answer, "hardware counters", "refused");
    assert!(!explained.answers[2].answered && !explained.answers[3].answered);
}

#[test]
fn marked_trials_stay_and_void_ones_decide_nothing() {
    let noted = [Mark::Retransmits, Mark::Steal, Mark::Imbalance, Mark::Others];
    let noted = run(Plan::preset(Preset::Default), |_, trial| {
        noted.into_iter().fold(trial, synthetic::TrialBuilder::marked)
    });
    assert!(undecided(&whole(&noted)) < 25);
    let void = run(Plan::preset(Preset::Default), |_, trial| trial.marked(Mark::Throttled));
    assert_eq!(undecided(&whole(&void)), 25);
    // A cell that all its trials void, beside good ones.
    let one = run(Plan::preset(Preset::Default), |cell, trial| {
        let is_it = cell.message.bytes().0 == 64 && cell.threads.get() == 1;
        if is_it { trial.marked(Mark::Throttled) } else { trial }
    });
    let q3 = &whole(&one).answers[3];
    assert!(matches!(q3.finding, AnswerFinding::Threads { from: 1, to: 8, .. }), "{q3:#?}");
}

fn is_oversubscribed(claim: &Claim) -> bool {
    claim.caveats.iter().any(|caveat| matches!(caveat, Caveat::Oversubscribed { .. }))
}

#[test]
fn oversubscribed_runs_say_so() {
    let crowded = run(Plan::preset(Preset::Default), |_, trial| trial.usable_cpus(1));
    let explained = whole(&crowded);
    for number in [1, 3, 4, 5] {
        let answer = &explained.answers[number];
        assert_eq!(answer.caveats, [Caveat::Oversubscribed { all: true }], "{answer:#?}");
    }
    assert_eq!(explained.claims[3].caveats, [Caveat::Oversubscribed { all: true }]);
    // Whatever rests on cells says so, and no cause is supported by them.
    let sizes = plan(&[(Factor::Threads, "1,2,4,8"), (Factor::Placement, "split,none")]);
    let counted = run(sizes, |_, trial| trial.usable_cpus(1).counted());
    let every = [whole(&crowded), whole(&counted)];
    for claim in every.iter().flat_map(|explained| &explained.claims) {
        let is_of_cells = |reference: &Reference| {
            !matches!(
                reference,
                Reference::Law { .. } | Reference::CopyAudit { .. } | Reference::Host { .. }
            )
        };
        let rests_on_cells = claim.evidence.iter().any(is_of_cells);
        assert_eq!(rests_on_cells, is_oversubscribed(claim), "{claim:#?}");
        let is_cause = [5, 9, 15, 16, 18, 19].contains(&claim.id.number());
        let rests_on_cells = rests_on_cells && claim.verdict == Verdict::Supported;
        assert!(!(is_cause && rests_on_cells), "{claim:#?}");
    }
    let named = every[1].claims.iter().filter(|claim| is_oversubscribed(claim));
    let named: Vec<usize> = named.map(|claim| claim.id.number()).collect();
    for id in [4, 5, 9, 18, 19, 20, 22, 25] {
        assert!(named.contains(&id) || id == 19, "C{id} is not among {named:?}");
    }
}

#[test]
fn fewer_than_ten_rounds_are_called_preliminary_wherever_an_interval_decides() {
    let few = whole(&of(plan(&[(Factor::Threads, "1,4,8")]), 5));
    let ten = whole(&of(plan(&[(Factor::Threads, "1,4,8")]), 10));
    let is_preliminary =
        |claim: &&Claim| claim.caveats.contains(&Caveat::Preliminary { rounds: 5 });
    let named: Vec<usize> =
        few.claims.iter().filter(is_preliminary).map(|claim| claim.id.number()).collect();
    assert!(named.contains(&4) && named.contains(&6), "{named:?}");
    // What every completion said, and the machine's facts, need no interval.
    for id in [3, 16, 21] {
        assert!(!named.contains(&id), "{named:?}");
    }
    for claim in few.claims.iter().filter(is_preliminary) {
        assert_ne!(claim.verdict, Verdict::Undecidable, "{claim:#?}");
    }
    assert!(!ten.claims.iter().any(Claim::is_preliminary));
}

#[test]
fn sizes_that_nobody_foresaw_are_sizes() {
    let odd = plan(&[(Factor::Message, "8,77,1000,5000,1000003,64MiB"), (Factor::Threads, "3,5")]);
    let explained = whole(&of(odd, 10));
    let largest = 64 << 20;
    let q3 = &explained.answers[3].finding;
    assert!(matches!(q3, AnswerFinding::Threads { bytes, .. } if *bytes == largest), "{q3:#?}");
    let speed_ups = explained.answers[4].of(Metric::GoodputGbps);
    assert!(speed_ups.iter().any(|c| c.cell.message.bytes().0 == 1_000_003));
}

#[test]
fn five_hundred_cells_are_read() {
    let many = plan(&[
        (Factor::Send, "send,staged,sendmsg,zerocopy"),
        (Factor::Message, "64B..64KiB"),
        (Factor::Threads, "1,2,4,8"),
        (Factor::Placement, "split,none"),
        (Factor::Layout, "scattered,packed"),
    ]);
    assert_eq!(many.cells().len(), 4 * 11 * 4 * 2 * 2);
    whole(&of(many, 2));
}

/// The flags of `copycost run` that no factor names.
const OTHER_FLAGS: [&str; 6] = ["preset", "rounds", "resume", "max-time", "time", "audits"];

/// Every flag of a sentence is one, and the list behind a factor's flag is one of its values.
#[track_caller]
fn advice_can_be_followed(text: &str) {
    let words: Vec<&str> = text.split([' ', '(', ')']).collect();
    for (place, word) in words.iter().enumerate() {
        let Some(flag) = word.strip_prefix("--") else { continue };
        let bare = flag.trim_end_matches([',', ';', '.', ':']);
        if OTHER_FLAGS.contains(&bare) {
            continue;
        }
        let factor = Factor::of_key(bare).unwrap_or_else(|why| panic!("{why} in: {text}"));
        let value = words
            .get(place + 1)
            .filter(|_| bare == flag)
            .map(|value| value.trim_end_matches([',', ';', '.', ':']));
        if let Some(value) = value.filter(|value| value.starts_with(|c: char| c.is_ascii_digit())) {
            let mut lists = Plan::preset(Preset::Default).factors;
            lists.set(factor, value).unwrap_or_else(|why| panic!("{why} in: {text}"));
        }
    }
}

#[test]
fn every_advised_command_line_can_be_given() {
    let two_nodes = run(Plan::preset(Preset::Default), |_, trial| trial)
        .on(|host| host.numa_nodes = model::Measured::Value(2));
    let runs = [
        two_nodes,
        of(Plan::preset(Preset::Default), 1),
        of(plan(&[(Factor::Threads, "1"), (Factor::Message, "64"), (Factor::Send, "send")]), 10),
        of(plan(&[(Factor::Send, "sendmsg,zerocopy")]), 10),
        run(Plan::preset(Preset::Default), |_, trial| trial.usable_cpus(2)),
        Run { records: Vec::new(), plan: Plan::preset(Preset::Default), host: host() },
    ];
    for run in runs {
        let explained = run.explained();
        let laws = explained.laws.iter().map(|law| &law.would_decide);
        let answers = explained
            .answers
            .iter()
            .flat_map(|answer| [&answer.would_answer, &answer.would_change]);
        let claims = explained.claims.iter().map(|claim| &claim.would_decide);
        for missing in laws.chain(answers).chain(claims).flatten() {
            advice_can_be_followed(&missing.to_string());
        }
    }
}

#[test]
fn wherever_zerocopy_is_compared_its_copied_completions_are_said() {
    let explained = run(plan(&[(Factor::Threads, "1,2,4,8")]), |_, trial| trial).explained();
    for number in [0, 1, 5] {
        let (AnswerFinding::Copies { completions, .. }
        | AnswerFinding::ByReference { completions, .. }
        | AnswerFinding::Sizes { completions: Some(completions), .. }) =
            &explained.answers[number].finding
        else {
            panic!("{:#?}", explained.answers[number])
        };
        let copied = Some([1.0, 1.0]);
        assert!(
            matches!(completions, Reason::Completions { copied: it, .. } if it.value().copied() == copied)
        );
    }
    for number in [3, 5, 6, 7, 8, 12, 15, 19] {
        gives(&explained.claims[number - 1], |it| {
            matches!(it, Reason::Completions { copied: model::Measured::Value([least, _]), copied_by: Some(Link::Loopback) }
                if *least >= 1.0)
        });
    }
}
