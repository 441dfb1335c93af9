//! What the CSV files share: columns that stand once with meaning and value, their order, and fields that are safe to
//! open in a spreadsheet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::io::Write;
use std::str::FromStr;

use model::{Cell, Factor};
use serde_json::Value as Json;

use crate::error::ReportError;
use crate::origin::Origin;

/// Which columns a CSV file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnSet {
    /// All of them. Factors that do not vary and columns without a figure come last.
    #[default]
    All,
    /// The factors that vary and the columns that hold something.
    Compact,
}

impl ColumnSet {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::All, Self::Compact];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Compact => "compact",
        }
    }
}

impl FromStr for ColumnSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|set| set.name() == text)
            .ok_or_else(|| model::nearest::unknown("set of columns", text, &names))
    }
}

/// A column of a CSV file, as `docs/FILES.md` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvColumn {
    /// Its name in the header; the unit ends it.
    pub name: String,
    /// What its group of columns is about.
    pub subject: &'static str,
    /// What it holds, in one line.
    pub meaning: String,
    kind: Kind,
}

/// What the fields of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    /// Several, separated by spaces.
    Numbers,
    Text,
    /// `true` or `false`.
    Truth,
}

impl CsvColumn {
    /// Its unit, as its name ends.
    pub fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Text => "text",
            Kind::Truth => "true or false",
            Kind::Number | Kind::Numbers => unit(&self.name),
        }
    }
}

/// The unit in which a figure's name ends.
pub(crate) fn unit(name: &str) -> &'static str {
    const ENDS: [(&str, &str); 25] = [
        ("_unix_ms", "ms since 1970"),
        ("_mbps", "Mbit/s"),
        ("_gbps", "Gbit/s"),
        ("_ns_per_message", "ns per message"),
        ("_ns_per_kib", "ns per KiB"),
        ("_per_byte", "per byte"),
        ("_per_kib", "per KiB"),
        ("_per_message", "per message"),
        ("_gb_per_s", "GB/s"),
        ("_bytes_per_s", "bytes per second"),
        ("_per_s", "per second"),
        ("_ns_per_packet", "ns per packet"),
        ("helper_cpu", "CPU number"),
        ("bytes_per_receive_call", "bytes"),
        ("bytes_per_packet", "bytes"),
        ("_share", "share, 0 to 1"),
        ("_ns", "ns"),
        ("_us", "µs"),
        ("_khz", "kHz"),
        ("_bytes", "bytes"),
        ("_slots", "slots"),
        ("_packets", "packets"),
        ("_cpus", "CPU numbers"),
        ("cpus", "CPU numbers"),
        ("wrong_offset", "bytes"),
    ];
    let name = ["_effective", "_low", "_high"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    ENDS.iter().find(|(end, _)| name.ends_with(end)).map_or("count", |(_, unit)| unit)
}

/// A CSV file.
pub(crate) trait Table {
    /// What the fields of a row are taken from.
    type Row<'a>;
    /// The file's name.
    const FILE: &'static str;

    /// The cell that a row is of.
    fn cell<'r>(row: &'r Self::Row<'_>) -> &'r Cell;
    /// The run that it is of.
    fn origin<'r>(row: &'r Self::Row<'_>) -> &'r Origin;
}

