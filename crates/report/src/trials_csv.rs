//! `trials.csv`: the journal, flat. One row a trial with every factor, setting, figure and mark.
//!
//! Nothing that a record holds is left out but the reasons of absent figures, so that a reader can judge each
//! trial again. Each column is defined once, with its meaning and the way to its value; `docs/FILES.md` is checked against
//! that list by a test.

use std::fmt::{Display, Write as _};
use std::io::Write;

use analysis::metric::Metric;
use model::record::{CpuBusy, FailureKind, Finished, Outcome, Record, Trial};
use model::{Factor, Mark, Measured, Plan};

use crate::error::ReportError;
use crate::numbers::field;

mod link_columns;
mod machine_columns;
mod side_columns;

/// What the columns of a row are taken from.
struct Row<'a> {
    trial: &'a Trial,
    marks: &'a [Mark],
    idle: Option<&'a Measured<CpuBusy>>,
}

impl<'a> Row<'a> {
    fn finished(&self) -> Option<&'a Finished> {
        match &self.trial.outcome {
            Outcome::Finished(finished) => Some(finished),
            Outcome::Failed(_) => None,
        }
    }
}

type Value = Box<dyn Fn(&Row, &mut String)>;

/// A column of `trials.csv`.
pub struct TrialColumn {
    /// Its name in the header; the unit ends it.
    pub name: String,
    /// What it holds, in one line.
    pub meaning: String,
    text: bool,
    value: Value,
}

impl TrialColumn {
    /// Its unit, as its name ends.
    pub fn unit(&self) -> &'static str {
        const ENDS: [(&str, &str); 22] = [
            ("_unix_ms", "ms since 1970"),
            ("_gbps", "Gbit/s"),
            ("_ns_per_message", "ns per message"),
            ("_ns_per_kib", "ns per KiB"),
            ("_per_byte", "per byte"),
            ("_per_kib", "per KiB"),
            ("_per_message", "per message"),
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
        if self.text {
            return "text";
        }
        let name = self.name.strip_suffix("_effective").unwrap_or(&self.name);
        ENDS.iter().find(|(end, _)| name.ends_with(end)).map_or("count", |(_, unit)| unit)
    }
}

/// The columns being listed.
#[derive(Default)]
struct Columns(Vec<TrialColumn>);

impl Columns {
    fn add(
        &mut self,
        text: bool,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&Row, &mut String) + 'static,
    ) {
        self.0.push(TrialColumn {
            name: name.into(),
            meaning: meaning.into(),
            text,
            value: Box::new(value),
        });
    }

    /// A number that may be absent.
    fn number<T: Display>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&Row) -> Option<T> + 'static,
    ) {
        self.add(false, name, meaning, move |row, out| put(out, value(row)));
    }

    /// A text that may be absent.
    fn text<T: Display>(
        &mut self,
        name: impl Into<String>,
        meaning: impl Into<String>,
        value: impl Fn(&Row) -> Option<T> + 'static,
    ) {
        self.add(true, name, meaning, move |row, out| put(out, value(row)));
    }
}

fn put<T: Display>(out: &mut String, value: Option<T>) {
    if let Some(value) = value {
        // Writing to a String cannot fail.
        let _ = write!(out, "{value}");
    }
}

/// Numbers of several workers or CPUs in one field, separated by spaces.
fn put_list<T: Display>(out: &mut String, values: impl IntoIterator<Item = T>) {
    for (index, value) in values.into_iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        let _ = write!(out, "{space}{value}");
    }
}

/// Every column of `trials.csv`, in order.
pub fn trial_columns() -> Vec<TrialColumn> {
    let mut columns = Columns::default();
    place(&mut columns);
    settings(&mut columns);
    outcome(&mut columns);
    side_columns::sender(&mut columns);
    side_columns::receiver(&mut columns);
    machine_columns::machine(&mut columns);
    link_columns::link(&mut columns);
    for metric in Metric::ALL {
        columns.add(false, metric.name(), metric.meaning(), move |row, out| {
            let value = analysis::figures::value(*metric, row.trial, row.idle);
            out.push_str(&field(value.value().copied()));
        });
    }
    columns.0
}

