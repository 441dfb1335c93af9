//! `copycost run`: parse, plan, measure, present.

use engine::{Engine, EngineError, EngineOptions, Interrupts};
use journal::{Owner, RunDirectory};
use model::host::Host;
use model::record::{FinishReason, Record, Segment};
use model::{Bounds, Peer, Plan};
use report::ColumnSet;
use study::{Event, Forecast, OutOfTime, Study, StudyError, SystemClock};

use crate::args::RunArguments;
use crate::by_hand::time;
use crate::cautions::cautions;
use crate::derived::{self, Figures};
use crate::dry_run::Outlook;
use crate::exit::Stop;
use crate::live_report::LiveReport;
use crate::near_nic;
use crate::opened_run::OpenedRun;
use crate::progress::Progress;
use crate::quiet;
use crate::refusals::{Refusals, RefusingBench};
use crate::requested_plan::{PlanRequest, check_messages};
use crate::run_directories;
use crate::terminal::{Reader, tell};
use crate::time_limit::TimeLimit;

/// Measures a plan, and shows what came of it.
///
/// # Errors
/// Wrong usage, a machine that cannot, a signal, or with `--strict` invalid cells.
pub(crate) fn run(arguments: &RunArguments) -> Result<(), Stop> {
    let (request, engine) = Request::parse(arguments)?;
    let (plan, host) = (&request.plan, &request.host);
    let wait_quiet = arguments.wait_quiet.as_deref().map(|text| time("wait-quiet", text));
    let wait_quiet = wait_quiet.transpose()?;

    if let Some(directory) = request.ended(arguments)? {
        return report_ended(arguments, directory);
    }
    let mut engine = match engine {
        Some(engine) => engine,
        None => start_engine(None)?,
    };
    let refusals = &Refusals::find(&engine, plan)?;
    // Of a run that is gone on with, what is left counts.
    let forecast = |earlier: &[Record]| {
        let bounds = analysis::line_rate::bounds(host);
        study::forecast_rest(plan, bounds, |cell| refusals.has(cell), earlier)
    };
    let near = near_nic::words(plan, &engine.near_devices());
    let limit = |earlier: &[Record]| TimeLimit::of_run(!earlier.is_empty());
    if arguments.dry_run {
        let earlier = request.earlier()?;
        let forecast = &forecast(&earlier);
        tell_all(&cautions(host, plan, forecast, refusals, limit(&earlier)));
        return Outlook { plan, refusals, forecast, near: &near }.show(arguments.json);
    }

    if let Some((directory, done)) = request.has_its_rounds(arguments, &forecast)? {
        if !arguments.quiet {
            let done = report::numbers::counted(done, "round", "rounds");
            let name = directory.path().display();
            tell(&format!(
                "{name} has {done} already, and nothing is measured; more of them, by --rounds, go on with it"
            ));
        }
        return show_again(arguments, directory);
    }

    if let Some(at_most) = wait_quiet {
        quiet::wait(&mut engine, at_most, arguments.quiet)?;
    }
    let mut opened = request.open(arguments)?;
    let forecast = &forecast(&opened.earlier);
    let limit = limit(&opened.earlier);
    tell_all(&cautions(host, plan, forecast, refusals, limit));
    if !arguments.quiet {
        tell(&format!("{forecast}{near}; into {}", opened.directory.path().display()));
    }
    let measuring = Measuring {
        plan,
        host,
        quiet: arguments.quiet,
        columns: arguments.columns,
        report_meanwhile: true,
    };
    let Measured { finished, out_of_time } = measuring.run(&mut engine, refusals, &mut opened);
    let nothing = out_of_time.filter(|out| out.blocks == 0);
    let nothing = nothing.map(|out| limit.nothing_measured(plan, &out));
    present(arguments, &opened.directory, finished, nothing)
}

/// What a command line asks for, checked as far as that goes without an engine; only another host's facts take one.
struct Request {
    plan: Plan,
    host: Host,
    owner: Owner,
    /// The run to go on with.
    resumed: Option<RunDirectory>,
}

