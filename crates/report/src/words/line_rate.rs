//! What the line between two hosts carries, in a sentence.

use analysis::line_rate::{Line, LineLimit, LineRate};
use analysis::summary::Summary;
use model::{Cell, Measured};

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
        Measured::Absent { absent } => format!("rate not known, as {absent}"),
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
    let asked = summary.estimates.iter().filter(|it| it.trials > 0 && !it.control);
    let asked: Vec<&Cell> = asked.map(|it| &it.cell).collect();
    let cells = asked.len();
    let at_rate = at_rate.iter().filter(|at| asked.contains(&&at.cell)).count();
    let at = u32::try_from(at_rate).unwrap_or(u32::MAX);
    Some(match at_rate {
        0 => format!("{most}; no cell is at line rate"),
        1 if cells == 1 => format!("{most}; the cell is at line rate"),
        all if all == cells => format!("{most}; every cell is at line rate: CPU decides"),
        1 => format!("{most}; 1 of {cells} cells is at line rate"),
        _ => format!(
            "{most}; {} of {cells} are at line rate: between them CPU decides",
            counted(at, "cell", "cells")
        ),
    })
}

#[cfg(test)]
mod tests {
    use model::Factor;
    use synthetic::{apart, nic, plan, shaped, two_hosts};

    use super::*;

    fn told(paths: &str, controls: bool, share: impl Fn(&Cell) -> f64) -> String {
        let mut plan = plan(&[
            (Factor::Threads, "1"),
            (Factor::Link, "ssh"),
            (Factor::Send, paths),
            (Factor::Message, "64KiB"),
        ]);
        plan.measure.controls = controls;
        let records = synthetic::run(&plan, 4, |cell, round| {
            let of_line = 1448.0 / 1514.0 * share(cell);
            synthetic::trial(cell, round).goodput_gbps(of_line)
        });
        let host = two_hosts(shaped(nic("veth", None), 1_000_000_000), nic("veth", None));
        let summary = analysis::summarise(&plan, &host, &apart(records));
        assert_eq!(summary.estimates.iter().any(|it| it.control), controls);
        let told = line_rate(&summary).unwrap();
        told.split_once("; ").unwrap().1.to_owned()
    }

    #[test]
    fn control_twins_are_no_cells_of_the_line_and_one_cell_is_the_cell() {
        let every = "every cell is at line rate: CPU decides";
        for controls in [false, true] {
            assert_eq!(told("send", controls, |_| 0.99), "the cell is at line rate");
            assert_eq!(told("send,sendmsg", controls, |_| 0.99), every);
            let one =
                |cell: &Cell| if cell.send_path == model::SendPath::Send { 0.99 } else { 0.5 };
            assert_eq!(told("send,sendmsg", controls, one), "1 of 2 cells is at line rate");
            assert_eq!(told("send,sendmsg", controls, |_| 0.5), "no cell is at line rate");
        }
    }
}
