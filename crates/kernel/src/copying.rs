//! Copying memory by one routine of choice: for measuring how fast a CPU can copy at all.

use std::fmt;
use std::hint::black_box;

/// A way to copy bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Routine {
    /// The C library's `memcpy`, which chooses by CPU and length: vector registers, and for long copies stores that go
    /// around the cache.
    Memcpy,
    /// The string instruction `rep movsb`: with FSRM or ERMS the kernel itself copies with it
    /// (`rep_movs_alternative`, arch/x86/lib/copy_user_64.S).
    #[cfg(target_arch = "x86_64")]
    RepMovsb,
}

impl Routine {
    /// Every routine of this architecture.
    pub const ALL: &'static [Self] = &[
        Self::Memcpy,
        #[cfg(target_arch = "x86_64")]
        Self::RepMovsb,
    ];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memcpy => "memcpy",
            #[cfg(target_arch = "x86_64")]
            Self::RepMovsb => "rep-movsb",
        }
    }
}

impl fmt::Display for Routine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Copies the source to the beginning of the destination, as much as both hold; returns how many bytes that was.
///
/// The copy is made even if nobody ever reads the destination.
#[inline]
pub fn copy(routine: Routine, destination: &mut [u8], source: &[u8]) -> usize {
    let length = destination.len().min(source.len());
    match routine {
        Routine::Memcpy => {
            // Called through a pointer that the compiler cannot see through: it knows `memcpy`, and would leave out
            // or merge calls whose result is not read.
            let memcpy: unsafe extern "C" fn(
                *mut libc::c_void,
                *const libc::c_void,
                usize,
            ) -> *mut libc::c_void = black_box(libc::memcpy);
            let (to, from) = (destination.as_mut_ptr().cast(), source.as_ptr().cast());
            // SAFETY: both slices hold at least `length` bytes, and a mutable one overlaps no other.
            unsafe { memcpy(to, from, length) };
        }
        #[cfg(target_arch = "x86_64")]
        Routine::RepMovsb => {
            // SAFETY: both slices hold at least `length` bytes and do not overlap; the direction flag is clear on entry
            // (Rust reference, inline assembly), so that it copies upwards; without `pure` it is never left out.
            unsafe {
                std::arch::asm!(
                    "rep movsb",
                    inout("rcx") length => _,
                    inout("rdi") destination.as_mut_ptr() => _,
                    inout("rsi") source.as_ptr() => _,
                    options(nostack, preserves_flags),
                );
            }
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arena::Arena;

    #[test]
    fn every_routine_has_a_name_of_its_own() {
        let mut names: Vec<_> = Routine::ALL.iter().map(|routine| routine.name()).collect();
        assert_eq!(names[0], "memcpy");
        names.dedup();
        assert_eq!(names.len(), Routine::ALL.len());
    }

    #[test]
    fn an_arena_is_copied_to_the_last_byte_and_no_further() {
        for routine in Routine::ALL {
            let (mut to, mut from) = (Arena::new(70_000).unwrap(), Arena::new(70_000).unwrap());
            from.bytes_mut(0..70_000).fill(7);
            assert_eq!(copy(*routine, to.bytes_mut(0..65_537), from.bytes(0..70_000)), 65_537);
            assert!(to.bytes(0..65_537).iter().all(|&byte| byte == 7), "{routine}");
            assert!(to.bytes(65_537..70_000).iter().all(|&byte| byte == 0), "{routine}");
        }
    }

    proptest! {
        #[test]
        fn as_much_is_copied_as_both_hold(
            source in prop::collection::vec(any::<u8>(), 0..300), room in 0_usize..300
        ) {
            for routine in Routine::ALL {
                let mut destination = vec![0xee; room];
                let length = copy(*routine, &mut destination, &source);
                prop_assert_eq!(length, room.min(source.len()));
                prop_assert_eq!(&destination[..length], &source[..length]);
                prop_assert!(destination[length..].iter().all(|&byte| byte == 0xee));
            }
        }
    }
}
