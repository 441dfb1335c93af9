//! What `advise` answers: each answer comes out of runs in which it is true, and another one where it is not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's functions may fail it, and its runs have few of the paths"
)]

use analysis::advice::{
    Advice, Choice, CopiesHere, NotReached, Price, Question, Seen, Source, advise, may_answer,
};
use analysis::delivery::Unforeseen;
use analysis::metric::Metric;
use analysis::recommendation::Pays;
use analysis::reference::Caveat;
use analysis::results::{Ending, Finding};
use analysis::{Summary, summarise};
use model::SendPath::{Hybrid, Send, Sendmsg, Splice, Staged, UringSendZc, Zerocopy};
use model::host::Host;
use model::names::AckPlacement;
use model::record::{Failure, FailureKind, Finish, FinishReason, LinkFacts, Outcome, Record};
use model::{Cell, Factor, Link, Measured, Nanos, Plan, SendPath, Share};
use synthetic::without_controls;

const ROUNDS: u32 = 12;

fn plan(link: &str, sizes: &str) -> Plan {
    without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Send, "send,staged,sendmsg,zerocopy"),
        (Factor::Link, link),
        (Factor::Message, sizes),
    ])
}

/// A run in which each cell costs so many ns a message and so many per KiB, which goodput follows.
fn run(plan: &Plan, rounds: u32, noise: f64, costs: impl Fn(&Cell) -> (f64, f64)) -> Summary {
    let records = synthetic::run(plan, rounds, |cell, round| {
        let (a_message, a_kib) = costs(cell);
        let cost = a_message * 1024.0 / cell.message.bytes().0 as f64 + a_kib;
        let trial = synthetic::trial(cell, round).goodput_gbps(8.0 * 1024.0 / cost);
        let trial = if cell.link.has_receiver() {
            trial.ends_cpu_ns_per_kib(cost)
        } else {
            trial.sender_cpu_ns_per_kib(cost)
        };
        trial.faster(synthetic::noise(7, cell, round, noise))
    });
    summarise(plan, &synthetic::host(), &records)
}

fn question(links: &[Link], size: u64) -> Question {
    let mut cell = Cell::default();
    cell.set(Factor::Message, &size.to_string()).unwrap();
    Question {
        cell,
        links: links.to_vec(),
        paths: SendPath::STUDY.to_vec(),
        names_paths: true,
        against: None,
        rate_gbps: None,
        share_of_cpu: None,
        round_trip: Some(Nanos::ms(1)),
    }
}

fn answer(question: &Question, summary: &Summary) -> Advice {
    let host = synthetic::host();
    advise(question, &[Source { name: "run", summary, host: &host, margin: Share(0.03) }])
}

/// By reference costs 4 µs a message more and 400 ns per KiB less into the sink: from 10 KiB on it is cheaper. Over loopback
/// it never is.
fn ordinary(cell: &Cell) -> (f64, f64) {
    match (cell.send_path, cell.link.has_receiver()) {
        (Send, _) => (6000.0, 500.0),
        (Staged, _) => (1200.0, 700.0),
        (Zerocopy, true) => (5000.0, 600.0),
        (Zerocopy, false) => (5000.0, 100.0),
        _ => (1000.0, 500.0),
    }
}

fn used(choice: &Choice) -> (SendPath, SendPath, f64) {
    let Choice::Use { path, against, ratio, .. } = choice else { panic!("{choice:#?}") };
    (*path, *against, ratio.mean)
}

