//! C9: throughput over message size.

use std::collections::BTreeMap;

use model::{Cell, SendPath};

use super::{Says, refuted, supported, undecidable};
use crate::comparisons::{Compared, names, of_moments, place, sound};
use crate::evidence::{Evidence, figure};
use crate::explained::{CostModel, ModelledSide};
use crate::figure_text::{level, ratio, short};
use crate::metric::Metric;

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
                let moments = evidence.trials.paired(larger, smaller, Metric::GoodputGbps);
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

/// Growth is shown step by step. The reason is shown by a counter (calls a message) and an intervention on it (send's
/// call a field against sendmsg's one): the fixed cost a message must follow the calls.
pub(super) fn c9(evidence: &Evidence<'_>) -> Says {
    let metric = Metric::GoodputGbps;
    let further =
        "copycost run --send send,sendmsg --sizes 64,512,4KiB,64KiB --threads 1 --rounds 20";
    let (steps, crowded) = sound(steps(evidence));
    if steps.is_empty() {
        return undecidable("no path was measured at two sizes", further);
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
            "every cell is oversubscribed, so no cause is claimed",
            "a thread count that leaves each busy thread a CPU: --threads 1 on 2 CPUs or more",
        )
        .from(cited);
    }
    if !steps.iter().all(|step| step.is_above(1.0)) {
        return undecidable(
            "goodput is not shown to grow at every step between sizes",
            "more rounds: --resume with more --max-time",
        )
        .from(cited);
    }
    let calls = |path: SendPath| {
        let cells = evidence.asked().filter(|e| e.cell.send_path == path && !e.oversubscribed);
        cells.filter_map(|e| figure(e, Metric::SendCallsPerMessage)).map(|e| e.mean).next()
    };
    let many = fixed_costs(evidence, SendPath::Send);
    let pairs = many.iter().filter_map(|many| {
        let one = fixed_costs(evidence, SendPath::Sendmsg);
        let one = one.into_iter().find(|one| one.shared == many.shared)?;
        Some((many.per_message_ns.value()?, one.per_message_ns.value()?))
    });
    let pairs: Vec<_> = pairs.collect();
    let (Some((first_many, first_one)), Some(calls_many), Some(calls_one)) =
        (pairs.first(), calls(SendPath::Send), calls(SendPath::Sendmsg))
    else {
        return undecidable(
            "goodput grows at every step, but the fixed cost of a message was not modelled for send and sendmsg, so why is not shown",
            further,
        )
        .from(cited);
    };
    let told = format!(
        "goodput grows at every step; a message costs the sender a fixed {} ns with {} calls and {} ns with {}",
        level(first_many),
        short(calls_many),
        level(first_one),
        short(calls_one)
    );
    if calls_many <= calls_one * 1.5 {
        return undecidable(
            format!("{told}: the calls do not differ enough to show what they cost"),
            format!("{further} --fields 8"),
        )
        .from(cited);
    }
    let follows = |many: &crate::summary::Estimate, one: &crate::summary::Estimate| {
        many.low.zip(one.high).is_some_and(|(many, one)| many > one)
    };
    let contradicts = |many: &crate::summary::Estimate, one: &crate::summary::Estimate| {
        many.high.zip(one.low).is_some_and(|(many, one)| many < one)
    };
    if pairs
        .iter()
        .any(|(many, one)| contradicts(many, one) || many.high.is_some_and(|high| high < 0.0))
    {
        refuted(format!("{told}: the fixed cost does not come with the calls")).from(cited)
    } else if pairs.iter().all(|(many, one)| follows(many, one)) {
        supported(format!("{told}: the cost that size amortises comes with the calls")).from(cited)
    } else {
        undecidable(
            format!("{told}: the intervals do not tell the two apart"),
            "more rounds: --resume with more --max-time",
        )
        .from(cited)
    }
}
