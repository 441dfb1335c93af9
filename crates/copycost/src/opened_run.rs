//! A run directory whose journal is open for writing.

use std::path::Path;

use journal::{JournalError, Owner, RunDirectory, Writer};
use model::Plan;
use model::host::Host;
use model::record::Record;

use crate::exit::Stop;
use crate::run_directories::RUNS;
use crate::terminal::tell;

/// A run directory, its open journal, and what that held before.
pub(crate) struct OpenedRun {
    pub(crate) directory: RunDirectory,
    pub(crate) journal: Writer,
    pub(crate) earlier: Vec<Record>,
}

impl OpenedRun {
    /// A new run, in `out` or in a directory of its own under [`RUNS`], to which `latest` points then.
    ///
    /// # Errors
    /// There is something already, or it cannot be written.
    pub(crate) fn begin(
        out: Option<&Path>,
        owner: Owner,
        plan: &Plan,
        host: &Host,
    ) -> Result<Self, Stop> {
        let begun = match out {
            Some(path) => RunDirectory::begin(path, owner).map_err(or_elsewhere)?,
            None => named_by_time("", owner, host).map_err(or_elsewhere)?,
        };
        let opened = Self::new(begun, plan, host)?;
        // A link beside a directory that somebody named would lie where nobody asked for it.
        if out.is_none()
            && let Some(note) = opened.directory.point_latest()?
        {
            tell(&format!("! {note}"));
        }
        Ok(opened)
    }

    /// A new run under [`RUNS`] whose name begins with `prefix`; `latest` stays where it points.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn begin_apart(
        prefix: &str,
        owner: Owner,
        plan: &Plan,
        host: &Host,
    ) -> Result<Self, Stop> {
        Self::new(named_by_time(prefix, owner, host)?, plan, host)
    }

    /// The journal is held first, so that plan and host are of the run whose records follow.
    fn new(
        (directory, journal): (RunDirectory, Writer),
        plan: &Plan,
        host: &Host,
    ) -> Result<Self, Stop> {
        directory.write_plan(plan)?;
        directory.write_host(host)?;
        Ok(Self { directory, journal, earlier: Vec::new() })
    }

    /// A run to go on with.
    ///
    /// # Errors
    /// Another process writes to it, its journal is damaged, or its trials were measured in another order.
    pub(crate) fn resume(directory: RunDirectory, plan: &Plan, host: &Host) -> Result<Self, Stop> {
        let resumed = directory.resume_journal()?;
        if let Some(torn) = resumed.torn {
            tell(&format!("! {torn}"));
        }
        if !resumed.records.is_empty() {
            // Another process may have begun or gone on with it since this one looked.
            let (then, of) = (directory.read_plan()?, directory.read_host()?);
            // What was measured under another plan must not be gone on with under this one.
            directory.check(&then, &of, &resumed.records)?;
            study::resume::check(&then, plan, &of, host, &resumed.records)
                .map_err(|differs| Stop::Usage(differs.to_string()))?;
        }
        study::resume::check_order(plan, &resumed.records)
            .map_err(|differs| Stop::Usage(differs.to_string()))?;
        // Only now that the journal is held: budget, precision, rounds and label may differ.
        directory.write_plan(plan)?;
        if resumed.records.is_empty() {
            directory.write_host(host)?;
        }
        Ok(Self { directory, journal: resumed.writer, earlier: resumed.records })
    }
}

/// What cannot be written here may be written elsewhere, by the commands that have the flag.
#[allow(clippy::wildcard_enum_match_arm, reason = "other errors have nothing to do with the place")]
fn or_elsewhere(why: JournalError) -> Stop {
    match why {
        JournalError::Unwritable { .. } => {
            Stop::Cannot(format!("{why}; name another directory with --out"))
        }
        other => other.into(),
    }
}

/// A directory under [`RUNS`], named by the time and the host.
fn named_by_time(
    prefix: &str,
    owner: Owner,
    host: &Host,
) -> Result<(RunDirectory, Writer), JournalError> {
    let time = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
    let host = host.hostname.value().map_or("import", String::as_str);
    let name = journal::directory_name(&format!("{prefix}{time}"), host);
    RunDirectory::begin_within(Path::new(RUNS), &name, owner)
}
