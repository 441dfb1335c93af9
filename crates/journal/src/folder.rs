//! A directory by its descriptor: names in it are looked up there and nowhere else, and no link in it is followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, fstat, mkdirat, open, openat, renameat,
    statat, symlinkat, unlinkat,
};

use crate::error::JournalError;

/// What umask(2) leaves of these is what a new file and a new directory get.
const FILE: Mode = Mode::from_raw_mode(0o666);
const DIRECTORY: Mode = Mode::from_raw_mode(0o777);

/// An open directory.
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
    /// Whether a link is followed where something is read: nobody plants one for an ordinary user, who may keep a journal elsewhere.
    follows: bool,
}

impl Folder {
    /// Opens a directory; a link in its place is followed only where `follows` says so.
    pub(crate) fn open(path: &Path, follows: bool) -> Result<Self, JournalError> {
        // Without a slash at its end, which would have a link followed whatever the flags say (path_resolution(7)).
        let path: &Path = &path.components().collect::<PathBuf>();
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if follows { flags } else { flags | OFlags::NOFOLLOW };
        match open(path, flags, Mode::empty()) {
            Ok(descriptor) => Ok(Self { descriptor, path: path.to_owned(), follows }),
            Err(why) => Err(not_opened(path, why.into())),
        }
    }

    /// Makes a directory in this one that was not there, and opens it.
    pub(crate) fn make(&self, name: &str) -> Result<Self, JournalError> {
        match mkdirat(&self.descriptor, name, DIRECTORY) {
            Ok(()) => self.within(name, false),
            Err(rustix::io::Errno::EXIST) => Err(JournalError::Exists(self.path.join(name))),
            Err(why) => Err(JournalError::writing(&self.path.join(name), why.into())),
        }
    }

    /// Opens a directory in this one; `makes` it if it is missing.
    pub(crate) fn within(&self, name: &str, makes: bool) -> Result<Self, JournalError> {
        let path = self.path.join(name);
        if makes {
            match mkdirat(&self.descriptor, name, DIRECTORY) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(why) => return Err(JournalError::writing(&path, why.into())),
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(descriptor) => Ok(Self { descriptor, path, follows: self.follows }),
            Err(why) => Err(not_opened(&path, why.into())),
        }
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file that was not there, for appending.
    pub(crate) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        Ok(openat(&self.descriptor, name, flags | OFlags::CLOEXEC, FILE)?.into())
    }

    /// Opens an ordinary file, for reading, or with `appends` for appending too.
    pub(crate) fn file(&self, name: &OsStr, appends: bool) -> Result<File, JournalError> {
        let access = if appends { OFlags::RDWR | OFlags::APPEND } else { OFlags::RDONLY };
        // A pipe would wait for its other end (fifo(7)).
        let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let flags = if self.follows && !appends { flags } else { flags | OFlags::NOFOLLOW };
        let path = self.path.join(name);
        let file: File = match openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(descriptor) => descriptor.into(),
            Err(rustix::io::Errno::LOOP) => return Err(JournalError::Link(path)),
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::NXIO) => {
                return Err(JournalError::NotAFile(path));
            }
            Err(why) if appends && why != rustix::io::Errno::NOENT => {
                return Err(JournalError::writing(&path, why.into()));
            }
            Err(why) => return Err(JournalError::reading(&path, why.into())),
        };
        let facts = file.metadata().map_err(|why| JournalError::reading(&path, why))?;
        if facts.is_file() { Ok(file) } else { Err(JournalError::NotAFile(path)) }
    }

    /// Whether a name still stands for an open file: it may have been replaced since.
    pub(crate) fn still_names(&self, name: &OsStr, file: &File) -> bool {
        let named = statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW);
        let opened = fstat(file);
        named.is_ok_and(|named| {
            opened
                .is_ok_and(|opened| (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino))
        })
    }

    /// What is in it.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.descriptor)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// Gives a file another name, in place of what had that.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.descriptor, from, &self.descriptor, to)?)
    }

    /// Removes a file, or the link that has its name.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(why) => Err(why.into()),
        }
    }

    /// Makes a link to a name.
    pub(crate) fn link(&self, target: &OsStr, name: &OsStr) -> io::Result<()> {
        Ok(symlinkat(target, &self.descriptor, name)?)
    }

    /// Whether a name is that of a link; none where there is nothing of that name.
    pub(crate) fn is_link(&self, name: &OsStr) -> io::Result<Option<bool>> {
        match statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) => Ok(Some(FileType::from_raw_mode(facts.st_mode) == FileType::Symlink)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(why) => Err(why.into()),
        }
    }

    /// Makes names durable: a rename survives a power cut only once its directory is synced (fsync(2)).
    pub(crate) fn sync(&self) -> Result<(), JournalError> {
        match rustix::fs::fsync(&self.descriptor) {
            // Some file systems cannot sync a directory and say EINVAL; they order names themselves.
            Ok(()) | Err(rustix::io::Errno::INVAL) => Ok(()),
            Err(why) => Err(JournalError::writing(&self.path, why.into())),
        }
    }

    /// Locks the directory for this one alone, if nobody else has it.
    pub(crate) fn lock_alone(&self) -> bool {
        let how = FlockOperation::NonBlockingLockExclusive;
        rustix::fs::flock(self.descriptor.as_fd(), how).is_ok()
    }

    /// Shares the directory with others that write in it, for as long as this lives; waits for one that has it alone. A file system
    /// without locks keeps nobody from writing.
    pub(crate) fn share(&self) {
        while rustix::fs::flock(self.descriptor.as_fd(), FlockOperation::LockShared)
            == Err(rustix::io::Errno::INTR)
        {}
    }
}

fn not_opened(path: &Path, why: io::Error) -> JournalError {
    if path.is_symlink() && why.kind() == io::ErrorKind::NotADirectory && !path.is_file() {
        return JournalError::Link(path.to_owned());
    }
    if why.kind() == io::ErrorKind::NotADirectory && path.symlink_metadata().is_ok() {
        return JournalError::NotADirectory(path.to_owned());
    }
    JournalError::reading(path, why)
}
