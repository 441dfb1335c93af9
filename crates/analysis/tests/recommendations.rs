//! What a run recommends: each advice comes out of records in which it is so, and another one where it is not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's functions may fail it, and its runs have few of the paths"
)]

use analysis::findings::CrossoverOutcome;
use analysis::laws::law::LawState;
use analysis::recommendation::{Advice, ByReference, Pays, Recommendation};
use analysis::reference::Caveat;
use analysis::results::Finding;
use analysis::summary::Summary;
use analysis::{Metric, summarise};
use model::SendPath::{Send, Sendmsg, Splice, Staged, Zerocopy};
use model::audit::{Ceiling, CeilingPoint};
use model::names::AckPlacement;
use model::record::{FailureKind, Outcome, Record};
use model::{Cell, Factor, Link, Mark, Measured, Nanos, Plan, ReceivePath, SendPath};
use synthetic::TrialBuilder;
use synthetic::without_controls;

#[path = "recommendations/beside.rs"]
mod beside;

const ROUNDS: u32 = 12;

fn one_thread() -> Plan {
    without_controls(&[(Factor::Threads, "1")])
}

fn sizes(paths: &str) -> Plan {
    without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Send, paths),
        (Factor::Message, "64B..1MiB"),
    ])
}

/// The run's one recommendation.
fn recommended(
    plan: &Plan,
    rounds: u32,
    figures: impl Fn(&Cell, TrialBuilder) -> TrialBuilder,
    noise: f64,
) -> Recommendation {
    let records = synthetic::run(plan, rounds, |cell, round| {
        figures(cell, synthetic::trial(cell, round)).faster(synthetic::noise(5, cell, round, noise))
    });
    let all = summarise(plan, &synthetic::host(), &records).explained.recommendations;
    let [only] = all.as_slice() else { panic!("{all:#?}") };
    only.clone()
}

/// Trials of a cost in ns a message and one in ns per KiB, which goodput and CPU time follow.
fn of_costs(costs: impl Fn(&Cell) -> (f64, f64)) -> impl Fn(&Cell, TrialBuilder) -> TrialBuilder {
    move |cell, trial| {
        let (a_message, a_kib) = costs(cell);
        let cost = a_message * 1024.0 / cell.message.bytes().0 as f64 + a_kib;
        let trial = trial.goodput_gbps(8.0 * 1024.0 / cost);
        match cell.link {
            Link::Sink => trial.sender_cpu_ns_per_kib(cost),
            Link::Loopback | Link::Veth | Link::Unix | Link::Ssh => trial.ends_cpu_ns_per_kib(cost),
        }
    }
}

fn costs(plan: &Plan, costs: impl Fn(&Cell) -> (f64, f64)) -> Recommendation {
    recommended(plan, ROUNDS, of_costs(costs), 0.005)
}

/// The path of every duel and the sizes at which it is better; the advice is to use it.
fn used(recommendation: &Recommendation) -> (SendPath, SendPath, bool, Vec<(u64, Finding)>) {
    let Advice::Use { value, against, everywhere, gains } = &recommendation.advice else {
        panic!("{recommendation:#?}")
    };
    let gains = gains.iter().map(|gain| (gain.message_bytes, gain.finding)).collect();
    (value.parse().unwrap(), against.parse().unwrap(), *everywhere, gains)
}

