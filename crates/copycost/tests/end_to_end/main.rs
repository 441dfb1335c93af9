//! The whole program from outside, on loopback: what it prints, writes and returns.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what fails outside a test function fails its test, and skips are shown"
)]

mod advise;
mod bad_input;
mod by_hand;
mod common;
mod compare;
mod experiment;
mod fleet;
mod full_disk;
mod full_line;
mod import;
mod interruption;
mod limits;
mod looking;
mod newcomer;
mod no_loopback;
mod run;
mod selftest;
mod sink;
mod ssh;
mod sudo;
mod table;
mod terminal;
mod verify;
mod veth;
