//! Where the CPU time goes: a stacked bar a path and side, from the profiled audit trials.

use analysis::categories::{Category, TABLE_VERSION};
use analysis::findings::{BreakdownSide, CategoryShare, CpuBreakdown, SideBreakdown, UnwatchedEnd};
use analysis::summary::Summary;

use super::groups::{Across, Cells, Group};
use super::run::Run;
use model::saturating_sum;

use crate::drawing::axes::{Axis, percent_axis};
use crate::drawing::description::{Bar, Bars, Description, Key, KeyShape, Segment};
use crate::drawing::tints::Tint;
use crate::numbers::{percent, short};

/// The figure's file stem.
pub(crate) const NAME: &str = "where-the-cpu-time-goes";
/// A figure has at most this many groups of bars; what is left out is said.
const MOST_GROUPS: usize = 6;
/// Softirqs on nobody's behalf below this share have no bar of their own; they are in summary.json.
const LEAST_MACHINE: f64 = 0.01;
/// A path's reading names so many categories.
const NAMED: usize = 2;
/// So many groups of a kind are read out; the page's table has all of them.
const READ: usize = 1;

/// What bars of the sink say: there is no receiver, so that they are of another cost than those of other links.
const SENDER_SIDE: &str = "Not to be compared with bars of another link: nobody receives. The sink’s helper stands in for the peer; its own code, which polls at all times, is left out, so that its bar is the kernel’s work for acknowledgements.";

/// Cells that differ in their path alone.
struct Compared<'a> {
    name: String,
    /// Whether nothing is delivered, so that the cost is the sender's side alone.
    is_sink: bool,
    cells: Vec<&'a CpuBreakdown>,
}

impl<'a> Compared<'a> {
    /// The end that ran on the other host; none where both were sampled.
    fn unwatched(&self) -> Option<&'a UnwatchedEnd> {
        self.cells.iter().find_map(|cell| cell.unwatched.as_ref())
    }
}

/// The figure; none for a run without a profile. Cells of the sink come last, each group on an axis of its own.
pub(super) fn cpu_time(run: &Run, sink: &Cells) -> Option<Description> {
    let mut groups = compared(run.summary, &run.cells);
    let mut more = groups.len().saturating_sub(MOST_GROUPS);
    groups.truncate(MOST_GROUPS);
    if groups.iter().all(|group| !group.is_sink) {
        let mut of_sink = compared(run.summary, sink);
        more += of_sink.len().saturating_sub(MOST_GROUPS);
        of_sink.truncate(MOST_GROUPS);
        groups.extend(of_sink);
    }
    if groups.is_empty() {
        return None;
    }
    let cells = || groups.iter().flat_map(|group| &group.cells);
    let mut notes = vec![unmapped(cells().copied())];
    let lost = saturating_sum(cells().map(|cell| cell.lost));
    if lost > 0 {
        notes.push(format!("{lost} samples were lost: the kernel had no room for them"));
    }
    if more > 0 {
        notes.push(format!("{more} more groups of cells are in summary.json, breakdowns"));
    }
    let unwatched = groups.iter().find_map(Compared::unwatched);
    if let Some(of) = unwatched {
        notes.push(format!("no bar of the {}: {}", of.side.title(), of.why));
    }
    let event = cells().next().map_or("", |cell| cell.event.as_str());
    let present =
        |tint: &Tint| cells().flat_map(|cell| &cell.sides).any(|side| share(side, *tint) > 0.0);
    let key = |tint: Tint| Key { shape: KeyShape::Tint(tint), text: tint.title().to_owned() };
    Some(Description {
        name: NAME,
        title: "Where the CPU time goes".to_owned(),
        reading: reading(&groups),
        lead: lead(event, unwatched),
        keys: Tint::all().filter(present).map(key).collect(),
        bars: groups.iter().map(bars).collect(),
        notes,
        ..Description::default()
    })
}

