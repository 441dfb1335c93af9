//! A run that a command measures for its own answer, as `copycost run` would.

use std::path::Path;

use engine::{Engine, EngineError};
use journal::{Owner, RunDirectory};
use model::host::Host;
use model::record::FinishReason;
use model::{Factor, Plan};
use report::ColumnSet;
use study::{OutOfTime, StudyError};

use crate::cautions::cautions;
use crate::derived::Derived;
use crate::exit::Stop;
use crate::opened_run::OpenedRun;
use crate::refusals::Refusals;
use crate::run::{Measured, Measuring, tell_all};
use crate::terminal::tell;
use crate::time_limit::TimeLimit;

/// A run, by name, with what follows from it.
pub(crate) struct Run {
    /// Its directory, as a reader can type it.
    pub(crate) name: String,
    pub(crate) derived: Derived,
}

impl Run {
    /// Reads a run and derives the rest.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another version.
    pub(crate) fn read(directory: &RunDirectory) -> Result<Self, Stop> {
        let name = directory.path().display().to_string();
        Ok(Self { name, derived: Derived::read(directory)? })
    }

    /// Measures a plan into a run of its own, and derives and writes the rest.
    ///
    /// # Errors
    /// No cell can be measured, or nothing can be written.
    pub(crate) fn measured(
        plan: &Plan,
        prefix: &str,
        asked: Asked,
        of: (&Host, Owner),
        engine: &mut Engine,
    ) -> Result<(Self, RunEnd), Stop> {
        let (directory, end) = measure(plan, Place::Apart(prefix), asked, of, engine)?;
        let mut run = Self::read(&directory)?;
        run.derived.write(&directory, ColumnSet::All)?;
        Ok((run, end))
    }
}

/// What the command line says of how to measure.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// Whether no progress is shown.
    pub(crate) quiet: bool,
    /// The limit, in the command's words.
    pub(crate) limit: TimeLimit,
}

/// How such a run ended.
#[derive(Clone, Copy)]
pub(crate) struct RunEnd {
    pub(crate) reason: FinishReason,
    /// Where its limit ended it.
    pub(crate) out_of_time: Option<OutOfTime>,
}

/// Where such a run lies: `latest` stays what the user measured last.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// In a directory that somebody named.
    Named(&'a Path),
    /// Under the usual one, by a name that begins so.
    Apart(&'a str),
}

/// Measures a plan into a run of its own.
///
/// # Errors
/// No cell can be measured, or nothing can be written.
pub(crate) fn measure(
    plan: &Plan,
    place: Place<'_>,
    Asked { quiet, limit }: Asked,
    (host, owner): (&Host, Owner),
    engine: &mut Engine,
) -> Result<(RunDirectory, RunEnd), Stop> {
    let refusals = &Refusals::find(engine, plan)?;
    let forecast =
        study::forecast(plan, analysis::line_rate::bounds(host), |cell| refusals.has(cell));
    let mut opened = match place {
        Place::Named(path) => OpenedRun::begin(Some(path), owner, plan, host)?,
        Place::Apart(prefix) => OpenedRun::begin_apart(prefix, owner, plan, host)?,
    };
    if !quiet {
        tell_all(&cautions(host, plan, &forecast, refusals, limit));
        let links = plan.factors.get(Factor::Link).join(",");
        let name = opened.directory.path().display();
        tell(&format!("{}, {links}: {forecast}; into {name}", plan.label));
    }
    let measuring =
        Measuring { plan, host, quiet, columns: ColumnSet::All, report_meanwhile: false };
    let Measured { finished, out_of_time } = measuring.run(engine, refusals, &mut opened);
    let reason = match finished {
        Ok(reason) => reason,
        Err(StudyError::Engine(EngineError::Interrupted)) => FinishReason::Interrupted,
        Err(StudyError::Engine(EngineError::Gone(why))) => return Err(Stop::Interrupted(why)),
        Err(StudyError::Journal(error)) => return Err(error.into()),
        Err(error) => return Err(Stop::Cannot(error.to_string())),
    };
    Ok((opened.directory, RunEnd { reason, out_of_time }))
}
