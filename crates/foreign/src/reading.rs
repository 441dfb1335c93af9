//! A table read: its columns recognised, its rows as trials.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use analysis::metric::Metric;
use model::record::{ImportedColumn, ImportedFile, Outcome};
use model::{Factor, Measured};

use crate::column::{Column, IGNORE, Own, Taken, Whose, assumed, is_the_papers, recognised};
use crate::dialect::{self, Dialect};
use crate::error::{ForeignError, map_flag, quoted};
use crate::mapping::Mapping;
use crate::number::{Decimal, is_absent, proves};
use crate::quotes;
use crate::ration::Rationed;
use crate::repetition::rounds;
use crate::row::{Row, RowReader};
use crate::words::Words;

/// The dialect is told from so much of a file's beginning.
const SAMPLE_BYTES: u64 = 1 << 20;
/// A byte order mark, which the sample no longer has.
const MARK_BYTES: u64 = 3;
/// More rows than this are no experiment's trials, and no report could show them.
const MOST_ROWS: usize = 200_000;

/// What a reader says beside the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// What columns hold, and which path a word is.
    pub maps: &'a [Mapping],
    /// The decimal sign; none: as the file shows.
    pub decimal: Option<Decimal>,
    /// CPUs that the ends could use.
    pub cpus: Option<u32>,
}

/// A table that was read.
#[derive(Clone, Debug)]
pub struct Table {
    /// Where it came from, and how it was read.
    pub file: ImportedFile,
    /// Its rows.
    pub(crate) rows: Vec<Row>,
    /// Whether it is copycost's own `trials.csv`.
    pub(crate) is_own: bool,
    /// The machine that measured it; none where it names none, or several.
    pub(crate) machine: Option<String>,
    /// Which of the mappings spoke of it.
    pub used: Vec<bool>,
}

/// A column that is used.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub(crate) index: usize,
    pub(crate) heading: String,
    pub(crate) column: Column,
    /// One of the file's unit in the told one.
    pub(crate) scale: f64,
}

