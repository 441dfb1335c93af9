//! Which cells of a plan are compared within their blocks, and their log-ratios.

use std::collections::{BTreeMap, HashMap};

use model::names::Watch;
use model::values::Replica;
use model::{Block, Cell, Contrast, Measured, Plan, Share};

use crate::estimate::Estimate;
use crate::estimate::{Moments, half_width};
use crate::judged::{JudgedTrial, JudgedTrials};
use crate::line_rate::Line;
use crate::metric::Metric;
use crate::pairs::{AllLogRatios, Complete, Logs, RATIO_METRICS, SIGNIFICANCE, test_family};
use crate::results::{Finding, NoiseFloor, Ratio};
use crate::turn_noise::{SeriesNoise, TurnNoise};

/// A plan's cells and controls, and their blocks, by place.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Cells of the plan, then its controls.
    pub(crate) cells: Vec<Cell>,
    /// How many of them are no controls.
    pub(crate) asked: usize,
    /// Each block's name and cells.
    pub(crate) blocks: Vec<(Block, Vec<usize>)>,
    /// The block of each cell.
    pub(crate) block_of: Vec<usize>,
    by_cell: HashMap<Cell, usize>,
}

impl Places {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut cells = plan.cells();
        let asked = cells.len();
        cells.extend(plan.controls());
        let by_cell: HashMap<Cell, usize> =
            cells.iter().cloned().enumerate().map(|(i, cell)| (cell, i)).collect();
        let mut block_of = vec![0; cells.len()];
        let mut blocks = Vec::new();
        for (place, (block, members)) in plan.blocks().into_iter().enumerate() {
            let members: Vec<usize> =
                members.iter().filter_map(|cell| by_cell.get(cell).copied()).collect();
            for cell in &members {
                block_of[*cell] = place;
            }
            blocks.push((block, members));
        }
        Self { cells, asked, blocks, block_of, by_cell }
    }

    /// The place of a cell; none for one that is not of the plan.
    pub(crate) fn place(&self, cell: &Cell) -> Option<usize> {
        self.by_cell.get(cell).copied()
    }
}

/// A comparison to be made in each complete block of one name.
#[derive(Clone, Copy, Debug)]
struct Pairing {
    cell: usize,
    against: usize,
    /// Where its log-ratios are collected; twins share a place.
    into: Into,
}

#[derive(Clone, Copy, Debug)]
enum Into {
    Contrast(usize),
    Replicas,
    Watch,
}

/// Two cells of a block that differ in one contrast of the plan, and their log-ratios.
#[derive(Debug)]
pub(crate) struct Contrasted {
    pub(crate) contrast: Contrast,
    pub(crate) block: usize,
    pub(crate) cell: usize,
    pub(crate) against: usize,
    log_ratios: AllLogRatios,
    noise: SeriesNoise,
    /// Blocks that gave no log-ratio, as what differs was not there ([`JudgedTrial::differs_as_asked`]).
    not_as_asked: u32,
}

/// The pairs of cells that the plan's contrasts compare, block by block, without a log-ratio yet. Controls are in none.
pub(crate) fn contrasted(plan: &Plan, places: &Places) -> Vec<Contrasted> {
    let of_plan = plan.contrasts();
    let mut contrasts = Vec::new();
    for (block, (_, members)) in places.blocks.iter().enumerate() {
        for contrast in &of_plan {
            let asked = members.iter().copied().filter(|cell| *cell < places.asked);
            let twin = |cell: &usize| {
                let twin = places.place(&contrast.twin(&places.cells[*cell])?)?;
                (twin < places.asked && members.contains(&twin)).then_some(twin)
            };
            let pairs = asked.filter_map(|cell| Some((cell, twin(&cell)?)));
            contrasts.extend(pairs.map(|(cell, against)| Contrasted {
                contrast: contrast.clone(),
                block,
                cell,
                against,
                log_ratios: AllLogRatios::default(),
                noise: SeriesNoise::default(),
                not_as_asked: 0,
            }));
        }
    }
    contrasts
}

/// All comparisons within blocks, and the log-ratios that complete blocks gave them.
#[derive(Debug)]
pub(crate) struct Pairings {
    of_block: Vec<Vec<Pairing>>,
    contrasts: Vec<Contrasted>,
    replicas: AllLogRatios,
    watch: AllLogRatios,
}

