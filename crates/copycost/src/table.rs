//! `copycost table`: the results of many runs in one table.

use std::path::PathBuf;

use analysis::metric::Metric;
use report::numbers::counted;
use report::{Origin, RunResults};

use crate::args::{TableArguments, TableFormat};
use crate::exit::Stop;
use crate::found_runs::{FoundRun, found};
use crate::run_directories::RUNS;
use crate::terminal::{Reader, show, stream};

/// Reads every run that was named or lies in a directory that was, and shows one table of all.
///
/// # Errors
/// None of them is a run that can be read, an unknown metric, standard output cannot be written; with `strict` also where any
/// of them cannot be read.
pub(crate) fn table(arguments: &TableArguments) -> Result<(), Stop> {
    let reader = Reader::of_output();
    let format = arguments.format.unwrap_or(if reader.at_terminal {
        TableFormat::Screen
    } else {
        TableFormat::Csv
    });
    let metrics = metrics(arguments.metric.as_deref(), format)?;
    let named = match arguments.runs.as_slice() {
        [] => vec![PathBuf::from(RUNS)],
        named => named.to_vec(),
    };
    let (found, faults) = found(&named)?;
    let results = found.into_iter().map(|FoundRun { name: run, derived, .. }| {
        let origin = Origin { run, ..derived.origin };
        RunResults { origin, estimates: derived.summary.estimates }
    });
    let runs: Vec<RunResults> = results.collect();
    let set = arguments.columns;
    match format {
        TableFormat::Csv => stream(|out| report::write_table(out, &runs, &metrics, set))?,
        TableFormat::Jsonl => stream(|out| report::write_table_lines(out, &runs, &metrics, set))?,
        TableFormat::Screen => {
            show(&report::runs_screen(&runs, &metrics, reader.width, reader.colour))?;
        }
    }
    if arguments.strict && !faults.is_empty() {
        let count = u32::try_from(faults.len()).unwrap_or(u32::MAX);
        return Err(Stop::Invalid(format!(
            "{} left out",
            counted(count, "directory", "directories")
        )));
    }
    Ok(())
}

/// The metrics asked for; without a word all of them, and on the screen goodput.
fn metrics(asked: Option<&str>, format: TableFormat) -> Result<Vec<Metric>, Stop> {
    let Some(asked) = asked else {
        return Ok(match format {
            TableFormat::Screen => vec![Metric::GoodputGbps],
            TableFormat::Csv | TableFormat::Jsonl => Metric::ALL.to_vec(),
        });
    };
    let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    let metric = |name: &str| {
        let found = Metric::ALL.iter().copied().find(|metric| metric.name() == name);
        let unknown = || model::nearest::unknown("metric", name, &names);
        found.ok_or_else(|| Stop::Usage(format!("--metric: {}", unknown())))
    };
    asked.split(',').map(|name| metric(name.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_named_as_files_name_it() {
        let two = metrics(Some("goodput_gbps, ends_cpu_ns_per_kib"), TableFormat::Csv).unwrap();
        assert_eq!(two, [Metric::GoodputGbps, Metric::EndsCpuNsPerKib]);
        let Err(Stop::Usage(why)) = metrics(Some("goodput"), TableFormat::Csv) else {
            panic!("accepted")
        };
        assert!(why.starts_with("--metric: unknown metric \"goodput\"; did you mean"), "{why}");
        assert_eq!(metrics(None, TableFormat::Csv).unwrap().len(), Metric::ALL.len());
        assert_eq!(metrics(None, TableFormat::Screen).unwrap(), [Metric::GoodputGbps]);
    }
}
