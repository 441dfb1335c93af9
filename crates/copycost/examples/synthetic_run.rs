//! Writes a run directory that nobody measured: the default plan's cells over some rounds, on a machine made up; in every
//! fifth round some trials are void. With it `copycost report` is timed and `docs/queries.sql` is tested.
//!
//! `cargo run --release --example synthetic_run -- DIRECTORY [ROUNDS] [SEED] [HOSTNAME KERNEL]`

use std::error::Error;
use std::path::Path;

use journal::RunDirectory;
use model::record::FailureKind;
use model::{Mark, Measured, Plan, Preset, SendPath};

/// Spread of a trial's figures, as the standard deviation of their logarithm.
const SPREAD: f64 = 0.01;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or(
        "give the directory to write: synthetic_run DIRECTORY [ROUNDS] [SEED] [HOSTNAME KERNEL]",
    )?;
    let rounds: u32 = arguments.next().as_deref().unwrap_or("20").parse()?;
    let seed: u64 = arguments.next().as_deref().unwrap_or("1").parse()?;
    let mut host = synthetic::host();
    if let (Some(name), Some(kernel)) = (arguments.next(), arguments.next()) {
        (host.hostname, host.kernel) = (Measured::Value(name), Measured::Value(kernel));
    }
    let plan = Plan::preset(Preset::Default);
    let (directory, mut journal) = RunDirectory::begin(Path::new(&directory), None)?;
    directory.write_plan(&plan)?;
    directory.write_host(&host)?;
    let records = synthetic::run(&plan, rounds, |cell, round| {
        let trial =
            synthetic::trial(cell, round).faster(synthetic::noise(seed, cell, round, SPREAD));
        if round % 5 != 0 || cell.send_path != SendPath::Send {
            return trial;
        }
        match cell.threads.get() {
            8 => trial.failed(FailureKind::CallFailed, "connect: EPERM"),
            4 => trial.marked(Mark::Throttled),
            _ => trial,
        }
    });
    for record in &synthetic::on(&host, records) {
        journal.append(record)?;
    }
    Ok(())
}
