//! When zero-copy pays, link by link.
//!
//! On the same machine delivery copies what MSG_ZEROCOPY passed by reference; on the sink nothing is copied at all. The two
//! are laid side by side, each in its own cost: CPU of both ends over links with a receiver, sender-side cost on the
//! sink. On the sink the break-even depends on how often and where acknowledgements are processed, so that it is told as
//! the range over all intervals and placements that were measured.

use std::collections::BTreeMap;

use model::factor::Factor;
use model::names::AckPlacement;
use model::values::Threads;
use model::{Cell, Contrast, Link, Measured, SendPath, Shared};

use crate::evidence::{Evidence, figure};
use crate::explained::{CrossoverOutcome, LinkComparison, LinkPoint, LinkVerdict};
use crate::figure_text::{counted, listed, outcome, percent, shared_words, size};
use crate::metric::Metric;
use crate::summary::Estimate;

/// What differs between the settings over which the sink's break-even is a range.
const SETTINGS: [Factor; 2] = [Factor::AckInterval, Factor::AckPlacement];

/// Zerocopy against sendmsg on each link of the plan, in the plan's order.
pub(crate) fn comparisons(evidence: &Evidence<'_>) -> Vec<LinkComparison> {
    let mut families: Vec<Shared> = Vec::new();
    let pairs = evidence
        .ratios
        .iter()
        .filter(|ratio| ratio.contrast == by_reference() && ratio.cell.is_itself());
    for ratio in pairs {
        let family = Shared::new(&ratio.cell, &[Factor::Send, Factor::Message]);
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families.iter().map(|family| comparison(evidence, family)).collect()
}

/// What passing by reference saves, the number of calls being the same.
fn by_reference() -> Contrast {
    Contrast::of_paths(SendPath::A3, SendPath::A2)
}

fn comparison(evidence: &Evidence<'_>, shared: &Shared) -> LinkComparison {
    let family = shared.cell();
    let metric = Metric::cost_on(family.link);
    let mut cells: Vec<&Cell> = evidence
        .ratios
        .iter()
        .filter(|ratio| {
            ratio.metric == metric && ratio.contrast == by_reference() && shared.has(&ratio.cell)
        })
        .map(|ratio| &ratio.cell)
        .collect();
    cells.sort_by_key(|cell| cell.message);
    let crossover = evidence.crossovers.iter().find(|crossover| {
        crossover.contrast == by_reference()
            && crossover.metric == metric
            && crossover.shared == *shared
    });
    let has_helper = family.link.capabilities().has_helper;
    LinkComparison {
        link: family.link,
        shared: shared.without(&[Factor::Link]),
        ack_interval: has_helper.then(|| family.get(Factor::AckInterval)),
        ack_placement: has_helper.then_some(family.ack_placement),
        metric,
        crossover: crossover.map_or(CrossoverOutcome::Undecided, |crossover| crossover.outcome),
        oversubscribed: cells
            .iter()
            .any(|cell| evidence.cell(cell).is_some_and(|estimates| estimates.oversubscribed)),
        points: cells.into_iter().map(|cell| point(evidence, cell)).collect(),
    }
}

fn point(evidence: &Evidence<'_>, cell: &Cell) -> LinkPoint {
    let against = Cell { send_path: SendPath::A2, ..cell.clone() };
    let ratio = |metric: Metric| -> Measured<Estimate> {
        match evidence.ratio(cell, &against, metric) {
            Some(ratio) => ratio.ratio.clone(),
            None => Measured::absent("the two were never measured validly in one complete block"),
        }
    };
    let level = |cell: &Cell, metric: Metric| -> Measured<f64> {
        let estimates = evidence.cell(cell);
        match estimates.and_then(|estimates| estimates.metrics.get(&metric)) {
            Some(Measured::Value(estimate)) => Measured::Value(estimate.mean),
            Some(Measured::Absent { absent }) => Measured::absent(absent.clone()),
            None => Measured::absent("no valid trial"),
        }
    };
    LinkPoint {
        message_bytes: cell.message.bytes().0,
        cost_ratio: ratio(Metric::cost_on(cell.link)),
        sender_cpu_ratio: ratio(Metric::SenderCpuNsPerKib),
        copied_share: level(cell, Metric::CopiedShare),
        bytes_per_packet: [
            level(&against, Metric::BytesPerPacket),
            level(cell, Metric::BytesPerPacket),
        ],
        send_buffer_limited: [
            level(&against, Metric::SendBufferLimitedShare),
            level(cell, Metric::SendBufferLimitedShare),
        ],
    }
}

/// The comparisons in words: one verdict for what differs in nothing but the sink's interval and placement.
pub(crate) fn verdicts(comparisons: &[LinkComparison]) -> Vec<LinkVerdict> {
    let mut order: Vec<(Link, Shared)> = Vec::new();
    let mut groups: BTreeMap<(Link, Shared), Vec<&LinkComparison>> = BTreeMap::new();
    for comparison in comparisons {
        let key = (comparison.link, comparison.shared.without(&SETTINGS));
        if !order.contains(&key) {
            order.push(key.clone());
        }
        groups.entry(key).or_default().push(comparison);
    }
    order
        .into_iter()
        .filter_map(|key| groups.get(&key).map(|group| verdict(key.0, &key.1, group)))
        .collect()
}

/// The sizes between which zerocopy comes to cost less, in one setting.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Between(f64, f64),
    /// Already at the smallest size.
    Always,
    /// At none: it costs more at each.
    Never,
    /// At none: the two lie within the plan's margin of each other.
    Alike,
    /// Only below a size between these.
    Until(f64, f64),
    Unknown,
}

