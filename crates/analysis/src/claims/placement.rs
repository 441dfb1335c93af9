//! C16 and C25: where workers run.

use std::collections::BTreeSet;

use model::{Cell, Measured, Placement, SendPath};

use super::threads::{GOODPUT, LARGE, against};
use super::{Says, refuted, supported, undecidable};
use crate::comparisons::{Compared, extremes, names, paths, sound, twins};
use crate::evidence::Evidence;
use crate::figure_text::ratio;
use crate::metric::Metric;

/// The NUMA nodes on which a cell's workers ran, if every CPU's node is known and they were pinned.
fn nodes(evidence: &Evidence<'_>, cell: &Cell) -> Option<BTreeSet<u32>> {
    let settings = &evidence.trials.of(cell).next()?.trial.settings;
    let cpus: Vec<u32> =
        settings.sender_cpus.iter().chain(&settings.receiver_cpus).copied().collect();
    if cpus.is_empty() {
        return None;
    }
    let node = |cpu: &u32| {
        let facts = evidence.host.cpus.iter().find(|facts| facts.cpu == *cpu)?;
        facts.node.value().copied()
    };
    cpus.iter().map(node).collect()
}

/// One node explains nothing. With more, workers within one node against workers across nodes, at the most threads of
/// the largest size.
pub(super) fn c16(evidence: &Evidence<'_>) -> Says {
    let cited = ["host.json: numa_nodes".to_owned()];
    match &evidence.host.numa_nodes {
        Measured::Absent { absent } => {
            return undecidable(
                format!("how many NUMA nodes there are is not known: {absent}"),
                "a kernel that tells its NUMA nodes",
            )
            .from(cited);
        }
        Measured::Value(nodes) if *nodes <= 1 => {
            return refuted("the CPUs in use belong to one NUMA node, so placement across nodes explains nothing here")
                .from(cited);
        }
        Measured::Value(_) => {}
    }
    let asked: Vec<&Cell> =
        evidence.asked().map(|e| &e.cell).filter(|cell| cell.message.bytes().0 == LARGE).collect();
    let most = asked.iter().map(|cell| cell.threads).max();
    let mut pairs = Vec::new();
    for across in asked.iter().filter(|cell| Some(cell.threads) == most) {
        if nodes(evidence, across).is_none_or(|nodes| nodes.len() < 2) {
            continue;
        }
        for within in &asked {
            let same = Cell { placement: across.placement.clone(), ..(*within).clone() };
            if same == **across && nodes(evidence, within).is_some_and(|nodes| nodes.len() == 1) {
                pairs.push(((*within).clone(), (*across).clone()));
            }
        }
    }
    let compared = against(evidence, pairs.into_iter(), GOODPUT);
    let Some((least, most)) = extremes(&compared) else {
        return undecidable(
            "the machine has more than one NUMA node, but workers within one were not compared with workers across",
            "copycost run --sizes 64KiB --threads 4,8 with two values of --placement, one with all CPUs on one node and one with senders and receivers on two (lscpu names them), such as --placement 0-7/8-15,0-7/16-23",
        )
        .from(cited);
    };
    let told = format!(
        "within one node goodput is from {} to {} of that across nodes",
        ratio(&least.ratio),
        ratio(&most.ratio)
    );
    let cited = cited.into_iter().chain(names(&compared, GOODPUT));
    if compared.iter().all(Compared::is_no_more) {
        refuted(told).from(cited)
    } else if compared.iter().all(|c| c.is_above(1.0)) {
        supported(told).from(cited)
    } else {
        undecidable(
            format!("the intervals do not tell: {told}"),
            "more rounds: --resume with more --max-time",
        )
        .from(cited)
    }
}

/// Pinning against none, by goodput; what batching brings is send against sendmsg; sockets are separate anyway.
pub(super) fn c25(evidence: &Evidence<'_>) -> Says {
    let (batched, _) = sound(paths(evidence, SendPath::Sendmsg, SendPath::Send, GOODPUT));
    let mut cited = names(&batched, GOODPUT);
    let batching = extremes(&batched).map_or_else(
        || "batching was not measured".to_owned(),
        |(least, most)| {
            format!(
                "batching (one sendmsg for a send a field) carries from {} to {}",
                least.text(),
                most.text()
            )
        },
    );
    let sockets =
        "every worker has sockets of its own in every plan, so sharing them is not measured";
    let pinned = twins(
        evidence,
        Metric::GoodputGbps,
        |cell| matches!(cell.placement, Placement::Split | Placement::Cpus { .. }),
        |cell| Cell { placement: Placement::None, ..cell.clone() },
    );
    cited.extend(names(&pinned, GOODPUT));
    let Some((least, most)) = extremes(&pinned) else {
        return undecidable(
            format!("pinned and unpinned workers were not compared; {batching}; {sockets}"),
            "copycost run --placement split,none",
        )
        .from(cited);
    };
    let told = format!(
        "pinned against unpinned, goodput is from {} to {}; {batching}; {sockets}",
        least.text(),
        most.text()
    );
    let note = if pinned.iter().any(|c| c.oversubscribed) {
        "some cells are oversubscribed, so no cause is claimed"
    } else {
        ""
    };
    let helps = |all: &[Compared]| !all.is_empty() && all.iter().all(|c| c.is_above(1.0));
    if pinned.iter().all(Compared::is_no_more)
        || (!batched.is_empty() && batched.iter().all(Compared::is_no_more))
    {
        return refuted(told).and(note).from(cited);
    }
    if helps(&pinned) && helps(&batched) {
        return supported(told).and(note).from(cited);
    }
    undecidable(
        format!("not shown in every cell: {told}"),
        "more rounds: copycost run --send send,sendmsg --placement split,none --rounds 20",
    )
    .and(note)
    .from(cited)
}
