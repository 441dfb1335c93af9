//! C7: whether the threshold lies where it does because of the page.

use std::collections::BTreeMap;

use model::{Cell, Factor, RunCommand, SendPath};

use super::paths::c6;
use super::{Missing, PartKind, Reason, Reference, Ruling, Shown, Verdict};
use crate::data_paths::pages_per_message;
use crate::estimate::Moments;
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::operands::OffsetCost;
use crate::pairs;
use crate::results::Finding;

/// Without a threshold at 4096 there is nothing to explain. With one, another offset of the fields within their pages is
/// the intervention: the same messages touch a page more, and must cost more for it; the offset itself must not, which messages tell that touch as
/// many pages at it as at none. A message of other fields than the study's may miss the threshold for their number alone, so that
/// its premise refutes nothing.
pub(super) fn c7(evidence: &Evidence<'_>) -> Ruling {
    let mut ruling = c6(evidence);
    let is_of_the_study =
        evidence.asked_of(SendPath::A3).any(|e| e.cell.is_default(Factor::Fields));
    for part in &mut ruling.parts {
        part.kind = PartKind::Premise;
        if part.shown == Shown::No && !is_of_the_study {
            part.shown = Shown::Unclear;
            ruling.verdict = Verdict::Undecidable;
        }
    }
    if !ruling.is_open() {
        return ruling.lacks(sweep());
    }
    let page = evidence.host.page_bytes.value().copied();
    if let Some(bytes) = page.filter(|bytes| *bytes != 4096)
        && ruling.verdict == Verdict::Supported
    {
        return ruling.then(PartKind::Intervention, Shown::No, [Reason::PageBytes { bytes }]);
    }
    let pairs = moved(evidence, page);
    if pairs.is_empty() {
        return ruling
            .then(
                PartKind::Intervention,
                Shown::NotMeasured,
                [Reason::not_varied(Factor::Offset, "1")],
            )
            .lacks(sweep());
    }
    let costs = costs(evidence, &pairs);
    let no_more = |cost: &OffsetCost| matches!(cost.finding, Finding::Less | Finding::Equivalent);
    let shown = if costs.is_empty() {
        Shown::NotMeasured
    } else {
        let is_shown = |cost: &OffsetCost| {
            cost.with_as_many > 0 && cost.ratio.low.is_some_and(|low| low > 1.0)
        };
        let all_more = costs.iter().all(is_shown);
        Shown::by(costs.iter().all(no_more), all_more)
    };
    let cited = pairs.iter().flat_map(|pair| {
        let [reference, copied, usual, usual_copied] = &pair.cells;
        [(reference, usual), (copied, usual_copied)].map(|(cell, against)| Reference::Ratio {
            metric: pair.metric,
            cell: cell.clone(),
            against: against.clone(),
        })
    });
    let lacking = if costs.is_empty() { sweep() } else { Missing::rounds() };
    ruling
        .then(PartKind::Intervention, shown, [Reason::OffsetCosts { of: costs }])
        .lacks(lacking)
        .from(cited)
}

fn sweep() -> Missing {
    Missing::plan(RunCommand::new(
        "--send send,zerocopy --fields 1 --layout paged --offset 0,1,2048 --sizes 2KiB,3KiB,4KiB,5KiB,6KiB,8KiB,12KiB,16KiB --threads 1",
    ))
}

/// One message at an offset and at none, by reference and copied.
struct Moved {
    /// By reference and copied at the offset, and the same at none.
    cells: [Cell; 4],
    metric: Metric,
    /// Pages that it touches more than at none.
    more: f64,
}

impl Moved {
    /// The logarithm of what by-reference costs over the copy, at the offset less at none.
    fn terms(&self, weight: f64) -> [(f64, &Cell, Metric); 4] {
        let [reference, copied, usual, usual_copied] = &self.cells;
        [(weight, reference), (-weight, copied), (-weight, usual), (weight, usual_copied)]
            .map(|(weight, cell)| (weight, cell, self.metric))
    }
}

/// Every message that was measured at an offset and at none, by both paths; those with a CPU for each thread where there
/// are any.
fn moved(evidence: &Evidence<'_>, page: Option<u64>) -> Vec<Moved> {
    let Some(page) = page else { return Vec::new() };
    let of = |cell: &Cell| {
        let at_none = |cell: &Cell| {
            let mut cell = cell.clone();
            cell.reset(Factor::Offset);
            cell
        };
        let copied = Cell { send_path: SendPath::A1, ..cell.clone() };
        let cells = [cell.clone(), copied.clone(), at_none(cell), at_none(&copied)];
        let more = pages_per_message(cell, page)? - pages_per_message(&cells[2], page)?;
        let moved = Moved { cells, metric: Metric::cost_on(cell.link), more };
        (!evidence.combined(&moved.terms(1.0)).is_empty()).then_some(moved)
    };
    // In huge pages none is touched more.
    let is_it = |cell: &&Cell| {
        cell.is_itself() && !cell.is_default(Factor::Offset) && cell.is_default(Factor::Pages)
    };
    let with = |crowded: bool| -> Vec<Moved> {
        let asked = evidence.asked_of(SendPath::A3).filter(|e| e.oversubscribed.is_so() == crowded);
        asked.map(|estimates| &estimates.cell).filter(is_it).filter_map(of).collect()
    };
    let free = with(false);
    if free.is_empty() { with(true) } else { free }
}

/// What each offset costs where it touches more pages.
fn costs(evidence: &Evidence<'_>, pairs: &[Moved]) -> Vec<OffsetCost> {
    let mut offsets: BTreeMap<u32, [Vec<&Moved>; 2]> = BTreeMap::new();
    for pair in pairs {
        let [more, as_many] = offsets.entry(pair.cells[0].offset.bytes()).or_default();
        if pair.more > 0.0 { more.push(pair) } else { as_many.push(pair) }
    }
    offsets.retain(|_, [more, _]| !more.is_empty());
    let moments = |[more, as_many]: &[Vec<&Moved>; 2]| -> Moments {
        let mean = |of: &[&Moved], sign: f64| -> Vec<(f64, Cell, Metric)> {
            let weight = sign / of.len() as f64;
            let terms = of.iter().flat_map(|pair| pair.terms(weight));
            terms.map(|(weight, cell, metric)| (weight, cell.clone(), metric)).collect()
        };
        let mut terms = mean(more, 1.0);
        terms.extend(mean(as_many, -1.0));
        let terms: Vec<_> = terms.iter().map(|(w, cell, metric)| (*w, cell, *metric)).collect();
        evidence.combined(&terms)
    };
    let all: Vec<Moments> = offsets.values().map(moments).collect();
    let tested = pairs::test_family(&all, evidence.plan.measure.margin);
    let of_all = offsets.iter().zip(&all).zip(tested);
    let cost = of_all.filter_map(|(((offset, [more, as_many]), moments), tested)| {
        Some(OffsetCost {
            offset: *offset,
            ratio: *pairs::ratio(moments).value()?,
            finding: tested.map_or(Finding::Undecided, |tested| tested.finding),
            with_more: u32::try_from(more.len()).unwrap_or(u32::MAX),
            with_as_many: u32::try_from(as_many.len()).unwrap_or(u32::MAX),
            pages_more: more.iter().map(|pair| pair.more).sum::<f64>() / more.len() as f64,
        })
    });
    cost.collect()
}
