//! What the engine is asked to do.

use model::{Cell, Nanos};

/// One trial to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialOrder {
    /// What to measure.
    pub cell: Cell,
    /// The window.
    pub window: Nanos,
    /// The warm-up before it.
    pub warmup: Nanos,
    /// How long senders go on after it.
    pub tail: Nanos,
}

/// The times of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceTimes {
    /// From the beginning of the load to that of the window.
    pub settle: Nanos,
    /// The window.
    pub window: Nanos,
}

/// A block to be measured in turns: what, for how long, in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesOrder {
    /// The cells; they are on one link that is set up alike.
    pub cells: Vec<Cell>,
    /// Settle time and window of a slice.
    pub slice: SliceTimes,
    /// The turns before those that count: each the places of all cells in random order.
    pub warmup_turns: Vec<Vec<usize>>,
    /// How long a slice of these goes on after settling.
    pub warmup_window: Nanos,
    /// The turns that count.
    pub turns: Vec<Vec<usize>>,
    /// At the end, a steady window of this length of each cell as a control, in this order; none: without.
    pub steady: Option<(Nanos, Vec<usize>)>,
}

impl SeriesOrder {
    /// Windows of each cell whose sums its record holds.
    pub(crate) fn windows(&self) -> usize {
        self.turns.len()
    }

    /// What the order is of one of its cells: the sums of its slices.
    pub fn of_one(&self, cell: &Cell) -> TrialOrder {
        let times = |time: Nanos, turns: usize| {
            Nanos(time.0.saturating_mul(u64::try_from(turns).unwrap_or(u64::MAX)))
        };
        let SliceTimes { settle, window } = self.slice;
        TrialOrder {
            cell: cell.clone(),
            window: times(window, self.turns.len()),
            warmup: times(Nanos(settle.0 + window.0), self.warmup_turns.len()),
            tail: Nanos(0),
        }
    }
}
