//! The cells to measure, and how precisely.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::bounds::Bounds;
use crate::cell::{Block, Cell, Idle};
use crate::contrast::Contrast;
use crate::factor::{Factor, FactorKind, FactorLists};
use crate::names::{Audit, Link, SendPath, Switch, Watch};
use crate::peer::Peer;
use crate::preset::Preset;
use crate::thresholds::Thresholds;
use crate::turns::{FEWEST_TURNS, Turns, control_rounds};
use crate::units::{Nanos, Share};
use crate::values::Replica;

/// How to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The window of a steady trial; oversubscribed cells get longer ones, see [`Plan::window`].
    pub window: Nanos,
    /// Whether every cell is measured alone in one steady window, instead of all cells of a block in turns.
    pub steady: bool,
    /// Load of a slice up to the end of its window; longer where threads share CPUs, see [`Plan::turns`].
    pub slice: Nanos,
    /// How much of it passes before the window begins.
    pub settle: Nanos,
    /// Turns of a series; none: as many as the noise within and between a block's series calls for.
    pub turns: Option<u32>,
    /// Warm-up before it.
    pub warmup: Nanos,
    /// How long senders go on after it.
    pub tail: Nanos,
    /// Half-width of the 95 % interval of a ratio within a block, as a share of it, at which the ratio is done; where a
    /// block compares nothing, that of its cells' levels.
    pub precision: Option<Share>,
    /// Rounds before precision is looked at.
    pub min_rounds: u32,
    /// Exactly this many rounds, whatever the precision.
    pub rounds: Option<u32>,
    /// When to stop at the latest, measured from the start of the run.
    pub max_time: Option<Nanos>,
    /// Margin of equivalence.
    pub margin: Share,
    /// Seed of the order.
    pub seed: u64,
    /// Whether the control cells (instruments off, A/A, SO_ZEROCOPY off) are measured too.
    pub controls: bool,
    /// Whether a third of the rounds of each block ends with a steady window of each cell, which turns are held against.
    pub steady_control: bool,
    /// The heavy instruments asked for; each cell gets an audit trial that is never timed.
    pub audits: Vec<Audit>,
}

/// The cells to measure, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it started from.
    pub preset: Preset,
    /// A name for the run, free text.
    pub label: String,
    /// The other host, where a link has one.
    pub peer: Option<Peer>,
    /// What varies.
    pub factors: FactorLists,
    /// What is compared with what, where the plan names it; else [`Plan::contrasts`] says.
    pub contrasts: Vec<Contrast>,
    /// How to measure.
    pub measure: Measure,
    /// Where marks begin.
    pub thresholds: Thresholds,
}

/// No plan has more rounds: of a second each, they take twelve days.
pub const MOST_ROUNDS: u32 = 1_000_000;
/// Fewer rounds than this are preliminary.
pub const FEWEST_ROUNDS: u32 = 10;

/// The precision by default: 0.4 of the margin of equivalence, so that "no difference" can be said. With a half-width of the
/// whole margin an equality was told in 2 % of simulated runs that stopped by it, with half of it in 73 %, with this in 96 %,
/// and a ratio of 1.05 never called equal (48 ratios corrected as one family, 3 % of noise a round;
/// `crates/analysis/tests/coverage.rs`).
pub(crate) const PRECISION: Share = Share(0.012);

/// The most cells of one plan.
pub const MAX_CELLS: usize = 10_000;

/// The most contrasts that a plan may name: each is held against all others.
pub(crate) const MOST_CONTRASTS: usize = 1000;

/// The scheduler lets a thread run for about this long before its neighbour's turn
/// (`sysctl_sched_base_slice`, kernel/sched/fair.c, up to a tick of 4 ms at 250 Hz).
pub(crate) const TURN: Nanos = Nanos::ms(4);

/// Characters of a label at most: it stands in headings and in every row.
const LONGEST_LABEL: usize = 200;

/// Whether a label is short enough to stand in a heading.
pub(crate) fn check_label(label: &str) -> Result<(), String> {
    match label.chars().count() {
        0..=LONGEST_LABEL => Ok(()),
        long => Err(format!("label: at most {LONGEST_LABEL} characters, not {long}")),
    }
}

