//! How the cells of a block take turns.

use crate::bounds::Bounds;
use crate::cell::Cell;
use crate::factor::Factor;
use crate::placement::Placement;
use crate::plan::{Plan, TURN};
use crate::units::Nanos;
use crate::usable_cpus::UsableCpus;
use crate::values::{Rate, SocketBuffer};

/// The shape of a series: one block, measured in turns on fresh connections and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// From the beginning of a slice's load to that of its window.
    pub settle: Nanos,
    /// The window of a slice.
    pub window: Nanos,
    /// Turns that count.
    pub turns: u32,
    /// Turns before them, until receive buffers have grown and caches are warm.
    pub warmup_turns: u32,
    /// How long a slice of these goes on after settling.
    pub warmup_window: Nanos,
    /// The steady window of the control; 0: none in this series.
    pub steady: Nanos,
}

/// Turns before those that count.
const WARMUP_TURNS: u32 = 4;
/// Turns of a block's first series, before anything says how many are best.
const FIRST_TURNS: u32 = 12;
/// No series has fewer.
pub const FEWEST_TURNS: u32 = 2;
/// A window covers this many turns of the scheduler for each thread that waits where threads share a CPU: at least one whole
/// rotation, so that each of them runs in it.
const SCHEDULER_TURNS: u64 = 2;
/// Acknowledgements of a helper come at its looks: so many of them before a window, and at least so many in it, so that one more
/// or less at its edges is little.
const LOOKS_TO_SETTLE: u64 = 2;
const LOOKS_A_WINDOW: u64 = 20;
/// A sender that is paced, or whose line takes bytes no faster, sleeps until a third of its send buffer is free (`sk_stream_write_space`, net/core/stream.c), which
/// may hold 4 MiB (tcp_wmem): it wakes once before a window, and so many times in it.
const WAKES_A_WINDOW: u64 = 8;
const SEND_BUFFER_BYTES: u64 = 4 << 20;
/// Of a slower line, or of many connections over it, send buffers rarely fill as far: no slice need wait for longer than this to wake
/// once. The longest window is then 2 s; what needs more says so by its trials' marks, and `--slice` gives it.
const LONGEST_AT_LINE: Nanos = Nanos::ms(250);
/// The steady window of the control.
const STEADY: Nanos = Nanos::ms(60);
/// The control is measured in one round of so many.
const STEADY_EVERY: u32 = 3;
/// From one slice's tail to the next one's load: the receivers' word, the drain, the next order. Of the steady control
/// also its settling.
const BETWEEN: Nanos = Nanos(1_000_000);
/// Connecting and filling the rings, a cell.
const PREPARING: Nanos = Nanos::ms(15);

impl Plan {
    /// How a block's cells take turns in a round; none where they are measured steadily, one after the other: the plan says so, or
    /// each needs a link that is set up otherwise. Where the plan leaves their number open (`--turns auto`), it is that of a
    /// block's first series.
    pub fn turns(
        &self,
        cells: &[Cell],
        bounds: impl Into<Bounds>,
        is_control: bool,
    ) -> Option<Turns> {
        let (first, others) = cells.split_first()?;
        if self.measure.steady || !others.iter().all(|cell| cell.shares_link_with(first)) {
            return None;
        }
        let Bounds { cpus, line_bits_per_s } = bounds.into();
        let shared_by = cells.iter().map(|cell| cell.threads_a_cpu(cpus)).max().unwrap_or(1);
        let late = TURN.0 * u64::from(shared_by.saturating_sub(1));
        let looks = cells.iter().map(Cell::time_between_looks).max().unwrap_or_default();
        let paced = cells.iter().map(Cell::time_between_wakes).max().unwrap_or_default();
        let line = line_bits_per_s.filter(|_| self.has_its_presets_slices());
        let by_line = |cell: &Cell| line.map_or(0, |line| cell.time_between_wakes_at(line));
        let by_line = cells.iter().map(by_line).max().unwrap_or_default().min(LONGEST_AT_LINE.0);
        let slice_of = |wakes: u64| {
            let settle = self.measure.settle.0.max(late).max(looks * LOOKS_TO_SETTLE).max(wakes);
            let window = (self.measure.slice.0 - self.measure.settle.0)
                .max(late * SCHEDULER_TURNS)
                .max(looks * LOOKS_A_WINDOW)
                .max(wakes * WAKES_A_WINDOW);
            (settle, window)
        };
        let (settle, window) = slice_of(paced.max(by_line));
        let settle = Nanos(settle);
        // Longer slices are fewer: the series takes about as long.
        let asked = self.measure.turns.unwrap_or(FIRST_TURNS);
        let load = self.measure.slice.0.saturating_mul(u64::from(asked));
        // A number that was asked for is not lowered for the line's sake.
        let (counted_settle, counted_window) = match self.measure.turns {
            Some(_) => slice_of(paced),
            None => (settle.0, window),
        };
        let turns = u32::try_from(load / (counted_settle + counted_window)).unwrap_or(u32::MAX);
        Some(Turns {
            settle,
            window: Nanos(window),
            turns: turns.clamp(FEWEST_TURNS, asked),
            warmup_turns: if late == 0 { WARMUP_TURNS } else { 1 },
            // Where threads share CPUs, windows are longer than it takes to warm up.
            warmup_window: Nanos(window.min(settle.0.max(self.measure.slice.0))),
            steady: if is_control && self.measure.steady_control {
                STEADY.max(Nanos(window))
            } else {
                Nanos(0)
            },
        })
    }
}

