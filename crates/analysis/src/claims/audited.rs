//! C1, C2, C3 and C6 where an audit or the sink speaks: what the kernel copied, and what sending costs where it copies
//! nothing.

use model::{Audit, Cell, Contrast, Factor, Link, SendPath};

use super::{
    Missing, Reference, Ruling, bookkeeping, copies, copy_audit, paths, refuted, supported,
    through_caches, undecidable,
};
use crate::audited::{OfPath, is_near, not_counted, of_path};
use crate::copies::{PerByte, Step, of_cell};
use crate::evidence::Evidence;
use crate::figure_text::{listed, outcome, shared_words};
use crate::metric::Metric;
use crate::on_link::main_link;

/// An audit that agrees with itself.
fn idle_audit() -> Missing {
    copy_audit().because("on an idle machine, counting what is copied in and at delivery")
}

/// The verdict of a claim by audit or sink; none where timing decides alone.
pub(super) fn claim(number: usize, main: &Evidence<'_>, whole: &Evidence<'_>) -> Option<Ruling> {
    let sink_alone = main_link(whole).is_none();
    match number {
        1 => c1(whole),
        2 => c2(main, whole),
        3 => c3(main, whole).or_else(|| sink_alone.then(of_the_sink_alone)),
        5 => Some(bookkeeping::c5(main, whole)),
        6 => c6(main, whole, sink_alone),
        19 => Some(through_caches::c19(main, whole)),
        _ => sink_alone.then(of_the_sink_alone),
    }
}

pub(super) fn of_the_sink_alone() -> Ruling {
    undecidable(
        "the sink alone was measured: it has no receiver, and its figures are sender-side cost",
        Missing::plan("the same on a link with a receiver: copycost run --link loopback,sink"),
    )
}

// Law 5 is what these claims are about: it is no premise of theirs.

/// Copies of plain send on its way out: into the socket, and again before delivery.
fn c1(whole: &Evidence<'_>) -> Option<Ruling> {
    let seen = of_path(whole, SendPath::A1);
    let cited = || seen.iter().map(OfPath::reference).collect::<Vec<_>>();
    let told = || texts(&seen);
    let on_way: Vec<_> = seen.iter().filter_map(OfPath::on_the_way_out).collect();
    if on_way.is_empty() {
        let why = not_counted(whole, SendPath::A1, &[Step::In, Step::Deferred])?;
        return Some(undecidable(
            format!("what send's bytes are copied on the way out was not counted: {why}"),
            copy_audit()
                .because("on a kernel with kprobes or fentry and a CPU with breakpoint registers"),
        ));
    }
    Some(if on_way.iter().all(|seen| seen.is(1.0)) {
        refuted(format!(
            "on the way out each byte is copied once, by the sender's call; the other copy is the receiver's own: {}. A network card's DMA is no copy by the CPU",
            told()
        ))
        .from(cited())
    } else if on_way.iter().all(|seen| seen.is(2.0)) {
        supported(format!("each byte is copied twice on the way out: {}", told())).from(cited())
    } else {
        undecidable(
            format!("the audits do not agree on one number of copies: {}", told()),
            idle_audit(),
        )
        .from(cited())
    })
}

fn texts(seen: &[OfPath]) -> String {
    seen.iter().map(OfPath::text).collect::<Vec<_>>().join("; ")
}

