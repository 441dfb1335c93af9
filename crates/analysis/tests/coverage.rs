//! How often 95 % intervals hold the truth when the run stops by them.
//!
//! Studies are simulated with a known truth and log-normal noise; each leaves blocks out and stops by the very rule that a
//! run asks: `stopping::may_skip` and `stopping::decide`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's functions may fail it, and tell the coverage"
)]

use analysis::estimate::Sample;
use analysis::metric::Scale;
use analysis::stopping::{Decision, Observations, decide};
use model::{Cell, Plan, Preset, SendPath};
use rand_pcg::Pcg64;
use synthetic::normal;

/// Spread of the log of goodput; the ends' CPU spreads less and falls as goodput rises.
struct Truth {
    goodput: f64,
    ends_cpu: f64,
    spread: f64,
}

#[derive(Default)]
struct Covered {
    held: u32,
    of: u32,
}

/// Coverage of goodput, of the ends' CPU, and of the goodput ratio of the first two cells; rounds of all studies.
#[derive(Default)]
struct Outcome {
    goodput: Covered,
    ends_cpu: Covered,
    ratio: Covered,
    rounds: u32,
}

impl Covered {
    fn push(&mut self, sample: &Sample, truth: f64) {
        let estimate = sample.estimate(Scale::Log).unwrap();
        self.of += 1;
        self.held += u32::from(estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap());
    }

    fn check(&self, what: &str) {
        let share = f64::from(self.held) / f64::from(self.of);
        eprintln!("{what}: {:.1} %", 100.0 * share);
        assert!((0.93..=0.97).contains(&share), "{what}: {share}");
    }
}

/// Simulates studies of so many blocks of so many paths; a block that needs no more rounds is left out, as in a run.
fn simulate(blocks: usize, paths: usize, spread: f64, studies: u32, random: &mut Pcg64) -> Outcome {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.send_path = SendPath::ALL[..paths].to_vec();
    plan.factors.message.truncate(blocks);
    plan.factors.threads.truncate(1);
    plan.measure.controls = false;
    let of_plan: Vec<Vec<Cell>> = plan.blocks().into_iter().map(|(_, cells)| cells).collect();
    assert_eq!((of_plan.len(), of_plan[0].len()), (blocks, paths));
    let truth = Truth { goodput: 12.0, ends_cpu: 700.0, spread };
    let mut outcome = Outcome::default();
    let empty = Observations::new(&plan);
    for _ in 0..studies {
        let mut observations = empty.clone();
        let mut seen =
            vec![(vec![(Sample::default(), Sample::default()); paths], Sample::default()); blocks];
        while observations.rounds() < 200 && decide(&observations) == Decision::Continue {
            for (cells, (seen, ratio)) in of_plan.iter().zip(&mut seen) {
                if observations.may_skip(cells) {
                    continue;
                }
                // Drift that all cells of a block share, beside each one's own noise.
                let shared = normal(random);
                let mut goodputs = Vec::new();
                for (cell, (goodput, ends_cpu)) in cells.iter().zip(seen) {
                    let z = 0.6 * shared + 0.8 * normal(random);
                    let x = truth.goodput * (truth.spread * z).exp();
                    let own = 0.71 * normal(random) - 0.7 * z;
                    let y = truth.ends_cpu * (truth.spread * 0.7 * own).exp();
                    observations.observe(cell, x, y);
                    goodput.push(x);
                    ends_cpu.push(y);
                    goodputs.push(x);
                }
                if let [a, b, ..] = goodputs[..] {
                    ratio.push(a / b);
                }
            }
            observations.end_round();
        }
        outcome.rounds += observations.rounds();
        for (seen, ratio) in &seen {
            for (goodput, ends_cpu) in seen {
                outcome.goodput.push(goodput, truth.goodput);
                outcome.ends_cpu.push(ends_cpu, truth.ends_cpu);
            }
            if paths > 1 {
                outcome.ratio.push(ratio, 1.0);
            }
        }
    }
    outcome
}

#[test]
fn intervals_cover_the_truth_although_the_run_stops_by_them() {
    let mut random = Pcg64::new(20_261_123, 0);
    for (blocks, paths, studies) in [(1, 1, 3000), (1, 3, 1000), (3, 3, 400)] {
        // Spreads that need from the fewest rounds (10) to about 50 for 3 %.
        for spread in [0.02, 0.042, 0.05, 0.06, 0.08, 0.1] {
            let outcome = simulate(blocks, paths, spread, studies, &mut random);
            let rounds = f64::from(outcome.rounds) / f64::from(studies);
            let what = format!("{blocks} × {paths} cells, spread {spread}, {rounds:.1} rounds");
            outcome.goodput.check(&format!("{what}: goodput"));
            outcome.ends_cpu.check(&format!("{what}: CPU"));
            if paths > 1 {
                outcome.ratio.check(&format!("{what}: ratio"));
            }
        }
    }
}
