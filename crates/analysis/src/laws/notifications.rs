//! Laws 3, 4 and 11: what the kernel says of zero-copy sends.

use std::collections::BTreeMap;

use model::Missing;
use model::names::Switch;
use model::{Cell, Link};

use super::Text;
use crate::evidence::Evidence;
use crate::explained::Law;
use crate::figure_text::over;
use crate::figure_text::{counted, percent, ratio};
use crate::judged::JudgedTrial;
use crate::metric::Metric;
use crate::pairs;

const NOTIFICATIONS: Text = Text {
    id: 3,
    name: "notifications",
    says: "every successful zero-copy send is completed exactly once",
    sources: ["successful zero-copy sends", "ids in the kernel's completions"],
};

const COPIED: Text = Text {
    id: 4,
    name: "copied",
    says: "delivery on the same machine marks every zero-copy completion copied, the sink none",
    sources: ["the link", "the copied mark of the kernel's completions"],
};

const NEGATIVE_CONTROL: Text = Text {
    id: 11,
    name: "negative-control",
    says: "MSG_ZEROCOPY on a socket without SO_ZEROCOPY is an ordinary copy: no notification, and the cost of sendmsg",
    sources: ["the option left off", "completions, and the cost of sendmsg in the same blocks"],
};

/// The control is like sendmsg when its cost is shown to differ by no more than this share. It runs the zero-copy path's
/// own loop (a look at the ring, no notification), so that it need not be equal.
const LIKE: f64 = 0.10;

const NO_ZEROCOPY: &str = "no zero-copy send was made";

/// What would give laws about notifications something to look at.
fn zerocopy_in_plan() -> Missing {
    Missing::plan("zerocopy among --send")
}

/// Finished trials of the zerocopy path, with the option on or off.
fn zerocopy<'a>(
    evidence: &'a Evidence<'a>,
    option: Switch,
) -> impl Iterator<Item = &'a JudgedTrial<'a>> {
    evidence.trials.all().iter().filter(move |judged| {
        let cell = &judged.trial.cell;
        cell.send_path.capabilities().gets_notifications
            && cell.so_zerocopy == option
            && judged.finished().is_some()
    })
}

/// Sends = completed ids after the drain, none twice, none unknown.
pub(super) fn notifications(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut sends = 0_u64;
    let mut broken = Vec::new();
    for judged in zerocopy(evidence, Switch::On) {
        let Some(finished) = judged.finished() else { continue };
        let total = &finished.sender.total;
        compared += 1;
        sends = sends.saturating_add(total.zerocopy_sends);
        if total.zerocopy_sends != total.completed || total.stray_ids > 0 {
            broken.push(format!(
                "{}: {} sends, {} completed, {} unknown or twice",
                judged.name(),
                total.zerocopy_sends,
                total.completed,
                total.stray_ids
            ));
        }
    }
    let trials = counted(compared, "trial", "trials");
    if compared == 0 {
        NOTIFICATIONS.undecidable(NO_ZEROCOPY, zerocopy_in_plan())
    } else if !broken.is_empty() {
        let because = format!("sends and completions differ in {} of {trials}", broken.len());
        NOTIFICATIONS.broken(compared, because, broken)
    } else if sends == 0 {
        NOTIFICATIONS
            .undecidable(format!("none of {trials} made a zero-copy send"), zerocopy_in_plan())
    } else {
        NOTIFICATIONS.holds(compared, format!("{sends} sends in {trials}, each completed once"))
    }
}

/// What the mark's absence shows: `skb_zerocopy_notify_extend` (net/core/skbuff.c) joins a completion to the one before by
/// their ids alone, and the mark of the first stays.
const MERGED: &str = "completions may be merged without comparing this mark, so that it shows that no range of them began copied; that nothing was copied is for the copy audit's count, law 5";

/// What one link's completions said.
#[derive(Default)]
struct OfLink {
    trials: usize,
    completions: u64,
    sends: u64,
}