#[test]
fn each_link_has_its_own_answer_and_the_break_even_is_a_constant() {
    let plan = plan("loopback,sink", "1KiB..256KiB");
    let summary = run(&plan, ROUNDS, 0.005, ordinary);
    let links = [Link::Loopback, Link::Sink];
    let advice = answer(&question(&links, 65_536), &summary);
    assert!(advice.is_decided());
    let [here, there] = advice.links.as_slice() else { panic!("{advice:#?}") };
    assert_eq!(used(&here.choice).0, Sendmsg);
    let (path, against, ratio) = used(&there.choice);
    assert_eq!((path, against), (Zerocopy, Sendmsg));
    // (5000 / 64 + 100) over (1000 / 64 + 500).
    assert!((ratio - 178.1 / 515.6).abs() < 0.02, "{ratio}");
    let of = |on: &analysis::advice::LinkAdvice| {
        on.break_evens.iter().find(|it| it.against == Sendmsg).unwrap().clone()
    };
    assert_eq!(of(here).pays, Pays::Never);
    assert_eq!(of(here).threshold_bytes, None);
    let Pays::From { low, high } = of(there).pays else { panic!("{there:#?}") };
    let threshold = of(there).threshold_bytes.unwrap();
    assert!(low <= 10_240.0 && 10_240.0 <= high, "{low} {high}");
    assert!((9_700..10_800).contains(&threshold), "{threshold}");
    // Below it the copying path is the answer there too.
    let small = answer(&question(&links, 2048), &summary);
    assert!(small.links.iter().all(|on| used(&on.choice).0 == Sendmsg), "{small:#?}");
    let copied = |on: &analysis::advice::LinkAdvice| {
        on.why_not
            .iter()
            .any(|why| matches!(why.seen, Seen::Copied { is_delivered_here: true, .. }))
    };
    assert!(copied(&small.links[0]) && !copied(&small.links[1]));
}

#[test]
fn what_copied_on_the_way_to_another_host_is_told_as_far_as_it_is_known() {
    let plan = plan("ssh", "16384");
    let records = synthetic::run(&plan, ROUNDS, |cell, round| {
        let speed = if cell.send_path == Zerocopy { 0.5 } else { 1.0 };
        synthetic::trial(cell, round)
            .copied_share(1.0)
            .faster(speed * synthetic::noise(7, cell, round, 0.005))
    });
    let records = synthetic::apart(records);
    let told = |is_one_kernel: bool| {
        let veth = || synthetic::nic("veth", None);
        let mut host = synthetic::two_hosts(veth(), veth());
        host.packet_taps = Measured::Value(1);
        if is_one_kernel {
            host.receiver_host.as_mut().unwrap().boot_id = host.boot_id.clone();
        }
        let summary = summarise(&plan, &host, &records);
        let (name, summary, margin) = ("run", &summary, Share(0.03));
        let source = Source { name, summary, host: &host, margin };
        let mut of = advise(&question(&[Link::Ssh], 16_384), &[source]).links.remove(0);
        assert!(of.line.is_some(), "the line is told");
        (of.why_not.remove(0).seen, of.copies_here.is_some())
    };
    let copied = |is_delivered_here, unforeseen| Seen::Copied {
        share: 1.0,
        is_delivered_here,
        unforeseen,
        packet_taps: 0,
    };
    // Two namespaces: the kernel copies whatever is tapped.
    assert_eq!(told(true), (copied(true, None), false));
    let device = "eth0".to_owned();
    assert_eq!(told(false), (copied(false, Some(Unforeseen::NoLine { device })), true));
}

/// Every completion of zerocopy into the sink says copied, in trials whose devices `change` makes.
fn copied_on_the_sink(change: impl Fn(&mut LinkFacts)) -> Vec<Seen> {
    let plan = plan("sink", "16384");
    let mut records = synthetic::run(&plan, ROUNDS, |cell, round| {
        let cost = if cell.send_path == Zerocopy { 900.0 } else { 500.0 };
        let trial = synthetic::trial(cell, round).sender_cpu_ns_per_kib(cost);
        trial.faster(synthetic::noise(7, cell, round, 0.005))
    });
    for record in &mut records {
        let Record::Trial(trial) = record else { continue };
        let Outcome::Finished(finished) = &mut trial.outcome else { continue };
        if trial.cell.send_path == Zerocopy {
            finished.sender.window.copied = finished.sender.window.completed;
            finished.sender.total.copied = finished.sender.total.completed;
        }
        let Measured::Value(devices) = &mut finished.link else { panic!("the sink has devices") };
        change(devices);
    }
    let summary = summarise(&plan, &synthetic::host(), &records);
    let why_not = answer(&question(&[Link::Sink], 16_384), &summary).links.remove(0).why_not;
    why_not.into_iter().map(|why| why.seen).collect()
}

