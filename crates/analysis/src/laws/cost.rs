//! Law 9: CPU a message grows with its bytes from a fixed cost.

use super::reason::{
    Breach, BreachRecord, BrokenLine, Fit, FittedLine, LawReason, Source, Wrong, whole,
};
use super::{decided, undecidable};
use crate::estimate::Estimate;
use crate::estimate::{t_975, t_above};
use crate::evidence::Evidence;
use crate::findings::{BreakPoint, CostModel};
use crate::laws::law::Law;
use crate::pairs::{SIGNIFICANCE, holm};
use model::{Missing, RunCommand};

const COST: u32 = 9;

/// The most lines with a break that are named.
const LINES_NAMED: usize = 3;

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

fn breach(model: &CostModel, wrong: Wrong) -> Breach {
    Breach { record: BreachRecord::Line { line: FittedLine::of(model) }, wrong }
}

/// a and b are above 0, and a line that does not fit has one of the breaks named beforehand.
pub(super) fn cost(evidence: &Evidence<'_>) -> Law {
    let mut tested: Vec<(Breach, f64)> = Vec::new();
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
        for (fixed, ns) in [(true, *a), (false, *b)] {
            let breach = breach(model, Wrong::BelowZero { fixed, ns });
            tested.extend(p_of_nonnegative(&ns).map(|p| (breach, p)));
        }
        misfits.look_at(model);
    }
    if compared == 0 {
        let absent = LawReason::absent(Source::Line, why_not.unwrap_or_default());
        return undecidable(COST, [absent], Missing::plan("--sizes with three sizes or more"));
    }
    if tested.is_empty() {
        return undecidable(COST, [LawReason::absent(Source::Intervals, "")], Missing::rounds());
    }
    let corrected = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    let below = tested.into_iter().zip(corrected).filter(|(_, p)| *p < SIGNIFICANCE);
    let below: Vec<Breach> = below.map(|((breach, _), _)| breach).collect();
    let Misfits { explained, unexplained, untestable } = misfits;
    let lines = |fit, n| LawReason::Lines { fit, n: whole(n), of: whole(compared) };
    let misfits = [
        (Fit::BelowZero, below.len()),
        (Fit::Unexplained, unexplained.len()),
        (Fit::Untestable, untestable),
    ];
    let mut reasons: Vec<LawReason> =
        misfits.into_iter().filter(|(_, n)| *n > 0).map(|(fit, n)| lines(fit, n)).collect();
    if !explained.is_empty() {
        let more = whole(explained.len().saturating_sub(LINES_NAMED));
        reasons.push(LawReason::Breaks {
            lines: explained.into_iter().take(LINES_NAMED).collect(),
            more,
        });
    }
    if below.is_empty() {
        reasons.push(lines(Fit::AboveZero, above));
    }
    let broken: Vec<Breach> = below.into_iter().chain(unexplained).collect();
    if broken.is_empty() && untestable > 0 {
        return undecidable(COST, reasons, Missing::plan(RunCommand::new("--preset break-even")));
    }
    // Intervals that hold 0 everywhere could not have broken it.
    if broken.is_empty() && above == 0 {
        return undecidable(COST, reasons, Missing::rounds());
    }
    decided(COST, compared, reasons, broken)
}

/// Lines that do not fit (their p are corrected by Holm over the run's lines), by what is known of why.
#[derive(Default)]
struct Misfits {
    /// A break named beforehand is shown.
    explained: Vec<BrokenLine>,
    /// Every break named beforehand that lies among the sizes was tested, and none is shown.
    unexplained: Vec<Breach>,
    /// None is shown, but not every one could be tested.
    untestable: usize,
}

impl Misfits {
    fn look_at(&mut self, model: &CostModel) {
        let Some(p) = model.lack_of_fit_p.value().filter(|p| **p < SIGNIFICANCE) else { return };
        let is_shown = |point: &&BreakPoint| point.p.value().is_some_and(|p| *p < SIGNIFICANCE);
        let at: Vec<BreakPoint> = model.breaks.iter().filter(is_shown).cloned().collect();
        if !at.is_empty() {
            self.explained.push(BrokenLine { line: FittedLine::of(model), at });
        } else if model.breaks.iter().any(|point| point.p.value().is_none()) {
            self.untestable += 1;
        } else {
            self.unexplained.push(breach(model, Wrong::NoFit { p: *p }));
        }
    }
}