/// Reads a table; `file` names it in errors.
///
/// # Errors
/// What cannot be read, or in two ways, by line and column.
pub fn read(file: &str, mut input: impl Read, asked: Asked<'_>) -> Result<Table, ForeignError> {
    let mut sample = Vec::new();
    let unreadable =
        |why: std::io::Error| ForeignError::of_file(file, format!("cannot be read: {why}"));
    input.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample).map_err(unreadable)?;
    let begun = dialect::text(file, &sample)?;
    let Dialect { separator, skip, skipped_lines } = dialect::dialect(file, begun)?;
    let begun = begun.get(skip..).unwrap_or_default();
    let mut lines = dialect::reader(separator, Rationed::new(begun.chain(input)));
    let line_of =
        |record: &csv::ByteRecord| skipped_lines + record.position().map_or(1, csv::Position::line);
    let mut record = csv::ByteRecord::new();
    let next = |lines: &mut csv::Reader<_>, record: &mut csv::ByteRecord| {
        Rationed::begin_row(lines.get_mut());
        let from = skipped_lines + lines.position().line();
        let broken = |why| ForeignError::at(file, from, format!("cannot be read: {why}"));
        lines.read_byte_record(record).map_err(broken)
    };
    if !next(&mut lines, &mut record)? {
        return Err(ForeignError::of_file(file, "it is empty"));
    }
    let first = line_of(&record);
    quotes::check_headings(file, (&record, first), separator)?;
    if dialect::is_row(&record) {
        let what = "a row, where a heading was looked for: write one above it, such as implementation,size,threads,goodput_gbps";
        return Err(ForeignError::at(file, first, what));
    }
    let headings = headings(file, first, &record)?;
    let mut columns = Columns::new(file, first, &headings, asked)?;
    let decimal = match asked.decimal {
        Some(decimal) => Some(decimal),
        None => {
            let sample = (whole_lines(begun), skipped_lines);
            shown_decimal(file, separator, sample, &columns.used)?
        }
    };
    columns.notes.insert(0, written(separator, decimal));
    let by_commas = separator == b',';
    let reader = RowReader { file, used: &columns.used, decimal, by_commas, asked };
    let sends = columns.used.iter().find(|used| used.column == Column::Factor(Factor::Send));
    let sends = sends.map(|used| used.index);
    let (mut words, mut mapped) = (Words::default(), columns.mapped.clone());
    let named_in = columns.used.iter().find(|used| used.column == Column::Own(Own::Machine));
    let named_in = named_in.map(|used| used.index);
    let mut machines = BTreeSet::new();
    let mut filled = vec![false; headings.len()];
    let mut rows = Vec::new();
    while next(&mut lines, &mut record)? {
        let line = line_of(&record);
        if record.iter().all(|field| field.iter().all(u8::is_ascii_whitespace)) {
            continue;
        }
        quotes::check_row(file, (&record, line), separator, &headings, &columns.used)?;
        let surplus = record.iter().skip(headings.len());
        if record.len() < headings.len() || surplus.clone().any(|field| !field.is_empty()) {
            let what = format!(
                "{} fields, where the heading has {}: quote fields that hold the separator",
                record.len(),
                headings.len()
            );
            return Err(ForeignError::at(file, line, what));
        }
        if rows.len() == MOST_ROWS {
            let what = format!(
                "more than {MOST_ROWS} rows, which no report could show: keep one row a trial, or average them first"
            );
            return Err(ForeignError::at(file, line, what));
        }
        let row = reader.row(&record, line)?;
        let word = sends.and_then(|index| record.get(index)).map(String::from_utf8_lossy);
        if let Some(word) = word {
            let mut is_mapped = false;
            for (map, used) in asked.maps.iter().zip(&mut mapped) {
                if map.is_of_word(&word) {
                    (is_mapped, *used) = (true, true);
                }
            }
            words
                .seen(word.trim(), row.cell.send_path, is_mapped)
                .map_err(|why| ForeignError::at(file, line, why))?;
        }
        if let Some(name) = named_in.and_then(|index| record.get(index)).filter(|it| !it.is_empty())
            && machines.len() < 2
        {
            machines.insert(String::from_utf8_lossy(name).into_owned());
        }
        for (filled, field) in filled.iter_mut().zip(&record) {
            *filled |= !field.is_empty();
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(ForeignError::of_file(file, "it has a heading and no row below it"));
    }
    check_figures(file, &rows)?;
    if !columns.is_own {
        let is_papers = columns.is_papers;
        columns.notes.extend(rounds(file, &mut rows, columns.has(Column::Round), is_papers)?);
    }
    columns.notes.extend(words.taken());
    let machine = match machines.len() {
        1 => machines.pop_first(),
        _ => None,
    };
    let stated = columns.stated();
    let columns = Columns { told: columns.told_of(&filled), ..columns };
    let file = ImportedFile {
        file: file.to_owned(),
        rows: rows.len() as u64,
        columns: columns.told,
        stated: Some(stated),
        notes: columns.notes,
    };
    Ok(Table { file, rows, is_own: columns.is_own, machine, used: mapped })
}

/// Rows of which no figure follows are no trials.
///
/// # Errors
/// None has one, and none says that nothing passed.
fn check_figures(file: &str, rows: &[Row]) -> Result<(), ForeignError> {
    let tells = |row: &Row| match &row.outcome {
        Outcome::Imported(imported) => {
            imported.figures.values().any(|figure| figure.value().is_some())
        }
        Outcome::Failed(_) | Outcome::Finished(_) => true,
    };
    if rows.iter().any(tells) { Ok(()) } else { Err(ForeignError::of_file(file, NO_FIGURE)) }
}

