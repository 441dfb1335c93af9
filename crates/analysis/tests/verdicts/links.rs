//! Links side by side.

use analysis::Metric;
use analysis::answers::AnswerFinding;
use analysis::claims::claim::Verdict;
use analysis::findings::{CrossoverOutcome, LinkVerdict};
use analysis::reason::Reason;
use analysis::recommendation::{Advice, Pays};
use analysis::results::Finding;
use analysis::warnings::Warning;
use model::names::AckPlacement;
use model::record::{Outcome, SinkTally};
use model::values::AckInterval;
use model::{Cell, Factor, Link, Measured, Plan, Preset, SendPath};

use crate::made::{Builder, Run, plan, run};

/// The plan of the preset, without controls.
pub(super) fn zero_copy() -> Plan {
    let mut plan = Plan::preset(Preset::ZeroCopy);
    plan.measure.controls = false;
    plan
}

pub(super) fn sink_alone(lists: &[(Factor, &str)]) -> Plan {
    let mut plan = plan(&[(Factor::Threads, "1"), (Factor::Link, "sink")]);
    for (factor, list) in lists {
        plan.factors.set(*factor, list).unwrap();
    }
    plan
}

pub(super) fn made(plan: Plan) -> Run {
    run(plan, |_, trial| trial)
}

/// Zerocopy's break-even with sendmsg lies at a size that depends on where acknowledgements are processed.
pub(super) fn dearer_on_the_senders_cpu(cell: &Cell, trial: Builder) -> Builder {
    let kib = cell.message.bytes().0 as f64 / 1024.0;
    // Rare acknowledgements cost zerocopy more.
    let rare = if cell.ack_interval == AckInterval::SWEPT[2] { 250.0 } else { 0.0 };
    let fixed = match (cell.send_path, cell.ack_placement) {
        (SendPath::Zerocopy, AckPlacement::Sender) => 1_600.0,
        (SendPath::Zerocopy, AckPlacement::Helper) => 1_100.0,
        _ => return trial,
    };
    if cell.link == Link::Sink {
        trial.sender_cpu_ns_per_kib((fixed + rare) / kib + 15.0)
    } else {
        trial
    }
}

fn verdict(run: &Run, link: Link) -> LinkVerdict {
    let found = run.explained().link_verdicts;
    found.into_iter().find(|verdict| verdict.link == link).unwrap()
}

/// What came out in how many settings.
fn counts(verdict: &LinkVerdict) -> Vec<(&'static str, u32)> {
    let name = |outcome| match outcome {
        CrossoverOutcome::At { .. } | CrossoverOutcome::Bracket { .. } => "bracket",
        CrossoverOutcome::Always => "always",
        CrossoverOutcome::Never => "never",
        CrossoverOutcome::Partly { .. } => "partly",
        CrossoverOutcome::Alike => "alike",
        CrossoverOutcome::Until { .. } | CrossoverOutcome::UntilBracket { .. } => "until",
        CrossoverOutcome::Undecided => "undecided",
    };
    verdict.outcomes.iter().map(|it| (name(it.outcome), it.settings)).collect()
}

