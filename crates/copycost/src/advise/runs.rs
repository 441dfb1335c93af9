//! Which runs may answer a question: the one that is named, or those of this machine in a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use analysis::advice::{self, Advice, Question, Source};
use journal::{Owner, RunDirectory, with_rights};
use model::host::Host;

use crate::exit::Stop;
use crate::measured_run::Run;
use crate::run_directories::RUNS;
use crate::terminal::tell;

/// More runs than this are not looked at.
const MOST_RUNS: usize = 50;

/// The runs of a place that may answer, newest first.
pub(super) struct Runs {
    pub(super) place: PathBuf,
    pub(super) found: Vec<Run>,
    /// Whether one run was named, which answers as far as it can.
    pub(super) is_one_named: bool,
    pub(super) is_of_another_machine: bool,
}

impl Runs {
    /// The runs that may answer: the one that is named, or those of this machine below the directory that is.
    ///
    /// # Errors
    /// A named directory that cannot be read, or whose journal is damaged.
    pub(super) fn find(
        named: Option<&Path>,
        owner: Owner,
        question: &Question,
        host: &Host,
    ) -> Result<Self, Stop> {
        let place = named.unwrap_or(Path::new(RUNS)).to_owned();
        let mut runs =
            Self { place, found: Vec::new(), is_one_named: false, is_of_another_machine: false };
        if named.is_none() && !runs.place.exists() {
            return Ok(runs);
        }
        if let Some(path) = named
            && with_rights(owner, || holds_a_run(path))?
        {
            let run = Run::read(&RunDirectory::open(path, owner)?)?;
            runs.is_one_named = true;
            // Whoever names a run without its peer asks what that run says.
            let of = &run.derived.host;
            runs.is_of_another_machine = !is_of(of, host);
            runs.found.push(run);
            return Ok(runs);
        }
        for path in with_rights(owner, || directories(&runs.place))?? {
            let Ok(directory) = RunDirectory::open(&path, owner) else { continue };
            let is_here = directory.read_host().is_ok_and(|of| is_of(&of, host));
            let may_answer =
                directory.read_plan().is_ok_and(|plan| advice::may_answer(question, &plan));
            if !is_here || !may_answer || runs.found.len() >= MOST_RUNS {
                continue;
            }
            match Run::read(&directory) {
                // Its records may leave nothing of the line that `host.json` tells.
                Ok(run) if !is_of(&run.derived.host, host) => {}
                Ok(run) => runs.found.push(run),
                Err(why) => tell(&format!("! {} is left out: {why}", path.display())),
            }
            if runs.advice(question).links.iter().all(advice::LinkAdvice::is_answered) {
                break;
            }
        }
        Ok(runs)
    }

    /// Where no run of a directory may answer and none will be measured: the newest of this machine, whose difference from the
    /// question is told.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn name_one_that_differs(&mut self, owner: Owner, host: &Host) -> Result<(), Stop> {
        if !self.found.is_empty() || !self.place.exists() {
            return Ok(());
        }
        let found = with_rights(owner, || directories(&self.place))??;
        let newest = found.into_iter().find_map(|path| {
            let directory = RunDirectory::open(&path, owner).ok()?;
            let is_here = directory.read_host().is_ok_and(|of| is_of(&of, host));
            Run::read(&directory).ok().filter(|run| is_here && is_of(&run.derived.host, host))
        });
        self.found.extend(newest);
        Ok(())
    }

    pub(super) fn advice(&self, question: &Question) -> Advice {
        let sources: Vec<Source<'_>> = self
            .found
            .iter()
            .map(|run| Source {
                name: &run.name,
                summary: &run.derived.summary,
                host: &run.derived.host,
                margin: run.derived.plan.measure.margin,
            })
            .collect();
        advice::advise(question, &sources)
    }
}

/// Whether a run's machine is this one, and where another host is asked about, its other host too, with the same part.
fn is_of(run: &Host, here: &Host) -> bool {
    let peers = |host: &Host| {
        [&host.sender_host, &host.receiver_host].map(|peer| Some(peer.as_ref()?.identity()))
    };
    // What the line between them carries is part of what was measured; what neither machine tells of it is no difference.
    let lines = |host: &Host| host.nics().map(|_| host.peer_line_facts());
    let has_peer = here.peer().is_some();
    run.identity() == here.identity()
        && (!has_peer || (peers(run) == peers(here) && lines(run) == lines(here)))
}

/// Whether a directory is a run.
pub(super) fn holds_a_run(path: &Path) -> bool {
    ["journal.jsonl", "plan.toml"].iter().any(|file| path.join(file).is_file())
}

/// The runs of a directory, newest first; `latest` is one of them.
fn directories(place: &Path) -> Result<Vec<PathBuf>, Stop> {
    let unreadable = |error: io::Error| {
        let place = place.display();
        Stop::Usage(format!(
            "cannot read {place}: {error}; name a run directory, or one that holds runs"
        ))
    };
    let mut runs: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_plain = std::fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_dir());
        let changed = std::fs::metadata(path.join("journal.jsonl")).and_then(|of| of.modified());
        if let (true, Ok(changed)) = (is_plain, changed) {
            runs.push((changed, path));
        }
    }
    runs.sort();
    Ok(runs.into_iter().rev().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_over_a_line_of_another_rate_does_not_answer() {
        let of = |bits_per_s| {
            let here = synthetic::shaped(synthetic::nic("veth", None), bits_per_s);
            synthetic::two_hosts(here, synthetic::nic("veth", None))
        };
        assert!(is_of(&of(50_000_000), &of(50_000_000)));
        assert!(!is_of(&of(1_000_000_000), &of(50_000_000)));
    }
}
