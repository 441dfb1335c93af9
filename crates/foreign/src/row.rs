//! One row of a table: its cell, and the figures that follow from it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use analysis::metric::Metric;
use model::record::{Failure, FailureKind, Imported, Outcome};
use model::{Bytes, Cell, Factor, Mark, Nanos};

use crate::column::{Column, Own};
use crate::error::{ForeignError, map_flag, quoted, shown};
use crate::number::{Decimal, NoNumber, is_absent, is_open, number, whole, with_unit};
use crate::reading::{Asked, Used, not_utf8};

mod derived;

use derived::Told;

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) line: u64,
    /// Of all its fields, to tell a copy of a row from a repetition.
    pub(crate) hash: u64,
    pub(crate) cell: Cell,
    /// From 1; 0 until repetitions are counted.
    pub(crate) round: u32,
    /// Block, position and attempt.
    pub(crate) place: [u32; 3],
    /// 0 where the table does not say.
    pub(crate) started_unix_ms: u64,
    /// The length of its window; none where the table does not say.
    pub(crate) window_ns: Option<Nanos>,
    pub(crate) outcome: Outcome,
}

/// Reads rows.
pub(crate) struct RowReader<'a> {
    pub(crate) file: &'a str,
    pub(crate) used: &'a [Used],
    pub(crate) decimal: Option<Decimal>,
    /// Whether commas part its columns.
    pub(crate) by_commas: bool,
    pub(crate) asked: Asked<'a>,
}

/// Half the table's quantities are unlikely beyond these.
const MOST_GBPS: f64 = 10_000.0;

impl RowReader<'_> {
    /// A row.
    ///
    /// # Errors
    /// A field that is not what its column is, or that contradicts another.
    pub(crate) fn row(&self, record: &csv::ByteRecord, line: u64) -> Result<Row, ForeignError> {
        let mut hasher = DefaultHasher::new();
        record.iter().for_each(|field| field.hash(&mut hasher));
        let mut cell = Cell::default();
        let mut row = Row {
            line,
            hash: hasher.finish(),
            cell: Cell::default(),
            round: 0,
            place: [0, 0, 1],
            started_unix_ms: 0,
            window_ns: None,
            outcome: Outcome::Imported(Box::default()),
        };
        let mut imported = Imported { line, usable_cpus: self.asked.cpus, ..Imported::default() };
        let mut failure: Option<Failure> = None;
        let mut told = Told::default();
        for used in self.used {
            let field = record.get(used.index).unwrap_or_default();
            let text = std::str::from_utf8(field)
                .map_err(|_| not_utf8(self.file, line).in_column(&used.heading))?
                .trim();
            let at = Field { reader: self, used, line, text };
            match used.column {
                Column::Factor(factor) => at.factor(factor, &mut cell)?,
                Column::CellId => cell = text.parse().map_err(|why: String| at.wrong(why))?,
                Column::Round => row.round = at.count()?,
                Column::Own(own) => at.own(own, &mut row, &mut imported, &mut failure)?,
                Column::Ignored => {}
                Column::Bytes | Column::Duration | Column::Total(..) | Column::Metric(_) => {
                    told.push(used, at.figure()?);
                }
            }
        }
        row.cell = cell.on_its_link();
        let wrong = |(heading, what): (String, String)| {
            ForeignError::at(self.file, line, what).in_column(&heading)
        };
        imported.window_ns =
            imported.window_ns.or_else(|| told.duration_s().map(Nanos::from_secs_f64));
        row.window_ns = imported.window_ns;
        row.outcome = match failure {
            Some(failure) => Outcome::Failed(failure),
            None if told.nothing_passed().map_err(wrong)? => Outcome::Failed(Failure {
                kind: FailureKind::NothingPassed,
                why: format!("no byte passed, says line {line} of {}", shown(self.file)),
            }),
            None => {
                told.check().map_err(wrong)?;
                told.derive(&row.cell, &mut imported);
                Outcome::Imported(Box::new(imported))
            }
        };
        Ok(row)
    }
}

