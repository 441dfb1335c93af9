//! What the line between two hosts carries, and what of comparisons is the line's: each both at the rate and below it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's functions may fail it, and its runs have few of the paths"
)]

use analysis::advice::{Choice, Question, Source, advise};
use analysis::changes::{Changes, Comparison, MeasuredRun, Overall, Worse, compare, worse};
use analysis::findings::{CrossoverOutcome, ModelledSide};
use analysis::laws::law::LawState;
use analysis::line_rate::{LineLimit, LineRate};
use analysis::reason::Shown;
use analysis::recommendation::Advice;
use analysis::results::Finding;
use analysis::warnings::Warning;
use analysis::{JudgedRun, Metric, Summary, summarise};
use model::SendPath::{Send, Sendmsg, Zerocopy};
use model::host::Host;
use model::nic::{Nic, Shaping};
use model::record::{Count, Outcome, Record};
use model::{Cell, Factor, Link, Measured, Nanos, Plan, SendPath, Share};
use synthetic::{TrialBuilder, apart, nic, shaped, two_hosts, without_controls};

const ROUNDS: u32 = 12;
/// TCP goodput of 1 Gbit/s of IPv4 with timestamps, in frames of 1500 bytes and 14 of their header.
const OF_TBF: f64 = 1448.0 / 1514.0;

fn line(here: Nic, there: Nic) -> Measured<LineRate> {
    LineRate::of(&two_hosts(here, there)).unwrap()
}

fn gbit(n: u64) -> Option<u64> {
    Some(n * 1000)
}

#[test]
fn the_least_of_both_speeds_and_the_senders_shaping_bounds_the_line() {
    let known = |here, there| line(here, there).value().unwrap().clone();
    let both = known(nic("mlx5_core", gbit(25)), nic("ixgbe", gbit(10)));
    assert_eq!((&both.by, both.side), (&LineLimit::Speed, ModelledSide::Receiver));
    // A full packet of 1500 bytes has 1448 of payload, and takes 1538 on the wire.
    assert!((both.goodput_gbps - 10.0 * 1448.0 / 1538.0).abs() < 1e-9, "{both:?}");
    let slow = shaped(nic("mlx5_core", gbit(25)), 1_000_000_000);
    let by_tbf = known(slow.clone(), nic("ixgbe", gbit(10)));
    assert_eq!(by_tbf.by, LineLimit::Shaping { queueing: "tbf".to_owned() });
    assert!((by_tbf.goodput_gbps - OF_TBF).abs() < 1e-9, "{by_tbf:?}");
    // What leaves the receiver's host is acknowledgements.
    let other_way = known(nic("mlx5_core", gbit(25)), slow.clone());
    assert_eq!((&other_way.by, other_way.line_gbps), (&LineLimit::Speed, 25.0));
    // Where the other host sends, its device is the sender's.
    let mut host = two_hosts(nic("mlx5_core", gbit(25)), slow);
    host.sender_host = host.receiver_host.take();
    let from_there = LineRate::of(&host).unwrap();
    assert_eq!(from_there.value().unwrap().line_gbps, 1.0);
    // Shaping alone is a bound too, and of two unknown speeds there is none.
    let veth = || nic("veth", None);
    assert_eq!(known(shaped(veth(), 1_000_000_000), veth()).line_gbps, 1.0);
    assert_eq!(line(veth(), veth()).reason(), Some("eth0 tells no speed (not read)"));
    assert_eq!(LineRate::of(&synthetic::host()), None);
}

