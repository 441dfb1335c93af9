//! Every system call and every `unsafe` of copycost, behind a safe API.
//!
//! The crate knows nothing of the study: it wraps sockets, the error queue, perf counters, clocks,
//! affinity and processes, and holds the pure parsers for what the kernel hands back in buffers and
//! in `/proc` and `/sys`. All measured paths enter the kernel through `libc`'s wrappers, so that no
//! path is favoured by a shorter way in.
#![allow(unsafe_code, reason = "this is the one crate that may; every block says why it is sound")]

mod error;

pub mod allocator;
pub mod arena;
pub mod clock;
pub mod copy_audit;
pub mod copying;
pub mod counter_probe;
pub mod cpu;
pub mod disk_file;
pub mod error_queue;
pub mod frames;
pub mod futex;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gather;
pub mod idle;
pub mod limits;
pub mod machine;
pub mod netlink;
pub mod netns;
pub mod nic;
pub mod offloads;
pub mod packet_socket;
pub mod packet_taps;
pub mod perf;
pub mod perf_format;
pub mod perf_samples;
pub mod pipe;
pub mod pmu;
pub mod poll;
pub mod process;
pub mod queueing;
pub mod receive_mapping;
pub mod run_delay;
pub mod sampling;
pub mod scatter;
pub mod signal;
pub mod sink;
pub mod snmp;
pub mod socket;
pub mod stat;
pub mod steering;
pub mod symbols;
pub mod tcp_info;
pub mod thread_sched;
pub mod topology;
pub mod uring;
pub mod usage;
pub mod yardstick;

pub use error::{CallError, Errno, Remedy, Unavailable};
