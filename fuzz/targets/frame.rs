//! Fuzzes frames of the sink.
#![no_main]

copycost_fuzz::target!(kernel::fuzzing::frame, 20_000, 16);
