//! What each send path did with a message, as the run saw it and the kernel's source has it.

use std::collections::BTreeSet;

use model::message::Message;
use model::record::{Outcome, SendTally};
use model::values::MessageSize;
use model::{Audit, Cell, Factor, Link, Measured, ReceivePath, SendPath, TakenBytes};

use crate::copies::{PerByte, Step, expected, of_cell};
use crate::delivery::{Delivery, Unforeseen};
use crate::evidence::{Evidence, figure};
use crate::findings::{Copies, DataPath, DeferredCopies};
use crate::judged::JudgedTrial;
use crate::metric::Metric;
use crate::results::CellEstimates;

/// Fragments of one packet: `MAX_SKB_FRAGS`, include/linux/skbuff.h.
const PACKET_FRAGMENTS: u32 = 17;
/// The paper's middle size: of the sizes measured, the one nearest to it is drawn.
const DRAWN_BYTES: f64 = 4096.0;
/// Slots repeat their places on pages after so many at the latest, for all practical layouts.
const SLOTS_LOOKED_AT: u32 = 64;

/// The data path of each send path of the plan on each link, then of each receive path by which bytes leave the socket in another
/// way, from the cell with the fewest threads whose size is nearest to 4 KiB. None where nobody knows the link, on which it hangs where bytes go.
pub(crate) fn data_paths(evidence: &Evidence<'_>) -> Vec<DataPath> {
    if !evidence.run.states(Factor::Link) {
        return Vec::new();
    }
    // Nothing goes where a path does not exist.
    let asked = || evidence.asked().filter(|estimates| estimates.cell.lacks_path().is_none());
    let paths: BTreeSet<(SendPath, Link)> =
        asked().map(|estimates| (estimates.cell.send_path, estimates.cell.link)).collect();
    // The way out of a socket is the same behind each send path; it is told behind the first.
    let mut receiving: BTreeSet<(Link, ReceivePath)> = BTreeSet::new();
    for cell in asked().map(|estimates| &estimates.cell).filter(|cell| cell.link.has_receiver()) {
        if goes_out_otherwise(cell.receive_path) {
            receiving.insert((cell.link, cell.receive_path));
        }
    }
    let nearest = |is_it: &dyn Fn(&Cell) -> bool| {
        asked().filter(|estimates| is_it(&estimates.cell)).min_by(|a, b| {
            let rank = |estimates: &CellEstimates| {
                let off = (estimates.cell.message.bytes().0 as f64 / DRAWN_BYTES).ln().abs();
                let is_usual = estimates.cell.is_default(Factor::Recv);
                // A path that maps is drawn where it does.
                let maps = figure(estimates, Metric::MappedShare).is_some_and(|it| it.mean > 0.5);
                ((estimates.trials == 0, !is_usual, !maps, estimates.cell.threads), off)
            };
            let ((a, a_off), (b, b_off)) = (rank(a), rank(b));
            a.cmp(&b).then(a_off.total_cmp(&b_off))
        })
    };
    let mut drawn: Vec<&CellEstimates> = Vec::new();
    for (path, link) in paths {
        drawn.extend(nearest(&|cell| cell.send_path == path && cell.link == link));
    }
    for (link, path) in receiving {
        let of_path = nearest(&|cell| cell.receive_path == path && cell.link == link);
        drawn.extend(of_path.filter(|it| drawn.iter().all(|other| other.cell != it.cell)));
    }
    drawn.into_iter().map(|estimates| data_path(evidence, estimates)).collect()
}

/// Whether bytes leave the socket in another way than by being copied to where the program says.
fn goes_out_otherwise(path: ReceivePath) -> bool {
    let can = path.capabilities();
    can.taken != TakenBytes::Copied || can.picks_buffer
}

