//! Law 5: how often the kernel copies each byte.

use crate::copies::copy_audit;
use model::audit::Audited;
use model::record::Outcome;
use model::{Audit, Measured};

use super::Text;
use super::calls::name;
use crate::copies::{PerByte, Step, expected, not_audited, per_byte};
use crate::evidence::Evidence;
use crate::explained::Law;
use crate::figure_text::over;
use crate::figure_text::{counted, listed};

const COPIES: Text = Text {
    id: 5,
    name: "copies",
    says: "send and sendmsg copy each byte once in and once out; zerocopy copies it not in but once at delivery on the same machine, and on the sink not at all",
    sources: ["payload bytes", "bytes copied in the kernel, by function and end"],
};

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
    let bytes: u64 = again.map(|it| it.bytes).sum();
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

/// A figure that the law names and nobody counted: what, why, and of which paths and links.
struct Missing {
    step: Step,
    why: String,
    of: Vec<String>,
}

/// What the last audit trials of each cell lack of the steps that the law names.
fn missing(evidence: &Evidence<'_>) -> Vec<Missing> {
    let mut missing: Vec<Missing> = Vec::new();
    let all = evidence.audits.all_of(Audit::CopyAudit);
    for (audited, _) in all.filter(|(_, last)| *last) {
        let cell = &audited.cell;
        for step in named(cell.passes_by_reference(), cell.link.has_receiver()) {
            let Err(why) = per_byte(audited, *step).and_then(PerByte::decided) else { continue };
            let of = format!("{} {}", cell.send_path, over(cell.link));
            let place = missing.iter().position(|known| known.step == *step && known.why == why);
            match place.and_then(|place| missing.get_mut(place)) {
                Some(known) if known.of.contains(&of) => {}
                Some(known) => known.of.push(of),
                None => missing.push(Missing { step: *step, why, of: vec![of] }),
            }
        }
    }
    missing
}

/// Bytes copied in, at delivery and out are the payload's, times what path and link let expect; each figure on its own.
///
/// It holds only where each figure that it names was counted in each cell; one that is wrong breaks it whatever else is
/// absent.
pub(super) fn copies(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut figures = 0;
    let mut broken = Vec::new();
    for (audited, _) in evidence.audits.all_of(Audit::CopyAudit) {
        let should = expected(&audited.cell);
        let mut any = false;
        for step in Step::ALL {
            let Ok(seen) = per_byte(audited, step) else { continue };
            let (seen, decides) = (seen.per_byte, seen.decides);
            let should_be = step.of(&should);
            // What is sent again is copied at delivery again.
            let again =
                if step == Step::Deferred && should_be > 0.0 { sent_again(audited) } else { 0.0 };
            let is_wrong = seen < should_be - WITHIN || seen > should_be + again + WITHIN;
            // What remains may fall short, as something was passed by reference; that it does not shows nothing.
            if decides || is_wrong {
                any = true;
                figures += 1;
            }
            if is_wrong {
                broken.push(format!(
                    "{}: {} {seen:.3} times a byte, not {}",
                    name(audited),
                    step.words(),
                    should_be
                ));
            }
        }
        compared += usize::from(any);
    }
    let missing: Vec<String> = missing(evidence)
        .into_iter()
        .map(|it| format!("{} of {} ({})", it.step.words(), listed(&it.of), it.why))
        .collect();
    let not_counted = format!("not counted: {}", listed(&missing));
    let counted_figures = counted(figures, "figure", "figures");
    let trials = counted(compared, "audit trial", "audit trials");
    match (broken.is_empty(), missing.is_empty()) {
        (false, all_counted) => {
            let because = format!(
                "{} of {counted_figures} of {trials} are not what the kernel's source lets expect{}",
                broken.len(),
                if all_counted { String::new() } else { format!("; {not_counted}") }
            );
            COPIES.broken(compared, because, broken)
        }
        (true, true) if compared == 0 => COPIES.undecidable(not_audited(evidence.audits), copy_audit()),
        (true, true) => COPIES.holds(
            compared,
            format!("{counted_figures} of {trials} are within 0.01 copies per byte of the kernel's source"),
        ),
        (true, false) if compared == 0 => COPIES.undecidable(not_counted, copy_audit()),
        (true, false) => COPIES.undecidable(format!(
            "{counted_figures} of {trials} are within 0.01 copies per byte of the kernel's source, but not every one that the law names was counted; {not_counted}"
        ), copy_audit()),
    }
}