fn names(paths: &[SendPath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

/// The two that share the sizes, and where.
fn by_size(recommendation: &Recommendation) -> (SendPath, SendPath, CrossoverOutcome) {
    let Advice::BySize { value, against, outcome } = &recommendation.advice else {
        panic!("{recommendation:#?}")
    };
    (value.parse().unwrap(), against.parse().unwrap(), *outcome)
}

const MORE_AT_EACH: [(u64, Finding); 4] =
    [(64, Finding::More), (512, Finding::More), (4096, Finding::More), (65_536, Finding::More)];

#[test]
fn a_path_that_is_better_at_every_size_is_recommended_with_its_gains() {
    let plan = without_controls(&[]);
    let recommendation = recommended(&plan, ROUNDS, |_, trial| trial, 0.005);
    assert_eq!((recommendation.link, recommendation.metric), (Link::Loopback, Metric::GoodputGbps));
    // Of one to eight threads the family of one says most, and is not oversubscribed.
    assert_eq!(recommendation.shared.as_ref().unwrap().to_string(), "threads=1");
    assert_eq!(used(&recommendation), (Sendmsg, Send, true, MORE_AT_EACH.to_vec()));
    let Advice::Use { gains, .. } = &recommendation.advice else { panic!("not used") };
    for gain in gains {
        let cost = |path| {
            let cell = Cell { send_path: path, ..Cell::default() };
            let message = gain.message_bytes.to_string().parse().unwrap();
            synthetic::likely(&Cell { message, ..cell }).goodput_gbps
        };
        let truth = cost(Sendmsg) / cost(Send);
        assert!((gain.ratio.mean / truth - 1.0).abs() < 0.02, "{gain:?} for {truth}");
        assert!(gain.ratio.low.unwrap() > 1.0 && gain.ratio.trials == ROUNDS, "{gain:?}");
    }
    let by_reference = ByReference {
        path: Zerocopy,
        against: Sendmsg,
        metric: Metric::EndsCpuNsPerKib,
        pays: Pays::Never,
        copied_share: Measured::Value([1.0, 1.0]),
    };
    assert_eq!(recommendation.by_reference, [by_reference]);
    assert!(recommendation.caveats.is_empty(), "{recommendation:#?}");
}

#[test]
fn the_advice_follows_the_figures_whichever_path_they_favour() {
    for best in [Send, Sendmsg, Zerocopy] {
        let recommendation = costs(&one_thread(), |cell| {
            if cell.send_path == best { (600.0, 100.0) } else { (900.0, 150.0) }
        });
        let (path, against, everywhere, gains) = used(&recommendation);
        assert_eq!((path, everywhere), (best, true), "{recommendation:#?}");
        assert_eq!(gains, MORE_AT_EACH);
        // People start from send; from send itself there is no way but to the others.
        assert_eq!(against == Send, best != Send);
        let pays = recommendation.by_reference[0].pays;
        match best {
            Zerocopy => assert_eq!(pays, Pays::Always),
            Sendmsg => assert_eq!(pays, Pays::Never),
            _ => assert_eq!(pays, Pays::Alike),
        }
    }
}

/// Held to a rate all paths have the same goodput, and the cheapest one is recommended, whichever it is; where some are not held to
/// one, goodput decides.
#[test]
fn of_senders_that_are_held_to_a_rate_the_one_that_costs_less_is_recommended() {
    let plan = |rates: &str| {
        without_controls(&[
            (Factor::Threads, "1"),
            (Factor::Send, "send,sendmsg"),
            (Factor::Rate, rates),
        ])
    };
    for cheaper in [Send, Sendmsg] {
        let paced = |cell: &Cell, trial: TrialBuilder| {
            let cost = if cell.send_path == cheaper { 300.0 } else { 400.0 };
            trial.goodput_gbps(2.0).ends_cpu_ns_per_kib(cost)
        };
        let recommendation = recommended(&plan("2Gbit/s"), ROUNDS, paced, 0.01);
        assert_eq!(recommendation.metric, Metric::EndsCpuNsPerKib);
        let (value, _, everywhere, _) = used(&recommendation);
        assert_eq!((value, everywhere), (cheaper, true));
        let mixed = recommended(&plan("max,2Gbit/s"), ROUNDS, paced, 0.01);
        assert_eq!(mixed.metric, Metric::GoodputGbps);
    }
}

#[test]
fn each_path_that_passes_by_reference_is_held_against_its_own_twin() {
    let recommendation = costs(&sizes("sendmsg,zerocopy,uring-sendmsg,uring-sendmsg-zc"), |cell| {
        match cell.send_path.name() {
            "zerocopy" => (4000.0, 400.0),
            "uring-sendmsg" => (2000.0, 300.0),
            _ => (1000.0, 150.0),
        }
    });
    let found: Vec<(&str, &str, Pays)> = recommendation
        .by_reference
        .iter()
        .map(|it| (it.path.name(), it.against.name(), it.pays))
        .collect();
    assert_eq!(
        found,
        [("zerocopy", "sendmsg", Pays::Never), ("uring-sendmsg-zc", "uring-sendmsg", Pays::Always)]
    );
}

#[test]
fn a_path_that_is_better_somewhere_and_worse_nowhere_is_not_said_to_be_better_everywhere() {
    let two = without_controls(&[(Factor::Threads, "1"), (Factor::Send, "send,sendmsg")]);
    let recommendation = costs(&two, |cell| {
        let is_dear = cell.send_path == Send && cell.message.bytes().0 < 4096;
        (if is_dear { 3400.0 } else { 650.0 }, 100.0)
    });
    let (path, against, everywhere, gains) = used(&recommendation);
    assert_eq!((path, against, everywhere), (Sendmsg, Send, false));
    let alike = Finding::Equivalent;
    assert_eq!(gains, [(64, Finding::More), (512, Finding::More), (4096, alike), (65_536, alike)]);
    assert!(recommendation.by_reference.is_empty(), "no path passed by reference");
}

#[test]
fn paths_within_the_margin_of_each_other_are_alike_and_noise_shows_nothing() {
    let values = names(&[Send, Sendmsg, Zerocopy]);
    let alike = recommended(&one_thread(), ROUNDS, of_costs(|_| (600.0, 100.0)), 0.002);
    assert_eq!(alike.advice, Advice::Alike { values: values.clone() });
    assert_eq!(alike.by_reference[0].pays, Pays::Alike);
    let noisy = recommended(&one_thread(), ROUNDS, of_costs(|_| (600.0, 100.0)), 0.3);
    assert_eq!(noisy.advice, Advice::Unclear { values });
    assert_eq!(noisy.by_reference[0].pays, Pays::Unclear);
}

#[test]
fn a_path_of_which_nothing_is_told_against_another_unbeaten_one_is_not_recommended() {
    let plan = one_thread();
    // Send is far below both, which are noisy beside each other.
    let goodput = |noise: f64| {
        let records = synthetic::run(&plan, 3, |cell, round| {
            let figures = [(Sendmsg, (60.0, noise)), (Zerocopy, (40.0, 0.005))];
            let own = figures.into_iter().find(|(path, _)| *path == cell.send_path);
            let (gbps, noise) = own.map_or((1.0, 0.005), |(_, figures)| figures);
            let times = synthetic::noise(3, cell, round, noise);
            synthetic::trial(cell, round)
                .goodput_gbps(gbps)
                .ends_cpu_ns_per_kib(100.0)
                .faster(times)
        });
        let all = summarise(&plan, &synthetic::host(), &records).explained.recommendations;
        all.first().unwrap().advice.clone()
    };
    assert_eq!(goodput(2.0), Advice::Unclear { values: names(&[Sendmsg, Zerocopy]) });
    let Advice::Use { value, .. } = goodput(0.005) else { panic!("sendmsg is better than both") };
    assert_eq!(value, "sendmsg");
}

#[test]
fn paths_that_no_contrast_names_are_not_compared_and_none_is_recommended() {
    let mut plan = without_controls(&[(Factor::Threads, "1"), (Factor::Nodelay, "on,off")]);
    plan.set_contrasts("nodelay: on / off").unwrap();
    let recommendation = recommended(&plan, ROUNDS, |_, trial| trial, 0.002);
    assert_eq!(
        recommendation.advice,
        Advice::NotCompared { values: names(&[Send, Sendmsg, Zerocopy]) }
    );
}

#[test]
fn beside_a_memory_load_paths_are_compared_and_none_is_recommended_with_the_reason() {
    let beside = |load: &str| {
        let plan = without_controls(&[
            (Factor::Threads, "1"),
            (Factor::Send, "send,sendmsg"),
            (Factor::Placement, "spare"),
            (Factor::MemoryLoad, load),
        ]);
        let fast =
            |cell: &Cell| if cell.send_path == Sendmsg { (1.0, 200.0) } else { (1.0, 400.0) };
        costs(&plan, fast).advice
    };
    let settings = vec![(Factor::MemoryLoad, "stream".to_owned())];
    assert_eq!(
        beside("stream"),
        Advice::NotThemselves { values: names(&[Send, Sendmsg]), settings }
    );
    assert!(matches!(beside("off"), Advice::Use { .. }));
    assert!(matches!(beside("off,stream"), Advice::Use { .. }), "of what was measured without it");
}

#[test]
fn where_size_decides_the_two_paths_that_no_other_one_beats_share_the_sizes() {
    // Zerocopy overtakes send at 13 KiB; but sendmsg beats send everywhere, and is overtaken at 27.5 KiB.
    let recommendation = costs(&sizes("send,sendmsg,zerocopy"), |cell| match cell.send_path {
        Sendmsg => (650.0, 100.0),
        Zerocopy => (2300.0, 40.0),
        _ => (1500.0, 100.0),
    });
    let (path, against, outcome) = by_size(&recommendation);
    assert_eq!((path, against), (Zerocopy, Sendmsg), "{recommendation:#?}");
    let CrossoverOutcome::At { bytes, .. } = outcome else { panic!("{outcome:?}") };
    assert!((bytes / (27.5 * 1024.0)).ln().abs() < 0.1, "{bytes}");
    let Pays::From { low, high } = recommendation.by_reference[0].pays else {
        panic!("{recommendation:#?}")
    };
    assert!(low < 1.01 * bytes && bytes < 1.01 * high, "{low} {bytes} {high}");
}

#[test]
fn a_path_that_is_better_for_small_messages_alone_is_recommended_up_to_a_size() {
    let recommendation = costs(&sizes("sendmsg,zerocopy"), |cell| match cell.send_path {
        Zerocopy => (650.0, 100.0),
        _ => (2300.0, 40.0),
    });
    let (path, against, outcome) = by_size(&recommendation);
    assert_eq!((path, against), (Zerocopy, Sendmsg));
    let CrossoverOutcome::Until { bytes, low, high } = outcome else { panic!("{outcome:?}") };
    assert!((bytes / (27.5 * 1024.0)).ln().abs() < 0.1, "{bytes}");
    let Pays::Until { low: least, high: most } = recommendation.by_reference[0].pays else {
        panic!("{recommendation:#?}")
    };
    // Goodput and CPU time follow the same costs here, but for the rounding of bytes and nanoseconds.
    assert!((least / low - 1.0).abs() < 0.001 && (most / high - 1.0).abs() < 0.001);
}

#[test]
fn one_path_has_nothing_to_be_compared_with_and_no_valid_trial_says_nothing() {
    for path in [Send, Staged, Sendmsg, Zerocopy] {
        let alone = without_controls(&[(Factor::Threads, "1"), (Factor::Send, path.name())]);
        let recommendation = recommended(&alone, 3, |_, trial| trial, 0.005);
        assert_eq!(recommendation.advice, Advice::Alone { value: path.to_string() });
        assert_eq!((recommendation.shared, recommendation.caveats), (None, Vec::new()));
    }
    let failed = |_: &Cell, trial: TrialBuilder| {
        trial.failed(FailureKind::CallFailed, "connect: ECONNREFUSED")
    };
    let void = |_: &Cell, trial: TrialBuilder| trial.marked(Mark::Throttled);
    for nothing in [
        recommended(&one_thread(), 3, failed, 0.005),
        recommended(&one_thread(), 3, void, 0.005),
        recommended(&one_thread(), 0, |_, trial| trial, 0.005),
    ] {
        assert_eq!(nothing.advice, Advice::Nothing);
        assert!(nothing.caveats.is_empty(), "{nothing:#?}");
        assert!(nothing.by_reference.iter().all(|it| it.copied_share.reason().is_some()));
    }
}

#[test]
fn a_path_without_a_valid_trial_is_compared_with_nothing_and_hides_no_advice() {
    let unsupported = |best: fn(&Cell) -> (f64, f64)| {
        let figures = of_costs(best);
        move |cell: &Cell, trial: TrialBuilder| {
            let trial = figures(cell, trial);
            if cell.send_path == Zerocopy {
                trial.failed(FailureKind::Unsupported, "SO_ZEROCOPY: ENOTSUPP")
            } else {
                trial
            }
        }
    };
    let alike = recommended(&one_thread(), ROUNDS, unsupported(|_| (600.0, 100.0)), 0.002);
    assert_eq!(alike.advice, Advice::Alike { values: names(&[Send, Sendmsg]) });
    let [it] = alike.by_reference.as_slice() else { panic!("{alike:#?}") };
    assert_eq!((it.path, it.pays), (Zerocopy, Pays::Unclear));
    assert!(it.copied_share.reason().is_some(), "{it:#?}");
    let two = without_controls(&[(Factor::Threads, "1"), (Factor::Send, "sendmsg,zerocopy")]);
    let alone = recommended(&two, ROUNDS, unsupported(|_| (600.0, 100.0)), 0.005);
    assert_eq!(alone.advice, Advice::Alone { value: Sendmsg.to_string() });
}

#[test]
fn of_one_path_what_else_varies_is_recommended() {
    let one = without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Send, "sendmsg"),
        (Factor::Nodelay, "off,on"),
    ]);
    for better in [true, false] {
        let recommendation = costs(&one, |cell| {
            if cell.nodelay.is_on() == better { (600.0, 100.0) } else { (900.0, 150.0) }
        });
        assert_eq!(recommendation.factor, Factor::Nodelay);
        let Advice::Use { value, against, everywhere, .. } = &recommendation.advice else {
            panic!("{recommendation:#?}")
        };
        let expected = if better { ("on", "off") } else { ("off", "on") };
        assert_eq!((value.as_str(), against.as_str()), expected);
        assert!(everywhere);
    }
}

