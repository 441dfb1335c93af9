//! Law 1: what was accepted arrives.

use super::{NO_TRIAL, Text, measure_trials};
use crate::evidence::Evidence;
use crate::explained::Law;
use crate::figure_text::counted;
use crate::judged::JudgedTrial;

const CONTENT: Text = Text {
    id: 1,
    name: "content",
    says: "after the drain the receivers took every byte that the senders' calls accepted, in whole messages and unchanged where checked",
    sources: [
        "bytes accepted by the senders' calls",
        "bytes taken by the receivers' calls; on the sink those that its program counted in order",
    ],
};

/// Received = accepted after the drain, and accepted = whole messages.
pub(super) fn content(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut sinks) = (0, 0);
    let mut checked_bytes = 0_u64;
    let mut broken = Vec::new();
    for judged in evidence.trials.all() {
        let Some(finished) = judged.finished() else { continue };
        compared += 1;
        sinks += usize::from(finished.sink.value().is_some());
        checked_bytes = checked_bytes.saturating_add(finished.receiver.total.checked_bytes);
        if let Some(why) = breach(judged) {
            broken.push(format!("{}: {why}", judged.name()));
        }
    }
    if compared == 0 {
        return CONTENT.undecidable(NO_TRIAL, measure_trials());
    }
    let trials = counted(compared, "trial", "trials");
    if broken.is_empty() {
        let from_sink = match sinks {
            0 => String::new(),
            n => format!(
                "; in {} the sink's own program counted them",
                counted(n, "trial", "trials")
            ),
        };
        let content = if checked_bytes > 0 {
            format!("{checked_bytes} bytes were compared with what was sent")
        } else {
            "content was not compared in timing trials; copycost verify compares every byte"
                .to_owned()
        };
        CONTENT.holds(
            compared,
            format!("every byte accepted was received in {trials}{from_sink}; {content}"),
        )
    } else {
        let because = format!("bytes accepted and received differ in {} of {trials}", broken.len());
        CONTENT.broken(compared, because, broken)
    }
}

fn breach(judged: &JudgedTrial<'_>) -> Option<String> {
    let finished = judged.finished()?;
    let (sent, taken) = (&finished.sender.total, &finished.receiver.total);
    if sent.accepted_bytes != taken.received_bytes {
        return Some(format!(
            "{} bytes accepted, {} received",
            sent.accepted_bytes, taken.received_bytes
        ));
    }
    // The sink's program counts bytes in order by itself; what its worker reports must be the same.
    if let Some(sink) = finished.sink.value()
        && sink.total.payload_bytes != sent.accepted_bytes
    {
        return Some(format!(
            "{} bytes accepted, {} taken in order by the sink's program ({} packets beyond a gap)",
            sent.accepted_bytes, sink.total.payload_bytes, sink.total.gaps
        ));
    }
    if taken.wrong_bytes > 0 {
        return Some(format!("{} bytes are not what was sent", taken.wrong_bytes));
    }
    // Messages and bytes are tallied apart: the one when a message is whole, the other from what each call returned.
    // A flow may end within a message, never a whole one off.
    let cell = &judged.trial.cell;
    let message = cell.message.bytes().0;
    let whole = sent.messages.saturating_mul(message);
    let slack = message.saturating_mul(u64::from(cell.connections()));
    (sent.accepted_bytes.abs_diff(whole) >= slack).then(|| {
        format!("{} bytes accepted are not {} messages", sent.accepted_bytes, sent.messages)
    })
}
