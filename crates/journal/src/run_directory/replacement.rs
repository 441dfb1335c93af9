//! A file that is written for as long as it takes, and then stands in place of another.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::{RunDirectory, WRITTEN_AT_ONCE, temporary_name, told};
use crate::error::JournalError;
use crate::folder::Folder;
use crate::rights::{Owner, Rights};

/// A file whose every write is the owner's, so that the owner's quota and the blocks kept for root hold.
#[derive(Debug)]
struct OwnersFile {
    file: File,
    owner: Owner,
}

impl Write for OwnersFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _rights = Rights::take(self.owner).map_err(io::Error::other)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Nobody sees it before [`Replacement::take_place`], and nothing is left of one that is dropped before.
#[derive(Debug)]
pub struct Replacement {
    folder: Arc<Folder>,
    name: OsString,
    temporary: OsString,
    file: io::BufWriter<OwnersFile>,
    owner: Owner,
    is_in_place: bool,
}

impl RunDirectory {
    /// Begins a file of this directory that is to stand in place of `path`, whole, or not at all; one at a time of one name.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn begin_replacement(&self, path: &Path) -> Result<Replacement, JournalError> {
        let begin = || {
            let wrong = |why| JournalError::writing(path, why);
            let inside = path.strip_prefix(&self.path).unwrap_or(path);
            let [name] = inside.iter().collect::<Vec<&OsStr>>()[..] else {
                return Err(wrong(io::ErrorKind::InvalidInput.into()));
            };
            let _rights = Rights::take(self.owner)?;
            self.sweep();
            let temporary = temporary_name(name);
            self.folder.remove(&temporary).map_err(wrong)?;
            let file = self.folder.create(&temporary).map_err(wrong)?;
            Ok(Replacement {
                folder: Arc::clone(&self.folder),
                name: name.to_owned(),
                temporary,
                file: io::BufWriter::with_capacity(
                    WRITTEN_AT_ONCE,
                    OwnersFile { file, owner: self.owner },
                ),
                owner: self.owner,
                is_in_place: false,
            })
        };
        told(self.owner, begin())
    }
}

impl Replacement {
    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// The disk is full or the directory cannot be written; the file that was there is kept.
    pub fn take_place(mut self) -> Result<(), JournalError> {
        let owner = self.owner;
        let mut take = || {
            // Each of its writes takes the rights by itself.
            let flushed = self.file.flush();
            let _rights = Rights::take(owner)?;
            let synced = flushed.and_then(|()| self.file.get_ref().file.sync_all());
            let named = synced.and_then(|()| self.folder.rename(&self.temporary, &self.name));
            named
                .map_err(|why| JournalError::writing(&self.folder.path().join(&self.name), why))?;
            self.is_in_place = true;
            self.folder.sync()
        };
        let taken = take();
        told(owner, taken)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_in_place
            && let Ok(_rights) = Rights::take(self.owner)
        {
            // What cannot be removed is swept by whoever writes next.
            let _ = self.folder.remove(&self.temporary);
        }
    }
}
