//! What the CPU was doing, from the names of kernel functions: the published table `docs/CATEGORIES.md`.
//!
//! The idea is that of "Understanding Host Network Stack Overheads" (Cai et al., SIGCOMM 2021), whose table fits Linux 5.4
//! and has one category a function. Here the innermost frame that has a category decides, so that helpers which serve
//! everybody (`memcpy`, list and RCU helpers, `rep_movs_alternative`) count for whoever called them.

use model::audit::Owner;
use schemars::JsonSchema;
use serde::Serialize;

mod table;

pub use table::TABLE;

/// The table's version: another one for every change that moves samples from one category to another.
pub const TABLE_VERSION: u32 = 2;

/// A sample counts for a caller this many frames further out at most. Beyond that, the caller (at last the system call
/// itself, which calls everything) says nothing of what was done, and the sample is unmapped.
pub const MOST_PASSED_OVER: usize = 3;

/// What the CPU was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Copying payload.
    DataCopy,
    /// Pinning pages, posting and reading notifications for zero-copy sends. Dropping references to pages is a part of
    /// freeing packets ([`Self::PacketMemory`], [`Self::PageMemory`]).
    ZerocopyBookkeeping,
    /// TCP and IP.
    TcpIp,
    /// Devices, queues, softirq.
    DeviceAndSoftirq,
    /// Packets' memory.
    PacketMemory,
    /// Pages.
    PageMemory,
    /// Locks.
    Locks,
    /// Scheduling and wake-ups.
    Scheduling,
    /// System calls' own cost.
    SystemCallEntry,
    /// copycost's own code.
    Copycost,
    /// Idle.
    Idle,
    /// Known, and none of the above.
    Other,
}

impl Category {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::DataCopy,
        Self::ZerocopyBookkeeping,
        Self::TcpIp,
        Self::DeviceAndSoftirq,
        Self::PacketMemory,
        Self::PageMemory,
        Self::Locks,
        Self::Scheduling,
        Self::SystemCallEntry,
        Self::Copycost,
        Self::Idle,
        Self::Other,
    ];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DataCopy => "data-copy",
            Self::ZerocopyBookkeeping => "zerocopy-bookkeeping",
            Self::TcpIp => "tcp-ip",
            Self::DeviceAndSoftirq => "device-and-softirq",
            Self::PacketMemory => "packet-memory",
            Self::PageMemory => "page-memory",
            Self::Locks => "locks",
            Self::Scheduling => "scheduling",
            Self::SystemCallEntry => "system-call-entry",
            Self::Copycost => "copycost",
            Self::Idle => "idle",
            Self::Other => "other",
        }
    }

    /// Its name for reading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::DataCopy => "data copy",
            Self::ZerocopyBookkeeping => "zero-copy bookkeeping",
            Self::TcpIp => "TCP/IP",
            Self::DeviceAndSoftirq => "device and softirq",
            Self::PacketMemory => "packet memory",
            Self::PageMemory => "page memory",
            Self::Locks => "locks",
            Self::Scheduling => "scheduling and wake-ups",
            Self::SystemCallEntry => "system-call entry",
            Self::Copycost => "copycost itself",
            Self::Idle => "idle",
            Self::Other => "other",
        }
    }

    /// What counts for it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::DataCopy => {
                "payload copied by the kernel: in, at delivery and out, with the checks of such copies"
            }
            Self::ZerocopyBookkeeping => {
                "pages pinned, notifications made, queued and read; references to pages are dropped in packet and page memory"
            }
            Self::TcpIp => {
                "the protocols: segments, acknowledgements, routes, timers of connections"
            }
            Self::DeviceAndSoftirq => {
                "devices, queueing, segmentation in software, softirqs, BPF programs"
            }
            Self::PacketMemory => {
                "packets (`sk_buff`) made, cloned, merged and freed, the slab, socket memory accounting"
            }
            Self::PageMemory => "pages allocated, freed and faulted in, page fragments of sockets",
            Self::Locks => "spinning and sleeping locks, the socket's own among them",
            Self::Scheduling => {
                "waking, waiting, switching, choosing who runs next, signals between CPUs"
            }
            Self::SystemCallEntry => {
                "into the kernel and back, arguments, descriptors, security hooks, io_uring's queues"
            }
            Self::Copycost => {
                "the ends' own code and the C library's for them, staging copies included"
            }
            Self::Idle => "nothing to do; no part of the busy samples",
            Self::Other => {
                "known and none of these: unix sockets, timer ticks, RCU callbacks, files, the sampling itself"
            }
        }
    }
}