impl FactorLists {
    /// Whether their product has more cells than a plan may have.
    pub fn are_too_many(&self) -> bool {
        let mut lengths = Factor::ALL.iter().map(|factor| self.get(*factor).len());
        let product = lengths.try_fold(1_usize, |cells, values| cells.checked_mul(values));
        product.is_none_or(|cells| cells > MAX_CELLS)
    }
}

impl Plan {
    /// The cells asked for, without controls, in the plan's own order. A factor that means nothing on a cell's link has
    /// its default there, so that no cell is measured twice under two names.
    pub fn cells(&self) -> Vec<Cell> {
        let mut seen = BTreeSet::new();
        let product = self.factors.product().into_iter().map(Cell::on_its_link);
        product.filter(|cell| seen.insert(cell.clone())).collect()
    }

    /// Values that were asked for and that no cell has, with the reason of the first cell that would have it.
    pub fn idle_values(&self) -> Vec<(Factor, String, Idle)> {
        let asked = self.factors.product();
        let cells = self.cells();
        let mut idle = Vec::new();
        for factor in Factor::ALL {
            for value in self.factors.get(*factor) {
                if cells.iter().any(|cell| cell.get(*factor) == value) {
                    continue;
                }
                let with = asked.iter().filter(|cell| cell.get(*factor) == value);
                let why = with.filter_map(|cell| cell.idle(*factor)).next();
                idle.extend(why.map(|why| (*factor, value, why)));
            }
        }
        idle
    }

    /// Cells that control the method rather than answer a question: the instruments off, an A/A twin, and
    /// MSG_ZEROCOPY without SO_ZEROCOPY. Each is the twin of a cell of the plan, measured in its block.
    pub fn controls(&self) -> Vec<Cell> {
        if !self.measure.controls {
            return Vec::new();
        }
        let cells = self.cells();
        let mut controls = Vec::new();
        // The cell with the largest messages and fewest threads of a path and link that every machine has: its
        // figures spread least, so that a small difference shows.
        let steady = |path: fn(SendPath) -> bool| {
            cells.iter().filter(|cell| path(cell.send_path)).min_by_key(|cell| {
                let privileged = !cell.link.capabilities().privileges.is_empty();
                (privileged, cell.threads, std::cmp::Reverse(cell.message))
            })
        };
        let copying =
            steady(SendPath::only_copies).or_else(|| steady(|p| !p.passes_by_reference()));
        if let Some(cell) = copying.or_else(|| cells.first()) {
            controls.push(Cell { watch: Watch::None, ..cell.clone() });
            if let Some(replica) = Replica::new(cell.replica.get() + 1) {
                controls.push(Cell { replica, ..cell.clone() });
            }
        }
        if let Some(cell) = steady(|path| path.capabilities().may_copy_instead()) {
            controls.push(Cell { so_zerocopy: Switch::Off, ..cell.clone() }.on_its_link());
        }
        controls.retain(|control| !cells.contains(control));
        controls
    }

    /// What is compared with what: the contrasts that the plan names, else each two values of every factor that is a
    /// choice, the later one against the earlier one. This is the one rule.
    pub fn contrasts(&self) -> Vec<Contrast> {
        let named = self.named_contrasts();
        if !named.is_empty() {
            return named;
        }
        let cells = self.cells();
        let mut contrasts = Vec::new();
        let choices = Factor::ALL.iter().filter(|factor| factor.kind() == FactorKind::Choice);
        for factor in choices {
            // One cell for each value, in the order of its type: names by their list, numbers by size.
            let mut values: Vec<Cell> = Vec::new();
            // A default of cells that may differ in it anyway, and to which it means nothing, is no value to compare.
            let is_within = Factor::ALWAYS_WITHIN_BLOCK.contains(factor);
            let has_it = |cell: &&Cell| !is_within || cell.idle(*factor).is_none();
            for cell in cells.iter().filter(has_it) {
                let mut alone = Cell::default();
                if alone.set(*factor, &cell.get(*factor)).is_ok() && !values.contains(&alone) {
                    values.push(alone);
                }
            }
            values.sort();
            for (later, value) in values.iter().enumerate() {
                let earlier = values[..later].iter();
                contrasts.extend(earlier.map(|other| Contrast::between(*factor, value, other)));
            }
        }
        contrasts
    }

