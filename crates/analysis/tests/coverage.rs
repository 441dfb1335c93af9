//! How often 95 % intervals hold the truth, and what is found, when the run stops by its own rule.
//!
//! Studies are simulated with a known truth; each leaves blocks out and stops by the very rule that a run asks:
//! `stopping::may_skip` and `stopping::decide`. `STUDIES=10` simulates ten times as many, for closer figures.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's functions may fail it, and tell the rates"
)]

use analysis::common_spread::CommonSpread;
use analysis::cost_model::{SizeCosts, fit};
use analysis::drift::Drift;
use analysis::estimate::{Estimate, Moments, Sample};
use analysis::metric::Scale;
use analysis::pairs::test_family;
use analysis::results::Finding;
use analysis::stopping::{Decision, Observations, decide};
use model::{Cell, Plan, Preset, SendPath, Share};
use rand_pcg::Pcg64;
use synthetic::normal;

/// What disturbs the logarithm of a figure beside its cell's own truth; figures are standard deviations.
#[derive(Clone, Copy, Debug)]
enum Noise {
    /// Of each cell and round on its own.
    Independent(f64),
    /// The same, and a state of the whole machine that spreads as much as the second figure and of which the third share is
    /// left in the next round.
    Drifting(f64, f64, f64),
    /// Student's t with three degrees of freedom.
    HeavyTailed(f64),
    /// Two states, of which the rarer one (one in five) is so far off.
    Bimodal(f64),
    /// Of each cell on its own, and of each block what is left of the last round and a new part.
    SharedByABlock(f64, f64),
    /// Of each trial on its own, and a state of the whole machine that spreads as much as the second figure and of which the third
    /// share is left at the next trial.
    Autocorrelated(f64, f64, f64),
}

/// The noise of one study.
struct Disturbed {
    noise: Noise,
    machine: f64,
    of_block: Vec<f64>,
}

impl Disturbed {
    fn new(noise: Noise, blocks: usize, random: &mut Pcg64) -> Self {
        let machine = match noise {
            Noise::Drifting(_, state, _) | Noise::Autocorrelated(_, state, _) => {
                state * normal(random)
            }
            Noise::Independent(_)
            | Noise::HeavyTailed(_)
            | Noise::Bimodal(_)
            | Noise::SharedByABlock(..) => 0.0,
        };
        Self { noise, machine, of_block: vec![0.0; blocks] }
    }

    fn moves_on(&mut self, state: f64, left: f64, random: &mut Pcg64) {
        let new = (1.0 - left * left).sqrt() * state;
        self.machine = left * self.machine + new * normal(random);
    }

    fn begin_round(&mut self, random: &mut Pcg64) {
        match self.noise {
            Noise::Drifting(_, state, left) => self.moves_on(state, left, random),
            Noise::SharedByABlock(_, part) => {
                for shared in &mut self.of_block {
                    *shared = 0.7 * *shared + part * 0.714 * normal(random);
                }
            }
            Noise::Independent(_)
            | Noise::HeavyTailed(_)
            | Noise::Bimodal(_)
            | Noise::Autocorrelated(..) => {}
        }
    }

    /// That of the next trial.
    fn next(&mut self, block: usize, random: &mut Pcg64) -> f64 {
        if let Noise::Autocorrelated(_, state, left) = self.noise {
            self.moves_on(state, left, random);
        }
        let shared = self.machine + self.of_block[block];
        shared
            + match self.noise {
                Noise::Independent(spread)
                | Noise::Drifting(spread, ..)
                | Noise::SharedByABlock(spread, _)
                | Noise::Autocorrelated(spread, ..) => spread * normal(random),
                Noise::HeavyTailed(spread) => {
                    let square: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
                    spread * normal(random) / square.sqrt()
                }
                Noise::Bimodal(far) => {
                    let is_rare = normal(random) > 0.8416;
                    0.1 * far * normal(random) + if is_rare { 0.8 * far } else { -0.2 * far }
                }
            }
    }
}