/// What was sampled. Of two hosts that is one: shares are of its samples, and say nothing of the other end.
fn lead(event: &str, unwatched: Option<&UnwatchedEnd>) -> String {
    let which = unwatched.map_or_else(
        || "on all CPUs in use".to_owned(),
        |of| {
            let (here, there) = (watched(of).title(), of.side.title());
            format!("on the CPUs of the {here}’s host alone, as the {there} ran on the other host")
        },
    );
    format!(
        "Samples of {event} {which}, in audit trials of their own; a side’s softirqs are in its bar. Shares are of {} busy samples.",
        whose(unwatched)
    )
}

/// Whose busy samples shares are of.
fn whose(unwatched: Option<&UnwatchedEnd>) -> String {
    unwatched.map_or_else(
        || "the cell’s".to_owned(),
        |of| format!("the {}’s host’s", watched(of).title()),
    )
}

/// The end beside the one that was not sampled.
const fn watched(unwatched: &UnwatchedEnd) -> BreakdownSide {
    match unwatched.side {
        BreakdownSide::Sender => BreakdownSide::Receiver,
        BreakdownSide::Receiver | BreakdownSide::Helper | BreakdownSide::Machine => {
            BreakdownSide::Sender
        }
    }
}

fn compared<'a>(summary: &'a Summary, cells: &Cells<'a>) -> Vec<Compared<'a>> {
    let of = |group: &Group, size: u64| {
        let breakdowns = summary.explained.breakdowns.iter();
        let cells = breakdowns.filter(|one| {
            one.cell.message.bytes().0 == size
                && one.busy_samples > 0
                && group.holds(&one.cell, Across::Size)
        });
        cells.collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for group in cells.groups(Across::Size) {
        for size in cells.sizes() {
            let cells = of(&group, size);
            let Some(link) = cells.first().map(|one| one.cell.link) else { continue };
            let is_sink = !link.has_receiver();
            let name = format!("{}, {}", model::Bytes(size), group.title());
            let name =
                if is_sink { format!("Sender-side cost on the {link}: {name}") } else { name };
            found.push(Compared { name, is_sink, cells });
        }
    }
    found
}

/// One bar a path and side; as long as the CPU time per KiB where every cell has it, else as the share.
fn bars(group: &Compared) -> Bars {
    let timed = group
        .cells
        .iter()
        .flat_map(|cell| &cell.sides)
        .all(|side| side.cpu_ns_per_kib.value().is_some());
    let mut rows = Vec::new();
    for (place, cell) in group.cells.iter().enumerate() {
        for side in &cell.sides {
            if side.side == BreakdownSide::Machine && side.share < LEAST_MACHINE {
                continue;
            }
            rows.push(bar(cell, side, place, timed));
        }
    }
    let lengths = rows.iter().map(|bar| bar.segments.iter().map(|segment| segment.length).sum());
    let axis = if timed {
        Axis::from_zero("CPU ns per KiB of payload", lengths)
    } else {
        percent_axis(&format!("share of {} busy samples", whose(group.unwatched())), lengths)
    };
    let remarks = group.is_sink.then(|| SENDER_SIDE.to_owned());
    Bars { title: group.name.clone(), remarks: remarks.into_iter().collect(), axis, rows }
}

fn bar(cell: &CpuBreakdown, side: &SideBreakdown, group: usize, timed: bool) -> Bar {
    let total = if timed { side.cpu_ns_per_kib.value().copied() } else { Some(side.share) };
    let total = total.unwrap_or(0.0);
    // A share's part of the bar's length.
    let scale = if side.share > 0.0 { total / side.share } else { 0.0 };
    let is_sink = !cell.cell.link.has_receiver();
    let polls = |tint: &Tint| is_polling(side, *tint);
    let segments = Tint::all().filter(|tint| !polls(tint)).filter_map(|tint| {
        let share = share(side, tint);
        (share > 0.0).then(|| {
            let time = match ns_per_kib(side, tint) {
                Some(ns) => format!(", {} ns per KiB", short(ns)),
                None => String::new(),
            };
            let (path, title) = (cell.cell.send_path, tint.title());
            Segment {
                tint,
                length: share * scale,
                share: match ns_per_kib(side, tint) {
                    // The helper's polling is among the samples that a share is of.
                    Some(ns) if is_sink => format!("{} ns", short(ns)),
                    None if is_sink => String::new(),
                    _ => percent(share),
                },
                tip: format!(
                    "{path}, {}: {title} {} of the busy samples{time}",
                    side.side.title(),
                    percent(share)
                ),
            }
        })
    });
    let segments: Vec<Segment> = segments.collect();
    let total: f64 = segments.iter().map(|segment| segment.length).sum();
    Bar {
        name: format!("{}, {}", cell.cell.send_path, side.side.title()),
        group,
        segments,
        total: if timed { format!("{} ns", short(total)) } else { percent(total) },
    }
}

/// Whether that is the sink's helper waiting for something to do.
fn is_polling(side: &SideBreakdown, tint: Tint) -> bool {
    side.side == BreakdownSide::Helper && tint == Tint::for_category(Category::Copycost)
}

fn share(side: &SideBreakdown, tint: Tint) -> f64 {
    if tint == Tint::UNMAPPED {
        return side.unmapped_share;
    }
    let one = side.categories.iter().find(|one| Tint::for_category(one.category) == tint);
    one.map_or(0.0, |one| one.share)
}

fn ns_per_kib(side: &SideBreakdown, tint: Tint) -> Option<f64> {
    let one = side.categories.iter().find(|one| Tint::for_category(one.category) == tint)?;
    one.cpu_ns_per_kib.value().copied()
}

fn reading(groups: &[Compared]) -> String {
    let first = |is_sink| groups.iter().filter(move |g| g.is_sink == is_sink).take(READ);
    let sentences = first(false).chain(first(true)).map(|group| {
        let paths = group.cells.iter().map(|cell| {
            let named = if group.is_sink { of_the_sender(cell) } else { of_both_sides(cell) };
            format!("{} {}", cell.cell.send_path, named.join(", "))
        });
        let whose = group
            .unwatched()
            .map_or_else(String::new, |of| format!(", the {}’s host alone", watched(of).title()));
        format!("{}{whose}: {}.", group.name, paths.collect::<Vec<_>>().join("; "))
    });
    sentences.collect::<Vec<_>>().join(" ")
}

fn of_both_sides(cell: &CpuBreakdown) -> Vec<String> {
    let named = cell.categories.iter().take(NAMED);
    named.map(|one| format!("{} {}", one.category.title(), percent(one.share))).collect()
}

/// The helper's polling says nothing of a path, so only the sender's time is named.
fn of_the_sender(cell: &CpuBreakdown) -> Vec<String> {
    let sender = cell.sides.iter().find(|side| side.side == BreakdownSide::Sender);
    let mut largest: Vec<&CategoryShare> =
        sender.map(|side| side.categories.iter().collect()).unwrap_or_default();
    largest.sort_by(|a, b| b.share.total_cmp(&a.share));
    let named = largest.into_iter().take(NAMED).map(|one| match one.cpu_ns_per_kib.value() {
        Some(ns) => format!("{} {} ns per KiB", one.category.title(), short(*ns)),
        None => format!("{} {} of the busy samples", one.category.title(), percent(one.share)),
    });
    named.collect()
}

/// The unmapped share is always printed.
fn unmapped<'a>(cells: impl Iterator<Item = &'a CpuBreakdown>) -> String {
    let mut shares: Vec<f64> = cells.map(|cell| cell.unmapped_share).collect();
    shares.sort_by(f64::total_cmp);
    let range = match (shares.first(), shares.last()) {
        (Some(least), Some(most)) if percent(*least) != percent(*most) => {
            format!("{} to {}", percent(*least), percent(*most))
        }
        (_, Some(most)) => percent(*most),
        (_, None) => "nothing".to_owned(),
    };
    format!("unmapped: {range} of the busy samples (table of categories, version {TABLE_VERSION})")
}
