//! Links side by side, and the claims and answers that an audit or the sink decides.

use analysis::Metric;
use analysis::answers::{Answer, AnswerFinding, CopiesInAll};
use analysis::claims::claim::{Claim, Verdict};
use analysis::copies::{NotCounted, Step};
use analysis::findings::{CrossoverOutcome, LinkVerdict};
use analysis::operands::OfPath;
use analysis::reason::PartKind::{Counter, Effect};
use analysis::reason::Reason;
use analysis::reason::Shown::{NotMeasured, Unclear};
use analysis::recommendation::{Advice, Pays};
use analysis::results::Finding;
use model::audit::{Audited, CopiedBytes, CopyCounts, Hook};
use model::names::AckPlacement;
use model::record::{Outcome, SinkTally};
use model::values::AckInterval;
use model::{Cell, Factor, Link, Measured, Plan, Preset, SendPath};

use crate::made::{self, Builder, Run, gives, misses, one_thread, plan, run};

/// The plan of the preset, without controls.
fn zero_copy() -> Plan {
    let mut plan = Plan::preset(Preset::ZeroCopy);
    plan.measure.controls = false;
    plan
}

fn sink_alone(lists: &[(Factor, &str)]) -> Plan {
    let mut plan = plan(&[(Factor::Threads, "1"), (Factor::Link, "sink")]);
    for (factor, list) in lists {
        plan.factors.set(*factor, list).unwrap();
    }
    plan
}

fn made(plan: Plan) -> Run {
    run(plan, |_, trial| trial)
}

/// Zerocopy's break-even with sendmsg lies at a size that depends on where acknowledgements are processed.
fn dearer_on_the_senders_cpu(cell: &Cell, trial: Builder) -> Builder {
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
            assert_eq!(a, b);
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

/// Changes one figure of the audits of a path: its copies a byte.
fn counted(run: Run, path: SendPath, change: impl Fn(&mut CopyCounts, u64)) -> Run {
    run.with_audits(|audited: &mut Audited| {
        let bytes = match &audited.outcome {
            Outcome::Finished(finished) => finished.sender.total.accepted_bytes,
            Outcome::Failed(_) => 0,
        };
        if audited.cell.send_path == path
            && let Measured::Value(copies) = &mut audited.copies
        {
            change(copies, bytes);
        }
    })
}

fn times(figure: &mut Measured<CopiedBytes>, bytes: u64) {
    if let Measured::Value(figure) = figure {
        figure.bytes = bytes;
    }
}

/// What audits counted of a path is such.
#[track_caller]
fn copies(claim: &Claim, path: SendPath, is_it: impl Fn(&OfPath) -> bool) {
    gives(
        claim,
        |reason| matches!(reason, Reason::Copies { of } if of.iter().any(|of| of.path == path && is_it(of))),
    );
}

/// So many copies a byte at a step.
fn at(step: Step, copies: f64) -> impl Fn(&OfPath) -> bool {
    move |of| {
        let seen = of.steps[&step];
        (seen.low - copies).abs() < 0.01 && (seen.high - copies).abs() < 0.01
    }
}

/// The audit's own reason.
fn quoted(text: &str) -> NotCounted {
    NotCounted::Quoted { text: text.to_owned() }
}

/// A step was not counted, and why.
#[track_caller]
fn not_counted(claim: &Claim, of: Step, words: &str) {
    gives(
        claim,
        |reason| matches!(reason, Reason::StepNotCounted { step, why } if *step == of && *why == quoted(words)),
    );
}

#[test]
fn c1_falls_by_one_copy_counted_on_the_way_out_and_stands_by_two() {
    let audited = || made(one_thread()).audited();
    let once = audited().refutes(1, Effect);
    copies(&once, SendPath::Send, at(Step::In, 1.0));
    copies(&once, SendPath::Send, at(Step::Deferred, 0.0));
    copies(&once, SendPath::Send, at(Step::Out, 1.0));
    let twice = counted(audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.deferred, bytes);
    });
    copies(&twice.supports(1), SendPath::Send, at(Step::Deferred, 1.0));
    made(one_thread()).leaves_open(1, Effect, NotMeasured);
    let halves = counted(audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.deferred, bytes / 2);
    });
    copies(&halves.leaves_open(1, Effect, Unclear), SendPath::Send, at(Step::Deferred, 0.5));
    let uncounted = counted(audited(), SendPath::Send, |copies, _| {
        copies.deferred = Measured::absent("kprobes are off");
    });
    not_counted(&uncounted.leaves_open(1, Effect, NotMeasured), Step::Deferred, "kprobes are off");
}

