//! Q0 and Q1: where bytes are copied, and why zero-copy may not pay.

use model::{Audit, Cell, Missing, RunCommand, SendPath};

use super::{AnswerFinding, CopiesInAll, Found, Saves, is_measured};
use crate::audited::{not_counted, of_path};
use crate::comparisons::{completions, copied_shares, of_moments, paths, paths_asked};
use crate::copies::{NotCounted, PerByte, Step, copy_audit, lacking, per_byte};
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::operands::OfPath;
use crate::reason::Reason;

/// By what an audit counted of send over a link with a receiver.
pub(super) fn q0(main: &Evidence<'_>, whole: &Evidence<'_>) -> Found {
    if !is_audited(whole) && !is_measured(whole) {
        return Found::no_valid_trial();
    }
    let mut of_send = of_path(whole, SendPath::A1);
    of_send.retain(|of_send| of_send.link.has_receiver());
    // What was counted goes before what remains, and that before what is not known.
    of_send.sort_by_key(|seen| {
        let known = seen.of(Step::In).is_some() && seen.of(Step::Out).is_some();
        (!known, seen.decided(Step::In).is_none())
    });
    of_send.truncate(1);
    let total = of_send.first().map_or(CopiesInAll::Unclear, in_all);
    let reasons = of_send.iter().flat_map(|seen| {
        let steps = Step::ALL.into_iter().filter(|step| seen.of(*step).is_none());
        steps.map(|step| Reason::StepNotCounted { step, why: why_not(whole, seen, step) })
    });
    let reasons = reasons.collect();
    let completions = completions(main);
    let ask = match of_send.first() {
        Some(seen) => {
            let undecided = Step::ALL.into_iter().find(|step| seen.decided(*step).is_none());
            let why = undecided.map(|step| (step, why_not(whole, seen, step)));
            copy_audit(whole, why.as_ref().map(|(step, why)| (*step, why)))
        }
        None => copy_audit(whole, lacking(&not_counted(whole, SendPath::A1))),
    };
    let finding =
        AnswerFinding::Copies { total, counted: of_send, not_counted: reasons, completions };
    if matches!(total, CopiesInAll::Two | CopiesInAll::NotTwo) {
        let others = ["another kernel", "a network card between the ends"];
        return Found::answered(finding, others.map(Missing::of_itself));
    }
    Found::open(finding, ask)
}

/// Whether an audit counted anything of any path.
fn is_audited(whole: &Evidence<'_>) -> bool {
    paths_asked(whole).into_iter().any(|path| !of_path(whole, path).is_empty())
}

/// What was not counted at delivery may be a third copy; what remains, instead of a count, decides nothing.
fn in_all(seen: &OfPath) -> CopiesInAll {
    let (Some(copied_in), Some(copied_out)) = (seen.decided(Step::In), seen.decided(Step::Out))
    else {
        return CopiesInAll::Unclear;
    };
    let both_once = copied_in.is(1.0) && copied_out.is(1.0);
    match seen.of(Step::Deferred) {
        Some(deferred) if both_once && deferred.is(0.0) => CopiesInAll::Two,
        Some(_) => CopiesInAll::NotTwo,
        None if both_once => CopiesInAll::TwoAtLeast,
        None if copied_in.plus(copied_out).is_above(2.0) => CopiesInAll::NotTwo,
        None => CopiesInAll::Unclear,
    }
}

/// Why a step of a path on a link was not counted, or what was decides nothing.
fn why_not(whole: &Evidence<'_>, of: &OfPath, step: Step) -> NotCounted {
    let mut cells = whole.cells_of(of.path).filter(|cell| cell.link == of.link);
    cells
        .find_map(|cell| {
            let audited = whole.audits.of(cell, Audit::CopyAudit)?;
            per_byte(audited, step).and_then(PerByte::decided).err()
        })
        .unwrap_or(NotCounted::NotAudited { why: None })
}

/// Zerocopy against sendmsg, as the question is copying. The cause is named where the completions (counter) and the
/// option left off (intervention) both show it.
pub(super) fn q1(evidence: &Evidence<'_>) -> Found {
    let [goodput, cpu] = [Metric::GoodputGbps, Metric::EndsCpuNsPerKib]
        .map(|metric| (metric, paths(evidence, SendPath::A3, SendPath::A2, metric)));
    if goodput.1.is_empty() {
        return Found::lacking(
            Reason::not_measured(goodput.0, [SendPath::A3, SendPath::A2], [], []),
            Missing::plan(RunCommand::new("--send send,sendmsg,zerocopy")),
        );
    }
    // The same path with and without the option.
    let off =
        evidence.estimates.iter().filter(|e| e.cell.copies_instead() && !e.oversubscribed.is_so());
    let family = off.map(|e| {
        let on = Cell { so_zerocopy: Cell::default().so_zerocopy, ..e.cell.clone() };
        let moments = evidence.paired(&on, &e.cell, cpu.0);
        (on, e.cell.clone(), moments)
    });
    let mut option = of_moments(evidence, family.collect());
    option.truncate(1);
    let all_copied = copied_shares(evidence).is_some_and(|(least, _)| least >= 1.0);
    let pays = option.iter().any(|c| c.is_above(1.0));
    let saves = match (all_copied, pays) {
        (true, true) => Saves::NothingAndPays,
        (true, false) => Saves::Nothing,
        (false, _) => Saves::Unclear,
    };
    let mut changes = vec![
        no_copies_there(),
        Missing::machine("more fields or fewer", "--fields"),
        Missing::of_itself("larger messages"),
    ];
    if saves == Saves::Unclear || option.is_empty() {
        changes
            .insert(0, Missing::machine("the option as an intervention", "--so-zerocopy on,off"));
    }
    let finding = AnswerFinding::ByReference { saves, option, completions: completions(evidence) };
    Found::answered(finding, changes).from([goodput, cpu])
}

/// What would let zero-copy save a copy.
pub(super) fn no_copies_there() -> Missing {
    Missing::of_itself("a link on which zero-copy copies nothing (a network card, the sink)")
}
