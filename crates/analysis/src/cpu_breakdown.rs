//! Where the CPU time of a cell goes: the samples of its audit trial, sorted into categories.

use crate::findings::BreakdownSide;
use crate::findings::CategoryShare;
use crate::findings::CpuBreakdown;
use crate::findings::SideBreakdown;
use crate::findings::{UnmappedSymbol, UnwatchedEnd};
use std::collections::BTreeMap;

use model::audit::{Audited, OTHER_HOST, Owner, Profile, Stack};
use model::host::Host;
use model::record::Outcome;
use model::{Cell, Measured, saturating_sum};

use crate::categories::{Category, Decided, TABLE_VERSION, decide};
use crate::evidence::Evidence;

/// More unknown functions than this are only counted.
const MOST_UNMAPPED: usize = 10;
/// A span that differs from the window by more than this has neither the window's bytes nor the trial's.
const SPAN_TOLERANCE: f64 = 0.1;
/// The event that stands for cycles and not for time.
pub(crate) const CYCLES: &str = "cycles";
/// Why samples of cycles tell no time: between two of them a CPU may have halted, and nothing tells for how long.
const NO_TIME: &str = "samples stand for cycles, not for time: a halted CPU counts none, and how long it halted was not measured";
/// Names of files stay below this.
const LONGEST_STEM: usize = 120;

/// What runs deferred packet work, on newer kernels and on older ones.
const SOFTIRQS: [&str; 2] = ["handle_softirqs", "__do_softirq"];

/// The last profiled audit trial of each cell, in the plan's order.
pub(crate) fn breakdowns(evidence: &Evidence<'_>) -> Vec<CpuBreakdown> {
    let profiled = |cell: &Cell| {
        evidence.audits.audited.iter().rev().find_map(|audited| {
            let profile = audited.profile.value().filter(|_| audited.cell == *cell)?;
            matches!(audited.outcome, Outcome::Finished(_)).then_some((*audited, profile))
        })
    };
    let cells = evidence.asked().filter_map(|estimates| profiled(&estimates.cell));
    let unwatched = || unwatched(evidence.host);
    let of_cell =
        |(audited, profile)| CpuBreakdown { unwatched: unwatched(), ..breakdown(audited, profile) };
    cells.map(of_cell).collect()
}

/// The end of two hosts that ran on the other one than the engine, whose CPUs alone are sampled.
fn unwatched(host: &Host) -> Option<UnwatchedEnd> {
    let side = match (&host.sender_host, &host.receiver_host) {
        (Some(_), _) => BreakdownSide::Sender,
        (None, Some(_)) => BreakdownSide::Receiver,
        (None, None) => return None,
    };
    Some(UnwatchedEnd { side, why: OTHER_HOST.to_owned() })
}

/// The last profiled audit trial of every cell that has one, with the file stem of its flame graph, in order of cells.
pub fn profiles<'a>(
    audits: impl IntoIterator<Item = &'a Audited>,
) -> Vec<(String, &'a Cell, &'a Profile)> {
    let mut last: BTreeMap<&Cell, &Profile> = BTreeMap::new();
    for audited in audits {
        if let (Measured::Value(profile), Outcome::Finished(_)) =
            (&audited.profile, &audited.outcome)
        {
            last.insert(&audited.cell, profile);
        }
    }
    last.into_iter().map(|(cell, profile)| (stem(cell), cell, profile)).collect()
}

/// `flame-send-sendmsg-message-bytes-4096-threads-1`.
fn stem(cell: &Cell) -> String {
    let id = cell.id();
    let mut stem = "flame-".to_owned();
    for c in id.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '.' => stem.push(c),
            _ if stem.ends_with('-') => {}
            _ => stem.push('-'),
        }
    }
    if stem.len() > LONGEST_STEM {
        // FNV-1a, 64 bits, so that what was cut off still tells names apart.
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        stem.truncate(LONGEST_STEM - 17);
        stem.push_str(&format!("-{hash:016x}"));
    }
    stem
}

/// The samples of one side.
#[derive(Default)]
struct Counted {
    all: u64,
    softirq: u64,
    categories: BTreeMap<Category, u64>,
    unmapped: u64,
}

fn count(so_far: &mut u64, samples: u64) {
    *so_far = so_far.saturating_add(samples);
}

