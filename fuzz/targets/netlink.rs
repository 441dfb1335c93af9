//! Fuzzes rtnetlink answers.
#![no_main]

copycost_fuzz::target!(kernel::fuzzing::netlink, 20_000, 200);
