//! C22 and C23: cycles per byte.

use std::collections::BTreeMap;

use model::values::Threads;
use model::{Cell, Factor, RunCommand, SendPath};

use super::{Missing, PartKind, Reference, Ruling, Shown, effect, not_measured};
use crate::comparisons::{against, counter_works, counters_remedy, unmeasured};
use crate::evidence::{Evidence, figure};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::reason::{Figured, Reason};

/// The paper counted its server alone, which sends.
const CYCLES: Metric = Metric::SenderCyclesPerByte;

/// Of which cells the paper gives a range: size, and whether of its figure for sendmsg with 8 threads; each to two digits.
pub(crate) const RANGES: [(u64, bool, f64, f64); 3] =
    [(64, false, 50.0, 300.0), (65_536, false, 0.2, 1.0), (65_536, true, 0.035, 0.045)];

/// The ranges, and sendmsg the lowest of its block.
pub(super) fn c22(evidence: &Evidence<'_>) -> Ruling {
    let eight: Vec<&Cell> = evidence
        .asked_of(SendPath::A2)
        .map(|estimates| &estimates.cell)
        .filter(|cell| cell.is_itself() && cell.threads.get() == 8)
        .filter(|cell| cell.message.bytes().0 == 65_536)
        .collect();
    let others = [SendPath::A1, SendPath::A3].into_iter().flat_map(|path| evidence.asked_of(path));
    let others = others.filter(|estimates| estimates.cell.is_itself());
    let pairs = others.map(|estimates| {
        let cell = &estimates.cell;
        (cell.clone(), Cell { send_path: SendPath::A2, ..cell.clone() })
    });
    let lowest = against(evidence, pairs, CYCLES);
    let has = |bytes: u64| {
        evidence.asked().any(|e| e.cell.message.bytes().0 == bytes && figure(e, CYCLES).is_some())
    };
    let mut parts: Vec<(Shown, Vec<Reason>)> = Vec::new();
    let (mut failing, mut cited) = (vec![Reference::law(7)], vec![Reference::law(7)]);
    for (bytes, of_eight, low, high) in RANGES {
        let is_it =
            |cell: &Cell| cell.message.bytes().0 == bytes && eight.contains(&cell) == of_eight;
        let of = evidence.asked().filter(|estimates| estimates.cell.is_itself());
        let of = of.filter(|estimates| is_it(&estimates.cell));
        let figures: Vec<Figured> = of
            .filter_map(|estimates| {
                Some(Figured { cell: estimates.cell.clone(), value: figure(estimates, CYCLES)? })
            })
            .collect();
        let name = |of: &Figured| Reference::Figure { metric: CYCLES, cell: of.cell.clone() };
        let outside: Vec<Figured> =
            figures.iter().filter(|of| of.is_above(high) || of.is_below(low)).cloned().collect();
        let all_inside = figures.iter().all(|of| of.is_within([low, high]));
        failing.extend(outside.iter().map(name));
        cited.extend(figures.iter().map(name));
        match Reason::figures(CYCLES, if outside.is_empty() { &figures } else { &outside }) {
            Some(seen) => {
                let shown = Shown::by(!outside.is_empty(), all_inside);
                parts.push((shown, vec![seen, Reason::Claimed { low, high }]));
            }
            // The other range of this size stands for it.
            None if of_eight || has(bytes) => {}
            None => {
                let missing = Reason::not_measured(CYCLES, [], [bytes], []);
                parts.push((Shown::NotMeasured, vec![missing]));
            }
        }
    }
    if cited.len() == 1 && lowest.is_empty() {
        return not_measured(
            Reason::not_measured(CYCLES, [], [64, 65_536], []),
            counters_remedy(evidence, CYCLES, "cycles")
                .unlocked_by(RunCommand::new("--sizes 64,64KiB --threads 1,8")),
        );
    }
    let no_higher: Vec<Compared> = lowest.iter().filter(|c| c.is_no_more()).cloned().collect();
    failing.extend(names(&no_higher, CYCLES));
    cited.extend(names(&lowest, CYCLES));
    let paths = [SendPath::A1, SendPath::A2, SendPath::A3];
    let seen = Reason::all_more(CYCLES, &lowest)
        .unwrap_or_else(|| unmeasured(evidence, CYCLES, &paths, &[], &[]));
    let mut ruling = effect(Shown::all_more(&lowest), [seen]);
    for (shown, seen) in parts {
        ruling = ruling.then(PartKind::Effect, shown, seen);
    }
    let cited = if failing.len() > 1 { failing } else { cited };
    ruling
        .lacks(Missing::rounds().unlocked_by(RunCommand::new(
            "--send send,sendmsg,zerocopy --sizes 64,64KiB --threads 1,8",
        )))
        .from(cited)
}

/// The most threads against the fewest, for each path and size.
pub(super) fn c23(evidence: &Evidence<'_>) -> Ruling {
    let mut series: BTreeMap<Cell, Vec<&Cell>> = BTreeMap::new();
    for estimates in evidence.asked() {
        let key = Cell { threads: Threads::ONE, ..estimates.cell.clone() };
        series.entry(key).or_default().push(&estimates.cell);
    }
    let ends = series.into_values().filter_map(|mut cells| {
        cells.sort_by_key(|cell| cell.threads);
        let (fewest, most) = (*cells.first()?, *cells.last()?);
        (fewest != most).then(|| (most.clone(), fewest.clone()))
    });
    let compared = against(evidence, ends, CYCLES);
    let Some(seen) = Reason::all_less(CYCLES, &compared) else {
        let missing = if counter_works(evidence, CYCLES) {
            Reason::NotVaried { factor: Factor::Threads, value: None }
        } else {
            Reason::not_counted(CYCLES)
        };
        return not_measured(
            missing,
            counters_remedy(evidence, CYCLES, "cycles")
                .unlocked_by(RunCommand::new("--threads 1,2,4,8")),
        );
    };
    effect(Shown::all_less(&compared), [seen])
        .lacks(Missing::rounds())
        .from(std::iter::once(Reference::law(7)).chain(names(&compared, CYCLES)))
}
