//! What explains a run, from records with a known truth and from runs that went wrong in every way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's functions may fail it, and its runs have few of the paths"
)]

use analysis::explained::Explained;
use analysis::findings::{CostModel, Crossover, CrossoverOutcome, ModelledSide, ScalingPoint};
use analysis::recommendation::{Advice, Pays, Recommendation};
use analysis::reference::Caveat;
use analysis::{Metric, Summary, summarise};
use model::record::{FailureKind, Record};
use model::values::Threads;
use model::{Cell, Contrast, Factor, Link, Mark, Plan, Preset, SendPath};
use synthetic::TrialBuilder;

/// What may be null in `summary.json`.
const ABSENT_KEYS: [&str; 6] =
    ["low", "high", "ack_interval", "ack_placement", "shared", "oversubscribed"];

fn noisy(cell: &Cell, round: u32) -> TrialBuilder {
    synthetic::trial(cell, round).faster(synthetic::noise(11, cell, round, 0.01))
}

fn explained(plan: &Plan, records: &[Record]) -> Explained {
    summarise(plan, &synthetic::host(), records).explained
}

fn default_run() -> Explained {
    let plan = Plan::preset(Preset::Default);
    explained(&plan, &synthetic::run(&plan, 12, noisy))
}

fn crossover(
    explained: &Explained,
    shared: &str,
    pair: (SendPath, SendPath),
    metric: Metric,
) -> Crossover {
    let contrast = Contrast::of_paths(pair.0, pair.1);
    let is_it = |c: &&Crossover| {
        c.shared.to_string() == shared && c.contrast == contrast && c.metric == metric
    };
    explained.crossovers.iter().find(is_it).unwrap().clone()
}

fn cost_model(explained: &Explained, path: SendPath, side: ModelledSide) -> &CostModel {
    let is_it =
        |m: &&CostModel| m.shared.to_string() == "threads=1" && m.path == path && m.side == side;
    explained.cost_models.iter().find(is_it).unwrap()
}

#[test]
fn every_pair_of_paths_has_its_crossover_in_every_family() {
    let explained = default_run();
    // Four thread counts, three pairs, two metrics.
    assert_eq!(explained.crossovers.len(), 4 * 3 * 2);
    for metric in [Metric::GoodputGbps, Metric::EndsCpuNsPerKib] {
        let scattered =
            crossover(&explained, "threads=1", (SendPath::Sendmsg, SendPath::Send), metric);
        assert_eq!(scattered.sizes, [64, 512, 4096, 65_536]);
        assert_eq!(scattered.outcome, CrossoverOutcome::Always);
        assert!(!scattered.oversubscribed.is_so());
        let crowded =
            crossover(&explained, "threads=8", (SendPath::Zerocopy, SendPath::Sendmsg), metric);
        assert_eq!(crowded.outcome, CrossoverOutcome::Never);
        assert!(crowded.oversubscribed.is_so());
    }
}

#[test]
fn a_planted_crossover_is_found_from_the_records() {
    let mut plan = Plan::preset(Preset::BreakEven);
    plan.factors.send_path = vec![SendPath::Sendmsg, SendPath::Zerocopy];
    // 650 + 100 n against 1 450 + 50 n, n in KiB: equal at 16 KiB, where the receiver costs both the same.
    let records = synthetic::run(&plan, 12, |cell, round| {
        let kib = cell.message.bytes().0 as f64 / 1024.0;
        let sender = match cell.send_path {
            SendPath::Zerocopy => 1_450.0 / kib + 50.0,
            _ => 650.0 / kib + 100.0,
        };
        synthetic::trial(cell, round)
            .sender_cpu_ns_per_kib(sender)
            .faster(synthetic::noise(3, cell, round, 0.01))
    });
    let explained = explained(&plan, &records);
    let found = crossover(
        &explained,
        "threads=1",
        (SendPath::Zerocopy, SendPath::Sendmsg),
        Metric::EndsCpuNsPerKib,
    );
    let CrossoverOutcome::At { bytes, low, high } = found.outcome else { panic!("{found:?}") };
    assert!(low <= bytes && bytes <= high && high / low < 1.2);
    assert!((bytes / 16_384.0).ln().abs() < 0.1, "{bytes}");
    assert_eq!(found.sizes.len(), 15);
    let recommendation = only_recommendation(&explained);
    assert_eq!(recommendation.by_reference[0].pays, Pays::From { low, high });
}

