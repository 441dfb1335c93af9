//! Pure analysis: the order of trials and when to stop, marks, estimates, ratios and the summary.
//!
//! Everything here is a function of its arguments: no clock, no file, no randomness without a seed.
#![forbid(unsafe_code)]

pub mod advice;
pub mod answers;
mod audited;
pub mod categories;
mod ceilings;
mod cell_totals;
pub mod changes;
pub mod claims;
pub mod common_spread;
mod comparisons;
pub mod control;
pub mod copies;
mod copy_audits;
mod copying_time;
pub mod cost_model;
pub mod cpu_breakdown;
pub mod crossovers;
mod data_paths;
pub mod drift;
pub mod estimate;
pub mod evidence;
pub mod experiments;
mod explain;
pub mod explained;
pub mod figures;
pub mod findings;
pub mod id;
pub mod judged;
mod judged_run;
pub mod laws;
mod links;
pub mod load;
pub mod marks;
pub mod metric;
mod on_link;
pub mod operands;
pub mod order;
pub mod oversubscribed;
pub mod own_table;
mod pairings;
pub mod pairs;
pub mod reason;
pub mod recommendation;
pub mod reference;
mod release_latency;
pub mod results;
mod round_logs;
mod run_facts;
pub mod scaling;
pub mod selftest;
pub mod stopping;
mod summarise;
pub mod summary;
pub mod trends;
mod trial_dots;
pub mod turn_noise;
pub mod usl;
pub mod warnings;

pub use judged_run::JudgedRun;
pub use metric::Metric;
pub use order::round_order;
pub use summarise::summarise;
pub use summary::Summary;
