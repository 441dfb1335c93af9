//! How long things take: what a block will need, and what is left.

use std::collections::BTreeMap;

use analysis::turn_noise::TurnNoise;
use model::{Block, Bounds, Cell, FEWEST_TURNS, Nanos, Plan, Share, Turns};

/// Before the first trial: starting, draining and journalling, beside the times ordered.
const AROUND_A_TRIAL: Nanos = Nanos::ms(40);

/// Whatever the noise says: of fewer turns one that a worker misses is more than a quarter, which makes the trial void.
const FEWEST_FOR_NOISE: u32 = 4;
/// The most turns of a series.
const MOST_TURNS: u32 = 100;

/// The share of the limit in which the rounds are to fit where their number is given.
const ROUNDS_SHARE: f64 = 0.8;

/// The share of the limit in which the pilot, the fewest rounds, is to fit where the run ends by precision.
const PILOT_SHARE: f64 = 0.4;

/// The share of the limit by which its last block may be expected to overrun it.
const TOLERANCE: u64 = 50;

/// Times of trials and rounds in this segment.
#[derive(Debug)]
pub(crate) struct Pace<'a> {
    plan: &'a Plan,
    bounds: Bounds,
    /// Beside the times ordered, all trials of this segment together.
    around: Nanos,
    trials: u64,
    /// What a turn of each block took in its last series.
    turns: BTreeMap<Block, Nanos>,
    /// What the last round took.
    round: Option<Nanos>,
    /// What all series of this segment took, and what they were to take.
    took: Nanos,
    foreseen: Nanos,
}

/// What is left of a round in series, as it is foreseen: what stands beside the turns that count, and these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InSeries {
    /// Preparing and warming up, and all of what takes no turns or has a given number of them.
    pub(crate) beside: Nanos,
    /// The turns whose number may be less.
    pub(crate) turns: Nanos,
}

impl InSeries {
    /// Both, and that of more series.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            beside: Nanos(self.beside.0.saturating_add(other.beside.0)),
            turns: Nanos(self.turns.0.saturating_add(other.turns.0)),
        }
    }

    /// Both, without that of one series.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self {
            beside: Nanos(self.beside.0.saturating_sub(other.beside.0)),
            turns: Nanos(self.turns.0.saturating_sub(other.turns.0)),
        }
    }
}

impl<'a> Pace<'a> {
    pub(crate) fn new(plan: &'a Plan, bounds: Bounds) -> Self {
        Self {
            plan,
            bounds,
            around: Nanos(0),
            trials: 0,
            turns: BTreeMap::new(),
            round: None,
            took: Nanos(0),
            foreseen: Nanos(0),
        }
    }

    fn ordered(&self, cell: &Cell) -> Nanos {
        let window = self.plan.window(cell, self.bounds);
        Nanos(self.plan.measure.warmup.0 + window.0 + self.plan.measure.tail.0)
    }

    /// A trial took so long.
    pub(crate) fn took(&mut self, cell: &Cell, time: Nanos) {
        self.around.0 += time.0.saturating_sub(self.ordered(cell).0);
        self.trials += 1;
    }

    /// A round took so long.
    pub(crate) fn round_took(&mut self, time: Nanos) {
        self.round = Some(time);
    }

    /// A series of so many cells took so long.
    pub(crate) fn series_took(&mut self, block: &Block, turns: &Turns, cells: usize, time: Nanos) {
        self.took.0 = self.took.0.saturating_add(time.0);
        self.foreseen.0 = self.foreseen.0.saturating_add(turns.lasts(cells).0);
        let in_turns = time.0.saturating_sub(turns.beside(cells).0);
        let turn = in_turns / u64::from(turns.turns).max(1);
        // What is beside them is expected and not measured: of few turns it may take more than is there.
        self.turns.insert(block.clone(), Nanos(turn.max(turns.turn(cells).0 * 3 / 4)));
    }

