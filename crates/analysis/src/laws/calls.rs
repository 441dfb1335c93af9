//! Law 2: the system calls that the ends tally are those that the kernel saw.

use std::collections::BTreeMap;

use crate::copies::copy_audit;
use model::audit::Audited;
use model::record::{Calls, Finished, Outcome};
use model::{Audit, Measured};

use super::Text;
use crate::evidence::Evidence;
use crate::explained::Law;
use crate::figure_text::counted;

const CALLS: Text = Text {
    id: 2,
    name: "calls",
    says: "the ends make as many system calls as they tally",
    sources: ["the ends' tally", "the kernel's tracepoints"],
};

/// Each tallied call by the names under which kernels know it: `send` of the C library is `sendto` without an address,
/// and aarch64 has `poll` and `epoll_wait` in their later forms alone.
fn by_kernel_name(calls: &Calls) -> [(&'static [&'static str], u64); 6] {
    [
        (&["sendto"], calls.send),
        (&["sendmsg"], calls.sendmsg),
        (&["recvfrom"], calls.recv),
        (&["recvmsg"], calls.recvmsg_errqueue),
        (&["poll", "ppoll"], calls.poll),
        (&["epoll_wait", "epoll_pwait", "epoll_pwait2"], calls.epoll_wait),
    ]
}

/// Tally = tracepoints, call by call, over whole audit trials.
pub(super) fn calls(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut seen = 0_u64;
    let mut broken = Vec::new();
    let mut why_not = None;
    let mut uncounted = 0;
    for (audited, last) in evidence.audits.all_of(Audit::CopyAudit) {
        let (finished, counts) = match (&audited.outcome, &audited.calls) {
            (Outcome::Finished(finished), Measured::Value(counts)) => (finished, counts),
            (Outcome::Failed(failure), _) => {
                why_not.get_or_insert_with(|| failure.why.clone());
                uncounted += usize::from(last);
                continue;
            }
            (_, Measured::Absent { absent }) => {
                why_not.get_or_insert_with(|| absent.clone());
                uncounted += usize::from(last);
                continue;
            }
        };
        compared += 1;
        seen = seen.saturating_add(all(finished));
        let (who, calls) = receiving(finished);
        let breaches = breaches("the senders", &finished.sender.total.calls, &counts.sender)
            .chain(breaches(who, &calls, &counts.receiver));
        broken.extend(breaches.map(|breach| format!("{}: {breach}", name(audited))));
    }
    if compared == 0 {
        let why = why_not.or_else(|| evidence.audits.why_not_audited(Audit::CopyAudit));
        let because = match why {
            Some(why) => format!("the kernel's count of calls is absent: {why}"),
            None => "the calls that the kernel sees were not counted".to_owned(),
        };
        return CALLS.undecidable(because, copy_audit());
    }
    let trials = counted(compared, "audit trial", "audit trials");
    if broken.is_empty() && uncounted > 0 {
        CALLS.undecidable(format!(
            "{seen} calls tallied in {trials}, and as many seen by the kernel, but in {} of other cells they were not counted: {}",
            counted(uncounted, "audit trial", "audit trials"),
            why_not.unwrap_or_default()
        ), copy_audit())
    } else if broken.is_empty() {
        CALLS.holds(
            compared,
            format!(
                "{seen} calls tallied in {trials}, and as many seen by the kernel, call by call"
            ),
        )
    } else {
        let because = format!("tally and kernel differ {} in {trials}", times(broken.len()));
        CALLS.broken(compared, because, broken)
    }
}

fn times(n: usize) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

/// How an audit trial is named among what breaks a law.
pub(super) fn name(audited: &Audited) -> String {
    format!("audit, {}", audited.cell)
}

/// The calls at the far end: on the sink its helper sends one frame a call.
fn receiving(finished: &Finished) -> (&'static str, Calls) {
    match &finished.sink {
        Measured::Value(sink) => {
            let send = sink.total.acks.saturating_add(sink.total.failed_sends);
            ("the sink's helper", Calls { send, ..Calls::default() })
        }
        Measured::Absent { .. } => ("the receivers", finished.receiver.total.calls),
    }
}

fn all(finished: &Finished) -> u64 {
    finished.sender.total.calls.all().saturating_add(receiving(finished).1.all())
}

fn breaches<'a>(
    who: &'a str,
    tally: &Calls,
    seen: &'a BTreeMap<String, u64>,
) -> impl Iterator<Item = String> + use<'a> {
    by_kernel_name(tally).into_iter().filter_map(move |(names, tallied)| {
        let seen: u64 = names.iter().filter_map(|name| seen.get(*name)).sum();
        (seen != tallied)
            .then(|| format!("{who} tallied {tallied} of {}, the kernel saw {seen}", names[0]))
    })
}
