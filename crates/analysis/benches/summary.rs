//! What a large journal costs to summarise: `cargo bench -p copycost-analysis --bench summary`
//!
//! 500 cells × 100 rounds, more than anybody measures in a day, taken in one after the other as from a journal. It fails beyond
//! 5 s or 256 MiB, and built as tests are (`--profile dev`) beyond 20 s: a few times what it takes on two CPUs of a virtual machine, so that only a
//! change of kind fails and not a busy machine.
#![allow(clippy::print_stdout, reason = "a benchmark tells what it measured")]

use std::error::Error;
use std::time::{Duration, Instant};

use analysis::JudgedRun;
use model::{Cell, Plan, Preset};

/// Most time for one summary.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 });
/// Most memory for the whole process, in KiB: what is kept of the records, the summary and all that it took.
const LARGEST_KIB: u64 = 256 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut plan = Plan::preset(Preset::Default);
    let sizes: Result<_, _> = (0..21).map(|i| (1000 + 997 * i).to_string().parse()).collect();
    let threads: Result<_, _> = (1..9).map(|i| i.to_string().parse()).collect();
    (plan.factors.message, plan.factors.threads) = (sizes?, threads?);
    let mut best = Duration::MAX;
    // The best of three: the machine may be busy with something else.
    for _ in 0..3 {
        let mut judged = JudgedRun::new(&plan);
        let mut judging = Duration::ZERO;
        let figures = |cell: &Cell, round| {
            synthetic::trial(cell, round).faster(synthetic::noise(11, cell, round, 0.01))
        };
        // What it takes to make a record up is nobody's cost.
        synthetic::each_record(&plan, 100, figures, |record| {
            let begin = Instant::now();
            judged.push(&record);
            judging += begin.elapsed();
        });
        let begin = Instant::now();
        let summary = judged.summary(&plan, &synthetic::host());
        let took = judging + begin.elapsed();
        let (cells, trials) = (summary.run.cells, summary.run.trials);
        println!("{cells} cells, {trials} trials: {took:?}");
        if trials < 50_000 {
            return Err(format!("only {trials} trials were summarised").into());
        }
        best = best.min(took);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.ok_or("/proc/self/status has no VmHWM")?;
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("peak {} MiB", kib / 1024);
    if best > LONGEST || kib > LARGEST_KIB {
        return Err(format!("more than {LONGEST:?} or {} MiB", LARGEST_KIB / 1024).into());
    }
    Ok(())
}
