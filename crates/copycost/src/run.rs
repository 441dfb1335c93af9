//! `copycost run`: plan, machine, study, report in a row.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Engine, EngineError, EngineOptions, Interrupts};
use journal::{Owner, RunDirectory, Writer};
use model::Plan;
use model::host::Host;
use model::record::{FinishReason, Record, Segment};
use report::ColumnSet;
use study::{Event, Study, StudyError, SystemClock};

use crate::args::RunArguments;
use crate::asked_plan::{Asked, check_messages};
use crate::derived::{self, Derived, RUNS};
use crate::exit::Stop;
use crate::left_out::{LeftOut, WithoutLeftOut};
use crate::progress::Progress;
use crate::terminal::{Shown, show, tell};
use crate::{cautions, dry_run, probe};

/// Derived files are written anew after a round where that took at most this part of the time since the last time.
const DERIVING: u32 = 20;

/// A run directory with its journal open.
struct Opened {
    directory: RunDirectory,
    journal: Writer,
    earlier: Vec<Record>,
}

/// Measures a plan, and shows what came of it.
///
/// # Errors
/// Wrong usage, a machine that cannot, a signal, or with `--strict` invalid cells.
pub(crate) fn run(arguments: &RunArguments) -> Result<(), Stop> {
    let owner = derived::owner(derived::effective_uid(), |name| std::env::var(name).ok());
    let resumed = match &arguments.resume {
        Some(path) => Some(derived::find(Some(path), owner)?),
        None => None,
    };
    let kept = resumed.as_ref().map(RunDirectory::read_plan).transpose()?;
    let asked = Asked {
        file: arguments.plan.as_deref(),
        preset: arguments.preset.as_deref(),
        flags: &arguments.flags,
        label: arguments.label.as_deref(),
    };
    let plan = asked.plan(kept.clone())?;
    let host = engine::host::facts();
    check_messages(&plan, host.page_bytes)?;
    if let (Some(directory), Some(kept)) = (&resumed, &kept) {
        let differs = study::resume::check(kept, &plan, &directory.read_host()?, &host);
        differs.map_err(|differs| Stop::Usage(differs.to_string()))?;
    }
    let mut engine = start_engine()?;
    let left_out = LeftOut::find(&engine, &plan)?;
    let forecast = study::forecast(&plan, host.usable_cpus.len());
    let mut cautions = cautions::cautions(&host, &plan, &forecast);
    if arguments.dry_run {
        tell_all(&cautions);
        let needs = probe::unlockable();
        return show(&if arguments.json {
            dry_run::json(&plan, &forecast, &left_out, &needs)
        } else {
            dry_run::text(&plan, &forecast, &left_out.lines(), &needs)
        });
    }

    let Opened { directory, mut journal, earlier } = match resumed {
        Some(directory) => go_on(directory, &plan)?,
        None => begin(arguments.out.as_deref(), owner, &plan, &host)?,
    };

    cautions.extend(left_out.lines().iter().map(|line| format!("left out: {line}")));
    tell_all(&cautions);
    if !arguments.quiet {
        tell(&format!("{forecast}; into {}", directory.path().display()));
    }

    let mut progress = Progress::new(Shown::error().terminal, arguments.quiet);
    let mut deriving = Deriving::new(&directory, arguments.columns);
    let segment = segment(&engine, &plan, &host);
    let usable_cpus = engine.usable_cpus().len();
    let finished = Study {
        plan: &plan,
        usable_cpus,
        segment,
        earlier: &earlier,
        bench: &mut WithoutLeftOut { engine: &mut engine, left_out: &left_out },
        journal: &mut journal,
        clock: &SystemClock::new(),
        events: &mut |event| {
            if !left_out.is_known(&event) {
                progress.show(&event);
            }
            deriving.follow(&event);
        },
    }
    .run();
    progress.clear();
    conclude(arguments, &directory, finished)
}

/// An engine of this very program, which stops at Ctrl-C and SIGTERM.
///
/// # Errors
/// What no trial could do without is missing.
pub(crate) fn start_engine() -> Result<Engine, Stop> {
    let program = std::env::current_exe()
        .map_err(|error| Stop::Cannot(format!("cannot find this program's own file: {error}")))?;
    let interrupts = Interrupts::install().map_err(Stop::Cannot)?;
    Engine::new(EngineOptions { program, interrupts })
        .map_err(|error| Stop::Cannot(error.to_string()))
}

