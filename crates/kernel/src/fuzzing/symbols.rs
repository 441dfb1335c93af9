//! Symbols of the kernel and of programs.

use std::collections::HashMap;

use crate::copy_audit::kallsyms::{Symbol, find};
use crate::symbols::program::{FileSymbols, Mapping, parse_maps};
use crate::symbols::{KernelSymbols, ProgramSymbols};

/// The first byte says what the rest is: `/proc/kallsyms`, `/proc/PID/maps`, or an ELF file that a program has mapped.
pub fn symbols(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => kallsyms(&String::from_utf8_lossy(rest)),
        1 => maps(&String::from_utf8_lossy(rest)),
        _ => elf(rest),
    }
}

/// Functions ascend, each address has one name, and every name is found by any address up to the next.
fn kallsyms(text: &str) {
    let symbols = KernelSymbols::parse(text);
    assert!(symbols.functions.is_sorted_by(|a, b| a.0 < b.0));
    assert!(symbols.functions.len() <= text.lines().count());
    let mut ends = symbols.functions.iter().skip(1).map(|(address, _)| *address);
    for (address, name) in &symbols.functions {
        assert!(!name.is_empty() && *address > 0);
        let last = ends.next().map_or(u64::MAX, |next| next - 1);
        for address in [*address, last] {
            assert_eq!(symbols.name(address), Some(name.as_str()));
        }
    }
    let first = symbols.functions.first().map_or(1, |(address, _)| *address);
    assert_eq!(symbols.name(first - 1), None);
    // The audit looks one function up in the same text.
    if let Some((_, name)) = symbols.functions.first()
        && let Symbol::At(address) = find(text.as_bytes(), name).unwrap_or(Symbol::Missing)
    {
        assert_ne!(address, 0);
    }
}

/// Whatever is mapped wherever, each address has a name or none.
fn maps(text: &str) {
    let mappings = parse_maps(text);
    assert!(mappings.len() <= text.lines().count());
    looked_up(ProgramSymbols { mappings, files: HashMap::new() });
}

/// The names of a file take no more than a multiple of its bytes, and every function is found at its own place.
fn elf(file: &[u8]) {
    let symbols = FileSymbols::parse(file);
    assert!(symbols.functions.is_sorted_by(|a, b| a.0 < b.0), "one name an address");
    let names: usize = symbols.functions.iter().map(|(_, _, name)| name.len()).sum();
    assert!(names <= 4096 + 64 * file.len(), "{names} bytes of names of {} bytes", file.len());
    for [offset, length, _] in symbols.parts.iter().take(16) {
        for offset in [*offset, offset.wrapping_add(*length).wrapping_sub(1), u64::MAX] {
            symbols.name(offset);
        }
    }
    // Mapped where its addresses may overflow.
    let path = "/a/program".to_owned();
    let mapping = |start, offset| Mapping { start, end: u64::MAX, offset, path: path.clone() };
    let mappings = vec![mapping(0, u64::MAX - 4096), mapping(1 << 62, 1 << 63)];
    looked_up(ProgramSymbols { mappings, files: HashMap::from([(path.clone(), symbols)]) });
}

fn looked_up(symbols: ProgramSymbols) {
    for mapping in symbols.mappings.iter().take(64) {
        for address in [mapping.start, mapping.end.wrapping_sub(1), mapping.end] {
            let is_mapped = symbols.mappings.iter().any(|it| (it.start..it.end).contains(&address));
            assert_eq!(symbols.name(address).is_some(), is_mapped, "{address:x}");
        }
    }
}
