//! `copy-audit`: bytes copied by kernel function, direction and process, and system calls as the kernel counts them.
//!
//! The kernel crate counts; here its sums become copies in, by reference, deferred and out. Where a copy itself cannot be
//! hooked it is told another way, and the figure says which: copied in = accepted − by reference, copied out = what the
//! tracepoint before the copy saw. Only the ends' own threads count (they are named `worker…`; the sink's `helper…`),
//! outside `read` and `write`, since the same functions also serve pipes and files; deferred copies and what is sent again
//! count whoever the softirq came upon, by the network namespace and the port that the packets were for.

use kernel::copy_audit::{self, Count, Counted, Thread, system_calls};
use kernel::{Unavailable, netns};
use std::collections::BTreeMap;

use model::audit::{
    CallCounts, CompletionCounts, CopiedBytes, CopyCounts, FunctionCount, Hook, OTHER_HOST, Owner,
    PinnedPages,
};
use model::{Measured, Missing};

use super::Watched;
use crate::error::missing;

/// Loaded once; attached from [`Self::begin`] to [`Self::end`], so that trials which are timed pay nothing for it.
#[derive(Debug)]
pub(crate) struct CopyAudit {
    kernel: copy_audit::CopyAudit,
    watched: Option<Watched>,
    port: Option<u16>,
}

impl CopyAudit {
    /// Loads whatever this machine allows.
    ///
    /// # Errors
    /// Nothing of it could be had: one line, with the remedy.
    pub(crate) fn open() -> Result<Self, String> {
        let kernel = copy_audit::CopyAudit::open().map_err(|why| why.to_string())?;
        Ok(Self { kernel, watched: None, port: None })
    }

    /// Counts from here on.
    ///
    /// # Errors
    /// The counts cannot be read or reset.
    pub(crate) fn begin(&mut self, watched: &Watched) -> Result<(), String> {
        (self.watched, self.port) = (None, None);
        let ends = watched.here();
        let namespaces: Result<Vec<u32>, Unavailable> =
            ends.iter().copied().map(netns::inode_of).collect();
        namespaces
            .and_then(|inodes| self.kernel.watch_namespaces(&inodes))
            .and_then(|()| self.kernel.reset(&ends))
            .map_err(|why| why.to_string())?;
        self.kernel.attach();
        self.watched = Some(watched.clone());
        Ok(())
    }

    /// The port at which the flows of the trial meet is known now.
    pub(crate) fn meets(&mut self, port: u16) {
        self.port = Some(port);
    }

    /// What was counted since [`Self::begin`].
    pub(crate) fn end(&mut self) -> (Measured<CopyCounts>, Measured<CallCounts>) {
        let absent = |why: Missing| (Measured::absent(why.clone()), Measured::absent(why));
        self.kernel.detach();
        let Some(watched) = self.watched.take() else {
            return absent("the audit was not begun".to_owned().into());
        };
        match self.kernel.read() {
            Ok(mut counts) => {
                counts.retain(|count| is_of_trial(count, watched.has_helper, self.port));
                let seen = Seen { counts: &counts, watched: &watched };
                let hook = |counted| self.kernel.hook(counted);
                (Measured::Value(seen.copies(&hook)), seen.calls(&hook))
            }
            Err(why) => absent(missing(why).unnamed()),
        }
    }
}

/// Whether a packet was for the trial's flows. Who interrupted whom says nothing of it, so that packets count by where they
/// went: in the ends' namespaces, to the port at which they meet. The sink's namespaces are the trial's own, and each of
/// its flows has a port.
fn is_of_trial(count: &Count, has_helper: bool, port: Option<u16>) -> bool {
    let is_packet = matches!(count.counted, Counted::CopyUbufs | Counted::Retransmit);
    has_helper || !is_packet || port.is_none_or(|port| count.number == port)
}

/// How the kernel crate says that something is counted.
type Hooks<'a> = dyn Fn(Counted) -> Result<copy_audit::Hook, Unavailable> + 'a;

fn hook(hook: copy_audit::Hook) -> Hook {
    match hook {
        copy_audit::Hook::Breakpoint => Hook::Breakpoint,
        copy_audit::Hook::Fentry => Hook::Fentry,
        copy_audit::Hook::Kprobe => Hook::Kprobe,
        copy_audit::Hook::Tracepoint => Hook::Tracepoint,
    }
}

/// How the four figures are counted here.
struct Ways {
    copied_in: Result<(Way, Hook), Unavailable>,
    by_reference: Result<Hook, Unavailable>,
    deferred: Result<Hook, Unavailable>,
    copied_out: Result<(Counted, Hook), Unavailable>,
    pinned: Result<Hook, Unavailable>,
}

/// How copies in are counted.
enum Way {
    /// By the function that copies.
    Itself,
    /// Accepted, as this one counts it, less what went by reference.
    Less(Counted),
}

/// Both refusals, where neither the one nor the other way is open.
fn neither(first: Unavailable, second: Unavailable) -> Unavailable {
    let remedy = first.remedy.or(second.remedy);
    let because =
        format!("{}: {}; nor {}: {}", first.what, first.because, second.what, second.because);
    Unavailable { what: first.what, because, remedy }
}

