//! From which length on a field pays by reference: a planted threshold is found where it is, and none where there is none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::advice::{Advice, BreakEven, Question, Source, advise, of_fields};
use analysis::findings::{CrossoverOutcome, FieldThreshold};
use analysis::recommendation::Pays;
use analysis::{Metric, Summary, summarise};
use model::{Cell, Factor, Link, Nanos, Plan, Preset, SendPath, Share};

/// Header and body on loopback and the sink, each body copied and passed by reference.
fn plan(lists: &[(Factor, &str)]) -> Plan {
    let mut plan = Plan::preset(Preset::Hybrid);
    plan.measure.controls = false;
    for (factor, list) in lists {
        plan.factors.set(*factor, list).unwrap();
    }
    plan
}

/// A run in which a message costs 1 µs and 500 ns per KiB where it is copied, `more` ns and 400 ns per KiB less for what is passed;
/// over loopback, where that is copied later, it costs more per KiB.
fn run(plan: &Plan, seed: u64, noise: f64, more: impl Fn(&Cell) -> f64) -> Summary {
    let records = synthetic::run(plan, 12, |cell, round| {
        let share = cell.share_by_reference();
        let kib = cell.message.bytes().0 as f64 / 1024.0;
        let more_a_kib = if cell.link.has_receiver() { 100.0 } else { -400.0 };
        let passing = if share > 0.0 { more(cell) / kib + more_a_kib * share } else { 0.0 };
        let cost = 1000.0 / kib + 500.0 + passing;
        let trial = synthetic::trial(cell, round).goodput_gbps(8.0 * 1024.0 / cost);
        let trial = if cell.link.has_receiver() {
            trial.ends_cpu_ns_per_kib(cost)
        } else {
            trial.sender_cpu_ns_per_kib(cost).answering_ns_per_kib(0.0)
        };
        trial.faster(synthetic::noise(seed, cell, round, noise))
    });
    summarise(plan, &synthetic::host(), &records)
}

/// 4 µs more: 400 ns per KiB less make that good from 10 KiB on.
const AT: f64 = 10_240.0;

fn of_cost(summary: &Summary, link: Link) -> Vec<&FieldThreshold> {
    let all = summary.explained.field_thresholds.iter();
    all.filter(|it| it.link == link && it.metric == Metric::cost_on(link)).collect()
}

fn constants(summary: &Summary, link: Link) -> Vec<BreakEven> {
    of_fields(summary.explained.field_thresholds.iter().filter(move |it| it.link == link))
}

#[test]
fn a_planted_threshold_is_found_where_it_is_and_none_where_every_byte_is_copied_later() {
    let plan = plan(&[]);
    let summary = run(&plan, 7, 0.005, |_| 4000.0);
    let there = of_cost(&summary, Link::Sink);
    assert_eq!(there.len(), 2, "one for each placement of acknowledgements");
    for it in &there {
        let CrossoverOutcome::At { bytes, low, high } = it.outcome else { panic!("{it:#?}") };
        assert!(low <= AT && AT <= high && low <= bytes && bytes <= high, "{it:#?}");
        assert!(high / low < 1.3, "{it:#?}");
        assert_eq!((it.path, it.against), (SendPath::Hybrid, SendPath::Sendmsg));
        assert_eq!((it.others.before.as_slice(), it.others.after.len()), ([24].as_slice(), 0));
        assert_eq!((it.lengths.len(), it.lengths[0], it.lengths[8]), (9, 1024, 262_144));
    }
    let [constant] = &constants(&summary, Link::Sink)[..] else { panic!("one over all settings") };
    let Pays::From { low, high } = constant.pays else { panic!("{constant:#?}") };
    assert!(low <= AT && AT <= high);
    // Where settings differ the constant is the length from which on it pays in all of them.
    assert_eq!(constant.threshold_bytes.unwrap() as f64, high.round());
    assert_eq!(constant.sizes, [1024, 262_144]);
    let [here] = of_cost(&summary, Link::Loopback)[..] else { panic!("one setting") };
    assert_eq!(here.outcome, CrossoverOutcome::Never);
    let [none] = &constants(&summary, Link::Loopback)[..] else { panic!("one") };
    assert_eq!((none.pays, none.threshold_bytes), (Pays::Never, None));
}

