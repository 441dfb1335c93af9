//! What a thread and the process have used, by the kernel's account.

use std::mem;

use crate::process;

/// What a thread has used since it began (`getrusage(RUSAGE_THREAD)`), or between two readings.
///
/// User and system time together are exact to the kernel's scheduling clock; how they divide is sampled
/// by ticks unless the kernel has `CONFIG_VIRT_CPU_ACCOUNTING_GEN` or `_NATIVE` in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUsage {
    /// CPU time in user mode, µs.
    pub user_us: u64,
    /// CPU time in the kernel on the thread's behalf, µs.
    pub system_us: u64,
    /// Context switches because the thread waited.
    pub voluntary_switches: u64,
    /// Context switches because another thread was given the CPU.
    pub involuntary_switches: u64,
    /// Page faults served without I/O.
    pub minor_faults: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
}

impl ThreadUsage {
    /// The calling thread's, up to now.
    pub fn now() -> Self {
        let usage = read(libc::RUSAGE_THREAD);
        Self {
            user_us: microseconds(usage.ru_utime),
            system_us: microseconds(usage.ru_stime),
            voluntary_switches: unsigned(usage.ru_nvcsw),
            involuntary_switches: unsigned(usage.ru_nivcsw),
            minor_faults: unsigned(usage.ru_minflt),
            major_faults: unsigned(usage.ru_majflt),
        }
    }

    /// What was used between an earlier reading of the same thread and this one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user_us: self.user_us.saturating_sub(earlier.user_us),
            system_us: self.system_us.saturating_sub(earlier.system_us),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
        }
    }
}

/// The most memory that this process has had resident, bytes: `VmHWM`, or without /proc `ru_maxrss`, which
/// also remembers the program that this one was started from.
pub fn peak_rss_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| high_water_bytes(&status))
        .unwrap_or_else(|| unsigned(read(libc::RUSAGE_SELF).ru_maxrss).saturating_mul(1024))
}

/// `VmHWM` of a `/proc/PID/status`, bytes.
fn high_water_bytes(status: &str) -> Option<u64> {
    let kib = process::status_field(status, "VmHWM")?.strip_suffix("kB")?.trim();
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

fn read(whose: libc::c_int) -> libc::rusage {
    // SAFETY: rusage is a plain C struct for which all zeros is valid.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live rusage. It cannot fail for the two constants used here.
    let _ = unsafe { libc::getrusage(whose, &raw mut usage) };
    usage
}

fn microseconds(time: libc::timeval) -> u64 {
    unsigned(time.tv_sec).saturating_mul(1_000_000).saturating_add(unsigned(time.tv_usec))
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_counts_as_a_voluntary_switch_of_the_waiting_thread() {
        let before = ThreadUsage::now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let used = ThreadUsage::now().since(before);
        assert!(used.voluntary_switches >= 1, "{used:?}");
    }

    #[test]
    fn touching_new_memory_counts_as_minor_faults() {
        let before = ThreadUsage::now();
        let arena = crate::arena::Arena::new(64 * process::page_size()).unwrap();
        let used = ThreadUsage::now().since(before);
        assert!(used.minor_faults >= 64, "{used:?} for {} bytes", arena.len());
    }

    #[test]
    fn a_reading_that_goes_back_is_nothing_used() {
        let later = ThreadUsage { user_us: 5, ..ThreadUsage::default() };
        assert_eq!(ThreadUsage::default().since(later), ThreadUsage::default());
    }

    #[test]
    fn the_peak_is_at_least_what_is_resident() {
        let arena = crate::arena::Arena::new(1 << 20).unwrap();
        assert!(peak_rss_bytes() >= u64::try_from(arena.len()).unwrap());
    }

    #[test]
    fn the_high_water_mark_is_read_in_bytes_and_never_guessed() {
        assert_eq!(high_water_bytes("Name:\tx\nVmHWM:\t    1234 kB\n"), Some(1234 * 1024));
        for odd in ["", "VmHWM:", "VmHWM:\t12", "VmHWM: x kB", "VmHWM: 99999999999999999999 kB"] {
            assert_eq!(high_water_bytes(odd), None, "{odd:?}");
        }
    }
}
