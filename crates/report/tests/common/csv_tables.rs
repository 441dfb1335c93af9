//! The CSV files read back, and a trial to fill every column.

use analysis::summary::Summary;
use model::record::{Finished, Outcome, Record, SeriesSettings, Span, Trial};
use model::{Bytes, Cell, Mark, Nanos, Plan, SendPath};
use report::{ColumnSet, CsvColumn, Origin, write_ratios, write_results, write_trials};

pub(crate) type Rows = Vec<Vec<String>>;

pub(crate) fn read(bytes: &[u8]) -> (Vec<String>, Rows) {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows =
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    (header, rows)
}

/// The run "2026-11-18T11-06-40-here" of this label.
pub(crate) fn origin(label: &str) -> Origin {
    Origin::new("2026-11-18T11-06-40-here", label, &synthetic::host())
}

pub(crate) fn trials(plan: &Plan, records: &[Record]) -> (Vec<String>, Rows) {
    trials_with(plan, records, ColumnSet::All)
}

pub(crate) fn trials_with(plan: &Plan, records: &[Record], set: ColumnSet) -> (Vec<String>, Rows) {
    let mut bytes = Vec::new();
    write_trials(&mut bytes, plan, &origin(&plan.label), records, set).unwrap();
    read(&bytes)
}

pub(crate) fn results(summary: &Summary, set: ColumnSet) -> (Vec<String>, Rows) {
    let mut bytes = Vec::new();
    write_results(&mut bytes, summary, &origin(&summary.run.label), set).unwrap();
    read(&bytes)
}

pub(crate) fn ratios(summary: &Summary, set: ColumnSet) -> (Vec<String>, Rows) {
    let mut bytes = Vec::new();
    write_ratios(&mut bytes, summary, &origin(&summary.run.label), set).unwrap();
    read(&bytes)
}

pub(crate) fn names(columns: Vec<CsvColumn>) -> Vec<String> {
    columns.into_iter().map(|column| column.name).collect()
}

pub(crate) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

pub(crate) fn column(header: &[String], name: &str) -> usize {
    header.iter().position(|column| column == name).unwrap_or_else(|| panic!("no column {name}"))
}

/// A trial in which nothing is absent and nothing is 0.
pub(crate) fn full() -> Trial {
    let cell = Cell { send_path: SendPath::Zerocopy, ..Cell::default() };
    let mut trial = synthetic::trial(&cell, 3)
        .counted()
        .marked(Mark::Retransmits)
        .marked(Mark::Throttled)
        .build();
    trial.settings.series = Some(SeriesSettings {
        settle_ns: Nanos(12),
        window_ns: Nanos(13),
        warmup_turns: 14,
        places: vec![1, 0],
        steady_ns: Nanos(15),
    });
    if let Outcome::Finished(finished) = &mut trial.outcome {
        let Finished { sender, receiver, .. } = finished.as_mut();
        for calls in [&mut sender.window.calls, &mut sender.total.calls] {
            (calls.send, calls.recv, calls.epoll_wait) = (1, 2, 3);
        }
        for tally in [&mut receiver.window, &mut receiver.total] {
            tally.calls.sendmsg = 5;
            (
                tally.calls.send,
                tally.calls.recvmsg_errqueue,
                tally.calls.poll,
                tally.calls.epoll_wait,
            ) = (6, 7, 8, 9);
            tally.first_wrong = Some(17);
        }
        let tcp = |facts: &mut model::Measured<model::record::TcpFacts>| {
            let mut full = *facts.value().unwrap();
            (full.busy_us, full.receiver_limited_us, full.send_buffer_limited_us) =
                (Some(1), Some(2), Some(3));
            *facts = model::Measured::Value(full);
        };
        tcp(&mut sender.tcp);
        tcp(&mut receiver.tcp);
        for worker in sender.workers.iter_mut().chain(&mut receiver.workers) {
            for n in 1..=2 {
                worker.slices.push(Span { window_ns: n, bytes: n + 2, cpu_ns: n + 4 });
            }
            worker.steady = Some(Span { window_ns: 7, bytes: 8, cpu_ns: 9 });
        }
        finished.machine.moved_bytes = Some(Bytes(10));
        finished.machine.ends_cpu_ns = Some(Nanos(11));
        finished.machine.idle = Some(finished.machine.busy.clone());
        finished.receiver_machine = Some(Box::new(finished.machine.clone()));
    }
    trial
}