/// A field of a row.
struct Field<'a> {
    reader: &'a RowReader<'a>,
    used: &'a Used,
    line: u64,
    text: &'a str,
}

impl Field<'_> {
    fn wrong(&self, what: impl Into<String>) -> ForeignError {
        ForeignError::at(self.reader.file, self.line, what).in_column(&self.used.heading)
    }

    fn factor(&self, factor: Factor, cell: &mut Cell) -> Result<(), ForeignError> {
        let text = self.text;
        if text.is_empty() {
            return Err(self.wrong("empty, and a row without it is of no cell"));
        }
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "only these have numbers of a file's dialect"
        )]
        let value = match factor {
            Factor::Send => self.path()?,
            Factor::Message => self.bytes()?.to_string(),
            Factor::Threads | Factor::Fields | Factor::Flows => self.count()?.to_string(),
            _ => text.to_owned(),
        };
        cell.set(factor, &value).map_err(|why| self.wrong(why))
    }

    /// A send path by copycost's names, the paper's, or what the mappings say.
    fn path(&self) -> Result<String, ForeignError> {
        let maps = self.reader.asked.maps.iter();
        let mapped =
            maps.filter(|map| map.is_of_word(self.text)).find_map(crate::mapping::Mapping::path);
        if let Some(path) = mapped.or_else(|| path(self.text)) {
            return Ok(path.name().to_owned());
        }
        let why = self.text.parse::<model::SendPath>().err().unwrap_or_default();
        Err(self.wrong(format!("{why}; say which by {}", map_flag(self.text, "PATH"))))
    }

    /// A size with the column's unit, or with one of its own.
    fn bytes(&self) -> Result<u64, ForeignError> {
        let has_unit = self.text.ends_with(|c: char| c.is_alphabetic());
        if has_unit && self.used.scale == 1.0 {
            let parsed: Result<Bytes, String> = self.text.replace(' ', "").parse();
            return parsed.map(|bytes| bytes.0).map_err(|why| self.wrong(why));
        }
        let value = self.number()?;
        whole(value).ok_or_else(|| {
            self.wrong(format!("{value} is no whole number of bytes; is the unit right?"))
        })
    }

    fn count(&self) -> Result<u32, ForeignError> {
        let value = self.number()?;
        let count = whole(value).and_then(|count| u32::try_from(count).ok()).filter(|n| *n > 0);
        count.ok_or_else(|| {
            self.wrong(format!("{} is no whole number from 1 on", quoted(self.text)))
        })
    }

    /// A number at least 0, in the told unit.
    fn number(&self) -> Result<f64, ForeignError> {
        let text = quoted(self.text);
        // Where commas part columns, a point is what fractions have.
        let is_open = self.reader.decimal.is_none() && !self.reader.by_commas && is_open(self.text);
        let read = number(self.text, self.reader.decimal);
        let read = if is_open { Err(NoNumber::TwoReadings) } else { read };
        let value = read.map_err(|why| match why {
            NoNumber::Not => match with_unit(self.text) {
                Some((figure, unit)) => self.wrong(format!(
                    "{text} has a unit: write {figure} here, and ({}) in the heading",
                    shown(unit)
                )),
                None => self.wrong(format!("{text} is no number")),
            },
            NoNumber::Other => self.wrong(format!(
                "{text} has another decimal sign than the rest: write them alike, or say --decimal"
            )),
            NoNumber::TwoReadings => self.wrong(format!(
                "{text} may be thousands or a fraction: say --decimal point or --decimal comma"
            )),
        })?;
        if value < 0.0 {
            return Err(self.wrong(format!("{text} is below 0: are columns swapped?")));
        }
        Ok(value * self.used.scale)
    }

    /// A figure; none where the field says that there is none.
    fn figure(&self) -> Result<Option<f64>, ForeignError> {
        // Differences of counters may be below 0 in copycost's own files; elsewhere nothing is.
        if is_absent(self.text) {
            return Ok(None);
        }
        if let Column::Metric(Metric::MachineCpuNsPerKib | Metric::SenderSideMachineCpuNsPerKib) =
            self.used.column
        {
            return self.text.parse().map(Some).or_else(|_| self.number().map(Some));
        }
        self.number().map(Some)
    }

    fn own(
        &self,
        own: Own,
        row: &mut Row,
        imported: &mut Imported,
        failure: &mut Option<Failure>,
    ) -> Result<(), ForeignError> {
        let text = self.text;
        if text.is_empty() {
            return Ok(());
        }
        let plain = || {
            text.parse::<u32>()
                .map_err(|_| self.wrong(format!("{} is no whole number", quoted(text))))
        };
        let [block, position, attempt] = &mut row.place;
        match own {
            Own::Block => *block = plain()?,
            Own::Position => *position = plain()?,
            Own::Attempt => *attempt = plain()?.max(1),
            Own::Started => {
                row.started_unix_ms = text
                    .parse()
                    .map_err(|_| self.wrong(format!("{} is no whole number", quoted(text))))?;
            }
            Own::Failure => {
                let kind = match text {
                    "end-lost" => FailureKind::EndLost,
                    "call-failed" => FailureKind::CallFailed,
                    "unsupported" => FailureKind::Unsupported,
                    "nothing-passed" => FailureKind::NothingPassed,
                    other => return Err(self.wrong(format!("{} is no failure", quoted(other)))),
                };
                failure.get_or_insert(Failure { kind, why: String::new() }).kind = kind;
            }
            Own::FailureWhy => {
                let kind = FailureKind::CallFailed;
                failure.get_or_insert(Failure { kind, why: String::new() }).why = text.to_owned();
            }
            Own::Marks => {
                for word in text.split_whitespace() {
                    let mark = Mark::ALL.iter().find(|mark| mark.name() == word);
                    let mark =
                        mark.ok_or_else(|| self.wrong(format!("{} is no mark", quoted(word))))?;
                    imported.marks.push(*mark);
                }
            }
            // One name for the whole table: see the reading of it.
            Own::Machine => {}
            Own::Window => {
                let window = text.parse().ok().filter(|ns| *ns > 0);
                let window =
                    window.ok_or_else(|| self.wrong(format!("{} is no time", quoted(text))))?;
                imported.window_ns = Some(Nanos(window));
            }
            Own::UsableCpus => {
                let cpus = u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
                imported.usable_cpus = self.reader.asked.cpus.or(Some(cpus));
            }
        }
        Ok(())
    }
}

