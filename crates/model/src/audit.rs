//! What heavy instruments tell: copies and system calls counted by the kernel, sampled stacks, copying ceilings.
//!
//! They run in trials of their own, which are never timed: their figures are compared with the tallies of those same
//! trials over their whole length, connecting and draining included.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::measured::Measured;
use crate::missing::Missing;
use crate::names::{Audit, names};
use crate::record::trial::{Outcome, Settings};
use crate::run_command::RunCommand;
use crate::units::Nanos;

/// An audit trial of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audited {
    /// What was audited.
    pub cell: Cell,
    /// The instruments that watched.
    pub audits: Vec<Audit>,
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// What was set, in effect.
    pub settings: Settings,
    /// The trial's own record: its tallies are what the audit is compared with.
    pub outcome: Outcome,
    /// Bytes copied in the kernel.
    pub copies: Measured<CopyCounts>,
    /// System calls of the workers, counted by the kernel.
    pub calls: Measured<CallCounts>,
    /// Sampled stacks.
    pub profile: Measured<Profile>,
}

impl Audited {
    /// Why an instrument gave no figure in a trial that finished; none where it gave some. The copying ceiling has no
    /// audit trial.
    pub fn reason(&self, audit: Audit) -> Option<&str> {
        match audit {
            Audit::CopyAudit => match (&self.copies, &self.calls) {
                // Its calls decide a law of their own.
                (_, Measured::Value(_)) => None,
                (Measured::Value(copies), Measured::Absent { .. }) => copies.why_nothing(),
                (Measured::Absent { absent }, Measured::Absent { .. }) => Some(absent),
            },
            Audit::Profile => self.profile.reason(),
            Audit::Ceiling => None,
        }
    }
}

/// A heavy instrument that was asked for and could not be had: no trial of it was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAudit {
    /// The instrument.
    pub audit: Audit,
    /// The cell that it could not be had for; absent where this machine has it for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Why, and what would give it.
    #[serde(with = "Journalled")]
    pub refusal: Missing,
}

/// How a journal spells what is missing: a step that would give it was called a remedy before it could be undone.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Missing")]
struct Journalled {
    what: String,
    because: String,
    #[serde(rename = "remedy")]
    unlock: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    undo: String,
    #[serde(skip)]
    is_rounds: bool,
    #[serde(skip)]
    command: Option<Box<RunCommand>>,
}

names! {
    /// On whose behalf the kernel did something.
    Owner, "owner" {
        /// The end that sends.
        Sender = "sender",
        /// The end that receives.
        Receiver = "receiver",
        /// The sink's helper.
        Helper = "helper",
        /// The idle thread: interrupts and softirqs that came upon an idle CPU, or idling itself.
        Idle = "idle",
        /// Any other process or kernel thread.
        Other = "other",
    }
}

names! {
    /// How a kernel function was counted.
    Hook, "hook" {
        /// A hardware execution breakpoint with a BPF program behind it.
        Breakpoint = "breakpoint",
        /// A BPF program at the function's entry (fentry).
        Fentry = "fentry",
        /// A kprobe with a BPF program behind it.
        Kprobe = "kprobe",
        /// A kernel tracepoint with a BPF program behind it.
        Tracepoint = "tracepoint",
        /// Not counted itself: what remains of one count when another is taken away.
        Elimination = "elimination",
    }
}

/// Bytes that one kernel function moved for one owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionCount {
    /// The kernel function or tracepoint: `_copy_from_iter`, `skb_copy_ubufs`, `skb:skb_copy_datagram_iovec`, …
    pub function: String,
    /// In whose context it ran. Deferred copies run in softirq, normally on the sending CPU.
    pub owner: Owner,
    /// Calls.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
    /// What counted it; journals from before this was written do not tell.
    #[serde(default = "hook_not_recorded")]
    pub hook: Measured<Hook>,
}

fn hook_not_recorded() -> Measured<Hook> {
    Measured::absent("not recorded")
}

/// A figure of the copy audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedBytes {
    /// Bytes.
    pub bytes: u64,
    /// How they were counted.
    pub hook: Hook,
}

/// Pages that the copy audit saw pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPages {
    /// Pages; one that several sends refer to counts for each.
    pub pages: u64,
    /// How they were counted.
    pub hook: Hook,
}

fn pages_not_counted<T>() -> Measured<T> {
    Measured::absent("the version of copycost that audited this did not count pages")
}

/// Bytes copied in the kernel during an audit trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CopyCounts {
    /// From the sender's memory into the socket (`_copy_from_iter` by the sending end).
    pub copied_in: Measured<CopiedBytes>,
    /// Passed by reference (`skb_zerocopy_iter_stream`, `skb_splice_from_iter` by the sending end).
    pub by_reference: Measured<CopiedBytes>,
    /// Copied after all at delivery (`skb_copy_ubufs`, whatever context it ran in).
    pub deferred: Measured<CopiedBytes>,
    /// From the socket into the receiver's memory (`_copy_to_iter` by the receiving end).
    pub copied_out: Measured<CopiedBytes>,
    /// Pages of user memory to which the kernel took references (`get_user_pages_fast` by the sending end).
    #[serde(default = "pages_not_counted")]
    pub pinned: Measured<PinnedPages>,
    /// Everything that was counted, function by function.
    pub functions: Vec<FunctionCount>,
}

impl CopyCounts {
    /// Why no copy was counted at all, where no hook gave any of the figures; none where one did.
    fn why_nothing(&self) -> Option<&str> {
        let Self { copied_in, by_reference, deferred, copied_out, .. } = self;
        let none = [copied_in, by_reference, deferred, copied_out].map(Measured::reason);
        if none.contains(&None) { None } else { none[0] }
    }
}

