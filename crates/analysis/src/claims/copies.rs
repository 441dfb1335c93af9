//! C2 and C3 where no audit decides: what is copied.

use model::values::Fields;
use model::{Factor, RunCommand, SendPath};

use super::{Missing, PartKind, Reason, Reference, Ruling, Shown, copy_audit, effect};
use crate::audited::not_counted;
use crate::comparisons::{completions, copied_shares, paths, unmeasured};
use crate::copies::lacking;
use crate::evidence::{Evidence, figure};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::results::Finding;

/// Refuted where, with one field a message, both paths make one call and cost the same: what sendmsg saves with more
/// fields is then calls. A saving that stays is no proof of a copy saved.
pub(super) fn c2(evidence: &Evidence<'_>, not_counted: Vec<Reason>) -> Ruling {
    let metric = Metric::EndsCpuNsPerKib;
    let mut all = paths(evidence, SendPath::A2, SendPath::A1, metric);
    // Below a page, the copy is too small a part of the cost to be missed.
    all.retain(|c| c.cell.message.bytes().0 >= 4096);
    let too_few_cpus = all.iter().any(|c| c.cell.fields == Fields::ONE && c.oversubscribed.is_so());
    all.retain(|c| !c.oversubscribed.is_so());
    let (one, more): (Vec<Compared>, Vec<Compared>) =
        all.into_iter().partition(|c| c.cell.fields == Fields::ONE);
    let ask = copy_audit(evidence, lacking(&not_counted));
    let counter = Ruling::of(PartKind::Counter, Shown::NotMeasured, not_counted);
    if one.is_empty() {
        let fields =
            RunCommand::new("--send send,sendmsg --fields 1,8 --sizes 4KiB,64KiB --threads 1");
        let seen = if too_few_cpus {
            Reason::TooFewCpus
        } else if evidence.asked().any(|e| e.cell.fields == Fields::ONE) {
            unmeasured(evidence, metric, &[SendPath::A1, SendPath::A2], &[4096, 65_536], &[])
        } else {
            Reason::not_varied(Factor::Fields, "1")
        };
        return counter
            .then(PartKind::Intervention, Shown::NotMeasured, [seen])
            .lacks(ask)
            .lacks(Missing::plan(fields));
    }
    let alike = one.iter().all(|c| c.finding == Finding::Equivalent);
    let saves_calls = alike && more.iter().any(|c| c.is_below(1.0));
    let saved = Reason::contradicting(metric, &more, |c| alike && c.is_below(1.0));
    let seen = [Reason::range(metric, &one), saved.or_else(|| Reason::range(metric, &more))];
    let seen = seen.into_iter().flatten();
    counter
        .then(PartKind::Intervention, Shown::by(saves_calls, false), seen)
        .lacks(ask)
        .from(names(&one, metric))
        .from(names(&more, metric))
}

/// What the completions themselves say.
pub(super) fn c3(evidence: &Evidence<'_>) -> Ruling {
    let seen = [completions(evidence)];
    let Some((least, most)) = copied_shares(evidence) else {
        return effect(Shown::NotMeasured, seen)
            .lacks(Missing::plan(RunCommand::new("--send zerocopy,sendmsg")));
    };
    let metric = Metric::CopiedShare;
    let cells = evidence.asked().filter(|estimates| {
        estimates.cell.passes_by_reference() && figure(estimates, metric).is_some()
    });
    effect(Shown::by(least > 0.0, most <= 0.0), seen)
        .lacks(copy_audit(evidence, lacking(&not_counted(evidence, SendPath::A3))))
        .from(cells.map(|e| Reference::Figure { metric, cell: e.cell.clone() }))
        .from([Reference::law(3)])
}