/// Blocks of so many paths, stopped at a half-width.
fn plan(blocks: usize, paths: usize, precision: Share) -> Plan {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.send_path = SendPath::ALL[..paths].to_vec();
    plan.measure.controls = false;
    plan.measure.precision = Some(precision);
    if blocks < 16 {
        plan.factors.message.truncate(blocks);
        plan.factors.threads.truncate(1);
    }
    assert_eq!(plan.blocks().len(), blocks);
    plan
}

/// Each path with each earlier one.
fn pairs(paths: usize) -> Vec<(usize, usize)> {
    (1..paths).flat_map(|later| (0..later).map(move |earlier| (later, earlier))).collect()
}

/// A study that has stopped.
struct Study {
    rounds: u32,
    /// Log-ratios of goodput, each path against each earlier one, block by block.
    ratios: Vec<Moments>,
    /// Log of each cell's goodput over its truth, round by round.
    levels: Vec<Vec<f64>>,
}

/// Simulates one; `truth` of each path's goodput as a logarithm, the link's cost spreads less.
fn study(plan: &Plan, truth: &[f64], noise: Noise, most_rounds: u32, random: &mut Pcg64) -> Study {
    let blocks: Vec<Vec<Cell>> = plan.blocks().into_iter().map(|(_, cells)| cells).collect();
    let paths = blocks[0].len();
    let pairs = pairs(paths);
    let mut observations = Observations::new(plan);
    let mut disturbed = Disturbed::new(noise, blocks.len(), random);
    let mut ratios = vec![Moments::default(); blocks.len() * pairs.len()];
    let mut levels = vec![Vec::new(); blocks.len() * paths];
    while observations.rounds() < most_rounds && decide(&observations) == Decision::Continue {
        disturbed.begin_round(random);
        for (block, cells) in blocks.iter().enumerate() {
            if observations.may_skip(cells) {
                continue;
            }
            // In random order, as a study measures them.
            let mut order: Vec<(f64, usize)> =
                (0..cells.len()).map(|place| (normal(random), place)).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut logs = vec![0.0; cells.len()];
            for (_, place) in order {
                logs[place] = disturbed.next(block, random);
            }
            for (place, (cell, log)) in cells.iter().zip(&logs).enumerate() {
                let goodput = (2.5 + truth[place] + log).exp();
                observations.observe(cell, goodput, 700.0 * (-0.7 * log).exp());
                levels[block * paths + place].push(*log);
            }
            for (place, (later, earlier)) in pairs.iter().enumerate() {
                let log = truth[*later] + logs[*later] - truth[*earlier] - logs[*earlier];
                ratios[block * pairs.len() + place].push(log);
            }
        }
        observations.end_round();
    }
    Study { rounds: observations.rounds(), ratios, levels }
}

/// So many studies, or a multiple of them.
fn studies(few: u32) -> u32 {
    few * std::env::var("STUDIES").map_or(1, |times| times.parse().unwrap())
}

/// How often something was so.
#[derive(Clone, Copy, Default)]
struct Rate {
    so: u32,
    of: u32,
}

impl Rate {
    fn push(&mut self, is_so: bool) {
        self.so += u32::from(is_so);
        self.of += 1;
    }

    fn share(&self) -> f64 {
        f64::from(self.so) / f64::from(self.of)
    }
}

fn holds(estimate: &Estimate, truth: f64) -> bool {
    estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap()
}

/// What the default plan stops at.
fn precision() -> Share {
    Plan::preset(Preset::Default).measure.precision.unwrap()
}

/// Studies of so many blocks and paths: how often a ratio's interval held the truth, and how many rounds they took.
fn ratios_hold(
    (blocks, paths): (usize, usize),
    noise: Noise,
    most_rounds: u32,
    studies: u32,
    random: &mut Pcg64,
) -> (f64, f64) {
    let plan = plan(blocks, paths, precision());
    let truth = &[0.0, 0.2, -0.5][..paths];
    let pairs = pairs(paths);
    let (mut held, mut rounds) = (Rate::default(), 0);
    for _ in 0..studies {
        let study = study(&plan, truth, noise, most_rounds, random);
        rounds += study.rounds;
        for (ratio, (later, earlier)) in study.ratios.iter().zip(pairs.iter().cycle()) {
            let off = ratio.mean() - (truth[*later] - truth[*earlier]);
            held.push(off.abs() <= ratio.half_interval().unwrap());
        }
    }
    (held.share(), f64::from(rounds) / f64::from(studies))
}

