//! Made-up audit trials: the kernel's counts as its source has them, so that every law holds.

use model::audit::{
    Audited, CallCounts, CompletionCounts, CopiedBytes, CopyCounts, FunctionCount, Hook, Owner,
};
use model::names::Audit;
use model::record::{Calls, Finished, Outcome, Record};
use model::{Cell, Link, Measured, Plan, ReceivePath, SendPath};

use crate::trial;

/// Why a made-up audit trial has no stacks.
const NO_PROFILE: &str = "the profile was not asked for";

/// An audit trial of a cell in which everything was counted, and as it should be.
pub fn audited(cell: &Cell) -> Audited {
    let trial = trial(cell, 0).build();
    let (copies, calls) = match &trial.outcome {
        Outcome::Finished(finished) => (copies(cell, finished), calls(finished)),
        Outcome::Failed(failure) => (absent(&failure.why), absent(&failure.why)),
        Outcome::Imported(_) => (absent("imported"), absent("imported")),
    };
    Audited {
        cell: trial.cell,
        audits: vec![Audit::CopyAudit],
        started_unix_ms: trial.started_unix_ms,
        settings: trial.settings,
        outcome: trial.outcome,
        copies,
        calls,
        profile: Measured::absent(NO_PROFILE),
    }
}

/// An audit trial of every cell of a plan, its controls too.
pub fn audits(plan: &Plan) -> Vec<Record> {
    let cells = plan.cells().into_iter().chain(plan.controls());
    cells.map(|cell| Record::Audit(Box::new(audited(&cell)))).collect()
}

fn absent<T>(why: &str) -> Measured<T> {
    Measured::absent(why)
}

fn copies(cell: &Cell, finished: &Finished) -> Measured<CopyCounts> {
    // Written here once more, and not asked of the analysis, whose law these counts must satisfy.
    let is_notified = match cell.send_path {
        SendPath::Zerocopy => cell.so_zerocopy.is_on(),
        SendPath::UringSendZc | SendPath::UringSendmsgZc | SendPath::UringSendZcFixed => true,
        SendPath::Hybrid => cell.field_lengths().any(|bytes| bytes >= cell.copy_below.bytes().0),
        SendPath::Send
        | SendPath::Staged
        | SendPath::Sendmsg
        | SendPath::SendMore
        | SendPath::Sendfile
        | SendPath::Splice
        | SendPath::UringSend
        | SendPath::UringSendmsg
        | SendPath::UringWriteFixed => false,
    };
    let passes_by_reference =
        is_notified || matches!(cell.send_path, SendPath::Sendfile | SendPath::Splice);
    let delivers = cell.link != Link::Sink;
    let accepted = finished.sender.total.accepted_bytes;
    let counted = |is_counted: bool, bytes: u64, hook: Hook| {
        Measured::Value(CopiedBytes { bytes: if is_counted { bytes } else { 0 }, hook })
    };
    let short = if is_notified && cell.send_path == SendPath::Hybrid {
        let is_short = |bytes: &u64| *bytes < cell.copy_below.bytes().0;
        let short: u64 = cell.field_lengths().filter(is_short).sum();
        accepted / cell.message.bytes().0 * short
    } else {
        0
    };
    let copied = if passes_by_reference { short } else { accepted };
    let copied_in = counted(copied > 0, copied, Hook::Breakpoint);
    let by_reference = counted(passes_by_reference, accepted - short, Hook::Fentry);
    // Short fields travel in the packets of long ones, which are copied whole.
    // Between hosts a network card takes them from where they lie.
    let is_here = delivers && cell.link != Link::Ssh;
    let deferred = counted(is_notified && is_here, accepted, Hook::Fentry);
    let received = &finished.receiver.total;
    let out = match cell.receive_path {
        ReceivePath::RecvTrunc => 0,
        ReceivePath::Recv
        | ReceivePath::Recvmsg
        | ReceivePath::Readv
        | ReceivePath::RecvZerocopy
        | ReceivePath::UringRecv => received.received_bytes - received.mapped_bytes,
    };
    let copied_out = counted(delivers, out, Hook::Breakpoint);
    let function = |name: &str, owner: Owner, counted: &Measured<CopiedBytes>| {
        let bytes = counted.value().map_or(0, |counted| counted.bytes);
        let calls = bytes.div_ceil(32_768);
        let hook = match counted {
            Measured::Value(counted) => Measured::Value(counted.hook),
            Measured::Absent { absent } => Measured::absent(absent.clone()),
        };
        let function = name.to_owned();
        (bytes > 0).then_some(FunctionCount { function, owner, calls, bytes, hook })
    };
    let functions = [
        function("_copy_from_iter", Owner::Sender, &copied_in),
        function("skb_zerocopy_iter_stream", Owner::Sender, &by_reference),
        function("skb_copy_ubufs", Owner::Sender, &deferred),
        function("_copy_to_iter", Owner::Receiver, &copied_out),
    ];
    Measured::Value(CopyCounts {
        functions: functions.into_iter().flatten().collect(),
        copied_in,
        by_reference,
        deferred,
        copied_out,
        pinned: Measured::absent("the made-up kernel counts no pages"),
    })
}

fn calls(finished: &Finished) -> Measured<CallCounts> {
    let of = |calls: &Calls| {
        let names = [
            ("sendto", calls.send),
            ("sendmsg", calls.sendmsg),
            ("sendfile", calls.sendfile),
            ("splice", calls.splice),
            ("vmsplice", calls.vmsplice),
            ("io_uring_enter", calls.io_uring_enter),
            ("recvfrom", calls.recv),
            ("recvmsg", calls.recvmsg + calls.recvmsg_errqueue),
            ("readv", calls.readv),
            ("poll", calls.poll),
            ("epoll_wait", calls.epoll_wait),
            // What is not of sockets is counted too, and tallied by nobody.
            ("futex", 3),
        ];
        names.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect()
    };
    let far = match &finished.sink {
        // The helper sends each of its frames with a call of its own.
        Measured::Value(sink) => Calls { send: sink.total.acks, ..Calls::default() },
        Measured::Absent { .. } => finished.receiver.total.calls,
    };
    Measured::Value(CallCounts {
        sender: Measured::Value(of(&finished.sender.total.calls)),
        receiver: Measured::Value(of(&far)),
        completions: Measured::Value(CompletionCounts {
            sender: Measured::Value(finished.sender.total.ring_completions),
            receiver: Measured::Value(finished.receiver.total.ring_completions),
        }),
    })
}