#[test]
fn few_rounds_and_busy_threads_without_a_cpu_are_caveats() {
    let few = recommended(&one_thread(), 5, |_, trial| trial, 0.005);
    assert_eq!(few.caveats, [Caveat::Preliminary { rounds: 5 }]);
    assert_eq!(used(&few).0, Sendmsg);
    let eight = without_controls(&[(Factor::Threads, "8")]);
    let crowded = recommended(&eight, ROUNDS, |_, trial| trial, 0.005);
    assert_eq!(crowded.caveats, [Caveat::Oversubscribed { all: true }]);
    let both = recommended(&eight, 5, |_, trial| trial, 0.005);
    let preliminary = Caveat::Preliminary { rounds: 5 };
    assert_eq!(both.caveats, [Caveat::Oversubscribed { all: true }, preliminary]);
}

#[test]
fn the_copied_share_is_that_of_the_cells_that_passed_by_reference() {
    let recommendation = recommended(
        &one_thread(),
        ROUNDS,
        |cell, trial| trial.copied_share(if cell.message.bytes().0 == 64 { 0.0 } else { 0.5 }),
        0.005,
    );
    let [least, most] = *recommendation.by_reference[0].copied_share.value().unwrap();
    assert!(least.abs() < 1e-9 && (most - 0.5).abs() < 0.01, "{least} {most}");
}