#[test]
fn cost_models_hold_the_costs_that_were_put_in() {
    let explained = default_run();
    assert_eq!(explained.cost_models.len(), 3 * 4 * 2);
    let sender = cost_model(&explained, SendPath::Sendmsg, ModelledSide::Sender);
    let (a, b) = (sender.per_message_ns.value().unwrap(), sender.per_byte_ns.value().unwrap());
    assert!(a.low.unwrap() <= 650.0 && 650.0 <= a.high.unwrap(), "{a:?}");
    assert!(b.low.unwrap() * 1024.0 <= 115.0 && 115.0 <= b.high.unwrap() * 1024.0, "{b:?}");
    assert_eq!((a.trials, sender.points.len()), (12, 4));
    assert!(*sender.lack_of_fit_p.value().unwrap() > 0.001);
    let named: Vec<&str> = sender.breaks.iter().map(|tested| tested.name.as_str()).collect();
    // The GSO size is the largest size measured: nothing lies above it.
    assert_eq!(named, ["segment size", "32 KiB page fragments"]);
    assert!(sender.breaks.iter().all(|tested| tested.p.reason().unwrap().contains("1 above")));
    let by_reference = cost_model(&explained, SendPath::Zerocopy, ModelledSide::Sender);
    let fragments =
        by_reference.breaks.iter().find(|tested| tested.name == "17 fragments").unwrap();
    assert!((32_768.0..40_960.0).contains(&fragments.bytes), "{}", fragments.bytes);
}

#[test]
fn breaks_are_tested_where_the_sizes_allow() {
    let plan = Plan::preset(Preset::BreakEven);
    let explained = explained(&plan, &synthetic::run(&plan, 12, noisy));
    for model in &explained.cost_models {
        assert_eq!(model.breaks.len(), 3, "{:?}", model.breaks);
        for tested in &model.breaks {
            assert!(*tested.p.value().unwrap() > 0.01, "{model:?}");
        }
    }
}

#[test]
fn too_few_sizes_leave_no_model_and_say_why() {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.message.truncate(2);
    let explained = explained(&plan, &synthetic::run(&plan, 10, noisy));
    assert_eq!(explained.cost_models.len(), 24);
    for model in &explained.cost_models {
        assert!(model.per_message_ns.reason().unwrap().contains("needs 3 sizes, 2 were measured"));
        assert!(model.breaks.is_empty() && model.points.is_empty());
    }
}

#[test]
fn speed_up_is_paired_within_rounds_and_efficiency_is_its_share() {
    let plan = Plan::preset(Preset::Default);
    // The machine slows down over the run: between rounds, not within them.
    let records = synthetic::run(&plan, 12, |cell, round| {
        noisy(cell, round).faster(1.0 - 0.04 * f64::from(round))
    });
    let explained = explained(&plan, &records);
    assert_eq!(explained.scaling.len(), 3 * 4);
    let scaling = &explained.scaling[0];
    assert_eq!(
        (scaling.shared.to_string().as_str(), scaling.path),
        ("message_bytes=64", SendPath::Send)
    );
    let holds = |point: &ScalingPoint, truth: f64| {
        let speed_up = point.speed_up.value().unwrap();
        let (low, high) = (speed_up.low.unwrap(), speed_up.high.unwrap());
        assert!(low <= truth && truth <= high && high / low < 1.05, "{speed_up:?}");
        let share = point.efficiency.value().unwrap().mean * f64::from(point.threads);
        assert!((share - speed_up.mean).abs() < 1e-12);
    };
    // The made-up machine has 8 CPUs, which 8 senders and 8 receivers share.
    for (point, truth) in scaling.points.iter().zip([1.0, 2.0, 4.0, 4.0]) {
        holds(point, truth);
        assert_eq!(point.oversubscribed.is_so(), point.threads == 8);
    }
}