impl Plan {
    /// Whether nobody asked for other slices than the preset has: those that are asked for stay.
    fn has_its_presets_slices(&self) -> bool {
        let preset = Self::preset(self.preset).measure;
        self.measure.slice == preset.slice && self.measure.settle == preset.settle
    }

    /// The least time in which a sender of this cell wakes several times, where a line that is known takes its bytes no faster.
    pub(crate) fn window_at_line(cell: &Cell, bounds: Bounds) -> Nanos {
        let wakes = bounds.line_bits_per_s.map_or(0, |line| cell.time_between_wakes_at(line));
        Nanos(wakes.min(LONGEST_AT_LINE.0) * WAKES_A_WINDOW)
    }
}

/// Whether a block has its steady control in a round (from 1), by its place in the plan: a third of the blocks each time.
pub fn is_control(round: u32, place: usize) -> bool {
    control_rounds(round, place) > control_rounds(round.saturating_sub(1), place)
}

/// How many of so many rounds have it.
pub(crate) fn control_rounds(rounds: u32, place: usize) -> u32 {
    let place = u32::try_from(place % STEADY_EVERY as usize).unwrap_or(0);
    rounds.saturating_add(place) / STEADY_EVERY
}

impl Cell {
    /// Whether both are measured on one link, set up once.
    pub fn shares_link_with(&self, other: &Self) -> bool {
        let mut of_link = Factor::ALL.iter().filter(|factor| factor.sets_up_link());
        of_link.all(|factor| self.get(*factor) == other.get(*factor))
    }

    /// Nanoseconds between two looks of its link's helper; 0 where it has none.
    fn time_between_looks(&self) -> u64 {
        if self.link.capabilities().has_helper { self.ack_interval.nanos().0 } else { 0 }
    }

    /// Nanoseconds between two times that a paced sender wakes; 0 where it is not paced.
    fn time_between_wakes(&self) -> u64 {
        let Rate::Fixed(rate) = self.rate else { return 0 };
        self.time_between_wakes_at(rate.0)
    }

    /// The same of one whose bytes leave at this rate, in bits a second.
    fn time_between_wakes_at(&self, rate: u64) -> u64 {
        let buffer = match self.send_buffer {
            SocketBuffer::Auto => SEND_BUFFER_BYTES,
            SocketBuffer::Fixed(bytes) => bytes.saturating_mul(2),
        };
        let bytes =
            (buffer / 3).max(self.message.bytes().0).saturating_mul(u64::from(self.connections()));
        let ns = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(rate.max(1));
        // Slower ones are paced within a window that is too short for them, and say so by their trials' marks.
        u64::try_from(ns).unwrap_or(u64::MAX).min(Nanos::s(1).0)
    }