#[test]
fn c2_compares_the_copies_of_both_paths() {
    let audited = || made(one_thread()).audited();
    let same = audited().refutes(2, Effect);
    copies(&same, SendPath::Send, at(Step::In, 1.0));
    copies(&same, SendPath::Sendmsg, at(Step::In, 1.0));
    let fewer = counted(audited(), SendPath::Sendmsg, |copies, _| {
        times(&mut copies.copied_in, 0);
    });
    copies(&fewer.supports(2), SendPath::Sendmsg, at(Step::In, 0.0));
    let odd = counted(audited(), SendPath::Sendmsg, |copies, bytes| {
        times(&mut copies.copied_in, bytes / 2);
    });
    odd.leaves_open(2, Effect, Unclear);
    made(one_thread()).leaves_open(2, Counter, NotMeasured);
}

/// Copies in of every audit trial are what was accepted less what was passed by reference, and copies out are of the
/// tracepoint: a machine without breakpoint registers.
fn eliminated(run: Run) -> Run {
    run.with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies {
            for (figure, hook) in [
                (&mut copies.copied_in, Hook::Elimination),
                (&mut copies.copied_out, Hook::Tracepoint),
            ] {
                if let Measured::Value(figure) = figure {
                    figure.hook = hook;
                }
            }
        }
    })
}

/// What the answer to Q0 says was counted, and what it comes to.
#[track_caller]
fn in_all(answer: &Answer) -> (CopiesInAll, OfPath) {
    let AnswerFinding::Copies { total, counted, .. } = &answer.finding else {
        panic!("{answer:#?}")
    };
    (*total, counted[0].clone())
}

/// The answer to Q0 says why a step was not counted.
#[track_caller]
fn lacks(answer: &Answer, step: Step, why: &str) {
    let AnswerFinding::Copies { not_counted, .. } = &answer.finding else { panic!("{answer:#?}") };
    assert_eq!(not_counted, &[Reason::StepNotCounted { step, why: quoted(why) }]);
}

#[test]
fn what_remains_of_a_path_that_copies_decides_nothing_and_is_shown() {
    let run = eliminated(made(one_thread()).audited());
    let is_eliminated = |it: &Reason| {
        matches!(it, Reason::StepNotCounted { step: Step::In, why: NotCounted::Eliminated })
    };
    let eliminated_in = |claim: &Claim| gives(claim, is_eliminated);
    eliminated_in(&run.leaves_open(1, Effect, NotMeasured));
    eliminated_in(&run.leaves_open(2, Counter, NotMeasured));
    let answer = run.answer(0);
    assert!(!answer.answered);
    let (total, found) = in_all(&answer);
    assert_eq!(total, CopiesInAll::Unclear);
    for (step, eliminated) in [(Step::In, true), (Step::Out, false)] {
        let seen = found.steps[&step];
        assert_eq!((seen.low, seen.high, seen.eliminated), (1.0, 1.0, eliminated));
    }
    misses(&answer.would_answer, "a copy audit", "breakpoint registers");
    let explained = run.explained();
    let send = explained.data_paths.iter().find(|path| path.path == SendPath::Send).unwrap();
    assert!(!send.copies_in.audited && send.copies_out.audited);
    // A second copy cannot show in what remains, but one at delivery is counted: C1 stays open either way.
    let twice =
        counted(eliminated(made(one_thread()).audited()), SendPath::Send, |copies, bytes| {
            times(&mut copies.deferred, bytes);
        });
    eliminated_in(&twice.leaves_open(1, Effect, NotMeasured));
    // Of zerocopy what was passed by reference was counted, and what remains is no more than headers.
    let claim = run.refutes(3, Effect);
    copies(&claim, SendPath::Zerocopy, |of| {
        of.steps[&Step::In].eliminated && at(Step::In, 0.0)(of)
    });
    copies(&claim, SendPath::Zerocopy, at(Step::Deferred, 1.0));
}

