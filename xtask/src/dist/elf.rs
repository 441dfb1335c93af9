//! What an ELF file says of itself: its machine, and whether it needs a loader.

/// What travels must be one of these, without a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elf {
    /// `e_machine` (elf(5)): 62 is x86-64, 183 aarch64.
    pub(super) machine: u16,
    /// Whether a program interpreter is named (`PT_INTERP`).
    pub(super) needs_loader: bool,
}

const INTERPRETER: u32 = 3;

impl Elf {
    /// Reads the header and the program headers of a 64-bit little-endian file; none where it is no such file.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        // Magic, class 64, data little-endian.
        if bytes.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let machine = u16::from_le_bytes(at(bytes, 18)?);
        let table = usize::try_from(u64::from_le_bytes(at(bytes, 32)?)).ok()?;
        let size = usize::from(u16::from_le_bytes(at(bytes, 54)?));
        let number = usize::from(u16::from_le_bytes(at(bytes, 56)?));
        let mut needs_loader = false;
        for n in 0..number {
            let kind = u32::from_le_bytes(at(bytes, table.checked_add(n.checked_mul(size)?)?)?);
            needs_loader |= kind == INTERPRETER;
        }
        Some(Self { machine, needs_loader })
    }
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_has_a_machine_and_a_loader_and_text_has_none() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::read(&own).unwrap();
        let machine = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
            assert_eq!(elf.machine, machine);
        }
        assert_eq!(elf.needs_loader, !cfg!(target_feature = "crt-static"));
        assert_eq!(Elf::read(b"#!/bin/sh\n"), None);
        // Cut anywhere it is refused, and nothing panics.
        for length in 0..64 {
            assert_eq!(Elf::read(&own[..length]), None);
        }
    }
}
