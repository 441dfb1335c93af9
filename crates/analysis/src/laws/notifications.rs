//! Laws 3, 4 and 11: what the kernel says of zero-copy sends.

use std::collections::BTreeMap;

use model::Missing;
use model::names::Switch;
use model::{Cell, Link, saturating_sum};

use super::reason::{Breach, Counted, Figure, LawReason, Source, Wrong, whole};
use super::{cells_of, decided, undecidable};
use crate::delivery::Delivery;
use crate::evidence::Evidence;
use crate::judged::JudgedTrial;
use crate::laws::law::Law;
use crate::metric::Metric;
use crate::pairs;
use crate::reason::Shown;

const NOTIFICATIONS: u32 = 3;
const COPIED: u32 = 4;
const NEGATIVE_CONTROL: u32 = 11;

/// The control is like sendmsg when its cost is shown to differ by no more than this share. It runs the zero-copy path's
/// own loop (a look at the ring, no notification), so that it need not be equal.
const LIKE: f64 = 0.10;

/// What would give laws about notifications something to look at.
fn zerocopy_in_plan() -> Missing {
    Missing::plan("zerocopy among --send")
}

/// Finished trials of the zerocopy path, with the option on or off.
fn zerocopy<'a>(
    evidence: &'a Evidence<'a>,
    option: Switch,
) -> impl Iterator<Item = &'a JudgedTrial> {
    evidence.trials.all().iter().map(|judged| &**judged).filter(move |judged| {
        let cell = &judged.cell;
        let can = cell.send_path.capabilities();
        // A path that needs no option has none that could be off.
        can.gets_notifications
            && (cell.so_zerocopy == option || (option.is_on() && !can.may_copy_instead()))
            && judged.finished().is_some()
    })
}

/// Sends = completed ids after the drain, none twice, none unknown.
pub(super) fn notifications(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut sends) = (0, 0_u64);
    let mut broken = Vec::new();
    for judged in zerocopy(evidence, Switch::On) {
        let Some(finished) = judged.finished() else { continue };
        let total = &finished.sent;
        compared += 1;
        sends = sends.saturating_add(total.zerocopy_sends);
        let wrong = if total.completed != total.zerocopy_sends {
            (Figure::Completed, total.completed, total.zerocopy_sends)
        } else if total.stray_ids > 0 {
            (Figure::StrayIds, total.stray_ids, 0)
        } else {
            continue;
        };
        broken.push(breach(judged, wrong));
    }
    if broken.is_empty() && sends == 0 {
        return undecidable(NOTIFICATIONS, [LawReason::NoRecord], zerocopy_in_plan());
    }
    let sends = LawReason::Count { of: Counted::Sends, n: sends };
    let seen = [LawReason::compared(compared, broken.len()), sends];
    decided(NOTIFICATIONS, compared, seen, broken)
}

fn breach(judged: &JudgedTrial, (figure, is, should): (Figure, u64, u64)) -> Breach {
    Breach::of_trial(judged, Wrong::figure(figure, is as f64, should as f64))
}

/// What one link's completions said.
#[derive(Default)]
struct OfLink {
    trials: usize,
    differ: usize,
    completions: u64,
    copied: u64,
    sends: u64,
}

/// Every completion of a link that delivers on the same machine is marked copied, and none of the sink. Between two hosts it hangs on
/// what is known of the line; where nobody can tell beforehand, nothing is held against the marks.
pub(super) fn copied(evidence: &Evidence<'_>) -> Law {
    let mut links: BTreeMap<Link, OfLink> = BTreeMap::new();
    let mut broken = Vec::new();
    for judged in zerocopy(evidence, Switch::On) {
        let Some(finished) = judged.finished() else { continue };
        let link = judged.cell.link;
        let total = &finished.sent;
        let marks = total.reliable_marks();
        if marks == 0 {
            continue;
        }
        let should = match Delivery::of(evidence.host, link) {
            Delivery::Copied => marks,
            Delivery::Left => 0,
            Delivery::Unforeseen(_) => total.copied,
        };
        let of_link = links.entry(link).or_default();
        of_link.trials += 1;
        of_link.differ += usize::from(total.copied != should);
        of_link.completions = of_link.completions.saturating_add(marks);
        of_link.copied = of_link.copied.saturating_add(total.copied);
        of_link.sends = of_link.sends.saturating_add(total.zerocopy_sends);
        if total.copied != should {
            broken.push(breach(judged, (Figure::MarkedCopied, total.copied, should)));
        }
    }
    if links.is_empty() {
        return undecidable(COPIED, [LawReason::NoRecord], zerocopy_in_plan());
    }
    // Where it is broken comes first.
    let mut links: Vec<(Link, OfLink)> = links.into_iter().collect();
    links.sort_by_key(|(_, of_link)| of_link.differ == 0);
    let (mut compared, mut is_unforeseen) = (0, false);
    let mut seen = Vec::new();
    for (link, of_link) in links {
        let delivery = Delivery::of(evidence.host, link);
        match &delivery {
            Delivery::Copied | Delivery::Left => compared += of_link.trials,
            Delivery::Unforeseen(_) => is_unforeseen = true,
        }
        seen.push(LawReason::Completions {
            link,
            delivery,
            trials: whole(of_link.trials),
            differ: whole(of_link.differ),
            sends: of_link.sends,
            completions: of_link.completions,
            copied: of_link.copied,
        });
    }
    if broken.is_empty() && is_unforeseen {
        return undecidable(COPIED, seen, known_line());
    }
    decided(COPIED, compared, seen, broken)
}

