//! Fuzzes journals: recovery, chain, order.
#![no_main]

copycost_fuzz::target!(journal::fuzzing::journal, 400_000, 2_000);
