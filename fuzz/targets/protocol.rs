//! Fuzzes orders, replies, greetings and tokens.
#![no_main]

copycost_fuzz::target!(engine::fuzzing::protocol, 200_000, 400);