const fn from(outcome: &CrossoverOutcome) -> From {
    match *outcome {
        CrossoverOutcome::At { low, high, .. } | CrossoverOutcome::Bracket { low, high } => {
            From::Between(low, high)
        }
        CrossoverOutcome::Always => From::Always,
        CrossoverOutcome::Never => From::Never,
        CrossoverOutcome::Alike => From::Alike,
        CrossoverOutcome::Until { low, high, .. }
        | CrossoverOutcome::UntilBracket { low, high } => From::Until(low, high),
        CrossoverOutcome::Undecided => From::Unknown,
    }
}

/// What a link's cost is called.
const fn cost_words(link: Link) -> &'static str {
    if link.has_receiver() { "CPU of both ends" } else { "sender-side cost" }
}

fn verdict(link: Link, shared: &Shared, group: &[&LinkComparison]) -> LinkVerdict {
    let found: Vec<From> = group.iter().map(|comparison| from(&comparison.crossover)).collect();
    let between = span(&found, |from| match from {
        From::Between(low, high) => Some((low, high)),
        From::Always | From::Never | From::Alike | From::Until(..) | From::Unknown => None,
    });
    let all_between = between.count == found.len();
    let what = match group {
        [one] => outcome(&one.crossover),
        _ => range(&found, &between),
    };
    let crowd = if group.iter().any(|comparison| comparison.oversubscribed) {
        ", oversubscribed (no cause is claimed)"
    } else {
        ""
    };
    let over = over_settings(group);
    let shared_by_all = shared_words(shared);
    if let Some(why) = never_compared(group) {
        return LinkVerdict {
            link,
            shared: shared.clone(),
            line: format!("{link}, {shared_by_all}: zerocopy and sendmsg were not compared: {why}"),
            settings: u32::try_from(group.len()).unwrap_or(u32::MAX),
            from_bytes: Measured::absent(why),
            to_bytes: Measured::absent(why),
        };
    }
    let line = format!(
        "{link}, {shared_by_all}{crowd}: zerocopy costs less than sendmsg in {} {what}{over}; {}{}",
        cost_words(link),
        copied(group),
        held_back(group)
    );
    let end = |bytes: f64| {
        if all_between {
            Measured::Value(bytes)
        } else {
            Measured::absent("not every setting has a break-even in this range")
        }
    };
    LinkVerdict {
        link,
        shared: shared.clone(),
        line,
        settings: u32::try_from(group.len()).unwrap_or(u32::MAX),
        from_bytes: end(between.low),
        to_bytes: end(between.high),
    }
}