/// Of a sample that the limit has cut, the lines before the cut: half a number would prove another decimal sign.
fn whole_lines(sample: &[u8]) -> &[u8] {
    if (sample.len() as u64) + MARK_BYTES < SAMPLE_BYTES {
        return sample;
    }
    let end = sample.iter().rposition(|byte| *byte == b'\n').unwrap_or(sample.len());
    sample.get(..end).unwrap_or(sample)
}

/// How its text is written, in words.
fn written(separator: u8, decimal: Option<Decimal>) -> String {
    let sign = match decimal {
        Some(Decimal::Comma) => ", decimal commas",
        Some(Decimal::Point) => ", decimal points",
        None => "",
    };
    format!("separated by {}{sign}", dialect::name(separator))
}

fn headings(file: &str, line: u64, record: &csv::ByteRecord) -> Result<Vec<String>, ForeignError> {
    let mut headings = Vec::new();
    for field in record {
        let text = std::str::from_utf8(field).map_err(|_| not_utf8(file, line))?;
        headings.push(text.trim().to_owned());
    }
    // A separator at the end of each line makes no column.
    while headings.last().is_some_and(String::is_empty) {
        headings.pop();
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, heading) in headings.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
        if let Some(other) = places.insert(heading, place) {
            let what = format!(
                "columns {} and {} have the same heading: rename one",
                other + 1,
                place + 1
            );
            return Err(ForeignError::at(file, line, what).in_column(heading));
        }
    }
    Ok(headings)
}

pub(crate) fn not_utf8(file: &str, line: u64) -> ForeignError {
    ForeignError::at(file, line, "not UTF-8: save it as UTF-8, or iconv -f LATIN1 -t UTF-8")
}

/// What the columns of a table are.
struct Columns {
    used: Vec<Used>,
    told: Vec<ImportedColumn>,
    notes: Vec<String>,
    mapped: Vec<bool>,
    is_own: bool,
    is_papers: bool,
}

impl Columns {
    fn new(
        file: &str,
        line: u64,
        headings: &[String],
        asked: Asked<'_>,
    ) -> Result<Self, ForeignError> {
        let has = |name: &str| headings.iter().any(|heading| heading == name);
        let has_all = |names: &[&str]| names.iter().all(|name| has(name));
        if has("cell") && has("against") {
            return Err(ForeignError::of_file(file, ESTIMATES));
        }
        if has_all(&["cell", "trials"]) && headings.iter().any(|h| h.ends_with("_low")) {
            return Err(ForeignError::of_file(file, ESTIMATES));
        }
        let is_own = has_all(&["cell", "round", "attempt", "outcome"]);
        let is_papers = !is_own && is_the_papers(headings);
        let mut columns = Self {
            used: Vec::new(),
            told: Vec::new(),
            notes: Vec::new(),
            mapped: vec![false; asked.maps.len()],
            is_own,
            is_papers,
        };
        if is_own {
            columns.notes.push("copycost's own trials.csv".to_owned());
        }
        if is_papers {
            columns.notes.push(PAPERS.to_owned());
        }
        for (index, heading) in headings.iter().enumerate() {
            let taken = match asked.maps.iter().position(|map| map.is_of(heading)) {
                Some(place) => {
                    if let Some(mapped) = columns.mapped.get_mut(place) {
                        *mapped = true;
                    }
                    asked.maps.get(place).map_or(Taken::Unknown, Mapping::taken)
                }
                None if is_own => own(heading),
                None => recognised(heading, is_papers.then_some(Whose::Sender)),
            };
            columns.take(file, line, (index, heading), taken)?;
        }
        columns.complete(file, headings, asked.maps)?;
        Ok(columns)
    }

