//! What `advise` answers of a short run of one size is what a full run says of that size.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's functions may fail it, and its runs have few of the paths"
)]

use analysis::advice::{Choice, Question, Source, advise};
use analysis::findings::CrossoverOutcome;
use analysis::recommendation;
use analysis::{Summary, summarise};
use model::SendPath::{Send, Staged, Zerocopy};
use model::{Cell, Factor, Link, Nanos, Plan, SendPath, Share};
use synthetic::without_controls;

const LINKS: [Link; 2] = [Link::Loopback, Link::Sink];

/// 64 B to 2 MiB.
fn sizes() -> Vec<u64> {
    (6..=21).map(|power| 1 << power).collect()
}

fn plan(link: &str, sizes: &[u64]) -> Plan {
    let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
    without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Send, "send,staged,sendmsg,zerocopy"),
        (Factor::Link, link),
        (Factor::Message, &sizes.join(",")),
    ])
}

/// What each message costs by reference where nothing is copied on delivery, in ns: against the copy, a fixed cost decides from
/// which size on it pays.
type FixedCost = f64;

/// A run of this seed and this spread of trials.
fn run(plan: &Plan, rounds: u32, seed: u64, spread: f64, by_reference: FixedCost) -> Summary {
    let records = synthetic::run(plan, rounds, |cell, round| {
        let (a_message, a_kib) = match (cell.send_path, cell.link.has_receiver()) {
            (Send, _) => (6000.0, 500.0),
            (Staged, _) => (1200.0, 700.0),
            (Zerocopy, true) => (5000.0, 600.0),
            (Zerocopy, false) => (by_reference, 100.0),
            _ => (1000.0, 500.0),
        };
        let cost = a_message * 1024.0 / cell.message.bytes().0 as f64 + a_kib;
        let trial = synthetic::trial(cell, round).goodput_gbps(8.0 * 1024.0 / cost);
        let trial = match cell.link.has_receiver() {
            true => trial.ends_cpu_ns_per_kib(cost),
            false => trial.sender_cpu_ns_per_kib(cost),
        };
        trial.faster(synthetic::noise(seed, cell, round, spread))
    });
    summarise(plan, &synthetic::host(), &records)
}

/// The path that `advise` decides for.
fn advised(summary: &Summary, link: Link, size: u64) -> Option<SendPath> {
    let mut cell = Cell::default();
    cell.set(Factor::Message, &size.to_string()).unwrap();
    let question = Question {
        cell,
        links: vec![link],
        paths: SendPath::STUDY.to_vec(),
        names_paths: true,
        against: None,
        rate_gbps: None,
        share_of_cpu: None,
        round_trip: Some(Nanos::ms(1)),
    };
    let host = synthetic::host();
    let source = Source { name: "run", summary, host: &host, margin: Share(0.03) };
    match advise(&question, &[source]).links.remove(0).choice {
        Choice::Use { path, .. } => Some(path),
        _ => None,
    }
}

/// The path that a full run's recommendation names for a size.
fn recommended(summary: &Summary, link: Link, size: u64) -> Option<SendPath> {
    let of_link = summary.explained.recommendations.iter().find(|it| it.link == link).unwrap();
    let size = size as f64;
    let value = match &of_link.advice {
        recommendation::Advice::Use { value, .. } => value,
        recommendation::Advice::BySize {
            value,
            against,
            outcome:
                CrossoverOutcome::At { low, high, .. } | CrossoverOutcome::Bracket { low, high },
        } => match () {
            () if size > *high => value,
            () if size < *low => against,
            () => return None,
        },
        _ => return None,
    };
    Some(value.parse().unwrap())
}

/// How often both decide, and how often they then name another path: of each size and link a short run of its own, as `advise`
/// measures one, against the full run's answer at that size and against its recommendation.
fn compared(seed: u64, spread: f64, full_cost: FixedCost, short_cost: FixedCost) -> [usize; 4] {
    let full = run(&plan("loopback,sink", &sizes()), 12, seed, spread, full_cost);
    let [mut at_size, mut at_size_not, mut in_all, mut in_all_not] = [0; 4];
    for size in sizes() {
        for link in LINKS {
            let far = (link == Link::Sink).then_some(size / 4);
            let near = [size / 2, size, size * 2];
            let around: Vec<u64> = far.into_iter().chain(near).filter(|it| *it >= 8).collect();
            let seed = seed * 1000 + size + u64::from(link == Link::Sink);
            let short = run(&plan(link.name(), &around), 10, seed, spread, short_cost);
            let Some(path) = advised(&short, link, size) else { continue };
            if let Some(same) = advised(&full, link, size) {
                at_size += 1;
                at_size_not += usize::from(path != same);
            }
            if let Some(same) = recommended(&full, link, size) {
                in_all += 1;
                in_all_not += usize::from(path != same);
            }
        }
    }
    [at_size, at_size_not, in_all, in_all_not]
}

#[test]
fn a_short_run_answers_as_a_full_one_in_all_that_both_decide() {
    for seed in 1..=3 {
        let [at_size, not, in_all, in_all_not] = compared(seed, 0.02, 5000.0, 5000.0);
        assert_eq!((not, in_all_not), (0, 0), "seed {seed}");
        assert!(at_size >= 28, "seed {seed}: {at_size} of 32 are decided by both");
        assert!(in_all >= 28, "seed {seed}: {in_all} of 32 are named by both");
    }
}

#[test]
fn where_the_short_run_met_other_costs_the_two_differ() {
    // By reference pays from 10 KiB on in the one, and from 640 B on in the other.
    let [_, not, _, in_all_not] = compared(1, 0.02, 5000.0, 1250.0);
    assert!(not >= 2 && in_all_not >= 2, "{not} {in_all_not}");
}
