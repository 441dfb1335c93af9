//! Where the CPU time of a cell goes: the samples of its audit trial, sorted into categories.

use std::collections::BTreeMap;

use model::audit::{Audited, Owner, Profile, Stack};
use model::record::Outcome;
use model::{Cell, Measured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::categories::{Category, Decided, TABLE_VERSION, decide};
use crate::evidence::Evidence;

/// Where the CPU time of one cell went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuBreakdown {
    /// The cell's id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// What was sampled: `cycles`, or `cpu-clock` where there is no PMU.
    pub event: String,
    /// Version of the table of categories, docs/CATEGORIES.md.
    pub table_version: u32,
    /// All samples of the CPUs in use.
    pub samples: u64,
    /// Those of the ends, and of softirqs and interrupts that came upon an idle CPU or somebody else; shares are of these.
    pub busy_samples: u64,
    /// Samples of other processes outside softirq: no part of the busy ones.
    pub elsewhere_samples: u64,
    /// Samples that the kernel had to drop.
    pub lost: u64,
    /// Share of the CPUs' time that was idle: the idle samples, or for `cycles`, which has none, what is left of the time.
    pub idle_share: Measured<f64>,
    /// Payload of the sampled time, in KiB.
    pub payload_kib: Measured<f64>,
    /// Sender, receiver (or the sink's helper), and what ran on nobody's behalf.
    pub sides: Vec<SideBreakdown>,
    /// The categories of all sides together, the largest first.
    pub categories: Vec<CategoryShare>,
    /// Share of the busy samples that the table has no category for.
    pub unmapped_share: f64,
    /// The functions behind them, the most frequent first; at most 10.
    pub unmapped_symbols: Vec<UnmappedSymbol>,
    /// File stem of its flame graph, in `figures`.
    pub flame_graph: String,
}

/// On whose account CPU time was spent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum BreakdownSide {
    /// The end that sends, softirqs that ran in its context included.
    Sender,
    /// The end that receives, likewise.
    Receiver,
    /// The sink's helper, likewise.
    Helper,
    /// Softirqs and interrupts that came upon an idle CPU or another process.
    Machine,
}

impl BreakdownSide {
    /// Its name for reading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::Helper => "sink’s helper",
            Self::Machine => "softirq elsewhere",
        }
    }
}

/// One side's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SideBreakdown {
    /// Whose.
    pub side: BreakdownSide,
    /// Share of the busy samples.
    pub share: f64,
    /// The part of it that ran in softirq, as a share of the busy samples.
    pub softirq_share: f64,
    /// CPU time a KiB of payload, in ns.
    pub cpu_ns_per_kib: Measured<f64>,
    /// Its categories, in the table's order; those without a sample are left out.
    pub categories: Vec<CategoryShare>,
    /// What the table has no category for, as a share of the busy samples.
    pub unmapped_share: f64,
}

/// One category's part of a side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CategoryShare {
    /// What was done.
    pub category: Category,
    /// Share of the busy samples.
    pub share: f64,
    /// CPU time a KiB of payload, in ns.
    pub cpu_ns_per_kib: Measured<f64>,
}

/// A function that the table does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnmappedSymbol {
    /// Its name.
    pub symbol: String,
    /// Share of the busy samples.
    pub share: f64,
}

/// More unknown functions than this are only counted.
const MOST_UNMAPPED: usize = 10;
/// A span that differs from the window by more than this has neither the window's bytes nor the trial's.
const SPAN_TOLERANCE: f64 = 0.1;
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
    cells.map(|(audited, profile)| breakdown(audited, profile)).collect()
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

/// Sorts a profile.
pub fn breakdown(audited: &Audited, profile: &Profile) -> CpuBreakdown {
    let mut sides: BTreeMap<BreakdownSide, Counted> = BTreeMap::new();
    let mut unknown: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut all, mut idle, mut elsewhere) = (0, 0, 0);
    for stack in &profile.stacks {
        all += stack.samples;
        let frames = names(profile, stack);
        let (side, decided) = match told(stack.owner, &frames) {
            Told::Busy(side, decided) => (side, decided),
            Told::Idle => {
                idle += stack.samples;
                continue;
            }
            Told::Elsewhere => {
                elsewhere += stack.samples;
                continue;
            }
        };
        let counted = sides.entry(side).or_default();
        counted.all += stack.samples;
        counted.softirq += if in_softirq(&frames) { stack.samples } else { 0 };
        match decided {
            Decided::As(category) => {
                *counted.categories.entry(category).or_default() += stack.samples;
            }
            Decided::Unmapped => {
                counted.unmapped += stack.samples;
                let innermost = frames.first().copied().unwrap_or("[no stack]");
                *unknown.entry(innermost).or_default() += stack.samples;
            }
        }
    }
    let busy: u64 = sides.values().map(|counted| counted.all).sum();
    let share = |samples: u64| if busy == 0 { 0.0 } else { as_f64(samples) / as_f64(busy) };
    let payload_kib = payload_kib(audited, profile);
    let ns_per_kib = |samples: u64| match &payload_kib {
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
        *together.entry(*category).or_default() += samples;
    }
    let mut together = categories(&together);
    together.sort_by(|a, b| b.share.total_cmp(&a.share));
    let unmapped: u64 = sides.values().map(|counted| counted.unmapped).sum();
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
    let bytes = if profile.span_ns.0 >= settings.window_ns.0 + settings.warmup_ns.0 {
        finished.sender.total.accepted_bytes
    } else if (span - window).abs() <= SPAN_TOLERANCE * window {
        finished.sender.window.accepted_bytes
    } else {
        return Measured::absent("samples were taken over another time than bytes were counted");
    };
    if bytes == 0 {
        return Measured::absent("no byte was sent");
    }
    if profile.interval_ns.0 == 0 {
        return Measured::absent("too few samples to tell the time between two");
    }
    Measured::Value(as_f64(bytes) / 1024.0)
}