type Value<T> = Box<dyn Fn(&<T as Table>::Row<'_>, &mut String)>;

struct Column<T: Table> {
    about: CsvColumn,
    factor: Option<Factor>,
    value: Value<T>,
}

/// The columns of a file, as they are listed.
pub(crate) struct Columns<T: Table> {
    subject: &'static str,
    list: Vec<Column<T>>,
}

impl<T: Table> Columns<T> {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { subject: "", list: Vec::new() }
    }

    /// Begins a group of columns.
    pub(crate) fn about(&mut self, subject: &'static str) {
        self.subject = subject;
    }

    fn push(
        &mut self,
        (name, meaning): (String, String),
        kind: Kind,
        factor: Option<Factor>,
        value: Value<T>,
    ) {
        let about = CsvColumn { name, subject: self.subject, meaning, kind };
        self.list.push(Column { about, factor, value });
    }

    /// A number that may be absent.
    pub(crate) fn number<V: Display>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&T::Row<'_>) -> Option<V> + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put(out, value(row)));
        self.push((name.into(), meaning.into()), Kind::Number, None, put);
    }

    /// Numbers of several workers or CPUs in one field, separated by spaces.
    pub(crate) fn numbers<V: Display>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&T::Row<'_>) -> Vec<V> + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put_list(out, value(row)));
        self.push((name.into(), meaning.into()), Kind::Numbers, None, put);
    }

    /// A text that may be absent.
    pub(crate) fn text<V: Display>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&T::Row<'_>) -> Option<V> + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put(out, value(row)));
        self.push((name.into(), meaning.into()), Kind::Text, None, put);
    }

    /// `true` or `false`, or absent.
    pub(crate) fn truth(
        &mut self,
        name: &str,
        meaning: &str,
        value: impl Fn(&T::Row<'_>) -> Option<bool> + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put(out, value(row)));
        self.push((name.to_owned(), meaning.to_owned()), Kind::Truth, None, put);
    }

    /// Which run and machine a row is of.
    pub(crate) fn origin(&mut self) {
        self.text("run", "The run directory's name.", |r| Some(T::origin(r).run.clone()));
        self.text(
            "machine",
            "The machine's host name; empty where an imported file does not tell it.",
            |r| T::origin(r).machine.value().cloned(),
        );
        self.text("label", "The run's label.", |r| Some(T::origin(r).label.clone()));
    }

    /// Both hosts, where there are two.
    pub(crate) fn hosts(&mut self) {
        for (place, side) in ["sender", "receiver"].into_iter().enumerate() {
            let whose = format!("Of two hosts, of the {side}'s");
            let host = move |row: &T::Row<'_>| {
                T::origin(row).hosts.as_ref().map(|hosts| hosts[place].clone())
            };
            self.text(format!("{side}_host"), format!("{whose}: its name."), move |row| {
                host(row)?.name.value().cloned()
            });
            self.text(format!("{side}_kernel"), format!("{whose}: its kernel."), move |row| {
                host(row)?.kernel.value().cloned()
            });
            self.text(
                format!("{side}_cpu_model"),
                format!("{whose}: its CPU's model."),
                move |row| host(row)?.cpu.value().cloned(),
            );
            self.text(
                format!("{side}_nic_driver"),
                format!("{whose}: the driver of the device that data goes by."),
                move |row| host(row)?.nic.value()?.driver.value().cloned(),
            );
            self.number(
                format!("{side}_nic_mbps"),
                format!("{whose}: that device's speed."),
                move |row| host(row)?.nic.value()?.speed_mbps.value().copied(),
            );
        }
    }

    /// Words in one field, separated by spaces.
    pub(crate) fn words<V: Display>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&T::Row<'_>) -> Vec<V> + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put_list(out, value(row)));
        self.push((name.into(), meaning.into()), Kind::Text, None, put);
    }

    /// One column a factor.
    pub(crate) fn factors(&mut self) {
        for factor in Factor::ALL {
            // A factor whose values may be a word (`auto`) is text to a reader.
            let number = matches!(
                factor,
                Factor::Message
                    | Factor::Fields
                    | Factor::Threads
                    | Factor::Flows
                    | Factor::Replica
            );
            let meaning = if *factor == Factor::Message { "Message size." } else { factor.help() };
            let put = Box::new(|row: &T::Row<'_>, out: &mut String| {
                put(out, factor_of::<T>(row, *factor));
            });
            let names = (factor.column().to_owned(), meaning.to_owned());
            let kind = if number { Kind::Number } else { Kind::Text };
            self.push(names, kind, Some(*factor), put);
        }
    }

    /// What the columns are.
    pub(crate) fn described(self) -> Vec<CsvColumn> {
        self.list.into_iter().map(|column| column.about).collect()
    }

    /// Writes the file; `rows` is gone through twice, and one row is held at a time.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn write<'a>(
        &self,
        out: impl Write,
        rows: impl Iterator<Item = T::Row<'a>> + Clone,
        set: ColumnSet,
    ) -> Result<(), ReportError> {
        let mut file = self.begin(out, &self.seen_in(rows.clone()), set)?;
        for row in rows {
            file.row(&row)?;
        }
        file.finish()
    }

    /// Writes the header; the rows must be those that were seen.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn begin<W: Write>(
        &self,
        out: W,
        seen: &Seen,
        set: ColumnSet,
    ) -> Result<CsvFile<'_, T, W>, ReportError> {
        let columns = self.in_order(seen, set);
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(columns.iter().map(|column| &column.about.name))
            .map_err(|e| ReportError::csv(T::FILE, e))?;
        Ok(CsvFile { columns, csv, text: String::new() })
    }

    /// Writes the same rows as JSON lines: one object a row, numbers as numbers, and null where a field is empty.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn write_lines<'a>(
        &self,
        mut out: impl Write,
        rows: impl Iterator<Item = T::Row<'a>> + Clone,
        set: ColumnSet,
    ) -> Result<(), ReportError> {
        let columns = self.in_order(&self.seen_in(rows.clone()), set);
        let (mut text, mut line) = (String::new(), String::new());
        for row in rows {
            line.clear();
            for column in &columns {
                text.clear();
                (column.value)(&row, &mut text);
                line.push(if line.is_empty() { '{' } else { ',' });
                let is_number = || text.parse::<f64>().is_ok_and(f64::is_finite);
                let bare = match column.about.kind {
                    _ if text.is_empty() => Some("null"),
                    Kind::Number => Some(if is_number() { &*text } else { "null" }),
                    Kind::Truth => Some(&*text),
                    Kind::Numbers | Kind::Text => None,
                };
                let name = Json::from(&*column.about.name);
                // Writing to a String cannot fail.
                let _ = match bare {
                    Some(bare) => write!(line, "{name}:{bare}"),
                    None => write!(line, "{name}:{}", Json::from(&*text)),
                };
            }
            line.push_str("}\n");
            out.write_all(line.as_bytes()).map_err(|e| ReportError::new(T::FILE, e))?;
        }
        out.flush().map_err(|e| ReportError::new(T::FILE, e))
    }

    /// No row yet.
    pub(crate) fn none_seen(&self) -> Seen {
        let mut empty: Vec<usize> = (0..self.list.len()).collect();
        empty.retain(|index| self.list.get(*index).is_some_and(|column| column.factor.is_none()));
        Seen { cells: BTreeMap::new(), empty, text: String::new() }
    }

    /// Sees a row.
    pub(crate) fn see(&self, seen: &mut Seen, row: &T::Row<'_>) {
        let Seen { cells, empty, text } = seen;
        if !cells.contains_key(T::cell(row)) {
            cells.insert(T::cell(row).clone(), BTreeSet::new());
        }
        let unstated = &T::origin(row).unstated;
        if let Some(known) = cells.get_mut(T::cell(row))
            && !known.contains(unstated)
        {
            known.insert(unstated.clone());
        }
        empty.retain(|index| {
            text.clear();
            if let Some(column) = self.list.get(*index) {
                (column.value)(row, text);
            }
            text.is_empty()
        });
    }

    fn seen_in<'a>(&self, rows: impl Iterator<Item = T::Row<'a>>) -> Seen {
        let mut seen = self.none_seen();
        rows.for_each(|row| self.see(&mut seen, &row));
        seen
    }

    /// The columns as listed, but factors that do not vary and then empty columns last; or without both. A table without
    /// a row has all.
    fn in_order(&self, seen: &Seen, set: ColumnSet) -> Vec<&Column<T>> {
        let Seen { cells, empty, .. } = seen;
        if cells.is_empty() {
            return self.list.iter().collect();
        }
        let varies = |factor: Factor| {
            let mut values = cells.iter().flat_map(|(cell, unstated)| {
                unstated.iter().map(move |it| (!it.contains(&factor)).then(|| cell.get(factor)))
            });
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        let (mut used, mut constant, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for (index, column) in self.list.iter().enumerate() {
            match column.factor {
                Some(factor) if !varies(factor) => constant.push(column),
                None if empty.contains(&index) => without.push(column),
                Some(_) | None => used.push(column),
            }
        }
        if set == ColumnSet::All {
            used.extend(constant);
            used.extend(without);
        }
        used
    }
}

/// What a table's rows have, by which its columns are put in order.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Each cell, and which of its factors nobody knows.
    cells: BTreeMap<Cell, BTreeSet<Vec<Factor>>>,
    /// Columns that no row has anything in, factors left out.
    empty: Vec<usize>,
    text: String,
}

