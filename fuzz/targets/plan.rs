//! Fuzzes plan files.
#![no_main]

copycost_fuzz::target!(model::fuzzing::plan, 400_000_000, 4_000);
