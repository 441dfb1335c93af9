//! What the CSV files share: columns that stand once with meaning and value, their order, and fields that are safe to
//! open in a spreadsheet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::str::FromStr;

use model::record::Figure;
use model::{Cell, Factor, Mark};
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

type Value<T> = Box<dyn Fn(&<T as Table>::Row<'_>, &mut String) + Send>;

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
    pub(crate) fn number<V: Spelt>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&T::Row<'_>) -> Option<V> + Send + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put(out, value(row)));
        self.push((name.into(), meaning.into()), Kind::Number, None, put);
    }

    /// Numbers of several workers or CPUs in one field, separated by spaces.
    pub(crate) fn numbers(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        list: impl Fn(&T::Row<'_>, &mut List<'_>) + Send + 'static,
    ) {
        let put =
            Box::new(move |row: &T::Row<'_>, out: &mut String| list(row, &mut List::new(out)));
        self.push((name.into(), meaning.into()), Kind::Numbers, None, put);
    }

    /// A text that may be absent.
    pub(crate) fn text<V: Spelt>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&T::Row<'_>) -> Option<V> + Send + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put(out, value(row)));
        self.push((name.into(), meaning.into()), Kind::Text, None, put);
    }

    /// The same of a text that the row has.
    pub(crate) fn lent_text(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl for<'r> Fn(&'r T::Row<'_>) -> Option<&'r str> + Send + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| {
            out.push_str(value(row).unwrap_or_default());
        });
        self.push((name.into(), meaning.into()), Kind::Text, None, put);
    }

    /// `true` or `false`, or absent.
    pub(crate) fn truth(
        &mut self,
        name: &str,
        meaning: &str,
        value: impl Fn(&T::Row<'_>) -> Option<bool> + Send + 'static,
    ) {
        let put = Box::new(move |row: &T::Row<'_>, out: &mut String| put(out, value(row)));
        self.push((name.to_owned(), meaning.to_owned()), Kind::Truth, None, put);
    }

    /// Which run and machine a row is of.
    pub(crate) fn origin(&mut self) {
        self.lent_text("run", "The run directory's name.", |r| Some(&T::origin(r).run));
        self.lent_text(
            "machine",
            "The machine's host name; empty where an imported file does not tell it.",
            |r| T::origin(r).machine.value().map(String::as_str),
        );
        self.lent_text("label", "The run's label.", |r| Some(&T::origin(r).label));
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
    pub(crate) fn words(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        list: impl Fn(&T::Row<'_>, &mut List<'_>) + Send + 'static,
    ) {
        let put =
            Box::new(move |row: &T::Row<'_>, out: &mut String| list(row, &mut List::new(out)));
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
                if !T::origin(row).unstated.contains(factor) {
                    // Writing to a String cannot fail.
                    let _ = T::cell(row).write(*factor, out);
                }
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
            self.row(&mut file, &row)?;
        }
        file.finish(T::FILE)
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
    ) -> Result<CsvFile<W>, ReportError> {
        let order = self.order(seen, set);
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(self.ordered(&order).map(|column| &column.about.name))
            .map_err(|e| ReportError::csv(T::FILE, e))?;
        Ok(CsvFile { order, empty: seen.empty.clone(), csv, text: String::new() })
    }

    /// Writes a row, which was seen.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn row<W: Write>(
        &self,
        file: &mut CsvFile<W>,
        row: &T::Row<'_>,
    ) -> Result<(), ReportError> {
        let error = |e: csv::Error| ReportError::csv(T::FILE, e);
        let CsvFile { order, csv, text, .. } = file;
        for column in self.ordered(order) {
            text.clear();
            (column.value)(row, text);
            let is_text = column.about.kind == Kind::Text;
            let field = if is_text { harmless(text) } else { Cow::Borrowed(&**text) };
            csv.write_field(&*field).map_err(error)?;
        }
        csv.write_record(None::<&[u8]>).map_err(error)
    }

    /// Whether a file that was begun has the columns in the order that these rows ask for.
    pub(crate) fn is_as_begun<W: Write>(
        &self,
        file: &CsvFile<W>,
        seen: &Seen,
        set: ColumnSet,
    ) -> bool {
        file.is_without(seen) && file.order == self.order(seen, set)
    }

    fn ordered(&self, order: &[usize]) -> impl Iterator<Item = &Column<T>> {
        order.iter().filter_map(|index| self.list.get(*index))
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
        let order = self.order(&self.seen_in(rows.clone()), set);
        let columns: Vec<_> = self.ordered(&order).collect();
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
        let unstated = &T::origin(row).unstated;
        match cells.get_mut(T::cell(row)) {
            Some(known) if known.contains(unstated) => {}
            Some(known) => drop(known.insert(unstated.clone())),
            None => drop(cells.insert(T::cell(row).clone(), [unstated.clone()].into())),
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
    fn order(&self, seen: &Seen, set: ColumnSet) -> Vec<usize> {
        let Seen { cells, empty, .. } = seen;
        if cells.is_empty() {
            return (0..self.list.len()).collect();
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
                Some(factor) if !varies(factor) => constant.push(index),
                None if empty.contains(&index) => without.push(index),
                Some(_) | None => used.push(index),
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
#[derive(Debug)]
pub(crate) struct CsvFile<W: Write> {
    /// Its columns, by their places in the list.
    order: Vec<usize>,
    /// Those that no row has anything in.
    empty: Vec<usize>,
    csv: csv::Writer<W>,
    text: String,
}

impl<W: Write> CsvFile<W> {
    /// Whether the columns without anything are those of these rows.
    pub(crate) fn is_without(&self, seen: &Seen) -> bool {
        self.empty == seen.empty
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn finish(mut self, file: &'static str) -> Result<(), ReportError> {
        self.csv.flush().map_err(|e| ReportError::new(file, e))
    }

    /// Writes what is left, and gives the writer back.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn into_inner(self, file: &'static str) -> Result<W, ReportError> {
        self.csv.into_inner().map_err(|e| ReportError::new(file, e.into_error()))
    }
}

/// What fields hold, spelt as `Display` does it; whole numbers, of which a row has hundreds, without its machinery.
pub(crate) trait Spelt {
    /// Puts it behind what is there.
    fn spell(&self, out: &mut String);
}

macro_rules! spelt {
    ($by:expr; $($type:ty),+) => {
        $(impl Spelt for $type {
            fn spell(&self, out: &mut String) {
                let by: fn(&mut String, &Self) = $by;
                by(out, self);
            }
        })+
    };
}

spelt!(|out, whole| out.push_str(itoa::Buffer::new().format(*whole)); u32, u64, i64);
spelt!(|out, text| out.push_str(text); String, &str);
spelt!(|out, truth| out.push_str(if *truth { "true" } else { "false" }); bool);
spelt!(|out, mark| out.push_str(mark.name()); Mark);

impl Spelt for f64 {
    fn spell(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{self}");
    }
}

impl Spelt for Figure {
    fn spell(&self, out: &mut String) {
        match self {
            Self::Whole(count) => count.spell(out),
            Self::Mean(mean) => mean.spell(out),
        }
    }
}

/// A field of several values, separated by spaces.
pub(crate) struct List<'o> {
    out: &'o mut String,
    is_begun: bool,
}

impl<'o> List<'o> {
    fn new(out: &'o mut String) -> Self {
        Self { out, is_begun: false }
    }

    /// The next value.
    pub(crate) fn push(&mut self, value: impl Spelt) {
        if self.is_begun {
            self.out.push(' ');
        }
        self.is_begun = true;
        value.spell(self.out);
    }

    /// The next values.
    pub(crate) fn extend<V: Spelt>(&mut self, values: impl IntoIterator<Item = V>) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

fn put<V: Spelt>(out: &mut String, value: Option<V>) {
    if let Some(value) = value {
        value.spell(out);
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
    fn values_are_spelt_as_display_spells_them() {
        fn same<V: Spelt + std::fmt::Display>(value: V) {
            let mut spelt = String::new();
            value.spell(&mut spelt);
            assert_eq!(spelt, value.to_string());
        }
        [0, 9, 10, 12_345, u32::MAX].into_iter().for_each(same);
        [0, 100, u64::MAX].into_iter().for_each(same);
        [0, -1, i64::MIN, i64::MAX].into_iter().for_each(same);
        [0.0, -0.0, 1.0, 0.1, 1e21, 1e-9, f64::MAX, f64::NAN].into_iter().for_each(same);
        [true, false].into_iter().for_each(same);
        Mark::ALL.iter().copied().for_each(same);
        [Figure::Whole(7), Figure::Mean(0.5)].into_iter().for_each(same);
        let mut list = String::new();
        List::new(&mut list).extend(["", "a", ""]);
        assert_eq!(list, " a ");
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