fn place(columns: &mut Columns) {
    columns.number("round", "The round, from 1.", |r| Some(r.trial.round));
    columns.number("block", "Place of the block in its round, from 0.", |r| Some(r.trial.block));
    columns
        .number("position", "Place of the cell in its block, from 0.", |r| Some(r.trial.position));
    columns.number("attempt", "1, or more where earlier attempts were void.", |r| {
        Some(r.trial.attempt)
    });
    columns.number("started_unix_ms", "When the trial began.", |r| Some(r.trial.started_unix_ms));
    for factor in Factor::ALL {
        // A factor whose values may be a word (`auto`) is text to a reader.
        let number = matches!(
            factor,
            Factor::Message | Factor::Fields | Factor::Threads | Factor::Flows | Factor::Replica
        );
        let meaning = if *factor == Factor::Message { "Message size." } else { factor.help() };
        columns.add(!number, factor.column(), meaning, |row, out| {
            out.push_str(&row.trial.cell.get(*factor))
        });
    }
}

fn settings(columns: &mut Columns) {
    columns.text(
        "congestion_effective",
        "Congestion control of the sender's sockets, read back.",
        |r| r.finished().map(|f| f.sender.socket.congestion.clone()),
    );
    columns.number("ring_slots_effective", "Slots of each flow's ring.", |r| {
        Some(r.trial.settings.ring_slots)
    });
    columns.number("slot_bytes", "From one slot to the next.", |r| {
        Some(r.trial.settings.slot_bytes.0)
    });
    columns.number("receive_buffer_bytes_effective", "Bytes that a receive call asks for.", |r| {
        Some(r.trial.settings.receive_buffer_bytes.0)
    });
    columns.number("window_ns", "The window ordered.", |r| Some(r.trial.settings.window_ns.0));
    columns.number("warmup_ns", "The warm-up before it.", |r| Some(r.trial.settings.warmup_ns.0));
    columns.number("tail_ns", "The senders' tail after it.", |r| Some(r.trial.settings.tail_ns.0));
    columns.text(
        "extended",
        "Whether the warm-up was extended because an earlier attempt had not settled: true or false.",
        |r| Some(r.trial.settings.extended),
    );
    columns.add(false, "usable_cpus", "CPUs that the ends may use.", |row, out| {
        put_list(out, &row.trial.settings.usable_cpus);
    });
    columns.add(
        false,
        "sender_cpus",
        "CPU of each sending worker; empty where not pinned.",
        |row, out| {
            put_list(out, &row.trial.settings.sender_cpus);
        },
    );
    columns.add(
        false,
        "receiver_cpus",
        "CPU of each receiving worker; empty where not pinned.",
        |row, out| {
            put_list(out, &row.trial.settings.receiver_cpus);
        },
    );
}

fn outcome(columns: &mut Columns) {
    columns.text("outcome", "`finished` or `failed`.", |r| {
        Some(if r.finished().is_some() { "finished" } else { "failed" })
    });
    let failure = |r: &Row| match &r.trial.outcome {
        Outcome::Failed(failure) => Some(failure.clone()),
        Outcome::Finished(_) => None,
    };
    columns.text(
        "failure",
        "Of a failed trial: `end-lost`, `call-failed` or `unsupported`.",
        move |r| {
            failure(r).map(|f| match f.kind {
                FailureKind::EndLost => "end-lost",
                FailureKind::CallFailed => "call-failed",
                FailureKind::Unsupported => "unsupported",
            })
        },
    );
    columns.text(
        "failure_why",
        "Of a failed trial: the call, its argument, the remedy.",
        move |r| failure(r).map(|f| f.why),
    );
    columns.add(
        true,
        "marks",
        "What speaks against the trial, judged by the plan's thresholds.",
        |row, out| {
            put_list(out, row.marks);
        },
    );
}

/// Writes `trials.csv`: one row a trial in the journal's order, void and failed ones included. Absent figures are
/// empty fields. Holds one row in memory at a time.
///
/// # Errors
/// The writer's.
pub fn write_trials<'a>(
    out: impl Write,
    plan: &Plan,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), ReportError> {
    let error = |e: csv::Error| ReportError::csv("trials.csv", e);
    let columns = trial_columns();
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(columns.iter().map(|column| &column.name)).map_err(error)?;
    let mut idle = None;
    let mut text = String::new();
    for record in records {
        match record {
            Record::Round(round) => idle = Some(&round.idle),
            Record::Segment(_) | Record::Finish(_) => idle = None,
            // Never timed: no row.
            Record::Audit(_) | Record::AuditRefused(_) | Record::Ceiling(_) => {}
            Record::Trial(trial) => {
                let marks = analysis::marks::judge(trial, &plan.thresholds);
                let row = Row { trial, marks: &marks, idle };
                for column in &columns {
                    text.clear();
                    (column.value)(&row, &mut text);
                    csv.write_field(&text).map_err(error)?;
                }
                csv.write_record(None::<&[u8]>).map_err(error)?;
            }
        }
    }
    csv.flush().map_err(|e| ReportError::new("trials.csv", e))
}
