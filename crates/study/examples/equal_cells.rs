//! How often the interval of a ratio holds the truth, for real: cells that are equal, measured as any others.
//!
//! `copycost run --send sendmsg --sizes 4KiB --threads 1 --replica 1,2,3,4,5,6 --turns 4 --controls off --rounds 1000
//! --max-time none --out DIR`, then `cargo run --release -p copycost-study --example equal_cells -- DIR [ROUNDS]`: replicas 1 and 2,
//! 3 and 4 and so on are pairs whose true ratio is 1; each ROUNDS (10) rounds in a row are a study.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "an example tells what it found, and stops where it stands"
)]

use std::collections::BTreeMap;

use analysis::Metric;
use analysis::estimate::Moments;
use analysis::marks::{is_void, judge};
use analysis::pairs::test_family;
use analysis::results::Finding;
use journal::{Owner, RunDirectory};
use model::record::Record;
use model::{Cell, Share};

/// By round, then by cell without its number: goodput and the cost of each replica.
type Rounds = BTreeMap<u32, BTreeMap<String, BTreeMap<u32, [f64; 2]>>>;

fn main() {
    let mut args = std::env::args().skip(1);
    let directory = args.next().unwrap();
    let rounds: usize = args.next().map_or(10, |n| n.parse().unwrap());
    let run = RunDirectory::open(directory.as_ref(), Owner::default()).unwrap();
    let plan = run.read_plan().unwrap();
    let (records, _) = run.read_journal().unwrap().read_all().unwrap();
    let mut seen = Rounds::new();
    for record in &records {
        let Record::Trial(trial) = record else { continue };
        if is_void(&judge(trial, &plan.thresholds)) {
            continue;
        }
        let figures = [Metric::GoodputGbps, Metric::cost_on(trial.cell.link)]
            .map(|metric| analysis::figures::value(metric, trial, None).value().copied());
        if let [Some(goodput), Some(cost)] = figures {
            let name = Cell { replica: model::values::Replica::ONE, ..trial.cell.clone() }.id();
            let of_name = seen.entry(trial.round).or_default().entry(name).or_default();
            of_name.insert(trial.cell.replica.get(), [goodput, cost]);
        }
    }
    let all: Vec<_> = seen.into_values().collect();
    for (metric, what) in ["goodput", "CPU"].into_iter().enumerate() {
        let (mut studies, mut covered, mut runs, mut wrong) = (0_usize, 0_usize, 0, 0);
        let mut widths = Vec::new();
        for study in all.chunks_exact(rounds) {
            let mut pairs: BTreeMap<(&str, u32), Moments> = BTreeMap::new();
            for (name, replicas) in study.iter().flatten() {
                for (first, figures) in replicas.iter().filter(|(n, _)| **n % 2 == 1) {
                    if let Some(second) = replicas.get(&(first + 1)) {
                        let log = (figures[metric] / second[metric]).ln();
                        pairs.entry((name, *first)).or_default().push(log);
                    }
                }
            }
            let family: Vec<Moments> = pairs.into_values().collect();
            for pair in &family {
                let Some(half) = pair.half_interval() else { continue };
                studies += 1;
                covered += usize::from(pair.mean().abs() <= half);
                widths.push(half);
            }
            let found = test_family(&family, Share(0.03));
            let is_wrong = |finding: &Finding| matches!(finding, Finding::More | Finding::Less);
            runs += 1;
            wrong += usize::from(found.iter().flatten().any(|tested| is_wrong(&tested.finding)));
        }
        widths.sort_by(f64::total_cmp);
        let median = widths.get(widths.len() / 2).copied().unwrap_or(f64::NAN);
        println!(
            "{what}: {covered} of {studies} intervals of {rounds} rounds hold 1: {:.1} % ± {:.1}; median ±{:.1} %; a false difference in {wrong} of {runs} runs",
            100.0 * covered as f64 / studies as f64,
            196.0 * (0.95 * 0.05 / studies as f64).sqrt(),
            100.0 * median.exp_m1(),
        );
    }
}