    /// What a turn of a block takes.
    fn turn(&self, turns: &Turns, block: &Block, cells: usize) -> Nanos {
        self.turns.get(block).copied().unwrap_or_else(|| turns.turn(cells))
    }

    /// The number of turns that makes the most of the time, as far as the noise of the block is known; series stay so short
    /// that enough of them fit into the limit, each with connections and memory of its own, unless less time would be for what
    /// counts than for what is done before it.
    pub(crate) fn tuned(
        &self,
        turns: Turns,
        block: &Block,
        cells: usize,
        noise: Option<&TurnNoise>,
        blocks: usize,
    ) -> Turns {
        let turn = self.turn(&turns, block, cells).0.max(1);
        let beside = Turns { steady: Nanos(0), ..turns }.beside(cells).0;
        let wanted = noise
            .map_or(f64::from(turns.turns), |noise| noise.best_turns(beside as f64, turn as f64));
        let most = self.series_budget(blocks).map_or(MOST_TURNS, |budget| {
            let fit = budget.0.saturating_sub(beside) / turn;
            u32::try_from(fit).unwrap_or(u32::MAX).min(MOST_TURNS)
        });
        let fewest = whole(beside as f64 / turn as f64).min(turns.turns).max(FEWEST_TURNS);
        let wanted = whole(wanted).max(FEWEST_FOR_NOISE);
        Turns { turns: wanted.min(most).max(fewest), ..turns }
    }

    /// How many times as long as foreseen series take here: 1 before any, and where they are faster.
    pub(crate) fn slowness(&self) -> f64 {
        if self.foreseen.0 == 0 {
            return 1.0;
        }
        (self.took.as_secs_f64() / self.foreseen.as_secs_f64()).max(1.0)
    }

    /// As many turns as leave time for the rest of a first round, this series included: the same share of the turns that the plan has
    /// for every series, where a series has not fewer already.
    pub(crate) fn cut(&self, turns: Turns, planned: u32, rest: InSeries, elapsed: Nanos) -> Turns {
        let Some(limit) = self.plan.measure.max_time else { return turns };
        let left = limit.0.saturating_sub(elapsed.0) as f64 / self.slowness();
        let share = (left - rest.beside.0 as f64) / (rest.turns.0 as f64).max(1.0);
        turns.at_most(down(f64::from(planned) * share.clamp(0.0, 1.0)))
    }

    /// The longest series with which the rounds that a run needs fit into its limit: all of it where their number is given, and
    /// a share where it ends by precision.
    fn series_budget(&self, blocks: usize) -> Option<Nanos> {
        let measure = &self.plan.measure;
        let series = u64::from(measure.rounds.unwrap_or(measure.min_rounds)) * blocks as u64;
        let share = if measure.rounds.is_some() { ROUNDS_SHARE } else { PILOT_SHARE };
        let limit = measure.max_time?;
        Some(Nanos::from_secs_f64(limit.as_secs_f64() * share / series.max(1) as f64))
    }

    /// What a block of these cells will take in a round, without further attempts.
    pub(crate) fn expected(&self, block: &Block, cells: &[Cell], turns: Option<&Turns>) -> Nanos {
        if let Some(turns) = turns {
            let turn = self.turn(turns, block, cells.len());
            let in_turns = turn.0.saturating_mul(u64::from(turns.turns));
            return Nanos(turns.beside(cells.len()).0.saturating_add(in_turns));
        }
        let around = self.around.0.checked_div(self.trials).unwrap_or(AROUND_A_TRIAL.0);
        Nanos(cells.iter().map(|cell| self.ordered(cell).0 + around).sum())
    }

    /// Whether something that takes so long still ends within the limit, or close enough.
    pub(crate) fn fits(&self, elapsed: Nanos, time: Nanos) -> bool {
        self.plan.measure.max_time.is_none_or(|limit| {
            elapsed.0.saturating_add(time.0) <= limit.0.saturating_add(limit.0 / TOLERANCE)
        })
    }

