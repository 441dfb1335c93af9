//! C16 and C25: where workers run.

use std::collections::BTreeSet;

use model::{Cell, Measured, Placement, SendPath};

use super::causes::{Fall, fall, no_fall, told, unmeasured};
use super::threads::GOODPUT;
use super::{Missing, Reference, Ruling, not_applicable, refuted, supported, undecidable};
use crate::comparisons::{Compared, extremes, names, of_moments, paths, sound, twins};
use crate::estimate::Moments;
use crate::evidence::Evidence;
use crate::figure_text::ratio;
use crate::metric::Metric;

/// The NUMA nodes on which a cell's workers ran, if every CPU's node is known and they were pinned.
fn nodes(evidence: &Evidence<'_>, cell: &Cell) -> Option<BTreeSet<u32>> {
    let settings = &evidence.trials.of_cell(cell).next()?.trial.settings;
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

/// One node explains nothing, and without a fall there is nothing to explain. Else the fall of workers within one node is
/// held against that of workers across nodes.
pub(super) fn c16(evidence: &Evidence<'_>) -> Ruling {
    let cited = [Reference::host("numa_nodes")];
    match &evidence.host.numa_nodes {
        Measured::Absent { absent } => {
            return undecidable(
                format!("how many NUMA nodes there are is not known: {absent}"),
                Missing::of_itself("a kernel that tells its NUMA nodes"),
            )
            .from(cited);
        }
        Measured::Value(nodes) if *nodes <= 1 => {
            return not_applicable("the CPUs in use belong to one NUMA node").from(cited);
        }
        Measured::Value(_) => {}
    }
    let falls = match fall(evidence) {
        Fall::Unmeasured => return unmeasured().from(cited),
        Fall::None(falls) => return no_fall(&falls),
        Fall::Some(falls) => falls,
    };
    let compared = within_against_across(evidence, &falls);
    let cited = cited.into_iter().chain(names(&falls, GOODPUT)).chain(names(&compared, GOODPUT));
    let Some((least, most)) = extremes(&compared) else {
        return undecidable(
            format!(
                "{}; the machine has more than one NUMA node, but workers within one were not compared with workers across",
                told(&falls)
            ),
            Missing::plan("copycost run --sizes 64KiB --threads 4,8 with two values of --placement, one with all CPUs on one node and one with senders and receivers on two (lscpu names them), such as --placement 0-7/8-15,0-7/16-23"),
        )
        .from(cited);
    };
    let told = format!(
        "within one node 8 threads keep from {} to {} as much of what 4 carry as across nodes",
        ratio(&least.ratio),
        ratio(&most.ratio)
    );
    let says = if compared.iter().all(Compared::is_no_more) {
        refuted(format!("the fall is no less within one node: {told}"))
    } else if compared.iter().all(|c| c.is_above(1.0)) {
        supported(told)
    } else {
        undecidable(format!("the intervals do not tell: {told}"), Missing::rounds())
    };
    says.from(cited)
}

/// Each fall from 4 to 8 threads within one node against that across nodes, everything else being equal, round by round.
fn within_against_across(evidence: &Evidence<'_>, falls: &[Compared]) -> Vec<Compared> {
    let count = |fall: &Compared| {
        // Both thread counts lie as their placement says.
        let of = |cell: &Cell| nodes(evidence, cell).map(|nodes| nodes.len());
        Some(of(&fall.cell)?.max(of(&fall.against)?))
    };
    let logs = |cell: &Cell| evidence.logs_by_round(cell, GOODPUT);
    let mut family = Vec::new();
    for across in falls.iter().filter(|fall| count(fall).is_some_and(|nodes| nodes > 1)) {
        for within in falls.iter().filter(|fall| count(fall) == Some(1)) {
            let placement = across.cell.placement.clone();
            if (Cell { placement, ..within.cell.clone() }) != across.cell {
                continue;
            }
            let [of_8, of_4] = [logs(&within.cell), logs(&within.against)];
            let [across_8, across_4] = [logs(&across.cell), logs(&across.against)];
            let mut moments = Moments::default();
            for (round, log) in &of_8 {
                if let (Some(of_4), Some(across_8), Some(across_4)) =
                    (of_4.get(round), across_8.get(round), across_4.get(round))
                {
                    moments.push((log - of_4) - (across_8 - across_4));
                }
            }
            family.push((within.cell.clone(), across.cell.clone(), moments));
        }
    }
    of_moments(evidence, family)
}

/// Pinning against none, by goodput; what batching brings is send against sendmsg. Sockets are separate in every plan, so
/// that the claim can fall by its two other parts and not be shown by them.
pub(super) fn c25(evidence: &Evidence<'_>) -> Ruling {
    let (batched, _) = sound(paths(evidence, SendPath::A2, SendPath::A1, GOODPUT));
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
            Missing::plan("copycost run --placement split,none"),
        )
        .from(cited);
    };
    let told = format!(
        "pinned against unpinned, goodput is from {} to {}; {batching}; {sockets}",
        least.text(),
        most.text()
    );
    let helps = |all: &[Compared]| !all.is_empty() && all.iter().all(|c| c.is_above(1.0));
    if pinned.iter().all(Compared::is_no_more)
        || (!batched.is_empty() && batched.iter().all(Compared::is_no_more))
    {
        return refuted(told).from(cited);
    }
    if helps(&pinned) && helps(&batched) {
        return undecidable(
            format!("two of its three parts help: {told}"),
            Missing::of_itself(
                "shared sockets as an intervention, which no plan of this version has",
            ),
        )
        .from(cited);
    }
    undecidable(
        format!("not shown in every cell: {told}"),
        Missing::plan("copycost run --send send,sendmsg --placement split,none --rounds 20"),
    )
    .from(cited)
}