#[test]
fn what_copied_on_the_sink_is_named_where_the_records_tell() {
    let seen = |packet_taps| Seen::Copied {
        share: 1.0,
        is_delivered_here: false,
        unforeseen: None,
        packet_taps,
    };
    assert_eq!(copied_on_the_sink(|_| ()), [seen(0)]);
    let no_gather = |of: &mut LinkFacts| of.scatter_gather = Measured::Value(false);
    assert_eq!(copied_on_the_sink(no_gather), [seen(0), Seen::NoScatterGather]);
    let tapped = |of: &mut LinkFacts| of.packet_taps = Measured::Value(2);
    assert_eq!(copied_on_the_sink(tapped), [seen(2)]);
    let unknown = |of: &mut LinkFacts| {
        of.scatter_gather = Measured::absent("not recorded");
        of.packet_taps = Measured::absent("not recorded");
    };
    assert_eq!(copied_on_the_sink(unknown), [seen(0)]);
}

#[test]
fn devices_and_taps_of_the_machine_are_told_for_other_hosts_alone() {
    let plan = plan("loopback,sink", "16384");
    let summary = run(&plan, ROUNDS, 0.005, ordinary);
    let mut host = synthetic::host();
    let asked = question(&[Link::Loopback, Link::Sink], 16_384);
    let here = |host: &Host, question: &Question| {
        let source = Source { name: "run", summary: &summary, host, margin: Share(0.03) };
        let links = advise(question, &[source]).links;
        links.into_iter().map(|on| on.copies_here).collect::<Vec<_>>()
    };
    assert_eq!(here(&host, &asked), [None, None]);
    for (device, gathers) in [("eth0", false), ("eth1", true)] {
        host.scatter_gather.insert(device.to_owned(), Measured::Value(gathers));
    }
    host.packet_taps = Measured::Value(1);
    let told = CopiesHere { without_scatter_gather: vec!["eth0".to_owned()], packet_taps: 1 };
    assert_eq!(here(&host, &asked), [None, Some(told)]);
    let copying = Question { paths: vec![Send, Sendmsg], ..asked };
    assert_eq!(here(&host, &copying), [None, None]);
}

#[test]
fn a_path_that_this_machine_refuses_is_told_with_the_reason() {
    let mut plan = plan("loopback", "16384");
    plan.factors.set(Factor::Send, "sendmsg,zerocopy,uring-send-zc").unwrap();
    let why = "io_uring_setup: EPERM: a seccomp filter refuses it";
    let failure = Failure { kind: FailureKind::Unsupported, why: why.to_owned() };
    let mut records = synthetic::run(&plan, ROUNDS, |cell, round| {
        let trial = synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, 0.005));
        if cell.send_path == UringSendZc { trial } else { trial.goodput_gbps(10.0) }
    });
    for record in &mut records {
        let Record::Trial(trial) = record else { continue };
        if trial.cell.send_path == UringSendZc {
            trial.outcome = Outcome::Failed(failure.clone());
        }
    }
    let summary = summarise(&plan, &synthetic::host(), &records);
    let mut question = question(&[Link::Loopback], 16_384);
    question.paths = vec![Sendmsg, Zerocopy, UringSendZc, Staged];
    let on = answer(&question, &summary).links.remove(0);
    assert_eq!(on.not_compared, [UringSendZc, Staged]);
    let [refused] = on.refused.as_slice() else { panic!("{:?}", on.refused) };
    assert!(refused.path == UringSendZc && refused.why.contains(why), "{refused:?}");
}

