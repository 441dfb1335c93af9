//! `trials.csv`: the journal, flat. One row a trial with every factor, setting, figure and mark.
//!
//! Nothing that a record holds is left out but the reasons of absent figures, so that a reader can judge each
//! trial again. Each column is defined once, with its meaning and the way to its value; `docs/FILES.md` is checked against
//! that list by a test.

use std::io::Write;

use analysis::figures::Reading;
use analysis::judged::Judge;
use analysis::marks::is_void;
use analysis::metric::Metric;
use model::record::{
    CpuBusy, Failure, FailureKind, Field, Finished, Outcome, Record, Settings, Trial,
};
use model::{Cell, Mark, Measured, Plan, Thresholds};

use crate::csv_table::{ColumnSet, Columns, CsvColumn, CsvFile, Seen, Table};
use crate::error::ReportError;
use crate::origin::Origin;

mod link_columns;
mod machine_columns;
mod side_columns;

struct Trials;

/// What the fields of a row are taken from.
struct Row<'a> {
    origin: &'a Origin,
    trial: &'a Trial,
    marks: Vec<Mark>,
    idle: Option<&'a Measured<CpuBusy>>,
    reading: Reading<'a>,
}

impl<'a> Row<'a> {
    fn finished(&self) -> Option<&'a Finished> {
        match &self.trial.outcome {
            Outcome::Finished(finished) => Some(finished),
            Outcome::Failed(_) | Outcome::Imported(_) => None,
        }
    }

    /// None of a trial that was imported, whose settings nobody knows.
    fn settings(&self) -> Option<&'a Settings> {
        Some(&self.trial.settings).filter(|settings| !settings.is_unknown())
    }
}

impl Table for Trials {
    type Row<'a> = Row<'a>;
    const FILE: &'static str = "trials.csv";

    fn cell<'r>(row: &'r Row<'_>) -> &'r Cell {
        &row.trial.cell
    }

    fn origin<'r>(row: &'r Row<'_>) -> &'r Origin {
        row.origin
    }
}

/// Every column of `trials.csv`, in the order in which they are listed in `docs/FILES.md`.
pub fn trial_columns() -> Vec<CsvColumn> {
    columns().described()
}

/// `trials.csv`: one row a trial in the journal's order, void and failed ones included; absent figures are empty fields.
///
/// A journal is gone through twice, and need not be at hand: which columns hold anything is told by [`TrialsCsv::see`] of every
/// record, and the rows are written by [`TrialRows::push`] of every record again.
pub struct TrialsCsv {
    columns: Columns<Trials>,
    thresholds: Thresholds,
    origin: Origin,
    seen: Seen,
    rows: RowMaker,
}

impl TrialsCsv {
    /// No record yet.
    pub fn new(plan: &Plan, origin: &Origin) -> Self {
        let columns = columns();
        Self {
            seen: columns.none_seen(),
            columns,
            thresholds: plan.thresholds,
            origin: origin.clone(),
            rows: RowMaker::new(&plan.thresholds),
        }
    }

    /// Sees the next record.
    pub fn see(&mut self, record: &Record) {
        if let Some(row) = self.rows.row(&self.origin, record) {
            self.columns.see(&mut self.seen, &row);
        }
    }

    /// Of this run: of its factors and machines no more may be known than was thought before its records were read.
    pub fn of(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        self.seen.without(&origin.unstated);
    }

    /// Begins the file.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin<W: Write>(&self, out: W, set: ColumnSet) -> Result<TrialRows<'_, W>, ReportError> {
        Ok(TrialRows {
            columns: &self.columns,
            file: self.columns.begin(out, &self.seen, set)?,
            origin: &self.origin,
            rows: RowMaker::new(&self.thresholds),
        })
    }

    /// Begins the file before all records were seen, as if those to come had nothing in columns that are empty so far: with the rows
    /// of those that were seen.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin_early<'r, W: Write>(
        &self,
        out: W,
        set: ColumnSet,
        so_far: impl IntoIterator<Item = &'r Record>,
    ) -> Result<EarlyRows<W>, ReportError> {
        let mut rows = self.begin(out, set)?;
        so_far.into_iter().try_for_each(|record| rows.push(record))?;
        Ok(EarlyRows { file: rows.file, set, origin: self.origin.clone() })
    }

    /// Sees the next record and writes its row. Tells whether the file is still as it was thought to be; one that is not is worth no
    /// more rows.
    ///
    /// # Errors
    /// The writer's.
    pub fn see_and_write<W: Write>(
        &mut self,
        record: &Record,
        early: &mut EarlyRows<W>,
    ) -> Result<bool, ReportError> {
        let Some(row) = self.rows.row(&self.origin, record) else { return Ok(true) };
        self.columns.see(&mut self.seen, &row);
        if !early.file.is_without(&self.seen) {
            return Ok(false);
        }
        self.columns.row(&mut early.file, &row)?;
        Ok(true)
    }

    /// Whether a file that was begun early, and has the rows of all records, is the one that would be written now.
    pub fn is_as_begun<W: Write>(&self, early: &EarlyRows<W>) -> bool {
        early.origin == self.origin && self.columns.is_as_begun(&early.file, &self.seen, early.set)
    }
}