    /// How many busy threads share a CPU at most, on so many CPUs. A helper has one to itself, which the others lack.
    fn threads_a_cpu(&self, cpus: UsableCpus) -> u32 {
        let link = self.link.capabilities();
        let helpers = u32::from(link.has_helper);
        let at_least = self.busy_on_hosts().shared_by(cpus, helpers);
        let workers = self.threads.get();
        let on = |threads: u32, list: &[u32]| {
            threads.div_ceil(u32::try_from(list.len()).unwrap_or(1).max(1))
        };
        let sending = if self.is_polled() { workers * 2 } else { workers };
        match &self.placement {
            Placement::Split | Placement::None => at_least,
            // How many CPUs a core has is not known here: on one of two it is told too low where both are siblings.
            Placement::Spare => self.busy_on_hosts().shared_by(cpus.less_one(), helpers),
            Placement::Same if link.has_peer_host => at_least,
            Placement::Same => at_least.max(2),
            Placement::Cpus { senders, receivers } => {
                let both = [
                    on(sending, senders),
                    if link.has_receiver { on(workers, receivers) } else { 0 },
                ];
                if !link.has_peer_host && senders.iter().any(|cpu| receivers.contains(cpu)) {
                    both.iter().sum()
                } else {
                    both.into_iter().max().unwrap_or(1)
                }
            }
        }
    }
}

impl Turns {
    /// The same with no more than so many turns, and no fewer than a series may have.
    #[must_use]
    pub fn at_most(self, turns: u32) -> Self {
        Self { turns: self.turns.min(turns.max(FEWEST_TURNS)), ..self }
    }

    /// The time that a series of so many cells takes.
    pub fn lasts(&self, cells: usize) -> Nanos {
        let turns = self.turn(cells).0.saturating_mul(u64::from(self.turns));
        Nanos(self.beside(cells).0.saturating_add(turns))
    }

    /// The time of one turn that counts.
    pub fn turn(&self, cells: usize) -> Nanos {
        self.slices(self.window, cells)
    }

    /// A slice of each cell.
    fn slices(&self, window: Nanos, cells: usize) -> Nanos {
        let cells = u64::try_from(cells).unwrap_or(u64::MAX);
        Nanos(cells.saturating_mul(self.settle.0 + window.0 + BETWEEN.0))
    }