/// Why no size of any setting has a ratio.
fn never_compared<'a>(group: &[&'a LinkComparison]) -> Option<&'a str> {
    let mut points = group.iter().flat_map(|comparison| &comparison.points);
    let first = points.next()?.cost_ratio.reason()?;
    points.all(|point| point.cost_ratio.reason().is_some()).then_some(first)
}

/// The sizes over all settings that have one kind of outcome.
struct Span {
    /// Settings that have it.
    count: usize,
    low: f64,
    high: f64,
}

fn span(found: &[From], sizes: impl Fn(From) -> Option<(f64, f64)>) -> Span {
    let mut span = Span { count: 0, low: f64::INFINITY, high: 0.0 };
    for (low, high) in found.iter().filter_map(|from| sizes(*from)) {
        span.count += 1;
        span.low = span.low.min(low);
        span.high = span.high.max(high);
    }
    span
}

/// `from a size between 8 KiB and 14 KiB on`, over all settings; or how many settings have which outcome.
fn range(found: &[From], between: &Span) -> String {
    let until = span(found, |from| match from {
        From::Until(low, high) => Some((low, high)),
        From::Between(..) | From::Always | From::Never | From::Alike | From::Unknown => None,
    });
    let count = |kind: From| found.iter().filter(|from| **from == kind).count();
    let sizes = |span: &Span| format!("a size between {} and {}", size(span.low), size(span.high));
    let parts = [
        (between.count, format!("from {} on", sizes(between))),
        (count(From::Always), outcome(&CrossoverOutcome::Always)),
        (count(From::Never), outcome(&CrossoverOutcome::Never)),
        (count(From::Alike), outcome(&CrossoverOutcome::Alike)),
        (until.count, format!("only below {}", sizes(&until))),
        (count(From::Unknown), outcome(&CrossoverOutcome::Undecided)),
    ];
    let all = found.len();
    let told = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, words)| {
        if n == all { words } else { format!("{words} in {n} of {all} settings") }
    });
    listed(&told.collect::<Vec<_>>())
}

/// ` over 2 placements and 3 intervals of acknowledgements`; one setting is named.
fn over_settings(group: &[&LinkComparison]) -> String {
    let mut intervals: Vec<&String> =
        group.iter().filter_map(|comparison| comparison.ack_interval.as_ref()).collect();
    let mut placements: Vec<_> =
        group.iter().filter_map(|comparison| comparison.ack_placement).collect();
    intervals.sort_unstable();
    intervals.dedup();
    placements.sort_unstable();
    placements.dedup();
    let (Some(interval), Some(placement)) = (intervals.first(), placements.first()) else {
        return String::new();
    };
    let placed = match placements.len() {
        1 => format!("acknowledgements processed on {}", cpu_of(*placement, group)),
        n => counted(n, "placement", "placements"),
    };
    match (placements.len(), intervals.len()) {
        (1, 1) => format!(" ({placed} every {interval})"),
        (_, 1) => format!(" over {placed} of acknowledgements sent every {interval}"),
        (1, n) => format!(" over {n} intervals ({placed})"),
        (_, n) => format!(" over {placed} and {n} intervals of acknowledgements"),
    }
}