#[test]
fn intervals_of_ratios_cover_the_truth_although_the_run_stops_by_them() {
    let mut random = Pcg64::new(20_261_128, 1);
    for (noise, most_rounds) in [
        (Noise::Independent(0.01), 200),
        (Noise::Independent(0.03), 200),
        // The time is spent first.
        (Noise::Independent(0.2), 25),
        (Noise::Drifting(0.02, 0.1, 0.9), 200),
        (Noise::HeavyTailed(0.02), 200),
        (Noise::Bimodal(0.05), 200),
        (Noise::SharedByABlock(0.02, 0.1), 200),
        (Noise::Autocorrelated(0.02, 0.05, 0.5), 200),
        (Noise::Autocorrelated(0.02, 0.1, 0.9), 200),
    ] {
        for (shape, few) in [((1, 2), 1000), ((3, 3), 100)] {
            let (blocks, paths): (u32, usize) = shape;
            let (held, rounds) = ratios_hold(
                (blocks as usize, paths),
                noise,
                most_rounds,
                studies(few),
                &mut random,
            );
            eprintln!("{noise:?}, {shape:?}, {rounds:.0} rounds: {:.1} %", 100.0 * held);
            // Twice the standard error of so many intervals (those of a study are not quite independent).
            let intervals = studies(few) * blocks * u32::try_from(pairs(paths).len()).unwrap();
            let slack = 2.0 * (held * (1.0 - held) / f64::from(intervals)).sqrt();
            let asked = 0.93 - slack..=0.97 + slack;
            assert!(asked.contains(&held), "{noise:?}, {shape:?}: {held} outside {asked:?}");
        }
    }
}

#[test]
fn a_run_that_stops_tells_equal_paths_to_be_equal_and_unequal_ones_never() {
    let mut random = Pcg64::new(20_261_128, 2);
    let plan = plan(16, 3, precision());
    // In each block one pair in three is this far apart, and the two others are very different.
    for (ratio, expected) in [(1.0, 0.8..=1.0), (1.03, 0.0..=0.05), (1.05, 0.0..=0.05_f64)] {
        // All sixteen, and the first of them alone, the others being very different too; in how many runs any is.
        let [mut each, mut alone, mut any] = [Rate::default(); 3];
        for _ in 0..studies(8) {
            let truth = [0.0, f64::ln(ratio), 0.4];
            let mut study = study(&plan, &truth, Noise::Independent(0.03), 200, &mut random);
            let is_equal = |study: &Study, block: usize| {
                let tested = test_family(&study.ratios, plan.measure.margin);
                tested[3 * block].unwrap().finding == Finding::Equivalent
            };
            (0..16).for_each(|block| each.push(is_equal(&study, block)));
            any.push((0..16).any(|block| is_equal(&study, block)));
            (1..16).for_each(|block| study.ratios[3 * block] = study.ratios[1]);
            alone.push(is_equal(&study, 0));
        }
        let shares = [each, alone, any].map(|rate| rate.share());
        eprintln!("{ratio}: {shares:.3?} told equal");
        assert!(expected.contains(&shares[0]) && expected.contains(&shares[1]), "{ratio}");
        assert!(ratio < 1.05 || shares[2] <= 0.05, "{ratio}: {}", shares[2]);
    }
}

