//! `copycost table`: the results of many runs in one table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use analysis::metric::Metric;
use journal::{Owner, RunDirectory};
use report::RunResults;
use report::numbers::counted;

use crate::args::{TableArguments, TableFormat};
use crate::derived::{Derived, RUNS};
use crate::exit::Stop;
use crate::terminal::{Reader, show, stream, tell};

/// Directories that hold runs are looked into so deep: `fleet/host/copycost-runs/run` is three levels under `fleet`.
const DEEPEST: u32 = 4;

/// Reads every run that was named or lies in a directory that was, and shows one table of all.
///
/// # Errors
/// None of them is a run that can be read, an unknown metric, standard output cannot be written; with `strict` also where any
/// of them cannot be read.
pub(crate) fn table(arguments: &TableArguments) -> Result<(), Stop> {
    let reader = Reader::of_output();
    let format = arguments.format.unwrap_or(if reader.at_terminal {
        TableFormat::Screen
    } else {
        TableFormat::Csv
    });
    let metrics = metrics(arguments.metric.as_deref(), format)?;
    let named = match arguments.runs.as_slice() {
        [] => vec![PathBuf::from(RUNS)],
        named => named.to_vec(),
    };
    let mut found = Found::default();
    for path in &named {
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
    let set = arguments.columns;
    match format {
        TableFormat::Csv => stream(|out| report::write_table(out, &runs, &metrics, set))?,
        TableFormat::Jsonl => stream(|out| report::write_table_lines(out, &runs, &metrics, set))?,
        TableFormat::Screen => {
            show(&report::runs_screen(&runs, &metrics, reader.width, reader.colour))?;
        }
    }
    if arguments.strict && !found.faults.is_empty() {
        let count = u32::try_from(found.faults.len()).unwrap_or(u32::MAX);
        return Err(Stop::Invalid(format!(
            "{} left out",
            counted(count, "directory", "directories")
        )));
    }
    Ok(())
}

/// The metrics asked for; without a word all of them, and on the screen goodput.
fn metrics(asked: Option<&str>, format: TableFormat) -> Result<Vec<Metric>, Stop> {
    let Some(asked) = asked else {
        return Ok(match format {
            TableFormat::Screen => vec![Metric::GoodputGbps],
            TableFormat::Csv | TableFormat::Jsonl => Metric::ALL.to_vec(),
        });
    };
    let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    let metric = |name: &str| {
        let found = Metric::ALL.iter().copied().find(|metric| metric.name() == name);
        let unknown = || model::nearest::unknown("metric", name, &names);
        found.ok_or_else(|| Stop::Usage(format!("--metric: {}", unknown())))
    };
    asked.split(',').map(|name| metric(name.trim())).collect()
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

    /// What every run says; one that cannot be read is a fault.
    fn read(&mut self) -> Vec<RunResults> {
        let mut runs = Vec::new();
        let mut paths = Vec::new();
        for directory in &self.runs {
            match Derived::read(directory) {
                Ok(derived) => {
                    let name = directory.path().display();
                    for note in &derived.notes {
                        tell(&format!("! {name}: {note}"));
                    }
                    let (origin, estimates) = (derived.origin, derived.summary.estimates);
                    runs.push(RunResults { origin, estimates });
                    paths.push(directory.path().to_owned());
                }
                Err(stop) => self.faults.push(stop.why().to_owned()),
            }
        }
        for (run, name) in runs.iter_mut().zip(distinct_names(&paths)) {
            run.origin.run = name;
        }
        runs
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

    #[test]
    fn a_metric_is_named_as_files_name_it() {
        let two = metrics(Some("goodput_gbps, ends_cpu_ns_per_kib"), TableFormat::Csv).unwrap();
        assert_eq!(two, [Metric::GoodputGbps, Metric::EndsCpuNsPerKib]);
        let Err(Stop::Usage(why)) = metrics(Some("goodput"), TableFormat::Csv) else {
            panic!("accepted")
        };
        assert!(why.starts_with("--metric: unknown metric \"goodput\"; did you mean"), "{why}");
        assert_eq!(metrics(None, TableFormat::Csv).unwrap().len(), Metric::ALL.len());
        assert_eq!(metrics(None, TableFormat::Screen).unwrap(), [Metric::GoodputGbps]);
    }
}