/// Rows of `trials.csv` that are written while records are seen for the first time.
#[derive(Debug)]
pub struct EarlyRows<W: Write> {
    file: CsvFile<W>,
    set: ColumnSet,
    origin: Origin,
}

impl<W: Write> EarlyRows<W> {
    /// What the rows were written to; it may hold some of them yet.
    ///
    /// # Errors
    /// The writer's.
    pub fn into_inner(self) -> Result<W, ReportError> {
        self.file.into_inner(Trials::FILE)
    }
}

/// The rows of `trials.csv`.
pub struct TrialRows<'t, W: Write> {
    columns: &'t Columns<Trials>,
    file: CsvFile<W>,
    origin: &'t Origin,
    rows: RowMaker,
}

impl<W: Write> TrialRows<'_, W> {
    /// Writes the next record's row, if it is a trial.
    ///
    /// # Errors
    /// The writer's.
    pub fn push(&mut self, record: &Record) -> Result<(), ReportError> {
        match self.rows.row(self.origin, record) {
            Some(row) => self.columns.row(&mut self.file, &row),
            None => Ok(()),
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(self) -> Result<(), ReportError> {
        self.file.finish(Trials::FILE)
    }
}

/// Makes rows of records, in the journal's order.
struct RowMaker {
    judge: Judge,
    /// The idle baseline of the round.
    idle: Option<Measured<CpuBusy>>,
}

impl RowMaker {
    fn new(thresholds: &Thresholds) -> Self {
        Self { judge: Judge::new(thresholds), idle: None }
    }

    fn row<'a>(&'a mut self, origin: &'a Origin, record: &'a Record) -> Option<Row<'a>> {
        match record {
            Record::Round(round) => {
                self.idle = Some(round.idle.clone());
                None
            }
            Record::Segment(_) | Record::Finish(_) => {
                self.idle = None;
                None
            }
            // Never timed: no row.
            Record::Audit(_)
            | Record::AuditRefused(_)
            | Record::Ceiling(_)
            | Record::Imported(_) => None,
            Record::Trial(trial) => Some(Row {
                origin,
                trial,
                marks: self.judge.marks(trial),
                idle: self.idle.as_ref(),
                reading: Reading::new(trial, self.idle.as_ref()),
            }),
        }
    }
}

/// Writes `trials.csv` of records that are at hand.
///
/// # Errors
/// The writer's.
pub fn write_trials<'a>(
    out: impl Write,
    plan: &Plan,
    origin: &Origin,
    records: impl IntoIterator<Item = &'a Record, IntoIter: Clone>,
    set: ColumnSet,
) -> Result<(), ReportError> {
    let records = records.into_iter();
    let mut file = TrialsCsv::new(plan, origin);
    records.clone().for_each(|record| file.see(record));
    let mut rows = file.begin(out, set)?;
    for record in records {
        rows.push(record)?;
    }
    rows.finish()
}

fn columns() -> Columns<Trials> {
    let mut columns = Columns::<Trials>::new();
    columns.about("Factors");
    columns.factors();
    identity(&mut columns);
    outcome(&mut columns);
    settings(&mut columns);
    side_columns::sender(&mut columns);
    side_columns::receiver(&mut columns);
    machine_columns::machine(&mut columns);
    link_columns::link(&mut columns);
    columns.about("Figures");
    for metric in Metric::ALL {
        columns.number(metric.name(), metric.meaning(), |row| {
            row.reading.value(*metric).value().copied().filter(|value| value.is_finite())
        });
    }
    columns
}

fn identity(columns: &mut Columns<Trials>) {
    columns.about("Identity");
    columns.text("cell", "The cell's id, the same in every file.", |r| Some(r.trial.cell.id()));
    columns.origin();
    columns.hosts();
    columns.number("round", "The round, from 1.", |r| Some(r.trial.round));
    columns.number("block", "Place of the block in its round, from 0.", |r| Some(r.trial.block));
    columns
        .number("position", "Place of the cell in its block, from 0.", |r| Some(r.trial.position));
    columns.number("attempt", "1, or more where earlier attempts were void.", |r| {
        Some(r.trial.attempt)
    });
    columns.number("started_unix_ms", "When the trial began.", |r| {
        Some(r.trial.started_unix_ms).filter(|ms| *ms > 0)
    });
    columns.number("line", "Of an imported trial: its line in the file.", |r| {
        match &r.trial.outcome {
            Outcome::Imported(imported) => Some(imported.line),
            Outcome::Failed(_) | Outcome::Finished(_) => None,
        }
    });
}

