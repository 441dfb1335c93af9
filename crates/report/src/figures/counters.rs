//! Cache misses and cycles; where the machine counts none, what is missing and the nearest figure that was measured.

use analysis::metric::Metric;

use super::drawing::{Axis, Drawing, Notice, Plot};
use super::groups::{Across, Group};
use super::levels::{
    LEAD, RECEIVER_CPU, SENDER_CPU, Shown, Upright, first_groups, plots, reason, with_figures,
};
use super::{MOST_PANELS, Run, wording};

const fn shown(metric: Metric, label: &'static str, unit: &'static str) -> Shown {
    Shown { metric, label, unit }
}

/// Pairs of sender and receiver: the last level, the first, and what the vendor calls misses.
const MISSES: [[Shown; 2]; 3] = [
    [
        shown(
            Metric::SenderLlcMissesPerKib,
            "sender, last-level read misses per KiB",
            "misses per KiB",
        ),
        shown(
            Metric::ReceiverLlcMissesPerKib,
            "receiver, last-level read misses per KiB",
            "misses per KiB",
        ),
    ],
    [
        shown(
            Metric::SenderL1dMissesPerKib,
            "sender, level-1 data read misses per KiB",
            "misses per KiB",
        ),
        shown(
            Metric::ReceiverL1dMissesPerKib,
            "receiver, level-1 data read misses per KiB",
            "misses per KiB",
        ),
    ],
    [
        shown(
            Metric::SenderCacheMissesPerKib,
            "sender, generic cache misses per KiB",
            "misses per KiB",
        ),
        shown(
            Metric::ReceiverCacheMissesPerKib,
            "receiver, generic cache misses per KiB",
            "misses per KiB",
        ),
    ],
];
const CYCLES: [Shown; 2] = [
    shown(Metric::SenderCyclesPerByte, "sender, cycles per byte", "cycles per byte"),
    shown(Metric::ReceiverCyclesPerByte, "receiver, cycles per byte", "cycles per byte"),
];

/// Paper's plot 3: cache misses over size at 2 threads, or at the thread count nearest to it.
pub(super) fn cache_misses(run: &Run) -> Drawing {
    const WANTED: u32 = 2;
    let threads = run.cells.nearest_threads(WANTED).unwrap_or(WANTED);
    let here = run.only(|cell| cell.threads.get() == threads);
    let (groups, more) = first_groups(here.cells.groups(Across::Size), MOST_PANELS / 4);
    let mut panels: Vec<Plot> = Vec::new();
    for pair in MISSES {
        // The vendor's own count is only shown where the named levels are not.
        if panels.is_empty() || pair[0].metric != Metric::SenderCacheMissesPerKib {
            panels.extend(sides(&here, &groups, pair, Upright::Fitting));
        }
    }
    let mut notes: Vec<String> = more.into_iter().collect();
    if threads != WANTED {
        notes.push(format!("{WANTED} threads were not measured; {threads} is the nearest count"));
    }
    let missed = [
        Metric::SenderLlcMissesPerKib,
        Metric::SenderL1dMissesPerKib,
        Metric::SenderCacheMissesPerKib,
    ];
    let name = groups.first().map_or_else(String::new, |group| group.name.clone());
    let drawing = Drawing {
        name: "cache-misses-over-size",
        title: format!("Cache misses over message size, {name}"),
        lead: LEAD.to_owned(),
        reading: reading(&here, &groups, &missed),
        panels,
        columns: 2,
        notes,
        ..Drawing::default()
    };
    or_cpu_time(&here, &groups, drawing, "Cache misses", missed[0])
}

/// Paper's plot 4: cycles a byte over size.
pub(super) fn cycles(run: &Run) -> Drawing {
    let (groups, more) = first_groups(run.cells.groups(Across::Size), MOST_PANELS / 2);
    let drawing = Drawing {
        name: "cycles-over-size",
        title: "CPU cycles a byte over message size".to_owned(),
        lead: LEAD.to_owned(),
        reading: reading(run, &groups, &[CYCLES[0].metric]),
        panels: sides(run, &groups, CYCLES, Upright::Log),
        columns: 2,
        notes: more.into_iter().collect(),
        ..Drawing::default()
    };
    or_cpu_time(run, &groups, drawing, "CPU cycles", CYCLES[0].metric)
}

/// Sender beside receiver, group by group, both on one axis.
fn sides(run: &Run, groups: &[Group], pair: [Shown; 2], upright: Upright) -> Vec<Plot> {
    let [senders, receivers] = pair.map(|shown| plots(run, groups, Across::Size, shown, upright));
    let sides = senders.into_iter().zip(receivers).flat_map(|(mut sender, mut receiver)| {
        sender.title = format!("Sender, {}", sender.title);
        receiver.title = format!("Receiver, {}", receiver.title);
        [sender, receiver]
    });
    let mut panels = with_figures(sides.collect());
    let y = upright.axis("", &panels);
    for plot in &mut panels {
        plot.y = Axis { label: std::mem::take(&mut plot.y.label), ..y.clone() };
    }
    panels
}

fn reading(run: &Run, groups: &[Group], metrics: &[Metric]) -> String {
    let ends = |metric: &Metric| {
        let unit =
            format!("{}, sender", metric.name().trim_start_matches("sender_").replace('_', " "));
        groups
            .iter()
            .find_map(|group| wording::ends(group, &run.paths, Across::Size, *metric, &unit))
    };
    metrics.iter().find_map(ends).unwrap_or_default()
}

/// The drawing, or what is missing with the nearest thing that was measured.
fn or_cpu_time(
    run: &Run,
    groups: &[Group],
    mut drawing: Drawing,
    what: &str,
    metric: Metric,
) -> Drawing {
    if !drawing.panels.is_empty() {
        drawing.notes.extend(wording::oversubscribed(groups));
        return drawing;
    }
    // One group will do: the others' CPU time has a figure of its own.
    let groups = groups.get(..1).unwrap_or(groups);
    let panels = sides(run, groups, [SENDER_CPU, RECEIVER_CPU], Upright::Log);
    let why = reason(&run.cells, metric);
    // Reasons name the remedy after a semicolon; both are to be read on their own.
    let mut lines: Vec<String> = why.split("; ").map(sentence).collect();
    lines.push(
        "`copycost probe` says what this machine can count, and how to unlock and to undo it."
            .to_owned(),
    );
    let instead = groups.iter().find_map(|group| {
        wording::ends(group, &run.paths, Across::Size, SENDER_CPU.metric, "ns per KiB, sender")
    });
    lines.push(if panels.is_empty() {
        "Nothing is drawn instead: CPU time was not measured either.".to_owned()
    } else {
        "Drawn instead: CPU time a KiB, the nearest figure that was measured. It says what a byte costs, not why.".to_owned()
    });
    let reading = format!(
        "{what} could not be measured here.{}",
        instead.map_or_else(String::new, |text| format!(" Instead, CPU time. {text}"))
    );
    drawing.notes.extend(wording::oversubscribed(groups));
    Drawing {
        notice: Some(Notice {
            title: format!("{what} were not measured: shown as absent, not as 0"),
            lines,
        }),
        reading,
        panels,
        ..drawing
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else { return String::new() };
    let capital: String = first.to_uppercase().collect();
    format!("{capital}{}.", letters.as_str().trim_end_matches('.'))
}