/// Sorts a profile of which both ends were watched.
pub fn breakdown(audited: &Audited, profile: &Profile) -> CpuBreakdown {
    let mut sides: BTreeMap<BreakdownSide, Counted> = BTreeMap::new();
    let mut unknown: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut all, mut idle, mut elsewhere) = (0, 0, 0);
    for stack in &profile.stacks {
        count(&mut all, stack.samples);
        let frames = names(profile, stack);
        let (side, decided) = match told(stack.owner, &frames) {
            Told::Busy(side, decided) => (side, decided),
            Told::Idle => {
                count(&mut idle, stack.samples);
                continue;
            }
            Told::Elsewhere => {
                count(&mut elsewhere, stack.samples);
                continue;
            }
        };
        let counted = sides.entry(side).or_default();
        count(&mut counted.all, stack.samples);
        if in_softirq(&frames) {
            count(&mut counted.softirq, stack.samples);
        }
        match decided {
            Decided::As(category) => {
                count(counted.categories.entry(category).or_default(), stack.samples);
            }
            Decided::Unmapped => {
                count(&mut counted.unmapped, stack.samples);
                let innermost = frames.first().copied().unwrap_or("[no stack]");
                count(unknown.entry(innermost).or_default(), stack.samples);
            }
        }
    }
    let busy = saturating_sum(sides.values().map(|counted| counted.all));
    let share = |samples: u64| if busy == 0 { 0.0 } else { as_f64(samples) / as_f64(busy) };
    let payload_kib = payload_kib(audited, profile);
    let ns_per_kib = |samples: u64| match &payload_kib {
        Measured::Value(_) if profile.event == CYCLES => Measured::absent(NO_TIME),
        Measured::Value(kib) => {
            Measured::Value(as_f64(samples) * as_f64(profile.interval_ns.0) / kib)
        }
        Measured::Absent { absent } => Measured::absent(absent.clone()),
    };
    let categories = |counted: &BTreeMap<Category, u64>| -> Vec<CategoryShare> {
        let shares = counted.iter().map(|(category, samples)| CategoryShare {
            category: *category,
            share: share(*samples),
            cpu_ns_per_kib: ns_per_kib(*samples),
        });
        shares.collect()
    };
    let mut together: BTreeMap<Category, u64> = BTreeMap::new();
    for (category, samples) in sides.values().flat_map(|counted| &counted.categories) {
        count(together.entry(*category).or_default(), *samples);
    }
    let mut together = categories(&together);
    together.sort_by(|a, b| b.share.total_cmp(&a.share));
    let unmapped = saturating_sum(sides.values().map(|counted| counted.unmapped));
    let mut unmapped_symbols: Vec<(&str, u64)> = unknown.into_iter().collect();
    unmapped_symbols.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    unmapped_symbols.truncate(MOST_UNMAPPED);
    CpuBreakdown {
        cell: audited.cell.clone(),
        event: profile.event.clone(),
        table_version: TABLE_VERSION,
        samples: all,
        busy_samples: busy,
        elsewhere_samples: elsewhere,
        lost: profile.lost,
        idle_share: idle_share(profile, all, idle),
        sides: sides
            .iter()
            .map(|(side, counted)| SideBreakdown {
                side: *side,
                share: share(counted.all),
                softirq_share: share(counted.softirq),
                cpu_ns_per_kib: ns_per_kib(counted.all),
                categories: categories(&counted.categories),
                unmapped_share: share(counted.unmapped),
            })
            .collect(),
        categories: together,
        payload_kib,
        unwatched: None,
        unmapped_share: share(unmapped),
        unmapped_symbols: unmapped_symbols
            .into_iter()
            .map(|(symbol, samples)| UnmappedSymbol {
                symbol: symbol.to_owned(),
                share: share(samples),
            })
            .collect(),
        flame_graph: stem(&audited.cell),
    }
}

/// What a stack's samples tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Busy samples: on whose account, and what they count for.
    Busy(BreakdownSide, Decided),
    /// An idle CPU.
    Idle,
    /// Another process, outside of softirq: no part of the busy samples.
    Elsewhere,
}

/// Sorts a stack by its owner and its names, innermost first.
pub fn told(owner: Owner, frames: &[&str]) -> Told {
    let decided = decide(owner, frames.iter().copied());
    let side = match owner {
        _ if decided == Decided::As(Category::Idle) => return Told::Idle,
        Owner::Sender => BreakdownSide::Sender,
        Owner::Receiver => BreakdownSide::Receiver,
        Owner::Helper => BreakdownSide::Helper,
        Owner::Idle => BreakdownSide::Machine,
        Owner::Other if in_softirq(frames) => BreakdownSide::Machine,
        Owner::Other => return Told::Elsewhere,
    };
    Told::Busy(side, decided)
}

fn in_softirq(frames: &[&str]) -> bool {
    frames.iter().any(|frame| SOFTIRQS.contains(frame))
}

/// A stack's names, innermost first.
pub fn names<'a>(profile: &'a Profile, stack: &Stack) -> Vec<&'a str> {
    let name = |place: &u32| {
        let place = usize::try_from(*place).ok()?;
        profile.symbols.get(place).map(String::as_str)
    };
    stack.frames.iter().rev().map(|place| name(place).unwrap_or("[unknown]")).collect()
}

/// The payload that was sent while samples were taken.
fn payload_kib(audited: &Audited, profile: &Profile) -> Measured<f64> {
    let Outcome::Finished(finished) = &audited.outcome else {
        return Measured::absent("the audit trial failed");
    };
    let settings = &audited.settings;
    let (span, window) = (as_f64(profile.span_ns.0), as_f64(settings.window_ns.0));
    let bytes = if profile.span_ns.0 >= settings.window_ns.0.saturating_add(settings.warmup_ns.0) {
        finished.sender.total.accepted_bytes
    } else if (span - window).abs() <= SPAN_TOLERANCE * window {
        finished.sender.window.accepted_bytes
    } else {
        return Measured::absent("samples were taken over another time than bytes were counted");
    };
    if bytes == 0 {
        return Measured::absent("no byte was sent");
    }
    if profile.event != CYCLES && profile.interval_ns.0 == 0 {
        return Measured::absent("too few samples to tell the time between two");
    }
    Measured::Value(as_f64(bytes) / 1024.0)
}

/// The idle part of all CPUs' time.
fn idle_share(profile: &Profile, all: u64, idle: u64) -> Measured<f64> {
    if all == 0 {
        return Measured::absent("there is no sample");
    }
    if profile.event == CYCLES {
        return Measured::absent(NO_TIME);
    }
    Measured::Value(as_f64(idle) / as_f64(all))
}

fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
