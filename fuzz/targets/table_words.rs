//! Fuzzes numbers, units, headings and mappings.
#![no_main]

copycost_fuzz::target!(foreign::fuzzing::words, 200_000, 4_000);
