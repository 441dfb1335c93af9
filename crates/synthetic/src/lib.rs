//! Records made to order, for tests and demonstrations.
//!
//! [`trial`] starts from a trial in which everything went well, with the figures of a plausible machine
//! ([`likely`]); its builder changes what a test is about. [`run`] makes a whole journal. Nothing here is
//! random: [`noise`] is a fixed function of its arguments.
//!
//! ```
//! use model::record::Record;
//! use model::{Plan, Preset};
//!
//! let plan = Plan::preset(Preset::Default);
//! let records = synthetic::run(&plan, 10, |cell, round| {
//!     synthetic::trial(cell, round).goodput_gbps(20.0 * synthetic::noise(1, cell, round, 0.02))
//! });
//! let trials = records.iter().filter(|record| matches!(record, Record::Trial(_))).count();
//! assert_eq!(trials, 10 * (plan.cells().len() + plan.controls().len()));
//! ```
#![forbid(unsafe_code)]

mod audit;
mod journal;
mod laptop;
mod loaded;
mod noise;
mod plans;
mod profiled;
mod series;
mod trial;
mod two_hosts;

pub use audit::{audited, audits};
pub use journal::{each_record, on, round, run, segment};
pub use laptop::host;
pub use loaded::loaded;
pub use noise::{noise, normal};
pub use plans::{plan, without_controls};
pub use profiled::profiled;
pub use series::{in_turns, stalled_in};
pub use trial::{Figures, TrialBuilder, likely, trial};
pub use two_hosts::{apart, nic, shaped, two_hosts};

/// Why the made-up machine has no hardware counters.
pub const NO_COUNTERS: &str = "this machine has no hardware counters (perf_event_open: ENOENT); a virtual machine may be given a virtual PMU";

/// When made-up runs begin, in milliseconds since 1970.
const START_UNIX_MS: u64 = 1_764_000_000_000;
/// CPUs of the made-up machine.
const CPUS: u32 = 8;

#[allow(clippy::cast_precision_loss, reason = "made-up figures need no 64 bits")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which will do here"
)]
fn to_u64(x: f64) -> u64 {
    x.round() as u64
}