#[test]
fn of_a_run_that_went_on_over_a_line_that_was_not_recorded_no_line_is_told() {
    let plan = without_controls(&[(Factor::Link, "ssh"), (Factor::Threads, "1")]);
    let host = two_hosts(shaped(nic("veth", None), 100_000_000), nic("veth", None));
    let mut records = synthetic::run(&plan, ROUNDS, synthetic::trial);
    let of = |records: &[Record]| {
        let judged = JudgedRun::of(&plan, records);
        let host = judged.hosts(host.clone());
        let warnings = judged.summary(&plan, &host).warnings;
        let line_of = |it: &&Warning| matches!(it, Warning::LineNotRecorded { .. });
        (LineRate::of(&host).unwrap(), warnings.iter().find(line_of).cloned())
    };
    let (rate, warning) = of(&records);
    assert!(rate.value().is_some() && warning.is_none(), "host.json tells the only segment's");
    let Record::Segment(segment) = &records[0] else { panic!("a segment comes first") };
    let mut segment = segment.clone();
    records.push(Record::Segment(segment.clone()));
    let (rate, warning) = of(&records);
    let why = "the version of copycost that went on with this run did not record over which line";
    assert_eq!(rate.reason(), Some(why));
    assert_eq!(warning, Some(Warning::LineNotRecorded { segments: 1, of: 2 }));
    // Whoever recorded it compared it too.
    records.pop();
    segment.line = Some(host.known_line(&plan.factors.link));
    records.push(Record::Segment(segment));
    let (rate, warning) = of(&records);
    assert!(rate.value().is_some() && warning.is_none(), "{rate:?}");
}

#[test]
fn the_payload_of_a_packet_follows_mtu_family_timestamps_and_overhead() {
    let of = |change: &dyn Fn(&mut Host)| {
        let mut host = two_hosts(nic("mlx5_core", gbit(10)), nic("mlx5_core", gbit(10)));
        change(&mut host);
        let rate = LineRate::of(&host).unwrap().value().unwrap().clone();
        (rate.payload_bytes, rate.counted_bytes)
    };
    assert_eq!(of(&|_| {}), (1448, 1538));
    let jumbo = |host: &mut Host, which: usize| {
        let reached = host.reached.as_mut().unwrap();
        let nics = [&mut reached.nic_here, &mut reached.nic_there];
        let Measured::Value(nic) = nics.into_iter().nth(which).unwrap() else { panic!("no nic") };
        nic.mtu_bytes = Measured::Value(9000);
    };
    // One end's larger packets are not sent.
    assert_eq!(of(&|host| jumbo(host, 0)), (1448, 1538));
    assert_eq!(of(&|host| [0, 1].iter().for_each(|it| jumbo(host, *it))), (8948, 9038));
    let address = |host: &mut Host, address: &str| {
        host.reached.as_mut().unwrap().data_address = Measured::Value(address.to_owned());
    };
    assert_eq!(of(&|host| address(host, "fd00::2")), (1428, 1538));
    let no_timestamps = |host: &mut Host| {
        let off = Measured::Value("0".to_owned());
        host.receiver_host.as_mut().unwrap().sysctls.insert("net.ipv4.tcp_timestamps".into(), off);
    };
    assert_eq!(of(&no_timestamps), (1460, 1538));
    let overhead = |host: &mut Host| {
        let Measured::Value(nic) = &mut host.reached.as_mut().unwrap().nic_here else {
            panic!("no nic")
        };
        nic.shaping = Measured::Value(Shaping { bits_per_s: 1_000_000_000, overhead_bytes: 24 });
    };
    assert_eq!(of(&overhead), (1448, 1538));
}

fn plan() -> Plan {
    without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Link, "ssh"),
        (Factor::Send, "send,sendmsg,zerocopy"),
        (Factor::Message, "4KiB,16KiB,64KiB"),
    ])
}

fn host() -> Host {
    two_hosts(shaped(nic("veth", None), 1_000_000_000), nic("veth", None))
}

/// All deliver as much, nearly: sendmsg takes more CPU than zerocopy, and looks a little faster.
fn run(share_of_line: f64) -> Summary {
    let records = synthetic::run(&plan(), ROUNDS, |cell, round| {
        let (gain, cost) = match cell.send_path {
            Sendmsg => (1.008, 400.0),
            Zerocopy => (1.0, 250.0),
            _ => (1.002, 500.0),
        };
        let noise = synthetic::noise(5, cell, round, 0.001);
        let trial = synthetic::trial(cell, round).copied_share(0.0);
        trial.goodput_gbps(OF_TBF * share_of_line * gain * noise).ends_cpu_ns_per_kib(cost * noise)
    });
    summarise(&plan(), &host(), &apart(records))
}

