//! What processes that were killed left in a run directory: beginnings without a record, files half-written.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::LazyLock;

use model::Plan;
use model::host::Host;

use super::{FIGURES, HOST, JOURNAL, PLAN, RunDirectory};
use crate::error::JournalError;

impl RunDirectory {
    /// Whether nothing is in it but what a run leaves that ended before its first record. Beside a journal plan and host are a
    /// run's; without one, as earlier versions left them, they must be as a run writes them, and are somebody's own else.
    pub(super) fn is_beginning(&self) -> Result<bool, JournalError> {
        let names = self.folder.names().map_err(|why| JournalError::reading(&self.path, why))?;
        let is_ours = |name: &OsString| {
            [PLAN, HOST, JOURNAL].iter().any(|ours| name == ours) || is_temporary(name)
        };
        let has = |file: &str| names.iter().any(|name| name == file);
        let is_runs_own = |file: &str, is_it: &dyn Fn(&str) -> bool| {
            !has(file) || has(JOURNAL) || self.text_here(file).is_ok_and(|text| is_it(&text))
        };
        let is_plan = |text: &str| Plan::from_toml(text).is_ok_and(|plan| plan.to_toml() == text);
        let is_host = |text: &str| serde_json::from_str::<Host>(text).is_ok();
        Ok(names.iter().all(is_ours) && is_runs_own(PLAN, &is_plan) && is_runs_own(HOST, &is_host))
    }

    /// Removes what a process that was killed left half-written, unless another one is writing now.
    pub(super) fn sweep(&self) {
        self.swept.call_once(|| {
            let figures = self.folder.within(FIGURES, false).ok();
            if self.folder.lock_alone() {
                for folder in std::iter::once(&*self.folder).chain(&figures) {
                    let left = folder.names().unwrap_or_default();
                    for name in left.iter().filter(|name| is_temporary(name)) {
                        // What cannot be removed does no harm.
                        let _ = folder.remove(name);
                    }
                }
            }
            // Whoever writes shares the lock, for as long as this directory is held open; whoever sweeps is soon done.
            self.folder.share();
        });
    }
}

/// Hidden, beside its target so that a rename stays within one file system, and of this process alone: `latest` may be replaced by
/// several machines at once on a disk that they share, and by processes that have one number, each in a container of its own.
pub(super) fn temporary_name(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}", *OF_THIS_PROCESS));
    temporary
}

/// A number drawn by each process.
static OF_THIS_PROCESS: LazyLock<u64> =
    LazyLock::new(|| RandomState::new().build_hasher().finish());

/// The files of a run beside its figures.
const FILES: [&str; 10] = [
    PLAN,
    HOST,
    JOURNAL,
    "trials.csv",
    "results.csv",
    "ratios.csv",
    "paper.csv",
    "summary.json",
    "report.html",
    "report.md",
];

/// Whether a name is one that [`temporary_name`] gives to a file of a run: `.summary.json.4711`.
fn is_temporary(name: &OsStr) -> bool {
    let Some((file, process)) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
        return false;
    };
    let is_ours =
        |file: &str| FILES.contains(&file) || file.ends_with(".svg") || file.ends_with(".png");
    file.strip_prefix('.').is_some_and(is_ours)
        && !process.is_empty()
        && process.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_is_known_and_not_the_same_in_every_container() {
        let name = temporary_name(OsStr::new(PLAN));
        assert!(is_temporary(&name));
        assert_eq!(name, temporary_name(OsStr::new(PLAN)));
        assert_ne!(name.to_str(), Some(format!(".{PLAN}.{}", std::process::id()).as_str()));
    }
}
