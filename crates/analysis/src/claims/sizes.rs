//! C9: throughput over message size.

use std::collections::BTreeMap;

use model::values::Fields;
use model::{Cell, Factor, RunCommand, SendPath};

use super::threads::GOODPUT;
use super::{Missing, PartKind, Reference, Ruling, Shown, effect, not_measured};
use crate::comparisons::{against, paths, unmeasured, with_a_cpu_each};
use crate::estimate::{Estimate, Moments, quotient};
use crate::evidence::{Evidence, figure};
use crate::findings::{CostModel, ModelledSide};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::pairs::{SIGNIFICANCE, holm};
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
/// call a field against sendmsg's one): more than half of the fixed cost of a message must go with the calls. The fixed cost
/// is that of the fitted lines where they fit, and else that of the smallest message.
pub(super) fn c9(evidence: &Evidence<'_>) -> Ruling {
    const PLAN: &str = "--send send,sendmsg --sizes 64,512,4KiB,64KiB --threads 1 --rounds 20";
    let paths = [SendPath::A1, SendPath::A2];
    let (steps, too_few_cpus) = with_a_cpu_each(steps(evidence));
    let Some(seen) = Reason::all_more(GOODPUT, &steps) else {
        let one_size = Reason::NotVaried { factor: Factor::Message, value: None };
        return not_measured(one_size, Missing::plan(RunCommand::new(PLAN)));
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
        let cells = evidence.asked_of(path).filter(|e| !e.oversubscribed.is_so());
        let mut figures = cells
            .filter_map(|e| Some(Figured { cell: e.cell.clone(), value: figure(e, metric)? }))
            .peekable();
        let first = figures.peek().cloned();
        // A message of one field takes one call by either path, so that it tells nothing where others were measured.
        figures.find(|it| it.cell.fields > Fields::ONE).or(first)
    };
    let [Some(many), Some(one)] = paths.map(calls) else {
        let missing = unmeasured(evidence, metric, &paths, &[], &[]);
        return ruling
            .then(PartKind::Counter, Shown::NotMeasured, [missing])
            .lacks(Missing::plan(RunCommand::new(PLAN)));
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
            .lacks(Missing::plan(RunCommand::new(PLAN)));
    };
    let ruling = ruling.from(cited);
    if !differ {
        return ruling
            .beside(seen)
            .lacks(Missing::plan(RunCommand::new(format!("{PLAN} --fields 8"))));
    }
    ruling.then(PartKind::Intervention, follows, seen).lacks(Missing::rounds())
}

/// How much of the fixed cost goes with the calls, and where that stands.
type Follows = (Shown, Vec<Reason>, Vec<Reference>);

/// A claim that calls are why the fixed cost is what it is needs more than this part of it to go with them.
const MOST: f64 = 0.5;

/// Two cells or two lines over size, by a path with n calls a message and one with a single call.
struct Calls {
    /// n.
    fields: f64,
    /// Fixed cost with one call over that with n.
    ratio: Option<Estimate>,
    /// Above 0 on average over rounds where less than [`MOST`] of the fixed cost goes with the calls.
    short_of_most: Moments,
    seen: Reason,
    cited: Vec<Reference>,
}

impl Calls {
    /// Of a fixed cost c + n·k that falls to c + k with one call, the calls' part is n·k = n/(n − 1)·(1 − ratio).
    fn share(&self, ratio: f64) -> f64 {
        self.fields / (self.fields - 1.0) * (1.0 - ratio)
    }

    fn estimate(&self) -> Option<Estimate> {
        let of = |ratio: f64| self.share(ratio);
        self.ratio.map(|Estimate { mean, low, high, trials }| Estimate {
            mean: of(mean),
            low: high.map(of),
            high: low.map(of),
            trials,
        })
    }

    fn is_most(&self) -> bool {
        self.estimate().and_then(|share| share.low).is_some_and(|low| low > MOST)
    }
}

/// The ratio of fixed costs at which [`MOST`] of it goes with n calls.
fn ratio_at_most(fields: f64) -> f64 {
    1.0 - MOST * (fields - 1.0) / fields
}

