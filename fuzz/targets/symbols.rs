//! Fuzzes kallsyms, maps and ELF files.
#![no_main]

copycost_fuzz::target!(kernel::fuzzing::symbols, 200_000, 2_000);
