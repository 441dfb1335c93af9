//! Writes a run directory that nobody measured: the default plan's cells over some rounds, on a machine made up. With it
//! `copycost report` is timed.
//!
//! `cargo run --release --example synthetic_run -- DIRECTORY [ROUNDS]`

use std::error::Error;
use std::path::Path;

use journal::RunDirectory;
use model::{Plan, Preset};

/// Spread of a trial's figures, as the standard deviation of their logarithm.
const SPREAD: f64 = 0.01;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory =
        arguments.next().ok_or("give the directory to write: synthetic_run DIRECTORY [ROUNDS]")?;
    let rounds: u32 = arguments.next().as_deref().unwrap_or("20").parse()?;
    let plan = Plan::preset(Preset::Default);
    let directory = RunDirectory::create(Path::new(&directory), None)?;
    directory.write_plan(&plan)?;
    directory.write_host(&synthetic::host())?;
    let mut journal = directory.create_journal()?;
    let records = synthetic::run(&plan, rounds, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, SPREAD))
    });
    for record in &records {
        journal.append(record)?;
    }
    Ok(())
}
