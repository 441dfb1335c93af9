//! The memory of a flow's ring, in the pages that its cell asks for, or the reason why not.
//!
//! Huge pages are transparent ones, as services have them: asked for by `madvise(MADV_HUGEPAGE)`, for which nothing need be
//! reserved. The kernel gives none where it has none free and says nothing, so it is asked afterwards what lies where: a ring
//! of which more than a tenth lies in small pages is refused.

use kernel::arena::{Arena, Pages};
use kernel::disk_file::DiskFolder;
use model::Missing;
use model::names::RingFile;

use crate::error::missing;
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
pub(crate) fn ring<P: SendPath>(
    bytes: usize,
    asked: model::Pages,
    file: RingFile,
) -> Result<Arena, Missing> {
    if file == RingFile::File {
        return on_disk(bytes);
    }
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

/// A ring in a file of a disk.
fn on_disk(bytes: usize) -> Result<Arena, Missing> {
    let folder = DiskFolder::usual().map_err(missing)?;
    let arena = Arena::of_disk(bytes, &folder);
    arena.map_err(|error| {
        Missing::of_itself("a file on a disk").because(error.to_string()).unlocked_by(
            "set TMPDIR to a folder with room on ext4, xfs or btrfs, or use --sendfile-from memfd",
        )
    })
}

/// Where the rings of a cell lie in a file of a disk: its filesystem.
pub(crate) fn filesystem(cell: &model::Cell) -> Option<String> {
    if cell.sendfile_from != RingFile::File || !cell.send_path.capabilities().sends_from_file {
        return None;
    }
    DiskFolder::usual().ok().map(|folder| folder.filesystem().to_owned())
}

/// Has a ring on a disk written out, and sees to it that no page of it would be read from there.
///
/// # Errors
/// The disk failed, or memory is short.
pub(crate) fn settle(ring: &Arena, file: RingFile) -> Result<(), Missing> {
    if file != RingFile::File {
        return Ok(());
    }
    match ring.settle().map_err(|error| error.to_string())? {
        0 => Ok(()),
        pages => Err(Missing::of_itself("a file in the page cache")
            .because(format!(
                "{pages} pages of the ring are not in memory before the first message"
            ))
            .unlocked_by("free some memory, or use a smaller --ring")),
    }
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

/// Whether a path can have a ring of such pages, in such a file, here; tried with one of them.
///
/// # Errors
/// As [`ring`].
pub(crate) fn supported<P: SendPath>(asked: model::Pages, file: RingFile) -> Result<(), Missing> {
    ring::<P>(pages(asked)?.bytes(), asked, file).map(drop)
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
            ("sendmsg", ring::<Sendmsg>(bytes, model::Pages::Huge, RingFile::Memfd)),
            ("sendfile", ring::<Sendfile>(bytes, model::Pages::Huge, RingFile::Memfd)),
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
        assert_eq!(ring::<Sendmsg>(100, model::Pages::Normal, RingFile::Memfd).unwrap().len(), 100);
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