/// What would let the law say beforehand what delivery to another host does.
fn known_line() -> Missing {
    Missing::of_itself("a line of which it is known whether it copies")
        .unlocked_by("run between network cards with scatter-gather and without tcpdump; or --link veth, of one machine")
}

/// Without SO_ZEROCOPY nothing is notified, and the cost is sendmsg's.
pub(super) fn negative_control(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut broken = Vec::new();
    for judged in zerocopy(evidence, Switch::Off) {
        let Some(finished) = judged.finished() else { continue };
        let total = &finished.sent;
        compared += 1;
        let notified = saturating_sum([total.completed, total.notifications, total.zerocopy_sends]);
        if notified > 0 {
            broken.push(breach(judged, (Figure::Notifications, notified, 0)));
        }
    }
    if compared == 0 {
        return undecidable(
            NEGATIVE_CONTROL,
            [LawReason::NoRecord],
            cells_of(
                evidence,
                |cell| cell.so_zerocopy == Switch::Off,
                "controls on, or --so-zerocopy on,off",
            ),
        );
    }
    let is_notified = !broken.is_empty();
    let notified = LawReason::compared(compared, broken.len());
    let mut missing = None;
    let mut costs = costs_of_control(evidence);
    for cost in &costs {
        let LawReason::Cost { cell, against, ratio, alike, .. } = cost else { continue };
        if *alike == Shown::No {
            let wrong = Wrong::Cost { against: against.clone(), ratio: *ratio };
            broken.push(Breach::of_cell(cell, wrong));
        } else if *alike != Shown::Yes {
            missing = Some(Missing::rounds());
        }
    }
    if costs.is_empty() {
        costs.push(LawReason::absent(Source::CostOfCopy, ""));
        missing = Some(Missing::plan("sendmsg among --send"));
    }
    // What is wrong comes first: it stands for all where there is no room.
    costs.sort_by_key(|cost| !matches!(cost, LawReason::Cost { alike: Shown::No, .. }));
    costs.insert(if is_notified { 0 } else { costs.len() }, notified);
    match missing {
        Some(missing) if broken.is_empty() => undecidable(NEGATIVE_CONTROL, costs, missing),
        _ => decided(NEGATIVE_CONTROL, compared, costs, broken),
    }
}

/// The control's CPU of both ends per KiB against that of the path which copies.
fn costs_of_control(evidence: &Evidence<'_>) -> Vec<LawReason> {
    let mut costs = Vec::new();
    for estimates in evidence.estimates {
        let cell = &estimates.cell;
        let (true, Some(copying)) =
            (cell.copies_instead(), cell.send_path.capabilities().copying_twin)
        else {
            continue;
        };
        // The plan may hold the copying twin with either value of an option that it ignores.
        let twin = [Switch::On, Switch::Off]
            .map(|so_zerocopy| Cell { send_path: copying, so_zerocopy, ..cell.clone() })
            .into_iter()
            .find(|twin| evidence.cell(twin).is_some());
        let Some(against) = twin else { continue };
        let moments = evidence.paired(cell, &against, Metric::cost_on(cell.link));
        let Some(ratio) = pairs::ratio(&moments).value().copied() else { continue };
        let (least, most) = (1.0 / (1.0 + LIKE), 1.0 + LIKE);
        let alike = ratio.low.zip(ratio.high).map_or(Shown::Unclear, |(low, high)| {
            Shown::by(low > most || high < least, low >= least && high <= most)
        });
        let (cell, against) = (Box::new(cell.clone()), Box::new(against));
        costs.push(LawReason::Cost { cell, against, ratio, limit: LIKE, alike });
    }
    costs
}
