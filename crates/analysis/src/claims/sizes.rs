//! C9: throughput over message size.

use std::collections::BTreeMap;

use model::{Cell, SendPath};

use super::{Missing, Reference, Ruling, refuted, supported, undecidable};
use crate::comparisons::{Compared, names, of_moments, paths, place, sound};
use crate::evidence::{Evidence, figure};
use crate::explained::{CostModel, ModelledSide};
use crate::figure_text::{level, message, ratio, short};
use crate::metric::Metric;
use crate::pairs::SIGNIFICANCE;
use crate::summary::Estimate;

/// Each size against the next smaller one, paired by round.
fn steps(evidence: &Evidence<'_>) -> Vec<Compared> {
    let mut series: BTreeMap<Cell, Vec<&Cell>> = BTreeMap::new();
    for estimates in evidence.asked() {
        let key = Cell { message: Cell::default().message, ..estimates.cell.clone() };
        series.entry(key).or_default().push(&estimates.cell);
    }
    let mut family = Vec::new();
    for mut cells in series.into_values() {
        cells.sort_by_key(|cell| cell.message);
        for pair in cells.windows(2) {
            if let [smaller, larger] = pair {
                let moments = evidence.paired(larger, smaller, Metric::GoodputGbps);
                family.push(((*larger).clone(), (*smaller).clone(), moments));
            }
        }
    }
    of_moments(evidence, family)
}

/// The fixed cost a message of a path's sender, in ns, where it is not oversubscribed.
fn fixed_costs<'a>(evidence: &Evidence<'a>, path: SendPath) -> Vec<&'a CostModel> {
    let models = evidence.cost_models.iter();
    models
        .filter(|model| {
            model.path == path
                && model.side == ModelledSide::Sender
                && !model.oversubscribed
                && model.per_message_ns.value().is_some()
        })
        .collect()
}

/// Growth is shown step by step. The reason is shown by a counter (calls per message) and an intervention on it (send's
/// call a field against sendmsg's one): the fixed cost a message must follow the calls. The fixed cost is that of the
/// fitted lines where they fit, and else that of the smallest message.
pub(super) fn c9(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::GoodputGbps;
    const PLAN: &str =
        "copycost run --send send,sendmsg --sizes 64,512,4KiB,64KiB --threads 1 --rounds 20";
    let further = || Missing::plan(PLAN);
    let (steps, crowded) = sound(steps(evidence));
    if steps.is_empty() {
        return undecidable("no path was measured at two sizes", further());
    }
    let cited = names(&steps, metric);
    if let Some(step) = steps.iter().find(|step| step.is_no_more()) {
        return refuted(format!(
            "{}'s goodput at {} is {} of that at {}: it does not grow",
            step.cell.send_path,
            place(&step.cell),
            ratio(&step.ratio),
            place(&step.against)
        ))
        .from(cited);
    }
    if crowded {
        return undecidable(
            "no cause is claimed of threads that share CPUs",
            super::a_cpu_for_each_thread(),
        )
        .from(cited);
    }
    if !steps.iter().all(|step| step.is_above(1.0)) {
        return undecidable(
            "goodput is not shown to grow at every step between sizes",
            Missing::rounds(),
        )
        .from(cited);
    }
    let calls = |path: SendPath| {
        let cells = evidence.asked().filter(|e| e.cell.send_path == path && !e.oversubscribed);
        cells.filter_map(|e| figure(e, Metric::SendCallsPerMessage)).map(|e| e.mean).next()
    };
    let (Some(calls_many), Some(calls_one)) = (calls(SendPath::A1), calls(SendPath::A2)) else {
        return undecidable(
            "goodput grows at every step, but send and sendmsg were not both measured, so why is not shown",
            further(),
        )
        .from(cited);
    };
    let Some(cost) = fitted(evidence).or_else(|| smallest(evidence)) else {
        return undecidable(
            "goodput grows at every step, but the fixed cost of a message is not known of send and sendmsg: no line fits, and no message below 1 KiB was sent by both, so why is not shown",
            further(),
        )
        .from(cited);
    };
    let cited = cited.into_iter().chain(cost.cited);
    let told = format!(
        "goodput grows at every step; {} with {} calls and {} with {}",
        cost.many,
        number(calls_many),
        cost.one,
        number(calls_one)
    );
    if calls_many <= calls_one * 1.5 {
        return undecidable(
            format!("{told}: the calls do not differ enough to show what they cost"),
            Missing::plan(format!("{PLAN} --fields 8")),
        )
        .from(cited);
    }
    match cost.follows {
        Some(false) => {
            refuted(format!("{told}: the fixed cost does not come with the calls")).from(cited)
        }
        Some(true) => {
            supported(format!("{told}: the cost that size amortises comes with the calls"))
                .from(cited)
        }
        None => undecidable(
            format!("{told}: the intervals do not tell the two apart"),
            Missing::rounds(),
        )
        .from(cited),
    }
}