    /// The contrasts that the plan names. Those of its preset go with the values that were taken out of it.
    fn named_contrasts(&self) -> Vec<Contrast> {
        let mut named = self.contrasts.clone();
        if named == Self::preset(self.preset).contrasts {
            named.retain(|Contrast { factor, value, against }| {
                let has = self.factors.get(*factor);
                has.contains(value) && has.contains(against)
            });
        }
        named
    }

    /// Named contrasts: each once, of a factor whose values may be chosen, and of two values that the plan has.
    fn check_contrasts(&self) -> Result<(), String> {
        let named = self.named_contrasts();
        for (place, contrast) in named.iter().enumerate() {
            let Contrast { factor, value, against } = contrast;
            if factor.kind() != FactorKind::Choice {
                return Err(format!(
                    "contrast \"{contrast}\": values of {} are not compared within blocks; leave it out",
                    factor.key()
                ));
            }
            let has = self.factors.get(*factor);
            if let Some(missing) = [value, against].into_iter().find(|one| !has.contains(one)) {
                return Err(format!(
                    "contrast \"{contrast}\": the plan has no {} {missing}; add it to --{} {}",
                    factor.key(),
                    factor.key(),
                    has.join(",")
                ));
            }
            let is_same = |other: &Contrast| {
                other.factor == *factor
                    && [&other.value, &other.against].contains(&value)
                    && [&other.value, &other.against].contains(&against)
            };
            if named[..place].iter().any(is_same) {
                return Err(format!("contrast \"{contrast}\" is named twice; name it once"));
            }
        }
        Ok(())
    }

    /// Half-width within which a cell's level is called precise; none where the plan asks for no precision. Where the plan
    /// compares, its precision is that of the ratios, and levels need not be known better than to the margin.
    pub fn level_precision(&self) -> Option<Share> {
        let asked = self.measure.precision?;
        let is_of_levels = self.contrasts().is_empty();
        Some(if is_of_levels { asked } else { Share(asked.0.max(self.measure.margin.0)) })
    }

    /// The factors in which cells of one block may differ.
    pub fn within_block(&self) -> Vec<Factor> {
        let mut within = Factor::ALWAYS_WITHIN_BLOCK.to_vec();
        let compared = self.contrasts().into_iter().map(|contrast| contrast.factor);
        within.extend(compared);
        within.sort_unstable();
        within.dedup();
        within
    }

    /// Cells and controls by block, in the plan's own order.
    pub fn blocks(&self) -> Vec<(Block, Vec<Cell>)> {
        let within = self.within_block();
        let mut places = BTreeMap::new();
        let mut blocks: Vec<(Block, Vec<Cell>)> = Vec::new();
        for cell in self.cells().into_iter().chain(self.controls()) {
            let block = cell.block(&within);
            let place = *places.entry(block.clone()).or_insert_with(|| {
                blocks.push((block, Vec::new()));
                blocks.len() - 1
            });
            blocks[place].1.push(cell);
        }
        blocks
    }

    /// The window of a cell: longer where so many threads share a CPU that each would see the window's
    /// edges late by more than the share of it that would be noted, or where the line takes bytes so slowly that a sender sleeps for long.
    pub fn window(&self, cell: &Cell, bounds: impl Into<Bounds>) -> Nanos {
        let bounds = bounds.into();
        // The sink's helper has a CPU to itself, which the senders lack.
        let helpers = u32::from(cell.link.capabilities().has_helper);
        let shared_by = u64::from(cell.busy_on_hosts().shared_by(bounds.cpus, helpers));
        let late = Nanos(TURN.0 * shared_by.saturating_sub(1));
        let is_asked = self.measure.window != Self::preset(self.preset).measure.window;
        let at_line = if is_asked { Nanos(0) } else { Self::window_at_line(cell, bounds) };
        if late == Nanos(0) {
            return self.measure.window.max(at_line);
        }
        // A threshold of 0 asks for what no window can give: then the longest that a plan may have.
        let long_enough = (late.as_secs_f64() / self.thresholds.window_noted.0).min(3600.0);
        self.measure.window.max(Nanos::from_secs_f64(long_enough)).max(at_line)
    }