#[test]
fn nothing_is_read_into_a_gap_in_which_the_answer_changes() {
    let plan = plan("sink", "64,4096,65536");
    let summary = run(&plan, ROUNDS, 0.005, ordinary);
    let ask = |size| answer(&question(&[Link::Sink], size), &summary).links.remove(0);
    assert_eq!(ask(20_000).choice, Choice::NotCovered { nearest: vec![4096, 65_536] });
    assert_eq!(ask(1_000_000).choice, Choice::NotCovered { nearest: vec![65_536] });
    let between = ask(1024);
    assert_eq!((used(&between.choice).0, between.sizes), (Sendmsg, vec![64, 4096]));
    assert!(may_answer(&question(&[Link::Sink], 20_000), &plan));
    for (links, size) in [(Link::Loopback, 4096), (Link::Sink, 32), (Link::Sink, 1_000_000)] {
        assert!(!may_answer(&question(&[links], size), &plan), "{links} {size}");
    }
    let other = answer(&question(&[Link::Loopback], 4096), &summary);
    assert_eq!(other.links[0].choice, Choice::NotCovered { nearest: Vec::new() });
    assert_eq!(other.uncovered().collect::<Vec<_>>(), [Link::Loopback]);
}

#[test]
fn a_size_that_its_run_did_not_reach_is_told_as_that() {
    let plan = plan("sink", "4096,16384,65536");
    let host = synthetic::host();
    let asked = |cell: &Cell| cell.message.bytes().0 == 16_384;
    let records = |is_kept: &dyn Fn(&Cell) -> bool, reason| {
        let all = synthetic::run(&plan, ROUNDS, |cell, round| {
            let (a_message, a_kib) = ordinary(cell);
            let cost = a_message * 1024.0 / cell.message.bytes().0 as f64 + a_kib;
            synthetic::trial(cell, round)
                .sender_cpu_ns_per_kib(cost)
                .faster(synthetic::noise(7, cell, round, 0.005))
        });
        let is_left = |record: &Record| match record {
            Record::Trial(trial) => is_kept(&trial.cell),
            Record::Finish(_) => false,
            _ => true,
        };
        let mut kept: Vec<Record> = all.into_iter().filter(is_left).collect();
        kept.push(Record::Finish(Finish { reason, spent_ns: Nanos::s(5) }));
        kept
    };
    let ask = |is_kept: &dyn Fn(&Cell) -> bool, reason| {
        let summary = summarise(&plan, &host, &records(is_kept, reason));
        answer(&question(&[Link::Sink], 16_384), &summary).links.remove(0)
    };
    let not_reached = |ending| Some(NotReached { run: "run".to_owned(), ending });
    // Its neighbours were measured, and give two answers.
    let cut = ask(&|cell| !asked(cell), FinishReason::Time);
    assert_eq!(cut.choice, Choice::NotCovered { nearest: vec![4096, 65_536] });
    assert_eq!(cut.not_reached, not_reached(Ending::Time));
    let none = ask(&|_| false, FinishReason::Interrupted);
    assert_eq!((none.not_reached, none.gap), (not_reached(Ending::Interrupted), None));
    // One that was reached answers, and one that no plan had is another matter.
    let reached = ask(&asked, FinishReason::Time);
    assert!(reached.is_covered() && reached.not_reached.is_none(), "{reached:#?}");
    let other = summarise(&plan, &host, &records(&|_| true, FinishReason::Time));
    assert_eq!(answer(&question(&[Link::Sink], 20_000), &other).links[0].not_reached, None);
}

