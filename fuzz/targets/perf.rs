//! Fuzzes perf rings and counter groups.
#![no_main]

copycost_fuzz::target!(kernel::fuzzing::perf, 20_000, 200);