#[test]
fn the_sink_has_the_senders_side_alone_and_says_so() {
    let run = made(zero_copy());
    let summary = run.summary();
    let of = |link: Link, metric: Metric| {
        let cells: Vec<_> = summary.estimates.iter().filter(|e| e.cell.link == link).collect();
        assert!(!cells.is_empty());
        cells.into_iter().map(move |e| e.metrics[&metric].clone())
    };
    for metric in Metric::ALL {
        let name = metric.name();
        let is_total = name.starts_with("ends_") || name.starts_with("machine_");
        if is_total || name.starts_with("receiver_") || name == "softirq_ns_per_kib" {
            for figure in of(Link::Sink, *metric) {
                assert_eq!(
                    figure.reason(),
                    Some("the sink has no receiver: sender-side cost only"),
                    "{name}"
                );
            }
        }
    }
    for metric in [
        Metric::GoodputGbps,
        Metric::SenderCpuNsPerKib,
        Metric::SenderSideCpuNsPerKib,
        Metric::HelperCpuNsPerKib,
        Metric::ProgramNsPerPacket,
        Metric::BytesPerPacket,
    ] {
        assert!(of(Link::Sink, metric).all(|figure| figure.value().is_some()), "{metric:?}");
    }
    for figure in of(Link::Loopback, Metric::SenderSideCpuNsPerKib) {
        assert_eq!(figure.reason(), Some("told apart only on the sink"));
    }
    // What the helper answers is the senders' own work only where it is placed there.
    let of_placement = |placement: AckPlacement, metric: Metric| {
        let found = summary.estimates.iter().find(|e| {
            e.cell.link == Link::Sink
                && e.cell.ack_placement == placement
                && e.cell.message.bytes().0 == 65_536
                && e.cell.send_path == SendPath::Sendmsg
        });
        found.unwrap().metrics[&metric].value().unwrap().mean
    };
    let (cpu, side) = (Metric::SenderCpuNsPerKib, Metric::SenderSideCpuNsPerKib);
    let answering =
        of_placement(AckPlacement::Helper, side) - of_placement(AckPlacement::Helper, cpu);
    assert!((answering - 6.0).abs() < 0.1, "{answering}");
    let none = of_placement(AckPlacement::Sender, side) - of_placement(AckPlacement::Sender, cpu);
    assert!(none.abs() < 1e-9, "{none}");
}

#[test]
fn that_completions_were_marked_copied_is_said_of_the_links_where_they_were() {
    let copied = |run: Run| {
        let warnings = run.summary().warnings.clone();
        warnings.into_iter().find(|it| matches!(it, Warning::Copied { .. }))
    };
    let (shares, on_delivery) = ([1.0, 1.0], true);
    let over = vec![Link::Loopback];
    assert_eq!(copied(made(zero_copy())), Some(Warning::Copied { shares, on_delivery, over }));
    let mut alone = zero_copy();
    alone.factors.link = vec![Link::Loopback];
    let over = Vec::new();
    assert_eq!(copied(made(alone)), Some(Warning::Copied { shares, on_delivery, over }));
}

#[test]
fn a_link_whose_trials_all_failed_is_told_as_not_compared() {
    let mut failed = made(zero_copy());
    for record in &mut failed.records {
        if let model::record::Record::Trial(trial) = record
            && trial.cell.link == Link::Sink
        {
            trial.outcome = Outcome::Failed(model::record::Failure {
                kind: model::record::FailureKind::Unsupported,
                why: "CAP_SYS_ADMIN is missing".to_owned(),
            });
        }
    }
    let sink = verdict(&failed, Link::Sink);
    assert!(sink.not_compared.is_some(), "{sink:#?}");
    assert!(sink.from_bytes.value().is_none());
    assert_eq!(verdict(&failed, Link::Loopback).not_compared, None);
}

#[test]
fn what_the_send_buffer_held_back_is_said_with_the_sizes() {
    let free = made(zero_copy());
    assert_eq!(verdict(&free, Link::Sink).held_back, 0);
    let held = |path: SendPath| {
        made(zero_copy()).with(|cell, finished| {
            if let Measured::Value(tcp) = &mut finished.sender.tcp
                && cell.link == Link::Sink
                && cell.send_path == path
                && cell.message.bytes().0 <= 4096
            {
                tcp.send_buffer_limited_us = tcp.busy_us.map(|busy| busy / 2);
            }
        })
    };
    let sink = verdict(&held(SendPath::Zerocopy), Link::Sink);
    assert_eq!((sink.held_back, sink.points), (18, 54));
    assert_eq!(verdict(&held(SendPath::Zerocopy), Link::Loopback).held_back, 0);
    assert_eq!(verdict(&held(SendPath::Sendmsg), Link::Sink).held_back, 0);
}

