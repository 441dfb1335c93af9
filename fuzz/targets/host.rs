//! Fuzzes host.json.
#![no_main]

copycost_fuzz::target!(journal::fuzzing::host, 200_000, 400);
