//! Law 5: how often the kernel copies each byte.

use model::Measured;
use model::audit::Audited;
use model::record::Outcome;

use super::Text;
use super::calls::name;
use crate::copies::{NOT_AUDITED, Step, expected, per_byte};
use crate::evidence::Evidence;
use crate::explained::Law;
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

/// Bytes copied in, at delivery and out are the payload's, times what path and link let expect; each figure on its own.
pub(super) fn copies(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut figures = 0;
    let mut broken = Vec::new();
    let mut absent: Vec<(Step, String)> = Vec::new();
    for audited in &evidence.audits.audited {
        let should = expected(&audited.cell);
        let mut any = false;
        for step in Step::ALL {
            let seen = match per_byte(audited, step) {
                Ok(seen) => seen.per_byte,
                Err(why) => {
                    if !absent.iter().any(|(other, _)| *other == step) {
                        absent.push((step, why));
                    }
                    continue;
                }
            };
            any = true;
            figures += 1;
            let should_be = step.of(&should);
            // What is sent again is copied at delivery again.
            let again =
                if step == Step::Deferred && should_be > 0.0 { sent_again(audited) } else { 0.0 };
            if seen < should_be - WITHIN || seen > should_be + again + WITHIN {
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
    let missing: Vec<String> =
        absent.iter().map(|(step, why)| format!("{} ({why})", step.words())).collect();
    if compared == 0 {
        return COPIES.undecidable(if missing.is_empty() {
            NOT_AUDITED.to_owned()
        } else {
            format!("no figure was counted: {}", listed(&missing))
        });
    }
    let trials = counted(compared, "audit trial", "audit trials");
    let not_all = if missing.is_empty() {
        String::new()
    } else {
        format!("; not counted everywhere: {}", listed(&missing))
    };
    if broken.is_empty() {
        let figures = counted(figures, "figure", "figures");
        COPIES.holds(
            compared,
            format!("{figures} of {trials} are within 0.01 copies a byte of the kernel's source{not_all}"),
        )
    } else {
        let because = format!(
            "{} of {figures} figures of {trials} are not what the kernel's source lets expect{not_all}",
            broken.len()
        );
        COPIES.broken(compared, because, broken)
    }
}
