//! An allocator that counts, for tests which prove that a loop allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a tally of what is asked of it. A test binary installs it:
///
/// ```
/// use kernel::allocator::CountingAllocator;
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator;
///
/// let before = CountingAllocator::of_this_thread();
/// let boxed = Box::new(7);
/// assert_eq!(CountingAllocator::of_this_thread() - before, 1);
/// assert!(CountingAllocator::bytes_of_this_thread() >= 4);
/// # drop(boxed);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

thread_local! {
    // Constant and without a destructor, so that reaching it never allocates in turn.
    static OF_THIS_THREAD: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

impl CountingAllocator {
    /// How often the calling thread has asked for memory, reallocations included; 0 for ever where the
    /// allocator is not installed.
    pub fn of_this_thread() -> u64 {
        OF_THIS_THREAD.get()
    }

    /// How many bytes the calling thread has asked for in all, freed or not: what was read by little work asks for few. Of a
    /// reallocation those that it adds.
    pub fn bytes_of_this_thread() -> u64 {
        BYTES.get()
    }

    fn count(bytes: usize) {
        OF_THIS_THREAD.set(OF_THIS_THREAD.get() + 1);
        BYTES.set(BYTES.get().saturating_add(bytes as u64));
    }
}

// SAFETY: every call is handed to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size());
        // SAFETY: the caller keeps GlobalAlloc's contract, which is passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        Self::count(bytes.saturating_sub(layout.size()));
        // SAFETY: as in `alloc`; the memory came from the system's allocator through this one.
        unsafe { System.realloc(memory, layout, bytes) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}