/// Both placements of acknowledgements on the sink, where zerocopy has these costs with acknowledgements on the sender's CPU.
fn on_sink(on_senders_cpu: (f64, f64)) -> Recommendation {
    let sink = without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Send, "sendmsg,zerocopy"),
        (Factor::Message, "64B..1MiB"),
        (Factor::Link, "sink"),
        (Factor::AckPlacement, "helper,sender"),
    ]);
    costs(&sink, |cell| match (cell.send_path, cell.ack_placement) {
        (Zerocopy, AckPlacement::Sender) => on_senders_cpu,
        (Zerocopy, AckPlacement::Helper) => (1100.0, 15.0),
        _ => (650.0, 60.0),
    })
}

#[test]
fn on_the_sink_passing_by_reference_pays_from_a_range_over_all_settings() {
    // From 10 KiB on with the helper, from 21 KiB on the sender's own CPU.
    let range = on_sink((1600.0, 15.0));
    assert_eq!((range.link, range.metric), (Link::Sink, Metric::SenderSideCpuNsPerKib));
    let [it] = range.by_reference.as_slice() else { panic!("{range:#?}") };
    assert_eq!((it.path, it.against, it.metric), (Zerocopy, Sendmsg, range.metric));
    assert_eq!(it.copied_share, Measured::Value([0.0, 0.0]));
    let Pays::From { low, high } = it.pays else { panic!("{range:#?}") };
    assert!((8.0..=10.0).contains(&(low / 1024.0)), "{low}");
    assert!((21.0..=24.0).contains(&(high / 1024.0)), "{high}");
    // Where one setting has a break-even and the other has none, there is no such range.
    assert_eq!(on_sink((1100.0, 90.0)).by_reference[0].pays, Pays::Mixed);
}

