//! What the line between two hosts carries, in a sentence.

use analysis::line_rate::{Line, LineLimit, LineRate};
use analysis::summary::Summary;
use model::Measured;

use super::nic::rate_words;
use crate::spelling::{counted, short};

/// `1 Gbit/s by tbf of the sender's eth0`.
pub(crate) fn bound(rate: &LineRate) -> String {
    let device = format!("the {}'s {}", rate.side.name(), rate.device);
    match &rate.by {
        LineLimit::Speed => format!("{} by {device}", rate_words(rate.line_gbps)),
        LineLimit::Shaping { queueing } => {
            format!("{} by {queueing} of {device}", rate_words(rate.line_gbps))
        }
    }
}

/// `1 Gbit/s by tbf of the sender's eth0, at most 0.956 Gbit/s of goodput (1448 of 1514 B)`, or that it is not known.
pub fn line_words(rate: &Measured<LineRate>) -> String {
    match rate {
        Measured::Absent { absent } => format!("rate not known: {absent}"),
        Measured::Value(rate) => format!(
            "{}, at most {} Gbit/s of goodput ({} of {} B)",
            bound(rate),
            short(rate.goodput_gbps),
            rate.payload_bytes,
            rate.counted_bytes
        ),
    }
}

/// The line rate, and which cells are at it; none where both ends ran on one machine.
pub(crate) fn line_rate(summary: &Summary) -> Option<String> {
    let Line { rate, at_rate } = summary.line.as_ref()?;
    let most = line_words(rate);
    if rate.value().is_none() {
        return Some(most);
    }
    let cells = summary.estimates.iter().filter(|it| it.trials > 0).count();
    let at = u32::try_from(at_rate.len()).unwrap_or(u32::MAX);
    Some(match at_rate.len() {
        0 => format!("{most}; no cell is at line rate"),
        1 => format!("{most}; 1 of {cells} cells is at line rate"),
        all if all == cells => format!("{most}; every cell is at line rate: CPU decides"),
        _ => format!(
            "{most}; {} of {cells} are at line rate: between them CPU decides",
            counted(at, "cell", "cells")
        ),
    })
}
