//! Fuzzes plan, machine and records: the whole analysis and report.
#![no_main]

copycost_fuzz::target!(report::fuzzing::run, 4_000_000_000, 100_000);
