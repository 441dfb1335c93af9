//! One trial of one cell over a link, watched by instruments: the paths, the workers, the two ends and
//! the protocol by which the engine tells them what to do. The engine knows no rounds.
#![forbid(unsafe_code)]

mod auditing;
mod busy_poll;
pub mod by_hand;
mod child;
mod congestion;
mod connect;
pub mod content;
mod coordinator;
mod crew;
pub mod demands;
pub mod end;
mod ends;
mod engine;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod host;
mod instruments;
mod interrupts;
mod links;
mod load;
mod meeting;
pub mod nic;
pub mod order;
pub mod peer;
mod peering;
mod placement;
pub mod probe;
pub mod protocol;
pub mod pump;
pub mod receive_paths;
pub mod release_times;
mod ring_memory;
pub mod send_paths;
mod series;
mod sink_crew;
pub mod slots;
mod stalls;
mod threads;
mod trial;
pub mod verify;
pub mod watch;

pub use auditing::AuditSeen;
pub use congestion::CongestionChoice;
pub use engine::{Engine, EngineOptions};
pub use error::EngineError;
pub use interrupts::{Interrupts, survive_file_size_limit};
pub use order::{SeriesOrder, SliceTimes, TrialOrder};
pub use peering::{PeerFacts, SSH_COMMAND};
pub use placement::NearDevice;
pub use series::SliceSeen;
