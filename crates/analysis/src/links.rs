//! When zero-copy pays, link by link.
//!
//! On the same machine delivery copies what MSG_ZEROCOPY passed by reference; on the sink nothing is copied at all. The two
//! are laid side by side, each in its own cost: CPU of both ends over links with a receiver, sender-side cost on the
//! sink. On the sink the break-even depends on how often and where acknowledgements are processed, so that it is told as
//! the range over all intervals and placements that were measured.

use std::collections::BTreeMap;

use model::factor::Factor;
use model::{Cell, Contrast, Link, Measured, SendPath, Shared};

use crate::estimate::Estimate;
use crate::evidence::{Evidence, figure};
use crate::findings::{CrossoverOutcome, LinkComparison, LinkOutcome, LinkPoint, LinkVerdict};
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;

/// What differs between the settings over which the sink's break-even is a range.
const SETTINGS: [Factor; 2] = [Factor::AckInterval, Factor::AckPlacement];

/// Zerocopy against sendmsg on each link of the plan, in the plan's order.
pub(crate) fn comparisons(evidence: &Evidence<'_>) -> Vec<LinkComparison> {
    comparisons_of(evidence, &by_reference())
}

/// A contrast of two paths on each link of the plan.
pub(crate) fn comparisons_of(evidence: &Evidence<'_>, contrast: &Contrast) -> Vec<LinkComparison> {
    let mut families: Vec<Shared> = Vec::new();
    let pairs = evidence
        .ratios
        .iter()
        .filter(|ratio| ratio.contrast == *contrast && ratio.cell.is_itself())
        // Where a path does not exist there is nothing to compare.
        .filter(|ratio| ratio.cell.lacks_path().is_none());
    for ratio in pairs {
        let family = Shared::new(&ratio.cell, &[Factor::Send, Factor::Message]);
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families.iter().map(|family| comparison(evidence, contrast, family)).collect()
}

/// What passing by reference saves, the number of calls being the same: the one path over the other.
const BY_REFERENCE: [SendPath; 2] = [SendPath::A3, SendPath::A2];

fn by_reference() -> Contrast {
    let [path, against] = BY_REFERENCE;
    Contrast::of_paths(path, against)
}

fn comparison(evidence: &Evidence<'_>, contrast: &Contrast, shared: &Shared) -> LinkComparison {
    let family = shared.cell();
    let metric = Metric::cost_on(family.link);
    let mut cells: Vec<&Cell> = evidence
        .ratios
        .iter()
        .filter(|ratio| {
            ratio.metric == metric && ratio.contrast == *contrast && shared.has(&ratio.cell)
        })
        .map(|ratio| &ratio.cell)
        .collect();
    cells.sort_by_key(|cell| cell.message);
    let crossover = evidence.crossovers.iter().find(|crossover| {
        crossover.contrast == *contrast && crossover.metric == metric && crossover.shared == *shared
    });
    let has_helper = family.link.capabilities().has_helper;
    LinkComparison {
        link: family.link,
        stated_link: evidence.run.stated_link(family.link),
        shared: shared.without(&[Factor::Link]),
        ack_interval: has_helper.then(|| family.get(Factor::AckInterval)),
        ack_placement: has_helper.then_some(family.ack_placement),
        path: BY_REFERENCE[0],
        against: BY_REFERENCE[1],
        metric,
        crossover: crossover.map_or(CrossoverOutcome::Undecided, |crossover| crossover.outcome),
        oversubscribed: Oversubscribed::any(cells.iter().map(|cell| evidence.oversubscribed(cell))),
        points: cells.into_iter().filter_map(|cell| point(evidence, contrast, cell)).collect(),
    }
}

fn point(evidence: &Evidence<'_>, contrast: &Contrast, cell: &Cell) -> Option<LinkPoint> {
    let against = contrast.twin(cell)?;
    let ratio = |metric: Metric| -> Measured<Estimate> {
        let of = |cell: &Cell| {
            let estimates = evidence.cell(cell).filter(|estimates| estimates.trials > 0)?;
            estimates.metrics.get(&metric)?.reason()
        };
        match evidence.ratio(cell, &against, metric) {
            Some(ratio) if ratio.ratio.value().is_some() => ratio.ratio.clone(),
            // A figure that valid trials lack is the nearer cause.
            _ if let Some(why) = of(cell).or_else(|| of(&against)) => Measured::absent(why),
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
    Some(LinkPoint {
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
    })
}

/// One verdict for what differs in nothing but the sink's interval and placement.
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

fn verdict(link: Link, shared: &Shared, group: &[&LinkComparison]) -> LinkVerdict {
    let points = || group.iter().flat_map(|comparison| &comparison.points);
    let outcomes = outcomes(group);
    // A range of break-evens is one where every setting has one.
    let (from_bytes, to_bytes) = match outcomes.as_slice() {
        [LinkOutcome { outcome, .. }] => match *outcome {
            CrossoverOutcome::At { low, high, .. } | CrossoverOutcome::Bracket { low, high } => {
                (Measured::Value(low), Measured::Value(high))
            }
            CrossoverOutcome::Always
            | CrossoverOutcome::Never
            | CrossoverOutcome::Alike
            | CrossoverOutcome::Until { .. }
            | CrossoverOutcome::UntilBracket { .. }
            | CrossoverOutcome::Partly { .. }
            | CrossoverOutcome::Undecided => no_break_even(),
        },
        _ => no_break_even(),
    };
    let not_compared = never_compared(group);
    let absent = |why: &str| (Measured::absent(why), Measured::absent(why));
    let (from_bytes, to_bytes) = not_compared.map_or((from_bytes, to_bytes), absent);
    let shares = points().filter_map(|point| point.copied_share.value().copied());
    let (least, most) =
        shares.fold((f64::INFINITY, 0.0_f64), |(least, most), x| (least.min(x), most.max(x)));
    LinkVerdict {
        link,
        stated_link: group.iter().all(|it| it.stated_link.is_some()).then_some(link),
        shared: shared.clone(),
        outcomes,
        settings: u32::try_from(group.len()).unwrap_or(u32::MAX),
        ack_intervals: distinct(group.iter().filter_map(|it| it.ack_interval.clone())),
        ack_placements: distinct(group.iter().filter_map(|it| it.ack_placement)),
        oversubscribed: Oversubscribed::any(
            group.iter().map(|comparison| comparison.oversubscribed),
        ),
        copied: if least <= most {
            Measured::Value([least, most])
        } else {
            Measured::absent("no completion came")
        },
        points: u32::try_from(points().count()).unwrap_or(u32::MAX),
        held_back: u32::try_from(points().filter(|it| is_held_back(it)).count())
            .unwrap_or(u32::MAX),
        not_compared: not_compared.map(str::to_owned),
        from_bytes,
        to_bytes,
    }
}

fn no_break_even() -> (Measured<f64>, Measured<f64>) {
    const WHY: &str = "not every setting has a break-even in this range";
    (Measured::absent(WHY), Measured::absent(WHY))
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<std::collections::BTreeSet<T>>().into_iter().collect()
}

/// Why no size of any setting has a ratio.
fn never_compared<'a>(group: &[&'a LinkComparison]) -> Option<&'a str> {
    let mut points = group.iter().flat_map(|comparison| &comparison.points);
    let first = points.next()?.cost_ratio.reason()?;
    points.all(|point| point.cost_ratio.reason().is_some()).then_some(first)
}