impl Seen {
    /// The same rows, of which nobody knows these factors.
    pub(crate) fn without(&mut self, unstated: &[Factor]) {
        for known in self.cells.values_mut() {
            *known = BTreeSet::from([unstated.to_vec()]);
        }
    }
}

/// A CSV file that is being written.
pub(crate) struct CsvFile<'c, T: Table, W: Write> {
    columns: Vec<&'c Column<T>>,
    csv: csv::Writer<W>,
    text: String,
}

impl<T: Table, W: Write> CsvFile<'_, T, W> {
    /// Writes a row.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn row(&mut self, row: &T::Row<'_>) -> Result<(), ReportError> {
        let error = |e: csv::Error| ReportError::csv(T::FILE, e);
        let Self { columns, csv, text } = self;
        for column in columns {
            text.clear();
            (column.value)(row, text);
            let is_text = column.about.kind == Kind::Text;
            let field = if is_text { harmless(text) } else { Cow::Borrowed(&**text) };
            csv.write_field(&*field).map_err(error)?;
        }
        csv.write_record(None::<&[u8]>).map_err(error)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn finish(mut self) -> Result<(), ReportError> {
        self.csv.flush().map_err(|e| ReportError::new(T::FILE, e))
    }
}

/// The value of a factor, where it is known.
fn factor_of<T: Table>(row: &T::Row<'_>, factor: Factor) -> Option<String> {
    let is_known = !T::origin(row).unstated.contains(&factor);
    is_known.then(|| T::cell(row).get(factor))
}

