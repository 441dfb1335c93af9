//! When to stop: once every ratio that the plan asks for is known as precisely as it asks.
//!
//! A run *aims* at the contrasts within its blocks, in goodput and in the link's cost: each round gives each of them one
//! log-ratio. Where a block has nothing to compare (a plan of one path, or one whose other paths this machine cannot
//! measure), it aims at the levels of its cells.
//!
//! This is the sequential rule of fixed width (F. J. Anscombe, J. Royal Statistical Society B 15, 1953; Y. S. Chow
//! and H. Robbins, Annals of Mathematical Statistics 36, 1965) with Student's t for the normal quantile and a pilot of
//! `min_rounds` rounds. Looking after every round makes it stop a little too gladly on a sample that happens to spread
//! little, so the intervals cover less than 95 %. With a pilot of 10 rounds they were simulated to cover 93 to 97 %
//! whatever the spread (one aim on its own is the worst case, as several wait for each other); asking for narrow
//! intervals after two, three or four rounds in a row, or inflating the spread by 1 + 1/n, gained nothing that showed.
//! `tests/coverage.rs` holds this. Pilots shorter than 10 rounds cover less and are called preliminary.

use model::record::{FailureKind, Outcome, Trial};
use model::{Cell, Contrast, Mark, Plan, Share};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Sample;
use crate::figures::Reading;
use crate::marks::is_void;
use crate::metric::Metric;
use crate::pairings::{Places, contrasted};
use crate::trends::{Trend, Trends};
use crate::turn_noise::{SeriesNoise, TurnNoise, turn_rates};

/// After so many rounds in a row without a valid trial a cell is no longer waited for.
pub const HOPELESS_ROUNDS: u32 = 3;

/// Whether another round is worth its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A ratio is not as precise as asked, or too few rounds are done, or no precision is asked for.
    Continue,
    /// Every ratio is.
    Precise,
}

/// What was seen of the plan's cells so far; each trial updates it, so that deciding is cheap.
#[derive(Clone, Debug)]
pub struct Observations {
    places: Places,
    seen: Vec<Seen>,
    blocks: Vec<BlockAims>,
    blocks_may_end: bool,
    trends: Trends,
    /// What they told at the end of the last round.
    found: Vec<Trend>,
    margin: Share,
    segment: u32,
    rounds: u32,
    min_rounds: u32,
    precision: Option<Share>,
}

/// A cell, as far as its next trials go.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Its last valid trial in this round.
    last: Option<Last>,
    /// Whether this machine was found unable to measure it, in this segment.
    is_unsupported: bool,
    /// Rounds in a row in which every attempt was void, in this segment.
    void_rounds: u32,
}

impl Seen {
    const fn is_given_up(&self) -> bool {
        self.is_unsupported || self.void_rounds >= HOPELESS_ROUNDS
    }
}

/// What a trial said.
#[derive(Clone, Debug)]
struct Last {
    /// The segment that measured it.
    segment: u32,
    figures: Figures,
    /// Goodput of each turn; empty where it was measured steadily.
    turns: Vec<f64>,
}

/// Goodput and the link's cost.
type Figures = [Option<f64>; 2];

/// What a block may aim at: its contrasts, and where none of them can be measured its levels.
#[derive(Clone, Debug, Default)]
struct BlockAims {
    ratios: Vec<Aim>,
    levels: Vec<Aim>,
}

/// A contrast between two cells, or the level of one; cells by their places.
#[derive(Clone, Debug)]
struct Aim {
    cell: usize,
    against: Option<(usize, Contrast)>,
    samples: [Sample; 2],
    /// Of goodput; a level has none.
    noise: SeriesNoise,
    /// Whether the intervals were narrow at the end of the last round.
    is_narrow: bool,
}

impl Aim {
    fn new(cell: usize, against: Option<(usize, Contrast)>) -> Self {
        Self {
            cell,
            against,
            samples: [Sample::default(); 2],
            noise: SeriesNoise::default(),
            is_narrow: false,
        }
    }

