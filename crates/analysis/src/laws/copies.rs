//! Law 5: how often the kernel copies each byte.

use std::collections::{BTreeMap, BTreeSet};

use model::audit::Audited;
use model::record::Outcome;
use model::{Audit, Measured, saturating_sum};

use super::calls::breach;
use super::reason::{Counted, Figure, LawReason, PathOnLink, Source, Wrong};
use super::{decided, undecidable};
use crate::copies::{NotCounted, PerByte, Step, copy_audit, expected_of, per_byte};
use crate::delivery::Delivery;
use crate::evidence::Evidence;
use crate::laws::law::Law;

const COPIES: u32 = 5;

/// A figure a byte may be off by this much: headers and the trial's token are copied too.
const WITHIN: f64 = 0.01;

/// Bytes a payload byte that TCP sent again in an audit trial, as the kernel's own tracepoint saw it.
fn sent_again(audited: &Audited) -> f64 {
    let (Measured::Value(copies), Outcome::Finished(finished)) =
        (&audited.copies, &audited.outcome)
    else {
        return 0.0;
    };
    let again = copies.functions.iter().filter(|it| it.function == "tcp:tcp_retransmit_skb");
    let bytes = saturating_sum(again.map(|it| it.bytes));
    bytes as f64 / finished.sender.total.accepted_bytes.max(1) as f64
}

/// The steps that the law names for a cell: all that it must copy, and of what is passed by reference also what it must
/// not. On the sink nobody takes bytes out.
const fn named(by_reference: bool, delivered: bool) -> &'static [Step] {
    match (by_reference, delivered) {
        (true, true) => &Step::ALL,
        (true, false) => &[Step::In, Step::Deferred],
        (false, true) => &[Step::In, Step::Out],
        (false, false) => &[Step::In],
    }
}

/// Whether it is known what a step should be.
fn foreseen(evidence: &Evidence<'_>, audited: &Audited, step: Step) -> Result<(), NotCounted> {
    match Delivery::of_cell(evidence.host, &audited.cell) {
        Delivery::Unforeseen(why) if step == Step::Deferred => Err(NotCounted::Unforeseen { why }),
        Delivery::Unforeseen(_) | Delivery::Copied | Delivery::Left => Ok(()),
    }
}

/// What the last audit trials of each cell lack of the steps that the law names: by step and why.
fn missing(evidence: &Evidence<'_>) -> Vec<LawReason> {
    let mut missing: BTreeMap<(Step, NotCounted), BTreeSet<PathOnLink>> = BTreeMap::new();
    let all = evidence.audits.all_of(Audit::CopyAudit);
    for (audited, _) in all.filter(|(_, last)| *last) {
        let cell = &audited.cell;
        for step in named(cell.passes_by_reference(), cell.link.has_receiver()) {
            let counted = per_byte(audited, *step).and_then(PerByte::decided);
            if let Err(why) = counted.and_then(|_| foreseen(evidence, audited, *step)) {
                missing.entry((*step, why)).or_default().insert(PathOnLink::of(cell));
            }
        }
    }
    let absent = |((step, why), of): ((Step, NotCounted), BTreeSet<PathOnLink>)| {
        let of = of.into_iter().collect();
        LawReason::StepNotCounted { step, of, why }
    };
    missing.into_iter().map(absent).collect()
}

/// Bytes copied in, at delivery and out are the payload's, times what path and link let expect; each figure on its own.
///
/// It holds only where each figure that it names was counted in each cell; one that is wrong breaks it whatever else is
/// absent.
pub(super) fn copies(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut figures) = (0, 0);
    let mut broken = Vec::new();
    for (audited, _) in evidence.audits.all_of(Audit::CopyAudit) {
        let expected = expected_of(audited, evidence.host);
        let before = figures;
        for step in Step::ALL {
            let Ok(seen) = per_byte(audited, step) else { continue };
            let (seen, decides) = (seen.per_byte, seen.decides);
            let Some((least, most)) = step.range(&expected) else { continue };
            // What is sent again is copied at delivery again.
            let again =
                if step == Step::Deferred && most > 0.0 { sent_again(audited) } else { 0.0 };
            let is_wrong = seen < least - WITHIN || seen > most + again + WITHIN;
            // What remains may fall short, as something was passed by reference; that it does not shows nothing.
            figures += usize::from(decides || is_wrong);
            if is_wrong {
                let should = if seen < least { least } else { most };
                let wrong = Wrong::figure(Figure::Copies { step }, seen, should);
                broken.push(breach(audited, wrong));
            }
        }
        compared += usize::from(figures > before);
    }
    let missing = missing(evidence);
    let is_whole = missing.is_empty() && compared > 0;
    let mut reasons = Vec::new();
    if compared > 0 {
        reasons.push(LawReason::compared(figures, broken.len()));
        reasons.push(LawReason::Count { of: Counted::AuditTrials, n: compared as u64 });
    } else if missing.is_empty() {
        let why = evidence.audits.why_not_audited(Audit::CopyAudit).unwrap_or_default();
        reasons.push(LawReason::absent(Source::CopiedBytes, why));
    }
    reasons.extend(missing);
    if broken.is_empty() && !is_whole {
        let lacking = reasons.iter().find_map(|reason| {
            let LawReason::StepNotCounted { step, why, .. } = reason else { return None };
            Some((*step, why))
        });
        let missing = copy_audit(evidence, lacking);
        return undecidable(COPIES, reasons, missing);
    }
    decided(COPIES, compared, reasons, broken)
}
