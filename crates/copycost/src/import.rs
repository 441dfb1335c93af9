//! `copycost import`: tables that other programs wrote become a run directory.

use std::collections::BTreeSet;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use foreign::{Asked, Import, Table};
use journal::Owner;
use model::Measured;
use model::record::{ImportedFile, Record};
use report::numbers::counted;

use crate::args::ImportArguments;
use crate::derived::{self, Figures};
use crate::exit::Stop;
use crate::named_files::{open, within};
use crate::opened_run::OpenedRun;
use crate::run_directories;
use crate::terminal::tell;

/// Reads the tables, makes a run of them, derives and shows everything that follows.
///
/// # Errors
/// A file that is none, or that cannot be read in one way alone: by line and column; or a directory that cannot be written.
pub(crate) fn import(arguments: &ImportArguments) -> Result<(), Stop> {
    twice(&arguments.files)?;
    let asked = Asked { maps: &arguments.map, decimal: arguments.decimal, cpus: arguments.cpus };
    let owner = run_directories::caller();
    let tables: Vec<Table> =
        arguments.files.iter().map(|file| table(file, owner, asked)).collect::<Result<_, _>>()?;
    let unused = arguments
        .map
        .iter()
        .enumerate()
        .find(|(place, _)| !tables.iter().any(|table| table.used.get(*place) == Some(&true)));
    if let Some((_, mapping)) = unused.filter(|(_, mapping)| mapping.is_of_value()) {
        return Err(Stop::Usage(format!(
            "--map: no row's send path is {}; name a word of that column, or a column",
            model::quoted(&mapping.of)
        )));
    }
    if let Some((_, mapping)) = unused {
        let columns = tables.iter().flat_map(|table| &table.file.columns);
        let columns: Vec<&str> = columns.map(|column| column.heading.as_str()).collect();
        return Err(Stop::Usage(format!(
            "--map: {}",
            model::nearest::unknown("column", &mapping.of, &columns)
        )));
    }
    if !arguments.quiet {
        tables.iter().flat_map(|table| told(&table.file)).for_each(|line| tell(&line));
    }
    let label = arguments.label.clone().unwrap_or_else(|| name_of(&arguments.files));
    let made = foreign::import(tables, &label, arguments.cpus, now()).map_err(Stop::Usage)?;
    let Import { plan, host, mut records } = made;
    let mut run = OpenedRun::begin(arguments.out.as_deref(), owner, &plan, &host)?;
    let written = journal::host_crc32(&run.directory.read_host()?);
    for record in &mut records {
        if let Record::Segment(segment) = record {
            segment.host_crc32 = Some(written.clone());
        }
    }
    run.journal.append_all(&records)?;
    let figures = Figures::asked(arguments.json, arguments.verbose);
    derived::present(&run.directory, figures, arguments.columns)?.judge(&run.directory, false)
}

/// A file that stands twice would count as its own repetition.
fn twice(files: &[PathBuf]) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for file in files {
        // What cannot be found is told when it is opened.
        if !seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
            return Err(Stop::Usage(format!(
                "{} is named twice; name each file once",
                file.display()
            )));
        }
    }
    Ok(())
}

fn table(file: &Path, owner: Owner, asked: Asked<'_>) -> Result<Table, Stop> {
    let name = file.display().to_string();
    if is_standard_input(file) {
        let read = foreign::read("standard input", std::io::stdin().lock(), asked);
        return read.map_err(|why| Stop::Usage(why.to_string()));
    }
    let opened = open(file, owner, |why| {
        Stop::Usage(if why.kind() == ErrorKind::IsADirectory {
            format!("{name} is a directory: name a CSV file{}", within(file, "trials.csv"))
        } else if why.kind() == ErrorKind::NotFound {
            format!("there is no file {name}: name a CSV file")
        } else {
            format!("{name} cannot be read: {why}; name a CSV file that you may read")
        })
    })?;
    foreign::read(&name, BufReader::new(opened), asked).map_err(|why| Stop::Usage(why.to_string()))
}

/// Whether a file is named as tools name their standard input.
fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A run is called by its first file.
fn name_of(files: &[PathBuf]) -> String {
    let first = files.first().filter(|file| !is_standard_input(file));
    let stem = first.and_then(|file| file.file_stem());
    stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// So many columns of a wide file that were not taken are named.
const MOST_NAMED: usize = 5;

/// One line a column: what it was taken as.
fn told(file: &ImportedFile) -> Vec<String> {
    let width = file.columns.iter().map(|it| it.heading.chars().count()).max().unwrap_or(0).min(40);
    let mut lines = vec![format!("{}: {}", file.file, counted(file.rows, "row", "rows"))];
    // A table of copycost's own has hundreds that nothing is taken from.
    let is_wide = file.columns.len() > 40;
    let mut lost = Vec::new();
    for column in &file.columns {
        let taken = match &column.taken_as {
            Measured::Value(name) => name.clone(),
            Measured::Absent { .. } if is_wide => {
                if column.lost {
                    lost.push(column.heading.as_str());
                }
                continue;
            }
            // What is lost may be had by another name; what was left out on purpose, or is nowhere, not.
            Measured::Absent { absent } if column.lost => {
                format!("not used: {absent} ({})", foreign::map_flag(&column.heading, "NAME"))
            }
            Measured::Absent { absent } => format!("not used: {absent}"),
        };
        lines.push(format!("  {:width$}  {taken}", column.heading));
    }
    if !lost.is_empty() {
        let named: Vec<&str> = lost.iter().take(MOST_NAMED).copied().collect();
        let more = match lost.len() - named.len() {
            0 => String::new(),
            n => format!(" and {n} more, which the report names under Method"),
        };
        lines.push(format!("  not taken: {}{more}", named.join(", ")));
    }
    lines.extend(file.notes.iter().map(|note| format!("  {note}")));
    lines
}