fn findings(summary: &Summary, metric: Metric) -> Vec<Finding> {
    let of = summary.ratios.iter().filter(|ratio| ratio.metric == metric);
    of.map(|ratio| ratio.finding).collect()
}

#[test]
fn at_line_rate_goodput_tells_nothing_of_paths_and_cpu_decides() {
    let full = run(0.99);
    let line = full.line.as_ref().unwrap();
    assert_eq!(line.at_rate.len(), 9, "{line:#?}");
    assert!(findings(&full, Metric::GoodputGbps).iter().all(|it| *it == Finding::AtLineRate));
    assert!(findings(&full, Metric::EndsCpuNsPerKib).iter().all(|it| *it != Finding::AtLineRate));
    let [recommended] = full.explained.recommendations.as_slice() else { panic!("one link") };
    assert_eq!((recommended.metric, recommended.at_line_rate), (Metric::EndsCpuNsPerKib, true));
    assert!(recommended.advice.names("zerocopy"), "{recommended:#?}");
    let goodput = full.explained.crossovers.iter().filter(|c| c.metric == Metric::GoodputGbps);
    for crossover in goodput {
        assert_eq!((&crossover.outcome, crossover.sizes.len()), (&CrossoverOutcome::Undecided, 0));
    }
    let q5 = full.explained.answers.iter().find(|answer| answer.id.to_string() == "q5").unwrap();
    assert!(q5.answered, "{q5:#?}");

    let below = run(0.8);
    assert!(below.line.as_ref().unwrap().at_rate.is_empty());
    assert!(findings(&below, Metric::GoodputGbps).iter().all(|it| *it != Finding::AtLineRate));
    let [recommended] = below.explained.recommendations.as_slice() else { panic!("one link") };
    assert_eq!((recommended.metric, recommended.at_line_rate), (Metric::GoodputGbps, false));
    assert!(matches!(&recommended.advice, Advice::Use { .. } | Advice::Alike { .. }));
}

/// Such a run as it is compared with others.
fn measured(share_of_line: f64, cost: f64, seed: u64) -> MeasuredRun {
    measured_over(&host(), share_of_line, cost, seed)
}

/// The same between hosts whose line is known.
fn measured_over(host: &Host, share_of_line: f64, cost: f64, seed: u64) -> MeasuredRun {
    let of_line = LineRate::of(host).unwrap().value().unwrap().goodput_gbps;
    let records = synthetic::run(&plan(), ROUNDS, |cell, round| {
        let noise = synthetic::noise(seed, cell, round, 0.001);
        let trial = synthetic::trial(cell, round).copied_share(0.0);
        trial.goodput_gbps(of_line * share_of_line * noise).ends_cpu_ns_per_kib(cost * noise)
    });
    let records = apart(records);
    let summary = summarise(&plan(), host, &records);
    let judged = JudgedRun::of(&plan(), &records);
    MeasuredRun::new("run".to_owned(), &plan(), host, &judged, &summary)
}

#[test]
fn what_the_line_decides_in_both_runs_is_no_change_and_cpu_decides() {
    let of = |base: (f64, f64), other: (f64, f64)| {
        let changes =
            compare(&[measured(base.0, base.1, 5)], &[vec![measured(other.0, other.1, 6)]]);
        changes.comparisons.into_iter().next().unwrap()
    };
    let goodput = |comparison: &Comparison| {
        comparison.changes.iter().filter(|change| change.metric == Metric::GoodputGbps).count()
    };
    // A half of a percent of goodput would be found, and is the line's; CPU costs a tenth more.
    let both = of((0.985, 400.0), (0.99, 440.0));
    assert_eq!((both.at_line_rate.len(), goodput(&both)), (9, 0), "{both:#?}");
    assert!(both.overall.iter().all(|it| it.metric == Metric::EndsCpuNsPerKib));
    assert_eq!(both.overall.first().unwrap().finding, Finding::More);
    assert_eq!(both.cells, 9);
    // Where one run is below the rate its goodput is a change like any other.
    let one = of((0.985, 400.0), (0.8, 400.0));
    assert!(one.at_line_rate.is_empty() && goodput(&one) > 0, "{one:#?}");
    let of_goodput = |it: &&Overall| it.metric == Metric::GoodputGbps;
    assert_eq!(one.overall.iter().find(of_goodput).unwrap().finding, Finding::Less);
    // A run that no longer fills the line of the other is slower.
    let elsewhere = |comparison: &Comparison| {
        comparison.overall.iter().map(|it| it.at_another_line).collect::<Vec<_>>()
    };
    assert_eq!(elsewhere(&one), [0, 0]);
    assert_eq!(elsewhere(&both), [0]);
    assert_eq!(elsewhere(&of((0.8, 400.0), (0.6, 400.0))), [0, 0]);
}