/// The idle part of all CPUs' time.
fn idle_share(profile: &Profile, all: u64, idle: u64) -> Measured<f64> {
    let time = as_f64(profile.span_ns.0) * profile.cpus.len() as f64;
    if all == 0 || time <= 0.0 {
        return Measured::absent("there is no sample");
    }
    if profile.event == "cycles" {
        // Halted CPUs count no cycles: what was not sampled was idle.
        let busy = as_f64(all - idle) * as_f64(profile.interval_ns.0) / time;
        return Measured::Value((1.0 - busy).clamp(0.0, 1.0));
    }
    Measured::Value(as_f64(idle) / as_f64(all))
}

fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use model::record::Settings;
    use model::{Audit, Bytes, Nanos, Plan, Preset};

    use super::*;
    use crate::synthetic;

    /// Samples with their stacks, outermost first.
    fn profile(event: &str, stacks: &[(Owner, &str, u64)]) -> Profile {
        let mut symbols: Vec<String> = Vec::new();
        let mut place = |name: &str| {
            let known = symbols.iter().position(|symbol| symbol == name);
            let place = known.unwrap_or_else(|| {
                symbols.push(name.to_owned());
                symbols.len() - 1
            });
            u32::try_from(place).unwrap()
        };
        let stacks = stacks.iter().map(|(owner, frames, samples)| Stack {
            owner: *owner,
            cpu: 0,
            frames: frames.split(' ').map(&mut place).collect(),
            samples: *samples,
        });
        let stacks = stacks.collect();
        Profile {
            event: event.to_owned(),
            interval_ns: Nanos(250_000),
            span_ns: Nanos::ms(130),
            cpus: vec![0, 1],
            lost: 2,
            symbols,
            stacks,
        }
    }

    fn audited(profile: Profile) -> Audited {
        let plan = Plan::preset(Preset::Default);
        let cell = plan.cells()[0].clone();
        let trial = synthetic::trial(&cell, 1).build();
        Audited {
            cell,
            audits: vec![Audit::Profile],
            started_unix_ms: 0,
            settings: Settings {
                window_ns: Nanos::ms(100),
                warmup_ns: Nanos::ms(20),
                tail_ns: Nanos::ms(5),
                extended: false,
                usable_cpus: vec![0, 1],
                sender_cpus: vec![0],
                receiver_cpus: vec![1],
                ring_slots: 4,
                slot_bytes: Bytes(64),
                receive_buffer_bytes: Bytes(64),
            },
            outcome: trial.outcome,
            copies: Measured::absent("not asked"),
            calls: Measured::absent("not asked"),
            profile: Measured::Value(profile),
        }
    }

    fn sorted(profile: Profile) -> CpuBreakdown {
        let audited = audited(profile);
        breakdown(&audited, audited.profile.value().unwrap())
    }

    fn side(breakdown: &CpuBreakdown, side: BreakdownSide) -> &SideBreakdown {
        breakdown.sides.iter().find(|one| one.side == side).unwrap()
    }

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    fn loopback() -> CpuBreakdown {
        sorted(profile(
            "cpu-clock",
            &[
                (Owner::Sender, "do_syscall_64 tcp_sendmsg _copy_from_iter", 40),
                (Owner::Sender, "do_syscall_64 handle_softirqs tcp_v4_rcv", 20),
                (Owner::Sender, "copycost`pump", 10),
                (Owner::Receiver, "do_syscall_64 tcp_recvmsg_locked _copy_to_iter", 20),
                (Owner::Receiver, "who_is_this", 4),
                (Owner::Idle, "do_idle default_idle", 60),
                (Owner::Idle, "do_idle irq_exit_rcu handle_softirqs net_rx_action", 4),
                (Owner::Other, "[program]`[unknown]", 30),
                (Owner::Other, "run_ksoftirqd handle_softirqs tcp_v4_rcv", 2),
            ],
        ))
    }

    #[test]
    fn shares_are_of_the_busy_samples_of_the_ends_and_of_softirq() {
        let found = loopback();
        assert_eq!((found.samples, found.busy_samples, found.elsewhere_samples), (190, 100, 30));
        let sender = side(&found, BreakdownSide::Sender);
        assert!(near(sender.share, 0.7) && near(sender.softirq_share, 0.2));
        let shares: Vec<(Category, f64)> =
            sender.categories.iter().map(|one| (one.category, one.share)).collect();
        assert_eq!(
            shares,
            [(Category::DataCopy, 0.4), (Category::TcpIp, 0.2), (Category::Copycost, 0.1)]
        );
        let machine = side(&found, BreakdownSide::Machine);
        assert!(near(machine.share, 0.06) && near(machine.softirq_share, 0.06));
        let parts = found.sides.iter().map(|side| {
            side.unmapped_share + side.categories.iter().map(|one| one.share).sum::<f64>()
        });
        assert!(near(parts.sum(), 1.0), "nothing is left over and nothing counts twice");
    }

    #[test]
    fn all_sides_together_show_the_largest_category_first() {
        let shares: Vec<(Category, f64)> =
            loopback().categories.iter().map(|one| (one.category, one.share)).collect();
        assert_eq!(shares[0], (Category::DataCopy, 0.6));
        assert!(shares.is_sorted_by(|a, b| a.1 >= b.1));
    }

    #[test]
    fn what_the_table_does_not_know_is_printed_with_its_names() {
        let found = loopback();
        assert!(near(found.unmapped_share, 0.04));
        assert!(near(side(&found, BreakdownSide::Receiver).unmapped_share, 0.04));
        let [only] = found.unmapped_symbols.as_slice() else { panic!("{found:?}") };
        assert_eq!(only.symbol, "who_is_this");
        assert_eq!(found.lost, 2);
    }

    #[test]
    fn an_ends_samples_in_nobodys_code_raise_the_unmapped_share() {
        let found = sorted(profile(
            "cycles",
            &[
                (Owner::Sender, "copycost`pump", 6),
                (Owner::Sender, "[hypervisor]`[unknown]", 3),
                (Owner::Receiver, "copycost`pump [unmapped]`[unknown]", 1),
            ],
        ));
        assert!(near(found.unmapped_share, 0.4), "{found:?}");
        let named: Vec<&str> =
            found.unmapped_symbols.iter().map(|one| one.symbol.as_str()).collect();
        assert_eq!(named, ["[hypervisor]`[unknown]", "[unmapped]`[unknown]"]);
        assert!(near(found.categories[0].share, 0.6), "{found:?}");
    }

    #[test]
    fn time_a_kib_is_samples_times_interval_over_the_payload_of_the_sampled_time() {
        let found = loopback();
        let kib = *found.payload_kib.value().unwrap();
        let sender = side(&found, BreakdownSide::Sender);
        assert!(near(*sender.cpu_ns_per_kib.value().unwrap(), 70.0 * 250_000.0 / kib));
        let audited = audited(profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 1)]));
        let total = |span: u64| {
            let profile =
                Profile { span_ns: Nanos::ms(span), ..audited.profile.value().unwrap().clone() };
            payload_kib(&audited, &profile)
        };
        let Outcome::Finished(finished) = &audited.outcome else { panic!("failed") };
        assert_eq!(
            total(121),
            Measured::Value(as_f64(finished.sender.total.accepted_bytes) / 1024.0)
        );
        assert_eq!(
            total(105),
            Measured::Value(as_f64(finished.sender.window.accepted_bytes) / 1024.0)
        );
        assert!(total(115).value().is_none() && total(50).value().is_none());
    }

    #[test]
    fn idle_is_sampled_by_the_clock_and_what_is_left_of_the_time_for_cycles() {
        assert!(near(*loopback().idle_share.value().unwrap(), 60.0 / 190.0));
        let cycles = sorted(profile("cycles", &[(Owner::Sender, "tcp_ack", 520)]));
        // 520 × 250 µs of 2 × 130 ms.
        assert!(near(*cycles.idle_share.value().unwrap(), 0.5));
        assert!(sorted(profile("cycles", &[])).idle_share.value().is_none());
    }

    #[test]
    fn a_profile_without_a_sample_has_no_shares() {
        let found = sorted(profile("cpu-clock", &[]));
        assert_eq!((found.samples, found.busy_samples, found.sides.len()), (0, 0, 0));
        assert!(near(found.unmapped_share, 0.0));
    }

    #[test]
    fn a_place_beyond_the_symbols_is_unknown_and_no_crash() {
        let mut odd = profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 3)]);
        odd.stacks[0].frames = vec![7];
        assert_eq!(sorted(odd).unmapped_symbols[0].symbol, "[unknown]");
    }

    #[test]
    fn flame_graphs_have_names_that_every_file_system_takes() {
        let plan = Plan::preset(Preset::Default);
        let mut stems: Vec<String> = plan.cells().iter().map(stem).collect();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        assert!(stems.iter().all(|stem| stem.len() <= LONGEST_STEM && stem.chars().all(allowed)));
        stems.sort();
        let all = stems.len();
        stems.dedup();
        assert_eq!(stems.len(), all);
    }

    #[test]
    fn of_several_profiles_of_a_cell_the_last_counts() {
        let one = audited(profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 1)]));
        let two = audited(profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 2)]));
        let other = Audited { profile: Measured::absent("another instrument's"), ..two.clone() };
        let found = profiles([&one, &two, &other]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].2.stacks[0].samples, 2);
    }
}
