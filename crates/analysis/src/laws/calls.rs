//! Law 2: the system calls that the ends tally are those that the kernel saw, and so are the completions of an io_uring.

use std::collections::{BTreeMap, BTreeSet};

use crate::copies::copy_audit;
use model::audit::{Audited, CompletionCounts};
use model::record::{Calls, Failure, Finished, Outcome};
use model::{Audit, Measured, saturating_sum};

use super::reason::{
    Breach, BreachRecord, Counted, Figure, LawReason, PathOnLink, Source, Who, Wrong,
};
use super::{decided, undecidable};
use crate::evidence::Evidence;
use crate::laws::law::Law;

const CALLS: u32 = 2;

/// Each tallied call by the names under which kernels know it: `send` of the C library is `sendto` without an address,
/// and aarch64 has `poll` and `epoll_wait` in their later forms alone. `getsockopt` is none of them: it reads the kernel's
/// figures at each edge too.
fn by_kernel_name(calls: &Calls) -> [(&'static [&'static str], u64); 11] {
    [
        (&["sendto"], calls.send),
        (&["sendmsg"], calls.sendmsg),
        (&["sendfile"], calls.sendfile),
        (&["splice"], calls.splice),
        (&["vmsplice"], calls.vmsplice),
        (&["io_uring_enter"], calls.io_uring_enter),
        (&["recvfrom"], calls.recv),
        (&["recvmsg"], calls.recvmsg.saturating_add(calls.recvmsg_errqueue)),
        (&["readv"], calls.readv),
        (&["poll", "ppoll"], calls.poll),
        (&["epoll_wait", "epoll_pwait", "epoll_pwait2"], calls.epoll_wait),
    ]
}

/// Tally = tracepoints, call by call, over whole audit trials.
pub(super) fn calls(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut differ, mut seen, mut told) = (0, 0, 0_u64, 0_u64);
    let mut broken = Vec::new();
    let mut why_not = None;
    let mut uncounted = BTreeSet::new();
    for (audited, last) in evidence.audits.all_of(Audit::CopyAudit) {
        let (finished, counts) = match (&audited.outcome, &audited.calls) {
            (Outcome::Finished(finished), Measured::Value(counts)) => (finished, counts),
            // An import brings no audit.
            (Outcome::Imported(_), _) => continue,
            (Outcome::Failed(Failure { why, .. }), _) | (_, Measured::Absent { absent: why }) => {
                why_not.get_or_insert_with(|| why.clone());
                uncounted.extend(last.then(|| PathOnLink::of(&audited.cell)));
                continue;
            }
        };
        compared += 1;
        let (who, calls) = receiving(finished);
        seen = seen.saturating_add(finished.sender.total.calls.all()).saturating_add(calls.all());
        let completions = completions(finished, &counts.completions);
        let taken = completions.iter().map(|(_, completions)| completions.taken);
        told = told.saturating_add(saturating_sum(taken));
        let differing: Vec<Wrong> =
            wrong(Who::Senders, &finished.sender.total.calls, &counts.sender)
                .chain(wrong(who, &calls, &counts.receiver))
                .chain(completions.iter().filter_map(|(who, told)| told.wrong(*who)))
                .collect();
        differ += usize::from(!differing.is_empty());
        broken.extend(differing.into_iter().map(|wrong| breach(audited, wrong)));
    }
    if compared == 0 {
        let why = why_not.or_else(|| evidence.audits.why_not_audited(Audit::CopyAudit));
        let absent = LawReason::absent(Source::Calls, why.unwrap_or_default());
        return undecidable(CALLS, [absent], copy_audit());
    }
    let mut reasons = vec![
        LawReason::compared(compared, differ),
        LawReason::Count { of: Counted::Calls, n: seen },
    ];
    if told > 0 {
        reasons.push(LawReason::Count { of: Counted::RingCompletions, n: told });
    }
    if broken.is_empty() && !uncounted.is_empty() {
        let (of, why) = (uncounted.into_iter().collect(), why_not.unwrap_or_default());
        reasons.push(LawReason::Absent { source: Source::Calls, of, why });
        return undecidable(CALLS, reasons, copy_audit());
    }
    decided(CALLS, compared, reasons, broken)
}

/// What is wrong with an audit trial.
pub(super) fn breach(audited: &Audited, wrong: Wrong) -> Breach {
    Breach { record: BreachRecord::Audit { cell: audited.cell.clone() }, wrong }
}

/// The calls at the far end: on the sink its helper sends one frame a call.
fn receiving(finished: &Finished) -> (Who, Calls) {
    match &finished.sink {
        Measured::Value(sink) => {
            let send = sink.total.acks.saturating_add(sink.total.failed_sends);
            (Who::SinkHelper, Calls { send, ..Calls::default() })
        }
        Measured::Absent { .. } => (Who::Receivers, finished.receiver.total.calls),
    }
}

/// What an end's io_urings told it.
struct Completions {
    taken: u64,
    posted: u64,
}

impl Completions {
    fn wrong(&self, who: Who) -> Option<Wrong> {
        let Self { taken, posted } = *self;
        let figure = Figure::RingCompletions { who };
        (posted != taken).then(|| Wrong::figure(figure, posted as f64, taken as f64))
    }
}

/// Both ends' completions, where the kernel's are counted. What is posted and never taken breaks the law too: an end waits for all
/// that it asked for.
fn completions(
    finished: &Finished,
    counts: &Measured<CompletionCounts>,
) -> Vec<(Who, Completions)> {
    let Measured::Value(posted) = counts else { return Vec::new() };
    let (sent, received) = (&finished.sender.total, &finished.receiver.total);
    let of = |taken, posted| Completions { taken, posted };
    vec![
        (Who::Senders, of(sent.ring_completions, posted.sender)),
        (Who::Receivers, of(received.ring_completions, posted.receiver)),
    ]
}

fn wrong<'a>(
    who: Who,
    tally: &Calls,
    seen: &'a BTreeMap<String, u64>,
) -> impl Iterator<Item = Wrong> + use<'a> {
    by_kernel_name(tally).into_iter().filter_map(move |(names, tallied)| {
        let seen = saturating_sum(names.iter().filter_map(|name| seen.get(*name)).copied());
        let figure = Figure::Calls { who, call: names.first()? };
        (seen != tallied).then(|| Wrong::figure(figure, seen as f64, tallied as f64))
    })
}