/// Two runs a side that fill their side's line.
fn both_full(before: &Host, after: &Host) -> Changes {
    let run = |host, seed| measured_over(host, 0.99, 400.0, seed);
    compare(&[run(before, 5), run(before, 6)], &[vec![run(after, 7), run(after, 8)]])
}

#[test]
fn a_line_of_another_rate_is_a_change_of_goodput_and_of_the_machines() {
    let by_speed = |mbps| two_hosts(nic("mlx5_core", Some(mbps)), nic("mlx5_core", Some(25_000)));
    let slower = both_full(&by_speed(25_000), &by_speed(10_000));
    let [comparison] = slower.comparisons.as_slice() else { panic!("one side") };
    assert!(comparison.at_line_rate.is_empty(), "{comparison:#?}");
    let all = comparison.overall.iter().find(|it| it.metric == Metric::GoodputGbps).unwrap();
    let ratio = all.ratio.as_ref().unwrap().mean;
    assert!((ratio - 0.4).abs() < 0.01 && all.finding == Finding::Less, "{all:?}");
    assert!(worse(&slower, 0.05).iter().any(|it| matches!(it, Worse::All(_))));
    let [fact] = comparison.host.as_slice() else { panic!("{:?}", comparison.host) };
    assert_eq!(fact.fact, "speed of the sender's device, Mbit/s");
    assert_eq!((&fact.base, &fact.other), (&vec!["25000".to_owned()], &vec!["10000".to_owned()]));

    let shaped_to = |bits| two_hosts(shaped(nic("veth", None), bits), nic("veth", None));
    let shaping = both_full(&shaped_to(1_000_000_000), &shaped_to(500_000_000));
    let [comparison] = shaping.comparisons.as_slice() else { panic!("one side") };
    assert!(comparison.at_line_rate.is_empty() && !worse(&shaping, 0.05).is_empty());
    let [fact] = comparison.host.as_slice() else { panic!("{:?}", comparison.host) };
    assert_eq!(fact.fact, "queueing of the sender's device");
    assert_eq!(fact.base, ["tbf, 1000000000 bit/s"]);
    assert_eq!(fact.other, ["tbf, 500000000 bit/s"]);

    // Half of a percent is the same line.
    let same = both_full(&shaped_to(1_000_000_000), &shaped_to(995_000_000));
    let [comparison] = same.comparisons.as_slice() else { panic!("one side") };
    assert_eq!((comparison.at_line_rate.len(), worse(&same, 0.05).len()), (9, 0));
}

/// Which of the study's paths to use for messages of so many bytes.
fn question(bytes: &str) -> Question {
    let mut cell = Cell::default();
    cell.set(Factor::Message, bytes).unwrap();
    Question {
        cell,
        links: vec![Link::Ssh],
        paths: vec![Send, Sendmsg, Zerocopy],
        names_paths: true,
        against: None,
        rate_gbps: None,
        share_of_cpu: None,
        round_trip: Some(Nanos::ms(1)),
    }
}

