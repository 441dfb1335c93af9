//! What all fuzz targets share: how little memory a check may ask for.
//!
//! A check stands in the crate that it is of (`src/fuzzing.rs`), where an ordinary test replays the target's corpus with it.
#![forbid(unsafe_code)]

use kernel::allocator::CountingAllocator;

pub use libfuzzer_sys;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs a check that may ask for `once` bytes in all, and `each` for each byte that it reads. Whatever is quadratic asks for
/// more of long inputs.
///
/// # Panics
/// It asks for more, or fails.
pub fn within(once: u64, each: u64, bytes: &[u8], check: impl FnOnce(&[u8])) {
    let before = CountingAllocator::bytes_of_this_thread();
    check(bytes);
    let asked = CountingAllocator::bytes_of_this_thread() - before;
    let most = once + each * bytes.len() as u64;
    assert!(asked <= most, "{asked} bytes were asked for, {most} for {} read", bytes.len());
}

/// A fuzz target: a check, and the bytes that it may ask for once and for each byte that it reads.
#[macro_export]
macro_rules! target {
    ($check:path, $once:literal, $each:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            $crate::within($once, $each, bytes, $check);
        });
    };
}
