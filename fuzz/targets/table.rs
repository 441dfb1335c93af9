//! Fuzzes tables of other programs.
#![no_main]

copycost_fuzz::target!(foreign::fuzzing::table, 400_000_000, 40_000);