#[test]
fn advice_over_a_full_line_is_drawn_from_cpu_and_below_it_from_goodput() {
    let question = question("16384");
    let host = host();
    let answer = |summary: &Summary| {
        let source = Source { name: "run", summary, host: &host, margin: Share(0.03) };
        advise(&question, &[source]).links.remove(0)
    };
    let full = answer(&run(0.99));
    assert_eq!(full.metric, Metric::EndsCpuNsPerKib);
    assert_eq!(full.choice.path(), Some(Zerocopy), "{full:#?}");
    assert_eq!(full.line_rate.unwrap().line_gbps, 1.0);
    let below = answer(&run(0.8));
    assert_eq!((below.metric, below.line_rate), (Metric::GoodputGbps, None));
    assert!(matches!(below.choice, Choice::Alike { .. }), "{:#?}", below.choice);
}

/// A run with figures of its own, each with a tenth of a percent of noise.
fn run_of(plan: &Plan, figures: impl Fn(&Cell, TrialBuilder) -> TrialBuilder) -> Summary {
    let records = synthetic::run(plan, ROUNDS, |cell, round| {
        let noise = synthetic::noise(7, cell, round, 0.001);
        figures(cell, synthetic::trial(cell, round).copied_share(0.0)).faster(noise)
    });
    summarise(plan, &host(), &apart(records))
}

#[test]
fn one_path_at_line_rate_at_two_sizes_leaves_advice_to_goodput() {
    let question = question("8192");
    let host = host();
    let advised = |at_rate: &[SendPath]| {
        let summary = run_of(&plan(), |cell, trial| {
            let share = if at_rate.contains(&cell.send_path) { 0.99 } else { 0.5 };
            let cost = if cell.send_path == Zerocopy { 250.0 } else { 400.0 };
            trial.goodput_gbps(OF_TBF * share).ends_cpu_ns_per_kib(cost)
        });
        let source = Source { name: "run", summary: &summary, host: &host, margin: Share(0.03) };
        advise(&question, &[source]).links.remove(0)
    };
    // Nobody else fills the line: that it does is the answer.
    let one = advised(&[Sendmsg]);
    assert_eq!(one.sizes, [4096, 16_384]);
    assert_eq!((one.metric, one.line_rate), (Metric::GoodputGbps, None));
    assert_eq!(one.choice.path(), Some(Sendmsg), "{:#?}", one.choice);
    let two = advised(&[Sendmsg, Zerocopy]);
    assert_eq!(two.metric, Metric::EndsCpuNsPerKib);
    assert_eq!(two.choice.path(), Some(Zerocopy), "{:#?}", two.choice);
}

#[test]
fn threads_at_line_rate_have_no_speed_up_and_no_part_in_the_law() {
    let plan = without_controls(&[
        (Factor::Threads, "1,2,3,4,5,6,7"),
        (Factor::Link, "ssh"),
        (Factor::Send, "send"),
        (Factor::Message, "64KiB"),
    ]);
    let scaling = |one: f64| {
        let summary = run_of(&plan, |cell, trial| {
            let threads = f64::from(cell.threads.get());
            trial.usable_cpus(16).goodput_gbps(OF_TBF * (one * threads).min(0.99))
        });
        summary.explained.scaling.into_iter().next().unwrap()
    };
    let full = scaling(0.99);
    for point in &full.points {
        assert!(point.speed_up.reason().unwrap().starts_with("at line rate"), "{point:#?}");
        assert!(point.efficiency.reason().is_some());
    }
    let law = full.usl.reason().unwrap();
    assert_eq!(law, "it takes 6 thread counts below line rate; of 7, 0 are left");
    // Those below it have theirs: 4 threads would reach 1.2 times the line.
    let reached = scaling(0.3);
    let speed_ups: Vec<Option<f64>> =
        reached.points.iter().map(|it| Some(it.speed_up.value()?.mean.round())).collect();
    assert_eq!(speed_ups, [Some(1.0), Some(2.0), Some(3.0), None, None, None, None]);
    assert!(reached.usl.reason().unwrap().contains("of 7, 3 are left"), "{:?}", reached.usl);
    assert!(scaling(0.1).usl.value().is_some());
}