#[test]
fn the_interval_holds_the_planted_threshold_and_comes_out_both_ways_with_the_noise() {
    let lists =
        [(Factor::Link, "sink"), (Factor::AckPlacement, "helper"), (Factor::Send, "hybrid")];
    let plan = plan(&lists);
    let (mut found, mut held) = (0, 0);
    for seed in 0..40 {
        let summary = run(&plan, seed, 0.03, |_| 4000.0);
        let [constant] = &constants(&summary, Link::Sink)[..] else { panic!("one") };
        if let Pays::From { low, high } = constant.pays {
            found += 1;
            held += u32::from(low <= AT && AT <= high);
            assert!(constant.threshold_bytes.is_some());
        }
    }
    assert!(found >= 38 && held >= found - 4, "{held} of {found} hold it");
    // Where both ways cost the same, nothing is told but that.
    for seed in 0..5 {
        let equal = |cell: &Cell| {
            let lengths = cell.field_lengths().filter(|bytes| cell.passes_field(*bytes));
            lengths.sum::<u64>() as f64 / 1024.0 * 400.0
        };
        for (noise, alike) in [(0.002, Pays::Alike), (0.3, Pays::Unclear)] {
            let summary = run(&plan, seed, noise, equal);
            let [constant] = &constants(&summary, Link::Sink)[..] else { panic!("one") };
            assert_eq!((constant.pays, constant.threshold_bytes), (alike, None), "{seed}");
        }
    }
}

#[test]
fn without_a_hybrid_that_copies_all_it_is_held_against_its_twin_and_without_both_nothing_is_told() {
    let alone =
        [(Factor::Link, "sink"), (Factor::AckPlacement, "helper"), (Factor::CopyBelow, "1KiB")];
    let with_twin = plan(&alone);
    let summary = run(&with_twin, 7, 0.005, |_| 4000.0);
    let [it] = of_cost(&summary, Link::Sink)[..] else { panic!("one") };
    assert!(matches!(it.outcome, CrossoverOutcome::At { .. }), "{it:#?}");
    let mut without = with_twin;
    without.factors.set(Factor::Send, "zerocopy,hybrid").unwrap();
    let summary = run(&without, 7, 0.005, |_| 4000.0);
    assert!(summary.explained.field_thresholds.is_empty());
}

#[test]
fn of_several_fields_only_one_that_goes_by_reference_alone_has_a_threshold() {
    let shapes = "24+8192+7,24+16384+7,24+32768+7,24+8192,24+16384,16384+16384,16384+32768,24+2048";
    let plan = plan(&[
        (Factor::Link, "sink"),
        (Factor::AckPlacement, "helper"),
        (Factor::Shape, shapes),
        (Factor::CopyBelow, "4KiB,8KiB,1MiB"),
    ]);
    let summary = run(&plan, 7, 0.005, |_| 4000.0);
    let found: Vec<_> = of_cost(&summary, Link::Sink)
        .iter()
        .map(|it| (it.others.before.clone(), it.others.after.clone(), it.lengths.clone()))
        .collect();
    assert_eq!(
        found,
        [(vec![24], vec![7], vec![8192, 16_384, 32_768]), (vec![24], vec![], vec![8192, 16_384]),]
    );
}

fn ask(shape: &str, summary: &Summary) -> Advice {
    let cell: Cell = format!("shape={shape}").parse().unwrap();
    let question = Question {
        cell: cell.in_its_shape(),
        links: vec![Link::Sink],
        paths: vec![SendPath::Sendmsg, SendPath::Zerocopy, SendPath::Hybrid],
        names_paths: true,
        against: None,
        rate_gbps: None,
        share_of_cpu: None,
        round_trip: Some(Nanos::ms(1)),
    };
    let host = synthetic::host();
    advise(&question, &[Source { name: "run", summary, host: &host, margin: Share(0.03) }])
}

#[test]
fn advise_compares_the_hybrid_that_passes_the_asked_fields_and_gives_the_constant() {
    let plan = plan(&[]);
    let summary = run(&plan, 7, 0.005, |cell| {
        // A header by reference costs as much again.
        if cell.send_path == SendPath::Zerocopy { 8000.0 } else { 4000.0 }
    });
    let on = ask("24+65536", &summary).links.remove(0);
    assert_eq!(on.choice.path(), Some(SendPath::Hybrid), "{:#?}", on.choice);
    let hybrids: Vec<_> = on.contenders.iter().filter(|it| it.path == SendPath::Hybrid).collect();
    assert_eq!(hybrids.len(), 1);
    let [of_field] =
        &on.break_evens.iter().filter(|it| it.others.is_some()).collect::<Vec<_>>()[..]
    else {
        panic!("{:#?}", on.break_evens)
    };
    assert!(of_field.threshold_bytes.is_some_and(|bytes| (9_700..11_500).contains(&bytes)));
    // Of messages as a whole it has none: it switches by itself.
    let of_messages = on.break_evens.iter().filter(|it| it.others.is_none());
    assert!(of_messages.clone().all(|it| it.path != SendPath::Hybrid));
    // A body shorter than the question's threshold is copied, as by the hybrid that copies all.
    let small = ask("24+4096", &summary).links.remove(0);
    assert_eq!(small.choice.path(), Some(SendPath::Sendmsg), "{:#?}", small.choice);
}