/// How a rule names functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// These functions.
    Exactly(&'static [&'static str]),
    /// All that begin with one of these.
    Beginning(&'static [&'static str]),
}

/// Functions that have a category. A whole name goes before a beginning, a longer beginning before a shorter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which functions.
    pub names: Names,
    /// Their category.
    pub category: Category,
}

/// A kernel function's own category, if it has one.
pub fn category(function: &str) -> Option<Category> {
    let exact = TABLE.iter().find(|rule| match rule.names {
        Names::Exactly(names) => names.contains(&function),
        Names::Beginning(_) => false,
    });
    let beginning = || {
        let beginnings = TABLE.iter().filter_map(|rule| match rule.names {
            Names::Exactly(_) => None,
            Names::Beginning(beginnings) => {
                let fitting = beginnings.iter().filter(|start| function.starts_with(**start));
                fitting.map(|start| start.len()).max().map(|length| (length, rule.category))
            }
        });
        beginnings.max_by_key(|(length, _)| *length).map(|(_, category)| category)
    };
    exact.map(|rule| rule.category).or_else(beginning)
}

/// What a sample counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// A category.
    As(Category),
    /// Neither the function that it fell in nor one of its next callers has one.
    Unmapped,
}

/// What a stack counts for; its frames innermost first.
pub fn decide<'a>(owner: Owner, frames: impl IntoIterator<Item = &'a str>) -> Decided {
    for (passed_over, frame) in frames.into_iter().enumerate() {
        // `program`name`: no kernel function.
        if let Some((program, _)) = frame.split_once('`') {
            let is_end = matches!(owner, Owner::Sender | Owner::Receiver | Owner::Helper);
            return match passed_over {
                0 if is_end && is_nobodys(program) => Decided::Unmapped,
                0 if is_end => Decided::As(Category::Copycost),
                0 => Decided::As(Category::Other),
                // A kernel function without a category, called by the program straight away.
                _ => Decided::Unmapped,
            };
        }
        if passed_over > MOST_PASSED_OVER {
            return Decided::Unmapped;
        }
        if let Some(category) = category(frame) {
            return Decided::As(category);
        }
    }
    Decided::Unmapped
}

