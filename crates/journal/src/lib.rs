//! The append-only journal of records and the run directory around it.
//!
//! The journal is the evidence: one line a record, checked by a sum over its raw bytes, synced before the next trial
//! begins. Everything else in a run directory is derived from it and replaced as a whole.
#![forbid(unsafe_code)]

mod error;
mod folder;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod host_sum;
mod line;
mod reader;
mod records;
mod rights;
mod run_directory;
mod segment_check;
mod writer;

pub use error::{Class, JournalError};
pub use host_sum::host_crc32;
pub use line::RunId;
pub use reader::{Reader, Torn};
pub use records::Records;
pub use rights::{Owner, with_rights};
pub use run_directory::{Contents, LATEST, Opened, Replacement, RunDirectory, directory_name};
pub use writer::{Resumed, Store, Writer};