#[test]
fn six_thread_counts_with_a_cpu_for_each_thread_have_the_scalability_law() {
    let plan = synthetic::plan(&[
        (Factor::Send, "sendmsg"),
        (Factor::Message, "65536"),
        (Factor::Threads, "1,2,4,6,8,12,16,32"),
    ]);
    let law = |n: f64| 5.0 * n / (1.0 + 0.04 * (n - 1.0) + 0.002 * n * (n - 1.0));
    let of = |cpus: u32| {
        let records = synthetic::run(&plan, 12, |cell, round| {
            let goodput = law(f64::from(cell.threads.get()));
            let noise = synthetic::noise(5, cell, round, 0.01);
            synthetic::trial(cell, round).usable_cpus(cpus).goodput_gbps(goodput * noise)
        });
        explained(&plan, &records).scaling[0].usl.clone()
    };
    let found = of(32);
    let found = found.value().unwrap();
    assert_eq!(found.thread_counts, 7, "32 threads a side have not a CPU each");
    for (estimate, truth) in [(found.contention, 0.04), (found.coherency, 0.002)] {
        let (low, high) = (estimate.low.unwrap(), estimate.high.unwrap());
        assert!(low <= truth && truth <= high && high - low < truth, "{estimate:?}");
    }
    // √(0.96 / 0.002) = 21.9 threads: more than were fitted.
    assert!(found.peak_threads.reason().unwrap().contains("beyond"), "{found:?}");
    let few = of(16);
    assert!(few.reason().unwrap().contains("of 8, 5 are left"), "{few:?}");
}

#[test]
fn one_thread_count_scales_nothing_and_a_missing_one_says_so() {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.threads.truncate(1);
    assert!(explained(&plan, &synthetic::run(&plan, 10, noisy)).scaling.is_empty());
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 10, |cell, round| {
        let trial = noisy(cell, round);
        if cell.threads == Threads::ONE { trial.marked(Mark::Throttled) } else { trial }
    });
    for scaling in explained(&plan, &records).scaling {
        assert!(scaling.points.iter().all(|point| point.speed_up.reason().is_some()));
    }
}

#[test]
fn every_trial_is_shown_and_void_ones_apart() {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 12, |cell, round| {
        let trial = noisy(cell, round);
        match (cell.send_path, round) {
            (SendPath::Zerocopy, 3) => trial.marked(Mark::Throttled),
            (SendPath::Send, 5) => trial.failed(FailureKind::CallFailed, "send: EPIPE"),
            _ => trial,
        }
    });
    let explained = explained(&plan, &records);
    assert_eq!(explained.trials.len(), 51);
    for trials in &explained.trials {
        let (valid, void) = match trials.cell.send_path {
            SendPath::Zerocopy => (11, 1),
            SendPath::Send => (11, 0),
            _ => (12, 0),
        };
        assert_eq!(trials.goodput_gbps.len(), valid);
        assert_eq!(trials.ends_cpu_ns_per_kib.len(), valid);
        assert_eq!(trials.void_goodput_gbps.len(), void);
        let relative = trials.relative.value().unwrap();
        assert_eq!((relative.goodput.len(), relative.void_goodput.len()), (valid, void));
        for (gbps, relative) in trials.goodput_gbps.iter().zip(&relative.goodput) {
            assert!((0.8..1.25).contains(relative), "{gbps} Gbit/s is {relative} of the estimate");
        }
        // The estimate is their geometric mean, and lies inside its interval.
        let logs: f64 = relative.goodput.iter().map(|value| value.ln()).sum();
        assert!(logs.abs() < 1e-9, "{logs}");
        assert!(relative.interval[0] < 1.0 && relative.interval[1] > 1.0);
    }
}

#[test]
fn without_a_valid_trial_nothing_is_relative_to_it() {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 2, |cell, round| {
        synthetic::trial(cell, round).marked(Mark::Throttled)
    });
    for trials in explained(&plan, &records).trials {
        assert_eq!(trials.void_goodput_gbps.len(), 2);
        assert!(trials.relative.reason().is_some(), "{trials:?}");
    }
}