/// How many settings have which outcome; break-evens are put together as the sizes between which all of them lie.
fn outcomes(group: &[&LinkComparison]) -> Vec<LinkOutcome> {
    if let [one] = group {
        return vec![LinkOutcome { outcome: one.crossover, settings: 1 }];
    }
    let mut outcomes: Vec<LinkOutcome> = Vec::new();
    for comparison in group {
        let wide = match comparison.crossover {
            CrossoverOutcome::At { low, high, .. } => CrossoverOutcome::Bracket { low, high },
            CrossoverOutcome::Until { low, high, .. } => {
                CrossoverOutcome::UntilBracket { low, high }
            }
            same @ (CrossoverOutcome::Bracket { .. }
            | CrossoverOutcome::UntilBracket { .. }
            | CrossoverOutcome::Always
            | CrossoverOutcome::Never
            | CrossoverOutcome::Alike
            | CrossoverOutcome::Partly { .. }
            | CrossoverOutcome::Undecided) => same,
        };
        let known = outcomes.iter_mut().find_map(|it| Some((both(it.outcome, wide)?, it)));
        if let Some((outcome, known)) = known {
            *known = LinkOutcome { outcome, settings: known.settings + 1 };
        } else {
            outcomes.push(LinkOutcome { outcome: wide, settings: 1 });
        }
    }
    outcomes.sort_by_key(|it| match it.outcome {
        CrossoverOutcome::At { .. } | CrossoverOutcome::Bracket { .. } => 0,
        CrossoverOutcome::Always => 1,
        CrossoverOutcome::Never => 2,
        CrossoverOutcome::Alike => 3,
        CrossoverOutcome::Until { .. } | CrossoverOutcome::UntilBracket { .. } => 4,
        CrossoverOutcome::Partly { .. } => 5,
        CrossoverOutcome::Undecided => 6,
    });
    outcomes
}

/// Two outcomes of one kind as one.
fn both(one: CrossoverOutcome, other: CrossoverOutcome) -> Option<CrossoverOutcome> {
    use CrossoverOutcome::{Bracket, UntilBracket};
    match (one, other) {
        (Bracket { low, high }, Bracket { low: a, high: b }) => {
            Some(Bracket { low: low.min(a), high: high.max(b) })
        }
        (UntilBracket { low, high }, UntilBracket { low: a, high: b }) => {
            Some(UntilBracket { low: low.min(a), high: high.max(b) })
        }
        (one, other) => (one == other).then_some(one),
    }
}

/// From this share of TCP's busy time on, the send buffer is part of what was measured.
pub(crate) const HELD_BACK: f64 = 0.1;

/// Whether the send buffer held zerocopy back, and sendmsg less. The kernel charges whole pages for what zerocopy refers
/// to (zerocopy_fill_skb_from_iter of net/core/datagram.c), so that a buffer holds few small messages; and rare
/// acknowledgements fill it at every size.
fn is_held_back(point: &LinkPoint) -> bool {
    let [copying, by_reference] =
        point.send_buffer_limited.each_ref().map(|share| share.value().copied());
    by_reference.is_some_and(|share| share >= HELD_BACK && share > copying.unwrap_or(0.0))
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
