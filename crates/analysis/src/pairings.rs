//! Which cells of a plan are compared within their blocks, and their log-ratios.

use std::collections::{BTreeMap, HashMap};

use model::names::Watch;
use model::values::Replica;
use model::{Block, Cell, Measured, Plan, Share};

use crate::estimate::{Moments, half_width};
use crate::metric::Metric;
use crate::pairs::{AllLogRatios, Complete, Logs, RATIO_METRICS, SIGNIFICANCE, test_family};
use crate::summary::{Estimate, Finding, NoiseFloor, Ratio};

/// A plan's cells and controls, and their blocks, by place.
#[derive(Debug)]
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
    pub(crate) fn of(&self, cell: &Cell) -> Option<usize> {
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
    Path(usize),
    Replicas,
    Watch,
}

/// All comparisons within blocks, and the log-ratios that complete blocks gave them.
#[derive(Debug)]
pub(crate) struct Pairings {
    of_block: Vec<Vec<Pairing>>,
    /// Block, cell, against, log-ratios.
    paths: Vec<(usize, usize, usize, AllLogRatios)>,
    replicas: AllLogRatios,
    watch: AllLogRatios,
}

impl Pairings {
    /// Every comparison that the plan allows: each later path against each earlier one, everything else being equal;
    /// replicas against the first of them; the instruments on against off.
    fn new(places: &Places) -> Self {
        let mut of_block = Vec::new();
        let mut paths = Vec::new();
        for (block, (_, members)) in places.blocks.iter().enumerate() {
            let mut pairings = Vec::new();
            let asked: Vec<usize> =
                members.iter().copied().filter(|cell| *cell < places.asked).collect();
            let but_path =
                |cell: &Cell| Cell { send_path: Cell::default().send_path, ..cell.clone() };
            for family in families(places, &asked, but_path, |cell| cell.send_path) {
                for (later, cell) in family.iter().enumerate() {
                    for against in &family[..later] {
                        pairings.push(Pairing {
                            cell: *cell,
                            against: *against,
                            into: Into::Path(paths.len()),
                        });
                        paths.push((block, *cell, *against, AllLogRatios::default()));
                    }
                }
            }
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
        Self { of_block, paths, replicas: AllLogRatios::default(), watch: AllLogRatios::default() }
    }

    /// The comparisons of a plan over complete blocks.
    pub(crate) fn over(places: &Places, complete: &[Complete]) -> Self {
        let mut pairings = Self::new(places);
        let mut logs_of: Vec<Option<Logs>> = vec![None; places.cells.len()];
        for Complete { block, logs, .. } in complete {
            for (cell, logs) in logs {
                logs_of[*cell] = Some(*logs);
            }
            // Twins of one block share its drift, and may share a trial: their mean is one observation.
            let mut twins = AllLogRatios::default();
            for Pairing { cell, against, into } in &pairings.of_block[*block] {
                let (Some(cell), Some(against)) = (&logs_of[*cell], &logs_of[*against]) else {
                    continue;
                };
                let collected = match into {
                    Into::Path(place) => &mut pairings.paths[*place].3,
                    Into::Replicas => &mut twins,
                    Into::Watch => &mut pairings.watch,
                };
                collected.push(cell, against);
            }
            pairings.replicas.push_mean_of(&twins);
            for (cell, _) in logs {
                logs_of[*cell] = None;
            }
        }
        pairings
    }

    /// Every ratio between paths, tested: the ratios of one metric are a family.
    pub(crate) fn ratios(&self, places: &Places, margin: Share) -> Vec<Ratio> {
        let families = RATIO_METRICS.map(|metric| {
            let of = |(.., log_ratios): &(usize, usize, usize, AllLogRatios)| {
                log_ratios.of(metric).moments()
            };
            let family: Vec<Moments> = self.paths.iter().map(of).collect();
            (metric, test_family(&family, margin))
        });
        let mut ratios = Vec::with_capacity(self.paths.len() * RATIO_METRICS.len());
        for (place, (block, cell, against, log_ratios)) in self.paths.iter().enumerate() {
            let link = places.cells[*cell].link;
            for (metric, tested) in families.iter().filter(|(metric, _)| metric.is_formed_on(link))
            {
                let too_few = || {
                    Measured::absent(
                        "a test needs two complete blocks in which both trials are valid",
                    )
                };
                ratios.push(Ratio {
                    block: places.blocks[*block].0.to_string(),
                    cell: places.cells[*cell].clone(),
                    against: places.cells[*against].clone(),
                    metric: *metric,
                    ratio: log_ratios.of(*metric).ratio(),
                    p: tested[place].map_or_else(too_few, |tested| Measured::Value(tested.p)),
                    p_holm: tested[place]
                        .map_or_else(too_few, |tested| Measured::Value(tested.p_holm)),
                    finding: tested[place].map_or(Finding::Undecided, |tested| tested.finding),
                });
            }
        }
        ratios
    }

    /// What equal cells differ by (A/A comparison), and whether that is nothing.
    ///
    /// The twins are equivalent where goodput and, if there, CPU pass two one-sided tests against the plan's margin. A
    /// floor wider than the margin cannot show that, and is no sign of a difference either.
    pub(crate) fn noise_floor(&self, margin: Share) -> Measured<NoiseFloor> {
        let goodput = self.replicas.of(Metric::GoodputGbps);
        let Measured::Value(estimate) = goodput.ratio() else {
            return Measured::absent(
                "no cell was measured beside its twin; leave controls on, or add a second value to replica",
            );
        };
        let Some(floor) = half_width(&estimate) else {
            return Measured::absent("a noise floor needs two pairs of twins; measure more rounds");
        };
        // Where a run has the sink alone, the cost of the sender's side is what twins are compared by.
        let ends_cpu = self.replicas.of(Metric::EndsCpuNsPerKib);
        let ends_cpu = match ends_cpu.ratio() {
            Measured::Value(_) => ends_cpu,
            Measured::Absent { .. } => self.replicas.of(Metric::SenderSideCpuNsPerKib),
        };
        let is_equivalent = |moments: &Moments| {
            moments.p_outside(margin.0.ln_1p()).is_none_or(|p| p < SIGNIFICANCE)
        };
        Measured::Value(NoiseFloor {
            goodput: estimate,
            ends_cpu: ends_cpu.ratio(),
            half_width: floor,
            equivalent: is_equivalent(&goodput.moments()) && is_equivalent(&ends_cpu.moments()),
        })
    }

    /// The cost a KiB (both ends', or the sender's side where a run has the sink alone) with the instruments against
    /// without them.
    pub(crate) fn watched_cost(&self) -> Measured<Estimate> {
        match self.watched(Metric::EndsCpuNsPerKib) {
            Measured::Absent { .. } => self.watched(Metric::SenderSideCpuNsPerKib),
            measured @ Measured::Value(_) => measured,
        }
    }

    /// The ends' CPU a KiB, or goodput, with the instruments against without them.
    pub(crate) fn watched(&self, metric: Metric) -> Measured<Estimate> {
        match self.watch.of(metric).ratio() {
            Measured::Absent { .. } => Measured::absent(
                "no cell was measured beside its twin without instruments; leave controls on",
            ),
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
