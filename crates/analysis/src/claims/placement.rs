//! C16 and C25: where workers run.

use std::collections::BTreeSet;

use model::{Cell, Factor, Measured, Placement, RunCommand, SendPath};

use super::causes::{KEPT, fall, kept, shared};
use super::threads::GOODPUT;
use super::{Missing, PartKind, Reference, Ruling, Shown, effect, premise};
use crate::claims::claim::Verdict;
use crate::comparisons::{of_moments, paths, twins, unmeasured, with_a_cpu_each};
use crate::evidence::Evidence;
use crate::operands::Compared;
use crate::operands::names;
use crate::reason::Reason;

/// The NUMA nodes on which a cell's workers ran, if every CPU's node is known and they were pinned.
fn nodes(evidence: &Evidence<'_>, cell: &Cell) -> Option<BTreeSet<u32>> {
    let seats = &evidence.trials.of_cell(cell).next()?.seating;
    let cpus: Vec<u32> = seats.sender_cpus.iter().chain(&seats.receiver_cpus).copied().collect();
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
    let machine = Reference::host("numa_nodes");
    let nodes = &evidence.host.numa_nodes;
    let seen = Reason::NumaNodes { nodes: nodes.clone() };
    match nodes {
        Measured::Absent { .. } => {
            return premise(Shown::NotMeasured, [seen])
                .lacks(Missing::of_itself("a kernel that tells its NUMA nodes"))
                .from([machine]);
        }
        Measured::Value(..=1) => return premise(Shown::NotApplicable, [seen]).from([machine]),
        Measured::Value(_) => {}
    }
    let (ruling, falls) = fall(evidence);
    if !ruling.is_open() {
        let is_unmeasured = ruling.verdict == Verdict::Undecidable;
        return ruling.from(is_unmeasured.then_some(machine));
    }
    let ruling = ruling.from([machine]);
    let compared = within_against_across(evidence, &falls);
    if compared.is_empty() {
        return ruling
            .then(PartKind::Intervention, Shown::NotMeasured, [seen, Reason::NotAcrossNodes])
            .lacks(Missing::plan(RunCommand::new("--sizes 64KiB --threads 4,8").saying(" with two values of --placement, one with all CPUs on one node and one with senders and receivers on two (lscpu names them), such as --placement 0-7/8-15,0-7/16-23")));
    }
    ruling
        .then(PartKind::Intervention, Shown::more(&compared), Reason::derived(KEPT, &compared))
        .lacks(Missing::rounds())
        .from(names(&compared, GOODPUT))
}

/// Each fall from 4 to 8 threads within one node against that across nodes, everything else being equal.
fn within_against_across(evidence: &Evidence<'_>, falls: &[Compared]) -> Vec<Compared> {
    let count = |fall: &Compared| {
        // Both thread counts lie as their placement says.
        let of = |cell: &Cell| nodes(evidence, cell).map(|nodes| nodes.len());
        Some(of(&fall.cell)?.max(of(&fall.against)?))
    };
    let mut family = Vec::new();
    for across in falls.iter().filter(|fall| count(fall).is_some_and(|nodes| nodes > 1)) {
        for within in falls.iter().filter(|fall| count(fall) == Some(1)) {
            let placement = across.cell.placement.clone();
            if (Cell { placement, ..within.cell.clone() }) == across.cell {
                let of = |fall: &'_ Compared| [fall.cell.clone(), fall.against.clone()];
                let ([within, within_4], [across, across_4]) = (of(within), of(across));
                family.push(kept(evidence, [&within, &within_4], [&across, &across_4]));
            }
        }
    }
    of_moments(evidence, family)
}

/// Pinning against none, a connection of one's own against a shared one, and batching, which is sendmsg against send, each by
/// goodput: the claim is all of them.
pub(super) fn c25(evidence: &Evidence<'_>) -> Ruling {
    let (batched, _) = with_a_cpu_each(paths(evidence, SendPath::A2, SendPath::A1, GOODPUT));
    let is_pinned =
        |cell: &Cell| matches!(cell.placement, Placement::Split | Placement::Cpus { .. });
    let (pinned, _) = with_a_cpu_each(twins(
        evidence,
        GOODPUT,
        |cell| is_pinned(cell) && cell.is_itself(),
        |cell| Cell { placement: Placement::None, ..cell.clone() },
    ));
    let (separate, _) = with_a_cpu_each(twins(evidence, GOODPUT, Cell::is_itself, shared));
    let all = [&pinned, &batched, &separate];
    let part = |compared: &[Compared], not: Reason| {
        (Shown::more(compared), Reason::range(GOODPUT, compared).unwrap_or(not))
    };
    let no_batching = || unmeasured(evidence, GOODPUT, &[SendPath::A1, SendPath::A2], &[], &[]);
    let (of_pinning, pinning) = part(&pinned, Reason::not_varied(Factor::Placement, "none"));
    let (of_batching, batching) = part(&batched, no_batching());
    let (of_separation, separation) =
        part(&separate, Reason::not_varied(Factor::Sockets, "shared"));
    let missing = if all.iter().any(|compared| compared.is_empty()) {
        Missing::plan(RunCommand::new(
            "--send send,sendmsg --placement split,none --sockets own,shared --threads 1,2",
        ))
    } else {
        Missing::rounds()
    };
    effect(of_pinning, [pinning])
        .then(PartKind::Effect, of_batching, [batching])
        .then(PartKind::Effect, of_separation, [separation])
        .lacks(missing)
        .from(all.into_iter().flat_map(|compared| names(compared, GOODPUT)))
}