#[test]
fn a_setting_that_has_the_asked_size_answers_before_one_that_was_cut() {
    let mut plan = plan("sink", "4096,16384,65536");
    plan.factors.ack_placement = vec![AckPlacement::Helper, AckPlacement::Sender];
    let host = synthetic::host();
    let mut records = synthetic::run(&plan, ROUNDS, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, 0.005))
    });
    records.retain(|record| {
        !matches!(record, Record::Trial(trial) if trial.cell.message.bytes().0 == 16_384
            && trial.cell.ack_placement == AckPlacement::Helper)
    });
    let on = answer(&question(&[Link::Sink], 16_384), &summarise(&plan, &host, &records))
        .links
        .remove(0);
    assert_eq!((on.sizes, on.settings), (vec![16_384], 1));
}

#[test]
fn what_no_test_tells_apart_is_alike_or_undecided_and_never_chosen() {
    let plan = plan("loopback", "16384");
    let equal = |cell: &Cell| match cell.send_path {
        Send | Zerocopy => (6000.0, 500.0),
        _ => (1000.0, 500.0),
    };
    let ask = |summary: &Summary| answer(&question(&[Link::Loopback], 16_384), summary);
    let alike = ask(&run(&plan, ROUNDS, 0.004, equal));
    assert_eq!(alike.links[0].choice, Choice::Alike { paths: vec![Sendmsg, Staged] });
    assert!(alike.is_decided());
    let noisy = ask(&run(&plan, 4, 0.2, equal));
    assert!(matches!(noisy.links[0].choice, Choice::Open { .. }), "{noisy:#?}");
    assert!(!noisy.is_decided());
}

#[test]
fn only_the_asked_paths_are_chosen_from_and_missing_ones_are_told() {
    let plan = plan("loopback", "16384");
    let summary = run(&plan, ROUNDS, 0.005, ordinary);
    let mut question = question(&[Link::Loopback], 16_384);
    question.paths = vec![Send, Staged];
    let two = answer(&question, &summary).links.remove(0);
    assert_eq!(used(&two.choice).0, Staged);
    assert_eq!((two.contenders.len(), two.not_compared.as_slice()), (2, &[][..]));
    let without = without_controls(&[(Factor::Threads, "1"), (Factor::Send, "send,sendmsg")]);
    let summary = run(&without, ROUNDS, 0.005, ordinary);
    let mut question = self::question(&[Link::Loopback], 4096);
    let of_two = answer(&question, &summary).links.remove(0);
    assert_eq!((used(&of_two.choice).0, of_two.not_compared), (Sendmsg, vec![Staged, Zerocopy]));
    question.against = Some(Zerocopy);
    assert!(!answer(&question, &summary).links[0].is_covered(), "it says nothing of zerocopy");
    assert!(!may_answer(&question, &without));
}

#[test]
fn an_undecided_answer_is_not_left_for_an_older_one_that_decides() {
    let plan = plan("loopback", "16384");
    let open = run(&plan, 4, 0.3, ordinary);
    let decided = run(&plan, ROUNDS, 0.005, ordinary);
    let host = synthetic::host();
    let source = |name, summary| Source { name, summary, host: &host, margin: Share(0.03) };
    let question = question(&[Link::Loopback], 16_384);
    let advice = advise(&question, &[source("new", &open), source("old", &decided)]);
    assert_eq!(advice.links[0].run.value().map(String::as_str), Some("new"));
    assert!(!advice.is_decided(), "{advice:#?}");
}

#[test]
fn a_run_that_ended_before_anything_had_an_interval_answers_only_where_no_other_does() {
    let plan = plan("loopback", "16384");
    let (short, whole) = (run(&plan, 1, 0.005, ordinary), run(&plan, ROUNDS, 0.005, ordinary));
    let host = synthetic::host();
    let source = |name, summary| Source { name, summary, host: &host, margin: Share(0.03) };
    let question = question(&[Link::Loopback], 16_384);
    let advice = advise(&question, &[source("short", &short), source("whole", &whole)]);
    assert_eq!(advice.links[0].run.value().map(String::as_str), Some("whole"));
    assert_eq!(advice.unmeasured().count(), 0);
    let alone = advise(&question, &[source("short", &short)]);
    assert!(alone.links[0].is_covered() && !alone.links[0].is_answered(), "{alone:#?}");
    assert_eq!(alone.unmeasured().collect::<Vec<_>>(), [Link::Loopback]);
}

