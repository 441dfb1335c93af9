//! The memory that messages are sent from: one owned mapping, alike for every path.

use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;

use crate::disk_file::{self, DiskFolder};
use crate::error::{CallError, Errno};
use crate::process;

/// Zeroed, page-aligned, resident memory that no one else uses.
///
/// Every page is written once before the arena is handed out: untouched pages would all be the one
/// shared zero page, and the first sends would pay for the faults. Unless huge pages are asked for they are refused
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
        Self::of_pages(bytes, Pages::NORMAL)
    }

    /// The same, of pages of some size. Whether the kernel gave huge ones, [`Arena::huge_bytes`] tells.
    ///
    /// # Errors
    ///
    /// As [`Arena::new`].
    pub fn of_pages(bytes: usize, pages: Pages) -> Result<Self, CallError> {
        let refused = |(call, errno)| CallError {
            call,
            argument: format!("{bytes} bytes of anonymous memory"),
            errno,
        };
        let mapped = pages.round_up(bytes).map_err(refused)?;
        Self::map(bytes, mapped, None, pages).map_err(refused)
    }

    /// The same, of a memfd: the mapping is shared, so that what is written into the arena is the file's content, and
    /// `sendfile` can send it.
    ///
    /// # Errors
    ///
    /// As [`Arena::new`]; `ENOSYS` where the kernel has no `memfd_create` (before 3.17), `EMFILE`.
    pub fn of_memfd(bytes: usize, pages: Pages) -> Result<Self, CallError> {
        let refused = |(call, errno)| CallError {
            call,
            argument: format!("{bytes} bytes of a memfd"),
            errno,
        };
        let mapped = pages.round_up(bytes).map_err(refused)?;
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
        Self::map(bytes, mapped, Some(file), pages).map_err(refused)
    }

    /// The same, of a file without a name in a folder of a disk: what `sendfile` sends of it is page cache, as of a file that a
    /// service has read. See [`Arena::settle`].
    ///
    /// # Errors
    ///
    /// As [`Arena::new`]; ENOSPC where the disk is full, EOPNOTSUPP of a filesystem without such files.
    pub fn of_disk(bytes: usize, folder: &DiskFolder) -> Result<Self, CallError> {
        let refused = |(call, errno)| CallError {
            call,
            argument: format!("{bytes} bytes of a file, {}", folder.filesystem()),
            errno,
        };
        let mapped = Pages::NORMAL.round_up(bytes).map_err(refused)?;
        if mapped == 0 {
            return Err(refused(("mmap", Errno(libc::EINVAL))));
        }
        let file = OwnedFd::from(folder.unnamed(mapped)?);
        Self::map(bytes, mapped, Some(file), Pages::NORMAL).map_err(refused)
    }

    /// Has a file's pages written out, so that the kernel does not while they are sent, and answers how many of them are not in
    /// memory (mincore(2)): those would be read from the disk. Nothing is written out of anonymous memory and of a memfd.
    ///
    /// # Errors
    ///
    /// EIO, ENOSPC of the disk.
    pub fn settle(&self) -> Result<usize, CallError> {
        if let Some(file) = self.file() {
            disk_file::write_out(file)?;
        }
        let mapping = &*self.mapping;
        let pages = mapping.bytes.div_ceil(process::page_size());
        let mut resident = vec![0_u8; pages];
        // SAFETY: the range is a mapping of ours, and the answer has a byte for each of its pages.
        let asked =
            unsafe { libc::mincore(mapping.base.cast(), mapping.bytes, resident.as_mut_ptr()) };
        if asked != 0 {
            return Err(CallError::last("mincore", format!("{} bytes of the ring", mapping.bytes)));
        }
        Ok(resident.iter().filter(|page| **page & 1 == 0).count())
    }

    /// Maps anonymous memory or a whole file, and writes every page once.
    fn map(
        bytes: usize,
        mapped: usize,
        file: Option<OwnedFd>,
        pages: Pages,
    ) -> Result<Self, (&'static str, Errno)> {
        let (kind, fd) = match &file {
            None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
            Some(file) => (libc::MAP_SHARED, file.as_raw_fd()),
        };
        if mapped == 0 {
            return Err(("mmap", Errno(libc::EINVAL)));
        }
        let reserved = match pages.huge {
            Some(page) => Some(Reserved::around(mapped, page)?),
            None => None,
        };
        let (at, fixed) =
            reserved.as_ref().map_or((ptr::null_mut(), 0), |it| (it.at.cast(), libc::MAP_FIXED));
        // SAFETY: it lies at an address of the kernel's choice, or replaces a part of a reservation that nobody else knows; of a
        // file, it is one that nobody else has and that is as long as the mapping.
        let base = unsafe {
            libc::mmap(at, mapped, libc::PROT_READ | libc::PROT_WRITE, kind | fixed, fd, 0)
        };
        if base == libc::MAP_FAILED {
            let errno = Errno::last();
            // Kernels may have taken the reservation's part away before they failed (6.1's `mmap_region` does), and another
            // thread may have been given the place since: it is left, which costs addresses alone.
            std::mem::forget(reserved);
            return Err(("mmap", errno));
        }
        let reserved =
            reserved.unwrap_or_else(|| Reserved { start: base, bytes: mapped, at: base.cast() });
        let mapping = Mapping { base: base.cast(), bytes, reserved, file };
        let advice = if pages.is_huge() { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
        // SAFETY: the range is the mapping just made, which no one else knows.
        let advised = unsafe { libc::madvise(base, mapped, advice) };
        // A kernel built without huge pages answers EINVAL, and there is nothing to refuse then.
        if advised != 0 && (pages.is_huge() || Errno::last() != Errno(libc::EINVAL)) {
            return Err(("madvise", Errno::last()));
        }
        for offset in (0..mapped).step_by(process::page_size()) {
            // SAFETY: offset < mapped, and the mapping is writable and still private to this function.
            unsafe { mapping.base.wrapping_add(offset).write_volatile(0) };
        }
        if pages.is_huge() {
            // What no huge page was free for at the first touch may be moved into one now (Linux 6.1); where it is not,
            // `huge_bytes` tells.
            // SAFETY: as above; it changes where the bytes lie, and not what they are.
            let _ = unsafe { libc::madvise(base, mapped, MADV_COLLAPSE) };
        }
        Ok(Self { mapping: Arc::new(mapping) })
    }

    /// How many bytes of an arena of huge pages lie in such, as `/proc/self/smaps` tells; with the slack that rounds it up to
    /// whole ones.
    ///
    /// # Errors
    /// One line: that file cannot be read, or does not tell: of an arena of normal pages, or where the kernel has no other.
    pub fn huge_bytes(&self) -> Result<u64, String> {
        let text = std::fs::read_to_string("/proc/self/smaps")
            .map_err(|error| format!("reading /proc/self/smaps: {error}"))?;
        huge_bytes_at(&text, self.mapping.base.addr())
            .ok_or_else(|| "/proc/self/smaps does not tell of huge pages".to_owned())
    }

    /// The file whose mapping it is; none of anonymous memory.
    pub(crate) fn file(&self) -> Option<&OwnedFd> {
        self.mapping.file.as_ref()
    }

    /// Whether it is the mapping of a file.
    pub fn is_of_file(&self) -> bool {
        self.file().is_some()
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

/// The size of the pages in which an arena lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Bytes of a huge page, where those are wanted.
    huge: Option<usize>,
}

impl Pages {
    /// The machine's pages, 4 KiB on most.
    pub const NORMAL: Self = Self { huge: None };

    /// Transparent huge pages, where the kernel has any.
    pub fn huge() -> Option<Self> {
        let size = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
        let bytes: usize = size.ok()?.trim().parse().ok()?;
        bytes.is_power_of_two().then_some(Self { huge: Some(bytes) })
    }

    /// The size of one, in bytes.
    pub fn bytes(self) -> usize {
        self.huge.unwrap_or_else(process::page_size)
    }

    fn is_huge(self) -> bool {
        self.huge.is_some()
    }

    /// Whole pages.
    fn round_up(self, bytes: usize) -> Result<usize, (&'static str, Errno)> {
        bytes.checked_next_multiple_of(self.bytes()).ok_or(("mmap", Errno(libc::ENOMEM)))
    }
}

/// `MADV_COLLAPSE` of linux/mman.h, which libc does not name on every target.
const MADV_COLLAPSE: libc::c_int = 25;

/// The bytes in huge pages of the mapping that begins at an address, from the text of `/proc/PID/smaps` (fs/proc/task_mmu.c,
/// `__show_smap`): those of anonymous memory, and of a shared file's.
fn huge_bytes_at(smaps: &str, address: usize) -> Option<u64> {
    let begins = format!("{address:x}-");
    let lines = smaps.lines().skip_while(|line| !line.starts_with(&begins)).skip(1);
    // A line of the next mapping begins with its address, which is no key with a colon.
    let own = lines.take_while(|line| {
        line.split_whitespace().next().is_some_and(|first| first.ends_with(':'))
    });
    let kib = |line: &str| {
        let (key, value) = line.split_once(':')?;
        let is_huge = ["AnonHugePages", "ShmemPmdMapped"].contains(&key);
        is_huge.then(|| value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).flatten()
    };
    own.filter_map(kib).try_fold(None, |sum: Option<u64>, kib| {
        Some(Some(sum.unwrap_or(0).checked_add(kib.checked_mul(1024)?)?))
    })?
}

/// Address space that is taken from the process: a mapping, and around one of huge pages room of its own, so that it begins with a
/// whole page and the kernel joins it with no neighbour.
#[derive(Debug)]
struct Reserved {
    start: *mut libc::c_void,
    bytes: usize,
    /// Where the mapping lies.
    at: *mut u8,
}

impl Reserved {
    /// For so many bytes in pages of that size, with some of a page before and behind.
    fn around(mapped: usize, page: usize) -> Result<Self, (&'static str, Errno)> {
        let bytes = mapped.checked_add(2 * page).ok_or(("mmap", Errno(libc::ENOMEM)))?;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a mapping at an address of the kernel's choice overlaps nothing of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_NONE, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(("mmap", Errno::last()));
        }
        let first = page - start.addr() % page;
        Ok(Self { start, bytes, at: start.cast::<u8>().wrapping_add(first) })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `Reserved::around` or `Arena::map`, and nothing can reach it or what was mapped within it any more.
        // It cannot fail for a range that is ours, and a destructor could not tell anyone.
        let _ = unsafe { libc::munmap(self.start, self.bytes) };
    }
}

