//! Zerocopy against sendmsg link by link, and what the kernel copied, as tables of text for the page and for Markdown.

use crate::spelling::{outcome, shared_words};
use analysis::explained::Explained;
use analysis::findings::{CopyAudit, CopyFigure, LinkComparison, LinkPoint};
use model::audit::Hook;
use model::{Audit, Link, Measured};

use crate::explained_tables::{TextTable, measured};
use crate::numbers::{percent, ratio, short};

/// Said where no link was compared.
pub(crate) const NO_LINK: &str =
    "Zerocopy and sendmsg were not measured in the same blocks: --send sendmsg,zerocopy.";
/// Said where nothing was audited: why, where it was asked for, else what would.
pub(crate) fn no_audit(explained: &Explained) -> String {
    explained.why_not_audited(Audit::CopyAudit).map_or_else(
        || NOBODY_COUNTED.to_owned(),
        |why| format!("A copy audit was asked for and counted nothing, so copies are those of the kernel's source. {}", sentence(why)),
    )
}

const NOBODY_COUNTED: &str = "No copy audit was made, so copies are those of the kernel's source: --audits copy-audit, as root, counts them.";

/// A reason as a sentence of its own.
pub(crate) fn sentence(why: &str) -> String {
    format!("The reason: {}.", why.trim_end_matches('.'))
}

/// How the two may be read beside each other.
pub(crate) const SIDE_BY_SIDE: &str = "On the same machine delivery copies what zerocopy passed by reference; the sink drops packets before that, so nothing is copied. Over links with a receiver the cost is CPU of both ends; on the sink it is sender-side cost (the senders, and their acknowledgements where the helper processes them). Each link has its own ratio, and the two are not ranked.";

/// `sink, 1 thread, ack_placement=sender`.
fn place(comparison: &LinkComparison) -> String {
    let crowd = if comparison.oversubscribed.is_so() { " (more threads than CPUs)" } else { "" };
    let interval = match &comparison.ack_interval {
        Some(interval) if comparison.shared.cell().is_default(model::Factor::AckInterval) => {
            format!(", ack_interval={interval}")
        }
        _ => String::new(),
    };
    let placement = match comparison.ack_placement {
        Some(placement) if comparison.shared.cell().is_default(model::Factor::AckPlacement) => {
            format!(", ack_placement={placement}")
        }
        _ => String::new(),
    };
    let link = match comparison.stated_link.is_some() {
        true => comparison.link.to_string(),
        false => "not in the table".to_owned(),
    };
    format!("{link}, {}{interval}{placement}{crowd}", shared_words(&comparison.shared))
}

/// What the cost of a link is called.
pub(crate) const fn cost_name(link: Link) -> &'static str {
    if link.has_receiver() { "CPU of both ends" } else { "sender-side cost" }
}

/// From which size on zerocopy is cheaper on each link and in each setting.
pub(crate) fn break_evens(comparisons: &[LinkComparison]) -> TextTable {
    let row = |comparison: &LinkComparison| {
        let shares: Vec<f64> =
            comparison.points.iter().filter_map(|p| p.copied_share.value().copied()).collect();
        let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
        let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let copied = match (least <= most, percent(least), percent(most)) {
            (false, ..) => {
                let why = comparison.points.iter().find_map(|p| p.copied_share.reason());
                why.map_or_else(|| "–".to_owned(), |why| format!("– ({why})"))
            }
            (true, low, high) if low == high => low,
            (true, low, high) => format!("{low} to {high}"),
        };
        vec![
            place(comparison),
            cost_name(comparison.link).to_owned(),
            outcome(&comparison.crossover),
            copied,
        ]
    };
    TextTable {
        heading: "From which size on zerocopy is cheaper than sendmsg",
        reading: "",
        columns: &["Link", "In", "Cheaper", "Completions copied"],
        rows: comparisons.iter().map(row).collect(),
    }
}

/// The ratios behind it.
pub(crate) fn ratios(comparisons: &[LinkComparison]) -> TextTable {
    let rows = |comparison: &LinkComparison| {
        let place = place(comparison);
        let row = move |point: &LinkPoint| {
            let [copying, by_reference] = &point.bytes_per_packet;
            let [copying_held, by_reference_held] = &point.send_buffer_limited;
            vec![
                place.clone(),
                size_of(point.message_bytes),
                measured(&point.cost_ratio, ratio),
                measured(&point.sender_cpu_ratio, ratio),
                measured(&point.copied_share, |share| percent(*share)),
                format!(
                    "{} / {}",
                    measured(by_reference, |bytes| short(*bytes)),
                    measured(copying, |bytes| short(*bytes))
                ),
                format!(
                    "{} / {}",
                    measured(by_reference_held, |share| percent(*share)),
                    measured(copying_held, |share| percent(*share))
                ),
            ]
        };
        comparison.points.iter().map(row).collect::<Vec<_>>()
    };
    TextTable {
        heading: "Zerocopy over sendmsg, size by size",
        reading: "Geometric means of the ratios within blocks, with 95 % intervals; below 1 zerocopy is cheaper.",
        columns: &[
            "Link",
            "Message",
            "Cost, zerocopy / sendmsg",
            "Sending threads' CPU, zerocopy / sendmsg",
            "Copied",
            "Bytes a packet, zerocopy / sendmsg",
            "Held by the send buffer, zerocopy / sendmsg",
        ],
        rows: comparisons.iter().flat_map(rows).collect(),
    }
}

