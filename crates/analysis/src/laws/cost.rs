//! Law 9: CPU a message grows with its bytes from a fixed cost.

use super::Text;
use crate::estimate::{t_975, t_above};
use crate::evidence::Evidence;
use crate::explained::{CostModel, Law, ModelledSide};
use crate::figure_text::{counted, level, listed, size};
use crate::pairs::{SIGNIFICANCE, holm};
use crate::summary::Estimate;
use model::Missing;

const COST: Text = Text {
    id: 9,
    name: "cost",
    says: "CPU a message and side = a + b·bytes with a and b above 0; only the break points named beforehand may change that",
    sources: ["CPU time at each message size", "the line through the other sizes"],
};

/// One-sided p of "it is at least 0", from a t interval; none without one. Small: it is shown to lie below.
fn p_of_nonnegative(estimate: &Estimate) -> Option<f64> {
    let (low, high) = (estimate.low?, estimate.high?);
    let freedom = estimate.trials.checked_sub(1).filter(|freedom| *freedom > 0)?;
    let error = (high - low) / 2.0 / t_975(freedom);
    Some(if error > 0.0 {
        t_above(-estimate.mean / error, freedom)
    } else if estimate.mean > 0.0 {
        1.0
    } else {
        0.0
    })
}

fn side(side: ModelledSide) -> &'static str {
    match side {
        ModelledSide::Sender => "sender",
        ModelledSide::Receiver => "receiver",
    }
}

fn name(model: &CostModel) -> String {
    format!("{} of {}, {}", side(model.side), model.path, model.shared)
}

/// a and b are above 0, and a line that does not fit has one of the breaks named beforehand.
pub(super) fn cost(evidence: &Evidence<'_>) -> Law {
    let mut tested: Vec<(String, f64)> = Vec::new();
    let (mut compared, mut above) = (0, 0);
    let mut misfits = Misfits::default();
    let mut why_not = None;
    for model in evidence.cost_models {
        let (Some(a), Some(b)) = (model.per_message_ns.value(), model.per_byte_ns.value()) else {
            let reason = model.per_message_ns.reason().or(model.per_byte_ns.reason());
            why_not = why_not.or(reason);
            continue;
        };
        compared += 1;
        above += usize::from([a, b].iter().all(|x| x.low.is_some_and(|low| low > 0.0)));
        for (what, unit, estimate) in [("a", "ns per message", a), ("b", "ns per byte", b)] {
            if let Some(p) = p_of_nonnegative(estimate) {
                tested.push((
                    format!("all rounds, {}: {what} = {} {unit}", name(model), level(estimate)),
                    p,
                ));
            }
        }
        misfits.look_at(model);
    }
    if compared == 0 {
        let why = why_not.unwrap_or("no path was measured at three sizes or more");
        return COST.undecidable(why, Missing::plan("--sizes with three sizes or more"));
    }
    if tested.is_empty() {
        return COST.undecidable("one round gives no interval for a and b", Missing::rounds());
    }
    let corrected = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    let below: Vec<String> = tested
        .iter()
        .zip(corrected)
        .filter(|(_, p)| *p < SIGNIFICANCE)
        .map(|((name, _), _)| name.clone())
        .collect();
    let lines = counted(compared, "fitted line", "fitted lines");
    let Misfits { explained, unexplained, untestable } = misfits;
    let mut because = Vec::new();
    if !below.is_empty() {
        because.push(format!("a or b is below 0 in {}", counted(below.len(), "place", "places")));
    }
    if !unexplained.is_empty() {
        because.push(format!(
            "a straight line does not fit in {} of {lines}, and no break point named beforehand explains it",
            unexplained.len()
        ));
    }
    if !untestable.is_empty() {
        because.push(format!(
            "a straight line does not fit in {} of {lines}, and the breaks named beforehand cannot be tested with these sizes and rounds",
            untestable.len()
        ));
    }
    if !explained.is_empty() {
        because.push(format!("a break named beforehand is seen in {}", first_few(&explained)));
    }
    if below.is_empty() {
        because.push(format!(
            "in {above} of {lines} both a and b are shown to be above 0, in none is either shown to be below"
        ));
    }
    let because = because.join("; ");
    let broken: Vec<String> = below.into_iter().chain(unexplained).collect();
    if !broken.is_empty() {
        COST.broken(compared, because, broken)
    } else if untestable.is_empty() {
        COST.holds(compared, because)
    } else {
        COST.undecidable(because, Missing::plan("copycost run --preset break-even"))
    }
}

/// Lines that do not fit (their p are corrected by Holm over the run's lines), by what is known of why.
#[derive(Default)]
struct Misfits {
    /// A break named beforehand is shown.
    explained: Vec<String>,
    /// Every break named beforehand that lies among the sizes was tested, and none is shown.
    unexplained: Vec<String>,
    /// None is shown, but not every one could be tested.
    untestable: Vec<String>,
}

impl Misfits {
    fn look_at(&mut self, model: &CostModel) {
        let Some(p) = model.lack_of_fit_p.value().filter(|p| **p < SIGNIFICANCE) else { return };
        let shown = model
            .breaks
            .iter()
            .filter(|point| point.p.value().is_some_and(|p| *p < SIGNIFICANCE))
            .map(|point| format!("{} ({})", point.name, size(point.bytes)));
        let shown: Vec<String> = shown.collect();
        if !shown.is_empty() {
            self.explained.push(format!("{} at {}", name(model), listed(&shown)));
        } else if model.breaks.iter().any(|point| point.p.value().is_none()) {
            self.untestable.push(name(model));
        } else {
            self.unexplained.push(format!(
                "all rounds, {}: the line does not fit (p = {p:.0e} after Holm)",
                name(model)
            ));
        }
    }
}

/// The first three, and how many more.
fn first_few(names: &[String]) -> String {
    match names {
        [first @ .., _] if first.len() >= 3 => {
            format!("{} and {} more", names[..3].join("; "), names.len() - 3)
        }
        all => all.join("; "),
    }
}
