//! The columns of the link: its devices, and what the sink counted.

use model::record::{LinkFacts, SinkFacts, SinkTally};

use super::{Row, Trials};
use crate::csv_table::Columns;

/// A column's name, its meaning and the way to its value.
type OfDevice = (&'static str, &'static str, fn(&LinkFacts) -> bool);

pub(super) fn link(columns: &mut Columns<Trials>) {
    columns.about("Link's devices");
    devices(columns);
    columns.about("Sink");
    tally(columns, "window", ", in the window", |sink| &sink.window);
    tally(columns, "total", ", over the whole trial", |sink| &sink.total);
    columns
        .number("sink_helper_cpu", "CPU of the sink's helper.", |row| Some(sink(row)?.helper_cpu));
    columns.number(
        "sink_helper_cpu_ns",
        "CPU time of the sink's helper in the window, looking and answering.",
        |row| Some(sink(row)?.helper_cpu_ns.0),
    );
    columns.number(
        "sink_answering_ns",
        "How long answering took by the wall clock; with acknowledgements placed on the helper's CPU it has the sender's own work on them.",
        |row| Some(sink(row)?.answering_ns.0),
    );
    columns.number(
        "sink_answering_cpu_ns",
        "The part of the helper's CPU time that answering took.",
        |row| Some(sink(row)?.answering_cpu_ns.value()?.0),
    );
    columns.number(
        "sink_looking_ns",
        "Of a series: CPU time of the helper less answering, between the readings of the machine.",
        |row| Some(sink(row)?.looking_ns?.0),
    );
    columns.text(
        "sink_softirqs_apart",
        "Whether the kernel charges softirqs to no thread: true or false.",
        |row| sink(row)?.softirqs_apart.value().copied(),
    );
}

fn sink<'a>(row: &Row<'a>) -> Option<&'a SinkFacts> {
    row.finished()?.sink.value()
}

fn facts<'a>(row: &Row<'a>) -> Option<&'a LinkFacts> {
    row.finished()?.link.value()
}

fn devices(columns: &mut Columns<Trials>) {
    columns.number(
        "device_mtu_bytes",
        "MTU of the link's devices, where it has devices of its own.",
        |row| Some(facts(row)?.mtu_bytes),
    );
    let offloads: [OfDevice; 3] = [
        ("device_tso", "TCP segmentation offload of the sender's device", |facts| facts.tso),
        ("device_gso", "Generic segmentation offload of the sender's device", |facts| facts.gso),
        ("device_gro", "Generic receive offload of the receiver's device", |facts| facts.gro),
    ];
    for (name, meaning, get) in offloads {
        columns.text(name, format!("{meaning}: true or false."), move |row| Some(get(facts(row)?)));
    }
    columns.numbers(
        "device_ack_cpus",
        "CPUs that acknowledgements are steered to; empty where to none.",
        |row, list| {
            list.extend(facts(row).into_iter().flat_map(|facts| facts.ack_cpus.iter().copied()));
        },
    );
}

fn tally(
    columns: &mut Columns<Trials>,
    span: &str,
    when: &str,
    get: for<'a> fn(&'a SinkFacts) -> &'a SinkTally,
) {
    for field in SinkTally::fields() {
        let (figure, looks) = (field.get, field.name == "looks");
        columns.number(
            format!("sink_{span}_{}", field.name),
            format!("{}{when}.", field.meaning),
            move |row| {
                let sink = sink(row)?;
                // A trial has some; older versions recorded none.
                if looks && sink.total.looks == 0 {
                    return None;
                }
                figure(get(sink))
            },
        );
    }
}