/// Whether a frame outside of the kernel lies in no program's file: `[hypervisor]`, `[unmapped]`, `[anonymous]`, `[program]` where an
/// end's code could not be looked into. The kernel's `[vdso]`, from which an end reads its clock, is a part of the end.
fn is_nobodys(program: &str) -> bool {
    program.starts_with('[') && program != "[vdso]"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(frames: &str) -> Decided {
        decide(Owner::Sender, frames.split(' '))
    }

    #[test]
    fn the_innermost_frame_that_has_a_category_decides() {
        for (frames, category) in [
            ("_copy_from_iter tcp_sendmsg_locked tcp_sendmsg", Category::DataCopy),
            ("rep_movs_alternative _copy_to_iter __skb_datagram_iter", Category::DataCopy),
            ("copy_user_generic_string copyin _copy_from_iter", Category::DataCopy),
            ("memcpy skb_copy_ubufs ip_local_deliver_finish", Category::DataCopy),
            ("memcpy_orig pskb_expand_head tcp_write_xmit", Category::PacketMemory),
            (
                "rep_movs_alternative _copy_from_user copy_msghdr_from_user",
                Category::SystemCallEntry,
            ),
            ("gup_fast_fallback __iov_iter_get_pages_alloc", Category::ZerocopyBookkeeping),
            ("internal_get_user_pages_fast iov_iter_get_pages2", Category::ZerocopyBookkeeping),
            ("msg_zerocopy_complete skb_release_data", Category::ZerocopyBookkeeping),
            ("__list_add_valid_or_report tcp_write_xmit", Category::TcpIp),
            ("tcp_wfree loopback_xmit", Category::PacketMemory),
            ("_raw_spin_unlock_irqrestore sock_def_readable tcp_data_ready", Category::Scheduling),
            ("native_queued_spin_lock_slowpath _raw_spin_lock_bh", Category::Locks),
            ("pv_native_safe_halt default_idle", Category::Idle),
            ("native_safe_halt acpi_idle_do_entry", Category::Idle),
            ("__do_softirq irq_exit_rcu", Category::DeviceAndSoftirq),
            ("copycost`engine::pump::send", Category::Copycost),
            ("libc.so.6`[unknown] copycost`x", Category::Copycost),
        ] {
            assert_eq!(of(frames), Decided::As(category), "{frames}");
        }
    }

    #[test]
    fn a_caller_far_out_says_nothing_of_what_was_done() {
        assert_eq!(of("a b c do_syscall_64"), Decided::As(Category::SystemCallEntry));
        assert_eq!(of("a b c d do_syscall_64"), Decided::Unmapped);
        assert_eq!(of("nobody_knows_me"), Decided::Unmapped);
        assert_eq!(of("nobody_knows_me copycost`f"), Decided::Unmapped);
        assert_eq!(decide(Owner::Sender, []), Decided::Unmapped);
    }

    #[test]
    fn what_lies_in_no_program_of_an_end_is_unmapped_and_not_copycost_itself() {
        for program in ["[hypervisor]", "[unmapped]", "[anonymous]", "[program]"] {
            for owner in [Owner::Sender, Owner::Receiver, Owner::Helper] {
                let leaf = format!("{program}`[unknown]");
                assert_eq!(decide(owner, [leaf.as_str()]), Decided::Unmapped, "{leaf}");
                let called = [leaf.as_str(), "copycost`engine::pump::send"];
                assert_eq!(decide(owner, called), Decided::Unmapped, "{leaf}");
            }
        }
        for leaf in ["[vdso]`[unknown]", "libc.so.6`[unknown]", "copycost`[unknown]"] {
            assert_eq!(of(leaf), Decided::As(Category::Copycost), "{leaf}");
        }
    }

    #[test]
    fn somebody_elses_program_is_other() {
        let theirs = decide(Owner::Other, ["[program]`[unknown]"]);
        assert_eq!(theirs, Decided::As(Category::Other));
    }

    #[test]
    fn every_category_of_the_kernel_has_functions_and_no_name_stands_twice() {
        let mut seen = BTreeSet::new();
        let mut categories = BTreeSet::new();
        for rule in TABLE {
            categories.insert(rule.category);
            let (kind, names) = match rule.names {
                Names::Exactly(names) => ("exact", names),
                Names::Beginning(names) => ("beginning", names),
            };
            for name in names {
                assert!(seen.insert((kind, *name)), "{name} stands twice");
                assert!(!name.is_empty());
            }
        }
        let own: Vec<_> = Category::ALL.iter().filter(|one| !categories.contains(one)).collect();
        assert_eq!(own, [&Category::Copycost]);
    }

    #[test]
    fn names_in_files_are_those_that_serde_writes() {
        for category in Category::ALL {
            let written = serde_json::to_string(&category).unwrap();
            assert_eq!(written, format!("\"{}\"", category.name()));
        }
    }
}
