//! C1, C2 and C3: what is copied.

use model::SendPath;
use model::values::Fields;

use super::{Missing, Reference, Ruling, copy_audit, refuted, supported, undecidable};
use crate::comparisons::{Compared, copied_shares, extremes, names, paths};
use crate::evidence::{Evidence, figure};
use crate::figure_text::percent;
use crate::metric::Metric;
use crate::summary::Finding;

/// No record of these instruments counts a copied byte of a plain send.
pub(super) fn c1(_evidence: &Evidence<'_>) -> Ruling {
    undecidable(
        "no record of these instruments counts the bytes that the kernel copies; its source has one copy by the CPU on the way out, and a network card's DMA is none",
        copy_audit(),
    )
}

/// Refuted where, with one field a message, both paths make one call and cost the same: what sendmsg saves with more
/// fields is then calls. A saving that stays is no proof of a copy saved.
pub(super) fn c2(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::EndsCpuNsPerKib;
    let all = paths(evidence, SendPath::A2, SendPath::A1, metric);
    let with = |is_one: bool| -> Vec<Compared> {
        all.iter()
            .filter(|c| {
                // Below a page, the copy is too small a part of the cost to be missed.
                (c.cell.fields == Fields::ONE) == is_one
                    && c.cell.message.bytes().0 >= 4096
                    && !c.oversubscribed
            })
            .cloned()
            .collect()
    };
    let (one, more) = (with(true), with(false));
    let one_field = || {
        Missing::plan(
            "copycost run --send send,sendmsg --fields 1,8 --sizes 4KiB,64KiB --threads 1",
        )
    };
    let Some((_, most)) = extremes(&one) else {
        return undecidable(
            "no record of these instruments counts the bytes that the kernel copies, and no message of one field was sent by both paths, which would part the calls from the copy",
            copy_audit(),
        )
        .also(one_field());
    };
    let cited = || names(&one, metric).into_iter().chain(names(&more, metric));
    if one.iter().all(|c| c.finding == Finding::Equivalent) && more.iter().any(|c| c.is_below(1.0))
    {
        return refuted(format!(
            "with one field both paths make one call and their CPU per KiB is the same ({}); sendmsg saves only where it saves calls",
            most.text()
        ))
        .from(cited());
    }
    undecidable(
        format!(
            "with one field sendmsg's CPU per KiB against send's is {}: not shown to be the same, and no instrument tells a saved copy from other savings",
            most.text()
        ),
        copy_audit(),
    )
    .from(cited())
}

/// What the completions themselves say.
pub(super) fn c3(evidence: &Evidence<'_>) -> Ruling {
    let cells = evidence.asked().filter(|estimates| {
        estimates.cell.send_path == SendPath::A3 && figure(estimates, Metric::CopiedShare).is_some()
    });
    let cited = cells
        .map(|e| Reference::Figure { metric: Metric::CopiedShare, cell: e.cell.clone() })
        .chain([Reference::law(3)]);
    match copied_shares(evidence) {
        None => undecidable(
            "no zero-copy completion came in this run",
            Missing::plan("copycost run --send zerocopy,sendmsg"),
        ),
        Some((_, most)) if most <= 0.0 => {
            supported("no zero-copy completion was marked copied").from(cited)
        }
        Some((least, most)) if least > 0.0 => {
            let share = if least >= 1.0 {
                "every zero-copy completion was marked copied".to_owned()
            } else {
                format!(
                    "in every cell zero-copy completions were marked copied, from {} to {} of them",
                    percent(least),
                    percent(most)
                )
            };
            refuted(format!("{share}: the kernel copied the payload when it delivered it"))
                .from(cited)
        }
        Some((_, most)) => undecidable(
            format!(
                "in some cells no completion was marked copied, in others up to {}",
                percent(most)
            ),
            copy_audit(),
        )
        .from(cited),
    }
}
