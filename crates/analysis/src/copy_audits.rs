//! What the kernel copied, as the last audit trial of each cell has it.

use model::audit::{Audited, CopiedBytes, CopyCounts, Hook};
use model::host::Host;
use model::record::Outcome;
use model::{Audit, Measured};

use crate::copies::{NotCounted, Step, expected_of, per_byte};
use crate::evidence::Evidence;
use crate::findings::{CopyAudit, CopyFigure, CopyFunction};

/// One entry a cell that was audited, in the plan's order, controls included.
pub(crate) fn copy_audits(evidence: &Evidence<'_>) -> Vec<CopyAudit> {
    let audited =
        evidence.estimates.iter().filter_map(|e| evidence.audits.of(&e.cell, Audit::CopyAudit));
    audited.filter_map(|audited| copy_audit(audited, evidence.host)).collect()
}

/// None where the copy audit was not asked for, or gave nothing at all.
fn copy_audit(audited: &Audited, host: &Host) -> Option<CopyAudit> {
    let copies = audited.copies.value()?;
    let Outcome::Finished(finished) = &audited.outcome else { return None };
    let accepted_bytes = finished.sender.total.accepted_bytes;
    let should = expected_of(audited, host);
    let figure = |step: Step| {
        let seen = per_byte(audited, step);
        CopyFigure {
            name: step.words().to_owned(),
            hook: seen.as_ref().ok().map(|seen| seen.hook),
            per_byte: Measured::from(seen.map(|seen| seen.per_byte).map_err(absent)),
            expected: step.of(&should),
        }
    };
    let [copied_in, deferred, copied_out] = Step::ALL.map(figure);
    let by_reference = by_reference(copies, accepted_bytes, 1.0 - should.copied_in);
    let functions = copies.functions.iter().map(|counted| CopyFunction {
        function: counted.function.clone(),
        owner: counted.owner,
        calls: counted.calls,
        bytes: counted.bytes,
        hook: counted.hook.clone(),
    });
    Some(CopyAudit {
        cell: audited.cell.clone(),
        accepted_bytes,
        figures: vec![copied_in, by_reference, deferred, copied_out],
        functions: functions.collect(),
    })
}

const NO_BYTE: &str = "no byte was sent in the audit trial";

/// Why a finished audit trial has no figure.
fn absent(why: NotCounted) -> String {
    match why {
        NotCounted::Quoted { text } | NotCounted::TrialFailed { why: text } => text,
        NotCounted::NoByte
        | NotCounted::Eliminated
        | NotCounted::Unforeseen { .. }
        | NotCounted::NotAudited { .. } => NO_BYTE.to_owned(),
    }
}

fn by_reference(copies: &CopyCounts, accepted: u64, expected: f64) -> CopyFigure {
    let (per_byte, hook): (Measured<f64>, Option<Hook>) = match &copies.by_reference {
        Measured::Value(CopiedBytes { .. }) if accepted == 0 => (Measured::absent(NO_BYTE), None),
        Measured::Value(CopiedBytes { bytes, hook }) => {
            (Measured::Value(*bytes as f64 / accepted as f64), Some(*hook))
        }
        Measured::Absent { absent } => (Measured::absent(absent.clone()), None),
    };
    CopyFigure { name: "passed by reference".to_owned(), per_byte, expected: Some(expected), hook }
}
