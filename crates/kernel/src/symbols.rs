//! Names for addresses: the kernel's from `/proc/kallsyms`, a program's from what it has mapped.

use std::path::Path;

use crate::machine::tree;
use crate::{Remedy, Unavailable};

pub(crate) mod program;

pub use program::{ProgramSymbols, UNKNOWN};

const KALLSYMS: &str = "/proc/kallsyms";
const RESTRICT: &str = "/proc/sys/kernel/kptr_restrict";

/// The kernel's functions, modules' and BPF programs' included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelSymbols {
    /// Address and name, ascending, one name an address.
    pub(crate) functions: Vec<(u64, String)>,
}

impl KernelSymbols {
    /// Those of the running kernel, with `/proc` below `root`.
    ///
    /// # Errors
    /// No such file, or a kernel that hides its addresses; with the remedy.
    pub fn read(root: &Path) -> Result<Self, Unavailable> {
        let symbols = Self::parse(&tree::text(root, KALLSYMS)?);
        if symbols.functions.is_empty() {
            let level = tree::text(root, RESTRICT).unwrap_or_else(|_| "unknown".to_owned());
            return Err(Unavailable {
                what: "names of kernel functions".to_owned(),
                because: format!("{KALLSYMS} shows no addresses (kernel.kptr_restrict is {level})"),
                remedy: Remedy {
                    unlock: "run as root; at 2 also: sudo sysctl kernel.kptr_restrict=1".to_owned(),
                    undo: format!("sudo sysctl kernel.kptr_restrict={level}"),
                },
            });
        }
        Ok(symbols)
    }

    /// Reads lines of address, type, name and module; addresses of zeros are hidden ones.
    pub fn parse(text: &str) -> Self {
        let mut found: Vec<(u64, bool, &str)> = text
            .lines()
            .filter_map(|line| {
                let mut words = line.split_ascii_whitespace();
                let address = u64::from_str_radix(words.next()?, 16).ok()?;
                let kind = words.next()?;
                let name = words.next()?;
                // `__pfx_…` is the padding before a function (Linux 6.2), in which nothing runs.
                let is_code = matches!(kind, "t" | "T" | "w" | "W") && !name.starts_with("__pfx_");
                (is_code && address != 0).then_some((address, kind == "T", name))
            })
            .collect();
        // Of several names of an address the global one, then the one with the fewest underscores in front: perf's rule
        // (choose_best_symbol in tools/perf/util/symbol.c), then the first in the alphabet.
        let underscores = |name: &str| name.len() - name.trim_start_matches('_').len();
        found.sort_by_key(|(address, global, name)| (*address, !*global, underscores(name), *name));
        found.dedup_by_key(|(address, ..)| *address);
        let functions = found
            .into_iter()
            .map(|(address, _, name)| (address, without_suffixes(name).to_owned()));
        Self { functions: functions.collect() }
    }

    /// The function that an address lies in.
    pub fn name(&self, address: u64) -> Option<&str> {
        let after = self.functions.partition_point(|(start, _)| *start <= address);
        let (_, name) = self.functions.get(after.checked_sub(1)?)?;
        Some(name)
    }
}

/// A function's name without what compilers add to their clones of it: `.isra.0`, `.constprop.0`, `.part.0`, `.cold`,
/// `.llvm.123`.
fn without_suffixes(name: &str) -> &str {
    let clone = [".isra.", ".constprop.", ".part.", ".cold", ".llvm."];
    let cut = clone.iter().filter_map(|mark| name.find(mark)).min();
    cut.and_then(|at| name.get(..at)).filter(|name| !name.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &str = "\
ffffffff81000000 T srso_alias_untrain_ret
ffffffff81000000 T _text
ffffffff81000100 t __pfx_tcp_sendmsg_locked
ffffffff81000110 t tcp_sendmsg_locked.constprop.0
ffffffff81000110 T tcp_sendmsg_locked
ffffffff81000200 D jiffies
ffffffffc0000000 t veth_xmit\t[veth]
";

    #[test]
    fn an_address_has_the_name_of_the_function_that_it_lies_in() {
        let symbols = KernelSymbols::parse(SOME);
        assert_eq!(symbols.name(0xffff_ffff_8100_0110), Some("tcp_sendmsg_locked"));
        assert_eq!(symbols.name(0xffff_ffff_8100_01ff), Some("tcp_sendmsg_locked"));
        assert_eq!(symbols.name(0xffff_ffff_c000_0044), Some("veth_xmit"));
        assert_eq!(symbols.name(0xffff_ffff_8100_0000), Some("srso_alias_untrain_ret"));
        assert_eq!(symbols.name(0x1000), None);
    }

    #[test]
    fn clones_have_the_name_of_the_function_that_they_are_of() {
        for (clone, name) in [
            ("tcp_ack.isra.0", "tcp_ack"),
            ("f.part.0.cold", "f"),
            ("g.llvm.123", "g"),
            (".cold", ".cold"),
            ("h", "h"),
        ] {
            assert_eq!(without_suffixes(clone), name);
        }
    }

    #[test]
    fn hidden_addresses_are_no_symbols_and_the_remedy_is_told() {
        let root = tempfile::tempdir().unwrap();
        tree::plant(root.path(), KALLSYMS, "0000000000000000 T _text\n0000000000000000 t f");
        tree::plant(root.path(), RESTRICT, "2");
        let refusal = KernelSymbols::read(root.path()).unwrap_err();
        assert!(refusal.because.contains("kptr_restrict is 2"), "{refusal}");
        assert!(refusal.remedy.undo == "sudo sysctl kernel.kptr_restrict=2", "{refusal}");
        assert!(KernelSymbols::read(&root.path().join("none")).is_err());
    }

    #[test]
    fn odd_lines_are_passed_over() {
        let symbols = KernelSymbols::parse("xyz\n\nffffffff81000000\nffffffff81000000 T\n");
        assert_eq!(symbols, KernelSymbols::default());
    }
}