/// Records of a run in which every CPU copies slower than it was fed, which breaks law 8.
fn beyond_the_ceiling(plan: &Plan) -> Vec<Record> {
    let points = [vec![0], vec![8], vec![0, 8]].map(|cpus| CeilingPoint {
        routine: "memcpy".to_owned(),
        working_set_bytes: 4 << 20,
        bytes_per_s: vec![1e6; cpus.len()],
        cpus,
    });
    let ceiling = Ceiling { started_unix_ms: 1, spent_ns: Nanos::s(2), points: points.into() };
    let mut records = synthetic::run(plan, ROUNDS, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(5, cell, round, 0.005))
    });
    records.insert(1, Record::Ceiling(ceiling));
    records
}

/// The broken laws among the caveats of each link's recommendation.
fn broken(plan: &Plan, records: &[Record]) -> Vec<(Link, Vec<u32>)> {
    let of = |it: &Recommendation| {
        let law = |caveat: &Caveat| match caveat {
            Caveat::LawBroken { id } => Some(*id),
            Caveat::Preliminary { .. }
            | Caveat::Oversubscribed { .. }
            | Caveat::NoCause
            | Caveat::UnknownCpus => None,
        };
        (it.link, it.caveats.iter().filter_map(law).collect())
    };
    let explained = summarise(plan, &synthetic::host(), records).explained;
    assert!(explained.laws.iter().any(|law| law.state == LawState::Broken), "no law is broken");
    explained.recommendations.iter().map(of).collect()
}

