//! What many trials have in common, held once.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use model::Cell;
use model::record::Load;

use super::facts::Seating;
use super::trial_figures::Absences;

/// What many trials have in common, held once.
#[derive(Debug, Default)]
pub(crate) struct Interned {
    cells: HashSet<Arc<Cell>>,
    seatings: HashSet<Arc<Seating>>,
    absences: HashMap<Absences, Arc<Absences>>,
    reasons: HashSet<Arc<str>>,
    /// The trials of a series follow each other, and all hold its load.
    load: Option<Arc<Load>>,
}

/// Beyond so many patterns of absent figures none is remembered: reasons with figures in them may all differ.
const MOST: usize = 1 << 14;

impl Interned {
    pub(super) fn cell(&mut self, cell: &Cell) -> Arc<Cell> {
        once(&mut self.cells, cell, Cell::clone)
    }

    pub(super) fn seating(&mut self, seating: &Seating) -> Arc<Seating> {
        once(&mut self.seatings, seating, Seating::clone)
    }

    pub(super) fn reason(&mut self, why: &str) -> Arc<str> {
        if let Some(known) = self.reasons.get(why) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(why);
        if self.reasons.len() < MOST {
            self.reasons.insert(Arc::clone(&new));
        }
        new
    }

    pub(super) fn absences(&mut self, absences: Absences) -> Arc<Absences> {
        if let Some(known) = self.absences.get(&absences) {
            return Arc::clone(known);
        }
        let new = Arc::new(absences);
        if self.absences.len() < MOST {
            self.absences.insert((*new).clone(), Arc::clone(&new));
        }
        new
    }

    pub(super) fn load(&mut self, load: &Load) -> Arc<Load> {
        match &self.load {
            Some(known) if **known == *load => Arc::clone(known),
            _ => Arc::clone(self.load.insert(Arc::new(load.clone()))),
        }
    }
}

fn once<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, of: &T, clone: fn(&T) -> T) -> Arc<T> {
    if let Some(known) = known.get(of) {
        return Arc::clone(known);
    }
    let new = Arc::new(clone(of));
    known.insert(Arc::clone(&new));
    new
}