#[test]
fn precision_on_the_sink_is_of_the_senders_side() {
    let summary = made(zero_copy()).summary();
    let sink = summary.estimates.iter().filter(|e| e.cell.link == Link::Sink);
    assert!(sink.clone().all(|e| e.precise == Measured::Value(true)));
    let wide = run(zero_copy(), |cell, trial| {
        let spread = synthetic::noise(9, cell, 1 + cell.fields.get(), 0.0);
        trial.sender_cpu_ns_per_kib(60.0 * spread)
    });
    assert!(wide.summary().run.imprecise.is_empty());
    let mut noisy = made(zero_copy());
    for (place, record) in noisy.records.iter_mut().enumerate() {
        if let model::record::Record::Trial(trial) = record
            && let Outcome::Finished(finished) = &mut trial.outcome
            && let Measured::Value(sink) = &mut finished.sink
        {
            let answering = sink.answering_ns.0 * (1 + 200 * u64::from(place % 2 == 0));
            sink.answering_cpu_ns = Measured::Value(model::Nanos(answering));
            sink.helper_cpu_ns.0 += answering;
        }
    }
    let imprecise = noisy.summary().run.imprecise;
    assert!(!imprecise.is_empty());
    assert!(
        imprecise.iter().all(|id| id.contains("link=sink") && !id.contains("sender")),
        "{imprecise:?}"
    );
}

#[test]
fn a_gap_on_the_sink_is_noted_and_bytes_missing_are_void() {
    let gaps = made(sink_alone(&[])).with(|_, finished| {
        if let Measured::Value(sink) = &mut finished.sink {
            sink.window = SinkTally { gaps: 3, ..sink.window };
        }
    });
    let summary = gaps.summary();
    assert_eq!(summary.marks.get(&model::Mark::Retransmits), Some(&120));
    assert_eq!(summary.run.void_trials, 0);
    let short = made(sink_alone(&[])).with(|_, f| f.receiver.total.received_bytes -= 9);
    assert_eq!(short.summary().run.void_trials, 120);
}

#[test]
fn senders_and_the_helper_are_what_the_sink_keeps_busy() {
    let marked = |link: &str| {
        let plan = plan(&[(Factor::Threads, "2"), (Factor::Link, link)]);
        let summary = run(plan, |_, trial| trial.usable_cpus(3)).summary();
        summary.marks.contains_key(&model::Mark::Oversubscribed)
    };
    assert!(marked("loopback") && !marked("sink"));
}

#[test]
fn the_break_even_on_the_sink_is_a_range_over_interval_and_placement() {
    let run = run(zero_copy(), dearer_on_the_senders_cpu);
    let explained = run.explained();
    assert_eq!(explained.links.len(), 1 + 6);
    let on_sink: Vec<_> = explained.links.iter().filter(|c| c.link == Link::Sink).collect();
    assert_eq!(on_sink.len(), 6);
    for comparison in &on_sink {
        assert_eq!(comparison.metric, Metric::SenderSideCpuNsPerKib);
        assert!(matches!(comparison.crossover, CrossoverOutcome::At { .. }), "{comparison:#?}");
        assert_eq!(comparison.points.len(), 9);
        assert!(comparison.points.iter().all(|p| p.copied_share == Measured::Value(0.0)));
        assert!(comparison.points.windows(2).all(|p| p[0].message_bytes < p[1].message_bytes));
    }
    let sink = verdict(&run, Link::Sink);
    assert_eq!(sink.settings, 6);
    // 450/45 = 10 KiB on the helper's CPU at short intervals, (950 + 250)/45 = 26.7 KiB on the senders' at the longest.
    let (from, to) = (sink.from_bytes.value().unwrap(), sink.to_bytes.value().unwrap());
    assert!((9.0..10.1).contains(&(from / 1024.0)), "{from}");
    assert!((26.5..29.0).contains(&(to / 1024.0)), "{to}");
    assert_eq!(counts(&sink), [("bracket", 6)]);
    assert_eq!((sink.ack_placements.len(), sink.ack_intervals.len()), (2, 3));
    assert_eq!(sink.copied, Measured::Value([0.0, 0.0]));
    let loopback = verdict(&run, Link::Loopback);
    assert_eq!(counts(&loopback), [("never", 1)]);
    assert_eq!(loopback.copied, Measured::Value([1.0, 1.0]));
    assert!(loopback.from_bytes.value().is_none());
}

#[test]
fn settings_without_a_break_even_are_counted_not_hidden() {
    let never = run(zero_copy(), |cell, trial| {
        let dear = cell.link == Link::Sink
            && cell.send_path == SendPath::Zerocopy
            && cell.ack_placement == AckPlacement::Sender;
        if dear { trial.sender_cpu_ns_per_kib(2_000.0) } else { trial }
    });
    let sink = verdict(&never, Link::Sink);
    assert_eq!(counts(&sink), [("bracket", 3), ("never", 3)]);
    assert!(sink.from_bytes.value().is_none());
    let nowhere = run(zero_copy(), |cell, trial| {
        let dear = cell.send_path == SendPath::Zerocopy;
        if dear { trial.sender_cpu_ns_per_kib(2_000.0) } else { trial }
    });
    let sink = verdict(&nowhere, Link::Sink);
    assert_eq!(counts(&sink), [("never", 6)]);
}