/// Why an audit has no figure of the end that ran on the other host, and what would give it: an audit counts in one kernel.
pub const OTHER_HOST: &str = "counted on this host alone: audit a run from the other host too";

/// What the kernel's tracepoints counted of each end: system calls of its workers, by name (`sys_enter`), and what its io_urings
/// told it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallCounts {
    /// The senders' calls; absent where they ran on another host.
    pub sender: Measured<BTreeMap<String, u64>>,
    /// The receivers'; likewise.
    pub receiver: Measured<BTreeMap<String, u64>>,
    /// Entries of completion queues.
    #[serde(default = "completions_not_counted")]
    pub completions: Measured<CompletionCounts>,
}

fn completions_not_counted<T>() -> Measured<T> {
    Measured::absent(
        "the version of copycost that audited this did not count completions of io_uring",
    )
}

/// Entries that the kernel put into the completion queues of each end's io_urings (tracepoint `io_uring_complete`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionCounts {
    /// The sending end's; absent where it ran on another host.
    pub sender: Measured<u64>,
    /// The receiving end's; likewise.
    pub receiver: Measured<u64>,
}

/// Sampled stacks of the CPUs in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// What was sampled: `cycles`, or `cpu-clock` where there is no PMU.
    pub event: String,
    /// Time between two samples of a CPU (`cpu-clock`); the median one seen of `cycles`, halted time included.
    pub interval_ns: Nanos,
    /// How long samples were taken.
    pub span_ns: Nanos,
    /// The CPUs.
    pub cpus: Vec<u32>,
    /// Samples that the kernel had to drop.
    pub lost: u64,
    /// Names of functions: kernel symbols as they are, those of programs as `program`name` with a backtick between.
    pub symbols: Vec<String>,
    /// Stacks that differ, with their samples.
    pub stacks: Vec<Stack>,
}

/// One stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// On whose behalf the CPU ran.
    pub owner: Owner,
    /// The CPU.
    pub cpu: u32,
    /// Places in [`Profile::symbols`], outermost first; the last one is where the sample fell.
    pub frames: Vec<u32>,
    /// Samples.
    pub samples: u64,
}

/// Copying bandwidth, measured before a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long it took.
    pub spent_ns: Nanos,
    /// One entry a routine, working set and set of CPUs.
    pub points: Vec<CeilingPoint>,
}

/// One measurement of copying bandwidth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CeilingPoint {
    /// The routine: `memcpy` (the C library's), `rep-movsb` (x86-64), …
    pub routine: String,
    /// Source and destination together, in bytes.
    pub working_set_bytes: u64,
    /// The CPUs that copied at the same time, each in a working set of its own.
    pub cpus: Vec<u32>,
    /// Bytes copied a second of the copying thread's CPU time, each CPU; the median of several passes.
    pub bytes_per_s: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_from_before_hooks_were_recorded_still_loads_and_says_so() {
        let old = r#"{"function":"_copy_to_iter","owner":"receiver","calls":2,"bytes":70}"#;
        let count: FunctionCount = serde_json::from_str(old).unwrap();
        assert_eq!((count.bytes, count.hook), (70, Measured::absent("not recorded")));
        let new = r#"{"function":"f","owner":"sender","calls":1,"bytes":7,"hook":"kprobe"}"#;
        let count: FunctionCount = serde_json::from_str(new).unwrap();
        assert_eq!(count.hook, Measured::Value(Hook::Kprobe));
        assert_eq!(serde_json::to_string(&count).unwrap(), new);
    }

    #[test]
    fn calls_of_both_ends_or_of_one_alone_are_read_back_and_absent_is_not_zero() {
        let both =
            r#"{"sender":{"sendto":8},"receiver":{},"completions":{"sender":0,"receiver":3}}"#;
        let counts: CallCounts = serde_json::from_str(both).unwrap();
        assert_eq!(counts.sender.value().unwrap()["sendto"], 8);
        assert_eq!(counts.receiver, Measured::Value(BTreeMap::new()));
        assert_eq!(counts.completions.value().unwrap().sender, Measured::Value(0));
        assert_eq!(serde_json::to_string(&counts).unwrap(), both);
        let one = CallCounts {
            receiver: Measured::absent(OTHER_HOST),
            completions: Measured::Value(CompletionCounts {
                sender: Measured::Value(0),
                receiver: Measured::absent(OTHER_HOST),
            }),
            ..counts
        };
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<CallCounts>(&text).unwrap(), one);
        assert_eq!(text.matches("audit a run from the other host too").count(), 2, "{text}");
    }

    #[test]
    fn an_audit_without_any_figure_counted_nothing_and_one_figure_is_enough() {
        let absent = |why: &str| Measured::absent(why.to_owned());
        let mut copies = CopyCounts {
            copied_in: absent("no breakpoints"),
            by_reference: absent("no kprobes"),
            deferred: absent("no kprobes"),
            copied_out: absent("no tracepoint"),
            pinned: Measured::absent("no fentry"),
            functions: Vec::new(),
        };
        assert_eq!(copies.why_nothing(), Some("no breakpoints"));
        copies.copied_out = Measured::Value(CopiedBytes { bytes: 0, hook: Hook::Tracepoint });
        assert_eq!(copies.why_nothing(), None);
    }

    #[test]
    fn an_audit_of_an_older_version_counted_no_pages() {
        let absent = r#"{"absent":"not here"}"#;
        let text = format!(
            r#"{{"copied_in":{absent},"by_reference":{absent},"deferred":{absent},"copied_out":{absent},"functions":[]}}"#
        );
        let counts: CopyCounts = serde_json::from_str(&text).unwrap();
        assert!(counts.pinned.reason().unwrap().contains("did not count pages"));
    }
}
