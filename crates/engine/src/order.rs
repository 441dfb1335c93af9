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
    /// Whether the warm-up is longer than planned because an earlier attempt had not settled.
    pub extended: bool,
}
