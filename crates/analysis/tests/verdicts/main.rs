//! Laws, answers and verdicts of runs made to hold, to break, to support, to refute and to tell nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

mod answers;
mod audited;
mod bad_input;
mod ceilings;
mod claims_of_causes;
mod claims_of_counters;
mod claims_of_paths;
mod claims_of_profiles;
mod claims_of_threads;
mod laws;
mod laws_of_links;
mod links;
mod made;
mod outliers;
mod two_hosts;