    fn is_of(&self, cell: usize) -> bool {
        self.cell == cell || self.against.as_ref().is_some_and(|(against, _)| *against == cell)
    }

    /// Takes the round's figures in.
    fn push(&mut self, seen: &[Seen]) {
        let last = |cell: usize| seen.get(cell).and_then(|seen| seen.last.as_ref());
        let Some(Last { segment, figures: of_cell, turns }) = last(self.cell) else { return };
        let over = match &self.against {
            None => [Some(1.0); 2],
            // Trials of a killed segment are not paired with the next one's.
            Some((against, _)) => match last(*against) {
                Some(other) if other.segment == *segment => {
                    self.noise.push(turns, &other.turns);
                    other.figures
                }
                _ => return,
            },
        };
        for (sample, figures) in self.samples.iter_mut().zip(of_cell.iter().copied().zip(over)) {
            if let (Some(x), Some(over)) = figures {
                // A figure at or below 0 has no ratio, and no interval then.
                sample.push(if x > 0.0 && over > 0.0 { x / over } else { 0.0 });
            }
        }
    }

    /// The wider one of the two intervals.
    fn half_width(&self) -> Option<f64> {
        let [goodput, cost] = &self.samples;
        Some(goodput.half_width()?.max(cost.half_width()?))
    }
}

/// What is known least precisely.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Widest {
    /// The cell.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// By what it is compared; none where it is the cell's own level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<Contrast>,
    /// Half the width of the wider one of its intervals (goodput, the link's cost), as a share: 0.03 is ±3 %.
    pub half_width: f64,
}

impl Observations {
    /// Nothing seen yet of the plan's cells. Controls are not waited for.
    pub fn new(plan: &Plan) -> Self {
        let places = Places::new(plan);
        let mut blocks = vec![BlockAims::default(); places.blocks.len()];
        for pair in contrasted(plan, &places) {
            let aim = Aim::new(pair.cell, Some((pair.against, pair.contrast)));
            blocks[pair.block].ratios.push(aim);
        }
        for cell in 0..places.asked {
            blocks[places.block_of[cell]].levels.push(Aim::new(cell, None));
        }
        let measure = &plan.measure;
        Self {
            seen: vec![Seen::default(); places.cells.len()],
            places,
            blocks,
            blocks_may_end: measure.rounds.is_none() && measure.precision.is_some(),
            trends: Trends::default(),
            found: Vec::new(),
            margin: measure.margin,
            segment: 0,
            rounds: 0,
            min_rounds: measure.min_rounds,
            precision: measure.precision,
        }
    }

    fn seen_mut(&mut self, cell: &Cell) -> Option<&mut Seen> {
        self.places.place(cell).and_then(|place| self.seen.get_mut(place))
    }

    /// Takes a trial in, with the marks that it earned; a void one adds no figure. Of several of a cell in a round the last
    /// valid one counts.
    pub fn push(&mut self, trial: &Trial, marks: &[Mark]) {
        let segment = self.segment;
        let Some(seen) = self.seen_mut(&trial.cell) else { return };
        if let Outcome::Failed(failure) = &trial.outcome {
            seen.is_unsupported = failure.kind == FailureKind::Unsupported;
        }
        if is_void(marks) {
            return;
        }
        seen.is_unsupported = false;
        let reading = Reading::new(trial, None);
        let figures = [Metric::GoodputGbps, Metric::cost_on(trial.cell.link)]
            .map(|metric| reading.value(metric).value().copied());
        seen.last = Some(Last { segment, figures, turns: turn_rates(trial) });
        self.trends.push(trial);
    }

    /// Takes the two figures of a valid trial in, goodput and the link's cost ([`Metric::cost_on`]); cells that are not of the plan are passed over.
    pub fn observe(&mut self, cell: &Cell, goodput_gbps: f64, cost_ns_per_kib: f64) {
        let segment = self.segment;
        if let Some(seen) = self.seen_mut(cell) {
            let figures = [Some(goodput_gbps), Some(cost_ns_per_kib)];
            seen.last = Some(Last { segment, figures, turns: Vec::new() });
        }
    }