/// The mapped range itself, unmapped when its last holder goes.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: *mut u8,
    bytes: usize,
    #[allow(dead_code, reason = "held for its Drop, which unmaps the range")]
    reserved: Reserved,
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
        let mut arena = Arena::of_memfd(5000, Pages::NORMAL).unwrap();
        arena.bytes_mut(4095..4098).copy_from_slice(b"abc");
        let file = std::fs::File::from(arena.file().unwrap().try_clone().unwrap());
        let mut read = [0; 5];
        file.read_exact_at(&mut read, 4094).unwrap();
        assert_eq!((&read, arena.len()), (b"\0abc\0", 5000));
        assert!(Arena::new(1).unwrap().file().is_none());
        assert_eq!(Arena::of_memfd(0, Pages::NORMAL).unwrap_err().errno, Errno(libc::EINVAL));
        assert_eq!(
            Arena::of_memfd(usize::MAX, Pages::NORMAL).unwrap_err().errno,
            Errno(libc::ENOMEM)
        );
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

    #[test]
    fn huge_pages_are_given_or_it_is_told_that_they_were_not() {
        let Some(pages) = Pages::huge() else {
            assert!(!std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists());
            return;
        };
        let bytes = pages.bytes() + 5000;
        let mut arena = Arena::of_pages(bytes, pages).unwrap();
        assert_eq!(arena.len(), bytes);
        assert_eq!(arena.bytes(0..1).as_ptr().addr() % pages.bytes(), 0);
        arena.bytes_mut(bytes - 3..bytes).copy_from_slice(b"abc");
        // Some, all or none, in whole pages: a machine may forbid them, or have none free.
        let huge = arena.huge_bytes().unwrap();
        assert!(huge <= 2 * pages.bytes() as u64 && huge.is_multiple_of(pages.bytes() as u64));
        // Two side by side are told apart.
        let beside = Arena::of_pages(bytes, pages).unwrap();
        assert!(beside.huge_bytes().unwrap() <= 2 * pages.bytes() as u64);
        assert_eq!(Arena::of_pages(0, pages).unwrap_err().errno, Errno(libc::EINVAL));
        assert_eq!(Arena::of_pages(usize::MAX, pages).unwrap_err().errno, Errno(libc::ENOMEM));
        eprintln!("in huge pages: {huge} of {} bytes", 2 * pages.bytes());
    }

    #[test]
    fn a_ring_on_a_disk_is_written_out_and_all_of_it_stays_in_memory() {
        let folder = match DiskFolder::usual() {
            Ok(folder) => folder,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        let mut arena = match Arena::of_disk(5 * process::page_size() + 7, &folder) {
            Ok(arena) => arena,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        assert_eq!(arena.len(), 5 * process::page_size() + 7);
        arena.bytes_mut(5000..5003).copy_from_slice(b"abc");
        assert_eq!(arena.settle(), Ok(0));
        assert!(arena.is_of_file());
        assert_eq!(arena.bytes(4999..5004), b"\0abc\0");
        assert_eq!(Arena::of_disk(0, &folder).unwrap_err().errno, Errno(libc::EINVAL));
        assert_eq!(Arena::new(5000).unwrap().settle(), Ok(0));
        assert_eq!(Arena::of_memfd(5000, Pages::NORMAL).unwrap().settle(), Ok(0));
    }

    #[test]
    fn huge_bytes_are_those_of_the_mapping_asked_for() {
        let text = "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \n\
                    Size:               4096 kB\nAnonHugePages:      2048 kB\nShmemPmdMapped:        0 kB\n\
                    VmFlags: rd wr mr mw me ac hg \n\
                    7f0000400000-7f0000800000 rw-s 00000000 00:01 3  /memfd:copycost ring (deleted)\n\
                    AnonHugePages:         0 kB\nShmemPmdMapped:     4096 kB\n\
                    7f0000800000-7f0000801000 rw-p 00000000 00:00 0 \nSize: 4 kB\n";
        assert_eq!(huge_bytes_at(text, 0x7f00_0000_0000), Some(2 << 20));
        assert_eq!(huge_bytes_at(text, 0x7f00_0040_0000), Some(4 << 20));
        // No such mapping, and one of which nothing is told.
        assert_eq!(huge_bytes_at(text, 0x7f00_0000_1000), None);
        assert_eq!(huge_bytes_at(text, 0x7f00_0080_0000), None);
        let beyond = "10-20 rw-p\nAnonHugePages: 18446744073709551615 kB\n";
        assert_eq!(huge_bytes_at(beyond, 0x10), None);
    }
}
