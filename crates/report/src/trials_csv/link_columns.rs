//! The columns of the link: its devices, and what the sink counted.

use model::record::{LinkFacts, SinkFacts, SinkTally};

use super::{Columns, Row, put_list};

/// A column's name, its meaning and the way to its value.
type OfDevice = (&'static str, &'static str, fn(&LinkFacts) -> bool);
/// The same of what the sink counted.
type OfSink = (&'static str, &'static str, fn(&SinkTally) -> u64);

pub(super) fn link(columns: &mut Columns) {
    devices(columns);
    for (span, when) in [("window", "in the window"), ("total", "over the whole trial")] {
        tally(columns, span, when);
    }
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
    columns.text(
        "sink_softirqs_apart",
        "Whether the kernel charges softirqs to no thread: true or false.".to_owned(),
        |row| sink(row)?.softirqs_apart.value().copied(),
    );
}

fn sink<'a>(row: &Row<'a>) -> Option<&'a SinkFacts> {
    row.finished()?.sink.value()
}

fn facts<'a>(row: &Row<'a>) -> Option<&'a LinkFacts> {
    row.finished()?.link.value()
}

fn devices(columns: &mut Columns) {
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
    columns.add(
        false,
        "device_ack_cpus",
        "CPUs that acknowledgements are steered to; empty where to none.",
        |row, out| put_list(out, facts(row).into_iter().flat_map(|facts| &facts.ack_cpus)),
    );
}

fn tally(columns: &mut Columns, span: &'static str, when: &str) {
    columns.number(
        format!("sink_{span}_looks"),
        format!("Looks of the helper at what the sink took, {when}."),
        move |row| {
            let sink = sink(row)?;
            // A trial has some; older versions recorded none.
            let looks = if span == "window" { sink.window.looks } else { sink.total.looks };
            (sink.total.looks > 0).then_some(looks)
        },
    );
    let counts: [OfSink; 9] = [
        ("packets", "Packets with payload that the sink took", |tally| tally.packets),
        ("payload_bytes", "Payload bytes that it took in order", |tally| tally.payload_bytes),
        ("gaps", "Packets beyond a gap that it dropped", |tally| tally.gaps),
        ("reordered", "Packets that came early and were joined later", |tally| tally.reordered),
        ("duplicates", "Packets whose payload was there already", |tally| tally.duplicates),
        ("duplicate_bytes", "Payload bytes that were there already", |tally| tally.duplicate_bytes),
        ("refused", "Packets that are no flow's of the trial", |tally| tally.refused),
        ("acks", "Frames that the helper answered with", |tally| tally.acks),
        ("failed_sends", "Calls of the helper that sent nothing and were made again", |tally| {
            tally.failed_sends
        }),
    ];
    for (name, meaning, get) in counts {
        columns.number(format!("sink_{span}_{name}"), format!("{meaning}, {when}."), move |row| {
            let sink = sink(row)?;
            Some(get(if span == "window" { &sink.window } else { &sink.total }))
        });
    }
}