#[test]
fn what_all_settings_lose_from_some_size_on_is_a_range_over_all_of_them() {
    // Cheaper below 450/45 = 10 KiB, or at rare acknowledgements below 700/45 = 15.6 KiB.
    let until = run(zero_copy(), |cell, trial| {
        let kib = cell.message.bytes().0 as f64 / 1024.0;
        let rare = if cell.ack_interval == AckInterval::SWEPT[2] { 250.0 } else { 0.0 };
        match (cell.link, cell.send_path) {
            (Link::Sink, SendPath::Sendmsg) => {
                trial.sender_cpu_ns_per_kib((1_100.0 + rare) / kib + 15.0)
            }
            (Link::Sink, SendPath::Zerocopy) => trial.sender_cpu_ns_per_kib(650.0 / kib + 60.0),
            _ => trial,
        }
    });
    let sink = verdict(&until, Link::Sink);
    assert_eq!(counts(&sink), [("until", 6)]);
    let CrossoverOutcome::UntilBracket { low, high } = sink.outcomes[0].outcome else {
        panic!("{sink:#?}");
    };
    assert!((9.0..10.5).contains(&(low / 1024.0)), "{low}");
    assert!((15.0..17.0).contains(&(high / 1024.0)), "{high}");
    assert!(sink.from_bytes.value().is_none());
}

#[test]
fn settings_in_which_both_cost_alike_are_not_said_to_lose() {
    let alike = run(zero_copy(), |cell, trial| match (cell.link, cell.ack_placement) {
        (Link::Sink, AckPlacement::Helper) => trial.sender_cpu_ns_per_kib(60.0),
        _ => dearer_on_the_senders_cpu(cell, trial),
    });
    let sink = verdict(&alike, Link::Sink);
    assert_eq!(counts(&sink), [("bracket", 3), ("alike", 3)]);
}

#[test]
fn each_link_has_a_recommendation_of_its_own_and_the_sinks_is_of_the_senders_side() {
    let both = run(zero_copy(), dearer_on_the_senders_cpu).explained().recommendations;
    let [loopback, sink] = both.as_slice() else { panic!("{both:#?}") };
    assert_eq!((loopback.link, loopback.metric), (Link::Loopback, Metric::GoodputGbps));
    assert!(
        matches!(&loopback.advice, Advice::Use { value, .. } if value == "sendmsg"),
        "{loopback:#?}"
    );
    assert_eq!((sink.link, sink.metric), (Link::Sink, Metric::SenderSideCpuNsPerKib));
    assert!(matches!(sink.by_reference[0].pays, Pays::From { .. }), "{sink:#?}");
    let alone = made(sink_alone(&[])).explained().recommendations;
    let [alone] = alone.as_slice() else { panic!("{alone:#?}") };
    assert_eq!((alone.link, alone.metric), (Link::Sink, Metric::SenderSideCpuNsPerKib));
    // Cheaper from 10 KiB on, which the paper's sizes bracket.
    let bracket = CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 };
    let (value, against) = ("zerocopy".to_owned(), "sendmsg".to_owned());
    assert_eq!(alone.advice, Advice::BySize { value, against, outcome: bracket });
    let copying = made(sink_alone(&[(Factor::Send, "send,sendmsg")])).explained().recommendations;
    let Advice::Use { value, against, everywhere, gains } = &copying[0].advice else {
        panic!("{copying:#?}")
    };
    assert_eq!((value.as_str(), against.as_str(), *everywhere), ("sendmsg", "send", true));
    // Less is better where cost is compared.
    assert!(gains.iter().all(|gain| gain.finding == Finding::Less), "{copying:#?}");
}

