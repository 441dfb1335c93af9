//! Addresses of kernel functions, from /proc/kallsyms.

use std::io::BufRead;

/// What /proc/kallsyms tells of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    /// It stands here.
    At(u64),
    /// It is there, but this process may not know where: addresses read 0 (`kptr_restrict` and CAP_SYSLOG).
    Hidden,
    /// No such function: another kernel version, or it was inlined.
    Missing,
}

/// One line: address, type letter, name, and the module in brackets if any. `None` for what is not code of the kernel
/// itself (types `t` and `T`).
fn parse_line(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let is_code = matches!(words.next()?, "t" | "T");
    let name = words.next()?;
    (is_code && words.next().is_none()).then_some((address, name))
}

/// Looks a function up in the text of /proc/kallsyms; reads on until it stands there.
///
/// # Errors
/// The text cannot be read.
pub(crate) fn find(text: impl BufRead, function: &str) -> std::io::Result<Symbol> {
    for line in text.lines() {
        match parse_line(&line?) {
            Some((0, name)) if name == function => return Ok(Symbol::Hidden),
            Some((address, name)) if name == function => return Ok(Symbol::At(address)),
            Some(_) | None => {}
        }
    }
    Ok(Symbol::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ffffffff81000000 T _stext\n\
        ffffffff81a00010 D _copy_from_iter\n\
        ffffffff81a0a2f0 T _copy_from_iter\n\
        ffffffff81a0a2f8 T _copy_from_iter_nocache\n\
        ffffffffc0a00000 t helper_of_mine\t[veth]\n\
        0000000000000000 T _copy_to_iter\n\
        odd\n";

    fn found(function: &str) -> Symbol {
        find(TEXT.as_bytes(), function).unwrap()
    }

    #[test]
    fn a_function_is_found_by_its_whole_name_and_data_is_passed_over() {
        assert_eq!(found("_copy_from_iter"), Symbol::At(0xffff_ffff_81a0_a2f0));
        assert_eq!(found("_copy_from"), Symbol::Missing);
    }

    #[test]
    fn an_address_of_zero_is_a_hidden_one() {
        assert_eq!(found("_copy_to_iter"), Symbol::Hidden);
    }

    #[test]
    fn modules_and_torn_lines_are_passed_over() {
        assert_eq!(found("helper_of_mine"), Symbol::Missing);
        assert_eq!(found("nothing"), Symbol::Missing);
    }
}
