//! Law 1: what was accepted arrives.

use super::reason::{Breach, Counted, Figure, LawReason, Wrong};
use super::{decided, measure_trials, undecidable};
use crate::evidence::Evidence;
use crate::judged::JudgedTrial;
use crate::laws::law::Law;

const CONTENT: u32 = 1;

/// Received = accepted after the drain, and accepted = whole messages.
pub(super) fn content(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut sinks) = (0, 0_u64);
    let mut checked = 0_u64;
    let mut broken = Vec::new();
    for judged in evidence.trials.all() {
        let Some(finished) = judged.finished() else { continue };
        compared += 1;
        sinks += u64::from(finished.sink.is_some());
        checked = checked.saturating_add(finished.taken.checked_bytes);
        broken.extend(wrong(judged).map(|wrong| Breach::of_trial(judged, wrong)));
    }
    if compared == 0 {
        return undecidable(CONTENT, [LawReason::NoRecord], measure_trials());
    }
    let counts = [(Counted::SinkTrials, sinks), (Counted::CheckedBytes, checked)];
    let counts = counts.map(|(of, n)| LawReason::Count { of, n });
    let seen = [LawReason::compared(compared, broken.len())].into_iter().chain(counts);
    decided(CONTENT, compared, seen, broken)
}

fn wrong(judged: &JudgedTrial) -> Option<Wrong> {
    let finished = judged.finished()?;
    let (sent, taken) = (&finished.sent, &finished.taken);
    let accepted = sent.accepted_bytes;
    let wrong = |figure, is: u64, should: u64| Wrong::figure(figure, is as f64, should as f64);
    if taken.received_bytes != accepted {
        return Some(wrong(Figure::ReceivedBytes, taken.received_bytes, accepted));
    }
    // The sink's program counts bytes in order by itself; what its worker reports must be the same.
    if let Some(sink) = &finished.sink
        && sink.payload_bytes != accepted
    {
        let figure = Figure::SinkBytes { gaps: sink.gaps };
        return Some(wrong(figure, sink.payload_bytes, accepted));
    }
    if taken.wrong_bytes > 0 {
        return Some(wrong(Figure::ChangedBytes, taken.wrong_bytes, 0));
    }
    // Messages and bytes are tallied apart: the one when a message is whole, the other from what each call returned.
    // A flow may end within a message, never a whole one off.
    let cell = &judged.cell;
    let message = cell.message.bytes().0;
    let whole = sent.messages.saturating_mul(message);
    let slack = message.saturating_mul(u64::from(cell.rings()));
    (accepted.abs_diff(whole) >= slack).then(|| wrong(Figure::MessageBytes, whole, accepted))
}
