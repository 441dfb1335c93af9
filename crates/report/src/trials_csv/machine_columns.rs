//! The columns of the machine: whole CPUs over the window, and at rest before the round.

use model::record::{CpuBusy, CpuTicks};

use super::{Row, Trials};
use crate::csv_table::Columns;

pub(super) fn machine(columns: &mut Columns<Trials>) {
    columns.about("Machine");
    busy(columns, "busy", "over the window", |row| {
        row.finished().and_then(|f| f.machine.busy.value())
    });
    busy(columns, "idle", "at rest before the round", |row| row.idle?.value());
    busy(columns, "gap", "in the silence beside the steady windows of a series", |row| {
        row.finished().and_then(|f| f.machine.idle.as_ref()?.value())
    });
    columns.number(
        "moved_bytes",
        "Of a series: payload between the two readings of the busy times.",
        |row| row.finished().and_then(|f| Some(f.machine.moved_bytes?.0)),
    );
    columns.number("ends_cpu_ns", "Of a series: CPU time of both ends between them.", |row| {
        row.finished().and_then(|f| Some(f.machine.ends_cpu_ns?.0))
    });
    ticks(columns);
    for (name, edge, when) in [("start", 0, "start"), ("end", 1, "end")] {
        let meaning = format!("Frequency of each CPU in use at the window's {when}.");
        columns.numbers(format!("cpu_{name}_khz"), meaning, move |row| {
            let khz = row.finished().and_then(|f| f.machine.khz.value());
            khz.into_iter().flatten().filter_map(|edges| edges.get(edge).copied()).collect()
        });
    }
}

fn busy(
    columns: &mut Columns<Trials>,
    name: &str,
    when: &str,
    get: for<'a> fn(&Row<'a>) -> Option<&'a CpuBusy>,
) {
    columns.text(
        format!("{name}_source"),
        format!("Where the busy times {when} came from."),
        move |row| get(row).map(|b| b.source.clone()),
    );
    columns.number(
        format!("{name}_error_ns"),
        format!("What one CPU's busy time {when} may be off by."),
        move |r| get(r).map(|b| b.error_ns.0),
    );
    columns.number(
        format!("{name}_span_ns"),
        format!("Time between the two readings {when}."),
        move |row| get(row).map(|b| b.span_ns.0),
    );
    columns.numbers(format!("{name}_cpus"), format!("The CPUs read {when}."), move |row| {
        get(row).map(|b| b.cpus.clone()).unwrap_or_default()
    });
    let list = if name == "busy" { "busy_ns".to_owned() } else { format!("{name}_busy_ns") };
    columns.numbers(list, format!("Each CPU's busy time {when}."), move |row| {
        get(row).map(|b| b.busy_ns.clone()).unwrap_or_default()
    });
}

fn ticks(columns: &mut Columns<Trials>) {
    let get: for<'a> fn(&Row<'a>) -> Option<&'a CpuTicks> =
        |row| row.finished().and_then(|f| f.machine.ticks.value());
    columns.number("tick_ns", "The unit of the three times below.", move |row| {
        get(row).map(|t| t.tick_ns.0)
    });
    columns.number("tick_span_ns", "Time between the two readings of /proc/stat.", move |row| {
        get(row).map(|t| t.span_ns.0)
    });
    columns.numbers("tick_cpus", "The CPUs read.", move |row| {
        get(row).map(|t| t.cpus.clone()).unwrap_or_default()
    });
    let mut each = |name: &str, meaning: &str, list: fn(&CpuTicks) -> &[u64]| {
        columns.numbers(name, meaning, move |row| {
            get(row).map(|t| list(t).to_vec()).unwrap_or_default()
        });
    };
    each("cpu_softirq_ns", "Each CPU's softirq time.", |t| &t.softirq_ns);
    each("cpu_irq_ns", "Each CPU's hardware interrupt time.", |t| &t.irq_ns);
    each("cpu_steal_ns", "Each CPU's time that the hypervisor took.", |t| &t.steal_ns);
}
