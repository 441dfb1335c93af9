//! The memory of a flow's ring, in the pages that its cell asks for, or the reason why not.
//!
//! Huge pages are transparent ones, as services have them: asked for by `madvise(MADV_HUGEPAGE)`, for which nothing need be
//! reserved. The kernel gives none where it has none free and says nothing, so it is asked afterwards what lies where: a ring
//! of which more than a tenth lies in small pages is refused.

use kernel::arena::{Arena, Pages};
use model::Missing;

use crate::send_paths::SendPath;

/// The pages of a cell.
///
/// # Errors
/// This kernel knows no others.
pub(crate) fn pages(asked: model::Pages) -> Result<Pages, Missing> {
    match asked {
        model::Pages::Normal => Ok(Pages::NORMAL),
        model::Pages::Huge => Pages::huge().ok_or_else(|| {
            Missing::of_itself("huge pages")
                .because("this kernel has no transparent ones (CONFIG_TRANSPARENT_HUGEPAGE)")
                .unlocked_by("--pages normal")
        }),
    }
}

/// A ring of so many bytes for a path.
///
/// # Errors
/// The call that the kernel refused, or that it gave less than asked for, with the remedy.
pub(crate) fn ring<P: SendPath>(bytes: usize, asked: model::Pages) -> Result<Arena, Missing> {
    let pages = pages(asked)?;
    let arena = P::arena(bytes, pages).map_err(|error| error.to_string())?;
    if asked == model::Pages::Normal {
        return Ok(arena);
    }
    let (huge, whole) = (arena.huge_bytes()?, rounded_up(bytes as u64, asked));
    if huge >= whole - whole / 10 {
        return Ok(arena);
    }
    Err(not_huge(huge, whole, arena.is_of_file()))
}

fn not_huge(huge: u64, wanted: u64, is_of_file: bool) -> Missing {
    const FOLDER: &str = "/sys/kernel/mm/transparent_hugepage";
    let because = format!("the kernel put {huge} of {wanted} bytes into them");
    let missing = Missing::of_itself("huge pages").because(because);
    let (setting, word) =
        if is_of_file { ("shmem_enabled", "advise") } else { ("enabled", "madvise") };
    let chosen = std::fs::read_to_string(format!("{FOLDER}/{setting}")).unwrap_or_default();
    match ["never", "deny"].into_iter().find(|off| chosen.contains(&format!("[{off}]"))) {
        Some(off) => Missing {
            unlock: format!("echo {word} | sudo tee {FOLDER}/{setting}"),
            undo: format!("echo {off} | sudo tee {FOLDER}/{setting}"),
            ..missing
        },
        None => missing.unlocked_by(
            "free some memory, sudo sysctl vm.compact_memory=1, or use a smaller --ring",
        ),
    }
}

/// Whether a path can have a ring of such pages here; tried with one of them.
///
/// # Errors
/// As [`ring`].
pub(crate) fn supported<P: SendPath>(asked: model::Pages) -> Result<(), Missing> {
    ring::<P>(pages(asked)?.bytes(), asked).map(drop)
}

/// What a ring of so many bytes takes of memory: whole pages.
pub(crate) fn rounded_up(bytes: u64, asked: model::Pages) -> u64 {
    let page = pages(asked).map_or(1, |pages| pages.bytes() as u64);
    bytes.checked_next_multiple_of(page).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send_paths::{Sendfile, Sendmsg};

    #[test]
    fn a_ring_of_huge_pages_is_one_or_is_refused_with_what_gives_it() {
        let bytes = 3 << 20;
        for (path, ring) in [
            ("sendmsg", ring::<Sendmsg>(bytes, model::Pages::Huge)),
            ("sendfile", ring::<Sendfile>(bytes, model::Pages::Huge)),
        ] {
            match ring {
                Ok(arena) => {
                    assert!(arena.huge_bytes().unwrap() >= bytes as u64 / 10 * 9);
                    assert_eq!(arena.len(), bytes);
                }
                Err(why) => {
                    eprintln!("not tried: {path}: {why}");
                    assert!(!why.unlock.is_empty() && why.what == "huge pages", "{why:?}");
                }
            }
        }
        assert_eq!(ring::<Sendmsg>(100, model::Pages::Normal).unwrap().len(), 100);
    }

    #[test]
    fn what_is_refused_says_how_much_was_given_and_what_would_give_the_rest() {
        let why = not_huge(2 << 20, 4 << 20, false);
        assert!(why.because.contains("2097152 of 4194304 bytes"), "{why:?}");
        assert!(why.unlock.contains("compact_memory") || why.unlock.contains("echo madvise"));
    }

    #[test]
    fn memory_is_counted_in_whole_pages() {
        let page = kernel::process::page_size() as u64;
        assert_eq!(rounded_up(1, model::Pages::Normal), page);
        if let Some(huge) = Pages::huge() {
            assert_eq!(rounded_up(1, model::Pages::Huge), huge.bytes() as u64);
        }
        assert_eq!(rounded_up(u64::MAX, model::Pages::Normal), u64::MAX);
    }
}
