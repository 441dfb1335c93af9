//! Writes the run directory of a run that nobody made, of any length: the default plan's cells in turns, a series of 25 slices a
//! trial and a control in every third round, on a machine made up. With it long journals are
//! tried.
//!
//! `cargo run --release --example long_run -- DIRECTORY [TRIALS]`

use std::error::Error;
use std::path::Path;

use journal::{JournalError, RunDirectory};
use model::record::Record;
use model::{Plan, Preset};

/// Spread of a trial's figures, and of its slices, as the standard deviation of their logarithm.
const SPREAD: f64 = 0.02;
/// Slices of a trial.
const TURNS: u32 = 25;
/// Records that are written and synced at once.
const AT_ONCE: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory =
        arguments.next().ok_or("give the directory to write: long_run DIRECTORY [TRIALS]")?;
    let trials: usize = arguments.next().as_deref().unwrap_or("100000").parse()?;
    let plan = Plan::preset(Preset::Default);
    let a_round = plan.cells().len() + plan.controls().len();
    let rounds = u32::try_from(trials.div_ceil(a_round))?;
    let (directory, mut journal) = RunDirectory::begin(Path::new(&directory), None)?;
    directory.write_plan(&plan)?;
    directory.write_host(&synthetic::host())?;
    let mut written: Result<(), JournalError> = Ok(());
    let mut records: Vec<Record> = Vec::with_capacity(AT_ONCE);
    let faster = |cell: &model::Cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, SPREAD))
    };
    synthetic::each_record(&plan, rounds, faster, |mut record| {
        if let Record::Trial(trial) = &mut record {
            let speed = |turn| synthetic::noise(u64::from(turn), &trial.cell, trial.round, SPREAD);
            let speeds: Vec<f64> = (0..TURNS).map(speed).collect();
            let control = trial.round.is_multiple_of(3).then_some(1.0);
            synthetic::in_turns(trial, &speeds, control);
        }
        records.push(record);
        if records.len() == AT_ONCE && written.is_ok() {
            written = journal.append_all(&records);
            records.clear();
        }
    });
    written?;
    journal.append_all(&records)?;
    Ok(())
}
