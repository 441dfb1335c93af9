//! What a sender's ring holds beside its caches, and what that costs where it was measured.

use analysis::metric::Metric;
use analysis::results::Ratio;
use analysis::summary::Summary;
use model::host::{CacheFacts, Host};
use model::{Bytes, Cell, Factor, Plan};

use crate::spelling::{counted, ratio};
use crate::words::figures::{metric, place};

/// Contrasts that are told; the others are counted.
const MOST: usize = 3;

/// The note; none where the ring is not known.
pub(crate) fn ring(summary: &Summary, plan: &Plan, host: &Host) -> Option<String> {
    if !summary.run.states(Factor::Ring) {
        return None;
    }
    let cells = plan.cells();
    let slots = |cell: &Cell| cell.ring.slots(cell.message);
    let bytes = |cell: &Cell| cell.message.bytes().0.saturating_mul(u64::from(slots(cell)));
    let largest = cells.iter().max_by_key(|cell| bytes(cell))?;
    let flows = |cell: &Cell| cell.flows.get().saturating_mul(cell.threads.get());
    let fullest =
        cells.iter().max_by_key(|cell| bytes(cell).saturating_mul(u64::from(flows(cell))))?;
    let (few, many) = (cells.iter().map(slots).min()?, cells.iter().map(slots).max()?);
    let (least, most) = (cells.iter().map(bytes).min()?, bytes(largest));
    let slots =
        if few == many { counted(many, "slot", "slots") } else { format!("{few} to {many} slots") };
    let size = if least == most {
        Bytes(most).to_string()
    } else {
        format!("{} to {}", Bytes(least), Bytes(most))
    };
    let all = match flows(fullest) {
        1 => String::new(),
        many => {
            let all = bytes(fullest).saturating_mul(u64::from(many));
            format!(", {} over {many} flows", Bytes(all))
        }
    };
    let in_cache = |cache: &CacheFacts| {
        let flows = fullest.flows.get().saturating_mul(workers_beside(cache, fullest));
        bytes(fullest).saturating_mul(u64::from(flows))
    };
    let is_largest = least < most || cells.iter().any(|cell| flows(cell) != flows(fullest));
    let beside = beside(in_cache, &data_caches(host.of_sender()), is_largest);
    let ring = format!("each flow's messages lie in {slots} in turn, {size} in all{all}{beside}");
    let measured: Vec<&Ratio> = summary
        .ratios
        .iter()
        .filter(|it| it.contrast.factor == Factor::Ring && it.metric == Metric::GoodputGbps)
        .collect();
    let cost = if measured.is_empty() {
        format!(
            "to measure what that costs beside one hot slot: copycost run {}--ring 1,auto --send sendmsg --sizes {}",
            plan.peer.as_ref().map(|peer| format!("{} ", peer.flags())).unwrap_or_default(),
            Bytes(largest.message.bytes().0).to_string().replace(' ', "")
        )
    } else {
        contrasts(summary, &measured)
    };
    Some(format!("{ring}; {cost}"))
}

/// How many of a cell's senders share a cache: one, where its CPUs are the threads of one core.
fn workers_beside(cache: &CacheFacts, cell: &Cell) -> u32 {
    const OF_A_CORE: u32 = 2;
    if cache.shared_by > OF_A_CORE { cell.threads.get().min(cache.shared_by) } else { 1 }
}

/// Where messages lie among the caches that hold data, by how many bytes of them come to each.
fn beside(bytes: impl Fn(&CacheFacts) -> u64, caches: &[&CacheFacts], is_largest: bool) -> String {
    let named = |cache: &CacheFacts| format!("L{} ({})", cache.level, Bytes(cache.bytes));
    let holds = caches.iter().position(|cache| cache.bytes >= bytes(cache));
    let what = if is_largest { "the largest " } else { "" };
    match (holds, caches.last()) {
        (_, None) => " (the caches of this machine are not told)".to_owned(),
        (None, Some(last)) => format!(": {what}more than the last cache holds, {}", named(last)),
        (Some(0), Some(_)) => format!(": {what}no more than {} holds", named(caches[0])),
        (Some(n), Some(_)) => {
            format!(
                ": {what}more than {} holds, and not more than {}",
                named(caches[n - 1]),
                named(caches[n])
            )
        }
    }
}