fn outcome(columns: &mut Columns<Trials>) {
    columns.about("Outcome");
    columns.text("outcome", "`finished`, `failed` or `imported`.", |r| {
        Some(match &r.trial.outcome {
            Outcome::Finished(_) => "finished",
            Outcome::Failed(_) => "failed",
            Outcome::Imported(_) => "imported",
        })
    });
    fn failure<'a>(r: &Row<'a>) -> Option<&'a Failure> {
        match &r.trial.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Finished(_) | Outcome::Imported(_) => None,
        }
    }
    columns.text(
        "failure",
        "Of a failed trial: `end-lost`, `call-failed`, `unsupported` or `nothing-passed`.",
        |r| {
            failure(r).map(|f| match f.kind {
                FailureKind::EndLost => "end-lost",
                FailureKind::CallFailed => "call-failed",
                FailureKind::Unsupported => "unsupported",
                FailureKind::NothingPassed => "nothing-passed",
            })
        },
    );
    columns.lent_text(
        "failure_why",
        "Of a failed trial: the call, its argument, the remedy.",
        |r| failure(r).map(|f| &*f.why),
    );
    columns.truth("valid", "Whether the trial enters estimates: it bears no void mark.", |r| {
        Some(!is_void(&r.marks))
    });
    columns.words(
        "marks",
        "What speaks against the trial, judged by the plan's thresholds.",
        |row, list| list.extend(row.marks.iter().copied()),
    );
}

fn settings(columns: &mut Columns<Trials>) {
    columns.about("Settings");
    columns.lent_text(
        "congestion_effective",
        "Congestion control of the sender's sockets, read back.",
        |r| r.finished().map(|f| &*f.sender.socket.congestion),
    );
    columns.number("ring_slots_effective", "Slots of each flow's ring.", |r| {
        Some(r.settings()?.ring_slots)
    });
    columns
        .number("slot_bytes", "From one slot to the next.", |r| Some(r.settings()?.slot_bytes.0));
    columns.number("receive_buffer_bytes_effective", "Bytes that a receive call asks for.", |r| {
        Some(r.settings()?.receive_buffer_bytes.0)
    });
    columns.lent_text(
        "ring_filesystem",
        "The filesystem of the file that the rings lie in; empty where they lie in memory alone.",
        |r| r.settings()?.ring_filesystem.as_deref(),
    );
    columns.numbers("usable_cpus", "CPUs that the ends may use.", |r, list| {
        list.extend(r.trial.settings.usable_cpus.iter().copied());
    });
    columns.numbers(
        "sender_cpus",
        "CPU of each sending worker; empty where not pinned.",
        |r, list| list.extend(r.trial.settings.sender_cpus.iter().copied()),
    );
    columns.numbers(
        "receiver_cpus",
        "CPU of each receiving worker; empty where not pinned.",
        |r, list| list.extend(r.trial.settings.receiver_cpus.iter().copied()),
    );
    columns.about("Window");
    columns.number(
        "window_ns",
        "The window ordered; of an imported trial the one that its file tells.",
        |r| match &r.trial.outcome {
            Outcome::Imported(imported) => imported.window_ns.map(|window| window.0),
            Outcome::Failed(_) | Outcome::Finished(_) => Some(r.settings()?.window_ns.0),
        },
    );
    columns.number("warmup_ns", "The warm-up before it.", |r| Some(r.settings()?.warmup_ns.0));
    columns.number(
        "turns",
        "Slices whose windows the trial is the sum of; empty where it is one steady window.",
        |r| Some(r.settings()?.series.as_ref()?.places.len() as u64),
    );
    columns.number("slice_window_ns", "The window of a slice.", |r| {
        Some(r.settings()?.series.as_ref()?.window_ns.0)
    });
    columns.number("settle_ns", "Load of a slice before its window.", |r| {
        Some(r.settings()?.series.as_ref()?.settle_ns.0)
    });
    columns.number("warmup_turns", "Turns before those that count.", |r| {
        Some(u64::from(r.settings()?.series.as_ref()?.warmup_turns))
    });
    columns.number("steady_ns", "The steady window ordered as a control; 0: none.", |r| {
        Some(r.settings()?.series.as_ref()?.steady_ns.0)
    });
    columns.numbers(
        "turn_places",
        "The place of the cell's slice in each turn, from 0.",
        |r, list| {
            let series = r.trial.settings.series.iter();
            list.extend(series.flat_map(|series| series.places.iter().copied()));
        },
    );
    columns.number("tail_ns", "The senders' tail after it.", |r| Some(r.settings()?.tail_ns.0));
    columns.truth(
        "extended",
        "Whether the warm-up was extended because an earlier attempt had not settled, as older versions did.",
        |r| Some(r.settings()?.extended),
    );
}

/// One column a figure of a tally, from the tally's own table.
fn tally<T: 'static>(
    columns: &mut Columns<Trials>,
    (prefix, when): (&str, &str),
    fields: Vec<Field<T>>,
    from: impl Fn(&Finished) -> Option<T> + Copy + Send + 'static,
) {
    for field in fields {
        let get = field.get;
        columns.number(
            format!("{prefix}{}", field.name),
            format!("{}{when}.", field.meaning),
            move |row| get(&from(row.finished()?)?),
        );
    }
}