/// A send path by its name, the paper's, or both: `A2`, `one-copy`, `A2 (sendmsg)`.
fn path(text: &str) -> Option<model::SendPath> {
    if let Ok(path) = text.parse() {
        return Some(path);
    }
    let parts = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let words: Vec<&str> = parts.filter(|word| !word.is_empty()).collect();
    let of = |words: &[&str]| words.join("-").parse::<model::SendPath>().ok();
    // Words that all say the same, as in `A1_two_copy` and `A2 (sendmsg)`.
    of(&words).or_else(|| {
        let (first, rest) = words.split_at_checked(1)?;
        of(first).filter(|path| of(rest) == Some(*path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_bear_the_papers_names_and_the_kernels() {
        for (text, name) in [
            ("A1", "send"),
            ("two-copy", "send"),
            ("Two Copy", "send"),
            ("A1_two_copy", "send"),
            ("A1'", "staged"),
            ("A2 (one-copy)", "sendmsg"),
            ("one_copy", "sendmsg"),
            ("MSG_ZEROCOPY", "zerocopy"),
            ("A3: zero-copy", "zerocopy"),
            ("zero copy", "zerocopy"),
        ] {
            assert_eq!(path(text).map(model::SendPath::name), Some(name), "{text}");
        }
        for text in ["", "io_uring", "A1 zero-copy", "copy", "A4"] {
            assert_eq!(path(text), None, "{text}");
        }
    }
}
