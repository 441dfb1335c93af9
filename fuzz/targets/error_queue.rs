//! Fuzzes error-queue messages.
#![no_main]

copycost_fuzz::target!(kernel::fuzzing::error_queue, 20_000, 16);