#[test]
fn settings_of_a_link_that_differ_decide_nothing() {
    let mut plan = plan("sink", "16384");
    plan.factors.ack_placement = vec![AckPlacement::Helper, AckPlacement::Sender];
    let ask = |costs: &dyn Fn(&Cell) -> (f64, f64)| {
        answer(&question(&[Link::Sink], 16_384), &run(&plan, ROUNDS, 0.005, costs)).links.remove(0)
    };
    let same = ask(&ordinary);
    assert_eq!((used(&same.choice).0, same.settings), (Zerocopy, 2));
    let on = ask(&|cell| match (cell.send_path, cell.ack_placement) {
        (Zerocopy, AckPlacement::Sender) => (20_000.0, 100.0),
        _ => ordinary(cell),
    });
    let Choice::BySetting { paths } = &on.choice else { panic!("{on:#?}") };
    let of = |part: &str| paths.iter().find(|(setting, _)| setting.contains(part)).unwrap().1;
    assert_eq!(of("ack_placement=sender"), Some(Sendmsg));
    assert!(!on.is_decided());
}

#[test]
fn a_fixed_load_is_decided_by_cpu_cost_and_tells_what_is_saved() {
    let plan = plan("loopback", "16384");
    // By reference has the best goodput and takes a quarter more CPU.
    let records = synthetic::run(&plan, ROUNDS, |cell, round| {
        let (goodput, cpu) = match cell.send_path {
            Zerocopy => (20.0, 500.0),
            Sendmsg => (10.0, 400.0),
            _ => (5.0, 800.0),
        };
        let trial = synthetic::trial(cell, round).goodput_gbps(goodput);
        let trial = trial.sender_cpu_ns_per_kib(cpu / 2.0).receiver_cpu_ns_per_kib(cpu / 2.0);
        trial.faster(synthetic::noise(3, cell, round, 0.003))
    });
    let summary = summarise(&plan, &synthetic::host(), &records);
    let mut question = question(&[Link::Loopback], 16_384);
    let fastest = answer(&question, &summary);
    assert_eq!(used(&fastest.links[0].choice).0, Zerocopy);
    // 1 Gbit/s is 122 070 KiB a second, each of which takes 100 ns more.
    let saving = fastest.links[0].saving.as_ref().unwrap();
    assert!((saving.cpus.unwrap().mean + 0.0122).abs() < 0.0005, "{saving:?}");
    question.rate_gbps = Some(8.192);
    question.share_of_cpu = Some(Share(0.1));
    question.against = Some(Send);
    let advice = answer(&question, &summary);
    let (path, against, ratio) = used(&advice.links[0].choice);
    assert_eq!((path, against), (Sendmsg, Send));
    assert!((ratio - 0.5).abs() < 0.01, "{ratio}");
    // 8.192 Gbit/s is 10⁶ KiB a second: 0.8 CPUs by send, 0.4 by sendmsg.
    let saving = advice.links[0].saving.as_ref().unwrap();
    assert!((saving.cpus.unwrap().mean - 0.4).abs() < 0.01, "{saving:?}");
    assert!((saving.share_of_cpu.unwrap().mean - 0.05).abs() < 0.002, "{saving:?}");
    assert_eq!(saving.finding, Finding::Less);
    let cpus = advice.links[0].contenders.iter().find(|it| it.path == Sendmsg).unwrap();
    assert!((cpus.cpus_at_rate.unwrap() - 0.4).abs() < 0.01);
    let price = &advice.links[0].prices[0];
    assert_eq!(price.path, Zerocopy);
    // 8.192 Gbit/s for a millisecond.
    assert!((price.held_bytes - 1_024_000.0).abs() < 1.0, "{price:?}");
    // As made up: 60 to 120 µs; less than one in a hundred takes longer.
    let released = price.released_us.value().unwrap();
    assert!((80.0..90.0).contains(&released.median.mean), "{released:?}");
    let p99 = released.p99.value().unwrap().mean;
    assert!((102.0..112.0).contains(&p99), "{released:?}");
    assert!((released.held_bytes / (p99 * 1024.0) - 1.0).abs() < 1e-9, "{released:?}");
}

