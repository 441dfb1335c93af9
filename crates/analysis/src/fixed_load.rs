//! What is saved at a fixed offered load: where senders are held to a rate, both values of a contrast deliver the same, and what
//! they differ in is CPU time.

use std::collections::BTreeMap;

use model::values::Rate;
use model::{Cell, Contrast, Factor, Link};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Estimate;
use crate::evidence::{Evidence, figure};
use crate::metric::Metric;
use crate::results::Finding;

/// What one value of a contrast saves in place of the other, at an offered load.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LoadSaving {
    /// The two values.
    pub contrast: Contrast,
    /// The cell with the first of them, which takes less.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// The cell with the other.
    #[schemars(with = "String")]
    pub against: Cell,
    /// What the senders offer together, in Gbit/s.
    pub offered_gbps: f64,
    /// How much of that each of the two delivered, as a share.
    pub delivered: [f64; 2],
    /// CPUs that each of the two takes for each Gbit/s: CPU time a second over the load.
    pub cpus_per_gbps: [Estimate; 2],
    /// CPUs saved for each Gbit/s: the ratio of the two within blocks, of what the second one takes.
    pub saved_cpus_per_gbps: Estimate,
    /// The cost of the first over the second.
    pub cost_ratio: Estimate,
    /// What is shown of it, seen from the first: less, alike, or not decided.
    pub finding: Finding,
}

/// CPUs that a rate in Gbit/s takes at a cost of so many ns per KiB.
pub(crate) fn cpus(rate_gbps: f64, ns_per_kib: f64) -> f64 {
    // 1 Gbit/s is 10⁹ / 8192 KiB a second.
    rate_gbps * ns_per_kib / 8192.0
}

/// Every contrast of a choice between two cells that are held to a rate, the cheaper value first.
pub(crate) fn savings(evidence: &Evidence<'_>) -> Vec<LoadSaving> {
    let saving = |ratio: &crate::results::Ratio| {
        let Rate::Fixed(offered) = ratio.cell.rate else { return None };
        let cost = Metric::cost_on(ratio.cell.link);
        if ratio.metric != cost || ratio.contrast.factor == Factor::Rate {
            return None;
        }
        let estimate = *ratio.ratio.value()?;
        let (contrast, cells, cost_ratio, finding) = if estimate.mean <= 1.0 {
            (ratio.contrast.clone(), [&ratio.cell, &ratio.against], estimate, ratio.finding)
        } else {
            let Contrast { factor, value, against } = ratio.contrast.clone();
            let turned = Contrast { factor, value: against, against: value };
            let cells = [&ratio.against, &ratio.cell];
            (turned, cells, estimate.inverse(), ratio.finding.turned())
        };
        let of = |cell: &Cell, metric: Metric| figure(evidence.cell(cell)?, metric);
        let per_gbps = |cell: &Cell| Some(of(cell, cost)?.times(cpus(1.0, 1.0)));
        let delivered = |cell: &Cell| Some(of(cell, Metric::GoodputGbps)?.mean / offered.gbps());
        let cpus_per_gbps = [per_gbps(cells[0])?, per_gbps(cells[1])?];
        Some(LoadSaving {
            contrast,
            cell: cells[0].clone(),
            against: cells[1].clone(),
            offered_gbps: offered.gbps(),
            delivered: [delivered(cells[0])?, delivered(cells[1])?],
            saved_cpus_per_gbps: cost_ratio.saved_of(cpus_per_gbps[1].mean),
            cpus_per_gbps,
            cost_ratio,
            finding,
        })
    };
    evidence.ratios.iter().filter_map(saving).collect()
}

/// A path that delivered less than this share of what was offered was not at that load.
pub const KEPT_UP: f64 = 0.95;

/// Of each link and load the largest saving that is shown, of two that kept up with the load where there are such; where none is
/// shown, the largest of those that are not.
pub fn largest(all: &[LoadSaving]) -> Vec<&LoadSaving> {
    let mut largest: BTreeMap<(Link, Rate), &LoadSaving> = BTreeMap::new();
    for it in all {
        let key = |it: &LoadSaving| {
            let kept_up = it.delivered.iter().all(|delivered| *delivered >= KEPT_UP);
            (kept_up, it.finding == Finding::Less, it.saved_cpus_per_gbps.mean)
        };
        let best = largest.entry((it.cell.link, it.cell.rate)).or_insert(it);
        if key(it) > key(best) {
            *best = it;
        }
    }
    largest.into_values().collect()
}
