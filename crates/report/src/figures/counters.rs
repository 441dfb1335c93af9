//! Cache misses and cycles; where the machine counts none, what is missing and the nearest figure that was measured.

use analysis::metric::Metric;

use super::groups::{Across, Group};
use super::levels::{LEAD, RECEIVER_CPU, SENDER_CPU, Shown, Upright, plots, reason};
use super::run::{MOST_PANELS, Run, first_groups, share_upright, with_figures};
use super::wording;
use crate::drawing::description::{Description, Notice, Plot};

const fn shown(metric: Metric, unit: &'static str) -> Shown {
    Shown { metric, label: unit, unit }
}

const LAST_LEVEL: &str = "last-level read misses per KiB";
const FIRST_LEVEL: &str = "level-1 data read misses per KiB";
const GENERIC: &str = "generic cache misses per KiB";
const CYCLES_PER_BYTE: &str = "cycles per byte";
/// Pairs of sender and receiver: the last level, the first, and what the vendor calls misses.
const MISSES: [[Shown; 2]; 3] = [
    [
        shown(Metric::SenderLlcMissesPerKib, LAST_LEVEL),
        shown(Metric::ReceiverLlcMissesPerKib, LAST_LEVEL),
    ],
    [
        shown(Metric::SenderL1dMissesPerKib, FIRST_LEVEL),
        shown(Metric::ReceiverL1dMissesPerKib, FIRST_LEVEL),
    ],
    [
        shown(Metric::SenderCacheMissesPerKib, GENERIC),
        shown(Metric::ReceiverCacheMissesPerKib, GENERIC),
    ],
];
const CYCLES: [Shown; 2] = [
    shown(Metric::SenderCyclesPerByte, CYCLES_PER_BYTE),
    shown(Metric::ReceiverCyclesPerByte, CYCLES_PER_BYTE),
];

/// Paper's plot 3: cache misses over size at 2 threads, or at the thread count nearest to it.
pub(super) fn cache_misses(run: &Run) -> Description {
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
    let name = groups.first().map_or_else(String::new, |group| group.name.clone());
    let figure = Description {
        name: "cache-misses-over-size",
        title: format!("Cache misses over message size, {name}"),
        lead: LEAD.to_owned(),
        reading: reading(&here, &groups, &MISSES.map(|[sender, _]| sender)),
        panels,
        notes,
        ..Description::default()
    };
    or_cpu_time(&here, &groups, figure, "Cache misses", MISSES[0][0].metric)
}

/// Paper's plot 4: cycles per byte over size.
pub(super) fn cycles(run: &Run) -> Description {
    let (groups, more) = first_groups(run.cells.groups(Across::Size), MOST_PANELS / 2);
    let figure = Description {
        name: "cycles-over-size",
        title: "CPU cycles per byte over message size".to_owned(),
        lead: LEAD.to_owned(),
        reading: reading(run, &groups, &CYCLES[..1]),
        panels: sides(run, &groups, CYCLES, Upright::Log),
        notes: more.into_iter().collect(),
        ..Description::default()
    };
    or_cpu_time(run, &groups, figure, "CPU cycles", CYCLES[0].metric)
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
    share_upright(&mut panels, &y);
    panels
}

/// The first of the senders' figures that there is.
fn reading(run: &Run, groups: &[Group], senders: &[Shown]) -> String {
    let ends = |shown: &Shown| {
        let unit = format!("{}, sender", shown.unit);
        groups
            .iter()
            .find_map(|group| wording::ends(group, &run.drawn, Across::Size, shown.metric, &unit))
    };
    senders.iter().find_map(ends).unwrap_or_default()
}

/// The figure, or what is missing with the nearest thing that was measured.
fn or_cpu_time(
    run: &Run,
    groups: &[Group],
    mut figure: Description,
    what: &str,
    metric: Metric,
) -> Description {
    if !figure.panels.is_empty() {
        figure.notes.extend(wording::oversubscribed(groups));
        return figure;
    }
    // One group will do: the others' CPU time has a figure of its own.
    let groups = groups.get(..1).unwrap_or(groups);
    let panels = sides(run, groups, [SENDER_CPU, RECEIVER_CPU], Upright::Log);
    let why = reason(&run.cells, metric);
    let mut lines = vec![
        sentence(&why),
        "copycost probe shows what this machine can count, and how to unlock and to undo it."
            .to_owned(),
    ];
    let instead = groups.iter().find_map(|group| {
        wording::ends(group, &run.drawn, Across::Size, SENDER_CPU.metric, "ns per KiB, sender")
    });
    lines.push(if panels.is_empty() {
        "Nothing is drawn instead: CPU time was not measured either.".to_owned()
    } else {
        "Drawn instead: CPU time per KiB, the nearest figure that was measured. It says what a byte costs, not why.".to_owned()
    });
    let reading = format!(
        "{what} could not be measured here.{}",
        instead.map_or_else(String::new, |text| format!(" Instead, CPU time. {text}"))
    );
    figure.notes.extend(wording::oversubscribed(groups));
    Description {
        notice: Some(Notice {
            title: format!("{what} were not measured: shown as absent, not as 0"),
            lines,
        }),
        reading,
        panels,
        ..figure
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else { return String::new() };
    let capital: String = first.to_uppercase().collect();
    format!("{capital}{}.", letters.as_str().trim_end_matches('.'))
}