/// Every part must be shown to be most of its fixed cost; one that is shown not to be, corrected over all, contradicts it.
fn follows(all: &[Calls]) -> Option<Follows> {
    let p: Vec<f64> =
        all.iter().map(|calls| calls.short_of_most.p_of_zero().unwrap_or(1.0)).collect();
    let contradicts =
        |(calls, p): &(&Calls, f64)| *p < SIGNIFICANCE && calls.short_of_most.mean() > 0.0;
    let contradicting = all.iter().zip(holm(&p)).find(contradicts).map(|(calls, _)| calls);
    let first = contradicting.or(all.first())?;
    let share = first.estimate().map(|share| Reason::CallsShare { share });
    Some((
        Shown::by(contradicting.is_some(), all.iter().all(Calls::is_most)),
        std::iter::once(first.seen.clone()).chain(share).collect(),
        all.iter().flat_map(|calls| calls.cited.clone()).collect(),
    ))
}

/// The sender's lines over size of a path that are not oversubscribed, of messages with several fields.
fn lines<'a>(
    evidence: &Evidence<'a>,
    path: SendPath,
) -> impl Iterator<Item = &'a CostModel> + use<'a> {
    evidence.cost_models.iter().filter(move |model| {
        model.path == path
            && model.side == ModelledSide::Sender
            && !model.oversubscribed.is_so()
            && model.shared.cell().fields > Fields::ONE
            && model.per_message_ns.value().is_some()
    })
}

/// By the lines' fixed costs, where the lines fit.
fn fitted(evidence: &Evidence<'_>) -> Option<Follows> {
    let fits = |model: &CostModel| model.lack_of_fit_p.value().is_some_and(|p| *p >= SIGNIFICANCE);
    let twin = |many| lines(evidence, SendPath::A2).find(|one: &&CostModel| one.shared == many);
    let pairs =
        lines(evidence, SendPath::A1).filter_map(|many| Some((many, twin(many.shared.clone())?)));
    let pairs: Vec<(&CostModel, &CostModel)> = pairs.collect();
    if !pairs.iter().all(|(many, one)| fits(many) && fits(one)) {
        return None;
    }
    let calls = |(many, one): &(&CostModel, &CostModel)| {
        let fields = f64::from(many.shared.cell().fields.get());
        let of_many = |round: &u32| many.per_message_by_round.get(round).copied();
        let of_both = |(round, one): (&u32, &f64)| Some([*one, of_many(round)?]);
        let both: Vec<[f64; 2]> = one.per_message_by_round.iter().filter_map(of_both).collect();
        let mut short_of_most = Moments::default();
        both.iter().for_each(|[one, many]| short_of_most.push(one - many * ratio_at_most(fields)));
        let costs = [many, one].into_iter().filter_map(|model| {
            Some(FixedCost { path: model.path, ns: *model.per_message_ns.value()? })
        });
        Calls {
            fields,
            ratio: quotient(&both),
            short_of_most,
            seen: Reason::FixedCosts { costs: costs.collect() },
            cited: [*many, *one].map(Reference::cost_model).to_vec(),
        }
    };
    follows(&pairs.iter().map(calls).collect::<Vec<_>>())
}

/// A message no larger than this costs next to nothing for its bytes.
const SMALL: u64 = 1023;

/// Where a line does not fit: by what the smallest message costs, paired within blocks.
fn smallest(evidence: &Evidence<'_>) -> Option<Follows> {
    let metric = Metric::SenderCpuNsPerKib;
    let mut compared = paths(evidence, SendPath::A2, SendPath::A1, metric);
    compared.retain(|c| {
        !c.oversubscribed.is_so()
            && c.cell.message.bytes().0 <= SMALL
            && c.cell.fields > Fields::ONE
    });
    let least = compared.iter().map(|c| c.cell.message).min()?;
    compared.retain(|c| c.cell.message == least);
    let calls = |c: &Compared| {
        let fields = f64::from(c.cell.fields.get());
        let log_ratio = evidence.paired(&c.cell, &c.against, metric);
        Calls {
            fields,
            ratio: Some(c.ratio),
            short_of_most: log_ratio.less(ratio_at_most(fields).ln()),
            seen: Reason::Each { metric, ratios: vec![c.clone()] },
            cited: vec![c.reference(metric)],
        }
    };
    follows(&compared.iter().map(calls).collect::<Vec<_>>())
}