fn loopback_and_sink() -> Plan {
    without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Send, "sendmsg,zerocopy"),
        (Factor::Link, "loopback,sink"),
    ])
}

#[test]
fn a_law_that_is_broken_on_one_link_is_no_caveat_of_another() {
    let plan = loopback_and_sink();
    let mut records = synthetic::run(&plan, ROUNDS, synthetic::trial);
    for record in &mut records {
        if let Record::Trial(trial) = record
            && let Outcome::Finished(finished) = &mut trial.outcome
            && let Measured::Value(sink) = &mut finished.sink
        {
            sink.total.payload_bytes -= 1;
            sink.total.gaps = 2;
        }
    }
    assert_eq!(broken(&plan, &records), [(Link::Loopback, vec![]), (Link::Sink, vec![1])]);
}

#[test]
fn what_cpus_can_copy_is_no_caveat_of_a_link_on_which_nothing_is_received() {
    let plan = loopback_and_sink();
    let records = beyond_the_ceiling(&plan);
    assert_eq!(broken(&plan, &records), [(Link::Loopback, vec![8]), (Link::Sink, vec![])]);
}

#[test]
fn where_nothing_is_recommended_nothing_speaks_against_it() {
    let alone = without_controls(&[(Factor::Threads, "1"), (Factor::Send, "sendmsg")]);
    let mut not_compared = without_controls(&[(Factor::Threads, "1"), (Factor::Nodelay, "on,off")]);
    not_compared.set_contrasts("nodelay: on / off").unwrap();
    for plan in [alone, not_compared] {
        assert_eq!(broken(&plan, &beyond_the_ceiling(&plan)), [(Link::Loopback, vec![])]);
    }
}

#[test]
fn a_break_even_is_of_the_two_that_the_others_beat_at_the_fewest_of_their_sizes() {
    // staged is cheapest up to 6 KiB, splice from 34 KiB on, and sendmsg between them.
    let three = |cell: &Cell| match cell.send_path {
        Staged => (600.0, 200.0),
        Splice => (4_000.0, 60.0),
        _ => (900.0, 150.0),
    };
    let found = costs(&sizes("staged,sendmsg,splice"), three);
    let (value, against, _) = by_size(&found);
    assert_eq!((value, against), (Splice, Staged), "{found:#?}");
    // Nobody tells when what splice sends may be written again: of the others it is as if splice were not there.
    let without = costs(&sizes("staged,sendmsg"), three);
    assert_eq!(found.if_rewritten.as_ref(), Some(&without.advice));
    assert_eq!((by_size(&without).0, without.if_rewritten), (Sendmsg, None));

    // Dearer than sendmsg at every size, it is not named, and there is nothing else to say.
    let dear = costs(&sizes("staged,sendmsg,splice"), |cell| match cell.send_path {
        Splice => (4_000.0, 160.0),
        _ => three(cell),
    });
    assert_eq!((dear.advice, dear.if_rewritten), (without.advice, None));
}
