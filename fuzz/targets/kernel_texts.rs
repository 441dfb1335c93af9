//! Fuzzes texts of /proc and /sys. A list of CPUs (`0-65535`) has as many numbers as it names, whatever its length.
#![no_main]

copycost_fuzz::target!(kernel::fuzzing::texts, 4_000_000, 8_000);
