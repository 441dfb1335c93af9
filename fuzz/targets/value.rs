//! Fuzzes values of flags and plans.
#![no_main]

copycost_fuzz::target!(model::fuzzing::value, 40_000_000, 4_000);