    fn take(
        &mut self,
        file: &str,
        line: u64,
        (index, heading): (usize, &str),
        taken: Taken,
    ) -> Result<(), ForeignError> {
        let (column, scale) = match taken {
            Taken::As(Column::Ignored, _) => {
                self.tell(heading, Measured::absent("left out, as was asked"));
                return Ok(());
            }
            Taken::As(column, scale) => (column, scale),
            Taken::Unknown => {
                let is_factor = || Factor::ALL.iter().any(|factor| factor.column() == heading);
                let (why, lost) = match self.is_own {
                    true if is_factor() => ("the cell's id tells it", false),
                    true => ("a record of an imported trial has no place for it", true),
                    false => ("no name that is known", true),
                };
                let taken_as = Measured::absent(why);
                self.told.push(ImportedColumn { heading: heading.to_owned(), taken_as, lost });
                return Ok(());
            }
            Taken::OneOf(which, names) => {
                let name = names.first().map_or("NAME", String::as_str);
                let or = match names.get(1..) {
                    Some(others) if !others.is_empty() => format!(" (or {})", others.join(", ")),
                    _ => String::new(),
                };
                let what = format!("{which} say it by {}{or}", map_flag(heading, name));
                return Err(ForeignError::at(file, line, what).in_column(heading));
            }
        };
        if let Some(other) = self.used.iter().find(|used| used.column == column) {
            let what = format!(
                "it is {}, and so is column {}: leave one out by {}",
                column.name(),
                quoted(&other.heading),
                map_flag(heading, IGNORE)
            );
            return Err(ForeignError::at(file, line, what).in_column(heading));
        }
        let from = if scale == 1.0 { String::new() } else { format!(", times {scale}") };
        let is_size = matches!(column, Column::Bytes | Column::Factor(Factor::Message));
        let assumed = if is_size { assumed(heading) } else { None };
        let assumed = assumed.map_or_else(String::new, |what| format!(" ({what})"));
        self.tell(heading, Measured::Value(format!("{}{from}{assumed}", column.name())));
        self.used.push(Used { index, heading: heading.to_owned(), column, scale });
        Ok(())
    }

    fn tell(&mut self, heading: &str, taken_as: Measured<String>) {
        self.told.push(ImportedColumn { heading: heading.to_owned(), taken_as, lost: false });
    }

    /// The columns as they are told, once it is known which have anything in a row.
    fn told_of(&self, filled: &[bool]) -> Vec<ImportedColumn> {
        let told =
            self.told.iter().zip(filled).map(|(column, filled)| match column.lost && !filled {
                true => ImportedColumn {
                    taken_as: Measured::absent(EMPTY),
                    lost: false,
                    ..column.clone()
                },
                false => column.clone(),
            });
        told.collect()
    }

    /// The factors that its columns tell: all, where one has whole ids.
    fn stated(&self) -> Vec<Factor> {
        let tells = |factor: &Factor| self.has(Column::CellId) || self.has(Column::Factor(*factor));
        Factor::ALL.iter().copied().filter(tells).collect()
    }

    fn has(&self, column: Column) -> bool {
        self.used.iter().any(|used| used.column == column)
    }

    /// Path, size and threads make a cell, and a figure a trial.
    ///
    /// # Errors
    /// All that is missing, and what was said of columns that are not there.
    fn complete(
        &self,
        file: &str,
        headings: &[String],
        maps: &[Mapping],
    ) -> Result<(), ForeignError> {
        let mut lacking = Vec::new();
        if !self.has(Column::CellId) {
            let parts = [
                (Factor::Send, "the send path"),
                (Factor::Message, "the message size"),
                (Factor::Threads, "the threads"),
            ];
            let parts = parts.into_iter().filter(|(it, _)| !self.has(Column::Factor(*it)));
            lacking.extend(parts.map(|(factor, what)| (what, factor.column())));
        }
        let is_figure = |used: &Used| match used.column {
            Column::Bytes | Column::Total(..) | Column::Metric(_) => true,
            Column::Factor(_)
            | Column::Round
            | Column::Duration
            | Column::CellId
            | Column::Own(_)
            | Column::Ignored => false,
        };
        if !self.used.iter().any(is_figure) {
            lacking.push(("a figure", "goodput_gbps"));
        }
        if lacking.is_empty() {
            return Ok(());
        }
        let nowhere =
            maps.iter().zip(&self.mapped).filter(|(map, is_used)| !**is_used && !map.is_of_value());
        let nowhere: Vec<String> = nowhere.map(|(map, _)| quoted(&map.of)).collect();
        let nowhere = match nowhere.as_slice() {
            [] => String::new(),
            of => format!("there is no column {} (--map); ", of.join(" or ")),
        };
        let what: Vec<&str> = lacking.iter().map(|(what, _)| *what).collect();
        let flags: Vec<String> =
            lacking.iter().map(|(_, name)| format!("--map COLUMN={name}")).collect();
        let headings: Vec<String> = headings.iter().map(|text| quoted(text)).collect();
        let what = format!(
            "{nowhere}no column tells {}; say which by {}, or add {}; its columns are {}",
            what.join(", "),
            flags.join(" "),
            if flags.len() == 1 { "one" } else { "them" },
            headings.join(", ")
        );
        Err(ForeignError::of_file(file, what))
    }
}