fn put<V: Display>(out: &mut String, value: Option<V>) {
    if let Some(value) = value {
        // Writing to a String cannot fail.
        let _ = write!(out, "{value}");
    }
}

fn put_list<V: Display>(out: &mut String, values: Vec<V>) {
    for (index, value) in values.into_iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        let _ = write!(out, "{space}{value}");
    }
}

/// A text that no spreadsheet takes for a formula: one that begins like a formula has an apostrophe before it.
/// Source: OWASP, CSV Injection.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Why columns of a row are empty: each reason once, after the columns that it explains, as
/// `COLUMN COLUMN: reason | COLUMN: another reason`.
pub(crate) fn why_empty<'a>(absent: impl IntoIterator<Item = (String, &'a str)>) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for (column, reason) in absent {
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, columns)) => columns.push(column),
            None => groups.push((reason, vec![column])),
        }
    }
    let groups: Vec<String> = groups
        .into_iter()
        .map(|(reason, columns)| {
            // One line, and the bar stands between reasons alone.
            let reason: Vec<&str> = reason
                .split(|c: char| c == '|' || c.is_whitespace())
                .filter(|w| !w.is_empty())
                .collect();
            format!("{}: {}", columns.join(" "), reason.join(" "))
        })
        .collect();
    groups.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_like_a_formula_is_made_a_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        for text in ["", "send", "1-1", "0-1/2-3", "a=b", " x"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn each_reason_stands_once_with_the_columns_that_it_explains() {
        let absent = [("a", "no counter"), ("b", "x | y\nz"), ("c", "no counter")];
        let text = why_empty(absent.map(|(column, reason)| (column.to_owned(), reason)));
        assert_eq!(text, "a c: no counter | b: x y z");
    }

    #[test]
    fn an_unknown_set_of_columns_names_the_nearest() {
        assert_eq!("compact".parse(), Ok(ColumnSet::Compact));
        let error = "compct".parse::<ColumnSet>().unwrap_err();
        assert!(error.contains("did you mean \"compact\""), "{error}");
    }
}