#[test]
fn of_few_timed_messages_the_median_is_told_and_why_there_is_no_99th_percentile() {
    let plan = plan("loopback", "16384");
    let mut summary = run(&plan, ROUNDS, 0.005, ordinary);
    let zerocopy = summary.estimates.iter_mut().find(|it| it.cell.send_path == Zerocopy).unwrap();
    let tail = Measured::absent("fewer than 100 messages were timed; measure longer");
    zerocopy.metrics.insert(Metric::ReleaseP99Us, tail.clone());
    let mut question = question(&[Link::Loopback], 16_384);
    question.rate_gbps = Some(8.192);
    let price = |summary: &Summary| answer(&question, summary).links[0].prices[0].clone();
    let few = price(&summary);
    let released = few.released_us.value().unwrap();
    assert!((80.0..90.0).contains(&released.median.mean), "{released:?}");
    assert_eq!(released.p99, tail);
    let held = released.median.mean * 1024.0;
    assert!((released.held_bytes / held - 1.0).abs() < 1e-9, "{released:?}");
    let zerocopy = summary.estimates.iter_mut().find(|it| it.cell.send_path == Zerocopy).unwrap();
    zerocopy.metrics.insert(Metric::ReleaseP50Us, Measured::absent("no message"));
    assert_eq!(price(&summary).released_us, Measured::absent("no message"));
}

#[test]
fn what_hybrid_copies_is_not_held() {
    let plan = without_controls(&[
        (Factor::Send, "sendmsg,hybrid"),
        (Factor::Shape, "4096+4096+24576"),
        (Factor::CopyBelow, "4KiB,16KiB"),
        (Factor::Threads, "1"),
    ]);
    let summary = run(&plan, ROUNDS, 0.005, ordinary);
    let price = |below: &str| {
        let mut question = question(&[Link::Loopback], 32_768);
        question.paths = vec![Sendmsg, Hybrid];
        for (factor, text) in [(Factor::Shape, "4096+4096+24576"), (Factor::CopyBelow, below)] {
            question.cell.set(factor, text).unwrap();
        }
        question.cell = question.cell.in_its_shape();
        question.rate_gbps = Some(8.192);
        answer(&question, &summary).links[0].prices[0].clone()
    };
    let (all, long) = (price("4KiB"), price("16KiB"));
    assert!((all.by_reference_share - 1.0).abs() < 1e-9, "{all:?}");
    assert!((all.held_bytes - 1_024_000.0).abs() < 1.0, "{all:?}");
    assert!((long.by_reference_share - 0.75).abs() < 1e-9, "{long:?}");
    assert!((long.held_bytes - 768_000.0).abs() < 1.0, "{long:?}");
    let held = |price: &Price| price.released_us.value().unwrap().held_bytes;
    assert!((held(&long) / held(&all) - 0.75).abs() < 0.02, "{long:?}");
}