impl Request {
    fn parse(arguments: &RunArguments) -> Result<(Self, Option<Engine>), Stop> {
        let owner = run_directories::caller();
        let resumed = match (&arguments.resume, &arguments.out) {
            (Some(path), _) => Some(run_directories::find_to_resume(path, owner)?),
            (None, Some(path)) if arguments.or_resume => run_directories::find_begun(path, owner)?,
            (None, _) => None,
        };
        if let Some(directory) = &resumed
            && directory.is_imported()?
        {
            let path = directory.path().display();
            return Err(Stop::Usage(format!(
                "{path} was imported from a table, and no run goes on with that; measure the same here: copycost run {path}/plan.toml"
            )));
        }
        // Where nothing was recorded there is nothing to go on with, and it begins as it is asked for now.
        let kept = match &resumed {
            Some(directory) if directory.has_records()? => Some(directory.read_plan()?),
            Some(directory) => directory.read_plan().ok(),
            None => None,
        };
        let request = PlanRequest {
            file: arguments.plan.as_deref(),
            preset: arguments.preset.as_deref(),
            flags: &arguments.flags,
            label: arguments.label.as_deref(),
        };
        // With --or-resume it is the command that began the run, and tells all of the plan again.
        let plan = request.plan(kept.clone().filter(|_| !arguments.or_resume))?;
        let (engine, host) = match &plan.peer {
            None => (None, engine::host::facts()),
            Some(peer) => {
                let engine = start_engine(Some(peer.clone()))?;
                let host = both_hosts(&engine)?;
                (Some(engine), host)
            }
        };
        if let Some(page) = host.page_bytes.value() {
            check_messages(&plan, *page)?;
        }
        if let (Some(directory), Some(kept)) = (&resumed, &kept)
            && directory.has_records()?
        {
            let differs = study::resume::check(kept, &plan, &directory.read_host()?, &host, &[]);
            differs.map_err(|differs| Stop::Usage(differs.to_string()))?;
        }
        Ok((Self { plan, host, owner, resumed }, engine))
    }

    /// The run of `--or-resume` where it ended by itself and nothing else is asked for now.
    fn ended(&self, arguments: &RunArguments) -> Result<Option<&RunDirectory>, Stop> {
        let asked = arguments.or_resume && !arguments.dry_run;
        let Some(directory) = self.resumed.as_ref().filter(|_| asked) else { return Ok(None) };
        let by_itself = match directory.finish()? {
            Some(FinishReason::Precise | FinishReason::Rounds | FinishReason::Time) => true,
            Some(FinishReason::Interrupted | FinishReason::Failed) | None => false,
        };
        if !by_itself {
            return Ok(None);
        }
        // Only the label may be another one.
        let kept = Plan { label: self.plan.label.clone(), ..directory.read_plan()? };
        Ok((kept == self.plan).then_some(directory))
    }

    /// The run of `--resume` that has all rounds that are asked for, and how many it has; its plan stays as it is. One with an
    /// audit left goes on, and so does one that was stopped after its last round.
    fn has_its_rounds(
        &self,
        arguments: &RunArguments,
        forecast: &impl Fn(&[Record]) -> Forecast,
    ) -> Result<Option<(&RunDirectory, u32)>, Stop> {
        let resumed = self.resumed.as_ref().filter(|_| !arguments.or_resume);
        let (Some(directory), Some(rounds)) = (resumed, self.plan.measure.rounds) else {
            return Ok(None);
        };
        let forecast = forecast(&self.earlier()?);
        if forecast.done < rounds || forecast.audits.0 > 0 {
            return Ok(None);
        }
        let has_ended = directory.finish()? == Some(FinishReason::Rounds);
        Ok((forecast.done > rounds || has_ended).then_some((directory, forecast.done)))
    }