#[test]
fn levels_and_cost_models_cover_the_truth_of_a_machine_that_drifts() {
    let mut random = Pcg64::new(20_261_128, 3);
    let plan = plan(4, 3, precision());
    let ns = |bytes: u64| 650.0 + 0.115 * bytes as f64;
    for noise in [
        Noise::Independent(0.02),
        Noise::Drifting(0.02, 0.02, 0.3),
        Noise::Drifting(0.02, 0.06, 0.6),
        Noise::Drifting(0.02, 0.06, 0.8),
        Noise::SharedByABlock(0.02, 0.03),
        Noise::Autocorrelated(0.02, 0.06, 0.9),
    ] {
        let [mut levels, mut unwidened, mut a, mut b, mut found] = [Rate::default(); 5];
        let mut widening = 0.0;
        let studies = studies(120);
        for _ in 0..studies {
            let study = study(&plan, &[0.0, 0.2, -0.5], noise, 200, &mut random);
            let in_rounds = |of: &Vec<f64>| (1..).zip(of.iter().copied()).collect();
            let drift = Drift::of(&[study.levels.iter().map(in_rounds).collect()]);
            let drift = drift.value().unwrap();
            widening += drift.widening / f64::from(studies);
            found.push(*drift.p.value().unwrap() <= 0.01);
            for level in &study.levels {
                let mut sample = Sample::default();
                level.iter().for_each(|log| sample.push(log.exp()));
                let widened = sample.estimate_widened(Scale::Log, drift.widening).unwrap();
                levels.push(holds(&widened, 1.0));
                unwidened.push(holds(&sample.estimate(Scale::Log).unwrap(), 1.0));
            }
            // One path's cost over size, each block being a size.
            let sizes = [64, 512, 4096, 65_536].iter().zip(study.levels.iter().step_by(3));
            let costs = sizes.map(|(bytes, level)| SizeCosts {
                bytes: *bytes,
                log_ns: (1..).zip(level.iter().map(|log| ns(*bytes).ln() - log)).collect(),
            });
            let line = fit(&costs.collect::<Vec<_>>(), &[], drift.widening).unwrap();
            a.push(holds(&line.per_message_ns, ns(0)));
            b.push(holds(&line.per_byte_ns, 0.115));
        }
        let shares = [levels, a, b, unwidened, found].map(|rate| rate.share());
        eprintln!("{noise:?}: levels, a, b, unwidened, found {shares:.3?}; × {widening:.2}");
        assert!(shares[..3].iter().all(|share| *share >= 0.9), "{noise:?}: {shares:?}");
        if let Noise::Independent(_) = noise {
            assert!(widening < 1.2 && shares[4] <= 0.04, "{widening} {shares:?}");
        }
    }
}

#[test]
fn a_spread_shrunk_over_cells_says_more_often_rightly_whether_a_cell_is_precise() {
    const LIMIT: f64 = 0.03;
    const ROUNDS: u32 = 12;
    let mut random = Pcg64::new(20_261_128, 4);
    // How much the cells' spreads differ, as a standard deviation of their logarithms, and what the judgement must gain: where
    // they differ much there is nothing to learn from the others, and nothing lost.
    for (unlike, gain) in [(0.1, 0.1), (0.2, 0.04), (0.4, -0.02)] {
        let [mut own, mut shrunk] = [Rate::default(); 2];
        // Most cells are precise, or most are not: the middle one's half-width over the limit.
        for wide in [0.8, 1.25].repeat(studies(15) as usize) {
            let middle = wide * LIMIT.ln_1p() * f64::from(ROUNDS).sqrt() / 1.96;
            let spreads: Vec<f64> =
                (0..48).map(|_| middle * (unlike * normal(&mut random)).exp()).collect();
            let mut figures = |spread: &f64| {
                let mut moments = Moments::default();
                (0..ROUNDS).for_each(|_| moments.push(spread * normal(&mut random)));
                moments
            };
            let cells: Vec<Moments> = spreads.iter().map(&mut figures).collect();
            let common = CommonSpread::of(&cells).unwrap();
            for (cell, spread) in cells.iter().zip(&spreads) {
                let is_right = |half: Option<f64>| {
                    let is_precise = 1.96 * spread / f64::from(ROUNDS).sqrt() <= LIMIT.ln_1p();
                    (half.unwrap() <= LIMIT.ln_1p()) == is_precise
                };
                own.push(is_right(cell.half_interval()));
                shrunk.push(is_right(common.half_interval(cell)));
            }
        }
        let [own, shrunk] = [own, shrunk].map(|rate| rate.share());
        eprintln!("{unlike}: right by its own spread {own:.3}, by the shrunk one {shrunk:.3}");
        assert!(shrunk > own + gain, "{unlike}: {own} {shrunk}");
    }
}
