//! The whole program from outside, on loopback: what it prints, writes and returns.

mod bad_input;
mod by_hand;
mod common;
mod interruption;
mod looking;
mod run;