    /// What is recorded of the run to go on with; nothing of a new one.
    fn earlier(&self) -> Result<Vec<Record>, Stop> {
        match &self.resumed {
            Some(directory) if directory.has_records()? => {
                let (records, _) = directory.read_journal()?.read_all()?;
                Ok(records)
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// The run directory, new or gone on with.
    fn open(&self, arguments: &RunArguments) -> Result<OpenedRun, Stop> {
        match &self.resumed {
            Some(directory) => OpenedRun::resume(directory.clone(), &self.plan, &self.host),
            None => OpenedRun::begin(arguments.out.as_deref(), self.owner, &self.plan, &self.host)
                .map_err(|stop| self.or_go_on(arguments, stop)),
        }
    }

    /// Of a directory that has a run already, how to go on with that.
    fn or_go_on(&self, arguments: &RunArguments, stop: Stop) -> Stop {
        let run = arguments.out.as_deref().and_then(|path| {
            let there = RunDirectory::open(path, self.owner).ok()?;
            let can_go_on = there.has_records().ok()? && !there.is_imported().ok()?;
            can_go_on.then(|| path.display())
        });
        match (stop, run) {
            (Stop::Usage(why), Some(path)) => {
                Stop::Usage(format!("{why}, or go on with it: copycost run --resume {path}"))
            }
            (stop, _) => stop,
        }
    }
}

/// Shows what came of a run that had ended before.
fn report_ended(arguments: &RunArguments, directory: &RunDirectory) -> Result<(), Stop> {
    if !arguments.quiet {
        let name = directory.path().display();
        tell(&format!(
            "the run in {name} has ended, and nothing is measured; with more time or rounds it goes on: copycost run --resume {name}"
        ));
    }
    show_again(arguments, directory)
}

/// Shows what a run has, which nothing is added to.
fn show_again(arguments: &RunArguments, directory: &RunDirectory) -> Result<(), Stop> {
    let figures = Figures::asked(arguments.json, arguments.verbose);
    derived::present(directory, figures, arguments.columns)?.judge(directory, arguments.strict)
}

/// An engine of this very program, which stops at Ctrl-C and SIGTERM.
///
/// # Errors
/// What no trial could do without is missing.
pub(crate) fn start_engine(peer: Option<Peer>) -> Result<Engine, Stop> {
    let program = std::env::current_exe()
        .map_err(|error| Stop::Cannot(format!("cannot find this program's own file: {error}")))?;
    let interrupts = Interrupts::install().map_err(Stop::Cannot)?;
    Engine::new(EngineOptions { program, interrupts, peer })
        .map_err(|error| Stop::Cannot(error.to_string()))
}

/// The facts of this host, and of the other one where the engine has one.
///
/// # Errors
/// It is not reached, or a signal came meanwhile.
pub(crate) fn both_hosts(engine: &Engine) -> Result<Host, Stop> {
    let mut host = engine::host::facts();
    match engine.peer_facts() {
        Ok(None) => {}
        Ok(Some(facts)) => {
            host.reached = Some(Box::new(facts.reached));
            let there = Some(Box::new(facts.host));
            if facts.sends {
                host.sender_host = there;
            } else {
                host.receiver_host = there;
            }
        }
        Err(_) if engine.is_interrupted() => {
            return Err(Stop::Interrupted(NOTHING_MEASURED.to_owned()));
        }
        Err(why) => return Err(Stop::Cannot(why.to_string())),
    }
    Ok(host)
}

pub(crate) fn tell_all(cautions: &[String]) {
    for caution in cautions {
        tell(&format!("! {caution}"));
    }
}

/// What is measured, and what is shown meanwhile.
pub(crate) struct Measuring<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) host: &'a Host,
    /// Whether only warnings are shown.
    pub(crate) quiet: bool,
    /// Columns of the CSV files.
    pub(crate) columns: ColumnSet,
    /// Whether the report is kept fresh meanwhile, for somebody who looks at it.
    pub(crate) report_meanwhile: bool,
}

/// How measuring ended.
pub(crate) struct Measured {
    /// Why; an error where the journal could not be written, or no trial could be measured any more.
    pub(crate) finished: Result<FinishReason, StudyError>,
    /// Where the limit ended it.
    pub(crate) out_of_time: Option<OutOfTime>,
}

impl Measuring<'_> {
    /// Runs the study; progress is shown, and the report kept fresh if asked for, between trials.
    pub(crate) fn run(
        &self,
        engine: &mut Engine,
        refusals: &Refusals,
        opened: &mut OpenedRun,
    ) -> Measured {
        let terminal = Reader::of_error().at_terminal;
        let mut progress = Progress::new(terminal, self.quiet, self.plan, &opened.earlier);
        let mut live_report =
            self.report_meanwhile.then(|| LiveReport::new(&opened.directory, self.columns));
        let host = match opened.directory.read_host() {
            Ok(host) => host,
            Err(why) => return Measured { finished: Err(why.into()), out_of_time: None },
        };
        let segment = Segment {
            host_crc32: Some(journal::host_crc32(&host)),
            ..segment(engine, self.plan, self.host)
        };
        let finished = Study {
            plan: self.plan,
            bounds: Bounds { cpus: engine.usable_cpus(), ..analysis::line_rate::bounds(self.host) },
            segment,
            earlier: &opened.earlier,
            bench: &mut RefusingBench { engine, refusals },
            journal: &mut opened.journal,
            clock: &SystemClock::new(),
            events: &mut |event| {
                // What was refused beforehand was told beforehand.
                if !matches!(&event, Event::CellRefused { cell, .. } if refusals.has(cell)) {
                    progress.show(&event);
                }
                if let Some(live_report) = &mut live_report {
                    live_report.follow(&event);
                }
            },
        }
        .run();
        progress.clear();
        Measured { finished, out_of_time: progress.out_of_time() }
    }
}