fn data_path(evidence: &Evidence<'_>, estimates: &CellEstimates) -> DataPath {
    let cell = &estimates.cell;
    let by_reference = cell.passes_by_reference();
    let mapped = figure(estimates, Metric::MappedShare).map_or(0.0, |share| share.mean);
    let delivery = Delivery::of_cell(evidence.host, cell);
    let should = expected(cell, mapped, &delivery);
    let copies = |step: Step, otherwise: f64| {
        let expected = step.of(&should);
        let per_byte = audited(evidence, cell, step);
        Copies { per_byte: per_byte.unwrap_or(otherwise), audited: per_byte.is_some(), expected }
    };
    // Where nobody knows beforehand what delivery does, an audit or the completions say it.
    let told = figure(estimates, Metric::CopiedShare).map(|share| share.mean);
    let counted_deferred = audited(evidence, cell, Step::Deferred);
    let known = |why: &Unforeseen| counted_deferred.or(told).ok_or_else(|| why.clone());
    let copies_deferred = match should.deferred.as_ref().copied().or_else(known) {
        Ok(otherwise) => DeferredCopies::Known(copies(Step::Deferred, otherwise)),
        Err(unforeseen) => DeferredCopies::NotKnown { unforeseen },
    };
    let counted = pages_counted(evidence, cell);
    let tally = total(evidence, cell);
    let per_message = |count: fn(&SendTally) -> u64| match &tally {
        Some(tally) if tally.messages > 0 => {
            Measured::Value(count(tally) as f64 / tally.messages as f64)
        }
        Some(_) => Measured::absent("no whole message was sent"),
        None => Measured::absent(NO_TRIAL),
    };
    let metric = |metric: Metric| match (figure(estimates, metric), estimates.metrics.get(&metric))
    {
        (Some(estimate), _) => Measured::Value(estimate.mean),
        (None, Some(Measured::Absent { absent })) => Measured::absent(absent.clone()),
        (None, _) => Measured::absent(NO_TRIAL),
    };
    DataPath {
        path: cell.send_path,
        cell: cell.clone(),
        send_calls_per_message: metric(Metric::SendCallsPerMessage),
        staged_copies: match &tally {
            Some(tally) if tally.accepted_bytes > 0 => {
                Measured::Value(tally.staged_bytes as f64 / tally.accepted_bytes as f64)
            }
            Some(_) => Measured::absent("no byte was sent"),
            None => Measured::absent(NO_TRIAL),
        },
        copies_in: copies(Step::In, should.copied_in),
        copies_deferred,
        copies_out: copies(Step::Out, should.copied_out),
        pages_pinned_counted: counted.is_some(),
        pages_pinned_per_message: match counted {
            Some(pages) => Measured::Value(pages),
            None if cell.send_path.capabilities().sends_from_file => {
                Measured::absent("what is passed are pages of a file, which need no pinning")
            }
            None if by_reference && cell.send_path.capabilities().registers_buffer => {
                Measured::absent(
                    "the ring is registered: its pages are pinned once, before it is used",
                )
            }
            None if by_reference => match &evidence.host.page_bytes {
                Measured::Value(page) => pages_per_message(cell, *page)
                    .map_or_else(|| Measured::absent(NO_LAYOUT), Measured::Value),
                Measured::Absent { absent } => Measured::absent(absent.clone()),
            },
            None => Measured::absent(
                "the path copies; whether it pins pages all the same was not counted",
            ),
        },
        notifications_per_message: if by_reference
            && cell.send_path.capabilities().gets_notifications
        {
            per_message(|tally| tally.notifications)
        } else {
            Measured::absent("the path has no notifications")
        },
        copied_share: metric(Metric::CopiedShare),
    }
}

const NO_TRIAL: &str = "no valid trial";
const NO_LAYOUT: &str =
    "a message of this size and layout cannot be laid out on this machine's pages";

/// Copies a payload byte as the last audit trial of a cell has them; none where they could be no other than the expected ones.
fn audited(evidence: &Evidence<'_>, cell: &Cell, step: Step) -> Option<f64> {
    of_cell(evidence.audits, cell, step).and_then(PerByte::decided).ok()
}

/// Pages a message that the last audit trial of a cell saw pinned; none where it did not count them.
fn pages_counted(evidence: &Evidence<'_>, cell: &Cell) -> Option<f64> {
    let audited = evidence.audits.of(cell, Audit::CopyAudit)?;
    let Outcome::Finished(finished) = &audited.outcome else { return None };
    let pinned = audited.copies.value()?.pinned.value()?;
    let messages = finished.sender.total.messages;
    (messages > 0).then(|| pinned.pages as f64 / messages as f64)
}

/// What the cell's senders counted over whole valid trials, drain included.
fn total(evidence: &Evidence<'_>, cell: &Cell) -> Option<SendTally> {
    let mut sum: Option<SendTally> = None;
    for judged in evidence.trials.of_cell(cell).filter(|judged| judged.is_valid()) {
        if let Some(finished) = JudgedTrial::finished(judged) {
            sum.get_or_insert_default().add(&finished.sent);
        }
    }
    sum
}

/// Pages that one message's fields lie on, field by field, as `iov_iter_get_pages2` takes them: the mean over the slots
/// of a ring that begins on a page. None where the message cannot be laid out.
pub(crate) fn pages_per_message(cell: &Cell, page_bytes: u64) -> Option<f64> {
    let page = usize::try_from(page_bytes).ok().filter(|page| page.is_power_of_two())?;
    let message = Message::of(cell, page).ok()?;
    let slots = cell.ring.slots(cell.message).clamp(1, SLOTS_LOOKED_AT);
    let mut pages = 0_usize;
    let copies_some = cell.send_path.capabilities().copies_short_fields;
    let is_passed =
        |length: usize| !copies_some || u64::try_from(length).is_ok_and(|it| cell.passes_field(it));
    for slot in 0..slots as usize {
        for field in message.fields().iter().filter(|field| is_passed(field.length)) {
            let first = slot * message.stride() + field.offset;
            pages += (first + field.length - 1) / page - first / page + 1;
        }
    }
    Some(pages as f64 / f64::from(slots))
}

/// The largest size, in bytes, whose message still fits into the fragments of one packet when its pages are passed by
/// reference. None where that cannot be told.
pub(crate) fn size_beyond_fragments(cell: &Cell, page_bytes: u64) -> Option<f64> {
    let fits = |bytes: u64| {
        let message = MessageSize::new(bytes)?;
        let pages = pages_per_message(&Cell { message, ..cell.clone() }, page_bytes)?;
        Some(pages <= f64::from(PACKET_FRAGMENTS))
    };
    let (mut low, mut high) =
        (u64::from(cell.fields.get()), page_bytes.checked_mul(u64::from(PACKET_FRAGMENTS) + 1)?);
    if !fits(low)? || fits(high)? {
        return None;
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(middle)? { low = middle } else { high = middle }
    }
    Some(low as f64)
}
