//! Which runs were meant: directories of runs, and directories that hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use journal::{Owner, RunDirectory};

use crate::derived::Derived;
use crate::exit::Stop;
use crate::terminal::tell;

/// Directories that hold runs are looked into so deep: `fleet/host/copycost-runs/run` is three levels under `fleet`.
const DEEPEST: u32 = 4;

/// A run by a name that tells it apart.
pub(crate) type NamedRun = (String, Derived);

/// Every run that was named or lies in a directory that was; and, one line each, what could not be read.
///
/// # Errors
/// None of them is a run that can be read.
pub(crate) fn found(named: &[PathBuf]) -> Result<(Vec<NamedRun>, Vec<String>), Stop> {
    let mut found = Found::default();
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
#[derive(Default)]
struct Found {
    runs: Vec<RunDirectory>,
    seen: BTreeSet<PathBuf>,
    faults: Vec<String>,
}

impl Found {
    /// Takes in a run directory, or those below a directory.
    fn search(&mut self, path: &Path) {
        let directory = match RunDirectory::open(path, Owner::None) {
            Ok(directory) => directory,
            Err(_) if path.is_dir() => {
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
        let mut below: Vec<PathBuf> = match fs::read_dir(path) {
            Ok(entries) => entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path())
                .collect(),
            Err(why) => {
                self.faults.push(format!("{} cannot be read: {why}", path.display()));
                return true;
            }
        };
        below.sort();
        let mut foreign = Vec::new();
        let mut found = false;
        for path in below {
            match RunDirectory::open(&path, Owner::None) {
                Ok(directory) => {
                    found = true;
                    self.take(directory);
                }
                Err(_) if deep > 1 && self.search_below(&path, deep - 1) => found = true,
                Err(_) => foreign.push(path),
            }
        }
        // Where nothing was found, the directory above is named instead.
        if found {
            let line = |path: PathBuf| format!("{} is no run (no journal.jsonl)", path.display());
            self.faults.extend(foreign.into_iter().map(line));
        }
        found
    }

    fn take(&mut self, directory: RunDirectory) {
        let path = directory.path();
        if self.seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())) {
            self.runs.push(directory);
        }
    }

    /// What follows from every run; one that cannot be read is a fault.
    fn read(&mut self) -> Vec<NamedRun> {
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
        distinct_names(&paths).into_iter().zip(runs).collect()
    }
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
