//! Files that a command line names beside run directories: reached with the rights of the user who called sudo, and none of them
//! without an end.

use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, BufWriter, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use journal::{Owner, with_rights};

use crate::exit::Stop;

/// Opens an ordinary file or a pipe to be read (process substitution makes pipes).
///
/// # Errors
/// What `cannot` makes of the reason: a directory is [`ErrorKind::IsADirectory`].
pub(crate) fn open(
    path: &Path,
    owner: Owner,
    cannot: impl FnOnce(io::Error) -> Stop,
) -> Result<File, Stop> {
    let open = || {
        // Before it is opened, which alone may do something to a device.
        check(fs::metadata(path)?.file_type())?;
        let file = File::open(path)?;
        // And after, as the name may stand for something else by now.
        check(file.metadata()?.file_type())?;
        Ok(file)
    };
    with_rights(owner, open)?.map_err(|why| cannot(of_user(owner, why)))
}

/// Of a directory that was named where a file belongs, the file in it that may have been meant: nothing where there is none.
pub(crate) fn within(directory: &Path, name: &str) -> String {
    let file = directory.join(name);
    if file.is_file() { format!(", such as {}", file.display()) } else { String::new() }
}

/// What a file may be to be read to its end.
fn check(kind: FileType) -> io::Result<()> {
    if kind.is_dir() {
        Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory"))
    } else if kind.is_char_device() || kind.is_block_device() {
        Err(io::Error::new(ErrorKind::InvalidInput, "it is a device, which may have no end"))
    } else {
        Ok(())
    }
}

/// Replaces a file by what a function writes, whole or not at all. Under sudo a link in its place is replaced and not followed.
/// Elsewhere it is followed, and what it points at written to as it is (`/dev/stdout` is one), as are devices and pipes.
///
/// # Errors
/// What `cannot` makes of the reason.
pub(crate) fn replace(
    path: &Path,
    owner: Owner,
    write: impl FnOnce(BufWriter<File>) -> io::Result<()>,
    cannot: impl FnOnce(io::Error) -> Stop,
) -> Result<(), Stop> {
    let replace = || {
        let is_replaced = |kind: FileType| kind.is_file() || (kind.is_symlink() && owner.is_some());
        if fs::symlink_metadata(path).is_ok_and(|facts| !is_replaced(facts.file_type())) {
            return write(BufWriter::new(File::create(path)?));
        }
        let temporary = temporary(path)?;
        // One that a killed process of the same id has left.
        let _ = fs::remove_file(&temporary);
        let file = File::options().write(true).create_new(true).open(&temporary)?;
        let written = write(BufWriter::new(file)).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&temporary);
        }
        written
    };
    with_rights(owner, replace)?.map_err(|why| cannot(of_user(owner, why)))
}

/// Hidden, beside its target so that a rename stays within one file system, and of this process alone.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// Under sudo a refusal is told with whose rights it met.
fn of_user(owner: Owner, why: io::Error) -> io::Error {
    match owner {
        Some((user, _)) if why.kind() == ErrorKind::PermissionDenied => io::Error::new(
            ErrorKind::PermissionDenied,
            format!("user {user}, who called sudo, may not ({why})"),
        ),
        _ => why,
    }
}
