//! A run that a command measures for its own answer, as `copycost run` would.

use engine::{Engine, EngineError};
use journal::{Owner, RunDirectory};
use model::host::Host;
use model::record::FinishReason;
use model::{Factor, Plan};
use report::ColumnSet;
use study::StudyError;

use crate::cautions::cautions;
use crate::derived::Derived;
use crate::exit::Stop;
use crate::opened_run::OpenedRun;
use crate::refusals::Refusals;
use crate::run::{Measuring, tell_all};
use crate::terminal::tell;

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
}

/// Measures a plan into a run of its own.
///
/// # Errors
/// No cell can be measured, or nothing can be written.
pub(crate) fn measure(
    plan: &Plan,
    quiet: bool,
    host: &Host,
    owner: Owner,
    engine: &mut Engine,
) -> Result<(Run, FinishReason), Stop> {
    let refusals = &Refusals::find(engine, plan)?;
    let forecast = study::forecast(plan, host.usable_cpus.len(), |cell| refusals.has(cell));
    let mut opened = OpenedRun::begin(None, owner, plan, host)?;
    if !quiet {
        tell_all(&cautions(host, plan, &forecast, refusals));
        let links = plan.factors.get(Factor::Link).join(",");
        let name = opened.directory.path().display();
        tell(&format!("{}, {links}: {forecast}; into {name}", plan.label));
    }
    let measuring = Measuring { plan, host, quiet, columns: ColumnSet::All };
    let ending = match measuring.run(engine, refusals, &mut opened) {
        Ok(ending) => ending,
        Err(StudyError::Engine(EngineError::Interrupted)) => FinishReason::Interrupted,
        Err(StudyError::Journal(error)) => return Err(error.into()),
        Err(error) => return Err(Stop::Cannot(error.to_string())),
    };
    let mut run = Run::read(&opened.directory)?;
    run.derived.write(&opened.directory, ColumnSet::All)?;
    Ok((run, ending))
}