    /// The time beside these: preparing, warming up, and the steady control if there is one.
    pub fn beside(&self, cells: usize) -> Nanos {
        let steady = if self.steady.0 == 0 { 0 } else { self.steady.0 + 30 * BETWEEN.0 };
        let cells = u64::try_from(cells).unwrap_or(u64::MAX);
        let warmup = self.slices(self.warmup_window, 1).0 * u64::from(self.warmup_turns);
        Nanos(cells.saturating_mul(steady + PREPARING.0 + warmup) + self.steady.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::preset::Preset;
    use crate::{Factor, Link};

    use super::*;

    fn default() -> Plan {
        Plan::preset(Preset::Default)
    }

    #[test]
    fn slices_are_longer_and_fewer_where_threads_share_a_cpu() {
        let plan = default();
        let cells = |threads: u32| -> Vec<Cell> {
            plan.cells().into_iter().filter(|cell| cell.threads.get() == threads).collect()
        };
        let [one, eight] = [1, 8].map(|n| plan.turns(&cells(n), 2, false).unwrap());
        assert_eq!((one.settle, one.turns), (plan.measure.settle, FIRST_TURNS));
        assert!(eight.window.0 > 10 * one.window.0 && eight.turns == FEWEST_TURNS, "{eight:?}");
        assert_eq!(plan.turns(&cells(8), 64, false).unwrap().window, one.window);
        for (placement, is_shared) in
            [("same", true), ("0/0", true), ("0/1", false), ("none", false), ("0/1-2", false)]
        {
            let mut placed = cells(1);
            placed.iter_mut().for_each(|cell| cell.set(Factor::Placement, placement).unwrap());
            let window = plan.turns(&placed, 64, false).unwrap().window;
            assert_eq!(window > one.window, is_shared, "{placement}");
        }
    }

    #[test]
    fn what_is_measured_steadily_takes_no_turns() {
        let mut plan = default();
        assert!(plan.turns(&plan.cells(), 2, false).is_some());
        plan.measure.steady = true;
        assert_eq!(plan.turns(&plan.cells(), 2, false), None);
        // Nor do cells whose links are set up each in its own way.
        let mut plan = default();
        plan.factors.set(Factor::Link, "veth").unwrap();
        plan.factors.set(Factor::Mtu, "1500,9000").unwrap();
        assert_eq!(plan.turns(&plan.cells(), 2, false), None);
    }

    #[test]
    fn on_every_link_cells_take_turns_and_windows_hold_many_looks_of_a_helper() {
        let window = |link: Link, interval: &str, threads: u32, cpus| {
            let mut cells = default().cells();
            cells.retain(|cell| cell.threads.get() == threads);
            for cell in &mut cells {
                cell.link = link;
                cell.set(Factor::AckInterval, interval).unwrap();
            }
            default().turns(&cells, cpus, false).unwrap().window
        };
        let short = window(Link::Loopback, "20us", 1, 2);
        for link in Link::ALL {
            assert_eq!(window(*link, "20us", 1, 2), short, "{link}");
        }
        assert_eq!(window(Link::Sink, "5ms", 1, 2), Nanos::ms(100));
        // One sender has a CPU and the helper the other; of two, both share the one.
        assert!(window(Link::Sink, "20us", 2, 2) > short);
        assert_eq!(window(Link::Sink, "20us", 2, 3), short);
    }

    #[test]
    fn a_paced_sender_wakes_several_times_in_a_window() {
        let window = |rate: &str, flows: &str| {
            let mut cell = Cell::default();
            cell.set(Factor::Rate, rate).unwrap();
            cell.set(Factor::Flows, flows).unwrap();
            default().turns(&[cell], 2, false).unwrap()
        };
        let fast = window("max", "1");
        assert_eq!(window("1Tbit/s", "1"), fast);
        // A third of 4 MiB at 1 Gbit/s takes 11 ms.
        let paced = window("1Gbit/s", "1");
        assert!(paced.settle > Nanos::ms(11) && paced.window > Nanos::ms(88), "{paced:?}");
        assert!(window("1Gbit/s", "2").window > paced.window);
        assert_eq!(window("100kbit/s", "9").settle, Nanos::s(1));
    }

    #[test]
    fn over_a_line_whose_rate_is_known_a_sender_wakes_several_times_in_a_window() {
        let plan = default();
        let cell: Cell = "send=sendmsg link=ssh threads=1".parse().unwrap();
        let at = |plan: &Plan, mbit: Option<u64>| {
            let line_bits_per_s = mbit.map(|mbit| mbit * 1_000_000);
            let cpus = UsableCpus { sender: 2, receiver: Some(2) };
            plan.turns(std::slice::from_ref(&cell), Bounds { cpus, line_bits_per_s }, false)
                .unwrap()
        };
        let unknown = at(&plan, None);
        assert_eq!(at(&plan, Some(400_000)), unknown, "a third of 4 MiB leaves in 28 us");
        // In 11 ms at 1 Gbit/s, in 224 ms at 50 Mbit/s.
        let gigabit = at(&plan, Some(1000));
        assert!(gigabit.settle > Nanos::ms(11) && gigabit.window > Nanos::ms(88), "{gigabit:?}");
        let slow = at(&plan, Some(50));
        assert!(slow.settle > Nanos::ms(220) && slow.window > Nanos::ms(1780), "{slow:?}");
        assert_eq!(slow.turns, FEWEST_TURNS);
        // However slow: no plan waits for hours.
        assert_eq!(at(&plan, Some(1)).window, Nanos::s(2));
        // What was asked for stays.
        let mut asked = plan.clone();
        asked.measure.slice = Nanos::ms(20);
        assert_eq!(at(&asked, Some(50)), at(&asked, None));
        let mut asked = plan;
        asked.measure.turns = Some(7);
        assert_eq!((at(&asked, Some(50)).turns, at(&asked, None).turns), (7, 7));
    }

    #[test]
    fn a_plan_that_names_the_turns_gets_them() {
        let mut plan = default();
        for asked in [2, 3, 40] {
            plan.measure.turns = Some(asked);
            let cells: Vec<Cell> = plan.cells().into_iter().take(1).collect();
            assert_eq!(plan.turns(&cells, 64, false).unwrap().turns, asked);
        }
    }

    #[test]
    fn each_block_has_its_steady_control_in_every_third_round_and_a_third_of_them_in_each() {
        let plan = default();
        let steady = |is| plan.turns(&plan.cells(), 64, is).unwrap().steady.0 > 0;
        assert!(steady(true) && !steady(false));
        let controls = |place| (1..=9).filter(|round| is_control(*round, place)).count();
        assert_eq!([0, 1, 2, 15].map(controls), [3, 3, 3, 3]);
        assert_eq!((0..16).filter(|place| is_control(4, *place)).count(), 5);
    }
}
