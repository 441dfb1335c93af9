//! Receive packet steering: which CPUs process what a device receives (Documentation/networking/scaling.rst).
//!
//! It is set in sysfs, and `/sys` shows the namespace in which it was mounted. So a thread inside the namespace makes a
//! sysfs of its own, which is mounted nowhere and is gone when its descriptor closes.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::error::{CallError, Errno, Unavailable};
use crate::netns::Namespace;

/// `FSOPEN_CLOEXEC` and `FSMOUNT_CLOEXEC` (`linux/mount.h`).
const CLOSE_ON_EXEC: libc::c_uint = 1;
/// `FSCONFIG_CMD_CREATE` (`linux/mount.h`).
const CREATE: libc::c_uint = 6;

fn unavailable(device: &str, because: impl std::fmt::Display, remedy: &str) -> Unavailable {
    Unavailable {
        what: format!("receive packet steering of {device}"),
        because: because.to_string(),
        remedy: remedy.into(),
    }
}

/// A descriptor that a raw system call has just answered.
fn descriptor(call: &'static str, answer: libc::c_long) -> Result<OwnedFd, CallError> {
    match RawFd::try_from(answer) {
        // SAFETY: the kernel has just made it and nobody else has it.
        Ok(raw) if raw >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(raw) }),
        _ => Err(CallError::last(call, "sysfs")),
    }
}

/// A sysfs that shows the calling thread's network namespace, mounted nowhere (fsopen(2); Linux 5.2).
fn detached_sysfs() -> Result<OwnedFd, CallError> {
    // SAFETY: the name is a C string that outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_fsopen, c"sysfs".as_ptr(), CLOSE_ON_EXEC) };
    let context = descriptor("fsopen", answer)?;
    // SAFETY: this command takes no key, no value and no auxiliary number.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            CREATE,
            ptr::null::<libc::c_char>(),
            ptr::null::<libc::c_void>(),
            0,
        )
    };
    if created != 0 {
        return Err(CallError::last("fsconfig", "sysfs"));
    }
    // SAFETY: no pointers are passed.
    let answer = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOSE_ON_EXEC, 0) };
    descriptor("fsmount", answer)
}

fn open(sysfs: &OwnedFd, path: &CStr, flags: libc::c_int) -> Result<File, CallError> {
    // SAFETY: the path is a C string that outlives the call.
    let raw = unsafe { libc::openat(sysfs.as_raw_fd(), path.as_ptr(), flags | libc::O_CLOEXEC) };
    let argument = || path.to_string_lossy().into_owned();
    if raw < 0 {
        return Err(CallError::last("openat", argument()));
    }
    // SAFETY: the kernel has just made it and nobody else has it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(raw) }))
}

/// A mask as sysfs writes it: words of 32 bits in hexadecimal, the highest first, with commas (`bitmap_parse`).
fn mask(cpus: &[u32]) -> String {
    let words = cpus.iter().max().map_or(1, |highest| highest / 32 + 1);
    let word = |n: u32| {
        let bits =
            cpus.iter().filter(|cpu| **cpu / 32 == n).fold(0_u32, |w, cpu| w | 1 << (cpu % 32));
        format!("{bits:08x}")
    };
    let words: Vec<_> = (0..words).rev().map(word).collect();
    words.join(",")
}

/// The CPUs of a mask.
fn cpus(mask: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for (n, word) in (0_u32..).zip(mask.trim().rsplit(',')) {
        let bits = u32::from_str_radix(word, 16).ok()?;
        cpus.extend((0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| n * 32 + bit));
    }
    Some(cpus)
}

fn steer_here(device: &str, to: &[u32]) -> Result<Vec<u32>, Unavailable> {
    let refused = |error: CallError| {
        let remedy = match error.errno.0 {
            libc::EPERM => {
                "run as root, or in a container with --cap-add SYS_ADMIN --cap-add NET_ADMIN"
            }
            libc::ENOSYS => "use Linux 5.2 or later, outside of a sandbox",
            libc::ENOENT => "use a kernel with CONFIG_RPS",
            _ => "",
        };
        unavailable(device, error, remedy)
    };
    let sysfs = detached_sysfs().map_err(refused)?;
    let mut steered = Vec::new();
    // A veth device has one receive queue unless it was asked for more; all of them are steered.
    for queue in 0.. {
        let path = format!("class/net/{device}/queues/rx-{queue}/rps_cpus\0");
        let path = CStr::from_bytes_with_nul(path.as_bytes())
            .map_err(|error| unavailable(device, error, ""))?;
        let mut file = match open(&sysfs, path, libc::O_RDWR) {
            Err(error) if queue > 0 && error.errno.0 == libc::ENOENT => break,
            opened => opened.map_err(refused)?,
        };
        let io_failed = |call, error: std::io::Error| {
            let argument = format!("{}={}", path.to_string_lossy(), mask(to));
            refused(CallError { call, argument, errno: Errno(error.raw_os_error().unwrap_or(0)) })
        };
        file.write_all(mask(to).as_bytes()).map_err(|error| io_failed("write", error))?;
        let mut mask = String::new();
        let mut file = open(&sysfs, path, libc::O_RDONLY).map_err(refused)?;
        file.read_to_string(&mut mask).map_err(|error| io_failed("read", error))?;
        steered = cpus(&mask).ok_or_else(|| {
            unavailable(device, format!("\"{}\" is no mask of CPUs", mask.trim()), "")
        })?;
    }
    Ok(steered)
}

/// Has the packets that a device of the namespace receives processed on these CPUs; none of them: on the CPU that
/// sent or received them, as usual. Answers the CPUs as the kernel tells them afterwards.
///
/// # Errors
///
/// The call that was refused, with its remedy: without CAP_SYS_ADMIN, before Linux 5.2, without CONFIG_RPS.
pub fn steer(namespace: &Namespace, device: &str, to: &[u32]) -> Result<Vec<u32>, Unavailable> {
    namespace
        .run(|| steer_here(device, to))
        .map_err(|error| unavailable(device, error, "run as root"))?
}

#[cfg(test)]
mod tests {
    use super::{cpus, mask};

    #[test]
    fn a_mask_has_its_highest_word_first_and_reads_back() {
        for (list, text) in [
            (vec![], "00000000"),
            (vec![0, 1, 4], "00000013"),
            (vec![31, 32], "00000001,80000000"),
            (vec![65], "00000002,00000000,00000000"),
        ] {
            assert_eq!(mask(&list), text);
            assert_eq!(cpus(text), Some(list));
        }
        // As a kernel writes it where it has few CPUs.
        assert_eq!(cpus("3\n"), Some(vec![0, 1]));
        assert_eq!(cpus("x"), None);
    }
}