    /// The estimated time until the end after so many whole rounds. Half-widths shrink with the square root of the
    /// number of rounds, so precision is reached after (half-width / precision)² times as many.
    pub(crate) fn left(&self, rounds: u32, widest: Option<f64>, elapsed: Nanos) -> Option<Nanos> {
        let measure = &self.plan.measure;
        let until = match (measure.rounds, measure.precision, widest) {
            (Some(rounds), ..) => Some(rounds),
            (None, Some(Share(precision)), Some(widest)) => {
                Some(rounds_until(rounds, widest, precision).max(measure.min_rounds))
            }
            (None, Some(_), None) | (None, None, _) => None,
        };
        let by_rounds = until.zip(self.round).map(|(until, round)| {
            Nanos(round.0.saturating_mul(u64::from(until.saturating_sub(rounds))))
        });
        let by_time = measure.max_time.map(|limit| Nanos(limit.0.saturating_sub(elapsed.0)));
        [by_rounds, by_time].into_iter().flatten().min()
    }
}

fn rounds_until(rounds: u32, widest: f64, precision: f64) -> u32 {
    whole(f64::from(rounds) * (widest / precision).powi(2))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the figure is a guess"
)]
fn whole(x: f64) -> u32 {
    x.ceil() as u32
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the figure is a guess"
)]
fn down(x: f64) -> u32 {
    x.floor() as u32
}

#[cfg(test)]
mod tests {
    use model::Preset;

    use super::*;

    #[test]
    fn what_trials_took_beside_their_times_is_expected_again() {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.steady = true;
        let cells = plan.cells();
        let mut pace = Pace::new(&plan, 64.into());
        assert_eq!(
            pace.expected(&Block(String::new()), &cells[..2], None),
            Nanos::ms(2 * (360 + 40))
        );
        pace.took(&cells[0], Nanos::ms(500));
        assert_eq!(pace.expected(&Block(String::new()), &cells[..1], None), Nanos::ms(360 + 140));
    }

    fn noise(between_turns: f64, between_series: f64) -> TurnNoise {
        TurnNoise { between_turns, between_series, series: 50, turns: 12.0 }
    }

    #[test]
    fn a_turn_is_expected_to_take_as_long_as_in_the_series_before() {
        let plan = Plan::preset(Preset::Default);
        let cells = &plan.cells()[..3];
        let turns = plan.turns(cells, 64, false).unwrap();
        let block = Block("a".to_owned());
        let mut pace = Pace::new(&plan, 64.into());
        assert_eq!(pace.expected(&block, cells, Some(&turns)), turns.lasts(3));
        pace.series_took(&block, &turns, 3, Nanos(turns.lasts(3).0 * 2));
        let expected = pace.expected(&block, cells, Some(&turns)).0;
        assert!(expected.abs_diff(turns.lasts(3).0 * 2) < 100, "{expected}");
        assert_eq!(pace.expected(&Block("b".to_owned()), cells, Some(&turns)), turns.lasts(3));
    }

    #[test]
    fn series_are_as_long_as_their_noise_calls_for_and_fit_into_the_limit() {
        let mut plan = Plan::preset(Preset::Default);
        let cells = &plan.cells()[..3];
        let turns = plan.turns(cells, 64, false).unwrap();
        let tuned = |plan: &Plan, noise: Option<TurnNoise>| {
            let pace = Pace::new(plan, 64.into());
            pace.tuned(turns, &Block("a".to_owned()), 3, noise.as_ref(), 16).turns
        };
        assert_eq!(tuned(&plan, None), turns.turns, "nothing is known yet");
        let [layout, both, of_turns] = [(0.05, 0.3), (0.2, 0.03), (0.3, 0.001)]
            .map(|(within, between)| tuned(&plan, Some(noise(within, between))));
        assert!(layout < 9 && both > 12 && of_turns > both, "{layout} {both} {of_turns}");
        plan.measure.max_time = Some(Nanos::s(60));
        assert!(tuned(&plan, Some(noise(0.3, 0.001))) < of_turns);
        plan.measure.max_time = None;
        assert_eq!(tuned(&plan, Some(noise(9.0, 0.001))), MOST_TURNS);
    }