fn segment(engine: &Engine, plan: &Plan, host: &Host) -> Segment {
    let choice = engine.congestion();
    let has_any = plan.factors.link.iter().any(|link| link.speaks_tcp());
    let asked = plan.factors.congestion.iter().filter(|_| has_any);
    let mut congestion: Vec<String> = asked.map(|asked| choice.resolve(asked)).collect();
    congestion.sort();
    congestion.dedup();
    Segment {
        copycost: env!("CARGO_PKG_VERSION").to_owned(),
        // The study sets it when it begins.
        started_unix_ms: 0,
        boot_id: host.boot_id.clone(),
        host: host.identity(),
        receiver_host: host.receiver_host.as_ref().map(|host| host.identity()),
        sender_host: host.sender_host.as_ref().map(|host| host.identity()),
        host_crc32: None,
        line: Some(host.known_line(&plan.factors.link)),
        congestion: congestion.join(","),
        plan: Some(plan.to_toml()),
    }
}

/// Derives and shows, however the study ended; `nothing` is why nothing was measured, which stands below what was measured before.
fn present(
    arguments: &RunArguments,
    directory: &RunDirectory,
    finished: Result<FinishReason, StudyError>,
    nothing: Option<String>,
) -> Result<(), Stop> {
    let figures = Figures::asked(arguments.json, arguments.verbose);
    let derived = derived::present(directory, figures, arguments.columns);
    tell_all(nothing.as_slice());
    let name = directory.path().display();
    let has_trials = derived.as_ref().map_or(true, |it| it.summary.run.trials > 0);
    ended(finished, has_trials, &format!("go on with: copycost run --resume {name}"))?;
    derived?.judge(directory, arguments.strict)
}

/// What is told of a run that was interrupted before its first trial ended.
pub(crate) const NOTHING_MEASURED: &str = "nothing was measured yet";

/// What the end of a study means for the command; `next` is what to do with one that was interrupted, and `has_trials` whether
/// that had measured anything.
///
/// # Errors
/// It did not end by itself.
pub(crate) fn ended(
    finished: Result<FinishReason, StudyError>,
    has_trials: bool,
    next: &str,
) -> Result<(), Stop> {
    match finished {
        Err(StudyError::Journal(error)) => Err(error.into()),
        Err(StudyError::Engine(EngineError::Interrupted)) | Ok(FinishReason::Interrupted) => {
            let what = if has_trials { "what was measured is kept" } else { NOTHING_MEASURED };
            Err(Stop::Interrupted(format!("{what}; {next}")))
        }
        Err(StudyError::Engine(EngineError::Gone(why))) => {
            let what = if has_trials { "what was measured is kept" } else { NOTHING_MEASURED };
            Err(Stop::Interrupted(format!("{why}; {what}; {next}")))
        }
        Err(error @ (StudyError::Engine(_) | StudyError::Differs(_))) => {
            Err(Stop::Cannot(error.to_string()))
        }
        Ok(
            FinishReason::Precise
            | FinishReason::Rounds
            | FinishReason::Time
            | FinishReason::Failed,
        ) => Ok(()),
    }
}
