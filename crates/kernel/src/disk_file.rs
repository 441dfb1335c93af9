//! Files without a name on a filesystem of a device, as those that a service sends: their pages are page cache.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{CallError, Errno, Unavailable};

/// A folder on a filesystem of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFolder {
    path: PathBuf,
    filesystem: String,
}

/// Filesystems by the numbers that `statfs` gives them (linux/magic.h, statfs(2)).
const KNOWN: [(u32, &str); 13] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0xf2f5_2010, "f2fs"),
    (0x794c_7630, "overlayfs"),
    (0x2fc1_2fc1, "zfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x6969, "nfs"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x9584_58f6, "hugetlbfs"),
];

/// Those that lie in memory alone: a file of theirs is what a memfd is.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "hugetlbfs"];

/// The name of the filesystem that a folder lies on; its number where it is none that is known.
///
/// # Errors
///
/// ENOENT, EACCES.
pub fn filesystem_of(folder: &Path) -> Result<String, CallError> {
    let failed =
        |errno| CallError { call: "statfs", argument: folder.display().to_string(), errno };
    let path =
        CString::new(folder.as_os_str().as_bytes()).map_err(|_| failed(Errno(libc::EINVAL)))?;
    let mut answer = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the path is a C string that lives through the call, and the answer has the size that the kernel writes.
    if unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(failed(Errno::last()));
    }
    // SAFETY: the call succeeded, and zeroes are a value of it too.
    let kind = unsafe { answer.assume_init() }.f_type;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the numbers have 32 bits, in a word of each machine's own"
    )]
    let kind = kind as u32;
    let known = KNOWN.iter().find(|(number, _)| *number == kind);
    Ok(known.map_or_else(|| format!("filesystem {kind:#x}"), |(_, name)| (*name).to_owned()))
}

impl DiskFolder {
    /// The folder for temporary files (TMPDIR, else /tmp), or /var/tmp where that lies in memory.
    ///
    /// # Errors
    ///
    /// Both lie in memory or cannot be had, with the remedy.
    pub fn usual() -> Result<Self, Unavailable> {
        Self::first_of([std::env::temp_dir(), PathBuf::from("/var/tmp")])
    }

    /// The first of some folders that lies on no filesystem in memory.
    ///
    /// # Errors
    ///
    /// As [`DiskFolder::usual`].
    pub fn first_of(folders: impl IntoIterator<Item = PathBuf>) -> Result<Self, Unavailable> {
        let mut refused = Vec::new();
        for path in folders {
            match filesystem_of(&path) {
                Ok(filesystem) if IN_MEMORY.contains(&filesystem.as_str()) => {
                    refused.push(format!("{} is a {filesystem}", path.display()));
                }
                Ok(filesystem) => return Ok(Self { path, filesystem }),
                Err(error) => refused.push(error.to_string()),
            }
        }
        Err(Unavailable {
            what: "a file on a disk".to_owned(),
            because: format!("{}: a file in memory alone is what a memfd is", refused.join(", ")),
            remedy:
                "set TMPDIR to a folder of a disk (ext4, xfs, btrfs), or use --sendfile-from memfd"
                    .into(),
        })
    }

    /// The name of its filesystem.
    pub fn filesystem(&self) -> &str {
        &self.filesystem
    }

    /// A file of so many bytes that has no name (O_TMPFILE, open(2)) and is gone with its last descriptor; room on the disk is
    /// taken at once, so that no write into a mapping of it can fail.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP on a filesystem that has no files without a name; ENOSPC, EFBIG, EACCES, EROFS.
    pub(crate) fn unnamed(&self, bytes: usize) -> Result<File, CallError> {
        let failed = |call, errno| CallError {
            call,
            argument: format!("{bytes} bytes in {}, {}", self.path.display(), self.filesystem),
            errno,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(&self.path)
            .map_err(|error| failed("open(O_TMPFILE)", errno_of(&error)))?;
        let length =
            libc::off_t::try_from(bytes).map_err(|_| failed("fallocate", Errno(libc::EFBIG)))?;
        // SAFETY: no pointers are passed.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
            0 => Ok(file),
            errno => Err(failed("fallocate", Errno(errno))),
        }
    }
}

/// That of a failed call of the standard library.
fn errno_of(error: &std::io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Writes what was written into a file to its disk.
pub(crate) fn write_out(file: &impl AsRawFd) -> Result<(), CallError> {
    // SAFETY: no pointers are passed.
    match unsafe { libc::fdatasync(file.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(CallError::last("fdatasync", "the ring's file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_memory_is_refused_by_name_and_the_next_one_is_taken() {
        let shared = PathBuf::from("/dev/shm");
        if filesystem_of(&shared).as_deref() != Ok("tmpfs") {
            eprintln!("skipped: /dev/shm is no tmpfs here");
            return;
        }
        let why = DiskFolder::first_of([shared.clone(), PathBuf::from("/nowhere")]).unwrap_err();
        assert!(why.because.contains("/dev/shm is a tmpfs"), "{why}");
        assert!(why.because.contains("statfs(/nowhere)"), "{why}");
        assert!(why.remedy.unlock.contains("TMPDIR"), "{why}");
        // What is no file of any disk, and no memory either.
        let next = DiskFolder::first_of([shared, PathBuf::from("/proc")]).unwrap();
        assert_eq!(next.filesystem(), "filesystem 0x9fa0");
        let refused = next.unnamed(4096).unwrap_err();
        assert_eq!(refused.call, "open(O_TMPFILE)");
    }
}