/// Why a column is not used that has nothing in any row.
const EMPTY: &str = "empty in every row";
const NO_FIGURE: &str = "no figure follows from its rows: bytes need a duration or a throughput beside them, and counters need bytes; add such a column, or say which it is by --map COLUMN=goodput_gbps";
const ESTIMATES: &str = "these are estimates over a run's trials, of which no interval could be formed again: import its trials.csv, or copycost report DIR for all of it";
const PAPERS: &str = "the paper's columns: cycles, cache misses and context switches are its server's, which sends (copycost's paper.csv counts both ends: --map Cycles=ends_cycles and so on)";

/// Columns of copycost's own trials, by their very names.
fn own(heading: &str) -> Taken {
    let metric = || Metric::ALL.iter().find(|metric| metric.name() == heading);
    let part = || Own::ALL.into_iter().find(|own| own.name() == heading);
    match heading {
        "cell" => Taken::As(Column::CellId, 1.0),
        "round" => Taken::As(Column::Round, 1.0),
        _ => metric()
            .map(|metric| Column::Metric(*metric))
            .or_else(|| part().map(Column::Own))
            .map_or(Taken::Unknown, |column| Taken::As(column, 1.0)),
    }
}

/// The decimal sign that the numbers of a table's beginning prove.
///
/// # Errors
/// Some prove the one, some the other.
fn shown_decimal(
    file: &str,
    separator: u8,
    (sample, skipped_lines): (&[u8], u64),
    used: &[Used],
) -> Result<Option<Decimal>, ForeignError> {
    let mut seen: BTreeMap<&'static str, (Decimal, u64, &Used, String)> = BTreeMap::new();
    let lines = dialect::reader(separator, sample).into_byte_records().map_while(Result::ok);
    let is_number = |used: &&Used| {
        !matches!(
            used.column,
            Column::Factor(Factor::Send) | Column::CellId | Column::Own(_) | Column::Ignored
        )
    };
    for record in lines.skip(1) {
        let line = skipped_lines + record.position().map_or(0, csv::Position::line);
        for used in used.iter().filter(is_number) {
            let Some(Ok(text)) = record.get(used.index).map(std::str::from_utf8) else { continue };
            if is_absent(text) {
                continue;
            }
            if let Some(decimal) = proves(text) {
                seen.entry(decimal.name())
                    .or_insert_with(|| (decimal, line, used, text.to_owned()));
            }
        }
        if seen.len() > 1 {
            break;
        }
    }
    let mut seen = seen.into_values();
    match (seen.next(), seen.next()) {
        (Some(one), Some(other)) => {
            let what = format!(
                "{} has a decimal {}, and {} in line {} a decimal {}: write them alike",
                quoted(&other.3),
                other.0.name(),
                quoted(&one.3),
                one.1,
                one.0.name()
            );
            Err(ForeignError::at(file, other.1, what).in_column(&other.2.heading))
        }
        (one, _) => Ok(one.map(|(decimal, ..)| decimal)),
    }
}
