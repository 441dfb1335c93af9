//! The memory that messages are sent from: one owned mapping, alike for every path.

use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;

use crate::error::{CallError, Errno};
use crate::process;

/// Zeroed, page-aligned, resident memory that no one else uses.
///
/// Every page is written once before the arena is handed out: untouched pages would all be the one
/// shared zero page, and the first sends would pay for the faults. Huge pages are refused
/// (`MADV_NOHUGEPAGE`), so that a page is the same size for every path and on every machine whatever
/// `transparent_hugepage` says: zero-copy pins pages and spends a packet fragment on each.
///
/// **Ownership.** After a send with `MSG_ZEROCOPY` the kernel reads the memory until it has queued the
/// completion. Its owner must neither rewrite a slot nor drop the arena before; what would be broken is
/// the content that the peer receives, not memory safety, because the kernel holds references to the
/// pages and unmapping only takes them from this process.
#[derive(Debug)]
pub struct Arena {
    mapping: Arc<Mapping>,
}

impl Arena {
    /// Maps and populates `bytes` of memory; the mapping behind is rounded up to whole pages.
    ///
    /// # Errors
    ///
    /// `EINVAL` for 0 bytes, `ENOMEM` when the address space or the overcommit limit does not allow it.
    pub fn new(bytes: usize) -> Result<Self, CallError> {
        let page = process::page_size();
        let argument = || format!("{bytes} bytes of anonymous memory");
        let mapped = bytes.checked_next_multiple_of(page).ok_or_else(|| CallError {
            call: "mmap",
            argument: argument(),
            errno: Errno(libc::ENOMEM),
        })?;
        Self::map(bytes, mapped, None).map_err(|(call, errno)| CallError {
            call,
            argument: argument(),
            errno,
        })
    }

    /// The same, of a memfd: the mapping is shared, so that what is written into the arena is the file's content, and
    /// `sendfile` can send it.
    ///
    /// # Errors
    ///
    /// As [`Arena::new`]; `ENOSYS` where the kernel has no `memfd_create` (before 3.17), `EMFILE`.
    pub fn of_memfd(bytes: usize) -> Result<Self, CallError> {
        let page = process::page_size();
        let refused = |(call, errno)| CallError {
            call,
            argument: format!("{bytes} bytes of a memfd"),
            errno,
        };
        let mapped = bytes
            .checked_next_multiple_of(page)
            .ok_or_else(|| refused(("mmap", Errno(libc::ENOMEM))))?;
        let length = libc::off_t::try_from(mapped)
            .map_err(|_| refused(("ftruncate", Errno(libc::EFBIG))))?;
        // SAFETY: the name is a C string that lives for ever.
        let fd = unsafe { libc::memfd_create(c"copycost ring".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(refused(("memfd_create", Errno::last())));
        }
        // SAFETY: the descriptor was just made and belongs to no one else.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: no pointers are passed.
        if unsafe { libc::ftruncate(file.as_raw_fd(), length) } != 0 {
            return Err(refused(("ftruncate", Errno::last())));
        }
        Self::map(bytes, mapped, Some(file)).map_err(refused)
    }

    /// Maps anonymous memory or a whole file, and writes every page once.
    fn map(
        bytes: usize,
        mapped: usize,
        file: Option<OwnedFd>,
    ) -> Result<Self, (&'static str, Errno)> {
        let (kind, fd) = match &file {
            None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
            Some(file) => (libc::MAP_SHARED, file.as_raw_fd()),
        };
        // SAFETY: a mapping at an address of the kernel's choice overlaps nothing of ours; of a file, it is one that nobody
        // else has and that is as long as the mapping.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), mapped, libc::PROT_READ | libc::PROT_WRITE, kind, fd, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(("mmap", Errno::last()));
        }
        let mapping = Mapping { base: base.cast(), bytes, mapped, file };
        // SAFETY: the range is the mapping just made, which no one else knows.
        let advised = unsafe { libc::madvise(base, mapped, libc::MADV_NOHUGEPAGE) };
        // A kernel built without huge pages answers EINVAL, and there is nothing to refuse then.
        if advised != 0 && Errno::last() != Errno(libc::EINVAL) {
            return Err(("madvise", Errno::last()));
        }
        for offset in (0..mapped).step_by(process::page_size()) {
            // SAFETY: offset < mapped, and the mapping is writable and still private to this function.
            unsafe { mapping.base.wrapping_add(offset).write_volatile(0) };
        }
        Ok(Self { mapping: Arc::new(mapping) })
    }

    /// The file whose mapping it is; none of anonymous memory.
    pub(crate) fn file(&self) -> Option<&OwnedFd> {
        self.mapping.file.as_ref()
    }

