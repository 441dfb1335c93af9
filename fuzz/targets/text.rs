//! Fuzzes text on its way to terminals and into markup.
#![no_main]

copycost_fuzz::target!(report::fuzzing::text, 20_000, 2_000);