impl Pairings {
    /// Every comparison that the plan allows: its contrasts; replicas against the first of them; the instruments on against
    /// off.
    fn new(plan: &Plan, places: &Places) -> Self {
        let mut of_block = Vec::new();
        let contrasts = contrasted(plan, places);
        for (block, (_, members)) in places.blocks.iter().enumerate() {
            let of = contrasts.iter().enumerate().filter(|(_, pair)| pair.block == block);
            let mut pairings: Vec<Pairing> = of
                .map(|(place, Contrasted { cell, against, .. })| Pairing {
                    cell: *cell,
                    against: *against,
                    into: Into::Contrast(place),
                })
                .collect();
            let but_replica = |cell: &Cell| Cell { replica: Replica::ONE, ..cell.clone() };
            for family in families(places, members, but_replica, |cell| cell.replica) {
                let twins = family.iter().skip(1).map(|cell| (*cell, family[0]));
                pairings.extend(twins.map(|(cell, against)| Pairing {
                    cell,
                    against,
                    into: Into::Replicas,
                }));
            }
            let but_watch = |cell: &Cell| Cell { watch: Watch::None, ..cell.clone() };
            for family in families(places, members, but_watch, |cell| cell.watch) {
                if let [cell, against] = family[..] {
                    pairings.push(Pairing { cell, against, into: Into::Watch });
                }
            }
            of_block.push(pairings);
        }
        Self {
            of_block,
            contrasts,
            replicas: AllLogRatios::default(),
            watch: AllLogRatios::default(),
        }
    }

    /// The comparisons of a plan over complete blocks.
    pub(crate) fn over(
        plan: &Plan,
        places: &Places,
        trials: &JudgedTrials,
        complete: &[Complete],
    ) -> Self {
        let mut pairings = Self::new(plan, places);
        let mut seen: Vec<Option<(Logs, &JudgedTrial)>> = vec![None; places.cells.len()];
        for Complete { block, trials: of_block, .. } in complete {
            for (cell, trial) in of_block {
                let judged = &trials.all()[*trial];
                seen[*cell] = Some((judged.logs(), judged));
            }
            // Twins of one block share its drift, and may share a trial: their mean is one observation.
            let mut twins = AllLogRatios::default();
            for Pairing { cell, against, into } in &pairings.of_block[*block] {
                let (Some((cell, of_cell)), Some((against, of_against))) =
                    (&seen[*cell], &seen[*against])
                else {
                    continue;
                };
                let collected = match into {
                    Into::Contrast(place) => {
                        let contrasted = &mut pairings.contrasts[*place];
                        if !of_cell.differs_as_asked(of_against) {
                            contrasted.not_as_asked += 1;
                            continue;
                        }
                        contrasted.noise.push(&of_cell.turn_rates, &of_against.turn_rates);
                        &mut contrasted.log_ratios
                    }
                    Into::Replicas => &mut twins,
                    Into::Watch => &mut pairings.watch,
                };
                collected.push(cell, against);
            }
            pairings.replicas.push_mean_of(&twins);
            for (cell, _) in of_block {
                seen[*cell] = None;
            }
        }
        pairings
    }

    /// Cells that are compared in their blocks.
    pub(crate) fn contrasts(&self) -> &[Contrasted] {
        &self.contrasts
    }

    /// Every ratio of the plan's contrasts, tested: the ratios of one metric are a family.
    pub(crate) fn ratios(&self, places: &Places, margin: Share) -> Vec<Ratio> {
        let families = RATIO_METRICS.map(|metric| {
            let of = |contrasted: &Contrasted| contrasted.log_ratios.of(metric).moments();
            let family: Vec<Moments> = self.contrasts.iter().map(of).collect();
            (metric, test_family(&family, margin))
        });
        let mut ratios = Vec::with_capacity(self.contrasts.len() * RATIO_METRICS.len());
        for (place, contrasted) in self.contrasts.iter().enumerate() {
            let Contrasted { contrast, block, cell, against, log_ratios, noise: _, not_as_asked } =
                contrasted;
            let link = places.cells[*cell].link;
            for (metric, tested) in families.iter().filter(|(metric, _)| metric.is_formed_on(link))
            {
                let too_few = || {
                    Measured::absent(
                        "a test needs two complete blocks in which both trials are valid",
                    )
                };
                ratios.push(Ratio {
                    contrast: contrast.clone(),
                    block: places.blocks[*block].0.to_string(),
                    cell: places.cells[*cell].clone(),
                    against: places.cells[*against].clone(),
                    metric: *metric,
                    ratio: if *not_as_asked > 0 && log_ratios.is_empty() {
                        Measured::absent(
                            "busy polling did nothing: the receiving connections had no NAPI id",
                        )
                    } else {
                        log_ratios.ratio(*metric)
                    },
                    trimmed: log_ratios.of(*metric).trimmed(),
                    p: tested[place].map_or_else(too_few, |tested| Measured::Value(tested.p)),
                    p_holm: tested[place]
                        .map_or_else(too_few, |tested| Measured::Value(tested.p_holm)),
                    finding: tested[place].map_or(Finding::Undecided, |tested| tested.finding),
                });
            }
        }
        ratios
    }