/// Whether sendmsg's bytes are copied less often than send's: cell by cell, the same steps of both.
fn c2(main: &Evidence<'_>, whole: &Evidence<'_>) -> Option<Ruling> {
    let (mut fewer, mut same, mut more, mut other) = (0, 0, 0, 0);
    // Cells of which copies in alone were counted for both paths, and why.
    let (mut in_alone, mut why) = (0, Vec::new());
    let mut links = Vec::new();
    let cells = whole.estimates.iter().map(|estimates| &estimates.cell);
    for send in cells.filter(|cell| cell.send_path == SendPath::A1) {
        let sendmsg = Cell { send_path: SendPath::A2, ..send.clone() };
        if [send, &sendmsg].iter().any(|cell| whole.audits.of(cell, Audit::CopyAudit).is_none()) {
            continue;
        }
        let mut both = |step: Step| {
            let [of_send, of_sendmsg] = [send, &sendmsg]
                .map(|cell| of_cell(whole.audits, cell, step).and_then(PerByte::decided));
            match (of_send, of_sendmsg) {
                (Ok(of_send), Ok(of_sendmsg)) => Some([of_send, of_sendmsg]),
                (Err(absent), _) | (_, Err(absent)) => {
                    let absent = format!("{} ({absent})", step.words());
                    if !why.contains(&absent) {
                        why.push(absent);
                    }
                    None
                }
            }
        };
        let (copied_in, deferred) = (both(Step::In), both(Step::Deferred));
        let Some(copied_in) = copied_in else { continue };
        let [of_send, of_sendmsg] = match deferred {
            Some(deferred) => [copied_in[0] + deferred[0], copied_in[1] + deferred[1]],
            None => copied_in,
        };
        in_alone += usize::from(deferred.is_none());
        match (whole_number(of_send), whole_number(of_sendmsg)) {
            (Some(a), Some(b)) if a == b => same += 1,
            (Some(a), Some(b)) if a > b => fewer += 1,
            (Some(_), Some(_)) => more += 1,
            _ => other += 1,
        }
        if !links.contains(&send.link) {
            links.push(send.link);
        }
    }
    let both: Vec<OfPath> = links
        .iter()
        .flat_map(|link| [SendPath::A1, SendPath::A2].map(|path| OfPath::new(whole, path, *link)))
        .flatten()
        .collect();
    let cited = || both.iter().map(OfPath::reference).collect::<Vec<_>>();
    let not_counted = if why.is_empty() {
        String::new()
    } else {
        format!("not counted for both: {}", listed(&why))
    };
    let says = match (fewer, same + more, other) {
        (0, 0, 0) if why.is_empty() => return None,
        (0, 0, 0) => copies::c2(main),
        (0, 1.., 0) => refuted(format!(
            "sendmsg's bytes are copied no less often than send's, so what it saves is calls: {}",
            texts(&both)
        ))
        .from(cited()),
        // What is not copied in may be copied at delivery.
        (1.., 0, 0) if in_alone > 0 => undecidable(
            format!("sendmsg's bytes are copied in less often, but whether they are copied at delivery instead was not counted: {}", texts(&both)),
            idle_audit(),
        )
        .from(cited()),
        (1.., 0, 0) => {
            supported(format!("sendmsg's bytes are copied less often: {}", texts(&both)))
                .from(cited())
        }
        _ => undecidable(format!("the audits do not agree: {}", texts(&both)), idle_audit())
            .from(cited()),
    };
    Some(says.and(&not_counted))
}

/// Copies per byte as a whole number, where they are near one.
fn whole_number(copies: f64) -> Option<u8> {
    (0..=3).find(|n| is_near(copies, f64::from(*n)))
}

/// Over loopback the audit and the completions must tell the same.
fn c3(main: &Evidence<'_>, whole: &Evidence<'_>) -> Option<Ruling> {
    let seen = OfPath::new(whole, SendPath::A3, Link::PAPER)?;
    let copied = seen.on_the_way_out()?;
    let cited = [seen.reference(), Reference::law(3)];
    let of_completions = crate::comparisons::copied_shares(main);
    let said = crate::comparisons::copied_words(main);
    let (says_copied, says_none) = (
        of_completions.is_none_or(|(least, _)| least > 0.0),
        of_completions.is_none_or(|(_, most)| most <= 0.0),
    );
    Some(if copied.is(1.0) && says_copied {
        refuted(format!(
            "the kernel copied the payload when it delivered it: {}; {said}",
            seen.text()
        ))
        .from(cited)
    } else if copied.is(0.0) && says_none {
        supported(format!("{}; {said}", seen.text())).from(cited)
    } else {
        undecidable(
            format!("the audit and the completions do not say the same: {}; {said}", seen.text()),
            idle_audit(),
        )
        .from(cited)
    })
}

/// The claim is of goodput, so a link with a receiver alone decides it. What the sink has is the sender's side of the
/// cost: it stands beside the verdict, and neither makes nor changes one.
fn c6(main: &Evidence<'_>, whole: &Evidence<'_>, sink_alone: bool) -> Option<Ruling> {
    let found: Vec<_> = whole
        .crossovers
        .iter()
        .filter(|c| {
            c.contrast == Contrast::of_paths(SendPath::A3, SendPath::A1)
                && c.metric == Metric::SenderSideCpuNsPerKib
                && !c.shared.cell().link.has_receiver()
                && !c.oversubscribed
                && c.shared.is_itself()
        })
        .collect();
    if found.is_empty() {
        return sink_alone.then(of_the_sink_alone);
    }
    let words: Vec<String> = found
        .iter()
        .map(|c| {
            let shared = c.shared.without(&[Factor::Link]);
            format!("{} ({})", outcome(&c.outcome), shared_words(&shared))
        })
        .collect();
    let told = format!(
        "no goodput, but beside it: into the sink, where it copies nothing, zerocopy's sender-side cost is below send's {}",
        words.join("; ")
    );
    let says = if sink_alone { of_the_sink_alone() } else { paths::c6(main) };
    Some(says.and(&told))
}