    /// Another process measures: it may have other rights, and better luck.
    pub fn begin_segment(&mut self) {
        self.segment += 1;
        for seen in &mut self.seen {
            seen.is_unsupported = false;
            seen.void_rounds = 0;
        }
    }

    /// A cell is done with for this round; `is_valid` says whether one of its attempts was. Returns whether this was the
    /// round from which on it is no longer waited for.
    pub fn end_cell(&mut self, cell: &Cell, is_valid: bool) -> bool {
        let Some(seen) = self.seen_mut(cell) else { return false };
        seen.void_rounds = if is_valid { 0 } else { seen.void_rounds + 1 };
        seen.void_rounds == HOPELESS_ROUNDS
    }

    /// A round is over. Precision is looked at here and nowhere else.
    pub fn end_round(&mut self) {
        self.rounds += 1;
        for aim in self.blocks.iter_mut().flat_map(|of| of.ratios.iter_mut().chain(&mut of.levels))
        {
            aim.push(&self.seen);
            aim.is_narrow = match (aim.half_width(), self.precision) {
                (Some(half), Some(precision)) => half <= precision.0,
                _ => false,
            };
        }
        for seen in &mut self.seen {
            seen.last = None;
        }
        self.found = self.trends.found(self.margin);
    }

    /// Rounds that are over.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    fn is_given_up(&self, cell: usize) -> bool {
        self.seen.get(cell).is_some_and(Seen::is_given_up)
    }

    /// Whether it is narrow, or can become so.
    fn may_be_narrow(&self, aim: &Aim) -> bool {
        let against = aim.against.as_ref().map(|(cell, _)| *cell);
        aim.is_narrow
            || !std::iter::once(aim.cell).chain(against).any(|cell| self.is_given_up(cell))
    }

    /// What a block aims at: what is narrow already, or can become so.
    fn aims<'a>(&'a self, of: &'a BlockAims) -> Vec<&'a Aim> {
        let counts = |aim: &&Aim| self.may_be_narrow(aim);
        let ratios: Vec<&Aim> = of.ratios.iter().filter(counts).collect();
        if ratios.is_empty() { of.levels.iter().filter(counts).collect() } else { ratios }
    }

    /// Whether all that a block aims at is as precise as asked; none where it can aim at nothing.
    fn is_block_precise(&self, of: &BlockAims) -> Option<bool> {
        let aims = self.aims(of);
        let are_narrow = || self.rounds >= self.min_rounds && aims.iter().all(|aim| aim.is_narrow);
        (!aims.is_empty()).then(are_narrow)
    }

    /// The place of a cell of the plan, and what its block aims at; none of a control.
    fn asked(&self, cell: &Cell) -> Option<(usize, Vec<&Aim>)> {
        let place = self.places.place(cell).filter(|place| *place < self.places.asked)?;
        let block = self.blocks.get(*self.places.block_of.get(place)?)?;
        Some((place, self.aims(block)))
    }

    /// Half-width of the widest interval that the run aims at and that is of a cell, as a share; none below two rounds.
    pub fn half_width(&self, cell: &Cell) -> Option<f64> {
        let (place, aims) = self.asked(cell)?;
        let widths = aims.iter().filter(|aim| aim.is_of(place)).map(|aim| aim.half_width());
        widths.collect::<Option<Vec<f64>>>()?.into_iter().max_by(f64::total_cmp)
    }

    /// Whether a cell needs no more rounds: enough rounds are over, and what it is compared with is told apart as finely
    /// as asked. Controls never need one on their own.
    pub fn is_precise(&self, cell: &Cell) -> bool {
        let Some((place, aims)) = self.asked(cell) else { return true };
        let of_cell = || aims.iter().filter(|aim| aim.is_of(place));
        let is_measured = of_cell().next().is_some() || !self.is_given_up(place);
        self.rounds >= self.min_rounds
            && is_measured
            && !aims.is_empty()
            && of_cell().all(|aim| aim.is_narrow)
    }

    /// Whether a cell needs no more rounds, or would not profit from them.
    pub fn is_settled(&self, cell: &Cell) -> bool {
        self.is_precise(cell) || self.places.place(cell).is_some_and(|cell| self.is_given_up(cell))
    }

    /// Where the noise of a block's ratios lies; none before two series of turns.
    pub fn turn_noise(&self, block: &[Cell]) -> Option<TurnNoise> {
        TurnNoise::of(self.block_of(block)?.ratios.iter().map(|aim| &aim.noise))
    }

    /// The turns of warm-up that a block's next series needs: as many as its last one had, and twice as many where a cell was
    /// still getting faster or slower within its series, which is asked anew after each round and never taken back; none before
    /// there is one.
    pub fn warmup_turns(&self, block: &[Cell]) -> Option<u32> {
        let of_block = self.found.iter().filter(|trend| block.contains(&trend.cell));
        of_block
            .map(|trend| trend.warmup_turns.saturating_mul(if trend.is_found() { 2 } else { 1 }))
            .max()
    }

    /// What the block of these cells aims at.
    fn block_of(&self, block: &[Cell]) -> Option<&BlockAims> {
        let place = block.iter().find_map(|cell| self.places.place(cell))?;
        self.blocks.get(*self.places.block_of.get(place)?)
    }

    /// Whether a block can be left out of the rounds to come because nothing that it aims at needs them. Its trials so far
    /// are a whole number of blocks, chosen by each block's own figures as a run of that block alone would have stopped;
    /// so leaving it out biases it no more than stopping does.
    pub fn may_skip(&self, block: &[Cell]) -> bool {
        self.blocks_may_end
            && self.block_of(block).and_then(|of| self.is_block_precise(of)) == Some(true)
    }

    /// How many cells of the plan are precise.
    pub fn precise_cells(&self) -> usize {
        let asked = self.places.cells.iter().take(self.places.asked);
        asked.filter(|cell| self.is_precise(cell)).count()
    }

    /// How many ratios are as narrow as asked, and of how many that can be measured; none where the plan compares nothing.
    pub fn narrow_ratios(&self) -> Option<(usize, usize)> {
        let all = self.blocks.iter().flat_map(|of| &of.ratios);
        all.clone().next()?;
        let narrow = all.clone().filter(|aim| aim.is_narrow).count();
        Some((narrow, all.filter(|aim| self.may_be_narrow(aim)).count()))
    }

    /// Whether a cell could not be measured on this machine at all; such a cell is not waited for.
    pub fn is_unsupported(&self, cell: &Cell) -> bool {
        let seen = self.places.place(cell).and_then(|place| self.seen.get(place));
        seen.is_some_and(|seen| seen.is_unsupported)
    }
}

/// Whether to stop, asked after whole rounds: all that can be measured is precise, and something is.
pub fn decide(observations: &Observations) -> Decision {
    let mut precise = observations.blocks.iter().filter_map(|of| observations.is_block_precise(of));
    // The first one is looked at twice.
    let is_any = precise.clone().next().is_some();
    if observations.precision.is_some() && is_any && precise.all(|is_precise| is_precise) {
        Decision::Precise
    } else {
        Decision::Continue
    }
}

/// What the run knows least precisely of what it aims at; none before anything has two rounds.
pub fn widest(observations: &Observations) -> Option<Widest> {
    let aims = observations.blocks.iter().flat_map(|of| observations.aims(of));
    let widths = aims.filter_map(|aim| Some((aim, aim.half_width()?)));
    let (aim, half_width) = widths.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Widest {
        cell: observations.places.cells.get(aim.cell)?.clone(),
        contrast: aim.against.as_ref().map(|(_, contrast)| contrast.clone()),
        half_width,
    })
}
