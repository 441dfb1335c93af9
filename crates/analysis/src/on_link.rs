//! What a run says of one link alone: figures of different links are laid side by side, never ranked.

use model::{Cell, Factor, Link, SendPath, Shared};

use crate::evidence::Evidence;
use crate::findings::{CostModel, Crossover, Scaling};
use crate::reason::Reason;
use crate::results::{CellEstimates, Ratio};

/// The parts of the evidence that speak of one link.
pub(crate) struct OnLink {
    estimates: Vec<CellEstimates>,
    ratios: Vec<Ratio>,
    crossovers: Vec<Crossover>,
    cost_models: Vec<CostModel>,
    scaling: Vec<Scaling>,
}

impl OnLink {
    pub(crate) fn new(evidence: &Evidence<'_>, link: Link) -> Self {
        let is_it = |shared: &Shared| shared.cell().link == link;
        let on = |of: &Cell| of.link == link;
        Self {
            estimates: evidence.estimates.iter().filter(|e| on(&e.cell)).cloned().collect(),
            ratios: evidence.ratios.iter().filter(|ratio| on(&ratio.cell)).cloned().collect(),
            crossovers: evidence.crossovers.iter().filter(|c| is_it(&c.shared)).cloned().collect(),
            cost_models: evidence
                .cost_models
                .iter()
                .filter(|model| is_it(&model.shared))
                .cloned()
                .collect(),
            scaling: evidence.scaling.iter().filter(|s| is_it(&s.shared)).cloned().collect(),
        }
    }

    /// Of these parts what speaks of one send path, and does not hold it against others.
    pub(crate) fn behind(on_link: &Evidence<'_>, send_path: SendPath) -> Self {
        let is_it = |shared: &Shared| shared.cell().send_path == send_path;
        let of = |cell: &Cell| cell.send_path == send_path;
        let is_of = |ratio: &&Ratio| of(&ratio.cell) && of(&ratio.against);
        let is_along = |c: &&Crossover| c.contrast.factor != Factor::Send && is_it(&c.shared);
        Self {
            estimates: on_link.estimates.iter().filter(|e| of(&e.cell)).cloned().collect(),
            ratios: on_link.ratios.iter().filter(is_of).cloned().collect(),
            crossovers: on_link.crossovers.iter().filter(is_along).cloned().collect(),
            cost_models: on_link.cost_models.iter().filter(|m| is_it(&m.shared)).cloned().collect(),
            scaling: on_link.scaling.iter().filter(|s| is_it(&s.shared)).cloned().collect(),
        }
    }

    /// The same evidence, of this link alone. Trials stay whole: they are asked by cell.
    pub(crate) fn evidence<'b>(&'b self, whole: &Evidence<'b>) -> Evidence<'b> {
        Evidence {
            estimates: &self.estimates,
            ratios: &self.ratios,
            crossovers: &self.crossovers,
            cost_models: &self.cost_models,
            scaling: &self.scaling,
            ..*whole
        }
    }
}

/// The links that the plan asks for, in their own order.
pub(crate) fn links_asked(evidence: &Evidence<'_>) -> Vec<Link> {
    let mut links: Vec<Link> = evidence.asked().map(|e| e.cell.link).collect();
    links.sort_unstable();
    links.dedup();
    links
}

/// The link that the paper's questions and claims are answered on: the first one of TCP that has a receiver, as the paper's. None
/// where the sink or unix sockets alone were asked for.
pub(crate) fn main_link(evidence: &Evidence<'_>) -> Option<Link> {
    links_asked(evidence).into_iter().find(|link| link.has_receiver() && link.speaks_tcp())
}

/// Why there is none.
pub(crate) fn no_main_link(evidence: &Evidence<'_>) -> Reason {
    if links_asked(evidence).into_iter().any(|link| !link.speaks_tcp()) {
        Reason::NoTcp
    } else {
        Reason::SinkAlone
    }
}
