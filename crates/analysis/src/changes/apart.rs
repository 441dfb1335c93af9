//! Why sides have no cell that can be compared.

use model::{Cell, Factor};

use super::measured_run::MeasuredRun;
use super::{RunName, run_name, unstated};

/// Why sides have no cell that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apart {
    /// No cell is asked for on both sides.
    NoCell,
    /// One would be, but for factors that the tables of these runs do not tell.
    Unstated {
        /// The runs whose tables do not.
        silent: Vec<RunName>,
        /// Each factor, and its value on the side that tells it.
        factors: Vec<(Factor, String)>,
    },
    /// These runs have goodput in no cell.
    NoGoodput(Vec<RunName>),
    /// These runs have one valid round of each cell and no more, which tells no spread.
    OneRound(Vec<RunName>),
    /// Each has cells of two valid rounds, and none of them is the same.
    TooFewRounds,
}

/// Why, of sides that ask for these cells both.
pub(super) fn apart(base: &[MeasuredRun], other: &[MeasuredRun], both: &[Cell]) -> Apart {
    if both.is_empty() {
        return by_what_is_not_told(base, other).unwrap_or(Apart::NoCell);
    }
    let of = |is_it: &dyn Fn(&MeasuredRun) -> bool| -> Vec<RunName> {
        base.iter().chain(other).filter(|run| is_it(run)).map(run_name).collect()
    };
    let most = |run: &MeasuredRun| {
        both.iter().map(|cell| run.rounds(cell, 0).map_or(0, |of| of.len())).max().unwrap_or(0)
    };
    let silent = of(&|run| most(run) == 0);
    if !silent.is_empty() {
        return Apart::NoGoodput(silent);
    }
    let short = of(&|run| most(run) == 1);
    if short.is_empty() { Apart::TooFewRounds } else { Apart::OneRound(short) }
}

/// The factors in which two cells differ that are otherwise the same, where the table of a run does not tell those.
fn by_what_is_not_told(base: &[MeasuredRun], other: &[MeasuredRun]) -> Option<Apart> {
    let unstated = unstated(base, other);
    let is_equal_beside = |a: &Cell, b: &Cell| {
        Factor::ALL.iter().all(|it| unstated.contains(it) || a.get(*it) == b.get(*it))
    };
    let (first, second) = (base.first()?, other.first()?);
    let (a, b) = first
        .cells()
        .find_map(|a| second.cells().find(|b| is_equal_beside(a, b)).map(|b| (a, b)))?;
    let differing: Vec<Factor> =
        unstated.into_iter().filter(|it| a.get(*it) != b.get(*it)).collect();
    let is_silent = |run: &&MeasuredRun| differing.iter().any(|it| !run.facts.states(*it));
    let told = |factor: &Factor| {
        let is_told_by_first = first.facts.states(*factor);
        (*factor, if is_told_by_first { a.get(*factor) } else { b.get(*factor) })
    };
    Some(Apart::Unstated {
        silent: base.iter().chain(other).filter(is_silent).map(run_name).collect(),
        factors: differing.iter().map(told).collect(),
    })
}