#[test]
fn data_paths_tell_what_was_counted_and_what_is_expected() {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.send_path = SendPath::ALL.to_vec();
    let explained = explained(&plan, &synthetic::run(&plan, 10, noisy));
    let told: Vec<_> = explained
        .data_paths
        .iter()
        .map(|path| {
            assert_eq!((path.cell.message.bytes().0, path.cell.threads.get()), (4096, 1));
            assert!(!path.copies_in.audited);
            let round = |x: Option<&f64>| x.map(|x| (x * 10.0).round() / 10.0);
            (
                path.path,
                round(path.send_calls_per_message.value()),
                round(path.staged_copies.value()),
                [path.copies_in, *path.copies_deferred.value().unwrap(), path.copies_out]
                    .map(|c| c.per_byte),
                path.pages_pinned_per_message.value().is_some(),
                path.notifications_per_message.value().is_some(),
                path.copied_share.value().copied(),
            )
        })
        .collect();
    let copying = [1.0, 0.0, 1.0];
    assert_eq!(
        told,
        [
            (SendPath::Send, Some(8.0), Some(0.0), copying, false, false, None),
            (SendPath::Staged, Some(1.0), Some(1.0), copying, false, false, None),
            (SendPath::Sendmsg, Some(1.0), Some(0.0), copying, false, false, None),
            (SendPath::Zerocopy, Some(1.0), Some(0.0), [0.0, 1.0, 1.0], true, true, Some(1.0)),
            (SendPath::SendMore, Some(8.0), Some(0.0), copying, false, false, None),
            (SendPath::Sendfile, Some(8.0), Some(0.0), [0.0, 0.0, 1.0], false, false, None),
            (SendPath::Splice, Some(1.0), Some(0.0), [0.0, 0.0, 1.0], true, false, None),
            (SendPath::UringSend, Some(1.0), Some(0.0), copying, false, false, None),
            (SendPath::UringSendmsg, Some(1.0), Some(0.0), copying, false, false, None),
            (SendPath::UringWriteFixed, Some(1.0), Some(0.0), copying, false, false, None),
            (SendPath::UringSendZc, Some(1.0), Some(0.0), [0.0, 1.0, 1.0], true, true, Some(1.0)),
            (
                SendPath::UringSendmsgZc,
                Some(1.0),
                Some(0.0),
                [0.0, 1.0, 1.0],
                true,
                true,
                Some(1.0)
            ),
            // Registered once, and pinned no more.
            (
                SendPath::UringSendZcFixed,
                Some(1.0),
                Some(0.0),
                [0.0, 1.0, 1.0],
                false,
                true,
                Some(1.0)
            ),
            // Eight fields of 512 bytes are all shorter than its threshold.
            (SendPath::Hybrid, Some(1.0), Some(0.0), copying, false, false, None),
        ]
    );
    // Eight fields of 512 bytes: each on one page, or astride two.
    let pinned = explained.data_paths[3].pages_pinned_per_message.value().unwrap();
    assert!((8.0..=9.5).contains(pinned), "{pinned}");
    assert!(explained.data_paths.iter().all(|path| !path.pages_pinned_counted));
}

#[test]
fn paths_of_equal_figures_have_no_crossover_and_none_is_recommended() {
    let plan = Plan::preset(Preset::BreakEven);
    for seed in 0..5 {
        let explained = explained(
            &plan,
            &synthetic::run(&plan, 10, |cell, round| {
                synthetic::trial(cell, round)
                    .goodput_gbps(10.0)
                    .ends_cpu_ns_per_kib(300.0)
                    .faster(synthetic::noise(seed, cell, round, 0.02))
            }),
        );
        for crossover in &explained.crossovers {
            assert_eq!(crossover.outcome, CrossoverOutcome::Undecided, "{crossover:?}");
        }
        let recommendation = only_recommendation(&explained);
        let values = ["send", "sendmsg", "zerocopy"].map(str::to_owned).to_vec();
        assert_eq!(recommendation.advice, Advice::Unclear { values });
        assert_eq!(recommendation.by_reference[0].pays, Pays::Unclear);
    }
}

/// The run's one recommendation.
fn only_recommendation(explained: &Explained) -> Recommendation {
    let [only] = explained.recommendations.as_slice() else {
        panic!("{:#?}", explained.recommendations)
    };
    only.clone()
}

/// A summary whose file holds every figure: one that is not finite would be written as null.
fn sound(plan: &Plan, records: &[Record]) -> Summary {
    let summary = summarise(plan, &synthetic::host(), records);
    assert_only_what_may_be_absent_is_null(&serde_json::to_value(&summary).unwrap(), "");
    assert_eq!(only_recommendation(&summary.explained).link, Link::Loopback);
    summary
}

