//! What a plan will take, before anything runs.

use std::collections::BTreeSet;
use std::fmt;

use analysis::round_order;
use model::record::Record;
use model::{Audit, Bounds, Cell, Nanos, Plan};

use crate::audits;
use crate::resume::position;

/// What a plan will take: cells, controls and blocks are those that can be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Cells without controls.
    pub cells: usize,
    /// Cells of the plan, without controls, that cannot be measured.
    pub refused: usize,
    /// Cells that control the method.
    pub controls: usize,
    /// Blocks.
    pub blocks: usize,
    /// Rounds to be done at least: those asked for, or those before precision is looked at.
    pub rounds: u32,
    /// Whether these are exactly the rounds to be done.
    pub exactly: bool,
    /// Rounds of them that ended before, of a run that is gone on with.
    pub done: u32,
    /// What one round takes, without retries; of a run whose first one was begun before, what is left of that.
    pub round: Nanos,
    /// What it takes with the fewest turns that it may be cut down to.
    pub least_round: Nanos,
    /// What the audits before it take that are not done yet, where each is had of every cell.
    pub audits: Nanos,
    /// What is left of those rounds takes, without retries.
    pub least: Nanos,
    /// When the run stops at the latest.
    pub limit: Option<Nanos>,
}

/// Looks ahead; oversubscribed cells and slow lines take longer, hence the bounds. Cells that cannot be measured take no time.
pub fn forecast(
    plan: &Plan,
    bounds: impl Into<Bounds>,
    is_refused: impl Fn(&Cell) -> bool,
) -> Forecast {
    forecast_rest(plan, bounds, is_refused, &[])
}

/// The same of a run that is gone on with: what its journal holds already takes no time.
pub fn forecast_rest(
    plan: &Plan,
    bounds: impl Into<Bounds>,
    is_refused: impl Fn(&Cell) -> bool,
    earlier: &[Record],
) -> Forecast {
    let bounds = bounds.into();
    let position = position(plan, earlier);
    let done = position.round.saturating_sub(1);
    let rounds = plan.measure.rounds.unwrap_or(plan.measure.min_rounds);
    let can = |cell: &Cell| !is_refused(cell);
    let asked = plan.cells();
    let refused = asked.iter().filter(|cell| is_refused(cell)).count();
    let (cells, controls): (Vec<Cell>, Vec<Cell>) = (
        asked.into_iter().filter(can).collect(),
        plan.controls().into_iter().filter(can).collect(),
    );
    let blocks = plan.blocks();
    let all = || cells.iter().chain(&controls);
    let order = round_order(plan, position.round);
    let measured = order.iter().take(usize::try_from(position.block).unwrap_or(usize::MAX));
    let measured: BTreeSet<&Cell> = measured.flat_map(|(_, cells)| cells).collect();
    let is_left = |cell: &Cell| !measured.contains(cell);
    let whole = plan.expected(all(), 1, bounds);
    let next = done..done.saturating_add(1);
    let in_hand = plan.expected_left(all(), next.clone(), bounds, is_left);
    let later = plan.expected_left(all(), next.end..rounds.max(next.end), bounds, |_| true);
    let is_first = done == 0;
    let to_audit = |audit| {
        let is_left = |cell: &&Cell| !audits::is_done(earlier, audit, cell);
        cells.iter().filter(is_left).count()
    };
    Forecast {
        blocks: blocks.iter().filter(|(_, cells)| cells.iter().any(can)).count(),
        rounds,
        exactly: plan.measure.rounds.is_some(),
        done,
        round: if is_first { in_hand } else { whole },
        least_round: if is_first {
            plan.least_round(all(), done, bounds, is_left)
        } else {
            plan.least_round(all(), done, bounds, |_| true)
        },
        audits: audits_of(plan, to_audit),
        least: if done < rounds { Nanos(in_hand.0.saturating_add(later.0)) } else { Nanos(0) },
        limit: plan.measure.max_time,
        refused,
        cells: cells.len(),
        controls: controls.len(),
    }
}

