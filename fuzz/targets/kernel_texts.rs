//! Fuzzes texts of /proc and /sys.
#![no_main]

copycost_fuzz::target!(kernel::fuzzing::texts, 200_000, 8_000);
