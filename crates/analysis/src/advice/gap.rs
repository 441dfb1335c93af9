//! Why a run does not cover a question: in what its cells differ from what is asked.

use std::collections::BTreeSet;

use model::{Cell, Factor, Link};
use schemars::JsonSchema;
use serde::Serialize;

use super::{OPEN, Question, Source};

/// Why a run does not cover a question on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    /// The run.
    pub run: String,
    /// Factors of which it has another value than is asked; empty where it has each value, and no cell has them together.
    pub differs: Vec<Differs>,
}

/// A factor in which a run differs from a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Differs {
    /// The factor.
    pub factor: Factor,
    /// The value that is asked for.
    pub asked: String,
    /// Those that the run has valid trials of; empty where an imported table does not tell them.
    pub measured: Vec<String>,
}

impl Gap {
    /// That of a run to a question on one link.
    pub(super) fn of(question: &Question, link: Link, source: &Source<'_>) -> Self {
        let estimates = source.summary.estimates.iter();
        let valid = estimates.filter(|it| !it.control && it.trials > 0);
        let cells: Vec<&Cell> = valid.map(|it| &it.cell).collect();
        let fixed = Factor::ALL.iter().filter(|it| !OPEN.contains(it) && **it != Factor::Message);
        let asked = fixed.map(|factor| (*factor, question.cell.get(*factor)));
        let on_link = std::iter::once((Factor::Link, link.to_string()));
        let against = question.against.map(|path| (Factor::Send, path.to_string()));
        let differs = on_link.chain(against).chain(asked).filter_map(|(factor, asked)| {
            // Of a link that a table does not tell nothing is known; of other factors its defaults are asked about.
            if factor == Factor::Link && !source.summary.run.states(factor) {
                return Some(Differs { factor, asked, measured: Vec::new() });
            }
            let of: BTreeSet<String> = cells.iter().map(|cell| cell.get(factor)).collect();
            let is_missing = !cells.is_empty() && !of.contains(&asked);
            is_missing.then(|| Differs { factor, asked, measured: in_order(factor, of) })
        });
        Self { run: source.name.to_owned(), differs: differs.collect() }
    }
}

/// Values in the order of their factor, not of their text.
fn in_order(factor: Factor, of: BTreeSet<String>) -> Vec<String> {
    let mut cells: Vec<Cell> = of
        .iter()
        .filter_map(|value| {
            let mut cell = Cell::default();
            cell.set(factor, value).ok()?;
            Some(cell)
        })
        .collect();
    cells.sort_unstable();
    cells.iter().map(|cell| cell.get(factor)).collect()
}