/// What audits take, each of so many cells.
fn audits_of(plan: &Plan, cells: impl Fn(Audit) -> usize) -> Nanos {
    let time = |audit: &Audit| match audit {
        Audit::Ceiling => audits::CEILING.0,
        Audit::CopyAudit | Audit::Profile => {
            let cells = u64::try_from(cells(*audit)).unwrap_or(u64::MAX);
            let trial = Nanos(audits::expected(*audit).0.saturating_add(plan.measure.tail.0));
            trial.0.saturating_mul(cells)
        }
    };
    Nanos(plan.measure.audits.iter().map(time).fold(0, u64::saturating_add))
}

impl Forecast {
    /// Whether audits and rounds are expected to fit into the limit.
    pub fn fits(&self) -> bool {
        self.is_within_limit(self.least)
    }

    /// Whether something that takes so long ends within the limit, after the audits.
    fn is_within_limit(&self, time: Nanos) -> bool {
        self.limit.is_none_or(|limit| self.audits.0.saturating_add(time.0) <= limit.0)
    }

    /// Whether the first round takes longer than the limit, even with the fewest turns: it is measured whole all the same, as a part
    /// that nobody chose tells less than what was asked for. Of a run that has a round, none is begun that would.
    pub fn first_round_outlasts_limit(&self) -> bool {
        self.done == 0 && !self.is_within_limit(self.least_round)
    }

    /// Whether the first round gets fewer turns than it would for the limit's sake.
    pub fn first_round_is_cut(&self) -> bool {
        self.done == 0 && !self.is_within_limit(self.round) && !self.first_round_outlasts_limit()
    }

    /// What the first round takes, as its limit lets it, or each later one of a run that has it.
    pub fn first_round(&self) -> Nanos {
        if self.first_round_outlasts_limit() {
            return self.least_round;
        }
        match self.limit {
            Some(limit) if self.first_round_is_cut() => {
                Nanos(limit.0.saturating_sub(self.audits.0))
            }
            Some(_) | None => self.round,
        }
    }

    /// Whether not even a round of the fewest turns fits into the limit of a run that is gone on with, so that some blocks are
    /// measured at most.
    pub fn no_round_fits(&self) -> bool {
        self.done > 0 && !self.is_within_limit(self.least_round)
    }

    /// Rounds that are still to be done at least.
    pub fn left(&self) -> u32 {
        self.rounds.saturating_sub(self.done)
    }
}

