//! A running program's functions: what it has mapped (`/proc/PID/maps`) and the symbols in those files.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::path::Path;

use object::{Object, ObjectSegment, ObjectSymbol};

use crate::Unavailable;
use crate::machine::tree;

/// What stands for a function that has no name.
pub const UNKNOWN: &str = "[unknown]";

/// Code that a process has mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    /// The file's path, or what the kernel calls it: `[vdso]`.
    pub(crate) path: String,
}

/// A file's functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileSymbols {
    /// Offset in the file, length and address, of each loaded part.
    pub(crate) parts: Vec<[u64; 3]>,
    /// Address, size and name, ascending.
    pub(crate) functions: Vec<(u64, u64, String)>,
}

/// The functions of one process, as it was when this was read.
#[derive(Clone, Debug, Default)]
pub struct ProgramSymbols {
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) files: HashMap<String, FileSymbols>,
}

impl ProgramSymbols {
    /// Those of a running process.
    ///
    /// # Errors
    /// It is gone, or belongs to somebody else.
    pub fn read(pid: u32) -> Result<Self, Unavailable> {
        let maps = tree::text(Path::new(tree::LIVE), &format!("/proc/{pid}/maps"))?;
        let mappings = parse_maps(&maps);
        let mut files = HashMap::new();
        for mapping in &mappings {
            // The file as the process sees it, whatever its mounts.
            let seen = format!("/proc/{pid}/root{}", mapping.path);
            if mapping.path.starts_with('/') && !files.contains_key(&mapping.path) {
                let symbols = std::fs::read(seen).map(|bytes| FileSymbols::parse(&bytes));
                files.insert(mapping.path.clone(), symbols.unwrap_or_default());
            }
        }
        Ok(Self { mappings, files })
    }

    /// The function that an address lies in, as `program`name` with a backtick between, the file's name standing for the
    /// program; [`UNKNOWN`] in the place of a name that the file does not tell. None where no code is mapped.
    pub fn name(&self, address: u64) -> Option<String> {
        let mapping =
            self.mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))?;
        let file = mapping.path.rsplit('/').next().filter(|name| !name.is_empty());
        let function = self
            .files
            .get(&mapping.path)
            .zip((address - mapping.start).checked_add(mapping.offset))
            .and_then(|(symbols, offset)| symbols.name(offset));
        Some(format!("{}`{}", file.unwrap_or("[anonymous]"), function.unwrap_or(UNKNOWN)))
    }
}

/// The executable mappings of `/proc/PID/maps` (proc_pid_maps(5)).
pub(crate) fn parse_maps(text: &str) -> Vec<Mapping> {
    let parse = |line: &str| {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let executable = words.next()?.as_bytes().get(2) == Some(&b'x');
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end, offset) = (hex(start)?, hex(end)?, hex(words.next()?)?);
        let path = words.nth(2).unwrap_or_default().trim();
        let path = path.strip_suffix(" (deleted)").unwrap_or(path).to_owned();
        executable.then_some(Mapping { start, end, offset, path })
    };
    text.lines().filter_map(parse).collect()
}

impl FileSymbols {
    /// Reads an ELF file; one that cannot be read has no symbols.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let Ok(file) = object::File::parse(bytes) else { return Self::default() };
        let parts = file.segments().map(|segment| {
            let (offset, length) = segment.file_range();
            [offset, length, segment.address()]
        });
        let parts = parts.collect();
        let mut functions: Vec<(u64, u64, String)> = file
            .symbols()
            .chain(file.dynamic_symbols())
            .filter(|symbol| symbol.kind() == object::SymbolKind::Text && symbol.is_definition())
            .filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                Some((symbol.address(), symbol.size(), readable(name)))
            })
            .collect();
        // Of several names of an address the longest function, then the shortest name.
        functions.sort_by(|a, b| {
            (a.0, u64::MAX - a.1, a.2.len(), &a.2).cmp(&(b.0, u64::MAX - b.1, b.2.len(), &b.2))
        });
        functions.dedup_by_key(|(address, ..)| *address);
        Self { parts, functions }
    }

    /// The function at a place in the file.
    pub(crate) fn name(&self, offset: u64) -> Option<&str> {
        let [start, _, address] = self
            .parts
            .iter()
            .find(|[start, length, _]| (*start..start.saturating_add(*length)).contains(&offset))?;
        let address = (offset - start).checked_add(*address)?;
        let after = self.functions.partition_point(|(start, ..)| *start <= address);
        let (start, size, name) = self.functions.get(after.checked_sub(1)?)?;
        // Assembly may have no size; what lies beyond a size belongs to nobody.
        (*size == 0 || address - start < *size).then_some(name)
    }
}