/// What a message costs the sender whatever its size, with many calls and with one.
struct FixedCost {
    many: String,
    one: String,
    /// Whether many calls are shown to cost more; none where that is not told.
    follows: Option<bool>,
    cited: Vec<Reference>,
}

/// The lines' fixed costs, where the lines fit.
fn fitted(evidence: &Evidence<'_>) -> Option<FixedCost> {
    let fits = |model: &CostModel| model.lack_of_fit_p.value().is_some_and(|p| *p >= SIGNIFICANCE);
    let ones = fixed_costs(evidence, SendPath::A2);
    let pairs: Vec<(&CostModel, &CostModel)> = fixed_costs(evidence, SendPath::A1)
        .into_iter()
        .filter_map(|many| Some((many, *ones.iter().find(|one| one.shared == many.shared)?)))
        .collect();
    if !pairs.iter().all(|(many, one)| fits(many) && fits(one)) {
        return None;
    }
    let costs: Vec<(&Estimate, &Estimate)> = pairs
        .iter()
        .filter_map(|(many, one)| Some((many.per_message_ns.value()?, one.per_message_ns.value()?)))
        .collect();
    let (many, one) = costs.first()?;
    let is_above = |a: &Estimate, b: &Estimate| a.low.zip(b.high).is_some_and(|(a, b)| a > b);
    let contradicts = |(many, one): &(&Estimate, &Estimate)| {
        is_above(one, many) || many.high.is_some_and(|high| high < 0.0)
    };
    Some(FixedCost {
        many: format!("a message costs the sender a fixed {} ns", level(many)),
        one: format!("{} ns", level(one)),
        follows: if costs.iter().any(contradicts) {
            Some(false)
        } else {
            costs.iter().all(|(many, one)| is_above(many, one)).then_some(true)
        },
        cited: pairs
            .iter()
            .flat_map(|(many, one)| [*many, *one])
            .map(Reference::cost_model)
            .collect(),
    })
}

/// A message no larger than this costs next to nothing for its bytes.
const SMALL: u64 = 1023;

/// Where a line does not fit: what the smallest message costs, paired within blocks.
fn smallest(evidence: &Evidence<'_>) -> Option<FixedCost> {
    let metric = Metric::SenderCpuNsPerKib;
    let mut compared = paths(evidence, SendPath::A2, SendPath::A1, metric);
    compared.retain(|c| !c.oversubscribed && c.cell.message.bytes().0 <= SMALL);
    let least = compared.iter().map(|c| c.cell.message).min()?;
    compared.retain(|c| c.cell.message == least);
    let first = compared.first()?;
    let cost = |cell: &Cell| {
        let of = evidence.cell(cell).and_then(|e| figure(e, Metric::SenderCpuNsPerMessage));
        of.map_or_else(|| "-".to_owned(), |ns| level(&ns))
    };
    Some(FixedCost {
        many: format!(
            "no straight line over size fits, but a message of {} costs the sender {} ns",
            message(&first.cell),
            cost(&first.against)
        ),
        one: format!("{} ns ({})", cost(&first.cell), ratio(&first.ratio)),
        follows: if compared.iter().any(Compared::is_no_less) {
            Some(false)
        } else {
            compared.iter().all(|c| c.is_below(1.0)).then_some(true)
        },
        cited: names(&compared, metric),
    })
}

/// Calls per message: `8`, `1`, `1.50`.
fn number(calls: f64) -> String {
    if (calls - calls.round()).abs() < 0.005 { format!("{calls:.0}") } else { short(calls) }
}