#[test]
fn the_sink_changes_no_answer_and_no_claim_about_other_links() {
    let lists = &[(Factor::Send, "send,sendmsg,zerocopy"), (Factor::Threads, "1")];
    let mut both = plan(lists);
    both.factors.set(Factor::Link, "loopback,sink").unwrap();
    let (alone, both) = (made(plan(lists)).explained(), made(both).explained());
    for (a, b) in alone.answers.iter().zip(&both.answers) {
        assert_eq!((&a.finding, &a.compared), (&b.finding, &b.compared));
    }
    for (a, b) in alone.claims.iter().zip(&both.claims) {
        // These are the ones that the sink speaks to.
        if ![5, 6, 7].contains(&a.id.number()) {
            // Intervals of levels are widened by the drift of the whole run, so that their ends may differ.
            let told = |claim: &analysis::claims::claim::Claim| -> Vec<_> {
                claim.parts.iter().map(|part| (part.kind, part.shown)).collect()
            };
            assert_eq!((a.id, a.verdict, told(a)), (b.id, b.verdict, told(b)));
        }
    }
    assert!(both.link_verdicts.iter().any(|verdict| verdict.link == Link::Sink));
}

#[test]
fn the_sink_alone_answers_nothing_about_throughput() {
    let explained = made(sink_alone(&[])).explained();
    for answer in &explained.answers[1..] {
        assert!(!answer.answered, "{answer:#?}");
        let lacking = AnswerFinding::Lacking { reason: Reason::SinkAlone };
        assert_eq!(answer.finding, lacking, "{answer:#?}");
    }
    for claim in &explained.claims {
        let decided = claim.verdict != Verdict::Undecidable;
        assert!(!decided || [5, 19].contains(&claim.id.number()), "{claim:#?}");
    }
}

#[test]
fn unix_sockets_alone_answer_nothing_of_the_paper_and_are_recommended_for_by_themselves() {
    let lists = &[(Factor::Send, "send,sendmsg"), (Factor::Threads, "1"), (Factor::Link, "unix")];
    let explained = made(plan(lists)).explained();
    for answer in &explained.answers[1..] {
        assert_eq!(answer.finding, AnswerFinding::Lacking { reason: Reason::NoTcp }, "{answer:#?}");
    }
    for claim in &explained.claims {
        let decided = claim.verdict != Verdict::Undecidable;
        assert!(!decided || claim.id.number() == 19, "{claim:#?}");
    }
    let [unix] = explained.recommendations.as_slice() else { panic!("one link") };
    assert_eq!((unix.link, unix.metric), (Link::Unix, Metric::GoodputGbps));
    assert!(matches!(&unix.advice, Advice::Use { value, .. } if value == "sendmsg"), "{unix:#?}");
}

#[test]
fn unix_sockets_beside_loopback_change_no_answer_and_no_claim() {
    let lists = &[(Factor::Send, "send,sendmsg"), (Factor::Threads, "1")];
    let mut both = plan(lists);
    both.factors.set(Factor::Link, "loopback,unix").unwrap();
    let (alone, both) = (made(plan(lists)).explained(), made(both).explained());
    for (a, b) in alone.answers.iter().zip(&both.answers) {
        assert_eq!((&a.finding, &a.compared), (&b.finding, &b.compared));
    }
    for (a, b) in alone.claims.iter().zip(&both.claims) {
        let told = |claim: &analysis::claims::claim::Claim| -> Vec<_> {
            claim.parts.iter().map(|part| (part.kind, part.shown)).collect()
        };
        assert_eq!((a.id, a.verdict, told(a)), (b.id, b.verdict, told(b)));
    }
    assert_eq!(both.recommendations.len(), 2);
}

#[test]
fn a_path_that_does_not_exist_over_unix_sockets_is_neither_drawn_nor_compared() {
    let lists = &[(Factor::Send, "sendmsg,zerocopy"), (Factor::Threads, "1")];
    let mut both = plan(lists);
    both.factors.set(Factor::Link, "loopback,unix").unwrap();
    let explained = made(both).explained();
    let drawn: Vec<_> = explained.data_paths.iter().map(|it| (it.path, it.cell.link)).collect();
    assert_eq!(drawn.len(), 3, "{drawn:?}");
    assert!(!drawn.contains(&(SendPath::Zerocopy, Link::Unix)), "{drawn:?}");
    let links: Vec<Link> = explained.link_verdicts.iter().map(|verdict| verdict.link).collect();
    assert_eq!(links, [Link::Loopback]);
}