#[test]
fn figures_that_goodput_is_part_of_tell_nothing_at_line_rate() {
    let plan = without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Link, "ssh"),
        (Factor::Send, "send"),
        (Factor::Message, "64,512,4KiB"),
    ]);
    // Misses a second, most at 512 bytes: misses per KiB times goodput.
    let shown = |share: f64| {
        let mut records = synthetic::run(&plan, ROUNDS, |cell, round| {
            let noise = synthetic::noise(7, cell, round, 0.001);
            synthetic::trial(cell, round).counted().goodput_gbps(OF_TBF * share * noise)
        });
        for record in &mut records {
            let Record::Trial(trial) = record else { continue };
            let Outcome::Finished(finished) = &mut trial.outcome else { continue };
            let misses = if trial.cell.message.bytes().0 == 512 { 9 } else { 3 };
            let bytes: u64 = finished.sender.workers.iter().map(|it| it.bytes.0).sum();
            let count = bytes / 1024 * misses;
            finished.sender.counters.cache_misses = Measured::Value(Count { count, scaled: false });
        }
        let summary = summarise(&plan, &host(), &apart(records));
        let claim = summary.explained.claims.iter().find(|claim| claim.id.to_string() == "c18");
        claim.unwrap().parts.first().unwrap().shown
    };
    assert_eq!(shown(0.8), Shown::Yes);
    assert_eq!(shown(0.99), Shown::NotMeasured);
}

#[test]
fn the_noise_floor_of_twins_at_line_rate_is_that_of_their_cost() {
    let mut plan = plan();
    plan.measure.controls = true;
    let floor = |share: f64| {
        let records = synthetic::run(&plan, ROUNDS, |cell, round| {
            let of = |seed, spread| synthetic::noise(seed, cell, round, spread);
            let trial = synthetic::trial(cell, round).copied_share(0.0);
            let trial = trial.goodput_gbps(OF_TBF * share * of(5, 0.0005));
            trial.ends_cpu_ns_per_kib(400.0 * of(6, 0.02))
        });
        let summary = summarise(&plan, &host(), &apart(records));
        let controls = summary.estimates.iter().filter(|it| it.control).count();
        assert!(controls > 0, "no twins");
        summary.noise_floor.value().unwrap().clone()
    };
    let full = floor(0.99);
    assert_eq!(full.metric, Metric::EndsCpuNsPerKib);
    let (low, high) = (full.told().low.unwrap(), full.told().high.unwrap());
    assert!(full.half_width > 0.003 && (high - low) > 0.006, "{full:#?}");
    assert_eq!(full.telling_goodput(), None);
    let below = floor(0.8);
    assert_eq!(
        (below.metric, below.telling_goodput()),
        (Metric::GoodputGbps, Some(&below.goodput))
    );
    assert!(below.half_width < 0.002, "{below:#?}");
}

#[test]
fn a_device_whose_speed_is_exceeded_does_not_bound_the_line() {
    let line = run(1.5).line.unwrap();
    assert!(line.rate.reason().unwrap().contains("went beyond the 1 Gbit/s"), "{line:#?}");
    assert!(line.at_rate.is_empty());
}

/// Law 6 looks at each host's own end beside its own CPUs.
#[test]
fn cpu_time_that_the_receivers_host_was_not_busy_for_breaks_the_law() {
    let state = |change: &dyn Fn(&mut Vec<u64>)| {
        let mut records = synthetic::run(&plan(), ROUNDS, synthetic::trial);
        records = apart(records);
        for record in &mut records {
            let Record::Trial(trial) = record else { continue };
            let Outcome::Finished(finished) = &mut trial.outcome else { continue };
            let there = finished.receiver_machine.as_mut().unwrap();
            let Measured::Value(busy) = &mut there.busy else { panic!("not read") };
            change(&mut busy.busy_ns);
        }
        let host = two_hosts(nic("mlx5_core", gbit(100)), nic("mlx5_core", gbit(100)));
        let summary = summarise(&plan(), &host, &records);
        let law = summary.explained.laws.iter().find(|law| law.id == 6).unwrap();
        (law.state, law.compared)
    };
    let (holds, compared) = state(&|_| {});
    assert_eq!(holds, LawState::Holds);
    // Two readings a trial.
    assert_eq!(compared, 2 * ROUNDS * 9);
    assert_eq!(state(&|busy| busy.iter_mut().for_each(|ns| *ns = 0)).0, LawState::Broken);
}