    /// The time that `rounds` rounds of these cells take at least, without retries.
    pub fn expected<'c>(
        &self,
        cells: impl IntoIterator<Item = &'c Cell>,
        rounds: u32,
        bounds: impl Into<Bounds>,
    ) -> Nanos {
        self.expected_left(cells, 0..rounds, bounds, |_| true)
    }

    /// The same of these rounds (from 0) and of the blocks with a cell that is left.
    pub fn expected_left<'c>(
        &self,
        cells: impl IntoIterator<Item = &'c Cell>,
        rounds: Range<u32>,
        bounds: impl Into<Bounds>,
        is_left: impl Fn(&Cell) -> bool,
    ) -> Nanos {
        self.expected_of(cells, rounds, bounds.into(), |turns| turns, is_left)
    }

    /// The time that one round (from 0) of these cells takes with the fewest turns that a series may have, of the blocks with a cell that
    /// is left: all turns where the plan names their number, or measures steadily.
    pub fn least_round<'c>(
        &self,
        cells: impl IntoIterator<Item = &'c Cell>,
        round: u32,
        bounds: impl Into<Bounds>,
        is_left: impl Fn(&Cell) -> bool,
    ) -> Nanos {
        let is_open = self.measure.turns.is_none();
        let fewest = |turns: Turns| if is_open { turns.at_most(FEWEST_TURNS) } else { turns };
        self.expected_of(cells, round..round.saturating_add(1), bounds.into(), fewest, is_left)
    }

    fn expected_of<'c>(
        &self,
        cells: impl IntoIterator<Item = &'c Cell>,
        rounds: Range<u32>,
        bounds: Bounds,
        in_turns: impl Fn(Turns) -> Turns,
        is_left: impl Fn(&Cell) -> bool,
    ) -> Nanos {
        // Starting, draining and journalling a trial, beside the times ordered.
        const AROUND: u64 = 40_000_000;
        let trial = |cell: &Cell| {
            self.window(cell, bounds).0 + self.measure.warmup.0 + self.measure.tail.0 + AROUND
        };
        let mut blocks: BTreeMap<Block, Vec<Cell>> = BTreeMap::new();
        let within = self.within_block();
        for cell in cells {
            blocks.entry(cell.block(&within)).or_default().push(cell.clone());
        }
        let block = |cells: &Vec<Cell>, is_control| match self.turns(cells, bounds, is_control) {
            Some(turns) => in_turns(turns).lasts(cells.len()).0,
            None => cells.iter().map(trial).sum(),
        };
        let number = rounds.end.saturating_sub(rounds.start);
        let all = |(place, cells): (usize, &Vec<Cell>)| {
            let with = control_rounds(rounds.end, place)
                .saturating_sub(control_rounds(rounds.start, place));
            let (with, without) = (u64::from(with), u64::from(number.saturating_sub(with)));
            let control = block(cells, true).saturating_mul(with);
            control.saturating_add(block(cells, false).saturating_mul(without))
        };
        // A block's controls hang on its place among all.
        let left = (0..).zip(blocks.values()).filter(|(_, cells)| cells.iter().any(&is_left));
        Nanos(left.map(all).fold(0, u64::saturating_add))
    }

    /// What resume compares: everything but budget, precision, rounds and label.
    pub fn identity(&self) -> String {
        let mut same = self.clone();
        same.label.clear();
        same.measure.precision = None;
        same.measure.rounds = None;
        same.measure.min_rounds = FEWEST_ROUNDS;
        same.measure.max_time = None;
        same.to_toml()
    }

    /// Whether a peer is named exactly where a link has one, which is then the only one.
    fn check_peer(&self) -> Result<(), String> {
        let links = &self.factors.link;
        match (&self.peer, links.iter().find(|link| link.capabilities().has_peer_host)) {
            // What the machine does beside the ends, and which CPUs they may use, is read once for a run: of one link.
            (Some(peer), Some(_)) if links.len() > 1 => Err(peer.beside_links(links)),
            (Some(_), Some(_)) | (None, None) => Ok(()),
            (None, Some(link)) => Err(format!(
                "link {link}: the other host is not named; say copycost run --peer user@host"
            )),
            (Some(peer), None) => Err(peer.beside_links(links)),
        }
    }

    /// Checks what no single factor can see.
    ///
    /// # Errors
    /// No cell at all, too many, or times that make no trial.
    pub fn check(&self) -> Result<(), String> {
        check_label(&self.label)?;
        if self.factors.are_too_many() {
            return Err(format!(
                "the plan has more than {MAX_CELLS} cells; name fewer values for a factor"
            ));
        }
        // What a preset brings along nobody asked for.
        let unasked = [FactorLists::default(), Self::preset(self.preset).factors];
        let idle = |factor: &&Factor| {
            let links = &self.factors.link;
            unasked.iter().all(|lists| self.factors.get(**factor) != lists.get(**factor))
                && !links.iter().any(|link| factor.means_something_on(*link))
        };
        // Where nobody receives, the presets' own receive buffer says nothing of what was asked.
        let nobody_receives = !self.factors.link.iter().any(|link| link.has_receiver());
        let is_of_nobody = |factor: &Factor| {
            nobody_receives
                && matches!(factor, Factor::Recv | Factor::ReceiveBuffer | Factor::Rcvbuf)
        };
        if let Some(factor) = Factor::ALL.iter().filter(|f| !is_of_nobody(f)).find(idle) {
            let on: Vec<&str> = Link::ALL
                .iter()
                .filter(|link| factor.means_something_on(**link))
                .map(|link| link.name())
                .collect();
            let links = self.factors.get(Factor::Link).join(",");
            return Err(format!(
                "{} means nothing on {links}; add --link {}",
                factor.key(),
                on.join(" or ")
            ));
        }
        self.check_peer()?;
        let cells = self.cells();
        cells.iter().try_for_each(Cell::check)?;
        // Some that do not exist are left out, and told of, when it is run.
        let lacking: Option<Vec<_>> = cells.iter().map(Cell::lacks_path).collect();
        if let Some(why) = lacking.as_deref().and_then(<[_]>::first) {
            return Err(why.to_string());
        }
        self.check_contrasts()?;
        self.measure.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_plan_is_the_papers_48_cells_in_16_blocks() {
        let plan = Plan::preset(Preset::Default);
        assert_eq!(plan.cells().len(), 48);
        assert_eq!(plan.blocks().len(), 16);
        assert!(plan.check().is_ok());
    }

    #[test]
    fn what_is_expected_grows_with_the_rounds_and_no_number_of_them_is_too_large_to_ask() {
        let plan = Plan::preset(Preset::Default);
        let expected = |rounds| plan.expected(&plan.cells(), rounds, 2);
        assert_eq!(expected(30).0, 10 * expected(3).0);
        assert!(expected(3) < expected(4) && expected(3).0 > 2 * expected(1).0);
        assert_eq!(expected(u32::MAX), Nanos(u64::MAX));
    }

    #[test]
    fn a_factor_that_means_nothing_on_any_link_of_the_plan_is_refused() {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.set(Factor::AckInterval, "20us,1ms").unwrap();
        let why = plan.check().unwrap_err();
        assert_eq!(why, "ack-interval means nothing on loopback; add --link sink");
        plan.factors.set(Factor::Link, "loopback,sink").unwrap();
        assert_eq!(plan.check(), Ok(()));
        assert_eq!(plan.cells().len(), 3 * 48);
    }

    #[test]
    fn controls_are_twins_within_an_existing_block() {
        let plan = Plan::preset(Preset::Default);
        let controls: Vec<_> = plan.controls().iter().map(Cell::id).collect();
        assert_eq!(
            controls,
            [
                "send=sendmsg message_bytes=65536 threads=1 watch=none",
                "send=sendmsg message_bytes=65536 threads=1 replica=2",
                "send=zerocopy message_bytes=65536 threads=1 so_zerocopy=off",
            ]
        );
    }

    #[test]
    fn every_choice_that_varies_is_compared_within_its_block() {
        let mut plan = Plan::preset(Preset::Default);
        let texts = |plan: &Plan| -> Vec<String> {
            plan.contrasts().iter().map(ToString::to_string).collect()
        };
        let paths = ["send: sendmsg / send", "send: zerocopy / send", "send: zerocopy / sendmsg"];
        assert_eq!(texts(&plan), paths);
        plan.factors.set(Factor::Nodelay, "on,off").unwrap();
        assert_eq!(texts(&plan)[3..], ["nodelay: on / off"]);
        assert_eq!(plan.blocks().len(), 16, "both values stand in one block");
        // Sizes and threads are followed, not chosen between.
        plan.factors.set(Factor::Fields, "1,8").unwrap();
        assert_eq!((texts(&plan).len(), plan.blocks().len()), (4, 32));
        plan.contrasts = vec!["send: sendmsg / send".parse().unwrap()];
        assert_eq!((texts(&plan).len(), plan.blocks().len()), (1, 64));
    }

    #[test]
    fn a_named_contrast_is_one_that_the_plan_can_compare_and_stands_once() {
        let with = |contrasts: &str| {
            let mut plan = Plan::preset(Preset::Default);
            plan.set_contrasts(contrasts).unwrap();
            plan.check()
        };
        assert_eq!(with("send: sendmsg / send"), Ok(()));
        for (contrasts, why) in [
            ("send: staged / send", "no send staged"),
            ("nodelay: on / off", "no nodelay"),
            ("threads: 1 / 2", "not compared within blocks"),
            ("send: sendmsg / send, send: send / sendmsg", "named twice"),
        ] {
            let error = with(contrasts).unwrap_err();
            assert!(error.contains(why) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn an_oversubscribed_cell_gets_a_longer_window() {
        let plan = Plan::preset(Preset::Default);
        let cells = plan.cells();
        let of = |threads: u32| {
            let cell = cells.iter().find(|c| c.threads.get() == threads).unwrap();
            plan.window(cell, 2)
        };
        assert_eq!(of(1), Nanos::ms(250));
        assert_eq!(of(8), Nanos::ms(560));
        assert_eq!(plan.window(&cells[0], 0), Nanos::ms(250));
        // Sixteen senders on the two CPUs that the sink's helper leaves them.
        let on_sink: Cell = "link=sink threads=16".parse().unwrap();
        assert_eq!(plan.window(&on_sink, 3), Nanos::ms(560));
        assert_eq!(plan.window(&on_sink, 17), Nanos::ms(250));
    }

    #[test]
    fn budget_and_precision_may_differ_on_resume_and_nothing_else() {
        let plan = Plan::preset(Preset::Default);
        let mut longer = plan.clone();
        longer.measure.max_time = Some(Nanos::s(3000));
        longer.measure.precision = Some(Share(0.01));
        assert_eq!(plan.identity(), longer.identity());
        let mut other = plan.clone();
        other.measure.window = Nanos::ms(300);
        assert_ne!(plan.identity(), other.identity());
    }

    #[test]
    fn a_setting_that_does_nothing_to_a_unix_socket_is_refused_and_so_is_a_plan_of_paths_that_are_not_there()
     {
        let refused = |lists: &[(Factor, &str)]| {
            let mut plan = Plan::preset(Preset::Default);
            plan.factors.set(Factor::Link, "unix").unwrap();
            lists.iter().for_each(|(factor, text)| plan.factors.set(*factor, text).unwrap());
            plan.check().err()
        };
        assert_eq!(refused(&[]), None);
        assert_eq!(refused(&[(Factor::Sndbuf, "65536"), (Factor::Recv, "readv")]), None);
        for (factor, text) in [
            (Factor::Rcvbuf, "65536"),
            (Factor::Rate, "1Gbit/s"),
            (Factor::BusyPoll, "50us"),
            (Factor::Nodelay, "on"),
            (Factor::Congestion, "reno"),
            (Factor::Segment, "1000"),
            (Factor::Family, "ipv6"),
        ] {
            let why = refused(&[(factor, text)]).unwrap();
            assert!(why.contains("means nothing on unix") && why.contains("loopback"), "{why}");
        }
        assert_eq!(refused(&[(Factor::Send, "send,zerocopy")]), None, "one of the two is there");
        let why = refused(&[(Factor::Send, "hybrid,zerocopy")]).unwrap();
        assert!(why.contains("over unix") && why.contains("--send sendmsg"), "{why}");
    }

    #[test]
    fn a_link_to_another_host_has_a_peer_and_a_run_of_its_own() {
        let with = |links: &str, peer: &[(&'static str, String)]| {
            let mut plan = Plan::preset(Preset::Default);
            plan.factors.set(Factor::Link, links).unwrap();
            plan.set_peer(peer).unwrap();
            plan.check()
        };
        let peer = [("peer", "user@host".to_owned())];
        assert_eq!(with("ssh", &peer), Ok(()));
        assert!(with("ssh", &[]).unwrap_err().contains("--peer user@host"));
        for (links, others) in [("loopback", "loopback"), ("loopback,ssh", "loopback")] {
            assert_eq!(
                with(links, &peer).unwrap_err(),
                format!(
                    "--peer user@host and --link {others} exclude each other, as a run to another host has the link ssh alone: leave one of the two out"
                )
            );
        }
    }
}
