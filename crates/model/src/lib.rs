//! copycost's vocabulary: the words of the design as types, and their spelling in files.
//!
//! Nothing here does input or output, reads a clock or asks the machine anything. Every other crate
//! speaks in these types, so a word means one thing everywhere.
#![forbid(unsafe_code)]

pub mod audit;
mod bounds;
pub mod capabilities;
pub mod cell;
mod contrast;
pub mod experiment;
pub mod factor;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
pub mod line_facts;
pub mod mark;
mod measure_limits;
mod measured;
pub mod message;
mod missing;
pub mod names;
pub mod nearest;
pub mod nic;
pub mod peer;
pub mod placement;
pub mod plan;
mod plan_file;
mod preset;
mod quoting;
pub mod record;
mod run_command;
pub mod shape;
pub mod thresholds;
mod turns;
pub mod units;
mod usable_cpus;
pub mod values;

pub use bounds::Bounds;
pub use capabilities::{
    CallsPerMessage, LinkCapabilities, NoPath, ReceiveCapabilities, SendCapabilities, TakenBytes,
};
pub use cell::{Block, Cell, Idle};
pub use contrast::{Contrast, Shared};
pub use experiment::Experiment;
pub use factor::{Factor, FactorLists};
pub use mark::{Class, Mark};
pub use measured::Measured;
pub use missing::Missing;
pub use names::{
    Audit, Completions, Deferral, Family, Instrument, Layout, Link, MemoryLoad, Pages, ReceivePath,
    RingFile, SendPath, Sockets, Switch,
};
pub use peer::{Peer, PeerName};
pub use placement::Placement;
pub use plan::{MOST_ROUNDS, Measure, Plan};
pub use plan_file::PlanError;
pub use preset::Preset;
pub use quoting::{quoted, shell_word};
pub use run_command::{ON_ONE_HOST, Remedy, RunCommand};
pub use thresholds::Thresholds;
pub use turns::{FEWEST_TURNS, Turns, is_control};
pub use units::{BitRate, Bytes, Nanos, Share, saturating_sum};
pub use usable_cpus::{BusyThreads, UsableCpus};
