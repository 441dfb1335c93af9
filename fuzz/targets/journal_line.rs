//! Fuzzes lines of journals.
#![no_main]

copycost_fuzz::target!(journal::fuzzing::line, 200_000, 400);