/// A name as people write it: Rust's without mangling and hash, and without the version that C libraries add. One that is too
/// long is cut: thousands of symbols may share one text, and a short mangled name may stand for a long one.
fn readable(name: &str) -> String {
    let mut text = Shortened::default();
    let is_whole = write!(text, "{:#}", rustc_demangle::demangle(name)).is_ok();
    let name = text.0;
    match name.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None if is_whole => name,
        None => name + "…",
    }
}

/// Bytes of a name at most.
const LONGEST_NAME: usize = 1000;

/// Takes [`LONGEST_NAME`] bytes, and no more.
#[derive(Default)]
struct Shortened(String);

impl fmt::Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_NAME - self.0.len();
        let cut = text.floor_char_boundary(room);
        self.0.push_str(text.get(..cut).unwrap_or_default());
        if cut == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_mapped_and_its_file_keeps_its_whole_name() {
        let maps = "\
7f955a1ea000-7f955a210000 r--p 00000000 fe:00 326279                     /usr/lib/libc.so.6
7f955a210000-7f955a366000 r-xp 00026000 fe:00 326279                     /usr/lib/a b/libc.so.6
7f955a400000-7f955a401000 r-xp 00000000 fe:00 9                          /tmp/copycost (deleted)
7f955a500000-7f955a501000 r-xp 00000000 00:00 0 
7ffd8a5f2000-7ffd8a5f4000 r-xp 00000000 00:00 0                          [vdso]
garbage
";
        let mappings = parse_maps(maps);
        let paths: Vec<&str> = mappings.iter().map(|mapping| mapping.path.as_str()).collect();
        assert_eq!(paths, ["/usr/lib/a b/libc.so.6", "/tmp/copycost", "", "[vdso]"]);
        assert_eq!(mappings[0].offset, 0x26000);
        let symbols = ProgramSymbols { mappings, files: HashMap::new() };
        assert_eq!(symbols.name(0x7ffd_8a5f_2010).unwrap(), "[vdso]`[unknown]");
        assert_eq!(symbols.name(0x7f95_5a50_0000).unwrap(), "[anonymous]`[unknown]");
        assert_eq!(symbols.name(0x7f95_5a21_0000).unwrap(), "libc.so.6`[unknown]");
        assert_eq!(symbols.name(0x10), None);
    }

    #[inline(never)]
    fn a_function_of_this_very_program() -> u64 {
        std::hint::black_box(7)
    }

    #[test]
    fn a_running_programs_own_function_is_named() {
        let symbols = ProgramSymbols::read(std::process::id()).unwrap();
        assert_eq!(a_function_of_this_very_program(), 7);
        let function: fn() -> u64 = a_function_of_this_very_program;
        let address = u64::try_from(function as usize).unwrap();
        let name = symbols.name(address).unwrap();
        assert!(name.ends_with("a_function_of_this_very_program"), "{name}");
        let (program, _) = name.split_once('`').unwrap();
        assert!(program.starts_with("kernel-"), "{name}");
    }

    #[test]
    fn a_process_that_is_gone_says_so() {
        assert!(ProgramSymbols::read(u32::MAX).is_err());
    }

    #[test]
    fn what_is_no_elf_file_has_no_symbols() {
        for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n"] {
            assert!(FileSymbols::parse(bytes).functions.is_empty());
        }
    }

    #[test]
    fn addresses_at_the_end_of_the_address_space_have_no_name() {
        let path = "/bin/it".to_owned();
        let symbols = FileSymbols {
            parts: vec![[0, u64::MAX, u64::MAX - 10]],
            functions: vec![(1, 0, "first".to_owned())],
        };
        assert_eq!(symbols.name(5), Some("first"));
        assert_eq!(symbols.name(11), None);
        let mappings =
            vec![Mapping { start: 0, end: 1 << 40, offset: u64::MAX, path: path.clone() }];
        let program = ProgramSymbols { mappings, files: HashMap::from([(path, symbols)]) };
        assert_eq!(program.name(1).as_deref(), Some("it`[unknown]"));
    }

    #[test]
    fn a_name_has_a_thousand_bytes_at_most() {
        assert_eq!(readable(&"x".repeat(1000)), "x".repeat(1000));
        assert_eq!(readable(&"x".repeat(5000)), format!("{}…", "x".repeat(1000)));
        assert_eq!(readable(&format!("{}é", "x".repeat(999))), format!("{}…", "x".repeat(999)));
        assert_eq!(readable(&format!("a@{}", "x".repeat(5000))), "a");
    }

    #[test]
    fn names_are_as_people_write_them() {
        assert_eq!(readable("_ZN6engine4pump3run17h0123456789abcdefE"), "engine::pump::run");
        assert_eq!(readable("memcpy@@GLIBC_2.14"), "memcpy");
        assert_eq!(readable("send"), "send");
    }
}