    /// How many bytes the arena has, as asked for.
    pub fn len(&self) -> usize {
        self.mapping.bytes
    }

    /// Never: an arena has at least one byte.
    pub fn is_empty(&self) -> bool {
        self.mapping.bytes == 0
    }

    /// A part of the arena, to be read or sent.
    ///
    /// # Panics
    ///
    /// As slices do, when the range does not lie within the arena.
    #[inline]
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        let mapping = &*self.mapping;
        // SAFETY: the mapping holds that many initialised bytes, lives as long as self, and this process
        // writes to it through `bytes_mut` alone, which borrows self exclusively.
        let all = unsafe { std::slice::from_raw_parts(mapping.base, mapping.bytes) };
        &all[range]
    }

    /// A part of the arena, to be written. Only the memory of slots that the kernel has let go of should be.
    ///
    /// # Panics
    ///
    /// As slices do, when the range does not lie within the arena.
    #[inline]
    pub fn bytes_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        let mapping = &*self.mapping;
        // SAFETY: as in `bytes`; self is borrowed exclusively and an arena cannot be cloned, so no other
        // slice of it exists. A `Gather` shares the mapping but forms no reference to its bytes.
        let all = unsafe { std::slice::from_raw_parts_mut(mapping.base, mapping.bytes) };
        &mut all[range]
    }

    /// The mapping, for a holder that must keep it from being unmapped.
    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }
}

/// The mapped range itself, unmapped when its last holder goes.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: *mut u8,
    bytes: usize,
    mapped: usize,
    /// What is mapped, if it is a file.
    file: Option<OwnedFd>,
}

// SAFETY: a mapping belongs to the process, not to a thread; the fields never change, and the bytes are
// reached through `Arena`'s borrows only.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared mapping gives no access to the bytes.
unsafe impl Sync for Mapping {}

impl Mapping {
    #[inline]
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `Arena::map` and nothing can reach it any more.
        // It cannot fail for a range that is ours, and a destructor could not tell anyone.
        let _ = unsafe { libc::munmap(self.base.cast(), self.mapped) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_is_zeroed_page_aligned_and_exactly_as_long_as_asked() {
        let arena = Arena::new(5000).unwrap();
        assert_eq!(arena.len(), 5000);
        assert!(!arena.is_empty());
        assert!(arena.bytes(0..5000).iter().all(|&byte| byte == 0));
        assert_eq!(arena.bytes(0..1).as_ptr().addr() % process::page_size(), 0);
    }

    #[test]
    fn what_is_written_is_read_back_at_the_same_place() {
        let mut arena = Arena::new(8192).unwrap();
        arena.bytes_mut(4095..4098).copy_from_slice(b"abc");
        assert_eq!(arena.bytes(4094..4099), b"\0abc\0");
    }

    #[test]
    fn an_arena_of_a_memfd_is_the_files_content() {
        use std::os::unix::fs::FileExt;
        let mut arena = Arena::of_memfd(5000).unwrap();
        arena.bytes_mut(4095..4098).copy_from_slice(b"abc");
        let file = std::fs::File::from(arena.file().unwrap().try_clone().unwrap());
        let mut read = [0; 5];
        file.read_exact_at(&mut read, 4094).unwrap();
        assert_eq!((&read, arena.len()), (b"\0abc\0", 5000));
        assert!(Arena::new(1).unwrap().file().is_none());
        assert_eq!(Arena::of_memfd(0).unwrap_err().errno, Errno(libc::EINVAL));
        assert_eq!(Arena::of_memfd(usize::MAX).unwrap_err().errno, Errno(libc::ENOMEM));
    }

    #[test]
    fn an_arena_of_nothing_or_of_everything_is_refused_by_name() {
        let nothing = Arena::new(0).unwrap_err();
        assert_eq!((nothing.call, nothing.errno), ("mmap", Errno(libc::EINVAL)));
        for bytes in [usize::MAX, usize::MAX / 2] {
            assert_eq!(Arena::new(bytes).unwrap_err().errno, Errno(libc::ENOMEM));
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_range_beyond_the_arena_is_never_read() {
        let arena = Arena::new(100).unwrap();
        let _ = arena.bytes(90..101);
    }

    #[test]
    fn the_whole_arena_is_resident_before_it_is_used() {
        let arena = Arena::new(64 * process::page_size()).unwrap();
        let mut residency = vec![0u8; 64];
        // SAFETY: the range is the arena's own, and the vector has a byte for each of its pages.
        let told = unsafe {
            libc::mincore(arena.mapping().base().cast(), arena.len(), residency.as_mut_ptr())
        };
        assert_eq!(told, 0);
        assert!(residency.iter().all(|page| page & 1 == 1));
    }
}
