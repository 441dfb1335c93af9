//! How long things take: what a block will need, and what is left.

use model::{Cell, Nanos, Plan, Share, Turns};

/// Before the first trial: starting, draining and journalling, beside the times ordered.
const AROUND_A_TRIAL: Nanos = Nanos::ms(40);

/// The warm-up of a trial, extended by this factor after one that had not settled.
const EXTENSION: u64 = 3;

/// The share of the limit by which its last block may be expected to overrun it.
const TOLERANCE: u64 = 50;

/// Times of trials and rounds in this segment.
#[derive(Debug)]
pub(crate) struct Pace<'a> {
    plan: &'a Plan,
    usable_cpus: usize,
    /// Beside the times ordered, all trials of this segment together.
    around: Nanos,
    trials: u64,
    /// What series were expected to take, and what they took, in nanoseconds.
    series: (u64, u64),
    /// What the last round took.
    round: Option<Nanos>,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(plan: &'a Plan, usable_cpus: usize) -> Self {
        Self { plan, usable_cpus, around: Nanos(0), trials: 0, series: (0, 0), round: None }
    }

    /// The warm-up to order.
    pub(crate) fn warmup(&self, extended: bool) -> Nanos {
        let warmup = self.plan.measure.warmup;
        match (extended, warmup) {
            (false, _) => warmup,
            // Three times nothing would extend nothing.
            (true, Nanos(0)) => self.plan.measure.window,
            (true, Nanos(ns)) => Nanos(ns * EXTENSION),
        }
    }

    fn ordered(&self, cell: &Cell, extended: bool) -> Nanos {
        let window = self.plan.window(cell, self.usable_cpus);
        Nanos(self.warmup(extended).0 + window.0 + self.plan.measure.tail.0)
    }

    /// A trial took so long.
    pub(crate) fn took(&mut self, cell: &Cell, extended: bool, time: Nanos) {
        self.around.0 += time.0.saturating_sub(self.ordered(cell, extended).0);
        self.trials += 1;
    }

    /// A round took so long.
    pub(crate) fn round_took(&mut self, time: Nanos) {
        self.round = Some(time);
    }

    /// A series of so many cells took so long.
    pub(crate) fn series_took(&mut self, turns: &Turns, cells: usize, time: Nanos) {
        let (ordered, took) = self.series;
        self.series = (ordered + turns.lasts(cells).0, took + time.0);
    }

    /// What a block of these cells will take in a round, without retries.
    pub(crate) fn expected(&self, cells: &[Cell], round: u32) -> Nanos {
        if let Some(turns) = self.plan.turns(cells, self.usable_cpus, round) {
            let lasts = turns.lasts(cells.len());
            return match self.series {
                (0, _) => lasts,
                (ordered, took) => {
                    Nanos::from_secs_f64(lasts.as_secs_f64() * took as f64 / ordered as f64)
                }
            };
        }
        let around = self.around.0.checked_div(self.trials).unwrap_or(AROUND_A_TRIAL.0);
        Nanos(cells.iter().map(|cell| self.ordered(cell, false).0 + around).sum())
    }

    /// Whether something that takes so long still ends within the limit, or close enough.
    pub(crate) fn fits(&self, elapsed: Nanos, time: Nanos) -> bool {
        self.plan
            .measure
            .max_time
            .is_none_or(|limit| elapsed.0 + time.0 <= limit.0 + limit.0 / TOLERANCE)
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

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the figure is a guess"
)]
fn rounds_until(rounds: u32, widest: f64, precision: f64) -> u32 {
    (f64::from(rounds) * (widest / precision).powi(2)).ceil() as u32
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
        let mut pace = Pace::new(&plan, 64);
        assert_eq!(pace.expected(&cells[..2], 1), Nanos::ms(2 * (360 + 40)));
        pace.took(&cells[0], false, Nanos::ms(500));
        pace.took(&cells[0], true, Nanos::ms(700));
        assert_eq!(pace.expected(&cells[..1], 1), Nanos::ms(360 + 140));
    }

    #[test]
    fn a_series_is_expected_to_take_as_much_longer_than_planned_as_those_before() {
        let plan = Plan::preset(Preset::Default);
        let cells = &plan.cells()[..3];
        let turns = plan.turns(cells, 64, 1).unwrap();
        let mut pace = Pace::new(&plan, 64);
        assert_eq!(pace.expected(cells, 1), turns.lasts(3));
        pace.series_took(&turns, 3, Nanos(turns.lasts(3).0 * 2));
        let expected = pace.expected(cells, 1).as_secs_f64() / turns.lasts(3).as_secs_f64();
        assert!((expected - 2.0).abs() < 1e-6, "{expected}");
    }

    #[test]
    fn the_last_block_may_overrun_the_limit_by_a_fiftieth() {
        let plan = Plan::preset(Preset::Default);
        let pace = Pace::new(&plan, 64);
        assert!(pace.fits(Nanos::s(300), Nanos::s(6)));
        assert!(!pace.fits(Nanos::s(300), Nanos::ms(6001)));
    }

    #[test]
    fn what_is_left_is_the_sooner_of_precision_and_time() {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.precision = Some(Share(0.03));
        let left = |plan: &Plan, rounds, widest, elapsed| {
            let mut pace = Pace::new(plan, 64);
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

    #[test]
    fn an_extended_warm_up_is_three_times_the_planned_one_and_never_nothing() {
        let mut plan = Plan::preset(Preset::Default);
        assert_eq!(Pace::new(&plan, 2).warmup(true), Nanos::ms(300));
        plan.measure.warmup = Nanos(0);
        assert_eq!(Pace::new(&plan, 2).warmup(true), Nanos::ms(250));
        assert_eq!(Pace::new(&plan, 2).warmup(false), Nanos(0));
    }
}