/// Minutes and seconds as people say them; of a few seconds also tenths.
fn spoken(time: Nanos) -> String {
    // As much as a time can hold: that of a sum that would be longer.
    if time.0 == u64::MAX {
        return "over 500 years".to_owned();
    }
    // To the nearest, as whoever tells what to do about it says it too.
    let tenths = (time.0.saturating_add(50_000_000) / 100_000_000).max(1);
    if tenths < 100 && !tenths.is_multiple_of(10) {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    let seconds = time.0.saturating_add(500_000_000) / 1_000_000_000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let all = number(self.cells + self.refused, "cell");
        let cells = if self.refused == 0 { all } else { format!("{} of {all}", self.cells) };
        let controls = match self.controls {
            0 => String::new(),
            n => format!(" and {}", number(n, "control")),
        };
        write!(f, "{cells}{controls} in {}; ", number(self.blocks, "block"))?;
        // What a round takes then is told once, by whoever tells what to do about it.
        match self.limit {
            Some(limit) if self.first_round_outlasts_limit() => {
                let audits = if self.audits == Nanos(0) { "" } else { " after its audits" };
                return write!(
                    f,
                    "one round{audits}, which will exceed the limit of {}",
                    spoken(limit)
                );
            }
            Some(limit) if self.first_round_is_cut() => {
                return write!(
                    f,
                    "one round, of as few turns as the limit of {} holds",
                    spoken(limit)
                );
            }
            Some(_) | None => {}
        }
        let rounds = |n: u32| number(usize::try_from(n).unwrap_or(usize::MAX), "round");
        let about = if self.exactly { "" } else { "at least " };
        let (each, least) = (spoken(self.round), spoken(self.least));
        match (self.done, self.left()) {
            (0, left) => write!(f, "{about}{} of {each}, {about}{least}", rounds(left))?,
            (done, 0) if self.exactly => write!(f, "{} done, none is left", rounds(done))?,
            (done, 0) => write!(f, "{} done, more of {each} until precise", rounds(done))?,
            (done, left) => {
                write!(f, "{} done, {about}{left} more of {each}, {about}{least}", rounds(done))?;
            }
        }
        match self.limit {
            Some(limit) => write!(f, "; limit {}", spoken(limit)),
            None => write!(f, "; no limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Preset;

    use super::*;

    #[test]
    fn the_default_plan_fits_its_five_minutes_on_two_cpus() {
        let plan = Plan::preset(Preset::Default);
        let forecast = forecast(&plan, 2, |_| false);
        assert_eq!(
            (forecast.cells, forecast.controls, forecast.blocks, forecast.rounds),
            (48, 3, 16, 10)
        );
        assert!(forecast.fits(), "{forecast}");
        let text = forecast.to_string();
        assert!(
            text.starts_with("48 cells and 3 controls in 16 blocks; at least 10 rounds of "),
            "{text}"
        );
        assert!(text.ends_with("; limit 5m00s"), "{text}");
    }

    #[test]
    fn the_zero_copy_plan_fits_its_ten_minutes_on_two_cpus() {
        let forecast = forecast(&Plan::preset(Preset::ZeroCopy), 2, |_| false);
        assert_eq!((forecast.cells, forecast.rounds), (126, 10));
        assert!(forecast.fits(), "{forecast}");
        assert!(forecast.to_string().ends_with("; limit 10m00s"), "{forecast}");
    }

    #[test]
    fn cells_that_cannot_be_measured_are_not_counted_and_take_no_time() {
        let plan = Plan::preset(Preset::ZeroCopy);
        let whole = forecast(&plan, 2, |_| false);
        let part = forecast(&plan, 2, |cell| cell.link == model::Link::Sink);
        assert_eq!((part.cells, part.refused, part.controls, part.blocks), (18, 108, 3, 9));
        assert!(part.least.0 * 5 < whole.least.0, "{part}");
        let text = part.to_string();
        assert!(text.starts_with("18 of 126 cells and 3 controls in 9 blocks; "), "{text}");
    }

    #[test]
    fn a_plan_that_cannot_do_its_rounds_in_time_does_not_fit() {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.max_time = Some(Nanos::s(20));
        assert!(!forecast(&plan, 2, |_| false).fits());
        plan.measure.max_time = None;
        plan.measure.rounds = Some(1);
        let forecast = forecast(&plan, 64, |_| false);
        assert!(forecast.fits());
        assert!(forecast.to_string().ends_with("; no limit"), "{forecast}");
        assert!(!forecast.to_string().contains("at least"), "{forecast}");
    }

    #[test]
    fn what_a_limit_does_to_the_first_round_is_known_before() {
        let with = |limit: Nanos, change: &dyn Fn(&mut Plan)| {
            let mut plan = Plan::preset(Preset::Default);
            plan.measure.max_time = Some(limit);
            change(&mut plan);
            forecast(&plan, 64, |_| false)
        };
        let as_it_is = |_: &mut Plan| {};
        let whole = with(Nanos::s(300), &as_it_is);
        assert!(whole.least_round.0 * 4 < whole.round.0 * 3, "{whole:?}");
        assert!(!whole.first_round_is_cut() && !whole.first_round_outlasts_limit());
        let between = Nanos(u64::midpoint(whole.round.0, whole.least_round.0));
        let cut = with(between, &as_it_is);
        assert!(cut.first_round_is_cut() && !cut.first_round_outlasts_limit());
        assert!(cut.to_string().contains("; one round, of as few turns as the limit of "), "{cut}");
        assert_eq!(cut.first_round(), between);
        assert_eq!(whole.first_round(), whole.round);
        let longer = with(Nanos::s(1), &as_it_is);
        assert!(!longer.first_round_is_cut() && longer.first_round_outlasts_limit());
        let text = longer.to_string();
        assert!(text.ends_with("; one round, which will exceed the limit of 1s"), "{text}");
        assert_eq!(longer.first_round(), longer.least_round);
        // What was asked for stays.
        for as_asked in [&|plan: &mut Plan| plan.measure.turns = Some(12), &|plan: &mut Plan| {
            plan.measure.steady = true;
        }] as [&dyn Fn(&mut Plan); 2]
        {
            let asked = with(Nanos::s(1), as_asked);
            assert_eq!(asked.round, asked.least_round, "{asked}");
        }
        let audited = with(Nanos::s(10), &|plan| plan.measure.audits = vec![Audit::Profile]);
        assert!(audited.audits > Nanos::s(10) && audited.first_round_outlasts_limit(), "{audited}");
        let text = audited.to_string();
        assert!(text.ends_with("one round after its audits, which will exceed the limit of 10s"));
    }

    #[test]
    fn of_a_run_that_is_gone_on_with_what_is_left_is_counted() {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.rounds = Some(5);
        plan.measure.max_time = Some(Nanos::s(1));
        plan.measure.audits = vec![Audit::CopyAudit];
        let earlier = synthetic::run(&plan, 5, synthetic::trial);
        let after = |records: &[Record]| forecast_rest(&plan, 2, |_| false, records);
        let trials_of = |rounds: u32| {
            let is_later =
                |record: &Record| matches!(record, Record::Trial(trial) if trial.round > rounds);
            earlier.iter().position(is_later).unwrap_or(earlier.len())
        };
        let whole = after(&[]);
        assert_eq!(whole, forecast(&plan, 2, |_| false));
        assert!(whole.first_round_outlasts_limit() && whole.left() == 5);
        let three = after(&earlier[..trials_of(3)]);
        assert_eq!((three.done, three.left(), three.round), (3, 2, whole.round));
        assert!(three.least < Nanos(whole.least.0 / 2) && three.least > whole.round, "{three:?}");
        assert!(!three.first_round_outlasts_limit() && !three.first_round_is_cut());
        assert!(!three.fits(), "two rounds take longer than a second all the same");
        assert!(three.no_round_fits() && !whole.no_round_fits());
        let text = three.to_string();
        assert!(
            text.contains("; 3 rounds done, 2 more of ") && text.ends_with("; limit 1s"),
            "{text}"
        );
        let all = after(&earlier);
        assert_eq!((all.done, all.left(), all.least), (5, 0, Nanos(0)));
        assert!(all.to_string().contains("; 5 rounds done, none is left"), "{all}");
        // Of a first round that was cut off, the blocks that were not reached are left.
        let half = after(&earlier[..trials_of(1) / 2]);
        assert_eq!(half.done, 0);
        assert!(half.round < whole.round && half.least_round < whole.least_round, "{half:?}");
        assert_eq!(half.least, Nanos(whole.least.0 - (whole.round.0 - half.round.0)));
        // What was audited is not audited again.
        let audits = synthetic::audits(&plan);
        assert!(!audits.is_empty() && after(&audits).audits < whole.audits);
    }

    #[test]
    fn times_are_spoken_in_two_units() {
        for (time, text) in [
            (Nanos(1), "0.1s"),
            (Nanos::ms(1360), "1.4s"),
            (Nanos::ms(2040), "2s"),
            (Nanos::ms(9950), "10s"),
            (Nanos::ms(10_600), "11s"),
            (Nanos::s(59), "59s"),
            (Nanos::s(61), "1m01s"),
            (Nanos::s(7260), "2h01m"),
            (Nanos(u64::MAX), "over 500 years"),
        ] {
            assert_eq!(spoken(time), text);
        }
    }
}
