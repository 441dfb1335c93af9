//! `copycost selftest`: equal cells, and what they tell of this machine.

use analysis::selftest::SelfTest;
use model::host::Host;
use model::record::Record;
use model::values::{MessageSize, Replica, Threads};
use model::{Measured, Plan, Preset, SendPath};
use report::Condition;

use crate::args::SelftestArguments;
use crate::by_hand::time;
use crate::derived::Derived;
use crate::exit::Stop;
use crate::measured_run::{self, Asked, Place};
use crate::run::{ended, start_engine};
use crate::run_directories;
use crate::terminal::{Reader, show, tell};
use crate::time_limit::TimeLimit;

/// As many equal cells of each size.
const REPLICAS: u32 = 4;
/// Sizes at which most of the time goes into calls, and into copying.
const SIZES: [u64; 2] = [4096, 65_536];

/// Measures equal cells, or takes what an earlier run measured, and tells what they say of the machine.
///
/// # Errors
/// Wrong usage, a machine that cannot, a signal, or a run without two equal cells.
pub(crate) fn selftest(arguments: &SelftestArguments) -> Result<(), Stop> {
    let owner = run_directories::caller();
    let directory = match &arguments.of {
        Some(path) => run_directories::find(Some(path), owner)?,
        None => measure(arguments, owner)?,
    };
    let mut derived = Derived::read(&directory)?;
    let written = match arguments.of {
        Some(_) => Ok(()),
        None => derived.write(&directory, report::ColumnSet::All),
    };
    for note in &derived.notes {
        tell(&format!("! {note}"));
    }
    let share = share_of_one_comparison(&derived.plan, derived.host.usable_cpus.len());
    // Of what other commands keep of a trial, its windows and its machine's figures are not.
    let records = directory.read()?.records;
    let of = match SelfTest::of(&derived.plan, &records, &derived.summary, share) {
        Measured::Value(of) => of,
        Measured::Absent { absent } => {
            derived.judge(&directory, false)?;
            let why = format!("{}: {absent}", directory.path().display());
            return Err(if arguments.of.is_some() { Stop::Usage(why) } else { Stop::Cannot(why) });
        }
    };
    let conditions = conditions(&derived.host);
    let name = directory.path().display().to_string();
    let reader = Reader::of_output();
    show(&if arguments.json {
        report::selftest_json(&of, &conditions, &name)
            .map_err(|error| Stop::Cannot(format!("cannot write JSON: {error}")))?
    } else {
        report::selftest_screen(&of, &conditions, &name, reader.width.min(WIDEST), reader.colour)
    })?;
    Ok(written?)
}

/// Wider than this no sentence is easy to read.
const WIDEST: usize = 120;

fn conditions(host: &Host) -> Vec<Condition> {
    let noise = engine::probe::noise(host).into_iter();
    noise.map(|noise| Condition { what: noise.what, advice: noise.advice }).collect()
}

/// Replicas of sendmsg at two sizes.
fn plan(arguments: &SelftestArguments) -> Result<Plan, Stop> {
    let mut plan = Plan::preset(Preset::Default);
    "selftest".clone_into(&mut plan.label);
    plan.factors.send_path = vec![SendPath::A2];
    plan.factors.message = SIZES.into_iter().filter_map(MessageSize::new).collect();
    plan.factors.threads = vec![Threads::ONE];
    plan.factors.replica = (1..=REPLICAS).filter_map(Replica::new).collect();
    plan.measure.controls = false;
    plan.measure.precision = None;
    plan.measure.max_time = Some(time("time", &arguments.time)?);
    plan.check().map_err(Stop::Usage)?;
    Ok(plan)
}

/// The part of a round of a plan that a round of one comparison takes: two of its cells, measured alone.
#[allow(clippy::cast_precision_loss, reason = "times of a round")]
fn share_of_one_comparison(plan: &Plan, usable_cpus: usize) -> f64 {
    let mut one = plan.clone();
    one.factors.message.truncate(1);
    one.factors.replica.truncate(2);
    one.measure.controls = false;
    let round = |plan: &Plan| study::forecast(plan, usable_cpus, |_| false).round.0 as f64;
    round(&one) / round(plan).max(1.0)
}

/// A run directory of its own, measured; `latest` is left where it points.
fn measure(
    arguments: &SelftestArguments,
    owner: journal::Owner,
) -> Result<journal::RunDirectory, Stop> {
    let plan = plan(arguments)?;
    let host = engine::host::facts();
    let mut engine = start_engine(None)?;
    let place = arguments.out.as_deref().map_or(Place::Apart("selftest-"), Place::Named);
    let of = (&host, owner);
    let limit = TimeLimit::of_command("--time", plan.measure.max_time);
    let asked = Asked { quiet: arguments.quiet, limit };
    let (directory, end) = measured_run::measure(&plan, place, asked, of, &mut engine)?;
    let name = directory.path().display();
    let has_trials = directory.read()?.records.iter().any(|it| matches!(it, Record::Trial(_)));
    let next = if has_trials {
        format!("see what it tells with: copycost selftest --of {name}")
    } else {
        "begin again".to_owned()
    };
    ended(Ok(end.reason), has_trials, &next)?;
    Ok(directory)
}