#[test]
fn a_missing_hook_never_makes_sendmsg_copy_less() {
    let no_kprobes = "kprobes are not built in";
    for of_one in [SendPath::Send, SendPath::Sendmsg] {
        // Whatever one path lacks is not compared: 1 in alone is no fewer than 1 in and 1 out.
        for lacks in [
            |copies: &mut CopyCounts, why: &str| copies.deferred = Measured::absent(why),
            |copies: &mut CopyCounts, why: &str| copies.copied_out = Measured::absent(why),
        ] {
            let run = counted(made(one_thread()).audited(), of_one, |copies, _| {
                lacks(copies, no_kprobes);
            });
            run.refutes(2, Effect);
        }
        let no_in = counted(made(one_thread()).audited(), of_one, |copies, _| {
            copies.copied_in = Measured::absent("no breakpoint registers");
        });
        let claim = no_in.leaves_open(2, Counter, NotMeasured);
        not_counted(&claim, Step::In, "no breakpoint registers");
    }
    // Fewer copies in, while nobody counted those at delivery: they may only have moved there.
    let moved = counted(made(one_thread()).audited(), SendPath::Sendmsg, |copies, _| {
        times(&mut copies.copied_in, 0);
        copies.deferred = Measured::absent(no_kprobes);
    });
    not_counted(&moved.leaves_open(2, Effect, Unclear), Step::Deferred, no_kprobes);
}

#[test]
fn c3_needs_audit_and_completions_to_say_the_same() {
    let audited = || made(one_thread()).audited();
    copies(&audited().refutes(3, Effect), SendPath::Zerocopy, at(Step::Deferred, 1.0));
    let none =
        || counted(audited(), SendPath::Zerocopy, |copies, _| times(&mut copies.deferred, 0));
    let marked = |claim: &Claim, share: f64| {
        gives(
            claim,
            |it| matches!(it, Reason::Completions { copied: Measured::Value(copied), .. } if *copied == [share; 2]),
        );
    };
    marked(&none().leaves_open(3, Effect, Unclear), 1.0);
    marked(&none().with(|_, finished| finished.sender.total.copied = 0).supports(3), 0.0);
}

/// The claim has the crossover of sender-side cost into the sink beside it.
#[track_caller]
fn sinks_crossover(claim: &Claim, is_it: impl Fn(&CrossoverOutcome) -> bool) {
    gives(claim, |it| {
        matches!(it, Reason::Crossovers { of } if of.iter().all(|it| {
            it.crossover.shared.cell().link == Link::Sink
                && it.crossover.metric == Metric::SenderSideCpuNsPerKib
                && is_it(&it.crossover.outcome)
        }))
    });
}

#[test]
fn c6_has_the_sinks_own_break_even_beside_it() {
    let both = plan(&[
        (Factor::Send, "send,zerocopy"),
        (Factor::Message, "1KiB..64KiB"),
        (Factor::Threads, "1"),
        (Factor::Link, "loopback,sink"),
    ]);
    sinks_crossover(&made(both).claim(6), |it| *it != CrossoverOutcome::Undecided);
    let alone = sink_alone(&[(Factor::Send, "send,zerocopy"), (Factor::Message, "1KiB..64KiB")]);
    let claim = made(alone.clone()).leaves_open(6, Effect, NotMeasured);
    gives(&claim, |it| matches!(it, Reason::SinkAlone));
    sinks_crossover(&claim, |it| *it == CrossoverOutcome::Always);
    // Whatever the sender's side costs there, goodput was not measured.
    let dear = run(alone, |cell, trial| {
        let is_it = cell.send_path == SendPath::Zerocopy;
        if is_it { trial.sender_cpu_ns_per_kib(90_000.0) } else { trial }
    });
    gives(&dear.leaves_open(6, Effect, NotMeasured), |it| matches!(it, Reason::SinkAlone));
}

#[test]
fn c6_is_of_goodput_and_the_sinks_cost_neither_refutes_nor_supports_it() {
    let both = || {
        plan(&[
            (Factor::Send, "send,zerocopy"),
            (Factor::Message, "1KiB..64KiB"),
            (Factor::Threads, "1"),
            (Factor::Link, "loopback,sink"),
        ])
    };
    // Goodput over send's grows with the size and passes 1 there.
    let goodput = |equal_at: f64| {
        move |cell: &Cell, trial: Builder| match (cell.link, cell.send_path) {
            (Link::Sink, _) => trial,
            (_, SendPath::Zerocopy) => {
                let times = (cell.message.bytes().0 as f64 / equal_at).powf(0.3);
                trial.goodput_gbps(20.0 * times)
            }
            _ => trial.goodput_gbps(20.0),
        }
    };
    // On the sink it is cheaper at every size, which is not from 4096 bytes on.
    run(both(), goodput(4096.0)).supports(6);
    gives(
        &run(both(), goodput(1e7)).refutes(6, Effect),
        |it| matches!(it, Reason::Crossovers { of } if of[0].crossover.outcome == CrossoverOutcome::Never),
    );
    // Goodput tells nothing over loopback: the sink's cost, wherever it breaks even, is no goodput.
    let nothing = made::run_with_noise(both(), 0.4, |cell, trial| match cell.link {
        Link::Sink => trial,
        Link::Loopback | Link::Veth => trial.goodput_gbps(20.0),
    });
    let claim = nothing.leaves_open(6, Effect, Unclear);
    sinks_crossover(&claim, |it| *it != CrossoverOutcome::Undecided);
}

