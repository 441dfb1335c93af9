//! `copycost experiment`: small plans that decide the paper's claims, and what they come to together.

use std::fmt::Write as _;
use std::path::PathBuf;

use analysis::experiments::{Done, decisions};
use model::record::FinishReason;
use model::{Experiment, Nanos, Plan};

use crate::args::{ExperimentArguments, ExperimentCommand, JudgeArguments, RunExperimentArguments};
use crate::by_hand::time;
use crate::exit::Stop;
use crate::found_runs::{FoundRun, found};
use crate::measured_run::{Asked, Run};
use crate::run::{NOTHING_MEASURED, start_engine};
use crate::run_directories::{self, RUNS};
use crate::terminal::{Reader, show, tell};
use crate::time_limit::TimeLimit;

/// Every one of them.
const ALL: &str = "all";

/// Lists, shows or runs experiments.
///
/// # Errors
/// An unknown name, a machine that can measure none of them, a signal.
pub(crate) fn experiment(arguments: &ExperimentArguments) -> Result<(), Stop> {
    match &arguments.command {
        None | Some(ExperimentCommand::List) => {
            let reader = Reader::of_output();
            show(&report::experiments_list(reader.width, reader.colour))
        }
        Some(ExperimentCommand::Show { name }) => {
            let reader = Reader::of_output();
            show(&report::experiment_screen(named(name)?, reader.width, reader.colour))
        }
        Some(ExperimentCommand::Run(arguments)) => run(arguments),
        Some(ExperimentCommand::Judge(arguments)) => judge(arguments),
    }
}

fn named(name: &str) -> Result<Experiment, Stop> {
    name.parse().map_err(Stop::Usage)
}

/// Runs each in a directory of its own, and tells what they come to.
fn run(arguments: &RunExperimentArguments) -> Result<(), Stop> {
    let mut experiments = Vec::new();
    for name in &arguments.names {
        let more = if name == ALL { Experiment::ALL.to_vec() } else { vec![named(name)?] };
        let new: Vec<Experiment> =
            more.into_iter().filter(|it| !experiments.contains(it)).collect();
        experiments.extend(new);
    }
    let limit = arguments.max_time.as_deref().map(|text| time("max-time", text)).transpose()?;
    let host = engine::host::facts();
    let owner = run_directories::caller();
    let mut engine = start_engine(None)?;
    let mut done: Vec<(Experiment, Run)> = Vec::new();
    let mut interrupted = false;
    let plans = experiments.iter().map(|experiment| (*experiment, plan(*experiment, limit)));
    for (place, (experiment, plan)) in plans.enumerate() {
        if !arguments.quiet {
            let of = experiments.len();
            tell(&format!("experiment {} of {of}: {experiment}, {}", place + 1, experiment.help()));
        }
        let prefix = format!("{experiment}-");
        let asked =
            Asked { quiet: arguments.quiet, limit: TimeLimit::of_command("--max-time", limit) };
        match Run::measured(&plan, &prefix, asked, (&host, owner), &mut engine) {
            Ok((run, end)) => {
                done.push((experiment, run));
                interrupted = end.reason == FinishReason::Interrupted;
            }
            // One that this machine cannot have does not keep the others from being run.
            Err(Stop::Cannot(why)) if experiments.len() > 1 => {
                tell(&format!("! {experiment}: {why}"))
            }
            Err(other) => return Err(other),
        }
        if interrupted {
            break;
        }
    }
    if done.is_empty() {
        return Err(Stop::Cannot("none of these experiments can be run here".to_owned()));
    }
    let all = done.iter().map(|(experiment, run)| Done {
        experiment: Some(*experiment),
        run: &run.name,
        summary: &run.derived.summary,
    });
    show(&told(&all.collect::<Vec<_>>(), arguments.json)?)?;
    if interrupted {
        let has_trials = done.iter().any(|(_, run)| run.derived.summary.run.trials > 0);
        let what =
            if has_trials { "what was measured is kept, and told above" } else { NOTHING_MEASURED };
        return Err(Stop::Interrupted(what.to_owned()));
    }
    Ok(())
}

fn plan(experiment: Experiment, limit: Option<Nanos>) -> Plan {
    let mut plan = experiment.plan();
    plan.measure.max_time = limit.or(plan.measure.max_time);
    plan
}

/// What runs that are there come to together.
fn judge(arguments: &JudgeArguments) -> Result<(), Stop> {
    let usual = [PathBuf::from(RUNS)];
    let named = if arguments.runs.is_empty() { &usual[..] } else { &arguments.runs };
    let (runs, _) = found(named)?;
    let done: Vec<Done<'_>> = runs
        .iter()
        .map(|FoundRun { path, derived, .. }| Done {
            experiment: Experiment::of_plan(&derived.plan),
            run: path,
            summary: &derived.summary,
        })
        .collect();
    show(&told(&done, arguments.json)?)
}

/// The claims, and under them the runs that were made for some of them.
fn told(done: &[Done<'_>], json: bool) -> Result<String, Stop> {
    let decisions = decisions(done);
    if json {
        let mut text = Vec::new();
        report::write_experiments(&mut text, &decisions)
            .map_err(|error| Stop::Cannot(error.to_string()))?;
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    let reader = Reader::of_output();
    let mut text = report::experiments_screen(&decisions, reader.width, reader.colour);
    text.push('\n');
    for Done { experiment, run, .. } in done {
        let name = experiment.map_or("a run of another plan", Experiment::name);
        let _ = writeln!(text, "{name}: copycost report {}", report::visible(run));
    }
    Ok(text)
}