impl Ways {
    fn find(hooks: &Hooks<'_>, speaks_tcp: bool) -> Self {
        let either = |first, second| {
            hooks(first)
                .map(|way| (first, hook(way)))
                .or_else(|_| hooks(second).map(|way| (second, hook(way))))
        };
        // What a socket accepted is told by the value returned, so that a call cut short counts what it took.
        let accepted = match speaks_tcp {
            true => either(Counted::SendLength, Counted::SendmsgLocked),
            false => hooks(Counted::SendLength).map(|way| (Counted::SendLength, hook(way))),
        };
        let by_elimination = || {
            hooks(Counted::ZerocopyIter)?;
            let (accepted, _) = accepted?;
            Ok((Way::Less(accepted), Hook::Elimination))
        };
        let copied_in = match hooks(Counted::CopyFromIter) {
            Ok(way) => Ok((Way::Itself, hook(way))),
            Err(first) => by_elimination().map_err(|second| neither(first, second)),
        };
        let copied_out = hooks(Counted::CopyToIter)
            .map(|way| (Counted::CopyToIter, hook(way)))
            .or_else(|first| {
                let way = hooks(Counted::CopyDatagram);
                way.map(|way| (Counted::CopyDatagram, hook(way)))
                    .map_err(|second| neither(first, second))
            });
        Self {
            copied_in,
            by_reference: hooks(Counted::ZerocopyIter).map(hook),
            deferred: hooks(Counted::CopyUbufs).map(hook),
            copied_out,
            pinned: hooks(Counted::PinnedPages).map(hook),
        }
    }
}

fn measured<T>(result: Result<T, Unavailable>) -> Measured<T> {
    result.map_err(|why| missing(why).unnamed()).into()
}

/// Why copies at delivery are not known where both ends may run under one kernel, in network namespaces of which one is watched.
const ONE_KERNEL: &str = "the other end may run under this very kernel (the boot is the same, or not told), which then copies at delivery in a network namespace that is not watched: audit a run with --link veth";

/// A figure of an end, which is absent where it runs on another host.
fn of<T>(end: Option<u32>, figure: impl FnOnce(u32) -> Measured<T>) -> Measured<T> {
    end.map_or_else(|| Measured::absent(OTHER_HOST), figure)
}

/// What a trial's counts tell.
struct Seen<'a> {
    counts: &'a [Count],
    watched: &'a Watched,
}