    #[test]
    fn a_first_round_that_would_outlast_the_limit_gets_the_same_share_of_every_series_turns() {
        let mut plan = Plan::preset(Preset::Default);
        let turns = plan.turns(&plan.cells()[..3], 64, false).unwrap();
        let one = InSeries {
            beside: turns.beside(3),
            turns: Nanos(turns.lasts(3).0 - turns.beside(3).0),
        };
        let ten = (0..10).fold(InSeries::default(), |all, _| all.and(one));
        let cut = |plan: &Plan, slow: u64, elapsed| {
            let mut pace = Pace::new(plan, 64.into());
            if slow > 1 {
                pace.series_took(&Block(String::new()), &turns, 3, Nanos(turns.lasts(3).0 * slow));
            }
            pace.cut(turns, turns.turns, ten, elapsed).turns
        };
        plan.measure.max_time = None;
        assert_eq!(cut(&plan, 1, Nanos(0)), turns.turns);
        plan.measure.max_time = Some(Nanos(turns.lasts(3).0 * 10));
        assert_eq!(cut(&plan, 1, Nanos(0)), turns.turns, "all of them fit");
        let half = Nanos(one.turns.0 * 5);
        assert_eq!(cut(&plan, 1, half), turns.turns / 2, "half the time of the turns is gone");
        assert_eq!(cut(&plan, 20, Nanos(0)), FEWEST_TURNS, "nothing fits any more");
        plan.measure.max_time = Some(Nanos(turns.lasts(3).0 * 20));
        assert_eq!(cut(&plan, 2, Nanos(0)), turns.turns, "twice as slow, and twice the time");
        assert!(cut(&plan, 3, Nanos(0)) < turns.turns);
        // A series that is shorter already gives nothing of what fits to the others.
        plan.measure.max_time = Some(Nanos(turns.lasts(3).0 * 10));
        let shorter = turns.at_most(turns.turns / 2);
        let of =
            |elapsed| Pace::new(&plan, 64.into()).cut(shorter, turns.turns, ten, elapsed).turns;
        assert_eq!(of(half), turns.turns / 2, "half of the plan's turns fit, and it has no more");
    }

    #[test]
    fn the_last_block_may_overrun_the_limit_by_a_fiftieth() {
        let plan = Plan::preset(Preset::Default);
        let pace = Pace::new(&plan, 64.into());
        assert!(pace.fits(Nanos::s(300), Nanos::s(6)));
        assert!(!pace.fits(Nanos::s(300), Nanos::ms(6001)));
    }

    #[test]
    fn what_is_left_is_the_sooner_of_precision_and_time() {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.precision = Some(Share(0.03));
        let left = |plan: &Plan, rounds, widest, elapsed| {
            let mut pace = Pace::new(plan, 64.into());
            pace.round_took(Nanos::s(10));
            pace.left(rounds, widest, elapsed)
        };
        // Twice as wide as asked: four times the rounds.
        assert_eq!(left(&plan, 10, Some(0.06), Nanos::s(100)), Some(Nanos::s(200)));
        assert_eq!(left(&plan, 10, Some(0.036), Nanos::s(100)), Some(Nanos::s(50)));
        assert_eq!(left(&plan, 4, Some(0.001), Nanos::s(40)), Some(Nanos::s(60)));
        assert_eq!(left(&plan, 4, Some(f64::INFINITY), Nanos::s(40)), Some(Nanos::s(260)));
        plan.measure.rounds = Some(5);
        assert_eq!(left(&plan, 4, None, Nanos::s(40)), Some(Nanos::s(10)));
        plan.measure.rounds = None;
        plan.measure.max_time = None;
        assert_eq!(left(&plan, 4, None, Nanos::s(40)), None);
    }
}