#[test]
fn q0_is_answered_by_the_audit() {
    let answer = made(one_thread()).audited().answer(0);
    assert!(answer.answered);
    let (total, found) = in_all(&answer);
    assert_eq!(total, CopiesInAll::Two);
    assert_eq!((found.path, found.link), (SendPath::Send, Link::Loopback));
    for (step, copies) in [(Step::In, 1.0), (Step::Deferred, 0.0), (Step::Out, 1.0)] {
        let seen = found.steps[&step];
        assert_eq!((seen.low, seen.high, seen.eliminated), (copies, copies, false));
    }
    let three = counted(made(one_thread()).audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.copied_out, 2 * bytes);
    });
    assert_eq!(in_all(&three.answer(0)).0, CopiesInAll::NotTwo);
    // A hook that is missing is no zero: there may be a third copy.
    let open = counted(made(one_thread()).audited(), SendPath::Send, |copies, _| {
        copies.deferred = Measured::absent("kprobes are not built in");
    });
    let answer = open.answer(0);
    assert!(!answer.answered);
    assert_eq!(in_all(&answer).0, CopiesInAll::TwoAtLeast);
    lacks(&answer, Step::Deferred, "kprobes are not built in");
    let more = counted(made(one_thread()).audited(), SendPath::Send, |copies, bytes| {
        copies.deferred = Measured::absent("kprobes are not built in");
        times(&mut copies.copied_in, 2 * bytes);
    });
    let answer = more.answer(0);
    assert!(answer.answered);
    let (total, found) = in_all(&answer);
    assert_eq!(total, CopiesInAll::NotTwo);
    assert!(found.steps[&Step::In].low > 1.9 && !found.steps.contains_key(&Step::Deferred));
    let half = counted(made(one_thread()).audited(), SendPath::Send, |copies, _| {
        copies.copied_out = Measured::absent("no breakpoint registers");
    });
    let answer = half.answer(0);
    assert!(!answer.answered);
    assert_eq!(in_all(&answer).0, CopiesInAll::Unclear);
    lacks(&answer, Step::Out, "no breakpoint registers");
    // What another instrument watched says nothing of copies.
    let beside = counted(made(one_thread()).audited(), SendPath::Send, |copies, _| {
        copies.copied_out = Measured::absent("no breakpoint registers");
    });
    assert_eq!(beside.profiled(|_| [1, 1, 1]).answer(0), answer);
    assert!(!made(one_thread()).answer(0).answered);
}

#[test]
fn data_paths_are_of_each_link_and_hold_what_was_counted() {
    let mut two = one_thread();
    two.factors.set(Factor::Link, "loopback,sink").unwrap();
    let expected = made(two.clone()).explained().data_paths;
    assert_eq!(expected.len(), 6);
    assert!(expected.iter().all(|path| !path.copies_in.audited));
    let explained = counted(made(two).audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.copied_in, bytes / 100 * 101);
        copies.deferred = Measured::absent("kprobes are off");
    })
    .explained();
    let of = |path: SendPath, link: Link| {
        explained.data_paths.iter().find(|d| d.path == path && d.cell.link == link).unwrap()
    };
    let send = of(SendPath::Send, Link::Loopback);
    assert!(send.copies_in.audited && (send.copies_in.per_byte - 1.01).abs() < 1e-3);
    assert!((send.copies_in.expected - 1.0).abs() < f64::EPSILON);
    assert!(!send.copies_deferred.audited && send.copies_out.audited);
    let zerocopy = of(SendPath::Zerocopy, Link::Sink);
    let steps = [zerocopy.copies_in, zerocopy.copies_deferred, zerocopy.copies_out];
    assert!(steps.iter().all(|copies| copies.audited && copies.per_byte == 0.0), "{steps:?}");
    let audit = explained.copy_audits.iter().find(|a| a.cell == send.cell).unwrap();
    assert_eq!(audit.figures[2].per_byte.reason(), Some("kprobes are off"));
    assert_eq!(audit.functions.len(), 2);
}
