//! C1, C2, C3 and C6 where an audit or the sink speaks: what the kernel copied, and what sending costs where nothing is copied.

use model::{Audit, Cell, Link, SendPath};

use super::{Reason, Reference, Ruling, Shown, copies, copy_audit, effect, paths};
use crate::audited::{is_near, not_audited, not_counted, of_path, push_new};
use crate::comparisons::{completions, copied_shares, crossed, crossovers};
use crate::copies::{PerByte, Step, idle_audit, lacking, of_cell};
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::on_link::main_link;
use crate::operands::OfPath;

// Law 5 is what these claims are about: it is no premise of theirs.

/// Copies of plain send on its way out: into the socket, and again before delivery.
pub(super) fn c1(_main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let seen = of_path(whole, SendPath::A1);
    let on_way: Vec<_> = seen.iter().filter_map(OfPath::on_the_way_out).collect();
    if on_way.is_empty() {
        let why = not_counted(whole, SendPath::A1);
        let ask = copy_audit(whole, lacking(&why));
        return effect(Shown::NotMeasured, why).lacks(ask);
    }
    let all = |copies: f64| on_way.iter().all(|seen| seen.is(copies));
    let cited: Vec<Reference> = seen.iter().map(OfPath::reference).collect();
    effect(Shown::by(all(1.0), all(2.0)), [Reason::Copies { of: seen }])
        .lacks(idle_audit())
        .from(cited)
}

/// Whether sendmsg's bytes are copied less often than send's: cell by cell, the same steps of both.
pub(super) fn c2(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let (mut fewer, mut same_or_more, mut other) = (0, 0, 0);
    // Cells of which copies in alone were counted for both paths, and why.
    let (mut in_alone, mut why) = (0, Vec::new());
    let mut links = Vec::new();
    for send in whole.cells_of(SendPath::A1) {
        let sendmsg = Cell { send_path: SendPath::A2, ..send.clone() };
        if [send, &sendmsg].iter().any(|cell| whole.audits.of(cell, Audit::CopyAudit).is_none()) {
            continue;
        }
        let mut both = |step: Step| {
            let decided = |cell| of_cell(whole.audits, cell, step).and_then(PerByte::decided);
            match (decided(send), decided(&sendmsg)) {
                (Ok(of_send), Ok(of_sendmsg)) => Some([of_send, of_sendmsg]),
                (Err(absent), _) | (_, Err(absent)) => {
                    push_new(&mut why, Reason::StepNotCounted { step, why: absent });
                    None
                }
            }
        };
        let (copied_in, deferred) = (both(Step::In), both(Step::Deferred));
        let Some(copied_in) = copied_in else { continue };
        in_alone += usize::from(deferred.is_none());
        let [in_later, sendmsg_later] = deferred.unwrap_or_default();
        match (whole_number(copied_in[0] + in_later), whole_number(copied_in[1] + sendmsg_later)) {
            (Some(a), Some(b)) if a > b => fewer += 1,
            (Some(_), Some(_)) => same_or_more += 1,
            _ => other += 1,
        }
        if !links.contains(&send.link) {
            links.push(send.link);
        }
    }
    if fewer + same_or_more + other == 0 {
        let why = if why.is_empty() { vec![not_audited(whole)] } else { why };
        return copies::c2(main, why);
    }
    let paths = [SendPath::A1, SendPath::A2];
    let on_link = |link: &Link| paths.map(|path| OfPath::new(whole, path, *link));
    let both: Vec<OfPath> = links.iter().flat_map(on_link).flatten().collect();
    let cited: Vec<Reference> = both.iter().map(OfPath::reference).collect();
    // What is not copied in may be copied at delivery.
    let shown = Shown::by(fewer + other == 0, same_or_more + other == 0 && in_alone == 0);
    let ask = if in_alone > 0 { copy_audit(whole, lacking(&why)) } else { idle_audit() };
    effect(shown, [Reason::Copies { of: both }].into_iter().chain(why)).lacks(ask).from(cited)
}

/// Copies per byte as a whole number, where they are near one.
fn whole_number(copies: f64) -> Option<u8> {
    (0..=3).find(|n| is_near(copies, f64::from(*n)))
}

/// Over loopback the audit and the completions must tell the same; without an audit the completions speak alone.
pub(super) fn c3(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let seen = OfPath::new(whole, SendPath::A3, Link::PAPER);
    let counted = seen.and_then(|seen| seen.on_the_way_out().map(|copied| (seen, copied)));
    let Some((seen, copied)) = counted else {
        return if main_link(whole).is_none() {
            super::without_main_link(whole)
        } else {
            copies::c3(main)
        };
    };
    let marked = copied_shares(main);
    let refuted = copied.is(1.0) && marked.is_none_or(|(least, _)| least > 0.0);
    let supported = copied.is(0.0) && marked.is_none_or(|(_, most)| most <= 0.0);
    let cited = [seen.reference(), Reference::law(3)];
    let seen = [Reason::Copies { of: vec![seen] }, completions(main)];
    effect(Shown::by(refuted, supported), seen).lacks(idle_audit()).from(cited)
}

/// The claim is of goodput, so a link with a receiver alone decides it. What the sink has is the sender's side of the
/// cost: it stands beside the verdict, and neither makes nor changes one.
pub(super) fn c6(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let ruling =
        if main_link(whole).is_none() { super::without_main_link(whole) } else { paths::c6(main) };
    let mut found = crossovers(whole, SendPath::A3, SendPath::A1, Metric::SenderSideCpuNsPerKib);
    found.retain(|c| !c.shared.cell().link.has_receiver() && !c.oversubscribed.is_so());
    if found.is_empty() { ruling } else { ruling.beside([crossed(whole, &found)]) }
}