/// Every completion of a same-machine link is marked copied, and none of the sink.
pub(super) fn copied(evidence: &Evidence<'_>) -> Law {
    let mut links: BTreeMap<Link, OfLink> = BTreeMap::new();
    let mut broken = Vec::new();
    for judged in zerocopy(evidence, Switch::On) {
        let Some(finished) = judged.finished() else { continue };
        let link = judged.trial.cell.link;
        let total = &finished.sender.total;
        if total.completed == 0 {
            continue;
        }
        let of_link = links.entry(link).or_default();
        of_link.trials += 1;
        of_link.completions = of_link.completions.saturating_add(total.completed);
        of_link.sends = of_link.sends.saturating_add(total.zerocopy_sends);
        let should = if link.copies_by_reference_on_delivery() { total.completed } else { 0 };
        if total.copied != should {
            broken.push((
                link,
                format!(
                    "{}: {} of {} completions marked copied",
                    judged.name(),
                    total.copied,
                    total.completed
                ),
            ));
        }
    }
    let compared: usize = links.values().map(|of_link| of_link.trials).sum();
    if compared == 0 {
        return COPIED.undecidable("no zero-copy completion came", zerocopy_in_plan());
    }
    let told: Vec<String> = links
        .iter()
        .map(|(link, seen)| {
            let wrong = broken.iter().filter(|(other, _)| other == link).count();
            let trials = counted(seen.trials, "trial", "trials");
            let over = over(*link);
            match (link.copies_by_reference_on_delivery(), wrong) {
                (true, 0) => format!("all {} completions in {trials} {over} were marked copied", seen.completions),
                (false, 0) => format!(
                    "none of {} completions of {} sends in {trials} {over} was marked copied ({MERGED})",
                    seen.completions, seen.sends
                ),
                (true, n) => format!("in {n} of {trials} {over} not every completion was marked copied: this kernel delivers otherwise, or the mark is wrong"),
                (false, n) => format!("in {n} of {trials} {over} completions were marked copied: something copies packets that the sink drops (a packet tap, a device without scatter-gather)"),
            }
        })
        .collect();
    let told = told.join("; ");
    if broken.is_empty() {
        COPIED.holds(compared, told)
    } else {
        COPIED.broken(compared, told, broken.into_iter().map(|(_, name)| name).collect())
    }
}

/// Without SO_ZEROCOPY nothing is notified, and the cost is sendmsg's.
pub(super) fn negative_control(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut broken = Vec::new();
    for judged in zerocopy(evidence, Switch::Off) {
        let Some(finished) = judged.finished() else { continue };
        let total = &finished.sender.total;
        compared += 1;
        if total.completed + total.notifications + total.zerocopy_sends > 0 {
            broken.push(format!(
                "{}: {} notifications, {} completed ids",
                judged.name(),
                total.notifications,
                total.completed
            ));
        }
    }
    if compared == 0 {
        return NEGATIVE_CONTROL.undecidable(
            "no trial left SO_ZEROCOPY off",
            Missing::plan("controls on, or --so-zerocopy on,off"),
        );
    }
    let trials = counted(compared, "trial", "trials");
    let Control { told, unlike, is_like, missing } = cost_of_control(evidence);
    if !broken.is_empty() {
        let because =
            format!("notifications came in {} of {trials} without SO_ZEROCOPY", broken.len());
        return NEGATIVE_CONTROL.broken(compared, because, broken);
    }
    if !unlike.is_empty() {
        return NEGATIVE_CONTROL.broken(
            compared,
            format!("no notification came in {trials}, but the cost is not sendmsg's: {told}"),
            unlike,
        );
    }
    if !is_like {
        return NEGATIVE_CONTROL
            .undecidable(format!("no notification came in {trials}, but {told}"), missing);
    }
    NEGATIVE_CONTROL.holds(
        compared,
        format!("no notification came in {trials}; {told}, which is within {}", percent(LIKE)),
    )
}

/// What the control costs.
struct Control {
    /// In words.
    told: String,
    /// What would tell, where its cost is not told.
    missing: Missing,
    /// The cells that do not cost what sendmsg does.
    unlike: Vec<String>,
    /// Whether every one is shown to cost the same.
    is_like: bool,
}

/// The control's CPU of both ends per KiB against sendmsg's.
fn cost_of_control(evidence: &Evidence<'_>) -> Control {
    let mut told = Vec::new();
    let mut unlike = Vec::new();
    let mut is_like = true;
    let mut missing = Missing::rounds();
    for estimates in evidence.estimates {
        let cell = &estimates.cell;
        let (false, Some(copying)) = (cell.is_itself(), cell.send_path.capabilities().copying_twin)
        else {
            continue;
        };
        // The plan may hold the copying twin with either value of an option that it ignores.
        let twin = [Switch::On, Switch::Off]
            .map(|so_zerocopy| Cell { send_path: copying, so_zerocopy, ..cell.clone() })
            .into_iter()
            .find(|twin| evidence.cell(twin).is_some());
        let Some(twin) = twin else { continue };
        let moments = evidence.paired(cell, &twin, Metric::cost_on(cell.link));
        let estimate = pairs::ratio(&moments);
        let Some(estimate) = estimate.value() else { continue };
        told.push(format!("{} of sendmsg's CPU per KiB ({cell})", ratio(estimate)));
        let (least, most) = (1.0 / (1.0 + LIKE), 1.0 + LIKE);
        match (estimate.low, estimate.high) {
            (Some(low), Some(high)) if low > most || high < least => {
                unlike.push(format!("all rounds, {cell}: {} of {twin}", ratio(estimate)));
            }
            (low, high) => {
                let is_within =
                    low.is_some_and(|low| low >= least) && high.is_some_and(|high| high <= most);
                is_like &= is_within;
            }
        }
    }
    if told.is_empty() {
        is_like = false;
        missing = Missing::plan("sendmsg among --send");
        told.push("its cost was not compared with sendmsg's".to_owned());
    } else if !is_like {
        told.push(format!("whether that is within {} is not told", percent(LIKE)));
    }
    Control { told: told.join("; "), unlike, is_like, missing }
}