/// Whose CPU processes acknowledgements. Steered to several senders' CPUs, a flow's lie on the one that its hash chooses
/// (receive packet steering), which need not be its own sender's.
fn cpu_of(placement: AckPlacement, group: &[&LinkComparison]) -> &'static str {
    let one_sender =
        group.iter().all(|comparison| comparison.shared.cell().threads == Threads::ONE);
    match placement {
        AckPlacement::Helper => "the helper's CPU",
        AckPlacement::Sender if one_sender => "the sender's CPU",
        AckPlacement::Sender => "the senders' CPUs, a flow's on one of them,",
    }
}

/// From this share of TCP's busy time on, the send buffer is part of what was measured.
const HELD_BACK: f64 = 0.1;

/// At how many points the send buffer held zerocopy back, and sendmsg less. The kernel charges whole pages for what
/// zerocopy refers to (zerocopy_fill_skb_from_iter of net/core/datagram.c), so that a buffer holds few small messages; and
/// rare acknowledgements fill it at every size.
fn held_back(group: &[&LinkComparison]) -> String {
    let points: Vec<_> = group.iter().flat_map(|comparison| &comparison.points).collect();
    let held = points.iter().filter(|point| {
        let [copying, by_reference] =
            point.send_buffer_limited.each_ref().map(|share| share.value().copied());
        by_reference.is_some_and(|share| share >= HELD_BACK && share > copying.unwrap_or(0.0))
    });
    match held.count() {
        0 => String::new(),
        n => format!(
            "; at {n} of {} the send buffer held zerocopy back, as whole pages are charged for what it refers to until they are acknowledged (--sndbuf 4MiB would tell how much that matters)",
            counted(points.len(), "point", "points")
        ),
    }
}

/// What the completions of these cells said.
fn copied(group: &[&LinkComparison]) -> String {
    let points = group.iter().flat_map(|comparison| &comparison.points);
    let shares: Vec<f64> = points.filter_map(|point| point.copied_share.value().copied()).collect();
    let least = shares.iter().copied().min_by(f64::total_cmp);
    let most = shares.iter().copied().max_by(f64::total_cmp);
    match (least, most) {
        (Some(least), _) if least >= 1.0 => "every completion was marked copied".to_owned(),
        (_, Some(most)) if most <= 0.0 => "no completion was marked copied".to_owned(),
        (Some(least), Some(most)) => {
            format!("{} to {} of its completions were marked copied", percent(least), percent(most))
        }
        _ => "no valid trial tells of its completions".to_owned(),
    }
}

/// Whether a run's cells of the sink have completions, and none of them is marked copied.
pub(crate) fn nothing_copied_on_the_sink(evidence: &Evidence<'_>) -> bool {
    let shares: Vec<f64> = evidence
        .asked()
        .filter(|e| !e.cell.link.has_receiver() && e.cell.is_itself())
        .filter_map(|e| figure(e, Metric::CopiedShare))
        .map(|share| share.mean)
        .collect();
    !shares.is_empty() && shares.iter().all(|share| *share <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(placement: AckPlacement, shared: &str) -> String {
        let comparison = LinkComparison {
            link: Link::Sink,
            shared: Shared::new(&shared.parse().unwrap(), &[]),
            ack_interval: Some("20us".to_owned()),
            ack_placement: Some(placement),
            metric: Metric::SenderSideCpuNsPerKib,
            points: Vec::new(),
            crossover: CrossoverOutcome::Undecided,
            oversubscribed: false,
        };
        over_settings(&[&comparison])
    }

    #[test]
    fn acknowledgements_lie_on_a_senders_own_cpu_where_there_is_one_sender_alone() {
        let one = placed(AckPlacement::Sender, "threads=1 ack_placement=sender");
        assert_eq!(one, " (acknowledgements processed on the sender's CPU every 20us)");
        for threads in ["threads=2", "threads=16"] {
            let several = placed(AckPlacement::Sender, threads);
            assert!(several.contains("the senders' CPUs, a flow's on one of them,"), "{several}");
            let helper = placed(AckPlacement::Helper, threads);
            assert_eq!(helper, " (acknowledgements processed on the helper's CPU every 20us)");
        }
    }
}
