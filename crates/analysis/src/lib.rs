//! Pure analysis: the order of trials and when to stop, marks, estimates, ratios and the summary.
//!
//! Everything here is a function of its arguments: no clock, no file, no randomness without a seed.
#![forbid(unsafe_code)]

mod cell_totals;
pub mod estimate;
pub mod figures;
pub mod marks;
pub mod metric;
pub mod order;
mod pairings;
pub mod pairs;
mod run_facts;
pub mod stopping;
mod summarise;
pub mod summary;
pub mod synthetic;
mod warnings;

pub use metric::Metric;
pub use order::round_order;
pub use summarise::summarise;
pub use summary::Summary;
