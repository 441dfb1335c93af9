//! Which runs were meant: directories of runs, and directories that hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use journal::{JournalError, Owner, RunDirectory, with_rights};

use crate::derived::Derived;
use crate::exit::Stop;
use crate::run_directories;
use crate::terminal::tell;

/// Directories that hold runs are looked into so deep: `fleet/host/copycost-runs/run` is three levels under `fleet`.
const DEEPEST: u32 = 4;

/// A run that was found.
pub(crate) struct FoundRun {
    /// A name that tells it apart.
    pub(crate) name: String,
    /// Its directory, as a reader can type it.
    pub(crate) path: String,
    /// What follows from it.
    pub(crate) derived: Derived,
}

/// Every run that was named or lies in a directory that was; and, one line each, what could not be read. Under sudo none is
/// looked at that the user who called it could not.
///
/// # Errors
/// None of them is a run that can be read.
pub(crate) fn found(named: &[PathBuf]) -> Result<(Vec<FoundRun>, Vec<String>), Stop> {
    let mut found = Found::new(run_directories::caller());
    for path in named {
        found.search(path);
    }
    let runs = found.read();
    for fault in &found.faults {
        tell(&format!("! left out: {fault}"));
    }
    if runs.is_empty() {
        let named: Vec<_> = named.iter().map(|path| path.display().to_string()).collect();
        return Err(Stop::Usage(format!(
            "no run can be read in {}; name run directories, or directories that hold them",
            named.join(", ")
        )));
    }
    Ok((runs, found.faults))
}

/// Run directories, each once, and what is none.
struct Found {
    owner: Owner,
    runs: Vec<RunDirectory>,
    seen: BTreeSet<PathBuf>,
    faults: Vec<String>,
}

impl Found {
    const fn new(owner: Owner) -> Self {
        Self { owner, runs: Vec::new(), seen: BTreeSet::new(), faults: Vec::new() }
    }

    /// Takes in a run directory, or those below a directory.
    fn search(&mut self, path: &Path) {
        let directory = match RunDirectory::open(path, self.owner) {
            Ok(directory) => directory,
            Err(JournalError::Missing(_)) if self.is_directory(path) => {
                if !self.search_below(path, DEEPEST) {
                    let path = path.display();
                    self.faults.push(format!("{path} holds no run (none has a journal.jsonl)"));
                }
                return;
            }
            Err(why) => {
                self.faults.push(why.to_string());
                return;
            }
        };
        self.take(directory);
    }

    /// Whether there was anything in it. Links are not followed: `latest` is a run that is there already.
    fn search_below(&mut self, path: &Path, deep: u32) -> bool {
        let listed = with_rights(self.owner, || directories(path)).map_err(|why| why.to_string());
        let unreadable = |why| format!("{} cannot be read: {why}", path.display());
        let below = match listed.and_then(|listed| listed.map_err(unreadable)) {
            Ok(below) => below,
            Err(fault) => {
                self.faults.push(fault);
                return true;
            }
        };
        let mut foreign = Vec::new();
        let mut found = false;
        for path in below {
            match RunDirectory::open(&path, self.owner) {
                Ok(directory) => {
                    found = true;
                    self.take(directory);
                }
                Err(JournalError::Missing(_)) => {
                    if deep > 1 && self.search_below(&path, deep - 1) {
                        found = true;
                    } else {
                        foreign.push(path);
                    }
                }
                // A run that cannot be read says why itself.
                Err(why) => {
                    found = true;
                    self.faults.push(why.to_string());
                }
            }
        }
        // Where nothing was found, the directory above is named instead.
        if found {
            let line = |path: PathBuf| format!("{} is no run (no journal.jsonl)", path.display());
            self.faults.extend(foreign.into_iter().map(line));
        }
        found
    }

    fn is_directory(&self, path: &Path) -> bool {
        with_rights(self.owner, || path.is_dir()).unwrap_or(false)
    }

    fn take(&mut self, directory: RunDirectory) {
        let path = directory.path();
        if self.seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())) {
            self.runs.push(directory);
        }
    }

    /// What follows from every run; one that cannot be read is a fault.
    fn read(&mut self) -> Vec<FoundRun> {
        let mut runs = Vec::new();
        let mut paths = Vec::new();
        for directory in &self.runs {
            match Derived::read(directory) {
                Ok(derived) => {
                    let name = directory.path().display();
                    for note in &derived.notes {
                        tell(&format!("! {name}: {note}"));
                    }
                    runs.push(derived);
                    paths.push(directory.path().to_owned());
                }
                Err(stop) => self.faults.push(stop.why().to_owned()),
            }
        }
        let named = distinct_names(&paths).into_iter().zip(paths);
        let found = named.zip(runs).map(|((name, path), derived)| FoundRun {
            name,
            path: path.display().to_string(),
            derived,
        });
        found.collect()
    }
}

/// The directories in one, by name; links are none.
fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path)?.flatten();
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut below: Vec<PathBuf> = entries.filter(is_directory).map(|entry| entry.path()).collect();
    below.sort();
    Ok(below)
}

/// A name for each directory: its own, and where two have the same, with as many directories before it as tell all runs of
/// that name apart.
fn distinct_names(paths: &[PathBuf]) -> Vec<String> {
    let whole: Vec<PathBuf> =
        paths.iter().map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.clone())).collect();
    let last = |path: &Path, parts: usize| -> String {
        let all: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        all.get(all.len().saturating_sub(parts)..).unwrap_or_default().join("/")
    };
    let longest = whole.iter().map(|path| path.iter().count()).max().unwrap_or(1);
    let mut of_name: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
    for path in &whole {
        of_name.entry(last(path, 1)).or_default().push(path);
    }
    let name = |path: &PathBuf| {
        let same = of_name.get(&last(path, 1)).map(Vec::as_slice).unwrap_or_default();
        let tells_apart = |parts: &usize| {
            same.iter().map(|path| last(path, *parts)).collect::<BTreeSet<_>>().len() == same.len()
        };
        last(path, (1..=longest).find(tells_apart).unwrap_or(longest))
    };
    whole.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_name_are_told_apart_by_what_stands_before_it() {
        let paths = ["/x/a/runs/one", "/x/b/runs/one", "/x/b/runs/two"].map(PathBuf::from);
        assert_eq!(distinct_names(&paths), ["a/runs/one", "b/runs/one", "two"]);
        assert_eq!(distinct_names(&[]), Vec::<String>::new());
    }
}