    /// Where the noise of ratios lies: the medians over blocks; absent where nothing was compared in turns.
    pub(crate) fn turn_noise(&self) -> Measured<TurnNoise> {
        let of_block = |block: usize| {
            let of = self.contrasts.iter().filter(move |contrasted| contrasted.block == block);
            TurnNoise::of(of.map(|contrasted| &contrasted.noise))
        };
        let blocks: Vec<TurnNoise> = (0..self.of_block.len()).filter_map(of_block).collect();
        match TurnNoise::median(&blocks) {
            Some(noise) => Measured::Value(noise),
            None => Measured::absent("no cells were compared in two series of turns"),
        }
    }

    /// What equal cells differ by (A/A comparison), and whether that is nothing.
    ///
    /// The twins are equivalent where goodput and, if there, CPU pass two one-sided tests against the plan's margin. A
    /// floor wider than the margin cannot show that, and is no sign of a difference either.
    ///
    /// Twins at line rate are equal by the line: there the floor is that of the cost.
    pub(crate) fn noise_floor(
        &self,
        places: &Places,
        margin: Share,
        line: Option<&Line>,
    ) -> Measured<NoiseFloor> {
        let goodput = self.replicas.of(Metric::GoodputGbps);
        let Measured::Value(estimate) = goodput.ratio() else {
            return Measured::absent("no cell was measured beside its twin");
        };
        // Where a run has the sink alone, the cost of the sender's side is what twins are compared by.
        let ends_cpu = self.replicas.of(Metric::EndsCpuNsPerKib);
        let (cost, ends_cpu) = match ends_cpu.ratio() {
            Measured::Value(_) => (Metric::EndsCpuNsPerKib, ends_cpu),
            Measured::Absent { .. } => {
                let metric = Metric::SenderSideCpuNsPerKib;
                (metric, self.replicas.of(metric))
            }
        };
        let is_levelled = self.are_twins_levelled(places, line);
        let (metric, told) = match (is_levelled, ends_cpu.ratio()) {
            (false, _) => (Metric::GoodputGbps, estimate),
            (true, Measured::Value(of_cost)) => (cost, of_cost),
            (true, Measured::Absent { .. }) => {
                return Measured::absent(
                    "twins were at line rate, where goodput tells the line alone, and have no CPU time",
                );
            }
        };
        let Some(floor) = half_width(&told) else {
            return Measured::absent("a noise floor needs two pairs of twins; measure more rounds");
        };
        let is_equivalent = |moments: &Moments| {
            moments.p_outside(margin.0.ln_1p()).is_none_or(|p| p < SIGNIFICANCE)
        };
        Measured::Value(NoiseFloor {
            goodput: estimate,
            ends_cpu: ends_cpu.ratio(),
            metric,
            half_width: floor,
            equivalent: (is_levelled || is_equivalent(&goodput.moments()))
                && is_equivalent(&ends_cpu.moments()),
        })
    }

    /// Whether twins are at line rate: one pair is enough, as all are pooled.
    fn are_twins_levelled(&self, places: &Places, line: Option<&Line>) -> bool {
        let mut twins =
            self.of_block.iter().flatten().filter(|pairing| matches!(pairing.into, Into::Replicas));
        line.is_some_and(|line| {
            twins.any(|Pairing { cell, against, .. }| {
                let [cell, against] = [*cell, *against].map(|place| &places.cells[place]);
                line.levels(Metric::GoodputGbps, cell, against)
            })
        })
    }

    /// The cost per KiB (both ends', or the sender's side where a run has the sink alone) with the instruments against
    /// without them.
    pub(crate) fn watched_cost(&self) -> Measured<Estimate> {
        match self.watched(Metric::EndsCpuNsPerKib) {
            Measured::Absent { .. } => self.watched(Metric::SenderSideCpuNsPerKib),
            measured @ Measured::Value(_) => measured,
        }
    }

    /// The ends' CPU per KiB, or goodput, with the instruments against without them.
    pub(crate) fn watched(&self, metric: Metric) -> Measured<Estimate> {
        match self.watch.of(metric).ratio() {
            Measured::Absent { .. } => {
                Measured::absent("no cell was measured beside its twin without instruments")
            }
            measured @ Measured::Value(_) => measured,
        }
    }
}

/// Members of a block that `key` makes equal, each family sorted by what then differs; families of one are left out.
fn families<K: Ord>(
    places: &Places,
    members: &[usize],
    key: impl Fn(&Cell) -> Cell,
    differs: impl Fn(&Cell) -> K,
) -> Vec<Vec<usize>> {
    let mut families: BTreeMap<Cell, Vec<usize>> = BTreeMap::new();
    for cell in members {
        families.entry(key(&places.cells[*cell])).or_default().push(*cell);
    }
    let mut families: Vec<Vec<usize>> =
        families.into_values().filter(|family| family.len() > 1).collect();
    for family in &mut families {
        family.sort_by_key(|cell| differs(&places.cells[*cell]));
    }
    families
}
