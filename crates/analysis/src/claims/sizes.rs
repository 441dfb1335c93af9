//! C9: throughput over message size.

use std::collections::BTreeMap;

use model::{Cell, Factor, SendPath};

use super::threads::GOODPUT;
use super::{Missing, PartKind, Reference, Ruling, Shown, effect, not_measured};
use crate::comparisons::{against, paths, unmeasured, with_a_cpu_each};
use crate::evidence::{Evidence, figure};
use crate::findings::{CostModel, ModelledSide};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::pairs::SIGNIFICANCE;
use crate::reason::{Figured, FixedCost, Reason};

/// Each size against the next smaller one.
fn steps(evidence: &Evidence<'_>) -> Vec<Compared> {
    let mut series: BTreeMap<Cell, Vec<&Cell>> = BTreeMap::new();
    for estimates in evidence.asked() {
        let key = Cell { message: Cell::default().message, ..estimates.cell.clone() };
        series.entry(key).or_default().push(&estimates.cell);
    }
    let mut pairs = Vec::new();
    for mut cells in series.into_values() {
        cells.sort_by_key(|cell| cell.message);
        for pair in cells.windows(2) {
            if let [smaller, larger] = pair {
                pairs.push(((*larger).clone(), (*smaller).clone()));
            }
        }
    }
    against(evidence, pairs.into_iter(), GOODPUT)
}

/// Growth is shown step by step. The reason is shown by a counter (calls per message) and an intervention on it (send's
/// call a field against sendmsg's one): the fixed cost a message must follow the calls. The fixed cost is that of the
/// fitted lines where they fit, and else that of the smallest message.
pub(super) fn c9(evidence: &Evidence<'_>) -> Ruling {
    const PLAN: &str =
        "copycost run --send send,sendmsg --sizes 64,512,4KiB,64KiB --threads 1 --rounds 20";
    let paths = [SendPath::A1, SendPath::A2];
    let (steps, too_few_cpus) = with_a_cpu_each(steps(evidence));
    let Some(seen) = Reason::all_more(GOODPUT, &steps) else {
        let one_size = Reason::NotVaried { factor: Factor::Message, value: None };
        return not_measured(one_size, Missing::plan(PLAN));
    };
    let cited = names(&steps, GOODPUT);
    let growth = Shown::all_more(&steps);
    if too_few_cpus && growth != Shown::No {
        return effect(Shown::Unclear, [seen, Reason::TooFewCpus])
            .lacks(super::a_cpu_for_each_thread())
            .from(cited);
    }
    let ruling = effect(growth, [seen]).from(cited);
    if !ruling.holds() {
        return ruling.lacks(Missing::rounds());
    }
    let metric = Metric::SendCallsPerMessage;
    let calls = |path: SendPath| {
        let cells = evidence.asked_of(path).filter(|e| !e.oversubscribed);
        cells
            .filter_map(|e| Some(Figured { cell: e.cell.clone(), value: figure(e, metric)? }))
            .next()
    };
    let [Some(many), Some(one)] = paths.map(calls) else {
        let missing = unmeasured(evidence, metric, &paths, &[], &[]);
        return ruling
            .then(PartKind::Counter, Shown::NotMeasured, [missing])
            .lacks(Missing::plan(PLAN));
    };
    let differ = many.value.mean > one.value.mean * 1.5;
    let calls = Reason::Figures { metric, figures: vec![many, one] };
    let ruling = ruling.then(PartKind::Counter, Shown::by(false, differ), [calls]);
    let Some((follows, seen, cited)) = fitted(evidence).or_else(|| smallest(evidence)) else {
        return ruling
            .then(
                PartKind::Intervention,
                Shown::NotMeasured,
                [Reason::FixedCosts { costs: Vec::new() }],
            )
            .lacks(Missing::plan(PLAN));
    };
    let ruling = ruling.from(cited);
    if !differ {
        return ruling.beside([seen]).lacks(Missing::plan(format!("{PLAN} --fields 8")));
    }
    ruling.then(PartKind::Intervention, follows, [seen]).lacks(Missing::rounds())
}

/// Whether many calls are shown to cost a message more, whatever its size; by what, and where that stands.
type Follows = (Shown, Reason, Vec<Reference>);

/// The fixed costs of a message of a path's sender, where it is not oversubscribed.
fn fixed_costs<'a>(evidence: &Evidence<'a>, path: SendPath) -> Vec<(&'a CostModel, FixedCost)> {
    let models = evidence.cost_models.iter().filter(|model| {
        model.path == path && model.side == ModelledSide::Sender && !model.oversubscribed
    });
    let with_cost = |model: &'a CostModel| {
        Some((model, FixedCost { path, ns: *model.per_message_ns.value()? }))
    };
    models.filter_map(with_cost).collect()
}

/// By the lines' fixed costs, where the lines fit.
fn fitted(evidence: &Evidence<'_>) -> Option<Follows> {
    let fits = |model: &CostModel| model.lack_of_fit_p.value().is_some_and(|p| *p >= SIGNIFICANCE);
    let ones = fixed_costs(evidence, SendPath::A2);
    let many = fixed_costs(evidence, SendPath::A1);
    let pairs: Vec<_> = many
        .iter()
        .filter_map(|many| Some((many, ones.iter().find(|one| one.0.shared == many.0.shared)?)))
        .collect();
    let first = pairs.first()?;
    if !pairs.iter().all(|(many, one)| fits(many.0) && fits(one.0)) {
        return None;
    }
    let is_above =
        |a: &FixedCost, b: &FixedCost| a.ns.low.zip(b.ns.high).is_some_and(|(a, b)| a > b);
    let contradicting = pairs.iter().find(|((_, many), (_, one))| {
        is_above(one, many) || many.ns.high.is_some_and(|high| high < 0.0)
    });
    let (many, one) = contradicting.unwrap_or(first);
    let shown = pairs.iter().all(|((_, many), (_, one))| is_above(many, one));
    let seen = Reason::FixedCosts { costs: vec![many.1, one.1] };
    let models = pairs.iter().flat_map(|(many, one)| [many.0, one.0]);
    Some((
        Shown::by(contradicting.is_some(), shown),
        seen,
        models.map(Reference::cost_model).collect(),
    ))
}

/// A message no larger than this costs next to nothing for its bytes.
const SMALL: u64 = 1023;

/// Where a line does not fit: by what the smallest message costs, paired within blocks.
fn smallest(evidence: &Evidence<'_>) -> Option<Follows> {
    let metric = Metric::SenderCpuNsPerKib;
    let mut compared = paths(evidence, SendPath::A2, SendPath::A1, metric);
    compared.retain(|c| !c.oversubscribed && c.cell.message.bytes().0 <= SMALL);
    let least = compared.iter().map(|c| c.cell.message).min()?;
    compared.retain(|c| c.cell.message == least);
    let seen = Reason::all_less(metric, &compared)?;
    Some((Shown::all_less(&compared), seen, names(&compared, metric)))
}
