//! The instruments: one file each. Those of timing trials are cheap and stand behind one trait; the heavy ones
//! (`copy_audit`, `profile`) run in audit trials, and `ceiling` before the first trial.
//!
//! The tally and the zero-copy notifications are counted by the paths themselves, since each counts what only
//! it can know; everything else observes from here.

use model::Instrument as Name;

pub(crate) mod ceiling;
pub(crate) mod copy_audit;
pub(crate) mod counters;
pub(crate) mod cpu_busy;
pub(crate) mod flows;
mod instrument;
pub(crate) mod memory_load;
pub(crate) mod namespace;
pub(crate) mod profile;
pub(crate) mod rusage;
pub(crate) mod throttling;

pub(crate) use instrument::{Edge, Instrument, Scope};

/// What the heavy instruments of an audit trial watch.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// Process id of the end that sends; none where it runs on another host.
    pub(crate) sender: Option<u32>,
    /// Process id of the end that receives, or of the sink's helper; likewise.
    pub(crate) receiver: Option<u32>,
    /// Whether an end that is not watched may run under this very kernel all the same: two network namespaces of one machine.
    pub(crate) may_share_kernel: bool,
    /// Whether the second process only answers for a missing peer: then it has no receiving workers.
    pub(crate) has_helper: bool,
    /// Whether the connections are TCP.
    pub(crate) speaks_tcp: bool,
    /// The CPUs in use, of this host.
    pub(crate) cpus: Vec<u32>,
}

impl Watched {
    /// The ends that run on this host.
    pub(crate) fn here(&self) -> Vec<u32> {
        self.sender.into_iter().chain(self.receiver).collect()
    }
}

/// What an instrument observes, in words.
pub(crate) fn scope(name: Name) -> &'static str {
    fn scope_of<I: Instrument>(name: Name) -> Option<Scope> {
        (I::NAME == name).then_some(I::SCOPE)
    }
    if name == Name::Ceiling {
        return "the CPUs in use";
    }
    let widest = scope_of::<cpu_busy::CpuBusy>(name)
        .or_else(|| scope_of::<rusage::Rusage>(name))
        .or_else(|| scope_of::<counters::Counters>(name))
        .or_else(|| scope_of::<flows::Flows>(name))
        .or_else(|| scope_of::<namespace::Namespace>(name))
        .or_else(|| scope_of::<throttling::Throttling>(name));
    match widest {
        // The tally and the notifications are the workers' own.
        Some(Scope::Worker) | None => "each worker",
        Some(Scope::Process) => "each end",
        Some(Scope::Machine) => "the CPUs in use",
    }
}