fn size_of(bytes: u64) -> String {
    model::Bytes(bytes).to_string()
}

/// Copies a payload byte of every audited cell: counted, and expected.
pub(crate) fn copies(audits: &[CopyAudit]) -> TextTable {
    let expected = |figure: &CopyFigure| {
        figure.expected.map_or_else(String::new, |copies| format!(", expected {copies:.0}"))
    };
    let figure = |figure: &CopyFigure| match (&figure.per_byte, figure.hook) {
        (Measured::Value(x), Some(Hook::Elimination)) => {
            format!("eliminated, not counted: {x:.2}{}", expected(figure))
        }
        (Measured::Value(x), Some(hook)) => {
            format!("measured {x:.2}{} ({hook})", expected(figure))
        }
        (Measured::Value(x), None) => format!("measured {x:.2}{}", expected(figure)),
        // Why stands in a table of its own: it is long, and of all cells mostly the same.
        (Measured::Absent { .. }, _) => format!("not counted{}", expected(figure)),
    };
    let row = |audit: &CopyAudit| {
        let mut row = vec![audit.cell.id()];
        row.extend(audit.figures.iter().map(figure));
        row
    };
    TextTable {
        heading: "Copies of each payload byte",
        reading: "Counted by the kernel in audit trials of their own, which are never timed.",
        columns: &["Cell", STEPS[0], STEPS[1], STEPS[2], STEPS[3]],
        rows: audits.iter().map(row).collect(),
    }
}

/// The figures of an audit, in its order.
const STEPS: [&str; 4] = ["In", "By reference", "At delivery", "Out"];

/// Why figures were not counted: each reason once, with what it keeps from being counted.
pub(crate) fn not_counted(audits: &[CopyAudit]) -> TextTable {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for audit in audits {
        for (step, figure) in STEPS.iter().zip(&audit.figures) {
            let Some(why) = figure.per_byte.reason() else { continue };
            let known = reasons.iter().position(|(reason, _)| reason == why);
            let place = known.unwrap_or_else(|| {
                reasons.push((why.to_owned(), Vec::new()));
                reasons.len() - 1
            });
            if let Some((_, steps)) = reasons.get_mut(place).filter(|(_, s)| !s.contains(step)) {
                steps.push(step);
            }
        }
    }
    TextTable {
        heading: "Not counted here, and why",
        reading: "",
        columns: &["Copies", "Why"],
        rows: reasons.into_iter().map(|(why, steps)| vec![steps.join(", "), why]).collect(),
    }
}

/// What each kernel function moved, for whom.
pub(crate) fn functions(audits: &[CopyAudit]) -> TextTable {
    let rows = |audit: &CopyAudit| {
        let row = |counted: &analysis::findings::CopyFunction| {
            vec![
                audit.cell.id(),
                counted.function.clone(),
                counted.owner.to_string(),
                counted.calls.to_string(),
                counted.bytes.to_string(),
                // An absence is told by its reason: "not recorded" in journals from before this was written.
                measured(&counted.hook, ToString::to_string),
            ]
        };
        audit.functions.iter().map(row).collect::<Vec<_>>()
    };
    TextTable {
        heading: "Function by function",
        reading: "",
        columns: &["Cell", "Kernel function", "For whom", "Calls", "Bytes", "Counted by"],
        rows: audits.iter().flat_map(rows).collect(),
    }
}

/// One line of what audits counted, path by path and link by link: `counted copies a byte: A1 loopback 1.00 in + 0.00
/// at delivery + 1.00 out`. None where nothing was audited.
pub(crate) fn copies_note(audits: &[CopyAudit]) -> Option<String> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for audit in audits.iter().filter(|audit| audit.cell.so_zerocopy.is_on()) {
        let name = format!("{} {}", audit.cell.send_path, audit.cell.link);
        if seen.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let of = |place: usize, words: &str| {
            let figure = audit.figures.get(place)?;
            let how = if figure.hook == Some(Hook::Elimination) { " (eliminated)" } else { "" };
            Some(format!("{:.2} {words}{how}", figure.per_byte.value()?))
        };
        let parts: Vec<String> =
            [of(0, "in"), of(2, "at delivery"), of(3, "out")].into_iter().flatten().collect();
        if !parts.is_empty() {
            seen.push((name, parts.join(" + ")));
        }
    }
    let told: Vec<String> =
        seen.into_iter().map(|(name, parts)| format!("{name} {parts}")).collect();
    (!told.is_empty()).then(|| told.join("; "))
}
