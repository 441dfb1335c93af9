//! What a plan will take, before anything runs.

use std::fmt;

use model::{Audit, Bounds, Cell, Nanos, Plan};

use crate::audits;

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
    /// What one round takes, without retries.
    pub round: Nanos,
    /// What it takes with the fewest turns that it may be cut down to.
    pub least_round: Nanos,
    /// What the audits before it take, where each is had of every cell.
    pub audits: Nanos,
    /// What those rounds take, without retries.
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
    let bounds = bounds.into();
    let rounds = plan.measure.rounds.unwrap_or(plan.measure.min_rounds);
    let can = |cell: &Cell| !is_refused(cell);
    let asked = plan.cells();
    let refused = asked.iter().filter(|cell| is_refused(cell)).count();
    let (cells, controls): (Vec<Cell>, Vec<Cell>) = (
        asked.into_iter().filter(can).collect(),
        plan.controls().into_iter().filter(can).collect(),
    );
    let blocks = plan.blocks();
    let expected = |rounds| plan.expected(cells.iter().chain(&controls), rounds, bounds);
    Forecast {
        blocks: blocks.iter().filter(|(_, cells)| cells.iter().any(can)).count(),
        rounds,
        exactly: plan.measure.rounds.is_some(),
        round: expected(1),
        least_round: plan.least_round(cells.iter().chain(&controls), bounds),
        audits: audits_of(plan, cells.len()),
        least: expected(rounds),
        limit: plan.measure.max_time,
        refused,
        cells: cells.len(),
        controls: controls.len(),
    }
}

/// What the audits of so many cells take.
fn audits_of(plan: &Plan, cells: usize) -> Nanos {
    let cells = u64::try_from(cells).unwrap_or(u64::MAX);
    let time = |audit: &Audit| match audit {
        Audit::Ceiling => audits::CEILING.0,
        Audit::CopyAudit | Audit::Profile => {
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

    /// Whether one round takes longer than the limit, even with the fewest turns: it is measured whole all the same, as a part
    /// that nobody chose tells less than what was asked for.
    pub fn first_round_outlasts_limit(&self) -> bool {
        !self.is_within_limit(self.least_round)
    }

    /// Whether the first round gets fewer turns than it would for the limit's sake.
    pub fn first_round_is_cut(&self) -> bool {
        !self.is_within_limit(self.round) && !self.first_round_outlasts_limit()
    }
}

/// Minutes and seconds as people say them.
fn spoken(time: Nanos) -> String {
    // As much as a time can hold: that of a sum that would be longer.
    if time.0 == u64::MAX {
        return "over 500 years".to_owned();
    }
    let seconds = time.0.div_ceil(1_000_000_000);
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
        let rounds = number(usize::try_from(self.rounds).unwrap_or(usize::MAX), "round");
        let about = if self.exactly { "" } else { "at least " };
        write!(f, "{about}{rounds} of {}, {about}{}", spoken(self.round), spoken(self.least))?;
        match self.limit {
            Some(limit) if self.first_round_outlasts_limit() => {
                write!(
                    f,
                    "; limit {}, which will be exceeded: {} takes {} at least",
                    spoken(limit),
                    if self.audits == Nanos(0) { "one round" } else { "one round with its audits" },
                    spoken(Nanos(self.audits.0.saturating_add(self.least_round.0)))
                )
            }
            Some(limit) if self.first_round_is_cut() => {
                write!(f, "; limit {}, for which the first round gets fewer turns", spoken(limit))
            }
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
        assert!(cut.to_string().ends_with(", for which the first round gets fewer turns"), "{cut}");
        let longer = with(Nanos::s(1), &as_it_is);
        assert!(!longer.first_round_is_cut() && longer.first_round_outlasts_limit());
        let least = format!(
            "; limit 1s, which will be exceeded: one round takes {} at least",
            spoken(longer.least_round)
        );
        assert!(longer.to_string().ends_with(&least), "{longer}");
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
        assert!(audited.to_string().contains("one round with its audits takes"), "{audited}");
    }

    #[test]
    fn times_are_spoken_in_two_units() {
        for (time, text) in [
            (Nanos(1), "1s"),
            (Nanos::s(59), "59s"),
            (Nanos::s(61), "1m01s"),
            (Nanos::s(7260), "2h01m"),
            (Nanos(u64::MAX), "over 500 years"),
        ] {
            assert_eq!(spoken(time), text);
        }
    }
}