fn tell_all(cautions: &[String]) {
    for caution in cautions {
        tell(&format!("! {caution}"));
    }
}

fn begin(out: Option<&Path>, owner: Owner, plan: &Plan, host: &Host) -> Result<Opened, Stop> {
    let directory = match out {
        Some(path) => RunDirectory::create(path, owner)?,
        None => {
            let time = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
            RunDirectory::create_within(
                Path::new(RUNS),
                &journal::directory_name(&time, &host.hostname),
                owner,
            )?
        }
    };
    directory.write_plan(plan)?;
    directory.write_host(host)?;
    let journal = directory.create_journal()?;
    // A link beside a directory that somebody named would lie where nobody asked for it.
    if out.is_none()
        && let Some(note) = directory.point_latest()?
    {
        tell(&format!("! {note}"));
    }
    Ok(Opened { directory, journal, earlier: Vec::new() })
}

fn go_on(directory: RunDirectory, plan: &Plan) -> Result<Opened, Stop> {
    let resumed = directory.resume_journal()?;
    if let Some(torn) = resumed.torn {
        tell(&format!("! {torn}"));
    }
    // Only now that the journal is held: budget, precision, rounds and label may differ.
    directory.write_plan(plan)?;
    Ok(Opened { directory, journal: resumed.writer, earlier: resumed.records })
}

fn segment(engine: &Engine, plan: &Plan, host: &Host) -> Segment {
    let choice = engine.congestion();
    let mut congestion: Vec<String> =
        plan.factors.congestion.iter().map(|asked| choice.resolve(asked)).collect();
    congestion.sort();
    congestion.dedup();
    Segment {
        copycost: env!("CARGO_PKG_VERSION").to_owned(),
        // The study sets it when it begins.
        started_unix_ms: 0,
        boot_id: host.boot_id.clone(),
        host: host.identity(),
        receiver_host: host.receiver_host.as_ref().map(|host| host.identity()),
        congestion: congestion.join(","),
    }
}

/// Writes the derived files after a round, so that a run can be looked at while it goes on. As it grows, so does
/// the work, and it is done more seldom.
struct Deriving<'a> {
    directory: &'a RunDirectory,
    columns: ColumnSet,
    last: Instant,
    took: Duration,
}

impl<'a> Deriving<'a> {
    fn new(directory: &'a RunDirectory, columns: ColumnSet) -> Self {
        Self { directory, columns, last: Instant::now(), took: Duration::ZERO }
    }

    fn follow(&mut self, event: &Event) {
        if !matches!(event, Event::RoundEnded { .. }) || self.last.elapsed() < self.took * DERIVING
        {
            return;
        }
        let begun = Instant::now();
        // What fails here fails again at the end, and is told there.
        let _ = Derived::read(self.directory)
            .and_then(|mut derived| derived.write(self.directory, self.columns));
        self.last = Instant::now();
        self.took = self.last - begun;
    }
}

/// Derives and shows, however the study ended.
fn conclude(
    arguments: &RunArguments,
    directory: &RunDirectory,
    finished: Result<FinishReason, StudyError>,
) -> Result<(), Stop> {
    let shown = shown(arguments, directory);
    let name = directory.path().display();
    match finished {
        Err(StudyError::Journal(error)) => return Err(error.into()),
        Err(StudyError::Engine(EngineError::Interrupted)) | Ok(FinishReason::Interrupted) => {
            return Err(Stop::Interrupted(format!(
                "what was measured is kept; go on with: copycost run --resume {name}"
            )));
        }
        Err(error @ (StudyError::Engine(_) | StudyError::Differs(_))) => {
            return Err(Stop::Cannot(error.to_string()));
        }
        Ok(
            FinishReason::Precise
            | FinishReason::Rounds
            | FinishReason::Time
            | FinishReason::Failed,
        ) => {}
    }
    shown?.judge(arguments.strict)
}

fn shown(arguments: &RunArguments, directory: &RunDirectory) -> Result<Derived, Stop> {
    let mut derived = Derived::read(directory)?;
    let written = derived.write(directory, arguments.columns);
    for note in &derived.notes {
        tell(&format!("! {note}"));
    }
    show(&if arguments.json { derived.json()? } else { derived.screen(directory) })?;
    written?;
    Ok(derived)
}