impl Seen<'_> {
    /// On whose behalf a process acted.
    fn owner(&self, process: u32) -> Owner {
        if Some(process) == self.watched.sender {
            Owner::Sender
        } else if Some(process) == self.watched.receiver && self.watched.has_helper {
            Owner::Helper
        } else if Some(process) == self.watched.receiver {
            Owner::Receiver
        } else if process == 0 {
            Owner::Idle
        } else {
            Owner::Other
        }
    }

    /// Bytes of a process's own threads.
    fn threads(&self, counted: Counted, process: u32) -> u64 {
        let of = |count: &&Count| {
            count.counted == counted && count.process == process && count.thread != Thread::Any
        };
        self.counts.iter().filter(of).map(|count| count.bytes).sum()
    }

    fn copies(&self, hooks: &Hooks<'_>) -> CopyCounts {
        let Watched { sender, receiver, .. } = *self.watched;
        let ways = Ways::find(hooks, self.watched.speaks_tcp);
        // The splicing function is missing before Linux 6.5, and then nothing goes through it.
        let by_reference = |sender| {
            self.threads(Counted::ZerocopyIter, sender) + self.threads(Counted::SpliceIter, sender)
        };
        let copied_in = |sender| {
            measured(ways.copied_in.map(|(way, hook)| {
                let bytes = match way {
                    Way::Itself => self.threads(Counted::CopyFromIter, sender),
                    Way::Less(accepted) => {
                        self.threads(accepted, sender).saturating_sub(by_reference(sender))
                    }
                };
                CopiedBytes { bytes, hook }
            }))
        };
        let referred = |sender| {
            let counted = |hook| CopiedBytes { bytes: by_reference(sender), hook };
            measured(ways.by_reference.map(counted))
        };
        let copied_out = |receiver| {
            let counted =
                |(counted, hook)| CopiedBytes { bytes: self.threads(counted, receiver), hook };
            measured(ways.copied_out.map(counted))
        };
        let pinned = |sender| {
            let pages = self.threads(Counted::PinnedPages, sender);
            measured(ways.pinned.map(|hook| PinnedPages { pages, hook }))
        };
        CopyCounts {
            copied_in: of(sender, copied_in),
            by_reference: of(sender, referred),
            deferred: self.deferred(ways.deferred),
            copied_out: of(receiver, copied_out),
            pinned: of(sender, pinned),
            functions: self.functions(hooks),
        }
    }

    /// Copies of what was passed by reference, in whatever context: pages of the sender are in its own kernel alone. Packets count
    /// by the namespace that they are in when they are copied, so that both ends' must be watched where one kernel has both.
    fn deferred(&self, way: Result<Hook, Unavailable>) -> Measured<CopiedBytes> {
        let Watched { sender, receiver, may_share_kernel, .. } = *self.watched;
        if sender.is_some() && receiver.is_none() && may_share_kernel {
            return Measured::absent(ONE_KERNEL);
        }
        let is_copy = |count: &&Count| count.counted == Counted::CopyUbufs;
        let bytes = self.counts.iter().filter(is_copy).map(|count| count.bytes).sum();
        of(sender, |_| measured(way.map(|hook| CopiedBytes { bytes, hook })))
    }

    /// Everything by function and owner, in the order of both.
    fn functions(&self, hooks: &Hooks<'_>) -> Vec<FunctionCount> {
        let mut functions = Vec::new();
        // Calls, pages and completions are no bytes.
        let is_of_bytes = |it: &Counted| {
            !matches!(it, Counted::SystemCalls | Counted::PinnedPages | Counted::RingCompletions)
        };
        for counted in Counted::ALL.into_iter().filter(is_of_bytes) {
            for owner in Owner::ALL {
                let of = |count: &&Count| {
                    count.counted == counted && self.owner(count.process) == *owner
                };
                let calls: u64 = self.counts.iter().filter(of).map(|count| count.calls).sum();
                let bytes = self.counts.iter().filter(of).map(|count| count.bytes).sum();
                if calls > 0 {
                    let function = counted.function().to_owned();
                    let hook = measured(hooks(counted).map(hook));
                    functions.push(FunctionCount { function, owner: *owner, calls, bytes, hook });
                }
            }
        }
        functions
    }

    fn calls(&self, hooks: &Hooks<'_>) -> Measured<CallCounts> {
        if let Err(why) = hooks(Counted::SystemCalls) {
            return Measured::absent(missing(why).unnamed());
        }
        // Whichever of its threads was told: io_uring starts some of its own.
        let told = |process| {
            let of = |count: &&Count| {
                count.counted == Counted::RingCompletions && count.process == process
            };
            self.counts.iter().filter(of).map(|count| count.calls).sum()
        };
        let Watched { sender, receiver, .. } = *self.watched;
        let completions = hooks(Counted::RingCompletions).map(|_| CompletionCounts {
            sender: of(sender, |sender| Measured::Value(told(sender))),
            receiver: of(receiver, |receiver| Measured::Value(told(receiver))),
        });
        // At the sink's far end its helper works, which sends each frame with a call of its own.
        let far = if self.watched.has_helper { Thread::Helper } else { Thread::Worker };
        let by_name = |end, thread| {
            let own = |count: &&Count| {
                count.counted == Counted::SystemCalls
                    && count.process == end
                    && count.thread == thread
            };
            let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
            for count in self.counts.iter().filter(own) {
                if let Some(name) = system_calls::name(count.number) {
                    *by_name.entry(name.to_owned()).or_default() += count.calls;
                }
            }
            Measured::Value(by_name)
        };
        Measured::Value(CallCounts {
            sender: of(sender, |sender| by_name(sender, Thread::Worker)),
            receiver: of(receiver, |receiver| by_name(receiver, far)),
            completions: measured(completions),
        })
    }
}

/// Whether anything of it can be had here, and what of it; the note says how each figure would be counted.
///
/// # Errors
/// Nothing can be had.
pub(crate) fn supported() -> Result<Audited, Unavailable> {
    let audit = copy_audit::CopyAudit::open()?;
    Ok(audited(&|counted| audit.hook(counted)))
}

/// What an audit can count here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Audited {
    /// Each step, how it is counted or why it is not.
    pub(crate) note: String,
    /// Whether every step can be.
    pub(crate) is_whole: bool,
}

fn audited(hooks: &Hooks<'_>) -> Audited {
    let ways = Ways::find(hooks, true);
    let figures = [
        ("copied in", ways.copied_in.map(|(_, hook)| hook)),
        ("by reference", ways.by_reference),
        ("deferred", ways.deferred),
        ("copied out", ways.copied_out.map(|(_, hook)| hook)),
        ("pages pinned", ways.pinned),
        ("calls", hooks(Counted::SystemCalls).map(hook)),
        ("completions of io_uring", hooks(Counted::RingCompletions).map(hook)),
    ];
    let is_whole = figures.iter().all(|(_, way)| way.is_ok());
    // Steps of one way, or of one reason why there is none, are told together.
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for (figure, way) in figures {
        let how =
            way.map_or_else(|why| format!("no ({})", why.because), |hook: Hook| hook.to_string());
        match told.iter_mut().find(|(other, _)| *other == how) {
            Some((_, figures)) => figures.push(figure),
            None => told.push((how, vec![figure])),
        }
    }
    let told = told.into_iter().map(|(how, figures)| format!("{}: {how}", figures.join(", ")));
    Audited { note: told.collect::<Vec<_>>().join("; "), is_whole }
}

#[cfg(test)]
#[path = "copy_audit_tests.rs"]
mod tests;