/// What cells with another ring gave.
fn contrasts(summary: &Summary, measured: &[&Ratio]) -> String {
    let told = measured.iter().take(MOST).map(|goodput| {
        let cost = summary.ratios.iter().find(|it| {
            it.metric == Metric::cost_on(goodput.cell.link)
                && it.contrast == goodput.contrast
                && it.cell == goodput.cell
        });
        let figures: Vec<String> = [Some(*goodput), cost]
            .into_iter()
            .flatten()
            .map(|it| {
                let figure = it.ratio.value().map_or_else(|| "not known".to_owned(), ratio);
                format!("{} {figure}", metric(it.metric))
            })
            .collect();
        format!(
            "{} at {}, {}: {}",
            goodput.contrast.values(),
            goodput.cell.send_path,
            place(&goodput.cell, &[Factor::Ring]),
            figures.join(", ")
        )
    });
    let mut told: Vec<String> = told.collect();
    if let Some(more) = measured.len().checked_sub(MOST).filter(|more| *more > 0) {
        told.push(format!("{} more in ratios.csv", more));
    }
    format!("rings against each other: {}", told.join("; "))
}

/// Caches that hold data, the smallest first, each size of a level once.
pub(crate) fn data_caches(host: &Host) -> Vec<&CacheFacts> {
    let mut caches: Vec<&CacheFacts> =
        host.caches.iter().filter(|cache| cache.kind != "Instruction").collect();
    caches.sort_by_key(|cache| (cache.level, cache.bytes));
    caches.dedup_by_key(|cache| (cache.level, cache.bytes));
    caches
}

#[cfg(test)]
mod tests {
    use model::Preset;

    use super::*;

    fn note(rings: &str, caches: bool) -> String {
        note_of(rings, "1", caches)
    }

    fn note_of(rings: &str, threads: &str, caches: bool) -> String {
        let mut plan = Plan::preset(Preset::Default);
        for (factor, values) in [
            (Factor::Send, "sendmsg"),
            (Factor::Message, "64KiB"),
            (Factor::Threads, threads),
            (Factor::Ring, rings),
        ] {
            plan.factors.set(factor, values).unwrap();
        }
        let mut host = synthetic::host();
        if !caches {
            host.caches.clear();
        }
        let records = synthetic::run(&plan, 12, |cell, round| {
            let trial = synthetic::trial(cell, round);
            if cell.ring.slots(cell.message) == 1 { trial.faster(1.25) } else { trial }
        });
        ring(&analysis::summarise(&plan, &host, &records), &plan, &host).unwrap()
    }

    #[test]
    fn the_default_ring_is_told_beside_the_caches_with_what_measures_its_cost() {
        assert_eq!(
            note("auto", true),
            "each flow's messages lie in 64 slots in turn, 4 MiB in all: more than L2 (1280 KiB) holds, and not more than L3 (12 MiB); to measure what that costs beside one hot slot: copycost run --ring 1,auto --send sendmsg --sizes 64KiB"
        );
        let mut beside = Plan::preset(Preset::Quick);
        let peer = [("peer", "user@host".to_owned())];
        beside.factors.set(Factor::Link, "ssh").unwrap();
        beside.set_peer(&peer).unwrap();
        let records = synthetic::run(&beside, 2, synthetic::trial);
        let host = synthetic::host();
        let told = ring(&analysis::summarise(&beside, &host, &records), &beside, &host).unwrap();
        assert!(told.contains("copycost run --peer user@host --ring 1,auto"), "{told}");
        assert!(note("1024", true).contains("more than the last cache holds, L3 (12 MiB)"));
        assert!(note("auto", false).contains("(the caches of this machine are not told)"));
    }

    #[test]
    fn the_rings_of_all_flows_stand_beside_the_cache_that_they_share() {
        let told = note_of("auto", "8", true);
        assert!(
            told.starts_with("each flow's messages lie in 64 slots in turn, 4 MiB in all, 32 MiB over 8 flows: more than the last cache holds, L3 (12 MiB)"),
            "{told}"
        );
        let told = note_of("auto", "1,2", true);
        assert!(told.contains("8 MiB over 2 flows: the largest more than L2 (1280 KiB) holds, and not more than L3"), "{told}");
        // The cache of a core has one worker's alone.
        let told = note_of("16", "8", true);
        assert!(told.contains("1 MiB in all, 8 MiB over 8 flows: more than L1 (48 KiB) holds, and not more than L2"), "{told}");
    }

    #[test]
    fn where_rings_were_compared_the_cost_is_told() {
        let told = note("1,auto", true);
        assert!(told.contains("1 to 64 slots in turn, 64 KiB to 4 MiB in all"), "{told}");
        assert!(told.contains("rings against each other: "), "{told}");
        assert!(told.contains("goodput 1.2") || told.contains("goodput 0.8"), "{told}");
        assert!(told.contains("CPU per KiB of both ends"), "{told}");
        assert!(!told.contains("copycost run"), "{told}");
    }
}
