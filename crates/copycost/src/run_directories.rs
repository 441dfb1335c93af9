//! Which run directory is meant, and whose rights it is read and written with.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use journal::{JournalError, Owner, RunDirectory};

use crate::exit::Stop;

/// Where runs go unless somebody says otherwise.
pub(crate) const RUNS: &str = "copycost-runs";

/// The run directory that was named, or the latest one.
///
/// # Errors
/// There is none.
pub(crate) fn find(named: Option<&Path>, owner: Owner) -> Result<RunDirectory, Stop> {
    Ok(RunDirectory::open(&meant(named)?, owner)?)
}

/// The run directory to go on with.
///
/// # Errors
/// There is none.
pub(crate) fn find_to_resume(named: &Path, owner: Owner) -> Result<RunDirectory, Stop> {
    Ok(RunDirectory::open_to_resume(&meant(Some(named))?, owner)?)
}

/// The run that began in a directory, to go on with it; none where there is no run, or nothing at all.
///
/// # Errors
/// It is no directory, or cannot be read.
pub(crate) fn find_begun(named: &Path, owner: Owner) -> Result<Option<RunDirectory>, Stop> {
    match RunDirectory::open_to_resume(named, owner) {
        Err(JournalError::Missing(_)) => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// Which directory a name means, or none: `latest` is the one under [`RUNS`], unless there is another.
fn meant(named: Option<&Path>) -> Result<PathBuf, Stop> {
    let latest = || Path::new(RUNS).join(journal::LATEST);
    match named {
        None if !latest().exists() => {
            Err(Stop::Usage(format!("{} does not exist; name a run directory", latest().display())))
        }
        None => Ok(latest()),
        Some(path) if path.as_os_str() == journal::LATEST && !path.exists() => Ok(latest()),
        Some(path) => Ok(path.to_owned()),
    }
}

/// Whose rights everything is done with: as [`owner`] says of this process.
pub(crate) fn caller() -> Owner {
    owner(effective_uid(), |name| std::env::var(name).ok())
}

/// Who runs this; a user of no privilege where that cannot be told.
fn effective_uid() -> u32 {
    // /proc/self belongs to the effective user (proc(5)).
    std::fs::metadata("/proc/self").map_or(u32::MAX, |facts| facts.uid())
}

/// Who a run directory shall belong to: under sudo the user who called it, else whoever runs this.
fn owner(effective_uid: u32, variable: impl Fn(&str) -> Option<String>) -> Owner {
    let number = |name: &str| variable(name)?.parse::<u32>().ok();
    // Only root may give files away; elsewhere the variables are left over from something else.
    if effective_uid != 0 {
        return None;
    }
    Some((number("SUDO_UID")?, number("SUDO_GID")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_sudo_files_belong_to_the_invoking_user() {
        let sudo = |name: &str| match name {
            "SUDO_UID" => Some("1000".to_owned()),
            "SUDO_GID" => Some("100".to_owned()),
            _ => None,
        };
        assert_eq!(owner(0, sudo), Some((1000, 100)));
        assert_eq!(owner(1000, sudo), None);
        assert_eq!(owner(0, |_| None), None);
        assert_eq!(owner(0, |_| Some("root".to_owned())), None);
    }
}
