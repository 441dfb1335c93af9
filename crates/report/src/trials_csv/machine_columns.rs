//! The columns of the machine: whole CPUs over the window, and at rest before the round. Where the ends run on two hosts, those of the
//! receiver's are beside them.

use model::record::{CpuBusy, CpuTicks, Finished, Machine};

use super::{Row, Trials};
use crate::csv_table::Columns;

/// Whose machine, and what its columns' names begin with.
#[derive(Clone, Copy)]
struct Of {
    prefix: &'static str,
    /// What is added to a meaning.
    whose: &'static str,
    machine: for<'a> fn(&'a Finished) -> Option<&'a Machine>,
}

/// The machine of both ends, or of the sender where there are two.
const SENDER: Of = Of { prefix: "", whose: "", machine: |finished| Some(&finished.machine) };
const RECEIVER: Of = Of {
    prefix: "receiver_machine_",
    whose: "Of the receiver's host, where that is another one: ",
    machine: |finished| finished.receiver_machine.as_deref(),
};

impl Of {
    fn of<'a>(self, row: &Row<'a>) -> Option<&'a Machine> {
        (self.machine)(row.finished()?)
    }

    fn name(self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A meaning with whose it is.
    fn meaning(self, meaning: &str) -> String {
        if self.whose.is_empty() {
            return meaning.to_owned();
        }
        let mut letters = meaning.chars();
        let first = letters.next().map(|first| first.to_lowercase().to_string());
        format!("{}{}{}", self.whose, first.unwrap_or_default(), letters.as_str())
    }
}

type Busy = Box<dyn for<'a> Fn(&Row<'a>) -> Option<&'a CpuBusy> + Send>;

pub(super) fn machine(columns: &mut Columns<Trials>) {
    columns.about("Machine");
    of_one(columns, SENDER);
    columns.about("Receiver's machine");
    of_one(columns, RECEIVER);
}

fn of_one(columns: &mut Columns<Trials>, of: Of) {
    let during = || -> Busy { Box::new(move |row| of.of(row)?.busy.value()) };
    busy(columns, of, "busy", "over the window", during);
    if of.prefix.is_empty() {
        let at_rest = || -> Busy { Box::new(|row| row.idle?.value()) };
        busy(columns, of, "idle", "at rest before the round", at_rest);
    }
    let gap = || -> Busy { Box::new(move |row| of.of(row)?.idle.as_ref()?.value()) };
    let when = match of.prefix {
        "" => "in the silence beside the steady windows of a series",
        _ => "with both ends idle (beside the steady windows of a series, else before the round)",
    };
    busy(columns, of, "gap", when, gap);
    columns.number(
        of.name("moved_bytes"),
        of.meaning("Of a series: payload between the two readings of the busy times."),
        move |row| Some(of.of(row)?.moved_bytes?.0),
    );
    let ends = match of.prefix {
        "" => "Of a series: CPU time of both ends between them; of two hosts, of the sending one.",
        _ => "Of a series: CPU time of the end there between them.",
    };
    columns.number(of.name("ends_cpu_ns"), of.meaning(ends), move |row| {
        Some(of.of(row)?.ends_cpu_ns?.0)
    });
    ticks(columns, of);
    for (name, edge, when) in [("start", 0, "start"), ("end", 1, "end")] {
        let meaning = format!("Frequency of each CPU in use at the window's {when}.");
        columns.numbers(
            of.name(&format!("cpu_{name}_khz")),
            of.meaning(&meaning),
            move |row, list| {
                let khz = of.of(row).and_then(|machine| machine.khz.value());
                list.extend(khz.into_iter().flatten().filter_map(|edges| edges.get(edge).copied()));
            },
        );
    }
}

fn busy(columns: &mut Columns<Trials>, of: Of, name: &str, when: &str, get: impl Fn() -> Busy) {
    let named = |end: &str| of.name(&format!("{name}_{end}"));
    let told = get();
    columns.lent_text(
        named("source"),
        of.meaning(&format!("Where the busy times {when} came from.")),
        move |row| told(row).map(|b| &*b.source),
    );
    let told = get();
    columns.number(
        named("error_ns"),
        of.meaning(&format!("What one CPU's busy time {when} may be off by.")),
        move |row| told(row).map(|b| b.error_ns.0),
    );
    let told = get();
    columns.number(
        named("span_ns"),
        of.meaning(&format!("Time between the two readings {when}.")),
        move |row| told(row).map(|b| b.span_ns.0),
    );
    let told = get();
    columns.numbers(
        named("cpus"),
        of.meaning(&format!("The CPUs read {when}.")),
        move |row, list| {
            list.extend(told(row).into_iter().flat_map(|b| b.cpus.iter().copied()));
        },
    );
    let list = if name == "busy" { of.name("busy_ns") } else { named("busy_ns") };
    let told = get();
    columns.numbers(
        list,
        of.meaning(&format!("Each CPU's busy time {when}.")),
        move |row, list| {
            list.extend(told(row).into_iter().flat_map(|b| b.busy_ns.iter().copied()));
        },
    );
}

fn ticks(columns: &mut Columns<Trials>, of: Of) {
    columns.number(
        of.name("tick_ns"),
        of.meaning("The unit of the three times below."),
        move |row| of.of(row)?.ticks.value().map(|t| t.tick_ns.0),
    );
    columns.number(
        of.name("tick_span_ns"),
        of.meaning("Time between the two readings of /proc/stat."),
        move |row| of.of(row)?.ticks.value().map(|t| t.span_ns.0),
    );
    columns.numbers(of.name("tick_cpus"), of.meaning("The CPUs read."), move |row, list| {
        let ticks = of.of(row).and_then(|machine| machine.ticks.value());
        list.extend(ticks.into_iter().flat_map(|ticks| ticks.cpus.iter().copied()));
    });
    let mut each = |name: &str, meaning: &str, figures: fn(&CpuTicks) -> &[u64]| {
        columns.numbers(of.name(name), of.meaning(meaning), move |row, list| {
            let ticks = of.of(row).and_then(|machine| machine.ticks.value());
            list.extend(ticks.into_iter().flat_map(|ticks| figures(ticks).iter().copied()));
        });
    };
    each("cpu_softirq_ns", "Each CPU's softirq time.", |t| &t.softirq_ns);
    each("cpu_irq_ns", "Each CPU's hardware interrupt time.", |t| &t.irq_ns);
    each("cpu_steal_ns", "Each CPU's time that the hypervisor took.", |t| &t.steal_ns);
}