#[test]
fn an_answer_on_a_broken_law_is_none_and_a_later_run_stands_in() {
    let plan = plan("loopback", "16384");
    let good = run(&plan, ROUNDS, 0.005, ordinary);
    let mut doubted = good.clone();
    doubted.explained.recommendations[0].caveats.push(Caveat::LawBroken { id: 1 });
    let host = synthetic::host();
    let question = question(&[Link::Loopback], 16_384);
    let source = |name, summary| Source { name, summary, host: &host, margin: Share(0.03) };
    assert!(!advise(&question, &[source("doubted", &doubted)]).is_decided());
    let both = advise(&question, &[source("doubted", &doubted), source("good", &good)]);
    assert_eq!(both.links[0].run.value().map(String::as_str), Some("good"));
    assert!(both.is_decided());
    assert!(!advise(&question, &[]).is_decided());
}

#[test]
fn decided_answers_are_the_planted_ones() {
    let plan = plan("loopback,sink", "64..2MiB");
    let sizes: Vec<u64> = (6..=21).map(|power| 1 << power).collect();
    let (mut decided, mut wrong) = (0, 0);
    for study in 0..6 {
        let records = synthetic::run(&plan, 10, |cell, round| {
            let (a_message, a_kib) = ordinary(cell);
            let cost = a_message * 1024.0 / cell.message.bytes().0 as f64 + a_kib;
            let trial = synthetic::trial(cell, round).goodput_gbps(8.0 * 1024.0 / cost);
            let trial = match cell.link.has_receiver() {
                true => trial.ends_cpu_ns_per_kib(cost),
                false => trial.sender_cpu_ns_per_kib(cost),
            };
            trial.faster(synthetic::noise(study, cell, round, 0.03))
        });
        let summary = summarise(&plan, &synthetic::host(), &records);
        for size in &sizes {
            let advice = answer(&question(&[Link::Loopback, Link::Sink], *size), &summary);
            for on in &advice.links {
                let cheapest = [Send, Staged, Sendmsg, Zerocopy].into_iter().min_by(|a, b| {
                    let cost = |path: SendPath| {
                        let cell = Cell { send_path: path, link: on.link, ..Cell::default() };
                        let (a_message, a_kib) = ordinary(&cell);
                        a_message * 1024.0 / *size as f64 + a_kib
                    };
                    cost(*a).total_cmp(&cost(*b))
                });
                if let Choice::Use { path, .. } = on.choice {
                    decided += 1;
                    wrong += usize::from(Some(path) != cheapest);
                }
            }
        }
    }
    assert!(decided > 100, "{decided}");
    assert!(wrong * 20 <= decided, "{wrong} of {decided}");
}

#[test]
fn where_nobody_names_paths_all_that_a_run_has_are_contenders_but_those_without_a_release() {
    let mut plan = plan("sink", "4KiB,16KiB,64KiB");
    plan.factors.set(Factor::Send, "send,staged,sendmsg,zerocopy,splice,uring-send-zc").unwrap();
    let summary = run(&plan, ROUNDS, 0.005, |cell| match cell.send_path {
        // Cheapest of all, of which nothing tells when memory may be written again.
        Splice => (500.0, 30.0),
        UringSendZc => (900.0, 60.0),
        _ => ordinary(cell),
    });
    let named = question(&[Link::Sink], 16_384);
    let open = Question { names_paths: false, ..named.clone() };
    let best = |question: &Question| match &answer(question, &summary).links[0].choice {
        Choice::Use { path, .. } => *path,
        other => panic!("{other:?}"),
    };
    assert_eq!(best(&named), Zerocopy);
    assert_eq!(best(&open), UringSendZc);
    let all = Question { paths: vec![Sendmsg, Splice], ..named.clone() };
    assert_eq!(best(&all), Splice, "named, it is a contender");
    // Those of the study are asked of though this run lacks them, and a path that has no valid trial is none.
    let told = answer(&open, &summary);
    let paths: Vec<SendPath> = told.links[0].contenders.iter().map(|it| it.path).collect();
    assert!(paths.contains(&UringSendZc) && !paths.contains(&Splice), "{paths:?}");
    assert!(told.links[0].not_compared.is_empty());
}
