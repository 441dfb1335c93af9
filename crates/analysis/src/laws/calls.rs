//! Law 2: the system calls that the ends tally are those that the kernel saw, and so are the completions of an io_uring.

use std::collections::{BTreeMap, BTreeSet};

use crate::copies::{AUDIT, both_audits, copy_audit};
use model::audit::{Audited, CompletionCounts};
use model::record::{Calls, Failure, Finished, Outcome};
use model::{Audit, Cell, Measured, Missing, saturating_sum};

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

/// Why the kernel's count of one end or of both is absent, and where.
#[derive(Default)]
struct Uncounted(BTreeMap<(Source, String), BTreeSet<PathOnLink>>);

impl Uncounted {
    fn add(&mut self, source: Source, why: &str, cell: &Cell) {
        self.0.entry((source, why.to_owned())).or_default().insert(PathOnLink::of(cell));
    }

    fn reasons(self) -> impl Iterator<Item = LawReason> {
        let absent = |((source, why), of): ((Source, String), BTreeSet<PathOnLink>)| {
            LawReason::Absent { source, of: of.into_iter().collect(), why }
        };
        self.0.into_iter().map(absent)
    }
}

/// Tally = tracepoints, call by call, over whole audit trials. It holds only where both ends' calls were counted; what is wrong with
/// those of one breaks it whatever is absent of the other.
pub(super) fn calls(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut differ, mut seen, mut told) = (0, 0, 0_u64, 0_u64);
    let mut broken = Vec::new();
    let mut why_not = None;
    let mut uncounted = Uncounted::default();
    for (audited, last) in evidence.audits.all_of(Audit::CopyAudit) {
        let (finished, counts) = match (&audited.outcome, &audited.calls) {
            (Outcome::Finished(finished), Measured::Value(counts)) => (finished, counts),
            // An import brings no audit.
            (Outcome::Imported(_), _) => continue,
            (Outcome::Failed(Failure { why, .. }), _) | (_, Measured::Absent { absent: why }) => {
                why_not.get_or_insert_with(|| why.clone());
                if last {
                    uncounted.add(Source::Calls, why, &audited.cell);
                }
                continue;
            }
        };
        let (who, far) = receiving(finished);
        let ends = [
            (Who::Senders, Source::SenderCalls, finished.sender.total.calls, &counts.sender),
            (who, Source::ReceiverCalls, far, &counts.receiver),
        ];
        let mut differing: Vec<Wrong> = Vec::new();
        let mut is_compared = false;
        for (who, source, tally, counted) in ends {
            match counted {
                Measured::Value(counted) => {
                    is_compared = true;
                    seen = seen.saturating_add(tally.all());
                    differing.extend(wrong(who, &tally, counted));
                }
                Measured::Absent { absent } => {
                    why_not.get_or_insert_with(|| absent.clone());
                    if last {
                        uncounted.add(source, absent, &audited.cell);
                    }
                }
            }
        }
        compared += usize::from(is_compared);
        let completions = completions(finished, &counts.completions);
        let taken = completions.iter().map(|(_, completions)| completions.taken);
        told = told.saturating_add(saturating_sum(taken));
        differing.extend(completions.iter().filter_map(|(who, told)| told.wrong(*who)));
        differ += usize::from(!differing.is_empty());
        broken.extend(differing.into_iter().map(|wrong| breach(audited, wrong)));
    }
    if compared == 0 {
        let why = why_not.or_else(|| evidence.audits.why_not_audited(Audit::CopyAudit));
        let ask = copy_audit_of_calls(evidence, why.clone());
        let absent = LawReason::absent(Source::Calls, why.unwrap_or_default());
        return undecidable(CALLS, [absent], ask);
    }
    let mut reasons = vec![
        LawReason::compared(compared, differ),
        LawReason::Count { of: Counted::Calls, n: seen },
    ];
    if told > 0 {
        reasons.push(LawReason::Count { of: Counted::RingCompletions, n: told });
    }
    if broken.is_empty() && !uncounted.0.is_empty() {
        reasons.extend(uncounted.reasons());
        return undecidable(CALLS, reasons, would_count(evidence, why_not));
    }
    decided(CALLS, compared, reasons, broken)
}

/// What would count the calls of both ends.
fn would_count(evidence: &Evidence<'_>, why_not: Option<String>) -> Missing {
    match evidence.host.peer() {
        Some(_) => both_audits(),
        None => copy_audit_of_calls(evidence, why_not),
    }
}

/// A copy audit that counts calls, and why this run's did not.
fn copy_audit_of_calls(evidence: &Evidence<'_>, why_not: Option<String>) -> Missing {
    let audits = evidence.audits;
    match why_not {
        Some(why) if audits.has_tried(Audit::CopyAudit) => {
            audits.or_why(Audit::CopyAudit, AUDIT, Missing::of_itself(AUDIT).because(why))
        }
        Some(_) | None => copy_audit(evidence, None),
    }
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

/// Each end's completions, where the kernel's are counted. What is posted and never taken breaks the law too: an end waits for all
/// that it asked for.
fn completions(
    finished: &Finished,
    counts: &Measured<CompletionCounts>,
) -> Vec<(Who, Completions)> {
    let Measured::Value(posted) = counts else { return Vec::new() };
    let (sent, received) = (&finished.sender.total, &finished.receiver.total);
    let of = |who, taken, posted: &Measured<u64>| {
        Some((who, Completions { taken, posted: *posted.value()? }))
    };
    let both = [
        of(Who::Senders, sent.ring_completions, &posted.sender),
        of(Who::Receivers, received.ring_completions, &posted.receiver),
    ];
    both.into_iter().flatten().collect()
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