/// Only what may be absent is null: an interval's ends, what links but the sink have not, what nothing shares,
/// completions of a path that has none, whether a cell without a trial had too few CPUs.
fn assert_only_what_may_be_absent_is_null(value: &serde_json::Value, key: &str) {
    use serde_json::Value;
    match value {
        Value::Null => assert!(ABSENT_KEYS.contains(&key), "{key} is null"),
        Value::Array(items) => {
            items.iter().for_each(|item| assert_only_what_may_be_absent_is_null(item, "an item"));
        }
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(key, field)| assert_only_what_may_be_absent_is_null(field, key));
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn bad_runs_are_explained_as_far_as_they_go() {
    let plan = |edit: fn(&mut Plan)| {
        let mut plan = Plan::preset(Preset::Default);
        edit(&mut plan);
        plan
    };
    let whole = plan(|_| {});
    let run = |plan: &Plan, rounds| synthetic::run(plan, rounds, noisy);

    let nothing = sound(&whole, &[]);
    assert_eq!(only_recommendation(&nothing.explained).advice, Advice::Nothing);
    assert!(nothing.explained.crossovers.iter().all(|c| c.sizes.is_empty()));

    let one_round = sound(&whole, &run(&whole, 1));
    let recommendation = only_recommendation(&one_round.explained);
    assert_eq!(recommendation.caveats, [Caveat::Preliminary { rounds: 1 }]);
    assert!(matches!(recommendation.advice, Advice::Unclear { .. }), "{recommendation:#?}");
    assert!(
        one_round.explained.crossovers.iter().all(|c| c.outcome == CrossoverOutcome::Undecided)
    );

    let one_path = plan(|plan| plan.factors.send_path = vec![SendPath::Zerocopy]);
    let summary = sound(&one_path, &run(&one_path, 10));
    assert!(summary.explained.crossovers.is_empty());
    let recommendation = only_recommendation(&summary.explained);
    assert_eq!(recommendation.advice, Advice::Alone { value: "zerocopy".to_owned() });

    let one_size = plan(|plan| plan.factors.message.truncate(1));
    let summary = sound(&one_size, &run(&one_size, 10));
    let recommendation = only_recommendation(&summary.explained);
    let Advice::Use { gains, .. } = recommendation.advice else { panic!("{recommendation:#?}") };
    let sizes: Vec<u64> = gains.iter().map(|gain| gain.message_bytes).collect();
    assert_eq!(sizes, [64]);

    let all_marked =
        synthetic::run(&whole, 10, |cell, round| noisy(cell, round).marked(Mark::Throttled));
    let summary = sound(&whole, &all_marked);
    assert!(summary.explained.trials.iter().all(|trials| trials.void_goodput_gbps.len() == 10));

    let a_cell_void = synthetic::run(&whole, 10, |cell, round| {
        let trial = noisy(cell, round);
        let is_it = cell.message.bytes().0 == 4096 && cell.send_path == SendPath::Sendmsg;
        if is_it { trial.marked(Mark::EndLost) } else { trial }
    });
    let summary = sound(&whole, &a_cell_void);
    let pair = (SendPath::Sendmsg, SendPath::Send);
    let found = crossover(&summary.explained, "threads=1", pair, Metric::GoodputGbps);
    assert_eq!(found.sizes, [64, 512, 65_536]);

    let no_zerocopy = synthetic::run(&whole, 10, |cell, round| {
        let trial = noisy(cell, round);
        match cell.send_path {
            SendPath::Zerocopy => trial.failed(FailureKind::Unsupported, "SO_ZEROCOPY: ENOTSUPP"),
            _ => trial,
        }
    });
    let summary = sound(&whole, &no_zerocopy);
    let recommendation = only_recommendation(&summary.explained);
    let Advice::Use { value, everywhere, .. } = recommendation.advice else {
        panic!("{recommendation:#?}")
    };
    assert_eq!((value.as_str(), everywhere), ("sendmsg", true), "of the paths that were measured");
    assert_eq!(recommendation.by_reference[0].pays, Pays::Unclear);
    assert!(recommendation.by_reference[0].copied_share.reason().is_some());

    let wild = synthetic::run(&whole, 4, |cell, round| {
        noisy(cell, round).faster(synthetic::noise(2, cell, round, 3.0))
    });
    sound(&whole, &wild);

    let odd = plan(|plan| {
        plan.factors.message =
            ["77", "1001", "20000", "70001", "3000000"].map(|size| size.parse().unwrap()).to_vec();
        plan.factors.threads = ["3", "7"].map(|threads| threads.parse().unwrap()).to_vec();
    });
    let summary = sound(&odd, &run(&odd, 10));
    let shared = only_recommendation(&summary.explained).shared.unwrap();
    assert_eq!(shared.to_string(), "threads=3");
}
